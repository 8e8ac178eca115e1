"""The candidates of a day, each at the first minute of its families and filters."""

import random
from dataclasses import FrozenInstanceError, replace
from functools import cache

import pytest

from Edge_Lab.day_candidates import (
    WARM_MINUTES,
    CandidatesOfDay,
    DayCandidate,
    GridWalk,
    day_candidates,
    limits_by_reach,
)
from Edge_Lab.families import FAMILIES, FILTERS, name_of
from ravequant import times
from ravequant.settings import Settings
from ravequant.signals import as_of
from ravequant.signals.candidates import Query
from ravequant.signals.inputs import LastTrade, price
from ravequant.signals.limits import SignalLimits
from ravequant.signals.rules import find
from ravequant.vault.paths import Vault
from tests.support import recordings
from tests.support.lab_market import (
    minutes_of,
    put_market,
    put_more,
    snapshots_of,
    sparse,
    trades_of,
)
from tests.support.made_signals import (
    BTC,
    LIMITS,
    A,
    hidden,
    limits_of,
    only,
    set_up,
    surrounding,
    wick,
)

SETTINGS = Settings()
BY_REACH = limits_by_reach(BTC, SETTINGS)
SHIFT_MS = -4 * times.HOUR_MS  # eight hours, half of them before midnight


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """Return a vault of eight hours around midnight with books, and its trades."""
    vault = Vault(tmp_path_factory.mktemp("market"))
    trades = trades_of(recordings.EIGHT_HOURS[0], SHIFT_MS)
    put_market(vault, trades)
    return vault, trades


@cache
def of_day(vault, day):
    """Return the candidates of a day, asked once."""
    return day_candidates(vault, BTC, day, SETTINGS)


def by_asking(vault, day, last):
    """Return (A, event) of each family and filter, by asking each minute with each query."""
    start = times.day_start_ms(day) // times.MINUTE_MS
    taken: dict[str, set[str]] = {}
    found: dict[tuple[int, str], set[str]] = {}
    for minute in range(start - WARM_MINUTES, last + 1):
        state = as_of.read(vault, BTC, minute, back=130, past=False)
        signals = {}
        for each in FILTERS:
            limits, asked = BY_REACH[each.reach_bps], each._replace(wall=False)
            if asked not in signals:
                signals[asked] = find(state, each.query, limits).signals
            for signal in signals[asked]:
                names = [name_of(each)] if each.takes(state, signal.wick, limits) else []
                if name_of(each) == "20-40 10 500":
                    names += [f"family {name}" for name, is_of in FAMILIES.items() if is_of(signal)]
                for name in names:
                    known = taken.setdefault(name, set())
                    if signal.wick.event_id not in known:
                        known |= {member.event_id for member in signal.wicks}
                        if minute >= start:
                            found.setdefault((minute, signal.wick.event_id), set()).add(name)
    return found


def test_each_candidate_is_one_that_the_query_returns_first_then(market):
    """Over hours with books: the same minutes, events, families and filters as by asking."""
    vault, trades = market
    day = times.day(trades[-1].ts)
    last = times.day_start_ms(day) // times.MINUTE_MS + 60
    found: dict[tuple[int, str], set[str]] = {}
    for one in of_day(vault, day).candidates:
        if one.minute <= last:
            names = found.setdefault((one.minute, one.event_id), set())
            names.update([*one.filters, *(f"family {name}" for name in one.families)])
            ages = {name.partition(" ")[0].partition("-")[2] for name in one.filters}
            assert ages <= {str(one.age_max)}
    assert found == by_asking(vault, day, last)
    assert len(found) > 5
    assert any(name.endswith(" wall") for names in found.values() for name in names)
    assert any(one.facts["wall_age_s"] is not None for one in of_day(vault, day).candidates)


def test_a_cut_vault_has_the_candidates_up_to_its_end(market, tmp_path, request):
    """CUT: at random instants, byte for byte, facts and plans included; 50 with --lab-bounds.

    The vault grows from one to the next. Each other instant lies in the minute after the A of a
    candidate that neither age nor reach nor wall made one: a touch did, and a touch of the minute
    that is not over would be seen there.
    """
    vault, trades = market
    day = times.day(trades[-1].ts)
    whole = of_day(vault, day).candidates
    start, (_, last) = times.day_start_ms(day), minutes_of(trades)
    ages = {each.age_min for each in FILTERS}
    sudden = [
        one.minute
        for one in whole
        if one.minute - one.birth not in ages and any(name.endswith(" 500") for name in one.filters)
    ]
    chance, instants = random.Random(11), []
    for number in range(50 if request.config.getoption("--lab-bounds") else 4):
        instant = chance.randrange(start + times.HOUR_MS, last * times.MINUTE_MS)
        if number % 2:
            open_ms = chance.randrange(15 * times.SECOND_MS, times.MINUTE_MS)
            instant = chance.choice(sudden) * times.MINUTE_MS + open_ms
        instants.append(instant)
    cut, before, compared = Vault(tmp_path), 0, 0
    snapshots = [(times.parse_iso(row["timestamp_utc"]), row) for row in snapshots_of(trades)]
    for instant in sorted(instants):
        more = [trade for trade in trades if before < trade.ts <= instant]
        put_more(cut, more, [row for ts, row in snapshots if before < ts <= instant])
        newest = max(trade.ts for trade in trades if trade.ts <= instant)
        closed = (newest - 5_000) // times.MINUTE_MS
        wanted = [repr(one) for one in whole if one.minute <= closed]
        found = day_candidates(cut, BTC, day, SETTINGS).candidates
        assert [repr(one) for one in found if one.minute <= closed] == wanted
        before, compared = instant, compared + len(wanted)
    assert compared


def test_data_begun_a_day_later_have_the_same_candidates(tmp_path, request):
    """WARM: facts and plans included.

    Behind a candidate lie 4 h of VWAP, 105 minutes of volumes, 24 h of wicks as targets and tips,
    and the 4 h in which the walk begins: 28 h. Farther back lies only an older wick whose tip its
    own candle met (tip_exact): 168 h, and the 2 h of the oldest filter. This market has no such
    wick, so 28 h are enough in the quick form; --lab-bounds begins 4 + 170 h before.
    A wall has the age of the recording of it, so there are no books here.
    """
    day = "2025-12-14"
    start = times.day_start_ms(day)
    hours = 174 if request.config.getoption("--lab-bounds") else 28
    begin = start - (hours + 24) * times.HOUR_MS
    trades = list(sparse(begin, start + 2 * times.HOUR_MS))
    found = []
    for after in (0, 24, hours + 18):
        vault = Vault(tmp_path / str(after))
        since = begin + after * times.HOUR_MS
        put_market(vault, [trade for trade in trades if trade.ts >= since], books=False)
        found.append([repr(one) for one in day_candidates(vault, BTC, day, SETTINGS).candidates])
    whole, later, short = found
    assert later == whole
    assert len(whole) > 5
    assert short != whole  # six hours are too few, and it is seen


def test_a_level_taken_before_midnight_is_no_trial_of_the_next_day(market):
    """Each event is a trial of a family or filter on one day."""
    vault, trades = market
    first, second = (of_day(vault, times.day(trades[n].ts)).candidates for n in (0, -1))
    for kind in ("families", "filters"):
        taken = {(one.event_id, name) for one in first for name in getattr(one, kind)}
        assert taken
        later = {(one.event_id, name) for one in second for name in getattr(one, kind)}
        assert not taken & later
    keys = [(one.minute, one.event_id, one.age_max) for one in second]
    assert keys == sorted(set(keys))


# --- by hand -------------------------------------------------------------------------------------


def walk():
    return GridWalk(LIMITS, BY_REACH)


def test_the_set_up_of_the_notes_is_one_candidate():
    """Its plan, tips, group and facts are those of the query at A."""
    found, no_plan = walk().take(set_up())
    signal = only(set_up())
    one, other = found  # ages up to 40, and up to 60
    assert (no_plan, one.age_max, other.age_max, other.families) == (0, 40, 60, ())
    assert (one.farthest, one.entry, one.stop, one.target) == (
        hidden().tip, *signal.plan[:3],
    )  # fmt: skip
    assert (one.minute, one.birth, one.candle_start, one.side) == (A, A - 32, A - 33, -1)
    assert (one.tips, one.wicks) == ((price("101250"),), (hidden().event_id,))
    assert "base" in one.families
    assert tuple(name for name in one.filters if name.startswith("20-40 10 500")) == (
        "20-40 10 500",
        "20-40 10 500 wall",
    )
    assert one.facts["age"] == 32


def test_families_are_asked_with_the_reach_of_the_settings():
    """At 19.7 bps from price: no family within 15 bps; all within 20, which is no filter."""
    for reach, families in ((15, False), (20, True), (25, True)):
        own = limits_of(reach_bps=str(reach))
        found, _ = GridWalk(own, BY_REACH).take(set_up())
        assert [bool(one.families) for one in found] == [families, False]
        names = {name for one in found for name in one.filters}
        assert {name.split()[2] for name in names} == {"25", "100", "500"}
        signals = find(set_up(), Query(), own).signals
        assert [signal.wick for signal in signals] == [hidden()] * families


def test_an_event_is_taken_once_by_each():
    """A minute later only new families and filters make a line; without any there is none."""
    grid = walk()
    assert len(grid.take(set_up(cvd=()))[0]) == 2
    later = replace(set_up(), minute=A + 1)
    (again,) = grid.take(replace(later, cvd=set_up().cvd))[0]
    assert again.families == ("cvd",)
    assert grid.take(replace(later, minute=A + 2))[0] == []


def test_a_twin_that_stood_in_the_group_is_no_trial_again():
    """The strongest leads; the other is not taken once the first is gone."""
    twin = wick(31, "101251", tip_exact=False)
    grid = walk()
    one, _ = grid.take(set_up([*surrounding(), twin]))[0]
    assert one.wicks == (hidden().event_id, twin.event_id)
    assert (one.entry, one.farthest) == (hidden().tip, twin.tip)
    asked = only(set_up([*surrounding(), twin]))
    assert (one.entry, one.stop, one.target) == asked.plan[:3]
    assert one.stop == price("101261.2")  # beyond the farther tip
    alone = set_up([*surrounding(), twin], hidden(status="touched", ended=A + 1))
    assert grid.take(replace(alone, minute=A + 1))[0] == []
    assert len(walk().take(replace(alone, minute=A + 1))[0]) == 2


def test_a_level_in_contact_has_its_prices():
    """It is a candidate whose trial will be missed; without a tick size it has no plan."""
    touching = LastTrade(set_up().ms - 1_000, price("101250"))
    (one, _), _ = walk().take(set_up(trade=touching))
    assert one.in_contact
    assert (one.entry, one.stop) == (price("101250"), price("101260.2"))
    assert walk().take(set_up(tick=None)) == ([], 2)


def test_a_candidate_is_a_record():
    """Nothing of a candidate changes after its minute."""
    (candidate, _), _ = walk().take(set_up())
    assert isinstance(candidate, DayCandidate)
    with pytest.raises(FrozenInstanceError):
        candidate.minute = 1  # type: ignore[misc]


def test_an_empty_vault_has_no_candidates(vault):
    """No file is no error."""
    assert day_candidates(vault, BTC, "2025-12-14", SETTINGS) == CandidatesOfDay((), 0)


def test_the_limits_differ_in_reach_alone():
    """Each reach of the grid; the default is that of the settings."""
    own = SignalLimits.of(BTC, SETTINGS)
    assert {reach: limits.reach_bps for reach, limits in BY_REACH.items()} == {
        reach: reach for reach in BY_REACH
    }
    assert len(BY_REACH) == 3
    for limits in BY_REACH.values():
        assert limits._replace(reach_bps=own.reach_bps) == own
        assert limits.least_wall == own.least_wall
