"""The newest line of a context feed as of a moment, and whether its recorder was at work then.

All lines of the context exporter up to five seconds before a mark price are on disk before that
mark price is (SPEC section 19). So the mark prices say how far an answer may read the feeds.
"""

from collections.abc import Callable
from typing import Any

from ravequant import catalog, times
from ravequant.catalog import DataSet
from ravequant.signals.context.moment import ContextMoment
from ravequant.signals.derived_rows import Record, days_until, parsed
from ravequant.vault.line_file import TIME_KEY, LineFile


def newest_line(
    moment: ContextMoment,
    data: DataSet,
    until: int,
    parse: Callable[[Any], Record],
    key: str = TIME_KEY,
) -> Record | None:
    """Return the newest valid line not later than ``until`` (Unix ms), of its day and that before.

    What is older says nothing, and stands in packed files.
    """
    oldest = times.day(max(0, until - times.DAY_MS))
    for path in days_until(moment.vault, moment.inst_id, data, until):
        if path.name[: len(oldest)] < oldest:
            break
        with LineFile(path, key, until=until) as file:
            found = next(parsed(path, file.newest(until), parse), None)
        if found is not None:
            return found
    return None


def time_of(row: Any) -> int:
    """Return the time of a line, Unix ms. Raises ValueError, KeyError or TypeError."""
    return times.parse_iso(row[TIME_KEY])


def was_recording(moment: ContextMoment) -> bool:
    """Return True if a mark price came lately, by the limit of buckets."""
    mark = newest_line(moment, catalog.MARKS, moment.end_ms("marks"), time_of)
    return mark is not None and not moment.is_old("buckets", mark)
