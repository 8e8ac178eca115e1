"""Output days whose raw lines are gone, and the place from which a rebuild may begin.

Raw books are deleted by age, and an import may put books of a much older day there. A rebuild from
the oldest raw line would then compute days anew of which nothing is left. So it begins behind the
newest output that no raw file gives again; all before it stays.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from ravequant import times
from ravequant.vault.line_file import lines_forward
from ravequant.vault.paths import StrPath, day_files


def begin_after(folder: StrPath, time_key: str, raw: Iterable[str]) -> int | None:
    """Return the time (Unix ms) from which every output can be computed again.

    ``raw`` are the keys of the raw files, hours or days. None: from the oldest raw line on.
    """
    keys = sorted(raw)
    known = set(keys)
    lost = next((day for day in _newest_first(folder, time_key) if not known & set(day)), None)
    if lost is None:
        return None
    behind = [key for key in keys if key >= lost[0]]
    return times.file_start_ms(behind[0]) if behind else times.day_start_ms(lost[0]) + times.DAY_MS


def _newest_first(folder: StrPath, time_key: str) -> Iterator[tuple[str, str]]:
    """Yield (day, hour of its first line) of each output day, as raw files are named."""
    for day, path in reversed(list(day_files(folder))):
        yield day, _first_hour(path, day, time_key)


def _first_hour(path: Path, day: str, time_key: str) -> str:
    line = next(lines_forward(path), b"")
    try:
        return times.hour(times.parse_iso(orjson.loads(line)[time_key]))
    except (ValueError, KeyError, TypeError):
        return day  # nothing in it is to be kept
