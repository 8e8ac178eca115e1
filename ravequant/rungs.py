"""Price levels from bytes to exact columns, many at once: ``["43250.5","100","0","5"],…``.

The trick: eight characters are one little-endian word (the first one its lowest byte), and a numpy
call takes the words of thousands of levels. Each level is found by its ``[``; from there three
windows are cut out, each where the one before ends: the price; ``","`` and the size; the rest.
Bit 4 is set in a digit and clear in ``"``, ``,`` and ``.``: the eight bits 4 of a word are its
*pattern*, and tables by pattern say where a number ends and where its point stands.

Every byte from one ``[`` to the next is compared or must be a digit: nothing is taken that a JSON
parser would read otherwise. A side in which anything is unusual is reported, not repaired.
Numbers of up to eight characters take one word; if one is longer, all are read again with two.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ravequant import exact
from ravequant.ladder import Ints, Levels

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]
Words = NDArray[np.uint64]

BEHIND: Final = 64  # bytes that must follow the last level: windows may reach that far
AFTER_QTY: Final = b'","0","'  # between the size and the last string, which nobody needs
DEEP_AFTER_QTY: Final = b'","'  # a deep level has three strings


def scan(
    data: Bytes, places: Sequence[tuple[int, int]], after_qty: bytes
) -> tuple[Levels, NDArray[np.bool_]]:
    """Read the sides that stand between ``[`` and ``]`` at ``places``, bids and asks in turn.

    ``after_qty`` is what stands between the size and the last string of a level; ``BEHIND`` bytes
    follow the last level. Returns the levels, and of each side whether it is as expected; rows of
    other sides mean nothing.
    """
    begin, end = np.array(places, dtype=np.int64).reshape(-1, 2).T
    marks = _openings(data, begin)
    first, last = np.searchsorted(marks, begin), np.searchsorted(marks, end)
    starts = np.concatenate([[0], np.cumsum(last - first)]).astype(np.int64)
    filled = last > first
    sides = _Sides(starts[:-1][filled], starts[1:][filled] - 1, begin[filled], end[filled])
    rows = np.concatenate([marks[a:b] for a, b in zip(first.tolist(), last.tolist(), strict=True)])
    if not len(rows):
        return Levels(rows, rows, 0, 0, starts), filled
    for words in (1, 2):
        errors = np.zeros(len(rows), dtype=np.uint64)
        price, qty = _read(data, rows, sides, after_qty, words=words, errors=errors)
        levels = Levels(price.value, qty.value, price.places, qty.places, starts)
        errors[1:] |= _disorder(levels)
        if not errors.any():
            return levels, filled
    wrong = np.concatenate([[0], np.cumsum(errors != 0)])
    return levels, filled & (wrong[starts[1:]] == wrong[starts[:-1]])


class _Sides(NamedTuple):
    """Where sides stand: their first and last rows, and their outer brackets in the data."""

    heads: Places
    tails: Places
    begin: Places
    end: Places


def _openings(data: Bytes, outer: Places) -> Places:
    """Return the places of all ``[`` but the outer ones, the first among each eight bytes.

    A level is longer than that: where another one is passed over, that of the first is wrong.
    """
    marked = data[: len(data) & -8] == ord("[")
    marked[outer] = False
    words = marked.view(np.uint64)
    hit = np.flatnonzero(words != 0)
    within = np.bitwise_count(words.take(hit) - _U[1]) >> np.uint8(3)
    places: Places = (hit << 3) + within.astype(np.int64)
    return places


def _disorder(levels: Levels) -> NDArray[np.bool_]:
    """Mark rows whose price does not lie outside the one before: bids fall, asks rise."""
    falling = np.arange(len(levels.starts) - 1) & 1 == 0
    wrong = np.repeat(falling, np.diff(levels.starts))[1:]
    wrong ^= levels.price[1:] <= levels.price[:-1]
    wrong |= levels.price[1:] == levels.price[:-1]
    heads = levels.starts[1:-1]
    wrong[heads[(heads > 0) & (heads <= len(wrong))] - 1] = False
    return wrong


def _read(
    data: Bytes, rows: Places, sides: _Sides, after_qty: bytes, *, words: int, errors: Words
) -> "tuple[_Column, _Column]":
    """Read the levels whose ``[`` are at ``rows``: prices and sizes."""
    first = sides.begin + 1  # the quote behind any other ``[`` belongs to what is before it
    errors[sides.heads] = (rows[sides.heads] != first) | (data[first + 1] != ord('"'))
    place = rows + 2
    price = _numbers(_window(data, place, b"", words, errors), exact.PRICE_PLACES, errors)
    place += price.length
    qty = _numbers(_window(data, place, b'","', words, errors), exact.SIZE_PLACES, errors)
    place += qty.length
    (rest,) = _window(data, place, after_qty, 1, errors)
    _check_rest(rest, place, sides, errors)
    return price, qty


def _window(data: Bytes, place: Places, before: bytes, count: int, errors: Words) -> list[Words]:
    """Return ``count`` words behind ``before``, which must stand at each place; pass over it."""
    width = len(before) + 8 * count
    windows: NDArray[Any] = np.ndarray((len(data) - width + 1,), f"V{width}", data, strides=(1,))
    cut = windows[place]
    if before:
        errors |= (_column(cut, 0) ^ _text(before)) & _LOW[len(before)]
        place += len(before)
    return [_column(cut, len(before) + 8 * number).copy() for number in range(count)]


def _column(cut: NDArray[Any], offset: int) -> Words:
    """Return the word at ``offset`` of each window."""
    words: Words = np.ndarray(len(cut), "<u8", cut, offset, (cut.itemsize,))
    return words


class _Column(NamedTuple):
    """One number of each level."""

    value: Ints  # units of 10**-places
    places: int
    length: Places  # characters


def _numbers(words: list[Words], most_places: int, errors: Words) -> _Column:
    """Read the plain decimals with which ``words`` begin; anything else sets ``errors``.

    What is wrong is read as 0 and does not widen the units of the others.
    """
    forms = _forms(len(words), most_places)
    pattern = _pattern(words)
    for word, of in zip(words, forms.words, strict=True):
        np.bitwise_xor(word, _by(pattern, of.zero), out=word)
        np.bitwise_and(word, _by(pattern, of.mask), out=word)
        errors |= (word | (word + _by(pattern, of.limit))) & _HIGH
    length = _by(pattern, forms.length)
    if errors.any():
        wrong = errors != 0
        pattern[wrong] = _ONE_DIGIT
        for word in words:
            word[wrong] = 0
    met = int(np.bitwise_or.reduce(_by(pattern, forms.met)))
    before, places = (met >> 32).bit_length() - 1, (met & 0xFFFFFFFF).bit_length() - 1
    if before + places > 8 * len(words):
        errors |= _U[1]
        return _Column(np.zeros(len(length), dtype=np.int64), 0, length)
    units = _units(len(words), most_places, places)
    _close_gap(words, [_by(pattern, of.decimals) for of in forms.words])
    value = _shifted(words, _by(pattern, units.shift))
    errors |= (value - _by(pattern, units.least)) & _TOP
    return _Column(value.view(np.int64), places, length)


def _pattern(words: list[Words]) -> Places:
    """Return the bits 4 of all bytes side by side, the first byte's lowest."""
    pattern = ((words[0] & _MARKS) * _GATHER) >> _U[56]
    for number, word in enumerate(words[1:], 1):
        pattern |= (((word & _MARKS) * _GATHER) >> _U[56]) << _U[8 * number]
    return pattern.view(np.int64)


def _by(pattern: Places, table: NDArray[Any]) -> NDArray[Any]:
    """Return the entry for each pattern; every pattern has one (``wrap`` saves looking)."""
    return table.take(pattern, mode="wrap")


def _close_gap(words: list[Words], decimals: list[Words]) -> None:
    """Move the decimals one byte down, over their point."""
    for number, (word, mask) in enumerate(zip(words, decimals, strict=True)):
        moved = word & mask
        np.bitwise_xor(word, moved, out=word)
        if number:
            words[number - 1] |= moved << _U[56]
        np.bitwise_or(word, moved >> _U[8], out=word)


def _shifted(words: list[Words], shift: Words) -> Words:
    """Return the number whose digits, moved up by ``shift`` bits, fill the words to their end.

    A shift by 64 bits or more, and by less than none (which is a very large one), gives 0.
    """
    if len(words) == 1:
        return _digits(words[0] << shift)
    low, high = words
    high = (high << shift) | (low >> (_U[64] - shift)) | (low << (shift - _U[64]))
    return _digits(low << shift) * _E8 + _digits(high)


def _digits(word: Words) -> Words:
    """Return the number that eight digits (first in the lowest byte) write."""
    for factor, shift, mask in _PAIRS:
        word *= factor
        word >>= shift
        word &= mask
    word *= _FOURS
    word >>= _U[32]
    return word


def _check_rest(rest: Words, place: Places, sides: _Sides, errors: Words) -> None:
    """See that one to three digits and what ends a level or a side follow at each ``place``."""
    forms = _rest_forms()
    pattern = _pattern([rest])
    pattern[sides.tails] += _TAIL
    rest ^= _by(pattern, forms.text)
    rest &= _by(pattern, forms.mask)
    errors |= (rest | (rest + _by(pattern, forms.limit))) & _HIGH
    length = forms.length[pattern[sides.tails]]
    errors[sides.tails] |= place[sides.tails] + length - 1 != sides.end


# -- the tables by pattern


def _every(byte: int) -> np.uint64:
    return np.uint64(byte * 0x0101010101010101)


def _text(characters: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(characters, "little"))


_U: Final = [np.uint64(n) for n in range(65)]
_ZERO, _MARKS, _HIGH, _TOP = _every(0x30), _every(0x10), _every(0x80), np.uint64(1 << 63)
_GATHER: Final = np.uint64(0x0010204081020408)  # moves bit 4 of byte n to bit 56 + n
_E8: Final = np.uint64(10**8)
_PAIRS: Final = [  # neighbours become one number: digits, then pairs; then fours
    (np.uint64(10 << 8 | 1), _U[8], np.uint64(0x00FF00FF00FF00FF)),
    (np.uint64(100 << 16 | 1), _U[16], np.uint64(0x0000FFFF0000FFFF)),
]
_FOURS: Final = np.uint64(10000 << 32 | 1)
_LOW: Final = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)  # n bytes
_DIGIT, _POINT = 0x76, 0x1E  # what lifts more than 9 to bit 7; "." ^ "0"
_ONE_DIGIT: Final = 1  # the pattern of one digit and no other
_TAIL: Final = 256  # on top of the pattern where the last level of a side ends


class _WordForms(NamedTuple):
    """What one word of a number may be; each has 2**(8 x words) rows."""

    mask: Words  # the bytes of the number
    zero: Words  # makes digits numbers, and the point 0
    limit: Words  # lifts a byte that is no digit, or not quite a point, to bit 7
    decimals: Words  # the bytes from the point on


class _Forms(NamedTuple):
    """Where a number ends and where its point stands, by pattern."""

    words: list[_WordForms]
    length: Places  # 0: no number
    before: Places  # digits before the point
    met: Words  # bit: decimals; bit 32 +: digits before the point


class _Units(NamedTuple):
    """How to bring a number to units of ``10**-places``, by pattern."""

    shift: Words  # bits by which its digits move up
    least: Words  # smaller: 0, or a 0 in front


@lru_cache(maxsize=8)
def _forms(words: int, most_places: int) -> _Forms:
    size = 8 * words
    marks = np.arange(1 << size, dtype=np.uint64)[::-1]  # the bits that a pattern lacks
    first, second = _lowest(marks, size), _lowest(marks & (marks - _U[1]), size)
    # a point needs a digit on each side; where another mark follows, the number had ended before
    pointed = (first > 0) & (first + 1 < size) & (second > first + 1)
    decimals = np.where(pointed, second - first - 1, 0)
    length = np.where(pointed, second, first)
    length[decimals > most_places] = decimals[decimals > most_places] = 0
    found = []
    for begin in range(0, size, 8):
        here = pointed & (first // 8 == begin // 8)
        at = np.where(here, first % 8 * 8, 0).astype(np.uint64)
        found.append(
            _WordForms(
                _LOW[np.clip(length - begin, 0, 8)],
                _ZERO ^ np.where(here, np.uint64(_POINT) << at, 0).astype(np.uint64),
                _every(_DIGIT) | np.where(here, np.uint64(0x7F) << at, 0).astype(np.uint64),
                np.where(pointed, ~_LOW[np.clip(first - begin, 0, 8)], 0).astype(np.uint64),
            )
        )
    met = (_U[1] << decimals.astype(np.uint64)) | (_U[1] << (first + 32).astype(np.uint64))
    return _Forms(found, length, first, met)


def _lowest(marks: Words, size: int) -> Places:
    """Return the number of the lowest bit that is set; ``size`` if none is."""
    below = ~marks & (marks - _U[1])
    return np.minimum(np.bitwise_count(below).astype(np.int64), size)


@lru_cache(maxsize=64)
def _units(words: int, most_places: int, places: int) -> _Units:
    before = _forms(words, most_places).before
    shift = 8 * (8 * words - places - before)
    least = [1, 1, *(10 ** (n - 1 + places) for n in range(2, 8 * words - places + 1))]
    smallest = np.array(least, dtype=np.uint64)
    return _Units(shift.astype(np.uint64), smallest[np.minimum(before, len(least) - 1)])


class _RestForms(NamedTuple):
    """What may follow the size of a level: digits and a text, the side's end behind ``_TAIL``."""

    text: Words
    mask: Words
    limit: Words
    length: Places  # up to the bracket that closes the level, and that bracket


@lru_cache(maxsize=1)
def _rest_forms() -> _RestForms:
    rows = [_rest_form(pattern, text) for text in (b'"],["', b'"]]') for pattern in range(256)]
    text, mask, limit, length = (
        np.array(column, dtype=np.uint64) for column in zip(*rows, strict=True)
    )
    return _RestForms(text, mask, limit, length.astype(np.int64))


def _rest_form(pattern: int, text: bytes) -> tuple[int, int, int, int]:
    # any other number of digits does not fit the text, whose first byte is no digit
    digits = next((n for n in (1, 2) if not pattern >> n & 1), 3)
    wanted, limit = b"0" * digits + text, bytes([_DIGIT] * digits + [0x7F] * len(text))
    mask = (1 << 8 * len(wanted)) - 1
    return int.from_bytes(wanted, "little"), mask, int.from_bytes(limit, "little"), digits + 3
