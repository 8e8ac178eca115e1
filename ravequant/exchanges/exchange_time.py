"""The exchange's time: its own answers, carried on by the monotonic clock; pure (SPEC section 3).

No wall clock, and no single time of a message or an answer, decides what is ahead of its time.
Moments are monotonic seconds that come in with each call, times are Unix milliseconds.
"""

from collections import deque
from statistics import median_low
from typing import Final, Literal

from ravequant.times import DAY_MS

TOLERANCE_MS: Final = 60_000  # a time further past the exchange's own is ahead of it
SILENT_S: Final = 30.0  # without an answer for so long, the messages' own times stand in
AGREEING: Final = 15  # messages in a row that do so
_NEXT_ANSWER_MS: Final = DAY_MS  # an answer so soon after the last one, by its own time, is sound

Verdict = Literal["sound", "ahead", "unknown"]


class ExchangeTime:
    """The time of one exchange, by which the times of messages are judged.

    An answer that jumps is believed once it follows on the answer before it: after a sleep of
    the computer that is the case, while a single absurd answer moves nothing.
    """

    def __init__(self) -> None:
        self._base: int | None = None  # the exchange's time minus the monotonic clock, ms
        self._last_answer: int | None = None
        self.asked_at = float("-inf")  # the moment of the question whose answer is believed
        self._silent_since: float | None = None
        self._past: deque[int] = deque(maxlen=AGREEING)  # of messages in a row, like `_base`

    def at(self, now: float) -> int | None:
        """Return the exchange's time; None before the first answer."""
        carried = self._carried(now)
        if len(self._past) < AGREEING or not self._is_silent(now):
            return carried
        return max(carried or 0, median_low(self._past) + _ms(now))

    def _carried(self, now: float) -> int | None:
        return None if self._base is None else self._base + _ms(now)

    def answered(self, ts: int, asked_at: float, now: float) -> bool:
        """Take in an answer to a request of ``asked_at``; return True if it is believed."""
        base = ts - _ms((asked_at + now) / 2)
        before, self._last_answer = self._last_answer, ts
        self._silent_since = None
        near = self._base is None or abs(base - self._base) <= TOLERANCE_MS
        if not near and not _follows(before, ts):
            return False
        self._base, self.asked_at = base, asked_at
        self._past.clear()
        return True

    def silent(self, now: float) -> None:
        """Take in that the exchange did not answer."""
        if self._silent_since is None:
            self._silent_since = now

    def is_past(self, ts: int, now: float) -> bool:
        """Return True if ``ts`` is further past the exchange's time than it may be."""
        known = self.at(now)
        return known is None or is_past(ts, known)

    def doubt(self) -> None:
        """Take in that the computer may have slept: the next time past it needs a new answer."""
        self.asked_at = float("-inf")

    def judge(self, ts: int, arrived: float) -> Verdict:
        """Return the verdict on a message's time; unknown until it was asked for anew since."""
        carried = self._carried(arrived)
        if carried is not None and not is_past(ts, carried):
            self._past.clear()
            return "sound"
        if self.asked_at >= arrived:
            return "ahead"
        self._past.append(ts - _ms(arrived))
        return "unknown" if self.is_past(ts, arrived) else "sound"

    def _is_silent(self, now: float) -> bool:
        return self._silent_since is not None and now - self._silent_since >= SILENT_S


def is_past(ts: int, known: int | None) -> bool:
    """Return True if a time is further past the exchange's, where that is known, than it may be."""
    return known is not None and ts > known + TOLERANCE_MS


def _follows(before: int | None, ts: int) -> bool:
    return before is not None and -TOLERANCE_MS <= ts - before <= _NEXT_ANSWER_MS


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
