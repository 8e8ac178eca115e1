"""Tests of ravequant.trades.bar_columns: sums of columns are those of the records, one by one."""

import random
from dataclasses import replace

import pytest

from ravequant import exact
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.trades import bar_builder, bar_columns
from ravequant.trades.bar_builder import BarBuilder, IdGap, PartialBars
from ravequant.trades.minute_bar import MinuteBar, bar_of, merge, record_of
from ravequant.trades.scanner import Scanner, TradeColumns

INST_ID = "BTC-USDT-SWAP"
MINUTE = 60_000
START = 29_429_134 * MINUTE
WHALE = 100_000 * exact.NOTIONAL_ONE
LINEAR, INVERSE = Contract("0.01", "1", "linear"), Contract("100", "1", "inverse")


def columns(trades: list[Trade], contract: Contract = LINEAR) -> TradeColumns:
    encoder = TradeEncoder(INST_ID, contract)
    (found,) = Scanner(INST_ID).scan(b"".join(map(encoder.line, trades))).stretches
    return found


def some(count: int, *, wide: bool = False) -> list[Trade]:
    """Return trades over several minutes, with missing ids; wide ones need Python integers."""
    chance = random.Random(3)
    ts, last, found = START, 100, []
    for _ in range(count):
        ts += chance.choice([0, 700, 20_000])
        ids = chance.choice([1, 1, 4])
        last += ids + chance.choice([0, 0, 0, 5])
        price = f"{chance.randrange(1, 10**15 if wide else 10**6)}.{chance.randrange(1, 10)}"
        size = f"{chance.randrange(1, 10**12 if wide else 10**5)}.25"
        found.append(Trade(ts, last, chance.choice(["buy", "sell"]), price, size, ids))
    return found


def one_by_one(trades: list[Trade], contract: Contract) -> list[MinuteBar]:
    bars: dict[int, MinuteBar] = {}
    for trade in trades:
        bar = bar_of(record_of(trade, contract), WHALE)
        bars[bar.minute] = merge(bars[bar.minute], bar) if bar.minute in bars else bar
    return list(bars.values())


def partial(trades: list[Trade], contract: Contract = LINEAR) -> PartialBars:
    found = bar_columns.partial_bars(columns(trades, contract), WHALE)
    assert found is not None
    return found


@pytest.mark.parametrize("contract", [LINEAR, INVERSE, Contract("0.001", "10", "linear")])
@pytest.mark.parametrize("wide", [False, True])
def test_bars_are_those_of_the_records_one_by_one(contract, wide):
    """Every field, in int64 and beyond, whatever one contract is worth."""
    trades = some(400, wide=wide)
    found = partial(trades, contract)
    assert found.bars == one_by_one(trades, contract)
    assert len(found.bars) > 20
    assert any(bar.whale_count for bar in found.bars)


def test_the_facts_of_a_run_of_records():
    """Ids from the first that is covered to the last, times, and each gap with what was before."""
    trades = [
        Trade(START + 5, 12, "buy", "100", "1", 3),
        Trade(START + 900, 13, "sell", "100", "1"),
        Trade(START + 600, 20, "buy", "100", "1", 2),
        Trade(START + MINUTE, 21, "buy", "100", "1"),
    ]
    found = partial(trades)
    assert found.id_gaps == [IdGap(14, 18, START + 900, START + 600)]
    assert (found.records, found.lowest_id, found.first_id, found.last_id) == (4, 10, 12, 21)
    assert (found.first_ts, found.watermark) == (START + 5, START + MINUTE)
    assert [bar.first_id for bar in found.bars] == [10, 21]


@pytest.mark.parametrize(
    "changed",
    [
        Trade(START + 50, 11, "buy", "100", "1"),  # an id again
        Trade(START + 50, 10, "buy", "100", "1"),  # an id before
        Trade(START - 1, 12, "buy", "100", "1"),  # the minute before
    ],
)
def test_what_goes_back_gives_no_partial_bars(changed):
    """Such records are taken one by one; nothing at all gives None too."""
    trades = [Trade(START + 60, 11, "buy", "100", "1"), changed]
    assert bar_columns.partial_bars(columns(trades), WHALE) is None
    assert bar_columns.partial_bars(columns(trades).select(slice(0)), WHALE) is None


def test_an_id_that_two_records_cover_is_no_disorder():
    """The last ids increase; a record may reach back over the one before."""
    found = partial([Trade(START, 11, "buy", "1", "1"), Trade(START, 13, "buy", "1", "1", 3)])
    assert (found.records, found.id_gaps) == (2, [])


@pytest.mark.parametrize("cut", [1, 7, 200, 399])
def test_partial_bars_join_to_those_of_the_whole(cut):
    """Two processes read the halves; gaps at the seam and behind it know the whole watermark."""
    trades = some(400)
    joined = bar_builder.join(partial(trades[:cut]), partial(trades[cut:]))
    assert joined == partial(trades)


@pytest.mark.parametrize("few", [0, 64])
def test_disorder_is_taken_as_by_one_reader(monkeypatch, few):
    """Repeated and late records among others: the same bars and counters as line by line."""
    monkeypatch.setattr(bar_columns, "FEW", few)
    trades = some(300)
    trades[40:40] = trades[30:36]
    trades[200] = replace(trades[200], ts=trades[200].ts - 3 * MINUTE)
    wanted, found = BarBuilder(WHALE), BarBuilder(WHALE)
    plain = wanted.take([record_of(trade, LINEAR) for trade in trades], lambda *_: True)
    closed = list(bar_columns.closed_by(found, columns(trades), lambda *_: True))
    assert [bar for part in closed for bar in part.bars] == plain.bars
    assert [minute for part in closed for minute in part.gaps] == plain.gaps
    assert found.state() == wanted.state()
    for name in ("records", "duplicates", "late_trades", "gap_count"):
        assert getattr(found, name) == getattr(wanted, name) > 0
