"""How fast a vault grows, measured from its dated files, and how many days of room are left."""

from collections.abc import Iterable
from dataclasses import dataclass

from ravequant import times
from ravequant.vault.retention.plan import MEASURED_MS, Rule, Series


@dataclass(frozen=True, slots=True)
class Growth:
    """What one part of the vault adds."""

    per_day: float  # bytes a day, as they are kept in the long run: compressed
    still: float | None  # bytes until it stays as large as it is; None: it grows for ever


def growth_of(series: Series, rule: Rule, now: int) -> Growth | None:
    """Return the growth of a series; None while not one hour or day of it is finished."""
    closed = series.closed(now)
    if not closed:
        return None
    newest = closed[-1].end
    measured = [file for file in closed if file.end > newest - MEASURED_MS]
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

    What grows for ever goes on at its pace, book hours only until as many are kept as the rule
    keeps.
    """
    left, days = float(room), 0.0
    running = sorted(
        (
            (growth.per_day, float("inf") if growth.still is None else growth.still)
            for growth in growths
            if growth.per_day > 0
        ),
        key=lambda part: part[1] / part[0],
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
