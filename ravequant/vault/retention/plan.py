"""What retention does and why, and when the disk will be full: decided here, without a file.

A *series* is one stream (book hours, deep hours, trade days, bucket days) of one instrument. Ages
count from the end of the hour or day that a file's name says.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ravequant import times
from ravequant.settings import Retention

COMPRESS: Final = "compress"
DELETE: Final = "delete"
BOOKS, DEEP, TRADES, BUCKETS = "books", "deep", "trades", "buckets"
MEASURED_MS: Final = 7 * times.DAY_MS  # growth is measured over so much of the newest files


@dataclass(frozen=True, slots=True)
class Rule:
    """When the files of a stream are compressed and deleted."""

    compress_after_ms: int
    delete_after_ms: int | None = None  # None: never, by age or by budget
    delete_unread_after_ms: int = 0  # the same for what its calculator has not read


def rules_of(chosen: Retention) -> dict[str, Rule]:
    """Return the rule of each stream."""
    delete = chosen.delete_book_days * times.DAY_MS
    unread = max(delete, chosen.keep_unread_days * times.DAY_MS)
    hours = Rule(chosen.compress_book_hours * times.HOUR_MS, delete, unread)
    return {
        BOOKS: hours,
        DEEP: hours,
        TRADES: Rule(chosen.compress_trade_days * times.DAY_MS),
        BUCKETS: Rule(chosen.compress_bucket_days * times.DAY_MS),
    }


@dataclass(frozen=True, slots=True)
class Dated:
    """One hour or day on disk, in one form or, after a kill, in both."""

    stream: str
    inst_id: str
    key: str  # 2025-12-14, or 2025-12-14/21
    plain: int | None  # bytes; None: not there
    packed: int | None

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return (self.plain or 0) + (self.packed or 0)

    @property
    def start(self) -> int:
        """First millisecond of the hour or day."""
        hour = int(self.key[11:]) if len(self.key) > 10 else 0
        return times.day_start_ms(self.key[:10]) + hour * times.HOUR_MS

    @property
    def end(self) -> int:
        """First millisecond after it."""
        return self.start + (times.HOUR_MS if len(self.key) > 10 else times.DAY_MS)


@dataclass(frozen=True, slots=True)
class Series:
    """All files of one stream of one instrument, oldest first."""

    stream: str
    inst_id: str
    files: tuple[Dated, ...]
    open_from: str | None = None  # a writer may come back to files from this key on
    read_to: str | None = None  # its calculator stands in this one; None: has read nothing
    packed_share: float = 0.1  # size of the compressed form / size of the plain one

    def closed(self, now: int) -> list[Dated]:
        """Return the files that nobody appends to: a later one exists, and their time is over."""
        newest = self.files[-1].key
        limit = newest if self.open_from is None else min(newest, self.open_from)
        return [file for file in self.files if file.key < limit and file.end <= now]

    def unread(self, file: Dated) -> bool:
        """Say whether the calculator that needs ``file`` has still to read (the rest of) it."""
        return self.read_to is None or file.key >= self.read_to


@dataclass(frozen=True, slots=True)
class Survey:
    """A vault at one moment; a series has at least one file."""

    series: tuple[Series, ...]
    total: int  # bytes of all files, dated or not
    free: int  # bytes the disk has left


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do, and the reason."""

    kind: str
    file: Dated
    reason: str
    unread: bool = False  # a calculator loses this hour
    frees: int = 0  # bytes, as far as can be known before


def by_age(all_series: Iterable[Series], rules: dict[str, Rule], now: int) -> list[Action]:
    """Return what the ages ask for: deletions first, since they make room, each oldest first."""
    found = [
        action
        for series in all_series
        for file in series.closed(now)
        if (action := _due(series, file, rules[series.stream], now)) is not None
    ]
    return sorted(found, key=lambda action: (action.kind != DELETE, action.file.end))


def _due(series: Series, file: Dated, rule: Rule, now: int) -> Action | None:
    age = now - file.end
    if rule.delete_after_ms is not None:
        unread = series.unread(file)
        limit = rule.delete_unread_after_ms if unread else rule.delete_after_ms
        if age > limit:
            reason = f"older than {limit // times.DAY_MS} days{', never read' if unread else ''}"
            return Action(DELETE, file, reason, unread, file.size)
    if file.plain is not None and age > rule.compress_after_ms:
        reason = f"older than {_span(rule.compress_after_ms)}"
        small = round(file.plain * series.packed_share)
        return Action(COMPRESS, file, reason, frees=file.size - small)
    return None


def _span(span_ms: int) -> str:
    if span_ms % times.DAY_MS:
        return f"{span_ms // times.HOUR_MS} h"
    return f"{span_ms // times.DAY_MS} days"


def over_budget(
    all_series: Iterable[Series], rules: dict[str, Rule], now: int, excess: int
) -> list[Action]:
    """Return the book hours to delete so that ``excess`` bytes go, as far as there are enough.

    Oldest first; hours that the calculator has read go before those that it has not.
    """
    candidates = sorted(
        (series.unread(file), file.end, file.inst_id, file.stream, file)
        for series in all_series
        if rules[series.stream].delete_after_ms is not None
        for file in series.closed(now)
    )
    found = []
    for unread, *_, file in candidates:
        if excess <= 0:
            break
        reason = f"over the disk budget{', never read' if unread else ''}"
        found.append(Action(DELETE, file, reason, unread, file.size))
        excess -= file.size
    return found


def after(seen: Survey, actions: Sequence[Action]) -> Survey:
    """Return what would be there after ``actions``: a dry run's idea of the disk."""
    due = {action.file: action for action in actions}
    series = tuple(
        replace(one, files=tuple(kept for file in one.files if (kept := _left(file, due))))
        for one in seen.series
    )
    freed = sum(action.frees for action in actions)
    return Survey(series, seen.total - freed, seen.free + freed)


def _left(file: Dated, due: Mapping[Dated, Action]) -> Dated | None:
    action = due.get(file)
    if action is None:
        return file
    if action.kind == DELETE:
        return None
    return replace(file, plain=None, packed=file.size - action.frees)
