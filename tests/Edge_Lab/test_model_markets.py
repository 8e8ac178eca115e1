"""Model markets: the same everywhere, without drift, and in the shape that SPEC 17 gives them."""

import hashlib

import numpy as np
import pytest

from Edge_Lab import model_markets
from Edge_Lab.model_markets import (
    MINUTES,
    PER_MINUTE,
    TICKS_A_BP,
    WARM_UP,
    made_day,
    tick_walk,
    words,
)
from ravequant import times


@pytest.mark.parametrize(
    ("market", "digest"), [("M2", "8205e9e92bbf3be0"), ("M3", "9ed5f45e684bfd78")]
)
def test_a_day_is_the_same_on_every_computer(market, digest):
    """The columns of day 0, byte for byte."""
    trades = made_day(market, 0).trades
    columns = (trades.ts, trades.price, trades.qty, trades.buy)
    whole = b"".join(np.ascontiguousarray(column).astype("<i8").tobytes() for column in columns)
    assert hashlib.sha256(whole).hexdigest()[:16] == digest


def test_the_words_are_those_of_philox():
    """The first words of a name; another name has others."""
    assert [f"{word:016x}" for word in words("M1|0", 2).tolist()] == [
        "0747a502fd47b924", "01d12bc5a0432203"
    ]  # fmt: skip
    assert words("M1|0", 4)[:2].tolist() == words("M1|0", 2).tolist()
    assert words("M1|1", 2).tolist() != words("M1|0", 2).tolist()


def test_a_walk_of_ticks():
    """Single ticks, a trade a second, the taker buys a step up."""
    walk = tick_walk(3, 1_000)
    steps = np.diff(walk.price)
    assert set(steps.tolist()) == {-1, 1}
    assert (walk.buy[1:] == (steps > 0)).all()
    assert walk.ms(999) == 999_000
    assert abs(steps.sum()) < 4 * np.sqrt(1_000)


def test_a_day_of_trades():
    """120 trades in each minute, in order; the minutes are their candles."""
    day = made_day("M2", 1)
    ts, price = day.trades.ts, day.trades.price
    assert len(ts) == MINUTES * PER_MINUTE
    assert (np.diff(ts) > 0).all()
    assert (np.bincount(ts // times.MINUTE_MS - day.minutes.first) == PER_MINUTE).all()
    assert day.start % times.DAY_MINUTES == 0
    assert day.start == day.minutes.first + WARM_UP
    part = price[7 * PER_MINUTE : 8 * PER_MINUTE]
    assert [int(column[7]) for column in day.minutes[1:]] == [
        part[0], part.max(), part.min(), part[-1]
    ]  # fmt: skip


def test_no_step_knows_its_sign():
    """A step up is as frequent and as large as one down, at any volatility, within 4 sd."""
    steps = np.concatenate([np.diff(made_day("M2", number).trades.price) for number in range(8)])
    assert abs(steps.mean()) < 4 * steps.std() / np.sqrt(len(steps))
    assert abs((steps[1:] * steps[:-1]).mean()) < 4 * steps.var() / np.sqrt(len(steps))
    minutes = np.abs(steps[: len(steps) // 1_000 * 1_000]).reshape(-1, 1_000).mean(axis=1)
    assert minutes.max() > 4 * minutes.min()  # the volatility moves


def test_the_third_market_returns_to_its_mean():
    """It is a quiet walk and a part with an sd of 4 bps that loses half of itself in 3 minutes."""
    count = MINUTES * PER_MINUTE
    parts = [model_markets._returning(words(f"M3|{number}", count)) for number in range(6)]
    off = np.concatenate(parts).astype(np.float64)
    assert off.std() / TICKS_A_BP == pytest.approx(4, rel=0.1)
    lag = 3 * PER_MINUTE
    assert (off[lag:] * off[:-lag]).mean() / off.var() == pytest.approx(0.5, abs=0.1)
    rest = made_day("M3", 0).trades.price - parts[0]
    assert 0 < np.abs(np.diff(rest)).mean() < np.abs(np.diff(made_day("M2", 0).trades.price)).mean()


def test_the_minutes_of_a_longer_timeframe():
    """Whole candles alone, aligned to UTC."""
    minutes = made_day("M2", 2).minutes
    hours = minutes.joined(60)
    assert hours.first % 60 == 0
    assert len(hours.open) == MINUTES // 60
    assert int(hours.high[1]) == minutes.high[60:120].max()
    assert (int(hours.open[1]), int(hours.close[1])) == (minutes.open[60], minutes.close[119])
    late = minutes._replace(first=minutes.first + 7)
    assert late.joined(60).first == minutes.first + 60


def test_the_books_know_nothing_of_trades():
    """Contracts from 0 to 39 by a hash of price and minute; both sides show the same."""
    books = made_day("M2", 0).books
    shown = books.shown(99_123, 0, 1_200)
    assert set(shown.tolist()) <= set(range(40))
    assert len(set(shown.tolist())) > 20
    assert (shown == books.mirrored.shown(-99_123, 0, 1_200)).all()
    assert (shown[:12] == shown[0]).all()  # 12 snapshots a minute
    assert (shown == made_day("M3", 5).books.shown(99_123, 0, 1_200)).sum() < 200
    assert books.walk(0, 5) is None
    assert books.newest(int(books.ts[3]) + 1) == 3
