"""The days that were recorded of an instrument, for the picker of a replay."""

from pathlib import Path
from typing import Any, Final, NamedTuple

from Dashboard.market_files import GAP_END
from ravequant import times
from ravequant.signals.derived_rows import FILES, first_minute
from ravequant.vault.line_file import LineFile, is_there, open_lines, reading
from ravequant.vault.paths import StrPath, Vault

SNAPSHOT_S: Final = 2  # between two snapshots
MOST_BYTES: Final = 1 << 28  # of bucket files that are read in a call
_BLOCK: Final = 1 << 20
_REMEMBERED: Final = 1 << 12

_Stamp = tuple[Path, int, int, int]  # a file as it is now
_lines: Final[dict[_Stamp, int]] = {}  # of bucket files that were read


class MinutesOfDay(NamedTuple):
    """The minutes of a UTC day that have a record."""

    first: int  # Unix minute
    last: int
    recorded: int
    holes: int  # runs of minutes over a gap


def days(vault: Vault, inst_id: str, most_bytes: int = MOST_BYTES) -> list[dict[str, Any]]:
    """Return the UTC days of which an instrument has minutes or books, the newest first.

    ``first_utc`` and ``last_utc`` are the starts of the first and the last minute with a record,
    null without any; ``minutes`` is the number of them, ``holes`` that of the runs of minutes over
    a gap, ``book_s`` the seconds with a snapshot. To know these a day's bucket file is read once;
    ``book_s`` is null for days beyond ``most_bytes`` of such files, and known in a later call.
    Raises VaultError.
    """
    minutes = _minutes(vault, inst_id)
    books = dict(FILES["buckets"].files(vault, inst_id))
    seconds, left = dict[str, int | None](), most_bytes
    for day, path in sorted(books.items(), reverse=True):
        stamp = _stamp(path)
        if stamp not in _lines and left > 0:
            left -= stamp[1]
            _remember(stamp, _count_lines(path))
        lines = _lines.get(stamp)
        seconds[day] = None if lines is None else lines * SNAPSHOT_S
    return [
        _day(day, minutes.get(day), seconds.get(day, 0))
        for day in sorted(minutes.keys() | books.keys(), reverse=True)
    ]


def _day(day: str, known: MinutesOfDay | None, book_s: int | None) -> dict[str, Any]:
    return {
        "day": day,
        "first_utc": None if known is None else times.iso_minute(known.first),
        "last_utc": None if known is None else times.iso_minute(known.last),
        "minutes": 0 if known is None else known.recorded,
        "holes": 0 if known is None else known.holes,
        "book_s": book_s,
    }


def _minutes(vault: Vault, inst_id: str) -> dict[str, MinutesOfDay]:
    path = FILES["volume"].place(vault, inst_id)
    found: dict[str, MinutesOfDay] = {}
    if not is_there(path):
        return found
    with LineFile(path) as file:
        first = first_minute(file, file.forward(0))
        last = first_minute(file, file.backward(file.size))
        if first is None or last is None:
            return found
        for number in range(first // times.DAY_MINUTES, last // times.DAY_MINUTES + 1):
            known = _minutes_of(file, number * times.DAY_MS)
            if known is not None:
                found[times.day(number * times.DAY_MS)] = known
    return found


def _minutes_of(file: LineFile, start_ms: int) -> MinutesOfDay | None:
    lines = list(file.between(start_ms - 1, start_ms + times.DAY_MS - 1))
    first, last = first_minute(file, lines), first_minute(file, reversed(lines))
    if first is None or last is None:
        return None
    gaps = [file.time_of(line) for line in lines if line.endswith(GAP_END)]
    minutes = {moment // times.MINUTE_MS for moment in gaps if moment is not None}
    return MinutesOfDay(first, last, len(lines), len(minutes - {one + 1 for one in minutes}))


def _stamp(path: StrPath) -> _Stamp:
    path = Path(path)
    with reading(path):
        facts = path.stat()
    return path, facts.st_size, facts.st_mtime_ns, facts.st_ino


def _remember(stamp: _Stamp, lines: int) -> None:
    if len(_lines) >= _REMEMBERED:
        _lines.clear()
    _lines[stamp] = lines


def _count_lines(path: StrPath) -> int:
    count = 0
    with reading(path), open_lines(path) as stream:
        while block := stream.read(_BLOCK):
            count += block.count(b"\n")
    return count
