"""The newest snapshot and trade of each minute are those that a question to the minute finds."""

import random

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from ravequant import times
from ravequant.records import Trade, TradeEncoder
from ravequant.signals.as_of import newest_trade
from ravequant.signals.derived_rows import newest_book
from ravequant.signals.newest_as_of import BooksAsOf, TradesAsOf
from ravequant.vault.paths import Vault
from tests.support.examples import often
from tests.support.hour_vault import BTC, CONTRACT, MINUTE, START, bucket, pack, put_trades, tapes


@settings(max_examples=often(70, 200))
@given(tapes())
def test_each_minutes_trade(tmp_path_factory, tape):
    """Late, repeated and damaged lines, midnight, packed days: trade and file are the same."""
    lines, minute, packed = tape
    vault = Vault(tmp_path_factory.mktemp("tape"))
    put_trades(vault, lines)
    if packed:
        for path in list(vault.trades(BTC).iterdir())[:-1]:
            pack(path)
    first = minute - 4
    trades = TradesAsOf(vault, BTC, first * MINUTE, minute * MINUTE)
    for moment in range(first * MINUTE, minute * MINUTE + 1, MINUTE):
        assert trades.at(moment) == newest_trade(vault, BTC, moment)


@settings(max_examples=often(40, 100))
@given(st.integers(0, 1 << 30))
def test_each_minutes_snapshot(tmp_path_factory, seed):
    """Late and damaged lines, minutes without a line, a day without one, packed days."""
    chance = random.Random(seed)
    vault = Vault(tmp_path_factory.mktemp("books"))
    folder = vault.derived("liquidity_buckets", BTC)
    folder.mkdir(parents=True)
    day_start = 3 * times.HOUR_MS // 1_000  # seconds from START
    for begin, day in ((day_start - 900, "2025-12-14"), (day_start, "2025-12-15")):
        lines = []
        for second in range(begin, begin + 900, 7):
            if chance.random() < 0.3:
                continue
            late = chance.randrange(20) if chance.random() < 0.05 else 0
            line = orjson.dumps(bucket(second - late))
            if chance.random() < 0.2:
                line = chance.choice([b"{}", line.replace(b'"gap"', b'"hole"'), line[:40]])
            lines.append(line + b"\n")
        path = folder / f"{day}.jsonl"
        path.write_bytes(b"".join(lines))
        if chance.random() < 0.4:
            pack(path)
    first = START // MINUTE + 180 - chance.randrange(20)
    books = BooksAsOf(vault, BTC)
    for minute in range(first, START // MINUTE + 200):
        assert books.at(minute * MINUTE) == newest_book(vault, BTC, minute * MINUTE)


def test_many_damaged_snapshots_hide_no_older_one(vault):
    """The newest valid snapshot stands before more damaged lines than are kept."""
    folder = vault.derived("liquidity_buckets", BTC)
    folder.mkdir(parents=True)
    lines = [orjson.dumps(bucket(second)) for second in range(200)]
    lines[3:] = [line.replace(b'"gap"', b'"hole"') for line in lines[3:]]
    (folder / "2025-12-14.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    books = BooksAsOf(vault, BTC)
    found = [books.at(START + minute * MINUTE)[1] for minute in (0, 2, 3)]
    assert [row and row.ts - START for row in found] == [0, 2_000, 2_000]


def test_an_idle_market_keeps_its_newest_trade(vault):
    """Hours after the last trade it is still the newest, in the file of its day."""
    encoder = TradeEncoder(BTC, CONTRACT)
    put_trades(vault, [encoder.line(Trade(START + n, n, "buy", "100", "1")) for n in (1, 2)])
    later = START + 30 * times.HOUR_MS
    trades = TradesAsOf(vault, BTC, later, later + 2 * MINUTE)
    for moment in (later, later + MINUTE, later + 2 * MINUTE):
        path, trade = trades.at(moment)
        assert (path, trade) == newest_trade(vault, BTC, moment)
        assert (path.name, trade and trade.ts) == ("2025-12-14.jsonl", START + 2)
