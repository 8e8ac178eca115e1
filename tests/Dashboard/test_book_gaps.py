"""The lines over a gap in a file of bucket lines, however it grows."""

import gzip
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Dashboard.book_gaps import GapLine, GapLines, gap_lines
from ravequant import times
from tests.support.hour_vault import START

ROWS = st.lists(st.sampled_from(["fine", "gap", "torn", "long"]), max_size=40)


def line(number, kind):
    """Return a line of a second; a torn one has no time."""
    stamp = times.iso(START + 1_000 * number)
    if kind == "torn":
        return b'{"mid_price":"1\n'
    more = '"x":"%s",' % ("y" * 9_000) if kind == "long" else ""
    gap = "true" if kind == "gap" else "false"
    return f'{{"timestamp_utc":"{stamp}",{more}"gap":{gap}}}\n'.encode()


def lines(kinds):
    return [line(number, kind) for number, kind in enumerate(kinds)]


def ms(number):
    return None if number is None else START + 1_000 * number


def plain(kinds):
    """Return the lines over a gap as a plain walk over all lines finds them."""
    timed = [number for number, kind in enumerate(kinds) if kind != "torn"]
    found = []
    for place, number in enumerate(timed):
        if kinds[number] == "gap":
            before = timed[place - 1] if place else None
            after = timed[place + 1] if place + 1 < len(timed) else None
            found.append(GapLine(ms(before), START + 1_000 * number, ms(after)))
    return found


def read(path):
    found = GapLines(path)
    found.read()
    return found


@given(ROWS, st.lists(st.integers(1, 3_000), max_size=30))
def test_growing_in_any_steps_it_is_as_read_at_once(tmp_path_factory, kinds, steps):
    """A line that is half written is none yet; each line is taken once."""
    path = tmp_path_factory.mktemp("gaps") / "2025-12-14.jsonl"
    data, place = b"".join(lines(kinds)), 0
    path.touch()
    found = GapLines(path)
    for step in [*steps, len(data)]:
        with path.open("ab") as file:
            file.write(data[place : place + step])
        place += step
        found.read()
    assert found.found == plain(kinds)
    timed = [number for number, kind in enumerate(kinds) if kind != "torn"]
    assert (found.first, found.last) == (ms(min(timed, default=None)), ms(max(timed, default=None)))


def test_what_was_read_is_not_read_again(tmp_path):
    """A line in front of the place read to may be anything by then: it is not looked at."""
    path = tmp_path / "2025-12-14.jsonl"
    path.write_bytes(b"".join(lines(["fine", "gap", "fine"] * 5)))
    found = read(path)
    with path.open("r+b") as file:
        file.write(line(0, "gap"))
        file.seek(0, os.SEEK_END)
        file.write(line(15, "gap"))
    found.read()
    assert found.found == plain([*["fine", "gap", "fine"] * 5, "gap"])


def rebuilt(path, data):
    """Put another file in the place of one."""
    new = path.with_suffix(".new")
    new.write_bytes(data)
    new.replace(path)


def test_another_file_with_the_same_end_is_read_anew(tmp_path):
    """A rebuild may change the older lines alone."""
    path = tmp_path / "2025-12-14.jsonl"
    old = b"".join(lines(["gap", "fine", "fine", "fine"]))
    path.write_bytes(old)
    found = read(path)
    rebuilt(path, old.replace(b"true", b"null", 1) + line(4, "gap"))
    found.read()
    assert found.found == plain(["fine", "fine", "fine", "fine", "gap"])


@pytest.mark.parametrize("change", ["rebuilt", "cut", "overwritten"])
def test_a_file_that_was_rebuilt_is_read_anew(tmp_path, change):
    """By its place on the disk, its length, or other bytes before the place read to."""
    path = tmp_path / "2025-12-14.jsonl"
    path.write_bytes(b"".join(lines(["fine", "gap"] * 8)))
    found = read(path)
    kinds = ["gap", "fine", "fine"] * (2 if change == "cut" else 8)
    data = b"".join(lines(kinds))
    if change == "rebuilt":
        rebuilt(path, data)
    else:
        path.write_bytes(data)
    found.read()
    assert found.found == plain(kinds)


def test_a_packed_file(tmp_path):
    """It is read like a plain one, and again when it has changed."""
    path = tmp_path / "2025-12-14.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(lines(["fine", "gap", "fine"]))))
    found = gap_lines(path)
    assert found.found == plain(["fine", "gap", "fine"])
    path.write_bytes(gzip.compress(b"".join(lines(["gap", "fine"]))))
    assert gap_lines(path) is found
    assert found.found == plain(["gap", "fine"])
