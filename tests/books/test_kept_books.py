"""Lines that another reader has read: the same bytes give the same content, no others do."""

from ravequant.books.kept_books import KeptBooks
from ravequant.books.snapshot_reader import SnapshotReader
from tests.support.book_lines import deep, lines, snapshot
from tests.support.bucket_markets import START, Queue


def book(number: int, price: int = 101_250) -> dict[str, object]:
    bids = [[str(price - n), "5", "0", "1"] for n in range(3)]
    asks = [[str(price + 1 + n), "7.5", "0", "1"] for n in range(3)]
    return snapshot(START + 2_000 * number, bids, asks)


def read(kept: KeptBooks | None, data: bytes) -> list[object]:
    """Return all that a reader gives for a block, with deep books."""
    far = [deep(START, START - 1, [["90000", "4"]], [["110000", "4"]])]
    reader = SnapshotReader("BTC-USDT-SWAP", Queue(far), lambda *_: None, kept=kept)
    return [
        (head, levels.price.tolist(), levels.qty.tolist(), levels.starts.tolist(), found)
        for books in reader.read(data)
        for head, levels in [(books.heads, books.levels)]
        for found in [[one and one.levels.price.tolist() for one in books.deeps]]
    ]


def test_a_second_reader_gives_the_same():
    """A whole block, a part of it, lines spelled otherwise between them, bad and late lines."""
    rows = [book(n) for n in range(80)]
    kept = KeptBooks()
    blocks = [lines(rows[first:]) for first in (0, 0, 1, 50, 79)]
    blocks += [
        lines(rows[:3]) + b"{}\n" + lines(rows[3:5]).replace(b'":', b'": ') + lines(rows[2:9])
    ] * 2
    for block in blocks:
        assert read(kept, block) == read(None, block)


def test_the_second_reader_does_not_read_the_levels_again(monkeypatch):
    """That is the point of it; a block with another byte, or after another book, is read."""
    kept, rows = KeptBooks(), [book(n) for n in range(40)]
    read(kept, lines(rows))
    scanned: list[int] = []
    scan = SnapshotReader._scan

    def counted(self, block, some, found):
        scanned.append(len(some))
        return scan(self, block, some, found)

    monkeypatch.setattr(SnapshotReader, "_scan", counted)
    read(kept, lines(rows))
    assert scanned == []
    rows[7] = book(7, price=99_000)
    read(kept, lines(rows))
    assert sum(scanned) == 40


def test_a_reader_that_stands_elsewhere_reads_for_itself():
    """A book that is late for one of them is new for the other."""
    kept, block = KeptBooks(), lines([book(n) for n in range(5)])
    read(kept, block)
    reader = SnapshotReader("BTC-USDT-SWAP", Queue([]), lambda *_: None, kept=kept)
    reader.restore({"last_ts": START + 4_000})
    (books,) = reader.read(block)
    assert [head.ts for head in books.heads] == [START + 6_000, START + 8_000]
    assert reader.counts()["duplicates"] == 3


def test_bad_lines_are_reported_by_both():
    """With their places and reasons, and the counts of each."""
    kept, block = KeptBooks(), b"{}\n" + lines([book(1)])
    said: list[tuple[int, str]] = []
    for _ in range(2):
        reader = SnapshotReader(
            "BTC-USDT-SWAP", Queue([]), lambda *bad: said.append(bad), kept=kept
        )
        reader.read(block)
        assert (reader.counts()["lines"], reader.counts()["rejected"]) == (2, 1)
    assert len(said) == 2
    assert said[0] == said[1]
