"""Strangers and strange data: refused or shown as text, and the page lives on."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from ravequant.vault.paths import Vault
from tests.support.exchange_clock import exchange_clock
from tests.support.notes_market import AT, BTC, A, Market, record

QUERY = f"?inst={BTC}&at={AT}"
TOKEN = "a token that is long enough, surely"  # noqa: S105 - of the test
EVERY_HOST = "0.0.0.0"  # noqa: S104 - that is when a token is asked for
ATTACK = "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'>"


def test_a_page_elsewhere_can_neither_frame_nor_ask(screen, notes_address, browser):
    """A page of another origin that frames the screen shows nothing, and its fetch is refused."""
    text = (
        f"<iframe src='{notes_address}/'></iframe><script>window.got = 'none';"
        f"fetch('{notes_address}/api/v1/status').then((r) => r.text())"
        ".then((t) => { window.got = t; }, () => { window.got = 'refused'; });</script>"
    )

    class Evil(BaseHTTPRequestHandler):
        """Serves the foreign page."""

        def do_GET(self):
            """Answer each request with it."""
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    Thread(target=server.serve_forever, daemon=True).start()
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{server.server_address[1]}/")
    deadline = time.monotonic() + 20
    while page.evaluate("window.got") == "none" and time.monotonic() < deadline:
        page.wait_for_timeout(20)
    assert page.evaluate("window.got") == "refused"
    framed = [frame for frame in page.frames if frame is not page.main_frame]
    assert all("verdict" not in frame.content() for frame in framed)
    context.close()
    server.shutdown()
    server.server_close()
    shown = screen(notes_address, query=QUERY)
    shown.wait_level("fresh")


def test_scripts_and_nonsense_in_files_are_text(tmp_path, screen):
    """Health, a wick's name and a derived row are hostile: nothing runs, the page stands."""
    vault = Vault(tmp_path / "vault")
    record(vault, Market())
    beat = {"component": ATTACK, "updated_utc": ATTACK, "pid": ATTACK, "problem": ATTACK}
    for name in ("trades_exporter", "l2_exporter", "run_all"):
        vault.health(name).parent.mkdir(parents=True, exist_ok=True)
        vault.health(name).write_text(json.dumps(beat), encoding="utf-8")
    folder = vault.derived("volume", BTC)
    with (folder / "volume_1m.jsonl").open("ab") as file:
        file.write(b'{"timestamp_utc":"2025-12-14T21:35:00Z","open":NaN}\n')
        file.write(b'{"timestamp_utc":"' + b"x" * 1_000_000 + b'"}\n')
        file.write(json.dumps({"timestamp_utc": "2025-12-14T21:36:00Z", "open": ATTACK}).encode())
    with exchange_clock() as clock:
        clock.now_ms = A + 7_000
        options = ("--no-refresh", "--instId", BTC)
        shown = screen(vault, *options, variables={"RAVEQUANT_TEST_CLOCK": clock.url})
        shown.wait("document.documentElement.dataset.level !== 'reading'")
        shown.page.wait_for_timeout(300)
        assert shown.page.evaluate("window.hit") is None
        assert shown.page.locator("script").count() == 1
        shown.page.goto(f"{shown.address}/?inst=%3Cscript%3E&at={AT}")
        shown.allowed = ("404", "400")
        shown.wait("document.querySelector('#card').innerText.length > 0")
        assert shown.page.evaluate("window.hit") is None


def test_nine_tabs_are_live_at_once(notes, screen):
    """Each has a socket; none hangs, as a seventh stream of events would."""
    with exchange_clock() as clock:
        clock.now_ms = A + 7_000
        options = ("--no-refresh", "--instId", BTC)
        first = screen(notes, *options, variables={"RAVEQUANT_TEST_CLOCK": clock.url})
        first.allowed = ("503",)  # two reads at once; the page asks again
        first.wait_painted()
        tabs = [first.page.context.new_page() for _ in range(8)]
        for tab in tabs:
            tab.goto(first.address)
        for tab in tabs:
            deadline = time.monotonic() + 30
            while tab.evaluate("Number(document.documentElement.dataset.seq)") == 0:
                assert time.monotonic() < deadline
                tab.wait_for_timeout(20)


def test_the_token_opens_the_screen(notes, screen):
    """No cookie: a form. A wrong token says so; the right one opens the page."""
    shown = screen(
        notes,
        "--no-refresh",
        "--bind",
        EVERY_HOST,
        "--allow-host",
        "127.0.0.1",
        query=QUERY,
        variables={"RAVEQUANT_DASHBOARD_TOKEN": TOKEN},
    )
    shown.allowed = ("401",)
    shown.wait("document.querySelector('#session').open")
    shown.page.fill("#token", "wrong")
    shown.page.click("#session-form button")
    shown.wait("document.querySelector('#session-words').innerText !== ''")
    shown.page.fill("#token", TOKEN)
    shown.page.click("#session-form button")
    shown.wait_level("fresh")
    assert TOKEN not in shown.page.content()
    assert all(TOKEN not in url for url in shown.requests)
