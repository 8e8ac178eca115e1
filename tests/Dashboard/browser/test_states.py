"""Each state of the screen by its cause: what may be trusted is said, and no more."""

import re
import socket
from contextlib import ExitStack

import pytest

from CVD import run_cvd_from_jsonl
from ravequant import times
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from ravequant.vault.paths import Vault
from tests.support.book_lines import put, put_metadata
from tests.support.exchange_clock import exchange_clock
from tests.support.notes_market import (
    BTC,
    CALCULATORS,
    CONTRACT,
    A,
    Market,
    calculate,
    go_on,
    record,
)  # fmt: skip
from tests.support.screen import CONVICTION, Screen, check_void, program, served
from tests.support.trade_streams import write_raw
from Untouch_Wick import untouch_wick

OPTIONS = ("--no-refresh", "--instId", BTC)
ETH = "ETH-USDT-SWAP"


@pytest.fixture
def vault(tmp_path):
    """Return a vault with the set-up of the notes."""
    made = Vault(tmp_path / "vault")
    record(made, Market())
    return made


@pytest.fixture
def live(screen):
    """Return a function that opens a vault live at a time, and the clock of that time."""
    with exchange_clock() as clock:

        def show(vault, now_ms=A + 7_000, *options, **context):
            clock.now_ms = now_ms
            variables = {"RAVEQUANT_TEST_CLOCK": clock.url}
            return screen(vault, *OPTIONS, *options, variables=variables, **context)

        yield show, clock


def test_trades_stop(vault, live):
    """No trade for two minutes, while the clock runs on: the page that was fresh turns void."""
    show, clock = live
    page = show(vault)
    page.wait_level("fresh")
    assert CONVICTION.search(page.words())
    page.page.keyboard.press("s")
    page.wait("document.querySelector('#sound').textContent === 'sound on'")
    clock.now_ms = A + 200_000
    page.wait_level("void")
    check_void(page)
    assert page.text("#verdict-words").startswith("✕ do not use: ")
    assert "Nobody knows whether this level was touched in the last 3m" in page.text("#card")
    assert "python scripts/doctor.py" in page.text("#card")


def later(vault, *, without=()):
    """Let five minutes pass, in which some calculators do not run."""
    go_on(vault, 0, 5)
    calculate(vault, modules=[module for module in CALCULATORS if module not in without])
    return A + 5 * times.MINUTE_MS + 9_000


def test_the_wicks_are_held_back(vault, live):
    """Trades come, but nobody follows the wicks: void, whatever else is fresh."""
    show, _ = live
    page = show(vault, later(vault, without=[untouch_wick]))
    page.wait_level("void")
    check_void(page)
    assert "wicks stale 5m" in page.text("#verdict-words")


def test_the_cvd_is_held_back(vault, live):
    """A stream of evidence that stands: amber; its reason says that it does not count."""
    show, _ = live
    page = show(vault, later(vault, without=[run_cvd_from_jsonl]))
    page.wait_level("partly")
    assert page.text("#verdict-words") == "⚠ cvd STALE 5m"
    assert "Does not count: cvd STALE 5m" in page.text("#card")
    row = page.page.locator("#card .reasons tr[data-layer=cvd]")
    assert row.get_attribute("data-state") == "stale"
    assert "STALE, does not count" in row.inner_text()


def test_all_goes_on(vault, live):
    """Five minutes later with all calculators at work the screen is fresh: only time has passed."""
    show, _ = live
    page = show(vault, later(vault))
    page.wait_level("fresh")
    assert "does not count" not in page.text("#card").lower()


def test_trades_are_missing_in_the_life_of_the_wick(tmp_path, live):
    """A hole of ids since its birth: this signal is void, for it may have been touched."""
    vault = Vault(tmp_path / "vault")
    lines = Market().lines()
    lost = lines[-30:-28]  # a quiet minute, after the birth of the wick
    put_metadata(vault, BTC, CONTRACT)
    write_raw(vault, BTC, [line for line in lines if line not in lost])
    first = 1_506 - 29
    entry = LedgerEntry(Gap(first, first + 1), "open", "lost", A)
    GapLedger(vault.gap_ledger(BTC), BTC).append(entry)
    go_on_books(vault)
    calculate(vault)
    show, _ = live
    page = show(vault)
    page.wait("document.querySelector('#card .stop') !== null")
    assert "trades are missing since its birth, it may have been touched" in page.text("#card")
    assert CONVICTION.search(page.text("#card")) is None
    drawn = page.geometry()["price"]
    assert drawn["blanks"] or drawn["ticks"]


def go_on_books(vault):
    """Write the books of the set-up, without its trades."""
    put(vault.snapshots(BTC), Market().snapshots())


def test_the_clock_of_this_computer_is_wrong(vault, live):
    """Records newer than now: every age is false, so the page is void and says why."""
    show, _ = live
    page = show(vault, A - 4 * times.MINUTE_MS)
    page.wait_level("void")
    check_void(page)
    assert "this computer's clock is 4m" in page.text("#verdict-words")
    assert "behind the exchange" in page.text("#verdict-words")


def test_the_server_is_gone_and_comes_back(notes, browser):
    """Killed: void with the time since when; with it back the page is fresh by itself."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with exchange_clock() as clock, ExitStack() as held:
        clock.now_ms = A + 7_000
        variables = {"RAVEQUANT_TEST_CLOCK": clock.url}
        options = (*OPTIONS, "--port", port)
        with program(notes, *options, **variables) as (address, server):
            page = held.enter_context(Screen.of(browser, address))
            page.wait_level("fresh")
            server.kill()
            page.wait_level("void")
        check_void(page)
        assert page.text("#recorders") == "recorders and disk: not known now"
        assert re.match(
            r"✕ no connection since \d\d:\d\d:\d\d UTC, trying", page.text("#verdict-words")
        )
        assert page.text("#mode-word") == "NOT LIVE"
        with served(notes, *options, **variables):
            page.wait_level("fresh", 60)
            assert page.text("#mode-word") == "LIVE"


def test_a_tab_is_as_old_as_its_answer(vault, live, tmp_path, monkeypatch):
    """The wicks of the other instrument pass their limit while its answer is on its way."""
    chosen = tmp_path / "chosen.toml"
    chosen.write_text("[signals]\nwicks_stale_s = 60\n", encoding="utf-8")
    monkeypatch.setenv("RAVEQUANT_SETTINGS", str(chosen))
    show, clock = live
    tab = "document.querySelector('#instruments .elsewhere') !== null"
    held = []
    page = show(vault, A + 7_000, "--instId", ETH, query=f"?inst={ETH}")
    page.allowed = ("404",)
    page.wait(tab)
    clock.now_ms = A + 57_000
    page.page.route("**/api/v1/signals/**", lambda route: held.append(route))  # noqa: PLW0108
    page.page.reload()
    page.wait_level("empty")
    page.page.wait_for_timeout(4_000)
    assert len(held) == 1
    held[0].continue_()
    for _ in range(10):
        page.page.wait_for_timeout(150)
        assert not page.page.evaluate(tab)


def test_nothing_at_all(tmp_path, live):
    """An empty vault: the page waits and says for what; no card, no word of conviction."""
    show, _ = live
    page = show(Vault(tmp_path / "empty"))
    page.wait_level("empty")
    assert "Nothing recorded" in page.text("#card")
    assert "exporters" in page.text("#card")
    assert CONVICTION.search(page.words()) is None
    record(Vault(tmp_path / "empty"), Market())
    page.wait_level("fresh")
    page.wait("document.querySelector('#card .level') !== null")


def test_no_signal_is_an_answer_too(notes, screen):
    """The rule that failed, as find_signals words it."""
    page = screen(notes, *OPTIONS, query=f"?inst={BTC}&at=2025-12-14T21:20Z")
    page.wait("document.querySelector('#card .nothing') !== null")
    assert page.text("#card").startswith("No signal")
    assert "Nothing to do. That is an answer, too." in page.text("#card")


def test_no_book_yet(tmp_path, live):
    """Trades alone: the price says `trade`, the evidence of the book is missing and says so."""
    vault = Vault(tmp_path / "vault")
    put_metadata(vault, BTC, CONTRACT)
    write_raw(vault, BTC, Market().lines())
    calculate(vault)
    show, _ = live
    page = show(vault)
    page.wait_level("partly")
    assert page.text("#price-source") == "trade"
    assert "buckets MISSING" in page.text("#verdict-words")
    for layer in ("wall", "imbalance", "young_wall"):
        row = page.page.locator(f"#card .reasons tr[data-layer={layer}]")
        assert row.get_attribute("data-state") == "missing"
    assert "no book" in page.text("#book").lower()


def test_price_has_reached_the_tip(vault, live):
    """A trade at the tip after the minute of the answer: no entry any more, the tag is hollow."""
    line = Market().lines()[-1].replace(b'"1506"', b'"1507"').replace(b"101050.5", b"101250")
    write_raw(vault, BTC, [line.replace(b"21:35:05.000Z", b"21:35:06.000Z")])
    show, _ = live
    page = show(vault)
    page.wait("document.querySelector('#card').innerText.length > 0")
    page.wait_painted()
    assert "touched 1s ago at 21:35:06 UTC at 101250" in page.text("#card")
    assert page.text("#card .badge").startswith("NO TRADE")
    assert page.page.locator("#card .badge.hollow").count() == 1


def test_recorded_too_short(tmp_path, live):
    """An hour of trades: the 4 h VWAP says over how many minutes it is, and is no evidence."""
    vault = Vault(tmp_path / "vault")
    put_metadata(vault, BTC, CONTRACT)
    since = times.iso(A - 64 * times.MINUTE_MS).encode()
    lines = [line for line in Market().lines() if line[18:42] >= since]
    write_raw(vault, BTC, lines)
    go_on_books(vault)
    calculate(vault)
    show, _ = live
    page = show(vault)
    page.wait("document.querySelector('#card .level') !== null")
    assert page.text("#verdict-words") == "⚠ recorded since 20:31: VWAP 4h over 64 of 240 min"
    assert "recorded only 64 of 240 min" in page.text("#card .against")


def test_a_stream_turns_stale_while_nothing_else_happens(vault, live, tmp_path, monkeypatch):
    """No file and no clock of the server moves: the page counts on, and the card changes itself."""
    chosen = tmp_path / "chosen.toml"
    chosen.write_text("[signals]\nbuckets_stale_s = 60\n", encoding="utf-8")
    monkeypatch.setenv("RAVEQUANT_SETTINGS", str(chosen))
    show, _ = live
    page = show(vault, A + 57_000)
    page.wait("document.querySelector('#card tr[data-layer=wall]')?.dataset.state === 'met'")
    assert page.level == "fresh"
    page.wait_level("partly", 10)
    assert "buckets STALE 1m" in page.text("#verdict-words")
    assert "Does not count: buckets STALE 1m" in page.text("#card")
    assert CONVICTION.search(page.text("#card .badge")) is None  # it is judged anew first
