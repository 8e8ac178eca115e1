"""Brings the calculators up to date again and again, so that the page shows all that was recorded.

They run in a process of their own, which stays. One that another program runs at the same time is
no error: the locks keep writers apart.
"""

import logging
import time
from collections.abc import Callable, Iterable
from threading import Event, Thread
from typing import Final

from ravequant.errors import RaveQuantError
from ravequant.signals.recorded import check_recorded
from ravequant.signals.refresh import BUSY, LoadedCalculators
from ravequant.signals.seen import CLOSING_MS
from ravequant.vault.paths import Vault

_CLOSED_S: Final = CLOSING_MS / 1_000 + 2  # a trade so long after a minute has closed it
_LAST_S: Final = 6.0  # for a calculator that runs when the program ends
_log = logging.getLogger("dashboard")


class Refresher:
    """A thread that brings each instrument up to date every ``every_s`` seconds.

    ``inst_ids`` is asked before each round. Rounds begin a little after the turn of a minute, when
    there is one to add.
    """

    def __init__(self, vault: Vault, inst_ids: Callable[[], Iterable[str]], every_s: float) -> None:
        self._vault, self._inst_ids, self._every_s = vault, inst_ids, every_s
        self._stopped = Event()
        self._said = _Said()
        self._calculators = LoadedCalculators()
        self._thread = Thread(target=self._run, name="refresh", daemon=True)

    def start(self) -> None:
        """Begin the first round."""
        logging.getLogger("find_signals").addFilter(self._said)
        self._thread.start()

    def stop(self) -> None:
        """Begin no further calculator; one that runs and does not end soon is ended."""
        self._stopped.set()
        self._said.silent = True
        self._calculators.end()
        self._thread.join(_LAST_S)
        logging.getLogger("find_signals").removeFilter(self._said)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._round()
            except Exception as error:  # noqa: BLE001 - no round may be the last
                _log.warning("nothing is brought up to date: %r", error)
            self._stopped.wait(pause_s(time.time(), self._every_s))

    def _round(self) -> None:
        for inst_id in self._inst_ids():
            try:
                check_recorded(self._vault, inst_id)
                self._calculators.refresh(self._vault, inst_id)
            except RaveQuantError as error:
                _log.debug("%s is not brought up to date: %s", inst_id, error)
            except Exception as error:  # noqa: BLE001 - the others have a round too
                _log.warning("%s is not brought up to date: %r", inst_id, error)
            if self._stopped.is_set():
                return


def pause_s(now_s: float, every_s: float) -> float:
    """Return the seconds until the next round; of rounds one lies just after each closed minute."""
    return every_s - (now_s - _CLOSED_S) % every_s


class _Said(logging.Filter):
    """Passes a line about the calculators once, until another comes; none while busy."""

    def __init__(self) -> None:
        super().__init__()
        self.silent = False
        self._last = ""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if self.silent or text in (self._last, "") or text.endswith(BUSY):
            return False
        self._last = text
        return True
