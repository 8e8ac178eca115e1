"""Many trade lines at once: lines of one layout from bytes to columns, without a loop over lines.

The fields are found by their distance from both ends of a line; every byte of the text between is
compared, every digit is checked, and whatever is not exactly so is handed back to be read alone.

Eight characters are read as one little-endian word: the first character is the lowest byte.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ravequant import exact, times
from ravequant.layout import (
    COMPARED,
    COUNT_DIGITS,
    NUMBER_CHARACTERS,
    Layout,
    Stretch,
    Words,
    word,
)

Ints = NDArray[Any]  # int64, or object: Python ints where a value does not fit

_INT64_MAX: Final = 2**63 - 1


def _each(byte: int) -> np.uint64:
    return np.uint64(byte * 0x0101010101010101)


_U: Final = [np.uint64(n) for n in range(65)]
_ZEROS, _DOTS, _HIGH, _OVER_NINE = _each(0x30), _each(0x10), _each(0x80), _each(0x76)
_QUOTE, _POINT, _ZERO = ord('"'), ord("."), ord("0")
_DOT: Final = np.uint64(0x1E)  # "." ^ "0"
_BYTE: Final = np.uint64(0xFF)
_LAST_DOT: Final = np.uint64(1 << 56)
_E4, _E8 = np.uint64(10**4), np.uint64(10**8)
_POWERS: Final = np.array([10**n for n in range(19)], dtype=np.int64)
_LEAST: Final = np.array([0, 1, 10, 100, 1000], dtype=np.uint64)  # number of so many digits

# HH:MM and SS.mmm: the text XORed with these leaves digits; adding the limits sets the high bit of
# every byte above what its place allows (9, 5 for tens of minutes and seconds, 2 for tens of hours,
# 0 for what is no digit)
_CLOCK, _CLOCK_LIMIT = word(b"\0\0T00:00"), word(b"\0\0\x7f\x7d\x76\x7f\x7a\x76")
_CLOCK_BYTES: Final = ~np.uint64(0xFFFF)
_SECOND, _SECOND_LIMIT = word(b":00.000Z"), word(b"\x7f\x7a\x76\x7f\x76\x76\x76\x7f")


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Records as columns; ``price`` and ``qty`` are scaled by ``10**decimals``."""

    ts: NDArray[np.int64]
    trade_id: NDArray[np.int64]
    count: NDArray[np.int64]
    buy: NDArray[np.bool_]
    price: Ints
    qty: Ints
    price_decimals: int
    qty_decimals: int


def fits(largest: int) -> bool:
    """Say whether an int64 holds ``largest`` and its negative."""
    return largest <= _INT64_MAX


def scale_up(values: Ints, decimals: int) -> Ints:
    """Return ``values x 10**decimals``: int64 where the largest fits, else Python ints."""
    if not decimals or not len(values):
        return values
    factor = 10**decimals
    if values.dtype != object and fits(int(values.max()) * factor):
        scaled: Ints = values * np.int64(factor)
        return scaled
    grown: Ints = values.astype(object) * factor
    return grown


def read(
    layout: Layout, data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], Columns]:
    """Read lines (``ends``: after the newline) that may have the layout.

    Returns which of them have it, and the columns of those, in order. Every line must be between
    ``layout.shortest`` and ``layout.longest`` bytes long, with ``layout.reads_beyond`` bytes of
    anything behind the last one.
    """
    errors = np.zeros(len(starts), dtype=np.uint64)
    _differs(errors, data, starts, layout.head)
    _differs(errors, data, starts + (layout.id_at - len(layout.middle)), layout.middle)
    ts = _read_times(_gather(data, starts + len(layout.head), 3), errors)
    id_end = starts + (layout.id_at + layout.id_digits)
    trade_id, buy = _read_id_and_side(layout, data, id_end, errors)
    count, size_end = _read_count(layout, data, ends, errors)
    errors |= count > trade_id + _U[1]
    _differs(errors, data, size_end, layout.worth)
    price_at = id_end + layout.sell_length - buy
    rows = _gather(data, price_at - 16, 4)
    bought = buy.astype(np.uint64)
    for column, (sell_text, buy_text) in enumerate(zip(layout.sell, layout.buy, strict=True)):
        text = rows[:, column] ^ sell_text
        errors |= text ^ bought * (sell_text ^ buy_text) if sell_text != buy_text else text
    _refuse_leading_zero(rows, 16, errors)
    price_width = _width(rows, 2)
    price_end = price_at + price_width.view(np.int64)
    size_width = size_end - price_end - layout.size_length
    errors |= (size_width < 1) | (size_width > NUMBER_CHARACTERS)
    rows = _gather(data, price_end - 16, 2 + len(layout.size.words))
    layout.size.differs(errors, rows, 2)
    _refuse_leading_zero(rows, 16 + layout.size_length, errors)
    values, places = _numbers(
        (rows, _gather(data, size_end - 16, 2)), (price_width, size_width.view(np.uint64)), errors
    )
    errors |= places[1] > exact.SIZE_PLACES
    good = errors == 0
    if not good.all():
        ts, trade_id, count, buy = ts[good], trade_id[good], count[good], buy[good]
        values, places = values[:, good], places[:, good]
    prices, price_decimals = _align(values[0], places[0])
    sizes, qty_decimals = _align(values[1], places[1])
    ids, counts = trade_id.view(np.int64), count.view(np.int64)
    return good, Columns(ts, ids, counts, buy, prices, sizes, price_decimals, qty_decimals)


def _differs(
    errors: Words, data: NDArray[np.uint8], at: NDArray[np.int64], expected: Stretch
) -> None:
    """Set bits of ``errors`` where the text at an offset is not the expected one."""
    width = len(expected)
    view: NDArray[Any] = np.ndarray((len(data) - width + 1,), f"V{width}", data, strides=(1,))
    for first in range(0, len(at), COMPARED):
        found = view[at[first : first + COMPARED]].tobytes()
        if found != expected.copies[: len(found)]:
            texts = np.frombuffer(found, dtype=f"S{width}")
            errors[first : first + COMPARED] |= texts != expected.text


def _gather(data: NDArray[np.uint8], at: NDArray[np.int64], words: int) -> Words:
    """Return the ``8 x words`` bytes from each offset, one row a line."""
    view: NDArray[Any] = np.ndarray(
        (max(len(data) - 8 * words + 1, 0),), f"V{8 * words}", data, strides=(1,)
    )
    rows: Words = view[at].view("<u8").reshape(-1, words)
    return rows


def _read_times(rows: Words, errors: Words) -> NDArray[np.int64]:
    days = _days(rows, errors)
    clock = (rows[:, 1] ^ _CLOCK) & _CLOCK_BYTES
    errors |= (clock | (clock + _CLOCK_LIMIT)) & _HIGH
    pairs = clock * _U[10] + (clock >> _U[8])  # HH in byte 3, MM in byte 6
    pairs &= np.uint64(0x00FF0000FF000000)
    minutes = (pairs * np.uint64(60 << 24 | 1)) >> _U[48]
    errors |= minutes >= times.DAY_MINUTES
    second = rows[:, 2] ^ _SECOND
    errors |= (second | (second + _SECOND_LIMIT)) & _HIGH
    pairs = second * _U[10] + (second >> _U[8])  # SS in byte 1, hundredths in byte 4
    pairs &= np.uint64(0x000000FF0000FF00)
    pairs |= second & np.uint64(0x00FF000000000000)  # thousandths in byte 6
    ms = (pairs * np.uint64(1000 << 40 | 10 << 16 | 1)) >> _U[48]
    clock_ms: NDArray[np.int64] = (minutes * np.uint64(times.MINUTE_MS) + ms).view(np.int64)
    return clock_ms + days


def _days(rows: Words, errors: Words) -> NDArray[np.int64] | int:
    """Return the first millisecond of each row's date; one number if all rows have the same."""
    same = (rows[:, 0] ^ rows[0, 0]) | ((rows[:, 1] ^ rows[0, 1]) & ~_CLOCK_BYTES)
    if not same.any():
        day = _day(rows[0].tobytes()[:10])
        errors |= day is None
        return day or 0
    texts = np.ascontiguousarray(rows.view(np.uint8)[:, :10]).view("S10").ravel()
    distinct, which = np.unique(texts, return_inverse=True)
    days = [_day(text) for text in distinct]
    errors |= np.array([day is None for day in days])[which]
    found: NDArray[np.int64] = np.array([day or 0 for day in days], dtype=np.int64)[which]
    return found


def _day(text: bytes) -> int | None:
    try:
        return times.parse_iso(f"{text.decode('ascii')}T00:00:00.000Z")
    except ValueError:  # no such date, or bytes that are no text
        return None


def _read_id_and_side(
    layout: Layout, data: NDArray[np.uint8], id_end: NDArray[np.int64], errors: Words
) -> tuple[Words, NDArray[np.bool_]]:
    rows = _gather(data, id_end - 24, 3 + len(layout.side.words))
    layout.side.differs(errors, rows, 3)
    trade_id = np.zeros(len(rows), dtype=np.uint64)
    for column, digits in (
        (2, layout.id_digits),
        (1, layout.id_digits - 8),
        (0, layout.id_digits - 16),
    ):
        if digits > 0:
            part = _masked(rows[:, column] ^ _ZEROS, np.uint64(min(digits, 8)))
            errors |= (part | (part + _OVER_NINE)) & _HIGH
            trade_id += _digits(part) * np.uint64(10 ** (8 * (2 - column)))
    if layout.id_digits > 1:
        errors |= trade_id < np.uint64(10 ** (layout.id_digits - 1))
    letter = rows.view(np.uint8)[:, 24 + layout.side_at]
    buy: NDArray[np.bool_] = letter == ord("b")
    errors |= ~buy & (letter != ord("s"))  # the text before the price may not reach back to it
    return trade_id, buy


def _read_count(
    layout: Layout, data: NDArray[np.uint8], ends: NDArray[np.int64], errors: Words
) -> tuple[Words, NDArray[np.int64]]:
    """Return the counts and where the sizes end."""
    if layout.tail is None:
        return np.ones(len(ends), dtype=np.uint64), ends - len(layout.worth)
    count_end = ends - layout.tail_length
    rows = _gather(data, count_end - 8, 1 + len(layout.tail.words))
    layout.tail.differs(errors, rows, 1)
    text = rows[:, 0] ^ _ZEROS
    width = _before_quote(text.byteswap())  # the last character first
    errors |= width - _U[1] >= COUNT_DIGITS
    width = np.minimum(width, _U[COUNT_DIGITS])
    digits = _masked(text, width)
    errors |= (digits | (digits + _OVER_NINE)) & _HIGH
    count = _digits(digits)
    errors |= count < _LEAST.take(width.view(np.int64))
    return count, count_end - width.view(np.int64) - len(layout.worth)


def _width(rows: Words, skip: int) -> Words:
    """Return the characters before the first quote in the two words after ``skip``, at most 16."""
    width = _before_quote(rows[:, skip] ^ _ZEROS)
    full = width == 8
    if full.any():
        width += _before_quote(rows[:, skip + 1] ^ _ZEROS) * full
    return width


def _before_quote(word: Words) -> Words:
    # as digits, a quote is 0x12 and a point 0x1e: bit 4 without bit 3 marks a quote
    marks = word & _DOTS & ~(word << _U[1])
    width: Words = (np.bitwise_count(marks ^ (marks - _U[1])) >> np.uint8(3)).astype(np.uint64)
    return width


def _refuse_leading_zero(rows: Words, at: int, errors: Words) -> None:
    """Refuse numbers (``at``: their first byte) with a point first, or a zero before a digit."""
    first, second = rows.view(np.uint8)[:, at], rows.view(np.uint8)[:, at + 1]
    errors |= (first == _POINT) | ((first == _ZERO) & (second != _POINT))


def _numbers(
    rows: tuple[Words, Words], widths: tuple[Words, Words], errors: Words
) -> tuple[Words, NDArray[np.uint8]]:
    """Read the prices and the sizes that end after the first two words, in one go: a row each."""
    high, low = (np.concatenate([words[:, column] for words in rows]) for column in (0, 1))
    wrong = np.zeros(len(low), dtype=np.uint64)
    values, places = _number(high, low, np.concatenate(widths), wrong)
    errors |= wrong[: len(errors)] | wrong[len(errors) :]
    return values.reshape(2, -1), places.reshape(2, -1)


def _number(
    high: Words, low: Words, width: Words, errors: Words
) -> tuple[Words, NDArray[np.uint8]]:
    """Read plain decimals, the end of the text in ``low``: all digits, and how many decimals."""
    low = _masked(low ^ _ZEROS, np.minimum(width, _U[8]))
    low, low_dots, low_below = _without_point(low, errors)
    errors |= low_dots & _LAST_DOT
    pointed = np.minimum(low_dots, _U[1])
    places = pointed * (_U[7] - (np.bitwise_count(low_below) >> np.uint8(3)))
    shifted = low + (low & low_below) * _BYTE  # the digits before the point move over it
    if int(width.max()) <= 8:
        value = _digits(shifted)
    else:
        high = high ^ _ZEROS
        cut = (_U[16] - np.maximum(width, _U[8])) << _U[3]
        high = (high >> cut) << cut
        high, high_dots, high_below = _without_point(high, errors)
        errors |= (high_dots != 0) & (low_dots != 0)
        places += np.minimum(high_dots, _U[1]) * (
            _U[15] - (np.bitwise_count(high_below) >> np.uint8(3))
        )
        shifted |= (high >> _U[56]) * pointed
        high += (high & (high_below | (_U[0] - pointed))) * _BYTE
        value = _digits(shifted) + _digits(high) * _E8
    errors |= value == 0
    return value, places.astype(np.uint8)


def _without_point(word: Words, errors: Words) -> tuple[Words, Words, Words]:
    """Return the word with a zero for its point, bit 0 of the point's byte, all bits below it."""
    dots = (word & _DOTS) >> _U[4]
    word = word ^ (dots * _DOT)
    below = dots - np.minimum(dots, _U[1])
    errors |= (word | (word + _OVER_NINE)) & _HIGH
    errors |= (word & (dots * _BYTE)) | (below & dots)
    return word, dots, below


def _masked(word: Words, width: Words | np.uint64) -> Words:
    """Keep the last ``width`` (1-8) of eight characters; the others become digits of value 0."""
    cut = (_U[8] - width) << _U[3]
    kept: Words = (word >> cut) << cut
    return kept


def _digits(word: Words) -> Words:
    """Return the number that eight digits (first in the lowest byte) write."""
    word = ((word * np.uint64(10 << 8 | 1)) >> _U[8]) & np.uint64(0x00FF00FF00FF00FF)
    word = ((word * np.uint64(100 << 16 | 1)) >> _U[16]) & np.uint64(0x0000FFFF0000FFFF)
    return (word * np.uint64(10000 << 32 | 1)) >> _U[32]


def _align(values: Words, places: NDArray[np.uint8]) -> tuple[Ints, int]:
    """Bring digits with their own decimals each to the most decimals among them."""
    if not len(values):
        return values.view(np.int64), 0
    most, least = int(places.max()), int(places.min())
    if most == least:
        return values.view(np.int64), most
    if fits(int(values.max()) * 10 ** (most - least)):
        return values.view(np.int64) * _POWERS[most - places], most
    pairs = zip(values.tolist(), places.tolist(), strict=True)
    exact_values: Ints = np.array([v * 10 ** (most - p) for v, p in pairs], dtype=object)
    return exact_values, most
