"""What replace_file and its kin promise, with disks that refuse."""

import errno
import os
import stat
import threading
import time

import pytest

from ravequant.errors import VaultError
from ravequant.vault import atomic

on_posix = pytest.mark.skipif(os.name == "nt", reason="folders do not sync on Windows")


def failing(number):
    """Return a stand-in for an os function that the disk refuses."""

    def refuse(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    return refuse


def test_replaces_the_whole_content(tmp_path):
    """The file holds the new bytes, and nothing else is left in its folder."""
    path = tmp_path / "state.json"
    path.write_bytes(b"a long old content")
    atomic.replace_file(path, b"new\r\n")
    assert path.read_bytes() == b"new\r\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_makes_the_folders_above(tmp_path):
    """Missing folders are created."""
    path = tmp_path / "state" / "vwap" / "x.json"
    atomic.replace_file(path, b"{}")
    assert path.read_bytes() == b"{}"


def test_what_a_crash_left_is_overwritten(tmp_path):
    """A left-over temporary, longer than the new content, neither stays nor shows."""
    path = tmp_path / "state.json"
    (tmp_path / ".state.json.tmp").write_bytes(b"half of something longer")
    atomic.replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


@on_posix
def test_syncs_the_file_before_and_the_folder_after_the_rename(tmp_path, monkeypatch):
    """The order of a durable replacement is write, fsync, rename, fsync of the folder."""
    steps = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(handle):
        folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        steps.append("fsync folder" if folder else "fsync file")
        real_fsync(handle)

    def replace(source, target):
        steps.append("rename")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    atomic.replace_file(tmp_path / "x", b"1")
    assert steps == ["fsync file", "rename", "fsync folder"]
    steps.clear()
    atomic.replace_file(tmp_path / "x", b"2", durable=False)
    assert steps == ["rename"]


def test_every_new_folder_is_synced_into_the_one_above(tmp_path, monkeypatch):
    """A folder that was just made is not lost with the power."""
    synced: list[object] = []
    monkeypatch.setattr(atomic, "fsync_folder", synced.append)
    atomic.make_folder(tmp_path / "a" / "b")
    assert synced == [tmp_path, tmp_path / "a"]


def test_short_writes_are_continued(tmp_path, monkeypatch):
    """A system that takes three bytes at a time still gets all of them."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(data)[:3]))
    atomic.replace_file(tmp_path / "x", b"0123456789")
    assert (tmp_path / "x").read_bytes() == b"0123456789"


def test_a_write_that_takes_nothing_is_an_error(tmp_path, monkeypatch):
    """No endless loop where the system takes zero bytes."""
    monkeypatch.setattr(os, "write", lambda *_: 0)
    with pytest.raises(VaultError) as caught:
        atomic.replace_file(tmp_path / "x", b"1")
    assert str(caught.value) == (
        f"{tmp_path / 'x'}: cannot be replaced: nothing was written; "
        "check the disk, then start again"
    )


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free space on its disk; what was whole before stays whole"),
        (errno.EROFS, "allow writing there, and close programs that have it open"),
        (errno.EIO, "check the disk, then start again"),
    ],
)
def test_a_refusal_leaves_the_old_content(tmp_path, monkeypatch, call, number, remedy):
    """Whatever step fails, the old file stands, no temporary stays, and the message helps."""
    path = tmp_path / "x"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, call, failing(number))
    with pytest.raises(VaultError) as caught:
        atomic.replace_file(path, b"new")
    assert str(caught.value) == f"{path}: cannot be replaced: {os.strerror(number)}; {remedy}"
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_waits_for_a_reader_that_has_the_file_open(tmp_path, monkeypatch):
    """As on Windows: the rename is refused while somebody reads, and is tried again."""
    real, refusals = os.replace, iter([PermissionError(errno.EACCES, "open elsewhere")] * 3)

    def replace(source, target):
        for refusal in refusals:
            raise refusal
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    atomic.replace_file(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"new"


def test_patience_ends(tmp_path, monkeypatch):
    """A file that stays open is an error after 21 attempts."""
    attempts = []

    def replace(*_):
        attempts.append(1)
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(VaultError):
        atomic.replace_file(tmp_path / "x", b"new")
    assert len(attempts) == 21


def test_readers_see_old_or_new_never_half(tmp_path):
    """While a file is replaced a thousand times each reading finds one whole content."""
    path, done, seen = tmp_path / "x", threading.Event(), set()
    wholes = (b"a" * 20_000, b"b" * 30_000)
    atomic.replace_file(path, wholes[0], durable=False)

    def read():
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(500):
        atomic.replace_file(path, wholes[turn % 2], durable=False)
    done.set()
    reader.join()
    assert seen <= set(wholes)


def test_fsync_file_names_what_it_could_not_sync(tmp_path):
    """An absent file is a VaultError that names it."""
    path = tmp_path / "absent"
    with pytest.raises(VaultError) as caught:
        atomic.fsync_file(path)
    assert str(caught.value) == (
        f"{path}: cannot be synced: {os.strerror(errno.ENOENT)}; check the disk, then start again"
    )


def test_fsync_file_reports_a_failing_disk(tmp_path, monkeypatch):
    """An fsync that fails is never taken for success."""
    path = tmp_path / "x"
    path.write_bytes(b"1")
    atomic.fsync_file(path)
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(VaultError, match="cannot be synced"):
        atomic.fsync_file(path)


@on_posix
def test_fsync_folder_passes_over_file_systems_that_do_not_know_it(tmp_path, monkeypatch):
    """EINVAL says that folders need no sync there; EIO says that the disk fails."""
    monkeypatch.setattr(os, "fsync", failing(errno.EINVAL))
    atomic.fsync_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        atomic.fsync_folder(tmp_path)


def test_a_system_without_folder_sync_is_left_alone(tmp_path, monkeypatch):
    """Where folders cannot be opened (Windows) nothing is tried."""
    monkeypatch.setattr(atomic, "_FOLDER", None)
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    atomic.fsync_folder(tmp_path)
