"""Records a trading statistic of one instrument: closed periods only, each once, in order of time.

A row begins its period, and the newest row of an answer is still forming. So a row is written once
a newer one exists and the mark price has passed its end by a minute; ``known_utc`` says when.
"""

import logging
from typing import Final

import orjson

from Context_Bot.context_lines import ContextLines
from ravequant import times
from ravequant.exchanges.context_feeds import ContextFeeds, ContextRest, PeriodRow
from ravequant.times import MINUTE_MS
from ravequant.vault import grid_gaps
from ravequant.vault.append_log import DayLog
from ravequant.vault.grid_gaps import GridGap
from ravequant.vault.paths import Vault

SETTLES_MS: Final = MINUTE_MS  # a period is believed to be closed so long after its end
_MOST_PAGES: Final = 40
_log = logging.getLogger("context_exporter")


class StatisticsLog:
    """The day files of one series of one instrument. Raises VaultError if they cannot be used."""

    def __init__(
        self, vault: Vault, feeds: ContextFeeds, inst_id: str, series: str, lines: ContextLines
    ) -> None:
        self._vault, self._feeds, self._inst_id = vault, feeds, inst_id
        self.series, self._lines = series, lines
        self._folder = vault.statistics(inst_id, series, feeds.period)
        with DayLog(self._folder) as log:
            line = log.last_line(lambda found: _start(found) is not None)
        self.newest = None if line is None else _start(line)  # the start of the newest period

    def due(self, clock: int) -> bool:
        """Return True if a period has closed since the newest on disk, by the mark price."""
        if self.newest is None:
            return True
        return clock >= self.newest + 2 * self._feeds.period_ms + SETTLES_MS

    def fetch(self, rest: ContextRest) -> list[PeriodRow]:
        """Return the closed rows that lack, oldest first; blocks. Raises FeedError."""
        found: dict[int, PeriodRow] = {}
        before: int | None = None
        for _ in range(_MOST_PAGES):
            page = rest.statistic(self.series, self._inst_id, before)
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
        """Write those rows whose period has closed by ``clock``, the newest mark price on disk.

        Return how many there were. A step that the exchange did not answer is noted in the ledger.
        Raises VaultError.
        """
        period = self._feeds.period_ms
        ready = [row for row in rows if row.start + period + SETTLES_MS <= clock]
        with DayLog(self._folder) as log:
            for row in ready:
                if self.newest is not None and row.start > self.newest + period:
                    self._note_hole(self.newest, row.start)
                line = self._lines.statistic(row, self.series, self._feeds.period, clock)
                log.append(row.start, line)
                self.newest = row.start
        return len(ready)

    def _note_hole(self, begin: int, end: int) -> None:
        missing = (end - begin) // self._feeds.period_ms - 1
        reason = "the exchange has no row of it"
        gap = GridGap("rubik", self.series, begin, end, missing, "unrecoverable", reason)
        if grid_gaps.note(self._vault, self._inst_id, gap):
            _log.warning(
                "%s: %s lacks %d periods behind %s",
                self._inst_id,
                self.series,
                missing,
                times.iso(begin),
            )


def _start(line: bytes) -> int | None:
    try:
        return times.parse_iso(orjson.loads(line)["timestamp_utc"])
    except (ValueError, KeyError, TypeError):
        return None
