"""The only member of a downloaded ``.zip`` or ``.tar.gz``, read as a stream; nothing is unpacked.

A file of an archive holds one regular file of its own name. Anything else is refused by name, and
so is a stream that is too long, grows too much, or fails its checksum. The checksum stands at the
end: bytes are good only once ``read`` has returned ``b""``, so write them under a name that does
not count until then.
"""

import errno
import hashlib
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

from ravequant.errors import FeedError, shown
from ravequant.vault.atomic import disk_error
from ravequant.vault.paths import StrPath

LONGEST_LINE: Final = 1 << 20
MOST_UNPACKED: Final = 8 << 30
MOST_RATIO: Final = 200  # of unpacked to packed bytes
FETCH_AGAIN: Final = "fetch the file again, or move it away"

_AT_ONCE: Final = 1 << 20  # the most that is read from the disk for one answer
_CHUNK: Final = 1 << 16
_HEADERS: Final = 1 << 16  # bytes in front of a tar's member
_TAR_BLOCK: Final = tarfile.BLOCKSIZE
_BEFORE_MEMBER: Final = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME)
_GZIP: Final = zlib.MAX_WBITS + 16  # with header and trailer
_STRONG_OR_PATCHED: Final = 0x1 | 0x20 | 0x40  # flags of a zip's member: encrypted, or a patch
_UNIX: Final = 3
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGED: Final = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, struct.error,
    ArithmeticError, EOFError, LookupError, RuntimeError, ValueError,
)  # fmt: skip


class ArchiveError(FeedError):
    """A file of an archive is damaged, or holds something else than its name says."""


def refusal(path: StrPath, found: str, expected: str, remedy: str = FETCH_AGAIN) -> ArchiveError:
    """Return the error for a file: the value found, the value expected, the remedy."""
    return ArchiveError(f"{path}: {found}; expected {expected}; {remedy}")


class Member(Protocol):
    """The open member of an archive."""

    path: Path  # of the archive

    def read(self, size: int) -> bytes:
        """Return up to ``size`` of the next bytes; ``b""`` at the end, once all is checked.

        Raises ArchiveError, and VaultError if the disk fails.
        """


def sha256_of(path: StrPath) -> str:
    """Return the SHA-256 of a file as text. Raises VaultError if it cannot be read."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise disk_error(path, "read", error) from error


@contextmanager
def open_member(path: StrPath, suffix: str) -> Iterator[Member]:
    """Open the member ``{the archive's name without its ending}{suffix}`` of an archive.

    Raises ArchiveError for a file of another form, and VaultError if the disk fails.
    """
    path = Path(path)
    kind = next((ending for ending in _OPENERS if path.name.endswith(ending)), None)
    if kind is None:
        raise refusal(path, "no archive by its name", " or ".join(_OPENERS), "give another file")
    try:
        file = path.open("rb")
    except OSError as error:
        raise disk_error(path, "read", error) from error
    with file, _OPENERS[kind](path, file, path.name.removesuffix(kind) + suffix) as member:
        yield member


def blocks(member: Member, size: int = LONGEST_LINE) -> Iterator[bytes]:
    """Yield the lines of a member in whole lines, about ``size`` bytes at a time (at most 1 MiB).

    A last line without its newline gets one. Raises ArchiveError for a line of more than 1 MiB.
    """
    rest, at = b"", 0
    while chunk := member.read(min(size, LONGEST_LINE)):
        first, end = chunk.find(b"\n") + 1, chunk.rfind(b"\n") + 1
        if len(rest) + (first or len(chunk)) > LONGEST_LINE:
            raise refusal(
                member.path, f"the line at byte {at} is longer than 1 MiB", "lines of text"
            )
        if end:
            yield b"".join((rest, memoryview(chunk)[:end]))
            at += len(rest) + end
            rest = chunk[end:]
        else:
            rest += chunk
    if rest:
        yield rest + b"\n"


def drain(member: Member) -> None:
    """Read a member to its end, so that all of it is checked. Raises as ``read`` does."""
    while member.read(LONGEST_LINE):
        pass


# -- zip


class _Bounded:
    """A file read in small parts only, even if its directory asks for more at once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > _AT_ONCE:
            raise zipfile.BadZipFile(f"its directory asks for {size} bytes at once")
        found = self._file.read(size if size >= 0 else _AT_ONCE + 1)
        if len(found) > _AT_ONCE:
            raise zipfile.BadZipFile("it has no end")
        return found


class _ZipMember:
    """The member of a zip."""

    def __init__(self, path: StrPath, stream: zipfile.ZipExtFile, size: int) -> None:
        self.path = Path(path)
        self._stream, self._left = stream, size

    def read(self, size: int) -> bytes:
        with _reading(self.path):
            found = self._stream.read(size)
        self._left -= len(found)
        if not found and self._left:
            raise _damaged(self.path, f"its member ends {self._left} bytes too early")
        return found


@contextmanager
def _open_zip(path: Path, file: BinaryIO, wanted: str) -> Iterator[Member]:
    with _reading(path):
        directory = zipfile.ZipFile(cast("BinaryIO", _Bounded(file)))
    with directory:
        info = _only_member(path, directory.infolist(), wanted)
        with _reading(path):
            stream = cast("zipfile.ZipExtFile", directory.open(info))
        with stream:
            yield _ZipMember(path, stream, info.file_size)


def _only_member(path: Path, members: list[zipfile.ZipInfo], wanted: str) -> zipfile.ZipInfo:
    """Return the only member if it is a regular file named ``wanted``, and may be read."""
    if len(members) != 1:
        raise refusal(path, f"it has {len(members)} members", f"{wanted} alone")
    info = members[0]
    _check_name(path, info.orig_filename, wanted)
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    if info.is_dir() or stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise refusal(path, f"{wanted} is a folder, a link or a device", "a regular file")
    if info.flag_bits & _STRONG_OR_PATCHED:
        raise refusal(path, f"{wanted} is encrypted or a patch", "a file that anyone can read")
    if info.compress_type not in _METHODS:
        raise refusal(path, f"{wanted} is packed by method {info.compress_type}", "deflate")
    check_growth(path, min(info.compress_size, path.stat().st_size), info.file_size)
    return info


# -- tar.gz


class _TarMember:
    """The member of a ``.tar.gz``; behind it the rest is read, up to the checksum at its end."""

    def __init__(self, path: StrPath, stream: "_Gunzip", size: int) -> None:
        self.path = Path(path)
        self._stream, self._left = stream, size

    def read(self, size: int) -> bytes:
        with _reading(self.path):
            found = self._stream.read(min(size, self._left))
            self._left -= len(found)
            if not found and self._left:
                raise EOFError(f"its member ends {self._left} bytes too early")
            if not found:
                self._drain()
        return found

    def _drain(self) -> None:
        while rest := self._stream.read(_CHUNK):
            if rest.strip(b"\0"):
                raise refusal(self.path, "something follows its member", "one member alone")


class _Gunzip:
    """The unpacked bytes of a gzip file of one or more gzip members."""

    def __init__(self, path: StrPath, file: BinaryIO) -> None:
        self._path, self._file = path, file
        self._packed = self._unpacked = 0
        self._inflate = zlib.decompressobj(_GZIP)

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, ``b""`` at the end if ``size`` is not 0."""
        while size:
            if self._inflate.eof:
                packed = self._inflate.unused_data or self._more()
                if not packed:
                    break
                self._inflate = zlib.decompressobj(_GZIP)
            else:
                packed = self._inflate.unconsumed_tail or self._more()
            found = self._inflate.decompress(packed, size)
            self._unpacked += len(found)
            check_growth(self._path, self._packed, self._unpacked)
            if found:
                return found
            if not packed and not self._inflate.eof:
                raise EOFError("it ends before its end mark")
        return b""

    def exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            if not (more := self.read(size - len(found))):
                raise EOFError("it ends within a header")
            found += more
        return found

    def _more(self) -> bytes:
        found = self._file.read(_CHUNK)
        self._packed += len(found)
        return found


@contextmanager
def _open_tar(path: Path, file: BinaryIO, wanted: str) -> Iterator[Member]:
    stream = _Gunzip(path, file)
    with _reading(path):
        info = _tar_header(stream)
    if info is None:
        raise refusal(path, "it has no member", f"{wanted} alone")
    _check_name(path, info.name, wanted)
    if not info.isreg() or info.issparse():
        raise refusal(path, f"{wanted} is a folder, a link or a device", "a regular file")
    if info.size > MOST_UNPACKED:
        check_growth(path, info.size, info.size)
    yield _TarMember(path, stream, info.size)


def _tar_header(stream: _Gunzip) -> tarfile.TarInfo | None:
    """Return the header of the first member, with those before it that add to it."""
    headers = b""
    while True:
        block = stream.exactly(_TAR_BLOCK)
        if not headers and not block.strip(b"\0"):
            return None
        headers += block
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if info.type not in _BEFORE_MEMBER:
            return tarfile.open(fileobj=io.BytesIO(headers)).next()
        size = -(-info.size // _TAR_BLOCK) * _TAR_BLOCK
        if not 0 <= size <= _HEADERS - len(headers):
            raise tarfile.HeaderError(f"a header of {info.size} bytes")
        headers += stream.exactly(size)


_OPENERS: Final[dict[str, Callable[[Path, BinaryIO, str], AbstractContextManager[Member]]]] = {
    ".zip": _open_zip,
    ".tar.gz": _open_tar,
}


# -- both


def check_growth(path: StrPath, packed: int, unpacked: int) -> None:
    """Raise ArchiveError if so many unpacked bytes are too many, or too many for ``packed``."""
    if unpacked > MOST_UNPACKED:
        raise refusal(path, f"it unpacks to {unpacked} bytes or more", f"{MOST_UNPACKED} at most")
    if unpacked > MOST_RATIO * packed + LONGEST_LINE:
        raise refusal(
            path, f"{packed} bytes unpack to {unpacked} or more", f"{MOST_RATIO} times at most"
        )


def _check_name(path: Path, name: str, wanted: str) -> None:
    if name != wanted:
        raise refusal(path, f"its member is named {shown(name)}", wanted)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn an error of reading into an ArchiveError, or a VaultError if the disk failed."""
    try:
        yield
    except _DAMAGED as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # a place before the beginning of the file
            raise _damaged(path, "its directory points out of it") from error
        raise disk_error(path, "read", error) from error


def _damaged(path: Path, reason: str) -> ArchiveError:
    return refusal(path, f"it is damaged: {reason}", "a whole file")
