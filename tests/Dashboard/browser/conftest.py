"""What the tests in a real browser share: the browser, a server over a vault, a watched page."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from scripts.showcase import browser as finder
from scripts.showcase.chart_server import chart_address
from tests.support.chart_page import ChartPage
from tests.support.screen import Screen, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
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

    Server and page end with the test; a console line, a page error or a request to another host
    fails it.
    """
    with ExitStack() as held:
        opened: list[Screen] = []

        def show(vault: Any, *options: str, query: str = "", **context: Any) -> Screen:
            address = (
                vault if isinstance(vault, str) else held.enter_context(served(vault, *options))
            )
            page = held.enter_context(Screen.of(browser, address, query, **context))
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
