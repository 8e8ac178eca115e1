"""Looks at the smallest real file, and says in ten lines whether the archive is as believed.

The importers rest on beliefs about files that their authors could not fetch. A probe fetches one
thin instrument's newest trades and candles, a few kilobytes, and looks at each belief.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from ravequant import times
from ravequant.contract import Contract
from ravequant.errors import FeedError, RaveQuantError
from ravequant.exchanges.archive.download import Fetched, Fetcher, Watcher
from ravequant.exchanges.archive.published import PublishedFile
from ravequant.exchanges.okx.archive import candles, names
from ravequant.exchanges.okx.archive.listing import OkxListing
from ravequant.exchanges.okx.archive.minutes import MinuteOfFills
from ravequant.exchanges.okx.archive.trade_day import TradeDay, TradeDayFacts
from ravequant.exchanges.okx.rest import OkxRest
from ravequant.records import Trade, parse_trade
from ravequant.vault.paths import StrPath

THIN: Final = "USDC-USDT-SWAP"  # few trades, and in every archive so far
_LABELS: Final = 7  # the newest ones, of which some may not be published yet
_NEAR_CUT_MS: Final = 5 * times.MINUTE_MS
_MOST_PAGES: Final = 40
HEADERS: Final = tuple(  # of files downloaded in 2026
    f"instrument_name,trade_id,side,price,size,created_time{source}" for source in ("", ",source")
)


@dataclass(frozen=True, slots=True)
class ProbeFinding:
    """A belief, and the facts found."""

    what: str
    found: str
    believed: bool | None = True  # None: it could not be looked at

    def line(self) -> str:
        """Return the finding as a line."""
        mark = {True: "as believed", False: "NOT AS BELIEVED", None: "not looked at"}
        return f"{mark[self.believed]:<15} {self.what}: {self.found}"


class RecordedMinute(NamedTuple):
    """A minute that was recorded, to be asked for again."""

    inst_id: str
    minute: int  # Unix minutes
    ids: frozenset[int]  # of single fills


_ANY: Final = Contract("1", "1", "linear")


@dataclass(slots=True)
class _Look:
    """The things that a probe has fetched and read so far."""

    rest: OkxRest
    inst_id: str
    listed: tuple[PublishedFile, ...] = ()
    trades: Fetched | None = None
    label: str = ""
    days: list[TradeDayFacts] = field(default_factory=list)
    first: Trade | None = None
    last: Trade | None = None
    recorded: bool = False  # the minute is a recorded one
    minute: RecordedMinute | None = None
    contract: Contract = _ANY


def probe(
    rest_url: str,
    folder: StrPath,
    *,
    inst_id: str = THIN,
    recorded: RecordedMinute | None = None,
    watcher: Watcher | None = None,
    limit_factor: float = 1.0,
    pause: Callable[[float], None] = time.sleep,
) -> list[ProbeFinding]:
    """Return ten findings about the newest files of an instrument; they stay in ``folder``.

    ``recorded`` is the minute by which paging is compared, else the busiest of the file.
    Raises VaultError if the disk refuses, UsageError for an address that is none.
    """
    rest = OkxRest(rest_url, limit_factor=limit_factor)
    listing = OkxListing(rest_url, limit_factor=limit_factor)
    fetcher = Fetcher(folder, watcher=watcher, pause=pause)
    look = _Look(rest, inst_id, recorded=recorded is not None, minute=recorded)
    steps: tuple[tuple[str, Callable[[], Iterator[ProbeFinding]]], ...] = (
        ("listing", lambda: _listing(look, listing)),
        ("file", lambda: _file(look, fetcher)),
        ("rows", lambda: _rows(look)),
        ("candles", lambda: _candles(look, listing, fetcher)),
        ("paging", lambda: _paging(look)),
    )
    findings: list[ProbeFinding] = []
    try:
        for what, step in steps:
            findings += _tried(what, step)
    finally:
        for client in (rest, listing, fetcher):
            client.close()
    return findings


def _tried(what: str, step: Callable[[], Iterator[ProbeFinding]]) -> list[ProbeFinding]:
    """Return the findings of a step, its error being one of them."""
    found: list[ProbeFinding] = []
    try:
        found.extend(step())
    except _NothingError as nothing:
        found.append(ProbeFinding(what, str(nothing), None))
    except FeedError as error:
        found.append(ProbeFinding(what, str(error), believed=False))
    return found


class _NothingError(RaveQuantError):
    """An earlier step did not bring the data that this step needs."""


def _listing(look: _Look, listing: OkxListing) -> Iterator[ProbeFinding]:
    now = look.rest.server_time()
    today = (now + names.UTC8_MS) // times.DAY_MS
    labels = [times.day((today - back) * times.DAY_MS) for back in range(_LABELS)]
    found = listing.files("trades", look.inst_id, labels)
    look.listed = found.files
    if not found.files:
        raise FeedError(f"no trades of {look.inst_id} in the labels {labels[-1]} to {labels[0]}")
    newest = found.files[-1].label
    behind = (now - names.start_ms("trades", newest) - times.DAY_MS) // times.HOUR_MS
    text = (
        f"{len(found.files)} of {_LABELS} labels, the newest {newest}, which ended {behind} h ago"
    )
    yield ProbeFinding("listing", text)


def _file(look: _Look, fetcher: Fetcher) -> Iterator[ProbeFinding]:
    file = min(look.listed, key=lambda listed: listed.size_hint, default=None)
    if file is None:
        raise _NothingError("no file is listed")
    look.label = file.label
    look.trades = fetcher.fetch(file)
    if look.trades is None:
        raise FeedError(f"{file.url}: listed, and 404")
    yield ProbeFinding("name", f"{file.name}, {look.trades.size} bytes")
    digest = hashlib.md5(look.trades.path.read_bytes(), usedforsecurity=False).hexdigest()
    yield ProbeFinding(
        "ETag", f"{look.trades.etag!r}, MD5 {digest}", look.trades.etag.lower() == digest
    )


def _rows(look: _Look) -> Iterator[ProbeFinding]:
    if look.trades is None:
        raise _NothingError("no file was fetched")
    row = look.rest.instrument(look.inst_id)
    kind: Literal["linear", "inverse"] = "inverse" if row.get("ctType") == "inverse" else "linear"
    look.contract = Contract(str(row.get("ctVal")), str(row.get("ctMult")), kind)
    for day in _utc_days(look.label):
        look.days.append(_read_day(look, look.trades.path, day))
    yield ProbeFinding("member", "one csv named after its file, its CRC right")
    header = look.days[0].files[0].header
    yield ProbeFinding("header", header or "none", header in HEADERS)
    jumps = [jump for facts in look.days for jump in facts.jumps]
    rows = sum(facts.rows for facts in look.days)
    ids = f"{look.days[0].first_id or look.days[1].first_id} to {look.days[-1].last_id}"
    yield ProbeFinding("ids", f"{rows} rows, {ids}, {len(jumps)} jumps", not jumps)
    yield _cut(look)


def _utc_days(label: str) -> tuple[str, str]:
    """Return the two UTC days that a label of trades lies in."""
    start = times.day_start_ms(label)
    return times.day(start - times.DAY_MS), label


def _read_day(look: _Look, path: StrPath, day: str) -> TradeDayFacts:
    """Read the part of a UTC day that a file has; keep first and last row, and a busy minute."""
    reader = TradeDay([path], look.inst_id, day, look.contract)
    records: list[Trade] = []
    for block in reader.blocks():
        lines = block.lines.splitlines()
        records += [parse_trade(line, look.inst_id)[0] for line in lines]
    if records:
        look.first = look.first or records[0]
        look.last = records[-1]
    _keep_busiest(look, records)
    return reader.facts


def _keep_busiest(look: _Look, records: Iterable[Trade]) -> None:
    """Keep the minute with the most fills, unless a recorded one was given."""
    minutes: dict[int, set[int]] = {}
    for trade in records:
        ids = range(trade.first_id, trade.trade_id + 1)
        minutes.setdefault(trade.ts // times.MINUTE_MS, set()).update(ids)
    for minute, found in minutes.items():
        if not look.recorded and (look.minute is None or len(found) > len(look.minute.ids)):
            look.minute = RecordedMinute(look.inst_id, minute, frozenset(found))


def _cut(look: _Look) -> ProbeFinding:
    """Compare the times of the first and the last row with 16:00 UTC."""
    if look.first is None or look.last is None:
        return ProbeFinding("cut", "the file has no rows", None)
    start = names.start_ms("trades", look.label)
    end = start + times.DAY_MS
    inside = start <= look.first.ts and look.last.ts < end
    found = f"rows from {times.iso(look.first.ts)} to {times.iso(look.last.ts)}"
    near = look.first.ts - start < _NEAR_CUT_MS and end - look.last.ts < _NEAR_CUT_MS
    thin = "" if near else " (too thin to see the cut to the minute)"
    return ProbeFinding("cut at 16:00 UTC", found + thin, inside)


def _candles(look: _Look, listing: OkxListing, fetcher: Fetcher) -> Iterator[ProbeFinding]:
    if not look.days:
        raise _NothingError("no trades were read")
    listed = listing.files("candles", look.inst_id, [look.label]).files
    fetched = fetcher.fetch(listed[0]) if listed else None
    if fetched is None:
        raise FeedError(f"no candles of {look.inst_id} for the label {look.label}")
    minutes: dict[int, MinuteOfFills] = {}
    shown: dict[int, candles.MinuteCandle] = {}
    for day, facts in zip(_utc_days(look.label), look.days, strict=True):
        minutes |= facts.minutes
        shown |= candles.read_candles([fetched.path], look.inst_id, day)
    yield _compared(look, minutes, shown)


def _compared(
    look: _Look,
    minutes: Mapping[int, MinuteOfFills],
    shown: Mapping[int, candles.MinuteCandle],
) -> ProbeFinding:
    differing = candles.differing(minutes, shown)
    worth = candles.contract_in_force(shown, look.contract.ct_type)
    text = f"{len(shown)} minutes, {len(differing)} unlike their trades, a contract is {worth}"
    first = f"; {differing[0]}" if differing else ""
    return ProbeFinding("candles", text + first, not differing)


def _paging(look: _Look) -> Iterator[ProbeFinding]:
    """Compare the ids of a minute with those that REST gives, by ids and by times."""
    minute = look.minute
    if minute is None or not minute.ids:
        raise _NothingError("no minute with trades was read")
    start = minute.minute * times.MINUTE_MS
    end = start + times.MINUTE_MS
    by_id = _by_id(look.rest, minute, start, end)
    lacking, more = minute.ids - by_id, by_id - minute.ids
    yield ProbeFinding(
        "history-trades type 1 (ids)",
        f"{len(by_id)} ids in {times.iso_minute(minute.minute)}, {len(minute.ids)} known: "
        f"{len(lacking)} lacking, {len(more)} more",
        not lacking and not more,
    )
    by_time = _by_time(look.rest, minute.inst_id, start, end)
    lost, others = by_id - by_time, by_time - by_id
    yield ProbeFinding(
        "history-trades type 2 (times)",
        f"{len(by_time)} ids of that minute: {len(lost)} of type 1 lacking, {len(others)} more"
        + ("; fills of the last ms of a page are lost, so gaps are filled by ids" if lost else ""),
        not others,
    )


def _by_id(rest: OkxRest, minute: RecordedMinute, start: int, end: int) -> set[int]:
    """Return the ids of a minute that paging by id finds from its newest id down to its oldest."""
    found: set[int] = set()
    after, first = max(minute.ids) + 1, min(minute.ids)
    for _ in range(_MOST_PAGES):
        page = rest.history_trades(minute.inst_id, after)
        found |= {trade.trade_id for trade in page.trades if start <= trade.ts < end}
        after = min((trade.trade_id for trade in page.trades), default=0)
        if after <= first:
            break
    return found


def _by_time(rest: OkxRest, inst_id: str, start: int, end: int) -> set[int]:
    """Return the ids that paging by time finds in a minute, each page older than the last."""
    found: set[int] = set()
    after = end
    for _ in range(_MOST_PAGES):
        page = rest.history_trades_before(inst_id, after)
        found |= {trade.trade_id for trade in page.trades if start <= trade.ts < end}
        oldest = min((trade.ts for trade in page.trades), default=0)
        if oldest < start or oldest >= after:
            break
        after = oldest
    return found
