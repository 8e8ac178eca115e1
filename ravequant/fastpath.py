"""Many trade lines at once: lines of one layout from bytes to columns, without a loop over lines.

A ``Layout`` is what lines of one writer and one contract have in common: the text between the
fields. The fields between are found by their distance from both ends of the line, every byte of
the text is compared, every digit is checked, and whatever is not exactly so is handed back, to be
read by ``records.parse_trade``. So a layout decides nothing but speed.

Eight characters are read as one little-endian word: the first character is the lowest byte.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ravequant import exact, records, times

Words = NDArray[np.uint64]
Ints = NDArray[Any]  # int64, or object: Python ints where a value does not fit

ID_DIGITS: Final = 18
_NUMBER: Final = 16  # characters of a price or size that the fast path takes
_COUNT_DIGITS: Final = 4
_TIME: Final = b"2025-12-14T21:34:56.123Z"
_INT64_MAX: Final = 2**63 - 1


def _each(byte: int) -> np.uint64:
    return np.uint64(byte * 0x0101010101010101)


def _word(text: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(text, "little"))


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
_CLOCK, _CLOCK_LIMIT = _word(b"\0\0T00:00"), _word(b"\0\0\x7f\x7d\x76\x7f\x7a\x76")
_CLOCK_BYTES: Final = ~np.uint64(0xFFFF)
_SECOND, _SECOND_LIMIT = _word(b":00.000Z"), _word(b"\x7f\x7a\x76\x7f\x76\x76\x76\x7f")


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
    return values.astype(object) * factor


@dataclass(frozen=True, slots=True)
class _Const:
    """Constant text, word by word: (index, expected, mask)."""

    words: tuple[tuple[int, np.uint64, np.uint64], ...]

    @classmethod
    def of(cls, text: bytes, free_bits: bytes = b"") -> "_Const":
        mask = bytes(0xFF ^ bit for bit in free_bits.ljust(len(text), b"\0"))
        at = range(0, len(text), 8)
        words = ((i // 8, _word(text[i : i + 8]), _word(mask[i : i + 8])) for i in at)
        return cls(tuple((i, word & mask, mask) for i, word, mask in words))

    @property
    def width(self) -> int:
        """Bytes of the words, the unused ones behind the text included."""
        return 8 * len(self.words)

    def differs(self, errors: Words, rows: Words, skip: int) -> None:
        """Set bits of ``errors`` where the words of ``rows`` after ``skip`` are not this text."""
        for index, expected, mask in self.words:
            if mask == ~_U[0]:
                errors |= rows[:, skip + index] ^ expected
            elif mask:
                errors |= (rows[:, skip + index] & mask) ^ expected


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The text between the fields of lines that look alike."""

    key: tuple[bytes, ...]  # equal keys: equal layouts
    contract: records.Contract
    id_digits: int
    head: _Const  # up to the id, the time left free
    head_length: int
    time_at: int
    sell: _Const  # id to price
    buy: _Const
    side_at: int  # where the side's first letter stands, from the end of the id
    sell_length: int
    size: _Const  # price to size, and two characters of that, left free
    size_length: int
    contract_text: _Const  # size to count, or to the end of the line if there is no count
    contract_length: int
    tail: _Const | None  # count to the end of the line
    tail_length: int

    @property
    def shortest(self) -> int:
        """Bytes of a line whose fields are one character each."""
        texts = self.head_length + self.id_digits + self.sell_length - 1 + self.size_length
        texts += self.contract_length + self.tail_length
        return texts + 2 + (self.tail is not None)

    @property
    def longest(self) -> int:
        """Bytes of a line whose fields are as wide as the fast path takes them."""
        return self.shortest + 1 + 2 * (_NUMBER - 1) + _COUNT_DIGITS - 1

    @property
    def reads_beyond(self) -> int:
        """Bytes after a line's end that are looked at (and ignored)."""
        last = self.tail or self.contract_text
        return last.width - (self.tail_length or self.contract_length)


def layout_of(
    line: bytes, inst_id: str, trade: records.Trade, contract: records.Contract
) -> Layout | None:
    """Return the layout of a valid line (newline included), or None if it is an odd one."""
    for comma, colon in ((",", ":"), (", ", ": ")):
        for counted in (True, False):
            texts = _texts(inst_id, contract, comma, colon, counted=counted)
            fields = (times.iso(trade.ts), str(trade.trade_id), trade.side, trade.price, trade.qty)
            if counted:
                fields += (str(trade.count), trade.source)
            written = texts[0] + "".join(
                a + b for a, b in zip(fields, texts[1:], strict=True)
            )
            if written.encode() == line:
                return _layout([text.encode() for text in texts], len(fields[1]), contract)
    return None


def _texts(
    inst_id: str, contract: records.Contract, comma: str, colon: str, *, counted: bool
) -> list[str]:
    def key(name: str) -> str:
        return f'"{name}"{colon}"'

    def pair(name: str, value: str) -> str:
        return f'"{comma}{key(name)}{value}'

    known = pair("exchange", "okx") + pair("market", "perp") + pair("instId", inst_id)
    known += pair("symbol_canon", records.symbol_canon(inst_id)) + pair("trade_id", "")
    worth = pair("ctVal", contract.ct_val) + pair("ctMult", contract.ct_mult)
    worth += pair("ctType", contract.ct_type)
    texts = ["{" + key("timestamp_utc"), known, pair("side", ""), pair("price", "")]
    texts.append(pair("qty_contracts", ""))
    if counted:
        return [*texts, worth + pair("count", ""), pair("source", ""), '"}\n']
    return [*texts, worth + '"}\n']


def _layout(texts: list[bytes], id_digits: int, contract: records.Contract) -> Layout:
    head, middle, side, price, size, worth, *rest = texts
    sell = side + b"sell" + price
    tail = b"0".join(rest)
    free = bytes(len(rest[0])) + b"\x01" if rest else b""  # source: "0" or "1"
    return Layout(
        key=(*texts, b"%d" % id_digits),
        contract=contract,
        id_digits=id_digits,
        head=_Const.of(head + _TIME + middle, bytes(len(head)) + b"\xff" * len(_TIME)),
        head_length=len(head + _TIME + middle),
        time_at=len(head),
        sell=_Const.of(sell),
        buy=_Const.of(side + b"buy" + price),
        side_at=len(side),
        sell_length=len(sell),
        size=_Const.of(size + b"00", bytes(len(size)) + b"\xff\xff"),
        size_length=len(size),
        contract_text=_Const.of(worth),
        contract_length=len(worth),
        tail=_Const.of(tail, free) if rest else None,
        tail_length=len(tail),
    )


def read(
    layout: Layout, data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], Columns]:
    """Read lines (``ends``: after the newline) that may have the layout.

    Returns which of them have it, and the columns of those, in order. Every line must be between
    ``layout.shortest`` and ``layout.longest`` bytes long, with ``layout.reads_beyond`` bytes of
    anything behind the last one.
    """
    errors = np.zeros(len(starts), dtype=np.uint64)
    layout.head.differs(errors, _gather(data, starts, len(layout.head.words)), 0)
    ts = _read_times(_gather(data, starts + layout.time_at, 3), errors)
    id_end = starts + (layout.head_length + layout.id_digits)
    trade_id, buy = _read_id_and_side(layout, data, id_end, errors)
    count, size_end = _read_count(layout, data, ends, errors)
    errors |= count > trade_id + _U[1]
    price_at = id_end + layout.sell_length - buy
    rows = _gather(data, price_at, 2)
    _refuse_leading_zero(rows, 0, errors)
    price_width = _width(rows)
    price_end = price_at + price_width.view(np.int64)
    size_width = size_end - price_end - layout.size_length
    errors |= (size_width < 1) | (size_width > _NUMBER)
    rows = _gather(data, price_end - 16, 2 + len(layout.size.words))
    layout.size.differs(errors, rows, 2)
    price, price_places = _number(rows, price_width, errors)
    _refuse_leading_zero(rows, 16 + layout.size_length, errors)
    rows = _gather(data, size_end - 16, 2 + len(layout.contract_text.words))
    layout.contract_text.differs(errors, rows, 2)
    size, size_places = _number(rows, size_width.view(np.uint64), errors)
    errors |= size_places > exact.SIZE_PLACES
    good = errors == 0
    if not good.all():
        ts, trade_id, count, buy = ts[good], trade_id[good], count[good], buy[good]
        price, price_places = price[good], price_places[good]
        size, size_places = size[good], size_places[good]
    prices, price_decimals = _align(price, price_places)
    sizes, qty_decimals = _align(size, size_places)
    ids, counts = trade_id.view(np.int64), count.view(np.int64)
    return good, Columns(ts, ids, counts, buy, prices, sizes, price_decimals, qty_decimals)


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
    rows = _gather(data, id_end - 24, 3 + len(layout.sell.words))
    trade_id = np.zeros(len(rows), dtype=np.uint64)
    for word, digits in ((2, layout.id_digits), (1, layout.id_digits - 8), (0, layout.id_digits - 16)):
        if digits > 0:
            part = _masked(rows[:, word] ^ _ZEROS, np.uint64(min(digits, 8)))
            errors |= (part | (part + _OVER_NINE)) & _HIGH
            trade_id += _digits(part) * np.uint64(10 ** (8 * (2 - word)))
    if layout.id_digits > 1:
        errors |= trade_id < np.uint64(10 ** (layout.id_digits - 1))
    buy: NDArray[np.bool_] = rows.view(np.uint8)[:, 24 + layout.side_at] == ord("b")
    wrong_buy, wrong_sell = np.zeros_like(errors), np.zeros_like(errors)
    layout.buy.differs(wrong_buy, rows, 3)
    layout.sell.differs(wrong_sell, rows, 3)
    errors |= np.where(buy, wrong_buy, wrong_sell)
    return trade_id, buy


def _read_count(
    layout: Layout, data: NDArray[np.uint8], ends: NDArray[np.int64], errors: Words
) -> tuple[Words, NDArray[np.int64]]:
    """Return the counts and where the sizes end."""
    if layout.tail is None:
        return np.ones(len(ends), dtype=np.uint64), ends - layout.contract_length
    count_end = ends - layout.tail_length
    rows = _gather(data, count_end - 8, 1 + len(layout.tail.words))
    layout.tail.differs(errors, rows, 1)
    characters = rows.view(np.uint8)
    width = np.ones(len(ends), dtype=np.uint64)
    wider = characters[:, 6] != _QUOTE
    for before in (5, 4, 3):
        width += wider
        wider &= characters[:, before] != _QUOTE
    digits = _masked(rows[:, 0] ^ _ZEROS, width)
    errors |= (digits | (digits + _OVER_NINE)) & _HIGH
    count = _digits(digits)
    errors |= count < _LEAST.take(width.view(np.int64))
    return count, count_end - width.view(np.int64) - layout.contract_length


def _width(rows: Words) -> Words:
    """Return the number of characters before the first quote in two words, at most 16."""
    width = _before_quote(rows[:, 0] ^ _ZEROS)
    full = width == 8
    if full.any():
        width += _before_quote(rows[:, 1] ^ _ZEROS) * full
    return width


def _before_quote(word: Words) -> Words:
    # as digits, a quote is 0x12 and a point 0x1e: bit 4 without bit 3 marks a quote
    marks = word & _DOTS & ~(word << _U[1])
    return (np.bitwise_count(marks ^ (marks - _U[1])) >> np.uint8(3)).astype(np.uint64)


def _refuse_leading_zero(rows: Words, at: int, errors: Words) -> None:
    """Refuse numbers (``at``: their first byte) with a point first, or a zero before a digit."""
    first, second = rows.view(np.uint8)[:, at], rows.view(np.uint8)[:, at + 1]
    errors |= (first == _POINT) | ((first == _ZERO) & (second != _POINT))


def _number(rows: Words, width: Words, errors: Words) -> tuple[Words, NDArray[np.uint8]]:
    """Read plain decimals that end after the first two words: all digits, and how many decimals."""
    low = _masked(rows[:, 1] ^ _ZEROS, np.minimum(width, _U[8]))
    low, low_dots, low_below = _without_point(low, errors)
    errors |= low_dots & _LAST_DOT
    pointed = np.minimum(low_dots, _U[1])
    places = pointed * (_U[7] - (np.bitwise_count(low_below) >> np.uint8(3)))
    shifted = low + (low & low_below) * _BYTE  # the digits before the point move over it
    if int(width.max()) <= 8:
        value = _digits(shifted)
    else:
        high = rows[:, 0] ^ _ZEROS
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
    return (word >> cut) << cut


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
