"""Reads the heat of the last day in the background, so that it is there when somebody looks.

Newest first, an instrument in turn, and never with more than a share of a core.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from threading import Event, Thread
from time import thread_time
from typing import Final

from Dashboard.heat_columns import HeatColumns
from ravequant import times
from ravequant.errors import RaveQuantError

SHARE: Final = 0.2  # of a core
_PAUSE_S: Final = 60.0  # between two rounds: a minute brings a column
_log = logging.getLogger("dashboard")


class HeatFill:
    """A thread that keeps the columns of the newest ``minutes`` of each instrument in memory.

    ``inst_ids`` is asked before each round. An instrument that cannot be read is named in the log
    once, and tried again in the next round.
    """

    def __init__(
        self,
        columns: HeatColumns,
        inst_ids: Callable[[], Iterable[str]],
        minutes: int = times.DAY_MINUTES,
    ) -> None:
        self._columns, self._inst_ids, self._minutes = columns, inst_ids, minutes
        self._stopped = Event()
        self._named: set[str] = set()
        self._thread = Thread(target=self._run, name="heat", daemon=True)

    def start(self) -> None:
        """Begin the first round."""
        self._thread.start()

    def stop(self) -> None:
        """End after the pass under way, and wait for that."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                for _ in self.round():
                    if self._stopped.is_set():
                        return
            except Exception:  # noqa: BLE001 - no round may be the last
                _log.exception("the heat of the past is not kept")
            self._stopped.wait(_PAUSE_S)

    def round(self) -> Iterator[None]:
        """Keep the missing columns; yields after each pass and its rest."""
        open_ones = [(name, self._columns.fill(name, self._minutes)) for name in self._inst_ids()]
        while open_ones:
            for one in list(open_ones):
                name, passes = one
                used = thread_time()
                try:
                    next(passes)
                except StopIteration:
                    open_ones.remove(one)
                    self._named.discard(name)
                except RaveQuantError as error:
                    open_ones.remove(one)
                    if name not in self._named:
                        self._named.add(name)
                        _log.warning("no heat of %s: %s", name, error)
                used = thread_time() - used
                self._stopped.wait(used * (1 / SHARE - 1))
                yield
