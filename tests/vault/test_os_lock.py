"""The lock of the system: one holder, of whatever version, until its process ends."""

import errno
import os
import subprocess
import sys
import threading
import time

import pytest
from filelock import FileLock, Timeout

from ravequant.vault.os_lock import OsLock

HOLDER = (
    "import sys; from ravequant.vault.os_lock import OsLock; "
    "assert OsLock(sys.argv[1]).acquire(); print('held', flush=True); sys.stdin.read()"
)
posix = pytest.mark.skipif(os.name == "nt", reason="Windows goes through filelock")


def start(*words):
    """Start a Python that runs ``words``, and waits for its input."""
    command = [sys.executable, "-c", *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.fixture
def path(tmp_path):
    """Return the place of a lock."""
    return tmp_path / "one.lock"


def test_one_has_it_until_it_is_given_back(path):
    """A second holder is refused at once, in the same process too; the file stays or comes anew."""
    first, second = OsLock(path), OsLock(path)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()
    second.release()


def test_it_ends_with_its_process(path):
    """A killed holder leaves the file, and no lock."""
    with start(HOLDER, str(path)) as holder:
        assert holder.stdout.readline().strip() == b"held"
        lock = OsLock(path)
        assert not lock.acquire()
        holder.kill()
        assert lock.acquire(10)
        lock.release()


def test_it_is_waited_for(path):
    """Within the time given, and no longer."""
    first, second = OsLock(path), OsLock(path)
    assert first.acquire()
    begun = time.monotonic()
    assert not second.acquire(0.12)
    assert 0.12 <= time.monotonic() - begun < 5
    timer = threading.Timer(0.15, first.release)
    timer.start()
    assert second.acquire(10)
    timer.join()
    second.release()


def test_it_is_the_lock_of_filelock(path):
    """Programs of an earlier version take it through that package: each keeps the other out."""
    ours, theirs = OsLock(path), FileLock(path, timeout=0)
    assert ours.acquire()
    with pytest.raises(Timeout):
        theirs.acquire()
    ours.release()
    with theirs:
        assert not ours.acquire()
    assert ours.acquire()
    ours.release()


@posix
def test_a_lock_without_a_name_counts_for_nothing(path, monkeypatch):
    """If its file is deleted between opening and locking, the one that stands there then is taken.

    Else two programs would hold the lock, each on a file of its own.
    """
    import fcntl

    real, gone = fcntl.flock, list[int]()

    def flock(handle: int, how: int) -> None:
        if not gone:
            path.unlink()
            gone.append(handle)
        real(handle, how)

    monkeypatch.setattr("fcntl.flock", flock)
    first = OsLock(path)
    assert first.acquire(10)
    assert gone
    assert path.exists()
    assert not OsLock(path).acquire()
    first.release()


@posix
def test_without_flock_filelock_does_it(path, monkeypatch):
    """A file system that has no such call gets the lock that this package has for it."""

    def flock(_handle: int, _how: int) -> None:
        raise OSError(errno.ENOSYS, "no such call")

    monkeypatch.setattr("fcntl.flock", flock)
    first, second = OsLock(path), OsLock(path)
    with pytest.warns(UserWarning, match="flock not supported"):
        assert first.acquire()
    with pytest.warns(UserWarning, match="flock not supported"):
        assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()


@posix
def test_another_error_of_the_disk_is_none_of_a_held_lock(path, monkeypatch):
    """It is raised, and no handle stays open."""
    opened = list[int]()

    def flock(handle: int, _how: int) -> None:
        opened.append(handle)
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(OSError, match="no locks available"):
        OsLock(path).acquire()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])
    with pytest.raises(FileNotFoundError):
        OsLock(path.parent / "no folder" / "one.lock").acquire()


@posix
def test_a_link_in_the_place_of_the_lock_is_refused(path):
    """It would lock, and make, a file elsewhere."""
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(OSError, match="symbolic link"):
        OsLock(path).acquire()
    assert not path.with_name("elsewhere").exists()


@posix
def test_programs_that_are_started_do_not_inherit_it(path):
    """A program that outlives its starter would hold the lock on."""
    lock = OsLock(path)
    assert lock.acquire()
    with start("input()") as child:
        lock.release()
        again = OsLock(path)
        assert again.acquire()
        child.communicate(b"\n")
    again.release()
