"""Records of a span that a calculator or the query has written."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from ravequant import catalog, times
from ravequant.catalog import DataSet
from ravequant.errors import VaultError
from ravequant.read.columns import Column
from ravequant.read.json_columns import column_of
from ravequant.read.log import TimeOf
from ravequant.read.stream import Stream
from ravequant.vault.fields import FIELDS, Field
from ravequant.vault.line_file import time_of_key
from ravequant.vault.paths import Vault
from ravequant.vault.tail import Block


class RecordStream(Stream):
    """Records that a calculator or the query has written."""

    cut_by_crash = True

    def __init__(self, data: DataSet, vault: Vault, inst_id: str) -> None:
        fixed = {"instId", "exchange", "market"}  # the same in every row: the table's own
        fields = [field for field in FIELDS[data.name] if field.name not in fixed]
        super().__init__(data.name, data, vault, inst_id, fields)

    @property
    def time_of(self) -> TimeOf:
        """The function that gives the time of a line."""
        of_line = time_of_key(self.data.key)
        return lambda line, _: of_line(line)

    def read(self, block: Block) -> Mapping[str, Column]:
        """Return the records of a block that belong to the span; VaultError if it is damaged."""
        rows, moments, offset = list[dict[str, Any]](), list[int](), block.offset
        lines = block.data.split(b"\n")[:-1]
        self._count(lines=len(lines))
        for line in lines:
            try:
                row = orjson.loads(line)
                moment = times.parse_iso(row[self.data.key])
            except (ValueError, KeyError, TypeError) as error:
                raise self._damaged(block, offset, error) from None
            self.complete = self.until is not None and moment >= self.until
            if self.complete:
                break
            if self.since is None or moment >= self.since:
                rows.append(row)
                moments.append(moment)
            offset += len(line) + 1
        if not rows:
            return {}
        try:
            return {field.name: self._column(field, rows, moments) for field in self.fields}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(block, block.offset, error) from None

    def _column(
        self, field: Field, rows: Sequence[dict[str, Any]], moments: Sequence[int]
    ) -> Column:
        if field.name == self.data.key:
            return Column(field, np.array(moments, dtype=np.int64).view("datetime64[ms]"))
        name = field.name
        try:
            values = [row[name] for row in rows]
        except KeyError:  # records from before there was such a field
            values = [row.get(name) for row in rows]
        return column_of(field, values)

    def _damaged(self, block: Block, offset: int, error: Exception) -> VaultError:
        remedy = f"its maker computes it anew: {self.data.made_by} --rebuild"
        if self.data is catalog.SIGNALS:  # no program computes them anew
            remedy = "put a good copy in its place, or take that line out"
        return VaultError(
            f"{block.path}: at or after byte {offset} stands no record of {self.name}: {error}; "
            f"{remedy}"
        )
