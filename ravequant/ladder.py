"""Price levels from bytes to exact columns, many at once: ``["43250.5","100","0","5"],…``.

All quotes of a block are found once; eight (six in deep snapshots) make a level. The text between
them, every digit and the order of the prices are checked; a run of levels in which anything is
unusual is reported, not repaired. Eight characters are read as one little-endian word, so the first
character is the lowest byte.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ravequant import exact

Ints = NDArray[Any]  # int64, or object: Python ints where a value does not fit
Words = NDArray[np.uint64]

WIDEST: Final = 16  # characters of a price or size that are read here
SAFE: Final = 1 << 62  # what int64 columns, and sums of them, stay below


def _every(byte: int) -> np.uint64:
    return np.uint64(byte * 0x0101010101010101)


def _text(characters: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(characters, "little"))


_U: Final = [np.uint64(n) for n in range(65)]
_ZERO, _SEVENS, _HIGH = _every(0x30), _every(0x76), _every(0x80)
_DOT_BITS: Final = _every(0x10)  # "." ^ "0" is 0x1e; no digit has bit 4
_DOT: Final = np.uint64(0x1E)
_BYTE: Final = np.uint64(0xFF)
_E8: Final = np.uint64(10**8)
_NEXT: Final = _text(b'"],["')
_NEXT_MASK: Final = np.uint64((1 << 40) - 1)


class _Ending(NamedTuple):
    """What must follow a number, and how many decimals it may have."""

    text: np.uint64
    mask: np.uint64
    most_places: int


def _ending(text: bytes, most_places: int) -> _Ending:
    return _Ending(_text(text), np.uint64((1 << 8 * len(text)) - 1), most_places)


_PRICE_END: Final = _ending(b'","', exact.PRICE_PLACES)
_QTY_END: Final = {  # by the strings of a level; the third of four is always 0
    3: _ending(b'","', exact.SIZE_PLACES),
    4: _ending(b'","0","', exact.SIZE_PLACES),
}


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Levels of many sides, one side after the other, each from the mid outwards.

    ``price`` and ``qty`` (contracts) are integers in units of ``10**-places``. Side ``s`` has the
    rows ``starts[s]`` up to ``starts[s + 1]``.
    """

    price: Ints
    qty: Ints
    price_places: int
    qty_places: int
    starts: NDArray[np.int64]

    def sides(self, first: int, last: int) -> "Levels":
        """Return the sides ``first`` up to ``last`` (not included)."""
        begin, end = int(self.starts[first]), int(self.starts[last])
        return Levels(
            self.price[begin:end],
            self.qty[begin:end],
            self.price_places,
            self.qty_places,
            self.starts[first : last + 1] - begin,
        )

    def scaled(self, price_places: int, qty_places: int) -> "Levels":
        """Return the same levels in finer units."""
        if (price_places, qty_places) == (self.price_places, self.qty_places):
            return self
        return Levels(
            times_ten(self.price, price_places - self.price_places),
            times_ten(self.qty, qty_places - self.qty_places),
            price_places,
            qty_places,
            self.starts,
        )


def largest(values: Ints) -> int:
    """Return the largest of values that are not negative; 0 if there are none."""
    return int(values.max()) if len(values) else 0


def times_ten(values: Ints, places: int) -> Ints:
    """Return ``values x 10**places``: int64 while it surely fits, else Python ints."""
    if places == 0:
        return values
    factor = 10**places
    if values.dtype != object and largest(values) * factor < SAFE:
        scaled: Ints = values * np.int64(factor)
        return scaled
    wide: Ints = values.astype(object) * factor
    return wide


def of_numbers(
    sides: Sequence[Sequence[tuple[int, int]]], price_places: int, qty_places: int
) -> Levels:
    """Return levels from (price, size) Python integers that already have these places."""
    starts = np.cumsum([0, *map(len, sides)], dtype=np.int64)
    prices = [price for side in sides for price, _ in side]
    sizes = [size for side in sides for _, size in side]
    return Levels(_column(prices), _column(sizes), price_places, qty_places, starts)


def _column(values: list[int]) -> Ints:
    return np.array(values, dtype=np.int64 if max(values, default=0) < SAFE else object)


def join(parts: Sequence[Levels]) -> Levels:
    """Put levels one after the other, in the finest units among them."""
    if len(parts) == 1:
        return parts[0]
    price_places = max(part.price_places for part in parts)
    qty_places = max(part.qty_places for part in parts)
    parts = [part.scaled(price_places, qty_places) for part in parts]
    lengths = np.concatenate([np.diff(part.starts) for part in parts])
    return Levels(
        np.concatenate([part.price for part in parts]),
        np.concatenate([part.qty for part in parts]),
        price_places,
        qty_places,
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )


def quotes_of(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the places of all quotes."""
    found: NDArray[np.int64] = np.flatnonzero(data == ord('"'))
    return found


def scan(
    data: NDArray[np.uint8],
    quotes: NDArray[np.int64],
    places: Sequence[tuple[int, int]],
    items: int,
) -> tuple[Levels, NDArray[np.bool_]]:
    """Read the sides that stand between ``[`` and ``]`` at ``places``, bids and asks in turn.

    ``data`` is ASCII without backslashes or control characters, at least 16 bytes before the first
    level and 8 behind the last; ``quotes`` are its quotes; a level has ``items`` strings. Returns
    the levels, and of each side whether it is as expected; rows of other sides mean nothing.
    """
    begin, end = np.array(places, dtype=np.int64).reshape(-1, 2).T
    first, last = np.searchsorted(quotes, begin), np.searchsorted(quotes, end)
    count, odd = np.divmod(last - first, 2 * items)
    good = (odd == 0) & (count > 0)
    if not good.all():
        count[~good] = 0
    starts = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    lasts = (first + 2 * items * count).tolist()
    pieces = [quotes[a:b] for a, b in zip(first.tolist(), lasts, strict=True)]
    rows = np.concatenate(pieces).reshape(-1, 2 * items)
    if not len(rows):
        return Levels(np.zeros(0, np.int64), np.zeros(0, np.int64), 0, 0, starts), good
    head, tail = starts[:-1][good], starts[1:][good] - 1
    good[good] = (rows[head, 0] == begin[good] + 2) & (rows[tail, -1] == end[good] - 2)
    column = np.ascontiguousarray(rows.T)
    errors = (_words(data, column[-1], 1)[:, 0] ^ _NEXT) & _NEXT_MASK
    errors[tail] = 0  # where the side ends was compared already
    price, price_places = _numbers(data, column[0], column[1], _PRICE_END, errors)
    qty, qty_places = _numbers(data, column[2], column[3], _QTY_END[items], errors)
    levels = Levels(price, qty, price_places, qty_places, starts)
    errors[1:] |= _disorder(levels)
    if errors.any():
        wrong = np.concatenate([[0], np.cumsum(errors != 0)])
        good &= wrong[starts[1:]] == wrong[starts[:-1]]
    return levels, good


def _disorder(levels: Levels) -> NDArray[np.bool_]:
    """Mark rows whose price does not lie outside the one before: bids fall, asks rise."""
    rising = np.zeros(len(levels.starts) - 1, dtype=np.bool_)
    rising[1::2] = True
    outwards = np.repeat(rising, np.diff(levels.starts))[1:]
    up = levels.price[1:] > levels.price[:-1]
    down = levels.price[1:] < levels.price[:-1]
    wrong = ~np.where(outwards, up, down)
    heads = levels.starts[1:-1]
    wrong[heads[(heads > 0) & (heads <= len(wrong))] - 1] = False
    return wrong


def _words(data: NDArray[np.uint8], places: NDArray[np.int64], count: int) -> Words:
    """Return the ``count`` words that begin at each place, one row a place."""
    width = 8 * count
    view: NDArray[Any] = np.ndarray((len(data) - width + 1,), f"V{width}", data, strides=(1,))
    rows: Words = view[places].view("<u8").reshape(-1, count)
    return rows


def _numbers(
    data: NDArray[np.uint8],
    opening: NDArray[np.int64],
    closing: NDArray[np.int64],
    ending: _Ending,
    errors: Words,
) -> tuple[Ints, int]:
    """Read the plain decimals between quotes; anything else but one above 0 sets ``errors``."""
    width = (closing - opening).view(np.uint64) - _U[1]
    errors |= (width - _U[1]) >= WIDEST
    rows = _words(data, closing - 8, 2)
    errors |= (rows[:, 1] ^ ending.text) & ending.mask
    long = int(width.max()) > 8
    low = rows[:, 0] ^ _ZERO
    cut = (_U[8] - (np.minimum(width, _U[8]) if long else width)) << _U[3]
    low >>= cut
    first = low & _BYTE
    low <<= cut
    low_dot, low_below = _take_dot(low, errors)
    pointed = np.minimum(low_dot, _U[1])
    places = pointed * (_U[7] - (np.bitwise_count(low_below) >> np.uint8(3)))
    low += (low & low_below) * _BYTE  # the digits before the point move over it
    if not long:
        value = _digits(low)
    else:
        high = _words(data, closing - 16, 1)[:, 0] ^ _ZERO
        wider = np.maximum(width, _U[8]) - _U[8]
        cut = np.minimum((_U[8] - wider) << _U[3], _U[63])
        high >>= cut
        first = np.where(wider == 0, first, high & _BYTE)
        high = np.where(wider == 0, _U[0], high << cut)
        high_dot, high_below = _take_dot(high, errors)
        errors |= pointed & high_dot.astype(np.bool_)
        places += np.minimum(high_dot, _U[1]) * (
            _U[15] - (np.bitwise_count(high_below) >> np.uint8(3))
        )
        low |= (high >> _U[56]) * pointed
        high += (high & (high_below | (_U[0] - pointed))) * _BYTE
        value = _digits(low) + _digits(high) * _E8
        pointed |= np.minimum(high_dot, _U[1])
    # a point needs a digit on each side, and a zero in front only stands before a point
    before = width - pointed - places
    errors |= (pointed & (places == 0)) | (before == 0) | ((first == 0) & (before > 1))
    errors |= (value == 0) | (places > ending.most_places)
    if errors.any():  # what is wrong must not widen the units of the others
        value[errors != 0] = places[errors != 0] = 0
    return _aligned(value, places)


def _take_dot(word: Words, errors: Words) -> tuple[Words, Words]:
    """Turn the point of each word into a 0; return bit 0 of its byte, and all bits below that."""
    dot = (word & _DOT_BITS) >> _U[4]
    word ^= dot * _DOT
    below = dot - np.minimum(dot, _U[1])
    errors |= (word | (word + _SEVENS)) & _HIGH  # more than 9
    errors |= (word & (dot * _BYTE)) | (below & dot)  # not quite a point, or two of them
    return dot, below


def _digits(word: Words) -> Words:
    """Return the number that eight digits (first in the lowest byte) write."""
    word = ((word * np.uint64(10 << 8 | 1)) >> _U[8]) & np.uint64(0x00FF00FF00FF00FF)
    word = ((word * np.uint64(100 << 16 | 1)) >> _U[16]) & np.uint64(0x0000FFFF0000FFFF)
    return (word * np.uint64(10000 << 32 | 1)) >> _U[32]


def _aligned(value: Words, places: Words) -> tuple[Ints, int]:
    """Bring digits with decimals of their own to the most decimals among them."""
    most = int(places.max())
    if int(value.max()) * 10**most >= SAFE:
        pairs = zip(value.tolist(), places.tolist(), strict=True)
        return np.array([digits * 10 ** (most - own) for digits, own in pairs], dtype=object), most
    missing = np.uint64(most) - places
    for bit in range(most.bit_length()):
        value *= ((missing >> _U[bit]) & _U[1]) * np.uint64(10 ** (1 << bit) - 1) + _U[1]
    return value.view(np.int64), most
