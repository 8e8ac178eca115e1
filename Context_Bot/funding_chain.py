"""Keeps the settled funding of an instrument whole: each settlement once, holes are filled.

A message about funding names the settlement before it, so settlements form a chain. REST confirms
each link, and has three months of them for one that was missed.
"""

import asyncio
import logging
from contextlib import suppress
from itertools import pairwise
from typing import Final

from Context_Bot.context_lines import ContextLines
from ravequant import times
from ravequant.errors import FeedError, RaveQuantError
from ravequant.exchanges.context_feeds import ContextRest, FundingRow, SettledRow
from ravequant.exchanges.offload import in_thread
from ravequant.vault import grid_gaps, settled_funding
from ravequant.vault.grid_gaps import GridGap, GridStatus
from ravequant.vault.paths import Vault

CHANNEL: Final = "funding-settled"
GIVE_UP_S: Final = 15 * 60.0  # REST is away: then a hole is noted as open
AGAIN_S: Final = 60.0
_MOST_PAGES: Final = 40
_REACH_MS: Final = 90 * times.DAY_MS  # of the exchange's history
_log = logging.getLogger("context_exporter")


class FundingChain:
    """The settlements of one instrument, from the socket at once and confirmed by REST."""

    def __init__(self, vault: Vault, inst_id: str, lines: ContextLines, rest: ContextRest) -> None:
        self._vault, self._inst_id, self._lines, self._rest = vault, inst_id, lines, rest
        self._news = asyncio.Event()
        self._news.set()  # the first look at REST
        self._heard: dict[int, tuple[SettledRow, int]] = {}  # by time; with the interval, ms
        self._coming = 0
        self._failing_since: float | None = None
        self._working = False
        self.newest = max(settled_funding.settlements(vault.settled_funding(inst_id)), default=0)
        self._confirmed = 0  # up to here REST has been asked since the start

    @property
    def at_rest(self) -> bool:
        """Return True if all that was heard is written, or waits for REST to answer again."""
        return not (self._working or self._news.is_set())

    def heard(self, row: FundingRow) -> None:
        """Take in a message of the socket."""
        settled = row.settled
        if settled is not None and settled.ts > self.newest and settled.ts not in self._heard:
            self._heard[settled.ts] = settled, row.coming - settled.ts
            self._news.set()
        elif row.coming > self._coming and self._coming:
            self._news.set()  # a settlement has passed: without its rate REST is asked
        self._coming = max(self._coming, row.coming)

    async def follow(self) -> None:
        """Write settlements as they come, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._news.wait()
            self._news.clear()
            self._working = True
            try:
                await in_thread(self._write_heard)
                await in_thread(self._confirm)
                self._failing_since = None
            except RaveQuantError as error:
                now = loop.time()
                self._failing_since = self._failing_since or now
                _log.warning("%s: settled funding is not confirmed: %s", self._inst_id, error)
                if isinstance(error, FeedError) and now - self._failing_since >= GIVE_UP_S:
                    with suppress(RaveQuantError):
                        await in_thread(self._note_open, str(error))
                loop.call_later(AGAIN_S, self._news.set)
            self._working = False

    def _write_heard(self) -> None:
        heard = dict(self._heard)
        self._add([settled for settled, _ in heard.values()], "ws")
        for ts in heard:
            del self._heard[ts]

    def _confirm(self) -> None:
        """Ask REST for all settlements since the last confirmed, and add those that lack."""
        found: dict[int, SettledRow] = {}
        before: int | None = None
        for _ in range(_MOST_PAGES):
            page = self._rest.settlements(self._inst_id, before)
            fresh = [row for row in page if before is None or row.ts < before]
            if not fresh:
                break
            found.update((row.ts, row) for row in fresh)
            before = min(found)
            if before <= self._confirmed:
                break
        if not found:
            return
        reached = min(found)
        path = self._vault.settled_funding(self._inst_id)
        known = settled_funding.settlements(path)
        self._add(list(found.values()), "rest")
        before_it = max((ts for ts in known if ts < reached), default=0)
        if before_it and reached not in known:
            interval = (sorted(found)[1] if len(found) > 1 else reached) - reached
            missing = _missing(before_it, reached, interval)
            reason = "older than the exchange's history"
            self._note(before_it, reached, missing, "unrecoverable", reason)
        self._confirmed = max(found)
        for begin, end in grid_gaps.open_gaps(self._vault, self._inst_id, CHANNEL):
            if begin >= reached:
                self._note(begin, end, 0, "repaired", "filled by REST")
            elif end > before_it:
                self._note(begin, end, 0, "unrecoverable", "older than the exchange's history")

    def _note_open(self, reason: str) -> None:
        """Note the holes that REST might still fill."""
        path = self._vault.settled_funding(self._inst_id)
        known = settled_funding.settlements(path)
        since = max(self._confirmed, self.newest - _REACH_MS)
        moments = sorted(ts for ts in known if ts >= since)
        for earlier, later in pairwise(moments):
            missing = _missing(earlier, later, 8 * times.HOUR_MS)
            if missing:
                self._note(earlier, later, missing, "open", reason)

    def _add(self, rows: list[SettledRow], via: str) -> None:
        made = {
            row.ts: lambda before, row=row: self._lines.settled(row, before, via) for row in rows
        }
        added = settled_funding.add(self._vault, self._inst_id, made)
        self.newest = max([self.newest, *made])
        if added:
            _log.info(
                "%s: %d settlements of funding by %s, newest %s",
                self._inst_id,
                len(added),
                via,
                times.iso(added[-1]),
            )

    def _note(self, begin: int, end: int, missing: int, status: GridStatus, reason: str) -> None:
        gap = GridGap(CHANNEL, "", begin, end, missing, status, reason)
        if grid_gaps.note(self._vault, self._inst_id, gap):
            _log.warning(
                "%s: settled funding between %s and %s: %s, %d missing",
                self._inst_id,
                times.iso(begin),
                times.iso(end),
                status,
                missing,
            )


def _missing(begin: int, end: int, interval: int) -> int:
    """Return the settlements that lack between two, as far as the interval says."""
    return max(0, (end - begin) // interval - 1) if interval > 0 else 0
