"""Line files read as of a moment: what is found, and what a changing file does to it."""

import errno
import gzip
import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault import line_file
from ravequant.vault.line_file import (
    LineFile,
    is_there,
    lines_backward,
    lines_forward,
    open_lines,
    reading,
    time_of_key,
    whole_length,
    whole_lines,
)
from tests.support.examples import often

START = times.parse_iso("2025-12-14T21:00:00Z")


def line(minute: int, filling: int = 0) -> bytes:
    stamp = times.iso(START + minute * times.MINUTE_MS)
    return b'{"timestamp_utc":"%s","n":%d,"x":"%s"}\n' % (stamp.encode(), minute, b"x" * filling)


@pytest.fixture
def path(tmp_path):
    """Return a file of 600 minutes: short lines, some longer than any block that is read."""
    made = tmp_path / "rows.jsonl"
    made.write_bytes(b"".join(line(n, 40_000 if n % 97 == 0 else n % 50) for n in range(600)))
    return made


@pytest.mark.parametrize("minute", [-1, 0, 1, 96, 97, 98, 300, 598, 599, 700])
def test_lines_are_split_at_a_moment(path, minute):
    """Whatever the lengths of the lines, bisecting finds the first that is later."""
    moment = START + minute * times.MINUTE_MS
    with LineFile(path, "timestamp_utc") as file:
        times_before = [file.time_of(found) for found in file.newest(moment)]
        after = [file.time_of(found) for found in file.forward(file.after(moment))]
        between = list(file.between(START + 90 * times.MINUTE_MS, moment))
    assert [file.time_of(found) for found in between] == [
        START + n * times.MINUTE_MS for n in range(91, min(minute + 1, 600))
    ]
    known = [START + n * times.MINUTE_MS for n in range(600)]
    assert times_before == [time for time in known if time <= moment][::-1]
    assert after == [time for time in known if time > moment]


@pytest.mark.parametrize("step", [1, 7, 150])
@pytest.mark.parametrize("near", [0, 1, 9_000, 1 << 20])
def test_stepping_back_finds_what_searching_afresh_does(path, step, near):
    """However far off the place is where the search begins, and however good the guess."""
    with LineFile(path, "timestamp_utc") as file:
        end = file.size
        for minute in range(605, -5, -step):
            moment = START + minute * times.MINUTE_MS
            found = file.after(moment, end, near)
            assert found == file.after(moment), minute
            end = found


@pytest.mark.parametrize("left", [0, 1, 20_000])
def test_a_file_that_becomes_shorter_is_an_error_and_no_endless_loop(path, left):
    """A calculator that starts again takes back what it had not committed, while we read."""
    for read in (
        lambda file: list(file.forward(0)),
        lambda file: list(file.backward(file.size)),
        lambda file: file.after(START + 590 * times.MINUTE_MS),
    ):
        whole = path.read_bytes()
        with LineFile(path, "timestamp_utc") as file:
            os.truncate(path, left)
            with pytest.raises(VaultError, match=r"became shorter while it was read; ask again"):
                read(file)
        path.write_bytes(whole)


def test_what_is_appended_meanwhile_is_not_seen(path):
    """The answer is that of the file as it was opened."""
    with LineFile(path, "timestamp_utc") as file, path.open("ab") as writer:
        writer.write(line(600))
        writer.flush()
        assert len(list(file.forward(0))) == 600


def test_a_file_that_cannot_be_asked_for_is_not_missing(tmp_path):
    """Missing is missing; what the system refuses to tell is an error."""
    assert not is_there(tmp_path / "none.jsonl")
    with pytest.raises(VaultError, match="cannot be read"):
        is_there(tmp_path / ("n" * 300))


@given(
    lines=st.lists(st.binary(max_size=40).filter(lambda data: b"\n" not in data), max_size=20),
    torn=st.binary(max_size=20).filter(lambda data: b"\n" not in data),
    block=st.integers(1, 50),
)
def test_lines_backward_mirror_the_file(tmp_path_factory, lines, torn, block):
    """Read from the end in blocks of any size, the whole lines come in reverse order."""
    path = tmp_path_factory.mktemp("backward") / "x"
    path.write_bytes(b"".join(line + b"\n" for line in lines) + torn)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_file, "_STEP", block)
        patch.setattr(line_file, "_BLOCK", 2 * block)
        patch.setattr(line_file, "_END_BLOCK", min(block, 3))
        assert list(lines_backward(path)) == [line + b"\n" for line in reversed(lines)]
        assert list(lines_forward(path)) == [line + b"\n" for line in lines]


def test_no_part_of_a_line_passes_for_a_line(tmp_path):
    """Of a packed line that begins before the end that is looked at nothing is returned."""
    path = tmp_path / "2025-12-12.jsonl.gz"
    path.write_bytes(gzip.compress(b"1" * 4_000_000 + b"\nbad\n"))
    assert list(lines_backward(path)) == [b"bad\n"]


@pytest.mark.parametrize("whole", [b"", b"1\n", b"1\n22\n", b"\n\n", b"1\r\n"])
@pytest.mark.parametrize("torn", [b"", b"3", b"\0" * 9_000])
def test_only_whole_lines_are_seen(tmp_path, whole, torn):
    """From either end, plain and packed: what follows the last newline is left out."""
    plain, packed = tmp_path / "x.jsonl", tmp_path / "y.jsonl.gz"
    plain.write_bytes(whole + torn)
    packed.write_bytes(gzip.compress(whole + torn))
    wanted = whole.splitlines(keepends=True)
    for path in (plain, packed):
        assert list(lines_forward(path)) == wanted
        assert list(lines_backward(path)) == wanted[::-1]
    with plain.open("rb") as stream:
        assert whole_length(stream) == len(whole)


def test_an_open_file_is_read_on_from_where_it_stands_and_stays_open(tmp_path):
    """Followers read it again from another place."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"1\n22\n333\n4")
    with open_lines(path) as stream:
        stream.seek(2)
        assert list(whole_lines(stream)) == [b"22\n", b"333\n"]
        stream.seek(0)
        assert next(whole_lines(stream)) == b"1\n"
        stream.seek(5)
        assert list(whole_lines(stream)) == [b"333\n"]


def test_lines_longer_than_a_block_are_read_back_whole(tmp_path):
    """The block grows until a line begins in it; the lines around it stay as they are."""
    path = tmp_path / "x.jsonl"
    lines = [b"1\n", b"x" * 3_000_000 + b"\n", b"2\n", b"y" * 9_000 + b"\n", b"3\n"]
    path.write_bytes(b"".join(lines))
    assert list(lines_backward(path)) == lines[::-1]
    with LineFile(path) as file:
        assert list(file.backward(len(lines[0]))) == [b"1"]
        assert list(file.backward(0)) == []


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-9], lambda _: b"no", lambda data: data[:60] + b"!" * 40 + data[100:]],
)
def test_a_damaged_gz_is_named_by_every_reader(tmp_path, damage):
    """Cut off, not gzip at all, overwritten: one message, with the remedy."""
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(damage(gzip.compress(os.urandom(50_000).hex().encode() + b"\n")))
    for read in (
        lambda: list(lines_forward(path)),
        lambda: list(lines_backward(path)),
        lambda: LineFile(path),
    ):
        with pytest.raises(VaultError) as error:
            read()
        said = str(error.value)
        assert said.startswith(f"{path}: is not a whole gzip file: ")
        assert said.endswith("; put a good copy in its place or move it away")


def test_a_file_that_cannot_be_opened_is_named():
    """Reading turns what the system refuses into an error with a remedy."""
    with (
        pytest.raises(VaultError, match=r"^x: cannot be read: .*; check the disk"),
        reading(Path("x")),
    ):
        raise OSError(errno.EIO, "Input/output error")


def test_a_packed_file_is_kept_as_far_as_its_newest_bytes(tmp_path):
    """Whole lines only, and at least so many bytes as are asked for."""
    path = tmp_path / "x.jsonl.gz"
    lines = [b"%06d" % n + b"x" * 1_000 for n in range(6_000)]
    path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n", 1))
    for keep in (1, 1 << 20, 3 << 20):
        with LineFile(path, keep=keep) as file:
            found = list(file.forward(0))
        assert found == lines[-len(found) :]
        assert keep <= len(found) * 1_007 + 1_007 <= keep + (2 << 20)
    with LineFile(path) as file:
        assert list(file.forward(0)) == lines


def test_of_a_packed_file_no_more_is_read_than_up_to_a_moment(tmp_path):
    """Lines well behind it are not unpacked; those before it are all there."""
    path = tmp_path / "x.jsonl.gz"
    whole = b"".join(line(n, 10_000) for n in range(600))
    path.write_bytes(gzip.compress(whole, 1))
    moment = START + 100 * times.MINUTE_MS
    with LineFile(path, until=moment) as file:
        assert file.size < len(whole) // 2
        newest = [file.time_of(found) for found in file.newest(moment)]
    assert newest == [START + n * times.MINUTE_MS for n in range(100, -1, -1)]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        (b'{"known_utc":"2025-12-14T21:00:00Z"}', START),
        (b'{"a":1,"known_utc" : "2025-12-14T21:00:00.001Z"}', START + 1),
        (b'{"timestamp_utc":"2025-12-14T21:00:00Z"}', None),
        (b'{"known_utc":"2025-02-31T21:00:00Z"}', None),
        (b'{"known_utc":"soon"}', None),
        (b"", None),
    ],
)
def test_the_time_of_a_line_is_that_under_its_key(text, time):
    """Without reading JSON; a line that shows none, or none that exists, has none."""
    assert time_of_key("known_utc")(text) == time


def test_lines_without_a_time_are_passed_over(tmp_path):
    """Bisecting goes on to the next line with one."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"".join(line(n, 900) + b"garbage\n" * 5 for n in range(200)))
    with LineFile(path) as file:
        for minute in (0, 57, 198):
            later = file.after(START + minute * times.MINUTE_MS)
            assert next(file.forward(later)) == line(minute + 1, 900)[:-1]


def test_lines_of_the_very_moment_are_all_read(tmp_path):
    """A packed file may hold megabytes of them: reading on ends at a later line only."""
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(line(0, 10_000) * 300, 1))
    with LineFile(path, until=START) as file:
        assert len(list(file.newest(START))) == 300


def test_a_line_that_claims_to_be_old_hides_none(tmp_path, monkeypatch):
    """One line of 1970 in any place: no place is found by the time of a single line."""
    monkeypatch.setattr(line_file, "_STEP", 16)
    lines, path = [line(n) for n in range(200)], tmp_path / "rows.jsonl"
    for where in range(201):
        odd = b'{"timestamp_utc":"1970-01-01T00:00:00Z","n":-1}\n'
        path.write_bytes(b"".join([*lines[:where], odd, *lines[where:]]))
        with LineFile(path) as file:
            for minute in (3, 100, 198):
                found = list(file.forward(file.after(START + minute * times.MINUTE_MS)))
                assert found[0] + b"\n" == lines[minute + 1], (where, minute)


# --- any lines, bisected

JUNK = [b"", b"no time here", b'{"timestamp_utc":"2025-13-99T99:99:00Z"}', b"\x00" * 70]


def timed(moment: int, length: int = 0) -> bytes:
    return b'{"n":"%s","timestamp_utc": "%s"}' % (b"x" * length, times.iso(moment).encode())


@st.composite
def files(draw):
    """Draw lines in the order of time, of any length, junk among them, and a torn tail."""
    chance = random.Random(draw(st.integers(0, 1 << 30)))
    moment, lines = START, []
    for _ in range(draw(st.integers(0, 120))):
        moment += chance.choice((0, 0, 1, 17, 60_000))
        longest = chance.choice((0, 5, 40, 400))
        lines.append(chance.choice(JUNK) if chance.random() < 0.1 else timed(moment, longest))
    tail = draw(st.sampled_from([b"", timed(START)[:30], b"\x00\x00"]))
    moments = st.integers(START - 5, moment + 5)
    return lines, tail, draw(moments), draw(moments), draw(st.booleans())


def linear(lines, moment):
    """Return how many lines stand before the first that is later."""
    for number, row in enumerate(lines):
        try:
            time = times.parse_iso(json.loads(row)["timestamp_utc"])
        except (ValueError, KeyError):
            continue
        if time > moment:
            return number
    return len(lines)


@settings(max_examples=often(140, 400))
@given(files(), st.sampled_from([16, 64, 500]))
def test_bisecting_finds_what_a_linear_scan_finds(tmp_path_factory, file, step):
    """Between any two moments, from any side, plain or packed, with any step: the same lines."""
    lines, tail, early, late, packed = file
    data = b"".join(row + b"\n" for row in lines) + tail
    path = tmp_path_factory.getbasetemp() / f"lines.jsonl{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(data, 1) if packed else data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_file, "_STEP", step)
        with LineFile(path, "timestamp_utc") as found:
            before, until = linear(lines, early), linear(lines, late)
            assert list(found.between(early, late)) == lines[before:until]
            assert list(found.newest(late)) == lines[:until][::-1]
            assert list(found.forward(found.after(late))) == lines[until:]


def test_a_bounded_number_of_bytes_is_read(tmp_path, monkeypatch):
    """A file 32 times as long takes five more probes, not 32 times the bytes."""
    read = []
    for size in (4_000, 128_000):
        path = tmp_path / f"{size}.jsonl"
        path.write_bytes(b"".join(timed(START + n * 1000, 200) + b"\n" for n in range(size)))
        count = 0
        inner = LineFile._read

        def counted(self, start, end, inner=inner):
            nonlocal count
            count += end - start
            return inner(self, start, end)

        monkeypatch.setattr(LineFile, "_read", counted)
        with LineFile(path, "timestamp_utc") as file:
            next(file.newest(START + size * 700))
        monkeypatch.setattr(LineFile, "_read", inner)
        read.append(count)
    assert read[1] < read[0] + 100_000


def test_a_damaged_packed_file_is_named(tmp_path):
    """Not a guess but an error with the file and the remedy."""
    path = tmp_path / "2025-12-14.jsonl.gz"
    path.write_bytes(gzip.compress(timed(START) * 50)[:-20])
    with pytest.raises(
        VaultError, match=r"is not a whole gzip file: .*; put a good copy in its place"
    ):
        LineFile(path, "timestamp_utc")
