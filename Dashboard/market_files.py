"""Reads the files of an instrument as far as a minute, for the page (SPEC sections 5 to 10).

A line that is not as SPEC describes it is left out and logged. An absent file has no rows. Raises
VaultError for a file that the system cannot read.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, TypeVar

from Dashboard.view import Columns, WhaleTag, cvd_cells, dense, volume_cells, vwap_cells
from ravequant import times
from ravequant.signals import inputs
from ravequant.signals.derived_rows import (
    FILES,
    days_until,
    first_minute,
    parsed,
    take_event,
    wick_event,
)
from ravequant.signals.inputs import TIMEFRAMES, WickAsOf
from ravequant.signals.question import OLDEST
from ravequant.vault.line_file import LineFile, is_there
from ravequant.vault.paths import StrPath, Vault

GAP_END: Final = b'"gap":true}'  # the end of a row over a gap, as the calculators write it
LONGEST: Final = 1 << 16  # bytes of a line that is handed on whole: a bucket line has 2,000
_EVENT: Final = re.compile(
    rb'\{"event":"([a-z]+)","known_utc":"([0-9TZ:-]{20})","event_id":"([^"\\]+)"'
)
_Cells = TypeVar("_Cells")


def minute_columns(vault: Vault, inst_id: str, span: range, whale: WhaleTag) -> Columns:
    """Return the columns of a span of Unix minutes, null where there is no record."""
    files = {name: FILES[name].place(vault, inst_id) for name in FILES}
    return dense(
        span,
        _minutes(files["volume"], partial(volume_cells, whale=whale), span),
        _minutes(files["vwap"], vwap_cells, span),
        _minutes(files["cvd"], cvd_cells, span),
    )


def after_candles(span: range, columns: Columns) -> int:
    """Return the minute after the newest candle of the columns of a span; its start without any."""
    drawn = (minute for minute, c in zip(span, columns["c"], strict=True) if c is not None)
    return max(drawn, default=span.start - 1) + 1


def _minutes(path: StrPath, parse: Callable[[Any], _Cells], span: range) -> list[_Cells]:
    if not is_there(path):
        return []
    with LineFile(path) as file:
        lines = file.between(_ms(span.start) - 1, _ms(span.stop - 1))
        return list(parsed(path, lines, parse))


def _ms(minute: int) -> int:
    return minute * times.MINUTE_MS


def recorded_since(vault: Vault, inst_id: str) -> int | None:
    """Return the first minute that has a record of the volume analyzer, None if there is none."""
    path = FILES["volume"].place(vault, inst_id)
    if not is_there(path):
        return None
    with LineFile(path) as file:
        return first_minute(file, file.forward(0))


def gap_minutes(vault: Vault, inst_id: str, until: int) -> list[int]:
    """Return the minutes before ``until`` whose row lies over a gap, as far back as wicks live."""
    path = FILES["volume"].place(vault, inst_id)
    if not is_there(path):
        return []
    since = until - OLDEST - max(TIMEFRAMES.values())
    with LineFile(path) as file:
        lines = file.between(_ms(since) - 1, _ms(until - 1))
        moments = [file.time_of(line) for line in lines if line.endswith(GAP_END)]
    return sorted(moment // times.MINUTE_MS for moment in moments if moment is not None)


def wicks_until(vault: Vault, inst_id: str, until: int, since: int = 0) -> list[WickAsOf]:
    """Return the wicks that may live, by their status as of the minute ``until``.

    Those that ended by the minute ``since`` are left out, most of them before they are parsed.
    """
    data = FILES["wicks"]
    path = data.place(vault, inst_id)
    born: dict[str, WickAsOf] = {}
    if is_there(path):
        with LineFile(path, data.key) as file:
            lines = list(file.between(_ms(until - OLDEST) - 1, _ms(until)))
            for event in parsed(path, _lasting(lines, since), wick_event):
                take_event(born, event)
    return [wick for wick in born.values() if wick.ended is None or wick.ended > since]


def _lasting(lines: Iterable[bytes], since: int) -> Iterator[bytes]:
    """Yield the lines of wicks but for those that ended by a minute, as the tracker writes them."""
    border = times.iso_minute(since).encode("ascii")
    known = [(line, _EVENT.match(line)) for line in lines]
    gone = {
        event[3] for _, event in known if event and event[1] != b"created" and event[2] <= border
    }
    yield from (line for line, event in known if event is None or event[3] not in gone)


def newest_bucket_line(vault: Vault, inst_id: str, until_ms: int) -> dict[str, Any] | None:
    """Return the newest valid bucket line not later than ``until_ms``, as it stands."""
    for path in days_until(vault, inst_id, FILES["buckets"], until_ms):
        with LineFile(path, until=until_ms) as file:
            lines = (line for line in file.newest(until_ms) if len(line) <= LONGEST)
            for row in parsed(path, lines, _whole_bucket):
                return row
    return None


def _whole_bucket(row: dict[str, Any]) -> dict[str, Any]:
    inputs.book(row)
    return row
