"""Rows that are parsed once: whatever happens to the file, they are those that it holds now."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravequant import times
from ravequant.signals import known_rows as module
from ravequant.signals.known_rows import folded_rows
from ravequant.vault.line_file import LineFile
from tests.support.examples import often

START = times.parse_iso("2025-12-14T21:00:00Z")
parsed: list[int] = []  # the numbers of the rows that were parsed


def line(number, text="x"):
    stamp = times.iso(START + number * times.MINUTE_MS)
    return orjson.dumps({"timestamp_utc": stamp, "n": number, "text": text}) + b"\n"


def parse(row):
    parsed.append(row["n"])
    return row["n"], row["text"] + "!"


def read(path, first, last):
    """Return the rows of these minutes."""
    parsed.clear()
    edges = (START + minute * times.MINUTE_MS for minute in (first, last))
    with LineFile(path) as file:
        after, until = edges
        return folded_rows(file, after - 1, until, parse, tuple)


@pytest.fixture
def path(tmp_path):
    """Return a file of an hour of rows."""
    found = tmp_path / "rows.jsonl"
    found.write_bytes(b"".join(map(line, range(60))))
    return found


def test_a_span_that_moves_on_parses_what_came(path):
    """The rows of the last answer are known but for those that left the span."""
    assert len(read(path, 0, 60)) == len(parsed) == 60
    with path.open("ab") as file:
        file.write(line(60))
    assert [n for n, _ in read(path, 1, 60)] == list(range(1, 61))
    assert parsed == [60]


def test_the_same_bytes_are_the_same_object(path):
    """Whoever made something of the rows knows that it stands."""
    assert read(path, 0, 60) is read(path, 0, 60)
    assert read(path, 0, 59) is not read(path, 1, 59)
    assert parsed == []


@settings(max_examples=often(60, 300))
@given(st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70), st.integers(0, 9)), max_size=8))
def test_rows_are_those_of_the_file(tmp_path_factory, steps):
    """Appended to, cut, edited in place, replaced by another: as if it were never read before."""
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = [line(number) for number in range(60)]
    for first, last, change in steps:
        if change < 2 and lines:
            at = first % len(lines)
            lines[at] = line(at, "y" if change else "longer")
        elif change == 2:
            lines = lines[:first]
        elif change == 3 and lines:
            lines[first % len(lines)] = b"{}\n"
        else:
            lines += [line(number) for number in range(len(lines), len(lines) + change)]
        path.write_bytes(b"".join(lines))
        found = read(path, first, last)
        module._known.clear()
        assert read(path, first, last) == found


def test_a_line_that_is_refused_is_named_each_time(path, caplog):
    """As it was without memory: its span is parsed anew."""
    path.write_bytes(path.read_bytes().replace(b'"n":7,', b'"m":7,'))
    for _ in range(2):
        caplog.clear()
        assert len(read(path, 0, 60)) == 59
        assert "is left out: KeyError('n')" in caplog.text


def test_an_edit_in_place_is_seen(path):
    """Of the same length, in a span that is asked for again."""
    assert read(path, 0, 60)[7] == (7, "x!")
    path.write_bytes(path.read_bytes().replace(line(7), line(7, "z")))
    assert read(path, 0, 60)[7] == (7, "z!")
