"""Price levels from bytes to exact columns, many at once: ``["43250.5","100","0","5"],…``.

Each level is found by its ``[``; from there three windows follow one another: the price; ``","``
and the size; the rest, with the text before it. ``swar_digits`` reads a number, and defines the
pattern of a word.

Every byte from one ``[`` to the next is compared or must be a digit: nothing is taken that a JSON
parser would read otherwise. A side in which anything is unusual is reported, not repaired.
Numbers of up to eight characters take one word; if one is longer, all are read again with two.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ravequant import exact, swar_digits
from ravequant.books.levels import Levels
from ravequant.swar_digits import HIGH, LOW, OVER_NINE, Places, U, Words, gather

Bytes = NDArray[np.uint8]

BEFORE: Final = 8  # bytes that must precede the first level: windows begin before a number
BEHIND: Final = 64  # bytes that must follow the last level: windows may reach that far
AFTER_QTY: Final = b'","0","'  # between the size and the last string, which nobody needs
DEEP_AFTER_QTY: Final = b'","'  # a deep level has three strings
_TAIL: Final = 256  # on top of the pattern where the last level of a side ends


def scan(
    data: Bytes, places: Sequence[tuple[int, int]], after_qty: bytes
) -> tuple[Levels, NDArray[np.bool_]]:
    """Read the sides that stand between ``[`` and ``]`` at ``places``, bids and asks in turn.

    ``after_qty`` is the text between the size and the last string of a level; ``BEFORE`` bytes
    precede the first level, and ``BEHIND`` bytes follow the last. Returns the levels, and of each
    side whether it is as expected; rows of other sides mean nothing.
    """
    begin, end = np.array(places, dtype=np.int64).reshape(-1, 2).T
    marks = _openings(data, begin)
    first, last = np.searchsorted(marks, begin), np.searchsorted(marks, end)
    starts = np.concatenate([[0], np.cumsum(last - first)]).astype(np.int64)
    filled = last > first
    sides = _Sides(starts[:-1][filled], starts[1:][filled] - 1, begin[filled], end[filled])
    rows = marks  # where nothing else stands between brackets
    if starts[-1] != len(marks):
        sides_of = zip(first.tolist(), last.tolist(), strict=True)
        rows = np.concatenate([marks[a:b] for a, b in sides_of])
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
    """The places of sides: their first and last rows, and their outer brackets in the data."""

    heads: Places
    tails: Places
    begin: Places
    end: Places


def _openings(data: Bytes, outer: Places) -> Places:
    """Return the places of all ``[`` but the outer ones, the first among each eight bytes.

    A level is longer than eight bytes: if a second ``[`` is passed over, the place of the first
    is wrong.
    """
    marked = data[: len(data) & -8] == ord("[")
    marked[outer] = False
    words = marked.view(np.uint64)
    places: Places = (words != 0).nonzero()[0]
    within = np.bitwise_count(words.take(places) - U[1]) >> np.uint8(3)
    places <<= 3
    places += within
    return places


def _disorder(levels: Levels) -> NDArray[np.bool_]:
    """Mark the rows out of order: bids must fall, asks must rise."""
    falling = np.arange(len(levels.starts) - 1) & 1 == 0
    wrong = np.repeat(falling, np.diff(levels.starts))[1:]
    wrong ^= levels.price[1:] <= levels.price[:-1]
    wrong |= levels.price[1:] == levels.price[:-1]
    heads = levels.starts[1:-1]
    wrong[heads[(heads > 0) & (heads <= len(wrong))] - 1] = False
    return wrong


def _read(
    data: Bytes, rows: Places, sides: _Sides, after_qty: bytes, *, words: int, errors: Words
) -> tuple[swar_digits.NumberColumn, swar_digits.NumberColumn]:
    """Read the levels whose ``[`` are at ``rows``: prices and sizes."""
    first = sides.begin + 1  # the quote behind any other ``[`` is compared with its text
    errors[sides.heads] = (rows[sides.heads] != first) | (data[first + 1] != ord('"'))
    place = rows + (2 - BEFORE)  # a word before the number, here and further on
    number = _columns(gather(data[BEFORE:], place, words))
    price = swar_digits.read(number, swar_digits.pattern_of(number), exact.PRICE_PLACES, errors)
    place += price.length
    number = _behind(data, place, b'","', words, errors)
    qty = swar_digits.read(number, swar_digits.pattern_of(number), exact.SIZE_PLACES, errors)
    place += qty.length
    (rest,) = _behind(data, place, after_qty, 1, errors)
    place += BEFORE
    _check_rest(rest, place, sides, errors)
    return price, qty


def _behind(data: Bytes, place: Places, text: bytes, count: int, errors: Words) -> list[Words]:
    """Return ``count`` words behind ``text``, which must stand at each place; pass over it."""
    place += len(text)
    before, *words = _columns(gather(data, place, 1 + count))
    free = BEFORE - len(text)
    before ^= swar_digits.word(bytes(free) + text)
    before >>= U[8 * free]
    errors |= before
    return words


def _columns(rows: Words) -> list[Words]:
    return [rows[:, number].copy() for number in range(rows.shape[1])]


def _check_rest(rest: Words, place: Places, sides: _Sides, errors: Words) -> None:
    """Check that 1 to 3 digits, then the end of a level or side, follow at each ``place``."""
    forms = _rest_forms()
    pattern = swar_digits.pattern_of([rest])
    pattern[sides.tails] += _TAIL
    rest ^= swar_digits.by(pattern, forms.text)
    rest &= swar_digits.by(pattern, forms.mask)
    errors |= (rest | (rest + swar_digits.by(pattern, forms.limit))) & HIGH
    length = forms.length[pattern[sides.tails]]
    errors[sides.tails] |= place[sides.tails] + length - 1 != sides.end


class _RestForms(NamedTuple):
    """The texts that may follow a level's size: digits and a text, the side's end at ``_TAIL``."""

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
    width = next((n for n in (1, 2) if not pattern >> n & 1), 3)
    wanted = b"0" * width + text
    limit = (int(OVER_NINE) & int(LOW[width])) | int.from_bytes(b"\x7f" * len(text)) << 8 * width
    return int(swar_digits.word(wanted)), int(LOW[len(wanted)]), limit, width + 3
