"""The holes of a recording in a window: trades, books and rows (SPEC sections 3, 7 and 10).

A hole of trades lies between two lines of the log whose ids do not follow each other, a hole of the
book between two snapshots. It is known from the line behind it on, and not before.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

from Dashboard.book_gaps import GapLine, gap_lines
from ravequant import catalog, times
from ravequant.signals.derived_rows import FILES
from ravequant.vault.gap_ledger import GapLedger, LedgerEntry, ids_by_status, status_ranges
from ravequant.vault.imports import provenance
from ravequant.vault.line_file import LineFile, record_time
from ravequant.vault.paths import StrPath, Vault

MOST_SCANNED: Final = 240  # minutes over a gap whose trades are looked through, the newest
SILENCE_MS: Final = 10_000  # between two snapshots; more is a gap of the book
_IDS: Final = re.compile(rb'"trade_id"\s*:\s*"([0-9]{1,18})"(?:.*"count"\s*:\s*"([0-9]{1,9})")?')


class Hole(NamedTuple):
    """A span without records, in Unix ms."""

    stream: str  # trades, book, row
    first_ms: int
    until_ms: int
    status: str
    words: str

    @property
    def row(self) -> dict[str, str]:
        """The hole as JSON."""
        return {
            "stream": self.stream,
            "from_utc": times.iso(self.first_ms),
            "to_utc": times.iso(self.until_ms),
            "status": self.status,
            "words": self.words,
        }


def row_holes(gap_minutes: Iterable[int], first: int) -> list[Hole]:
    """Return the runs of minutes from ``first`` on whose rows lie over a gap."""
    runs: list[list[int]] = []
    for minute in gap_minutes:
        if minute < first:
            continue
        if runs and runs[-1][1] == minute:
            runs[-1][1] += 1
        else:
            runs.append([minute, minute + 1])
    return [
        Hole("row", _ms(begin), _ms(end), "gap", "trades are missing in it") for begin, end in runs
    ]


def _ms(minute: int) -> int:
    return minute * times.MINUTE_MS


# --- trades --------------------------------------------------------------------------------------


class _IdJump(NamedTuple):
    """Ids missing between two lines; the times of these, Unix ms."""

    first_missing: int
    last_missing: int
    before_ms: int
    after_ms: int


def trade_holes(
    vault: Vault, inst_id: str, gap_minutes: Sequence[int], first: int, until: int
) -> list[Hole]:
    """Return the stretches of missing trades known by the minute ``until``, oldest first.

    ``gap_minutes``: the minutes whose rows lie over a gap, in order; of those from ``first`` on the
    newest MOST_SCANNED are looked through. The ledger's newest status counts; ids that never were
    are no hole.
    """
    asked = [minute for minute in gap_minutes if first <= minute < until][-MOST_SCANNED:]
    if not asked:
        return []
    jumps: dict[int, _IdJump] = {}
    for day, path in catalog.TRADES.files(vault, inst_id):
        inside = [minute for minute in asked if times.day(_ms(minute)) == day]
        if inside:
            with _trades(path, day) as file:
                for minute in inside:
                    jumps |= {jump.first_missing: jump for jump in _jumps(file, minute)}
    entries = GapLedger(vault.gap_ledger(inst_id), inst_id).entries()
    found = (_trade_hole(jump, entries) for jump in jumps.values())
    return sorted(hole for hole in found if hole is not None)


def _trades(path: StrPath, day: str) -> LineFile:
    return LineFile(path, time_of=partial(record_time, key=day))


def _jumps(file: LineFile, minute: int) -> Iterator[_IdJump]:
    """Yield the jumps of ids before the lines of a minute; late lines stand in a later one."""
    start, end = file.after(_ms(minute) - 1), file.after(_ms(minute + 1) - 1)
    last, last_ms = None, None
    for line in [*islice(file.backward(start), 1), *_until(file, start, end)]:
        match, moment = _IDS.search(line), file.time_of(line)
        if match is None or moment is None:
            continue
        trade_id, count = int(match[1]), int(match[2] or 1)
        lowest = trade_id - count + 1
        if last is not None and last_ms is not None and lowest > last + 1:
            yield _IdJump(last + 1, lowest - 1, last_ms, moment)
        if last is None or trade_id > last:
            last, last_ms = trade_id, moment


def _until(file: LineFile, start: int, end: int) -> Iterator[bytes]:
    """Yield the lines from byte ``start`` to ``end``."""
    for line in file.forward(start):
        if start >= end:
            return
        yield line
        start += len(line) + 1


def _trade_hole(jump: _IdJump, entries: Sequence[LedgerEntry]) -> Hole | None:
    statuses = ids_by_status(status_ranges(entries, jump.first_missing, jump.last_missing))
    missing = statuses.total() - statuses["id_hole"]
    if not missing:
        return None
    given_up = missing == statuses["unrecoverable"]
    words = f"{times.duration(jump.after_ms - jump.before_ms)}, {missing:,} trades"
    status = "unrecoverable" if given_up else "open"
    return Hole("trades", jump.before_ms, jump.after_ms, status, words)


# --- books ---------------------------------------------------------------------------------------


def book_holes(vault: Vault, inst_id: str, since_ms: int, until_ms: int) -> list[Hole]:
    """Return the spans of a window without a consistent book, oldest first.

    They end at the snapshot after them; the newest, while none has come, at ``until_ms``.
    """
    found: list[list[int]] = []
    for begin, end in _book_spans(vault, inst_id, since_ms, until_ms):
        if found and begin <= found[-1][1]:
            found[-1][1] = max(found[-1][1], end)
        else:
            found.append([begin, end])
    return [
        Hole("book", begin, end, "gap", times.duration(end - begin))
        for begin, end in found
        if end > since_ms
    ]


def _book_spans(
    vault: Vault, inst_id: str, since_ms: int, until_ms: int
) -> Iterator[tuple[int, int]]:
    """Yield the spans before each line over a gap, or behind it where the book broke."""
    for line in _gap_lines(vault, inst_id, since_ms, until_ms):
        if line.ms > until_ms:
            return
        if line.earlier is not None and line.ms - line.earlier > SILENCE_MS:
            yield line.earlier, line.ms
        else:
            later = until_ms if line.later is None else min(line.later, until_ms)
            yield line.ms, max(later, line.ms)


def _gap_lines(vault: Vault, inst_id: str, since_ms: int, until_ms: int) -> Iterator[GapLine]:
    """Yield the bucket lines over a gap of the days of a window, each with its neighbours."""
    files = [
        (day, path)
        for day, path in FILES["buckets"].files(vault, inst_id)
        if day <= times.day(until_ms)
    ]
    first = max((day for day, _ in files if day < times.day(since_ms)), default="")
    before: int | None = None
    waiting: GapLine | None = None  # of the end of a day
    for day, path in files:
        if day < first:
            continue
        lines = gap_lines(path)
        if waiting is not None:
            yield waiting._replace(later=lines.first)
        found = [
            line if line.earlier is not None else line._replace(earlier=before)
            for line in lines.found
        ]
        waiting = found.pop() if found and found[-1].later is None else None
        yield from found
        before = lines.last
    if waiting is not None:
        yield waiting


# --- imported days -------------------------------------------------------------------------------


def imported_spans(
    vault: Vault, inst_id: str, since_ms: int, until_ms: int
) -> list[dict[str, str]]:
    """Return the parts of a window whose trades an import wrote. Raises VaultError."""
    found = []
    for day, line in sorted(provenance.newest(vault, inst_id).items()):
        start = times.day_start_ms(day)
        begin, end = max(start, since_ms), min(start + times.DAY_MS, until_ms)
        if line.records and begin < end:
            found.append({"from_utc": times.iso(begin), "to_utc": times.iso(end)})
    return found
