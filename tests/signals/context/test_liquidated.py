"""The seen liquidations of the last minutes."""

from typing import Any

import pytest

from ravequant import times
from ravequant.signals.context.liquidated import read_liquidated
from tests.support.feed_rows import MINUTE, MS, liquidated, moment
from tests.support.made_signals import A


def read(vault: Any, *how: Any, **other: Any) -> Any:
    return read_liquidated(moment(vault, *how, **other))


def test_five_minutes_by_side(vault):
    """The newest that ended by the minute; sums are exact."""
    assert read(vault) == "not recorded"
    for minute in range(A - 6, A + 1):
        liquidated(vault, minute, "0.1" if minute in (A - 5, A - 1) else "90000")
    assert read(vault) == {
        "until_utc": times.iso_minute(A), "long_notional": "270000.2", "short_notional": "37.5",
        "long_count": 5, "short_count": 5, "gap": False,
    }  # fmt: skip
    assert read(vault, minute=A + 1)["long_notional"] == "360000.1"


def test_a_gap_is_said_and_all_gap_is_not_known(vault):
    """A minute over a gap, or without a row: the sums are short."""
    liquidated(vault, A - 5, gap=True)
    assert read(vault, minute=A - 4) == "gap"
    for minute in range(A - 4, A):
        liquidated(vault, minute, "1")
    found = read(vault)
    assert (found["gap"], found["long_notional"], found["short_count"]) == (True, "4", 5)
    liquidated(vault, A)
    assert read(vault, minute=A + 1)["gap"] is False
    liquidated(vault, A + 2)
    found = read(vault, minute=A + 3)
    assert (found["gap"], found["short_count"]) == (True, 4)


@pytest.mark.parametrize(
    ("after_s", "reason"),
    [(180, None), (181, "stale"), (86_340, "stale"), (86_400, "not recorded")],
)
def test_minutes_that_are_stale_say_nothing(vault, after_s, reason):
    """By the limit of volume; a day later they are as if none were recorded."""
    liquidated(vault, A - 1)
    found = read(vault, after_s % 60, minute=A + after_s // 60)
    assert (found if isinstance(found, str) else None) == reason


@pytest.mark.parametrize("name", ["liquidations_1m", "marks"])
def test_no_more_is_read_than_was_seen(vault, name):
    """Of the calculator, and of the recorder whose lines it had."""
    for minute in range(A - 9, A):
        liquidated(vault, minute, str(minute))
    for end, until in ((MS, A), (MS - 1, A - 1), (MS - MINUTE, A - 1), (MS - MINUTE - 1, A - 2)):
        found = read(vault, ends={name: end})
        assert found["until_utc"] == times.iso_minute(until)
