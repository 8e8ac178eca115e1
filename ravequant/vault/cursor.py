"""A cursor: where a calculator stands in the raw log, and how it knows the place again."""

import zlib
from dataclasses import dataclass
from typing import Any, Final

HEAD_BYTES: Final = 4096
BEFORE_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place after a newline in one raw file, counted in bytes of the uncompressed stream."""

    file: str  # key of the file in its folder, without suffix: 2025-12-14, or 2025-12-14/15
    offset: int
    head_crc32: int  # of the first 4 KiB, or of all bytes before the offset if fewer
    before_crc32: int  # of the 256 bytes before the offset, or of all if fewer
    generation: int  # repair generation of the instrument when the reading began

    def state(self) -> dict[str, Any]:
        """Return the cursor as JSON-able facts."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def restore(cls, state: Any) -> "Cursor":
        """Return the cursor of ``state``; TypeError or ValueError if it is none."""
        cursor = cls(**state)
        numbers = (cursor.offset, cursor.head_crc32, cursor.before_crc32, cursor.generation)
        if not isinstance(cursor.file, str) or not all(type(number) is int for number in numbers):
            raise TypeError("cursor: a field has the wrong type")
        if min(numbers) < 0:
            raise ValueError("cursor: a number is below zero")
        return cursor


class Trail:
    """What a cursor remembers of the bytes passed so far in one file."""

    __slots__ = ("_before", "_head", "offset")

    def __init__(self) -> None:
        self.offset = 0
        self._head = b""
        self._before = b""

    @property
    def head(self) -> bytes:
        """The first bytes of the file, as far as they were passed, 4 KiB at most."""
        return self._head

    def jump(self, head: bytes, before: bytes, offset: int) -> None:
        """Stand at ``offset``, whose file begins with ``head`` and has ``before`` before it."""
        self.offset, self._head, self._before = offset, head, before

    def pass_over(self, data: bytes) -> None:
        """Move past ``data``, the bytes that follow."""
        self.offset += len(data)
        if len(self._head) < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - len(self._head)]
        self._before = (self._before + data[-BEFORE_BYTES:])[-BEFORE_BYTES:]

    def cursor(self, file: str, generation: int) -> Cursor:
        """Return the cursor of this place."""
        return Cursor(
            file, self.offset, zlib.crc32(self._head), zlib.crc32(self._before), generation
        )
