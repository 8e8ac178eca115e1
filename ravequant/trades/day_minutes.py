"""The minutes of a finished day in one file: their origin, and their amounts as columns.

The file is a JSON object, compressed. A column holds whole numbers that count units of
``10**-places``, so any reader of JSON gets exact amounts; numbers of more than 63 bits are text.
"""

import math
import zlib
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson

from ravequant import exact, times
from ravequant.records import Rejected
from ravequant.trades.bar_builder import Closed, IdGapAnswer
from ravequant.trades.minute_bar import MinuteBar
from ravequant.vault.raw_content import RawContent

# Raised whenever the same raw lines give other minutes, or the file another form: then no file of
# an earlier program is believed.
VERSION: Final = 1
LEVEL: Final = 6
_GZIP: Final = 31  # zlib's window bits for a gzip file without name and time: equal bytes again
_WIDEST: Final = 1 << 63
_OUT_OF_ORDER: Final = ("rejected", "duplicates", "late_trades", "ahead")

# each column, and the places of the units that its field of MinuteBar counts
_PLACES: Final = {
    "minute": 0,
    "open": exact.PRICE_PLACES,
    "high": exact.PRICE_PLACES,
    "low": exact.PRICE_PLACES,
    "close": exact.PRICE_PLACES,
    "trade_count": 0,
    "base": exact.BASE_PLACES,
    "buy_base": exact.BASE_PLACES,
    "notional": exact.NOTIONAL_PLACES,
    "buy_notional": exact.NOTIONAL_PLACES,
    "price_notional": exact.PRICE_PLACES + exact.NOTIONAL_PLACES,
    "price_base": exact.PRICE_PLACES + exact.BASE_PLACES,
    "square_notional": 2 * exact.PRICE_PLACES + exact.NOTIONAL_PLACES,
    "whale_count": 0,
    "whale_buy_notional": exact.NOTIONAL_PLACES,
    "whale_sell_notional": exact.NOTIONAL_PLACES,
    "first_id": 0,
    "last_id": 0,
}


class DamagedMinutesError(ValueError):
    """The bytes are no file of minutes of this version."""


class RejectedLine(NamedTuple):
    """A line that is no trade: the day of its file, its offset there, and the reason."""

    file: str
    offset: int
    reason: str


@dataclass(slots=True)
class Heard:
    """The ledger's answers, and the bad lines of the blocks read since it was emptied."""

    answers: list[IdGapAnswer] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)  # offsets count from their block's start


@dataclass(frozen=True, slots=True)
class MinutesKey:
    """All that the minutes of a day depend on, but the content of the lines between."""

    exchange: str
    inst_id: str
    day: str
    whale_notional: int  # units of exact.NOTIONAL_PLACES
    offset: int  # in the day's file, where the lines begin
    reader: dict[str, Any]  # the state of the reader there: largest time, last id, open minutes


@dataclass(frozen=True, slots=True)
class DayMinutes:
    """The minutes that the lines of a finished day close, to the line that closes its 23:59.

    That line stands in the file of a later day, ``next_file``, and ends at ``next_content.length``.
    """

    key: MinutesKey
    content: RawContent  # of the whole file of the day
    next_file: str
    next_content: RawContent  # of its first bytes, to the end of the line that closes 23:59
    id_gaps: tuple[IdGapAnswer, ...]
    closed: Closed
    reader: dict[str, Any]  # the state of the reader at the end, with the sums of squares
    counts: dict[str, int]
    rejected: tuple[RejectedLine, ...]

    def is_joined_before(self, moment_ms: int) -> bool:
        """Return True if any reader of lines before ``moment_ms`` has these minutes from then on.

        So it is if every line is a valid trade in the order of ids and minutes, and one later
        than all before the day's beginning was read before ``moment_ms``: then nothing of the
        reader's state at the beginning is in a later minute.
        """
        if any(self.counts.get(name) != 0 for name in _OUT_OF_ORDER):
            return False
        begun = self.key.reader.get("watermark_ms")
        begun = -1 if begun is None else begun
        return any(
            bar.minute * times.MINUTE_MS > begun and (bar.minute + 1) * times.MINUTE_MS <= moment_ms
            for bar in self.closed.bars
        )


def encode(day: DayMinutes) -> bytes:
    """Return the file. Raises ValueError for a bar without a sum of squares, or with odd sums."""
    return _compressed(orjson.dumps({**_facts(day), "minutes": _columns(day.closed.bars)}))


def _compressed(data: bytes) -> bytes:
    squeeze = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
    return squeeze.compress(data) + squeeze.flush()


def _facts(day: DayMinutes) -> dict[str, Any]:
    key = day.key
    return {
        "version": VERSION,
        "exchange": key.exchange,
        "instId": key.inst_id,
        "day": key.day,
        "whale_notional": exact.text(key.whale_notional, exact.NOTIONAL_PLACES),
        "raw": day.content._asdict(),
        "from": {"offset": key.offset, "reader": key.reader},
        "to": {"file": day.next_file, **day.next_content._asdict(), "reader": day.reader},
        "id_gaps": [list(answer) for answer in day.id_gaps],
        "counts": day.counts,
        "rejected": [list(line) for line in day.rejected],
        "through": day.closed.through,
        "gaps": day.closed.gaps,
    }


def _columns(bars: list[MinuteBar]) -> dict[str, Any]:
    for bar in bars:
        if bar.square_notional is None:
            raise ValueError(f"minute {bar.minute} has no sum of squares")
        if (bar.base, bar.notional) != (
            bar.buy_base + bar.sell_base,
            bar.buy_notional + bar.sell_notional,
        ):
            raise ValueError(f"minute {bar.minute}: its amounts are not those of buys and sells")
    columns = {
        name: _column([getattr(bar, name) for bar in bars], places)
        for name, places in _PLACES.items()
    }
    return {**columns, "gap": [bar.gap for bar in bars]}


def _column(values: list[int], places: int) -> dict[str, Any]:
    """Return a column in the coarsest units that hold its values."""
    common = str(math.gcd(*values))
    zeros = min(len(common) - len(common.rstrip("0")), places) if common != "0" else places
    if zeros:
        unit = 10**zeros
        values = [value // unit for value in values]
    wide = max(values, default=0) >= _WIDEST
    return {"places": places - zeros, "values": list(map(str, values)) if wide else values}


def decode(data: bytes) -> DayMinutes:
    """Return the content of a file. Raises DamagedMinutesError."""
    try:
        facts = orjson.loads(_expanded(data))
        version = facts["version"]
        if version != VERSION:
            raise DamagedMinutesError(f"version {version!r}, this program writes {VERSION}")
        return _day(facts)
    except (zlib.error, KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise DamagedMinutesError(str(error)) from None


def _expanded(data: bytes) -> bytes:
    """Return the content of one gzip file, and of nothing behind it."""
    expand = zlib.decompressobj(_GZIP)
    found = expand.decompress(data)
    if not expand.eof or expand.unused_data:
        raise DamagedMinutesError("not one whole gzip file")
    return found


def _day(facts: dict[str, Any]) -> DayMinutes:
    start, end = facts["from"], facts["to"]
    whale = exact.units(facts["whale_notional"], exact.NOTIONAL_PLACES)
    key = MinutesKey(
        facts["exchange"], facts["instId"], facts["day"], whale, start["offset"], start["reader"]
    )
    return DayMinutes(
        key,
        RawContent(**facts["raw"]),
        end["file"],
        RawContent(end["length"], end["crc32"]),
        tuple(IdGapAnswer(*answer) for answer in facts["id_gaps"]),
        Closed(_bars(facts["minutes"]), facts["gaps"], facts["through"]),
        end["reader"],
        facts["counts"],
        tuple(RejectedLine(*line) for line in facts["rejected"]),
    )


def _bars(columns: dict[str, Any]) -> list[MinuteBar]:
    value = {name: _values(columns[name], places) for name, places in _PLACES.items()}
    sell_base, sell_notional = (
        [total - bought for total, bought in zip(value[name], value[f"buy_{name}"], strict=True)]
        for name in ("base", "notional")
    )
    every = {**value, "sell_base": sell_base, "sell_notional": sell_notional, "gap": columns["gap"]}
    every["levels"] = [None] * len(columns["gap"])  # kept minutes have none
    return list(
        map(MinuteBar._make, zip(*(every[name] for name in MinuteBar._fields), strict=True))
    )


def _values(column: dict[str, Any], places: int) -> list[int]:
    written, finer = column["values"], places - column["places"]
    if finer < 0:
        raise DamagedMinutesError(f"{column['places']} places, at most {places} are known")
    factor = 10**finer
    if written and isinstance(written[0], str):
        return [int(value) * factor for value in written]
    return [value * factor for value in written] if factor > 1 else written
