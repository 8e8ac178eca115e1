"""Retention runs: which files go, which stay, and what a kill, a reader or a full disk leaves."""

import errno
import gzip
import os
from pathlib import Path

import pytest

from ravequant import times
from ravequant.settings import Retention
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault, day_files
from ravequant.vault.retention import plan
from ravequant.vault.retention.run import RetentionRun
from ravequant.vault.retention.survey import survey
from tests.support import crashes, recordings
from tests.support.aged_vaults import (
    BTC,
    DAY,
    ETH,
    HOUR,
    METRIC,
    NOW,
    day,
    fill,
    hour,
    line_of,
    lines_of,
    read_up_to,
    tree,
    write,
)
from VWAP import vwap_calculator


@pytest.fixture
def full(vault):
    """Return a vault with eight days of everything; BTC was read to the end, ETH never."""
    fill(vault, NOW)
    read_up_to(vault, BTC, hour(-1), times.day(NOW))
    return vault


def test_a_run_compresses_and_deletes_and_every_line_kept_is_the_same(full):
    """Five days of what was read, eight of what was not, all days of trades and buckets."""
    before = lines_of(full)
    run = RetentionRun(full, Retention(), NOW)
    run.go()
    after = lines_of(full)
    assert {outcome.status for outcome in run.results} == {"done"}
    assert after.items() <= before.items()
    gone = {(name, inst_id) for name, inst_id, _ in before.keys() - after.keys()}
    assert gone == {("books", BTC), ("deep", BTC)}
    five_days = times.hour(NOW - 5 * DAY - HOUR)
    assert {key for _, _, key in before.keys() - after.keys()} == {
        key for name, _, key in before if name == "books" and key < five_days
    }
    names = {path.name for path in full.root.rglob("*.jsonl*")}
    assert len(names) > 8
    for inst_id in (BTC, ETH):
        plain = [path.stem for path in full.trades(inst_id).glob("*.jsonl")]
        assert sorted(plain) == [day(1), day(0), times.day(NOW)]
        assert len(list(full.snapshots(inst_id).rglob("*.jsonl"))) == 2  # the last 6 hours and now
    second = RetentionRun(full, Retention(), NOW)
    second.go()
    assert second.results == []


def test_a_run_killed_at_any_step_is_ended_by_the_next_with_the_same_files(tmp_path):
    """Before every fsync, rename and deletion: nothing a reader should find is missing."""
    now = NOW

    def fresh(name: str) -> Vault:
        vault = Vault(tmp_path / name)
        for age in (-1, 5, 7, 130, 250):
            key = hour(age, now)
            write(vault.snapshots(BTC) / f"{key}.jsonl", line_of(key) * 50)
        for age in (-1, 0, 3):
            write(vault.trades(BTC) / f"{day(age, now)}.jsonl", b'{"a":1}\n' * 50)
        return vault

    wanted = fresh("whole")
    first = lines_of(wanted)
    with crashes.steps(0) as steps:
        RetentionRun(wanted, Retention(), now).go()
    assert steps.count("replace") > 3  # three files and the lock's signature
    kept = lines_of(wanted)
    for at in range(1, len(steps)):  # the last one only takes the lock's signature away
        vault = fresh(f"killed-{at}")
        with crashes.steps(at), pytest.raises(crashes.Stopped):
            RetentionRun(vault, Retention(), now).go()
        found = lines_of(vault)
        assert kept.items() <= found.items() <= first.items(), steps[at - 1]
        RetentionRun(vault, Retention(), now).go()
        assert tree(vault) == tree(wanted), steps[at - 1]


def test_a_dry_run_changes_nothing_and_says_what_a_run_does(full):
    """Not even a lock or a temporary; the deletions and compressions are those of the real run."""
    write(full.trades(BTC) / ".2025-12-01.jsonl.gz.tmp", b"left by a kill")
    before = sorted((path, path.stat().st_mtime_ns) for path in full.root.rglob("*"))
    dry = RetentionRun(full, Retention(), NOW, dry=True)
    dry.go()
    assert sorted((path, path.stat().st_mtime_ns) for path in full.root.rglob("*")) == before
    real = RetentionRun(full, Retention(), NOW)
    real.go()
    planned = [(outcome.action.kind, outcome.action.file.key) for outcome in dry.results]
    done = [(outcome.action.kind, outcome.action.file.key) for outcome in real.results]
    assert planned == done
    assert not list(full.root.rglob("*.tmp"))
    budget = RetentionRun(full, Retention(), NOW, dry=True).go().total - 500
    assert RetentionRun(full, Retention(), NOW, dry=True).go(budget).total <= budget


def test_a_budget_drops_the_oldest_book_hours_until_it_is_met(full):
    """After the ages have had their turn, and no more than it takes."""
    seen = RetentionRun(full, Retention(), NOW).go()
    before = lines_of(full)
    run = RetentionRun(full, Retention(), NOW)
    budget = seen.total - 500
    seen = run.go(budget)
    assert budget - 500 < seen.total <= budget
    gone = before.keys() - lines_of(full).keys()
    assert {name for name, _, _ in gone} <= {"books", "deep"}
    assert {inst_id for _, inst_id, _ in gone} == {BTC}  # ETH's were never read
    reasons = {outcome.action.reason for outcome in run.results}
    assert reasons == {"over the disk budget"}


def test_a_held_file_is_skipped_and_done_the_next_time(full, monkeypatch, caplog):
    """Windows: a reader has one hour open; the others are done, the run ends well."""
    before = lines_of(full)
    held = full.snapshots(ETH) / f"{hour(9)}.jsonl"
    unlink = os.unlink

    def in_use(path, *args, **kwargs):
        if Path(path) == held:
            raise PermissionError(13, "in use", str(path))
        unlink(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", in_use)
        run = RetentionRun(full, Retention(), NOW)
        run.go()
    skipped = [outcome for outcome in run.results if outcome.status == "skipped"]
    assert [outcome.action.file.key for outcome in skipped] == [hour(9)]
    assert f"{held}: another program has it open" in caplog.text
    assert lines_of(full).items() <= before.items()
    again = RetentionRun(full, Retention(), NOW)
    again.go()
    assert [(outcome.action.file.key, outcome.status) for outcome in again.results] == [
        (hour(9), "done")
    ]
    assert not held.exists()


def test_each_deletion_is_logged_and_a_lost_hour_is_a_warning(full, caplog):
    """The log names the file, its size and the reason."""
    fill(full, NOW - 4 * DAY)
    caplog.set_level("INFO")
    run = RetentionRun(full, Retention(), NOW)
    run.go()
    deleted = [outcome for outcome in run.results if outcome.action.kind == plan.DELETE]
    records = [record for record in caplog.records if record.message.startswith("deleted ")]
    assert len(records) == len(deleted) > 20
    warnings = [record.message for record in records if record.levelname == "WARNING"]
    assert warnings
    assert all(line.endswith(": older than 10 days, never read") for line in warnings)
    path = full.snapshots(ETH) / f"{hour(12 * 24, NOW)}.jsonl"
    assert any(line.startswith(f"deleted {path}, ") for line in warnings)


def test_a_state_that_cannot_be_read_protects_what_hangs_on_it(full, caplog):
    """Hours count as unread and no bucket day is compressed until somebody mends it."""
    full.state(METRIC, BTC).write_bytes(b"{}")
    run = RetentionRun(full, Retention(), NOW)
    run.go()
    kinds = {
        outcome.action.kind
        for outcome in run.results
        if outcome.action.file.inst_id == BTC and outcome.action.file.stream != plan.TRADES
    }
    assert kinds == {plan.COMPRESS}
    assert len(list(full.derived(METRIC, BTC).glob("*.jsonl"))) == 9
    assert "is damaged: not a sealed state" in caplog.text


def test_no_bucket_day_is_compressed_that_the_state_stands_in_or_before(full):
    """A commit checks its newest file in the plain form, days after its last run too."""
    read_up_to(full, BTC, hour(-1), day(4))
    run = RetentionRun(full, Retention(), NOW)
    run.go()
    assert {outcome.status for outcome in run.results} == {"done"}
    plain = sorted(path.stem for path in full.derived(METRIC, BTC).glob("*.jsonl"))
    assert plain == [*(day(age) for age in (4, 3, 2, 1, 0)), times.day(NOW)]


def test_a_calculator_that_went_back_meanwhile_keeps_its_days(full):
    """A rebuild between plan and deed: asked again under the calculator's own lock."""
    file = next(
        file
        for series in survey(full).series
        if (series.stream, series.inst_id) == (plan.BUCKETS, BTC)
        for file in series.files
        if file.key == day(5)
    )
    read_up_to(full, BTC, hour(-1), day(6))
    outcome = RetentionRun(full, Retention(), NOW)._act(
        plan.Action(plan.COMPRESS, file, "planned before")
    )
    assert outcome.status == "skipped"
    assert (full.derived(METRIC, BTC) / f"{day(5)}.jsonl").exists()


def test_a_bucket_day_waits_while_its_calculator_runs(full):
    """Output is not touched behind the back of who writes it."""
    with writer_lock(full, METRIC, BTC):
        run = RetentionRun(full, Retention(), NOW)
        run.go()
    skipped = {
        (outcome.action.file.stream, outcome.action.file.inst_id)
        for outcome in run.results
        if outcome.status == "skipped"
    }
    assert skipped == {(plan.BUCKETS, BTC)}


def test_a_full_disk_is_freed_by_the_deletions(full, monkeypatch):
    """Not a byte can be written, not even who holds the lock: old hours go all the same."""
    before = lines_of(full)

    def no_room(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", no_room)
        run = RetentionRun(full, Retention(), NOW)
        run.go()
    ends = {(outcome.action.kind, outcome.status) for outcome in run.results}
    assert ends == {("delete", "done"), ("compress", "failed")}
    kept = lines_of(full)
    assert kept.items() < before.items()
    assert not list(full.root.rglob("*.gz*"))
    RetentionRun(full, Retention(), NOW).go()
    assert lines_of(full) == kept


def test_a_damaged_pair_fails_alone(full):
    """One file that cannot be compressed stops no other, and the program says so by its code."""
    bad = full.trades(BTC) / f"{day(4)}.jsonl"
    write(bad.with_name(f"{bad.name}.gz"), gzip.compress(b"another day\n"))
    run = RetentionRun(full, Retention(), NOW)
    run.go()
    failed = [outcome.action.file.key for outcome in run.results if outcome.status == "failed"]
    assert failed == [day(4)]
    assert not (full.trades(BTC) / f"{day(3)}.jsonl").exists()


@recordings.each(*recordings.MIDNIGHT)
def test_a_calculator_goes_on_in_a_day_that_was_compressed_meanwhile(tmp_path, recording):
    """Its cursor counts uncompressed bytes: the same file as if nothing had been compressed."""
    days = {path.name[:10]: gzip.decompress(path.read_bytes()) for path in recording.trade_files}
    later = times.parse_iso(f"{recording.days[-1]}T00:00:00Z") + 25 * times.DAY_MS
    outputs = []
    for name in ("plain", "packed"):
        vault = Vault(tmp_path / name)
        for key, data in days.items():
            write(vault.trades(BTC) / f"{key}.jsonl", data)
            if name == "packed":
                RetentionRun(vault, Retention(), later, supposed=True).go()
            calculate = ["--vault", str(vault.root), "--instId", BTC, "--log-level", "error"]
            assert vwap_calculator.main(calculate) == 0
        outputs.append((vault.derived("vwap", BTC) / "vwap_1m.jsonl").read_bytes())
        forms = [path.suffix for _, path in day_files(vault.trades(BTC))]
        assert forms == [".jsonl" if name == "plain" else ".gz", ".jsonl"]
    assert outputs[0] == outputs[1] != b""


@pytest.mark.parametrize("ahead_days", [15, 400])
def test_a_clock_ahead_makes_nothing_old(full, ahead_days):
    """A flat battery, a wrong date: what is fresh stays, plain and whole."""
    RetentionRun(full, Retention(), NOW).go()
    before = tree(full)
    run = RetentionRun(full, Retention(), NOW + ahead_days * DAY)
    run.go()
    assert run.now == times.file_start_ms(times.hour(NOW)) + HOUR
    assert tree(full) == before
    assert [result.action.kind for result in run.results] == []


def test_a_clock_behind_counts_alone(full):
    """What is young by the clock is young."""
    run = RetentionRun(full, Retention(), NOW - 9 * DAY)
    run.go()
    assert run.now == NOW - 9 * DAY
    assert run.results == []


def test_a_record_ahead_of_its_time_makes_nothing_old(full):
    """The newest record is the newest that is not ahead."""
    RetentionRun(full, Retention(), NOW).go()
    before = lines_of(full)
    later = times.iso(NOW + 90 * DAY).encode()
    line = b'{"timestamp_utc":"%s","ahead":true}\n' % later
    day_file = full.trades(BTC) / f"{times.day(NOW)}.jsonl"
    day_file.write_bytes(day_file.read_bytes() + line)
    run = RetentionRun(full, Retention(), NOW + 90 * DAY)
    run.go()
    assert run.now == times.file_start_ms(times.hour(NOW)) + HOUR
    assert lines_of(full).keys() == before.keys()


def test_without_a_raw_record_nothing_is_deleted(vault):
    """Nobody knows how late it is: files are packed, and all of them stay."""
    for age in (-1, 9, 300):
        write(vault.snapshots(BTC) / f"{hour(age)}.jsonl", b"no record\n" * 50)
    before = lines_of(vault)
    run = RetentionRun(vault, Retention(), NOW)
    run.go(budget=1)
    assert not run.dated
    assert {result.action.kind for result in run.results} == {plan.COMPRESS}
    assert lines_of(vault) == before
    supposed = RetentionRun(vault, Retention(), NOW, dry=True, supposed=True)
    supposed.go()
    assert plan.DELETE in {result.action.kind for result in supposed.results}
