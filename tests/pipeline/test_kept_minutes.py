"""Kept minutes: the same bytes with and without them, and none that raw lines would not give."""

import gzip
import logging
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import orjson
import pytest

from ravequant import settings, times
from ravequant.pipeline import kept_minutes, runner
from ravequant.pipeline.kept_minutes import KeptMinutes
from ravequant.settings import Settings
from ravequant.settings_schema import ExactDecimal
from ravequant.trades import day_minutes, parallel_scan
from ravequant.trades.day_minutes import RejectedLine
from ravequant.vault import compress, gap_ledger, raw_content, tail
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from ravequant.vault.lock import after_others, if_free
from ravequant.vault.paths import Vault
from ravequant.vault.retention.run import RetentionRun
from scripts.batch.jobs import BARS, CALCULATORS
from tests.support import kept_days
from tests.support.kept_days import BAD, fresh, kept_files, made, put, run
from tests.support.trade_streams import BTC

SECOND = "2025-12-14"  # the second day of a stream, whole
stream = partial(kept_days.stream, count=130, part=0.5)


def anew(vault: Vault, root: Path, chosen: Settings | None = None) -> dict[str, bytes]:
    """Return what the volume calculator makes of the raw lines alone."""
    return fresh(vault, root, chosen, metrics=("volume",))["volume"]


@pytest.fixture
def standing(vault):
    """Return a vault whose minutes are kept, its second day packed."""
    put(vault, stream(8), packed=(SECOND,))
    run(vault)
    assert [path.name[:10] for path in kept_files(vault)] == ["2025-12-13", SECOND, "2025-12-15"]
    return vault


def believed(vault: Vault, chosen: Settings | None = None) -> list[str]:
    """Return the days that a rebuild does not read again: their kept files stay as they are."""
    before = {path: path.stat().st_mtime_ns for path in kept_files(vault)}
    for path in before:
        os.utime(path, ns=(1, 1))
    run(vault, chosen=chosen)
    return [path.name[:10] for path in kept_files(vault) if path.stat().st_mtime_ns == 1]


@pytest.mark.parametrize("seed", [0, 8])
def test_with_kept_minutes_and_without_every_byte_is_the_same(vault, tmp_path, seed):
    """Outputs, states and counters, of the run that makes them and of those that use them."""
    put(vault, stream(seed), packed=(SECOND,))
    wanted = fresh(vault, tmp_path / "fresh")
    counts = []
    for metric in (*BARS, BARS[0]):
        summary = run(vault, metric)
        assert made(vault, metric) == wanted[metric]
        counts.append(summary.counts)
        if metric == BARS[0] and len(counts) == 1:
            first = summary.bytes_read
    assert counts == counts[:1] * len(counts)
    assert summary.bytes_read < first / 3


def test_a_bad_line_is_named_again(standing, caplog):
    """With its file and its offset, as if it had been read."""
    put(standing, [*stream(8)[:40], BAD, *stream(8)[40:]])
    (standing.trades(BTC) / f"{SECOND}.jsonl.gz").unlink()
    said = []
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            run(standing)
        said.append([r.getMessage() for r in caplog.records if "skipped" in r.getMessage()])
    assert said[0] == said[1]
    assert any("2025-12-13.jsonl: line at byte " in line for line in said[0])


def test_days_that_are_kept_are_not_read_again(standing):
    """A rebuild believes every one of them."""
    assert believed(standing) == ["2025-12-13", SECOND, "2025-12-15"]


def turned_digit(path: Path) -> None:
    """Change a size in the middle of a raw file, whose length stays."""
    packed = path.suffix == ".gz"
    data = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    at = data.index(b'"qty_contracts":"45"', len(data) // 2) + 17
    data = data[:at] + b"7" + data[at + 1 :]
    path.write_bytes(gzip.compress(data, 3) if packed else data)


def day(vault: Vault, key: str) -> Path:
    """Return the raw file of a day."""
    (path,) = vault.trades(BTC).glob(f"{key}*")
    return path


def settle(vault: Vault, status: gap_ledger.Status) -> None:
    """Say of the first missing ids that kept minutes have met that they are something else."""
    known = [day_minutes.decode(path.read_bytes()) for path in kept_files(vault)]
    asked = next(answer for minutes in known for answer in minutes.id_gaps)
    ids = Gap(asked.first_missing, asked.last_missing)
    GapLedger(vault.gap_ledger(BTC), BTC).append(LedgerEntry(ids, status, "asked again", 0))


def without_first_line(vault: Vault) -> None:
    """Drop the first line of the third day: the second is closed by another one."""
    path = day(vault, "2025-12-15")
    path.write_bytes(path.read_bytes().partition(b"\n")[2])


def with_same_times(change: Callable[[Path], None], path: Path) -> None:
    """Change a file and set its time of change back, as some programs do."""
    found = path.stat()
    change(path)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def prepended(vault: Vault) -> None:
    """Put more lines before those of a packed day; its trailer stays."""
    path = day(vault, SECOND)
    more = b"".join(stream(9)[:50])
    path.write_bytes(gzip.compress(more, 3) + path.read_bytes())


STALE: dict[str, Callable[[Vault], object]] = {
    "plain raw changed": lambda vault: turned_digit(day(vault, "2025-12-13")),
    "packed raw changed": lambda vault: turned_digit(day(vault, SECOND)),
    "raw changed, its time set back": lambda vault: with_same_times(
        turned_digit, day(vault, "2025-12-15")
    ),
    "lines put before a packed day": prepended,
    "the closing line gone": without_first_line,
    "the next file under another name": lambda vault: day(vault, "2025-12-16").rename(
        vault.trades(BTC) / "2025-12-17.jsonl"
    ),
    "missing ids that never were": lambda vault: settle(vault, "id_hole"),
    "kept minutes of another day": lambda vault: shutil.copy(*kept_files(vault)[:2]),
    "raw removed": lambda vault: day(vault, "2025-12-13").unlink(),
    "a new first day": lambda vault: (vault.trades(BTC) / "2025-12-12.jsonl").write_bytes(
        b"".join(stream(8)[:30])
    ),
    "kept minutes emptied": lambda vault: kept_files(vault)[0].write_bytes(b""),
}


@pytest.mark.parametrize("spoil", STALE)
def test_stale_minutes_are_not_believed(standing, tmp_path, spoil):
    """The raw lines count: the outputs are those of a run that reads nothing else."""
    STALE[spoil](standing)
    wanted = anew(standing, tmp_path / "fresh")
    shutil.rmtree(standing.derived("volume", BTC))  # rows older than the raw lines would stay
    run(standing)
    assert made(standing) == wanted
    assert len(believed(standing)) == len(kept_files(standing)) >= 2


def test_another_whale_threshold_gives_other_minutes(standing, tmp_path):
    """It enters a minute bar; back at the first threshold they are made anew."""
    chosen = settings.load()
    least = chosen.bars.whale_notional
    whale = ExactDecimal(least // 400, "250", least.field)
    chosen = chosen._replace(bars=chosen.bars._replace(whale_notional=whale))
    wanted = anew(standing, tmp_path / "fresh", chosen)
    assert believed(standing, chosen) == []
    assert made(standing) == wanted
    assert believed(standing) == []


def test_the_name_of_the_next_file_counts(standing, tmp_path):
    """A line of a later date than its file's is ahead; under a later name it is not."""
    path = day(standing, "2025-12-16")
    first = path.read_bytes().partition(b"\n")[0] + b"\n"
    later = first.replace(b"2025-12-16", b"2025-12-17")
    path.write_bytes(path.read_bytes().replace(first, later, 1))
    run(standing)
    assert "2025-12-15" in believed(standing)
    path.rename(path.with_name("2025-12-17.jsonl"))
    wanted = anew(standing, tmp_path / "fresh")
    run(standing)
    assert made(standing) == wanted


@pytest.mark.parametrize(
    "change",
    [
        {"exchange": "binance"},
        {"inst_id": "ETH-USDT-SWAP"},
        {"day": "2025-12-12"},
        {"whale_notional": 10**50},
        {"offset": 1},
        {"reader": {"last_id": 1, "watermark_ms": None, "open": [], "gaps": []}},
    ],
)
def test_each_part_of_the_key_counts(standing, change):
    """Minutes that say of themselves that they were made otherwise are made anew."""
    before = {path.name: path.read_bytes() for path in kept_files(standing)}
    path = kept_files(standing)[1]
    minutes = day_minutes.decode(path.read_bytes())
    other = replace(minutes, key=replace(minutes.key, **change))
    path.write_bytes(day_minutes.encode(other))
    assert believed(standing) == ["2025-12-13", "2025-12-15"]
    assert {path.name: path.read_bytes() for path in kept_files(standing)} == before


def test_a_day_replaced_while_it_is_read_is_not_kept(vault, tmp_path, monkeypatch):
    """Its minutes are those of the lines before, and would pass for those of the lines now."""
    put(vault, stream(8), packed=(SECOND,))

    def late(path, *facts):
        if path.suffix == ".gz":
            turned_digit(path)
        return raw_content.whole_content(path, *facts)

    with monkeypatch.context() as patch:
        patch.setattr(kept_minutes, "whole_content", late)
        run(vault)
    run(vault)
    assert made(vault) == anew(vault, tmp_path / "fresh")


def test_an_earlier_version_is_not_believed(standing, monkeypatch):
    """The same lines may give other minutes there."""
    monkeypatch.setattr(day_minutes, "VERSION", day_minutes.VERSION + 1)
    assert believed(standing) == []


def test_a_vault_that_was_moved_keeps_its_minutes(standing, tmp_path):
    """Other times and numbers of files; their content is read once, and found to be the same."""
    moved = kept_days.copied(standing, tmp_path / "moved")
    shutil.copytree(standing.minutes(BTC), moved.minutes(BTC))
    shutil.copytree(standing.root / "state", moved.root / "state")
    assert believed(moved) == ["2025-12-13", SECOND, "2025-12-15"]


def test_compressing_a_day_changes_no_content(standing):
    """A packed day is known by its content."""
    compress.pack(day(standing, "2025-12-15"))
    assert believed(standing) == ["2025-12-13", SECOND, "2025-12-15"]


def test_retention_lets_a_compressed_day_be_known(standing, monkeypatch):
    """It packs a day whose content is noted: no later run has to read the day through."""
    now = times.parse_iso("2026-06-01T00:00:00Z")
    put(standing, [*stream(8), *stream(8, days=40)[-3:]])
    (standing.trades(BTC) / f"{SECOND}.jsonl").unlink()
    run(standing)
    RetentionRun(standing, Settings().retention, now).go()
    assert day(standing, "2025-12-13").suffix == ".gz"
    monkeypatch.setattr(raw_content, "content_of", None)
    assert believed(standing)[:2] == ["2025-12-13", SECOND]


def test_a_repair_elsewhere_leaves_them(standing):
    """Under another generation every file is read through; those as they were are believed."""
    gap_ledger.raise_generation(standing.generation(BTC))
    assert believed(standing) == ["2025-12-13", SECOND, "2025-12-15"]


def test_deleting_them_loses_nothing(standing, tmp_path):
    """The next run makes the same files again."""
    before = {path.name: path.read_bytes() for path in kept_files(standing)}
    shutil.rmtree(standing.minutes(BTC))
    standing.state("bars", BTC).unlink()
    run(standing)
    assert {path.name: path.read_bytes() for path in kept_files(standing)} == before


def test_the_ordinary_run_over_midnight_keeps_nothing(vault):
    """It reads no day from its beginning."""
    lines = stream(8, days=1)
    put(vault, lines[:50])
    run(vault)
    put(vault, lines)
    run(vault, rebuild=False)
    assert len(list(vault.trades(BTC).iterdir())) == 2
    assert kept_files(vault) == []


def test_a_run_that_was_away_for_days_keeps_the_whole_days(vault, tmp_path):
    """It reads on to the end of its own day, and whole days from there."""
    lines = stream(8)
    put(vault, lines[:50])
    run(vault)
    put(vault, lines)
    run(vault, rebuild=False)
    assert [path.name[:10] for path in kept_files(vault)] == [SECOND, "2025-12-15"]
    assert made(vault) == anew(vault, tmp_path / "fresh")
    assert believed(vault) == [SECOND, "2025-12-15"]


def test_a_day_that_closes_too_late_is_not_kept(vault, tmp_path, monkeypatch):
    """Its last minute stays open far into the next file; the outputs are the same."""
    monkeypatch.setattr(kept_minutes, "CLOSING_BYTES", 300)
    put(vault, stream(8))
    run(vault)
    assert len(kept_files(vault)) < 3
    assert made(vault) == anew(vault, tmp_path / "fresh")


def test_a_day_with_too_many_bad_lines_is_not_kept(vault, tmp_path, monkeypatch):
    """Nor one with too many missing ids."""
    monkeypatch.setattr(kept_minutes, "_MOST_LISTED", 3)
    lines = stream(8)
    put(vault, [*lines[:150], *[BAD] * 4, *lines[150:]])
    run(vault)
    assert made(vault) == anew(vault, tmp_path / "fresh")
    assert SECOND not in believed(vault)


def test_a_torn_day_is_not_kept(vault, tmp_path):
    """Bytes behind its last newline are no part of what was read."""
    put(vault, stream(8), packed=(SECOND,))
    for key in ("2025-12-13", SECOND):
        path = day(vault, key)
        more = gzip.compress(b'{"torn') if path.suffix == ".gz" else b'{"torn'
        path.write_bytes(path.read_bytes() + more)
    run(vault)
    assert [path.name[:10] for path in kept_files(vault)] == ["2025-12-15"]
    assert made(vault) == anew(vault, tmp_path / "fresh")


def test_empty_files_and_missing_days_between(vault, tmp_path):
    """A day is closed by the first line behind it, of whatever day that is."""
    put(vault, stream(8))
    (vault.trades(BTC) / f"{SECOND}.jsonl").write_bytes(b"")
    (vault.trades(BTC) / "2025-12-15.jsonl").unlink()
    for _ in range(2):
        run(vault)
        assert made(vault) == anew(vault, tmp_path / "fresh")
        shutil.rmtree(tmp_path / "fresh")


def test_spans_that_other_processes_read_are_kept_alike(vault, tmp_path, monkeypatch):
    """The same file of minutes, with a checksum that was joined from those of the spans."""
    put(vault, stream(8, odd=False))
    run(vault)
    wanted = {path.name: path.read_bytes() for path in kept_files(vault)}
    shutil.rmtree(vault.minutes(BTC))
    monkeypatch.setattr(tail, "SPANS_FROM", 20_000)
    monkeypatch.setattr(tail, "SPAN_BYTES", 5_000)
    monkeypatch.setattr(parallel_scan, "_helpers", lambda: 1)
    job = CALCULATORS["volume"].job(vault, BTC, settings.load())
    spans = []

    def counted(chunks):
        assert job.source.read_ahead is not None
        for chunk, found in job.source.read_ahead(chunks):
            spans.append(found)
            yield chunk, found

    runner.run(replace(job, source=replace(job.source, read_ahead=counted)), rebuild=True)
    assert any(isinstance(found, parallel_scan.SpanResult) for found in spans)
    assert {path.name: path.read_bytes() for path in kept_files(vault)} == wanted
    assert made(vault) == anew(vault, tmp_path / "fresh")


def test_a_disk_that_refuses_costs_the_kept_minutes_only(vault, tmp_path, caplog):
    """One warning, and the run goes on."""
    put(vault, stream(8))
    vault.minutes(BTC).parent.mkdir(parents=True)
    vault.minutes(BTC).write_bytes(b"a file where the folder should be")
    run(vault)
    assert made(vault) == anew(vault, tmp_path / "fresh")
    assert len([r for r in caplog.records if "is not kept" in r.getMessage()]) == 1


def test_who_finds_them_being_written_does_not_wait(vault):
    """Another program writes the same file just now: it is left to that."""
    put(vault, stream(8))
    with if_free(vault, "bars", BTC) as free:
        assert free
        run(vault)
        assert kept_files(vault) == []


def test_two_calculators_at_once_keep_the_same(vault, tmp_path):
    """Both read the raw lines, both may write."""
    put(vault, stream(8))
    threads = [threading.Thread(target=partial(run, vault, metric)) for metric in BARS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = fresh(vault, tmp_path / "fresh")
    assert {metric: made(vault, metric) for metric in BARS} == wanted
    for path in kept_files(vault):
        assert path.suffix == ".gz"
        day_minutes.decode(path.read_bytes())


def test_of_several_at_once_one_reads_the_lines(vault, tmp_path, monkeypatch):
    """The others wait for each day and take it: every raw day is read once, not once each."""
    put(vault, stream(8))
    keeping = list[str]()
    keep = KeptMinutes._keep

    def noted(self, recording, reader):
        keeping.append(recording.day.key)
        keep(self, recording, reader)

    monkeypatch.setattr(KeptMinutes, "_keep", noted)
    threads = [threading.Thread(target=partial(run, vault, metric)) for metric in BARS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(keeping) == ["2025-12-13", SECOND, "2025-12-15"]
    wanted = fresh(vault, tmp_path / "fresh")
    assert {metric: made(vault, metric) for metric in BARS} == wanted


def test_one_that_hangs_is_waited_for_once(vault, tmp_path, monkeypatch):
    """Then the lines are read, of this day and of the others."""
    put(vault, stream(8))
    monkeypatch.setattr(kept_minutes, "PATIENCE_S", 0.3)
    waits = []

    def noted(*arguments):
        waits.append(arguments)
        return after_others(*arguments)

    monkeypatch.setattr(kept_minutes, "after_others", noted)
    with after_others(vault, kept_minutes.KEEPING, BTC, 1):
        run(vault)
    assert len(waits) == 1
    assert len(kept_files(vault)) == 3
    assert made(vault) == anew(vault, tmp_path / "fresh")


def test_a_day_that_another_program_has_read_is_not_read_through(standing, monkeypatch):
    """Its notes come with its minutes."""
    shutil.rmtree(standing.minutes(BTC))
    standing.state("bars", BTC).unlink()
    waiting, reads = threading.Event(), []
    content_of = raw_content.content_of

    def counted(path):
        reads.append(path)
        return content_of(path)

    def noted(*arguments):
        waiting.set()
        return after_others(*arguments)

    monkeypatch.setattr(raw_content, "content_of", counted)

    with after_others(standing, kept_minutes.KEEPING, BTC, 1):
        monkeypatch.setattr(kept_minutes, "after_others", noted)
        thread = threading.Thread(target=partial(run, standing, "cvd"))
        thread.start()
        assert waiting.wait(30)
        monkeypatch.setattr(kept_minutes, "after_others", lambda *_: nullcontext())
        run(standing, "vwap")
    thread.join()
    assert reads == []


@pytest.mark.parametrize(
    "change", [{"reader": {}}, {"counts": {}}, {"rejected": (RejectedLine("2025-01-01", 1, "x"),)}]
)
def test_a_file_whose_facts_are_none_is_not_used(standing, tmp_path, caplog, change):
    """Whole and of this version, but not by this program: named, and the raw lines are read."""
    path = kept_files(standing)[1]
    minutes = day_minutes.decode(path.read_bytes())
    path.write_bytes(day_minutes.encode(replace(minutes, **change)))
    run(standing)
    assert f"{path} cannot be used: KeyError" in caplog.text
    assert made(standing) == anew(standing, tmp_path / "fresh")
    assert day_minutes.decode(path.read_bytes()) == minutes


def test_the_file_can_be_read_by_anything(standing):
    """JSON of columns: whole numbers, and how many of their digits are decimals."""
    facts = orjson.loads(gzip.decompress(kept_files(standing)[1].read_bytes()))
    columns = facts["minutes"]
    assert (facts["exchange"], facts["instId"], facts["day"]) == ("okx", BTC, SECOND)
    assert facts["from"]["reader"]["last_id"] < facts["to"]["reader"]["last_id"]
    assert facts["from"]["offset"] > 0
    oldest = orjson.loads(gzip.decompress(kept_files(standing)[0].read_bytes()))
    assert oldest["from"]["offset"] == 0
    begin = times.day_start_ms(SECOND) // times.MINUTE_MS
    assert columns["minute"]["values"][-1] < begin + times.DAY_MINUTES
    assert columns["close"]["places"] == 1
    first = (made(standing)["volume_1m.jsonl"]).splitlines()
    row = next(orjson.loads(line) for line in first if f'"{SECOND}'.encode() in line)
    at = columns["minute"]["values"].index(times.parse_iso(row["timestamp_utc"]) // 60_000)
    assert str(columns["close"]["values"][at] / 10) == f"{float(row['close'])}"
