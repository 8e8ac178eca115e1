"""Open interest as of a minute, and its changes."""

from typing import Any

import pytest

from ravequant.signals.context.interest import read_interest
from tests.support.feed_rows import MINUTE, MS, interest, moment


def read(vault: Any, *how: Any, **other: Any) -> Any:
    return read_interest(moment(vault, *how, **other))


def test_changes_of_a_quarter_and_of_an_hour(vault):
    """In percent of what it was, two places, exact; contracts as the exchange wrote them."""
    assert read(vault) == "not recorded"
    interest(vault, {
        MS - 60 * MINUTE: "2216113.01000000309", MS - 60 * MINUTE + 1: "5",
        MS - 15 * MINUTE - 1_000: "2000000", MS - 3_000: "2216113.0200000031",
        MS: "2100000.5", MS + 1: "7",
    })  # fmt: skip
    assert read(vault) == {
        "contracts": "2100000.5", "change_15m_pct": "+5.00", "change_1h_pct": "-5.24"
    }  # fmt: skip
    assert read(vault, ends={"marks": MS - 1}) == {
        "contracts": "2216113.0200000031", "change_15m_pct": "+10.81", "change_1h_pct": "0.00",
    }  # fmt: skip


@pytest.mark.parametrize(("ago_s", "known"), [(0, True), (120, True), (121, False)])
def test_what_was_not_recorded_then_is_no_change(vault, ago_s, known):
    """Two minutes are too long at either end."""
    interest(vault, {MS - 15 * MINUTE - ago_s * 1_000: "100", MS - 1_000: "101"})
    found = read(vault)
    assert (found["change_15m_pct"], found["change_1h_pct"]) == ("+1.00" if known else None, None)
    later = read(vault, ago_s - 1)
    assert (later != "stale") is known


def test_none_at_all_grows_by_no_share(vault):
    """There is no percent of zero."""
    interest(vault, {MS - 15 * MINUTE: "0", MS: "101"})
    assert read(vault)["change_15m_pct"] is None
