"""Compresses line files in place: at any time the plain file or a verified ``.gz`` is there.

The ``.gz`` is written next to the file, synced, read back and compared (bytes, lines, SHA-256),
renamed, and only then is the plain file deleted. A kill leaves a temporary file, which ``clear``
removes, or both forms, of which readers take the plain one.
"""

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from ravequant.errors import VaultError
from ravequant.vault.atomic import BINARY, disk_error, fsync_folder, move_over, write_all
from ravequant.vault.line_file import open_lines, reading
from ravequant.vault.paths import StrPath

LEVEL: Final = 6  # 9 saves another fifth, for six times the time
_BLOCK: Final = 1 << 20
_GZIP: Final = 31  # zlib's window bits for a gzip file without name and time: equal bytes again
_DAMAGED: Final = (EOFError, gzip.BadGzipFile, zlib.error)


class HeldOpenError(VaultError):
    """Another program has the file open (Windows), or the file may not be changed."""


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a line file, uncompressed."""

    length: int  # bytes
    lines: int
    sha256: str


def packed_form(plain: StrPath) -> Path:
    """Return the path of the compressed form."""
    plain = Path(plain)
    return plain.with_name(f"{plain.name}.gz")


def pack(plain: StrPath) -> int:
    """Replace ``plain`` by its compressed form; return the length of that.

    No program may append to it any more. Raises HeldOpenError if a reader has it open (nothing is
    lost, the next run tries again), VaultError if the disk refuses.
    """
    plain = Path(plain)
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


def delete(path: StrPath) -> None:
    """Delete a line file, and its day folder if that is then empty.

    Raises as ``pack`` does; a file that is gone already is no error.
    """
    path = Path(path)
    try:
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name.removesuffix('.gz')}.torn").unlink(missing_ok=True)
    except PermissionError as error:
        raise _held(path) from error
    except OSError as error:
        raise disk_error(path, "deleted", error) from error
    with suppress(OSError):  # not empty
        path.parent.rmdir()


def restore(packed: StrPath) -> None:
    """Replace a ``.gz`` by its plain form, durably; the ``.gz`` goes last.

    Raises VaultError if it is damaged or the disk refuses, and then leaves it as it is.
    """
    packed = Path(packed)
    plain = packed.with_suffix("")
    temporary = plain.with_name(f".{plain.name}.tmp")
    try:
        write_copy(_unpacked(packed), temporary)
        move_over(temporary, plain)
        with suppress(PermissionError):  # Windows: a reader has it open; the plain file counts
            packed.unlink()
    except OSError as error:
        raise disk_error(packed, "restored", error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_copy(content: Iterable[bytes], target: StrPath, *, packed: bool = False) -> Content:
    """Write blocks to a new file, compressed if ``packed``, and sync it; return its content.

    Equal content gives equal bytes. Raises OSError.
    """
    target = Path(target)
    measure, squeeze = _Measure(), zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | BINARY, 0o666)
    try:
        for block in content:
            measure.add(block)
            write_all(handle, squeeze.compress(block) if packed else block)
        if packed:
            write_all(handle, squeeze.flush())
        os.fsync(handle)
    finally:
        os.close(handle)
    return measure.content()


def content_of(path: StrPath, *, packed: bool) -> Content | None:
    """Read a copy back and return its content; None if it is a damaged ``.gz``."""
    path = Path(path)
    measure = _Measure()
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as stream:
            for block in blocks(cast("BinaryIO", stream)):
                measure.add(block)
    except _DAMAGED:
        return None
    return measure.content()


def _unpacked(packed: Path) -> Iterator[bytes]:
    with reading(packed), open_lines(packed) as stream:
        yield from blocks(stream)


def blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the rest of a stream in blocks of at most 1 MiB."""
    while block := stream.read(_BLOCK):
        yield block


class _Measure:
    """Counts and hashes the blocks of a file."""

    def __init__(self) -> None:
        from hashlib import sha256  # noqa: PLC0415 - loads OpenSSL, and few programs compress

        self._length = self._lines = 0
        self._hash = sha256()

    def add(self, block: bytes) -> None:
        self._length += len(block)
        self._lines += block.count(b"\n")
        self._hash.update(block)

    def content(self) -> Content:
        return Content(self._length, self._lines, self._hash.hexdigest())


def clear(folder: StrPath) -> None:
    """Remove the temporary files of killed ``pack`` calls in ``folder`` and below."""
    folder = Path(folder)
    for path in folder.rglob(".*.jsonl.gz.tmp"):
        with suppress(OSError):  # it only takes space; the next run tries again
            path.unlink()


def _adds_to(plain: Path, packed: Path) -> bool:
    """Compare both forms: return True if the plain one holds more, False if both hold the same.

    A damaged ``.gz`` counts as empty. Raises VaultError if it holds bytes that the plain one lacks.
    """
    try:
        with plain.open("rb") as whole, gzip.open(packed, "rb") as part:
            for block in blocks(cast("BinaryIO", part)):
                if whole.read(len(block)) != block:
                    raise VaultError(
                        f"{packed} holds lines that {plain.name} beside it does not; keep the "
                        "better one and move the other away"
                    )
            return bool(whole.read(1))
    except _DAMAGED:
        return True


def _write_packed(plain: Path, packed: Path) -> None:
    with put_in_place(packed) as temporary:
        with plain.open("rb") as source:
            written = write_copy(blocks(source), temporary, packed=True)
        _verify(plain, temporary, written)


@contextmanager
def put_in_place(target: StrPath) -> Iterator[Path]:
    """Yield the path of a temporary file; move that over ``target`` at the end.

    An OSError or a VaultError removes it, and leaves the target as it is.
    """
    target = Path(target)
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        yield temporary
        move_over(temporary, target)
    except (OSError, VaultError):
        with suppress(OSError):
            temporary.unlink()
        raise


def _verify(plain: Path, copy: Path, wanted: Content) -> None:
    if content_of(copy, packed=True) != wanted or plain.stat().st_size != wanted.length:
        raise VaultError(
            f"{plain}: its compressed copy does not read back as {wanted.lines} lines of "
            f"{wanted.length} bytes in all; the plain file stays; check the disk"
        )


def _held(path: Path) -> HeldOpenError:
    return HeldOpenError(
        f"{path}: another program has it open, or it may not be changed; left as it is, the next "
        "run tries again"
    )
