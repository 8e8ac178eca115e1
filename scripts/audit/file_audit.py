"""Reads one line file from end to end: the length and the hash of its whole lines."""

import hashlib
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ravequant.errors import VaultError
from ravequant.vault.compress import packed_form
from ravequant.vault.line_file import open_lines, reading

BLOCK_BYTES: Final = 1 << 20
_ID: Final = re.compile(rb'"trade_id":"([0-9]{1,20})"')


@dataclass(slots=True)
class FileAudit:
    """The state of a file after ``blocks`` has gone through it; lengths are of unpacked bytes."""

    key: str
    path: Path
    length: int = 0  # of the whole lines; while a block is out, of those before it
    sha256: str = ""  # of the whole lines
    noted_sha256: str = ""  # of the first bytes, as many as were noted earlier
    torn_bytes: int = 0  # behind the last newline
    damaged: str = ""  # why it could not be read to its end

    def blocks(self, noted_length: int = 0) -> Iterator[bytes]:
        """Yield the whole lines in blocks; a file that cannot be read on ends there, damaged."""
        whole = hashlib.sha256()
        parts: list[bytes] = []
        try:
            with reading(self.path), open_lines(standing_form(self.path)) as stream:
                while chunk := stream.read(BLOCK_BYTES):
                    end = chunk.rfind(b"\n") + 1
                    if not end:
                        parts.append(chunk)
                        continue
                    block = b"".join((*parts, chunk[:end]))
                    parts = [chunk[end:]]
                    cut = noted_length - self.length
                    if 0 <= cut < len(block):
                        whole.update(block[:cut])
                        self.noted_sha256 = whole.hexdigest()
                        whole.update(block[cut:])
                    else:
                        whole.update(block)
                    yield block
                    self.length += len(block)
            self.torn_bytes = sum(map(len, parts))
        except VaultError as error:
            self.damaged = str(error)
        self.sha256 = whole.hexdigest()
        if self.length == noted_length:
            self.noted_sha256 = self.sha256


def sha256_without(path: Path, ranges: Sequence[tuple[int, int]], length: int) -> str:
    """Return the SHA-256 of the first ``length`` bytes that a file has without some trades.

    ``ranges`` are the first and last ids of those, ascending.
    """
    found = hashlib.sha256()
    for lines in _lines_by(path, ranges, within=False):
        kept = lines[:length]
        found.update(kept)
        length -= len(kept)
        if not length:
            break
    return found.hexdigest()


def sha256_of_trades(path: Path, ranges: Sequence[tuple[int, int]]) -> str:
    """Return the SHA-256 of the lines of some trades; ``ranges`` as above."""
    found = hashlib.sha256()
    for lines in _lines_by(path, ranges, within=True):
        found.update(lines)
    return found.hexdigest()


def _lines_by(path: Path, ranges: Sequence[tuple[int, int]], *, within: bool) -> Iterator[bytes]:
    """Yield the lines of a file whose ids lie in one of the ranges, or in none; block by block."""
    lasts = [last for _, last in ranges]

    def inside(line: bytes) -> bool:
        match = _ID.search(line)
        number = int(match[1]) if match else -1
        at = bisect_left(lasts, number)
        return at < len(ranges) and number >= ranges[at][0]

    for block in FileAudit("", path).blocks():
        lines = (line + b"\n" for line in block.split(b"\n")[:-1])
        yield b"".join(line for line in lines if inside(line) is within)


def standing_form(path: Path) -> Path:
    """Return the packed form of a file that has been packed since it was listed."""
    packed = packed_form(path)
    return packed if packed.exists() and not path.exists() else path
