"""The real programs: an exporter is killed, and the holders of a told signal are told."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack

import pytest

from ravequant import times
from ravequant.alerts.webhook import WEBHOOK_VARIABLE
from ravequant.records import Trade, TradeEncoder
from ravequant.vault.paths import CHECKOUT
from tests.faults.exporters import BOOK, TRADE, alive, book_tape
from tests.support import box
from tests.support.alert_cases import until
from tests.support.exchange_clock import exchange_clock
from tests.support.notes_market import BTC, CONTRACT, TIP, A, Market, record

WATCH = (  # with a short patience: a heartbeat comes every 5 s
    "from ravequant.alerts import doubts; from ravequant.vault import heartbeat; "
    "from Untouch_Wick import find_signals; "
    "doubts.PATIENCE_MS = 300; heartbeat.FRESH_MS = 7_000; "
    f"find_signals.main(['--instId', '{BTC}', '--watch', '0.2', '--discord', '--vault', {{!r}}])"
)
SIGNAL = f"{BTC} SHORT {TIP} MAX (x3, not tested)"
GOES_ON = f"{BTC}: RECORDING AGAIN"


def tapes(folder, prices):
    """Write the trades and books that follow the notes' market, a trade a second."""
    last = len(Market().lines()) + 1_000
    encoder = TradeEncoder(BTC, CONTRACT)
    rows = [
        encoder.line(Trade(A + 5_000 + 1_000 * number, last + number, "sell", price, "1"))
        for number, price in enumerate(("101050.5", *prices))
    ]
    folder.mkdir(parents=True)
    trades = folder / "trades.jsonl"
    trades.write_bytes(b"".join(rows))
    book = list(Market().snapshots())[-1]
    row = {"bids": book["bids_top400"], "asks": book["asks_top400"], "checksum": 0}
    frames = [("snapshot", {**row, "ts": str(A + 6_000), "seqId": 2, "prevSeqId": -1})]
    books = book_tape(folder / "books.jsonl", frames)
    return ["--trades", trades, "--books", books, "--speed", "max"]


def started(held, vault, folder, prices):
    """Start an exchange with these trades, and both exporters on it."""
    there = held.enter_context(box.exchange(folder, *tapes(folder / "tapes", prices)))
    return there, [held.enter_context(alive(made.start(vault, there))) for made in (TRADE, BOOK)]


def watching(held, vault, url):
    """Start the watch."""
    words = [sys.executable, "-c", WATCH.format(str(vault.root))]
    watch = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, cwd=CHECKOUT, env={**os.environ, WEBHOOK_VARIABLE: url}
    )
    return held.enter_context(alive(watch))


def posted(there, count):
    """Wait until so many messages were posted."""
    until(lambda: len(there.posts) >= count, 60)


def noted(vault):
    """Return True once the watch knows that a message about the doubt of a signal was accepted."""
    return any(told for *_, told in json.loads(vault.alerts().read_bytes())["doubts"].values())


@pytest.mark.slow
def test_an_exporter_is_killed(vault, there, tmp_path):
    """Each stop once, though the watch is killed too; then what became of the signal."""
    record(vault, Market())
    with exchange_clock() as clock, ExitStack() as held:
        clock.now_ms = A + 8_000
        where, exporters = started(held, vault, tmp_path / "quiet", ["101050"] * 2)
        watch = watching(held, vault, there.url)
        posted(there, 1)
        exporters[0].kill()
        posted(there, 2)
        until(lambda: noted(vault))
        watch.kill()
        beats = vault.health("find_signals")
        before = beats.stat().st_mtime_ns
        watch = watching(held, vault, there.url)
        until(lambda: beats.stat().st_mtime_ns > before)
        trades = held.enter_context(alive(TRADE.start(vault, where)))
        posted(there, 3)
        trades.kill()
        posted(there, 4)
        exporters[1].kill()
        clock.now_ms = A + 12_000
        started(held, vault, tmp_path / "reached", ["101050"] * 3 + [TIP, "101050"])
        posted(there, 5)
    stopped = [title for title in there.titles if title.startswith(f"{BTC}: NOT RECORDING since ")]
    assert there.titles == [
        SIGNAL, stopped[0], GOES_ON, stopped[1], f"REACHED {BTC} SHORT {TIP}",
    ]  # fmt: skip
    said = [post["embeds"][0]["description"] for post in there.posts]
    assert said[1].startswith(
        f"nobody knows whether SHORT {TIP} still stands; do not use\ntrades: "
    )
    assert said[2] == f"SHORT {TIP} still stands"
    assert said[4].startswith(f"a trade at {TIP} at {times.iso(A + 9_000)[11:19]} UTC")
