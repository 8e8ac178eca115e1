"""How far a back-fill is, by its own pace."""

from typing import Any

from ravequant.exchanges.okx.rest import PAGES
from ravequant.times import iso
from tests.support.trade_history import START, trade
from Trades_Bot.gap_filler import GapFiller
from Trades_Bot.progress import Progress, RowRate, line_up


def filling(last: int, newest: int) -> GapFiller:
    filler = GapFiller(last, START + last, pages=PAGES, buffer_rows=10, patience_s=900.0)
    filler.live(trade(newest), 0.0)
    return filler


def test_without_a_gap_there_is_nothing_to_say():
    """The heartbeat has null."""
    filler = GapFiller(5, START, pages=PAGES, buffer_rows=10, patience_s=900.0)
    assert Progress().facts(filler, 0.0) is None


def test_it_says_what_is_missing_and_how_long_that_takes():
    """By the pace of the last minute; before a pace is known, null."""
    subject, filler = Progress(), filling(1_000, 11_001)
    assert subject.facts(filler, 0.0) == {
        "from_id": 1_001,
        "to_id": 11_000,
        "at_utc": iso(START + 1_000),
        "until_utc": iso(START + 11_001),
        "left_s": None,
    }
    found = subject.facts(filling(2_000, 11_001), 10.0)
    assert found is not None
    assert found["left_s"] == 90
    late = subject.facts(filling(10_000, 11_001), 65.0)  # the first look is forgotten
    assert late is not None
    assert late["left_s"] == round(1_000 * 55 / 8_000)


def test_those_that_wait_for_their_turn_are_reckoned_by_the_pace_before_them():
    """The first takes 100 s for 1,000 ids: the second, as long again, is done after 200."""
    fillings: list[dict[str, Any]] = [
        {"from_id": 1, "to_id": 1_000, "left_s": 100},
        {"from_id": 1, "to_id": 1_000, "left_s": None},
        {"from_id": 1, "to_id": 500, "left_s": None},
    ]
    line_up(fillings)
    assert [filling["left_s"] for filling in fillings] == [100, 200, 250]
    unknown: list[dict[str, Any]] = [{"from_id": 1, "to_id": 9, "left_s": None}]
    line_up(unknown)
    assert unknown[0]["left_s"] is None


def test_the_rate_of_rows_is_that_of_the_last_minute():
    """None before five seconds are known; older rows count no more."""
    rate = RowRate()
    assert rate.at(0.0, 0) is None
    assert rate.at(4.9, 10) is None
    assert rate.at(10.0, 400) == 40.0
    assert [rate.at(70.0, 2_000), rate.at(130.0, 2_060)] == [26.7, 1.0]
