"""Many rows of a trade archive at once: bytes to columns, without a loop over rows.

A row is read from both ends. The text up to the end of the id, and that from the time on, is
equally long in all rows of a block; between them stand the side and two numbers, which must fill
the place exactly. Every byte is compared or must be a digit: rows of any other spelling (an
exponent, an id of another length) are handed back, to be read one by one. `swar_digits` reads many
numbers at once.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ravequant import exact, swar_digits
from ravequant.exchanges.okx.archive.csv_rows import INSTRUMENT
from ravequant.swar_digits import Places, U, Words, gather, word
from ravequant.trades.fast_scan import Columns, numbers_at
from ravequant.trades.joining import SourcedColumns
from ravequant.trades.line_template import FixedText

SOURCE: Final = "source"
_FRONT: Final = ("trade_id", "side")
_TIME_DIGITS: Final = 13
_ID_DIGITS: Final = 16
_PAD: Final = 96  # bytes around a block, so that no word lies outside
_BUY: Final = word(b",buy,")
_SELL: Final = word(b",sell,")
_COMMA: Final = 0x2C
_NEWLINE: Final = 0x0A


class RowShape(NamedTuple):
    """The order of a file's columns, as far as rows are read at once."""

    prefix: bytes  # the instrument and a comma, or empty
    size_first: bool
    sourced: bool


def shape_of(columns: Sequence[str], inst_id: str) -> RowShape | None:
    """Return the shape of rows with these columns; None if they are read one by one."""
    names = tuple(columns)
    instrument, sourced = names[:1] == (INSTRUMENT,), names[-1:] == (SOURCE,)
    inner = names[instrument : len(names) - sourced]
    for size_first, numbers in ((False, ("price", "size")), (True, ("size", "price"))):
        if inner == (*_FRONT, *numbers, "created_time"):
            return RowShape(f"{inst_id},".encode() if instrument else b"", size_first, sourced)
    return None


def read_rows(
    shape: RowShape, block: bytes, earliest_ms: int, latest_ms: int
) -> tuple[NDArray[np.bool_], SourcedColumns] | None:
    """Return which rows of a block of whole lines were read, and those rows in their order.

    A time before ``earliest_ms``, or at or after ``latest_ms``, is not read. None if the block
    begins with no id that fits.
    """
    digits = block.find(b",", len(shape.prefix)) - len(shape.prefix)
    if not 1 <= digits <= _ID_DIGITS:
        return None
    data = _padded(block, len(shape.prefix))
    ends = (data == _NEWLINE).nonzero()[0]
    starts = np.empty_like(ends)
    starts[0], starts[1:] = _PAD, ends[:-1] + 1
    errors = np.zeros(len(ends), dtype=np.uint64)
    id_end = starts + (len(shape.prefix) + digits)
    trade_id = _ids(shape, data, id_end, digits, errors)
    source, time_end = _sources(shape, data, ends, errors)
    ts = swar_digits.whole_numbers(gather(data, time_end - 16, 2), _TIME_DIGITS, errors)
    if int(ts.min()) < earliest_ms or int(ts.max()) >= latest_ms:
        errors |= (ts < earliest_ms) | (ts >= latest_ms)
    buy, at = _sides(data, id_end, errors)
    price, size = _numbers(shape, data, at, time_end - (_TIME_DIGITS + 1), errors)
    columns = Columns(
        ts.view(np.int64),
        trade_id.view(np.int64),
        np.ones(len(ends), dtype=np.int64),
        buy,
        source == 1,
        price.value,
        size.value,
        price.places,
        size.places,
    )
    good = errors == 0
    rows = SourcedColumns(columns, source)
    return good, rows if good.all() else rows.select(good)


def _padded(block: bytes, prefix: int) -> NDArray[np.uint8]:
    """Return the bytes of a block between zeros; behind it they hold a row from its prefix on."""
    data = np.empty(_PAD + len(block) + prefix + _PAD, dtype=np.uint8)
    data[:_PAD] = data[_PAD + len(block) :] = 0
    data[_PAD : _PAD + len(block)] = np.frombuffer(block, dtype=np.uint8)
    return data


def _ids(
    shape: RowShape, data: NDArray[np.uint8], id_end: Places, digits: int, errors: Words
) -> Words:
    """Return the ids, and compare the text before them."""
    words = -(-(len(shape.prefix) + digits) // 8)
    rows = gather(data, id_end - 8 * words, words)
    front = 8 * words - digits - len(shape.prefix)  # bytes of the row before
    free = b"\xff" * front + bytes(len(shape.prefix)) + b"\xff" * digits
    FixedText.of(bytes(front) + shape.prefix + bytes(digits), free).differs(errors, rows, 0)
    return swar_digits.whole_numbers(rows[:, words - -(-digits // 8) :], digits, errors)


def _sources(
    shape: RowShape, data: NDArray[np.uint8], ends: Places, errors: Words
) -> tuple[NDArray[np.int64], Places]:
    """Return the sources, and where the times end."""
    if not shape.sourced:
        return np.zeros(len(ends), dtype=np.int64), ends
    digit = data[ends - 1] - np.uint8(0x30)
    errors |= digit > 9
    errors |= data[ends - 2] ^ _COMMA
    return digit.astype(np.int64), ends - 2


def _sides(
    data: NDArray[np.uint8], id_end: Places, errors: Words
) -> tuple[NDArray[np.bool_], Places]:
    """Return which takers buy, and where the first number begins."""
    text = gather(data, id_end, 1)[:, 0]
    sell = (text >> U[8]) & U[1]  # the lowest bit of "s"; that of "b" is 0
    text ^= _BUY
    text ^= sell * (_BUY ^ _SELL)
    text <<= U[24] - (sell << U[3])  # the number follows the text
    errors |= text
    return sell == 0, id_end + (sell.view(np.int64) + 5)


def _numbers(
    shape: RowShape, data: NDArray[np.uint8], at: Places, end: Places, errors: Words
) -> tuple[swar_digits.NumberColumn, swar_digits.NumberColumn]:
    """Return prices and sizes, which stand from ``at`` (moved on) to a comma at ``end``."""
    places = (exact.PRICE_PLACES, exact.SIZE_PLACES)
    first = _number(data, at, places[shape.size_first], errors)
    at += first.length
    errors |= data[at] ^ _COMMA
    at += 1
    second = _number(data, at, places[not shape.size_first], errors)
    at += second.length
    errors |= data[at] ^ _COMMA
    errors |= (at ^ end).view(np.uint64)
    return (second, first) if shape.size_first else (first, second)


def _number(
    data: NDArray[np.uint8], at: Places, most_places: int, errors: Words
) -> swar_digits.NumberColumn:
    """Read the numbers at ``at``."""
    return numbers_at(gather(data, at, 1)[:, 0], data, at, most_places, errors)
