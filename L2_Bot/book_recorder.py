"""Records the book of one instrument: messages to the snapshot writer, its lines to hour files."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from L2_Bot.snapshot_writer import BookStep, SnapshotLine, SnapshotWriter, encode_deep
from ravequant import times
from ravequant.errors import VaultError
from ravequant.exchanges.base import ChannelData, DeepBook, Exchange
from ravequant.exchanges.exchange_time import TOLERANCE_MS, ExchangeTime
from ravequant.exchanges.offload import in_thread
from ravequant.records import RecordError
from ravequant.settings import L2
from ravequant.vault.append_log import HourLog
from ravequant.vault.paths import Vault

_WAITING: Final = 16  # lines kept while the disk is busy or refuses
_DISK_AGAIN_S: Final = 5.0
_LOGGED: Final = 10  # of a kind; then every thousandth
_NEVER: Final = -1
_log = logging.getLogger("l2_exporter")


@dataclass(slots=True)
class SnapshotCounts:
    """Lines and gaps since the start; the book counts its messages."""

    written: int = 0
    gaps: int = 0
    deep: int = 0
    deep_stale: int = 0  # answers no newer than the last written
    ahead: int = 0  # messages and deep books whose time is not believed
    lost_to_disk: int = 0  # lines not written because the disk refused


class BookRecorder:
    """The hour files of one instrument, and the book that fills them.

    Raises VaultError if the files on disk cannot be read. If the disk refuses a line later, that is
    logged and tried again; ``refused`` is True meanwhile.
    """

    def __init__(
        self, exchange: Exchange, vault: Vault, inst_id: str, chosen: L2, time: ExchangeTime
    ) -> None:
        self.inst_id = inst_id
        self.counts = SnapshotCounts()
        self._exchange = exchange
        self._time = time
        self.started = asyncio.Event()  # a snapshot line is on disk: a deep one may follow it
        self._hours = HourLog(vault.snapshots(inst_id))
        self._deep = HourLog(vault.deep_snapshots(inst_id))
        self._disk = threading.Lock()  # held while the files are written or read
        self._on_disk = self._newest(self._hours)
        self._deep_ts = self._newest(self._deep)
        if self._on_disk != _NEVER:
            self.started.set()
        self._snapshots = SnapshotWriter(
            exchange,
            inst_id,
            cadence_ms=chosen.cadence_ms,
            depth=chosen.depth_levels,
            newest_ts=self._on_disk,
            newest_regular_ts=self._newest(self._hours, _is_regular),
        )
        self._rejected = 0  # messages, as far as the log is concerned
        self._waiting: deque[SnapshotLine] = deque()
        self._unsynced: list[SnapshotLine] = []  # written since the last good sync
        self._refused_until: float | None = None
        if self._hours.torn_bytes or self._deep.torn_bytes:
            _log.warning(
                "%s: a torn tail of %d bytes was cut off and kept in .torn",
                inst_id,
                self._hours.torn_bytes + self._deep.torn_bytes,
            )

    @property
    def on_disk_ts(self) -> int | None:
        """Return the time of the newest snapshot line on disk (Unix ms); None without any."""
        return None if self._on_disk == _NEVER else self._on_disk

    @property
    def refused(self) -> bool:
        """Return True while the disk refuses lines."""
        return self._refused_until is not None

    # -- messages

    def receive(self, payload: ChannelData, connection: int, now: float) -> bool:
        """Take in a message of the book; return True if a whole book is to be asked for.

        Its time is judged by the exchange's as of ``now``.
        """
        ask = False
        for row in payload.rows:
            fault = self._time_fault(self._exchange.book_time(row), now)
            taken = self._snapshots.receive(payload.action, row, connection, fault)
            self._keep(taken)
            ask |= self._notable(taken)
        return ask

    def lose(self, connection: int, reason: str) -> None:
        """Take in that a connection is gone."""
        taken = self._snapshots.lose(connection, f"connection lost: {reason}")
        self._keep(taken)
        self._notable(taken)

    def _time_fault(self, ts: int | None, now: float) -> str:
        """Return why a message's time cannot be believed; empty if it can, or there is none."""
        verdict = "sound" if ts is None else self._time.judge(ts, now)
        if ts is None or verdict == "sound":
            return ""
        self.counts.ahead += 1
        if verdict == "unknown":
            return f"whether its time {times.iso(ts)} is true is not known: no answer to that"
        return f"its time {times.iso(ts)} lies past the exchange's"

    def _keep(self, taken: BookStep) -> None:
        if taken.snapshot is not None:
            self._waiting.append(taken.snapshot)

    def _notable(self, taken: BookStep) -> bool:
        if taken.checksum_mismatch:
            self._log_mismatch()
        if taken.reset:
            _log.warning("%s: the exchange began its sequence anew", self.inst_id)
        if taken.rejected:
            self._rejected += 1
            if self._rejected <= _LOGGED or self._rejected % 1000 == 0:
                _log.error("%s: message rejected: %s", self.inst_id, taken.rejected)
        if taken.broken:
            self.counts.gaps += 1
            shown = "no book to write"
            if taken.snapshot:
                shown = f"last book written as of {times.iso(taken.snapshot.ts)}"
            _log.warning("GAP DETECTED %s: %s; %s", self.inst_id, taken.broken, shown)
        return bool(taken.broken or taken.rejected or taken.reset)

    def _log_mismatch(self) -> None:
        number = self._snapshots.book.counts.checksum_mismatches
        if number <= _LOGGED or number % 1000 == 0:
            _log.warning("Checksum mismatch %s: number %d", self.inst_id, number)

    # -- writes

    def write(self, now: float) -> None:
        """Write the waiting lines, unless a thread holds the files or the disk refuses."""
        if not self._waiting or not self._disk.acquire(blocking=False):
            return
        try:
            if self._refused_until is not None and now >= self._refused_until:
                self._recover()
            if self._refused_until is None:
                self._write_waiting()
        except VaultError as error:
            self._refuse(error, now)
        finally:
            self._disk.release()
        while len(self._waiting) > _WAITING:
            self._waiting.popleft()
            self.counts.lost_to_disk += 1

    async def sync(self, now: float) -> None:
        """Sync written lines to the disk, without blocking the event loop."""
        if self._unsynced and not self.refused:
            await self._offload(self._sync, now)

    async def deepen(self, deep: DeepBook, now: float) -> None:
        """Write a deep snapshot after the newest snapshot line, flushed before the next line.

        Raises RecordError if its time cannot be believed.
        """
        if fault := self._time_fault(deep.ts, now) or self._deep_too_old(deep.ts):
            raise RecordError(f"deep book rejected: {fault}")
        if deep.ts <= self._deep_ts:
            self.counts.deep_stale += 1
        elif self.started.is_set() and not self.refused:
            await self._offload(lambda: self._append_deep(deep), now)

    def _deep_too_old(self, ts: int) -> str:
        if self._on_disk == _NEVER or ts >= self._on_disk - TOLERANCE_MS:
            return ""
        return f"its time {times.iso(ts)} lies before the newest line of {times.iso(self._on_disk)}"

    def close(self) -> None:
        """Write and sync the last lines; VaultError if the disk refuses them."""
        with self._disk:
            try:
                if not self.refused:
                    self._write_waiting()
            finally:
                self._hours.close()
                self._deep.close()

    def _write_waiting(self) -> None:
        while self._waiting:
            snapshot = self._waiting[0]
            self._hours.append(snapshot.ts, snapshot.line)
            self._on_disk = snapshot.ts
            self.started.set()
            self._unsynced.append(self._waiting.popleft())
            self.counts.written += 1

    async def _offload(self, step: Callable[[], None], now: float) -> None:
        try:
            await in_thread(self._locked, step)
        except VaultError as error:
            self._refuse(error, now)

    def _locked(self, step: Callable[[], None]) -> None:
        with self._disk:
            step()

    def _sync(self) -> None:
        self._hours.sync()
        self._unsynced.clear()

    def _append_deep(self, deep: DeepBook) -> None:
        self._sync()  # `from_utc` names a line that stays
        line = encode_deep(self._exchange, self.inst_id, deep, self._on_disk)
        self._deep.append(deep.ts, line)
        self._deep.sync()
        self._deep_ts = deep.ts
        self.counts.deep += 1

    # -- a disk that refuses

    def _refuse(self, error: VaultError, now: float) -> None:
        if self._refused_until is None:
            _log.error("%s: NOT RECORDING, the disk refuses: %s", self.inst_id, error)
        self._refused_until = now + _DISK_AGAIN_S

    def _recover(self) -> None:
        """Read the newest time on disk; later lines that are still kept are written again."""
        self._hours.sync()
        self._on_disk = self._newest(self._hours)
        kept = (*self._unsynced, *self._waiting)
        missing = [snapshot for snapshot in kept if snapshot.ts > self._on_disk]
        self.counts.written -= sum(lost.ts > self._on_disk for lost in self._unsynced)
        self._waiting, self._refused_until = deque(missing), None
        self._unsynced.clear()
        _log.warning(
            "%s: recording again, %d lines lost so far", self.inst_id, self.counts.lost_to_disk
        )

    def _newest(
        self, log: HourLog, wanted: Callable[[dict[str, Any]], bool] = lambda _: True
    ) -> int:
        """Return the time of the newest valid line of a log that is ``wanted``."""

        def valid(line: bytes) -> bool:
            found = _parsed(line, self.inst_id)
            return found is not None and wanted(found[1])

        line = log.last_line(valid)
        parsed = None if line is None else _parsed(line, self.inst_id)
        return _NEVER if parsed is None else parsed[0]

    def facts(self) -> dict[str, Any]:
        """Return the state as it stands in heartbeats and summaries."""
        book, counts = self._snapshots.book, self.counts
        return {
            "last_snapshot_utc": _iso(self._on_disk),
            "last_deep_utc": _iso(self._deep_ts),
            "live": book.live,
            "written": counts.written,
            "gaps": counts.gaps,
            "updates": book.counts.updates,
            "exchange_snapshots": book.counts.snapshots,
            "heartbeats": book.counts.heartbeats,
            "resets": book.counts.resets,
            "rejected": book.counts.rejected,
            "dropped": book.counts.dropped,
            "superseded": self._snapshots.superseded,
            "unknown_deletes": book.counts.unknown_deletes,
            "checksum_mismatches": book.counts.checksum_mismatches,
            "deep": counts.deep,
            "deep_stale": counts.deep_stale,
            "ahead": counts.ahead,
            "lost_to_disk": counts.lost_to_disk,
            "disk_refuses": self.refused,
            "filling": None,  # a book cannot be filled in
        }


def _iso(ts: int) -> str | None:
    return None if ts == _NEVER else times.iso(ts)


def _is_regular(row: dict[str, Any]) -> bool:
    return row.get("gap_detected") is False


def _parsed(line: bytes, inst_id: str) -> tuple[int, dict[str, Any]] | None:
    """Return (time, row) of a line of this instrument; None if it is damaged."""
    try:
        row = orjson.loads(line)
        return (times.parse_iso(row["timestamp_utc"]), row) if row["instId"] == inst_id else None
    except (ValueError, KeyError, TypeError):
        return None
