"""The plan of a study: its days, and what they cost, by hand."""

import pytest

from Edge_Lab.study_plan import (
    StudyCost,
    StudyDays,
    answerable,
    left_s,
    listing_seconds,
    plan_lines,
    study_days,
)
from Edge_Lab.verdict import TRADES_ALONE
from ravequant.errors import UsageError

TODAY = "2026-03-10"
THREE = StudyDays("2025-12-14", "2025-12-16")


def test_the_days_have_a_week_before_them_and_a_day_behind():
    """Trades look back a week; trials of the last day end on the next one."""
    assert THREE.days == ["2025-12-14", "2025-12-15", "2025-12-16"]
    assert (THREE.trade_days[0], THREE.trade_days[-1]) == ("2025-12-06", "2025-12-17")
    assert THREE.book_days == [*THREE.days, "2025-12-17"]


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [
        (None, None, ("2026-01-21", "2026-03-06")),  # 45 days, and the newest one behind them
        ("2026-03-01", None, ("2026-03-01", "2026-03-06")),
        (None, "2026-02-14", ("2026-01-01", "2026-02-14")),
        ("2026-02-14", "2026-02-14", ("2026-02-14", "2026-02-14")),
    ],
)
def test_an_end_that_is_not_said_is_the_newest_published_day(first, last, found):
    """Without the first one these are 45 days."""
    assert study_days(first, last, "2026-03-07", TODAY) == found
    assert len(study_days(None, None, "2026-03-07", TODAY).days) == 45


@pytest.mark.parametrize(
    ("first", "last", "newest", "said"),
    [
        ("2026-03-02", "2026-03-01", None, "is later than 2026-03-01"),
        ("2026-03-10", "2026-03-10", None, "is not over; expected days before 2026-03-10"),
        ("2026-03-07", None, "2026-03-07", "--from 2026-03-07 is later than 2026-03-06"),
        (None, None, None, "no day is published"),
    ],
)
def test_days_that_cannot_be_are_refused(first, last, newest, said):
    """With what was expected."""
    with pytest.raises(UsageError, match=said):
        study_days(first, last, newest, TODAY)


def cost(**changed):
    """Return the cost of 45 days of two instruments, 10 MB of trades and 350 MB of books a day."""
    made = {
        "days": 45, "days_done": 0, "trades": 2 * 54 * 10**7, "books": 2 * 46 * 350 * 10**6,
        "largest_book": 350 * 10**6, "left_judging": 90, "instruments": 2,
    }  # fmt: skip
    return StudyCost(**(made | changed))


def test_the_cost_of_six_weeks_is_that_of_a_hand_calculation():
    """33.3 GB at 5 MB/s; 0.9 s a MB of trades; 4 MB of books a second; 70 s a day judged."""
    found = cost()
    assert found.fetch == 1_080_000_000 + 32_200_000_000
    assert found.stays == 5 * 1_080_000_000 + 90 * 62_000_000 // 6
    passing = 350_000_000 * 1 + 87_500_000 * 5 + 2 * 62_000_000
    assert found.disk == found.stays + passing
    assert found.seconds == pytest.approx(6656 + 972 + 8050 + 6300)
    assert cost(rate=10_000_000.0).seconds == pytest.approx(found.seconds - 3328)


def test_the_plan_says_days_sizes_time_and_the_answer():
    """In this order, and the days that are left out by name."""
    days = StudyDays("2026-01-21", "2026-03-06")
    lines = list(plan_lines(days, ["A-B-SWAP"], cost(days_done=3, unpublished=("2026-02-01",))))
    assert lines == [
        "study of A-B-SWAP: 45 days, 2026-01-21 to 2026-03-06, trades and books",
        "judged before: 3 of these days",
        "left out, no file of books: 2026-02-01",
        "to fetch: 33.3 GB (trades 1.1 GB, books 32.2 GB), one file after the other",
        "disk: 7.2 GB at the most, 6.3 GB of it stay",
        "time: about 6h06m at 5 MB a second; stop it whenever you like, it goes on where it was",
        "it can say LOSES, NOT PROVEN, QUEUE DECIDES or PROMISING; PROVEN needs a forward test too",
    ]


def test_trades_alone_and_few_days_cannot_answer():
    """The plan says so before anything is fetched."""
    assert list(answerable(cost(with_books=False, books=0))) == [TRADES_ALONE]
    (said,) = answerable(cost(days=29))
    assert said.startswith("it will say TOO EARLY: 29 of 30 days")
    (said,) = answerable(cost(days=30, unpublished=("2026-02-01",)))
    assert said.startswith("it will say TOO EARLY")


def test_time_left_is_that_of_the_days_done():
    """Two of five days took a minute; asking takes 2.5 s for each ten days of a stream."""
    assert left_s(60.0, 2, 5) == pytest.approx(90.0)
    assert left_s(60.0, 0, 5) == 0.0
    assert listing_seconds(THREE, 2, books=True) == 2 * 2.5 * (2 + 1)
    assert listing_seconds(THREE, 1, books=False) == 2.5 * 2
