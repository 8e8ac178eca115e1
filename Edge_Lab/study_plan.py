"""The plan of a study: its days, the files to fetch, the disk and the time that it takes. Pure.

The rates are measured ones, on one core of a busy computer; the READMEs of the programs that do
the work say how.
"""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from Edge_Lab.power import FEWEST_DAYS
from Edge_Lab.verdict import TRADES_ALONE
from ravequant import times
from ravequant.errors import UsageError
from ravequant.exchanges.archive.plan import (
    BOOK_BYTES_A_SECOND,
    BOOK_HOURS,
    BUCKET_DAY,
    BUCKETS_PACKED,
    megabytes,
)

USUAL_DAYS: Final = 45
LEAD_DAYS: Final = 8  # of trades before the first day: medians look a week back
LOOK_BACK: Final = 10  # days in which the newest published one is looked for
USUAL_RATE: Final = 5_000_000  # bytes a second, while no download was measured
_TRADE_S: Final = 0.9e-6  # seconds a byte of trades files: import and calculators
_TRADES_LEFT: Final = 5  # bytes that stay, packed lines and columns, for a byte of trades files
_BUCKET_S: Final = 10  # seconds a day: 43,200 snapshots
_JUDGE_S: Final = 60  # seconds a day with books
_JUDGE_TRADES_S: Final = 30  # seconds a day without
_LISTING_S: Final = 2.5  # seconds a call, of ten days


class StudyDays(NamedTuple):
    """The UTC days of a study."""

    first: str
    last: str

    @property
    def days(self) -> list[str]:
        """The days that are judged, ascending."""
        return between(self.first, self.last)

    @property
    def after(self) -> str:
        """The day on whose first hours the trials of the last day end."""
        return moved(self.last, 1)

    @property
    def begin(self) -> str:
        """The first day of trades."""
        return moved(self.first, -LEAD_DAYS)

    @property
    def trade_days(self) -> list[str]:
        """The days of which trades are needed, ascending."""
        return between(self.begin, self.after)

    @property
    def book_days(self) -> list[str]:
        """The days of which books are needed, ascending."""
        return between(self.first, self.after)


def moved(day: str, days: int) -> str:
    """Return the UTC day so many days later."""
    return times.day(times.day_start_ms(day) + days * times.DAY_MS)


def between(first: str, last: str) -> list[str]:
    """Return the UTC days from ``first`` to ``last``, both included."""
    moments = range(times.day_start_ms(first), times.day_start_ms(last) + 1, times.DAY_MS)
    return [times.day(moment) for moment in moments]


def study_days(first: str | None, last: str | None, newest: str | None, today: str) -> StudyDays:
    """Return the days of a study. UsageError for days that are not over, or in the wrong order.

    ``newest`` is the newest published day; it is needed where ``last`` is None. Without the ends,
    these are the newest USUAL_DAYS days of which the day after is published too.
    """
    end = last or (None if newest is None else moved(newest, -1))
    if end is None:
        raise UsageError("no day is published; name the days with --from and --to")
    start = first or moved(end, 1 - USUAL_DAYS)
    if max(start, end) >= today:
        raise UsageError(f"{max(start, end)} is not over; expected days before {today}")
    if start > end:
        raise UsageError(f"--from {start} is later than {end}, the last day; give them in order")
    return StudyDays(start, end)


class StudyCost(NamedTuple):
    """The work of a study: bytes of the files that it has to fetch, and days times instruments."""

    days: int  # UTC days of the study
    days_done: int  # of them, judged for all instruments before
    trades: int = 0  # bytes
    books: int = 0  # bytes
    largest_book: int = 0  # bytes of a file
    left_judging: int = 0  # days times instruments
    instruments: int = 1
    with_books: bool = True
    unpublished: tuple[str, ...] = ()  # days of the study without a file of books
    rate: float | None = None  # bytes a second of the last download

    @property
    def fetch(self) -> int:
        """The bytes to fetch."""
        return self.trades + self.books

    @property
    def disk(self) -> int:
        """The bytes that the disk must hold at the most: all that stays, a day's files and books.

        Raw books of two days stand there, and a copy of one while its buckets are made.
        """
        passing = self.largest_book * (1 + BOOK_HOURS * (2 * self.instruments + 1))
        return round(self.stays + passing + 2 * BUCKET_DAY * (self.books > 0))

    @property
    def stays(self) -> int:
        """The bytes that are left in the vault: packed trades, buckets, columns of the lab."""
        buckets = BUCKET_DAY * BUCKETS_PACKED * self.left_judging if self.with_books else 0
        return round(self.trades * _TRADES_LEFT + buckets)

    @property
    def seconds(self) -> float:
        """The time on one core, downloads included."""
        a_day = _JUDGE_S + _BUCKET_S if self.with_books else _JUDGE_TRADES_S
        return (
            self.fetch / (self.rate or USUAL_RATE)
            + self.trades * _TRADE_S
            + self.books / BOOK_BYTES_A_SECOND
            + self.left_judging * a_day
        )


def listing_seconds(days: StudyDays, instruments: int, *, books: bool) -> float:
    """Return the time of asking which files there are."""
    calls = -(-len(days.trade_days) // 10) + books * -(-len(days.book_days) // 10)
    return calls * instruments * _LISTING_S


def plan_lines(days: StudyDays, instruments: Collection[str], cost: StudyCost) -> Iterator[str]:
    """Yield the plan for a reader."""
    kinds = "trades and books" if cost.with_books else "trades, no books"
    yield (
        f"study of {', '.join(instruments)}: {cost.days} days, {days.first} to {days.last}, {kinds}"
    )
    if cost.days_done:
        yield f"judged before: {cost.days_done} of these days"
    if cost.unpublished:
        yield f"left out, no file of books: {_named(cost.unpublished)}"
    yield (
        f"to fetch: {megabytes(cost.fetch)} (trades {megabytes(cost.trades)}, books "
        f"{megabytes(cost.books)}), one file after the other"
    )
    yield f"disk: {megabytes(cost.disk)} at the most, {megabytes(cost.stays)} of it stay"
    measured = "the rate of the last download" if cost.rate else "5 MB a second"
    took = times.duration(round(cost.seconds) * times.SECOND_MS)
    yield f"time: about {took} at {measured}; stop it whenever you like, it goes on where it was"
    yield from answerable(cost)


def answerable(cost: StudyCost) -> Iterator[str]:
    """Yield the answers that the study can give."""
    if not cost.with_books:
        yield TRADES_ALONE
        return
    known = cost.days - len(cost.unpublished)
    if known < FEWEST_DAYS:
        yield (f"it will say TOO EARLY: {known} of {FEWEST_DAYS} days; to be judged, begin earlier")
        return
    yield (
        "it can say LOSES, NOT PROVEN, QUEUE DECIDES or PROMISING; PROVEN needs a forward test too"
    )


def _named(days: Collection[str]) -> str:
    shown = sorted(days)
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    return ", ".join(shown[:5]) + more


def left_s(spent_s: float, done: int, days: int) -> float:
    """Return the time that the days left will take, by that of the days done."""
    return spent_s / done * (days - done) if done else 0.0
