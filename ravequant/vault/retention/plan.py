"""Decides which files retention compresses and deletes, and why; reads and writes no file.

A *series* is one stream (book hours, deep hours, trade days, bucket days) of one instrument. Ages
count from the end of the hour or day in a file's name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ravequant import times
from ravequant.settings import Retention

COMPRESS: Final = "compress"
DELETE: Final = "delete"
BOOKS, DEEP, TRADES, BUCKETS = "books", "deep", "trades", "buckets"
FLOW = "book_flow"
TRANSFERS = "btc_transfers"
OF_BOOKS = (BUCKETS, FLOW)  # days that a calculator of books writes
FOOTPRINT = "footprint"
COMPUTED = (*OF_BOOKS, FOOTPRINT)  # days that a calculator writes
OF_CONTEXT = (  # days of the context feeds
    "liquidations", "marks", "open_interest", "funding_estimates", "ls_accounts",
    "ls_top_accounts", "ls_top_positions", "interest_5m", "taker_5m",
    "long_short_binance", "long_short_bybit", "liquidated_okx", "liquidated_binance",
    "liquidated_bybit",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """When the files of a stream are compressed and deleted."""

    compress_after_ms: int
    delete_after_ms: int | None = None  # None: never, by age or by budget
    delete_unread_after_ms: int = 0  # the same for files that a program still needs
    imported_ms: int = 0  # an imported file is kept so long after its import


def rules_of(chosen: Retention, *, deletes: bool = True) -> dict[str, RetentionRule]:
    """Return the rule of each stream; without ``deletes`` it keeps every file."""
    delete = chosen.delete_book_days * times.DAY_MS
    unread = max(delete, chosen.keep_unread_days * times.DAY_MS)
    compress = chosen.compress_book_hours * times.HOUR_MS
    imported = chosen.imported_book_days * times.DAY_MS
    hours = RetentionRule(compress)
    if deletes:
        hours = RetentionRule(compress, delete, unread, imported)
    return {
        BOOKS: hours,
        DEEP: hours,
        **dict.fromkeys(
            (TRADES, TRANSFERS, *OF_CONTEXT),
            RetentionRule(chosen.compress_trade_days * times.DAY_MS),
        ),
        **dict.fromkeys(COMPUTED, RetentionRule(chosen.compress_bucket_days * times.DAY_MS)),
    }


@dataclass(frozen=True, slots=True)
class DatedFile:
    """An hour or day on disk: plain, packed or, after a kill, both."""

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
        return times.file_start_ms(self.key)

    @property
    def end(self) -> int:
        """First millisecond after the hour or day."""
        return self.start + (times.HOUR_MS if len(self.key) > 10 else times.DAY_MS)


@dataclass(frozen=True, slots=True)
class ImportedHour:
    """An hour that came out of an archive."""

    imported_ms: int  # Unix milliseconds
    waits_for: str = ""  # why it is kept, however old; empty: it is kept for its time alone


@dataclass(frozen=True, slots=True)
class Series:
    """All files of one stream of one instrument, oldest first."""

    stream: str
    inst_id: str
    files: tuple[DatedFile, ...]
    open_from: str | None = None  # a writer may come back to files from this key on
    read_to: str | None = None  # key of the file that its calculator is in; None: nothing is read
    packed_share: float = 0.1  # size of the compressed form / size of the plain one
    imported: Mapping[str, ImportedHour] = field(default_factory=dict, compare=False)  # by key
    unjudged: frozenset[str] = frozenset()  # UTC days whose files the lab still needs

    def closed(self, now: int) -> list[DatedFile]:
        """Return the finished files: a later one exists, and their time is over at ``now``."""
        newest = self.files[-1].key
        limit = newest if self.open_from is None else min(newest, self.open_from)
        return [file for file in self.files if file.key < limit and file.end <= now]

    def unread(self, file: DatedFile) -> bool:
        """Return True if the calculator that needs ``file`` has not read it to its end."""
        return self.read_to is None or file.key >= self.read_to

    def early(self, file: DatedFile) -> str:
        """Return what a program has not done yet with ``file``; empty if nobody needs it."""
        if self.unread(file):
            return "never read"
        return "never judged" if file.key[:10] in self.unjudged else ""

    def kept(self, file: DatedFile, rule: RetentionRule, now: int) -> str:
        """Return why an imported file may not be deleted yet; empty if it, or another, may."""
        hour = self.imported.get(file.key)
        if hour is None or hour.waits_for:
            return "" if hour is None else hour.waits_for
        days = rule.imported_ms // times.DAY_MS
        return "" if now - hour.imported_ms > rule.imported_ms else f"{days} days from its import"


@dataclass(frozen=True, slots=True)
class Survey:
    """A vault at one time; each series has at least one file."""

    series: tuple[Series, ...]
    total: int  # bytes of all files, dated or not
    free: int  # bytes left on the disk


@dataclass(frozen=True, slots=True)
class Action:
    """A file to compress or delete, and the reason."""

    kind: str
    file: DatedFile
    reason: str
    unread: bool = False  # the file is deleted before its calculator, or the lab, has read it
    frees: int = 0  # bytes; of a compression an estimate


def by_age(all_series: Iterable[Series], rules: dict[str, RetentionRule], now: int) -> list[Action]:
    """Return the actions due by age: deletions first, since they free space, each oldest first."""
    found = [
        action
        for series in all_series
        for file in series.closed(now)
        if (action := _due(series, file, rules[series.stream], now)) is not None
    ]
    return sorted(found, key=lambda action: (action.kind != DELETE, action.file.end))


def _due(series: Series, file: DatedFile, rule: RetentionRule, now: int) -> Action | None:
    age = now - file.end
    if file.key in series.imported:
        if rule.delete_after_ms is not None and not series.kept(file, rule, now):
            reason = f"imported more than {rule.imported_ms // times.DAY_MS} days ago"
            return Action(DELETE, file, reason, frees=file.size)
    elif rule.delete_after_ms is not None:
        early = series.early(file)
        limit = rule.delete_unread_after_ms if early else rule.delete_after_ms
        if age > limit:
            reason = f"older than {limit // times.DAY_MS} days{early and f', {early}'}"
            return Action(DELETE, file, reason, bool(early), file.size)
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
    all_series: Iterable[Series], rules: dict[str, RetentionRule], now: int, excess: int
) -> list[Action]:
    """Return the book hours to delete so that ``excess`` bytes are freed, or all there are.

    Hours that no program needs any more go first, then those that the lab has not judged, then
    those that the calculator has not read, each kind oldest first. Imported hours that are kept are
    not taken.
    """
    candidates = sorted(
        (
            "" if file.key in series.imported else series.early(file),
            file.end,
            file.inst_id,
            file.stream,
            file,
        )
        for series in all_series
        if rules[series.stream].delete_after_ms is not None
        for file in series.closed(now)
        if not series.kept(file, rules[series.stream], now)
    )
    found = []
    for early, *_, file in candidates:
        if excess <= 0:
            break
        reason = f"over the disk budget{early and f', {early}'}"
        found.append(Action(DELETE, file, reason, bool(early), file.size))
        excess -= file.size
    return found


def after(seen: Survey, actions: Sequence[Action]) -> Survey:
    """Return the survey as it would be after ``actions``; a dry run goes on with it."""
    due = {action.file: action for action in actions}
    series = tuple(
        replace(item, files=tuple(kept for file in item.files if (kept := _left(file, due))))
        for item in seen.series
    )
    freed = sum(action.frees for action in actions)
    return Survey(series, seen.total - freed, seen.free + freed)


def _left(file: DatedFile, due: Mapping[DatedFile, Action]) -> DatedFile | None:
    action = due.get(file)
    if action is None:
        return file
    if action.kind == DELETE:
        return None
    return replace(file, plain=None, packed=file.size - action.frees)
