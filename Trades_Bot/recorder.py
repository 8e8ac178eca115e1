"""One instrument's way to disk: rows into the gap filler, what it hands out into log and ledger."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Protocol

from ravequant import times
from ravequant.errors import FeedError, VaultError
from ravequant.okx.messages import TradeRows
from ravequant.okx.offload import in_thread
from ravequant.okx.rest import TradePage
from ravequant.records import RecordError, Trade, TradeEncoder, parse_trade
from ravequant.settings import Trades
from ravequant.vault import metadata
from ravequant.vault.ledger import GapLedger, Hole, LedgerEntry
from ravequant.vault.log import DayLog
from ravequant.vault.metadata import Metadata
from ravequant.vault.paths import Vault
from Trades_Bot.gap import Action, Ask, Detected, Settled
from Trades_Bot.gap_filler import GapFiller

_DISK_AGAIN_S: Final = 5.0
_log = logging.getLogger("trades_exporter")


@dataclass(slots=True)
class Counts:
    """What happened since the start; the gap filler counts the rest."""

    rows: int = 0
    written: int = 0
    rejected: int = 0
    lost_to_disk: int = 0  # rows not written because the disk refused; REST brings them again
    duplicates: int = 0
    dropped: int = 0
    gaps: int = 0
    repaired: int = 0
    id_holes: int = 0


class Recorder:
    """Writes the trades of one instrument, each id once, in order.

    After a write that the disk refused nothing is assumed: the newest id is read from the file
    again, and what came after it is fetched like any gap.
    """

    def __init__(self, vault: Vault, meta: Metadata, options: Trades) -> None:
        self.inst_id = meta.inst_id
        self.counts = Counts()
        self.woken = asyncio.Event()  # there may be something to fetch
        self._vault = vault
        self._options = options
        self._meta = meta
        self._encoder = TradeEncoder(meta.inst_id, meta.contract)
        self._days = DayLog(vault.trades(meta.inst_id))
        self._ledger = GapLedger(vault.gap_ledger(meta.inst_id), meta.inst_id)
        self._syncing = False
        self._broken_until: float | None = None
        self._filler = self._filler_from_disk()
        if self._days.torn_bytes:
            _log.warning("%s: %d bytes of a torn last line set aside", self.inst_id,
                         self._days.torn_bytes)  # fmt: skip

    @property
    def last_id(self) -> int | None:
        """The newest id written or settled."""
        return self._filler.last

    @property
    def last_ts(self) -> int:
        """The exchange time of the newest record, 0 without any."""
        return self._filler.last_ts

    @property
    def filling(self) -> tuple[int, int] | None:
        """The ids being fetched, first and last."""
        return self._filler.filling

    @property
    def broken(self) -> bool:
        """Whether the disk refuses to take records."""
        return self._broken_until is not None

    def begin_at(self, first_id: int, ts: int) -> None:
        """Begin an empty vault with ``first_id``, as if the one before it were on disk."""
        self._filler = self._new_filler(first_id - 1, ts)

    # -- what comes in

    def rows(self, payload: TradeRows, now: float) -> None:
        """Take in the rows of one frame."""
        for reason in payload.rejected:
            self.counts.rejected += 1
            _log.error("%s: row rejected: %s", self.inst_id, reason)
        self.counts.rows += len(payload.trades)
        if self._broken_until is not None:
            self.counts.lost_to_disk += len(payload.trades)
            return
        for trade in payload.trades:
            self._filler.live(trade, now)

    def request(self, now: float) -> Ask | None:
        """Return what REST is to be asked now."""
        return None if self.broken else self._filler.request(now)

    def wake_at(self) -> float | None:
        """Return when there is something to ask again; None: not before rows come."""
        return None if self.broken else self._filler.wake_at()

    def page(self, ask: Ask, page: TradePage, now: float) -> None:
        """Take in what REST answered."""
        self._filler.page(ask, page.trades, now, unreadable=page.unreadable)

    def failed(self, ask: Ask, error: FeedError, now: float) -> None:
        """Take in that REST did not answer."""
        _log.warning("%s: back-fill waits: %s", self.inst_id, error)
        self._filler.failed(ask, now)

    # -- what goes to disk

    def write(self, now: float) -> None:
        """Write what is due, unless a sync is under way or the disk refuses."""
        if self._broken_until is not None and now >= self._broken_until:
            self._try_the_disk_again(now)
        if self._syncing or self._broken_until is not None:
            return
        try:
            self._write_all()
        except VaultError as error:
            self._refused(error, now)

    async def sync(self) -> None:
        """Bring what was written to the disk, without holding up the loop."""
        if self._syncing or self.broken or not self._days.dirty:
            return
        self._syncing = True
        try:
            await in_thread(self._days.sync)
        except VaultError as error:
            self._refused(error, asyncio.get_running_loop().time())
        finally:
            self._syncing = False

    def close(self) -> None:
        """Write and sync the last rows; VaultError if the disk refuses them."""
        if not self.broken:
            self._write_all()
        self._days.close()

    def renew(self, meta: Metadata) -> None:
        """Save metadata just fetched; later records carry its contract."""
        self._days.sync()
        if metadata.save(self._vault, meta, self.last_ts or None):
            _log.warning("%s: contract terms on file now: ctVal %s, ctMult %s, %s, tickSz %s, "
                         "lotSz %s, state %s", meta.inst_id, meta.contract.ct_val,
                         meta.contract.ct_mult, meta.contract.ct_type, meta.tick_sz, meta.lot_sz,
                         meta.state)  # fmt: skip
        self._meta = meta
        self._encoder = TradeEncoder(meta.inst_id, meta.contract)

    def facts(self) -> dict[str, Any]:
        """Return the state as it stands in heartbeats and statistics."""
        filler, counts = self._filler, self.counts
        return {
            "last_trade_id": filler.last,
            "last_trade_utc": times.iso(filler.last_ts) if filler.last_ts else None,
            "rows": counts.rows,
            "written": counts.written,
            "rejected": counts.rejected,
            "duplicates": counts.duplicates + filler.duplicates,
            "gaps": counts.gaps,
            "ids_repaired": counts.repaired,
            "id_holes": counts.id_holes,
            "waiting": filler.waiting,
            "dropped": counts.dropped + filler.dropped,
            "lost_to_disk": counts.lost_to_disk,
            "filling": filler.filling,
            "disk_refuses": self.broken,
        }

    def _write_all(self) -> None:
        while portion := self._filler.take():
            for kind, actions in groupby(portion, type):
                if kind is Trade:
                    self._append(actions)
                else:
                    self._note(actions)

    def _append(self, actions: Iterable[Action]) -> None:
        for day, trades in groupby((a for a in actions if isinstance(a, Trade)), _day):
            lines = [self._encoder.line(trade) for trade in trades]
            self._days.append(day, b"".join(lines))
            self.counts.written += len(lines)

    def _note(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, Detected):
                self.counts.gaps += 1
                _log.warning("GAP DETECTED %s: ids %d to %d (%d) missing, fetching them by REST",
                             self.inst_id, action.from_id, action.to_id,
                             action.to_id - action.from_id + 1)  # fmt: skip
            elif isinstance(action, Settled):
                self._settle(action)

    def _settle(self, action: Settled) -> None:
        hole = Hole(action.from_id, action.to_id)
        if action.status == "repaired":
            self.counts.repaired += hole.missing
            _log.info("Gap repaired %s: ids %d to %d (%d)",
                      self.inst_id, hole.from_id, hole.to_id, hole.missing)  # fmt: skip
        else:
            self.counts.id_holes += hole.missing if action.status == "id_hole" else 0
            _log.warning("Gap %s %s: ids %d to %d (%d): %s", action.status, self.inst_id,
                         hole.from_id, hole.to_id, hole.missing, action.reason)  # fmt: skip
        self._ledger.append(LedgerEntry(hole, action.status, action.reason, times.utc_now_ms()))

    # -- a disk that refuses

    def _refused(self, error: VaultError, now: float) -> None:
        if self._broken_until is None:
            _log.error("%s: NOT RECORDING, the disk refuses: %s", self.inst_id, error)
        self.counts.duplicates += self._filler.duplicates
        self.counts.dropped += self._filler.dropped
        self._broken_until = now + _DISK_AGAIN_S

    def _try_the_disk_again(self, now: float) -> None:
        try:
            self._filler = self._filler_from_disk()
            self._days.sync()
        except VaultError as error:
            self._broken_until = now + _DISK_AGAIN_S
            _log.error("%s: still not recording: %s", self.inst_id, error)
            return
        self._broken_until = None
        _log.warning("%s: recording again after id %s; what is missing is fetched by REST",
                     self.inst_id, self._filler.last)  # fmt: skip

    def _filler_from_disk(self) -> GapFiller:
        line = self._days.last_line(lambda found: _parsed(found, self.inst_id) is not None)
        last = None if line is None else _parsed(line, self.inst_id)
        return self._new_filler(last.trade_id if last else None, last.ts if last else 0)

    def _new_filler(self, last: int | None, ts: int) -> GapFiller:
        return GapFiller(
            last,
            ts,
            buffer_rows=self._options.backfill_buffer_rows,
            patience_s=self._options.rest_patience_s,
        )


class TradePages(Protocol):
    """What a recorder asks of REST."""

    def trades(self, inst_id: str, limit: int = ...) -> TradePage:
        """Return the newest fills."""

    def history_trades(self, inst_id: str, after_id: int) -> TradePage:
        """Return the newest 100 fills with an id below ``after_id``."""

    def history_trades_before(self, inst_id: str, ts: int) -> TradePage:
        """Return the newest 100 fills older than ``ts``."""


async def fill_gaps(recorder: Recorder, rest: TradePages) -> None:
    """Ask REST for what a recorder misses, page after page, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        ask = recorder.request(loop.time())
        recorder.write(loop.time())
        if ask is None:
            await _wake(recorder, loop.time())
            continue
        try:
            page = await in_thread(rest.history_trades, recorder.inst_id, ask.after)
        except FeedError as error:
            recorder.failed(ask, error, loop.time())
        else:
            recorder.page(ask, page, loop.time())
        recorder.write(loop.time())


async def _wake(recorder: Recorder, now: float) -> None:
    wake_at = recorder.wake_at()
    try:
        await asyncio.wait_for(recorder.woken.wait(), None if wake_at is None else wake_at - now)
    except TimeoutError:
        return
    recorder.woken.clear()


def find_start(rest: TradePages, inst_id: str, span_ms: int) -> tuple[int, int] | None:
    """Return (first id, its time) of the newest ``span_ms`` of trades; None without any trade.

    The place in time is found by timestamp pages; from there on everything goes by id.
    """
    newest = max(rest.trades(inst_id, 1).trades, key=_trade_id, default=None)
    if newest is None:
        return None
    since = newest.ts - span_ms
    older = rest.history_trades_before(inst_id, since).trades
    if older:
        return max(older, key=_trade_id).trade_id + 1, since
    empty, full, oldest = since, newest.ts + 1, newest  # the exchange's own memory is shorter
    while full - empty > 1:
        middle = (empty + full) // 2
        page = rest.history_trades_before(inst_id, middle).trades
        if page:
            full, oldest = middle, min(page, key=_trade_id)
        else:
            empty = middle
    return oldest.first_id, oldest.ts


def _trade_id(trade: Trade) -> int:
    return trade.trade_id


def _day(trade: Trade) -> int:
    return trade.ts - trade.ts % times.DAY_MS


def _parsed(line: bytes, inst_id: str) -> Trade | None:
    try:
        return parse_trade(line, inst_id)[0]
    except RecordError:
        return None
