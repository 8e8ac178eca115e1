"""Tests of scripts.bench.live_day: copies of an hour, and the hours that come."""

from itertools import pairwise

import pytest

from ravequant import catalog, times
from ravequant.records import parse_trade
from ravequant.vault.line_file import line_time, lines_forward
from scripts.bench import live_day
from scripts.bench.live_day import LiveDay
from scripts.bench.market import BTC

HOUR = times.HOUR_MS
NOW = times.parse_iso("2025-12-14T01:20:00Z")


@pytest.fixture
def day(vault, monkeypatch):
    """Return a market of few trades and books, of which no record is written yet."""
    monkeypatch.setattr(live_day, "RATE", 0.2)
    monkeypatch.setattr(live_day, "EVERY_MS", 590_000)
    with LiveDay(vault, 1, NOW) as found:
        yield found


def read(vault, data):
    return [line for _, path in data.files(vault, BTC) for line in lines_forward(path)]


def test_the_hours_are_one_recording(vault, day):
    """Over midnight, with ids without a gap, each hour as long and with as many books."""
    assert day.write_copies(3, 2) == day.begin_ms - HOUR
    assert len(read(vault, catalog.BOOK)) == 2 * 6
    assert day.write_copies(1, 0) == day.begin_ms + HOUR
    newest = day.write_until(NOW, 590_000)
    trades = [parse_trade(line, BTC)[0] for line in read(vault, catalog.TRADES)]
    assert all(later.first_id == trade.trade_id + 1 for trade, later in pairwise(trades))
    begin = day.begin_ms // HOUR
    hours = [sum(trade.ts // HOUR == begin - back for trade in trades) for back in range(4)]
    assert len(set(hours)) == 1
    assert hours[0] > 100
    moments = [line_time(line) or 0 for line in read(vault, catalog.BOOK)]
    assert moments == sorted(moments)
    assert sum(moment < day.begin_ms for moment in moments) == 3 * 6
    assert newest == max(trades[-1].ts, moments[-1])
    assert len(read(vault, catalog.DEEP)) >= 3


def test_the_market_goes_on(vault, day):
    """Each call writes what came since the last one, and names the newest record."""
    day.write_copies(0, 0)
    first = day.write_until(NOW - 600_000, 590_000)
    lines = len(read(vault, catalog.TRADES))
    assert first <= NOW - 600_000 < day.write_until(NOW, 590_000) <= NOW
    assert len(read(vault, catalog.TRADES)) > lines
    assert day.write_until(NOW, 590_000) is None
