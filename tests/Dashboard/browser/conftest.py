"""What the tests in a real browser share: the browser, a server over a vault, a watched page."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from ravequant.vault.paths import Vault
from scripts.showcase import browser as finder
from scripts.showcase.chart_server import chart_address
from tests.support.chart_page import ChartPage
from tests.support.notes_market import BTC
from tests.support.screen import Screen, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser


NO_VARIABLES: Mapping[str, str] = {}


@pytest.fixture(scope="module")
def notes_address(notes):
    """Return the address of a server over that vault, for pages that show its past."""
    with served(notes, "--no-refresh", "--instId", BTC) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Return a running Chromium; skips without one, unless RAVEQUANT_BROWSER asks for it."""
    path = finder.on_this_computer()
    if not path:
        pytest.skip(f"{finder.NOT_RUN}: no Chromium, Chrome or Edge on this computer")
    pytest.importorskip("playwright", reason=f"{finder.NOT_RUN}: Playwright is not installed")
    with finder.running(path) as found:
        yield found


@pytest.fixture
def screen(browser) -> Iterator[Callable[..., Screen]]:
    """Return a function: ``screen(vault, "--no-refresh", query="", **context)`` opens the page.

    ``variables`` are for the environment of the server, ``context`` for the browser. Server and
    page end with the test; a console line, a page error or a request to another host
    fails it.
    """
    with ExitStack() as held:
        opened: list[Screen] = []

        def show(
            vault: Vault | str,
            *options: str,
            query: str = "",
            variables: Mapping[str, str] = NO_VARIABLES,
            **context: Any,
        ) -> Screen:
            address = vault
            if isinstance(vault, Vault):
                address = held.enter_context(served(vault, *options, **variables))
            page = held.enter_context(Screen.of(browser, str(address), query, **context))
            opened.append(page)
            return page

        yield show
        for page in opened:
            page.check_quiet()


@pytest.fixture(scope="session")
def chart_files() -> Iterator[str]:
    """Serve the chart by itself; its address."""
    with chart_address() as address:
        yield address


@pytest.fixture
def chart(screen, chart_files) -> ChartPage:
    """Return the chart by itself, without a view yet."""
    return ChartPage(screen(chart_files, viewport={"width": 1200, "height": 800}))
