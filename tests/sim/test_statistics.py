"""Trading statistics: rows begin their period, the newest is still forming, pages go back."""

import pytest

from ravequant.sim import statistics
from ravequant.sim.replies import RestError
from ravequant.times import DAY_MS, HOUR_MS, MINUTE_MS, parse_iso

BTC = "BTC-USDT-SWAP"
NOW = parse_iso("2025-12-14T21:33:20.000Z")
STEP = 5 * MINUTE_MS
RATIO = statistics.PATHS[0]


def asked(path: str, now: int = NOW, **query: str) -> list[list[str]]:
    found: list[list[str]] = statistics.rows(path, {"instId": BTC, **query}, now)
    return found


@pytest.mark.parametrize("path", statistics.PATHS[:-1])
def test_only_the_newest_row_changes(path):
    """Its period is not over; the row is final once a newer one is there."""
    first, later = asked(path), asked(path, NOW + 20_000)
    assert [row[0] for row in first] == [row[0] for row in later]
    assert first[0] != later[0]
    assert first[1:] == later[1:]
    assert int(first[0][0]) == NOW // STEP * STEP
    final = asked(path, NOW + STEP)[1]
    assert final == asked(path, NOW + 2 * STEP)[2]
    assert final[1:] == statistics.final_values(path, BTC, int(final[0]))


def test_pages_reach_three_days():
    """At most 100 rows a page, each grid step once, and no row older than the depth."""
    found, end = [], str(NOW + 1)
    while page := asked(RATIO, end=end, limit="400"):
        assert len(page) <= 100
        found += page
        end = page[-1][0]
    moments = [int(row[0]) for row in found]
    assert moments == [moments[0] - number * STEP for number in range(len(moments))]
    assert NOW - 3 * DAY_MS <= moments[-1] < NOW - 3 * DAY_MS + STEP
    newer = asked(RATIO, begin=str(moments[4]))
    assert [int(row[0]) for row in newer] == moments[:4]


def test_days_open_at_utc_8_unless_asked_otherwise():
    """1D begins at 16:00 UTC, 1Dutc at midnight."""
    assert int(asked(RATIO, period="1D")[0][0]) % DAY_MS == 16 * HOUR_MS
    assert int(asked(RATIO, period="1Dutc")[0][0]) % DAY_MS == 0


def test_the_coins_are_an_object_and_a_wrong_period_is_refused():
    """The one endpoint without rows; an unknown period or a moment that is none is 51000."""
    assert set(statistics.rows(statistics.PATHS[-1], {}, NOW)) == {"contract", "option", "spot"}
    for query in ({"period": "7m"}, {"end": "yesterday"}):
        with pytest.raises(RestError):
            statistics.rows(RATIO, {"instId": BTC, **query}, NOW)
