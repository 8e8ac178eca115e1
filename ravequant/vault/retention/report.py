"""What a run of retention did and what is to be expected, for people and as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ravequant import times
from ravequant.vault.retention.forecast import Growth, days_left, growth_of
from ravequant.vault.retention.plan import BUCKETS, TRADES, Action, Rule, Series, Survey

DONE, SKIPPED, FAILED, PLANNED = "done", "skipped", "failed", "planned"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one action."""

    action: Action
    status: str
    freed: int = 0  # bytes


@dataclass(frozen=True, slots=True)
class Forecast:
    """The room that is left, in bytes, bytes a day, and days (None: it lasts for ever)."""

    total: int
    free: int
    budget: int | None
    per_day: float
    budget_days: float | None
    disk_days: float | None
    unknown: int  # series of which nothing is finished yet, so nothing could be measured


def forecast(seen: Survey, rules: dict[str, Rule], now: int, budget: int | None) -> Forecast:
    """Return how long the budget and the disk will do.

    What bears no date (one-minute lines, states) is taken to have grown evenly over the days that
    the trade and bucket days span.
    """
    found, total = seen.series, seen.total
    measured = [growth_of(series, rules[series.stream], now) for series in found]
    growths = [growth for growth in measured if growth is not None]
    rest = total - sum(file.size for series in found for file in series.files)
    spans = [
        series.files[-1].end - series.files[0].start
        for series in found
        if series.stream in {TRADES, BUCKETS}
    ]
    if spans and rest > 0:
        growths.append(Growth(rest * times.DAY_MS / max(spans), None))
    return Forecast(
        total,
        seen.free,
        budget,
        sum(growth.per_day for growth in growths if growth.still != 0),
        None if budget is None else days_left(budget - total, growths),
        days_left(seen.free, growths),
        measured.count(None),
    )


def rows_of(
    found: Sequence[Series], outcomes: Sequence[Outcome], rules: dict[str, Rule], now: int
) -> list[dict[str, Any]]:
    """Return the facts of each series."""
    rows = []
    for series in found:
        mine = [
            outcome for outcome in outcomes
            if (outcome.action.file.stream, outcome.action.file.inst_id)
            == (series.stream, series.inst_id)
        ]  # fmt: skip
        growth = growth_of(series, rules[series.stream], now)
        rows.append(
            {
                "stream": series.stream,
                "instId": series.inst_id,
                "files": len(series.files),
                "bytes": sum(file.size for file in series.files),
                "oldest": series.files[0].key,
                **{kind: _count(mine, kind) for kind in ("compress", "delete")},
                "left": sum(outcome.status in {SKIPPED, FAILED} for outcome in mine),
                "freed_bytes": sum(outcome.freed for outcome in mine),
                "bytes_per_day": None if growth is None else round(growth.per_day),
            }
        )
    return rows


def _count(outcomes: Sequence[Outcome], kind: str) -> int:
    return sum(
        outcome.action.kind == kind and outcome.status in {DONE, PLANNED} for outcome in outcomes
    )


def facts_of(outcome: Outcome) -> dict[str, Any]:
    """Return an action and what became of it."""
    action = outcome.action
    return {
        "action": action.kind,
        "stream": action.file.stream,
        "instId": action.file.inst_id,
        "file": action.file.key,
        "reason": action.reason,
        "status": outcome.status,
        "freed_bytes": outcome.freed,
    }


def cells(row: dict[str, Any]) -> list[str]:
    """Return a row of the table."""
    return [
        row["stream"],
        row["instId"],
        size(row["bytes"]),
        f"{row['compress']:,}",
        f"{row['delete']:,}",
        f"{row['left']:,}",
        size(row["freed_bytes"]),
        "-" if row["bytes_per_day"] is None else size(row["bytes_per_day"]),
    ]


HEADERS = ("stream", "instId", "size", "packed", "deleted", "skipped", "freed", "a day")


def sentences(seen: Forecast) -> list[str]:
    """Return the forecast in words."""
    said = [f"The vault holds {size(seen.total)} and grows by {size(seen.per_day)} a day."]
    if seen.budget is not None:
        said.append(
            f"Budget {size(seen.budget)}: {_when(seen.budget_days)}"
            + ("." if seen.budget_days is None else "; then the oldest book hours go first.")
        )
    said.append(f"Disk, {size(seen.free)} free: {_when(seen.disk_days)}.")
    if seen.unknown:
        said.append(
            f"Not counted: {seen.unknown} streams of which not one hour or day is finished yet."
        )
    return said


def _when(days: float | None) -> str:
    if days is None:
        return "enough for good, as far as can be measured"
    if days <= 0:
        return "full now"
    return f"full in {days:,.0f} days" if days >= 2 else f"full in {days * 24:,.0f} hours"


def size(count: float) -> str:
    """Return bytes as people read them, in steps of a thousand."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 999.5:
            return f"{count:.3g} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1000
    return f"{count:,.3g} TB"
