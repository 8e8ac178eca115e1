"""A published file of books: read to its end, and refused by its own name."""

import pytest

from ravequant.exchanges import load_archived_books
from ravequant.exchanges.archive.book_days import books_of
from ravequant.exchanges.archive.container import ArchiveError
from tests.support import book_archives
from tests.support.book_archives import BTC, steady

DAY, START = "2025-01-30", 1_738_195_200_000
ARCHIVE = load_archived_books("okx")


def read(path):
    replay = ARCHIVE.replay(BTC, DAY, cadence_ms=2_000, depth=400)
    return list(books_of(path, ARCHIVE.suffix, replay)), replay.facts


def test_a_file_gives_its_books_and_its_counts(tmp_path):
    """Each boundary, and the last book of a day that ends early."""
    data = book_archives.lines(steady(START, START + 10_000))
    books, facts = read(book_archives.write(tmp_path, DAY, data))
    assert [book.ts - START for book in books] == [0, 2_000, 4_000, 6_000, 8_000, 9_501]
    assert (facts.messages, facts.snapshots, facts.first_ms, facts.last_ms) == (
        20, 1, START, START + 9_500,
    )  # fmt: skip


def test_a_refused_line_is_named_with_its_file_and_a_remedy(tmp_path):
    """The reader of lines knows no file; the message has all three."""
    data = book_archives.lines(steady(START, START + 1_000)) + b"{}\n"
    path = book_archives.write(tmp_path, DAY, data)
    with pytest.raises(ArchiveError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{path}: line 3: keys: []; expected instId, action, ts, asks, bids; fetch the file again, "
        "or move it away"
    )
