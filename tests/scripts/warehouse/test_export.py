"""Tests of scripts.warehouse.export: days of a growing file, made again only when they change."""

import hashlib
import json

import pytest

from ravequant.errors import VaultError
from ravequant.vault.paths import Vault
from scripts.warehouse import duck
from scripts.warehouse.dataset import ExportedTable
from scripts.warehouse.export import export
from scripts.warehouse.schema import TABLES
from tests.support.imported import note

duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed: it is an extra")

BTC = "BTC-USDT-SWAP"


def line(time: str, cvd: int = 0) -> str:
    return json.dumps(
        {"timestamp_utc": time, "instId": BTC, "cvd": str(cvd)}, separators=(",", ":")
    )


@pytest.fixture
def exported(vault: Vault, tmp_path):
    """Return what writes lines into the CVD's file, exports them and gives (day, rows)."""
    path = vault.derived("cvd", BTC) / "cvd_1m.jsonl"
    path.parent.mkdir(parents=True)
    spill = tmp_path / "spill"
    spill.mkdir()

    def write(*lines: str, end: str = "\n"):
        path.write_text("\n".join(lines) + end)
        table = ExportedTable.open(vault.root / "parquet", TABLES["cvd"], BTC)
        with duck.open_database(spill) as database:
            return list(export(database, vault, table, BTC, spill))

    return write


def rows(vault: Vault, day: str):
    """Return the times and sums that the file of a day holds."""
    table = ExportedTable.open(vault.root / "parquet", TABLES["cvd"], BTC)
    found = duckdb.execute(
        "SELECT timestamp_utc::VARCHAR, cvd::INTEGER FROM read_parquet(?)", [str(table.part(day))]
    )
    return [(time[11:16], cvd) for time, cvd in found.fetchall()]


def test_files_of_imported_days_say_their_source(exported, vault):
    """In their metadata, with the table and the units; of no other day."""
    note(vault, BTC, day="2025-12-14")
    note(vault, BTC, day="2025-12-15", stream="books")  # of which no CVD is made
    exported(*FIRST)
    table = ExportedTable.open(vault.root / "parquet", TABLES["cvd"], BTC)
    said = []
    for day in ("2025-12-14", "2025-12-15"):
        query = "SELECT key::VARCHAR, value::VARCHAR FROM parquet_kv_metadata(?)"
        found = dict(duckdb.execute(query, [str(table.part(day))]).fetchall())
        assert (found["ravequant.table"], found["unit.cvd"]) == ("cvd", "quote currency")
        said.append(found.get("source"))
    assert said == ["OKX archive, personal use", None]


def test_without_readable_provenance_nothing_goes_out(exported, vault):
    """It would lack the words that belong to it."""
    vault.imports(BTC).parent.mkdir(parents=True)
    vault.imports(BTC).write_bytes(b"{}\n")
    with pytest.raises(VaultError, match="line 1 is no provenance"):
        exported(*FIRST)


FIRST = [line("2025-12-14T23:59:00Z", 1), line("2025-12-15T00:00:00Z", 2)]


def test_only_days_with_other_lines_are_made(exported, vault):
    """Appended lines make their day again; the day before is left as it is."""
    assert exported(*FIRST) == [("2025-12-14", 1), ("2025-12-15", 1)]
    assert exported(*FIRST) == []
    assert exported(*FIRST, line("2025-12-15T00:01:00Z", 3)) == [("2025-12-15", 2)]
    assert rows(vault, "2025-12-15") == [("00:00", 2), ("00:01", 3)]
    assert rows(vault, "2025-12-14") == [("23:59", 1)]


def test_lines_of_a_day_need_not_stand_together(exported, vault):
    """They are one file all the same, in their order; a line without a time is in none."""
    late = line("2025-12-14T23:58:00Z", 9)
    assert exported(*FIRST, late, '{"cvd":"4"}') == [("2025-12-14", 2), ("2025-12-15", 1)]
    assert rows(vault, "2025-12-14") == [("23:59", 1), ("23:58", 9)]
    assert exported(*FIRST, late, '{"cvd":"5"}') == []


def test_an_unfinished_line_waits(exported):
    """Without its newline it is not exported, whole as it may look."""
    assert exported(*FIRST, end="") == [("2025-12-14", 1)]
    assert exported(*FIRST) == [("2025-12-15", 1)]


def test_a_day_without_lines_goes(exported, vault):
    """After a rebuild without it, its file is removed."""
    exported(*FIRST)
    assert exported(FIRST[1]) == []
    table = ExportedTable.open(vault.root / "parquet", TABLES["cvd"], BTC)
    assert list(table.days) == ["2025-12-15"]
    assert not table.part("2025-12-14").exists()


def test_days_exported_before_are_known_by_their_hash(exported, vault):
    """A manifest holds the SHA-256 of the lines of each day; other entries of it do not matter."""
    exported(*FIRST)
    table = ExportedTable.open(vault.root / "parquet", TABLES["cvd"], BTC)
    path = table.folder / "_manifest.json"
    facts = json.loads(path.read_text())
    sha256 = hashlib.sha256(f"{FIRST[0]}\n".encode()).hexdigest()
    assert facts["days"]["2025-12-14"]["sha256"] == sha256
    path.write_text(json.dumps({**facts, "cursor": {"file": "cvd_1m"}, "terms": {"generation": 0}}))
    assert exported(*FIRST) == []
