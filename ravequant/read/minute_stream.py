"""Closed minutes of a span, from the raw trades, or from kept minutes that are the same."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np

from ravequant import catalog, exact, settings, times
from ravequant.errors import VaultError
from ravequant.pipeline import trade_source
from ravequant.pipeline.job import Leg
from ravequant.pipeline.kept_minutes import CLOSING_BYTES, KeptMinutes, finished_day
from ravequant.read import columns
from ravequant.read.columns import Column
from ravequant.read.log import MOST_LATE_MS
from ravequant.read.stream import Stream
from ravequant.read.table import Counts
from ravequant.read.trade_stream import largest_id
from ravequant.trades.bar_builder import Closed
from ravequant.trades.bar_reader import BarReader
from ravequant.trades.minute_bar import MinuteBar
from ravequant.vault.cursor import Cursor
from ravequant.vault.fields import FIELDS, Field
from ravequant.vault.gap_ledger import read_generation
from ravequant.vault.paths import Vault
from ravequant.vault.tail import Block

_EARLIER_MINUTES: Final = 2  # that are read so that the first minute of the span is whole
MINUTE_FIELDS: Final = (
    *(field for field in FIELDS["bars"] if field.name not in {"instId", "gap"}),
    Field("price_notional", "amount", "sum of price x notional"),
    Field("price_base", "amount", "sum of price x base"),
    Field("gap", "flag"),
)


class MinuteStream(Stream):
    """Closed minutes of raw trades; a minute belongs to the span that holds its start."""

    unpack_before = True  # a gap before the first trade marks its minute

    def __init__(self, vault: Vault, inst_id: str) -> None:
        super().__init__("minutes", catalog.TRADES, vault, inst_id, MINUTE_FIELDS)
        chosen = settings.load()
        made = trade_source.decoder(vault, inst_id, chosen)(self._reject)
        assert isinstance(made, BarReader)  # noqa: S101 - trades have no other decoder
        self._reader, self._whale_notional = made, chosen.bars.whale_notional
        self._seen: dict[str, int] = {}
        self._kept: KeptMinutes | None = None
        self._begun = False  # kept minutes were looked for at the beginning of the span
        self._to_close: int | None = None  # 23:59 of the day before, until a line closes it

    def first_needed(self, since: int | None) -> int | None:
        """Return a time so early that all that is open at ``since`` began after it."""
        return None if since is None else since - _EARLIER_MINUTES * times.MINUTE_MS

    def open(self, since: int | None, until: int | None) -> None:
        """Find the part of the log in which the records of the span stand."""
        super().open(since, until)
        with suppress(VaultError):  # a damaged number of repairs: no kept minutes are believed
            generation = read_generation(self.vault.generation(self.inst_id))
            self._kept = KeptMinutes(
                self.vault, self.inst_id, self._whale_notional, self.files, generation
            )

    def _found(self, *, let_go: bool) -> Iterator[Mapping[str, Column]]:
        """Yield the minutes of the span, those of a kept day or of a block at once."""
        if not self._begun:
            self._begun = True
            yield from self._kept_days(self._first_leg())
        for block in self._log.blocks(let_go=let_go):
            self._look_before()
            bars, length = self._read_to_close(block)
            if length:
                yield self._inside(bars)  # before the reader goes on
            leg = self._known(block.path.name, block.offset + length) if length else None
            if leg is not None:
                yield from self._kept_days(leg)
            elif length < len(block.data):
                self._block = Block(block.path, block.offset + length, block.data[length:])
                yield self._inside(self._closed_by(self._block))

    def _first_leg(self) -> Leg[Closed] | None:
        """Return the kept minutes of the day in which reading begins; None if it must be read."""
        begin = self.first_needed(self.since)
        earliest = -1 if begin is None else begin - MOST_LATE_MS
        keys = [key for key, _ in self.files() if times.day_start_ms(key) <= earliest]
        if self._kept is None:
            return None
        if not keys:
            return self._kept.known(self._reader, None)
        return self._kept.joined(self._reader, keys[-1], earliest)

    def _known(self, file: str, offset: int) -> Leg[Closed] | None:
        """Return the kept minutes of the day whose lines begin there; None if it must be read."""
        if self._kept is None or self._to_close is not None:
            return None
        return self._kept.known(self._reader, Cursor(file[:10], offset, 0, 0, 0))

    def _kept_days(self, leg: Leg[Closed] | None) -> Iterator[Mapping[str, Column]]:
        """Yield the minutes of a kept day, and of those that follow it; the log goes on there."""
        while leg is not None and leg.batch is not None and self._kept is not None:
            cursor = leg.tail.cursor()
            if cursor is not None:
                self._log.go_on(cursor)
            for line in leg.rejected:
                self._block = Block(line.path, line.offset, b"")
                self._reject(0, line.reason)
            yield self._inside(self._passed(leg.batch))
            leg = self._kept.known(self._reader, cursor)

    def _read_to_close(self, block: Block) -> tuple[list[MinuteBar], int]:
        """Read single lines, up to that which closes the day before a block's.

        There kept minutes begin. Return the minutes that they close, and their length; nothing
        is read if no minutes of the block's day can be kept.
        """
        if block.offset == 0:
            self._to_close = self._last_minute_before(block.path.name[:10])
        bars: list[MinuteBar] = []
        length, self._reader.single_lines = 0, True
        while self._to_close is not None and length < len(block.data):
            end = block.data.index(b"\n", length) + 1
            self._block = Block(block.path, block.offset + length, block.data[length:end])
            bars += self._closed_by(self._block)
            length = end
            if self._reader.builder.through >= self._to_close:
                self._to_close = None
            elif block.offset + length >= CLOSING_BYTES:
                break
        self._reader.single_lines = False
        return bars, length

    def _last_minute_before(self, key: str) -> int | None:
        """Return 23:59 of the file before that of a finished day with kept minutes."""
        if self._kept is None or not self._kept.has(key):
            return None
        earlier = max((day for day, _ in self.files() if day < key), default=None)
        day = finished_day(self.files, earlier) if earlier is not None else None
        return day.last_minute if day is not None and day.next_key == key else None

    def _look_before(self) -> None:
        """Go on from the newest line before the part of the log that is read, if there is one."""
        builder = self._reader.builder
        if builder.last_id is None and self._log.before_ms is not None:
            found = largest_id(self._log.before, self.inst_id, self.vault.exchange)
            builder.last_id, builder.watermark = found, self._log.before_ms

    def read(self, block: Block) -> Mapping[str, Column]:
        """Return the minutes of the span that a block closes."""
        self._look_before()
        return self._inside(self._closed_by(block))

    def _closed_by(self, block: Block) -> list[MinuteBar]:
        return self._passed(self._reader.read(block.data, block.path.name))

    def _passed(self, closed: Closed) -> list[MinuteBar]:
        """Return the bars of minutes that were closed."""
        return closed.bars

    @property
    def through(self) -> int:
        """The newest closed minute (Unix minutes), -1 if none is."""
        return self._reader.builder.through

    def _inside(self, closed: Sequence[MinuteBar]) -> Mapping[str, Column]:
        """Return those of the newest closed minutes that belong to the span."""
        bars = self._in_span_of(closed)
        return _minute_columns(bars) if bars else {}

    def _in_span_of(self, closed: Sequence[MinuteBar]) -> list[MinuteBar]:
        """Return the bars that belong to the span."""
        if self.until is not None:
            last = -(-self.until // times.MINUTE_MS) - 1
            self.complete = self._reader.builder.through >= last
        starts = np.array([bar.minute for bar in closed], dtype=np.int64) * times.MINUTE_MS
        inside = self._in_span(starts).tolist()
        return [bar for bar, within in zip(closed, inside, strict=True) if within]

    def counted(self) -> Counts:
        """Return the counts since the last call."""
        counts, before = self._reader.counts(), self._seen
        self._seen = counts
        new = {name: number - before.get(name, 0) for name, number in counts.items()}
        return Counts(
            new["lines"],
            new["rejected"],
            new["duplicates"],
            new["late_trades"],
            new["ahead"],
            new["holes"],
        )


_BAR_PLACES: Final = {
    **dict.fromkeys(("open", "high", "low", "close"), exact.PRICE_PLACES),
    **dict.fromkeys(("base", "buy_base", "sell_base"), exact.BASE_PLACES),
    "price_notional": exact.PRICE_PLACES + exact.NOTIONAL_PLACES,
    "price_base": exact.PRICE_PLACES + exact.BASE_PLACES,
}


def _minute_columns(bars: Sequence[MinuteBar]) -> dict[str, Column]:
    by_name = dict(zip(MinuteBar._fields, zip(*bars, strict=True), strict=True))
    found = {}
    for field in MINUTE_FIELDS:
        if field.kind == "time":
            minutes = np.array(by_name["minute"], dtype=np.int64) * times.MINUTE_MS
            found[field.name] = Column(field, minutes.view("datetime64[ms]"))
        elif field.kind in {"count", "flag"}:
            kind: Any = np.int64 if field.kind == "count" else np.bool_
            found[field.name] = Column(field, np.array(by_name[field.name], dtype=kind))
        else:
            places = _BAR_PLACES.get(field.name, exact.NOTIONAL_PLACES)
            found[field.name] = columns.decimals(field, by_name[field.name], places)
    return found
