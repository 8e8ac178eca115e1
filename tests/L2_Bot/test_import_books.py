"""The import of books, as a program: whole days, recorded hours, repeats, refusals, kills."""

import gzip
import hashlib
from typing import Any

import orjson
import pytest

from L2_Bot import bucket_vault, import_books, l2_retention
from L2_Bot.snapshot_writer import SnapshotWriter
from Liquidity_Buckets import l2_bucketizer
from ravequant import exchanges, settings, times
from ravequant.contract import Contract
from ravequant.errors import DONE, FAILED, NoDataError, UsageError
from ravequant.settings import L2
from ravequant.sim import archive_books, archive_files, frames
from ravequant.sim.market import ModelMarket
from ravequant.vault.imports import provenance
from ravequant.vault.line_file import lines_forward
from ravequant.vault.paths import CHECKOUT, Vault, book_files
from tests.support import book_archives, box, crashes
from tests.support.book_archives import BTC, message
from tests.support.book_imports import (
    DAY,
    HOUR,
    NEXT,
    START,
    content,
    everything,
    first_day,
    run,
)
from tests.support.book_lines import put, put_metadata


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


def test_retention_keeps_imported_hours_and_says_why(vault, folder, capsys):
    """No budget takes them before their day has buckets, nor before the lab has judged it."""
    put_metadata(vault, BTC, Contract("0.01", "1", "linear"))
    run(vault, folder)
    before = content(vault)
    reasons = []
    for _ in range(2):
        words = ["--vault", str(vault.root), "--keep-gb", "0.000001"]
        assert l2_retention.main(words) == FAILED
        reasons += [line for line in capsys.readouterr().out.splitlines() if "are kept" in line]
        assert content(vault) == before
        assert l2_bucketizer.main(["--vault", str(vault.root), "--instId", BTC]) == DONE
    start = f"4 imported hours of {BTC} books are kept: "
    assert reasons == [
        f"{start}4 (its day has no buckets yet).",
        f"{start}1 (its day has no buckets yet), 3 (the lab has not judged its day).",
    ]


def test_the_bucketizer_takes_imported_books_for_recorded_ones(vault, folder):
    """The buckets of imported hours are those of the recorder's lines of the same frames."""
    put_metadata(vault, BTC, Contract("0.01", "1", "linear"))
    run(vault, folder)
    assert l2_bucketizer.main(["--vault", str(vault.root), "--instId", BTC]) == DONE
    made = (vault.derived("liquidity_buckets", BTC) / f"{DAY}.jsonl").read_bytes().splitlines()
    assert len(made) == 91
    assert orjson.loads(made[0])["ask_base"][1] == "0.01"


def test_the_markets_own_frames_give_the_recorders_snapshots_and_buckets(vault, tmp_path):
    """The same messages, 10 ms apart, through the recorder and through a file: every level."""
    market = ModelMarket(11, (BTC,), rows_per_second=5)
    until = market.start_ms + 3 * times.MINUTE_MS
    changes = list(archive_books.book_messages(market, until))
    day = times.day(market.start_ms)
    sent = [orjson.loads(frames.books(change)) for change in changes]
    assert len({row["ts"] for frame in sent for row in frame["data"]}) > 3_000
    recorded = Vault(tmp_path / "recorded")
    writer = SnapshotWriter(exchanges.load("okx"), BTC, cadence_ms=2_000, depth=400)
    for frame in sent:
        step = writer.receive(frame["action"], frame["data"][0])
        assert not step.broken
        if step.snapshot is not None:
            put(recorded.snapshots(BTC), [orjson.loads(step.snapshot.line)])
    archive_files.write_messages(tmp_path / "files", changes, archive_files.ArchiveForm())
    assert run(vault, tmp_path / "files") == DONE
    for each in (vault, recorded):
        put_metadata(each, BTC, Contract("0.01", "1", "linear"))
        assert l2_bucketizer.main(["--vault", str(each.root), "--instId", BTC]) == DONE
    chain = {"seqId": -1, "prevSeqId": -1}
    wanted = [
        orjson.loads(line) | chain
        for data in content(recorded).values()
        for line in data.splitlines()
    ]
    made = [orjson.loads(line) for data in content(vault).values() for line in data.splitlines()]
    assert made[-1].pop("gap_detected")  # the file ends before its day does
    assert made[:-1] == wanted
    buckets = [
        (each.derived("liquidity_buckets", BTC) / f"{day}.jsonl").read_bytes().splitlines()
        for each in (vault, recorded)
    ]
    assert buckets[0][:-1] == buckets[1]
    assert len(buckets[1]) == 91


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


def test_buckets_that_a_killed_run_did_not_make_are_made_by_the_next(vault, folder, monkeypatch):
    """The hours were in their places already; a third run has nothing to do."""
    put_metadata(vault, BTC, Contract("0.01", "1", "linear"))
    run(vault, folder, "--from", NEXT)
    assert l2_bucketizer.main(["--vault", str(vault.root), "--instId", BTC]) == DONE
    make = bucket_vault.BucketVault.make

    def die(*_: Any) -> None:
        raise crashes.Stopped

    monkeypatch.setattr(bucket_vault.BucketVault, "make", die)
    with pytest.raises(crashes.Stopped):
        run(vault, folder)
    packed = vault.derived("liquidity_buckets", BTC) / f"{DAY}.jsonl.gz"
    assert next(iter(content(vault))) == f"{DAY}/00"
    assert not packed.exists()
    monkeypatch.setattr(bucket_vault.BucketVault, "make", make)
    assert run(vault, folder) == DONE
    assert len(gzip.decompress(packed.read_bytes()).splitlines()) == 91
    monkeypatch.setattr(bucket_vault.BucketVault, "make", die)
    assert run(vault, folder) == DONE


# -- downloads


def test_days_are_listed_fetched_and_imported(vault, folder, tmp_path, capsys):
    """From the exchange in a box: terms first, then a day at a time; nothing is left of a file."""
    with box.exchange(tmp_path / "box", "--archive", folder) as where:
        fetch = ["--download", *where[2:], "--from", "2025-01-29", "--to", NEXT]
        words = ["--vault", str(vault.root), "--instId", BTC, *fetch]
        assert import_books.main([*words, "--dry-run"]) == DONE
        assert "to fetch: 2 files" in capsys.readouterr().out
        assert import_books.main(words) == UsageError.exit_code
        assert "--accept-terms" in capsys.readouterr().err
        assert not vault.snapshots(BTC).exists()
        assert import_books.main([*words, "--accept-terms"]) == DONE
        assert "no file of books of 2025-01-29" in capsys.readouterr().err
        assert import_books.main(words) == DONE
    assert list(content(vault)) == [f"{DAY}/00", f"{DAY}/01", f"{DAY}/23", f"{NEXT}/00"]
    assert not list(vault.book_import(BTC).rglob("*.tar.gz"))
    etag = provenance.newest(vault, BTC, "books")[DAY].files[0].etag
    data = (folder / f"{book_archives.name_of(DAY)}.tar.gz").read_bytes()
    assert etag.lower() == hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give --dir FOLDER"),
        (["--download", "--from", DAY], "--download needs --from and --to"),
        (["--download", "--dir", ".", "--from", DAY, "--to", DAY], "give --dir FOLDER"),
        (["--dir", ".", "--from", NEXT, "--to", DAY], "give them in order"),
        (["--dir", "nowhere at all"], "name a folder of files"),
    ],
)
def test_what_cannot_be_asked_is_said(vault, capsys, words, said):
    """Exit code 2, with the remedy."""
    words = ["--vault", str(vault.root), "--instId", BTC, *words]
    assert import_books.main(words) == UsageError.exit_code
    assert said in capsys.readouterr().err


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


RESHAPED = CHECKOUT.parent / "shared" / "data" / "okx_archive" / "reshaped" / "books"


@pytest.mark.skipif(not RESHAPED.is_dir(), reason=f"{RESHAPED} is not at hand")
@pytest.mark.parametrize(
    ("inst_id", "day", "messages", "snapshots"),
    [
        (BTC, "2023-04-04", 994, 2),
        (BTC, "2023-04-05", 4_099, 7),
        (BTC, "2024-08-08", 3_434, 6),
        ("ETH-USDT-SWAP", "2024-08-08", 3_434, 1),
        ("ETH-USDT-SWAP", "2024-08-09", 6, 1),
    ],
)
def test_recorded_prices_in_the_archives_form(vault, inst_id, day, messages, snapshots):
    """Files of the exact container, keys and float sizes, with the books of a real market."""
    words = ["--vault", str(vault.root), "--dir", str(RESHAPED), "--instId", inst_id]
    assert import_books.main([*words, "--from", day, "--to", day]) == DONE
    done = provenance.newest(vault, inst_id, "books")[day]
    assert done.rows == messages
    lines = [
        orjson.loads(line)
        for _, path in book_files(vault.snapshots(inst_id))
        for line in lines_forward(path)
    ]
    assert len(lines) == done.lines > snapshots
    assert not any(size.endswith(".0") for row in lines for _, size, *_ in row["bids_top400"][:5])
    assert [row["gap_detected"] for row in lines[:-1]] == [False] * (len(lines) - 1)
