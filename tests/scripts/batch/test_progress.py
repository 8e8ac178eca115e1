"""Tests of scripts.batch.progress: the days that are done are seen in the outputs."""

import pytest

from ravequant import settings
from scripts.batch.jobs import Days, RecomputeTask, run_task
from scripts.batch.progress import PACE_S, DaysDone
from tests.support import kept_days
from tests.support.trade_streams import BTC

DAYS = 4


@pytest.fixture
def asked(vault):
    """Return tasks over some days of raw trades, the newest unfinished."""
    kept_days.put(vault, kept_days.stream(3, count=60))

    def tasks(*metrics, days=Days()):  # noqa: B008 - it is frozen
        return [
            RecomputeTask(metric, BTC, vault.root, vault.root, settings.load(), days, rebuild=True)
            for metric in metrics
        ]

    return tasks


def test_days_count_as_their_records_come(asked):
    """Those before the newest record, of each output; all of one that has ended."""
    vwap, wicks = asked("vwap", "wicks")
    progress = DaysDone([vwap, wicks])
    progress.begins(vwap)
    progress.begins(wicks)
    assert (progress.days_done(), progress.days) == (0, 2 * DAYS)
    run_task(vwap)
    assert progress.days_done() == DAYS - 1
    progress.ends(vwap)
    assert progress.days_done() == DAYS
    run_task(wicks)
    assert progress.days_done() == 2 * DAYS - 1


def test_records_from_before_do_not_count(asked):
    """A rebuild that is still waiting has done nothing."""
    (vwap,) = asked("vwap")
    run_task(vwap)
    progress = DaysDone([vwap])
    progress.begins(vwap)
    assert progress.days_done() == 0
    run_task(vwap)
    assert progress.days_done() == DAYS - 1


def test_only_the_days_asked_for_count(asked):
    """By the names of their raw files."""
    (vwap,) = asked("vwap", days=Days("2025-12-14", "2025-12-15"))
    assert DaysDone([vwap]).days == 2


def test_output_that_cannot_be_read_counts_nothing(asked, vault):
    """The run itself names the fault."""
    (buckets, vwap) = asked("liquidity_buckets", "vwap")
    progress = DaysDone([buckets, vwap])
    progress.begins(vwap)
    assert progress.days == DAYS
    path = vault.derived("vwap", BTC) / "vwap_1m.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no record\n")
    assert progress.days_done() == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "4 s"), (24, "96 s"), (30, "2 min"), (1_450, "97 min"), (3_600, "4 h")],
)
def test_the_time_left_goes_by_the_pace(asked, monkeypatch, seconds, text):
    """So many days in so much time; before there is a pace nothing is said of it."""
    progress = DaysDone(asked("vwap"))
    progress.days = 5
    found = iter((0, 1))
    monkeypatch.setattr(progress, "days_done", lambda: next(found))
    assert progress.text(0.0) == "0 of 5 days done"
    assert progress.text(float(seconds)) == f"1 of 5 days done, about {text} to go"


def test_an_earlier_pace_is_forgotten(asked, monkeypatch):
    """Books first, then trades: a day takes another time."""
    progress = DaysDone(asked("vwap"))
    progress.days = 5
    found = iter((0, 1, 1, 2, 4))
    monkeypatch.setattr(progress, "days_done", lambda: next(found))
    for now in (0.0, 1_000.0, 2_000.0):
        progress.text(now)
    assert progress.text(2_000.0 + PACE_S / 2) == "2 of 5 days done, about 90 s to go"
    assert progress.text(2_000.0 + PACE_S) == "4 of 5 days done, about 20 s to go"
