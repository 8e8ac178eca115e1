"""The next funding as of a minute."""

from typing import Any

import pytest

from ravequant import times
from ravequant.signals.context.funding import read_funding
from tests.support.feed_rows import MINUTE, MS, funding, marks, moment


def read(vault: Any, *how: Any, **other: Any) -> Any:
    return read_funding(moment(vault, *how, **other))


def test_the_estimate_and_the_minutes_until_it_is_settled(vault):
    """They count to the moment of the question, in whole minutes; the interval is the message's."""
    assert read(vault) == "not recorded"
    marks(vault, MS - 500)
    funding(vault, MS - 500, "-0.0000263463215391", MS + 90 * MINUTE, 4)
    assert read(vault) == {
        "estimate": "-0.0000263463215391", "settles_utc": times.iso(MS + 90 * MINUTE),
        "minutes": 90, "interval_h": 4,
    }  # fmt: skip
    assert read(vault, 0.001)["minutes"] == 89


@pytest.mark.parametrize(
    ("after_s", "mark_s", "known"),
    [(0, 0, True), (900, 800, True), (900, 700, False), (901, 900, False)],
)
def test_an_estimate_that_is_stale_says_nothing(vault, after_s, mark_s, known):
    """After a quarter of an hour, or without a mark price: nobody listens."""
    funding(vault, MS, "0.0001", MS + 90 * MINUTE)
    marks(vault, MS + mark_s * 1_000)
    found = read(vault, after_s - 960, minute=MS // MINUTE + 16)
    assert (found != "stale") is known


def test_a_settlement_that_is_over_has_no_minutes_left(vault):
    """Until the next message, which is of the next one; a later line is not read."""
    marks(vault, MS - 1_000, MS)
    funding(vault, MS - 2_000, "0.0001", MS + 9_000)
    assert read(vault, 8.999)["minutes"] == 0
    assert read(vault, 9) == "settling"
    funding(vault, MS, "0.0002", MS + 9_000)
    funding(vault, MS + 1, "0.0003", MS + 9_000)
    assert read(vault)["estimate"] == "0.0002"
    assert read(vault, ends={"marks": MS - 1})["estimate"] == "0.0001"


def test_an_odd_interval_is_not_known_and_a_line_without_a_rate_is_none(vault, caplog):
    """The exchange changes intervals by itself."""
    marks(vault, MS)
    path = funding(vault, MS - 2_000, "0.0001", MS + MINUTE)
    data = path.read_bytes()
    path.write_bytes(data.replace(str(MS + MINUTE + 8 * times.HOUR_MS).encode(), b"1900000000001"))
    assert read(vault)["interval_h"] is None
    funding(vault, MS, "1e-5", MS + MINUTE)
    assert read(vault)["estimate"] == "0.0001"
    assert "is left out" in caplog.text
