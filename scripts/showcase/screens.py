"""Makes the pictures of the dashboard's README: the real page, of the market of a demo.

    python -m scripts.showcase.screens

It needs a Chromium and Playwright (the extra ``browser-test``), and some minutes: the demo's set-up
comes two minutes after its start, and a screen is void two minutes after its recorders have ended.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ravequant import times
from ravequant.catalog import DASHBOARD
from ravequant.vault.paths import CHECKOUT
from scripts.showcase import browser as finder
from scripts.showcase.steps import INSTRUMENTS
from scripts.supervision.tasks import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOLDER: Final = CHECKOUT / "Dashboard" / "pictures"
WIDE: Final = {"width": 1280, "height": 720}
PHONE: Final = {"width": 390, "height": 844}
_WITHIN_S: Final = 600
_PAINTED: Final = "Number(document.documentElement.dataset.seq) > 0"
_PAST: Final = "document.documentElement.dataset.mode === 'replay'"
_MET: Final = "document.querySelectorAll('#card .reasons [data-state=met]').length === 8"
_SIGNAL: Final = f"{_PAINTED} && {_MET}"  # the planted set-up, complete
_HEAT_MS: Final = 6_000  # it comes a part at a time, the newest first


@contextmanager
def program(*words: str) -> Iterator[None]:
    """Run a program of the checkout, and end it as Ctrl-C does."""
    with subprocess.Popen([sys.executable, *words], cwd=CHECKOUT) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


class Studio:
    """Takes pictures of one page after the other."""

    def __init__(self, browser: "Browser", address: str, folder: Path) -> None:
        self._browser, self._address, self._folder = browser, address, folder

    def take(self, name: str, ready: str = _PAINTED, query: str = "", **context: Any) -> None:
        """Open the page anew, wait until an expression is true, and take its picture."""
        chosen = {"viewport": WIDE, "color_scheme": "dark", "timezone_id": "UTC", **context}
        own = self._browser.new_context(**chosen)
        page = own.new_page()
        try:
            _open(page, f"{self._address}/{query}")
            _wait(page, ready)
            page.wait_for_timeout(_HEAT_MS)
            page.screenshot(path=self._folder / f"{name}.png")
            print(f"{name}: {page.title()}")
        finally:
            own.close()


def _open(page: "Page", address: str) -> None:
    """Load an address, trying again until its server answers."""
    from playwright.sync_api import Error  # noqa: PLC0415 - an extra

    for attempt in range(_WITHIN_S):
        try:
            page.goto(address)
        except Error:
            if attempt + 1 == _WITHIN_S:
                raise
            page.wait_for_timeout(1_000)
        else:
            return


def _wait(page: "Page", ready: str) -> None:
    """Wait until an expression is true; the page's own policy forbids that it asks itself."""
    for _ in range(_WITHIN_S * 2):
        if page.evaluate(ready):
            return
        page.wait_for_timeout(500)
    raise TimeoutError(f"{ready}: not true within {_WITHIN_S} s")


def take_all(browser: "Browser", vault: Path, folder: Path) -> None:
    """Take the pictures of a market that is open, then that of one whose recorders have ended."""
    port = str(free_port())
    studio = Studio(browser, f"http://127.0.0.1:{port}", folder)
    screen = ("--dashboard", "--dashboard-port", port, "--no-open")
    with program("scripts/demo.py", *screen, "--vault", str(vault)):
        studio.take("live", _SIGNAL)
        at = times.iso(times.utc_now_ms())[:16]
        studio.take("light", _SIGNAL, color_scheme="light")
        studio.take("phone", _SIGNAL, viewport=PHONE, has_touch=True)
        studio.take("replay", _PAST, query=f"?inst={INSTRUMENTS[0]}&at={at}Z")
    with program(DASHBOARD.script, "--vault", str(vault), "--port", port, "--no-refresh"):
        studio.take("void", "document.documentElement.dataset.level === 'void'")


def main(argv: Sequence[str] | None = None) -> int:
    """Take the pictures; return the exit code."""
    made = argparse.ArgumentParser(prog="screens", description=__doc__)
    made.add_argument("--into", type=Path, default=FOLDER, help="default: Dashboard/pictures")
    folder = made.parse_args(argv).into
    folder.mkdir(parents=True, exist_ok=True)
    path = finder.on_this_computer()
    if not path:
        sys.stderr.write("screens: no Chromium, Chrome or Edge on this computer\n")
        return 1
    with tempfile.TemporaryDirectory() as scratch, finder.running(path) as browser:
        take_all(browser, Path(scratch) / "vault", folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
