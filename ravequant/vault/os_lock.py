"""A lock of the operating system on a file, which one holder has at a time, until its process ends.

Where the system has ``flock`` it is taken here. Windows, and file systems without it, go through
the package ``filelock``, which takes a tenth of a short run to load; both take the same lock.
"""

import errno
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ravequant.vault.paths import StrPath

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from filelock import FileLock

_AGAIN_S: Final = 0.05
_HELD: Final = (errno.EAGAIN, errno.EACCES)  # what flock says if another has the lock
# no waiting for a lease on the file, and no symbolic link, where the system knows these
_FLAGS: Final[int] = os.O_RDWR | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)


class OsLock:
    """The lock on ``path``, whose folder is there already; two objects are two holders."""

    def __init__(self, path: StrPath) -> None:
        self._path = Path(path)
        self._handle: int | None = None
        self._other: FileLock | None = None  # in its place, without flock

    def acquire(self, wait_s: float = 0.0) -> bool:
        """Take the lock now or within ``wait_s``; False if others hold it. Raises OSError."""
        until = time.monotonic() + wait_s
        while not self._took():
            left = until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(_AGAIN_S, left))
        return True

    def release(self) -> None:
        """Give the lock back, if it is held; the file stays."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        if self._other is not None:
            self._other.release()

    def _took(self) -> bool:
        if sys.platform == "win32" or self._other is not None:
            return self._took_other()
        handle, made = self._open()
        taken = False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = os.fstat(handle).st_nlink > 0  # the lock of a deleted file keeps nobody out
        except OSError as error:
            if error.errno == errno.ENOSYS:
                if made:  # there a file is the lock
                    self._path.unlink()
                return self._took_other()
            if error.errno not in _HELD:
                raise
        finally:
            if not taken:
                os.close(handle)
        self._handle = handle if taken else None
        return taken

    def _open(self) -> tuple[int, bool]:
        """Return the file, and whether it was made for it."""
        with suppress(FileNotFoundError):
            return os.open(self._path, _FLAGS), False
        with suppress(FileExistsError):  # it was made meanwhile
            return os.open(self._path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o666), True
        return os.open(self._path, _FLAGS), False

    def _took_other(self) -> bool:
        from filelock import FileLock, Timeout  # noqa: PLC0415 - where it is needed

        self._other = self._other or FileLock(self._path, timeout=0, thread_local=False)
        try:
            self._other.acquire()
        except Timeout:
            return False
        return True
