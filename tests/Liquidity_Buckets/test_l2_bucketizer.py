"""Every field of the buckets against a bucketizer written apart, however the input is cut."""

import random
from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import book_lines, recordings
from tests.support.bucket_markets import START, compute, first_difference, markets
from tests.support.bucket_oracle import Rules, buckets
from tests.support.examples import often


@settings(max_examples=often(50, 150), suppress_health_check=list(HealthCheck))
@given(markets(), st.data())
def test_every_field_is_what_the_oracle_says(market, data):
    """Any small market, in one run and cut anywhere, fast and odd lines: the oracle's records."""
    snapshots, deeps, rules = market
    wanted = buckets(snapshots, deeps, rules)
    assert first_difference(compute(snapshots, deeps, rules), wanted) is None
    cuts = sorted(data.draw(st.lists(st.integers(0, len(snapshots)), max_size=6)))
    found = compute(snapshots, deeps, rules, cuts, odd=data.draw(st.booleans()))
    assert first_difference(found, wanted) is None


@recordings.each(*recordings.BOOKS)
def test_the_recordings_give_the_oracles_records(recording):
    """Recorded books, with and without deep snapshots: every field, in one run and in many."""
    snapshots = list(book_lines.recorded(recording.book_file))[:70]
    assert len(snapshots) == 70
    eth = recording.inst_id.startswith("ETH")
    rules = Rules(
        band=Fraction(150_000 if eth else 300_000),
        wall=Fraction(500_000 if eth else 1_000_000),
        ct_val=Fraction(recording.ct_val),
    )
    deeps = book_lines.deepened(snapshots, seed=7)
    del deeps[2]  # one is missing: the data grow old, and come back
    for beside in ([], deeps):
        wanted = buckets(snapshots, beside, rules)
        assert first_difference(compute(snapshots, beside, rules), wanted) is None
        cuts = sorted(random.Random(3).sample(range(len(snapshots)), 8))
        assert first_difference(compute(snapshots, beside, rules, cuts), wanted) is None
    assert any("deep" in record["band_source"] for record in wanted)


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_a_change_of_source_alone_changes_nothing(seed):
    """A market that stands still, seen through windows that come and go: no change, no new wall."""
    chance = random.Random(seed)

    def side(sign: int) -> list[list[str]]:
        return [[str(100_000 + sign * (50 * n + 1)), "3000", "0", "1"] for n in range(120)]

    bids, asks = side(-1), side(1)
    ts, snapshots, deeps = START, [], []
    for _ in range(60):
        ts += chance.choice((2_000, 5_000, 10_000))
        shown = [chance.choice((2, 5, 20, 60, 115)) for _ in "ba"]
        snapshots.append(book_lines.snapshot(ts, bids[: shown[0]], asks[: shown[1]]))
        if chance.random() < 0.3:
            shown = [chance.choice((10, 70, 120)) for _ in "ba"]
            deeps.append(book_lines.deep(ts, ts, bids[: shown[0]], asks[: shown[1]]))
    whole = compute([book_lines.snapshot(START, bids, asks)], [], Rules(depth_levels=2))[0]
    found = compute(snapshots, deeps, Rules(depth_levels=2))
    started = found[0]["band_source"]
    for record in found:
        for name in ("bid", "ask"):
            assert set(record[f"{name}_delta_notional"]) <= {None, "0"}
            assert not any(record[f"{name}_delta_significant"])
            assert all(wall["age_s"] is None for wall in record[f"{name}_walls"])
            # the notes' rule lets a band that a first snapshot shows whole begin its timer there
            young = record[f"{name}_young_active"]
            assert all(
                not on or source != "partial" for on, source in zip(young, started, strict=True)
            )
        for band, source in enumerate(record["band_source"]):
            wanted = None if source == "partial" else whole["imbalance"][band]
            assert record["imbalance"][band] == wanted


def test_sums_of_any_size_survive_a_restart():
    """Sizes that nobody has: more digits than a price has on both sides of the point, exact."""
    rows = []
    for number in range(3):
        bids = [["99999.00000000000000000001", "9" * 18 + f"{number}.0000000001", "0", "1"]]
        asks = [["100001", f"{10**19 + number}", "0", "1"]]
        rows.append(book_lines.snapshot(START + 2_000 * number, bids, asks))
        rows[-1]["mid_price"] = "100000.000000000000000000005"
    rules = Rules(ct_val=Fraction("0.01"))
    wanted = buckets(rows, [], rules)
    assert len(wanted[0]["bid_notional"][0].partition(".")[2]) > 30
    assert first_difference(compute(rows, [], rules, [1, 2]), wanted) is None


def test_a_snapshot_without_one_good_level_shows_nothing():
    """All levels malformed, with and without a deep snapshot: empty bands, and the run goes on."""
    row = book_lines.snapshot(START, [["100", "1", "0", "1"]], [["101", "1", "0", "1"]])
    bad = {"bids_top400": [["x", "1", "0", "1"]], "asks_top400": [["101", "y", "0", "1"]]}
    deep = book_lines.deep(START - 5_000, START - 5_000, [["99", "5"]], [["102", "3"]])
    nothing = deep | {"bids": [["x", "5", "1"]], "asks": [["102", "y", "1"]]}
    for depth_levels, deeps, wanted in (
        (400, [], ["ws"] * 6),
        (1, [], ["partial"] * 6),
        (1, [nothing], ["partial"] * 6),
        (1, [deep], ["deep"] * 4 + ["partial"] * 2),
    ):
        [found] = compute([row | bad], deeps, Rules(depth_levels=depth_levels))
        assert found["band_source"] == wanted
        assert found["bid_notional"][:4] == ["0"] * 4
    assert found["bid_notional"][4] == "4.95"
