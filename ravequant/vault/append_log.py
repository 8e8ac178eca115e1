"""Append-only line files: one writer, whole lines only, and nothing assumed about a failed disk."""

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, Self

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault.atomic import (
    BINARY,
    disk_error,
    fsync_folder,
    make_folder,
    move_over,
    write_all,
)
from ravequant.vault.paths import day_files

_BLOCK: Final = 65_536
_LAST_BLOCK: Final = 4_096  # where most files end with a whole line
_PACKED_TAIL: Final = 1 << 20


class AppendLog:
    """One line file and its only writer.

    Opening cuts a torn tail off (what follows the last newline, NULs included), keeps it in
    ``{name}.torn`` and counts it in ``torn_bytes``; then it syncs, so that ``synced_length`` is
    known and not assumed. ``length`` counts the whole lines written. Every refusal of the disk is a
    VaultError, and after it the file again ends with a whole line: the caller may go on at once or
    when there is room, with what comes after the newest line on disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.torn_bytes = 0
        self._dirty = True
        self._ragged = False  # bytes of a failed write could not be cut off yet
        self._handle = -1
        try:
            self.length = self.synced_length = self._open()
            self.sync()
        except OSError as error:
            self._release()
            raise disk_error(path, "opened for appending", error) from error
        except BaseException:
            self._release()
            raise

    @property
    def dirty(self) -> bool:
        """Whether something was written or cut since the last good sync."""
        return self._dirty

    def append(self, data: bytes) -> None:
        """Write whole lines behind the last one; after a VaultError none of them is there."""
        if data[-1:] != b"\n":
            raise ValueError(f"{self.path}: {data[-40:]!r} does not end with a newline")
        if self._ragged:
            self._cut_back()
        self._dirty = True
        try:
            write_all(self._handle, data)
            self.length += len(data)
        except OSError as error:
            self._try_to_cut_back()
            raise disk_error(self.path, "appended to", error) from error
        except BaseException:  # an interrupt between two short writes
            self._try_to_cut_back()
            raise

    def sync(self) -> None:
        """Bring what was written to the disk.

        If the disk refuses, what came after the last good sync counts as lost and is cut off: a
        second fsync may report success for pages that the first one dropped.
        """
        if self._ragged:
            self._cut_back()
        if not self._dirty:
            return
        try:
            os.fsync(self._handle)
        except OSError as error:
            self.length = self.synced_length
            self._try_to_cut_back()
            raise disk_error(self.path, "synced", error) from error
        self.synced_length = self.length
        self._dirty = False

    def close(self) -> None:
        """Sync and let the file go; a second call does nothing."""
        if self._handle < 0:
            return
        try:
            self.sync()
        finally:
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _release(self) -> None:
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def _open(self) -> int:
        make_folder(self.path.parent)
        self._handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | BINARY, 0o666)
        fsync_folder(self.path.parent)
        with self.path.open("rb") as file:
            whole = whole_length(file)
            self.torn_bytes = file.seek(0, os.SEEK_END) - whole
            if self.torn_bytes:
                file.seek(whole)
                _keep_aside(file, self.path.with_name(f"{self.path.name}.torn"))
                os.ftruncate(self._handle, whole)
        return whole

    def _cut_back(self) -> None:
        try:
            os.ftruncate(self._handle, self.length)
        except OSError as error:
            raise disk_error(self.path, "cut back to its last whole line", error) from error
        self._ragged = False

    def _try_to_cut_back(self) -> None:
        self._ragged = self._dirty = True
        try:
            self._cut_back()
        except VaultError:
            return  # tried again before the next append or sync; the first error is the one to tell


def whole_length(file: BinaryIO) -> int:
    """Return how many bytes of ``file`` are whole lines, reading back from its end."""
    position, size = file.seek(0, os.SEEK_END), _LAST_BLOCK
    while position > 0:
        start = max(0, position - size)
        file.seek(start)
        found = file.read(position - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        position, size = start, _BLOCK
    return 0


def lines_backward(path: Path) -> Iterator[bytes]:
    """Yield the whole lines of a plain file, newest first, newlines included."""
    with path.open("rb") as file:
        end, size = whole_length(file), _BLOCK
        while end > 0:
            start = max(0, end - size)
            file.seek(start)
            block = file.read(end - start)
            begun = block.find(b"\n") + 1 if start else 0  # its first line may begin before it
            if begun == len(block):
                size *= 2
                continue
            yield from reversed(_lines(block[begun:]))
            end, size = start + begun, _BLOCK


def newest_lines(path: Path) -> Iterator[bytes]:
    """Yield the whole lines of a plain or packed file, newest first; VaultError if unreadable.

    A packed file is read through, and only its last 1-2 MiB are yielded.
    """
    with reading(path):
        yield from _packed_tail(path) if path.suffix == ".gz" else lines_backward(path)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Say which plain or packed file cannot be read, and what to do: VaultError."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error


def _lines(block: bytes) -> list[bytes]:
    return [line + b"\n" for line in block.split(b"\n")[:-1]]


def _keep_aside(file: BinaryIO, path: Path) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | BINARY, 0o666)
    try:
        while block := file.read(_BLOCK):
            write_all(handle, block)
        os.fsync(handle)
    finally:
        os.close(handle)


class DayLog:
    """The raw trade log of one instrument: one file per UTC day, written in order.

    A line goes into the file of the largest UTC date seen so far (SPEC section 3); on start that is
    the newest day on disk. If only its ``.gz`` is there it is restored before anything is appended
    to that day: a plain file beside it would hide what it holds.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.torn_bytes = 0
        self._log: AppendLog | None = None
        newest = max(self._files(folder), default=None)
        self._day = newest[0] if newest else ""
        if newest and newest[1].suffix != ".gz":
            self._open()

    @property
    def path(self) -> Path | None:
        """The file being written, None before the first append of a new day."""
        return self._log.path if self._log else None

    @property
    def dirty(self) -> bool:
        """Whether something waits for a sync."""
        return self._log is not None and self._log.dirty

    def append(self, ts: int, data: bytes) -> None:
        """Write whole lines of the moment ``ts`` (Unix ms), into that day or the newest one.

        Raises VaultError, and then none of them is there.
        """
        day = self._name(ts)
        if day > self._day:
            self.close()  # syncs the old day before the next one exists
            self._day = day
        if self._log is None:
            self._open()
        assert self._log is not None  # noqa: S101 - says to the type checker what _open did
        self._log.append(data)

    def sync(self) -> None:
        """Sync the day being written; after a VaultError go on from ``last_line``."""
        if self._log is not None:
            self._log.sync()

    def last_line(self, valid: Callable[[bytes], bool] = bool) -> bytes | None:
        """Return the newest whole line on disk, newline included; None if there is none.

        ``valid`` passes over lines that are whole but damaged. A packed day is read through, and
        only its last 2 MiB are looked at. What a refused write or sync left behind is cut off
        first: it does not count. Raises VaultError for a disk that refuses, or a file that cannot
        be read.
        """
        self.sync()
        for _, path in reversed(list(self._files(self.folder))):
            found = next(filter(valid, newest_lines(path)), None)
            if found is not None:
                return found
        return None

    def close(self) -> None:
        """Sync and let the file go; the next append opens it again."""
        if self._log is not None:
            self._log.sync()  # if this fails the log stays open, cut back, and can go on
            self._log.close()
            self._log = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _files(folder: Path) -> Iterator[tuple[str, Path]]:
        return day_files(folder)

    @staticmethod
    def _name(ts: int) -> str:
        return times.day(ts)

    def _open(self) -> None:
        plain = self.folder / f"{self._day}.jsonl"
        packed = plain.with_name(f"{plain.name}.gz")
        if packed.exists() and not plain.exists():
            _restore(packed, plain)
        self._log = AppendLog(plain)
        self.torn_bytes += self._log.torn_bytes


def _restore(packed: Path, plain: Path) -> None:
    temporary = plain.with_name(f".{plain.name}.tmp")
    try:
        _unpack(packed, temporary)
        move_over(temporary, plain)
        with suppress(PermissionError):  # Windows: somebody reads it; the plain file counts
            packed.unlink()
    except (OSError, EOFError, zlib.error) as error:
        with suppress(OSError):
            temporary.unlink()
        raise _unreadable(packed, error) from error


def _unpack(packed: Path, plain: Path) -> None:
    handle = os.open(plain, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | BINARY, 0o666)
    try:
        with gzip.open(packed, "rb") as source:
            while block := source.read(_BLOCK):
                write_all(handle, block)
        os.fsync(handle)
    finally:
        os.close(handle)


def _packed_tail(path: Path) -> Iterator[bytes]:
    tail, length = b"", 0
    with gzip.open(path, "rb") as file:
        while block := file.read(_PACKED_TAIL):
            tail = tail[-_PACKED_TAIL:] + block
            length += len(block)
    lines = _lines(tail)
    return reversed(lines if length == len(tail) else lines[1:])


def _unreadable(path: Path, error: Exception) -> VaultError:
    if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
        return disk_error(path, "read or restored", error)
    return VaultError(
        f"{path}: is not a whole gzip file: {error}; put a good copy in its place or move it away"
    )
