"""The parts of kept minutes, each leg read by hand: no runner, no outputs, few lines."""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from ravequant import exact, times
from ravequant.pipeline import kept_minutes
from ravequant.pipeline.job import Leg
from ravequant.pipeline.kept_minutes import FinishedDay, KeptMinutes, finished_day
from ravequant.records import Trade, TradeEncoder
from ravequant.trades.bar_builder import CLOSE_DELAY_MS, Closed
from ravequant.trades.bar_reader import BarReader
from ravequant.trades.day_minutes import DayMinutes, decode
from ravequant.vault import paths, raw_content
from ravequant.vault.cursor import Cursor, Trail
from ravequant.vault.paths import Vault
from ravequant.vault.raw_content import RawContent
from ravequant.vault.tail import Block, Chunk, Span
from tests.support.kept_days import BAD, LINEAR
from tests.support.trade_streams import BTC

DAYS = ("2025-12-13", "2025-12-14", "2025-12-15")
WHALE = 100_000 * exact.NOTIONAL_ONE
ENCODER = TradeEncoder(BTC, LINEAR)
Cut = Callable[[Chunk], Iterable[tuple[Chunk, Any]]]


def line(moment: str, trade_id: int) -> bytes:
    """Return a trade at a time of UTC, like ``2025-12-14T09:00:01Z``."""
    return ENCODER.line(Trade(times.parse_iso(moment), trade_id, "buy", "101250.5", "3", 1))


def three_days() -> dict[str, list[bytes]]:
    """Return a few trades of each day, without a missing id."""
    moments = ("00:00:30", "09:00:01", "09:00:40", "23:58:59")
    return {
        day: [line(f"{day}T{moment}Z", 4 * at + nth) for nth, moment in enumerate(moments)]
        for at, day in enumerate(DAYS)
    }


def put(vault: Vault, days: dict[str, list[bytes]], packed: Iterable[str] = ()) -> None:
    """Write the lines of each day into its file."""
    vault.trades(BTC).mkdir(parents=True, exist_ok=True)
    for day, its_lines in days.items():
        path, data = vault.trades(BTC) / f"{day}.jsonl", b"".join(its_lines)
        if day in packed:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(data))
        else:
            path.write_bytes(data)


def whole(chunk: Chunk) -> Iterator[tuple[Chunk, Any]]:
    """Leave a chunk as it is."""
    yield chunk, None


def by_lines(chunk: Chunk) -> Iterator[tuple[Chunk, Any]]:
    """Cut a block into one of each line."""
    assert isinstance(chunk, Block)
    at = chunk.offset
    for one in chunk.data.splitlines(keepends=True):
        yield Block(chunk.path, at, one), None
        at += len(one)


def as_spans(chunk: Chunk) -> Iterator[tuple[Chunk, Any]]:
    """Make spans of the lines of a block, as if another process had read them."""
    trail = Trail()
    trail.jump(b"", b"", chunk.offset)
    for block, _ in by_lines(chunk):
        assert isinstance(block, Block)
        before = trail.cursor("a day", 0)
        trail.pass_over(block.data)
        span = Span(block.path, before, trail.cursor("a day", 0))
        yield span, SimpleNamespace(crc32=zlib.crc32(block.data), data=block.data)


class Run:
    """One run over the finished days of a vault: its legs, and the minutes they gave."""

    def __init__(self, vault: Vault, *, is_gap: bool = False) -> None:
        self.vault = vault
        self.reader = BarReader(BTC, WHALE, lambda *_: is_gap, lambda *_: None)
        self.kept = KeptMinutes(vault, BTC, WHALE, self.files, 0)
        self.legs: list[Leg[Closed]] = []
        self.change: Callable[[Closed], Closed] = lambda closed: closed

    def files(self):
        """List the raw files."""
        return paths.day_files(self.vault.trades(BTC))

    def go(self, cursor: Cursor | None = None, cut: Cut = whole) -> "Run":
        """Read from a cursor on; ``cut`` is applied to the chunks of a day's own file."""
        for leg in self.kept.legs(self.reader, cursor):
            self.legs.append(leg)
            if leg.batch is None:
                self._read(leg, whole if self.reader.single_lines else cut)
        return self

    def _read(self, leg: Leg[Closed], cut: Cut) -> None:
        assert leg.watch is not None
        for block in leg.tail.blocks():
            for chunk, found in cut(block):
                data = chunk.data if isinstance(chunk, Block) else found.data
                closed = self.reader.read(data, chunk.path.name)
                leg.watch(chunk, found, self.change(closed))

    def days(self) -> list[str]:
        """Return the days that are kept."""
        return [day for day in DAYS if self.kept.has(day)]


def place(day: str, lines: list[bytes]) -> Cursor:
    """Return the place behind the first lines of a day."""
    trail = Trail()
    trail.pass_over(b"".join(lines))
    return trail.cursor(day, 0)


def minutes(vault: Vault, day: str) -> DayMinutes:
    """Return the kept minutes of a day."""
    return decode((vault.minutes(BTC) / f"{day}.json.gz").read_bytes())


def content(vault: Vault, day: str) -> RawContent:
    """Return the content of a raw file."""
    (path,) = vault.trades(BTC).glob(f"{day}*")
    return raw_content.content_of(path)


def test_the_last_minute_of_a_day():
    """Its 23:59, counted from 1970."""
    day = FinishedDay(DAYS[1], *[None] * 3)  # type: ignore[arg-type]
    assert day.last_minute == times.parse_iso(f"{DAYS[1]}T23:59:00Z") // times.MINUTE_MS


def test_a_day_is_finished_if_a_later_file_is_there(vault):
    """The oldest, or the one of a key; the newest never is."""
    put(vault, three_days())
    files = Run(vault).files
    assert finished_day(files, None) == finished_day(files, DAYS[0])
    for day, following in pairwise(DAYS):
        found = finished_day(files, day)
        assert found is not None
        assert (found.key, found.path.name) == (day, f"{day}.jsonl")
        assert (found.next_key, found.next_path.name) == (following, f"{following}.jsonl")
    assert finished_day(files, DAYS[-1]) is None
    assert finished_day(files, "2025-12-01") is None


@pytest.mark.parametrize("cut", [whole, by_lines, as_spans])
def test_a_day_is_known_by_the_content_of_its_file(vault, cut):
    """However its lines were read; and the next file by that of its first lines."""
    days = three_days()
    put(vault, days)
    run = Run(vault).go(cut=cut)
    assert run.days() == list(DAYS[:2])
    for day, following in pairwise(DAYS):
        first = days[following][0]
        assert minutes(vault, day).content == content(vault, day)
        assert minutes(vault, day).next_file == following
        assert minutes(vault, day).next_content == RawContent(len(first), zlib.crc32(first))
    again = Run(vault).go()
    assert [leg.batch for leg in again.legs] == [minutes(vault, day).closed for day in DAYS[:2]]
    behind = [leg.tail.cursor() for leg in again.legs]
    assert behind == [leg.tail.cursor() for leg in run.legs[1::2]]
    assert next(again.legs[-1].tail.blocks()).data == b"".join(days[DAYS[2]][1:])
    assert again.legs[-1].tail.cursor() == place(DAYS[2], days[DAYS[2]])
    assert again.reader.state() == run.reader.state()
    assert again.reader.counts() == run.reader.counts()


def test_a_day_behind_a_kept_one_is_kept(vault):
    """What was read of its file before it is known from the kept day."""
    put(vault, three_days())
    Run(vault).go()
    path = vault.minutes(BTC) / f"{DAYS[1]}.json.gz"
    before = path.read_bytes()
    path.unlink()
    run = Run(vault).go()
    assert [leg.batch is None for leg in run.legs] == [False, True, True]
    assert path.read_bytes() == before


def test_lines_behind_a_day_are_read_as_before_it(vault):
    """In columns where they are many, and nobody listens."""
    put(vault, three_days())
    run = Run(vault).go()
    assert not run.reader.single_lines
    assert run.reader.heard is None


def test_the_first_line_that_closes_the_last_minute_ends_the_day(vault):
    """At the very moment at which the minute closes; one line before, it is open."""
    days, opens = three_days(), line(f"{DAYS[1]}T00:00:04.999Z", 4)
    closes = ENCODER.line(
        Trade(times.day_start_ms(DAYS[1]) + CLOSE_DELAY_MS, 5, "buy", "101250.5", "3", 1)
    )
    days[DAYS[1]][:2] = [opens, closes]
    put(vault, days)
    Run(vault).go()
    assert minutes(vault, DAYS[0]).next_content.length == len(opens + closes)


@pytest.mark.parametrize(("room", "kept"), [(-1, False), (0, True)])
def test_a_day_is_closed_within_so_many_bytes(vault, monkeypatch, room, kept):
    """The line that reaches them is the last that is looked at."""
    days, opens = three_days(), line(f"{DAYS[1]}T00:00:04.999Z", 4)
    closes = line(f"{DAYS[1]}T00:00:30Z", 5)
    days[DAYS[1]][:2] = [opens, closes]
    put(vault, {day: days[day] for day in DAYS[:2]})
    monkeypatch.setattr(kept_minutes, "CLOSING_BYTES", len(opens) + 1 + room)
    run = Run(vault).go()
    assert run.days() == list(DAYS[:1] if kept else ())


def test_a_day_that_another_file_than_the_next_closes_is_not_kept(vault):
    """The next is empty: a line could be written there later, and would close it."""
    days = three_days()
    days[DAYS[1]] = []
    put(vault, days)
    assert Run(vault).go().days() == []


def test_no_leg_begins_on_the_last_day_but_one_that_was_begun_before(vault):
    """As at every midnight: its lines and those behind them are read as any others."""
    days = three_days()
    put(vault, days)
    assert Run(vault).go(place(DAYS[1], days[DAYS[1]][:1])).legs == []


def test_a_day_begun_before_is_read_to_its_end_and_the_next_is_kept(vault):
    """From within the first of two finished days."""
    days = three_days()
    put(vault, days)
    run = Run(vault)
    run.reader.read(days[DAYS[0]][0], f"{DAYS[0]}.jsonl")
    run.go(place(DAYS[0], days[DAYS[0]][:1]), by_lines)
    assert len(run.legs) == 4
    assert run.days() == [DAYS[1]]
    assert minutes(vault, DAYS[1]).content == content(vault, DAYS[1])


@pytest.mark.parametrize(("bad", "kept"), [(2, True), (3, False)])
def test_of_bad_lines_a_day_holds_no_more_than_it_can(vault, monkeypatch, bad, kept):
    """Though good lines come behind them, of its own file and of the next one."""
    monkeypatch.setattr(kept_minutes, "_MOST_LISTED", 2)
    days = three_days()
    days[DAYS[0]][1:1] = [BAD] * bad
    put(vault, days)
    run = Run(vault).go(cut=by_lines)
    assert run.days() == list(DAYS[0 if kept else 1 : 2])
    if kept:
        begun = len(days[DAYS[0]][0])
        assert [one.offset for one in minutes(vault, DAYS[0]).rejected] == [
            begun,
            begun + len(BAD),
        ]


@pytest.mark.parametrize(("missing", "kept"), [(2, True), (3, False)])
def test_of_missing_ids_a_day_holds_no_more_than_it_can(vault, monkeypatch, missing, kept):
    """Each of them is an answer of the gap ledger."""
    monkeypatch.setattr(kept_minutes, "_MOST_LISTED", 2)
    days = three_days()
    lines = [line(f"{DAYS[0]}T10:0{nth}:00Z", 3 + 2 * nth) for nth in range(missing + 1)]
    days[DAYS[0]][3:] = lines
    last = 3 + 2 * missing
    days[DAYS[1]] = [line(f"{DAYS[1]}T0{nth}:00:30Z", last + 1 + nth) for nth in range(3)]
    days[DAYS[2]] = [line(f"{DAYS[2]}T0{nth}:00:30Z", last + 4 + nth) for nth in range(3)]
    put(vault, days)
    run = Run(vault, is_gap=True).go(cut=by_lines)
    assert run.days() == list(DAYS[0 if kept else 1 : 2])
    if kept:
        assert len(minutes(vault, DAYS[0]).id_gaps) == missing
    assert Run(vault, is_gap=True).go().days() == run.days()


def test_a_bad_line_behind_midnight_is_named_with_its_file(vault):
    """With its offset there, before the line that closes the day."""
    days = three_days()
    days[DAYS[1]][:0] = [BAD]
    put(vault, days, packed=[DAYS[0]])
    Run(vault).go()
    (bad,) = minutes(vault, DAYS[0]).rejected
    assert (bad.file, bad.offset) == (DAYS[1], 0)
    (leg, _) = Run(vault).go().legs
    (named,) = leg.rejected
    assert (named.path.name, named.offset) == (f"{DAYS[1]}.jsonl", 0)
    assert named.reason == bad.reason


def test_plain_files_of_kept_days_are_synced_with_the_commit_behind_them(vault):
    """Nobody may have done so since they were written; packed ones were."""
    put(vault, three_days(), packed=[DAYS[0]])
    Run(vault).go()
    legs = Run(vault).go().legs
    names = [{path.name for path in leg.tail.unsynced} for leg in legs]
    assert names == [{f"{DAYS[1]}.jsonl"}, {f"{day}.jsonl" for day in DAYS[1:]}]


def test_minutes_without_sums_of_squares_are_not_kept(vault, caplog):
    """As a state of an earlier version gives them; nothing is wrong with that."""
    put(vault, three_days())
    run = Run(vault)
    run.change = lambda closed: replace(
        closed, bars=[bar._replace(square_notional=None) for bar in closed.bars]
    )
    assert run.go().days() == []
    assert caplog.text == ""


def test_a_day_whose_closing_line_is_another_now_is_read_again(vault):
    """Its own lines are as they were."""
    days = three_days()
    put(vault, days)
    Run(vault).go()
    days[DAYS[1]][0] = days[DAYS[1]][0].replace(b'"qty_contracts":"3"', b'"qty_contracts":"7"')
    put(vault, days)
    run = Run(vault).go()
    assert [leg.batch is None for leg in run.legs] == [True] * 4
    assert minutes(vault, DAYS[0]).next_content.crc32 == zlib.crc32(days[DAYS[1]][0])


def test_one_day_alone_is_known_where_it_begins(vault):
    """For a reader that stands there, and for no other."""
    days = three_days()
    put(vault, days)
    run = Run(vault).go()
    one = Run(vault)
    leg = one.kept.known(one.reader, None)
    assert leg is not None
    assert leg.batch == minutes(vault, DAYS[0]).closed
    behind = leg.tail.cursor()
    assert behind == run.legs[1].tail.cursor()
    assert one.kept.known(one.reader, None) is None
    following = one.kept.known(one.reader, behind)
    assert following is not None
    assert following.batch == minutes(vault, DAYS[1]).closed
    assert one.kept.known(one.reader, following.tail.cursor()) is None
    assert Run(vault).kept.known(Run(vault).reader, behind) is None


def test_a_day_is_joined_by_a_reader_that_has_read_nothing_before_it(vault):
    """From a moment on behind one of its minutes; not if it was made in another way."""
    put(vault, three_days())
    Run(vault).go()
    moment = times.parse_iso(f"{DAYS[1]}T09:01:00Z")
    one = Run(vault)
    leg = one.kept.joined(one.reader, DAYS[1], moment)
    assert leg is not None
    assert leg.batch == minutes(vault, DAYS[1]).closed
    assert one.reader.builder.last_id == 8
    for key, at in ((DAYS[1], times.day_start_ms(DAYS[1])), (DAYS[2], moment), ("2025-12-01", 0)):
        assert Run(vault).kept.joined(Run(vault).reader, key, at) is None
    other = KeptMinutes(vault, BTC, WHALE + 1, one.files, 0)
    assert other.joined(Run(vault).reader, DAYS[1], moment) is None
