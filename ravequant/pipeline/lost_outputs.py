"""Output days whose raw lines are gone, and the place from which a run or a rebuild may begin.

Raw books are deleted by age, and an import may put books of a much older day there. A rebuild from
the oldest raw line would then compute days anew of which nothing is left. So it begins behind the
newest output that no raw file gives again; all before it stays.
"""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from ravequant import times
from ravequant.vault.cursor import Cursor
from ravequant.vault.line_file import lines_forward
from ravequant.vault.paths import StrPath, day_files
from ravequant.vault.tail import Listing

_log = logging.getLogger(__name__)


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


def surviving(files: Listing, cursor: Cursor | None) -> Cursor | None:
    """Return ``cursor``; if its file was deleted, the start of the oldest file after it.

    If only older files are left the cursor stays, and the tail raises the error.
    """
    keys = [key for key, _ in files()]
    later = min((key for key in keys if cursor and key > cursor.file), default=None)
    if cursor is None or cursor.file in keys or (keys and later is None):
        return cursor
    _log.warning(
        "the raw file %s.jsonl was read before and has been deleted; going on with the oldest one "
        "after it, %s",
        cursor.file,
        later or "which is yet to come",
    )
    return None if later is None else Cursor(later, 0, 0, 0, cursor.generation)
