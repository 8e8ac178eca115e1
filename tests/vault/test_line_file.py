"""Line files read as of a moment: what is found, and what a changing file does to it."""

import gzip
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault import line_file
from ravequant.vault.line_file import LineFile, is_there, lines_backward, lines_forward

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
