"""Writes the lines of several logs in the order in which they were made, also after a refusal.

Calculators rely on that order: a mark price on disk says that every liquidation that came before it
is on disk too.
"""

import logging
import threading
from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

from ravequant.errors import VaultError
from ravequant.vault.append_log import AppendLog, DayLog

_AGAIN_S: Final = 5.0
_MOST: Final = 50_000  # lines kept while the disk refuses: at one a second half a day
_log = logging.getLogger("context_exporter")


class QueuedLine(NamedTuple):
    """A line on its way to the disk."""

    log: str
    ts: int  # Unix ms, exchange time: decides the file of a dated log
    data: bytes
    after: tuple[str, ...] = ()  # logs that are synced first


class LineQueue:
    """The logs of one instrument by name, and the lines that wait for them.

    If the disk refuses a line, that is logged and tried again, and ``refused`` is True meanwhile.
    ``lost`` counts lines that could not be kept so long.
    """

    def __init__(self, inst_id: str, logs: Mapping[str, DayLog | AppendLog]) -> None:
        self._inst_id, self._logs = inst_id, logs
        self._waiting: deque[QueuedLine] = deque()
        self._unsynced: dict[str, list[QueuedLine]] = {name: [] for name in logs}
        self._disk = threading.Lock()
        self._again_at: float | None = None
        self.lost = 0
        self.newest: dict[str, int] = {}  # the time of the newest line written to each log

    @property
    def refused(self) -> bool:
        """Return True while the disk refuses lines."""
        return self._again_at is not None

    def put(self, line: QueuedLine) -> None:
        """Take in the next line."""
        self._waiting.append(line)
        if len(self._waiting) > _MOST:
            self._waiting.popleft()
            self.lost += 1

    def write(self, now: float) -> None:
        """Write the waiting lines, unless a thread syncs the logs or the disk refuses."""
        if not self._waiting or not self._disk.acquire(blocking=False):
            return
        try:
            if self._again_at is None or now >= self._again_at:
                self._write()
                self._again_at = None
        except VaultError as error:
            self._refuse(error, now)
        finally:
            self._disk.release()

    def sync(self, now: float) -> None:
        """Sync the written lines; blocks, and may run in a thread."""
        with self._disk:
            if self.refused:
                return
            try:
                for name in self._logs:
                    self._sync(name)
            except VaultError as error:
                self._refuse(error, now)

    def close(self) -> None:
        """Write and sync everything and close the logs. Raises VaultError if the disk refuses."""
        with self._disk:
            try:
                self._write()
            finally:
                for log in self._logs.values():
                    log.close()

    def _write(self) -> None:
        while self._waiting:
            line = self._waiting[0]
            for name in line.after:
                self._sync(name)
            log = self._logs[line.log]
            if isinstance(log, DayLog):
                log.append(line.ts, line.data)
            else:
                log.append(line.data)
            self.newest[line.log] = line.ts
            self._unsynced[line.log].append(self._waiting.popleft())

    def _sync(self, name: str) -> None:
        """Sync one log; if that fails its lines since the last sync wait again."""
        log, written = self._logs[name], self._unsynced[name]
        if not log.dirty and not written:
            return
        try:
            log.sync()
        except VaultError:
            self._waiting.extendleft(reversed(written))
            written.clear()
            raise
        written.clear()

    def _refuse(self, error: VaultError, now: float) -> None:
        if self._again_at is None:
            _log.error("%s: NOT RECORDING, the disk refuses: %s", self._inst_id, error)
        self._again_at = now + _AGAIN_S
