"""Base rates: how often a layer was true before, for a level as far from price as this one."""

from ravequant.signals.base_rates import Rate, base_rates
from ravequant.signals.inputs import CvdRow, VwapRow, price
from ravequant.signals.rules import Query
from tests.support.made_signals import (
    LIMITS,
    A,
    absorbing,
    book,
    hidden,
    only,
    set_up,
    side,
    surrounding,
    touched,
    volume,
    wall,
)


def rates(facts):
    (found,) = base_rates([only(facts)], Query(), LIMITS)
    return found


def test_the_tape_is_asked_at_each_minute():
    """A T4 is in sight for five minutes, or as many as have passed; one a day ago is not."""
    assert rates(set_up())["volume_tier"] == Rate("3.3", 61)
    rows = [
        volume(1441, tier="T4"),
        *(absorbing(ago) if ago == 30 else volume(ago) for ago in range(60, -1, -1)),
    ]
    found = rates(set_up(volume=tuple(rows)))
    assert (found["volume_tier"], found["absorption"]) == (Rate("8.2", 61), Rate("8.2", 61))


def test_the_absorbed_side_counts():
    """Absorbed sells were never a reason to sell."""
    rows = (*set_up().volume[:-2], absorbing(absorbed_side="sell"), volume(0))
    assert rates(set_up(volume=rows))["absorption"] == Rate("0.0", 61)


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
    assert (found["cvd"], found["vwap"]) == (Rate("50.0", 4), Rate("50.0", 4))


def test_the_book_is_asked_at_the_same_distance():
    """A wall that moved along with price counts; one that stayed at this tip does not."""
    moved = book(side(walls=(wall("101149.9"),)), mid=price("100951"))
    stayed = book(side(walls=(wall("101250"),)), mid=price("100951"))
    other = stayed._replace(imbalance=(0, -69, 0, 0, 0, 0))
    found = rates(set_up(past_books=(moved, stayed, other, moved)))
    assert (found["wall"], found["young_wall"]) == (Rate("50.0", 4), Rate("50.0", 4))
    assert found["imbalance"] == Rate("75.0", 4)


def test_without_anything_to_count_there_is_no_rate():
    """None is not 0 %."""
    found = rates(set_up(volume=(), cvd=(), vwap=(), past_books=()))
    assert set(found.values()) == {None}
    blind = rates(set_up(book=None, trade=None))
    assert (blind["vwap"], blind["wall"]) == (None, None)


def test_hidden_wicks_are_counted_in_the_minutes_in_which_they_were_hidden():
    """From 20 minutes of age, or its tenth touched neighbour, to 40 minutes or its own touch."""
    whole = rates(set_up())["wick"]
    assert whole == Rate("21.3", 61)  # ages 20 to 32 are 13 minutes
    ended = hidden(event_id="another", birth=A - 50, status="touched", ended=A - 20)
    around = [
        wick._replace(event_id=f"{wick.event_id} {n}", birth=A - 48, ended=A - 40)
        for n, wick in enumerate(surrounding())
    ]
    both = rates(set_up([ended, *around, *surrounding()]))["wick"]
    assert both == Rate("37.7", 61)  # and ages 20 to 29 of one touched at 30
    late = [wick._replace(ended=A - 5) for wick in surrounding()]
    assert rates(set_up(late))["wick"] == Rate("9.8", 61)  # 6 minutes since the tenth was touched
    low = touched(30, "low", tip=price("100000"))
    assert rates(set_up([low, *surrounding()]))["wick"] == whole
