"""Rebuilds of books: days whose raw lines are gone stay, whatever older books were imported."""

import gzip
from pathlib import Path

from Liquidity_Buckets import l2_bucketizer
from ravequant import times
from ravequant.contract import Contract
from ravequant.pipeline.lost_outputs import begin_after
from ravequant.vault.paths import Vault
from tests.support.book_lines import put, put_metadata, snapshot

BTC = "BTC-USDT-SWAP"
OLD, MIDDLE, NEW = "2025-01-30", "2025-06-01", "2025-12-14"


def output(folder: Path, day: str, hour: str = "10", *, packed: bool = False) -> None:
    line = b'{"timestamp_utc":"%s"}\n' % times.iso(times.file_start_ms(f"{day}/{hour}")).encode()
    path = folder / f"{day}.jsonl{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(line) if packed else line)


def test_everything_is_computed_again_where_raw_files_hold_it(tmp_path):
    """Hours, or a flat file of the day; and an empty or a damaged day keeps nothing."""
    assert begin_after(tmp_path, "timestamp_utc", []) is None
    output(tmp_path, MIDDLE)
    output(tmp_path, NEW, packed=True)
    assert begin_after(tmp_path, "timestamp_utc", [f"{MIDDLE}/10", f"{NEW}/10"]) is None
    assert begin_after(tmp_path, "timestamp_utc", [MIDDLE, NEW]) is None


def test_a_rebuild_begins_behind_the_newest_output_without_raw_lines(tmp_path):
    """Books older than it are not read; later hours of its own day are."""
    output(tmp_path, MIDDLE)
    output(tmp_path, NEW)
    begin = begin_after(tmp_path, "timestamp_utc", [f"{OLD}/00", f"{NEW}/10"])
    assert begin == times.file_start_ms(f"{NEW}/10")
    begin = begin_after(tmp_path, "timestamp_utc", [f"{OLD}/00", f"{MIDDLE}/12", f"{NEW}/10"])
    assert begin == times.file_start_ms(f"{MIDDLE}/12")
    begin = begin_after(tmp_path, "timestamp_utc", [f"{OLD}/00"])
    assert begin == times.file_start_ms(NEW) + times.DAY_MS


def rows(day: str):
    start = times.file_start_ms(f"{day}/10")
    return [
        snapshot(start + 2_000 * n, [["100", f"{n + 1}", "0", "1"]], [["101", "2", "0", "1"]])
        for n in range(3)
    ]


def test_a_rebuild_of_the_bucketizer_keeps_days_without_books(tmp_path):
    """Old books came by import, those of the middle are gone: the buckets of both stay."""
    vault = Vault(tmp_path)
    put_metadata(vault, BTC, Contract("0.01", "1", "linear"))
    for day in (MIDDLE, NEW):
        put(vault.snapshots(BTC), rows(day))
    run = ["--vault", str(vault.root), "--instId", BTC]
    assert l2_bucketizer.main(run) == 0
    derived = vault.derived("liquidity_buckets", BTC)
    before = {path.name: path.read_bytes() for path in derived.iterdir()}
    (vault.snapshots(BTC) / MIDDLE / "10.jsonl").unlink()
    put(vault.snapshots(BTC), rows(OLD))
    output(derived, OLD, packed=True)
    imported = (derived / f"{OLD}.jsonl.gz").read_bytes()
    assert l2_bucketizer.main([*run, "--rebuild"]) == 0
    after = {path.name: path.read_bytes() for path in derived.iterdir()}
    assert after.pop(f"{OLD}.jsonl.gz") == imported
    assert after[f"{MIDDLE}.jsonl"] == before[f"{MIDDLE}.jsonl"]
    assert after[f"{NEW}.jsonl"].count(b"\n") == 3
    assert l2_bucketizer.main(run) == 0
