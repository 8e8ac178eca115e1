"""Base rates: how often a layer was true before, for a level as far from price as this one."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ravequant import exact
from ravequant.signals.base_rates import Rate, base_rates
from ravequant.signals.candidates import Query
from ravequant.signals.evidence import FadeSetup, judge
from ravequant.signals.inputs import SIDES, CvdRow, LastTrade, RestingWall, VwapRow, price
from ravequant.signals.market_state import BOOK_STEP
from tests.support.examples import often
from tests.support.made_signals import (
    LIMITS,
    MINUTE,
    NOTIONAL,
    A,
    absorbing,
    ask,
    book,
    hidden,
    only,
    set_up,
    side,
    surrounding,
    touched,
    volume,
    wall,
    wick,
)


def rates(facts):
    (found,) = base_rates([only(facts)], Query(), LIMITS)
    return found


def test_the_tape_is_asked_at_each_minute():
    """A T4 is in sight for five minutes, or as many as have passed; one a day ago is not."""
    assert rates(set_up())["volume_tier"] == Rate(2, 61)
    rows = [
        volume(1441, tier="T4"),
        *(absorbing(ago) if ago == 30 else volume(ago) for ago in range(60, -1, -1)),
    ]
    found = rates(set_up(volume=tuple(rows)))
    assert (found["volume_tier"], found["absorption"]) == (Rate(5, 61), Rate(5, 61))


def test_the_absorbed_side_counts():
    """Absorbed sells were never a reason to sell."""
    rows = (*set_up().volume[:-2], absorbing(absorbed_side="sell"), volume(0))
    assert rates(set_up(volume=rows))["absorption"] == Rate(0, 61)


def test_cvd_and_vwap_are_counted_over_their_rows():
    """The sign of each minute; and a level as far above its close as the tip is above price now."""
    deltas = tuple(
        CvdRow(A - 4 + n, text, gap=False) for n, text in enumerate(("-1", "+1", "0", "-1"))
    )
    vwaps = tuple(
        VwapRow(A - 3 + n, price(close), price("100000"), gap=False)
        for n, close in enumerate(("99900", "99901", "99906", "101058"))
    )  # 19.70 bps above these closes: 96.8, 97.8, 102.8 and 1257 away from 100000
    found = rates(set_up(cvd=deltas, vwap=vwaps))
    assert (found["cvd"], found["vwap"]) == (Rate(2, 4), Rate(2, 4))


def test_the_book_is_asked_at_the_same_distance():
    """A wall that moved along with price counts; one that stayed at this tip does not."""
    moved = book(side(walls=(wall("101149.9"),)), mid=price("100951"))
    stayed = book(side(walls=(wall("101250"),)), mid=price("100951"))
    other = stayed._replace(imbalance=(0, -69, 0, 0, 0, 0))
    found = rates(set_up(past_books=(moved, stayed, other, moved)))
    assert (found["wall"], found["young_wall"]) == (Rate(2, 4), Rate(2, 4))
    assert found["imbalance"] == Rate(3, 4)


def test_without_anything_to_count_there_is_no_rate():
    """None is not 0 %."""
    found = rates(set_up(volume=(), cvd=(), vwap=(), past_books=()))
    assert set(found.values()) == {None}
    blind = rates(set_up(book=None, trade=None))
    assert (blind["vwap"], blind["wall"]) == (None, None)


def test_hidden_wicks_are_counted_in_the_minutes_in_which_they_were_hidden():
    """From 20 minutes of age, or its tenth touched neighbour, to 40 minutes or its own touch."""
    whole = rates(set_up())["wick"]
    assert whole == Rate(13, 61)  # ages 20 to 32 are 13 minutes
    ended = hidden(event_id="another", birth=A - 50, status="touched", ended=A - 20)
    around = [
        wick._replace(event_id=f"{wick.event_id} {n}", birth=A - 48, ended=A - 40)
        for n, wick in enumerate(surrounding())
    ]
    both = rates(set_up([ended, *around, *surrounding()]))["wick"]
    assert both == Rate(23, 61)  # and ages 20 to 29 of one touched at 30
    late = [wick._replace(ended=A - 5) for wick in surrounding()]
    assert rates(set_up(late))["wick"] == Rate(6, 61)  # 6 minutes since the tenth was touched
    low = touched(30, "low", tip=price("100000"))
    assert rates(set_up([low, *surrounding()]))["wick"] == whole


# --- the same condition in the layer and in its base rate ----------------------------------------

STRENGTH = st.sampled_from(["T1", "T4", "T4", None])
GAP = st.sampled_from([False, False, False, True])
SIDE = st.sampled_from(["buy", "sell"])
LAST = price("101050.9")


@st.composite
def minutes(draw):
    """Draw the minutes with trades of the last while, some of them over gaps."""
    found = sorted(draw(st.sets(st.integers(0, 60), max_size=25)), reverse=True)
    return [(ago, draw(GAP)) for ago in found]


@st.composite
def a_side(draw):
    """Draw a side of the book near the tip: walls small and large, old and young, and its depth."""
    walls = draw(
        st.lists(
            st.builds(
                RestingWall,
                price=st.sampled_from([price("101229"), price("101250"), price("101270")]),
                notional=st.sampled_from([1_999_999, 2_000_000, 3_000_000]).map(NOTIONAL.__mul__),
                age_s=st.sampled_from([None, 40, 299, 300]),
                young=st.booleans(),
            ),
            max_size=3,
        )
    )
    ages = draw(st.tuples(*[st.sampled_from([None, 40, 300])] * 6))
    depth = draw(st.sampled_from([1_000, 41_235]))
    return side(walls=tuple(walls), young_age_s=ages, depth=depth)


@st.composite
def states_of_a_market(draw):
    """Draw the notes' set-up with random rows, snapshots, wicks, gaps, and a late tracker."""
    rows = [
        volume(
            ago,
            tier=draw(STRENGTH),
            absorption=draw(st.booleans()),
            absorbed_side=draw(SIDE),
            gap=gap,
        )
        for ago, gap in draw(minutes())
    ]
    cvd = [
        CvdRow(A - 1 - ago, draw(st.sampled_from(["-1", "+1", "0"])), gap=gap)
        for ago, gap in draw(minutes())
    ]
    vwap = [
        VwapRow(
            A - 1 - ago, LAST, LAST + draw(st.integers(-30, 30)) * exact.PRICE_ONE * 10, gap=gap
        )
        for ago, gap in draw(minutes())
    ]
    books = [
        book(
            ts=(A - BOOK_STEP * step) * MINUTE - draw(st.integers(0, 5 * MINUTE - 1)),
            imbalance=draw(st.tuples(*[st.sampled_from([-78, -69, 0, 78, None])] * 6)),
            sides={"high": draw(a_side()), "low": draw(a_side())},
            gap=draw(GAP),
        )
        for step in sorted(draw(st.sets(st.integers(0, 12), max_size=6)), reverse=True)
    ]
    around = [
        touched(draw(st.integers(20, 60)), draw(st.sampled_from(SIDES)), event_id=f"around {n}")
        for n in range(draw(st.integers(0, 30)))
    ]
    others = [
        wick(
            draw(st.integers(15, 70)),
            "101250",
            draw(st.sampled_from(SIDES)),
            event_id=f"wick {number}",
            size_ticks=draw(st.sampled_from([3, 99])),
            gap=draw(GAP),
        )
        for number in range(draw(st.integers(0, 4)))
    ]
    ends = draw(
        st.lists(st.sampled_from([None, 3, 14]), min_size=len(others), max_size=len(others))
    )
    ended = [
        other if ago is None else other._replace(status="touched", ended=A - ago)
        for other, ago in zip(others, ends, strict=True)
    ]
    return set_up(
        [*surrounding(), *around, *ended],
        hidden(side=draw(st.sampled_from(SIDES))),
        volume=tuple(rows),
        cvd=tuple(cvd),
        vwap=tuple(vwap),
        past_books=tuple(books),
        book=book(),
        trade=None,
        tracked=A - draw(st.sampled_from([0, 0, 2, 10, 40])),
    )


def as_of(state, minute, past_book=None):
    """Return the state as it was known at an earlier minute, with this book as the newest."""
    wicks = [w for w in state.wicks if w.birth <= minute]
    known = [w.birth for w in wicks] + [w.ended for w in wicks if w.ended and w.ended <= minute]
    return replace(
        state,
        minute=minute,
        wicks=tuple(
            w._replace(status="untouched", ended=None) if w.ended and w.ended > minute else w
            for w in wicks
        ),
        newest_event=max(known, default=None),
        volume=tuple(row for row in state.volume if row.minute < minute),
        cvd=tuple(row for row in state.cvd if row.minute < minute),
        vwap=tuple(row for row in state.vwap if row.minute < minute),
        book=past_book,
        trade=LastTrade(minute * MINUTE, LAST),
    )


def met(state, name, signal, now):
    """Return whether a layer is met for a level as far from ``now`` as the signal's tip is."""
    tip = signal.wick.tip * now // signal.last.price
    setup = FadeSetup(signal.wick._replace(tip=tip), "", last=tip)  # so that nothing is far
    (layer,) = [layer for layer in judge(state, LIMITS, setup) if layer.name == name]
    return layer.state == "met"


def hidden_wick(state, at):
    """Return whether a signal of this side has its wick layer met."""
    found = ask(replace(state, book=None, trade=None)).signals
    return any(
        layer.state == "met" and layer.name == "wick"
        for signal in found
        if signal.wick.side == at
        for layer in signal.layers
    )


@settings(max_examples=often(100, 300), suppress_health_check=[HealthCheck.too_slow])
@given(states_of_a_market())
def test_a_layer_is_counted_where_it_is_met(state):
    """Whatever the gaps and ages: the base rate counts the moments at which the layer was met."""
    for signal in ask(state).signals:
        (found,) = base_rates([signal], Query(), LIMITS)
        ends = [row.minute + 1 for row in state.volume]
        moments = {
            "wick": [hidden_wick(as_of(state, end), signal.wick.side) for end in ends],
            **{
                name: [met(as_of(state, end), name, signal, LAST) for end in ends]
                for name in ("volume_tier", "absorption")
            },
            "cvd": [met(as_of(state, r.minute + 1), "cvd", signal, LAST) for r in state.cvd],
            "vwap": [met(as_of(state, r.minute + 1), "vwap", signal, r.close) for r in state.vwap],
        }
        for name in ("wall", "imbalance", "young_wall"):
            moments[name] = [
                met(as_of(state, step_end(row.ts), row), name, signal, row.mid)
                for row in state.past_books
            ]
        counted = {name: rate and (rate.moments, rate.met) for name, rate in found.items()}
        assert counted == {name: share(held) for name, held in moments.items()}


def step_end(ts):
    """Return the minute at the end of the step of a snapshot."""
    return next(end for end in range(A - 60, A + 1, BOOK_STEP) if end * MINUTE >= ts)


def share(held):
    return (len(held), sum(held)) if held else None


@pytest.mark.parametrize(
    ("rate", "percent", "words"),
    [
        (Rate(1, 1), None, "too few to say: 1 moment in 24 h"),
        (Rate(29, 29), None, "too few to say: 29 moments in 24 h"),
        (Rate(30, 30), "100.0", "true at 100.0% of 30 moments in 24 h"),
        (Rate(0, 30), "0.0", "true at 0.0% of 30 moments in 24 h"),
        (Rate(2, 61), "3.3", "true at 3.3% of 61 moments in 24 h"),
    ],
)
def test_a_rate_of_few_moments_is_not_told(rate, percent, words):
    """Below 30 moments a share says nothing, least of all 100 %."""
    assert (rate.percent, rate.words) == (percent, words)


def test_a_t4_over_a_gap_is_not_counted():
    """The layer says `gap` there, and its base rate agrees."""
    rows = [absorbing(ago, gap=True) if ago == 1 else volume(ago) for ago in range(60, -1, -1)]
    facts = set_up(volume=tuple(rows))
    assert rates(facts)["volume_tier"] == rates(facts)["absorption"] == Rate(0, 61)
    sound = [*rows[:-2], absorbing(), volume(0, gap=True)]
    assert rates(set_up(volume=tuple(sound)))["volume_tier"] == Rate(1, 61)  # not the last one


def test_rows_and_snapshots_over_a_gap_are_not_counted():
    """Neither do they leave the moments that are counted."""
    cvd = tuple(CvdRow(A - 2 + n, "-1", gap=gap) for n, gap in enumerate((True, False)))
    vwap = tuple(
        VwapRow(A - 2 + n, LAST, price("101058"), gap=gap) for n, gap in enumerate((True, False))
    )
    books = (book(gap=True), book(ts=A * MINUTE - 121_000), book())
    found = rates(set_up(cvd=cvd, vwap=vwap, past_books=books))
    assert (found["cvd"], found["vwap"]) == (Rate(1, 2), Rate(1, 2))
    assert found["wall"] == found["imbalance"] == found["young_wall"] == Rate(1, 3)


def test_a_vwap_of_a_part_of_its_window_is_not_counted():
    """The layer says `partial` there, and its base rate agrees."""
    vwap = tuple(
        VwapRow(A - 2 + n, LAST, price("101058"), gap=False, whole=whole)
        for n, whole in enumerate((False, True))
    )
    assert rates(set_up(vwap=vwap))["vwap"] == Rate(1, 2)


def test_a_wick_that_a_gap_may_have_touched_is_not_counted():
    """From the end of the minute in which trades are missing; with its own candle, never."""
    whole = [volume(ago, gap=ago == 4) for ago in range(60, -1, -1)]
    assert rates(set_up(volume=tuple(whole)))["wick"] == Rate(8, 61)  # 8 of 13 minutes
    assert rates(set_up(the_wick=hidden(gap=True)))["wick"] == Rate(0, 61)


def test_a_minute_that_the_tracker_has_not_reached_is_not_counted():
    """Three minutes after the last one that it has committed it counts as stale."""
    assert rates(set_up(tracked=A - 8))["wick"] == Rate(8, 61)  # up to A-5: 8 of 13 minutes
