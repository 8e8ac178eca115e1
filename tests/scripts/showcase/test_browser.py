"""scripts/showcase/browser.py: which browser is found."""

import pytest

from scripts.showcase import browser


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return an empty folder that is the whole PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(browser.BROWSER_VARIABLE, raising=False)
    monkeypatch.setattr(browser, "_downloaded", lambda: "downloaded")
    return tmp_path


def put(folder, name):
    """Put a program into a folder and return its path."""
    path = folder / name
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_the_named_one_comes_first(folder, monkeypatch):
    """RAVEQUANT_BROWSER before the system's Chromium, that before Edge, that before a download."""
    assert browser.on_this_computer() == "downloaded"
    edge = put(folder, "msedge")
    assert browser.on_this_computer() == edge
    chromium = put(folder, "chromium")
    assert browser.on_this_computer() == chromium
    monkeypatch.setenv(browser.BROWSER_VARIABLE, edge)
    assert browser.on_this_computer() == edge


def test_a_named_one_that_is_not_there_is_an_error(folder, monkeypatch):
    """Who names a browser wants the tests run: nothing else is taken in silence."""
    put(folder, "chromium")
    monkeypatch.setenv(browser.BROWSER_VARIABLE, str(folder / "brave"))
    with pytest.raises(FileNotFoundError, match="brave: no such program"):
        browser.on_this_computer()
