"""The functions of ``ravequant.read``: a span of a data set as columns, and a live vault followed.

    from ravequant import read

    trades = read.trades("BTC-USDT-SWAP", "2025-12-14 20:00", "2025-12-14 21:00")
    trades["price"].float().mean(), trades["notional"].decimal().sum()

A span holds its beginning and not its end; None leaves that side open. Times are ISO text
(``"2025-12-14 20:00"``, ``"2025-12-14T20:00:00.500Z"``), ``HH:MM`` of today, ``latest`` (the
newest record) or datetimes, in UTC without a zone. ``vault`` is a folder; None is the vault of the
programs.

Errors: UsageError for a name or a time that cannot be used, NoDataError if nothing of that kind was
recorded, VaultError for a file that is damaged.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final, Literal

from ravequant import catalog, times
from ravequant.errors import NoDataError, UsageError, VaultError, shown
from ravequant.read.book_stream import BookStream
from ravequant.read.log import REMEDY
from ravequant.read.minute_stream import MinuteStream
from ravequant.read.record_stream import RecordStream
from ravequant.read.stream import Stream
from ravequant.read.table import Table, join_tables
from ravequant.read.trade_stream import TradeStream
from ravequant.records import check_inst_id
from ravequant.times import Moment
from ravequant.vault.gap_ledger import read_generation
from ravequant.vault.newest import newest_of_all
from ravequant.vault.paths import StrPath, Vault, default_root, instruments, user_path

Name = Literal["trades", "minutes", "books", "vwap", "cvd", "volume", "wicks", "buckets", "signals"]
When = str | datetime | None
Folder = StrPath | None

LATEST: Final = "latest"
_RECORDS: Final = {
    data.name: data
    for data in (
        catalog.VWAP, catalog.CVD, catalog.VOLUME, catalog.WICKS, catalog.BUCKETS, catalog.SIGNALS
    )
}  # fmt: skip
_RAW: Final[Mapping[str, Callable[[Vault, str], Stream]]] = {
    "trades": TradeStream,
    "minutes": MinuteStream,
    "books": BookStream,
}
_log = logging.getLogger(__name__)


def trades(inst_id: str, since: When = None, until: When = None, *, vault: Folder = None) -> Table:
    """Return the raw trades whose time lies in the span, in the order of the log.

    Columns: ``timestamp_utc``, ``trade_id`` (the last id of the record), ``side`` (the taker's),
    ``price``, ``qty_contracts``, ``base`` (coins), ``notional`` (quote currency), ``count`` (of
    fills), ``ahead``. A record whose time lies in the future of its log (``ahead``), or more than 5
    minutes behind it, stands where it was written.
    """
    return _whole("trades", inst_id, since, until, vault)


def minutes(inst_id: str, since: When = None, until: When = None, *, vault: Folder = None) -> Table:
    """Return the closed minutes that begin in the span, as the raw trades give them.

    Those of finished days are taken from kept minutes, where these are the same.

    Columns as in the SQL view ``bars``, and ``price_notional`` and ``price_base``: the sums of
    price x notional and price x base, of which any VWAP is made exactly. A whale is a record at or
    above the setting ``bars.whale_notional``. A minute without trades has no row.
    """
    return _whole("minutes", inst_id, since, until, vault)


def books(inst_id: str, since: When = None, until: When = None, *, vault: Folder = None) -> Table:
    """Return the snapshots of the order book in the span.

    Columns: ``timestamp_utc``, ``mid_price``, ``best_bid``, ``best_ask``, ``bids`` and ``asks``
    (lists of ``price`` and ``qty_contracts``, best first; malformed levels left out) and
    ``gap_detected``. An hour takes about 25 MB; ``blocks`` takes less.
    """
    return _whole("books", inst_id, since, until, vault)


def vwap(inst_id: str, since: When = None, until: When = None, *, vault: Folder = None) -> Table:
    """Return the records of the VWAP calculator whose minute begins in the span."""
    return _whole("vwap", inst_id, since, until, vault)


def cvd(inst_id: str, since: When = None, until: When = None, *, vault: Folder = None) -> Table:
    """Return the records of the CVD calculator whose minute begins in the span."""
    return _whole("cvd", inst_id, since, until, vault)


def volume(inst_id: str, since: When = None, until: When = None, *, vault: Folder = None) -> Table:
    """Return the records of the volume analyzer whose minute begins in the span."""
    return _whole("volume", inst_id, since, until, vault)


def wicks(inst_id: str, since: When = None, until: When = None, *, vault: Folder = None) -> Table:
    """Return the wick events that became known (``known_utc``) in the span."""
    return _whole("wicks", inst_id, since, until, vault)


def buckets(inst_id: str, since: When = None, until: When = None, *, vault: Folder = None) -> Table:
    """Return the liquidity buckets of the snapshots in the span; bands and walls are lists."""
    return _whole("buckets", inst_id, since, until, vault)


def signals(inst_id: str, since: When = None, until: When = None, *, vault: Folder = None) -> Table:
    """Return the recorded signals whose ``as_of_utc`` lies in the span."""
    return _whole("signals", inst_id, since, until, vault)


def blocks(
    name: Name, inst_id: str, since: When = None, until: When = None, *, vault: Folder = None
) -> Iterator[Table]:
    """Yield the same records as the function of that name, in tables of some thousand rows.

    Memory holds one table at a time, however long the span is. The last table may be empty; its
    ``complete`` holds for the whole span.
    """
    stream = _stream(name, inst_id, vault)
    stream.open(*_span(stream, since, until))
    return stream.tables()


def follow(
    name: Name,
    inst_id: str,
    since: When = LATEST,
    until: When = None,
    *,
    vault: Folder = None,
    every_s: float = 1.0,
    idle_s: float | None = None,
) -> Iterator[Table]:
    """Yield records as they come to a live vault: the same records as a later read of the span.

    ``since`` is ``latest``, for records to come only, or the beginning of the span. The files are
    looked at every ``every_s`` seconds; the clock makes this pause and nothing else. It ends when
    the span is complete, or after ``idle_s`` seconds without a record (None: never).

    Raises VaultError if a file that was read is rewritten (a repair, a rebuild): read again then.
    """
    stream = _stream(name, inst_id, vault, must_exist=False)
    begin, end = _span(stream, since, until)
    stream.open(begin, end)
    if since == LATEST:
        for _ in stream.tables():  # those that are there
            pass
    return _followed(stream, every_s, idle_s)


def _followed(stream: Stream, every_s: float, idle_s: float | None) -> Iterator[Table]:
    raw, idle = stream.name in _RAW, 0.0
    repairs = stream.vault.generation(stream.inst_id)
    generation = read_generation(repairs)
    while not stream.complete:
        if raw and read_generation(repairs) != generation:
            raise VaultError(f"{repairs}: missing trades were put in; {REMEDY}")
        for table in stream.tables(let_go=True):
            if len(table):
                idle = 0.0
                yield table
        if idle_s is not None and idle >= idle_s:
            return
        if not stream.complete:
            time.sleep(every_s)
            idle += every_s


def _whole(name: str, inst_id: str, since: When, until: When, vault: Folder) -> Table:
    stream = _stream(name, inst_id, vault)
    stream.open(*_span(stream, since, until))
    table = join_tables(list(stream.tables()) or [stream.none()])
    if table.counts.rejected:
        first = table.rejected[0] if table.rejected else ""
        _log.warning("%d lines are no records; %s", table.counts.rejected, first)
    return table


def _stream(name: str, inst_id: str, folder: Folder, *, must_exist: bool = True) -> Stream:
    """Return the stream of a data set. Raises UsageError, and NoDataError if it has no file."""
    vault = Vault((default_root() if folder is None else user_path(folder)).absolute())
    check_inst_id(inst_id)
    if name in _RAW:
        stream = _RAW[name](vault, inst_id)
    elif name in _RECORDS:
        stream = RecordStream(_RECORDS[name], vault, inst_id)
    else:
        raise UsageError(f"no data set {shown(name)}: one of {', '.join((*_RAW, *_RECORDS))}")
    if must_exist and next(stream.files(), None) is None:
        have = ", ".join(instruments(stream.folder)) or "none"
        raise NoDataError(
            f"no {name} of {inst_id} in {vault.root} (there are those of: {have}); "
            f"{stream.data.made_by} makes them, or name another vault"
        )
    return stream


def _span(stream: Stream, since: When, until: When) -> tuple[int | None, int | None]:
    """Return the span in Unix ms. UsageError for times that cannot be used.

    The end may lie in the future; a beginning there is a slip.
    """
    try:
        begin = _moment(stream, since)
        end = _moment(stream, until)
        if begin is not None:
            begin.refuse_later(times.utc_now_ms(), newest_of_all(stream.vault))
    except ValueError as error:
        raise UsageError(str(error)) from None
    if begin is not None and end is not None and end.ms < begin.ms:
        raise UsageError(f"until {end.given!r} is earlier than since {begin.given!r}")
    return begin and begin.ms, end and end.ms


def _moment(stream: Stream, given: When) -> Moment | None:
    """Return a time that a person gives, None for an open side; ValueError."""
    if given is None:
        return None
    if given == LATEST:
        newest = stream.newest()
        return None if newest is None else Moment(newest, to_minute=False, given=LATEST)
    return times.moment(given, times.utc_now_ms())
