"""Append-only logs: line files with one writer, which hold whole lines even if the disk fails."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Self

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault.atomic import BINARY, disk_error, fsync_folder, make_folder, write_all
from ravequant.vault.line_file import lines_backward, whole_length
from ravequant.vault.paths import StrPath, day_files, hour_files

_BLOCK: Final = 65_536


class AppendLog:
    """A line file and its only writer.

    Opening cuts off a torn tail (the bytes after the last newline, NULs included), keeps it in
    ``{name}.torn`` and counts it in ``torn_bytes``; then it syncs, so that ``synced_length`` is
    known and not assumed. ``length`` counts the bytes of whole lines. If the disk refuses, it
    raises VaultError, and the file ends with a whole line again: the caller may go on at once or
    later, with the lines after the newest one on disk.
    """

    def __init__(self, path: StrPath) -> None:
        path = Path(path)
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
        """True if lines were written or cut off since the last good sync."""
        return self._dirty

    def append(self, data: bytes) -> None:
        """Write whole lines at the end. After a VaultError none of them is there."""
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
        """Fsync the written lines. Raises VaultError.

        If the disk refuses, the lines after the last good sync count as lost and are cut off: a
        second fsync may report success for pages that the first fsync dropped.
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
        """Sync and close the file; a second call does nothing."""
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
            return  # tried again before the next append or sync; the caller raises the first error


def _keep_aside(file: BinaryIO, path: Path) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | BINARY, 0o666)
    try:
        while block := file.read(_BLOCK):
            write_all(handle, block)
        os.fsync(handle)
    finally:
        os.close(handle)


class DatedLog:
    """The raw log of one instrument in one stream: a line file for each day or hour.

    A line goes into the file of the largest UTC date or hour seen so far (SPEC section 3); on start
    that is the newest one on disk. If only its ``.gz`` is there it is restored before anything is
    appended to it: a plain file next to it would hide the lines that it holds.
    """

    def __init__(
        self,
        folder: StrPath,
        files: Callable[[Path], Iterator[tuple[str, Path]]],
        key_of: Callable[[int], str],
    ) -> None:
        """Open the newest of ``files`` (key and path, oldest first); ``key_of`` names a moment."""
        folder = Path(folder)
        self.folder = folder
        self.torn_bytes = 0
        self._files, self._key_of = files, key_of
        self._log: AppendLog | None = None
        newest = max(files(folder), default=None)
        self._key = newest[0] if newest else ""
        if newest and newest[1].suffix != ".gz":
            self._open()

    @property
    def path(self) -> Path | None:
        """The file being written; None before the first append."""
        return self._log.path if self._log else None

    @property
    def key(self) -> str:
        """The day or hour of the newest file; empty before the first line."""
        return self._key

    @property
    def dirty(self) -> bool:
        """True if lines wait for a sync."""
        return self._log is not None and self._log.dirty

    def append(self, ts: int, data: bytes) -> None:
        """Write whole lines of the moment ``ts`` (Unix ms) into its file, or into the newest one.

        Raises VaultError, and then none of the lines is there.
        """
        key = self._key_of(ts)
        if key > self._key:
            self.close()  # syncs the old file before the next one exists
            self._key = key
        log = self._log or self._open()
        log.append(data)

    def sync(self) -> None:
        """Sync the file being written; after a VaultError go on from ``last_line``."""
        if self._log is not None:
            self._log.sync()

    def last_line(self, valid: Callable[[bytes], bool] = bool) -> bytes | None:
        """Return the newest whole line on disk that is ``valid``, newline included; None if none.

        Lines that a refused write or sync left behind are cut off first: they do not count. Of a
        packed file only the last 1-2 MiB are searched. Raises VaultError if the disk refuses, or a
        file cannot be read.
        """
        self.sync()
        for _, path in reversed(list(self._files(self.folder))):
            found = next(filter(valid, lines_backward(path)), None)
            if found is not None:
                return found
        return None

    def close(self) -> None:
        """Sync and close the file; the next append opens it again."""
        if self._log is not None:
            self._log.sync()  # if this fails the log stays open, cut back, and can go on
            self._log.close()
            self._log = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> AppendLog:
        from ravequant.vault.compress import (  # noqa: PLC0415 - most runs open no day
            packed_form,
            restore,
        )

        plain = self.folder / f"{self._key}.jsonl"
        packed = packed_form(plain)
        if packed.exists() and not plain.exists():
            restore(packed)
        self._log = AppendLog(plain)
        self.torn_bytes += self._log.torn_bytes
        return self._log


class DayLog(DatedLog):
    """A raw log with a file for each UTC day: ``{YYYY-MM-DD}.jsonl``."""

    def __init__(self, folder: StrPath) -> None:
        super().__init__(folder, day_files, times.day)


class HourLog(DatedLog):
    """A raw log with a file for each UTC hour: ``{YYYY-MM-DD}/{HH}.jsonl``."""

    def __init__(self, folder: StrPath) -> None:
        super().__init__(folder, hour_files, times.hour)
