"""Lines of imported books: no chain, and deep books that follow on snapshots."""

import gzip

import orjson

from L2_Bot.imported_day import DayBuilder, snapshot_times, source_of
from ravequant import exchanges, times
from ravequant.books.snapshot_reader import SnapshotReader
from ravequant.settings import L2
from ravequant.vault.imports.book_hours import part_of
from tests.support import book_archives
from tests.support.book_archives import BTC, message, steady

DAY = "2025-01-30"
START = times.day_start_ms(DAY)


class NoDeepLines:
    """No deep line."""

    def peek(self):
        """Return none."""

    def take(self):
        """Do nothing."""

    def skip(self, reason):
        """Do nothing."""


def builder():
    archive = exchanges.load_archived_books("okx")
    return DayBuilder(exchanges.load("okx"), archive, BTC, L2())


def built(tmp_path, messages):
    path = book_archives.write(tmp_path, DAY, book_archives.lines(messages))
    builder().books(path, DAY, tmp_path / "hours")
    return gzip.decompress(part_of(tmp_path / "hours", DAY, "00").read_bytes())


def test_the_fast_reader_takes_an_imported_line(tmp_path, monkeypatch):
    """-1 for both sequence numbers keeps it among the lines that are read many at once."""
    data = built(tmp_path, steady(START, START + 10_000))
    reader = SnapshotReader(BTC, NoDeepLines(), lambda *_: None)
    slow: list[bytes] = []
    monkeypatch.setattr(reader, "_odd", slow.append)
    [books] = reader.read(data)
    assert (len(books.heads), slow) == (6, [])
    assert [head.gap_detected for head in books.heads] == [False] * 5 + [True]
    assert orjson.loads(data.splitlines()[0])["seqId"] == -1


def test_deep_books_need_a_snapshot_before_them(tmp_path):
    """None is written before the first snapshot line; the others name the newest before them."""
    hours = tmp_path / "hours"
    (hours / DAY).mkdir(parents=True)
    packed = gzip.compress(built(tmp_path / "books", steady(START + 20_000, START + 24_000)))
    (hours / DAY / "00.jsonl.gz").write_bytes(packed)
    assert list(snapshot_times(hours, DAY)) == [START + 20_000, START + 22_000, START + 23_501]
    whole = [("100", "1.0")], [("101", "2")]
    deep = [message("snapshot", START + at, *whole) for at in (0, 8_000, 16_000, 22_000, 31_000)]
    path = book_archives.write(tmp_path, DAY, book_archives.lines(deep), depth=5000)
    builder().deep(path, DAY, tmp_path / "deep", hours)
    [line] = gzip.decompress(part_of(tmp_path / "deep", DAY, "00").read_bytes()).splitlines()
    row = orjson.loads(line)
    assert (row["timestamp_utc"][17:], row["from_utc"][17:]) == ("31.000Z", "23.501Z")
    assert row["asks"] == [["101", "2", "1"]]


def test_a_source_is_known_by_its_bytes(tmp_path):
    """Name, size and SHA-256."""
    path = tmp_path / "x.tar.gz"
    path.write_bytes(b"abc")
    found = source_of(path)
    assert (found.name, found.bytes, found.sha256[:8]) == ("x.tar.gz", 3, "ba7816bf")
