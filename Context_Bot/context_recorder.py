"""Records the context feeds of one instrument: rows of the exchange in, lines on disk out."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import orjson

from Context_Bot.context_lines import ContextLines, Key, funding_fields, key_of, key_of_line
from Context_Bot.coverage import SILENT_MS, Coverage, CoverageSpan, read_span
from Context_Bot.line_queue import LineQueue, QueuedLine
from ravequant import times
from ravequant.exchanges.context_feeds import (
    ContextFeeds,
    FundingRow,
    InterestRow,
    LiquidationRow,
    MarkRow,
)
from ravequant.times import MINUTE_MS, SECOND_MS
from ravequant.vault.append_log import AppendLog, DayLog
from ravequant.vault.line_file import lines_backward
from ravequant.vault.paths import Vault, day_files

FEED: Final = "liquidations"  # whose coverage is kept
REPEAT_MS: Final = 15 * MINUTE_MS  # a row that comes again within it is a repeat
LATE_MS: Final = 5 * SECOND_MS  # behind a mark price on disk no row so much older is written
_FUNDING_EVERY_MS: Final = 10 * MINUTE_MS  # an estimate that stands is written so often
_REMEMBERED: Final = 5_000  # liquidations on disk that are known at the start
_MARK, _INTEREST, _FUNDING, _LIQUIDATIONS, _COVERAGE = (
    "mark", "interest", "funding", "liquidations", "coverage",
)  # fmt: skip
_log = logging.getLogger("context_exporter")


@dataclass(slots=True)
class ContextCounts:
    """Lines and rows since the start."""

    written: int = 0
    liquidations: int = 0
    repeated: int = 0  # liquidations that came before
    rejected: int = 0  # rows of another form
    ahead: int = 0  # rows past the exchange's time
    stale: int = 0  # rows older than the row before
    breaks: int = 0  # of the coverage


class ContextRecorder:
    """The raw files of one instrument.

    Raises VaultError if the files on disk cannot be read. If the disk refuses a line later, that is
    logged and tried again; ``refused`` is True meanwhile.
    """

    def __init__(
        self, vault: Vault, feeds: ContextFeeds, inst_id: str, lines: ContextLines
    ) -> None:
        self.inst_id, self.lines = inst_id, lines
        self.counts = ContextCounts()
        self.heard_funding: Callable[[FundingRow], None] = lambda _: None
        self._feeds = feeds
        self._coverage = Coverage()
        self._waiting: list[LiquidationRow] = []  # for the next mark price, their time of knowing
        self._seen: dict[Key, int] = {}  # -> the clock when it came
        self._purged_at = 0
        days = {
            _MARK: DayLog(vault.marks(inst_id)),
            _INTEREST: DayLog(vault.open_interest(inst_id)),
            _FUNDING: DayLog(vault.funding_estimates(inst_id)),
            _LIQUIDATIONS: DayLog(vault.liquidations(inst_id)),
        }
        spans = AppendLog(vault.coverage(FEED, inst_id))
        self._queue = LineQueue(inst_id, {**days, _COVERAGE: spans})
        self._take_up(days, spans)

    def _take_up(self, days: dict[str, DayLog], spans: AppendLog) -> None:
        """Go on from the lines on disk; a span that a crash left open ends with the last mark."""
        mark = _newest(days[_MARK], self.inst_id)
        self.on_disk_ts = times.parse_iso(mark["timestamp_utc"]) if mark else None
        self._first_ts = self._coverage.clock = self.on_disk_ts
        self._interest = _newest(days[_INTEREST], self.inst_id)
        self._funding = _newest(days[_FUNDING], self.inst_id)
        known = self._remember(days[_LIQUIDATIONS])
        self._latest_known = max(known, self.on_disk_ts or 0)
        torn = spans.torn_bytes + sum(log.torn_bytes for log in days.values())
        if torn:
            _log.warning(
                "%s: a torn tail of %d bytes was cut off and kept in .torn", self.inst_id, torn
            )
        last = next(lines_backward(spans.path), None) if spans.length else None
        try:
            span = None if last is None else read_span(last)
        except (ValueError, KeyError, TypeError):
            span = None
        if span is not None and span.to_ms is None:
            end = max(span.from_ms, self.on_disk_ts or 0)
            self._spans([CoverageSpan(span.from_ms, end, "error")])

    def _remember(self, log: DayLog) -> int:
        """Load the liquidations on disk, so that a repeat is known; return the newest knowing."""
        newest = 0
        for _, path in islice(day_files(log.folder, newest_first=True), 2):
            for line in lines_backward(path):
                if len(self._seen) >= _REMEMBERED:
                    break
                try:
                    key, known = key_of_line(line)
                except (ValueError, KeyError, TypeError):
                    continue
                newest = max(newest, known)
                self._seen.setdefault(key, known)
        return newest

    @property
    def written_ts(self) -> int | None:
        """Return the time of the newest mark price that is written (Unix ms); None without any."""
        return self._queue.newest.get(_MARK, self._first_ts)

    @property
    def refused(self) -> bool:
        """Return True while the disk refuses its rows."""
        return self._queue.refused

    # -- connections

    def subscribed(self, connection: int) -> None:
        """Take in that a connection listens to the liquidations."""
        self._coverage.subscribed(connection)

    def lose(self, connection: int, reason: str) -> None:
        """Take in that a connection is gone, or listens no more."""
        self._spans(self._coverage.lost(connection, reason))

    # -- rows

    def mark(self, row: MarkRow, connection: int) -> None:
        """Take in a mark price: the clock of all else."""
        clock = self._coverage.clock
        if clock is not None and row.ts < clock:
            self.counts.stale += 1
            return
        self._spans(self._coverage.marked(row.ts, connection))
        self._release(row.ts)
        if self.on_disk_ts is None or row.ts // SECOND_MS > self.on_disk_ts // SECOND_MS:
            self.on_disk_ts = row.ts
            line = self.lines.mark(row, self._feeds.mark)
            self._put(QueuedLine(_MARK, row.ts, line, after=(_COVERAGE, _LIQUIDATIONS)))

    def interest(self, row: InterestRow) -> None:
        """Take in open interest."""
        line = self.lines.interest(row, self._feeds.interest)
        fresh = orjson.loads(line)
        if self._goes_back(self._interest, row.ts) or fresh == self._interest:
            return
        if self._is_passed(row.ts):
            return
        self._interest = fresh
        self._put(QueuedLine(_INTEREST, row.ts, line))

    def funding(self, row: FundingRow) -> None:
        """Take in an estimate of funding; it is written if it says something new."""
        if self._goes_back(self._funding, row.ts):
            return
        self.heard_funding(row)
        if self._is_passed(row.ts):
            return
        fields, before = funding_fields(row), self._funding
        if before is not None and all(before.get(name) == fields[name] for name in fields):
            standing_ms = row.ts - times.parse_iso(before["timestamp_utc"])
            if standing_ms < _FUNDING_EVERY_MS:
                return
        line = self.lines.funding(row, self._feeds.funding)
        self._funding = orjson.loads(line)
        self._put(QueuedLine(_FUNDING, row.ts, line))

    def liquidated(self, rows: Sequence[LiquidationRow]) -> None:
        """Take in the rows of one frame; those of an earlier frame that come again are repeats."""
        clock = self._coverage.clock or 0
        fresh = [row for row in rows if key_of(row) not in self._seen]
        self.counts.repeated += len(rows) - len(fresh)
        self._seen.update((key_of(row), max(clock, row.ts)) for row in fresh)
        self._waiting += fresh

    def _goes_back(self, before: dict[str, Any] | None, ts: int) -> bool:
        if before is None or ts >= times.parse_iso(before["timestamp_utc"]):
            return False
        self.counts.stale += 1
        return True

    def _is_passed(self, ts: int) -> bool:
        """Return True for a row so late that readers of the mark price on disk have passed it."""
        if ts > (self.on_disk_ts or 0) - LATE_MS:
            return False
        self.counts.stale += 1
        return True

    def _release(self, clock: int) -> None:
        """Write the waiting liquidations: at this mark price they are known.

        None is known at the time of a mark price on disk: its readers have passed that.
        """
        for row in self._waiting:
            self._latest_known = max(clock, self._latest_known, (self.on_disk_ts or 0) + 1)
            line = self.lines.liquidation(row, self._latest_known, self._feeds.liquidations.name)
            self.counts.liquidations += 1
            self._put(QueuedLine(_LIQUIDATIONS, row.ts, line))
        self._waiting.clear()
        if clock - self._purged_at >= MINUTE_MS:
            self._purged_at = clock
            kept = {key: at for key, at in self._seen.items() if clock - at <= REPEAT_MS}
            self._seen = kept

    def _spans(self, spans: Sequence[CoverageSpan]) -> None:
        for span in spans:
            if span.to_ms is not None:
                self.counts.breaks += span.reason != "stop"
                _log.log(
                    logging.INFO if span.reason == "stop" else logging.WARNING,
                    "%s: liquidations are not covered from %s on: %s",
                    self.inst_id,
                    times.iso(span.to_ms),
                    span.reason,
                )
            self._put(QueuedLine(_COVERAGE, span.from_ms, span.line()))

    # -- the disk

    def _put(self, line: QueuedLine) -> None:
        self.counts.written += 1
        self._queue.put(line)

    def write(self, now: float) -> None:
        """Write the waiting lines, unless the disk refuses."""
        self._queue.write(now)

    def sync(self, now: float) -> None:
        """Sync the written lines; blocks, and may run in a thread."""
        self._queue.sync(now)

    def close(self) -> None:
        """Write and sync the last rows; VaultError if the disk refuses them.

        No mark price has come behind them. They are known when the connection that brought them
        would have been given up without one: never before they came.
        """
        clock = self._coverage.clock or max((row.ts for row in self._waiting), default=0)
        self._release(clock + SILENT_MS if self._waiting else clock)
        self._spans(self._coverage.stopped())
        self._queue.close()

    def facts(self) -> dict[str, Any]:
        """Return the state as it stands in heartbeats and summaries."""
        counts, began = self.counts, self._coverage.began
        return {
            "last_mark_utc": None if self.on_disk_ts is None else times.iso(self.on_disk_ts),
            "covered_from_utc": None if began is None else times.iso(began),
            "written": counts.written,
            "liquidations": counts.liquidations,
            "repeated": counts.repeated,
            "gaps": counts.breaks,
            "rejected": counts.rejected,
            "ahead": counts.ahead,
            "stale": counts.stale,
            "lost_to_disk": self._queue.lost,
            "disk_refuses": self.refused,
            "filling": None,
        }


def _newest(log: DayLog, inst_id: str) -> dict[str, Any] | None:
    """Return the newest valid line of a log of the instrument, parsed."""

    def parsed(line: bytes) -> dict[str, Any] | None:
        try:
            row = orjson.loads(line)
            times.parse_iso(row["timestamp_utc"])
            return row if row["instId"] == inst_id else None
        except (ValueError, KeyError, TypeError):
            return None

    line = log.last_line(lambda found: parsed(found) is not None)
    return None if line is None else parsed(line)
