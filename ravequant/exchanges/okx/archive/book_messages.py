"""OKX's archived order books: the messages of one UTC day to the books at its boundaries; pure.

A line is a message: ``{"instId","action","ts","asks":[[price,size,orders],…],"bids":[…]}``, with no
sequence. A snapshot replaces the book, an update sets levels, size 0 removes a level (SPEC 9).

A message changes few levels, and only the books at boundaries are shown: so the two sides are
plain dictionaries that change in place, and are sorted at a boundary. Of the best prices only
bounds are kept; the exact ones are looked for when these bounds cross. A book from before a message
is rebuilt from the lines since the last boundary.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

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
_ORDERS: Final = re.compile(r"[0-9]{1,18}")
_TIME: Final = re.compile(r"[0-9]{13}")
_FIELDS: Final = ("instId", "action", "ts", "asks", "bids")
_QUOTES: Final = 16  # in a message without levels; a level has six
_NONE: Final = -(1 << 200)  # the bound of a side without levels

Side = dict[int, tuple[str, str]]  # rank -> size as canonical text, orders
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
        if row["instId"] != self._inst_id:
            raise RecordError(f"instId: {shown(row['instId'])}; expected {self._inst_id}")
        if row["action"] != UPDATE and row["action"] != SNAPSHOT:
            raise RecordError(f"action: {shown(row['action'])}; expected snapshot or update")
        if self._ts < 0 and row["action"] != SNAPSHOT:
            raise RecordError("it opens with an update; expected a snapshot")
        asks, bids = row["asks"], row["bids"]
        if type(asks) is not list or type(bids) is not list:
            raise TypeError("a side is no list")
        if line.count(b'"') != _QUOTES + 6 * (len(asks) + len(bids)):
            raise ValueError("a key comes twice, or a level is not of three strings")
        return row

    def _time(self, text: Any) -> int:
        if not _TIME.fullmatch(text):
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
            differing = sum(_differing(old, new) for old, new in pairs)
            self.facts.disagreeing += differing > 0
            self.facts.differing_levels += differing
        self._live = True

    def _apply(self, row: Row) -> None:
        """Set the levels of a message: sizes are absolute, so it may be done twice."""
        (bids, asks), best, numbers = self._book, self._best, self._numbers
        try:
            if row["bids"]:
                best[0] = _merge(bids, row["bids"], numbers.bids, numbers.sizes, best[0])
            if row["asks"]:
                best[1] = _merge(asks, row["asks"], numbers.asks, numbers.sizes, best[1])
        except _UnknownNumber:
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
            best[0] = best[0] if best[0] in bids else max(bids, default=_NONE)
            best[1] = best[1] if best[1] in asks else max(asks, default=_NONE)
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
        top_bids, top_asks = (
            self._numbers.texts(list(side.items())[: self._depth]) for side in self._book
        )
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


class _UnknownNumber(Exception):  # noqa: N818 - no error: the number is read, and the step repeated
    """A price or a size that was not met before."""


def _merge(
    side: Side, levels: list[Any], ranks: dict[str, int], sizes: dict[str, str], best: int
) -> int:
    """Return the bound of the best rank after ``levels`` are in ``side``."""
    try:
        for price, size, orders in levels:
            rank = ranks[price]
            contracts = sizes[size]
            if contracts:
                side[rank] = contracts, orders
                if rank > best:  # noqa: PLR1730 - a call of max takes twice as long
                    best = rank
            else:
                side.pop(rank, None)
    except KeyError:
        raise _UnknownNumber from None
    return best


def _scaled(book: Book, factor: int) -> Book:
    bids, asks = ({rank * factor: level for rank, level in side.items()} for side in book)
    return bids, asks


def _differing(before: Side, after: Side) -> int:
    """Return how many prices have another size, as far down as both sides reach."""
    if not before or not after:
        return len(before) + len(after)
    reach, none = max(min(before), min(after)), ("",)
    ranks = before.keys() | after.keys()
    return sum(
        before.get(rank, none)[0] != after.get(rank, none)[0] for rank in ranks if rank >= reach
    )


class _Numbers:
    """Texts that were read once: prices, counted in ``10**-places``, and sizes.

    The rank of a bid is its price, that of an ask its negative: the best has the highest.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        self.bids: dict[str, int] = {}
        self.asks: dict[str, int] = {}
        self.sizes: dict[str, str] = {}  # canonical; empty for 0
        self._prices: dict[int, str] = {}  # price -> canonical text
        self._orders = {"0", "1"}  # numbers that are known to be well-formed

    def learn(self, levels: list[Any]) -> int | None:
        """Read the numbers of levels; return the places that their prices need if that is more."""
        for known in (self.bids, self.asks, self.sizes, self._prices):
            if len(known) > _KEPT_TEXTS:
                known.clear()
        unit = 10 ** (exact.PRICE_PLACES - self.places)
        for price, size, _ in levels:
            if size not in self.sizes:
                contracts = _units(size, exact.SIZE_PLACES, "size")
                self.sizes[size] = exact.text(contracts, exact.SIZE_PLACES) if contracts else ""
            if price in self.bids and price in self.asks:
                continue
            value = _units(price, exact.PRICE_PLACES, "price")
            if not value:
                raise RecordError(f"price: {shown(price)}; expected a price above zero")
            rank, finer = divmod(value, unit)
            if finer:
                return exact.decimals(exact.text(value, exact.PRICE_PLACES))
            self.bids[price], self.asks[price] = rank, -rank
        return None

    def texts(self, levels: list[tuple[int, tuple[str, str]]]) -> list[BookLevel]:
        """Return levels as text, their prices canonical. RecordError if orders are no number."""
        prices, known = self._prices, self._orders
        for rank, (_, orders) in levels:
            if rank not in prices:
                prices[rank] = exact.text(abs(rank), self.places)
            if orders not in known:
                if not _ORDERS.fullmatch(orders):
                    raise RecordError(f"orders: {shown(orders)}; expected a whole number")
                known.add(orders)
        return [f"{prices[rank]},{size},0,{orders}" for rank, (size, orders) in levels]


def _units(text: Any, places: int, field: str) -> int:
    """Return a decimal, which may be written as 7.98e-05, in units of ``10**-places``."""
    if type(text) is not str:
        raise RecordError(f"{field}: {shown(text)}; expected a number in a string")
    try:
        match = _EXPONENT.fullmatch(text)
        return exact.units(text if match is None else _plain(match), places)
    except ValueError as error:
        raise RecordError(f"{field}: {error}; expected a plain decimal") from None


def _plain(match: re.Match[str]) -> str:
    """Return a number with an exponent in plain notation."""
    digits, power = match[1] + (match[2] or ""), int(match[3] + match[4])
    places = len(match[2] or "") - power
    return exact.text(int(digits) * 10 ** max(0, -places), max(0, places))


BOOKS: Final = ArchivedBooks(parse_name, OkxBookReplay, ".data")
