"""The grids of the lab: each family by the signal that just belongs to it."""

from dataclasses import replace

import pytest

from Edge_Lab.families import (
    EXITS,
    FAMILIES,
    FILTERS,
    REGISTERED,
    ExitChoice,
    WickFilter,
    default_filter,
    name_of,
)
from ravequant import exact
from ravequant.signals.candidates import Query
from tests.support.made_signals import (
    LIMITS,
    MINUTE,
    book,
    hidden,
    mirrored,
    only,
    set_up,
    side,
    surrounding,
    volume,
    wall,
)

DEFAULT_FILTER = default_filter(LIMITS.reach_bps)
QUIET = tuple(volume(ago) for ago in range(60, -1, -1))


def families_of(facts):
    """Return the names of the families of the one signal."""
    signal = only(facts)
    return [name for name, takes in FAMILIES.items() if takes(signal)]


def test_the_grids_are_those_of_the_plan():
    """24 families, 72 filters and 16 exits, the defaults among them."""
    assert (len(FAMILIES), len(FILTERS), len(EXITS)) == (24, 72, 16)
    assert len(set(FILTERS)) == 72
    assert set(REGISTERED) <= set(FAMILIES)
    assert DEFAULT_FILTER in FILTERS
    assert EXITS[0] == ExitChoice("1", None)
    assert DEFAULT_FILTER.query == Query()


def test_each_filter_has_its_name():
    """A filter is named by its ages, touched wicks, reach, and its wall."""
    assert name_of(DEFAULT_FILTER) == "20-40 10 500"
    assert name_of(FILTERS[0]) == "20-40 8 25"
    assert name_of(FILTERS[-1]) == "40-120 15 500 wall"
    assert len({name_of(each) for each in FILTERS}) == 72


def test_the_set_up_of_the_notes():
    """The notes' signal meets all but what its hour, side and distance leave out."""
    assert families_of(set_up()) == [
        "base", "conviction>=HIGH", "conviction=MAX", "notes=MAX", "score>=40", "score>=60",
        "score>=80", "volume_tier", "absorption", "wall", "imbalance", "young_wall", "cvd", "vwap",
        "tip_exact", "VERY_HIGH", "SHORT", "16-24", "distance<=25",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "gained", "lost"),
    [
        ({"the_wick": hidden(tip_exact=False)}, set(), {"tip_exact", "VERY_HIGH"}),
        ({"around": surrounding(14)}, set(), {"VERY_HIGH"}),
        ({"cvd": ()}, set(), {"cvd"}),
        ({"vwap": ()}, set(), {"vwap"}),
        ({"volume": QUIET}, set(), {"volume_tier", "absorption"}),
    ],
)
def test_a_family_follows_its_layer(change, gained, lost):
    """A layer, strength or tip that is not there takes the signal out of its family alone."""
    whole, found = set(families_of(set_up())), set(families_of(set_up(**change)))
    score = {"score>=40", "score>=60", "score>=80", "conviction=MAX", "notes=MAX"}
    assert (found - whole, whole - found - score) == (gained, lost)


def test_conviction_counts_without_the_cap_of_a_book():
    """A day without books is judged by the layers that are there, not capped at WATCH."""
    signal = only(set_up(book=None))
    assert signal.conviction == "WATCH"
    assert FAMILIES["conviction>=HIGH"](signal)


def test_sides_hours_and_distance_are_split_without_rest():
    """Each signal is in one family of sides, of hours, and of distances."""
    low = families_of(mirrored(set_up()))
    assert {"LONG", "16-24"} <= set(low)
    assert "SHORT" not in low
    signal = only(set_up())
    thirds = [
        [name for name in ("00-08", "08-16", "16-24") if FAMILIES[name](moved)]
        for moved in (
            signal._replace(state=replace(signal.state, minute=minute))
            for minute in (1_440 * 20_000 + of_day for of_day in (0, 479, 480, 959, 960, 1_439))
        )
    ]
    assert thirds == [["00-08"]] * 2 + [["08-16"]] * 2 + [["16-24"]] * 2
    edge = signal.wick.tip * 10_000 // 10_025
    for price, near in ((edge + 1, True), (edge - 1, False)):
        moved = signal._replace(last=signal.last._replace(price=price))
        assert (FAMILIES["distance<=25"](moved), FAMILIES["distance>25"](moved)) == (near, not near)
    blind = signal._replace(last=None)
    assert not FAMILIES["distance<=25"](blind)
    assert not FAMILIES["distance>25"](blind)


def test_whales_are_a_tag():
    """Many large records in the newest minute."""
    loud = volume(0, whale_count=11, whale_volume=2_000_001 * exact.NOTIONAL_ONE)
    assert "whales" in families_of(set_up(volume=(*QUIET[:-1], loud)))


def test_a_filter_with_a_wall_asks_for_one_million_at_the_tip():
    """A smaller wall, another side or an old book is none; without the wall nothing is asked."""
    asks_for = WickFilter(wall=True)

    def takes(**facts):
        return asks_for.takes(set_up(**facts), hidden(), LIMITS)

    assert takes()
    assert takes(book=book(side(walls=(wall(notional=1_000_000),))))
    assert not takes(book=book(side(walls=(wall(notional=999_999),))))
    assert not takes(book=book(side(), sides={"high": side(), "low": side(walls=(wall(),))}))
    assert not takes(book=book(ts=book().ts - 3 * MINUTE))
    assert not takes(book=book(gap=True))
    assert not takes(book=None)
    assert DEFAULT_FILTER.takes(set_up(book=None), hidden(), LIMITS)
