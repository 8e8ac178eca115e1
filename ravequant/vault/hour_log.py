"""The raw book log of one instrument: one file per UTC hour, `{YYYY-MM-DD}/{HH}.jsonl`."""

from collections.abc import Iterator
from pathlib import Path

from ravequant import times
from ravequant.vault.append_log import DayLog
from ravequant.vault.paths import hour_files


def hour_name(moment_ms: int) -> str:
    """Return the hour of a moment as its file is named: ``2025-12-14/21``."""
    return f"{times.day(moment_ms)}/{moment_ms % times.DAY_MS // times.HOUR_MS:02}"


class HourLog(DayLog):
    """A `DayLog` that turns every hour, not every day.

    A line goes into the hour of its own time; book lines strictly increase in time, so that is
    always the newest hour or a later one.
    """

    @staticmethod
    def _files(folder: Path) -> Iterator[tuple[str, Path]]:
        return hour_files(folder)

    @staticmethod
    def _name(ts: int) -> str:
        return hour_name(ts)
