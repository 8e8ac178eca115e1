"""Ratios of the last closed period: no row before it was known."""

from typing import Any

import pytest

from ravequant import times
from ravequant.signals.context.ratios import PERIOD_MS, read_ratios
from tests.support.feed_rows import MINUTE, MS, moment, ratio


def read(vault: Any, *how: Any, **other: Any) -> Any:
    return read_ratios(moment(vault, *how, **other))


def test_a_row_counts_from_its_time_of_knowing_on(vault):
    """Its period may have ended long before; the newest that is known counts."""
    assert read(vault) == "not recorded"
    start = MS - 10 * MINUTE
    for name in ("accounts", "top_accounts", "top_positions"):
        ratio(vault, name, start - PERIOD_MS, start + MINUTE, "1.1739")
        ratio(vault, name, start, MS + (name == "top_accounts"), "0.9")
    assert read(vault) == {
        "accounts": "0.9", "top_accounts": "1.1739", "top_positions": "0.9",
        "until_utc": times.iso(start),
    }  # fmt: skip
    assert read(vault, ends={"marks": MS - 1})["accounts"] == "1.1739"
    assert read(vault, ends={"marks": start + MINUTE - 1}) == "not recorded"


@pytest.mark.parametrize(("after_s", "known"), [(0, True), (600, True), (601, False)])
def test_a_period_that_ended_long_ago_says_nothing(vault, after_s, known):
    """A quarter of an hour; the others stand."""
    ratio(vault, "accounts", MS - 10 * MINUTE, MS - 3 * MINUTE, "2")
    found = read(vault, after_s)
    assert (found != "stale") is known
    if known:
        assert (found["accounts"], found["top_accounts"]) == ("2", None)
        assert found["until_utc"] == times.iso(MS - 5 * MINUTE)
