"""Compression in place: killed or refused at any step it loses nothing, and can be taken up."""

import errno
import gzip
import os
import random

import pytest

from ravequant.errors import VaultError
from ravequant.vault import atomic, compress
from tests.support import crashes

LINES = b"".join(b'{"line":%d,"x":%d}\n' % (n, n * n % 977) for n in range(200_000)) + b'{"torn'
PACKED = gzip.compress(LINES)
BEFORE: dict[
    str, bytes | None
] = {  # what a kill, a restore or a bad disk may have left beside the plain file
    "nothing": None,
    "the same": PACKED,
    "less": gzip.compress(LINES[:1000]),
    "damaged": PACKED[:-20],
}


@pytest.fixture(params=BEFORE)
def plain(request, tmp_path):
    """Return a plain file, with something beside it."""
    path = tmp_path / "2025-12-14" / "21.jsonl"
    path.parent.mkdir()
    path.write_bytes(LINES)
    beside = BEFORE[request.param]
    if beside is not None:
        compress.packed_form(path).write_bytes(beside)
    return path


def content(plain):
    """Return what a reader finds: the plain form before the compressed one."""
    packed = compress.packed_form(plain)
    return plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())


def names(plain):
    """Return everything that stands in the folder."""
    return sorted(path.name for path in plain.parent.iterdir())


def test_what_is_packed_reads_back_whole(plain):
    """Every byte is kept, a torn tail too; only the .gz is left, of the length that is returned."""
    length = compress.pack(plain)
    assert content(plain) == LINES
    assert names(plain) == ["21.jsonl.gz"]
    assert compress.packed_form(plain).stat().st_size == length


def test_equal_files_pack_to_equal_bytes(tmp_path):
    """Neither the name nor the hour of the packing is in the .gz."""
    for name in ("20.jsonl", "21.jsonl"):
        (tmp_path / name).write_bytes(LINES)
        compress.pack(tmp_path / name)
    assert (tmp_path / "20.jsonl.gz").read_bytes() == (tmp_path / "21.jsonl.gz").read_bytes()


def test_a_kill_at_any_step_loses_nothing_and_the_next_run_ends_it(plain, monkeypatch):
    """Before an fsync, rename or deletion, or in the middle of a write, the file is whole."""
    beside = compress.packed_form(plain)
    before = beside.read_bytes() if beside.exists() else None
    steps = run_and_stop(plain, monkeypatch, 0)
    assert steps[-2:] == ["unlink", "fsync"]
    assert ("write" in steps) == (before != BEFORE["the same"])
    for at in range(1, len(steps) + 1):
        beside.unlink()
        plain.write_bytes(LINES)
        if before is not None:
            beside.write_bytes(before)
        with pytest.raises(crashes.Stopped):
            run_and_stop(plain, monkeypatch, at)
        assert content(plain) == LINES, steps[at - 1]
        compress.clear(plain.parent.parent)
        if plain.exists():
            compress.pack(plain)
        assert content(plain) == LINES
        assert names(plain) == ["21.jsonl.gz"]


def run_and_stop(plain, monkeypatch, at):
    """Pack, stop before the step of that number or, where it is a write, in its middle."""

    def torn(handle, data):
        taken.append("write")
        if len(taken) == at:
            atomic.write_all(handle, data[: len(data) // 2])
            crashes.stop()
        atomic.write_all(handle, data)

    with monkeypatch.context() as patch, crashes.steps(at) as taken:
        patch.setattr(compress, "write_all", torn)
        compress.pack(plain)
    return taken


def test_a_file_held_open_is_left_and_ends_the_next_time(plain, monkeypatch):
    """Windows refuses to delete what a reader has open: both forms stand until it lets go."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse(PermissionError(errno.EACCES, "in use")))
        with pytest.raises(compress.HeldOpenError) as held:
            compress.pack(plain)
    assert str(held.value) == (
        f"{plain}: another program has it open, or it may not be changed; left as it is, the next "
        "run tries again"
    )
    assert names(plain) == ["21.jsonl", "21.jsonl.gz"]
    first = compress.packed_form(plain).stat().st_mtime_ns
    compress.pack(plain)
    assert content(plain) == LINES
    assert compress.packed_form(plain).stat().st_mtime_ns == first  # not written a second time


def test_a_gz_held_open_is_not_replaced(tmp_path, monkeypatch):
    """The same for a reader of an older .gz: nothing changes, no temporary is left."""
    plain = tmp_path / "21.jsonl"
    plain.write_bytes(LINES)
    compress.packed_form(plain).write_bytes(gzip.compress(LINES[:1000]))
    monkeypatch.setattr(os, "replace", refuse(PermissionError(errno.EACCES, "in use")))
    monkeypatch.setattr(atomic, "_PAUSE_S", 1.0)  # asked twice
    with pytest.raises(compress.HeldOpenError):
        compress.pack(plain)
    assert names(plain) == ["21.jsonl", "21.jsonl.gz"]
    assert plain.read_bytes() == LINES


@pytest.mark.parametrize("step", ["write", "fsync"])
def test_a_full_disk_leaves_the_plain_file(tmp_path, monkeypatch, step):
    """No room for the copy: the error says so, and the half copy is gone."""
    plain = tmp_path / "21.jsonl"
    plain.write_bytes(LINES)
    monkeypatch.setattr(os, step, refuse(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(VaultError) as full:
        compress.pack(plain)
    assert str(full.value) == (
        f"{plain}: cannot be compressed: No space left on device; free space on its disk; what was "
        "whole before stays whole"
    )
    assert names(plain) == ["21.jsonl"]


def test_a_copy_that_does_not_read_back_is_not_trusted(tmp_path, monkeypatch):
    """A bit that the disk turned is found before anything is deleted."""
    plain = tmp_path / "21.jsonl"
    plain.write_bytes(LINES)
    turn = random.Random(7)

    def wrong(handle, data):
        data = bytearray(data)
        if len(data) > 1000:
            data[turn.randrange(len(data))] ^= 16
        atomic.write_all(handle, bytes(data))

    monkeypatch.setattr(compress, "write_all", wrong)
    with pytest.raises(VaultError, match="does not read back as 200000 lines of"):
        compress.pack(plain)
    assert names(plain) == ["21.jsonl"]


def test_a_file_that_grew_meanwhile_is_not_deleted(tmp_path, monkeypatch):
    """Should somebody append after all, the plain file stays as it is."""
    plain = tmp_path / "21.jsonl"
    plain.write_bytes(LINES)
    verify = compress._verify

    def late(path, copy, wanted):
        with path.open("ab") as writer:
            writer.write(b"!\n")
        verify(path, copy, wanted)

    monkeypatch.setattr(compress, "_verify", late)
    with pytest.raises(VaultError, match="the plain file stays"):
        compress.pack(plain)
    assert plain.read_bytes() == LINES + b"!\n"


def test_lines_that_stand_only_in_the_gz_are_not_overwritten(tmp_path):
    """Two forms that disagree are for a person to judge."""
    plain = tmp_path / "21.jsonl"
    packed = compress.packed_form(plain)
    plain.write_bytes(LINES[:500])
    packed.write_bytes(gzip.compress(LINES))
    with pytest.raises(VaultError) as differs:
        compress.pack(plain)
    assert str(differs.value) == (
        f"{packed} holds lines that 21.jsonl beside it does not; keep the better one and move the "
        "other away"
    )
    assert gzip.decompress(packed.read_bytes()) == LINES
    assert plain.read_bytes() == LINES[:500]


def test_deleting_the_last_hour_takes_its_day_and_what_was_kept_aside(tmp_path):
    """No empty folders pile up; a torn tail kept aside goes with its hour; twice is no error."""
    day = tmp_path / "2025-12-14"
    day.mkdir()
    for name in ("20.jsonl.gz", "21.jsonl.gz", "21.jsonl.torn"):
        (day / name).touch()
    compress.delete(day / "21.jsonl.gz")
    assert [path.name for path in day.iterdir()] == ["20.jsonl.gz"]
    compress.delete(day / "20.jsonl.gz")
    assert not day.exists()
    compress.delete(day / "20.jsonl.gz")


def test_only_its_own_leavings_are_cleared(tmp_path):
    """Temporaries of other programs may be in use."""
    for name in (".21.jsonl.gz.tmp", ".21.jsonl.tmp", "21.jsonl", "20.jsonl.gz"):
        (tmp_path / name).touch()
    compress.clear(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".21.jsonl.tmp", "20.jsonl.gz", "21.jsonl",
    ]  # fmt: skip


def test_a_copy_is_put_in_place_once_it_is_whole(tmp_path):
    """After an error nothing of it is left, and the file is as it was."""
    target = tmp_path / "21.jsonl"
    with compress.put_in_place(target) as temporary:
        temporary.write_bytes(b"first")
        assert not target.exists()
    for error in (OSError("full"), VaultError("read back otherwise")):
        with pytest.raises(type(error)), compress.put_in_place(target) as temporary:
            refuse(error)(temporary.write_bytes(b"sec"))
        assert [path.name for path in tmp_path.iterdir()] == [target.name]
    assert target.read_bytes() == b"first"


def refuse(error):
    """Return a call that always fails."""

    def call(*_, **__):
        raise error

    return call
