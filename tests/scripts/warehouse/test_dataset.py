"""Tests of scripts.warehouse.dataset: a day counts only while file and sources are as noted."""

import json
import os

import pytest

from ravequant.catalog import BOOK
from ravequant.errors import UsageError
from ravequant.vault.paths import Vault
from scripts.warehouse.dataset import ExportedTable, sources_of, stamps
from scripts.warehouse.schema import TABLES

BTC = "BTC-USDT-SWAP"
DAY = "2025-12-14"


@pytest.fixture
def exported(tmp_path):
    """Return a table with one day, and its source."""
    table = ExportedTable.open(tmp_path, TABLES["trades"], BTC)
    source = tmp_path / f"{DAY}.jsonl"
    source.write_text("{}\n")
    table.part(DAY).parent.mkdir(parents=True)
    table.part(DAY).write_bytes(b"rows")
    table.note(DAY, sources=stamps([source]), rows=1)
    return table, source


def reopened(exported):
    return ExportedTable.open(exported.folder.parents[1], exported.table, BTC)


def test_a_noted_day_is_there_the_next_time(exported):
    """The manifest keeps what was noted; the same files are current."""
    table, source = exported
    again = reopened(table)
    assert again.days == table.days
    assert again.stands(DAY)
    assert again.current(DAY, [source])
    assert table.part(DAY).relative_to(table.folder).as_posix() == f"day={DAY}/part.parquet"


def test_a_changed_source_is_not_current(exported):
    """Another size, another time, a file more or less: the day must be made again."""
    table, source = exported
    assert not table.current(DAY, [source, source])
    assert not table.current(DAY, [])
    assert not table.current(DAY, [source.with_name("gone.jsonl")])
    before = source.stat().st_mtime_ns
    os.utime(source, ns=(1, 1))
    assert table.stands(DAY)
    assert not table.current(DAY, [source])
    source.write_text("{}\n{}\n")
    os.utime(source, ns=(before, before))
    assert not table.current(DAY, [source])


def test_a_changed_part_does_not_stand(exported):
    """A file that is not the noted one counts for nothing, nor does a day that was never noted."""
    table, source = exported
    assert not table.stands("2025-12-15")
    table.part(DAY).write_bytes(b"row")
    assert not table.stands(DAY)
    assert not table.current(DAY, [source])
    table.part(DAY).unlink()
    assert not table.stands(DAY)


@pytest.mark.parametrize("text", ["{", "[]", "", '{"days":3}', '{"schema":"0","days":{}}'])
def test_a_manifest_that_is_none(exported, text):
    """Damaged or of another schema, it holds no day."""
    table, _ = exported
    (table.folder / "_manifest.json").write_text(text)
    assert reopened(table).days == {}


def test_a_manifest_leads_to_no_other_folder(exported):
    """Only names of days are taken from it, and only with facts."""
    table, _ = exported
    facts = {"schema": table.table.fingerprint, "days": {"../../x": {}, DAY: 3, "2025-12-13": {}}}
    (table.folder / "_manifest.json").write_text(json.dumps(facts))
    assert reopened(table).days == {"2025-12-13": {}}
    with pytest.raises(UsageError):
        ExportedTable.open(table.folder, table.table, "../x")


def test_terms_are_kept(exported):
    """What bars were made with is there the next time; other tables have none."""
    table, _ = exported
    assert reopened(table).terms is None
    table.terms = {"generation": 1}
    table.keep()
    assert reopened(table).terms == {"generation": 1}


def test_hours_are_gathered_by_day(vault: Vault):
    """A day of the book has a file for each hour, oldest first."""
    for name in ("2025-12-14/22", "2025-12-15/00", "2025-12-14/23"):
        path = vault.snapshots(BTC) / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = [(day, [path.stem for path in files]) for day, files in sources_of(vault, BOOK, BTC)]
    assert found == [("2025-12-14", ["22", "23"]), ("2025-12-15", ["00"])]
