"""Plain decimals from bytes to exact integers, many at once: ``43250.5``, ``100``, ``0.01``.

The trick: eight characters are one little-endian word (the first one its lowest byte), and a numpy
call takes the words of thousands of numbers. Bit 4 is set in a digit and clear in ``"``, ``,`` and
``.``: the eight bits 4 of a word are its *pattern*, and tables by pattern say where a number ends
and where its point stands. Every byte is then compared or must be a digit: nothing is taken that
``exact.units`` would read otherwise, and 0 is not taken at all.
"""

from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Places = NDArray[np.int64]
Ints = NDArray[Any]  # int64, or object: Python ints where a value does not fit

SAFE: Final = 1 << 62  # what int64 columns, and sums of two of their values, stay below


def word(text: bytes) -> np.uint64:
    """Return at most eight characters as a little-endian word."""
    return np.uint64(int.from_bytes(text, "little"))


def each(byte: int) -> np.uint64:
    """Return the word of eight such bytes."""
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


class Column(NamedTuple):
    """A number of each line."""

    value: Ints  # units of 10**-places
    places: int
    length: Places  # characters


def fits(largest: int) -> bool:
    """Say whether a column whose largest value this is may be int64."""
    return largest < SAFE


def scale_up(values: Ints, places: int) -> Ints:
    """Return ``values x 10**places``: int64 where the largest surely fits, else Python ints."""
    if not places or not len(values):
        return values
    factor = 10**places
    if values.dtype != object and fits(int(values.max()) * factor):
        scaled: Ints = values * np.int64(factor)
        return scaled
    wide: Ints = values.astype(object) * factor
    return wide


def pattern_of(words: list[Words]) -> Places:
    """Return the bits 4 of all bytes side by side, the first byte's lowest."""
    pattern = words[0] & _MARKS
    pattern *= _GATHER
    pattern >>= U[56]
    for number, following in enumerate(words[1:], 1):
        pattern |= (((following & _MARKS) * _GATHER) >> U[56]) << U[8 * number]
    return pattern.view(np.int64)


def keep_freed_memory() -> None:
    """Let glibc keep what blocks free for the next one, not give it back: half the run time.

    Freeing one large allocation (never touched, so it costs nothing) raises the limits from which
    the allocator maps and trims. Elsewhere it does nothing.
    """
    np.empty(_LARGE_ALLOCATION, dtype=np.uint8)


def texts(data: NDArray[np.uint8], width: int) -> NDArray[Any]:
    """Return the ``width`` bytes at each offset, as many as there are, without a copy."""
    size = max(len(data) - width + 1, 0)
    return np.ndarray((size,), f"V{width}", data, strides=(1,))


def gather(data: NDArray[np.uint8], at: Places, words: int) -> Words:
    """Return the ``8 x words`` bytes from each offset, one row for each."""
    rows: Words = texts(data, 8 * words)[at].view("<u8").reshape(-1, words)
    return rows


def by(pattern: Places, table: NDArray[Any]) -> NDArray[Any]:
    """Return the entry for each pattern; every pattern has one (``wrap`` saves looking)."""
    return table.take(pattern, mode="wrap")


def refuse(wrong: Words, errors: Words) -> None:
    """Set bits of ``errors`` where a byte was lifted to more than 0x7f; ``wrong`` is spent."""
    wrong &= HIGH
    errors |= wrong


def number(of: Words) -> Words:
    """Return the number that eight digits (first in the lowest byte) write; ``of`` is spent."""
    for factor, shift, mask in _PAIRS:
        of *= factor
        of >>= shift
        of &= mask
    of *= _FOURS
    of >>= U[32]
    return of


def read(words: list[Words], pattern: Places, most_places: int, errors: Words) -> Column:
    """Read the decimals with which ``words`` (one or two, spent) begin, of the given patterns.

    Anything else, and more than ``most_places`` decimals, sets ``errors``; what is wrong is read
    as some number of no more digits than the others.
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
    met = int(np.bitwise_or.reduce(by(pattern, forms.met)))
    before, most = (met >> 32).bit_length() - 1, (met & 0xFFFFFFFF).bit_length() - 1
    fit = before + most <= 8 * len(words)
    units = _units(len(words), most_places, most if fit else None)
    _close_gap(words, pattern, forms)
    value = _shifted(words, by(pattern, units.shift))
    too_small = value - by(pattern, units.least)
    too_small &= TOP
    errors |= too_small
    if fit:
        return Column(value.view(np.int64), most, length)
    return Column(_align(value, by(pattern, forms.places), most), most, length)


def _check(text: Words, pattern: Places, form: "_WordForm", errors: Words) -> None:
    """Make characters digits, and what is not of the number 0."""
    text ^= by(pattern, form.zero)
    text &= by(pattern, form.mask)
    wrong = by(pattern, form.limit)
    wrong += text
    wrong |= text
    refuse(wrong, errors)


def _close_gap(words: list[Words], pattern: Places, forms: "_Forms") -> None:
    """Move the decimals one byte down, over their point."""
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

    A shift by 64 bits or more, and by less than none (which is a very large one), gives 0.
    """
    if len(words) == 1:
        shifted = words[0]
        shifted <<= shift
        return number(shifted)
    low, high = words
    high = (high << shift) | (low >> (U[64] - shift)) | (low << (shift - U[64]))
    return number(low << shift) * _E8 + number(high)


def _align(values: Words, places: Places, most: int) -> Ints:
    """Bring numbers with their own decimals each to the most decimals among them."""
    if fits(int(values.max()) * 10 ** (most - int(places.min()))):
        return values.view(np.int64) * _POWERS[most - places]
    pairs = zip(values.tolist(), places.tolist(), strict=True)
    return np.array([value * 10 ** (most - own) for value, own in pairs], dtype=object)


# -- the tables by pattern


class _WordForm(NamedTuple):
    """What one word of a number may be; each has 2**(8 x words) rows."""

    mask: Words  # the bytes of the number
    zero: Words  # makes digits numbers, and the point 0
    limit: Words  # lifts a byte that is no digit, or not quite a point, to bit 7
    decimals: Words  # the bytes from the point on


class _Forms(NamedTuple):
    """Where a number ends and where its point stands, by pattern."""

    words: list[_WordForm]
    length: Places  # 0: no number
    before: Places  # digits before the point
    places: Places
    met: Words  # bit: decimals; bit 32 +: digits before the point


class _Units(NamedTuple):
    """How to bring a number to units of ``10**-places``, by pattern."""

    shift: Words  # bits by which its digits move up
    least: Words  # smaller: 0, or a 0 in front


@lru_cache(maxsize=8)
def _forms(words: int, most_places: int) -> _Forms:
    size = 8 * words
    marks = np.arange(1 << size, dtype=np.uint64)[::-1]  # the bits that a pattern lacks
    first, second = _lowest(marks, size), _lowest(marks & (marks - U[1]), size)
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
            _WordForm(
                LOW[np.clip(length - begin, 0, 8)],
                ZEROS ^ np.where(here, np.uint64(_POINT) << at, 0).astype(np.uint64),
                OVER_NINE | np.where(here, np.uint64(0x7F) << at, 0).astype(np.uint64),
                np.where(pointed, ~LOW[np.clip(first - begin, 0, 8)], 0).astype(np.uint64),
            )
        )
    met = (U[1] << decimals.astype(np.uint64)) | (U[1] << (first + 32).astype(np.uint64))
    return _Forms(found, length, first, decimals, met)


def _lowest(marks: Words, size: int) -> Places:
    """Return the number of the lowest bit that is set; ``size`` if none is."""
    below = ~marks & (marks - U[1])
    return np.minimum(np.bitwise_count(below).astype(np.int64), size)


@lru_cache(maxsize=64)
def _units(words: int, most_places: int, places: int | None) -> _Units:
    """Return the units of so many ``places``; None: each number keeps its own."""
    forms = _forms(words, most_places)
    own = forms.places if places is None else np.full(len(forms.places), places)
    shift = 8 * (8 * words - own - forms.before)
    powers = np.array([1, *(10**n for n in range(20))], dtype=np.uint64)  # 1 for no digit at all
    least = powers[np.where(forms.before > 1, np.minimum(forms.before + own, len(powers) - 1), 0)]
    return _Units(shift.astype(np.uint64), least)
