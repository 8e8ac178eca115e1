"""The second input: line by line, past its end when more comes, again from the line in use."""

import gzip

import pytest

from ravequant.vault.cursor import Cursor
from ravequant.vault.paths import book_files
from ravequant.vault.side_input import SideInput


@pytest.fixture
def folder(tmp_path):
    """Return a folder of hour files with two hours."""
    (tmp_path / "2025-12-14").mkdir()
    (tmp_path / "2025-12-14" / "21.jsonl").write_bytes(b"one\ntwo\n")
    (tmp_path / "2025-12-14" / "22.jsonl").write_bytes(b"three\nfo")
    return tmp_path


def lines_of(folder, cursor=None):
    lines = SideInput(lambda: book_files(folder))
    lines.start(cursor, 0)
    return lines


def rest(lines):
    found = []
    while (line := lines.peek()) is not None:
        found.append(line)
        lines.take()
    return found


def test_peeking_passes_nothing(folder):
    """A line is there until it is taken or skipped."""
    lines = lines_of(folder)
    assert [lines.peek(), lines.peek()] == [b"one\n", b"one\n"]
    lines.take()
    assert lines.peek() == b"two\n"
    lines.skip("it is of no use")
    assert rest(lines) == [b"three\n"]


def test_what_comes_later_is_found_from_the_end(folder):
    """A torn line is not there yet; whole, and in newer files, it is."""
    lines = lines_of(folder)
    assert rest(lines)[-1] == b"three\n"
    assert lines.peek() is None
    with (folder / "2025-12-14" / "22.jsonl").open("ab") as out:
        out.write(b"ur\n")
    (folder / "2025-12-15.jsonl").write_bytes(b"five\n")
    assert rest(lines) == [b"four\n", b"five\n"]


def test_the_cursor_stands_before_the_line_in_use(folder):
    """A restart begins with the line in use, whatever was peeked at or skipped behind it."""
    for taken in range(4):
        lines = lines_of(folder)
        for _ in range(taken):
            lines.peek()
            lines.take()
        lines.peek()
        cursor = lines.cursor()
        again = lines_of(folder, cursor and Cursor.restore(cursor.state()))
        assert rest(again) == [b"one\n", b"two\n", b"three\n"][max(taken - 1, 0) :]


def test_compression_moves_no_cursor(folder):
    """A file compressed between two runs is gone on with at the same line."""
    lines = lines_of(folder)
    for _ in range(2):
        lines.peek()
        lines.take()
    path = folder / "2025-12-14" / "21.jsonl"
    path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert rest(lines_of(folder, lines.cursor())) == [b"two\n", b"three\n"]


def test_an_empty_folder_has_no_lines_until_it_has(tmp_path):
    """Deep snapshots may be off, and begin one day."""
    lines = lines_of(tmp_path)
    assert (lines.peek(), lines.cursor()) == (None, None)
    (tmp_path / "2025-12-14.jsonl").write_bytes(b"one\n")
    assert rest(lines) == [b"one\n"]
