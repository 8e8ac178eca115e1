"""Causes that void or dim the screen from outside: a cut line, a killed recorder, a broken book."""

import re

import pytest

from ravequant import times
from ravequant.signals.lab_verdict import write_verdict
from ravequant.signals.proof import WORDS
from ravequant.vault.paths import Vault
from tests.support import trades_box
from tests.support.box import ended, exchange
from tests.support.exchange_clock import exchange_clock
from tests.support.line import cut_line
from tests.support.notes_market import BTC, A, Market, calculate, go_on, record
from tests.support.screen import CONVICTION, check_void

ETH = "ETH-USDT-SWAP"
OPTIONS = ("--no-refresh", "--instId", BTC)
SPEED = 15  # of the market in a box
LAB = re.compile("|".join(sorted(WORDS)))


@pytest.fixture
def clock():
    """Return the clock of a local exchange."""
    with exchange_clock() as found:
        found.now_ms = A + 7_000
        yield found


def variables(clock):
    return {"RAVEQUANT_TEST_CLOCK": clock.url}


def test_the_line_is_cut_while_the_server_lives(notes, screen, clock):
    """Void, and since when; fresh again by itself once the line is whole, with a new picture."""
    with cut_line() as line:
        page = screen(notes, *OPTIONS, variables=variables(clock), proxy=line.proxy)
        page.allowed = ("ERR_", "WebSocket")  # of the line that is cut
        page.wait_level("fresh")
        page.wait_painted()
        assert line.sockets
        line.cut()
        page.wait_level("void")
        check_void(page)
        chips = page.page.locator("#streams li.doubt")
        assert [text.split()[-1] for text in chips.all_inner_texts()] == ["?"] * 6
        assert re.match(
            r"✕ no connection since \d\d:\d\d:\d\d UTC, trying", page.text("#verdict-words")
        )
        line.join()
        page.wait_level("fresh")
        assert page.text("#mode-word") == "LIVE"


def test_a_line_that_is_silent_is_void(notes, screen, clock):
    """Nothing is closed and nothing comes: after twelve seconds the page trusts it no more."""
    page = screen(notes, *OPTIONS, variables=variables(clock))
    page.page.clock.install()
    page.page.reload()
    page.wait_level("fresh")
    page.wait_painted()
    page.page.clock.fast_forward(12_500)
    page.wait_level("void")
    assert "no connection since" in page.text("#verdict-words")
    page.wait_level("fresh")


def test_a_killed_recorder(tmp_path, screen):
    """Trades of a running market end: void within two minutes of it; with it back they go on."""
    vault = Vault(tmp_path / "vault")
    words = ("--speed", SPEED, "--start", "2025-12-14T10:00:00Z", "--wait-for-clients", 0)
    often = ("--rest-limit-factor", SPEED)  # the screen asks for its time by the wall's seconds
    with exchange(tmp_path / "box", *words, *often, "--instId", BTC) as where:
        recorder = trades_box.start(vault, *where, "--instId", BTC)
        try:
            trades_box.wait_for(lambda: any(vault.trades(BTC).glob("*.jsonl")), recorder)
            clock = {"RAVEQUANT_TEST_CLOCK": where[3]}
            page = screen(vault, "--refresh", "1", "--instId", BTC, variables=clock)
            page.wait_level("partly", 90)  # no book is recorded
            recorder.kill()
            trades = "document.querySelector('#streams [data-stream=trades]')"
            page.wait(f"{trades}?.dataset.state === 'stale'", 60)
            check_void(page)
            assert page.text("#verdict-words").startswith("✕ do not use: ")
            recorder.wait()
            recorder = trades_box.start(vault, *where, "--instId", BTC)
            page.wait_level("partly", 90)
            page.page.close()  # the clock ends before it
        finally:
            ended(recorder)


def test_a_broken_book(tmp_path, screen, clock):
    """A break at the end of the newest minute: its reasons do not count; later a grey stretch."""
    vault = Vault(tmp_path / "vault")
    record(vault, Market())
    page = screen(vault, *OPTIONS, variables=variables(clock))
    page.wait_level("fresh")
    go_on(vault, 0, 1, breaks=60)
    calculate(vault)
    clock.now_ms = A + times.MINUTE_MS + 9_000
    page.wait_level("partly")
    assert page.text("#verdict-words").startswith("⚠ buckets GAP")
    for layer in ("wall", "imbalance", "young_wall"):
        row = page.page.locator(f"#card .reasons tr[data-layer={layer}]")
        assert row.get_attribute("data-state") == "gap"
        assert "GAP, does not count" in row.inner_text()
    go_on(vault, 1, 2)
    calculate(vault)
    clock.now_ms = A + 2 * times.MINUTE_MS + 9_000
    page.wait_level("fresh")
    kinds = [shape["kind"] for shape in page.geometry()["price"]["blanks"]]
    assert "book" in kinds


def test_no_hidden_word_of_conviction_in_void(tmp_path, screen, clock):
    """Tabs of others, open tables, the lab's card: all that spoke before is gone, seen or not."""
    vault = Vault(tmp_path / "vault")
    record(vault, Market())
    twin(vault, ETH)
    write_verdict(vault, LAB_VERDICT)
    page = screen(vault, *OPTIONS, "--instId", ETH, variables=variables(clock))
    page.wait_level("fresh")
    page.wait("document.querySelector('#instruments .elsewhere') !== null")
    page.page.keyboard.press("a")
    page.page.click("#card .proof")
    page.wait("document.querySelector('#proof-word')?.textContent === 'PROVEN'")
    before = page.words()
    assert CONVICTION.search(before)
    assert LAB.search(before)
    clock.now_ms = A + 200_000
    page.wait_level("void")
    page.wait_painted(page.seq)
    check_void(page)
    assert LAB.findall(page.words()) == []
    assert not page.page.evaluate("document.querySelector('#proof').open")
    assert page.page.title().startswith("✕ ")
    page.page.keyboard.press("?")  # dialogs that open in void
    check_void(page)


LAB_VERDICT = {
    "version": 1, "word": "PROVEN", "short": "PROVEN, net +2.1 (0.8 to 3.4) bps a fill",
    "what_to_do": "Trade it at MAX.", "made_utc": times.iso(A - times.HOUR_MS),
    "instruments": [BTC, ETH], "numbers": [["fills", "240"]],
}  # fmt: skip


def twin(vault, inst_id):
    """Give a vault the same market of another instrument."""
    for path in [path for path in vault.root.rglob("*") if path.is_file()]:
        place = path.relative_to(vault.root).as_posix()
        if BTC in place:
            target = vault.root / place.replace(BTC, inst_id)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes().replace(BTC.encode(), inst_id.encode()))


@pytest.mark.parametrize("case", [("trades", "", 124.5), ("wicks", "wicks_stale_s = 60", 59.5)])
def test_the_screen_voids_itself(notes, screen, clock, settings_file, case):
    """No file and no clock of the server moves: the page counts on until nobody knows any more."""
    stream, setting, second = case
    chosen = settings_file(f"[signals]\n{setting}\n")
    clock.now_ms = A + int(second * 1_000)
    places = {**variables(clock), "RAVEQUANT_SETTINGS": str(chosen)}
    page = screen(notes, *OPTIONS, variables=places)
    page.wait("document.querySelector('#card tr') !== null")
    page.page.keyboard.press("a")
    page.wait_level("void", 20)
    clock.now_ms += 10_000  # so that it stays so when the server tells the time again
    page.wait_painted(page.seq)  # a message that was under way may still hold the time before
    page.wait_painted(page.seq)
    page.wait_level("void")
    check_void(page)
    assert f"✕ do not use: {stream} stale" in page.text("#verdict-words")
