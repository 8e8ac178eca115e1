"""Poor highs and lows beside a tip, as of a minute."""

from typing import Any

import orjson
import pytest

from ravequant import catalog, times
from ravequant.signals.context.poor_ends import PoorEndsAsOf
from tests.support.feed_rows import MS, moment
from tests.support.made_signals import BTC, A, hidden, wick

DAY = times.DAY_MINUTES


def put(vault, *rows: tuple[int, str, str, str]) -> None:
    """Append rows: (minute at which it is known, event or profile, side, price)."""
    path = catalog.PROFILE.place(vault, BTC)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        for minute, event, side, price in rows:
            row: dict[str, Any] = {"known_utc": times.iso_minute(minute), "kind": "profile"}
            if event != "profile":
                row |= {
                    "kind": "level", "event": event, "event_id": f"{side}{price}", "side": side,
                    "price": price, "tpos": 2, "session_utc": "2025-12-13T00:00:00Z", "gap": False,
                }  # fmt: skip
            file.write(orjson.dumps(row) + b"\n")


def read(vault, *how, lead=None, **other) -> Any:
    found = PoorEndsAsOf.read(moment(vault, *how, **other))
    return found if isinstance(found, str) else found.of(lead or hidden())["poor"]


def test_the_nearest_open_level_beside_the_tip(vault):
    """Within 10 bps, of either side; a level that is repaired is gone from that minute on."""
    assert read(vault) == "not recorded"
    put(vault, (A - 900, "open", "high", "101265.5"), (A - 900, "open", "low", "101200"),
        (A - 900, "open", "high", "101351.3"), (A - 20, "profile", "", ""),
        (A, "repaired", "high", "101265.5"))  # fmt: skip
    assert read(vault, minute=A - 1) == {
        "side": "high", "price": "101265.5", "tpos": 2, "session_utc": "2025-12-13T00:00:00Z",
        "gap": False, "distance_bps": "+1.5",
    }  # fmt: skip
    assert (read(vault)["side"], read(vault)["distance_bps"]) == ("low", "-4.9")
    assert read(vault, ends={"profile": MS - 1})["side"] == "high"
    assert read(vault, lead=wick(32, "101500")) is None
    assert read(vault, lead=wick(32, "101452"))["price"] == "101351.3"
    assert read(vault, lead=wick(32, "101453")) is None


@pytest.mark.parametrize(("after", "found"), [(60, None), (61, "stale")])
def test_a_profile_that_is_stale_says_nothing(vault, after, found):
    """Its newest row of any kind counts; no level is looked for that opened a week ago."""
    put(vault, (A - 7 * DAY, "open", "high", "101250"), (A, "profile", "", ""))
    assert read(vault, minute=A + after) == found
    assert read(vault, minute=A + 7 * DAY + 1) == "not recorded"
    put(vault, (A + 1, "open", "high", "101250"), (A + 2 * DAY, "profile", "", ""))
    assert read(vault, minute=A + 2 * DAY)["distance_bps"] == "0.0"


def test_a_row_that_is_none_is_left_out(vault, caplog):
    """It hides no other."""
    put(vault, (A - 9, "open", "high", "101250"), (A - 1, "closed", "high", "101250"))
    assert read(vault)["price"] == "101250"
    assert "is left out" in caplog.text
