"""Reads the newest raw lines: where they end at an instant, and those after a minute (SPEC 11).

The lines of a trade file stand in the order of their ids and not of their times, those of a book
file in the order of time. So the trades that were read are those up to an id, the snapshots those
up to a time. A trade that is ahead of its exchange's time has an id and no time.
"""

from collections.abc import Iterator
from functools import lru_cache, partial
from itertools import takewhile
from pathlib import Path
from typing import Final, NamedTuple

from ravequant import catalog, exact, times
from ravequant.catalog import DataSet
from ravequant.records import RecordError, parse_trade
from ravequant.signals.late_lines import OpenMinutes, late_lines
from ravequant.signals.seen import CLOSING_MS, NewestPrice, RawMid, RawTail, RawTrade, Seen
from ravequant.vault.gap_ledger import GapLedger
from ravequant.vault.line_file import LineFile, record_time
from ravequant.vault.paths import Vault

DISORDER_MS: Final = 60_000  # raw lines are out of order by less than this
OLDER: Final = 64  # lines so much older that end the search for the newest: one alone may err
MIDS_MS: Final = times.HOUR_MS  # before an instant: of a market without trades no more mids count

_MID: Final = b'"mid_price":"'


class RawEnd(NamedTuple):
    """Where the raw lines end at an instant."""

    ms: int  # the instant, or the time of the newest line if the clock is a little slow
    seen: Seen
    watermark: int | None  # the largest time of a trade
    newest: NewestPrice | None

    @property
    def minute_ms(self) -> int:
        """The newest minute that a trade has closed; that of the instant if there is no trade."""
        if self.watermark is None:
            return self.ms - self.ms % times.MINUTE_MS
        closed = max(self.watermark - CLOSING_MS, 0)
        return closed - closed % times.MINUTE_MS


def raw_end(vault: Vault, inst_id: str, ms: int, *, live: bool, seen: Seen | None) -> RawEnd:
    """Return the end of the raw lines: at ``seen``; else, if ``live``, on disk; else at ``ms``."""
    most = None if live or seen is not None else ms
    last_id = None if seen is None else seen.trade_id
    trades: list[RawTrade] = []
    if seen is None or last_id is not None:
        trades = _newest_trades(vault, inst_id, None if live else ms, most, last_id)
    mid = None
    if seen is None or seen.book_ms is not None:
        book_ms = most if seen is None else seen.book_ms
        mid = _newest_mid(vault, inst_id, book_ms)
    last = max(trades, key=lambda trade: (trade.ts, trade.trade_id), default=None)
    if last is not None and last.ts < 0:
        last = None  # all of them are ahead
    watermark = None if last is None else last.ts
    newest = None if last is None else NewestPrice(last.ts, last.price, "trade")
    if mid is not None and (newest is None or mid.ts >= newest.ts):
        newest = NewestPrice(mid.ts, mid.price, "mid")
    return RawEnd(
        max(ms, watermark or 0, 0 if mid is None else mid.ts),
        Seen(trades[-1].trade_id if trades else None, None if mid is None else mid.ts),
        watermark,
        newest,
    )


# --- trades --------------------------------------------------------------------------------------


def _newest_trades(
    vault: Vault, inst_id: str, near: int | None, most: int | None, last_id: int | None
) -> list[RawTrade]:
    """Return the newest trades in the order of the file, at least those of the last DISORDER_MS.

    ``near``: the moment around which they end, None at the end of the files. No trade is later than
    ``most`` nor has an id above ``last_id``. One that is ahead has the time -1.
    """
    found: list[RawTrade] = []
    high, older = -1, 0
    for trade in _backward(vault, inst_id, near):
        if (last_id is not None and trade.trade_id > last_id) or (
            most is not None and trade.ts > most
        ):
            continue
        found.append(trade)
        high = max(high, trade.ts)
        older += 0 <= trade.ts < high - DISORDER_MS
        if older == OLDER:
            break
    return list(_rising(reversed(found)))


def came_later(vault: Vault, inst_id: str, ms: int) -> list[RawTrade]:
    """Return the trades of a time up to ``ms`` that stand behind a trade of a later time."""
    found, passed = list[RawTrade](), False
    for trade in _newest_trades(vault, inst_id, ms, None, None):
        passed = passed or trade.ts > ms
        if passed and 0 <= trade.ts <= ms:
            found.append(trade)
    return found


def _backward(vault: Vault, inst_id: str, near: int | None) -> Iterator[RawTrade]:
    """Yield trades, newest line first, from a little after ``near`` on."""
    after = None if near is None else near + 2 * DISORDER_MS
    for key, path in catalog.TRADES.files(vault, inst_id, newest_first=True):
        if after is not None and key > times.day(after):
            continue
        with _open(path, key, after) as file:
            end = file.size if after is None else file.after(after)
            for line in file.backward(end):
                trade = _trade(line, key, inst_id, vault.exchange)
                if trade is not None:
                    yield trade


def _rising(trades: Iterator[RawTrade]) -> Iterator[RawTrade]:
    """Leave out each trade whose id is not above the last id."""
    last = -1
    for trade in trades:
        if trade.trade_id > last:
            last = trade.trade_id
            yield trade


@lru_cache(maxsize=1 << 12)  # an answer parses the newest minutes twice, and the next one again
def _trade(line: bytes, key: str, inst_id: str, exchange: str) -> RawTrade | None:
    """Return a line's trade, with the time -1 if it is ahead; None if it is no trade."""
    try:
        trade, _ = parse_trade(line, inst_id, exchange)
    except RecordError:
        return None
    ahead = trade.ahead or times.day(trade.ts) > key[:10]
    price = exact.units(trade.price, exact.PRICE_PLACES)
    return RawTrade(-1 if ahead else trade.ts, trade.first_id, trade.trade_id, price)


def _files(vault: Vault, inst_id: str, data: DataSet, since: int) -> list[tuple[str, Path]]:
    """Return the files that may hold times from ``since`` (Unix ms) on, oldest first."""
    newest = data.files(vault, inst_id, newest_first=True)
    return [*takewhile(lambda item: _file_end_ms(item[0]) > since, newest)][::-1]


def _file_end_ms(key: str) -> int:
    span = times.HOUR_MS if len(key) > len("2025-12-14") else times.DAY_MS
    return times.file_start_ms(key) + span


def _open(path: Path, key: str, until: int | None = None) -> LineFile:
    return LineFile(path, time_of=partial(record_time, key=key), until=until)


class TailStart(NamedTuple):
    """Where the raw lines begin that are looked at, in Unix milliseconds."""

    late: int  # of trades that stand behind later ones: they may belong to no candle
    known: int  # of all trades: the end of the last candle whose touches are known
    minute: int  # of mids: the minute of the answer


def raw_tail(vault: Vault, inst_id: str, start: TailStart, end: RawEnd) -> RawTail:
    """Return the lines from ``start`` up to ``end``."""
    trades, gap = _trades_since(vault, inst_id, min(start.late, start.known), start.known, end)
    mids = _mids(vault, inst_id, max(start.minute, end.ms - MIDS_MS), end)
    return RawTail(tuple(trades), tuple(mids), gap)


def _trades_since(
    vault: Vault, inst_id: str, since: int, known: int, end: RawEnd
) -> tuple[list[RawTrade], bool]:
    if end.seen.trade_id is None:
        return [], False
    ledger = GapLedger(vault.gap_ledger(inst_id), inst_id)
    found, gap, last = list[RawTrade](), False, -1
    for trade, in_order in _apart(vault, inst_id, since, known, end):
        if trade.trade_id <= last:
            continue
        if trade.ts >= known and 0 <= last < trade.first_id - 1:
            gap = gap or ledger.is_gap(last + 1, trade.first_id - 1)
        last = trade.trade_id
        if not in_order and since <= trade.ts <= end.ms:
            found.append(trade)
    return found, gap


def _apart(
    vault: Vault, inst_id: str, since: int, known: int, end: RawEnd
) -> Iterator[tuple[RawTrade, bool]]:
    """Yield (trade, False) from ``known`` on and, of earlier ones, for each of a closed minute.

    The trade before each of these comes with True, so that missing ids are seen. Most lines come in
    their minute, and of these only the time is looked at, as text.
    """
    start = since - DISORDER_MS
    open_ = OpenMinutes(known)
    last_id = -1 if end.seen.trade_id is None else end.seen.trade_id
    for number, (key, path) in enumerate(_files(vault, inst_id, catalog.TRADES, start)):
        with _open(path, key, end.ms + 2 * DISORDER_MS) as file:
            for before, line in late_lines(file, 0 if number else file.after(start), open_):
                for one in (before, line):
                    trade = _trade(one, key, inst_id, vault.exchange) if one else None
                    if trade is None:
                        continue
                    if trade.trade_id > last_id:
                        return
                    if 0 <= trade.ts <= end.ms:
                        open_.take_time(trade.ts)
                    yield trade, one is before


# --- mids ----------------------------------------------------------------------------------------


def _newest_mid(vault: Vault, inst_id: str, most: int | None) -> RawMid | None:
    """Return the newest snapshot's mid, of those not later than ``most``.

    The buckets hold the mid of each snapshot too, and longer than the raw books are kept.
    """
    found = (_newest_in(vault, inst_id, data, most) for data in (catalog.BOOK, catalog.BUCKETS))
    return max((mid for mid in found if mid is not None), default=None)


def _newest_in(vault: Vault, inst_id: str, data: DataSet, most: int | None) -> RawMid | None:
    for key, path in data.files(vault, inst_id, newest_first=True):
        if most is not None and times.file_start_ms(key) > most:
            continue
        with _open(path, key, most) as file:
            for line in file.backward(file.size if most is None else file.after(most)):
                mid = _mid(line, key)
                if mid is not None and (most is None or mid.ts <= most):
                    return mid
    return None


def _mids(vault: Vault, inst_id: str, since: int, end: RawEnd) -> list[RawMid]:
    """Return the mids from ``since`` to the newest snapshot that was read, oldest first."""
    until, found = end.seen.book_ms, set[RawMid]()
    if until is None:
        return []
    for data in (catalog.BOOK, catalog.BUCKETS):
        for key, path in _files(vault, inst_id, data, since):
            if times.file_start_ms(key) > until:
                break
            with _open(path, key, until) as file:
                lines = file.between(since - 1, until)
                found |= {mid for line in lines if (mid := _mid(line, key)) is not None}
    return sorted(mid for mid in found if since <= mid.ts <= until)


def _mid(line: bytes, key: str) -> RawMid | None:
    ts, at = record_time(line, key), line.rfind(_MID)
    if ts is None or at < 0:
        return None
    text = line[at + len(_MID) : line.find(b'"', at + len(_MID))]
    try:
        return RawMid(ts, exact.units(text.decode("ascii"), exact.PRICE_PLACES))
    except ValueError:
        return None


def newest_raw_book(vault: Vault, inst_id: str, most: int) -> int | None:
    """Return the time of the newest raw snapshot not later than ``most``; None without any."""
    mid = _newest_in(vault, inst_id, catalog.BOOK, most)
    return None if mid is None else mid.ts
