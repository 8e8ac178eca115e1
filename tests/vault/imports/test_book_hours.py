"""Hours of an imported day: parts, recorded hours, the note and its completion."""

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault.imports import provenance
from ravequant.vault.imports.book_hours import (
    BuiltHours,
    HourImport,
    HourParts,
    clear,
    drop_hours,
    part_of,
    taken_hours,
)
from ravequant.vault.imports.provenance import ImportedDay
from ravequant.vault.paths import Vault

BTC, DAY = "BTC-USDT-SWAP", "2025-01-30"
START = times.day_start_ms(DAY)


def build(folder: Path, hours: tuple[int, ...] = (0, 3), own: tuple[str, ...] = ()) -> BuiltHours:
    parts = HourParts(folder, DAY, own)
    for hour in hours:
        for second in range(3):
            parts.append(START + hour * times.HOUR_MS + second * 1_000, b"%d.%d\n" % (hour, second))
    return parts.finish()


def day_of(built: BuiltHours) -> ImportedDay:
    return ImportedDay(
        1, "books", DAY, (), 9, built.lines, None, None, built.left, (), "none", "", built.lines,
        built.sha256, hours=built.hours,
    )  # fmt: skip


def importing(vault: Vault) -> HourImport:
    return HourImport(vault, BTC, {"books": vault.snapshots(BTC)})


def test_parts_count_only_once_they_are_published(tmp_path):
    """No reader sees them; then each hour is there with its lines, and the day is noted."""
    vault = Vault(tmp_path)
    folder = vault.snapshots(BTC)
    built = build(folder)
    assert (built.hours, built.lines, built.left) == (("00", "03"), 6, 0)
    assert taken_hours(folder, DAY) == set()
    importing(vault).publish(day_of(built))
    assert taken_hours(folder, DAY) == {"00", "03"}
    assert gzip.decompress((folder / DAY / "03.jsonl.gz").read_bytes()) == b"3.0\n3.1\n3.2\n"
    assert provenance.newest(vault, BTC, "books")[DAY] == day_of(built)
    assert not list(tmp_path.rglob("*.part"))
    assert not (vault.book_import(BTC) / "note.json").exists()


def test_equal_lines_give_equal_bytes(tmp_path):
    """No name and no time stands in the packed file."""
    build(tmp_path / "a")
    build(tmp_path / "b")
    one, other = (part_of(tmp_path / name, DAY, "00").read_bytes() for name in "ab")
    assert one == other


def test_hours_with_a_file_keep_it_but_for_those_of_an_earlier_import(tmp_path):
    """Plain or packed, and a flat day file holds all hours."""
    (tmp_path / DAY).mkdir()
    (tmp_path / DAY / "00.jsonl").write_bytes(b"recorded\n")
    (tmp_path / DAY / "03.jsonl.gz").write_bytes(gzip.compress(b"imported\n"))
    built = build(tmp_path, own=("03",))
    assert (built.hours, built.left) == (("03",), 3)
    flat = tmp_path / "flat"
    flat.mkdir()
    (flat / f"{DAY}.jsonl").write_bytes(b"recorded\n")
    assert build(flat).hours == ()


def test_a_noted_day_is_completed_by_the_next_run(tmp_path):
    """Some hours renamed, some not: the note names all of them."""
    vault = Vault(tmp_path)
    folder = vault.snapshots(BTC)
    built = build(folder)
    whole = importing(vault)
    move = part_of(folder, DAY, "00")
    keep = move.read_bytes()
    whole.publish(day_of(built))
    note = vault.book_import(BTC) / "note.json"
    (folder / DAY / "00.jsonl.gz").unlink()
    move.write_bytes(keep)
    from ravequant.vault import commit

    facts = {"day": provenance.facts_of(day_of(built)), "gone": []}
    commit.write_state(note, {"metric": "import_books", "instId": BTC, **facts})
    assert importing(vault).recover() == day_of(built)
    assert taken_hours(folder, DAY) == {"00", "03"}
    assert len(provenance.entries(vault, BTC)) == 1
    assert importing(vault).recover() is None


def test_an_hour_that_is_gone_is_named(tmp_path):
    """Neither the part nor the file: somebody deleted it."""
    vault = Vault(tmp_path)
    built = build(vault.snapshots(BTC))
    part_of(vault.snapshots(BTC), DAY, "03").unlink()
    with pytest.raises(VaultError, match="neither it nor its part is there"):
        importing(vault).publish(day_of(built))


def test_parts_without_a_note_go(tmp_path):
    """And the folders that are empty without them."""
    build(tmp_path)
    (tmp_path / DAY / "05.jsonl").write_bytes(b"recorded\n")
    clear(tmp_path)
    assert [path.name for path in (tmp_path / DAY).iterdir()] == ["05.jsonl"]
    parts = HourParts(tmp_path, "2025-01-31")
    parts.append(START + times.DAY_MS, b"1\n")
    parts.discard()
    assert not (tmp_path / "2025-01-31").exists()


def test_hours_that_a_new_import_does_not_have_are_deleted(tmp_path):
    """A file that was rewritten shorter leaves nothing of the longer one."""
    vault = Vault(tmp_path)
    folder = vault.snapshots(BTC)
    importing(vault).publish(day_of(build(folder)))
    importing(vault).publish(day_of(build(folder, (0,), ("00", "03"))), ["03"])
    assert taken_hours(folder, DAY) == {"00"}


def test_imported_hours_are_dropped_and_recorded_ones_stay(tmp_path):
    """The provenance names what an import wrote; a pinned day and an unknown one lose nothing."""
    vault = Vault(tmp_path / "a vault")
    recorded = vault.snapshots(BTC) / DAY / "07.jsonl"
    recorded.parent.mkdir(parents=True)
    recorded.write_bytes(b"recorded\n")
    day = day_of(build(vault.snapshots(BTC)))
    importing(vault).publish(replace(day, keep=True))
    assert drop_hours(vault, BTC, DAY) == drop_hours(vault, BTC, "2025-01-29") == 0
    assert taken_hours(vault.snapshots(BTC), DAY) == {"00", "03", "07"}
    provenance.append(vault, BTC, [day])
    size = sum((recorded.parent / f"{hour}.jsonl.gz").stat().st_size for hour in ("00", "03"))
    assert drop_hours(vault, BTC, DAY) == size
    assert taken_hours(vault.snapshots(BTC), DAY) == {"07"}
    assert drop_hours(vault, BTC, DAY) == 0
