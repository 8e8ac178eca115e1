"""Rules 1 to 3 on hand-made facts, and the sentence that names the rule that failed."""

from dataclasses import replace

import pytest

from ravequant.signals.candidates import Query
from ravequant.signals.inputs import price
from tests.support.made_signals import (
    A,
    ask,
    book,
    hidden,
    only,
    set_up,
    surrounding,
    touched,
    wick,
)


@pytest.mark.parametrize(("age", "found"), [(19, 0), (20, 1), (40, 1), (41, 0)])
def test_age_bounds_are_included(age, found):
    """A wick counts from 20 to 40 minutes after its birth, both ends included."""
    around = [touched(age - 1 - n // 2, ("high", "low")[n % 2]) for n in range(16)]
    assert len(ask(set_up(around, wick(age, "101250"))).signals) == found


def test_a_touched_wick_is_no_signal():
    """What has been touched is no level any more, and the answer says so."""
    answer = ask(set_up(the_wick=hidden(status="touched", ended=A - 1)))
    assert answer.signals == ()
    assert answer.missing == ("rule 1: no untouched 1m wick aged 20 to 40 min; all 17 were touched")


def test_no_wick_of_that_age():
    """Without a wick of that age the first rule has failed."""
    answer = ask(set_up([], wick(60, "101250")))
    assert answer.missing == "rule 1: no 1m wick aged 20 to 40 min"


def test_too_few_touched_around():
    """Nine touched wicks within ten minutes are too few; the answer names the best one."""
    answer = ask(set_up(surrounding(9)))
    assert answer.missing == (
        "rule 2: no untouched 1m wick aged 20 to 40 min has 10 touched wicks within 10 min; best "
        "is high 101250 of 21:03 with 9 of 9"
    )
    assert len(ask(set_up(surrounding(10))).signals) == 1


def test_surrounding_ends_ten_minutes_away():
    """A wick born 10 minutes before or after is around it, one 11 minutes away is not."""
    near = [touched(42), touched(22), touched(42, "high"), touched(22, "high")]
    far = [touched(43), touched(21)]
    signal = only(set_up([*near, *far, *surrounding(6)]))
    assert (signal.candidate.touched, len(signal.candidate.others)) == (10, 10)


def test_only_its_own_timeframe_surrounds_it():
    """Wicks of other timeframes are not around a 1m wick, whatever their number."""
    others = [touched(30 + n % 5, timeframe="5m", event_id=f"5m {n}") for n in range(20)]
    assert ask(set_up(others)).signals == ()


def test_the_other_wick_of_its_own_candle_is_around_it():
    """A candle with two wicks gives each of them to the other's surroundings."""
    signal = only(set_up([touched(32, "low"), *surrounding(9)]))
    assert signal.candidate.touched == 10


def test_small_means_not_above_the_median():
    """A size equal to the median is small; half a tick more than an even median is not."""
    assert only(set_up(the_wick=hidden(size_ticks=15))).candidate.small
    answer = ask(set_up(the_wick=hidden(size_ticks=16)))
    assert answer.missing == (
        "rule 3: no surrounded untouched 1m wick aged 20 to 40 min is small; high 101250 of 21:03 "
        "has 16 ticks, the median around it is 15; --all-sizes takes it"
    )
    signal = only(set_up(the_wick=hidden(size_ticks=16)), query=Query(small_only=False))
    assert not signal.candidate.small


def test_an_even_median_is_the_mean_of_the_middle_pair():
    """Ten sizes, 11 and 14 in the middle: 12 ticks are small, 13 are not."""
    around = surrounding(10)
    sized = [w._replace(size_ticks=11 if n < 5 else 14) for n, w in enumerate(around)]
    assert only(set_up(sized)).candidate.median_text == "12.5"
    assert ask(set_up(sized, hidden(size_ticks=13))).signals == ()


def test_a_tip_beyond_500_bps_is_no_signal():
    """At exactly 500 bps it is one, a tick farther it is not."""
    at = [hidden(tip=price("105000")), hidden(tip=price("105000.1"))]
    found = [ask(set_up(the_wick=w, book=book(mid=price("100000")))) for w in at]
    assert [len(answer.signals) for answer in found] == [1, 0]
    assert found[1].missing == "rule 3: beyond 500 bps from price: high 105000.1 of 21:03"


def test_no_wicks_at_all():
    """An empty tracker is not the same as no signal, and says what to run."""
    answer = ask(set_up(wicks=(), newest_event=None))
    assert answer.missing == "no wicks are known: run Untouch_Wick/untouch_wick.py"


def test_wicks_of_long_ago_are_not_called_unknown():
    """A tracker that stopped days ago: its newest event is named, not denied."""
    answer = ask(set_up(wicks=(), newest_event=A - 3 * 1_440))
    assert answer.missing == (
        "no wick of the last day is known, the newest event is of 2025-12-11T21:35:00Z: "
        "run Untouch_Wick/untouch_wick.py"
    )


def test_the_order_of_the_wicks_does_not_matter():
    """Neither that of the file nor that of their names: births decide."""
    state = set_up(surrounding(16))
    named = [w._replace(event_id=f"{99 - n}") for n, w in enumerate(state.wicks)]
    state = replace(state, wicks=tuple(named))
    turned = replace(state, wicks=state.wicks[::-1])
    mixed = replace(state, wicks=(*state.wicks[1::2], *state.wicks[::2]))
    wanted = (only(state).candidate.touched, only(state).candidate.small)
    for other in (turned, mixed):
        assert (only(other).candidate.touched, only(other).candidate.small) == wanted


def test_the_best_of_several_is_named():
    """The one with the most touched around it; of those the younger one."""
    few = [touched(28), touched(30, "high"), touched(22)]  # around 32: two; around 38: two
    state = set_up([*few, wick(38, "101300"), wick(39, "101310")])
    assert ask(state).missing.endswith("best is high 101250 of 21:03 with 3 of 5")
    even = set_up([touched(35)], wick(32, "101250", event_id="b"))
    even = replace(even, wicks=(wick(36, "101300", event_id="a"), *even.wicks))
    assert ask(even).missing.endswith("best is high 101250 of 21:03 with 1 of 2")


def test_the_smallest_of_several_is_named():
    """Of equally small ones the younger one."""
    sizes = ((34, "101310", 99), (32, "101250", 40), (33, "101300", 40), (30, "101320", 41))
    wicks = [wick(ago, at, size_ticks=size) for ago, at, size in sizes]
    state = replace(set_up(surrounding(20)), wicks=(*wicks, *surrounding(20)))
    assert "; high 101250 of 21:03 has 40 ticks" in str(ask(state).missing)


def test_all_that_are_far_are_named():
    """In the order of their births."""
    far = [wick(34, "107000"), wick(30, "108000")]
    state = replace(set_up(), wicks=(*far, *surrounding()))
    assert ask(state).missing == (
        "rule 3: beyond 500 bps from price: high 107000 of 21:01, high 108000 of 21:05"
    )
