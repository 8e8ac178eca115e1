"""Which wicks are drawn as levels, and as what."""

from Dashboard.wick_levels import FIELDS, MOST, columns, drawn
from ravequant import exact
from ravequant.signals.inputs import WickAsOf

PRICE = 100 * exact.PRICE_ONE


def wick(name, tip="100", birth=50, status="untouched", ended=None, **other):
    made = WickAsOf(
        name, "1m", "high", birth, exact.units(tip, exact.PRICE_PLACES), 3,
        tip_exact=False, tip_strength=None, gap=False,
    )  # fmt: skip
    return made._replace(status=status, ended=ended, **other)


def names(wicks):
    return [one.event_id for one in wicks]


def test_untouched_wicks_within_two_percent_of_price():
    """Those 200 bps away are drawn, those farther away are not; expired ones never."""
    found = drawn(
        [wick("at", "102"), wick("beyond", "102.01"), wick("below", "98"),
         wick("old", status="expired", ended=60)],
        PRICE, 0,
    )  # fmt: skip
    assert sorted(names(found)) == ["at", "below"]


def test_without_a_price_the_newest_untouched_ones_come_first():
    """There is nothing to be near to."""
    found = drawn([wick("a", "500", 1), wick("b", "1", 9)], None, 0, most=1)
    assert names(found) == ["b"]


def test_touched_wicks_of_the_window_fill_the_rest():
    """Untouched ones come first, the nearest first; then those touched last."""
    known = [
        wick("far", "101.9"), wick("near", "100.1"), wick("before", status="touched", ended=10),
        wick("early", status="touched", ended=11), wick("late", status="touched", ended=99),
    ]  # fmt: skip
    assert names(drawn(known, PRICE, 10)) == ["early", "far", "late", "near"]
    assert names(drawn(known, PRICE, 10, most=3)) == ["far", "late", "near"]
    assert names(drawn(known, PRICE, 10, most=1)) == ["near"]


def test_at_most_three_hundred_by_birth():
    """They stand in the order of their birth, so that a newer one comes last."""
    known = [wick(f"{birth:03}", birth=birth) for birth in reversed(range(400))]
    found = drawn(known, PRICE, 0)
    assert len(found) == MOST
    assert [one.birth for one in found] == sorted(one.birth for one in found)


def test_a_wick_as_a_row_of_columns():
    """Sides are upper and lower, the tip is a number, minutes are Unix minutes."""
    found = columns([wick("x", "100.5", 7, "touched", 9, tip_exact=True), wick("y")], [])
    assert tuple(found) == FIELDS
    assert [found[name][0] for name in FIELDS] == ["x", "1m", "upper", 100.5, 7, 9, 1, 0]
    assert [found[name][1] for name in FIELDS] == ["y", "1m", "upper", 100.0, 50, None, 0, 0]


def test_a_gap_in_its_life():
    """Missing trades count from its birth to its touch, and in its own candle."""
    touched = wick("x", birth=50, status="touched", ended=60)
    for minutes, wanted in (([49], 0), ([50], 1), ([59], 1), ([60], 0), ([70], 0)):
        assert columns([touched], minutes)["gap"] == [wanted], minutes
    assert columns([wick("x", birth=50)], [70])["gap"] == [1]
    assert columns([wick("x", gap=True)], [])["gap"] == [1]
