"""How the wall at a tip has behaved, and how walls ended lately, by book flow (SPEC section 16).

A process that is asked again and again reads a file of book flow each time, but parses each line
once; the checksum of the lines before says that they are the same.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple, Self

from ravequant import catalog, exact, times
from ravequant.signals import inputs
from ravequant.signals.base_rates import Rate
from ravequant.signals.context.fields import WALL_FIELDS, Context, Unknown
from ravequant.signals.context.moment import ContextMoment
from ravequant.signals.derived_rows import days_until, parsed
from ravequant.signals.inputs import BOOK_SIDES, Row, WickAsOf
from ravequant.vault.line_file import LineFile

JUDGED: Final = frozenset({"filled", "pulled", "mixed"})  # ends of which the cause is known
ENDS: Final = JUDGED | {"unseen", "unknown"}
_ENDED: Final = b'"end":"'
_MOST_FILES: Final = 16


class FlowWall(NamedTuple):
    """A wall in a minute of book flow."""

    minute: int
    side: str
    price: int  # units of exact.PRICE_PLACES
    notional: int  # units of exact.NOTIONAL_PLACES
    end: str | None
    end_ms: int
    shown: Context

    @classmethod
    def of(cls, row: Row) -> Self:
        """Return the wall of a record. Raises ValueError, KeyError or TypeError."""
        end, ended = row["end"], row["end_utc"]
        if row["side"] not in BOOK_SIDES.values() or not (end is None or end in ENDS):
            raise ValueError(f"{row['side']!r}, {end!r}: not a wall's")
        for name in ("largest", "filled", "pulled", "refilled"):
            exact.units(row[name], exact.SIZE_PLACES)
        return cls(
            inputs.minute_of(row["timestamp_utc"]),
            row["side"],
            inputs.price(row["price"]),
            exact.units(row["notional"], exact.NOTIONAL_PLACES),
            end,
            0 if ended is None else times.parse_iso(ended),
            {name: row[name] for name in WALL_FIELDS},
        )


class WallsAsOf:
    """The walls of the last day as of a minute."""

    def __init__(
        self, moment: ContextMoment, standing: Sequence[FlowWall], ended: Sequence[FlowWall]
    ) -> None:
        self._limits, self._standing, self._ended = moment.limits, standing, ended

    @classmethod
    def read(cls, moment: ContextMoment) -> "WallsAsOf | Unknown":
        """Return the walls, or why they are not known."""
        if moment.book_ms is None:
            return "not recorded"
        # a minute is known with the first snapshot behind it
        last = min(moment.end_ms("book_flow"), moment.book_ms) // times.MINUTE_MS - 1
        since = moment.minute - times.DAY_MINUTES
        newest: _NewestMinute | None = None
        ended: list[FlowWall] = []
        for path in days_until(
            moment.vault, moment.inst_id, catalog.BOOK_FLOW, last * times.MINUTE_MS
        ):
            if times.day_start_ms(path.name[:10]) + times.DAY_MS <= since * times.MINUTE_MS:
                break
            with LineFile(path, until=last * times.MINUTE_MS) as file:
                end = file.after(last * times.MINUTE_MS)
                newest = newest or _newest_minute(file, end)
                walls = _ended_walls(file, end)
            ended += [wall for wall in walls if since <= wall.minute <= last]
        if newest is None:
            return "not recorded"
        if moment.is_stale("volume", newest.minute):
            return "stale"
        return cls(moment, newest.walls, ended)

    def of(self, wick: WickAsOf) -> Context:
        """Return the fields of a signal at the tip of a wick."""
        judged = [wall for wall in self._ended if wall.end in JUDGED]
        pulled = sum(wall.end == "pulled" for wall in judged)
        wall = self._at(wick)
        return {
            "wall": None if wall is None else wall.shown,
            "walls_24h": {
                "ended": len(judged),
                "pulled": pulled,
                "pulled_pct": Rate(pulled, len(judged)).percent,
            },
        }

    def _at(self, wick: WickAsOf) -> FlowWall | None:
        """Return the largest wall at the tip; if none stands, that which ended there last."""
        reach, birth = self._limits.wall_reach(wick.tip), wick.birth * times.MINUTE_MS
        side = BOOK_SIDES[wick.side]

        def near(walls: Iterable[FlowWall]) -> Iterator[FlowWall]:
            return (w for w in walls if w.side == side and abs(w.price - wick.tip) <= reach)

        def largest(wall: FlowWall) -> tuple[int, int, int]:
            return wall.notional, -abs(wall.price - wick.tip), wall.price

        found = max(near(self._standing), key=largest, default=None)
        gone = (wall for wall in near(self._ended) if wall.end_ms >= birth)
        return found or max(gone, key=lambda wall: (wall.end_ms, *largest(wall)), default=None)


class _NewestMinute(NamedTuple):
    minute: int
    walls: tuple[FlowWall, ...]  # that stood at its end


def _newest_minute(file: LineFile, end: int) -> _NewestMinute | None:
    """Return the newest minute before a place in a file; None if there is none."""
    lines: list[bytes] = []
    newest: int | None = None
    for line in file.backward(end):
        moment = file.time_of(line)
        if newest is None:
            newest = moment
        elif moment is not None and moment < newest:
            break
        lines.append(line)
    if newest is None:
        return None
    rows = parsed(file.path, lines, lambda row: None if row["kind"] == "flow" else FlowWall.of(row))
    standing = (row for row in rows if row is not None and row.end is None)
    return _NewestMinute(newest // times.MINUTE_MS, tuple(standing))


class _KnownEnds(NamedTuple):
    """The walls that ended in the first lines of a file."""

    end: int
    crc32: int
    walls: tuple[FlowWall, ...]


_known: Final[dict[Path, _KnownEnds]] = {}
_lock: Final = Lock()  # answers may be made in several threads


def _ended_walls(file: LineFile, end: int) -> tuple[FlowWall, ...]:
    """Return the walls that ended in the lines before a place in a file."""
    data = memoryview(file.block(0, end))
    with _lock:
        known = _known.pop(file.path, None)
    if known is None or known.end > end or zlib.crc32(data[: known.end]) != known.crc32:
        known = _KnownEnds(0, 0, ())
    lines = bytes(data[known.end :]).split(b"\n")
    found = parsed(file.path, (line for line in lines if _ENDED in line), FlowWall.of)
    crc32 = zlib.crc32(data[known.end :], known.crc32)
    known = _KnownEnds(end, crc32, known.walls + tuple(found))
    with _lock:
        while len(_known) >= _MOST_FILES:
            del _known[next(iter(_known))]
        _known[file.path] = known
    return known.walls
