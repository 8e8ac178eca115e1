"""Reads plain decimals (``43250.5``, ``100``, ``0.01``) from bytes to exact integers, many at once.

SIMD within a register: eight characters are one little-endian word (the first character is its
lowest byte), and a numpy call processes the words of thousands of numbers. Bit 4 is set in a digit
and clear in ``"``, ``,`` and ``.``: the eight bits 4 of a word are its *pattern*, and tables by
pattern give the end of a number and the place of its point. Every byte is then compared or must be
a digit: a number that ``exact.units`` would read otherwise, and 0, is an error.
"""

from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Places = NDArray[np.int64]
Ints = NDArray[Any]  # int64, or object: Python ints where a value does not fit

SAFE: Final = 1 << 62  # values of int64 columns are below this, so sums of two of them fit


def word(text: bytes) -> np.uint64:
    """Return up to eight characters as a little-endian word."""
    return np.uint64(int.from_bytes(text, "little"))


def each(byte: int) -> np.uint64:
    """Return a word of eight equal bytes."""
    return np.uint64(byte * 0x0101010101010101)


U: Final = [np.uint64(n) for n in range(65)]
ZEROS, HIGH, OVER_NINE = each(0x30), each(0x80), each(0x76)
TOP: Final = np.uint64(1 << 63)  # set where a difference is below 0
LOW: Final = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)  # n bytes
ALL_DIGITS: Final = 255  # the pattern of a word that shows no end of a number
ONE_DIGIT: Final = 1  # the pattern of one digit and no other
_MARKS: Final = each(0x10)
_GATHER: Final = np.uint64(0x0010204081020408)  # moves bit 4 of byte n to bit 56 + n
_LARGE_ALLOCATION: Final = 24 << 20
_POINT: Final = 0x1E  # "." ^ "0"
_E8: Final = np.uint64(10**8)
_POWERS: Final = np.array([10**n for n in range(19)], dtype=np.int64)
_PAIRS: Final = [  # neighbours become one number: digits, then pairs; then fours
    (np.uint64(10 << 8 | 1), U[8], np.uint64(0x00FF00FF00FF00FF)),
    (np.uint64(100 << 16 | 1), U[16], np.uint64(0x0000FFFF0000FFFF)),
]
_FOURS: Final = np.uint64(10000 << 32 | 1)


class NumberColumn(NamedTuple):
    """A number from each line."""

    value: Ints  # units of 10**-places
    places: int
    length: Places  # characters


def fits(largest: int) -> bool:
    """Return True if a column with this largest value may be int64."""
    return largest < SAFE


def scale_up(values: Ints, places: int) -> Ints:
    """Return ``values x 10**places``: int64 if the largest surely fits, else Python ints."""
    if not places or not len(values):
        return values
    factor = 10**places
    if values.dtype != object and fits(int(values.max()) * factor):
        scaled: Ints = values * np.int64(factor)
        return scaled
    wide: Ints = values.astype(object) * factor
    return wide


def pattern_of(words: list[Words]) -> Places:
    """Return the bits 4 of all bytes next to each other, that of the first byte lowest."""
    pattern = words[0] & _MARKS
    pattern *= _GATHER
    pattern >>= U[56]
    for number, following in enumerate(words[1:], 1):
        pattern |= (((following & _MARKS) * _GATHER) >> U[56]) << U[8 * number]
    return pattern.view(np.int64)


def keep_freed_memory() -> None:
    """Make glibc keep the memory that a block frees for the next; this halves the run time.

    Freeing a large allocation (never touched, so it costs nothing) raises the sizes from which
    the allocator maps and trims memory. On other systems it does nothing.
    """
    np.empty(_LARGE_ALLOCATION, dtype=np.uint8)


def texts(data: NDArray[np.uint8], width: int) -> NDArray[Any]:
    """Return the ``width`` bytes at each offset of ``data``, without a copy."""
    size = max(len(data) - width + 1, 0)
    return np.ndarray((size,), f"V{width}", data, strides=(1,))


def gather(data: NDArray[np.uint8], at: Places, words: int) -> Words:
    """Return the ``8 x words`` bytes from each offset, shape (offsets, words)."""
    rows: Words = texts(data, 8 * words)[at].view("<u8").reshape(-1, words)
    return rows


def by(pattern: Places, table: NDArray[Any]) -> NDArray[Any]:
    """Return the entry for each pattern; every pattern has one (``wrap`` skips the check)."""
    return table.take(pattern, mode="wrap")


def refuse(wrong: Words, errors: Words) -> None:
    """Set bits of ``errors`` where a byte of ``wrong``, which is overwritten, is above 0x7f."""
    wrong &= HIGH
    errors |= wrong


def number(of: Words) -> Words:
    """Return the number of eight digits (the first in the lowest byte); ``of`` is overwritten."""
    for factor, shift, mask in _PAIRS:
        of *= factor
        of >>= shift
        of &= mask
    of *= _FOURS
    of >>= U[32]
    return of


def read(words: list[Words], pattern: Places, most_places: int, errors: Words) -> NumberColumn:
    """Read the decimals with which ``words`` (one or two, overwritten) of these patterns begin.

    Other text, and more than ``most_places`` decimals, sets ``errors``; a wrong number gets some
    value of no more digits than the others.
    """
    forms = _forms(len(words), most_places)
    for text, form in zip(words, forms.words, strict=True):
        _check(text, pattern, form, errors)
    length = by(pattern, forms.length)
    if errors.any():
        bad = errors != 0
        pattern[bad] = ONE_DIGIT
        for at in words:
            at[bad] = 0
    seen = int(np.bitwise_or.reduce(by(pattern, forms.seen)))
    before, most = (seen >> 32).bit_length() - 1, (seen & 0xFFFFFFFF).bit_length() - 1
    fit = before + most <= 8 * len(words)
    units = _units(len(words), most_places, most if fit else None)
    _close_gap(words, pattern, forms)
    value = _shifted(words, by(pattern, units.shift))
    too_small = value - by(pattern, units.least)
    too_small &= TOP
    errors |= too_small
    if fit:
        return NumberColumn(value.view(np.int64), most, length)
    return NumberColumn(_align(value, by(pattern, forms.places), most), most, length)


def _check(text: Words, pattern: Places, form: "_WordForm", errors: Words) -> None:
    """Turn characters into digits, and bytes outside the number into 0."""
    text ^= by(pattern, form.zero)
    text &= by(pattern, form.mask)
    wrong = by(pattern, form.limit)
    wrong += text
    wrong |= text
    refuse(wrong, errors)


def _close_gap(words: list[Words], pattern: Places, forms: "_Forms") -> None:
    """Move the decimals down by one byte, over the point."""
    for index, (text, form) in enumerate(zip(words, forms.words, strict=True)):
        moved = by(pattern, form.decimals)
        moved &= text
        np.bitwise_xor(text, moved, out=text)
        if index:
            words[index - 1] |= moved << U[56]
        moved >>= U[8]
        np.bitwise_or(text, moved, out=text)


def _shifted(words: list[Words], shift: Words) -> Words:
    """Return the number whose digits, moved up by ``shift`` bits, fill the words to their end.

    A shift by 64 bits or more gives 0; so does a negative shift, which wraps to a very large one.
    """
    if len(words) == 1:
        shifted = words[0]
        shifted <<= shift
        return number(shifted)
    low, high = words
    high = (high << shift) | (low >> (U[64] - shift)) | (low << (shift - U[64]))
    return number(low << shift) * _E8 + number(high)


def _align(values: Words, places: Places, most: int) -> Ints:
    """Scale numbers, each with its own ``places``, to ``most`` decimals."""
    if fits(int(values.max()) * 10 ** (most - int(places.min()))):
        return values.view(np.int64) * _POWERS[most - places]
    pairs = zip(values.tolist(), places.tolist(), strict=True)
    return np.array([value * 10 ** (most - own) for value, own in pairs], dtype=object)


def whole_numbers(rows: Words, length: int, errors: Words) -> Words:
    """Return the whole numbers of ``length`` digits that end where the words of ``rows`` do."""
    last = rows.shape[1] - 1
    found = _last_part(rows[:, last], min(length, 8), errors)
    for column in range(last):
        part = _front_part(rows[:, column], min(length - 8 * (last - column), 8), errors)
        found += part * np.uint64(10 ** (8 * (last - column)))
    least = np.uint64(10 ** (length - 1) if length > 1 else 0)
    if found.min() < least:
        errors |= found < least
    return found


def _front_part(text: Words, width: int, errors: Words) -> Words | np.uint64:
    """Return the number in the last ``width`` of eight characters; a scalar if all are equal."""
    own = text >> U[64 - 8 * width]
    if not (own == own[0]).all():
        return _last_part(text, width, errors)
    written = int(own[0]).to_bytes(width, "little")
    if written.isdigit():
        return np.uint64(int(written))
    errors |= U[1]
    return U[0]


def _last_part(text: Words, width: int, errors: Words) -> Words:
    """Return the number in the last ``width`` of eight characters."""
    part = text ^ ZEROS
    if width < 8:
        cut = U[64 - 8 * width]
        part >>= cut
        part <<= cut
    refuse(part | (part + OVER_NINE), errors)
    return number(part)


# -- the tables by pattern


class _WordForm(NamedTuple):
    """Tables by pattern for one word of a number, each of 2**(8 x words) rows."""

    mask: Words  # the bytes of the number
    zero: Words  # makes digits numbers, and the point 0
    limit: Words  # added, it sets bit 7 of a byte that is no digit, or not the point
    decimals: Words  # the bytes from the point on


class _Forms(NamedTuple):
    """The end of a number and the place of its point, by pattern."""

    words: list[_WordForm]
    length: Places  # 0: no number
    before: Places  # digits before the point
    places: Places
    seen: Words  # two bits set: number of decimals; 32 + digits before the point


class _Units(NamedTuple):
    """The scaling of a number to units of ``10**-places``, by pattern."""

    shift: Words  # bits by which the digits move up
    least: Words  # a smaller value is 0, or has a leading 0


@lru_cache(maxsize=8)
def _forms(words: int, most_places: int) -> _Forms:
    size = 8 * words
    marks = np.arange(1 << size, dtype=np.uint64)[::-1]  # the bits that a pattern lacks
    first, second = _lowest(marks, size), _lowest(marks & (marks - U[1]), size)
    # a point needs a digit on each side; if another mark follows it, the number ended at the first
    pointed = (first > 0) & (first + 1 < size) & (second > first + 1)
    decimals = np.where(pointed, second - first - 1, 0)
    length = np.where(pointed, second, first)
    length[decimals > most_places] = decimals[decimals > most_places] = 0
    found = []
    for begin in range(0, size, 8):
        here = pointed & (first // 8 == begin // 8)
        at = np.where(here, first % 8 * 8, 0).astype(np.uint64)
        found.append(
            _WordForm(
                LOW[np.clip(length - begin, 0, 8)],
                ZEROS ^ np.where(here, np.uint64(_POINT) << at, 0).astype(np.uint64),
                OVER_NINE | np.where(here, np.uint64(0x7F) << at, 0).astype(np.uint64),
                np.where(pointed, ~LOW[np.clip(first - begin, 0, 8)], 0).astype(np.uint64),
            )
        )
    seen = (U[1] << decimals.astype(np.uint64)) | (U[1] << (first + 32).astype(np.uint64))
    return _Forms(found, length, first, decimals, seen)


def _lowest(marks: Words, size: int) -> Places:
    """Return the index of the lowest bit set; ``size`` if none is."""
    below = ~marks & (marks - U[1])
    return np.minimum(np.bitwise_count(below).astype(np.int64), size)


@lru_cache(maxsize=64)
def _units(words: int, most_places: int, places: int | None) -> _Units:
    """Return the table for units of ``10**-places``; None: each number keeps its own places."""
    forms = _forms(words, most_places)
    own = forms.places if places is None else np.full(len(forms.places), places)
    shift = 8 * (8 * words - own - forms.before)
    powers = np.array([1, *(10**n for n in range(20))], dtype=np.uint64)  # 1 for no digit at all
    least = powers[np.where(forms.before > 1, np.minimum(forms.before + own, len(powers) - 1), 0)]
    return _Units(shift.astype(np.uint64), least)
