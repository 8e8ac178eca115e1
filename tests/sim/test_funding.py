"""Funding of the model market: a chain of settlements whose interval changes at a cap."""

from itertools import pairwise

from ravequant.sim import funding
from ravequant.times import DAY_MS, HOUR_MS, parse_iso

BTC = "BTC-USDT-SWAP"
START = parse_iso("2025-12-14T00:00:00.000Z")


def chain(days: int) -> list[int]:
    """Return every settlement of some days."""
    found = [funding.settled_before(START)]
    while found[-1] < START + days * DAY_MS:
        found.append(funding.settled_after(found[-1]))
    return found


def test_a_settlement_at_its_cap_shortens_the_interval():
    """Eight hours, but two of four hours behind a settlement that hit the cap."""
    found = chain(14)
    hours = [(later - before) // HOUR_MS for before, later in pairwise(found)]
    assert set(hours) == {4, 8}
    for before, later in pairwise(found):
        capped = funding.rate(BTC, before) == funding.CAP
        assert not capped or later - before == 4 * HOUR_MS


def test_before_and_after_are_neighbours():
    """At any moment the newest settlement and the next one stand next to each other."""
    found = chain(10)
    for before, later in pairwise(found):
        for moment in (before, before + 1, later - 1):
            assert funding.settled_before(moment) == before
            assert funding.settled_after(moment) == later


def test_a_row_names_the_settlements_around_it():
    """The rate of the settlement before is shown once it is no longer processed."""
    at = funding.settled_before(START + 9 * HOUR_MS)
    fresh, later = (
        funding.row(BTC, at + ms) for ms in (funding.PROCESSING_MS - 1, funding.PROCESSING_MS)
    )
    assert (fresh["settState"], fresh["settFundingRate"]) == ("processing", "")
    assert (later["settState"], later["settFundingRate"]) == ("settled", funding.rate(BTC, at))
    assert int(later["prevFundingTime"]) == at
    assert int(later["fundingTime"]) == funding.settled_after(at)
    assert int(later["nextFundingTime"]) > int(later["fundingTime"])


def test_history_pages_back_to_three_months():
    """Newest first, page by page without a hole, and nothing older than 93 days."""
    now, found, after = START + HOUR_MS, [], None
    while page := funding.history(BTC, now, None, after, 100):
        found += page
        after = int(page[-1]["fundingTime"])
    moments = [int(row["fundingTime"]) for row in found]
    assert moments == sorted(set(moments), reverse=True)
    assert now - 93 * DAY_MS <= moments[-1] < now - 92 * DAY_MS
    assert [funding.settled_before(later - 1) for later in moments[:-1]] == moments[1:]
    newer = funding.history(BTC, now, moments[3], None, 100)
    assert [int(row["fundingTime"]) for row in newer] == moments[:3]
