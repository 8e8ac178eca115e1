"""Recomputing with other processes leaves what the calculators would, and refuses plainly."""

import gzip
import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.vault.atomic import replace_file
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import CHECKOUT, Vault, day_files
from ravequant.vault.tail import Tail
from scripts import recompute
from scripts.batch import partial_bars, scheduler, storage
from tests.support import book_lines, recompute_vault
from tests.support.recompute_vault import METRICS, outputs, run_room
from tests.support.trade_streams import BTC, START, write_raw
from tests.trades.test_parallel_scan import WHALE, market

BARS = METRICS[:4]
NEXT = times.day(START + times.DAY_MS)


def days(root: Path, *, odd: bool = False) -> Vault:
    """Return a vault of two days of trades, the first packed, and two minutes of books."""
    vault = Vault(root)
    book_lines.put_metadata(vault, BTC, Contract("0.01", "1", "linear"))
    first, later = market(odd=odd), []
    for line in market(odd=False):
        row = orjson.loads(line)
        ts = times.parse_iso(row["timestamp_utc"]) + times.DAY_MS
        row |= {"timestamp_utc": times.iso(ts), "trade_id": str(int(row["trade_id"]) + 10_000)}
        later.append(orjson.dumps(row) + b"\n")
    folder = vault.trades(BTC)
    folder.mkdir(parents=True)
    (folder / f"{times.day(START)}.jsonl.gz").write_bytes(gzip.compress(b"".join(first)))
    (folder / f"{NEXT}.jsonl").write_bytes(b"".join(later))
    levels = [[["100", "5", "0", "1"]], [["101", "7", "0", "2"]]]
    book_lines.put(vault.snapshots(BTC),
              (book_lines.snapshot(START + at * 2_000, *levels) for at in range(60)))  # fmt: skip
    return vault


def calculated(root: Path, source: Vault) -> dict[str, bytes]:
    """Return what the ordinary calculators write of the raw data of ``source``."""
    import shutil

    for part in ("raw", "meta"):
        shutil.copytree(source.root / part, root / part)
    for metric in METRICS:
        run_room(Vault(root), metric, BTC)
    return outputs(root)


def again(capsys, *words: object) -> tuple[int, dict[str, Any]]:
    """Run the program in this process; return its exit code and its totals."""
    code = recompute.main(["--workers", "1", "--json", "--log-level", "error", *map(str, words)])
    lines = capsys.readouterr().out.splitlines()
    return code, orjson.loads(lines[-1]) if lines else {}


@pytest.mark.parametrize("odd", [False, True])
def test_other_processes_leave_what_the_calculators_would(tmp_path, odd):
    """Outputs and states are the same bytes, of good raw data and of bad; no part stays behind."""
    source = days(tmp_path / "source", odd=odd)
    wanted = calculated(tmp_path / "plain", source)
    command = [sys.executable, str(CHECKOUT / "scripts/recompute.py"), "--workers", "2",
               "--source", str(source.root), "--target", str(tmp_path / "met")]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert outputs(tmp_path / "met") == wanted
    assert list((tmp_path / "met/state/recompute").iterdir()) == []


@pytest.mark.parametrize("odd", [False, True])
def test_parts_of_any_size_give_the_same(tmp_path, monkeypatch, capsys, odd):
    """However a file is cut, mid-line too, all of it is read once (beyond its first 4 KiB)."""
    source = days(tmp_path / "source", odd=odd)
    wanted = calculated(tmp_path / "plain", source)
    for size in (5_000, 7_777, 100_000):
        monkeypatch.setattr(partial_bars, "SPAN_BYTES", size)
        target = tmp_path / f"{size}"
        code, told = again(capsys, "--source", source.root, "--target", target)
        assert (code, told["failed"]) == (0, 0)
        assert outputs(target) == wanted


@recompute_vault.recordings
def test_recordings_come_out_the_same(tmp_path, monkeypatch, capsys, shared_data, recording):
    """Trades and books: packed as they are, and unpacked and cut, their first day on its own."""
    source = recompute_vault.recorded(tmp_path / "source", shared_data, recording)
    wanted = recompute_vault.calculated(tmp_path / "plain", source, recording)
    code, told = again(capsys, "--source", source.root, "--target", tmp_path / "whole")
    assert (code, told["parts"]) == (0, len(recording[1]))
    assert outputs(tmp_path / "whole") == wanted
    for path in source.trades(recording[0]).iterdir():
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    monkeypatch.setattr(partial_bars, "SPAN_BYTES", 300_000)
    words = ["--source", source.root, "--target", tmp_path / "cut"]
    code, told = again(capsys, *words, "--to", recording[1][0][:10])
    assert (code, told["parts"] > 1) == (0, True)
    assert again(capsys, *words)[0] == 0
    assert outputs(tmp_path / "cut") == wanted


def test_the_parts_are_really_taken(tmp_path, monkeypatch):
    """What stands on the shelf comes in place of the raw lines, with the cursors that they have."""
    monkeypatch.setattr(partial_bars, "SPAN_BYTES", 30_000)
    vault, shelf = days(tmp_path / "source"), tmp_path / "shelf"

    def files():
        return day_files(vault.trades(BTC))

    units = list(partial_bars.units_of(BTC, WHALE, files, None))
    for unit in units:
        partial_bars.read_unit(unit, shelf)
    assert len(units) > 10
    taken = partial_bars.Shelf(shelf, [(unit.key, unit.name) for unit in units])
    reading, plain = Tail(files, None, 0), Tail(files, None, 0)
    met = list(taken.ahead(reading.pieces(taken.known)))
    list(plain.blocks())
    assert len(met) == len(units)
    assert all(found is not None for _, found in met)
    assert reading.cursor() == plain.cursor()


def test_parts_of_an_older_checkout_are_taken(tmp_path, monkeypatch):
    """Their names stay: a run that an older version began reads nothing twice."""
    monkeypatch.setattr(partial_bars, "FORM", [1, "0.1.0", *partial_bars.FORM[2:]])
    path = tmp_path / "2025-01-01.jsonl"
    path.write_bytes(b"x" * 100)
    os.utime(path, ns=(10**18, 10**18))
    files = [("2025-01-01", path)]
    (unit,) = partial_bars.units_of("BTC-USDT-SWAP", 10**55, lambda: iter(files), None)
    assert unit.name == "2025-01-01.0.88dce7fd9bfa3838"


def test_parts_meet_wherever_a_file_is_cut(tmp_path):
    """Each line is in one part, also one that begins at the cut; what a cursor keeps is there."""
    folder = tmp_path / "raw"
    folder.mkdir()
    lines = [*market(odd=False)[:60], b"{}\n"]
    data, path = b"".join(lines), folder / "2025-12-14.jsonl"
    path.write_bytes(data + b'{"torn')
    starts = [len(b"".join(lines[:number])) for number in range(len(lines) + 1)]

    def read(start: int, stop: int) -> partial_bars.Read:
        unit = partial_bars.Unit(BTC, WHALE, "2025-12-14", path, start, stop, "part")
        partial_bars.read_unit(unit, tmp_path)
        met = partial_bars._read(tmp_path / "part")
        assert met is not None
        return met

    for cut in (*range(starts[29], starts[31] + 1), *range(starts[59], starts[61] + 1)):
        first, later = read(0, cut), read(cut, len(data))
        met = next(start for start in starts if start >= cut)
        assert (first.known.end, later.start, later.known.end) == (met, met, len(data))
        assert (first.known.head, first.known.before) == (data[:4096], data[:met][-256:])
        assert later.known.before == data[-256:]


def test_a_part_that_is_damaged_is_read_from_the_raw_data(tmp_path, monkeypatch, capsys):
    """A shelf is believed only where its checksum fits."""
    source = days(tmp_path / "source")
    wanted = calculated(tmp_path / "plain", source)

    def damaged(path, data, **_):
        replace_file(path, data[:-9] + bytes(9))

    monkeypatch.setattr(partial_bars, "replace_file", damaged)
    assert again(capsys, "--source", source.root, "--target", tmp_path / "met")[0] == 0
    assert outputs(tmp_path / "met") == wanted


def test_the_calculators_go_on_without_a_seam(tmp_path, capsys):
    """After the first day from here, and the second from them, all is as if they had done both."""
    source = days(tmp_path / "source")
    wanted = calculated(tmp_path / "plain", source)
    code, _ = again(capsys, "--source", source.root, "--to", times.day(START))
    assert code == 0
    assert outputs(source.root) != wanted
    for metric in METRICS[:2]:
        run_room(source, metric, BTC)
    assert again(capsys, "--source", source.root, "--from", NEXT)[0] == 0  # the others from here
    assert outputs(source.root) == wanted


def test_only_what_is_new_is_read_again(tmp_path, capsys):
    """A second run reads no part; one after more trades reads the stretch behind the cursor."""
    source = days(tmp_path / "source")
    again(capsys, "--source", source.root)
    before = outputs(source.root)
    code, told = again(capsys, "--source", source.root)
    assert (code, told["parts"], told["records"]) == (0, 0, 0)
    assert outputs(source.root) == before
    newest = next(reversed(list(day_files(source.trades(BTC)))))[1]
    newest.with_name(f"{newest.name}.gz").write_bytes(gzip.compress(newest.read_bytes()))
    whole = newest.read_bytes()
    newest.unlink()
    assert again(capsys, "--source", source.root)[1]["parts"] == 0  # packed meanwhile
    newest.write_bytes(whole)
    newest.with_name(f"{newest.name}.gz").unlink()
    newest = next(reversed(list(day_files(source.trades(BTC)))))[1]
    row = orjson.loads(newest.read_bytes().splitlines()[-1])
    row |= {"trade_id": "900000", "timestamp_utc": f"{NEXT}T23:59:00.000Z"}
    write_raw(source, BTC, [orjson.dumps(row) + b"\n"])
    code, told = again(capsys, "--source", source.root)
    assert (code, told["parts"]) == (0, 1)
    assert told["records"] > 0


def test_what_an_aborted_run_has_read_is_not_read_again(tmp_path, monkeypatch, capsys):
    """Parts stay on the shelf until all outputs of the instrument are there."""
    source, target = days(tmp_path / "source"), tmp_path / "met"

    def stopped(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(scheduler, "run_task", stopped)
        assert again(capsys, "--source", source.root, "--target", target, "--metric", "cvd")[0]
    code, told = again(capsys, "--source", source.root, "--target", target)
    assert (code, told["parts"], told["parts_kept"]) == (0, 0, 2)
    assert outputs(target) == calculated(tmp_path / "plain", source)


def test_output_without_a_state_is_not_overwritten(tmp_path, capsys):
    """It is an error that names --rebuild; with that the rows before the days asked for stay."""
    source = days(tmp_path / "source")
    words = ["--source", source.root, "--metric", "volume"]
    again(capsys, *words)
    output = source.derived("volume", BTC) / "volume_1m.jsonl"
    whole = output.read_bytes()
    source.state("volume", BTC).unlink()
    command = ["--workers", "1", *map(str, words)]
    assert recompute.main(command) == 1
    assert "--rebuild" in capsys.readouterr().err
    assert again(capsys, *words, "--rebuild", "--from", NEXT)[0] == 0
    first = [line for line in whole.splitlines() if NEXT.encode() not in line]
    assert output.read_bytes().splitlines()[: len(first)] == first
    assert len(output.read_bytes().splitlines()) == len(whole.splitlines())


def test_it_is_one_writer_among_others(tmp_path, capsys):
    """Where a calculator runs it is left alone: exit code 4, and the others are done."""
    source = days(tmp_path / "source")
    with writer_lock(source, "cvd", BTC):
        code, told = again(capsys, "--source", source.root)
    assert (code, told["failed"], told["outputs"]) == (4, 1, 4)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--source", "ftp://who:secret@there/x"], 2, "ftp:// cannot be used"),
        (["--source", "simplecache::s3://box/x"], 2, "cannot be used"),
        (["--source", "s3://who:secret@box/x"], 2, "credentials belong into the environment"),
        (["--source", "s3://box/../../x"], 2, "no '..'"),
        (["--source", "memory://"], 2, "not like memory://bucket/folder"),
        (["--metric", "vwap,../cvd"], 2, "'../cvd' is none of"),
        (["--instId", "../../etc"], 2, "../../etc"),
        (["--instId", "ANY-THING"], 3, "no raw data of ANY-THING"),
        (["--from", "2025-12-15", "--to", "2025-12-14"], 2, "lies behind"),
        (["--scheduler", "tcp://10.0.0.1:8786"], 2, "belongs to --engine dask"),
        ([], 3, "no raw data in"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, capsys, words, code, said):
    """Each refusal has its exit code and a plain line, and repeats no password."""
    met = recompute.main(["--workers", "1", "--vault", str(tmp_path), *words])
    err = capsys.readouterr().err
    assert (met, said in err) == (code, True), err
    assert "secret" not in err
    assert "Traceback" not in err
    assert not (tmp_path / "derived").exists()


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (["--source", "s3://box/vault"], "s3fs"),
        (["--source", "memory://vault"], "fsspec"),
        (["--engine", "dask"], "dask and distributed"),
    ],
)
def test_without_the_extra_it_says_what_to_install(tmp_path, capsys, monkeypatch, words, missing):
    """The core needs none of it, and the message is a command."""
    storage._storage.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    vault = days(tmp_path / "source")
    assert recompute.main(["--vault", str(vault.root), *words]) == 1
    err = capsys.readouterr().err
    assert f"{missing}: not installed" in err
    assert '-m pip install -e ".[scale]"' in err


def test_memory_is_of_one_process(tmp_path, capsys):
    """From memory to memory the bytes are the same; several workers are refused."""
    memory = pytest.importorskip("fsspec", reason="needs the extra [scale]").filesystem("memory")
    storage._storage.cache_clear()
    source = days(tmp_path / "source")
    wanted = calculated(tmp_path / "plain", source)
    for path in source.root.rglob("*.*"):
        if path.is_file():
            memory.pipe_file(f"/from/{path.relative_to(source.root)}", path.read_bytes())
    words = ["--source", "memory://from", "--target", "memory://to", "--scratch", tmp_path / "s"]
    assert again(capsys, *words)[0] == 0
    memory.get("/to/", str(tmp_path / "met") + "/", recursive=True)
    assert outputs(tmp_path / "met") == wanted
    assert recompute.main(["--workers", "2", *map(str, words)]) == 2
    assert "lives in one process" in capsys.readouterr().err


def test_help_needs_nothing_that_is_not_installed():
    """The options are shown by the core install alone."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('dask', 'distributed', 'fsspec', 's3fs'))); "
        "from scripts import recompute; recompute.main(['--help'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          check=False, cwd=CHECKOUT)  # fmt: skip
    assert (done.returncode, "--scheduler" in done.stdout) == (0, True), done.stderr
