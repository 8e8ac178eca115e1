"""The line of a round: each outcome counted, each remedy once."""

from scripts.supervision.rounds import Round

WORDS = (
    "2026-11-29T09:00:00Z ERROR vwap: /v/vwap_1m.jsonl: 3 bytes found, 5 expected; run again with "
    "--rebuild"
)


def test_a_round_counts_the_last_end_of_each_calculator():
    """One that was refused the lock and came back is up to date, and counted once."""
    found = Round()
    assert not found
    for name, code in (("vwap", 4), ("cvd", 0), ("wicks", 3), ("vwap", 0)):
        found.ended(name, code, "")
    assert found
    assert not found.failed
    assert found.tell() == "2 up to date, 1 without data yet"
    assert not found


def test_many_names_are_counted():
    """A full disk stops all of them, and is one line."""
    found = Round()
    for number in range(10):
        found.ended(f"c{number}", 1, "no room; free space")
    assert found.tell() == "10 FAILED: c0, c1 and 8 more: free space"
    for name in ("a", "b", "c"):
        found.ended(name, 1, "no room; free space")
    assert found.tell() == "3 FAILED: a, b, c: free space"


def test_failures_are_told_by_their_remedy():
    """The names of those that fail with the same remedy stand together."""
    found = Round()
    for name in ("vwap", "cvd"):
        found.ended(name, 1, WORDS)
    found.ended("wicks", 1, "2026-11-29T09:00:00Z ERROR wicks: no room; free space on its disk")
    found.ended("volume", -9, "it said nothing")
    found.ended("buckets", 0, "")
    assert found.failed
    assert found.tell() == (
        "1 up to date, 4 FAILED: vwap, cvd: run again with --rebuild; wicks: free space on its "
        "disk; volume: it said nothing (all at once: end run_all, then: python scripts/run_all.py "
        "--rebuild)"
    )
    found.ended("vwap", 0, "")
    assert (found.failed, found.tell()) == (False, "1 up to date")


def test_the_remedy_names_the_vault():
    """A rebuild of another vault would mend nothing."""
    found = Round(" --vault /v")
    found.ended("vwap", 1, WORDS)
    end = "(all at once: end run_all, then: python scripts/run_all.py --vault /v --rebuild)"
    assert found.tell().endswith(end)


def test_a_slip_in_the_settings_is_one_plain_line():
    """All calculators stop at it, and none of them is broken; another failure stands beside it."""
    found, slip = Round(), "/r/ravequant.toml: signals.stop_bp is unknown; did you mean stop_bps?"
    for name in ("vwap", "cvd", "wicks", "volume"):
        found.ended(name, 2, f"2026-11-29T09:00:00Z ERROR {name}: {slip}")
    assert found.failed
    assert found.tell() == f"4 WAIT until the settings are mended: {slip}"
    assert not found.failed
    found.ended("vwap", 2, f"2026-11-29T09:00:00Z ERROR vwap: {slip}")
    found.ended("cvd", 1, WORDS)
    assert found.tell() == (
        f"1 WAIT until the settings are mended: {slip}, 1 FAILED: cvd: run again with --rebuild "
        "(all at once: end run_all, then: python scripts/run_all.py --rebuild)"
    )
