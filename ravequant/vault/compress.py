"""Line files compressed in place: at every instant the plain one or a verified ``.gz`` is there.

The ``.gz`` is written beside the file, synced, read back and compared (bytes, lines, SHA-256),
renamed, and only then is the plain file deleted. What a kill leaves is found by the next run: a
temporary, which ``clear`` removes, or both forms, of which readers take the plain one.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from ravequant.errors import VaultError
from ravequant.vault.atomic import BINARY, disk_error, fsync_folder, move_over, write_all

LEVEL: Final = 6  # 9 saves another fifth, for six times the time
_BLOCK: Final = 1 << 20
_GZIP: Final = 31  # zlib's window bits for a gzip file without name and time: equal bytes again
_DAMAGED: Final = (EOFError, gzip.BadGzipFile, zlib.error)


class HeldOpenError(VaultError):
    """Another program has the file open (Windows), or it may not be changed."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a line file holds."""

    length: int  # bytes, uncompressed
    lines: int
    sha256: str


class _Meter:
    """Takes in blocks, gives their content."""

    def __init__(self) -> None:
        self._length = self._lines = 0
        self._hash = hashlib.sha256()

    def take(self, block: bytes) -> None:
        self._length += len(block)
        self._lines += block.count(b"\n")
        self._hash.update(block)

    def content(self) -> Content:
        return Content(self._length, self._lines, self._hash.hexdigest())


def packed_form(plain: Path) -> Path:
    """Return the name of the compressed form."""
    return plain.with_name(f"{plain.name}.gz")


def pack(plain: Path) -> int:
    """Replace ``plain`` by its compressed form; return the length of that.

    The caller sees to it that nobody appends any more. Raises HeldOpenError where a reader has it
    open (nothing is lost, the next run tries again), VaultError for what the disk refuses.
    """
    packed = packed_form(plain)
    try:
        if not packed.exists() or _adds_to(plain, packed):
            _write_packed(plain, packed)
        length = packed.stat().st_size
        plain.unlink()
        fsync_folder(plain.parent)
    except PermissionError as error:
        raise _held(plain) from error
    except OSError as error:
        raise disk_error(plain, "compressed", error) from error
    return length


def delete(path: Path) -> None:
    """Delete a line file, and its day folder if that was the last one in it.

    Raises as ``pack``; a file that is gone already is no error.
    """
    try:
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name.removesuffix('.gz')}.torn").unlink(missing_ok=True)
    except PermissionError as error:
        raise _held(path) from error
    except OSError as error:
        raise disk_error(path, "deleted", error) from error
    with suppress(OSError):  # not empty
        path.parent.rmdir()


def clear(folder: Path) -> None:
    """Remove what a killed ``pack`` left in ``folder`` and below."""
    for path in folder.rglob(".*.jsonl.gz.tmp"):
        with suppress(OSError):  # it only takes room; the next run tries again
            path.unlink()


def _adds_to(plain: Path, packed: Path) -> bool:
    """Compare both forms: True if the plain one says more, False if both say the same.

    A damaged ``.gz`` says nothing. VaultError if it holds what the plain one does not.
    """
    try:
        with plain.open("rb") as whole, gzip.open(packed, "rb") as part:
            for block in _blocks(part):
                if whole.read(len(block)) != block:
                    raise VaultError(
                        f"{packed} holds lines that {plain.name} beside it does not; keep the "
                        "better one and move the other away"
                    )
            return bool(whole.read(1))
    except _DAMAGED:
        return True


def _write_packed(plain: Path, packed: Path) -> None:
    temporary = packed.with_name(f".{packed.name}.tmp")
    try:
        _verify(plain, temporary, _compress(plain, temporary))
        move_over(temporary, packed)
    except (OSError, VaultError):
        with suppress(OSError):
            temporary.unlink()
        raise


def _compress(plain: Path, target: Path) -> Content:
    meter, squeeze = _Meter(), zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | BINARY, 0o666)
    try:
        with plain.open("rb") as source:
            for block in _blocks(source):
                meter.take(block)
                write_all(handle, squeeze.compress(block))
        write_all(handle, squeeze.flush())
        os.fsync(handle)
    finally:
        os.close(handle)
    return meter.content()


def _verify(plain: Path, copy: Path, wanted: Content) -> None:
    if _content(copy) != wanted or plain.stat().st_size != wanted.length:
        raise VaultError(
            f"{plain}: its compressed copy does not read back as {wanted.lines} lines of "
            f"{wanted.length} bytes in all; the plain file stays; check the disk"
        )


def _content(packed: Path) -> Content | None:
    meter = _Meter()
    try:
        with gzip.open(packed, "rb") as stream:
            for block in _blocks(stream):
                meter.take(block)
    except _DAMAGED:
        return None
    return meter.content()


def _blocks(stream: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    while block := stream.read(_BLOCK):
        yield block


def _held(path: Path) -> HeldOpenError:
    return HeldOpenError(
        f"{path}: another program has it open, or it may not be changed; left as it is, the next "
        "run tries again"
    )
