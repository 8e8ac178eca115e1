"""Plans the repair of one instrument: the ids to ask for, and the place of each trade."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ravequant import times
from ravequant.contract import Contract
from ravequant.errors import FeedError, VaultError
from ravequant.exchanges.base import PageLimits, TradePage
from ravequant.exchanges.exchange_time import is_past
from ravequant.records import Trade, TradeEncoder
from ravequant.vault import instruments
from ravequant.vault.gap_ledger import (
    Gap,
    GapLedger,
    LedgerEntry,
    read_generation,
    status_ranges,
)
from ravequant.vault.paths import Vault, day_files
from ravequant.vault.trade_repair import DayRepair, Insert, Repair
from scripts.audit.trade_days import MissingIds, TradeAudit, TradeDayAudit
from Trades_Bot.gap_filler import GapFiller
from Trades_Bot.gap_search import Action, GapSettled

ON_DISK: Final = "found in the files"
History = Callable[[int], TradePage]  # the page of fills with ids below the given id
_AGAIN_S: Final = 0.05


@dataclass(slots=True)
class TradeFindings:
    """The trade days on disk, and the ledger."""

    days: dict[str, TradeDayAudit] = field(default_factory=dict)
    newest_ts: int = 0
    entries: Sequence[LedgerEntry] = ()

    @property
    def missing(self) -> Iterator[MissingIds]:
        """Yield all missing ids, oldest first."""
        for day in self.days.values():
            yield from day.missing

    def wanted(self, missing: MissingIds) -> Iterator[Gap]:
        """Yield the gaps that are worth asking the exchange for, neighbours joined."""
        waiting: Gap | None = None
        for ids in status_ranges(self.entries, *missing.range):
            if ids.status in ("id_hole", "unrecoverable"):
                continue
            if waiting is not None and waiting.to_id + 1 == ids.from_id:
                waiting = Gap(waiting.from_id, ids.to_id)
                continue
            if waiting is not None:
                yield waiting
            waiting = Gap(ids.from_id, ids.to_id)
        if waiting is not None:
            yield waiting

    def settled_unnoticed(self) -> Iterator[Gap]:
        """Yield the ids on disk that the ledger calls open."""
        inside = [day for day in self.days.values() if day.last_id is not None]
        if not inside:
            return
        gone = list(self.missing)
        for ids in status_ranges(self.entries, inside[0].first_id or 0, inside[-1].last_id or 0):
            first = ids.from_id
            for missing in gone if ids.status == "open" else ():
                if missing.to_id < first or missing.from_id > ids.to_id:
                    continue
                if first < missing.from_id:
                    yield Gap(first, missing.from_id - 1)
                first = missing.to_id + 1
            if ids.status == "open" and first <= ids.to_id:
                yield Gap(first, ids.to_id)


def look(vault: Vault, inst_id: str) -> TradeFindings:
    """Read every day. Raises VaultError for a day that cannot be read to its end."""
    audit, found = TradeAudit(inst_id, exchange=vault.exchange), TradeFindings()
    for key, path in day_files(vault.trades(inst_id)):
        day = found.days[key] = audit.day(key, path)
        if day.damaged:
            raise VaultError(day.damaged)
    found.newest_ts = audit.newest_ts
    # read last: id holes are settled before the line after them is written
    found.entries = GapLedger(vault.gap_ledger(inst_id), inst_id).entries()
    return found


def judged(history: History, exchange_ms: int | None) -> History:
    """Return ``history`` with the rows marked that lie past the exchange's time (SPEC section 3).

    Without that time none is marked.
    """

    def page(after_id: int) -> TradePage:
        found = history(after_id)
        trades = (replace(row, ahead=is_past(row.ts, exchange_ms)) for row in found.trades)
        return TradePage(tuple(trades), found.unreadable)

    return page


def fetch(
    history: History,
    gap: Gap,
    before_ts: int,
    newest_ts: int,
    *,
    pages: PageLimits,
    patience_s: float,
) -> list[Action]:
    """Ask REST for missing ids until each is settled; those that do not come are open."""
    first, last = gap.from_id, gap.to_id
    filler = GapFiller(
        first - 1,
        before_ts,
        pages=pages,
        buffer_rows=1,
        patience_s=patience_s,
        newest_ts=newest_ts,
    )
    filler.missed(last, time.monotonic())
    done: list[Action] = []
    left, progress_at = filler.filling, time.monotonic()
    while filler.filling is not None:
        ask = filler.request(time.monotonic())
        if ask is None:
            time.sleep(_AGAIN_S)
            continue
        try:
            page = history(ask.after)
        except FeedError:
            filler.failed(ask, time.monotonic())
        else:
            filler.page(ask, page.trades, time.monotonic(), unreadable=page.unreadable)
        if filler.filling != left:
            left, progress_at = filler.filling, time.monotonic()
        elif time.monotonic() - progress_at > patience_s:  # answers, but none of use
            filler.failed(ask, time.monotonic())
        done += filler.take()
    while more := filler.take():
        done += more
    return done


class RepairPlan:
    """Collects the trades that came; they become the repair."""

    def __init__(self, vault: Vault, inst_id: str, found: TradeFindings) -> None:
        self._vault, self._inst_id, self._found = vault, inst_id, found
        self._inserts: dict[str, list[Insert]] = {}
        self._history = instruments.history(vault, inst_id)
        self.entries: list[LedgerEntry] = []
        self.records = 0
        self.ids: Counter[str] = Counter()  # by status

    def add(self, missing: MissingIds, actions: Sequence[Action]) -> None:
        """Take the trades and statuses that came for some missing ids, in the order of ids."""
        lines: dict[str, list[bytes]] = {}
        newest = missing.before.key
        for action in actions:
            if isinstance(action, Trade):
                # the file of the largest date so far, but no later one than the next record's
                if not action.ahead:
                    newest = min(max(newest, times.day(action.ts)), missing.after.key)
                contract = self._contract(missing, action.ts)
                encoder = TradeEncoder(self._inst_id, contract, self._vault.exchange)
                lines.setdefault(newest, []).append(encoder.line(action))
                self.records += 1
            elif isinstance(action, GapSettled):
                gap = Gap(action.from_id, action.to_id)
                self.ids[action.status] += gap.missing
                self._note(gap, action)
        for key, found in lines.items():
            data = b"".join(found)
            self._inserts.setdefault(key, []).append(
                Insert(missing.offset, missing.to_id + 1, data)
                if key == missing.after.key
                else Insert(self._length(key), None, data)
            )

    def _note(self, gap: Gap, settled: GapSettled) -> None:
        """Add a line for the ledger, unless it says so already."""
        known = status_ranges(self._found.entries, gap.from_id, gap.to_id)
        if {ids.status for ids in known} != {settled.status} or settled.status == "repaired":
            entry = LedgerEntry(gap, settled.status, settled.reason, times.utc_now_ms())
            self.entries.append(entry)

    def repair(self) -> Repair | None:
        """Return the repair; None if there is nothing to write."""
        for gap in self._found.settled_unnoticed():
            self._note(gap, GapSettled(gap.from_id, gap.to_id, "repaired", ON_DISK))
        if not self.entries and not self._inserts:
            return None
        days = tuple(DayRepair(key, tuple(puts)) for key, puts in sorted(self._inserts.items()))
        generation = read_generation(self._vault.generation(self._inst_id)) + 1
        return Repair(self._inst_id, days, tuple(self.entries), generation)

    def _length(self, key: str) -> int:
        day = self._found.days.get(key)
        return day.length if day else 0

    def _contract(self, missing: MissingIds, ts: int) -> Contract:
        if missing.before.contract == missing.after.contract or not self._history:
            return missing.before.contract
        return instruments.in_force(self._history, ts).contract
