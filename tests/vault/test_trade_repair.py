"""Repairs of the raw log: noted, carried out, resumed, or refused with the log as it was."""

import gzip
from pathlib import Path

import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.errors import LockedError, VaultError
from ravequant.records import Trade, TradeEncoder
from ravequant.vault import commit, compress, trade_repair
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry, read_generation
from ravequant.vault.line_file import lines_forward
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault
from ravequant.vault.trade_repair import DayRepair, Insert, Move, Repair, planned_move
from tests.support import crashes

BTC = "BTC-USDT-SWAP"
DAY = "2025-12-14"
START = times.day_start_ms(DAY)
ENCODER = TradeEncoder(BTC, Contract("0.01", "1", "linear"))
ENTRY = LedgerEntry(Gap(3, 4), "repaired", "fetched", START)


def lines(*ids: int) -> bytes:
    return b"".join(ENCODER.line(Trade(START + n, n, "buy", "100", "1")) for n in ids)


def planned(*inserts: Insert, key: str = DAY, generation: int = 1) -> Repair:
    return Repair(BTC, (DayRepair(key, inserts),), (ENTRY,), generation)


MIDDLE = planned(Insert(len(lines(1, 2)), 5, lines(3, 4)))


def put(vault: Vault, *ids: int, packed: bool = False, torn: bytes = b"") -> Path:
    """Write a day with these ids, in one form."""
    path = vault.trades(BTC) / f"{DAY}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    if packed:
        path = compress.packed_form(path)
    path.write_bytes(gzip.compress(lines(*ids)) if packed else lines(*ids) + torn)
    return path


def ledger(vault: Vault) -> tuple[LedgerEntry, ...]:
    return GapLedger(vault.gap_ledger(BTC), BTC).entries()


def test_a_noted_repair_is_carried_out_and_its_note_goes(vault):
    """Lines in their place, entries in the ledger, the generation raised."""
    path = put(vault, 1, 2, 5, 6)
    assert not trade_repair.is_noted(vault, BTC)
    assert trade_repair.finish(vault, BTC) is None
    trade_repair.note(vault, MIDDLE)
    assert trade_repair.is_noted(vault, BTC)
    assert trade_repair.finish(vault, BTC) == MIDDLE
    assert path.read_bytes() == lines(1, 2, 3, 4, 5, 6)
    assert ledger(vault) == (ENTRY,)
    assert read_generation(vault.generation(BTC)) == 1
    assert not trade_repair.is_noted(vault, BTC)
    assert list(vault.trades(BTC).iterdir()) == [path]


def test_lines_go_to_several_places_and_behind_the_last_line(vault):
    """Offsets ascend, and count in the day as it was; a torn tail stays where it is."""
    path = put(vault, 1, 4, 6)
    ends = [len(lines(*ids)) for ids in ((1,), (1, 4), (1, 4, 6))]
    trade_repair.note(
        vault,
        planned(
            Insert(ends[0], 4, lines(2, 3)), Insert(ends[1], 6, lines(5)),
            Insert(ends[2], None, lines(7)),
        ),
    )  # fmt: skip
    trade_repair.finish(vault, BTC)
    assert path.read_bytes() == lines(1, 2, 3, 4, 5, 6, 7)


def test_a_day_without_a_file_gets_one(vault):
    """All of its trades were missed."""
    vault.trades(BTC).mkdir(parents=True)
    trade_repair.note(vault, planned(Insert(0, None, lines(1)), Insert(0, None, lines(2))))
    trade_repair.finish(vault, BTC)
    assert (vault.trades(BTC) / f"{DAY}.jsonl").read_bytes() == lines(1, 2)


def test_a_packed_day_stays_packed(vault):
    """Offsets are those of the uncompressed stream."""
    path = put(vault, 1, 2, 5, packed=True)
    trade_repair.note(vault, MIDDLE)
    trade_repair.finish(vault, BTC)
    assert gzip.decompress(path.read_bytes()) == lines(1, 2, 3, 4, 5)
    assert list(vault.trades(BTC).iterdir()) == [path]


@pytest.mark.parametrize("ids", [(1, 2, 5), (1, 2, 3, 4, 5)])
def test_of_a_day_in_both_forms_the_plain_one_is_repaired_and_stays(vault, ids):
    """Packing was killed before its last step; also if the repair was made by then."""
    put(vault, 1, 2, 5, packed=True)
    path = put(vault, *ids)
    trade_repair.note(vault, MIDDLE)
    trade_repair.finish(vault, BTC)
    assert path.read_bytes() == lines(1, 2, 3, 4, 5)
    assert list(vault.trades(BTC).iterdir()) == [path]


@pytest.mark.parametrize("packed", [False, True])
def test_a_repair_that_was_stopped_anywhere_is_resumed(tmp_path, packed):
    """Before each sync, rename and write: the next attempt gives the same files."""
    whole = Vault(tmp_path / "whole")
    put(whole, 1, 2, 5, packed=packed)
    trade_repair.note(whole, MIDDLE)
    with crashes.steps(0) as steps:
        trade_repair.finish(whole, BTC)
    wanted = sorted(path.name for path in whole.root.rglob("*") if path.is_file())
    for at in range(1, len(steps) + 1):
        vault = Vault(tmp_path / f"stopped-{at}")
        put(vault, 1, 2, 5, packed=packed)
        trade_repair.note(vault, MIDDLE)
        with crashes.steps(at), pytest.raises(crashes.Stopped):
            trade_repair.finish(vault, BTC)
        trade_repair.finish(vault, BTC)
        [day] = [path for path in vault.trades(BTC).iterdir() if not path.name.startswith(".")]
        data = day.read_bytes()
        assert (gzip.decompress(data) if packed else data) == lines(1, 2, 3, 4, 5), steps[at - 1]
        assert ledger(vault) == (ENTRY,)
        assert read_generation(vault.generation(BTC)) == 1
        assert sorted(path.name for path in vault.root.rglob("*") if path.is_file()) == wanted


LATER = "2098-01-01"
AHEAD = ENCODER.line(Trade(times.day_start_ms(LATER) + 5, 3, "buy", "100", "1"))
MARKED = AHEAD.replace(b"}", b',"ahead":true}')
KEPT = ENCODER.line(Trade(times.day_start_ms(LATER) + 9, 9, "buy", "100", "1"))
TORN = KEPT[:40]
NEXT = "2025-12-15"


def opened_early(vault: Vault, kept: bytes = b"", *, packed: bool = False) -> Repair:
    """Write a day, and one that a record ahead opened; return the repair of it."""
    put(vault, 1, 2, packed=packed)
    moved, path = AHEAD + lines(4, 5), vault.trades(BTC) / f"{LATER}.jsonl"
    path.write_bytes(moved + lines(6) + kept)
    until = len(moved)
    moves = (
        Move(LATER, 0, until, DAY, len(lines(1, 2)), 0, 0, (len(AHEAD) - 2,)),
        Move(LATER, until, until + len(lines(6)), NEXT, 0, 0, 0),
    )
    return Repair(BTC, (), (), 1, tuple(planned_move(move, path) for move in moves))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kept", [b"", KEPT, TORN])
def test_lines_move_to_earlier_days_and_a_move_stopped_anywhere_is_resumed(tmp_path, packed, kept):
    """The record that is ahead says so then; a file without lines left is gone."""
    first = Vault(tmp_path / "whole")
    trade_repair.note(first, opened_early(first, kept, packed=packed))
    with crashes.steps(0) as steps:
        trade_repair.finish(first, BTC)
    for at in range(len(steps) + 1):
        vault = first
        if at:
            vault = Vault(tmp_path / f"stopped-{at}")
            trade_repair.note(vault, opened_early(vault, kept, packed=packed))
            with crashes.steps(at), pytest.raises(crashes.Stopped):
                trade_repair.finish(vault, BTC)
            trade_repair.finish(vault, BTC)
        found = {
            path.name: b"".join(lines_forward(path))
            for path in vault.trades(BTC).iterdir()
            if not path.name.startswith(".")
        }
        wanted = {
            f"{DAY}.jsonl{'.gz' if packed else ''}": lines(1, 2) + MARKED + lines(4, 5),
            f"{NEXT}.jsonl": lines(6),
        }
        aside = vault.trades(BTC) / f"{LATER}.jsonl.torn"
        assert (found.pop(aside.name, None) is not None) is (kept == TORN)
        assert kept != TORN or aside.read_bytes().startswith(TORN)
        assert found == wanted | ({f"{LATER}.jsonl": kept} if kept == KEPT else {})
        assert read_generation(vault.generation(BTC)) == 1
        assert not trade_repair.is_noted(vault, BTC)


def test_a_move_is_none_for_a_running_exporter_and_checks_its_place(vault):
    """It would go on in the file that it has begun; a day that has grown meanwhile stays."""
    repair = opened_early(vault)
    trade_repair.note(vault, repair)
    assert trade_repair.too_large(vault, BTC)
    put(vault, 1, 2, 3)
    with pytest.raises(VaultError, match=rf"at byte {len(lines(1, 2))} expected its end"):
        trade_repair.finish(vault, BTC)
    (vault.trades(BTC) / f"{DAY}.jsonl").unlink()
    with pytest.raises(VaultError, match="expected its end"):
        trade_repair.finish(vault, BTC)
    assert (vault.trades(BTC) / f"{LATER}.jsonl").read_bytes() == AHEAD + lines(4, 5, 6)


@pytest.mark.parametrize(
    ("insert", "place"),
    [
        (Insert(len(lines(1, 2)) + 7, 5, lines(3, 4)), "the record of id 5"),
        (Insert(len(lines(1, 2)), 7, lines(3, 4)), "the record of id 7"),
        (Insert(len(lines(1, 2)), None, lines(3, 4)), "its end"),
    ],
)
def test_a_log_that_is_not_the_one_noted_is_left_alone(vault, insert, place):
    """The message names the place and the remedy; the note stays."""
    path = put(vault, 1, 2, 5)
    trade_repair.note(vault, planned(insert))
    with pytest.raises(VaultError) as error:
        trade_repair.finish(vault, BTC)
    assert str(error.value) == (
        f"{path}: at byte {insert.offset} expected {place}; the file has changed since the repair "
        "was planned: delete its note in state/repair and repair again"
    )
    assert path.read_bytes() == lines(1, 2, 5)
    assert trade_repair.is_noted(vault, BTC)
    assert ledger(vault) == ()


def test_a_day_that_became_shorter_is_left_alone(vault):
    """Its second place lies behind its end."""
    path = put(vault, 1, 2)
    first, second = Insert(0, 1, lines(0)), Insert(len(lines(1, 2, 3)), None, lines(4))
    trade_repair.note(vault, planned(first, second))
    with pytest.raises(VaultError) as error:
        trade_repair.finish(vault, BTC)
    assert str(error.value) == (
        f"{path} ends at byte {len(lines(1, 2))}, expected at least {second.offset}; delete the "
        "note in state/repair and repair again"
    )
    assert path.read_bytes() == lines(1, 2)
    assert list(vault.trades(BTC).iterdir()) == [path]


def test_a_copy_that_does_not_read_back_replaces_nothing(vault, monkeypatch):
    """Flipped bits in memory or on the disk are noticed before the rename."""
    path = put(vault, 1, 2, 5)
    trade_repair.note(vault, MIDDLE)
    monkeypatch.setattr(compress, "content_of", lambda *_, **__: None)
    with pytest.raises(VaultError) as error:
        trade_repair.finish(vault, BTC)
    length = len(lines(1, 2, 3, 4, 5))
    assert str(error.value) == (
        f"{path}: its repaired copy does not read back as {length} bytes; the file stays as it "
        "was; check the disk"
    )
    assert path.read_bytes() == lines(1, 2, 5)
    assert list(vault.trades(BTC).iterdir()) == [path]


def test_no_day_is_repaired_while_days_are_compressed(vault):
    """Retention holds its lock; the note waits."""
    path = put(vault, 1, 2, 5)
    trade_repair.note(vault, MIDDLE)
    with writer_lock(vault, "retention", BTC), pytest.raises(LockedError):
        trade_repair.finish(vault, BTC)
    assert path.read_bytes() == lines(1, 2, 5)
    assert trade_repair.is_noted(vault, BTC)


def test_a_large_note_is_not_for_a_running_exporter(vault, monkeypatch):
    """The limit itself is; without a note there is nothing too large."""
    assert not trade_repair.too_large(vault, BTC)
    trade_repair.note(vault, MIDDLE)
    size = trade_repair.note_path(vault, BTC).stat().st_size
    for most, large in ((size, False), (size - 1, True)):
        monkeypatch.setattr(trade_repair, "MOST_ASKED", most)
        assert trade_repair.too_large(vault, BTC) is large


def test_a_note_that_names_no_day_is_not_carried_out(vault):
    """A path is built from it: nothing outside the folder of the trades is ever written."""
    day = {"key": "../../../elsewhere", "inserts": [[0, None, "{}\n"]]}
    facts = {
        "metric": trade_repair.METRIC,
        "instId": BTC,
        "generation": 0,
        "days": [day],
        "entries": [],
    }
    commit.write_state(trade_repair.note_path(vault, BTC), facts)
    with pytest.raises(VaultError, match=r"is no repair that can be carried out"):
        trade_repair.finish(vault, BTC)
    assert not list(vault.root.rglob("elsewhere*"))


@pytest.mark.parametrize("fields", [{"days": 5}, {"days": [{"key": DAY}]}, {"entries": [[1, 2]]}])
def test_a_note_of_another_form_is_refused(vault, fields):
    """Sealed, but not as a repair is written: the remedy is named, nothing is done."""
    facts = {"metric": "repair", "instId": BTC, "generation": 1, "days": [], "entries": []}
    commit.write_state(trade_repair.note_path(vault, BTC), facts | fields)
    with pytest.raises(VaultError, match=r"is no repair that can be carried out: .*; delete it, "):
        trade_repair.finish(vault, BTC)
    assert read_generation(vault.generation(BTC)) == 0
