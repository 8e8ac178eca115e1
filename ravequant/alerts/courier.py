"""Carries messages to Discord from a thread of its own: the watch never waits for the network.

A batch at a time, in order, until one cannot be posted now. What was accepted is collected by the
watch, which alone remembers; so a crash in between posts a message again rather than never.
"""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ravequant.alerts.discord import Became, Outcome
from ravequant.alerts.policy import Message

_SHORT_WAIT_S: Final = 3.0  # a wait that Discord asks for is spent within the batch, if so short
_SHORT_WAITS: Final = 3  # of a message in one batch
_SILENT_S: Final = 300.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 10.0, 300.0
_log = logging.getLogger("find_signals")


class Letter(NamedTuple):
    """A message as it is posted."""

    message: Message
    body: dict[str, Any]


class Done(NamedTuple):
    """A message that is not to be posted any more."""

    message: Message
    accepted: bool


class Courier:
    """One thread that posts; used by one other thread."""

    def __init__(
        self,
        post: Callable[[dict[str, Any]], Outcome],
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._post, self._clock, self._pause = post, clock, pause
        self._batches = queue.SimpleQueue[list[Letter]]()
        self._done = queue.SimpleQueue[Done]()
        self._idle = threading.Event()
        self._idle.set()
        self._failures = 0
        self._not_before = 0.0
        self._silent_at = 0.0  # a batch that is not done by then is said to hang
        self.off = False
        threading.Thread(target=self._work, name="discord", daemon=True).start()

    @property
    def idle(self) -> bool:
        """Say whether no batch is under way."""
        return self._idle.is_set()

    @property
    def wait_s(self) -> float:
        """How long nothing may be posted, after a failure."""
        return max(0.0, self._not_before - self._clock())

    @property
    def ready(self) -> bool:
        """Say whether a batch may be handed over."""
        return self.idle and not self.off and not self.wait_s

    def carry(self, letters: list[Letter]) -> None:
        """Hand over a batch; only when ready."""
        self._idle.clear()
        self._silent_at = self._clock() + _SILENT_S
        self._batches.put(letters)

    def collect(self, patience_s: float) -> list[Done]:
        """Return what was done since the last time, after waiting a while for the batch to end."""
        if not self._idle.wait(patience_s) and self._clock() > self._silent_at:
            self._silent_at += _SILENT_S
            _log.warning("alerts: Discord has not ended its answer for minutes; nothing is posted "
                         "meanwhile")  # fmt: skip
        found = []
        while not self._done.empty():
            found.append(self._done.get())
        return found

    def _work(self) -> None:
        while True:
            letters = self._batches.get()
            try:
                self._deliver(letters)
            except Exception as error:  # noqa: BLE001 - a thread that dies is silence for ever
                self._fail(Outcome(Became.LATER, type(error).__name__))  # its words may be secret
            finally:
                self._idle.set()

    def _deliver(self, letters: list[Letter]) -> None:
        for letter in letters:
            outcome = self._patiently(letter.body)
            if outcome.became in {Became.LATER, Became.OFF}:
                self._fail(outcome)
                return
            self._failures = 0
            if outcome.became is Became.REFUSED:
                _log.error("alerts: Discord refused a message: %s; it is dropped", outcome.why)
            self._done.put(Done(letter.message, outcome.became is Became.ACCEPTED))

    def _patiently(self, body: dict[str, Any]) -> Outcome:
        for _ in range(_SHORT_WAITS):
            outcome = self._post(body)
            if outcome.wait_s is None or outcome.wait_s > _SHORT_WAIT_S:
                return outcome
            self._pause(outcome.wait_s)
        return self._post(body)

    def _fail(self, outcome: Outcome) -> None:
        if outcome.became is Became.OFF:
            self.off = True
            _log.error(
                "alerts: nothing is posted to Discord until the next start: %s from the webhook; "
                "make a new one in the channel's settings and start again",
                outcome.why,
            )
            return
        self._failures += 1
        longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self._failures - 1, 8))
        wait = outcome.wait_s
        if wait is None:
            wait = random.uniform(longest / 2, longest)  # noqa: S311 - jitter
        self._not_before = self._clock() + wait
        _log.warning("alerts: Discord did not take a message: %s; again in %.0f s", outcome.why,
                     wait)  # fmt: skip
