"""The forecast: growth from the dated files, days until the budget or the disk is full."""

import pytest

from ravequant.vault.retention import plan
from ravequant.vault.retention.forecast import Growth, days_left, growth_of
from ravequant.vault.retention.plan import DatedFile, Series
from tests.support.aged_vaults import BTC, NOW, RULES, books, day, hour


def test_growth_is_measured_over_finished_files_in_their_compressed_form():
    """100 bytes an hour plain, a tenth compressed: 240 a day, and the size at which it stays."""
    series = books(*map(hour, range(49)), packed_share=0.1)
    growth = growth_of(series, RULES[plan.BOOKS], NOW)
    assert growth is not None
    assert growth.per_day == pytest.approx(240)
    # 6 hours plain, the rest of 5 days compressed, less the 49 hours that are there
    assert growth.still == pytest.approx(0)
    packed = tuple(DatedFile(plan.BOOKS, BTC, file.key, None, 10) for file in series.files)
    smaller = growth_of(Series(plan.BOOKS, BTC, packed), RULES[plan.BOOKS], NOW)
    assert smaller is not None
    assert smaller.still == pytest.approx(6 * 100 + 114 * 10 - 490)


def test_trade_days_grow_for_ever_and_an_unfinished_day_is_no_measure():
    """The running day says nothing yet; days without a recording count as days."""
    assert growth_of(books("2025-12-14", stream=plan.TRADES), RULES[plan.TRADES], NOW) is None
    series = books(day(3), day(0), "2025-12-14", stream=plan.TRADES, packed_share=0.1)
    assert growth_of(series, RULES[plan.TRADES], NOW) == Growth(5.0, None)


@pytest.mark.parametrize(
    ("room", "growths", "days"),
    [
        (100, [], None),
        (0, [], 0),
        (-5, [Growth(1, None)], 0),
        (100, [Growth(10, None)], 10),
        (100, [Growth(10, None), Growth(10, None)], 5),
        (100, [Growth(10, 50)], None),
        (100, [Growth(10, 100)], 10),
        (100, [Growth(10, 50), Growth(5, None)], 10),  # 5 days at 15, then 25 left at 5
        (100, [Growth(10, 20), Growth(10, 40), Growth(0, 5)], None),
        (100, [Growth(10, 0), Growth(5, None)], 20),
    ],
)
def test_the_days_left_follow_what_still_grows(room, growths, days):
    """Book hours stop growing once five days of them are there, trades do not."""
    assert days_left(room, growths) == (None if days is None else pytest.approx(days))
