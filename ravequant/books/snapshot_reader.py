"""Raw order book lines (SPEC section 9) to exact columns; each line is read once.

Lines as our own exporter writes them are read many at once (``level_scanner``), all others through
orjson and Python integers, with the same result and the same acceptance. A line that is no snapshot
is rejected; a malformed level is counted (``malformed``) and left out.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from ravequant import swar_digits, times
from ravequant.books import level_scanner, snapshot_json
from ravequant.books import levels as levels_module
from ravequant.books.kept_books import KeptBooks, ReadBlock
from ravequant.books.levels import Levels
from ravequant.books.snapshot_json import DeepLines
from ravequant.errors import shown
from ravequant.records import DEFAULT_EXCHANGE, STAMP, RecordError, parse_iso_field

LINES_AT_ONCE: Final = 36  # most of a MB: the arrays of the scan stay in the cache
_OPENING: Final = b'{"timestamp_utc":"'
_ASKS: Final = b']],"asks_top400":[['
_IN_ASKS: Final = b"k"  # no level holds one; looking for one byte is ten times faster
_PRICE: Final = rb'"((?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,20})?)"'
_MID: Final = rb'"((?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,21})?)"'
_NUMBER: Final = rb"-?(?:0|[1-9][0-9]{0,17})"
_CLOSING = re.compile(
    rb'\]\],"best_bid":' + _PRICE + rb',"best_ask":' + _PRICE + rb',"mid_price":' + _MID
    + rb',"checksum":' + _NUMBER + rb',"seqId":' + _NUMBER + rb',"prevSeqId":' + _NUMBER
    + rb',"gap_detected":(true|false)\}'
)  # fmt: skip
_CLOSING_START: Final = b']],"best_bid":"'
_DEEP_BIDS: Final = b'","bids":[['
_DEEP_ASKS: Final = b']],"asks":[['
Reject = Callable[[int, str], None]


Span = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Deep:
    """One deep snapshot; its two sides are bids and asks."""

    ts: int  # Unix milliseconds of the book
    from_ms: int  # it counts for snapshots later than this
    levels: Levels


class Head(NamedTuple):
    """The facts of one snapshot, its levels apart."""

    ts: int  # Unix milliseconds of the book
    twice_mid: int  # best bid + best ask, units of 10**-PRICE_PLACES
    mid_places: int  # decimals of best bid and best ask
    gap_detected: bool
    entries: tuple[int, int]  # bids and asks in the line, malformed ones included


@dataclass(frozen=True, slots=True, eq=False)
class Books:
    """Consecutive snapshots: sides ``2i`` and ``2i + 1`` are the bids and asks of ``heads[i]``."""

    heads: list[Head]
    levels: Levels
    deeps: list[Deep | None]  # the newest that counts for each snapshot, of any age


_mid_of = lru_cache(maxsize=1 << 10)(snapshot_json.mid_of)  # prices come again and again


def _lines(block: bytes) -> Iterator[Span]:
    """Yield where each line begins and where it ends, its line feed left out."""
    start = 0
    while (end := block.find(b"\n", start)) >= 0:
        yield start, end
        start = end + 1


class _Outline(NamedTuple):
    """A line of the expected form: its facts, and where its levels stand in the block."""

    ts: int
    twice_mid: int
    mid_places: int
    gap_detected: bool
    sides: tuple[Span, Span]  # from ``[`` to ``]``


_Found = tuple[Head, int] | None  # its head and its number in the levels; None for an odd line


class SnapshotReader:
    """Blocks of snapshot lines in, ``Books`` out; deep lines are pulled as they begin to count."""

    def __init__(
        self,
        inst_id: str,
        deep_lines: DeepLines,
        reject: Reject,
        exchange: str = DEFAULT_EXCHANGE,
        kept: KeptBooks | None = None,
    ) -> None:
        self._inst_id, self._exchange, self._kept = inst_id, exchange, kept
        self._middle = (
            f'","exchange":"{exchange}","market":"perp","channel":"books",'
            f'"instId":"{inst_id}","bids_top400":[['
        ).encode("ascii")
        self._deeps = DeepReader(inst_id, deep_lines, exchange, kept)
        self._reject = reject
        self._last_ts = -1
        self._lines = self._rejected = self._duplicates = self._malformed = 0
        swar_digits.keep_freed_memory()

    def read(self, block: bytes, _file: str = "") -> list[Books]:
        """Return the snapshots of a block of whole lines, in file order."""
        self._deeps.look_again()
        found = self._kept.find(block, self._last_ts) if self._kept is not None else None
        if found is None:
            found = self._read(block)
            if self._kept is not None:
                self._kept.newest = found
        self._last_ts = found.last_ts
        self._lines += found.lines
        self._rejected += len(found.rejected)
        self._duplicates += found.duplicates
        self._malformed += found.malformed
        for offset, reason in found.rejected:
            self._reject(offset, reason)
        return [
            Books(heads, levels, [self._deeps.at(head.ts) for head in heads])
            for heads, levels in found.books
        ]

    def _read(self, block: bytes) -> ReadBlock:
        lines = list(_lines(block))
        found = ReadBlock(block, self._last_ts, self._last_ts, lines=len(lines))
        for first in range(0, len(lines), LINES_AT_ONCE):
            some = lines[first : first + LINES_AT_ONCE]
            fast: list[_Found] = [None] * len(some)
            levels = self._scan(block, some, fast)
            self._in_order(found, some, fast, levels)
        return found

    def _scan(self, block: bytes, lines: list[Span], found: "list[_Found]") -> Levels | None:
        """Return the levels of the lines of the expected form, and fill in which these are."""
        outlines = [(index, self._outline(block, *line)) for index, line in enumerate(lines)]
        good = [(index, outline) for index, outline in outlines if outline is not None]
        if not good:
            return None
        start = lines[good[0][0]][0]
        size = lines[good[-1][0]][1] - start
        part = np.frombuffer(block, np.uint8, size, start)
        places = [(a - start, b - start) for _, outline in good for a, b in outline.sides]
        levels, exact_sides = level_scanner.scan(part, places, level_scanner.AFTER_QTY)
        counts, exact_list = np.diff(levels.starts).tolist(), exact_sides.tolist()
        for number, (index, outline) in enumerate(good):
            bids, asks = 2 * number, 2 * number + 1
            if exact_list[bids] and exact_list[asks]:
                head = Head(*outline[:4], (counts[bids], counts[asks]))
                found[index] = head, number
        return levels

    def _outline(self, block: bytes, start: int, end: int) -> _Outline | None:
        stamp = start + len(_OPENING)
        middle = stamp + STAMP
        bids = middle + len(self._middle)
        if not block.startswith(_OPENING, start) or not block.startswith(self._middle, middle):
            return None
        asks = block.find(_IN_ASKS, bids, end) - _ASKS.index(_IN_ASKS)
        closing = block.rfind(_CLOSING_START, bids, end)
        found = block.startswith(_ASKS, asks) and bids <= asks < closing
        match = _CLOSING.fullmatch(block, closing, end) if found else None
        if match is None:
            return None
        bid, ask, mid, gap = (text.decode("ascii") for text in match.groups())
        try:
            ts = times.parse_iso(block[stamp:middle].decode("ascii"))
            twice_mid, mid_places = _mid_of(bid, ask, mid)
        except ValueError:
            return None  # the slow path names the error
        sides = (bids - 2, asks + 1), (asks + len(_ASKS) - 2, closing + 1)
        return _Outline(ts, twice_mid, mid_places, gap == "true", sides)

    def _in_order(
        self,
        found_in: ReadBlock,
        lines: list[Span],
        fast: "list[_Found]",
        levels: Levels | None,
    ) -> None:
        """Splice the odd lines in, and drop late lines."""
        heads: list[Head] = []
        parts: list[tuple[Levels, int]] = []
        for (start, end), found in zip(lines, fast, strict=True):
            if found is not None and levels is not None:
                head, part = found[0], (levels, found[1])
            else:
                try:
                    head, own, malformed = self._odd(found_in.data[start:end])
                except RecordError as error:
                    found_in.rejected.append((start, str(error)))
                    continue
                part = own, 0
                found_in.malformed += malformed
            if head.ts <= found_in.last_ts:
                found_in.duplicates += 1
                continue
            found_in.last_ts = head.ts
            heads.append(head)
            parts.append(part)
        if not heads:
            return
        whole = levels is not None and 2 * len(parts) == len(levels.starts) - 1
        if levels is not None and whole and all(part is levels for part, _ in parts):
            joined = levels
        else:
            joined = levels_module.join([part.sides(2 * n, 2 * n + 2) for part, n in parts])
        found_in.books.append((heads, joined))

    def _odd(self, line: bytes) -> tuple[Head, Levels, int]:
        """Read a line that does not look like our own; RecordError if it is no snapshot.

        Returns the malformed levels too.
        """
        row = snapshot_json.parse(line, "books", self._inst_id, self._exchange)
        sides = row.get("bids_top400"), row.get("asks_top400")
        levels, malformed = snapshot_json.levels_of(*sides)
        texts = [row.get(name) for name in ("best_bid", "best_ask", "mid_price")]
        twice_mid, mid_places = snapshot_json.mid_of(*texts)
        gap = row.get("gap_detected")
        if not isinstance(gap, bool):
            raise RecordError(f"gap_detected: {shown(gap)} is neither true nor false")
        ts = parse_iso_field(row.get("timestamp_utc"), "timestamp_utc")
        entries = len(row["bids_top400"]), len(row["asks_top400"])
        return Head(ts, twice_mid, mid_places, gap, entries), levels, malformed

    def state(self) -> dict[str, int]:
        """Return the state for later snapshots; the deep one in use is found by its cursor."""
        return {"last_ts": self._last_ts}

    def restore(self, state: dict[str, int]) -> None:
        """Restore a state that ``state()`` returned."""
        self._last_ts = int(state["last_ts"])

    def counts(self) -> dict[str, int]:
        """Return the counters of this run."""
        return {
            "lines": self._lines,
            "rejected": self._rejected,
            "duplicates": self._duplicates,
            "malformed": self._malformed,
            **self._deeps.counts(),
        }


class DeepReader:
    """The newest deep snapshot that counts for each snapshot, in the order of time."""

    def __init__(
        self,
        inst_id: str,
        lines: DeepLines,
        exchange: str = DEFAULT_EXCHANGE,
        kept: KeptBooks | None = None,
    ) -> None:
        self._inst_id, self._exchange, self._kept = inst_id, exchange, kept
        self._lines = lines
        self._middle = (
            f'","exchange":"{exchange}","market":"perp","channel":"books-full",'
            f'"instId":"{inst_id}","from_utc":"'
        ).encode("ascii")
        self._deep: Deep | None = None
        self._next: Deep | None = None  # read, but it does not count yet
        self._at_end = False
        self._read = self._rejected = self._duplicates = self._malformed = 0

    def look_again(self) -> None:
        """Expect that more lines have come."""
        self._at_end = False

    def at(self, ts: int) -> Deep | None:
        """Return the newest deep snapshot for the moment ``ts``; moments never go back."""
        while self._next is not None or self._pull():
            if self._next is None or self._next.from_ms >= ts:
                break
            self._deep, self._next = self._next, None
            self._lines.take()
        return self._deep

    def _pull(self) -> bool:
        """Read on to the next deep snapshot; False if there is none yet."""
        while not self._at_end:
            line = self._lines.peek()
            if line is None:
                self._at_end = True
                break
            self._read += 1
            try:
                deep = self._read_line(line)
            except RecordError as error:
                self._rejected += 1
                self._lines.skip(str(error))
                continue
            if self._deep is not None and deep.ts <= self._deep.ts:
                self._duplicates += 1
                self._lines.skip(None)
                continue
            self._next = deep
            return True
        return False

    def _read_line(self, line: bytes) -> Deep:
        if self._kept is None:
            return self._fast(line) or self._odd(line)
        found: Deep | None = self._kept.find_deep(line) or self._fast(line)
        if found is None:
            return self._odd(line)  # each reader counts its malformed levels
        self._kept.keep_deep(line, found)
        return found

    def _fast(self, line: bytes) -> Deep | None:
        middle = len(_OPENING) + STAMP
        since = middle + len(self._middle)
        bids = since + STAMP + len(_DEEP_BIDS)
        asks = line.find(_DEEP_ASKS, bids)
        plain = line.isascii() and b"\\" not in line and line.endswith(b"]]}\n")
        if (
            not plain
            or asks < 0
            or not line.startswith(_OPENING)
            or not line.startswith(self._middle, middle)
            or not line.startswith(_DEEP_BIDS, since + STAMP)
        ):
            return None
        try:
            ts = times.parse_iso(line[len(_OPENING) : middle].decode("ascii"))
            from_ms = times.parse_iso(line[since : since + STAMP].decode("ascii"))
        except ValueError:
            return None
        data = np.frombuffer(line + b" " * level_scanner.BEHIND, dtype=np.uint8)
        if np.count_nonzero(data < ord(" ")) != 1:
            return None
        places = [(bids - 2, asks + 1), (asks + len(_DEEP_ASKS) - 2, len(line) - 3)]
        levels, good = level_scanner.scan(data, places, level_scanner.DEEP_AFTER_QTY)
        return Deep(ts, from_ms, levels) if good.all() else None

    def _odd(self, line: bytes) -> Deep:
        row = snapshot_json.parse(line, "books-full", self._inst_id, self._exchange)
        levels, malformed = snapshot_json.levels_of(row.get("bids"), row.get("asks"))
        self._malformed += malformed
        since = row.get("from_utc")
        from_ms = -1 if since is None else parse_iso_field(since, "from_utc")
        ts = parse_iso_field(row.get("timestamp_utc"), "timestamp_utc")
        return Deep(ts, from_ms, levels)

    def counts(self) -> dict[str, int]:
        """Return the counters of this run."""
        return {
            "deep_lines": self._read,
            "deep_rejected": self._rejected,
            "deep_duplicates": self._duplicates,
            "deep_malformed": self._malformed,
        }
