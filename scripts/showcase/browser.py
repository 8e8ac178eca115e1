"""Finds a browser of this computer, and runs it for tests and pictures.

The Chromium that ``RAVEQUANT_BROWSER`` names comes first, then chromium, google-chrome and msedge
of the PATH, then a Chromium that Playwright has downloaded itself.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BROWSER_VARIABLE: Final = "RAVEQUANT_BROWSER"
NOT_RUN: Final = "browser tests not run"
_NAMES: Final = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge",
    "microsoft-edge",
)  # fmt: skip
# nothing of its own on the net, and the same pixels on every computer
_QUIET: Final = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--disable-gpu",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
)


def on_this_computer() -> str:
    """Return the path of a browser, empty without one; FileNotFoundError if the named one lacks."""
    named = os.environ.get(BROWSER_VARIABLE, "")
    if named:
        path = shutil.which(named)
        if path is None:
            raise FileNotFoundError(
                f"{BROWSER_VARIABLE}={named}: no such program; name a Chromium, Chrome or Edge, or "
                "remove the variable"
            )
        return path
    return next(filter(None, map(shutil.which, _NAMES)), "") or _downloaded()


def _downloaded() -> str:
    """Return the browser that Playwright downloaded; empty without it, or without Playwright."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - an extra
    except ImportError:
        return ""
    with sync_playwright() as found:
        path = found.chromium.executable_path
    return path if Path(path).is_file() else ""


@contextlib.contextmanager
def running(path: str) -> Iterator["Browser"]:
    """Yield the browser at ``path``, without a window."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - an extra

    root = hasattr(os, "geteuid") and os.geteuid() == 0  # the sandbox refuses to run as root
    options = [*_QUIET, "--no-sandbox"] if root else [*_QUIET]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=options)
        try:
            yield browser
        finally:
            browser.close()
