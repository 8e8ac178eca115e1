"""Records a trading statistic of one instrument: closed periods only, each once, in order of time.

A row begins its period, and the newest row of an answer is still forming. So a row is written once
a newer one exists and the clock of the feed has passed its end by a minute; ``known_utc`` says
when. The clock is exchange time: the mark price on disk, or the exchange's own answer.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from Context_Bot.context_lines import ContextLines
from ravequant import times
from ravequant.exchanges.context_feeds import ContextFeeds, PeriodRow
from ravequant.times import MINUTE_MS
from ravequant.vault import grid_gaps
from ravequant.vault.append_log import DayLog
from ravequant.vault.grid_gaps import GridGap
from ravequant.vault.paths import Vault

SETTLES_MS: Final = MINUTE_MS  # a period is believed to be closed so long after its end
_MOST_PAGES: Final = 40
_log = logging.getLogger("statistics_log")

Pages = Callable[[int | None], list[PeriodRow]]  # rows before a moment, newest first; None: newest


class Statistic(NamedTuple):
    """One series of one instrument: where its days are, and how its lines are made."""

    channel: str  # of its holes in the ledger
    series: str
    inst_id: str
    period_ms: int
    folder: Path
    line: Callable[[PeriodRow, int], bytes]  # of a row and the time of knowing


class StatisticsLog:
    """The day files of a statistic. Raises VaultError if they cannot be used.

    ``ledger`` is the vault in whose ledger of grids its holes are noted.
    """

    def __init__(self, ledger: Vault, statistic: Statistic) -> None:
        self._ledger, self.statistic = ledger, statistic
        with DayLog(statistic.folder) as log:
            line = log.last_line(lambda found: _moments(found) is not None)
        newest = None if line is None else _moments(line)
        self.newest = None if newest is None else newest[0]  # the start of the newest period
        self._known = 0 if newest is None else newest[1]

    def due(self, clock: int) -> bool:
        """Return True if a period has closed since the newest on disk, by the clock."""
        if self.newest is None:
            return True
        return clock >= self.newest + 2 * self.statistic.period_ms + SETTLES_MS

    def fetch(self, pages: Pages) -> list[PeriodRow]:
        """Return the closed rows that lack, oldest first; blocks. Raises FeedError."""
        found: dict[int, PeriodRow] = {}
        before: int | None = None
        for _ in range(_MOST_PAGES):
            page = pages(before)
            fresh = [row for row in page if before is None or row.start < before]
            for row in fresh:
                found.setdefault(row.start, row)  # of two rows of a period the newer answer
            if not fresh:
                break
            before = min(found)
            if self.newest is not None and before <= self.newest:
                break
        forming = max(found, default=0)
        return [
            found[start]
            for start in sorted(found)
            if start < forming and (self.newest is None or start > self.newest)
        ]

    def add(self, rows: list[PeriodRow], clock: int) -> int:
        """Write those rows whose period has closed by ``clock``, which is when they are known.

        Return how many there were. A step that the exchange did not answer is noted in the ledger.
        Raises VaultError.
        """
        period = self.statistic.period_ms
        ready = [row for row in rows if row.start + period + SETTLES_MS <= clock]
        with DayLog(self.statistic.folder) as log:
            for row in ready:
                if self.newest is not None and row.start > self.newest + period:
                    self._note_hole(self.newest, row.start)
                self._known = max(self._known, clock)  # it never falls
                log.append(row.start, self.statistic.line(row, self._known))
                self.newest = row.start
        return len(ready)

    def _note_hole(self, begin: int, end: int) -> None:
        channel, series, inst_id, period, *_ = self.statistic
        missing = (end - begin) // period - 1
        reason = "the exchange has no row of it"
        gap = GridGap(channel, series, begin, end, missing, "unrecoverable", reason)
        if grid_gaps.note(self._ledger, inst_id, gap):
            _log.warning(
                "%s: %s lacks %d periods behind %s", inst_id, series, missing, times.iso(begin)
            )


def statistic_of(
    vault: Vault, feeds: ContextFeeds, inst_id: str, series: str, lines: ContextLines
) -> Statistic:
    """Return a statistic of the exchange."""

    def line(row: PeriodRow, known_ms: int) -> bytes:
        return lines.statistic(row, series, feeds.period, known_ms)

    folder = vault.statistics(inst_id, series, feeds.period)
    return Statistic("rubik", series, inst_id, feeds.period_ms, folder, line)


def _moments(line: bytes) -> tuple[int, int] | None:
    """Return the start of a line's period and when it was known; None if it has none."""
    try:
        row = orjson.loads(line)
        return times.parse_iso(row["timestamp_utc"]), times.parse_iso(row["known_utc"])
    except (ValueError, KeyError, TypeError):
        return None
