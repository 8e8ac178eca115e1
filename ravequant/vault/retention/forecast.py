"""How fast a vault grows, measured on its dated files, and how many days the disk lasts."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ravequant import times
from ravequant.vault.retention.plan import COMPUTED, TRADES, RetentionRule, Series, Survey

_SOON_DAYS: Final = 7
_MEASURED_MS: Final = 7 * times.DAY_MS  # growth is measured on the newest files of this span


@dataclass(frozen=True, slots=True)
class Growth:
    """The growth of one part of the vault."""

    per_day: float  # compressed bytes a day
    still: float | None  # bytes to come until deletions keep its size; None: it grows for ever


def growth_of(series: Series, rule: RetentionRule, now: int) -> Growth | None:
    """Return the growth of a series; None while it has no finished hour or day."""
    closed = series.closed(now)
    if not closed:
        return None
    newest = closed[-1].end
    measured = [file for file in closed if file.end > newest - _MEASURED_MS]
    size = sum(_long_run(file.plain, file.packed, series.packed_share) for file in measured)
    per_day = size * times.DAY_MS / (newest - measured[0].start)
    if rule.delete_after_ms is None:
        return Growth(per_day, None)
    plain_ms = min(rule.compress_after_ms, rule.delete_after_ms)
    full = per_day * (rule.delete_after_ms - plain_ms) / times.DAY_MS
    full += per_day / series.packed_share * plain_ms / times.DAY_MS
    return Growth(per_day, max(0.0, full - sum(file.size for file in series.files)))


def _long_run(plain: int | None, packed: int | None, share: float) -> float:
    return packed if packed is not None else (plain or 0) * share


def days_left(room: int, growths: Iterable[Growth]) -> float | None:
    """Return the days until ``room`` bytes are used up; None if they never are.

    Each part grows at its own pace until its ``still`` bytes have come.
    """
    left, days = float(room), 0.0
    running = sorted(
        (
            (growth.per_day, float("inf") if growth.still is None else growth.still)
            for growth in growths
            if growth.per_day > 0
        ),
        key=lambda growth: growth[1] / growth[0],
    )
    while left > 0:
        pace = sum(per_day for per_day, _ in running)
        if not pace:
            return None
        per_day, still = running[0]
        step = min(left / pace, still / per_day - days)
        left -= step * pace
        days += step
        if left > 0:
            running.pop(0)
    return days


def _certain(days: float | None, unknown: int) -> float | None:
    return None if unknown and days is not None and days > _SOON_DAYS else days


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long the disk lasts: bytes, bytes a day, and days (None: for ever).

    While the growth of a stream is unknown, the days are None unless the other streams fill the
    disk within a week; then it is full in so many days or sooner.
    """

    total: int
    free: int
    budget: int | None
    per_day: float
    budget_days: float | None
    disk_days: float | None
    unknown: int  # series in their first file, whose growth nobody can measure yet


def forecast(
    seen: Survey, rules: dict[str, RetentionRule], now: int, budget: int | None
) -> Forecast:
    """Return how long the budget and the disk last.

    Files without a date (one-minute lines, states) are taken to have grown evenly over the time
    that the trade and bucket days span.
    """
    found, total = seen.series, seen.total
    measured = {series: growth_of(series, rules[series.stream], now) for series in found}
    growths = [growth for growth in measured.values() if growth is not None]
    unknown = sum(
        growth is None and series.files[-1].end > now for series, growth in measured.items()
    )
    rest = total - sum(file.size for series in found for file in series.files)
    spans = [
        series.files[-1].end - series.files[0].start
        for series in found
        if series.stream in {TRADES, *COMPUTED}
    ]
    if spans and rest > 0:
        growths.append(Growth(rest * times.DAY_MS / max(spans), None))
    return Forecast(
        total,
        seen.free,
        budget,
        sum(growth.per_day for growth in growths if growth.still != 0),
        None if budget is None else _certain(days_left(budget - total, growths), unknown),
        _certain(days_left(seen.free, growths), unknown),
        unknown,
    )
