"""OKX's archived order books: the messages of one UTC day to the books at its boundaries; pure.

A line is a message: ``{"instId","action","ts","asks":[[price,size,orders],…],"bids":[…]}``, with no
sequence. A snapshot replaces the book, an update sets levels, size 0 removes a level (SPEC 9).

A message changes few levels, and only the books at boundaries are shown: so the two sides are
plain dictionaries that change in place, and are sorted at a boundary. Of the best prices only
bounds are kept; the exact ones are looked for when these bounds cross. A book from before a message
is rebuilt from the lines since the last boundary.
"""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

import orjson

from ravequant import exact, times
from ravequant.errors import shown
from ravequant.exchanges.archive.book_days import SILENCE_MS, ArchivedBooks, BookFacts, ShownBook
from ravequant.exchanges.base import SNAPSHOT, UPDATE, BookLevel
from ravequant.exchanges.okx.archive.names import parse_name
from ravequant.records import RecordError

MOST_LEVELS: Final = 20_000  # a side; OKX's deepest book has 5,000
_KEPT_TEXTS: Final = 1 << 16  # numbers that are remembered
_KEPT_LINES: Final = 4_096  # of one boundary; usually 200
_EXPONENT: Final = re.compile(r"([0-9])(?:\.([0-9]{1,16}))?e([+-])([0-9]{1,2})")
_PLAIN_SIZE: Final = re.compile(rf"(?:0|[1-9][0-9]{{0,19}})(?:\.[0-9]{{1,{exact.SIZE_PLACES}}})?")
_ORDERS: Final = re.compile(r"[0-9]{1,18}")
_TIME_DIGITS: Final = 13
_ZEROS: Final = frozenset({"0", *(f"0.{'0' * places}" for places in range(1, 11))})
_FIELDS: Final = ("instId", "action", "ts", "asks", "bids")
_QUOTES: Final = 16  # in a message without levels; a level has six
_NEAR: Final = 32  # ranks that are tried before all of a side are compared
_NONE: Final = -(1 << 200)  # the bound of a side without levels

Level = list[str]  # price, size, number of orders, as they came
Side = dict[int, Level]  # by rank
Row = dict[str, Any]  # a message
Book = tuple[Side, Side]  # bids and asks


class OkxBookReplay:
    """The messages of one instrument's file of one UTC day.

    ``read`` yields the first book at or past each boundary of ``cadence_ms``, at most ``depth``
    levels a side, and the last book before each gap. RecordError, with the line's number, refuses
    the day.
    """

    def __init__(self, inst_id: str, day: str, *, cadence_ms: int, depth: int) -> None:
        self.facts = BookFacts()
        self._inst_id, self._day = inst_id, day
        self._begin = times.day_start_ms(day)
        self._end = self._begin + times.DAY_MS
        self._cadence_ms, self._depth = cadence_ms, depth
        self._numbers = _Numbers(0)
        self._update = f'{{"instId":"{inst_id}","action":"update","ts":"'.encode("ascii")
        self._usual = b"\0"  # no line begins so
        self._boundary = self._shown_ts = self._ts = -1
        self._live = False  # False: waiting for a snapshot
        self._forget()

    def _forget(self) -> None:
        self._book: Book = {}, {}
        self._best = [_NONE, _NONE]  # bounds: no bid and no ask has a higher rank
        self._kept: Book = {}, {}  # the book before the lines of ``_since``
        self._since: list[bytes] = []

    def read(self, block: bytes) -> Iterator[ShownBook]:
        """Take in whole lines; yield the books to write."""
        for line in block.splitlines():
            found = self._take(line)
            if found:
                yield from found

    def end(self) -> Iterator[ShownBook]:
        """Take in that the file has ended; yield the last book if the day goes on without it."""
        if not self.facts.messages:
            raise RecordError("it has no message; expected a day of them")
        if self._end - self._ts > SILENCE_MS:
            yield from self._silence()

    # -- messages

    def _take(self, line: bytes) -> list[ShownBook] | None:
        self.facts.messages += 1
        try:
            row = self._row(line)
            ts = self._time(row["ts"])
            silent = self._ts >= 0 and ts - self._ts > SILENCE_MS
            found = self._silence() if silent else None
            self._ts = ts
            if row["action"] == SNAPSHOT:
                self._replace(row)
            elif self._live:
                self._apply(row)
            else:
                self.facts.dropped += 1
                return found
            return self._step(line, ts, found)
        except RecordError as error:
            raise RecordError(f"line {self.facts.messages}: {error}") from None
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise RecordError(
                f"line {self.facts.messages}: {shown(line)} is no message: {error}; expected "
                f"{', '.join(_FIELDS)}, a level being [price, size, orders] in strings"
            ) from None

    def _row(self, line: bytes) -> Row:
        """Return a message of five keys; its levels are three strings each once unpacked."""
        row: Row = orjson.loads(line)
        if len(row) != len(_FIELDS):
            raise RecordError(f"keys: {shown(sorted(row))}; expected {', '.join(_FIELDS)}")
        if not line.startswith(self._usual):
            self._check_head(row)
        asks, bids = row["asks"], row["bids"]
        if type(asks) is not list or type(bids) is not list:
            raise TypeError("a side is no list")
        if line.count(b'"') != _QUOTES + 6 * (len(asks) + len(bids)):
            raise ValueError("a key comes twice, or a level is not of three strings")
        return row

    def _check_head(self, row: Row) -> None:
        """Check instrument and action, of the first message of the file in particular."""
        if row["instId"] != self._inst_id:
            raise RecordError(f"instId: {shown(row['instId'])}; expected {self._inst_id}")
        if row["action"] != UPDATE and row["action"] != SNAPSHOT:
            raise RecordError(f"action: {shown(row['action'])}; expected snapshot or update")
        if self._ts < 0 and row["action"] != SNAPSHOT:
            raise RecordError("it opens with an update; expected a snapshot")
        self._usual = self._update  # from here on; a line that begins so needs no such check

    def _time(self, text: Any) -> int:
        if len(text) != _TIME_DIGITS or not (text.isascii() and text.isdecimal()):
            raise RecordError(f"ts: {shown(text)}; expected Unix milliseconds")
        ts = int(text)
        if ts < self._ts:
            raise RecordError(f"ts: {text} comes after {self._ts}; expected times that rise")
        if not self._begin <= ts < self._end:
            raise RecordError(f"ts: {text} is {times.iso(ts)}; expected times of {self._day}")
        if self._ts < 0:
            self.facts.first_ms = ts
        self.facts.last_ms = ts
        return ts

    def _replace(self, row: Row) -> None:
        """Take the book of a snapshot, and count where it differs from the updates before it."""
        before = self._book
        self._forget()
        self._apply(row)
        self.facts.snapshots += 1
        if self._live:
            pairs = zip(before, self._book, strict=True)
            differing = sum(self._numbers.differing(old, new) for old, new in pairs)
            self.facts.disagreeing += differing > 0
            self.facts.differing_levels += differing
        self._live = True

    def _apply(self, row: Row) -> None:
        """Set the levels of a message: sizes are absolute, so it may be done twice."""
        (bids, asks), best, numbers = self._book, self._best, self._numbers
        try:
            if row["bids"]:
                best[0] = _merge(bids, row["bids"], numbers.bids, best[0])
            if row["asks"]:
                best[1] = _merge(asks, row["asks"], numbers.asks, best[1])
        except _UnknownPrice:
            self._learn(row)
            self._apply(row)
            return
        if len(bids) > MOST_LEVELS or len(asks) > MOST_LEVELS:
            raise RecordError(f"a side has more than {MOST_LEVELS} levels; expected 400")

    def _learn(self, row: Row) -> None:
        """Read the numbers of a message; count prices in finer units if they need it."""
        finer = self._numbers.learn([*row["bids"], *row["asks"]])
        if finer is None:
            return
        factor = 10 ** (finer - self._numbers.places)
        self._numbers = _Numbers(finer)
        self._book, self._kept = _scaled(self._book, factor), _scaled(self._kept, factor)
        self._best = [bound * factor for bound in self._best]
        self._learn(row)

    # -- books

    def _step(self, line: bytes, ts: int, found: list[ShownBook] | None) -> list[ShownBook] | None:
        """Return the books to write, once a message is in the book."""
        bids, asks = self._book
        best = self._best
        if best[0] + best[1] >= 0:  # the bounds cross
            best[0], best[1] = _highest(bids, best[0]), _highest(asks, best[1])
        if best[0] + best[1] >= 0 or not bids or not asks:
            return [*(found or ()), *self._broken(ts)]
        self._since.append(line)
        boundary = ts // self._cadence_ms
        if boundary > self._boundary and ts > self._shown_ts:
            self._boundary = boundary
            return [*(found or ()), self._show(ts, gap=False)]
        if len(self._since) >= _KEPT_LINES:
            self._keep()
        return found

    def _broken(self, ts: int) -> list[ShownBook]:
        """Return the book before the message of time ``ts``, which has crossed or emptied it."""
        self.facts.breaks += 1
        self._book, self._best = self._kept, [_NONE, _NONE]
        for line in self._since:
            self._apply(orjson.loads(line))
        return self._lose(max(ts, self._shown_ts + 1))

    def _silence(self) -> list[ShownBook]:
        if not self._live:
            return []
        self.facts.silences += 1
        return self._lose(max(self._ts + 1, self._shown_ts + 1))

    def _lose(self, ts: int) -> list[ShownBook]:
        """Return the last book, as of ``ts``, and wait for a snapshot."""
        last = [self._show(ts, gap=True)] if all(self._book) else []
        self._live = False
        self._forget()
        return last

    def _show(self, ts: int, *, gap: bool) -> ShownBook:
        self._shown_ts = ts
        bids, asks = self._keep()
        unit: int = 10 ** (exact.PRICE_PLACES - self._numbers.places)
        top_bids, top_asks = (self._numbers.texts(side, self._depth) for side in self._book)
        return ShownBook(ts, top_bids, top_asks, (bids - asks) * unit, gap)

    def _keep(self) -> tuple[int, int]:
        """Remember the book as it is, and return the ranks of its best bid and ask.

        The sides are made anew in the order of rank: the next sorting finds them nearly sorted.
        """
        self._kept, self._since = self._book, []
        bids, asks = (
            {rank: side[rank] for rank in sorted(side, reverse=True)} for side in self._kept
        )
        self._book = bids, asks
        return next(iter(bids)), next(iter(asks))


class _UnknownPrice(Exception):  # noqa: N818 - no error: the price is read, and the step repeated
    """A price that was not met before."""


def _highest(side: Side, bound: int) -> int:
    """Return the highest rank of a side, none of which is above ``bound``; it is often near."""
    for rank in range(bound, bound - _NEAR, -1):
        if rank in side:
            return rank
    return max(side, default=_NONE)


def _merge(side: Side, levels: list[Level], ranks: dict[str, int], best: int) -> int:
    """Return the bound of the best rank after ``levels`` are in ``side``."""
    try:
        for level in levels:
            price, size, _ = level
            rank = ranks[price]
            if size in _ZEROS:
                side.pop(rank, None)
            else:
                side[rank] = level
                if rank > best:  # noqa: PLR1730 - a call of max takes twice as long
                    best = rank
    except KeyError:
        raise _UnknownPrice from None
    return best


def _scaled(book: Book, factor: int) -> Book:
    bids, asks = ({rank * factor: level for rank, level in side.items()} for side in book)
    return bids, asks


class _Numbers:
    """Numbers that were read once: prices, counted in ``10**-places``, and sizes.

    The rank of a bid is its price, that of an ask its negative: the best has the highest.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        self.bids: dict[str, int] = {}  # text -> rank
        self.asks: dict[str, int] = {}
        self._prices = _Texts[int](lambda rank: exact.text(abs(rank), places))
        self._sizes = _Texts[str](_size)
        self._orders = _Texts[str](_count)

    def learn(self, levels: list[Level]) -> int | None:
        """Read the prices of levels; return the places that they need if that is more."""
        if len(self.bids) > _KEPT_TEXTS:
            self.bids.clear()
            self.asks.clear()
        unit = 10 ** (exact.PRICE_PLACES - self.places)
        for price, *_ in levels:
            if price in self.bids:
                continue
            value = _units(price, exact.PRICE_PLACES, "price")
            if not value:
                raise RecordError(f"price: {shown(price)}; expected a price above zero")
            rank, finer = divmod(value, unit)
            if finer:
                return exact.decimals(exact.text(value, exact.PRICE_PLACES))
            self.bids[price], self.asks[price] = rank, -rank
        return None

    def texts(self, side: Side, depth: int) -> list[BookLevel]:
        """Return the first levels of a side as text, canonical. RecordError for a wrong number."""
        prices, sizes, counts = self._prices, self._sizes, self._orders
        for texts in (prices, sizes, counts):
            if len(texts) > _KEPT_TEXTS:
                texts.clear()
        return [
            f"{prices[rank]},{sizes[size]},0,{counts[orders]}"
            for rank, (_, size, orders) in islice(side.items(), depth)
        ]

    def differing(self, before: Side, after: Side) -> int:
        """Return how many prices have another size, as far down as both sides reach."""
        if not before or not after:
            return len(before) + len(after)
        reach, none, sizes = max(min(before), min(after)), ["", "0", ""], self._sizes
        return sum(
            sizes[before.get(rank, none)[1]] != sizes[after.get(rank, none)[1]]
            for rank in before.keys() | after.keys()
            if rank >= reach
        )


Key = TypeVar("Key")


class _Texts(dict[Key, str]):
    """Texts that are made once, by ``make``."""

    def __init__(self, make: Callable[[Key], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Key) -> str:
        found = self[key] = self._make(key)
        return found


def _count(text: str) -> str:
    """Return a number of orders. RecordError if it is none."""
    if not _ORDERS.fullmatch(text):
        raise RecordError(f"orders: {shown(text)}; expected a whole number")
    return text


def _size(text: str) -> str:
    """Return a size as canonical text. RecordError if it is none."""
    if _PLAIN_SIZE.fullmatch(text):
        return text.rstrip("0").rstrip(".") if "." in text else text
    return exact.text(_units(text, exact.SIZE_PLACES, "size"), exact.SIZE_PLACES)


def _units(text: Any, places: int, field: str) -> int:
    """Return a decimal, which may be written as 7.98e-05, in units of ``10**-places``."""
    if type(text) is not str:
        raise RecordError(f"{field}: {shown(text)}; expected a number in a string")
    try:
        match = _EXPONENT.fullmatch(text)
        value = exact.units(text if match is None else _plain(match), places)
    except ValueError as error:
        raise RecordError(f"{field}: {error}; expected a plain decimal") from None
    if not value and text not in _ZEROS:
        raise RecordError(f"{field}: {shown(text)}; expected 0, 0.0 or a number above zero")
    return value


def _plain(match: re.Match[str]) -> str:
    """Return a number with an exponent in plain notation."""
    digits, power = match[1] + (match[2] or ""), int(match[3] + match[4])
    places = len(match[2] or "") - power
    return exact.text(int(digits) * 10 ** max(0, -places), max(0, places))


BOOKS: Final = ArchivedBooks(parse_name, OkxBookReplay, ".data")
