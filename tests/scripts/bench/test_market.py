"""Tests of scripts.bench.market: the same seed, the same lines; days and cuts without a hole."""

import json
import zipfile
from itertools import pairwise

import pytest

from ravequant import times
from ravequant.vault.line_file import line_time
from ravequant.vault.paths import Vault, book_files, day_files
from scripts.bench import market
from scripts.bench.market import BTC, RepeatedDay


def test_the_market_is_the_same_for_the_same_seed(tmp_path):
    """The file can be made again; its times never go back."""
    paths = [tmp_path / name for name in ("a", "b", "c")]
    for path, seed in zip(paths, (7, 7, 8), strict=True):
        market.write_trades(path, 3_000, seed)
    first, second, third = (path.read_bytes() for path in paths)
    assert first == second != third
    moments = [line_time(line) or 0 for line in first.splitlines()]
    assert len(moments) == 3_000
    assert moments == sorted(moments)


@pytest.fixture(scope="module")
def day():
    """Return a thin day."""
    return RepeatedDay(seed=1, rate=0.02)


def test_repeated_days_go_on_without_a_hole(vault, day):
    """Ids and dates follow each other, so that a calculator meets no gap."""
    for number in (-1, 0, 1):
        day.append(vault, number)
    files = [path for _, path in day_files(vault.trades(BTC))]
    assert [path.stem for path in files] == ["2025-12-12", "2025-12-13", "2025-12-14"]
    rows = [json.loads(line) for path in files for line in path.read_bytes().splitlines()]
    assert all(int(row["trade_id"]) > 0 for row in rows)
    assert all(
        int(later["trade_id"]) - int(later["count"]) == int(row["trade_id"])
        for row, later in pairwise(rows)
    )
    assert all(
        row["timestamp_utc"].startswith(path.stem)
        for path in files
        for row in map(json.loads, path.read_bytes().splitlines())
    )


def test_a_cut_and_the_rest_make_the_whole(tmp_path, day):
    """Up to a moment, then on from it: byte for byte the whole day; the bytes are counted."""
    cut, whole = Vault(tmp_path / "cut"), Vault(tmp_path / "whole")
    written = day.append(whole, 0)
    ((_, other),) = day_files(whole.trades(BTC))
    moment = line_time(other.read_bytes().splitlines()[100])
    assert moment is not None
    parts = [day.append(cut, 0, until_ms=moment), day.append(cut, 0, first_ms=moment)]
    assert sum(parts) == written
    ((_, one),) = day_files(cut.trades(BTC))
    assert one.read_bytes() == other.read_bytes()
    assert one.read_bytes()[: parts[0]].count(b"\n") == 100


def test_books_go_on_where_they_were(vault):
    """Snapshots come every two seconds, each fifteenth deep; the next ones follow the first."""
    found = market.snapshots(vault, 1, deep=True)
    written = market.append_snapshots(found, 20) + market.append_snapshots(found, 12)
    paths = [path for _, path in book_files(vault.snapshots(BTC))]
    deep = [path for _, path in book_files(vault.deep_snapshots(BTC))]
    assert written == sum(path.stat().st_size for path in (*paths, *deep))
    rows = [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]
    moments = [times.parse_iso(row["timestamp_utc"]) for row in rows]
    assert len(rows) == 32
    assert {later - one for one, later in pairwise(moments)} == {market.CADENCE_MS}
    assert len(rows[0]["bids_top400"]) == market.DEPTH
    assert sum(path.read_bytes().count(b"\n") for path in deep) == 3


def test_published_fills_are_of_one_day_and_end_where_they_should(tmp_path):
    """As many rows as asked for; times never go back."""
    path = market.write_fills(tmp_path, 2_000, 7)
    with zipfile.ZipFile(path) as file:
        [name] = file.namelist()
        header, *rows = file.read(name).decode().splitlines()
    assert (path.name, name) == tuple(
        f"BTC-USDT-SWAP-trades-2025-12.{end}" for end in ("zip", "csv")
    )
    assert header.startswith("instrument_name,")
    moments = [int(row.split(",")[5]) for row in rows]
    assert len(moments) == 2_000
    assert moments == sorted(moments)
    assert {times.day(moment) for moment in moments} == {"2025-12-14"}
