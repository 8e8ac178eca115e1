"""An import and a recording together: each id once, the ledger right, whenever it was stopped."""

import json
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from CVD import run_cvd_from_jsonl
from ravequant import exchanges, times
from ravequant.errors import LockedError, UsageError, VaultError
from ravequant.records import Trade
from ravequant.vault import trade_repair
from ravequant.vault.compress import pack
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry, read_generation
from ravequant.vault.imports import built_day, hand_over, provenance, under_way
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault
from tests.support import crashes
from tests.support.import_market import (
    BTC,
    FILLS,
    LABELS,
    RECORDS,
    WHOLE,
    archive,
    files,
    of_days,
    put,
    raw,
    with_holes,
    with_metadata,
)
from Trades_Bot.archive_files import ArchiveFolder
from Trades_Bot.day_import import DayOptions
from Trades_Bot.trade_import import ImportResult, import_days
from VWAP import vwap_calculator

OKX = exchanges.load_archive("okx")


def run(vault: Vault, folder: Path, *, days=WHOLE, wait_s=5.0, **options) -> ImportResult:
    there = ArchiveFolder(folder, OKX)
    return import_days(
        vault,
        BTC,
        OKX,
        [there.day(BTC, day) for day in days],
        DayOptions(**options),
        wait_s=wait_s,
        told=lambda _: None,
    )


def missing(vault: Vault) -> list[tuple[int, int, str]]:
    entries = GapLedger(vault.gap_ledger(BTC), BTC).entries()
    return [(entry.gap.from_id, entry.gap.to_id, entry.status) for entry in entries]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    """The days of somebody who recorded them whole."""
    return raw(put(Vault(tmp_path_factory.mktemp("whole")), of_days(*WHOLE)))


def test_days_come_as_a_recorder_would_have_written_them(vault, folder, whole):
    """Packed, without a time in the header, in one generation; nothing is left behind."""
    result = run(with_metadata(vault), folder)
    assert result.error is None
    assert raw(vault) == whole
    for path in vault.trades(BTC).iterdir():
        assert (path.suffix, path.read_bytes()[4:8]) == (".gz", bytes(4))
    assert read_generation(vault.generation(BTC)) == 1
    assert missing(vault) == []
    assert not (vault.root / "state" / "import" / BTC).exists()
    lines = provenance.newest(vault, BTC)
    assert list(lines) == list(WHOLE)
    assert [day.proof for day in lines.values()] == ["ids"] * 3
    assert sum(day.rows for day in lines.values()) == sum(t.count for t in of_days(*WHOLE))


def test_again_it_changes_nothing(vault, folder):
    """A day whose files and lines are as noted is passed over."""
    run(with_metadata(vault), folder)
    before = files(vault)
    result = run(vault, folder)
    assert (result.there, result.imported, result.generation) == (3, [], 0)
    assert files(vault) == before


@pytest.mark.parametrize("packed", [False, True])
def test_a_recording_with_holes_is_filled(vault, folder, whole, packed):
    """Half a day and holes: the lines are those of the whole recording, none of them changed."""
    records = of_days(*WHOLE)
    half = len(of_days(WHOLE[0])) // 2
    put(vault, with_holes(records[half:]))
    if packed:
        for path in list(vault.trades(BTC).iterdir()):
            pack(path)
    opened = next(
        (before, after)
        for before, after in zip(records[half:], with_holes(records[half:]), strict=False)
        if before != after
    )
    gap = Gap(opened[0].first_id, opened[1].first_id - 1)
    GapLedger(vault.gap_ledger(BTC), BTC).append(LedgerEntry(gap, "open", "test", 0))
    result = run(vault, folder)
    assert result.error is None
    assert raw(vault) == whole
    assert {path.suffix for path in vault.trades(BTC).iterdir()} == {".gz" if packed else ".jsonl"}
    assert missing(vault) == [
        (gap.from_id, gap.to_id, "open"),
        (gap.from_id, gap.to_id, "repaired"),
    ]
    lines = provenance.newest(vault, BTC).values()
    assert sum(day.dropped_recorded for day in lines) == sum(
        t.count for t in with_holes(records[half:])
    )


def test_a_record_cut_by_a_hole_stays_and_only_its_other_fills_come(vault, folder):
    """Of five fills the socket gave three as a record: the others become records too."""
    at = next(n for n, one in enumerate(RECORDS) if one.count >= 4 and times.day(one.ts) in WHOLE)
    one = RECORDS[at]
    cut = Trade(one.ts, one.trade_id - 1, one.side, one.price, "1", one.count - 2, one.source)
    put(vault, [cut])
    assert run(vault, folder).error is None
    day = raw(vault)[times.day(one.ts)]
    ids = [(int(row["trade_id"]), int(row["count"])) for row in map(json.loads, day.splitlines())]
    position = ids.index((one.trade_id - 1, one.count - 2))
    assert ids[position - 1] == (one.first_id, 1)
    assert ids[position + 1] == (one.trade_id, 1)


def test_ids_that_the_archive_lacks_are_open(vault, tmp_path):
    """Inside a day, over midnight, and between the import and the recording behind it."""
    midnight = next(n for n, t in enumerate(FILLS) if times.day(t.ts) == WHOLE[1])
    gone = {range(2500, 2503), range(midnight - 2, midnight + 3)}
    kept = [t for n, t in enumerate(FILLS) if not any(n in stretch for stretch in gone)]
    later = of_days(LABELS[-1])[100:]
    put(vault, later)
    result = run(vault, archive(tmp_path / "a", fills=kept))
    assert result.error is None
    last = next(t for t in reversed(RECORDS) if times.day(t.ts) == WHOLE[-1])
    assert missing(vault) == [
        (FILLS[2500].trade_id, FILLS[2502].trade_id, "open"),
        (FILLS[midnight - 2].trade_id, FILLS[midnight + 2].trade_id, "open"),
        (last.trade_id + 1, later[0].first_id - 1, "open"),
    ]
    assert result.between == ((last.trade_id + 1, later[0].first_id - 1),)


def test_a_day_that_lacks_a_label_needs_partial(vault, tmp_path):
    """Without it nothing is written; with it the proof says so."""
    with_metadata(vault)
    some = archive(tmp_path / "a", LABELS[:2])
    result = run(vault, some, days=WHOLE[:2])
    assert "labelled 2025-12-14 lacks" in str(result.error)
    assert list(raw(vault)) == [WHOLE[0]]
    assert run(vault, some, days=WHOLE[:2], partial=True).error is None
    assert provenance.newest(vault, BTC)[WHOLE[1]].proof == "partial"
    assert run(vault, archive(tmp_path / "a")).error is None  # the rest comes later
    assert [day.proof for day in provenance.newest(vault, BTC).values()] == ["ids"] * 3


def test_no_day_is_left_out(vault, folder):
    """A day is begun only behind one that is here or in the vault."""
    with_metadata(vault)
    result = run(vault, folder, days=(WHOLE[0], WHOLE[2]))
    assert isinstance(result.error, UsageError)
    assert list(raw(vault)) == [WHOLE[0]]


def test_today_is_never_imported(vault, folder, monkeypatch):
    """A day that is not over is refused, and the days before it are imported."""
    monkeypatch.setattr(times, "utc_now_ms", lambda: times.day_start_ms(WHOLE[2]) + 5)
    result = run(with_metadata(vault), folder)
    assert "this day is not over" in str(result.error)
    assert list(raw(vault)) == list(WHOLE[:2])


def test_a_rewritten_file_is_read_again(vault, folder, tmp_path, whole):
    """Other bytes with the same records are noted; other records need --replace."""
    run(with_metadata(vault), folder)
    english = archive(tmp_path / "english", form="english")
    result = run(vault, english)
    assert result.error is None
    assert (result.imported, read_generation(vault.generation(BTC))) == ([], 1)
    names = [day.files[0].header for day in provenance.newest(vault, BTC).values()]
    assert all("source" not in name for name in names)
    at = next(n for n, t in enumerate(FILLS) if times.day(t.ts) == WHOLE[1])
    other = [*FILLS[:at], *FILLS[at + 1 :]]
    changed = archive(tmp_path / "changed", fills=other)
    result = run(vault, changed)
    assert isinstance(result.error, VaultError)
    assert "--replace" in str(result.error)
    assert raw(vault) == whole
    assert run(vault, changed, replace=True).error is None
    assert raw(vault)[WHOLE[1]] != whole[WHOLE[1]]
    assert run(vault, folder, replace=True).error is None
    assert raw(vault) == whole


def test_recorded_lines_stay_when_a_day_is_replaced(vault, folder, tmp_path, whole):
    """Of a merged day only the imported lines give way."""
    put(vault, with_holes(of_days(WHOLE[1])))
    run(vault, folder)
    assert run(vault, archive(tmp_path / "e", form="english")).error is None
    assert raw(vault) == whole


def test_a_damaged_file_ends_the_import_behind_the_days_before_it(vault, tmp_path):
    """A wrong checksum in the last bytes: nothing of its day is written."""
    with_metadata(vault)
    bad = archive(tmp_path / "a")
    path = bad / f"{BTC}-trades-{LABELS[2]}.zip"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    result = run(vault, bad)
    assert path.name in str(result.error)
    assert list(raw(vault)) == [WHOLE[0]]
    assert built_day.days_built(vault, BTC) == []


def test_a_damaged_recorded_file_is_named_and_left(vault, folder):
    """Nothing is put beside it, since nobody knows which ids it holds."""
    put(vault, of_days(WHOLE[1]))
    path = vault.trades(BTC) / f"{WHOLE[1]}.jsonl.gz"
    (vault.trades(BTC) / f"{WHOLE[1]}.jsonl").unlink()
    path.write_bytes(b"\x1f\x8b not gzip at all")
    result = run(vault, folder)
    assert path.name in str(result.error)
    assert path.read_bytes() == b"\x1f\x8b not gzip at all"
    assert list(vault.trades(BTC).iterdir()) == [path]


def test_ids_of_another_stream_are_refused(vault, folder):
    """Ids below those on disk before the days cannot follow them."""
    early = Trade(times.day_start_ms(WHOLE[0]) - 5, 10**9, "buy", "1", "1")
    put(vault, [early])
    result = run(vault, folder)
    assert "another stream of ids" in str(result.error)
    assert len(raw(vault)) == 1


def test_stopped_at_any_step_the_next_import_gives_the_same_files(tmp_path, folder, whole):
    """Before every sync, rename and unlink: each day is as it was or as it should be."""
    start = put(Vault(tmp_path / "start"), with_holes(of_days(*WHOLE[1:])))
    before = raw(start)
    at, finished = 0, False
    while not finished:
        at += 1
        cut = Vault(tmp_path / f"cut{at}")
        shutil.copytree(start.root, cut.root)
        with crashes.steps(at):
            try:
                run(cut, folder)
                finished = True
            except crashes.Stopped:
                pass
        for day, lines in raw(cut).items():
            assert lines in (before.get(day), whole[day])
        noted = under_way.is_noted(cut, BTC)
        if noted and at % 2:
            assert hand_over.complete(cut, 60) == [BTC]
            assert raw(cut) == whole
        assert run(cut, folder).error is None
        assert raw(cut) == whole
        assert read_generation(cut.generation(BTC)) == 1
        assert not under_way.is_noted(cut, BTC)
        assert list(provenance.newest(cut, BTC)) == list(WHOLE)
        assert len(provenance.entries(cut, BTC)) == 3
        shutil.rmtree(cut.root)
    assert at > 20


def test_what_is_computed_is_as_if_all_had_been_recorded(vault, folder, tmp_path):
    """Calculators go on by themselves; their files are those of a vault that was recorded whole."""
    other = put(Vault(tmp_path / "other"), RECORDS)
    put(vault, with_holes(of_days(*WHOLE[1:])) + of_days(LABELS[-1]))
    programs = (vwap_calculator, run_cvd_from_jsonl)

    def calculate(one: Vault) -> dict[str, bytes]:
        for program in programs:
            assert program.main(["--vault", str(one.root), "--instId", BTC]) == 0
        found = (one.root / "derived").rglob("*_1m.jsonl")
        return {path.name: path.read_bytes() for path in found}

    for day in ("2025-12-11",):
        (other.trades(BTC) / f"{day}.jsonl").unlink()
    calculate(vault)
    assert run(vault, folder).error is None
    assert calculate(vault) == calculate(other)


def test_two_importers_at_once(vault, folder):
    """The second one is told who imports."""
    with_metadata(vault)
    with writer_lock(vault, trade_repair.METRIC, BTC), pytest.raises(LockedError):
        run(vault, folder)


def test_a_recorder_that_does_not_let_go_is_named_and_the_days_wait(vault, folder, whole):
    """Exit code 4; once it is gone the noted days come to their places."""
    with_metadata(vault)
    with ExitStack() as held:
        held.enter_context(writer_lock(vault, "trades_perps", BTC))
        with pytest.raises(LockedError, match="what is built is kept"):
            run(vault, folder, wait_s=0.1)
    assert under_way.is_noted(vault, BTC)
    assert raw(vault) == {}
    assert run(vault, folder).there == 3
    assert raw(vault) == whole


def test_a_recorded_day_that_changed_meanwhile_is_built_again(vault, folder, whole, monkeypatch):
    """A repair between building and placing: no line of it is lost."""
    put(vault, with_holes(of_days(WHOLE[1])))
    real = under_way.note

    def noted(*args):
        monkeypatch.setattr(under_way, "note", real)
        path = vault.trades(BTC) / f"{WHOLE[1]}.jsonl"
        path.write_bytes(
            whole[WHOLE[1]][: len(whole[WHOLE[1]]) * 2 // 3].rpartition(b"\n")[0] + b"\n"
        )
        return real(*args)

    monkeypatch.setattr(under_way, "note", noted)
    result = run(vault, folder)
    assert result.error is None
    assert raw(vault) == whole
