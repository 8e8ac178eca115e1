"""A vault of the version before this one: every program goes on in it, with the same bytes.

``tests/data/earlier_vault.tar.gz`` was written by the version before the folders by subject. It
holds ``vault``, recorded and computed up to 00:04 (a linear and an inverse instrument, with a bad
line, a repeated line, a late line, a gap, and a line that is half written); ``more``, the raw data
until 00:12, its first day compressed by then; and ``wanted.json``: the SHA-256 of each output and
state of the calculators after those, and of the signals of some minutes.
"""

import hashlib
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from CVD import run_cvd_from_jsonl
from Liquidity_Buckets import l2_bucketizer
from ravequant import read
from ravequant.vault.gap_ledger import read_generation
from ravequant.vault.paths import CHECKOUT, Vault
from scripts import export_parquet, verify_vault
from Untouch_Wick import untouch_wick
from Untouch_Wick.find_signals import find_hidden_signals
from Volume_Analyzer import volume_analyzer
from VWAP import vwap_calculator

ARCHIVE = CHECKOUT / "tests" / "data" / "earlier_vault.tar.gz"
BTC, USD = "BTC-USDT-SWAP", "BTC-USD-SWAP"
CALCULATORS: dict[str, tuple[Callable[[list[str]], int], tuple[str, ...]]] = {
    "vwap": (vwap_calculator.main, (BTC, USD)),
    "cvd": (run_cvd_from_jsonl.main, (BTC, USD)),
    "volume": (volume_analyzer.main, (BTC, USD)),
    "wicks": (untouch_wick.main, (BTC, USD)),
    "liquidity_buckets": (l2_bucketizer.main, (BTC,)),
}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """Return the folder of the unpacked archive, which no test changes."""
    folder: Path = tmp_path_factory.mktemp("earlier")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def earlier(unpacked: Path, tmp_path: Path) -> Vault:
    """Return the vault as the earlier version left it."""
    shutil.copytree(unpacked / "vault", tmp_path / "vault")
    return Vault(tmp_path / "vault")


@pytest.fixture
def wanted(unpacked: Path) -> Any:
    """Return what the earlier version computed once all raw data were there."""
    return json.loads((unpacked / "wanted.json").read_bytes())


def record_more(vault: Vault, unpacked: Path) -> None:
    """Let the rest of the raw data come in."""
    shutil.rmtree(vault.root / "raw")
    shutil.copytree(unpacked / "more" / "raw", vault.root / "raw")


def calculate(vault: Vault, metric: str, level: str = "error") -> None:
    """Run a calculator for its instruments."""
    program, inst_ids = CALCULATORS[metric]
    names = [word for inst_id in inst_ids for word in ("--instId", inst_id)]
    assert program(["--vault", str(vault.root), "--log-level", level, *names]) == 0


def hashes(vault: Vault, metric: str) -> dict[str, str]:
    """Return the SHA-256 of each output and state of a calculator, by its place in the vault."""
    files = [
        path
        for part in ("derived", "state")
        for path in sorted((vault.root / part / metric).rglob("*.json*"))
    ]
    return {
        path.relative_to(vault.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.mark.parametrize("metric", CALCULATORS)
def test_a_calculator_goes_on_where_the_earlier_version_stood(earlier, unpacked, wanted, metric):
    """Without --rebuild: nothing changes before more data come, and then the bytes are the same."""
    before = hashes(earlier, metric)
    assert len(before) >= 2
    calculate(earlier, metric)
    assert hashes(earlier, metric) == before
    record_more(earlier, unpacked)
    calculate(earlier, metric)
    found = hashes(earlier, metric)
    parts = (f"derived/{metric}/", f"state/{metric}/")
    assert found == {
        name: value for name, value in wanted["files"].items() if name.startswith(parts)
    }
    assert found.keys() >= before.keys()
    assert not found.items() & before.items()


# Of a signal: all but conviction, plan and the wicks of its level, whose rules have changed since;
# of a layer: all but its words, and how often it is true, which leaves gaps out now.
KEPT = (
    "as_of_utc", "instId", "event_id", "timeframe", "direction", "wick_type", "wick_price",
    "creation_time_utc", "age_minutes", "touched", "surrounding", "wick_size_ticks",
    "median_size_ticks", "small", "tip_exact", "signal_strength", "strength", "last_price",
    "last_price_from", "distance_bps", "in_contact", "confluences", "score", "entry", "tags",
    "data",
)  # fmt: skip
OF_A_LAYER = ("layer", "state", "points", "of", "file", "age_s")
FOUND = "dbc13ffaeda5a7b67690c4356e45c6e835d89cd144576f915ae019ab6a9c7dfd"  # SHA-256 of them


def test_the_signals_of_each_minute_are_the_same(earlier, unpacked, wanted):
    """Each wick with its evidence, as the earlier version found it."""
    record_more(earlier, unpacked)
    for metric in CALCULATORS:
        calculate(earlier, metric)
    found = {}
    for minute, (count, _) in wanted["signals"].items():
        signals = find_hidden_signals(BTC, at=minute, vault=earlier.root)
        assert len(signals) == count > 0
        found[minute] = [
            {
                **{name: signal[name] for name in KEPT},
                "layers": [[layer[name] for name in OF_A_LAYER] for layer in signal["layers"]],
            }
            for signal in signals
        ]
    assert hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest() == FOUND


def test_noted_hashes_still_say_that_no_file_was_changed(earlier, capsys):
    """The certificate knows its own notes; a changed byte is seen, as it was before."""
    arguments = ["--vault", str(earlier.root), "--log-level", "error", "--instId", BTC]
    capsys.readouterr()
    verify_vault.main(arguments)
    assert "--renew" not in capsys.readouterr().out
    path = next(iter(sorted(earlier.trades(BTC).iterdir())))
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"side":"buy"', b'"side":"bUy"', 1))
    assert verify_vault.main(arguments) == 1
    assert "--renew" in capsys.readouterr().out


def test_parquet_days_are_not_made_again(earlier, capsys):
    """Of no table but the signals, which have more columns now: how a day is made is the same."""
    pytest.importorskip("duckdb", reason="duckdb is not installed: it is an extra")
    folder = earlier.root / "parquet"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    assert len(before) > 20
    names = ["--instId", BTC, "--instId", USD]
    capsys.readouterr()
    code = export_parquet.main(
        ["--vault", str(earlier.root), "--json", "--log-level", "error", *names]
    )
    assert code == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["table"] for row in rows if row["days_written"]} == {"signals"}
    made = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    assert made.keys() == before.keys()
    assert {path.parts[-4] for path in made if made[path] != before[path]} == {"signals"}


DEVIATIONS = ("sd_1h", "sd_4h", "sd_session")


def rows_of(vault: Vault, inst_id: str) -> list[dict[str, Any]]:
    """Return the VWAP records of an instrument."""
    path = vault.derived("vwap", inst_id) / "vwap_1m.jsonl"
    return [json.loads(row) for row in path.read_bytes().splitlines()]


@pytest.mark.parametrize("asked", [True, False])
def test_deviations_come_with_the_next_rebuild_and_not_before(earlier, unpacked, capsys, asked):
    """One asked for, or that after a repair, which is announced; all other fields are the same."""
    record_more(earlier, unpacked)
    calculate(earlier, "vwap")
    before = rows_of(earlier, BTC)
    assert not any(name in row for row in before for name in DEVIATIONS)
    if asked:
        names = ["--vault", str(earlier.root), "--instId", BTC, "--rebuild"]
        assert vwap_calculator.main(names) == 0
    else:
        generation = read_generation(earlier.generation(BTC))
        earlier.generation(BTC).write_text(json.dumps({"generation": generation + 1}))
        capsys.readouterr()
        calculate(earlier, "vwap", level="warning")
        assert "everything that can be recomputed is" in capsys.readouterr().err
    found = rows_of(earlier, BTC)
    assert [tuple(row)[-3:] for row in found] == [DEVIATIONS] * len(before)
    assert [{n: v for n, v in row.items() if n not in DEVIATIONS} for row in found] == before
    assert not any(name in row for row in rows_of(earlier, USD) for name in DEVIATIONS)
    state = earlier.state("vwap", BTC).read_bytes()
    calculate(earlier, "vwap", level="warning")  # once: the next run finds nothing to do
    assert earlier.state("vwap", BTC).read_bytes() == state
    assert read.vwap(BTC, vault=earlier.root)["sd_4h"].text().tolist() == [
        row["sd_4h"] for row in found
    ]
    assert read.vwap(USD, vault=earlier.root)["sd_4h"].text().tolist() == [None] * len(
        rows_of(earlier, USD)
    )


def test_a_tick_of_many_zeros_gives_one_rebuild_that_is_announced(earlier, capsys):
    """Of the VWAP of that instrument alone, and of its Parquet days; the other goes on as it is."""
    for path in (earlier.metadata(BTC), earlier.metadata_history(BTC)):
        terms = path.read_bytes()
        assert b'"tickSz":"0.1"' in terms
        path.write_bytes(terms.replace(b'"tickSz":"0.1"', b'"tickSz":"0.0000000001"'))
    output = earlier.derived("vwap", BTC) / "vwap_1m.jsonl"
    rows = [json.loads(line) for line in output.read_bytes().splitlines()]
    other = hashes(earlier, "vwap")
    for announced in (True, False):
        capsys.readouterr()
        calculate(earlier, "vwap", level="warning")
        assert ("16 places, those on disk have 8" in capsys.readouterr().err) is announced
    found = [json.loads(line) for line in output.read_bytes().splitlines()]
    assert max(len(row["vwap_4h"].partition(".")[2]) for row in found) == 16
    assert all(row.keys() == rows[0].keys() | set(DEVIATIONS) for row in found)
    means = {name for name in rows[0] if name.startswith("vwap_")}.union(DEVIATIONS)
    assert [{n: v for n, v in row.items() if n not in means} for row in found] == [
        {n: v for n, v in row.items() if n not in means} for row in rows
    ]
    kept = {name: value for name, value in hashes(earlier, "vwap").items() if BTC not in name}
    assert kept == {name: value for name, value in other.items() if BTC not in name}
    pytest.importorskip("duckdb", reason="duckdb is not installed: it is an extra")
    capsys.readouterr()
    words = ["--table", "vwap", "--table", "cvd", "--instId", BTC, "--instId", USD, "--json"]
    assert export_parquet.main(["--vault", str(earlier.root), *words]) == 0
    made = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(row["table"], row["instId"]) for row in made if row["days_written"]} == {("vwap", BTC)}
