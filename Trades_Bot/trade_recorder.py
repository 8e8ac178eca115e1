"""Records the trades of one instrument: rows to the gap filler, its actions to log and ledger."""

import asyncio
import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from time import monotonic as _monotonic
from typing import Any, Final

from ravequant import times
from ravequant.errors import FeedError, VaultError
from ravequant.exchanges.base import Exchange, TradePage, TradeRows
from ravequant.exchanges.exchange_time import ExchangeTime
from ravequant.exchanges.offload import in_thread
from ravequant.records import Trade, TradeEncoder
from ravequant.settings import Trades
from ravequant.vault import instruments
from ravequant.vault.append_log import DayLog
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from ravequant.vault.instruments import Metadata
from ravequant.vault.paths import Vault
from Trades_Bot import log_mending
from Trades_Bot.gap_filler import GapFiller
from Trades_Bot.gap_search import Action, GapDetected, GapSettled, PageRequest
from Trades_Bot.log_end import end_of_log
from Trades_Bot.progress import Progress
from Trades_Bot.row_times import RowTimes

_DISK_AGAIN_S: Final = 5.0
_MEND_AGAIN_S: Final = 30.0  # after a repair that could not be carried out
_REJECTED_LINES: Final = 20  # in the log; then every thousandth
_LONG_GAP: Final = 2_000  # ids
_log = logging.getLogger("trades_exporter")


@dataclass(slots=True)
class TradeCounts:
    """Events since the start; the gap filler counts others."""

    rows: int = 0
    written: int = 0
    rejected: int = 0
    ahead: int = 0  # rows recorded that lie past the exchange's time
    untimed: int = 0  # rows left to REST: the exchange's time could not be had
    lost_to_disk: int = 0  # rows not written because the disk refused; REST brings them again
    duplicates: int = 0
    dropped: int = 0
    gaps: int = 0
    repaired: int = 0
    id_holes: int = 0


class TradeRecorder:
    """Writes the trades of one instrument, each id once, in order.

    After a write that the disk refused, the newest id is read from the file again, and all later
    trades are fetched like any gap. Raises FeedError for an exchange whose ids are not dense.
    """

    def __init__(
        self,
        exchange: Exchange,
        vault: Vault,
        meta: Metadata,
        options: Trades,
        time: ExchangeTime,
    ) -> None:
        if not exchange.dense_ids:
            raise FeedError(
                f"{exchange.name}: its trade ids do not rise by one, so gaps cannot be found by id"
            )
        self.inst_id = meta.inst_id
        self.counts = TradeCounts()
        self.woken = asyncio.Event()  # set when there may be something to fetch
        self._pages = exchange.pages
        self._vault = vault
        self._options = options
        self._time = time
        self._meta = meta
        self._encoder = TradeEncoder(meta.inst_id, meta.contract, self._vault.exchange)
        self._days = DayLog(vault.trades(meta.inst_id))
        self._ledger = GapLedger(vault.gap_ledger(meta.inst_id), meta.inst_id)
        self._syncing = False
        self._disk = threading.Lock()  # held by a sync under way, maybe while the program ends
        self._broken_until: float | None = None
        self._mend_again_at = 0.0
        self._seen = -1  # the newest id that came, on disk or not
        self._filler = self._filler_from_disk()
        self._filed_ts = self.last_ts  # of the newest record, in order of ids, that is not ahead
        known = time.at(_monotonic()) or 0
        self._judge = RowTimes(time, None if self.last_id is not None else known)
        self._progress = Progress()
        if self._days.torn_bytes:
            _log.warning(
                "%s: %d bytes of a torn last line set aside", self.inst_id, self._days.torn_bytes
            )

    @property
    def last_id(self) -> int | None:
        """Return the newest id written or settled; None before the first."""
        return self._filler.last

    @property
    def last_ts(self) -> int:
        """Return the exchange time of the newest record (Unix ms), 0 without any."""
        return self._filler.last_ts

    @property
    def filling(self) -> tuple[int, int] | None:
        """Return the ids being fetched, first and last; None without a gap."""
        return self._filler.filling

    @property
    def has_long_gap(self) -> bool:
        """Return True while more ids are missing than a few pages hold."""
        gap = self._filler.filling
        return gap is not None and gap[1] - gap[0] > _LONG_GAP

    @property
    def progress_at(self) -> float | None:
        """Return when a missing id was last settled; None without a gap."""
        return self._filler.progress_at

    @property
    def refused(self) -> bool:
        """Return True while the disk refuses records."""
        return self._broken_until is not None

    @property
    def begins_lower(self) -> bool:
        """Return True while frames suggest that this is another stream: `compare` settles it."""
        return self._judge.begins_lower

    @property
    def is_other_stream(self) -> bool:
        """Return True if the exchange's ids begin lower than those on disk: nothing is recorded."""
        return self._judge.other_stream

    def begin_at(self, first_id: int, ts: int) -> None:
        """Begin an empty vault with ``first_id``, as if the id before it were on disk."""
        self._filler = self._new_filler(first_id - 1, ts)
        self._judge.since = self._filed_ts = ts

    # -- rows and pages

    def rows(self, payload: TradeRows, now: float) -> None:
        """Take in the rows of one frame, once the exchange's time is fit to judge them."""
        self.counts.rows += len(payload.trades)
        if self.is_other_stream:
            return
        last = self._filler.last, self._filler.last_ts
        judged = self._judge.frame(payload.trades, *last, now)
        self._reject((*payload.rejected, *judged.rejected))
        self._seen = max((self._seen, *(row.trade_id for row in judged.rows + judged.unknown)))
        if self._broken_until is not None:
            self.counts.lost_to_disk += len(payload.trades)
            return
        for trade in judged.rows:
            self._filler.live(trade, now)
        for trade in judged.unknown:
            self.counts.untimed += 1
            self._filler.missed(trade.trade_id, now)

    def _reject(self, reasons: Iterable[str]) -> None:
        for reason in reasons:
            self.counts.rejected += 1
            if self.counts.rejected <= _REJECTED_LINES or not self.counts.rejected % 1_000:
                _log.error("%s: row %d rejected: %s", self.inst_id, self.counts.rejected, reason)

    def compare(self, page: TradePage) -> None:
        """Take in the newest row of REST, to know another stream from a stray row."""
        newest = max(page.trades, key=lambda trade: trade.trade_id, default=None)
        self._judge.compare(newest, self._filler.last, self._filler.last_ts)

    def request(self, now: float) -> PageRequest | None:
        """Return the page to ask REST for now, if any."""
        return None if self.refused else self._filler.request(now)

    def wake_at(self) -> float | None:
        """Return the time of the next request; None: not before rows come."""
        return None if self.refused else self._filler.wake_at()

    def missed(self, newest_id: int, now: float) -> None:
        """Take in the newest id of the exchange that the socket should have brought."""
        self._filler.missed(newest_id, now)
        self.woken.set()

    def page(self, ask: PageRequest, page: TradePage, now: float) -> None:
        """Take in the answer of REST to ``ask``; FeedError if its times cannot be judged."""
        judged = self._judge.page(page.trades, now)
        if judged.unknown:
            raise FeedError("the exchange's time cannot be had")
        self._reject(judged.rejected)
        refused = {row.trade_id for row in judged.refused}
        known = judged.rows + judged.refused
        self._filler.page(ask, known, now, unreadable=page.unreadable, refused=refused)

    def failed(self, ask: PageRequest, error: FeedError, now: float) -> None:
        """Take in that REST did not answer."""
        _log.warning("%s: back-fill waits: %s", self.inst_id, error)
        self._filler.failed(ask, now)

    # -- writes

    def write(self, now: float) -> None:
        """Write all actions that are due, unless a sync is under way or the disk refuses."""
        if self._broken_until is not None and now >= self._broken_until:
            self._try_the_disk_again(now)
        if self._syncing or self._broken_until is not None:
            return
        try:
            self._write_all()
        except VaultError as error:
            self._refuse(error, now)

    async def sync(self) -> None:
        """Sync written records to the disk, without blocking the event loop."""
        if self._syncing or self.refused or not self._days.dirty:
            return
        self._syncing = True
        try:
            await in_thread(self._sync_days)
        except VaultError as error:
            self._refuse(error, asyncio.get_running_loop().time())
        finally:
            self._syncing = False

    async def mend(self) -> None:
        """Do the work that `repair_gaps` or `import_trades` has noted, between two appends."""
        await self.sync()
        if self._syncing or self.refused or self._mend_again_at > _monotonic():
            return
        if not log_mending.is_noted(self._vault, self.inst_id):
            return
        self._syncing = True  # rows wait in the filler
        try:
            await in_thread(self._mend)
        except VaultError as error:  # the log is as it was, or mended, day by day
            _log.warning("%s: the repair waits: %s", self.inst_id, error)
            self._mend_again_at = _monotonic() + _MEND_AGAIN_S
        finally:
            self._syncing = False

    def _mend(self) -> None:
        with self._disk:
            self._days.close()  # opened again by the next append
            for done in log_mending.carry_out(self._vault, self.inst_id, self._days.key):
                _log.info("%s: %s", self.inst_id, done)
            self._days = DayLog(self._vault.trades(self.inst_id))  # the newest day may be another

    def close(self) -> None:
        """Write and sync the last rows; VaultError if the disk refuses them."""
        with self._disk:
            if not self.refused:
                self._write_all()
            self._days.close()

    def differs(self, meta: Metadata) -> bool:
        """Return True if the terms differ from those of the records being written."""
        return meta.terms != self._meta.terms

    def renew(self, meta: Metadata) -> None:
        """Save metadata just fetched; later records carry its contract."""
        self._days.sync()
        if instruments.save(self._vault, meta, self.last_ts or None):
            contract = meta.contract
            terms = contract.ct_val, contract.ct_mult, contract.ct_type, meta.tick_sz, meta.lot_sz
            _log.log(
                logging.WARNING if self.last_ts else logging.INFO,
                "%s: new contract terms: ctVal %s, ctMult %s, %s, tickSz %s, lotSz %s, state %s",
                *(meta.inst_id, *terms, meta.state),
            )
        self._meta = meta
        self._encoder = TradeEncoder(meta.inst_id, meta.contract, self._vault.exchange)

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
            "ahead": counts.ahead,
            "untimed": counts.untimed,
            "filling": self._progress.facts(filler, _monotonic()),
            "disk_refuses": self.refused,
        }

    def _sync_days(self) -> None:
        with self._disk:
            self._days.sync()

    def _write_all(self) -> None:
        while portion := self._filler.take():
            for kind, actions in groupby(portion, type):
                if kind is Trade:
                    self._append(actions)
                else:
                    self._note(actions)

    def _append(self, actions: Iterable[Action]) -> None:
        rows = (action for action in actions if isinstance(action, Trade))
        for day, trades in groupby(rows, self._day):
            lines = [self._encoder.line(trade) for trade in trades]
            self._days.append(day, b"".join(lines))
            self.counts.written += len(lines)
            self._judge.since = None

    def _day(self, trade: Trade) -> int:
        """Return the day of a row's file: of one that is ahead, that of the newest that is not."""
        if trade.ahead:
            self.counts.ahead += 1
            if self.counts.ahead <= _REJECTED_LINES or not self.counts.ahead % 1_000:
                said = "%s: id %d of %s lies past the exchange's time: recorded as ahead, number %d"
                facts = self.inst_id, trade.trade_id, times.iso(trade.ts), self.counts.ahead
                _log.warning(said, *facts)
        else:
            self._filed_ts = trade.ts
        filed = self._filed_ts or self._time.at(_monotonic()) or trade.ts
        return filed - filed % times.DAY_MS

    def _note(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, GapDetected):
                self.counts.gaps += 1
                detected = "GAP DETECTED %s: ids %d to %d (%d) missing, fetching them by REST"
                _log.warning(detected, self.inst_id, *_ids(Gap(action.from_id, action.to_id)))
            elif isinstance(action, GapSettled):
                self._settle(action)

    def _settle(self, action: GapSettled) -> None:
        gap = Gap(action.from_id, action.to_id)
        if action.status == "repaired":
            self.counts.repaired += gap.missing
            _log.info("Gap repaired %s: ids %d to %d (%d)", self.inst_id, *_ids(gap))
        else:
            self.counts.id_holes += gap.missing if action.status == "id_hole" else 0
            outcome = action.status, self.inst_id, *_ids(gap), action.reason
            _log.warning("Gap %s %s: ids %d to %d (%d): %s", *outcome)
        self._ledger.append(LedgerEntry(gap, action.status, action.reason, times.utc_now_ms()))

    # -- a disk that refuses

    def _refuse(self, error: VaultError, now: float) -> None:
        if self._broken_until is None:
            _log.error("%s: NOT RECORDING, the disk refuses: %s", self.inst_id, error)
        self.counts.duplicates += self._filler.duplicates
        self.counts.dropped += self._filler.dropped
        self._broken_until = now + _DISK_AGAIN_S

    def _try_the_disk_again(self, now: float) -> None:
        try:
            self._filler = self._filler_from_disk()
        except VaultError as error:
            self._broken_until = now + _DISK_AGAIN_S
            _log.error("%s: still not recording: %s", self.inst_id, error)
            return
        self._broken_until = None
        again = "%s: recording again after id %s; what is missing is fetched by REST"
        _log.warning(again, self.inst_id, self._filler.last)
        self.missed(self._seen, now)  # now, not when the next row shows it

    def _filler_from_disk(self) -> GapFiller:
        last, ts = end_of_log(self._days, self.inst_id, self._vault.exchange, self._time)
        return self._new_filler(last, ts)

    def _new_filler(self, last: int | None, ts: int) -> GapFiller:
        return GapFiller(
            last,
            ts,
            pages=self._pages,
            buffer_rows=self._options.backfill_buffer_rows,
            patience_s=self._options.rest_patience_s,
        )


def _ids(gap: Gap) -> tuple[int, int, int]:
    return gap.from_id, gap.to_id, gap.missing
