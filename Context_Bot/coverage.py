"""The spans of exchange time in which liquidations were listened to; pure.

The stream of liquidations has no ids, and its silence says nothing. So it shares a connection with
the mark price, which comes at least every ten seconds: between two of its rows on a connection that
listens, nothing was missed that the exchange sent.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import orjson

from ravequant import times

SILENT_MS: Final = 20_000  # between two mark prices: then the time between counts as not covered
OPEN: Final = "open"


class CoverageSpan(NamedTuple):
    """A span of coverage; ``to_ms`` is None while it lasts."""

    from_ms: int
    to_ms: int | None
    reason: str  # of its end: closed, silent, error, stop; open while it lasts

    def line(self) -> bytes:
        """Return its line, newline included."""
        row = {
            "from_utc": times.iso(self.from_ms),
            "to_utc": None if self.to_ms is None else times.iso(self.to_ms),
            "reason": self.reason,
        }
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def read_span(line: bytes) -> CoverageSpan:
    """Return the span of a line. Raises ValueError, KeyError or TypeError if it is none."""
    row = orjson.loads(line)
    end = row["to_utc"]
    to_ms = None if end is None else times.parse_iso(end)
    return CoverageSpan(times.parse_iso(row["from_utc"]), to_ms, str(row["reason"]))


@dataclass(slots=True)
class Coverage:
    """The span that is open, from the events of the connections; it yields the lines to write."""

    clock: int | None = None  # time of the newest mark price (Unix ms)
    began: int | None = None  # of the open span
    _listening: set[int] = field(default_factory=set)  # connections whose subscription stands

    def subscribed(self, connection: int) -> None:
        """Take in that a connection listens to the liquidations."""
        self._listening.add(connection)

    def marked(self, ts: int, connection: int) -> list[CoverageSpan]:
        """Take in a mark price, not older than that before; return the spans to write."""
        found = []
        before, self.clock = self.clock, ts
        if self.began is not None and before is not None and ts - before > SILENT_MS:
            found.append(self._end(before, "silent"))
        if self.began is None and connection in self._listening:
            self.began = ts
            found.append(CoverageSpan(ts, None, OPEN))
        return found

    def lost(self, connection: int, reason: str) -> list[CoverageSpan]:
        """Take in that a connection is gone, or listens no more; return the spans to write."""
        self._listening.discard(connection)
        if self._listening or self.began is None or self.clock is None:
            return []
        return [self._end(self.clock, reason)]

    def stopped(self) -> list[CoverageSpan]:
        """Take in the end of the program; return the spans to write."""
        self._listening.clear()
        if self.began is None or self.clock is None:
            return []
        return [self._end(self.clock, "stop")]

    def _end(self, at: int, reason: str) -> CoverageSpan:
        began, self.began = self.began, None
        return CoverageSpan(at if began is None else began, at, reason)


def reason_of(ended: str) -> str:
    """Return the reason of a connection's end in the word of the coverage line."""
    if "silent" in ended or "no pong" in ended:
        return "silent"
    return "error" if "no close frame" in ended else "closed"
