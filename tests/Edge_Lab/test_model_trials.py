"""Trials of model markets: the wicks of Untouch_Wick, the levels of the query, drawn families."""

from types import SimpleNamespace

import numpy as np
import pytest

from Edge_Lab import families, model_trials
from Edge_Lab.model_markets import made_day
from Edge_Lab.model_trials import INSTRUMENT, NEVER, TIMEFRAMES, day_wicks, plans_of
from ravequant import settings, times
from ravequant.signals.candidates import Query
from ravequant.signals.inputs import LastTrade, WickAsOf
from ravequant.signals.limits import SignalLimits
from ravequant.signals.market_state import MarketState
from ravequant.signals.rules import find
from Untouch_Wick.candle_builder import CandleBuilder
from Untouch_Wick.wick_detector import SIGNS, WickDetector

HOURS = 4


@pytest.fixture(scope="module")
def day():
    """Return a day of M2 on which an exact tip leads older twins, in its first hours."""
    return made_day("M2", 40)


@pytest.fixture(scope="module")
def wicks(day):
    """Return its wicks, made in columns."""
    return day_wicks(day)


@pytest.fixture(scope="module")
def detected(day):
    """Return the wicks that the tracker makes of the same minutes: {wick: touched or NEVER}."""
    builder, detector, found = CandleBuilder(), WickDetector(), {}
    for place, prices in enumerate(zip(*day.minutes[1:], strict=True)):
        minute = day.minutes.first + place
        opened, high, low, close = map(int, prices)
        bar = SimpleNamespace(
            minute=minute, open=opened, high=high, low=low, close=close,
            trade_count=1, base=1, notional=1, buy_notional=0,
        )  # fmt: skip
        builder.add(bar)  # type: ignore[arg-type]
        for event in detector.at(minute + 1, builder.close(minute + 1), 1):
            found[event.wick] = event.known if event.kind == "touched" else NEVER
    return found


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_wicks_are_those_of_the_tracker(day, wicks, detected, timeframe):
    """Birth, tip, size, an exact tip, and the minute at which a touch is known."""
    columns = wicks[timeframe]
    ours = [
        (("low", "high")[int(high)], *map(int, facts[:-1]), bool(facts[-1]), int(touched))
        for high, *facts, touched in zip(
            columns.high, columns.birth, columns.tip, columns.size, columns.exact, columns.touched,
            strict=True,
        )
    ]  # fmt: skip
    theirs = [
        (
            wick.side, wick.birth, wick.tip * SIGNS[wick.side], wick.size_ticks,
            wick.tip_distance_ticks == 0, touched,
        )
        for wick, touched in detected.items()
        if wick.timeframe == timeframe
    ]  # fmt: skip
    assert sorted(ours) == sorted(theirs)
    assert sum(columns.exact) > 0 or timeframe != "1m"


def states(day, detected, first, last):
    """Yield the state of the market as of each minute, with the wicks alone."""
    wicks = [
        (
            WickAsOf(
                f"{INSTRUMENT}|{wick.timeframe}|{times.iso_minute(wick.start)}|{wick.side}",
                wick.timeframe, wick.side, wick.birth, wick.tip * SIGNS[wick.side],
                wick.size_ticks, wick.tip_distance_ticks == 0, None, gap=False,
            ),
            touched,
        )
        for wick, touched in detected.items()
    ]  # fmt: skip
    for minute in range(first, last):
        known = [
            wick._replace(status="touched", ended=touched) if touched <= minute else wick
            for wick, touched in wicks
            if minute - times.DAY_MINUTES <= wick.birth <= minute
        ]
        price = int(day.minutes.close[minute - 1 - day.minutes.first])
        trade = LastTrade(minute * times.MINUTE_MS - 1, price)
        yield MarketState(
            INSTRUMENT, minute, wicks=known, newest_event=minute, tracked=minute,
            trade=trade, tick=1,
        )  # fmt: skip


def asked(day, detected, query):
    """Yield the trials of the first hours as the query gives them: an event once, groups once."""
    limits = SignalLimits.of(INSTRUMENT, settings.Settings())
    used: set[str] = set()
    for state in states(day, detected, day.start, day.start + HOURS * 60):
        new = [one for one in find(state, query, limits).signals if one.wick.event_id not in used]
        for signal in sorted(new, key=lambda one: one.wick.event_id):
            assert not signal.in_contact
            used.update(wick.event_id for wick in signal.wicks)
            plan = signal.plan
            yield state.minute, signal.wick.event_id, plan.entry, plan.stop, plan.target


@pytest.mark.parametrize("query", [Query(), Query(10, 30, min_touched=8)])
def test_levels_are_those_of_the_query(day, wicks, detected, query):
    """The same events at the same minutes, with the same entry, stop and target."""
    end = day.start + HOURS * 60
    ours = [
        (plan.minute, plan.event_id, plan.bracket.tip, plan.bracket.stop, plan.bracket.target)
        for plan in plans_of(day, wicks, query)
        if plan.minute < end
    ]
    assert ours == list(asked(day, detected, query))
    assert len(ours) > 10


def test_a_plan_is_as_of_its_minute(day, wicks):
    """Nothing that a later minute brings changes a plan: 20 cuts, nothing moves after any."""
    whole = list(plans_of(day, wicks))
    for cut in range(day.start + 60, day.start + times.DAY_MINUTES, 72):
        place = np.arange(len(day.minutes.open))
        known = place < cut - day.minutes.first
        last = day.minutes.close[cut - 1 - day.minutes.first]
        flat = [np.where(known, column, last) for column in day.minutes[1:]]
        part = day._replace(minutes=type(day.minutes)(day.minutes.first, *flat))
        seen = [plan for plan in plans_of(part, day_wicks(part)) if plan.minute <= cut]
        assert [vars_of(plan) for plan in seen] == [
            vars_of(plan) for plan in whole if plan.minute <= cut
        ]


def vars_of(plan):
    """Return the fields of a plan."""
    return [getattr(plan, name) for name in plan.__dataclass_fields__]


def test_families_are_those_of_the_lab(day, wicks):
    """The 24 of the lab by name, and each trial in one side, one third of a day, one distance."""
    assert set(model_trials.FAMILIES) == set(families.FAMILIES)
    for plan in plans_of(day, wicks):
        taken = set(plan.families)
        for exclusive in (("SHORT", "LONG"), ("00-08", "08-16", "16-24"),
                          ("distance<=25", "distance>25")):  # fmt: skip
            assert len(taken & set(exclusive)) == 1
        assert "base" in taken


def test_statuses_read_ahead_are_those_of_later(wicks):
    """The mutation sees a touch before it is known: it takes no wick that is touched soon."""
    ahead = model_trials.first_minutes(wicks["1m"], ahead=20)
    taken = ahead < NEVER
    assert 0 < taken.sum() < (model_trials.first_minutes(wicks["1m"]) < NEVER).sum()
    assert (wicks["1m"].touched[taken] - ahead[taken] > 20).all()


def test_an_age_below_the_time_around_is_refused(wicks):
    """The closed form needs all wicks around a wick to be known."""
    with pytest.raises(ValueError, match="age_min 5 is below 10"):
        model_trials.first_minutes(wicks["1m"], Query(age_min=5))


def test_a_wick_that_is_never_reached_is_never_touched():
    """The lowest tip goes first; a minute touches a tip of its own height."""
    found = model_trials.first_reach(
        np.array([5, 3, 5, 9]), 100, np.array([5, 3, 10]), np.array([101, 102, 102])
    )
    assert found.tolist() == [103, 103, NEVER]
