"""Reads the market state of an instrument as of a minute (SPEC section 11, "As of").

These are the minute rows that ended by then, the wick events and snapshots known by then, and the
newest raw trade. Later lines of the files are not read. A row that is not valid is left out and
logged.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any, Final

from ravequant import exact, times
from ravequant.catalog import DATA_SETS, MARKS, DataSet
from ravequant.errors import VaultError
from ravequant.records import RecordError, parse_trade
from ravequant.signals import inputs
from ravequant.signals.derived_rows import (
    FILES,
    Record,
    WickEvent,
    days_until,
    first_minute,
    newest_book,
    parsed,
    take_event,
    terms,
    tick_at,
    tracked,
    whole,
    wick_event,
)
from ravequant.signals.inputs import LastTrade, VwapRow, WickAsOf
from ravequant.signals.known_rows import folded_rows
from ravequant.signals.market_state import MarketState, reach
from ravequant.signals.past_books import past_books
from ravequant.signals.seen import CLOSING_MS, LAGGING, Lagging
from ravequant.vault import commit
from ravequant.vault.line_file import LineFile, is_there, record_time
from ravequant.vault.newest import newest_record
from ravequant.vault.paths import Vault

DAY: Final = times.DAY_MINUTES
DISORDER_MS: Final = 60_000  # raw lines are out of order by less than this
OVERLAP: Final = 64  # earlier lines that are read, since a later one may repeat their ids
PACKED_BYTES: Final = 16 << 20  # of a packed day of trades that are read

_CALCULATED: Final = tuple(name for name in LAGGING if name != "marks")
_TRADE_ID = re.compile(rb'"trade_id"\s*:\s*"([0-9]{1,18})"')
_log = logging.getLogger("find_signals")


def read(
    vault: Vault,
    inst_id: str,
    minute: int,
    *,
    back: int,
    past: bool = True,
    ends: Mapping[Lagging, int] | None = None,
) -> MarketState:
    """Return the state as of ``minute``: rows of the last day, wicks ``back`` minutes longer.

    With ``past`` it holds the snapshots of the last day for the base rates. Of a stream in
    ``ends`` nothing is read beyond that time (Unix ms). Raises VaultError for a file
    that the system cannot read; a file that is absent has no records.
    """
    since = minute - DAY - back
    ends = {name: _ms(minute) for name in LAGGING} | dict(ends or {})
    rows_to = {name: end // times.MINUTE_MS for name, end in ends.items()}
    reached = tracked(vault, inst_id)
    if reached is not None:
        reached = min(reached, rows_to["wicks"])
    wicks, newest_event = _wicks(vault, inst_id, since, rows_to["wicks"])
    book_file, book = newest_book(vault, inst_id, ends["buckets"])
    trade_file, trade = newest_trade(vault, inst_id, _ms(minute))
    files = {name: data.place(vault, inst_id) for name, data in FILES.items()}
    files |= {"trades": trade_file, "buckets": book_file}
    return MarketState(
        inst_id=inst_id,
        minute=minute,
        wicks=wicks,
        newest_event=newest_event,
        tracked=reached,
        volume=_minutes(files["volume"], inputs.volume, since, rows_to["volume"]),
        cvd=_minutes(files["cvd"], inputs.cvd, minute - DAY, rows_to["cvd"]),
        vwap=_vwap(files["vwap"], minute - DAY, rows_to["vwap"]),
        book=book,
        trade=trade,
        tick=tick_at(terms(vault, inst_id), minute),
        files={name: path.relative_to(vault.root).as_posix() for name, path in files.items()},
        past_books=past_books(vault, inst_id, minute, ends["buckets"]) if past else (),
    )


def latest(vault: Vault, inst_id: str) -> int | None:
    """Return the newest minute that wicks, volume, cvd and vwap, where they exist, have reached."""
    starts = {
        name: _newest_minute(vault, inst_id, FILES[name]) for name in ("volume", "cvd", "vwap")
    }
    ends = {name: start + 1 for name, start in starts.items() if start is not None}
    newest_event = _newest_minute(vault, inst_id, FILES["wicks"])
    wicks = reach(newest_event, tracked(vault, inst_id), ends.get("volume"))
    return min([*ends.values(), *([] if wicks is None else [wicks])], default=None)


def _ms(minute: int) -> int:
    return minute * times.MINUTE_MS


# --- minute rows and wick events -----------------------------------------------------------------


def _minutes(
    path: Path, parse: Callable[[Any], Record], since: int, minute: int
) -> tuple[Record, ...]:
    """Return the rows of the span that ended by ``minute``; of an older file the newest row."""
    if not is_there(path):
        return ()
    with LineFile(path) as file:
        until = _ms(minute - 1)
        found = folded_rows(file, _ms(since) - 1, until, parse, tuple)
        if found:
            return found
        newest = next(parsed(path, file.newest(until), parse), None)
        return () if newest is None else (newest,)


def _vwap(path: Path, since: int, minute: int) -> tuple[VwapRow, ...]:
    """Return the rows of the span; whole is each whose window the file's first row covers."""
    rows = _minutes(path, inputs.vwap, since, minute)
    if all(row.whole for row in rows):
        return rows
    with LineFile(path) as file:
        first = first_minute(file, file.forward(0))
    return tuple(row if row.whole else whole(row, first) for row in rows)


def _newest_minute(vault: Vault, inst_id: str, data: DataSet) -> int | None:
    """Return the Unix minute of a file's newest line, None if there is none."""
    path = data.place(vault, inst_id)
    if not is_there(path):
        return None
    with LineFile(path, data.key) as file:
        return first_minute(file, file.backward(file.size))


def _wicks(
    vault: Vault, inst_id: str, since: int, minute: int
) -> tuple[tuple[WickAsOf, ...], int | None]:
    """Return the wicks born in the span, by status as of ``minute``; and the newest event."""
    data = FILES["wicks"]
    path = data.place(vault, inst_id)
    if not is_there(path):
        return (), None
    with LineFile(path, data.key) as file:
        wicks, newest = folded_rows(file, _ms(since) - 1, _ms(minute), wick_event, _fold_events)
        if newest is None:
            newest = first_minute(file, file.newest(_ms(minute)))
    return wicks, newest


def _fold_events(events: Sequence[WickEvent]) -> tuple[tuple[WickAsOf, ...], int | None]:
    born: dict[str, WickAsOf] = {}
    for event in events:
        take_event(born, event)
    return tuple(born.values()), events[-1].known if events else None


def committed(vault: Vault, inst_id: str) -> dict[Lagging, int]:
    """Return how far (Unix ms) each calculator has committed; 0 before its first commit.

    One whose state does not say it is left out. To be read before the rows: a calculator writes its
    rows first.
    """
    found: dict[Lagging, int] = {}
    for name in _CALCULATED:
        data = DATA_SETS[name]
        metric = data.stream
        try:
            state = commit.read_state(vault.state(metric, inst_id), metric, inst_id)
            if state is not None:
                found[name] = _reached(name, state)
            elif not is_there(data.place(vault, inst_id)):
                found[name] = 0
        except (VaultError, KeyError, TypeError, ValueError):
            continue  # the calculator itself says so, with the remedy
    return found


def _reached(name: Lagging, state: Mapping[str, Any]) -> int:
    reader = state["reader"]
    if name == "buckets":
        return int(reader["last_ts"])
    if name == "book_flow":  # the minute under way: all records before it are out
        return max(0, _ms(int(state["fold"]["minute"])))
    if name == "liquidations_1m":
        return _closed_ms(reader["clock"])
    return _closed_ms(reader["watermark_ms"])


def feeds_reach(vault: Vault, inst_id: str, since: int) -> int:
    """Return the time (Unix ms) up to which the lines of the context feeds are surely on disk.

    That is CLOSING_MS before the newest mark price; 0 without any since the day of ``since``.
    """
    day, _ = next(MARKS.files(vault, inst_id, newest_first=True), ("", None))
    newest = newest_record(vault, MARKS, inst_id) if day >= times.day(since) else None
    return 0 if newest is None else newest - CLOSING_MS


def _closed_ms(watermark: int | None) -> int:
    """Return the end of the newest minute that a trade at ``watermark`` closes."""
    return 0 if watermark is None else _ms(max(watermark - CLOSING_MS, 0) // times.MINUTE_MS)


# --- the newest raw trade ------------------------------------------------------------------------


def newest_trade(vault: Vault, inst_id: str, until: int) -> tuple[Path, LastTrade | None]:
    """Return the newest trade as of ``until`` (Unix ms), None if there is none, and its file.

    It is the last valid line, repetitions left out, that is not later than ``until`` and stands
    before the first line that is CLOSING_MS later: that line closes the minute.
    """
    closing = until + CLOSING_MS
    trade_of = partial(_trade, inst_id, vault.exchange)
    newest: Path | None = None
    files = days_until(vault, inst_id, FILES["trades"], closing)
    for path, older_file in pairwise(chain(files, [None])):
        if path is None:
            break
        newest = newest or path
        with _trade_file(path, closing) as file:
            start = file.after(closing - DISORDER_MS)
            before = list(islice(file.backward(start), OVERLAP))
            if len(before) < OVERLAP:
                before += _tail(older_file)
            trade = _last(file, chain(reversed(before), file.forward(start)), trade_of, until)
            if trade is None:
                older = (trade_of(line) for line in file.backward(start) if file.time_of(line))
                trade = next((found for found in older if found and found.ts <= until), None)
        if trade is not None:
            return path, trade
    return newest or vault.trades(inst_id), None


def _trade_file(path: Path, until: int | None = None) -> LineFile:
    time_of = partial(record_time, key=path.name)
    return LineFile(path, time_of=time_of, until=until, keep=PACKED_BYTES)


def _tail(path: Path | None) -> list[bytes]:
    """Return the newest lines of a file, the newest first."""
    if path is None:
        return []
    with _trade_file(path) as file:
        return list(islice(file.backward(file.size), OVERLAP))


def _last(
    file: LineFile,
    lines: Iterable[bytes],
    trade_of: Callable[[bytes], LastTrade | None],
    until: int,
) -> LastTrade | None:
    """Return the last trade of ``lines`` not later than ``until``, before the line that closes it.

    A line that raised the id is parsed only where a lower id raises a doubt about it.
    """
    raised: list[tuple[int, bytes]] = []
    found: list[bytes] = []
    for line in lines:
        time, match = file.time_of(line), _TRADE_ID.search(line)
        if time is None or match is None:
            continue
        trade_id = int(match[1])
        while raised and raised[-1][0] >= trade_id and trade_of(raised[-1][1]) is None:
            raised.pop()
        if raised and raised[-1][0] >= trade_id:
            continue
        if time >= until + CLOSING_MS and trade_of(line) is not None:
            break
        raised.append((trade_id, line))
        if time <= until:
            found.append(line)
    trades = (trade_of(line) for line in reversed(found))
    return next((trade for trade in trades if trade is not None), None)


def _trade(inst_id: str, exchange: str, line: bytes) -> LastTrade | None:
    try:
        trade, _ = parse_trade(line, inst_id, exchange)
    except RecordError:
        return None
    return LastTrade(trade.ts, exact.units(trade.price, exact.PRICE_PLACES))
