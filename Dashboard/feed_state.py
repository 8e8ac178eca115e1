"""The picture of an instrument after a look, and its parts that a page has not seen yet. Pure.

Each part bears the number of the look that changed it last, so that a page which has seen all up to
a look gets the parts that changed since, however long it took. Nothing is kept for a page.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

from Dashboard import wick_levels

Row = dict[str, Any]


class Part(NamedTuple):
    """A part of the picture, and the number of the look that changed it last."""

    version: int
    value: Any


Parts = Mapping[str, Part]
Minutes = Mapping[int, Part]  # by Unix minute; a value has a cell for each column


@dataclass(frozen=True, slots=True)
class FeedState:
    """The picture after a look; never changed, so that another thread may read it."""

    version: int = 0
    void_version: int = 0  # a page that has not seen this look is void
    void: str = ""  # why
    parts: Parts = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    minutes: Minutes = field(default_factory=dict)  # the newest ones
    wicks: Parts = field(default_factory=dict)  # rows by id; None of one that is not drawn any more

    def voided(self, reason: str) -> "FeedState":
        """Return the state in which all that pages have is void."""
        version = self.version + 1
        return FeedState(version, version, reason)

    def with_parts(self, values: Mapping[str, Any]) -> "FeedState":
        """Return the state after the next look, with the parts that differ."""
        changed = {
            name: value
            for name, value in values.items()
            if name not in self.parts or self.parts[name].value != value
        }
        if not changed:
            return self
        version = self.version + 1
        parts = {name: Part(version, value) for name, value in changed.items()}
        return replace(self, version=version, parts={**self.parts, **parts})

    def with_minutes(self, span: range, columns: Mapping[str, Sequence[Any]], kept: int) -> Self:
        """Return the state with these columns of a span of Unix minutes, the newest ``kept``."""
        version, names = self.version + 1, tuple(columns)
        found = dict(self.minutes) if names == self.columns else {}
        before = len(found)
        cells = zip(*columns.values(), strict=True)
        changed = False
        for minute, values in zip(span, cells, strict=True):
            known = found.get(minute)
            if known is None or known.value != values:
                found[minute] = Part(version, values)
                changed = True
        if not changed and len(found) == before:
            return self
        newest = {minute: found[minute] for minute in sorted(found)[-kept:]}
        return replace(self, version=version, columns=names, minutes=newest)

    def with_wicks(self, rows: Iterable[tuple[Any, ...]]) -> Self:
        """Return the state with the wicks that are drawn: rows of ``wick_levels.FIELDS``."""
        version = self.version + 1
        now = {row[0]: row for row in rows}
        known = {name: part for name, part in self.wicks.items() if part.value == now.get(name)}
        changed = {
            name: Part(version, now.get(name)) for name in (*self.wicks, *now) if name not in known
        }
        return replace(self, version=version, wicks={**known, **changed}) if changed else self

    def since(self, cursor: int, first: int) -> Row:
        """Return the parts that changed after the look ``cursor``.

        Columns begin at the Unix minute ``first`` at the earliest, that of the page's first column.
        """
        found = {name: part.value for name, part in self.parts.items() if part.version > cursor}
        changed = [
            minute
            for minute, part in self.minutes.items()
            if part.version > cursor and minute >= first
        ]
        if changed:
            found["minutes"] = self._columns(min(changed))
        wicks = {name: part.value for name, part in self.wicks.items() if part.version > cursor}
        if wicks:
            found["wicks"] = _wick_columns(wicks)
        return found

    def _columns(self, first: int) -> Row:
        empty = Part(0, (None,) * len(self.columns))
        span = range(first, max(self.minutes) + 1)
        rows = (self.minutes.get(minute, empty).value for minute in span)
        columns = dict(zip(self.columns, map(list, zip(*rows, strict=True)), strict=True))
        return {"first": first, "every": 1, **columns}


def _wick_columns(wicks: Mapping[str, tuple[Any, ...] | None]) -> Row:
    rows = [row for row in wicks.values() if row is not None]
    found: Row = {name: [row[n] for row in rows] for n, name in enumerate(wick_levels.FIELDS)}
    return {**found, "gone": [name for name, row in wicks.items() if row is None]}
