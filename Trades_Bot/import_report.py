"""The sentences and rows of an import for people: progress, result, and the next steps."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from ravequant.catalog import REPAIR_GAPS
from ravequant.vault.imports.id_spans import number_of_ids
from ravequant.vault.paths import Vault, day_files
from ravequant.vault.recorder_state import about
from Trades_Bot.day_import import DayResult
from Trades_Bot.trade_import import ImportResult

_REST_ROWS_PER_S: Final = 1_000  # at best, by the exchange's limit
_BYTES_PER_S: Final = 60 << 20  # that the slowest of the calculators reads anew


class DayProgress:
    """The progress over the days of one instrument."""

    def __init__(
        self, inst_id: str, days: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._inst_id, self._days, self._clock = inst_id, days, clock
        self._began = clock()
        self._done = self._rows = self._read = 0

    def sentence(self, result: DayResult) -> str:
        """Take in a day and return the sentence about it and the time left."""
        self._done += 1
        said = f"{self._inst_id} {result.day}: {_what(result)}"
        if result.outcome in ("built", "noted") and result.line is not None:
            self._read += 1
            self._rows += result.line.rows
        spent, left = self._clock() - self._began, self._days - self._done
        if not self._read or not left or spent <= 0:
            return f"{said}; day {self._done} of {self._days}"
        rate, wait = self._rows / spent, spent / self._done * left
        return (
            f"{said}; day {self._done} of {self._days}, {rate:,.0f} fills a second, about "
            f"{about(wait)} to go"
        )


def _what(result: DayResult) -> str:
    line = result.line
    if line is None:
        return "nothing was traded"
    if result.outcome == "there":
        return "imported before"
    if result.outcome == "waits":
        return "built by an earlier run"
    if result.outcome == "noted":
        return "all of it was here already"
    missing = number_of_ids(line.jumps)
    lack = f", {missing:,} ids missing" if missing else ""
    merged = f", {line.dropped_recorded:,} of them recorded" if line.dropped_recorded else ""
    return f"{line.rows:,} fills{merged}, {line.records:,} records{lack}, {_PROOFS[line.proof]}"


_PROOFS: Final = {
    "candles": "each minute equals its candle",
    "ids": "no id missing",
    "none": "ids missing",
    "unproved": "minutes differ from their candles",
    "partial": "a part of the day",
}


def result_cells(result: ImportResult) -> list[str]:
    """Return a row of the table; [] if nothing was imported."""
    if not result.imported:
        return []
    days = result.imported
    rows, records, dropped = (
        sum(getattr(day, name) for day in days) for name in ("rows", "records", "dropped_recorded")
    )
    proofs = Counter(day.proof for day in days)
    proof = ", ".join(f"{name} {count}" for name, count in sorted(proofs.items()))
    counts = (f"{number:,}" for number in (rows, records, dropped, result.missing))
    return [result.inst_id, str(len(days)), days[0].day, days[-1].day, *counts, proof]


def afterwards(vault: Vault, result: ImportResult) -> Iterator[str]:
    """Yield sentences about missing ids and about the rebuild to come."""
    if not result.imported and result.error is None:
        yield f"{result.inst_id}: nothing to do, {result.there} days were imported before"
    for first, last in result.between:
        missing = last - first + 1
        yield (
            f"{result.inst_id}: ids {first} to {last} ({missing:,}) lie between the import and "
            f"the recording: run this again in two days, or `python {REPAIR_GAPS.script} --instId "
            f"{result.inst_id}` fetches them (about {about(missing / _REST_ROWS_PER_S)} at best, "
            "trades of the last three months)"
        )
    if result.imported:
        files = day_files(vault.trades(result.inst_id))
        sizes = (path.stat().st_size * _packing(path.suffix) for _, path in files)
        seconds = sum(sizes) / _BYTES_PER_S
        yield (
            f"{result.inst_id}: the calculators compute everything anew once, at their next run, "
            f"about {about(seconds)} each; run_all does it by itself, `python scripts/recompute.py"
            "` does it with all cores"
        )


def _packing(suffix: str) -> int:
    """Return how many times as long the lines of a file are, about."""
    return 12 if suffix == ".gz" else 1
