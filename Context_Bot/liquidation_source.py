"""Raw liquidations as closed minutes on the clock of the mark price, for liquidations_1m.

A liquidation has the time of the first mark price behind it as ``known_utc``, and stands on disk
before that. So reading the mark prices, and before each the liquidations that were known by it,
gives the same order however the files are cut into runs.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from Context_Bot.coverage import CoverageSpan, read_span
from ravequant import catalog, exact
from ravequant.contract import amounts
from ravequant.errors import shown
from ravequant.pipeline.job import Reject, Source
from ravequant.records import (
    RecordError,
    contract_of,
    json_object,
    parse_iso_field,
    positive_decimal,
)
from ravequant.settings import Settings
from ravequant.times import MINUTE_MS, SECOND_MS
from ravequant.vault.line_file import TIME_KEY, lines_forward
from ravequant.vault.paths import Vault
from ravequant.vault.side_input import SideInput
from ravequant.vault.tail import Listing

LIQUIDATIONS_CURSOR: Final = "liquidations"  # of the liquidations, in a state
CLOSES_MS: Final = 5 * SECOND_MS  # a minute closes so long after its end
Covered = Callable[[int, int], bool]


class ClosedLiquidations(NamedTuple):
    """The seen liquidations of a closed minute; notionals in units of NOTIONAL_PLACES."""

    minute: int  # since 1970
    longs: int  # notional of the positions that were closed
    shorts: int
    long_count: int
    short_count: int
    largest: int  # notional; 0 without any
    largest_side: str  # long or short; empty without any
    late: int  # rows of a minute that was closed when they came
    gap: bool  # part of it, or of the 5 s behind it, was not listened to


class LiquidationFacts(NamedTuple):
    """A raw liquidation as far as it is counted."""

    ts: int
    known_ms: int
    liquidated: str
    notional: int


class CoverageSpans:
    """The spans of coverage on disk, read again when they may have grown."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._spans: list[CoverageSpan] = []

    def look_again(self) -> None:
        """Read the file. Raises VaultError if it cannot be read."""
        found: dict[int, CoverageSpan] = {}
        for _, path in self._listing():
            for line in lines_forward(path):
                try:
                    span = read_span(line)
                except (ValueError, KeyError, TypeError):
                    continue
                found[span.from_ms] = span  # a span's end has a later line
        self._spans = list(found.values())

    def covered(self, begin: int, end: int) -> bool:
        """Return True if liquidations were listened to from one moment to the other."""
        return any(
            span.from_ms <= begin and (span.to_ms is None or span.to_ms >= end)
            for span in reversed(self._spans)
        )


class OpenMinute:
    """The sums of a minute that is open."""

    __slots__ = ("counts", "largest", "late", "notionals")

    def __init__(self) -> None:
        self.notionals, self.counts = {"long": 0, "short": 0}, {"long": 0, "short": 0}
        self.largest, self.late = (0, ""), 0

    def add(self, row: LiquidationFacts) -> None:
        """Add a liquidation."""
        self.notionals[row.liquidated] += row.notional
        self.counts[row.liquidated] += 1
        if row.notional > self.largest[0]:
            self.largest = row.notional, row.liquidated

    def closed(self, minute: int, *, gap: bool) -> ClosedLiquidations:
        """Return the sums as those of a closed minute."""
        sums, counts = self.notionals, self.counts
        return ClosedLiquidations(
            minute, sums["long"], sums["short"], counts["long"], counts["short"],
            *self.largest, self.late, gap,
        )  # fmt: skip

    def state(self) -> list[Any]:
        """Return the sums, JSON-able and exact."""
        values = (*self.notionals.values(), self.largest[0])
        packed = [exact.packed(value) for value in values]
        return [*packed, self.largest[1], *self.counts.values(), self.late]

    @classmethod
    def restore(cls, state: list[Any]) -> "OpenMinute":
        """Return the sums of a ``state``."""
        found = cls()
        longs, shorts, largest = (exact.unpacked(value) for value in state[:3])
        found.notionals = {"long": longs, "short": shorts}
        found.largest = largest, str(state[3])
        found.counts = {"long": int(state[4]), "short": int(state[5])}
        found.late = int(state[6])
        return found


class PulledLines(Protocol):
    """A side input, as far as it is read here."""

    def peek(self) -> bytes | None:
        """Return the next whole line without passing it."""

    def skip(self, reason: str | None) -> None:
        """Pass the line peeked at."""


class LiquidationReader:
    """Blocks of mark prices in, closed minutes of liquidations out."""

    def __init__(
        self,
        inst_id: str,
        lines: PulledLines,
        spans: CoverageSpans,
        reject: Reject,
        exchange: str,
    ) -> None:
        self._inst_id, self._exchange = inst_id, exchange
        self._liquidations, self._spans, self._reject = lines, spans, reject
        self._clock: int | None = None
        self._begin = 0  # the minute of the first mark price: none before it is open
        self._open: dict[int, OpenMinute] = {}
        self._lines = self._rejected = self._duplicates = self._late = self._seen = 0
        self._ended = False

    def read(self, block: bytes, _file: str) -> list[ClosedLiquidations]:
        """Return the minutes that the mark prices of a block close, in order."""
        self._spans.look_again()  # after the block was read: so the spans that it needs are on disk
        self._ended = False
        found: list[ClosedLiquidations] = []
        offset = 0
        for line in block.splitlines(keepends=True):
            self._lines += 1
            try:
                ts = self._mark(line)
            except RecordError as error:
                self._rejected += 1
                self._reject(offset, str(error))
            else:
                if self._clock is None or ts > self._clock:
                    found += self._passed(ts)
                else:
                    self._duplicates += 1
            offset += len(line)
        return found

    def _mark(self, line: bytes) -> int:
        row = json_object(line)
        if row.get("instId") != self._inst_id or row.get("exchange") != self._exchange:
            raise RecordError(f"instId: {shown(row.get('instId'))} is not {self._inst_id!r}")
        positive_decimal(row.get("markPx"), "markPx", exact.PRICE_PLACES)
        return parse_iso_field(row.get(TIME_KEY), TIME_KEY)

    def _passed(self, ts: int) -> Iterator[ClosedLiquidations]:
        """Take in the liquidations that were known by ``ts``, then close minutes."""
        if self._clock is None:
            self._begin = ts // MINUTE_MS
        while not self._ended:
            line = self._liquidations.peek()
            if line is None:
                self._ended = True
                break
            try:
                row = read_liquidation(line, self._inst_id)
            except RecordError as error:
                self._liquidations.skip(str(error))
                continue
            if row.known_ms > ts:
                break
            self._liquidations.skip(None)
            if self._clock is not None or row.known_ms == ts:  # else it is of before the beginning
                self._add(row)
        self._clock = ts
        self._open.setdefault(ts // MINUTE_MS, OpenMinute())
        for minute in sorted(self._open):
            if minute >= self._first_open:
                break
            begin = minute * MINUTE_MS
            gap = not self._spans.covered(begin, begin + MINUTE_MS + CLOSES_MS)
            yield self._open.pop(minute).closed(minute, gap=gap)

    @property
    def _first_open(self) -> int:
        closed = 0 if self._clock is None else (self._clock - CLOSES_MS) // MINUTE_MS
        return max(self._begin, closed)

    def _add(self, row: LiquidationFacts) -> None:
        own = row.ts // MINUTE_MS
        joined = max(own, self._first_open)
        minute = self._open.setdefault(joined, OpenMinute())
        minute.add(row)
        minute.late += joined != own
        self._late += joined != own
        self._seen += 1

    def state(self) -> dict[str, Any]:
        """Return everything that later minutes depend on."""
        minutes = [[minute, *sums.state()] for minute, sums in sorted(self._open.items())]
        return {"clock": self._clock, "begin": self._begin, "open": minutes}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state()`` returned."""
        self._clock = None if state["clock"] is None else int(state["clock"])
        self._begin = int(state["begin"])
        self._open = {int(minute): OpenMinute.restore(sums) for minute, *sums in state["open"]}

    def counts(self) -> dict[str, int]:
        """Return the counters of this run."""
        return {
            "lines": self._lines,
            "rejected": self._rejected,
            "duplicates": self._duplicates,
            "liquidations": self._seen,
            "late_liqs": self._late,
        }


def read_liquidation(line: bytes, inst_id: str) -> LiquidationFacts:
    """Return a raw liquidation. Raises RecordError if the line is none of the instrument."""
    row = json_object(line)
    if row.get("instId") != inst_id:
        raise RecordError(f"instId: {shown(row.get('instId'))} is not {inst_id!r}")
    if row.get("liquidated") not in ("long", "short"):
        raise RecordError(f"liquidated: {shown(row.get('liquidated'))} is neither long nor short")
    price = positive_decimal(row.get("px"), "px", exact.PRICE_PLACES)
    qty = positive_decimal(row.get("qty_contracts"), "qty_contracts", exact.SIZE_PLACES)
    _, notional = amounts(
        contract_of(row),
        exact.units(price, exact.PRICE_PLACES),
        exact.units(qty, exact.SIZE_PLACES),
    )
    ts = parse_iso_field(row.get(TIME_KEY), TIME_KEY)
    known = parse_iso_field(row.get("known_utc"), "known_utc")
    return LiquidationFacts(ts, known, row["liquidated"], notional)


class LiquidationInput:
    """The raw mark prices and liquidations of a vault."""

    record: Final = "mark price"

    def files(self, vault: Vault, inst_id: str) -> Listing:
        """Return the listing of the raw mark prices."""
        return lambda: catalog.MARKS.files(vault, inst_id)

    def folder(self, vault: Vault, inst_id: str) -> Path:
        """Return the folder of the raw mark prices."""
        return vault.marks(inst_id)

    def source(
        self, vault: Vault, inst_id: str, _chosen: Settings
    ) -> Source[list[ClosedLiquidations]]:
        """Return the source of one instrument."""
        lines = SideInput(lambda: catalog.LIQUIDATIONS.files(vault, inst_id))
        spans = CoverageSpans(lambda: catalog.COVERAGE.files(vault, inst_id))
        return Source(
            self.files(vault, inst_id),
            lambda reject: LiquidationReader(inst_id, lines, spans, reject, vault.exchange),
            side_inputs={LIQUIDATIONS_CURSOR: lines},
            repaired=False,
        )


MARKS_AND_LIQUIDATIONS: Final = LiquidationInput()
