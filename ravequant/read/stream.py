"""A data set of one instrument, read in the order of its log, as tables of a span."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ravequant.catalog import DataSet
from ravequant.read.columns import Column, empty
from ravequant.read.log import LogSpan, TimeOf
from ravequant.read.table import NAMED, Counts, Table
from ravequant.vault.fields import Field
from ravequant.vault.line_file import lines_backward, record_time
from ravequant.vault.paths import Vault
from ravequant.vault.tail import Block


class Stream(ABC):
    """One data set of one instrument, read in the order of its log, as tables of a span.

    ``since`` and ``until`` are Unix ms, None where the span is open; ``until`` is not part of it.
    """

    unpack_before = False  # the line before the span decides on a record of the span
    cut_by_crash = False  # a crash may take the newest lines, and a restart write them again

    def __init__(
        self, name: str, data: DataSet, vault: Vault, inst_id: str, fields: Sequence[Field]
    ) -> None:
        self.name, self.data, self.vault, self.inst_id = name, data, vault, inst_id
        self.fields = fields
        self.since: int | None = None
        self.until: int | None = None
        self.complete = False  # the log goes past the end of the span
        self._counts = Counts()
        self._rejected: list[str] = []
        self._block: Block | None = None

    def open(self, since: int | None, until: int | None) -> None:
        """Find the part of the log in which the records of the span stand."""
        self.since, self.until = since, until
        begin = self.first_needed(since)
        self._log = LogSpan(
            self.files,
            self.time_of,
            begin,
            cut_by_crash=self.cut_by_crash,
            unpack_before=self.unpack_before,
        )

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield the files of the log that are there now, oldest first."""
        return self.data.files(self.vault, self.inst_id)

    def folder(self, inst_id: str) -> Path:
        """Return the folder of an instrument's files."""
        place = self.data.place(self.vault, inst_id)
        return place if self.data.dated else place.parent

    @property
    def time_of(self) -> TimeOf:
        """The function that gives the time of a line, if that is to be believed."""
        return record_time

    def newest(self) -> int | None:
        """Return the time of the newest line; None if none has one to believe."""
        for key, path in reversed(list(self.files())):
            moments = (self.time_of(line, key) for line in lines_backward(path))
            found = next((moment for moment in moments if moment is not None), None)
            if found is not None:
                return found
        return None

    def first_needed(self, since: int | None) -> int | None:
        """Return the time from which lines are needed."""
        return since

    def tables(self, *, let_go: bool = False) -> Iterator[Table]:
        """Yield the records that are there now, block by block, as far as the span goes.

        With ``let_go`` no plain file stays open while a table is in use.
        """
        if self.complete:
            return
        for found in self._found(let_go=let_go):
            yield self._table(found)
            if self.complete:
                return

    def _found(self, *, let_go: bool) -> Iterator[Mapping[str, Column]]:
        """Yield the columns of the records of the span, block by block."""
        for block in self._log.blocks(let_go=let_go):
            self._block = block
            yield self.read(block)

    @abstractmethod
    def read(self, block: Block) -> Mapping[str, Column]:
        """Return the columns of the records of a block that belong to the span; {} if none do."""

    def _table(self, found: Mapping[str, Column]) -> Table:
        counts, rejected = self.counted(), tuple(self._rejected)
        self._rejected = []
        whole = found or {field.name: empty(field) for field in self.fields}
        return Table(self.name, self.inst_id, whole, counts, rejected, self.complete)

    def none(self) -> Table:
        """Return a table without records."""
        return self._table({})

    def counted(self) -> Counts:
        """Return the counts since the last call."""
        counts, self._counts = self._counts, Counts()
        return counts

    def _count(self, **numbers: int) -> None:
        self._counts += Counts(**numbers)

    def _reject(self, offset: int, reason: str) -> None:
        if self._block is not None and len(self._rejected) < NAMED:
            place = f"{self._block.path}: line at byte {self._block.offset + offset}"
            self._rejected.append(f"{place}: {reason}")

    def _in_span(self, moments: NDArray[np.int64]) -> NDArray[np.bool_]:
        inside = np.ones(len(moments), dtype=np.bool_)
        if self.since is not None:
            inside &= moments >= self.since
        if self.until is not None:
            inside &= moments < self.until
        return inside
