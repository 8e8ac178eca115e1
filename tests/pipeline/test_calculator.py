"""What every trade-based calculator does with a person's mistakes and a failing disk."""

import importlib
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from Liquidity_Buckets import l2_bucketizer
from ravequant import catalog, settings, times
from ravequant.contract import Contract
from ravequant.pipeline import runner
from ravequant.records import Trade, TradeEncoder
from ravequant.settings import Settings
from ravequant.signals import as_of
from ravequant.trades.bar_reader import BarReader
from ravequant.trades.parallel_scan import read_span
from ravequant.vault.paths import CHECKOUT, Vault
from tests.support import notes_market, wick_vault
from VWAP import vwap_calculator

BTC = "BTC-USDT-SWAP"
START = times.parse_iso("2025-12-14T12:00:00Z")
SELDOM = {
    "numpy", "rich", "requests", "websockets", "dateutil", "ravequant.vault.imports",
    "ravequant.vault.trade_repair", "ravequant.pipeline.kept_minutes",
    "ravequant.pipeline.rebuild_progress", *(() if os.name == "nt" else ("filelock",)),
}  # fmt: skip


def trade_lines(minutes: int) -> list[bytes]:
    """Return two trades a minute."""
    encoder = TradeEncoder(BTC, Contract("0.01", "1", "linear"))
    return [
        encoder.line(Trade(START + number * 30_000, 100 + number, "buy", f"{101000 + number}", "5"))
        for number in range(2 * minutes)
    ]


def write(vault: Vault, lines: list[bytes], day: str = "2025-12-14") -> Path:
    folder = vault.trades(BTC)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{day}.jsonl").open("ab") as stream:
        stream.write(b"".join(lines))
    return folder / f"{day}.jsonl"


def run(*arguments: str) -> tuple[int, str, str]:
    """Run the program as a person would, from its folder; return exit code, stdout, stderr."""
    done = subprocess.run(
        [sys.executable, "vwap_calculator.py", *arguments],
        cwd=CHECKOUT / "VWAP",
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    return done.returncode, done.stdout, done.stderr


def test_a_name_that_leaves_the_vault_is_refused(tmp_path):
    """Nothing is read, nothing is made, exit code 2."""
    code, out, err = run("--vault", str(tmp_path / "vault"), "--instId", "../../etc")
    assert (code, out) == (2, "")
    assert "instrument '../../etc' is not a legal name: expected capitals, digits and _" in err
    assert not (tmp_path / "vault").exists()


def test_a_missing_vault_is_said_with_the_remedy(tmp_path):
    """Exit code 3, and no vault is made by asking for it."""
    code, out, err = run("--vault", str(tmp_path / "no vault"), "--instId", BTC)
    assert (code, out) == (3, "")
    assert f"no raw data of {BTC} in {tmp_path / 'no vault'}; start its exporter" in err
    assert not (tmp_path / "no vault").exists()


def test_one_instrument_without_data_does_not_stop_the_other(vault):
    """The settings name two; one of them is recorded."""
    write(vault, trade_lines(5))
    code, out, err = run("--vault", str(vault.root), "--json")
    assert code == 3
    assert [json.loads(line)["instId"] for line in out.splitlines()] == [BTC]
    assert "no raw data of ETH-USDT-SWAP" in err
    assert err.endswith(f"another vault with --vault; the vault has {BTC}\n")


def test_a_run_without_new_data_says_so(vault):
    """The newest minute is named while there are new ones; later it is said that nothing came."""
    write(vault, trade_lines(2))
    _, first, _ = run("--vault", str(vault.root), "--instId", BTC)
    _, second, _ = run("--vault", str(vault.root), "--instId", BTC)
    assert re.match(rf"vwap {BTC}: \d+ new records, newest 20\S+Z \(", first)
    assert second.startswith(f"vwap {BTC}: 0 new records, no raw data since the last run (")


def test_no_metadata_is_needed(vault):
    """A trade line carries its own contract value; a calculator of trades asks for no more."""
    write(vault, trade_lines(5))
    code, out, err = run("--vault", str(vault.root), "--instId", BTC)
    assert (code, err) == (0, "")
    assert out.startswith(f"vwap {BTC}: 4 new records, newest 2025-12-14T12:03:00Z (10 lines, ")


def test_a_file_of_garbage_is_counted_named_and_not_a_success(vault):
    """Each refused line is named by its byte; nothing is made of them, and the exit code is 1."""
    noise = random.Random(5).randbytes(5000).replace(b"\n", b".")
    lines = [noise[:900] + b"\n", b"\n", b"[]\n", b'{"a":1}\n', b"\xef\xbb\xbf{}\n", b"\0" * 99]
    path = write(vault, [*lines, b"\n"])
    code, out, err = run("--vault", str(vault.root), "--instId", BTC, "--json")
    assert code == 1
    assert json.loads(out)["rejected"] == json.loads(out)["lines"] == 6
    assert f"{path}: line at byte 901 skipped: not JSON" in err
    assert f"not one of 6 new lines is a trade of {BTC}" in err
    assert not (vault.derived("vwap", BTC) / "vwap_1m.jsonl").exists()


def test_garbage_between_trades_changes_nothing(vault, tmp_path):
    """The rows are those of the good lines alone."""
    good = trade_lines(30)
    write(vault, good)
    assert vwap_calculator.main(["--vault", str(vault.root), "--instId", BTC]) == 0
    spoiled = Vault(tmp_path / "spoiled")
    bad = good[5].replace(b'"price":"', b'"price":"-')
    write(spoiled, [line for pair in zip(good, [bad] * len(good), strict=True) for line in pair])
    code, out, _ = run("--vault", str(spoiled.root), "--instId", BTC, "--json")
    assert (code, json.loads(out)["rejected"]) == (0, len(good))
    name = "vwap_1m.jsonl"
    rows = (spoiled.derived("vwap", BTC) / name).read_bytes()
    assert rows == (vault.derived("vwap", BTC) / name).read_bytes()


def stream(*, until_s: int) -> list[bytes]:
    """Return a trade a second, the third of each minute three seconds too early."""
    encoder = TradeEncoder(BTC, Contract("0.01", "1", "linear"))
    moments = (
        START + second * 1000 - (3000 if second % 60 == 2 else 0) for second in range(until_s)
    )
    return [
        encoder.line(Trade(ts, 100 + number, "buy", "101000", "5"))
        for number, ts in enumerate(moments)
    ]


@pytest.mark.parametrize(
    "first",
    [
        [],
        [b'{"timestamp_utc":"9999-12-31T00:00:00.000Z"}\n'],
        [b'{"timestamp_utc":"1970-01-01T00:00:00.000Z"}\n'],
    ],
)
@pytest.mark.parametrize("skipped", [0, 1, 62])
def test_a_rebuild_gives_the_bytes_of_the_first_run(vault, first, skipped):
    """No row stays that comes again, be the first lines out of order or no trades at all."""
    write(vault, first + stream(until_s=400)[skipped:])
    arguments = ["--vault", str(vault.root), "--instId", BTC]
    assert vwap_calculator.main(arguments) == 0
    rows = (vault.derived("vwap", BTC) / "vwap_1m.jsonl").read_bytes()
    assert vwap_calculator.main([*arguments, "--rebuild"]) == 0
    assert (vault.derived("vwap", BTC) / "vwap_1m.jsonl").read_bytes() == rows


def test_a_bounded_rebuild_begins_where_no_line_of_an_earlier_minute_follows(vault):
    """Each minute stands there once, and whole."""
    write(vault, [line for n, line in enumerate(stream(until_s=400)) if n != 182])
    arguments = ["--vault", str(vault.root), "--instId", BTC]
    assert vwap_calculator.main(arguments) == 0
    path = vault.derived("vwap", BTC) / "vwap_1m.jsonl"
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert vwap_calculator.main([*arguments, "--rebuild", "--since", "2m"]) == 0
    again = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [row["timestamp_utc"] for row in again] == [row["timestamp_utc"] for row in rows]
    assert [row["minutes_1h"] for row in again] == [1, 2, 3, 4, 1, 2, 3]


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder on a disk of 300 KiB; skips where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here: needs Linux and root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_loud_and_heals(small_disk, tmp_path):
    """Exit code 1 that names the file and the remedy; with room again the same bytes come."""
    full, whole = Vault(small_disk / "vault"), Vault(tmp_path / "whole")
    write(whole, trade_lines(200))
    assert vwap_calculator.main(["--vault", str(whole.root), "--instId", BTC]) == 0
    write(full, trade_lines(200))
    ballast = small_disk / "ballast"
    with ballast.open("wb") as stream:
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        stream.write(b"." * max(0, free - 60_000))
    code, _, err = run("--vault", str(full.root), "--instId", BTC)
    assert code == 1
    assert "No space left on device; free space on its disk; what was whole before stays" in err
    assert "Traceback" not in err
    ballast.unlink()
    assert run("--vault", str(full.root), "--instId", BTC)[0] == 0
    rows = (full.derived("vwap", BTC) / "vwap_1m.jsonl").read_bytes()
    assert rows == (whole.derived("vwap", BTC) / "vwap_1m.jsonl").read_bytes()


@pytest.mark.parametrize(
    "module",
    [
        "VWAP.vwap_calculator",
        "CVD.run_cvd_from_jsonl",
        "Volume_Analyzer.volume_analyzer",
        "Untouch_Wick.untouch_wick",
    ],
)
@pytest.mark.parametrize(("minutes", "loaded"), [(10, []), (3000, ["numpy"])])
def test_a_little_is_read_without_what_takes_long_to_load(tmp_path, module, minutes, loaded):
    """The next minutes need no numpy nor kept minutes, let alone the rest; much needs numpy."""
    vault = Vault(tmp_path / "vault")
    write(vault, trade_lines(minutes))
    wick_vault.tick_size(vault, "1")
    code = (
        f"import sys; from {module} import main; "
        f"assert main(['--vault', {str(vault.root)!r}, '--instId', '{BTC}']) == 0; "
        f"print(sorted({SELDOM!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    assert done.stdout.splitlines()[-1] == str(loaded)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="counts threads with /proc")
def test_numpy_starts_no_threads(tmp_path):
    """A run of a second needs no thread on each core for linear algebra."""
    code = (
        "import pathlib; exec(pathlib.Path('scripts/begin.py').read_bytes()); "  # as programs do
        "sys.path.insert(0, ''); import Liquidity_Buckets.l2_bucketizer; "
        "assert 'numpy' in sys.modules; "
        "status = pathlib.Path('/proc/self/status').read_text(encoding='ascii'); "
        "print(status.partition('Threads:')[2].split()[0])"
    )
    program = tmp_path / "program.py"
    program.write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    assert done.stdout == "1\n"


CHOSEN = """
[bars]
whale_notional = "100000.00"
[vwap]
extended_bps = "62.50"
[volume]
t2_from = "0.50"
[footprint]
imbalance_ratio = "3.0"
[buckets]
delta_ratio = "0.1"
delta_notional = "5.0"
band_notional = { BTC = "7.50" }
"""
PARAMETERS = {
    "vwap": b'{"extended_bps":"62.50"}',
    "cvd": b"{}",
    "volume": b'{"whale_notional":"100000.00","median_records":100,"min_records":20,'
    b'"t2_from":"0.50","t3_from":"1","t4_above":"2","flat_pct":"0.1"}',
    "wicks": b"{}",
    "liquidity_buckets": b'{"band_notional":"7.5","wall_notional":"1000000",'
    b'"delta_notional":"5","delta_ratio":"0.1","gap_s":10,"confirm_s":30,"young_s":3600,'
    b'"hold_s":60,"deep_age_s":60,"listed_walls":10,"depth_levels":400}',
    "book_flow": b'{"wall_notional":"1000000","gap_s":10,"hold_s":60,"deep_age_s":60,'
    b'"depth_levels":400}',
    "footprint": b'{"bucket":"10","imbalance_ratio":"3.0","imbalance_notional":"50000",'
    b'"stacked":3}',
    "profile": b'{"bucket":"10"}',
    "liquidations": b"{}",
}


@pytest.mark.parametrize("program", catalog.CALCULATORS, ids=lambda program: program.name)
def test_a_state_names_the_settings_as_they_were_typed(tmp_path, program):
    """Byte for byte what states have always held: another spelling asks for --rebuild."""
    file = tmp_path / "own.toml"
    file.write_text(CHOSEN, encoding="utf-8")
    module = importlib.import_module(program.script.removesuffix(".py").replace("/", "."))
    job = module.CALCULATOR.job(Vault(tmp_path), BTC, settings.load(file))
    assert orjson.dumps(job.parameters) == PARAMETERS[program.name]


def named_anew(data: bytes) -> bytes:
    return data.replace(b'"okx"', b'"binance"')


def test_a_vault_of_another_exchange_is_calculated_alike(tmp_path):
    """Its lines give the same records under its own name, in its own files; OKX's are refused."""
    okx, binance = Vault(tmp_path / "one"), Vault(tmp_path / "other", "binance")
    notes_market.record(okx, notes_market.Market())
    for path in (path for part in ("raw", "meta") for path in (okx.root / part).rglob("*.json*")):
        name = path.relative_to(okx.root).as_posix().replace("/okx/", "/binance/")
        target = binance.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(named_anew(path.read_bytes()))
    modules: tuple[Any, ...] = (
        *notes_market.CALCULATORS,
        l2_bucketizer,
    )  # each with its CALCULATOR
    for calculator in (module.CALCULATOR for module in modules):
        summary = runner.run(calculator.job(binance, BTC, Settings()))
        assert summary.counts["rejected"] == 0
    made = [path for path in binance.root.rglob("*") if path.is_file()]
    assert [path for path in made if "okx" in path.as_posix().partition("other")[2]] == []
    for path in (okx.root / "derived").rglob("*.json*"):
        name = path.relative_to(okx.root).as_posix().replace("/okx/", "/binance/")
        assert (binance.root / name).read_bytes() == named_anew(path.read_bytes())
    at = notes_market.A
    assert as_of.newest_trade(binance, BTC, at)[1] == as_of.newest_trade(okx, BTC, at)[1]
    path = next(catalog.TRADES.files(binance, BTC))[1]
    for exchange, rejected in (("binance", False), ("okx", True)):
        reader = BarReader(BTC, 0, lambda *_: False, lambda *_: None, 0, exchange=exchange)
        reader.read(path.read_bytes())
        span = read_span(BTC, 0, path, 0, path.stat().st_size, exchange=exchange)
        assert bool(reader.counts()["rejected"]) is rejected
        assert bool(span is None or span.rejected) is rejected
