"""Reads from the vault what was known of an instrument at a minute (SPEC section 11, "As of").

Minute rows that ended by then, wick events and snapshots known by then, and the newest raw trade.
What stands in the files behind that is not looked at; a row that cannot be read is left out and
logged.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from ravequant import exact, times
from ravequant.catalog import BUCKETS, DATA_SETS, WICKS
from ravequant.errors import VaultError
from ravequant.signals import inputs
from ravequant.signals.inputs import BookRow, Status, Wick
from ravequant.signals.last_trade import newest_trade
from ravequant.signals.market_state import Facts, Stream, reach
from ravequant.vault import commit
from ravequant.vault.instruments import InstrumentHistory
from ravequant.vault.line_file import LineFile, is_there
from ravequant.vault.paths import Vault

DAY: Final = times.DAY_MINUTES
BOOK_STEP: Final = 5  # minutes between two snapshots of the past
MINUTE_STREAMS: Final[tuple[Stream, ...]] = ("volume", "cvd", "vwap")

_ENDS: Final[dict[str, Status]] = {"touched": "touched", "expired": "expired"}
_BORN: Final = Wick._fields.index("status")  # fields that a wick is born with
_log = logging.getLogger("find_signals")
Record = TypeVar("Record")


def read(vault: Vault, inst_id: str, minute: int, *, back: int, past: bool = True) -> Facts:
    """Return the facts as of ``minute``: rows of the last day, wicks ``back`` minutes longer.

    ``past``: with the snapshots of the last day that base rates are counted on. Raises VaultError
    for a file that the system cannot read; missing files are missing facts.
    """
    since = minute - DAY - back
    tracked = _tracked(vault, inst_id)
    wicks, newest_event = _wicks(vault, inst_id, since, minute)
    book_file, book = _newest_book(vault, inst_id, minute)
    trade_file, trade = newest_trade(vault, inst_id, _ms(minute))
    files: dict[Stream, Path] = {
        "trades": trade_file,
        "buckets": book_file,
        "wicks": WICKS.place(vault, inst_id),
        **{name: _minute_file(vault, inst_id, name) for name in MINUTE_STREAMS},
    }
    return Facts(
        inst_id=inst_id,
        minute=minute,
        wicks=wicks,
        newest_event=newest_event,
        tracked=tracked,
        volume=_minutes(files["volume"], inputs.volume, since, minute),
        cvd=_minutes(files["cvd"], inputs.cvd, minute - DAY, minute),
        vwap=_minutes(files["vwap"], inputs.vwap, minute - DAY, minute),
        book=book,
        trade=trade,
        tick=_tick(vault, inst_id, minute),
        files={name: path.relative_to(vault.root).as_posix() for name, path in files.items()},
        past_books=_past_books(vault, inst_id, minute) if past else (),
    )


def latest(vault: Vault, inst_id: str) -> int | None:
    """Return the newest minute that wicks, volume, cvd and vwap, where they exist, have reached."""
    ends = {name: _newest_minute(_minute_file(vault, inst_id, name)) for name in MINUTE_STREAMS}
    reached = [*ends.values(), _wicks_reach(vault, inst_id, ends["volume"])]
    return min([end for end in reached if end is not None], default=None)


def _minute_file(vault: Vault, inst_id: str, stream: Stream) -> Path:
    return DATA_SETS[stream].place(vault, inst_id)


def _ms(minute: int) -> int:
    return minute * times.MINUTE_MS


def _parsed(path: Path, lines: Iterable[bytes], parse: Callable[[Any], Record]) -> Iterator[Record]:
    """Yield what ``parse`` makes of each line; the first it refuses is logged, and how many."""
    refused = 0
    for line in lines:
        try:
            yield parse(orjson.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            refused += 1
            if refused == 1:
                _log.warning("%s: the line %.60r… is left out: %r", path, line, error)
    if refused > 1:
        _log.warning("%s: %d lines are left out in all", path, refused)


def _minutes(
    path: Path, parse: Callable[[Any], Record], since: int, minute: int
) -> tuple[Record, ...]:
    """Return the rows of the span that ended by ``minute``; of an older file the newest row."""
    if not is_there(path):
        return ()
    with LineFile(path, "timestamp_utc") as file:
        until = _ms(minute - 1)
        found = tuple(_parsed(path, file.between(_ms(since) - 1, until), parse))
        if found:
            return found
        newest = next(_parsed(path, file.newest(until), parse), None)
        return () if newest is None else (newest,)


def _newest_time(path: Path, key: str) -> int | None:
    """Return the Unix milliseconds of the newest line, None if there is none."""
    if not is_there(path):
        return None
    with LineFile(path, key) as file:
        found = (file.time_of(line) for line in file.backward(file.size))
        return next((time for time in found if time is not None), None)


def _newest_minute(path: Path) -> int | None:
    newest = _newest_time(path, "timestamp_utc")
    return None if newest is None else newest // times.MINUTE_MS + 1


def _wicks(
    vault: Vault, inst_id: str, since: int, minute: int
) -> tuple[tuple[Wick, ...], int | None]:
    """Return the wicks born in the span, by status as of ``minute``; and the newest event."""
    path = WICKS.place(vault, inst_id)
    if not is_there(path):
        return (), None
    born: dict[str, Wick] = {}
    newest = None
    with LineFile(path, "known_utc") as file:
        events = _parsed(path, file.between(_ms(since) - 1, _ms(minute)), _event)
        for kind, known, wick in events:
            newest = known
            if isinstance(wick, Wick):
                born[wick.event_id] = wick
            elif wick in born:
                born[wick] = Wick._make((*born[wick][:_BORN], _ENDS[kind], known))
        if newest is None:
            older = (file.time_of(line) for line in file.newest(_ms(minute)))
            known_ms = next((time for time in older if time is not None), None)
            newest = None if known_ms is None else known_ms // times.MINUTE_MS
    return tuple(born.values()), newest


def _event(row: Any) -> tuple[str, int, Wick | str]:
    """Return (kind, minute known, the wick at its birth, afterwards only its name)."""
    kind, known = row["event"], inputs.minute_of(row["known_utc"])
    if kind == "created":
        return kind, known, inputs.wick(row)
    if kind not in _ENDS:
        raise ValueError(f"{kind!r} is no event of a wick")
    return kind, known, str(row["event_id"])


def _wicks_reach(vault: Vault, inst_id: str, volume_end: int | None) -> int | None:
    """Return the minute that the tracker has reached."""
    tracked = _tracked(vault, inst_id)
    newest = _newest_time(WICKS.place(vault, inst_id), "known_utc")
    return reach(None if newest is None else newest // times.MINUTE_MS, tracked, volume_end)


def _tracked(vault: Vault, inst_id: str) -> int | None:
    """Return the minute up to which the tracker has committed; None if its state does not say.

    Asked before its events are read: a commit writes them first.
    """
    try:
        state = commit.read_state(vault.state("wicks", inst_id), "wicks", inst_id)
        return None if state is None else int(state["fold"]["through"]) + 1
    except (VaultError, KeyError, TypeError, ValueError) as error:
        _log.warning("how far the wicks are is taken from their newest event: %s", error)
        return None


def _book_files(vault: Vault, inst_id: str, until_ms: int) -> list[Path]:
    """Return the bucket days up to a moment, the newest first."""
    days = BUCKETS.files(vault, inst_id)
    return [path for day, path in days if day <= times.day(until_ms)][::-1]


def _newest_book(vault: Vault, inst_id: str, minute: int) -> tuple[Path, BookRow | None]:
    files = _book_files(vault, inst_id, _ms(minute))
    for path in files:
        with LineFile(path, "timestamp_utc", until=_ms(minute)) as file:
            for row in _parsed(path, file.newest(_ms(minute)), inputs.book):
                return path, row
    return files[0] if files else BUCKETS.place(vault, inst_id), None


def _past_books(vault: Vault, inst_id: str, minute: int) -> tuple[BookRow, ...]:
    """Return, for each step of the last day, the newest snapshot of that step; oldest first."""
    found: list[BookRow] = []
    moments = [_ms(moment) for moment in range(minute, minute - DAY, -BOOK_STEP)]
    for path in _book_files(vault, inst_id, _ms(minute)):
        if path.name[:10] < times.day(_ms(minute - DAY)):
            break
        try:
            with LineFile(path, "timestamp_utc", until=_ms(minute)) as file:
                lines = list(_at(file, moments))
        except VaultError as error:
            _log.warning("base rates go without a day of the book: %s", error)
            continue
        found += _parsed(path, lines, inputs.book)
    return tuple(sorted(found, key=lambda row: row.ts))


def _at(file: LineFile, moments: Iterable[int]) -> Iterator[bytes]:
    """Yield, for each moment, the later first, the newest line of the step that ends there."""
    end, near = file.size, 0
    for moment in moments:
        later, end = end, file.after(moment, end, near)
        near = later - end
        line = next(file.backward(end), None)
        time = None if line is None else file.time_of(line)
        if line is not None and time is not None and time > moment - _ms(BOOK_STEP):
            yield line


def _tick(vault: Vault, inst_id: str, minute: int) -> int | None:
    """Return the tick size in force, None if nobody knows it."""
    try:
        terms = InstrumentHistory(vault, inst_id).at(_ms(minute))
    except VaultError as error:
        _log.warning("no stop can be given: %s", error)
        return None
    return exact.units(terms.tick_sz, exact.PRICE_PLACES)
