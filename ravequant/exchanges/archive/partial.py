"""A file on its way to the disk: its bytes so far, and whose bytes they are.

``{name}.partial`` holds the bytes, ``.{name}.json`` the ETag and the size of the version they
belong to. The note is on disk before the first byte; so after a kill at any instant the bytes are
those of the noted version, or there are none. The file gets its name once it is whole.
"""

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant.errors import FeedError, VaultError, shown
from ravequant.vault.atomic import disk_error, fsync_file, move_over, replace_file
from ravequant.vault.paths import StrPath

PARTIAL: Final = ".partial"
_MD5: Final = re.compile(r"[0-9a-fA-F]{32}")  # a dash is in the ETag of an upload in parts
_BLOCK: Final = 1 << 20


def note_of(path: StrPath) -> Path:
    """Return the file that says which version of ``path`` was fetched."""
    path = Path(path)
    return path.with_name(f".{path.name}.json")


def noted(path: StrPath) -> tuple[str, int]:
    """Return ETag and size of the version of a file, fetched or on its way; ("", 0) if unknown."""
    try:
        row: Any = orjson.loads(note_of(path).read_bytes())
        etag, size = row["etag"], row["size"]
    except (OSError, orjson.JSONDecodeError, TypeError, KeyError):
        return "", 0
    return (etag, size) if isinstance(etag, str) and isinstance(size, int) else ("", 0)


def remove(path: StrPath) -> None:
    """Delete a file, its part and its note, the note last. Raises VaultError."""
    path = Path(path)
    for old in (path, path.with_name(path.name + PARTIAL), note_of(path)):
        try:
            old.unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(old, "deleted", error) from error


def fetched_names(folder: StrPath) -> set[str]:
    """Return the names of the files of a folder that were fetched, in part at least."""
    names = (path.name for path in Path(folder).glob(".*.json"))
    return {name[1:].removesuffix(".json") for name in names}


class PartialFile:
    """The part of ``path`` that has been received."""

    def __init__(self, path: StrPath) -> None:
        self.path = Path(path)
        self._part = self.path.with_name(self.path.name + PARTIAL)
        self.etag, self.size = noted(self.path)
        self.length = self._length()

    def _length(self) -> int:
        try:
            length = self._part.stat().st_size
        except OSError:
            return 0
        return length if self.etag and length <= self.size else 0

    @property
    def whole(self) -> bool:
        """Return True if every byte is there."""
        return bool(self.size) and self.length == self.size

    def begin(self, etag: str, size: int) -> None:
        """Forget the bytes so far; those to come belong to another version."""
        try:
            self._part.unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(self._part, "deleted", error) from error
        self.etag, self.size, self.length = etag, size, 0
        row = {"etag": etag, "size": size}
        replace_file(note_of(self.path), orjson.dumps(row), durable=False)

    def append(self, block: bytes) -> None:
        """Add bytes; VaultError if the disk refuses, FeedError beyond the size that was said."""
        if self.length + len(block) > self.size:
            raise FeedError(
                f"{self.path.name}: more than the {self.size} bytes that its Content-Length says; "
                "run again"
            )
        try:
            with self._part.open("ab") as file:
                file.write(block)
        except OSError as error:
            with suppress(OSError):
                os.truncate(self._part, self.length)
            raise disk_error(self._part, "written", error) from error
        self.length += len(block)

    def finish(self) -> bool:
        """Give the file its name, if its MD5 is that of its ETag; else forget it, return False."""
        if self.md5_known and self._md5() != self.etag.lower():
            remove(self.path)
            self.etag, self.size, self.length = "", 0, 0
            return False
        fsync_file(self._part)
        try:
            move_over(self._part, self.path)
        except OSError as error:
            raise disk_error(self.path, "renamed into place", error) from error
        return True

    @property
    def md5_known(self) -> bool:
        """Return True if the ETag is an MD5."""
        return _MD5.fullmatch(self.etag) is not None

    def _md5(self) -> str:
        digest = hashlib.md5(usedforsecurity=False)
        try:
            with self._part.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
        except OSError as error:
            raise disk_error(self._part, "read", error) from error
        return digest.hexdigest()


def bare_name(name: str) -> str:
    """Return a name that is no path and no hidden file; VaultError otherwise."""
    if name != Path(name).name or not name or name[0] == "." or set(name) & set('/\\:*?"<>|'):
        raise VaultError(f"file name {shown(name)}: expected a bare name; nothing was written")
    return name
