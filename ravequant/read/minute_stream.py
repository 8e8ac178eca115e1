"""Closed minutes of a span, from the raw trades."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from ravequant import catalog, exact, settings, times
from ravequant.pipeline import trade_source
from ravequant.read import columns
from ravequant.read.columns import Column
from ravequant.read.stream import Stream
from ravequant.read.table import Counts
from ravequant.read.trade_stream import largest_id
from ravequant.trades.bar_reader import BarReader
from ravequant.trades.minute_bar import MinuteBar
from ravequant.vault.fields import FIELDS, Field
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
        made = trade_source.decoder(vault, inst_id, settings.load())(self._reject)
        assert isinstance(made, BarReader)  # noqa: S101 - trades have no other decoder
        self._reader = made
        self._seen: dict[str, int] = {}

    def first_needed(self, since: int | None) -> int | None:
        """Return a time so early that all that is open at ``since`` began after it."""
        return None if since is None else since - _EARLIER_MINUTES * times.MINUTE_MS

    def read(self, block: Block) -> Mapping[str, Column]:
        """Return the minutes of the span that a block closes."""
        builder = self._reader.builder
        if builder.last_id is None and self._log.before_ms is not None:
            found = largest_id(self._log.before, self.inst_id, self.vault.exchange)
            builder.last_id, builder.watermark = found, self._log.before_ms
        closed = self._reader.read(block.data, block.path.name)
        if self.until is not None:
            last = -(-self.until // times.MINUTE_MS) - 1
            self.complete = builder.through >= last
        starts = np.array([bar.minute for bar in closed.bars], dtype=np.int64) * times.MINUTE_MS
        inside = self._in_span(starts).tolist()
        bars = [bar for bar, within in zip(closed.bars, inside, strict=True) if within]
        return _minute_columns(bars) if bars else {}

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
