"""The import of books, as a program: whole days, recorded hours, repeats, refusals, kills."""

import gzip
import os
import tarfile
from pathlib import Path
from typing import Any

import orjson
import pytest

from L2_Bot import import_books
from Liquidity_Buckets import l2_bucketizer
from ravequant import settings, times
from ravequant.contract import Contract
from ravequant.errors import DONE, FAILED, NoDataError, UsageError
from ravequant.settings import L2
from ravequant.vault.imports import provenance
from ravequant.vault.line_file import lines_forward
from ravequant.vault.paths import Vault, book_files
from tests.support import book_archives, crashes
from tests.support.book_archives import BTC, message, steady
from tests.support.book_lines import put_metadata

DAY, NEXT = "2025-01-30", "2025-01-31"
START = times.day_start_ms(DAY)
HOUR = times.HOUR_MS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files of two days: three minutes of the first, one of the next."""
    folder = tmp_path / "fetched files"
    book_archives.write(folder, DAY, book_archives.lines(first_day()))
    next_day = steady(START + times.DAY_MS, START + times.DAY_MS + times.MINUTE_MS, first=900)
    book_archives.write(folder, NEXT, book_archives.lines(next_day))
    return folder


def first_day() -> list[Any]:
    """Return two minutes up to 01:01, then the last minute of the day."""
    end = START + times.DAY_MS
    return [
        *steady(START + HOUR - times.MINUTE_MS, START + HOUR + times.MINUTE_MS),
        *steady(end - times.MINUTE_MS, end, first=500),
    ]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault")


def run(vault: Vault, folder: Path, *words: str) -> int:
    return import_books.main(
        ["--vault", str(vault.root), "--dir", str(folder), "--instId", BTC, *words]
    )


def content(vault: Vault) -> dict[str, bytes]:
    """Return the lines of every hour on disk, by its key."""
    files = book_files(vault.snapshots(BTC))
    return {
        key: gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for key, path in files
    }


def everything(vault: Vault) -> dict[str, bytes]:
    """Return every file of a vault but logs, locks and the times of provenance."""
    found = {}
    for path in sorted(vault.root.rglob("*")):
        name = path.relative_to(vault.root).as_posix()
        if path.is_file() and not name.startswith("state/locks"):
            data = path.read_bytes()
            if name.startswith("meta/okx/imports"):
                rows = [orjson.loads(line) for line in data.splitlines()]
                data = orjson.dumps([row | {"imported_utc": ""} for row in rows])
            found[name] = data
    return found


def test_days_become_hours_of_snapshots(vault, folder, capsys):
    """The lines of SPEC 9 in packed hour files, with a provenance line for each day."""
    assert run(vault, folder) == DONE
    hours = content(vault)
    assert list(hours) == [f"{DAY}/00", f"{DAY}/01", f"{DAY}/23", f"{NEXT}/00"]
    lines = hours[f"{DAY}/00"].splitlines()
    assert len(lines) == 30
    assert lines[0] == (
        b'{"timestamp_utc":"2025-01-30T00:59:00.000Z","exchange":"okx","market":"perp",'
        b'"channel":"books","instId":"BTC-USDT-SWAP",'
        b'"bids_top400":[["100.5","5","0","1"],["99","7","0","1"]],'
        b'"asks_top400":[["101","1","0","1"]],"best_bid":"100.5","best_ask":"101",'
        b'"mid_price":"100.75","checksum":0,"seqId":-1,"prevSeqId":-1,"gap_detected":false}'
    )
    gap = orjson.loads(hours[f"{DAY}/01"].splitlines()[-1])
    assert (gap["timestamp_utc"], gap["gap_detected"]) == ("2025-01-30T01:00:59.501Z", True)
    known = provenance.newest(vault, BTC, "books")
    assert known[DAY].hours == ("00", "01", "23")
    assert (known[DAY].rows, known[DAY].lines, known[DAY].snapshots_disagreeing) == (360, 91, 1)
    said = capsys.readouterr().out
    assert "2025-01-30 BTC-USDT-SWAP books: imported, 91 lines in 3 hours of 360 messages" in said


def test_a_second_run_does_nothing(vault, folder, capsys):
    """A day that was imported from the same file is done; the vault keeps its bytes."""
    run(vault, folder)
    before = everything(vault)
    capsys.readouterr()
    assert run(vault, folder) == DONE
    assert everything(vault) == before
    assert capsys.readouterr().out.count("done before") == 2


def test_another_file_of_an_imported_day_is_refused_without_replace(vault, folder, capsys):
    """OKX rewrites files: the day stays as it is until --replace imports it anew."""
    run(vault, folder)
    before = content(vault)
    book_archives.write(folder, DAY, book_archives.lines(first_day()[:240]))
    assert run(vault, folder) == FAILED
    assert "import the day anew with --replace" in capsys.readouterr().err
    assert content(vault) == before
    assert run(vault, folder, "--replace") == DONE
    assert list(content(vault)) == [f"{DAY}/00", f"{DAY}/01", f"{NEXT}/00"]


def test_recorded_hours_win(vault, folder, capsys):
    """An hour with a file keeps it, and the report counts the lines that were left out."""
    recorded = vault.snapshots(BTC) / DAY / "01.jsonl"
    recorded.parent.mkdir(parents=True)
    recorded.write_bytes(b"recorded\n")
    assert run(vault, folder) == DONE
    assert list(content(vault)) == [f"{DAY}/00", f"{DAY}/01", f"{DAY}/23", f"{NEXT}/00"]
    assert recorded.read_bytes() == b"recorded\n"
    assert "31 lines of recorded hours left out" in capsys.readouterr().out
    assert provenance.newest(vault, BTC, "books")[DAY].hours == ("00", "23")


HOSTILE = {
    "a foreign instrument": book_archives.lines(first_day(), "ETH-USDT-SWAP"),
    "another day": book_archives.lines(steady(START + times.DAY_MS, START + times.DAY_MS + 1_000)),
    "no opening snapshot": book_archives.lines(first_day()[1:]),
    "times that go back": book_archives.lines([*first_day(), *first_day()[-2:]]),
    "an end within a line": book_archives.lines(first_day())[:-20],
    "nothing": b"",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_refused_day_writes_nothing_and_stops_no_other(vault, folder, capsys, kind):
    """The error names the file; the next day is imported."""
    path = book_archives.write(folder, DAY, HOSTILE[kind])
    assert run(vault, folder) == FAILED
    assert str(path) in capsys.readouterr().err
    assert list(content(vault)) == [f"{NEXT}/00"]
    assert not list(vault.root.rglob("*.part"))
    assert list(provenance.newest(vault, BTC, "books")) == [NEXT]


def test_a_wrong_checksum_at_the_end_refuses_the_day(vault, folder, capsys):
    """The last bytes are read before anything counts."""
    path = folder / f"{book_archives.name_of(DAY)}.tar.gz"
    data = path.read_bytes()
    path.write_bytes(data[:-8] + bytes([data[-8] ^ 1]) + data[-7:])
    assert run(vault, folder) == FAILED
    assert "it is damaged" in capsys.readouterr().err
    assert list(content(vault)) == [f"{NEXT}/00"]


def test_a_member_of_another_name_refuses_the_day(vault, folder, capsys):
    """Nothing is unpacked, so nothing can leave a folder."""
    path = folder / f"{book_archives.name_of(DAY)}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../../evil.data"))
    assert run(vault, folder) == FAILED
    assert "its member is named" in capsys.readouterr().err


def test_today_and_the_future_are_refused(vault, folder, capsys):
    """Their hours belong to the exporter."""
    today = times.day(times.utc_now_ms())
    assert run(vault, folder, "--to", today) == UsageError.exit_code
    assert "is not over" in capsys.readouterr().err
    book_archives.write(folder, today, b"")
    assert run(vault, folder, "--from", NEXT) == DONE
    assert list(content(vault)) == [f"{NEXT}/00"]


def test_days_without_a_file_are_named(vault, folder, capsys):
    """Nothing is taken for whole that is not there."""
    assert run(vault, folder, "--from", "2025-01-28", "--to", NEXT) == DONE
    assert "no file of 2 days: 2025-01-28, 2025-01-29" in capsys.readouterr().err
    assert run(vault, folder, "--to", "2025-01-01") == NoDataError.exit_code


def test_a_dry_run_changes_nothing(vault, folder, capsys):
    """It gives days, bytes and time."""
    assert run(vault, folder, "--dry-run") == DONE
    assert "2 days in 2 files" in capsys.readouterr().out
    assert not vault.root.exists()


def test_keep_pins_the_hours(vault, folder):
    """The provenance says so, and retention asks it."""
    run(vault, folder, "--keep")
    assert {day.keep for day in provenance.newest(vault, BTC, "books").values()} == {True}


def test_the_bucketizer_takes_imported_books_for_recorded_ones(vault, folder):
    """The buckets of imported hours are those of the recorder's lines of the same frames."""
    put_metadata(vault, BTC, Contract("0.01", "1", "linear"))
    run(vault, folder)
    assert l2_bucketizer.main(["--vault", str(vault.root), "--instId", BTC]) == DONE
    made = (vault.derived("liquidity_buckets", BTC) / f"{DAY}.jsonl").read_bytes().splitlines()
    assert len(made) == 91
    assert orjson.loads(made[0])["ask_base"][1] == "0.01"


# -- deep books


def deep_day() -> list[Any]:
    start = START + HOUR - times.MINUTE_MS
    return [
        message("snapshot", start + 100 + 1_000 * n, [("100", f"{n + 1}.0")], [("101.5", "6")])
        for n in range(100)
    ]


def test_deep_books_follow_on_the_snapshots(vault, folder):
    """A line each 30 s; ``from_utc`` is the newest snapshot line before it."""
    book_archives.write(folder, DAY, book_archives.lines(deep_day()), depth=5000)
    assert run(vault, folder, "--deep") == DONE
    files = [path for _, path in book_files(vault.deep_snapshots(BTC))]
    rows = [orjson.loads(line) for path in files for line in lines_forward(path)]
    assert [(row["timestamp_utc"][11:], row["from_utc"][11:]) for row in rows] == [
        ("00:59:00.100Z", "00:59:00.000Z"), ("00:59:30.100Z", "00:59:30.000Z"),
        ("01:00:00.100Z", "01:00:00.000Z"), ("01:00:30.100Z", "01:00:30.000Z"),
    ]  # fmt: skip
    assert rows[1]["bids"] == [["100", "31", "1"]]
    assert rows[0]["channel"] == "books-full"


# -- buckets only


def test_buckets_only_gives_the_bytes_of_import_and_bucketizer(vault, folder, tmp_path, capsys):
    """Both days, deep ones too, in one run or in two; and no snapshot stays."""
    book_archives.write(folder, DAY, book_archives.lines(deep_day()), depth=5000)
    other = Vault(tmp_path / "other")
    for each in (vault, other):
        put_metadata(each, BTC, Contract("0.01", "1", "linear"))
    run(other, folder, "--deep")
    assert l2_bucketizer.main(["--vault", str(other.root), "--instId", BTC]) == DONE
    assert run(vault, folder, "--buckets-only", "--deep", "--to", DAY) == DONE
    assert run(vault, folder, "--buckets-only", "--deep") == DONE
    for day in (DAY, NEXT):
        wanted = (other.derived("liquidity_buckets", BTC) / f"{day}.jsonl").read_bytes()
        packed = vault.derived("liquidity_buckets", BTC) / f"{day}.jsonl.gz"
        assert gzip.decompress(packed.read_bytes()) == wanted
    assert not vault.snapshots(BTC).exists()
    assert "the lab will not know the queue of these days" in capsys.readouterr().out
    known = provenance.newest(vault, BTC, "buckets")
    assert (known[DAY].lines, known[DAY].rows, len(known[DAY].files)) == (91, 360, 2)


def test_buckets_only_leaves_recorded_days_alone(vault, folder, capsys):
    """A day with a recorded hour is the bucketizer's."""
    put_metadata(vault, BTC, Contract("0.01", "1", "linear"))
    recorded = vault.snapshots(BTC) / DAY / "01.jsonl"
    recorded.parent.mkdir(parents=True)
    recorded.write_bytes(b"recorded\n")
    assert run(vault, folder, "--buckets-only", "--to", DAY) == FAILED
    assert "has recorded hours" in capsys.readouterr().err


def test_days_that_the_bucketizer_has_passed_get_their_buckets_at_once(vault, folder):
    """Its cursor stands in the next day: the importer has the buckets of the day before made."""
    put_metadata(vault, BTC, Contract("0.01", "1", "linear"))
    run(vault, folder, "--from", NEXT)
    assert l2_bucketizer.main(["--vault", str(vault.root), "--instId", BTC]) == DONE
    state = vault.state("liquidity_buckets", BTC).read_bytes()
    assert run(vault, folder) == DONE
    packed = vault.derived("liquidity_buckets", BTC) / f"{DAY}.jsonl.gz"
    assert len(gzip.decompress(packed.read_bytes()).splitlines()) == 91
    assert vault.state("liquidity_buckets", BTC).read_bytes() == state
    assert l2_bucketizer.main(["--vault", str(vault.root), "--instId", BTC]) == DONE
    assert packed.exists()


# -- kills


def test_a_kill_at_any_step_is_made_up_for(tmp_path, folder):
    """Stopped before each write, sync, rename and deletion, then started again: the same vault."""
    words = ["--dir", str(folder), "--instId", BTC]
    whole = Vault(tmp_path / "whole")
    with crashes.steps(10**9) as taken:
        import_books.main(["--vault", str(whole.root), *words])
    wanted, count = everything(whole), len(taken)
    assert count > 20
    for at in range(1, count + 1, 1 if os.environ.get("RAVEQUANT_FAULTS") else 5):
        broken = Vault(tmp_path / f"stopped {at}")
        with crashes.steps(at), pytest.raises(crashes.Stopped):
            import_books.main(["--vault", str(broken.root), *words])
        assert import_books.main(["--vault", str(broken.root), *words]) == DONE
        assert everything(broken) == wanted, at


def test_the_settings_give_cadence_and_depth(vault, folder, monkeypatch):
    """As for the exporter: a smaller depth, a longer cadence."""
    chosen = settings.load()
    monkeypatch.setattr(
        settings,
        "load",
        lambda: chosen._replace(l2=L2(cadence_ms=4_000, depth_levels=1)),
    )
    run(vault, folder, "--to", DAY)
    lines = content(vault)[f"{DAY}/00"].splitlines()
    assert len(lines) == 15
    assert orjson.loads(lines[0])["bids_top400"] == [["100.5", "5", "0", "1"]]
