"""One output of a recomputation: the days it reads, where it runs, how it fails."""

from dataclasses import replace
from pathlib import Path

import pytest

from ravequant import settings
from ravequant.vault.cursor import Cursor
from scripts.batch import jobs
from scripts.batch.jobs import BARS, CALCULATORS, LAST, Days, RecomputeTask
from tests.scripts.test_recompute import days
from tests.support.trade_streams import BTC

KEYS = ("2025-12-12", "2025-12-13", "2025-12-14", "2025-12-14/05", "2025-12-15")


def read(chosen: Days, cursor: Cursor | None = None) -> list[str]:
    """Return the keys of the files that are read."""
    files = [(key, Path(key)) for key in KEYS]
    return [key for key, _ in chosen.listing(lambda: iter(files), cursor)()]


def test_days_are_chosen_by_the_day_in_the_key_both_included():
    """An hour belongs to its day; no choice is all."""
    assert read(Days()) == list(KEYS)
    assert read(Days("2025-12-13", "2025-12-14")) == list(KEYS[1:4])
    assert read(Days("2025-12-14", LAST)) == list(KEYS[2:])


def test_a_cursor_before_the_first_day_is_gone_on_from():
    """Its file is read though it lies before --from: without it there would be a gap."""
    cursor = Cursor("2025-12-13", 10, 0, 0, 0)
    assert read(Days("2025-12-15"), cursor) == list(KEYS[1:])
    assert read(Days("2025-12-12"), cursor) == list(KEYS)


def test_all_calculators_but_two_work_on_minute_bars():
    """The bucketizer and book flow read books."""
    assert set(CALCULATORS) - set(BARS) == {"liquidity_buckets", "book_flow"}


@pytest.fixture
def task(tmp_path):
    """The volume of two days, from one folder into another."""
    source = days(tmp_path / "source")
    return RecomputeTask(
        "volume", BTC, source.root, tmp_path / "target", settings.load(), Days(), rebuild=False
    )  # fmt: skip


def test_the_target_is_worked_in(task, tmp_path):
    """Locks, states and outputs are those of the target's vault; the source may be another."""
    assert task.vault.root == tmp_path / "target"


def test_a_task_leaves_output_and_state_and_says_where_it_stands(task):
    """A second run has nothing to do, also where its days end before the state's."""
    outcome = jobs.run_task(task)
    assert (outcome.code, outcome.error) == (0, "")
    assert outcome.facts["records"] > 0
    cursor = jobs.cursor_of(task.vault.state("volume", BTC), "volume", BTC)
    assert cursor is not None
    assert jobs.run_task(task).facts["records"] == 0
    earlier = replace(task, days=Days(last="2000-01-01"))
    assert jobs.run_task(earlier).facts["records"] == 0


def test_an_error_is_an_outcome_with_its_exit_code(task):
    """A state that is damaged, or of another instrument, is named; nothing is raised."""
    jobs.run_task(task)
    task.vault.state("volume", BTC).write_bytes(b"{")
    outcome = jobs.run_task(task)
    assert outcome.code == 1
    assert "volume" in outcome.error
