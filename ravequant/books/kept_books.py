"""Blocks of books read lately, for a second reader of the same: it compares the bytes, no more.

Most of the work on a book is to read its levels. Calculators that go over the same books in turns
share it: the first reads a block, the second finds the books of it here.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

BLOCK_BYTES: Final = 3 << 18  # lines that are read together, and are still in the cache then
DEEP_LINES: Final = 24  # as many as come with these


@dataclass(slots=True)
class ReadBlock:
    """The content of a block, for a reader that stands at the same time before it."""

    data: bytes
    after_ts: int  # of the newest snapshot before it, ms; -1: there is none
    last_ts: int = -1  # and after it
    books: list[Any] = field(default_factory=list)  # heads and levels of those read together
    rejected: list[tuple[int, str]] = field(default_factory=list)  # offset and reason
    lines: int = 0
    duplicates: int = 0
    malformed: int = 0


class KeptBooks:
    """The newest block of snapshots, and the newest deep snapshots by their lines."""

    def __init__(self) -> None:
        self.newest: ReadBlock | None = None
        self._deep_lines: deque[tuple[bytes, Any]] = deque(maxlen=DEEP_LINES)

    def find(self, data: bytes, after_ts: int) -> ReadBlock | None:
        """Return the content of a block; None if it was not read lately, or from another time."""
        found = self.newest
        same = found is not None and found.after_ts == after_ts and found.data == data
        return found if same else None

    def find_deep(self, line: bytes) -> Any:
        """Return the deep snapshot of a line; None if it was not read lately."""
        return next((deep for kept, deep in self._deep_lines if kept == line), None)

    def keep_deep(self, line: bytes, deep: Any) -> None:
        """Keep a deep snapshot, and forget the oldest if there are too many."""
        self._deep_lines.append((line, deep))
