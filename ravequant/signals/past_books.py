"""The newest snapshot of each five minutes of the last day, for base rates.

A process that is asked again and again reads each of them once: the lines up to a moment never
change once a later one stands behind them. A rebuild replaces the file.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

from ravequant import times
from ravequant.errors import VaultError
from ravequant.signals import inputs
from ravequant.signals.derived_rows import FILES, days_until, parsed
from ravequant.signals.inputs import BookRow
from ravequant.signals.market_state import BOOK_STEP
from ravequant.vault.line_file import LineFile, reading
from ravequant.vault.paths import StrPath, Vault

_STEP_MS: Final = BOOK_STEP * times.MINUTE_MS
_MOST_FILES: Final = 8
_MOST_KNOWN: Final = 1_536  # moments of a file: a day has 1,440, and the sixth minute asks again
_log = logging.getLogger("find_signals")


class _KnownSteps(NamedTuple):
    """The snapshots of a file that never change, by the moment at which their step ends."""

    number: int  # of the file's inode
    rows: dict[int, BookRow | None]


_known: Final[dict[Path, _KnownSteps]] = {}
_lock: Final = Lock()  # answers may be made in several threads


def past_books(vault: Vault, inst_id: str, minute: int, until: int) -> tuple[BookRow, ...]:
    """Return, for each step of the last day, the newest snapshot of that step; oldest first.

    None is later than ``until`` (Unix ms). A file that cannot be read is logged and left out.
    """
    found: list[BookRow] = []
    end, since = minute * times.MINUTE_MS, (minute - times.DAY_MINUTES) * times.MINUTE_MS
    moments = [
        min(moment, until) for moment in range(end, since, -_STEP_MS) if moment - _STEP_MS < until
    ]
    for path in days_until(vault, inst_id, FILES["buckets"], end):
        start = times.day_start_ms(path.name[:10])
        if start + times.DAY_MS <= since:
            break
        inside = [ms for ms in moments if start <= ms < start + times.DAY_MS + _STEP_MS]
        try:
            found += _of_file(path, inside, end)
        except VaultError as error:
            _log.warning("base rates go without a day of the book: %s", error)
    return tuple(sorted(found, key=lambda row: row.ts))


def _of_file(path: StrPath, moments: Sequence[int], until: int) -> list[BookRow]:
    """Return the newest snapshot of each step that ends at one of the moments, the later first."""
    path = Path(path)
    known = _steps(path)
    unread = [moment for moment in moments if moment not in known]
    found = {moment: known[moment] for moment in moments if moment in known}
    if unread:
        with LineFile(path, until=until) as file:
            found |= _read(file, unread, known)
    return [row for row in found.values() if row is not None]


def _read(
    file: LineFile, moments: Iterable[int], known: dict[int, BookRow | None]
) -> Iterator[tuple[int, BookRow | None]]:
    """Yield each moment, the later first, with its snapshot; one that is final becomes known."""
    end, near = file.size, 0
    for moment in moments:
        later, end = end, file.after(moment, end, near)
        near = later - end
        row, line = None, next(file.backward(end), None)
        time = None if line is None else file.time_of(line)
        if line is not None and time is not None and time > moment - _STEP_MS:
            row = next(parsed(file.path, [line], inputs.book), None)
            if row is None:  # it is no snapshot, and said so each time
                continue
        if end < file.size:
            _remember(known, moment, row)
        yield moment, row


def _steps(path: Path) -> dict[int, BookRow | None]:
    """Return the known steps of a file; none of a file that took the place of another."""
    with reading(path):
        number = path.stat().st_ino
    with _lock:
        found = _known.get(path)
        if found is None or found.number != number:
            while len(_known) >= _MOST_FILES:
                del _known[next(iter(_known))]
            found = _known[path] = _KnownSteps(number, {})
        return found.rows


def _remember(known: dict[int, BookRow | None], moment: int, row: BookRow | None) -> None:
    with _lock:
        while len(known) >= _MOST_KNOWN:
            del known[next(iter(known))]
        known[moment] = row
