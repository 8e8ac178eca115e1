"""The clock of the server, and how fast it runs: this computer's, or that of a local exchange.

$RAVEQUANT_TEST_CLOCK names the REST address of an exchange on this computer whose time server and
page then take, at any speed. Any other address is refused: a test clock would make old data fresh.
"""

import os
import time
from typing import Final

from ravequant.errors import UsageError
from ravequant.signals import clock
from ravequant.signals.clock import CLOCK_VARIABLE, Clock

TEST_VARIABLE: Final = "RAVEQUANT_TEST_CLOCK"
_MEASURED_S: Final = 0.5


class ServerClock:
    """The time of now; ``rate`` is how many of its seconds pass in one of this computer's.

    Raises UsageError for a test clock that is no local exchange, FeedError if none answers there.
    """

    def __init__(self) -> None:
        self.rate = 1.0
        named = os.environ.get(TEST_VARIABLE, "")
        if not named:
            return
        before = os.environ.get(CLOCK_VARIABLE, "")
        if before not in ("", named):
            raise UsageError(
                f"{TEST_VARIABLE}={named!r} and {CLOCK_VARIABLE}={before!r}: expected the same "
                "address; remove the variable that is not meant"
            )
        os.environ[CLOCK_VARIABLE] = named
        first, began = clock.now(), time.monotonic()
        time.sleep(_MEASURED_S)
        last, ended = clock.now(), time.monotonic()
        self.rate = max(1.0, round((last.ms - first.ms) / 1000 / (ended - began)))

    def now(self) -> Clock:
        """Return the time of now; FeedError if a local exchange has ended."""
        return clock.now()
