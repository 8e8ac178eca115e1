"""Built days come to their places: whole, in order, accounted for, resumed anywhere."""

import gzip
from dataclasses import replace

import pytest

from ravequant.errors import LockedError, VaultError
from ravequant.vault import compress, raw_content
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry, read_generation
from ravequant.vault.imports import built_day, provenance, under_way
from ravequant.vault.imports.built_day import BuiltDay
from ravequant.vault.lock import writer_lock
from tests.vault.imports.test_provenance import BTC, DAY

DAYS = ("2025-12-13", "2025-12-14", "2025-12-15")


def build(vault, day: str, base: bytes | None = None, *, packed: bool = True, **ids) -> BuiltDay:
    """Build a day whose only line is its name."""
    part = built_day.write_part(vault, BTC, day, [f"{day}\n".encode()], packed=packed)
    standing = built_day.standing_file(vault, BTC, day)
    if base is not None and standing is None:
        standing = vault.trades(BTC) / (f"{day}.jsonl" + ".gz" * packed)
        standing.parent.mkdir(parents=True, exist_ok=True)
        standing.write_bytes(gzip.compress(base) if packed else base)
    found = BuiltDay(
        None if standing is None else raw_content.content_of(standing), part.content, packed,
        part.size, None, ids.get("first", 1), ids.get("last", 9), ids.get("missing", ()),
        ids.get("holes", ()), replace(DAY, day=day),
    )  # fmt: skip
    built_day.keep(vault, BTC, found)
    return found


def there(vault) -> dict[str, bytes]:
    return {
        path.name: gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for path in sorted(vault.trades(BTC).iterdir())
    }


def ledger(vault) -> list[tuple[int, int, str, str]]:
    entries = GapLedger(vault.gap_ledger(BTC), BTC).entries()
    return [(one.gap.from_id, one.gap.to_id, one.status, one.reason) for one in entries]


def test_noted_days_are_put_in_place(vault):
    """Ledger, provenance, generation, and then nothing is left of the work."""
    for day in DAYS:
        build(vault, day)
    under_way.note(vault, BTC, DAYS)
    assert under_way.is_noted(vault, BTC)
    progress = under_way.finish(vault, BTC)
    assert progress == under_way.PlacedDays(DAYS, (), done=True)
    assert there(vault) == {f"{day}.jsonl.gz": f"{day}\n".encode() for day in DAYS}
    assert list(provenance.newest(vault, BTC)) == list(DAYS)
    assert read_generation(vault.generation(BTC)) == 1
    assert not list((vault.root / "state" / "import").iterdir())
    assert under_way.finish(vault, BTC) is None


@pytest.mark.parametrize("packed", [False, True])
def test_a_recorded_day_is_replaced_in_its_form(vault, packed):
    """Its other form, if there is one, goes."""
    build(vault, DAYS[0], b"old\n", packed=packed)
    if not packed:
        (vault.trades(BTC) / f"{DAYS[0]}.jsonl.gz").write_bytes(gzip.compress(b"old\n"))
    under_way.note(vault, BTC, DAYS[:1])
    under_way.finish(vault, BTC)
    assert there(vault) == {f"{DAYS[0]}.jsonl" + ".gz" * packed: f"{DAYS[0]}\n".encode()}


def test_a_day_compressed_meanwhile_is_still_the_same(vault):
    """Its content counts: the plain part stands, and the packed one goes."""
    build(vault, DAYS[0], b"old\n", packed=False)
    compress.pack(vault.trades(BTC) / f"{DAYS[0]}.jsonl")
    under_way.note(vault, BTC, DAYS[:1])
    under_way.finish(vault, BTC)
    assert there(vault) == {f"{DAYS[0]}.jsonl": f"{DAYS[0]}\n".encode()}


@pytest.mark.parametrize("change", ["other", "gone", "new"])
def test_a_day_that_has_changed_is_left_with_those_behind_it(vault, change):
    """It keeps what was recorded meanwhile; its part waits to be built again."""
    build(vault, DAYS[0])
    build(vault, DAYS[1], None if change == "new" else b"old\n")
    build(vault, DAYS[2])
    path = vault.trades(BTC) / f"{DAYS[1]}.jsonl.gz"
    path.unlink(missing_ok=True)
    if change != "gone":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(b"old\nnewer\n"))
    under_way.note(vault, BTC, DAYS, between=[(50, 60)])
    progress = under_way.finish(vault, BTC)
    assert progress == under_way.PlacedDays(DAYS[:1], DAYS[1:], done=True)
    assert built_day.days_built(vault, BTC) == list(DAYS[1:])
    assert there(vault).get(path.name) == (None if change == "gone" else b"old\nnewer\n")
    assert not under_way.is_noted(vault, BTC)
    assert ledger(vault) == []


def test_a_writer_lets_no_day_from_its_own_on_be_placed(vault):
    """The recorder writes to 2025-12-14: only the day before it comes."""
    for day in DAYS:
        build(vault, day)
    under_way.note(vault, BTC, DAYS)
    progress = under_way.finish(vault, BTC, before=DAYS[1])
    assert progress == under_way.PlacedDays(DAYS[:1], DAYS[1:], done=True)


def test_when_the_time_is_up_the_rest_follows(vault):
    """The note stays, and the generation rises at the end alone."""
    for day in DAYS:
        build(vault, day)
    under_way.note(vault, BTC, DAYS)
    assert under_way.finish(vault, BTC, within_s=-1) == under_way.PlacedDays((), (), done=False)
    assert read_generation(vault.generation(BTC)) == 0
    assert under_way.finish(vault, BTC) == under_way.PlacedDays(DAYS, (), done=True)


def test_the_ledger_follows(vault):
    """Found ids are repaired, holes settled, missing ones open once; between the days too."""
    book = GapLedger(vault.gap_ledger(BTC), BTC)
    for first, last in ((2, 3), (6, 6)):
        book.append(LedgerEntry(Gap(first, last), "open", "test", 0))
    book.append(LedgerEntry(Gap(8, 8), "unrecoverable", "test", 0))
    build(vault, DAYS[0], missing=((3, 4), (6, 6), (8, 8)), holes=((4, 4),))
    under_way.note(vault, BTC, DAYS[:1], between=[(10, 12)])
    under_way.finish(vault, BTC)
    assert ledger(vault)[3:] == [
        (2, 2, "repaired", "archive: found there"),
        (4, 4, "id_hole", "archive: the candle of each minute equals its trades"),
        (10, 12, "open", "archive: ids missing"),
    ]


def test_a_name_that_a_power_cut_brought_back_does_no_harm(vault):
    """The part is there again, and so is the day in its place."""
    build(vault, DAYS[0])
    part = built_day.part_path(vault, BTC, DAYS[0])
    data = part.read_bytes()
    under_way.note(vault, BTC, DAYS[:1])
    path = vault.trades(BTC) / f"{DAYS[0]}.jsonl.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    assert under_way.finish(vault, BTC) == under_way.PlacedDays(DAYS[:1], (), done=True)
    assert not part.exists()


def test_a_part_that_is_gone_or_changed_is_named(vault):
    """Nothing is guessed."""
    build(vault, DAYS[0])
    under_way.note(vault, BTC, DAYS[:1])
    part = built_day.part_path(vault, BTC, DAYS[0])
    data = part.read_bytes()
    part.write_bytes(data[:-1])
    with pytest.raises(VaultError, match="has changed since it was built"):
        under_way.finish(vault, BTC)
    part.unlink()
    with pytest.raises(VaultError, match="the built day is gone"):
        under_way.finish(vault, BTC)


def test_while_days_are_being_compressed_it_waits(vault):
    """The note stays."""
    build(vault, DAYS[0])
    under_way.note(vault, BTC, DAYS[:1])
    with writer_lock(vault, "retention", BTC), pytest.raises(LockedError):
        under_way.finish(vault, BTC)
    assert under_way.finish(vault, BTC) is not None


def test_a_damaged_note_is_refused(vault):
    """By its name."""
    build(vault, DAYS[0])
    under_way.note(vault, BTC, DAYS[:1])
    vault.import_note(BTC).write_bytes(b"{}")
    with pytest.raises(VaultError, match=r"BTC-USDT-SWAP\.json is damaged"):
        under_way.noted(vault, BTC)
