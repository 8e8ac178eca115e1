"""The text between the fields, which trade lines of one writer and one contract have in common.

A template decides nothing but speed: ``fast_scan`` compares every byte of its text, and any line
that differs is read by ``records.parse_trade``. Text is compared in words of eight characters, the
first in the lowest byte.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ravequant import records, times
from ravequant.contract import Contract
from ravequant.swar_digits import Places, Words, word

NUMBER_CHARACTERS: Final = 16  # of a price or size that the fast path takes
COUNT_DIGITS: Final = 4
_TIME: Final = b"2025-12-14T21:34:56.123Z"
_LEAST_STEP: Final = 64
_MOST_STEP: Final = 128
_SLOTS: Final = 1 << 12
_SLOT_SHIFT: Final = np.uint64(64 - 12)
_GOLDEN: Final = 0x9E3779B97F4A7C15  # spreads neighbouring products
_ALL: Final = np.uint64(2**64 - 1)
COMPARED: Final = 1024  # lines whose long constant text is compared at once: they stay in the cache


@dataclass(frozen=True, slots=True)
class FixedText:
    """Constant text, word by word: (index, expected, mask)."""

    words: tuple[tuple[int, np.uint64, np.uint64], ...]

    @classmethod
    def of(cls, text: bytes, free_bits: bytes = b"") -> "FixedText":
        """Return ``text``, whose ``free_bits`` may be anything."""
        mask = bytes(0xFF ^ bit for bit in free_bits.ljust(len(text), b"\0"))
        at = range(0, len(text), 8)
        words = ((i // 8, word(text[i : i + 8]), word(mask[i : i + 8])) for i in at)
        return cls(tuple((i, expected & free, free) for i, expected, free in words))

    def differs(self, errors: Words, rows: Words, skip: int) -> None:
        """Set bits of ``errors`` where the words of ``rows`` after ``skip`` are not this text."""
        for index, expected, mask in self.words:
            if mask == _ALL:
                errors |= rows[:, skip + index] ^ expected
            elif mask:
                errors |= (rows[:, skip + index] & mask) ^ expected


@dataclass(frozen=True, slots=True, eq=False)
class RepeatedText:
    """Long constant text, as often as it is compared in one go."""

    text: bytes
    copies: bytearray  # which compares itself with any buffer, without a copy of that

    @classmethod
    def of(cls, text: bytes) -> "RepeatedText":
        """Return ``text`` with its copies."""
        return cls(text, bytearray(text * COMPARED))

    def __len__(self) -> int:
        return len(self.text)


@dataclass(frozen=True, slots=True, eq=False)
class LineIndex:
    """Finds where lines begin by one word in so many bytes, without a search for newlines.

    As many words begin in the first ``step`` bytes of a text, and exactly one of them stands at a
    place that ``step`` divides. A table gives its number from a product of the word.
    """

    step: int
    factor: np.uint64
    words: Words
    before: Places  # from the start of the line to the word

    @classmethod
    def of(cls, text: bytes, at: int) -> "LineIndex | None":
        """Return the index of a text that begins at byte ``at`` of each line; None without one."""
        step = min(len(text) - 7, _MOST_STEP) // 8 * 8
        keys = np.array([word(text[n : n + 8]) for n in range(step)], dtype=np.uint64)
        if step < _LEAST_STEP or len(set(keys.tolist())) < step:
            return None
        for odd in range(1, 99, 2):
            factor = np.uint64(_GOLDEN * odd % 2**64)
            slots = (keys * factor) >> _SLOT_SHIFT
            if len(set(slots.tolist())) == step:
                words = np.zeros(_SLOTS, dtype=np.uint64)
                before = np.zeros(_SLOTS, dtype=np.int64)
                words[slots], before[slots] = keys, np.arange(at, at + step)
                return cls(step, factor, words, before)
        return None

    def starts(self, data: NDArray[np.uint8]) -> Places:
        """Return where lines seem to begin, in order, if all have the text where it belongs."""
        sampled = data[: len(data) & -8].view("<u8")[:: self.step // 8].copy()
        slots = sampled * self.factor
        slots >>= _SLOT_SHIFT
        found = self.words.take(slots.view(np.int64), mode="wrap") == sampled
        hits = found.nonzero()[0]
        starts: Places = hits * self.step - self.before[slots[hits].view(np.int64)]
        return starts


@dataclass(frozen=True, slots=True, eq=False)
class LineTemplate:
    """The text between the fields of lines that look alike."""

    key: tuple[bytes, ...]  # equal keys: equal templates
    contract: Contract
    id_digits: int
    head: FixedText  # up to the time, and before that as much, left free, as fills a word
    head_length: int
    middle: RepeatedText  # time to id
    middle_at: int  # from the start of the line, as all of these
    id_end: int
    side_at: int  # where "buy" or "sell" stands, from the end of the id
    sell: tuple[np.uint64, ...]  # id to price, filled up to a whole last word
    buy: tuple[np.uint64, ...]  # as many, of a text that is a byte shorter
    buy_length: int
    price_at: int  # if the taker buys
    size: FixedText  # price to size, and before that as much, left free, as fills a word
    size_at: int  # if the taker buys and the price were empty
    worth: RepeatedText  # size to count, or to the end of the line if there is no count
    tail: FixedText | None  # count to the end of the line, and before that as much, left free
    tail_length: int
    shortest: int  # bytes of a line whose fields are one character each
    longest: int  # bytes of a line whose fields are as wide as the fast path takes them
    line_index: LineIndex | None


def template_of(
    line: bytes,
    inst_id: str,
    trade: records.Trade,
    contract: Contract,
    exchange: str = records.DEFAULT_EXCHANGE,
) -> LineTemplate | None:
    """Return the template of a valid line (newline included), or None if it is an odd one."""
    for comma, colon in ((",", ":"), (", ", ": ")):
        for counted in (True, False):
            texts = _texts(exchange, inst_id, contract, comma, colon, counted=counted)
            fields = [times.iso(trade.ts), str(trade.trade_id), trade.side, trade.price, trade.qty]
            if counted:
                fields += [str(trade.count), trade.source]
            written = texts[0] + "".join(a + b for a, b in zip(fields, texts[1:], strict=True))
            if written.encode() == line:
                return _template([text.encode() for text in texts], len(fields[1]), contract)
    return None


def _texts(
    exchange: str, inst_id: str, contract: Contract, comma: str, colon: str, *, counted: bool
) -> list[str]:
    def key(name: str) -> str:
        return f'"{name}"{colon}"'

    def pair(name: str, value: str) -> str:
        return f'"{comma}{key(name)}{value}'

    known = pair("exchange", exchange) + pair("market", "perp") + pair("instId", inst_id)
    known += pair("symbol_canon", records.symbol_canon(inst_id)) + pair("trade_id", "")
    worth = pair("ctVal", contract.ct_val) + pair("ctMult", contract.ct_mult)
    worth += pair("ctType", contract.ct_type)
    texts = ["{" + key("timestamp_utc"), known, pair("side", ""), pair("price", "")]
    texts.append(pair("qty_contracts", ""))
    if counted:
        return [*texts, worth + pair("count", ""), pair("source", ""), '"}\n']
    return [*texts, worth + '"}\n']


def _template(texts: list[bytes], id_digits: int, contract: Contract) -> LineTemplate:
    head, middle, side, price, size, worth, *rest = texts
    sell, buy = side + b"sell" + price, side + b"buy" + price
    tail = b"0".join(rest)
    source = bytes(len(rest[0])) + b"\x01" if rest else b""  # "0" or "1"
    free_head, free, free_tail = -len(head) % 8, -len(size) % 8, -len(tail) % 8
    middle_at = len(head) + len(_TIME)
    id_end = middle_at + len(middle) + id_digits
    size_at = id_end + len(buy) + len(size)
    shortest = size_at + len(worth) + len(tail) + (3 if rest else 2)
    return LineTemplate(
        key=(*texts, b"%d" % id_digits),
        contract=contract,
        id_digits=id_digits,
        head=FixedText.of(bytes(free_head) + head, b"\xff" * free_head),
        head_length=len(head),
        middle=RepeatedText.of(middle),
        middle_at=middle_at,
        id_end=id_end,
        side_at=len(side),
        sell=tuple(word(sell[at : at + 8]) for at in range(0, len(sell), 8)),
        buy=tuple(word(buy[at : at + 8]) for at in range(0, len(sell), 8)),
        buy_length=len(buy),
        price_at=id_end + len(buy),
        size=FixedText.of(bytes(free) + size, b"\xff" * free),
        size_at=size_at,
        worth=RepeatedText.of(worth),
        tail=FixedText.of(bytes(free_tail) + tail, b"\xff" * free_tail + source) if rest else None,
        tail_length=len(tail),
        shortest=shortest,
        longest=shortest + 1 + 2 * (NUMBER_CHARACTERS - 1) + COUNT_DIGITS - 1,
        line_index=LineIndex.of(middle, middle_at),
    )
