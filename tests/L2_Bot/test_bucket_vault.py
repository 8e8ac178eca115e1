"""The bucketizer's own vault: order of days, what it keeps, and days with bucket lines."""

import gzip
from pathlib import Path

import pytest

from L2_Bot.bucket_vault import BucketVault, DayRead, bucketed, must_make
from Liquidity_Buckets import l2_bucketizer
from ravequant import times
from ravequant.contract import Contract
from ravequant.errors import VaultError
from ravequant.vault.imports import provenance
from ravequant.vault.paths import Vault, hour_files
from tests.support.book_lines import lines, put, put_metadata, snapshot

SIDES = [["100", "1", "0", "1"]], [["101", "2", "0", "1"]]
BTC, FIRST, SECOND = "BTC-USDT-SWAP", "2025-01-30", "2025-01-31"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    vault = Vault(tmp_path / "vault")
    put_metadata(vault, BTC, Contract("0.01", "1", "linear"))
    return vault


def rows(day: str, count: int = 3):
    start = times.day_start_ms(day) + times.DAY_MS - 10_000
    return [
        snapshot(start + 2_000 * n, [["100", f"{n + 1}", "0", "1"]], [["101", "2", "0", "1"]])
        for n in range(count)
    ]


def make(vault: Vault, day: str) -> BucketVault:
    buckets = BucketVault(vault, BTC)
    if not buckets.begin(day):
        buckets.take(day)
        buckets.note(day, DayRead((), 7, 1))
    assert buckets.make(day) is not None
    return buckets


def packed(vault: Vault, day: str) -> bytes:
    path = vault.derived("liquidity_buckets", BTC) / f"{day}.jsonl.gz"
    return gzip.decompress(path.read_bytes())


def test_day_after_day_gives_the_bytes_of_one_bucketizer(vault, tmp_path):
    """The second day goes on from the first; only its newest hour stays here."""
    whole = Vault(tmp_path / "whole")
    put_metadata(whole, BTC, Contract("0.01", "1", "linear"))
    for day in (FIRST, SECOND):
        put(vault.snapshots(BTC), rows(day))
        put(whole.snapshots(BTC), rows(day))
        buckets = make(vault, day)
    assert l2_bucketizer.main(["--vault", str(whole.root), "--instId", BTC]) == 0
    for day in (FIRST, SECOND):
        path = whole.derived("liquidity_buckets", BTC) / f"{day}.jsonl"
        assert packed(vault, day) == path.read_bytes()
    assert [key for key, _ in hour_files(buckets.snapshots)] == [f"{SECOND}/23"]
    known = provenance.newest(vault, BTC, "buckets")
    assert (known[FIRST].rows, known[FIRST].lines, known[FIRST].snapshots_disagreeing) == (7, 3, 1)


def test_an_older_day_begins_with_an_empty_bucketizer(vault):
    """The days are computed in the order in which they come; the first day's bytes are the same."""
    for day in (FIRST, SECOND):
        put(vault.snapshots(BTC), rows(day))
    make(vault, SECOND)
    make(vault, FIRST)
    assert packed(vault, FIRST).count(b"\n") == 3
    assert b'"gap":true' not in packed(vault, FIRST)


def test_a_day_with_lines_of_its_own_is_replaced_only_if_all_of_them_come_again(vault):
    """Recorded buckets of a time without books stay."""
    put(vault.snapshots(BTC), rows(FIRST, 2))
    put(vault.snapshots(BTC), rows(SECOND))
    assert l2_bucketizer.main(["--vault", str(vault.root), "--instId", BTC]) == 0
    own = vault.derived("liquidity_buckets", BTC) / f"{FIRST}.jsonl"
    before = own.read_bytes()
    put(vault.snapshots(BTC), rows(FIRST)[2:])
    assert must_make(vault, BTC, FIRST)
    make(vault, FIRST)
    assert own.read_bytes().startswith(before[:200])
    assert own.read_bytes().count(b"\n") == 3
    whole = own.read_bytes()
    (vault.snapshots(BTC) / FIRST / "23.jsonl").unlink()
    put(vault.snapshots(BTC), rows(FIRST)[1:])
    vault.imports(BTC).unlink()
    buckets = BucketVault(vault, BTC)
    buckets.clear()
    buckets.begin(FIRST)
    buckets.take(FIRST)
    assert buckets.make(FIRST) is None
    assert own.read_bytes() == whole


def test_a_day_is_bucketed_once_each_hour_of_it_is(vault):
    """An hour that came later lacks its buckets."""
    put(vault.snapshots(BTC), rows(FIRST))
    assert not bucketed(vault, BTC, FIRST)
    assert l2_bucketizer.main(["--vault", str(vault.root), "--instId", BTC]) == 0
    assert bucketed(vault, BTC, FIRST)
    early = vault.snapshots(BTC) / FIRST / "05.jsonl"
    early.write_bytes(lines([snapshot(times.file_start_ms(f"{FIRST}/05"), *SIDES)]))
    assert not bucketed(vault, BTC, FIRST)


def test_a_bucketizer_that_fails_is_heard(tmp_path):
    """Without metadata it stops; its words are the error."""
    vault = Vault(tmp_path / "bare")
    put(vault.snapshots(BTC), rows(FIRST))
    buckets = BucketVault(vault, BTC)
    buckets.begin(FIRST)
    buckets.take(FIRST)
    with pytest.raises(VaultError, match="no buckets of imported books: "):
        buckets.make(FIRST)


def test_a_bucketizer_that_has_not_come_so_far_reads_the_day_itself(vault):
    """Nothing is made twice."""
    put(vault.snapshots(BTC), rows(FIRST))
    assert not must_make(vault, BTC, FIRST)
    assert l2_bucketizer.main(["--vault", str(vault.root), "--instId", BTC]) == 0
    assert must_make(vault, BTC, FIRST)
    assert not must_make(vault, BTC, SECOND)
