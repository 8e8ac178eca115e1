"""Columns of records to raw lines, as `records.TradeEncoder` writes them.

Lines of one UTC day are built at once: each piece of text is put at its place in all lines, from
left to right. A piece may be wider than its text, for the next one overwrites the rest.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ravequant import exact, times
from ravequant.contract import Contract
from ravequant.records import DEFAULT_EXCHANGE, Trade, TradeEncoder
from ravequant.swar_digits import Places, U, Words, texts, word
from ravequant.trades.decimal_texts import decimal_texts, eight_digits, whole_texts
from ravequant.trades.joining import SourcedColumns

FEWEST: Final = 32  # records for which columns are worth their setting up
_ID_DIGITS: Final = 8  # that are written as a column; those before must be equal
_LEAST_ID: Final = 10 ** (_ID_DIGITS - 1)
_SPARE: Final = 16  # the widest piece of changing text
_DAY_AT: Final = len("2025-12-")
_SIDE: Final = b'","side":"'
_BUY: Final = b'buy","price":"'
_SELL: Final = b'sell","price":"'
_SIZE: Final = b'","qty_contracts":"'
_WORTH: Final = b'","ctVal":"'
_COUNT: Final = b'","count":"'
_TAIL: Final = b'","source":"0"}\n'
_SIDES: Final = np.array([[word(t[:8]), word(t[8:])] for t in (_BUY, _SELL)], dtype=np.uint64)


class LineWriter:
    """Writes the records of one instrument and contract as canonical lines."""

    def __init__(self, inst_id: str, contract: Contract, exchange: str = DEFAULT_EXCHANGE) -> None:
        self._encoder = TradeEncoder(inst_id, contract, exchange)

    def lines(self, records: SourcedColumns) -> bytes:
        """Return the lines of the records, in their order."""
        at_once = self._at_once(records) if len(records) >= FEWEST else None
        return b"".join(map(self._encoder.line, trades(records))) if at_once is None else at_once

    def _at_once(self, records: SourcedColumns) -> bytes | None:
        """Return the lines, or None if they do not look alike."""
        of = records.columns
        price = decimal_texts(of.price, of.price_decimals)
        size = decimal_texts(of.qty, of.qty_decimals)
        count = whole_texts(of.count)
        if price is None or size is None or count is None or not _alike(records):
            return None
        text = _Text.of(self._encoder.line(next(trades(records.select(slice(0, 1))))))
        sell = (~of.buy).astype(np.int64)
        length = price.length + sell
        length += size.length
        length += count.length
        length += len(text.head) + len(_BUY) + len(_SIZE) + len(text.worth) + len(_TAIL)
        ends = length.cumsum()
        page = _Page(ends - length, int(ends[-1]))
        page.put(text.head, text.time_at)
        page.put(_clock(of.ts, text.day), text.id_at - text.time_at)
        page.put(eight_digits(of.trade_id - _front(of.trade_id)), _ID_DIGITS + len(_SIDE))
        page.put(_SIDES[sell], sell)
        page.step(len(_BUY))
        page.put(price.words, price.length)
        page.put(_SIZE, len(_SIZE))
        page.put(size.words, size.length)
        page.put(text.worth, len(text.worth))
        page.put(count.words, count.length)
        page.put(_tails(records.source) if records.source.any() else _TAIL, 0)
        return page.bytes()


def _alike(records: SourcedColumns) -> bool:
    """Return True if all records are of one day, with ids of equal beginning and short sources."""
    of = records.columns
    day, front = int(of.ts[0]) // times.DAY_MS * times.DAY_MS, _front(of.trade_id)
    return (
        int(of.trade_id[0]) >= _LEAST_ID
        and int(records.source.max()) <= 9
        and day <= int(of.ts.min())
        and int(of.ts.max()) < day + times.DAY_MS
        and front <= int(of.trade_id.min())
        and int(of.trade_id.max()) < front + 10**_ID_DIGITS
    )


def _front(ids: NDArray[np.int64]) -> int:
    """Return the first id without its last digits."""
    return int(ids[0]) // 10**_ID_DIGITS * 10**_ID_DIGITS


class _Text(NamedTuple):
    """The text that the lines have in common, out of one of them."""

    head: bytes  # up to the side; time and id in it are of that line
    worth: bytes  # from the size to the count
    day: bytes  # of the month, two digits
    time_at: int  # where the day of the month stands
    id_at: int  # where the last eight digits of the id stand

    @classmethod
    def of(cls, line: bytes) -> "_Text":
        """Return the text of a line."""
        head = line[: line.index(_SIDE) + len(_SIDE)]
        begin = line.index(_WORTH)
        worth = line[begin : line.index(_COUNT) + len(_COUNT)]
        at = line.index(b":") + 2 + _DAY_AT
        return cls(head, worth, line[at : at + 2], at, len(head) - len(_SIDE) - _ID_DIGITS)


class _Page:
    """The bytes of all lines, and the place in each line where the next text goes."""

    def __init__(self, starts: Places, size: int) -> None:
        self._at, self._size = starts, size
        self._data = np.empty(size + _SPARE, dtype=np.uint8)

    def put(self, piece: bytes | Words, step: int | Places) -> None:
        """Put a text, or the row of words of each line, into each line; then go on by ``step``."""
        if isinstance(piece, bytes):
            texts(self._data, len(piece))[self._at] = np.frombuffer(piece, f"V{len(piece)}")
        else:
            width = piece.nbytes // len(self._at)
            texts(self._data, width)[self._at] = piece.view(f"V{width}").ravel()
        self.step(step)

    def step(self, step: int | Places) -> None:
        """Go on by so many bytes."""
        self._at += step

    def bytes(self) -> bytes:
        """Return the lines."""
        return self._data[: self._size].tobytes()


def _tails(source: NDArray[np.int64]) -> Words:
    """Return the text behind the count: two words a line."""
    found = np.empty((len(source), 2), dtype=np.uint64)
    found[:] = word(_TAIL[:8]), word(_TAIL[8:])
    found[:, 1] += source.astype(np.uint64) << U[8 * (_TAIL.index(b"0") - 8)]
    return found


def _clock(ts: NDArray[np.int64], day: bytes) -> Words:
    """Return ``14T21:34:56.123Z`` of each time: two words a line."""
    minutes, seconds = _clock_tables(day)
    of_day = ts - int(ts[0]) // times.DAY_MS * times.DAY_MS
    minute = of_day // times.MINUTE_MS
    found = np.empty((len(ts), 2), dtype=np.uint64)
    found[:, 0] = minutes[minute]
    found[:, 1] = seconds[of_day - minute * times.MINUTE_MS]
    return found


@lru_cache(maxsize=4)
def _clock_tables(day: bytes) -> tuple[Words, Words]:
    """Return ``14T21:34`` by the minute of the day, ``:56.123Z`` by the millisecond of it."""
    clock = b"".join(b"%sT%02d:%02d" % (day, *divmod(n, 60)) for n in range(times.DAY_MINUTES))
    rest = b"".join(b":%02d.%03dZ" % divmod(n, 1_000) for n in range(times.MINUTE_MS))
    return np.frombuffer(clock, "<u8"), np.frombuffer(rest, "<u8")


def trades(records: SourcedColumns) -> Iterator[Trade]:
    """Yield the records one by one; prices and sizes in canonical text."""
    of = records.columns
    columns = (of.ts, of.trade_id, of.buy, of.price, of.qty, of.count, records.source)
    for ts, trade_id, buy, price, qty, count, source in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        yield Trade(
            ts,
            trade_id,
            "buy" if buy else "sell",
            exact.text(price, of.price_decimals),
            exact.text(qty, of.qty_decimals),
            count,
            str(source),
        )
