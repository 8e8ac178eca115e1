"""One writer per instrument and stream, by an OS lock that dies with its process."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant import times
from ravequant.errors import LockedError, VaultError
from ravequant.vault.atomic import disk_error, make_folder, replace_file
from ravequant.vault.os_lock import OsLock
from ravequant.vault.paths import Vault

_ASK_AGAIN_S: Final = 0.1
_ASK_TIMES: Final = 20
_TURN_S: Final = 10.0


@contextmanager
def writer_lock(vault: Vault, stream: str, inst_id: str) -> Iterator[None]:
    """Hold the lock of ``stream`` of an instrument. LockedError names the program that holds it.

    A ``.json`` next to the lock file names the holder, for people only: the lock is the operating
    system's, and is free as soon as its process is gone, even if that file is still there.
    """
    path = vault.lock(stream, inst_id)
    lock = OsLock(path)
    if not _taken(lock, path):
        raise _locked(path, stream, inst_id)
    holder = _holder_file(path)
    try:
        with suppress(VaultError):  # a full disk: the lock holds without its .json
            replace_file(holder, _this_program(), durable=False)
        yield
    finally:
        try:
            with suppress(OSError):  # Windows: a reader has it open; a stale one does no harm
                holder.unlink()
        finally:
            lock.release()


@contextmanager
def turn(vault: Vault, work: str, inst_id: str) -> Iterator[None]:
    """Hold the lock of a short ``work`` of several programs. LockedError after 10 s of waiting."""
    path = vault.lock(work, inst_id)
    lock = OsLock(path)
    if not _taken(lock, path, _TURN_S):
        raise LockedError(
            f"{path}: {work} of {inst_id} has been held for {_TURN_S:g} s, expected a moment; end "
            "the program that hangs there"
        )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def if_free(vault: Vault, work: str, inst_id: str) -> Iterator[bool]:
    """Hold the lock of a ``work`` that is left out while another program does it.

    Yields False, without waiting, if it is held or cannot be taken.
    """
    path = vault.lock(work, inst_id)
    lock, taken = OsLock(path), False
    with suppress(VaultError):
        taken = _taken(lock, path)
    try:
        yield taken
    finally:
        lock.release()


@contextmanager
def after_others(vault: Vault, work: str, inst_id: str, most_s: float) -> Iterator[float | None]:
    """Hold the lock of a ``work`` that another program may have done meanwhile.

    Yields None if the lock was free, else the seconds of waiting for it. After ``most_s``, or if
    it cannot be taken, the caller goes on without it.
    """
    path = vault.lock(work, inst_id)
    lock = OsLock(path)
    waited: float | None = None
    with suppress(VaultError):
        begun = time.monotonic()
        if not _taken(lock, path):
            with suppress(VaultError):
                _taken(lock, path, most_s)
            waited = time.monotonic() - begun
    try:
        yield waited
    finally:
        lock.release()


def _taken(lock: OsLock, path: Path, wait_s: float = 0.0) -> bool:
    """Take the lock on ``path`` within ``wait_s``; False if it is held. Raises VaultError."""
    try:
        make_folder(path.parent)
        return lock.acquire(wait_s)
    except OSError as error:
        raise disk_error(path, "locked", error) from error


def _holder_file(lock: Path) -> Path:
    return lock.with_suffix(".json")


def _this_program() -> bytes:
    return orjson.dumps(
        {
            "pid": os.getpid(),
            "program": Path(sys.argv[0]).name or "python",
            "started_utc": times.iso(times.utc_now_ms()),
        }
    )


def _locked(path: Path, stream: str, inst_id: str) -> LockedError:
    found = _holder(_holder_file(path))
    who = (
        f"{found['program']}, pid {found['pid']}, since {found['started_utc']}"
        if found
        else f"a program that left no name in {_holder_file(path)}"
    )
    return LockedError(
        f"{stream} of {inst_id} has its one writer already: {who}; stop that program first, or "
        "leave the work to it"
    )


def _holder(path: Path) -> dict[str, Any] | None:
    """Return the holder once it reads the same twice: it is written after the lock is taken."""
    before: dict[str, Any] | None = None
    for _ in range(_ASK_TIMES):
        time.sleep(_ASK_AGAIN_S)
        now = _read_holder(path)
        if now is not None and now == before:
            return now
        before = now
    return before


def _read_holder(path: Path) -> dict[str, Any] | None:
    try:
        found = orjson.loads(path.read_bytes())
        return {key: found[key] for key in ("pid", "program", "started_utc")}
    except (OSError, ValueError, TypeError, KeyError):
        return None
