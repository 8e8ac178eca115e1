"""The pictures of the dashboard: of a page that is ready, at their size."""

import struct
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ravequant.signals.evidence import RULES
from scripts.showcase import browser as finder
from scripts.showcase import screens

# a page that is ready a moment after it is loaded, and forbids what the dashboard forbids
PAGE = (
    '<!doctype html><html data-seq="0"><head><meta http-equiv="Content-Security-Policy" '
    "content=\"script-src 'self'\"><title>a screen</title></head>"
    '<script src="page.js"></script></html>'
)
SCRIPT = "setTimeout(() => { document.documentElement.dataset.seq = '1'; }, 50);"


@pytest.fixture
def address(tmp_path) -> Iterator[str]:
    """Serve the page."""
    (tmp_path / "index.html").write_text(PAGE, encoding="utf-8")
    (tmp_path / "page.js").write_text(SCRIPT, encoding="utf-8")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_picture_is_taken_once_the_page_is_ready(address, tmp_path, monkeypatch, capsys):
    """Of the size that was asked for; the page's policy is no hindrance."""
    path = finder.on_this_computer()
    if not path:
        pytest.skip(f"{finder.NOT_RUN}: no Chromium, Chrome or Edge on this computer")
    pytest.importorskip("playwright", reason=f"{finder.NOT_RUN}: Playwright is not installed")
    monkeypatch.setattr(screens, "_HEAT_MS", 0)
    with finder.running(path) as browser:
        studio = screens.Studio(browser, address, tmp_path)
        studio.take("phone", viewport=screens.PHONE)
        monkeypatch.setattr(screens, "_WITHIN_S", 1)
        with pytest.raises(TimeoutError, match="not true within 1 s"):
            studio.take("never", "false")
    content = (tmp_path / "phone.png").read_bytes()
    assert struct.unpack(">II", content[16:24]) == (390, 844)
    assert capsys.readouterr().out == "phone: a screen\n"


def test_a_signal_is_waited_for_until_all_its_reasons_are_met():
    """A set-up on its way has fewer: the layers of the query, each met."""
    assert len(RULES) == 8
    assert f"=== {len(RULES)}" in screens._SIGNAL


def test_without_a_browser_there_are_no_pictures(tmp_path, monkeypatch, capsys):
    """Exit code 1, and the reason; no market is started for them."""
    monkeypatch.setattr(finder, "on_this_computer", str)
    assert screens.main(["--into", str(tmp_path)]) == 1
    assert "no Chromium, Chrome or Edge" in capsys.readouterr().err
