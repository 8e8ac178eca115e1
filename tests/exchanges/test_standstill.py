"""Since when nothing is recorded: the last row counts, and before it the start."""

import pytest

from ravequant import times
from ravequant.exchanges.standstill import Standstill

NOW = 1_765_748_100_000


@pytest.fixture
def clock(monkeypatch):
    """Give the wall clock, to be set."""
    now = [NOW]
    monkeypatch.setattr(times, "utc_now_ms", lambda: now[0])
    return now


def test_it_counts_from_the_last_row(clock):
    """Noticed 27 s after it; later notices change nothing, and a next standstill counts anew."""
    subject = Standstill()
    assert subject.facts(None, 27.0) == {"problem": None, "problem_since_utc": None}
    clock[0] += 60_000
    began = times.iso(NOW + 33_000)
    assert subject.facts("no net", 27.0) == {"problem": "no net", "problem_since_utc": began}
    clock[0] += 5_000
    assert subject.facts("no name", 32.5)["problem_since_utc"] == began
    subject.facts(None, 0.1)
    assert subject.facts("no net", 0.5)["problem_since_utc"] == times.iso(NOW + 64_500)


def test_before_the_first_row_it_counts_from_the_start(clock):
    """A program that never reached the exchange stands since its start."""
    subject = Standstill()
    clock[0] += 29_000
    assert subject.facts("no answer", None)["problem_since_utc"] == times.iso(NOW)
