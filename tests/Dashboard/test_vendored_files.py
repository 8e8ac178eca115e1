"""The files of others that the page is served with are those that were published."""

import hashlib
import re

import pytest

from ravequant.vault.paths import CHECKOUT

VENDOR = CHECKOUT / "Dashboard" / "static" / "vendor"
LISTED = (VENDOR / "README.md").read_text("utf-8")
ROWS = re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", LISTED, re.MULTILINE)
LIBRARY = "1bb1ee79f9d4dd17261b53d930f7a8995748276f80e7ba0e24412b5068062f5f"


@pytest.mark.parametrize(("name", "expected"), ROWS)
def test_a_vendored_file_is_as_it_was_published(name, expected):
    """Each file that the README lists has the hash that stands there."""
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == expected


def test_the_library_is_that_of_npm():
    """The hash of the library is held here too: a changed file needs more than a changed README."""
    assert dict(ROWS)["lightweight-charts-5.2.1.mjs"] == LIBRARY


def test_every_vendored_file_is_listed():
    """No file stands there of which nobody knows where it is from."""
    ours = {"README.md", "fancy-canvas.d.ts"}
    assert {path.name for path in VENDOR.iterdir()} - ours == set(dict(ROWS))


def test_the_licences_and_the_notice_name_their_holder():
    """Apache-2.0 of the library, MIT of fancy-canvas, and the notice that the licence asks for."""
    assert "Apache License" in (VENDOR / "LICENSE").read_text("utf-8")
    assert "Copyright (c) 2019 TradingView, Inc" in (VENDOR / "fancy-canvas-LICENSE").read_text(
        "utf-8"
    )
    notice = (VENDOR / "NOTICE").read_text("utf-8")
    assert notice.startswith("TradingView Lightweight Charts™\n")
    assert "https://www.tradingview.com/" in notice


def test_the_page_imports_the_version_that_is_vendored():
    """Every import of the library names the one file."""
    chart = CHECKOUT / "Dashboard" / "static" / "chart"
    names = {
        name
        for path in chart.rglob("*.js")
        for name in re.findall(r"vendor/([^\"']+)[\"']", path.read_text("utf-8"))
    }
    assert names == {"lightweight-charts-5.2.1.mjs"}
