"""The market state: ages of its streams, why one does not count, how far the wicks are known."""

from dataclasses import replace
from typing import Any

import pytest

from ravequant.signals.limits import STREAMS
from ravequant.signals.market_state import MarketState, reach
from ravequant.signals.seen import Instant, Seen
from tests.support.made_signals import BTC, LIMITS, MINUTE, A, book, set_up, volume


def test_without_records_every_stream_is_missing():
    """Nothing has an age, and nothing counts."""
    state = MarketState(BTC, A)
    assert {state.age_ms(stream) for stream in STREAMS} == {None}
    assert {state.defect(stream, LIMITS) for stream in STREAMS} == {"missing"}


def test_the_age_of_each_stream():
    """A row's from the end of its minute, a snapshot's and a trade's from its own time."""
    state = replace(set_up(), volume=(volume(3),), newest_event=A - 2)
    ages = {stream: state.age_ms(stream) for stream in STREAMS}
    assert ages == {
        "trades": 2_000, "buckets": 1_000, "wicks": 2 * MINUTE, "volume": 3 * MINUTE, "cvd": 0,
        "vwap": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("age_ms", "defect"), [(120_000, None), (120_001, "stale")])
def test_a_stream_is_stale_above_its_limit(age_ms, defect):
    """At the limit it counts."""
    assert set_up(book=book(ts=A * MINUTE - age_ms)).defect("buckets", LIMITS) == defect


@pytest.mark.parametrize(("after_ms", "defect"), [(62_000, None), (62_001, "stale")])
def test_at_an_instant_ages_count_to_it(after_ms, defect):
    """A book of 58 s before A is too old from 62 s after A on; of trades the newest read counts."""
    now = Instant(A * MINUTE + after_ms, Seen(), trade_ms=A * MINUTE + 60_000)
    state = set_up(book=book(ts=A * MINUTE - 58_000), instant=now)
    assert state.defect("buckets", LIMITS) == defect
    assert {stream: state.age_ms(stream) for stream in ("trades", "buckets", "cvd")} == {
        "trades": after_ms - 60_000, "buckets": after_ms + 58_000, "cvd": after_ms,
    }  # fmt: skip
    assert replace(state, trade=None).defect("trades", LIMITS) is None


def test_stale_goes_before_gap():
    """A record that is too old says nothing, not even that something is missing."""
    old = book(ts=A * MINUTE - 120_001, gap=True)
    assert set_up(book=old).defect("buckets", LIMITS) == "stale"
    assert set_up(book=book(gap=True)).defect("buckets", LIMITS) == "gap"


@pytest.mark.parametrize("stream", ["volume", "cvd", "vwap"])
def test_only_the_newest_row_makes_a_gap(stream):
    """An older one is judged by the layers that look at it."""
    (*_, newest) = getattr(set_up(), stream)
    older: Any = newest._replace(minute=newest.minute - 1, gap=True)

    def defect(*rows):
        changes: dict[str, Any] = {stream: rows}
        return set_up(**changes).defect(stream, LIMITS)

    assert (defect(older, newest), defect(older)) == (None, "gap")


def test_a_trade_is_never_stale():
    """Its age is shown; the rules ask for no limit."""
    state = replace(set_up(), minute=A + 10_000)
    assert state.defect("trades", LIMITS) is None


def test_volume_since_a_minute():
    """That minute is included; gaps are listed by their minutes."""
    state = set_up(volume=tuple(volume(ago, gap=ago in (1, 3)) for ago in range(5, -1, -1)))
    assert [row.minute for row in state.volume_since(A - 3)] == [A - 3, A - 2, A - 1]
    assert [row.minute for row in state.volume_since(A)] == []
    assert state.gap_minutes == [A - 4, A - 2]


@pytest.mark.parametrize(
    ("newest_event", "tracked", "volume_end", "wanted"),
    [
        (None, 9, 9, None),
        (5, None, 9, 5),
        (5, 9, None, 5),
        (5, 9, 7, 7),
        (5, 6, 9, 6),
        (8, 9, 7, 8),
    ],
)
def test_reach(newest_event, tracked, volume_end, wanted):
    """Committed minutes count up to the newest with trades; else the newest event decides."""
    assert reach(newest_event, tracked, volume_end) == wanted


def test_an_idle_market_makes_the_wicks_as_old_as_its_tape():
    """Committed later than the newest minute with trades: as of A that minute is what was known."""
    rows = set_up().volume[:-4]
    facts = set_up(newest_event=A - 30, tracked=A + 100, volume=rows)
    assert facts.wicks_reach == A - 4
    assert set_up(newest_event=A - 1, tracked=A - 2).wicks_reach == A - 2  # an event not committed
