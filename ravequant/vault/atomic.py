"""Replaces files as a whole or not at all, and syncs them and their folders.

Every write of the vault goes through the ``os`` functions called here and in ``append_log``, so the
errors of a full or failing disk arise in these two modules, and leave them as VaultError.
"""

import errno
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from ravequant.errors import VaultError
from ravequant.vault.paths import StrPath

BINARY: Final[int] = getattr(os, "O_BINARY", 0)  # Windows would turn "\n" into "\r\n" without it
_FOLDER: Final[int | None] = getattr(os, "O_DIRECTORY", None)  # absent where folders do not sync
_PAUSE_S: Final = 0.05
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})  # of an error: no space is left
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_UNKNOWN_THERE: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})


def replace_file(
    path: StrPath, data: bytes, *, durable: bool = True, patience_s: float = 1.0
) -> None:
    """Make ``data`` the whole content of ``path``: readers see the old or the new bytes.

    The new content is first written to ``.{name}.tmp`` in the same folder, over the file that a
    crash left there. ``durable`` syncs the file and its folder. On Windows it waits up to
    ``patience_s`` seconds for readers that have the old file open. Raises VaultError.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        make_folder(path.parent)
        _write_new(temporary, data, durable=durable)
        move_over(temporary, path, durable=durable, patience_s=patience_s)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise disk_error(path, "replaced", error) from error


def move_over(
    source: StrPath, target: StrPath, *, durable: bool = True, patience_s: float = 1.0
) -> None:
    """Rename ``source`` over ``target``; try again while Windows says that it is open. OSError."""
    target = Path(target)
    source = Path(source)
    attempts = 1 + round(patience_s / _PAUSE_S)
    for left in reversed(range(attempts)):
        try:
            os.replace(source, target)  # noqa: PTH105 - fault tests replace this call
            break
        except PermissionError:
            if not left:
                raise
            time.sleep(_PAUSE_S)
    if durable:
        fsync_folder(target.parent)


def make_folder(folder: StrPath) -> None:
    """Create ``folder`` and its missing parents, and sync each new name. Raises OSError."""
    folder = Path(folder)
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    fsync_folder(folder.parent)


def fsync_file(path: StrPath) -> None:
    """Sync a file by its path (Windows needs a writable handle for it). Raises VaultError."""
    try:
        handle = os.open(path, os.O_RDWR | BINARY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise disk_error(path, "synced", error) from error


def cut_file(path: StrPath, length: int) -> None:
    """Cut a file to its first ``length`` bytes, and sync it. Raises OSError."""
    handle = os.open(path, os.O_RDWR | BINARY)
    try:
        os.ftruncate(handle, length)
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync_folder(folder: StrPath) -> None:
    """Sync the names in ``folder``, on systems that can. Raises OSError."""
    if _FOLDER is None:
        return
    handle = os.open(folder, os.O_RDONLY | _FOLDER)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _UNKNOWN_THERE:
            raise
    finally:
        os.close(handle)


def write_all(handle: int, data: bytes) -> None:
    """Write all of ``data``, going on after short writes. Raises OSError."""
    rest = memoryview(data)
    while rest:
        written = os.write(handle, rest)
        if not written:
            raise OSError(errno.EIO, "nothing was written")
        rest = rest[written:]


def disk_error(path: StrPath, done: str, error: OSError) -> VaultError:
    """Return the VaultError for ``error``: the file, the reason, the remedy.

    ``done`` completes "cannot be": ``read``, ``appended to``.
    """
    path = Path(path)
    if error.errno in FULL:
        remedy = "free space on its disk; what was whole before stays whole"
    elif error.errno in _FORBIDDEN:
        remedy = "allow writing there, and close programs that have it open"
    else:
        remedy = "check the disk, then start again"
    return VaultError(f"{path}: cannot be {done}: {error.strerror or error}; {remedy}")


def _write_new(path: Path, data: bytes, *, durable: bool) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | BINARY, 0o666)
    try:
        write_all(handle, data)
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)
