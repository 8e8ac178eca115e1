"""Many trade lines at once: lines of one layout from bytes to columns, without a loop over lines.

The trick: what stands before the id, and after the count, is equally long in all lines of a layout.
From there price and size are found each where the text before it ends, and must end where the text
before the count begins. Every byte of the text between is compared, every digit is checked, and
whatever is not exactly so is handed back to be read alone. How many numbers are read at once
stands in ``digits``.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ravequant import digits, exact, times
from ravequant.digits import HIGH, OVER_NINE, TOP, ZEROS, Ints, Places, U, Words, word
from ravequant.layout import COMPARED, COUNT_DIGITS, Layout, Stretch

_E8: Final = np.uint64(10**8)
_FIRST: Final = np.zeros(1, dtype=np.int64)
_LETTERS: Final = np.uint64(0x11)  # what "b" and "s" differ in

# HH:MM and SS.mmm: the text XORed with these leaves digits; adding the limits sets the high bit of
# every byte above what its place allows (9, 5 for tens of minutes and seconds, 2 for tens of hours,
# 0 for what is no digit)
_CLOCK, _CLOCK_LIMIT = word(b"\0\0T00:00"), word(b"\0\0\x7f\x7d\x76\x7f\x7a\x76")
_CLOCK_BYTES: Final = ~np.uint64(0xFFFF)
_LAST_MINUTE: Final = np.uint64(times.DAY_MINUTES - 1)
_SECOND, _SECOND_LIMIT = word(b":00.000Z"), word(b"\x7f\x7a\x76\x7f\x76\x76\x76\x7f")


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Consecutive records, in file order.

    ``ts`` (Unix ms), ``trade_id`` and ``count`` are int64, ``buy`` is bool (the taker's side);
    ``price`` and ``qty`` (contracts) are integers scaled by ``10**price_decimals`` and
    ``10**qty_decimals``: int64, or Python ints in an object column where a value does not fit.
    """

    ts: NDArray[np.int64]
    trade_id: NDArray[np.int64]
    count: NDArray[np.int64]
    buy: NDArray[np.bool_]
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
            price=self.price[rows],
            qty=self.qty[rows],
        )


def read(
    layout: Layout, data: NDArray[np.uint8], starts: Places, ends: Places
) -> tuple[NDArray[np.bool_], Columns]:
    """Read lines (``ends``: after the newline) that may have the layout.

    Returns which of them have it, and the columns of those, in order. Every line must be between
    ``layout.shortest`` and ``layout.longest`` bytes long.
    """
    errors = np.zeros(len(starts), dtype=np.uint64)
    _differs(errors, data, starts, layout.head)
    _differs(errors, data, starts + (layout.id_at - len(layout.middle)), layout.middle)
    ts = _read_times(_gather(data, starts + len(layout.head), 3), errors)
    at = starts + (layout.id_at + layout.id_digits)
    trade_id, buy = _read_id_and_side(layout, data, at, errors)
    at += layout.sell_length
    at -= buy.view(np.int64)
    price = _read_price(layout, data, at, buy, errors)
    at += price.length
    size = _read_size(layout, data, at, errors)
    at += layout.size_length
    at += size.length
    count, size_end = _read_count(layout, data, ends, errors)
    _differs(errors, data, size_end, layout.worth)
    at ^= size_end
    errors |= at.view(np.uint64)
    errors |= (trade_id + U[1] - count) & TOP
    columns = Columns(
        ts,
        trade_id.view(np.int64),
        count.view(np.int64),
        buy.astype(np.bool_),
        price.value,
        size.value,
        price.places,
        size.places,
    )
    good = errors == 0
    return good, columns if good.all() else columns.select(good)


def _differs(errors: Words, data: NDArray[np.uint8], at: Places, expected: Stretch) -> None:
    """Set bits of ``errors`` where the text at an offset is not the expected one."""
    width = len(expected)
    view: NDArray[Any] = np.ndarray((len(data) - width + 1,), f"V{width}", data, strides=(1,))
    for first in range(0, len(at), COMPARED):
        found = view[at[first : first + COMPARED]]
        if len(found) < COMPARED:
            same = expected.copies[: found.nbytes] == found
        else:
            same = expected.copies == found
        if not same:
            texts = found.view(f"S{width}")
            errors[first : first + COMPARED] |= texts != expected.text


def _gather(data: NDArray[np.uint8], at: Places, words: int) -> Words:
    """Return the ``8 x words`` bytes from each offset, one row a line."""
    view: NDArray[Any] = np.ndarray(
        (max(len(data) - 8 * words + 1, 0),), f"V{8 * words}", data, strides=(1,)
    )
    rows: Words = view[at].view("<u8").reshape(-1, words)
    return rows


def _read_times(rows: Words, errors: Words) -> Places:
    """Read the times; what stands before their seconds once for all neighbours with the same."""
    differs = rows[1:, 1] != rows[:-1, 1]
    differs |= rows[1:, 0] != rows[:-1, 0]
    firsts = np.concatenate((_FIRST, np.flatnonzero(differs) + 1))
    lengths = np.diff(firsts, append=len(rows))
    minutes, wrong = _read_minutes(rows[firsts])
    if wrong.any():
        errors |= np.repeat(wrong, lengths)
    second = rows[:, 2] ^ _SECOND
    digits.refuse(second | (second + _SECOND_LIMIT), errors)
    pairs = second * U[10]  # SS in byte 1, hundredths in byte 4
    pairs += second >> U[8]
    pairs &= np.uint64(0x000000FF0000FF00)
    second &= np.uint64(0x00FF000000000000)  # thousandths in byte 6
    pairs |= second
    pairs *= np.uint64(1000 << 40 | 10 << 16 | 1)
    pairs >>= U[48]
    milliseconds: Places = pairs.view(np.int64)
    milliseconds += np.repeat(minutes, lengths)
    return milliseconds


def _read_minutes(rows: Words) -> tuple[Places, Words]:
    """Return the first millisecond of each row's minute, and what is not 0 for none."""
    texts = rows.view(np.uint8).reshape(len(rows), -1)[:, :10].tobytes()
    days = [_day(texts[at : at + 10]) for at in range(0, len(texts), 10)]
    wrong = np.array([day is None for day in days]).astype(np.uint64)
    clock = rows[:, 1] ^ _CLOCK
    clock &= _CLOCK_BYTES
    digits.refuse(clock | (clock + _CLOCK_LIMIT), wrong)
    pairs = clock * U[10]  # HH in byte 3, MM in byte 6
    clock >>= U[8]
    pairs += clock
    pairs &= np.uint64(0x00FF0000FF000000)
    pairs *= np.uint64(60 << 24 | 1)
    pairs >>= U[48]
    wrong |= (_LAST_MINUTE - pairs) & TOP
    pairs *= np.uint64(times.MINUTE_MS)
    return pairs.view(np.int64) + np.array([day or 0 for day in days], dtype=np.int64), wrong


@lru_cache(maxsize=8)
def _day(text: bytes) -> int | None:
    try:
        return times.parse_iso(f"{text.decode('ascii')}T00:00:00.000Z")
    except ValueError:  # no such date, or bytes that are no text
        return None


def _read_id_and_side(
    layout: Layout, data: NDArray[np.uint8], id_end: Places, errors: Words
) -> tuple[Words, Words]:
    """Return the ids, and 1 for each taker who buys."""
    whole, over = divmod(layout.id_digits, 8)
    before = whole + (over > 0)
    rows = _gather(data, id_end - 8 * before, before + len(layout.side.words))
    layout.side.differs(errors, rows, before)
    trade_id = np.zeros(len(rows), dtype=np.uint64)
    for column in range(before):
        width = over if over and not column else 8
        trade_id *= _E8
        trade_id += _id_part(rows[:, column], width, errors)
    if layout.id_digits > 1:
        errors |= (trade_id - np.uint64(10 ** (layout.id_digits - 1))) & TOP
    letter = rows[:, before + layout.side_at // 8] >> U[layout.side_at % 8 * 8]
    letter &= _LETTERS
    sell = letter & U[1]
    letter ^= sell * _LETTERS  # with the bits that the text leaves free it is one of the two
    errors |= letter
    return trade_id, sell ^ U[1]


def _id_part(text: Words, width: int, errors: Words) -> Words | np.uint64:
    """Return what the last ``width`` of eight characters write; one number if all are the same."""
    cut = U[64 - 8 * width]
    part = text ^ ZEROS
    part >>= cut
    part <<= cut
    same = bool((part == part[0]).all())
    if same:
        part = part[:1]
    wrong = part + OVER_NINE
    wrong |= part
    wrong &= HIGH
    errors |= wrong
    return digits.number(part.copy() if same else part)


def _read_price(
    layout: Layout, data: NDArray[np.uint8], at: Places, buy: Words, errors: Words
) -> digits.Column:
    """Read the prices that begin at ``at``, behind the text that names the side."""
    rows = _gather(data, at - 16, 3)
    for column, (sell_text, buy_text) in enumerate(zip(layout.sell, layout.buy, strict=True)):
        text = rows[:, column] ^ sell_text
        if sell_text != buy_text:
            text ^= buy * (sell_text ^ buy_text)
        errors |= text
    return _number(data, rows[:, 2].copy(), at, exact.PRICE_PLACES, errors)


def _read_size(
    layout: Layout, data: NDArray[np.uint8], price_end: Places, errors: Words
) -> digits.Column:
    """Read the sizes behind the text that follows a price."""
    words = len(layout.size.words)
    at = price_end + layout.size_length
    rows = _gather(data, at - 8 * words, words + 1)
    layout.size.differs(errors, rows, 0)
    return _number(data, rows[:, words].copy(), at, exact.SIZE_PLACES, errors)


def _number(
    data: NDArray[np.uint8], first: Words, at: Places, most_places: int, errors: Words
) -> digits.Column:
    """Read the numbers at ``at``, whose first eight characters are ``first``."""
    pattern = digits.pattern_of([first])
    if int(pattern.max()) < digits.ALL_DIGITS:
        return digits.read([first], pattern, most_places, errors)
    rows = _gather(data, at, 2)
    words = [rows[:, 0].copy(), rows[:, 1].copy()]
    return digits.read(words, digits.pattern_of(words), most_places, errors)


def _read_count(
    layout: Layout, data: NDArray[np.uint8], ends: Places, errors: Words
) -> tuple[Words, Places]:
    """Return the counts and where the sizes end."""
    if layout.tail is None:
        return np.ones(len(ends), dtype=np.uint64), ends - len(layout.worth)
    words = len(layout.tail.words)
    rows = _gather(data, ends - 8 * (words + 1), words + 1)
    layout.tail.differs(errors, rows, 1)
    over = 8 * (8 * words - layout.tail_length)  # bits of the count in the first word of the text
    text = rows[:, 0] >> U[over]
    text |= rows[:, 1] << U[64 - over]
    pattern = digits.pattern_of([text])
    text ^= ZEROS
    text &= digits.by(pattern, _COUNTS.mask)
    digits.refuse(text | (text + OVER_NINE), errors)
    count = digits.number(text)
    errors |= (count - digits.by(pattern, _COUNTS.least)) & TOP
    size_end = ends - (layout.tail_length + len(layout.worth))
    size_end -= digits.by(pattern, _COUNTS.width)
    return count, size_end


class _Counts(NamedTuple):
    """What the end of a word may be where a count ends, by pattern."""

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
