"""J1: questions at any instant, beside recorders and calculators that are behind in any way.

Trades, books and context feeds come late. An answer to the instant is held against the same
question asked later, of the whole files, with what was seen then; and against every line that was
on disk then.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
import pytest

from Context_Bot import liquidations_1m
from ravequant import catalog, times
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.signals.inputs import price
from ravequant.sim.market import START_MS, ModelMarket
from ravequant.vault import instruments, newest
from ravequant.vault.paths import CHECKOUT, Vault
from tests.faults.exporters import BOOK, TRADE, alive, stop
from tests.support import box
from tests.support.book_lines import put, snapshot
from tests.support.exchange_clock import exchange_clock
from tests.support.feed_arrivals import FeedArrivals, OnDisk
from tests.support.notes_market import CALCULATORS, calculate
from tests.support.trade_streams import write_raw
from Untouch_Wick import find_signals

BTC = "BTC-USDT-SWAP"
DELAY_MS = 2_000
DISORDER_MS = 5_000
LATEST_MS = 40_000  # so late a few rows come, long after their minute has closed
BEFORE_MS = 70 * times.MINUTE_MS  # until wicks are old enough, among others
BOOK_MS = 6_000
FEEDS_BEHIND_MS = 90_000
OF_CONTEXT = (liquidations_1m,)  # no rule reads their rows
MANY = ("--all-sizes", "--min-touched", "3", "--age-min", "5", "--age-max", "60")


class Line(NamedTuple):
    """A line, and when it came to the disk."""

    arrived: int
    ts: int
    trade: Trade | None  # None: a snapshot
    row: Any


class Arrivals:
    """A market in files that grow as lines arrive, each 0 to 2 s late and some out of order."""

    def __init__(self, rng: Any, until: int) -> None:
        market = ModelMarket(rng.randrange(1_000), (BTC,), rows_per_second=1)
        self.instrument = instruments.parse_instrument(market.instruments[BTC], fetched_ms=0)
        raw = market.instruments[BTC]
        encoder = TradeEncoder(BTC, Contract(raw["ctVal"], raw["ctMult"], raw["ctType"]))
        trades, books = list[Line](), list[Line]()
        for moment in range(START_MS + BOOK_MS, until, BOOK_MS):
            for _, trade in market.trades(moment):
                early = rng.randrange(DISORDER_MS) if rng.random() < 0.1 else 0
                early += rng.randrange(LATEST_MS) if rng.random() < 0.01 else 0
                ts = max(trade.ts - early, START_MS)
                made = Trade(
                    ts, trade.trade_id, trade.side, trade.price, trade.qty, trade.count,
                    trade.source,
                )  # fmt: skip
                trades.append(Line(trade.ts, ts, made, encoder.line(made)))
            market.books(moment)
            book = market.snapshot(BTC, 100)
            if book is not None and moment > START_MS + BEFORE_MS // 2:
                sides = ([[px, qty, "0", n] for px, qty, n in s] for s in (book.bids, book.asks))
                books.append(Line(book.ts, book.ts, None, snapshot(book.ts, *sides)))
        lines = [*_delayed(trades, rng), *_delayed(books, rng)]
        self.lines = sorted(lines, key=lambda line: line.arrived)
        self.written = 0

    def grow(self, vault: Vault, until: int) -> None:
        """Write what has arrived by a moment."""
        fresh = list[Line]()
        while self.written < len(self.lines) and self.lines[self.written].arrived <= until:
            fresh.append(self.lines[self.written])
            self.written += 1
        write_raw(vault, BTC, (line.row for line in fresh if line.trade))
        put(vault.snapshots(BTC), [line.row for line in fresh if line.trade is None])

    @property
    def on_disk(self) -> list[Line]:
        return self.lines[: self.written]


def _delayed(lines: list[Line], rng: Any) -> Iterator[Line]:
    """A line is written when it and all before it have come."""
    arrived = 0
    for line in lines:
        arrived = max(arrived, line.arrived + rng.randrange(DELAY_MS))
        yield line._replace(arrived=arrived)


class Answer(NamedTuple):
    """An answer of the past, and how it is asked for again."""

    at: int
    seen: str
    out: str
    in_flight: list[int]  # times of earlier lines that were not on disk


def ask(vault: Vault, capsys: Any, *arguments: str) -> tuple[str, str, str]:
    """Return what the command prints, how far it read, and its log."""
    capsys.readouterr()
    known = ["--vault", str(vault.root), "--instId", BTC, "--json", *MANY]
    code = find_signals.main([*known, *arguments])
    out, err = capsys.readouterr()
    assert code == 0, err
    seen = re.search(r'"seen":"([^"]+)"', out) or re.search(r"\(seen ([^)]+)\)", err)
    assert seen is not None, err
    return out, seen[1], err


def without_seen(out: str) -> str:
    return re.sub(r'"seen":"[^"]+"', "", out)


def reached_before(line: Line, row: dict[str, Any]) -> bool:
    """Return True if a trade reached the tip of a signal since its birth."""
    if line.trade is None or line.ts < times.parse_iso(row["creation_time_utc"]):
        return False
    at, tip = price(line.trade.price), price(row["wick_price"])
    return at >= tip if row["wick_type"] == "high" else at <= tip


def target_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return the wick that is the target of a signal, as far as ``reached_before`` asks."""
    born = row["target_event_id"].split("|")[2]
    side = row["target_event_id"].rpartition("|")[2]
    return {"creation_time_utc": born, "wick_price": row["target"], "wick_type": side}


def check_context(disk: OnDisk, out: str, fact: Any) -> None:
    """What is known of the feeds is the newest line that could be known, and no later one."""
    for row in map(orjson.loads, out.splitlines()):
        context = row["context"]
        met = (
            context["interest"] and context["interest"]["contracts"],
            context["funding"] and context["funding"]["estimate"],
            context["ratios"] and context["ratios"]["accounts"],
        )
        wanted = disk.until(times.parse_iso(row["as_of_utc"]))
        for name, one, other in zip(("interest", "estimates", "ratios"), met, wanted, strict=True):
            assert one in (other, None), (row["at_utc"], name, one, other)
            fact.add(f"{name} known", one is not None)
        seen = context["liquidated_5m"]
        fact.add("liquidations known", seen is not None)
        assert seen is None or seen["until_utc"] <= row["as_of_utc"]
        fact.add("feeds behind", ",marks=" in row["seen"])


def check(arrivals: Arrivals, at: int, out: str, fact: Any) -> None:
    """The minute is the newest closed one; no tip of an entry, and no target, was reached."""
    disk = arrivals.on_disk
    closed = (max(line.ts for line in disk if line.trade) - 5_000) // times.MINUTE_MS
    for row in map(orjson.loads, out.splitlines()):
        assert row["as_of_utc"] == times.iso_minute(closed)
        assert row["at_utc"] == times.iso(at)
        touched = [line for line in disk if reached_before(line, row)]
        assert (row["no_trade"] == "touched") == bool(touched), (at, row["event_id"])
        if touched:
            assert (row["entry"], row["size"]) == (None, 0)
        fact.add("signals")
        fact.add("touched since", bool(touched))
        if row["target_event_id"] is not None:
            late = at - times.HOUR_MS  # older late lines are looked at by no answer
            passed = [one for one in disk if one.ts > late and reached_before(one, target_of(row))]
            assert passed == [], (at, row["event_id"], row["target_event_id"])
            fact.add("targets")


@pytest.mark.parts(5)
def test_live_is_what_is_asked_later(faults, tmp_path, capsys, part):
    """The same bytes with what was seen; without it only lines on their way differ."""
    fact = faults.row("J1", "made files, cut by arrival")
    rng, instants = faults.random, faults.count(16, 90)
    span = instants * 150 * times.SECOND_MS
    arrivals = Arrivals(rng, START_MS + BEFORE_MS + span + times.MINUTE_MS)
    vault = Vault(tmp_path / "vault")
    instruments.save(vault, arrivals.instrument, None)
    end = START_MS + BEFORE_MS + span + times.MINUTE_MS
    feeds = FeedArrivals(vault, BTC, arrivals.instrument.contract, rng, (START_MS, end))
    now, answers = START_MS + BEFORE_MS, list[Answer]()
    arrivals.grow(vault, now)
    feeds.grow(now - FEEDS_BEHIND_MS)
    calculate(vault, modules=(*CALCULATORS, *OF_CONTEXT))  # all have begun
    calculated = now
    with exchange_clock() as clock:
        for _ in range(instants):
            now += rng.randrange(1, 150 * times.SECOND_MS)
            arrivals.grow(vault, now)
            feeds.grow(now - (rng.randrange(FEEDS_BEHIND_MS) if rng.random() < 0.5 else 0))
            clock.now_ms, refresh = now, "--no-refresh"
            if rng.random() < 0.5 or now - calculated > 15 * times.MINUTE_MS:
                calculated = now
                calculate(vault, modules=OF_CONTEXT)
                if faults.long:
                    refresh = "--refresh"
                else:
                    calculate(vault)
            out, seen, _ = ask(vault, capsys, refresh)
            check(arrivals, now, out, fact)
            check_context(OnDisk.of(vault, BTC), out, fact)
            coming = arrivals.lines[arrivals.written :]
            flying = [line.ts for line in coming if line.ts <= now]
            answers.append(Answer(now, seen, out, flying))
            fact.times += 1
    arrivals.grow(vault, now + times.HOUR_MS)
    feeds.grow(now + times.HOUR_MS)
    calculate(vault, modules=(*CALCULATORS, *OF_CONTEXT))
    for answer in answers:
        at = times.iso(answer.at)
        assert ask(vault, capsys, "--at", at, "--seen", answer.seen)[0] == answer.out, at
        alone, _, log = ask(vault, capsys, "--at", at)
        if without_seen(alone) == without_seen(answer.out):
            continue
        fact.add("differ by --at alone")
        if answer.seen.count(",") > 1:
            fact.add("for calculators behind")
        else:
            assert answer.in_flight, at
            named = "an answer given then may have lacked" in log
            assert named or max(answer.in_flight) < answer.at - DISORDER_MS, at
            fact.add("for lines on their way")


HISTORY_MS = 80 * times.MINUTE_MS
SCRIPT = CHECKOUT / "Untouch_Wick" / "find_signals.py"


def shown(vault: Vault, *arguments: str) -> str:
    """Return what the command shows, as a program of its own."""
    words = [sys.executable, SCRIPT, "--vault", vault.root, "--instId", BTC, "--explain", *MANY]
    done = subprocess.run(
        [*map(str, words), *arguments], capture_output=True, text=True, encoding="utf-8",
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.first
def test_beside_the_real_exporters(faults, tmp_path, vault):
    """While both record from the box: what is shown now is shown again later, byte for byte."""
    fact = faults.row("J1", "beside both exporters and the box")
    begin = times.utc_now_ms() - HISTORY_MS
    words = ("--begin", times.iso(begin), "--rows-per-second", 2, "--instId", BTC)
    answers = list[str]()
    with (
        box.exchange(
            tmp_path, *words, "--rest-limit-factor", 40, "--wait-for-clients", 0, seed=7
        ) as there,
        alive(BOOK.start(vault, there, "--cadence", "500ms", "--deep-every", 5)) as two,
        alive(TRADE.start(vault, there, "--backfill", "80m", "--rest-limit-factor", 40)) as one,
    ):
        box.wait_for(lambda: BOOK.size(vault) and vault.metadata(BTC).exists(), two)
        box.wait_for(lambda: newest_ms(vault) > times.utc_now_ms() - 20_000, one)
        calculate(vault)
        for number in range(faults.count(2, 50)):
            time.sleep(faults.random.uniform(0, 2))
            answers.append(shown(vault, "--refresh" if number % 2 else "--no-refresh"))
            fact.times += 1
        stop(one)
        stop(two)
    calculate(vault)
    for answer in answers:
        asked = re.search(r"asked at (\S+) (\S+) UTC.*?seen\s+(\S+)", answer, re.DOTALL)
        assert asked is not None, answer
        again = shown(vault, "--at", f"{asked[1]}T{asked[2]}Z", "--seen", asked[3])
        assert again == answer
        fact.add("signals", answer.count("|1m|"))


def newest_ms(vault: Vault) -> int:
    """Return the time of the newest trade on disk."""
    return newest.newest_record(vault, catalog.TRADES, BTC) or 0
