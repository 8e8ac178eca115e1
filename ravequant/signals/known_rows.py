"""The rows of a span of a file, of which a process parses each line once (SPEC section 11).

A process that is asked again and again meets the same lines: the span of the last day moves on by a
minute. The bytes of the file are read each time, and a row is taken from memory only where they are
the same bytes as before. So a file that was cut, rebuilt or replaced gives its lines of now.
"""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple, TypeVar

from ravequant.signals.derived_rows import Record, parsed
from ravequant.vault.line_file import LineFile

_MOST_SPANS: Final = 32  # of eight instruments
Parse = Callable[[Any], Record]
Folded = TypeVar("Folded")


class _KnownSpan(NamedTuple):
    """Whole lines of a file, from its byte ``start`` on, and the row of each."""

    asked: tuple[int, int, int]  # after, until, and the size that the file had
    start: int
    data: bytes
    rows: tuple[Any, ...]
    folded: Any


_known: Final[dict[tuple[Path, Parse[Any]], _KnownSpan]] = {}
_lock: Final = Lock()  # answers may be made in several threads


def folded_rows(
    file: LineFile,
    after: int,
    until: int,
    parse: Parse[Record],
    fold: Callable[[tuple[Record, ...]], Folded],
) -> Folded:
    """Return ``fold`` of the valid rows later than ``after`` and not later than ``until``, Unix ms.

    ``parse`` and ``fold`` always give the same for the same, and to a ``parse`` always belongs the
    same ``fold``. Lines that are refused are logged each time. The result is the same object for
    as long as the span has the same bytes.
    """
    key, asked = (file.path, parse), (after, until, file.size)
    with _lock:
        known = _known.pop(key, None)
    if (
        known is not None
        and known.asked == asked
        and file.block(known.start, known.start + len(known.data)) == known.data
    ):
        folded: Folded = known.folded
    else:
        start, data = file.block_between(after, until)
        same, rows = _same(known, start, data)
        lines = data[same:].split(b"\n")[:-1]
        rows += tuple(parsed(file.path, lines, parse))
        if known is not None and known.start == start and known.data == data:
            folded = known.folded
        else:
            folded = fold(rows)
        if len(rows) < data.count(b"\n"):
            return folded  # a line has no row
        known = _KnownSpan(asked, start, data, rows, folded)
    with _lock:
        while len(_known) >= _MOST_SPANS:
            del _known[next(iter(_known))]
        _known[key] = known
    return folded


def _same(known: _KnownSpan | None, start: int, data: bytes) -> tuple[int, tuple[Any, ...]]:
    """Return how many bytes at the begin of ``data`` are lines that are known, and their rows."""
    if known is None or not 0 <= start - known.start <= len(known.data):
        return 0, ()
    skipped = start - known.start
    size = min(len(known.data) - skipped, len(data))
    if not known.data.startswith(data[:size], skipped):
        return 0, ()
    first = known.data.count(b"\n", 0, skipped)
    return size, known.rows[first : first + data.count(b"\n", 0, size)]
