"""The content of raw files, by length and checksum: read through once, then known by their stamps.

A stamp is the system's own account of a file: size, times of change, number. A file whose stamp is
as noted, under the same repair generation, still has the content noted with it; every other file is
read through again. Times of change are compared with each other alone, never with a clock.
"""

import gzip
import logging
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, cast

from ravequant.errors import VaultError
from ravequant.vault import commit
from ravequant.vault.line_file import reading
from ravequant.vault.lock import if_free
from ravequant.vault.paths import MINUTES, StrPath, Vault

_BLOCK: Final = 1 << 20
_TRAILER: Final = 8  # of a gzip file: CRC-32 and length of its content, 4 bytes each
_log = logging.getLogger(__name__)

Stamp = tuple[str, int, int, int, int]  # name, size, times of change and of its node, number


class RawContent(NamedTuple):
    """The content of a raw file, uncompressed."""

    length: int
    crc32: int


def stamp(path: StrPath) -> Stamp | None:
    """Return the stamp of a file; None if it is not there, or the system does not answer."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return Path(path).name, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _opened(path: Path) -> BinaryIO:
    """Open a file for reading its uncompressed bytes; a ``.gz`` is not read to its end before."""
    return cast("BinaryIO", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def content_of(path: StrPath) -> RawContent:
    """Read a file through and return its content. Raises VaultError."""
    length = crc32 = 0
    with reading(path), _opened(Path(path)) as stream:
        while block := stream.read(_BLOCK):
            length += len(block)
            crc32 = zlib.crc32(block, crc32)
    return RawContent(length, crc32)


def first_bytes(path: StrPath, length: int) -> bytes:
    """Return the first bytes of a file's content, fewer if it is shorter. Raises VaultError."""
    parts, left = [], length
    with reading(path), _opened(Path(path)) as stream:
        while left > 0 and (block := stream.read(min(left, _BLOCK))):
            parts.append(block)
            left -= len(block)
    return b"".join(parts)


def whole_content(path: StrPath, length: int, crc32: int | None) -> RawContent | None:
    """Return the content of a file of which all whole lines were read: so many bytes.

    None if it holds more than these. Of a packed file, which its reader has checked, the trailer
    gives the checksum; of a plain file it is ``crc32``. Raises VaultError.
    """
    path = Path(path)
    with reading(path):
        if path.suffix != ".gz":
            whole = crc32 is not None and path.stat().st_size == length
            return RawContent(length, crc32) if whole and crc32 is not None else None
        with path.open("rb") as stream:
            stream.seek(-_TRAILER, 2)
            trailer = stream.read(_TRAILER)
        found, size = (int.from_bytes(part, "little") for part in (trailer[:4], trailer[4:]))
        return RawContent(length, found) if size == length & 0xFFFFFFFF else None


class RawContents:
    """The contents of the raw trade files of one instrument, as they are asked for."""

    def __init__(self, vault: Vault, inst_id: str, generation: int) -> None:
        self._vault, self._inst_id, self._generation = vault, inst_id, generation
        self._file = vault.state(MINUTES, inst_id)
        self._noted = self._read()
        self._changed = False

    def _read(self) -> dict[str, Any]:
        try:
            facts = commit.read_state(self._file, MINUTES, self._inst_id) or {}
        except VaultError as error:  # it saves reading, and nothing else
            _log.info("%s", error)
            return {}
        noted = facts.get("files")
        fits = facts.get("generation") == self._generation and isinstance(noted, dict)
        return dict(noted) if fits and noted is not None else {}

    def holds(self, key: str, path: StrPath, content: RawContent) -> bool:
        """Return True if a file has this content. Raises VaultError."""
        before = stamp(path)
        noted = self._noted.get(key)
        if before is not None and noted is not None and noted[: len(before)] == list(before):
            return RawContent(*noted[len(before) :]) == content
        found = content_of(path)
        self.note(key, path, before, found)
        return found == content

    def note(self, key: str, path: StrPath, before: Stamp | None, content: RawContent) -> None:
        """Note the content of a file that was read; ``before`` is its stamp before that."""
        if before is not None and before == stamp(path):
            self._noted[key] = [*before, *content]
            self._changed = True

    def carry_over(self, key: str, packed: StrPath) -> None:
        """Note a file that was just compressed: it holds the content noted of its plain form.

        Its trailer says so, and its writer has read it back. Raises VaultError.
        """
        noted, before = self._noted.get(key), stamp(packed)
        if noted is None or before is None:
            return
        content = RawContent(*noted[len(before) :])
        if whole_content(packed, content.length, None) == content:
            self.note(key, packed, before, content)

    def read_again(self) -> None:
        """Take in the notes of other programs; those of this run count where both have some."""
        self._noted = {**self._read(), **self._noted}

    def save(self) -> None:
        """Write the notes, for later runs. Raises VaultError if the disk refuses."""
        if not self._changed:
            return
        facts = {"metric": MINUTES, "instId": self._inst_id, "generation": self._generation}
        with if_free(self._vault, MINUTES, self._inst_id) as free:
            if free:
                self.read_again()
                commit.write_state(self._file, {**facts, "files": self._noted})
                self._changed = False
