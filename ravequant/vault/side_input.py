"""A side input: a second, slower stream of a calculator, read line by line with its own cursor.

The cursor stands before the line in use, so a restart reads that line again, and its content (5000
levels a side) need not be part of the state.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ravequant.vault import tail
from ravequant.vault.cursor import Cursor

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_BYTES: Final = 1 << 19  # that are read at once: some lines of 5000 levels a side
LOGGED: Final = 20  # bad lines that a run names; all are counted
_log = logging.getLogger(__name__)


class SideInput:
    """The lines of a folder of raw files, oldest first."""

    def __init__(self, files: tail.Listing) -> None:
        self.files = files
        self.unsynced = set[Path]()  # plain files read since they were last fsynced
        self.bytes_read = 0
        self._skipped = 0
        self.start(None, 0)

    def start(self, cursor: Cursor | None, generation: int) -> None:
        """Continue at ``cursor`` (None: with the oldest file)."""
        self._generation = generation
        self._tail = self._tail_from(cursor)
        self._blocks: Iterator[tail.Block] = iter(())
        self._reading = False
        self._next: tail.Block | None = None
        self._before_next: Cursor | None = cursor
        self._before_used: Cursor | None = None
        self._used = False

    def _tail_from(self, cursor: Cursor | None) -> tail.Tail:
        return tail.Tail(self.files, cursor, self._generation, BLOCK_BYTES, single_lines=True)

    def cursor(self) -> Cursor | None:
        """Return the place before the line in use, or before the next one if none is."""
        return self._before_used if self._used else self._before_next

    def peek(self) -> bytes | None:
        """Return the next whole line without passing it; None while there is none."""
        if self._next is None:
            if not self._reading:
                self._blocks, self._reading = self._tail.blocks(), True
            self._before_next = self._tail.cursor()
            self._next = next(self._blocks, None)
            self.unsynced |= self._tail.unsynced
            if self._next is None:  # the end for now; later lines are found from here
                self.bytes_read += self._tail.bytes_read
                self._tail, self._reading = self._tail_from(self._before_next), False
        return self._next.data if self._next else None

    def take(self) -> None:
        """Pass the line peeked at, and use it from now on."""
        self._before_used, self._used = self._before_next, True
        self._pass()

    def skip(self, reason: str | None) -> None:
        """Pass the line peeked at without using it; a ``reason`` is logged."""
        if reason is not None and self._next is not None:
            self._skipped += 1
            if self._skipped <= LOGGED:
                place = self._next.path, self._next.offset
                _log.warning("%s: line at byte %d skipped: %s", *place, reason)
        self._pass()

    def _pass(self) -> None:
        self._next = None
        self._before_next = self._tail.cursor()
