"""A cursor: a place in the raw log, and how a calculator finds it again."""

import zlib
from dataclasses import dataclass
from typing import Any, Final

HEAD_BYTES: Final = 4096
BEFORE_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place after a newline in a raw file, counted in bytes of the uncompressed stream."""

    file: str  # key of the file in its folder, without suffix: 2025-12-14, or 2025-12-14/15
    offset: int
    head_crc32: int  # of the first 4 KiB, or of all bytes before the offset if fewer
    before_crc32: int  # of the 256 bytes before the offset, or of all if fewer
    generation: int  # repair generation of the instrument when the run began to read

    def state(self) -> dict[str, Any]:
        """Return the cursor as a JSON-able dict."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def restore(cls, state: Any) -> "Cursor":
        """Return the cursor of a ``state``. Raises TypeError or ValueError for anything else."""
        cursor = cls(**state)
        numbers = (cursor.offset, cursor.head_crc32, cursor.before_crc32, cursor.generation)
        if not isinstance(cursor.file, str) or not all(type(number) is int for number in numbers):
            raise TypeError("cursor: a field has the wrong type")
        if min(numbers) < 0:
            raise ValueError("cursor: a number is below zero")
        return cursor


class Trail:
    """The bytes passed so far in a file, as far as a cursor needs them."""

    __slots__ = ("_before", "_head", "offset")

    def __init__(self) -> None:
        self.offset = 0
        self._head = b""
        self._before = b""

    @property
    def head(self) -> bytes:
        """The first bytes of the file that were passed, at most 4 KiB."""
        return self._head

    def jump(self, head: bytes, before: bytes, offset: int) -> None:
        """Move to ``offset``; ``head`` begins the file, ``before`` ends at the offset."""
        self.offset, self._head, self._before = offset, head, before

    def pass_over(self, data: bytes) -> None:
        """Move past the next bytes of the file."""
        self.offset += len(data)
        if len(self._head) < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - len(self._head)]
        self._before = (self._before + data[-BEFORE_BYTES:])[-BEFORE_BYTES:]

    def cursor(self, file: str, generation: int) -> Cursor:
        """Return the cursor of this place."""
        return Cursor(
            file, self.offset, zlib.crc32(self._head), zlib.crc32(self._before), generation
        )
