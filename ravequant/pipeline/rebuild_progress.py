"""Says, while everything is computed anew, how far that is and how long it will take."""

import logging
import time
from collections.abc import Callable
from typing import Final

from ravequant.vault.recorder_state import about

SAID_EVERY_S: Final = 20.0
_log = logging.getLogger(__name__)


class RebuildProgress:
    """The progress of one rebuild by the raw files that are behind it."""

    def __init__(
        self,
        what: str,
        keys: list[str],
        clock: Callable[[], float] = time.monotonic,
        said_every_s: float = SAID_EVERY_S,
    ) -> None:
        self._what, self._keys, self._clock = what, keys, clock
        self._every_s = said_every_s
        self._began = self._said_at = clock()

    def at(self, key: str) -> None:
        """Take in that the files before ``key`` are done; say so every now and then."""
        now, done = self._clock(), sum(one < key for one in self._keys)
        if now - self._said_at < self._every_s or not done:
            return
        self._said_at = now
        left_s = (now - self._began) / done * (len(self._keys) - done)
        text = "%s: computed anew up to %s, %d of %d files, about %s to go"
        _log.info(text, self._what, key, done, len(self._keys), about(left_s))
