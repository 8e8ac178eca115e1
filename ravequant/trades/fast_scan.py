"""Many trade lines at once: lines of one template from bytes to columns, without a loop over lines.

The text before the id, and that after the count, is equally long in all lines of a template. From
there price and size are found each where the text before it ends, and must end where the text
before the count begins. Every byte of the text between is compared, every digit is checked, and a
line that differs anywhere is handed back to be read alone. ``swar_digits`` reads many numbers at
once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ravequant import exact, swar_digits, times
from ravequant.records import Trade
from ravequant.swar_digits import OVER_NINE, TOP, ZEROS, Ints, Places, U, Words, gather, word
from ravequant.trades.line_template import COMPARED, COUNT_DIGITS, LineTemplate, RepeatedText

_BEHIND_SOURCE: Final = b'"}\n'
_FIRST: Final = np.zeros(1, dtype=np.int64)

# SS.mmm: the text XORed with this leaves digits; adding the limits sets the high bit of every byte
# above the largest digit of its place (9, for tens of seconds 5, for a separator 0)
_SECOND, _SECOND_LIMIT = word(b":00.000Z"), word(b"\x7f\x7a\x76\x7f\x76\x76\x76\x7f")


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Consecutive records, in file order.

    ``ts`` (Unix ms), ``trade_id`` and ``count`` are int64, ``buy`` is bool (the taker's side), and
    so is ``retail`` (source 1: the price may lie outside of the book);
    ``price`` and ``qty`` (contracts) are integers scaled by ``10**price_decimals`` and
    ``10**qty_decimals``: int64, or Python ints in an object column where a value does not fit.
    """

    ts: NDArray[np.int64]
    trade_id: NDArray[np.int64]
    count: NDArray[np.int64]
    buy: NDArray[np.bool_]
    retail: NDArray[np.bool_]
    price: Ints
    qty: Ints
    price_decimals: int
    qty_decimals: int

    def __len__(self) -> int:
        return len(self.ts)

    def select(self, rows: slice | NDArray[Any]) -> Self:
        """The records of a slice, of a mask, or at the given places."""
        return replace(
            self,
            ts=self.ts[rows],
            trade_id=self.trade_id[rows],
            count=self.count[rows],
            buy=self.buy[rows],
            retail=self.retail[rows],
            price=self.price[rows],
            qty=self.qty[rows],
        )


def columns_of(trades: Sequence[Trade]) -> Columns:
    """Return trades (at least one) as columns."""
    price, price_decimals = _scaled([trade.price for trade in trades])
    qty, qty_decimals = _scaled([trade.qty for trade in trades])
    return Columns(
        np.array([trade.ts for trade in trades], dtype=np.int64),
        np.array([trade.trade_id for trade in trades], dtype=np.int64),
        np.array([trade.count for trade in trades], dtype=np.int64),
        np.array([trade.side == "buy" for trade in trades], dtype=np.bool_),
        np.array([trade.source == "1" for trade in trades], dtype=np.bool_),
        price,
        qty,
        price_decimals,
        qty_decimals,
    )


def _scaled(texts: Sequence[str]) -> tuple[Ints, int]:
    """Return decimals as integers at their common places: int64, or Python ints if too large."""
    places = max(map(exact.decimals, texts))
    values = [exact.units(text, places) for text in texts]
    dtype: Any = np.int64 if swar_digits.fits(max(values)) else object
    return np.array(values, dtype=dtype), places


def read(
    template: LineTemplate, data: NDArray[np.uint8], starts: Places, ends: Places
) -> tuple[NDArray[np.bool_], Columns]:
    """Read lines (``ends``: after the newline) that may have the template.

    Returns which of them have it, and the columns of those, in order. Every line must be between
    ``template.shortest`` and ``template.longest`` bytes long.
    """
    errors = np.zeros(len(starts), dtype=np.uint64)
    ts = _read_times(template, data, starts, errors)
    _differs(errors, data[template.middle_at :], starts, template.middle)
    trade_id, sell, first = _read_id_and_side(template, data, starts, errors)
    at = starts + sell.view(np.int64)
    price = numbers_at(first, data[template.price_at :], at, exact.PRICE_PLACES, errors)
    at += price.length
    size = _read_size(template, data, at, errors)
    at += size.length
    count, size_end = _read_count(template, data, ends, errors)
    _differs(errors, data, size_end, template.worth)
    at += template.size_at
    at ^= size_end
    errors |= at.view(np.uint64)
    errors |= (trade_id + U[1] - count) & TOP
    columns = Columns(
        ts,
        trade_id.view(np.int64),
        count.view(np.int64),
        sell == 0,
        _read_retail(template, data, ends),
        price.value,
        size.value,
        price.places,
        size.places,
    )
    good = errors == 0
    return good, columns if good.all() else columns.select(good)


def _differs(errors: Words, data: NDArray[np.uint8], at: Places, expected: RepeatedText) -> None:
    """Set bits of ``errors`` where the text at an offset is not the expected one."""
    width = len(expected)
    view = swar_digits.texts(data, width)
    for first in range(0, len(at), COMPARED):
        found = view[at[first : first + COMPARED]]
        if len(found) < COMPARED:
            same = expected.copies[: found.nbytes] == found
        else:
            same = expected.copies == found
        if not same:
            texts = found.view(f"S{width}")
            errors[first : first + COMPARED] |= texts != expected.text


def _read_times(
    template: LineTemplate, data: NDArray[np.uint8], starts: Places, errors: Words
) -> Places:
    """Return the times (Unix ms); equal minutes of neighbours are parsed once."""
    before = len(template.head.words)
    free = 8 * before - template.head_length
    rows = gather(data, starts - free, before + 3)
    if starts[0] < free:  # nothing stands before the first line
        rows[0] = np.frombuffer(bytes(free) + data[: rows.strides[0] - free].tobytes(), "<u8")
    template.head.differs(errors, rows, 0)
    date, clock, second = (rows[:, column] for column in range(before, before + 3))
    differs = clock[1:] != clock[:-1]
    if (date != date[0]).any():
        differs |= date[1:] != date[:-1]
    runs = np.concatenate((_FIRST, differs.nonzero()[0] + 1, [len(rows)]))
    firsts, lengths = runs[:-1], runs[1:] - runs[:-1]
    minutes = list(map(_minute, date[firsts].tolist(), clock[firsts].tolist()))
    if None in minutes:
        errors |= np.repeat([minute is None for minute in minutes], lengths)
    second = second ^ _SECOND
    swar_digits.refuse(second | (second + _SECOND_LIMIT), errors)
    pairs = second * U[10]  # SS in byte 1, hundredths in byte 4
    pairs += second >> U[8]
    pairs &= np.uint64(0x000000FF0000FF00)
    second &= np.uint64(0x00FF000000000000)  # thousandths in byte 6
    pairs |= second
    pairs *= np.uint64(1000 << 40 | 10 << 16 | 1)
    pairs >>= U[48]
    milliseconds: Places = pairs.view(np.int64)
    milliseconds += np.repeat([minute or 0 for minute in minutes], lengths)
    return milliseconds


@lru_cache(maxsize=64)
def _minute(date: int, clock: int) -> int | None:
    """Return the first millisecond of a minute, whose text is two words; None for no minute."""
    text = (date | clock << 64).to_bytes(16, "little")
    try:
        return times.parse_iso(f"{text.decode('ascii')}:00.000Z")
    except ValueError:  # no such date or time, or bytes that are no text
        return None


def _read_id_and_side(
    template: LineTemplate, data: NDArray[np.uint8], starts: Places, errors: Words
) -> tuple[Words, Words, Words]:
    """Return the ids, 1 for each taker who sells, and the first eight characters of the prices."""
    before, text = -(-template.id_digits // 8), len(template.buy)
    rows = gather(data[template.id_end - 8 * before :], starts, before + text + 1)
    trade_id = swar_digits.whole_numbers(rows[:, :before], template.id_digits, errors)
    sell = rows[:, before + template.side_at // 8] >> U[template.side_at % 8 * 8]
    sell &= U[1]  # the lowest bit of "s"; that of "b" is 0
    shift = sell * U[8]  # the price of a sale begins a byte further
    shift += U[8 * (template.buy_length % 8)]
    back = U[64] - shift
    for column, (sell_text, buy_text) in enumerate(zip(template.sell, template.buy, strict=True)):
        differs = rows[:, before + column] ^ buy_text
        if sell_text != buy_text:
            differs ^= sell * (sell_text ^ buy_text)
        if column == text - 1:
            differs <<= back  # the price follows the text
        errors |= differs
    price = rows[:, -2] >> shift
    price |= rows[:, -1] << back
    return trade_id, sell, price


def _read_size(
    template: LineTemplate, data: NDArray[np.uint8], at: Places, errors: Words
) -> swar_digits.NumberColumn:
    """Read the sizes behind the text that follows a price; ``at`` is as much more as that has."""
    words = len(template.size.words)
    rows = gather(data[template.size_at - 8 * words :], at, words + 1)
    template.size.differs(errors, rows, 0)
    return numbers_at(
        rows[:, words].copy(), data[template.size_at :], at, exact.SIZE_PLACES, errors
    )


def numbers_at(
    first: Words, data: NDArray[np.uint8], at: Places, most_places: int, errors: Words
) -> swar_digits.NumberColumn:
    """Read the numbers at ``at``, whose first eight characters are ``first``."""
    pattern = swar_digits.pattern_of([first])
    if int(pattern.max()) < swar_digits.ALL_DIGITS:
        return swar_digits.read([first], pattern, most_places, errors)
    rows = gather(data, at, 2)
    words = [rows[:, 0].copy(), rows[:, 1].copy()]
    return swar_digits.read(words, swar_digits.pattern_of(words), most_places, errors)


def _read_count(
    template: LineTemplate, data: NDArray[np.uint8], ends: Places, errors: Words
) -> tuple[Words, Places]:
    """Return the counts and where the sizes end."""
    if template.tail is None:
        return np.ones(len(ends), dtype=np.uint64), ends - len(template.worth)
    words = len(template.tail.words)
    rows = gather(data, ends - 8 * (words + 1), words + 1)
    template.tail.differs(errors, rows, 1)
    over = 8 * (8 * words - template.tail_length)  # bits of the count in the first word of the text
    text = rows[:, 0] >> U[over]
    text |= rows[:, 1] << U[64 - over]
    pattern = swar_digits.pattern_of([text])
    text ^= ZEROS
    text &= swar_digits.by(pattern, _COUNTS.mask)
    swar_digits.refuse(text | (text + OVER_NINE), errors)
    count = swar_digits.number(text)
    errors |= (count - swar_digits.by(pattern, _COUNTS.least)) & TOP
    size_end = ends - (template.tail_length + len(template.worth))
    size_end -= swar_digits.by(pattern, _COUNTS.width)
    return count, size_end


def _read_retail(
    template: LineTemplate, data: NDArray[np.uint8], ends: Places
) -> NDArray[np.bool_]:
    """Return True for each source 1; the text around it, and that it is 0 or 1, was compared."""
    if template.tail is None:
        return np.zeros(len(ends), dtype=np.bool_)
    retail: NDArray[np.bool_] = data[ends - len(_BEHIND_SOURCE) - 1] == ord("1")
    return retail


class _Counts(NamedTuple):
    """The count at the end of a word, by the word's pattern."""

    width: Places  # 0: no count
    mask: Words
    least: Words


def _counts() -> _Counts:
    at_end = [next(n for n in range(9) if n == 8 or not p >> 7 - n & 1) for p in range(256)]
    width = [n if n <= COUNT_DIGITS else 0 for n in at_end]
    return _Counts(
        np.array(width, dtype=np.int64),
        np.array([(1 << 64) - (1 << 64 - 8 * n) for n in width], dtype=np.uint64),
        np.array([10 ** max(n - 1, 0) for n in width], dtype=np.uint64),
    )


_COUNTS: Final = _counts()
