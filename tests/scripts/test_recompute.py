"""Recomputing with other processes leaves what the calculators would, and refuses plainly."""

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import CHECKOUT, Vault
from scripts import recompute
from tests.support import book_lines, context_days, kept_days, recompute_vault, recordings
from tests.support.recompute_vault import METRICS, outputs, run_room
from tests.support.trade_streams import BTC, START
from tests.trades.test_parallel_scan import market

BARS = METRICS[:4]
NEXT = times.day(START + times.DAY_MS)


def days(root: Path, *, odd: bool = False) -> Vault:
    """Return a vault of two days of trades, the first packed, and minutes of books and context."""
    vault = Vault(root)
    contract = Contract("0.01", "1", "linear")
    book_lines.put_metadata(vault, BTC, contract)
    context_days.put(vault, BTC, contract)
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
    """Outputs and states are the same bytes, of good raw data and of bad."""
    source = days(tmp_path / "source", odd=odd)
    wanted = calculated(tmp_path / "plain", source)
    command = [sys.executable, str(CHECKOUT / "scripts/recompute.py"), "--workers", "2",
               "--source", str(source.root), "--target", str(tmp_path / "met")]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert outputs(tmp_path / "met") == wanted


def test_trades_that_are_ahead_count_as_they_do_for_the_calculators(tmp_path, capsys):
    """Those that say so and those of a later date than their file: counted, and no price."""
    source = Vault(tmp_path / "source")
    lines = kept_days.stream(3)
    before, at = lines[:60], times.iso(kept_days.FIRST + 9 * times.DAY_MS)
    row = orjson.loads(before[-1]) | {"price": "999999", "timestamp_utc": at}
    row["trade_id"] = str(int(row["trade_id"]) + 1)
    kept_days.put(source, [*before, orjson.dumps(row | {"ahead": True}) + b"\n", *lines[60:]])
    path = min(source.trades(BTC).iterdir())
    row["trade_id"] = "1"  # repeated, unless it were the first
    path.write_bytes(orjson.dumps(row) + b"\n" + path.read_bytes())
    words = ["--source", source.root, "--target", tmp_path / "met", "--metric", "volume,wicks"]
    assert recompute.main(["--workers", "1", "--json", *map(str, words)]) == 0
    told = [orjson.loads(text) for text in capsys.readouterr().out.splitlines()[:2]]
    aheads = sum(b'"ahead":true' in line for line in lines) + 2
    assert [facts["ahead"] for facts in told] == [aheads, aheads]
    wanted = kept_days.fresh(source, tmp_path / "plain")
    for metric in ("volume", "wicks"):
        assert kept_days.made(Vault(tmp_path / "met"), metric) == wanted[metric]
    assert b"999999" not in wanted["volume"]["volume_1m.jsonl"]


@recordings.each(*recordings.EVERY)
def test_recordings_come_out_the_same(tmp_path, capsys, recording):
    """Trades and books: packed as they are, and unpacked, their first day on its own."""
    source = recompute_vault.recorded(tmp_path / "source", recording)
    wanted = recompute_vault.calculated(tmp_path / "plain", source, recording)
    code, told = again(capsys, "--source", source.root, "--target", tmp_path / "whole")
    assert (code, told["failed"]) == (0, 0)
    assert outputs(tmp_path / "whole") == wanted
    for path in source.trades(recording.inst_id).iterdir():
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    words = ["--source", source.root, "--target", tmp_path / "cut"]
    assert again(capsys, *words, "--to", recording.days[0][:10])[0] == 0
    assert again(capsys, *words)[0] == 0
    assert outputs(tmp_path / "cut") == wanted


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
    assert (code, told["failed"], told["outputs"]) == (4, 1, 8)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            ["--source", "s3://who:secret@box/x"],
            2,
            "mount an object storage (rclone mount) or copy",
        ),
        (["--target", "simplecache::s3:secret"], 2, "--target: expected a folder, not an address"),
        (["--source", __file__], 2, "is a file; expected a folder"),
        (["--metric", "vwap,../cvd"], 2, "'../cvd' is none of"),
        (["--instId", "../../etc"], 2, "../../etc"),
        (["--instId", "ANY-THING"], 3, "no raw data of ANY-THING"),
        (["--from", "2025-12-15", "--to", "2025-12-14"], 2, "lies behind"),
        (
            ["--from", "2999-01-01"],
            2,
            "--from: '2999-01-01' is 2999-01-01T00:00:00Z, later than now",
        ),
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


def test_help_needs_nothing_that_is_not_installed():
    """The options are shown by the core install alone."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('dask', 'distributed'))); "
        "from scripts import recompute; recompute.main(['--help'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          check=False, cwd=CHECKOUT)  # fmt: skip
    assert (done.returncode, "--scheduler" in done.stdout) == (0, True), done.stderr
