"""Integers to the text of plain decimals, many at once: the inverse of `swar_digits`.

A text is one or two little-endian words (its first character is the lowest byte of the first word)
and its length; the bytes behind its end are of no meaning. Texts are canonical: no trailing zeros.
"""

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from ravequant.swar_digits import Ints, Places, U, Words

MOST_CHARACTERS: Final = 16
_FOUR: Final = np.int64(10_000)
_EIGHT: Final = 10**8
_POINT: Final = np.uint64(0x2E)


class Texts(NamedTuple):
    """The texts of a column."""

    low: Words  # characters 0 to 7
    high: Words | None  # characters 8 to 15; None if no text is so long
    length: Places

    @property
    def words(self) -> Words:
        """The texts as one or two words each."""
        return self.low if self.high is None else np.stack((self.low, self.high), axis=1)


class _FourDigits(NamedTuple):
    """Tables by a number below 10,000."""

    padded: Words  # its four digits, with leading zeros
    plain: Words  # its digits, without
    length: Places  # of the plain form
    needed: Places  # decimals it needs, if it counts ten-thousandths


@lru_cache(maxsize=1)
def _tables() -> _FourDigits:
    numbers = np.arange(10_000, dtype=np.uint64)
    digits = [numbers // np.uint64(10 ** (3 - at)) % U[10] + np.uint64(0x30) for at in range(4)]
    padded = digits[0] | digits[1] << U[8] | digits[2] << U[16] | digits[3] << U[24]
    length = 1 + sum((numbers >= 10**at).astype(np.int64) for at in range(1, 4))
    needed = sum((numbers % np.uint64(10**at) != 0).astype(np.int64) for at in range(1, 5))
    plain = padded >> ((4 - length) * 8).astype(np.uint64)
    return _FourDigits(padded, plain, length, needed)


def eight_digits(numbers: Ints) -> Words:
    """Return eight digits of each number (below 10**8), with leading zeros, as one word."""
    padded = _tables().padded
    front = numbers // _FOUR
    found: Words = padded[numbers - front * _FOUR]
    found <<= U[32]
    found |= padded[front]
    return found


def whole_texts(numbers: Ints) -> Texts | None:
    """Return the digits of whole numbers; None if one has more than eight, or is negative."""
    if numbers.dtype == object or int(numbers.max()) >= _EIGHT or int(numbers.min()) < 0:
        return None
    tables = _tables()
    if int(numbers.max()) < _FOUR:
        return Texts(tables.plain[numbers], None, tables.length[numbers])
    front = numbers // _FOUR
    back = numbers - front * _FOUR
    length = tables.length[front]
    low = tables.padded[back]
    low <<= (length * 8).view(np.uint64)
    low |= tables.plain[front]
    if not front.all():
        short = front == 0
        low[short], length[short] = tables.plain[back[short]], tables.length[back[short]]
        return Texts(low, None, length + np.where(short, 0, 4))
    return Texts(low, None, length + 4)


def decimal_texts(values: Ints, places: int) -> Texts | None:
    """Return numbers in units of ``10**-places`` as canonical text.

    None if one has more than eight digits before the point, or ``places`` are more than seven.
    """
    if places > 7 or values.dtype == object:
        return None
    if not places:
        return whole_texts(values)
    one = np.int64(10**places)
    whole = values // one
    rest = values - whole * one
    texts = whole_texts(whole)
    if texts is None:
        return None
    digits, needed = _decimals(rest, places)
    digits <<= U[8]
    digits |= _POINT
    shift = (texts.length * 8).view(np.uint64)
    low = digits << shift
    low |= texts.low
    length = texts.length + needed
    length += needed > 0
    high = digits >> (U[64] - shift) if int(length.max()) > 8 else None
    return Texts(low, high, length)


def _decimals(rest: Ints, places: int) -> tuple[Words, Places]:
    """Return the decimals of numbers below ``10**places``, and how many each needs."""
    tables = _tables()
    if places <= 4:
        rest = rest * np.int64(10 ** (4 - places))
        return tables.padded[rest], tables.needed[rest]
    rest = rest * np.int64(10 ** (8 - places))
    front = rest // _FOUR
    back = rest - front * _FOUR
    digits = tables.padded[back]
    digits <<= U[32]
    digits |= tables.padded[front]
    return digits, np.where(back > 0, tables.needed[back] + 4, tables.needed[front])
