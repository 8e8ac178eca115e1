"""Recorded book frames: played back in order of arrival, and the books that they build."""

import orjson
import pytest

from ravequant.errors import NoDataError
from ravequant.sim.bookframes import BookTape, RecordedBook
from ravequant.sim.feed import BookChange
from ravequant.sim.instruments import Decimals

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
START = 1_765_670_400_000


def line(action, ts, bids, *, inst_id=BTC, channel="books", **more):
    row = {"asks": [], "bids": list(bids), "ts": str(ts), "checksum": 5, **more}
    frame = {"arg": {"channel": channel, "instId": inst_id}, "action": action, "data": [row]}
    return orjson.dumps({"recv_ts": 1.0, "frame": frame}) + b"\n"


def tape(tmp_path, *lines):
    path = tmp_path / "books.jsonl"
    path.write_bytes(b"".join(lines))
    return BookTape(path)


def change(ts, bids=(), asks=(), *, snapshot=False, seq=1):
    return BookChange(BTC, ts, snapshot, tuple(bids), tuple(asks), seq, -1 if snapshot else seq - 1)


def test_a_book_follows_its_messages():
    """Sizes are absolute, 0 deletes, equal prices in other spelling are one level."""
    book = RecordedBook(BTC)
    book.apply(change(1, [("99", "1", "1"), ("98", "2", "1")], [("101", "3", "1")], snapshot=True))
    book.apply(change(2, [("99.0", "5", "2"), ("98", "0", "0"), ("97", "0", "0")], seq=2))
    found = book.snapshot(400)
    assert found.bids == (("99.0", "5", "2"),)
    assert (found.ts, found.seq_id, found.prev_seq_id) == (2, 2, -1)
    book.apply(change(3, [("90", "1", "1")], snapshot=True, seq=3))
    assert (book.snapshot(400).bids, book.snapshot(400).asks) == ((("90", "1", "1"),), ())


def test_a_snapshot_has_the_best_levels_of_each_side():
    """Bids descend, asks ascend, both cut to the depth."""
    book = RecordedBook(BTC)
    sides = [[(str(price), "1", "1") for price in prices] for prices in ((1, 3, 2), (6, 5, 7))]
    book.apply(change(1, *sides, snapshot=True))
    found = book.snapshot(2)
    assert [level[0] for level in found.bids] == ["3", "2"]
    assert [level[0] for level in found.asks] == ["5", "6"]


def test_changes_come_in_the_order_of_arrival_in_steps_of_time(tmp_path):
    """Each comes once; a time that goes back does not hold up or reorder the others."""
    subject = tape(
        tmp_path,
        line("snapshot", START, [["99", "1", "0", "1"]], seqId=10, prevSeqId=-1),
        line("update", START + 300, [["99", "2", "0", "1"]], seqId=11, prevSeqId=10),
        line("update", START + 200, [["99", "3", "0", "1"]], seqId=12, prevSeqId=11),
    )
    assert subject.snapshot(BTC, 400) is None
    assert [found.seq_id for found in subject.changes(START + 300)] == [10]
    assert [found.seq_id for found in subject.changes(START + 301)] == [11, 12]
    assert list(subject.changes(START + 999)) == []
    assert (subject.first_ms, subject.last_ms) == (START, START + 300)


def test_only_books_with_a_snapshot_are_played(tmp_path):
    """Other channels, torn lines and updates before the first snapshot of a book are left out."""
    subject = tape(
        tmp_path,
        line("update", START, [["90", "1", "0", "1"]]),
        line("snapshot", START, [["1.25", "1", "0", "1"]], inst_id=ETH),
        line("snapshot", START, [["90", "1", "0", "1"]], channel="books5"),
        b'{"recv_ts"',
    )
    assert [found.inst_id for found in subject.changes(START + 1)] == [ETH]
    assert subject.decimals == {ETH: Decimals(2, 0)}


def test_a_file_without_a_book_is_named(tmp_path):
    """NoDataError says which file, and what to give instead."""
    with pytest.raises(NoDataError, match="holds no frame of a book; name a file of books frames"):
        tape(tmp_path, b"{}\n")
