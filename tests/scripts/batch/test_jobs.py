"""One output of a recomputation: the days it reads, where it runs, how it fails."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from ravequant import catalog, settings, times
from ravequant.vault import commit
from ravequant.vault.cursor import Cursor
from ravequant.vault.paths import Vault
from scripts.batch import jobs
from scripts.batch.jobs import BARS, CALCULATORS, LAST, OF_TRADES, Days, RecomputeTask
from tests.scripts.test_recompute import days
from tests.support import book_lines
from tests.support.flow_vault import LINEAR, START, outputs, pressed, run, states
from tests.support.trade_streams import BTC, write_raw

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


def test_all_calculators_but_five_work_on_minute_bars():
    """Two read books, two the price of each trade, and liquidations mark prices."""
    of_prices = {"footprint", "profile"}
    others = {"liquidity_buckets", "book_flow", *of_prices, "liquidations"}
    assert set(CALCULATORS) - set(BARS) == others
    assert set(OF_TRADES) - set(BARS) == of_prices


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
    facts = commit.read_state(task.vault.state("volume", BTC), "volume", BTC)
    assert jobs.cursor_of(facts) is not None
    assert jobs.cursor_of(facts, "tape") is jobs.cursor_of(None) is None
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


def test_trades_of_the_day_before_are_read_where_they_are_still_needed(tmp_path):
    """The books stand in the new day and the tape of their trades in the old one."""
    shift = times.day_start_ms("2025-12-15") - START - 60_000
    snapshots, trades = (
        [row | {"timestamp_utc": times.iso(times.parse_iso(row["timestamp_utc"]) + shift)}
         for row in rows]
        for rows in pressed(90, 3)
    )  # fmt: skip
    whole, parted = Vault(tmp_path / "whole"), Vault(tmp_path / "parted")
    for vault in (whole, parted):
        book_lines.put_metadata(vault, BTC, LINEAR)
    early = 35  # books, of which the last few stand in the new day
    moment = snapshots[early - 10]["timestamp_utc"]  # their trades lag: more come into the old day
    before = [row for row in trades if row["timestamp_utc"] < moment]
    book_lines.put(parted.snapshots(BTC), snapshots[:early])
    write_raw(parted, BTC, [book_lines.lines([row]) for row in before])
    task = RecomputeTask(
        "book_flow", BTC, parted.root, parted.root, settings.load(), Days(), rebuild=False
    )  # fmt: skip
    assert jobs.run_task(task).error == ""
    facts = commit.read_state(parted.state("book_flow", BTC), "book_flow", BTC)
    places = [jobs.cursor_of(facts, name) for name in ("tape", "cursor")]
    assert [at and at.file[:10] for at in places] == ["2025-12-14", "2025-12-15"]
    book_lines.put(parted.snapshots(BTC), snapshots[early:])
    write_raw(parted, BTC, [book_lines.lines([row]) for row in trades[len(before) :]])
    assert jobs.run_task(replace(task, days=Days("2025-12-15"))).error == ""
    book_lines.put(whole.snapshots(BTC), snapshots)
    write_raw(whole, BTC, [book_lines.lines([row]) for row in trades])
    assert run(whole) == 0
    assert outputs(whole).items() > outputs(parted).items()
    assert states(whole)["book_flow"] == parted.state("book_flow", BTC).read_bytes()


def test_liquidations_of_another_vault_know_where_it_listened(tmp_path):
    """The spans of coverage come along: else each minute would be one over a gap."""
    source = days(tmp_path / "source")
    met = RecomputeTask(
        "liquidations", BTC, source.root, tmp_path / "target", settings.load(), Days(),
        rebuild=False,
    )  # fmt: skip
    outcome = jobs.run_task(met)
    assert (outcome.error, outcome.facts["records"]) == ("", 7)
    data = catalog.LIQUIDATIONS_1M.place(met.vault, BTC).read_bytes()
    rows = [orjson.loads(line) for line in data.splitlines()]
    assert [row["gap"] for row in rows] == [False] * 7
    assert {row["long_count"] for row in rows} == {2}
    earlier = replace(met, target=tmp_path / "earlier", days=Days(last="2025-12-13"))
    assert jobs.run_task(earlier).code == 3
