"""Blocks of raw trade lines to closed minute bars: few line by line, many in columns.

Up to ``FEW_BYTES`` a run reads its lines one by one, which takes less time than loading numpy. The
rest is read in columns (``scanner``, ``bar_columns``), with the same bars.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from ravequant import times
from ravequant.records import DEFAULT_EXCHANGE, RecordError, Rejected, check_whole, parse_trade
from ravequant.trades.bar_builder import BarBuilder, Closed, IdGapAnswer, IsGap, PartialBars
from ravequant.trades.minute_bar import NEVER, MinuteBar, Record, record_of

if TYPE_CHECKING:
    from ravequant.trades.day_minutes import DayMinutes, Heard
    from ravequant.trades.scanner import Scanner

FEW_BYTES: Final = 1 << 20


@lru_cache(maxsize=4)
def end_of(file: str) -> int:
    """Return the end (Unix ms) of the day that a file is named after; NEVER for another name."""
    try:
        return times.day_start_ms(file[:10]) + times.DAY_MS
    except ValueError:
        return NEVER


class BarReader:
    """Reads blocks of raw trade lines into closed minute bars; hands rejected lines to ``reject``.

    ``reject`` is called with the offset in the block and the reason.
    """

    def __init__(
        self,
        inst_id: str,
        whale_notional: int,
        is_gap: IsGap,
        reject: Callable[[int, str], None],
        few_bytes: int = FEW_BYTES,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        squares: bool = False,
        bucket: int = 0,
    ) -> None:
        self._inst_id, self._exchange = inst_id, exchange
        self._bucket = bucket  # the height of price levels; 0: the bars have none
        self._squares = squares  # the state holds the sums of squares of the open minutes
        self._scanner: Scanner | None = None
        self.single_lines = False  # blocks are single lines, read one by one however many
        self.heard: Heard | None = None  # takes bad lines and the answers of the ledger, if there
        self._few = few_bytes  # that may still be read one by one
        self._whale_notional = whale_notional
        self._ledger = is_gap
        self._reject = reject
        self.builder = BarBuilder(whale_notional, bucket)
        self.lines = 0
        self.rejected = 0

    def read(self, block: bytes | memoryview, file: str = "") -> Closed:
        """Read a block of whole lines; return the minutes it closes.

        ``file`` is the name of the block's day file: a record of a later date is ahead.
        """
        self._few -= len(block)
        few = self._few >= 0 or self.single_lines
        read = self._one_by_one if few else self._in_columns
        bars: list[MinuteBar] = []
        gaps: list[int] = []
        for closed in read(block, end_of(file)) if len(block) else ():
            bars += closed.bars
            gaps += closed.gaps
        return Closed(bars, gaps, self.builder.through)

    def _is_gap(self, first_missing: int, last_missing: int) -> bool:
        answer = self._ledger(first_missing, last_missing)
        if self.heard is not None:
            self.heard.answers.append(IdGapAnswer(first_missing, last_missing, answer))
        return answer

    def _one_by_one(self, block: bytes | memoryview, end: int) -> Iterator[Closed]:
        check_whole(block)
        records: list[Record] = []
        rejected: list[Rejected] = []
        lines, offset = bytes(block).split(b"\n")[:-1], 0
        for line in lines:
            try:
                record = record_of(*parse_trade(line + b"\n", self._inst_id, self._exchange))
                records.append(record.until(end))
            except RecordError as error:
                rejected.append(Rejected(offset, str(error)))
            offset += len(line) + 1
        self._count(len(lines), rejected)
        yield self.builder.take(records, self._is_gap)

    def _in_columns(self, block: bytes | memoryview, end: int) -> Iterator[Closed]:
        from ravequant.trades import bar_columns  # noqa: PLC0415 - numpy: few runs read so much
        from ravequant.trades.scanner import Scanner  # noqa: PLC0415

        self._scanner = self._scanner or Scanner(self._inst_id, self._exchange)
        scanned = self._scanner.scan(block)
        self._count(scanned.lines, scanned.rejected)
        for trades in scanned.stretches:
            yield from bar_columns.closed_by(self.builder, trades, self._is_gap, end)

    def absorb(
        self, partial: PartialBars | None, lines: int, rejected: list[Rejected]
    ) -> Closed | None:
        """Take in lines that were read elsewhere; None, and nothing else, if they do not follow."""
        if partial is not None and not self.builder.follows(partial):
            return None
        self._count(lines, rejected)
        if partial is None:
            return Closed(through=self.builder.through)
        return self.builder.absorb(partial, self._is_gap)

    def take_over(self, day: "DayMinutes") -> Closed:
        """Go on behind the lines of a day that were read before; return the minutes they closed.

        Its rejected lines are counted, and not handed to ``reject``. KeyError, TypeError or
        ValueError, and nothing is changed, for a state or counts that are none.
        """
        before, counts = self.builder, day.counts
        builder = BarBuilder.restore(self._whale_notional, day.reader)
        builder.records = before.records + counts["trades"]
        builder.duplicates = before.duplicates + counts["duplicates"]
        builder.late_trades = before.late_trades + counts["late_trades"]
        builder.ahead = before.ahead + counts["ahead"]
        builder.gap_count = before.gap_count + counts["holes"]
        lines, rejected = self.lines + counts["lines"], self.rejected + counts["rejected"]
        self.builder, self.lines, self.rejected = builder, lines, rejected
        return day.closed

    def is_answered(self, answers: Iterable[IdGapAnswer]) -> bool:
        """Return True if the ledger still answers so."""
        return all(
            self._ledger(asked.first_missing, asked.last_missing) == asked.is_gap
            for asked in answers
        )

    def _count(self, lines: int, rejected: list[Rejected]) -> None:
        self.lines += lines
        self.rejected += len(rejected)
        if self.heard is not None:
            self.heard.rejected += rejected
        for line in rejected:
            self._reject(line.offset, line.reason)

    def state(self) -> dict[str, Any]:
        """Return the exact state of the open minutes, for JSON."""
        if self._bucket:
            return self.builder.state_with_levels()
        return self.builder.state_with_squares() if self._squares else self.builder.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where ``state`` was taken, in its form; the builder's counters start again."""
        self._squares = "squares" in state
        self.builder = BarBuilder.restore(self._whale_notional, state, self._bucket)

    def counts(self) -> dict[str, int]:
        """Return the counters of this run."""
        return {
            "lines": self.lines,
            "rejected": self.rejected,
            "trades": self.builder.records,
            "duplicates": self.builder.duplicates,
            "late_trades": self.builder.late_trades,
            "ahead": self.builder.ahead,
            "holes": self.builder.gap_count,
        }
