"""The results of a retention run and the forecast, as a table, sentences and JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ravequant.vault.retention.forecast import Forecast, growth_of
from ravequant.vault.retention.plan import Action, RetentionRule, Series

# Of an instrument like BTC, an hour: 40 MB of books, 30 MB of deep books, 18 MB of trades, 3 MB of
# buckets; packed a ninth, a quarter, a sixteenth and a tenth of that.
PLAIN_A_DAY: Final = 2_200_000_000
PACKED_A_DAY: Final = 320_000_000

DONE, SKIPPED, FAILED, PLANNED = "done", "skipped", "failed", "planned"


@dataclass(frozen=True, slots=True)
class ActionResult:
    """The result of one action."""

    action: Action
    status: str
    freed: int = 0  # bytes


def rows_of(
    found: Sequence[Series],
    results: Sequence[ActionResult],
    rules: dict[str, RetentionRule],
    now: int,
) -> list[dict[str, Any]]:
    """Return a row for each series: its files and bytes, the actions on it, its growth."""
    rows = []
    for series in found:
        mine = [
            result
            for result in results
            if (result.action.file.stream, result.action.file.inst_id)
            == (series.stream, series.inst_id)
        ]
        growth = growth_of(series, rules[series.stream], now)
        rows.append(
            {
                "stream": series.stream,
                "instId": series.inst_id,
                "files": len(series.files),
                "bytes": sum(file.size for file in series.files),
                "oldest": series.files[0].key,
                **{kind: _count(mine, kind) for kind in ("compress", "delete")},
                "left": sum(result.status in {SKIPPED, FAILED} for result in mine),
                "kept": kept_of(series, rules[series.stream], now),
                "freed_bytes": sum(result.freed for result in mine),
                "bytes_per_day": None if growth is None else round(growth.per_day),
            }
        )
    return rows


def _count(results: Sequence[ActionResult], kind: str) -> int:
    return sum(
        result.action.kind == kind and result.status in {DONE, PLANNED} for result in results
    )


def kept_of(series: Series, rule: RetentionRule, now: int) -> dict[str, int]:
    """Return how many imported hours are kept for each reason."""
    reasons = (series.kept(file, rule, now) for file in series.files)
    return dict(sorted(Counter(reason for reason in reasons if reason).items()))


def kept_sentences(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return a sentence for the imported hours of each series that are kept."""
    return [
        f"{sum(row['kept'].values())} imported hours of {row['instId']} {row['stream']} are kept: "
        + ", ".join(f"{count} ({reason})" for reason, count in row["kept"].items())
        + "."
        for row in rows
        if row["kept"]
    ]


def facts_of(result: ActionResult) -> dict[str, Any]:
    """Return an action and its result, JSON-able."""
    action = result.action
    return {
        "action": action.kind,
        "stream": action.file.stream,
        "instId": action.file.inst_id,
        "file": action.file.key,
        "reason": action.reason,
        "status": result.status,
        "freed_bytes": result.freed,
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
    growing = "" if seen.unknown else f" and grows by {size(seen.per_day)} a day"
    said = [f"The vault holds {size(seen.total)}{growing}."]
    if seen.budget is not None:
        said.append(
            f"Budget {size(seen.budget)}: {when_full(seen, seen.budget_days)}"
            + ("." if seen.budget_days is None else "; then the oldest book hours go first.")
        )
    said.append(f"Disk, {size(seen.free)} free: {when_full(seen, seen.disk_days)}.")
    if seen.unknown:
        said.append(
            f"{seen.unknown} streams have not one finished hour or day yet. A busy instrument "
            f"takes about {size(PLAIN_A_DAY)} a day, {size(PACKED_A_DAY)} of it once packed."
        )
    return said


def when_full(seen: Forecast, days: float | None) -> str:
    """Return when the budget or the disk will be full, in words."""
    if days is None:
        return "too early to say" if seen.unknown else "enough for good, as far as can be measured"
    if days <= 0:
        return "full now"
    sooner = " or sooner" if seen.unknown else ""
    many = f"{days:,.0f} days" if days >= 2 else f"{days * 24:,.0f} hours"
    return f"full in {many}{sooner}"


def size(count: float) -> str:
    """Return a number of bytes as text, in steps of a thousand: ``8.5 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 999.5:
            return f"{count:.3g} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1000
    return f"{count:,.3g} TB"
