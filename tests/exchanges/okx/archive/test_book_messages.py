"""Archived books: against the recorder's own snapshots, a plain book, and every hostile line."""

from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from L2_Bot.snapshot_writer import SnapshotWriter
from ravequant import exact, times
from ravequant.exchanges import load
from ravequant.exchanges.archive.book_days import ShownBook
from ravequant.exchanges.okx.archive.book_messages import BOOKS, OkxBookReplay
from ravequant.records import RecordError
from tests.support import book_archives, recordings
from tests.support.book_archives import BTC, message
from tests.support.plain_book import Message, PlainBook, frames
from tests.support.recordings import Recording

DAY = "2025-12-14"
START = times.day_start_ms(DAY)
OPENING = message("snapshot", START + 3, [("100", "5.0")], [("101", "6.0")])


def replayed(
    messages: list[Message],
    inst_id: str = BTC,
    day: str = DAY,
    *,
    ends: bool = False,
    **options: int,
) -> tuple[list[ShownBook], OkxBookReplay]:
    replay = OkxBookReplay(inst_id, day, **{"cadence_ms": 2_000, "depth": 400, **options})
    found = list(replay.read(book_archives.lines(messages, inst_id)))
    return found + (list(replay.end()) if ends else []), replay


def plain_level(one: list[str]) -> str:
    """Return a level with canonical numbers, by way of decimals."""
    price, size = (f"{Decimal(text).normalize():f}" for text in one[:2])
    return f"{price},{size},0,{one[3]}"


# -- the same books as the recorder's


@recordings.each(*recordings.BOOKS)
def test_every_level_is_that_of_the_recorder(recording: Recording):
    """Frames written as an archive give the snapshots that the recorder makes of the frames."""
    by_day: dict[str, list[Message]] = {}
    for action, row in frames(recording.book_file):
        by_day.setdefault(times.day(int(row["ts"])), []).append((action, row))
    day, messages = max(by_day.items(), key=lambda item: len(item[1]))
    book, start = PlainBook(), messages[0]
    for one in (one for name in sorted(by_day) if name < day for one in by_day[name]):
        book.apply(*one)
    if start[0] != "snapshot":  # a published day opens with a whole book
        book.apply(*start)
        bids, asks = book.both()
        messages[0] = ("snapshot", {**start[1], "bids": bids, "asks": asks, "prevSeqId": -1})
    writer = SnapshotWriter(load("okx"), recording.inst_id, cadence_ms=2_000, depth=400)
    steps = [writer.receive(action, row).snapshot for action, row in messages]
    wanted = [orjson.loads(one.line) for one in steps if one is not None]
    found, _ = replayed(messages, recording.inst_id, day)
    assert [times.iso(one.ts) for one in found] == [row["timestamp_utc"] for row in wanted]
    assert len(found) > 10
    for made, row in zip(found, wanted, strict=True):
        assert made.bids == [plain_level(level) for level in row["bids_top400"]]
        assert made.asks == [plain_level(level) for level in row["asks_top400"]]
        assert exact.text(5 * made.twice_mid, exact.PRICE_PLACES + 1) == row["mid_price"]
        assert not made.gap


PRICES = ("98", "99", "100.5", "100.50", "101", "1.01e+02", "102.25", "103")
sides = st.lists(
    st.tuples(st.sampled_from(PRICES), st.sampled_from(("0", "0.0", "1", "2.50"))), max_size=4
)
steps = st.lists(
    st.tuples(st.sampled_from(("update", "update", "update", "snapshot")),
              st.sampled_from((0, 10, 700, 2_100, 10_000, 10_001)), sides, sides),
    max_size=30,
)  # fmt: skip


@given(steps)
def test_whatever_comes_the_books_are_those_of_a_plain_reading(steps):
    """Boundaries, silences, crossed and one-sided books, as SPEC 9 has them, line by line."""
    messages, ts = [OPENING], START + 3
    for action, pause, bids, asks in steps:
        ts += pause
        messages.append(message(action, ts, bids, asks))
    found, replay = replayed(messages, ends=True)
    wanted = plainly(messages)
    assert [(one.ts - START, one.gap, one.bids, one.asks) for one in found] == wanted
    assert replay.facts.messages == len(messages)
    moments = [one.ts for one in found]
    assert moments == sorted(set(moments))


def plainly(  # noqa: C901 - SPEC 9 in one piece, as it is read
    messages: list[Message],
) -> list[tuple[int, bool, list[str], list[str]]]:
    """Return the lines that SPEC 9 asks for, read message by message."""
    lines: list[tuple[int, bool, list[str], list[str]]] = []
    book, shown, live, last, boundary = PlainBook(), None, False, -1, -1

    def write(ts: int, *, gap: bool) -> None:
        assert shown is not None
        lines.append((ts - START, gap, *shown))

    def newest() -> int:
        return lines[-1][0] + START if lines else -1

    for action, row in messages:
        ts = int(row["ts"])
        if live and ts - last > 10_000:
            write(max(last + 1, newest() + 1), gap=True)
            live, shown = False, None
        last = ts
        if action != "snapshot" and not live:
            continue
        live = True
        if action == "snapshot":
            book = PlainBook()
        book.apply(action, {"bids": row["bids"], "asks": row["asks"]})
        bids, asks = book.both()
        if unsound(bids, asks):
            if shown is not None and action != "snapshot":
                write(max(ts, newest() + 1), gap=True)
            live, shown = False, None
            continue
        shown = [plain_level(one) for one in bids], [plain_level(one) for one in asks]
        if ts // 2_000 > boundary and ts > newest():
            boundary = ts // 2_000
            write(ts, gap=False)
    if live:
        write(max(last + 1, newest() + 1), gap=True)
    return lines


def unsound(bids: list[list[str]], asks: list[list[str]]) -> bool:
    return not bids or not asks or Decimal(bids[0][0]) >= Decimal(asks[0][0])


# -- single rules


def test_numbers_become_canonical():
    """`240.0` is `240`, `1.0e-05` is `0.00001`; a price of another spelling is the same price."""
    opening = message("snapshot", START, [("1.0e-05", "240.0")], [("0.0000200", "7.50")])
    found, _ = replayed([opening, message("update", START + 2_000, [("0.00001", "3")])])
    assert [one.bids for one in found] == [["0.00001,240,0,1"], ["0.00001,3,0,1"]]
    assert found[0].asks == ["0.00002,7.5,0,1"]


def test_a_silence_shows_the_last_book_once_and_waits_for_a_snapshot():
    """More than 10 s: the last book at its ts + 1 ms; updates after it are dropped."""
    late = START + 10_004
    found, replay = replayed(
        [
            OPENING,
            message("update", late, [("100.5", "1")]),
            message("update", late + 3_000, [("100.5", "2")]),
            message("snapshot", late + 3_500, [("90", "1")], [("91", "1")]),
        ]
    )
    assert [(one.ts - START, one.gap, one.bids[0]) for one in found] == [
        (3, False, "100,5,0,1"), (4, True, "100,5,0,1"), (13_504, False, "90,1,0,1"),
    ]  # fmt: skip
    assert (replay.facts.silences, replay.facts.dropped) == (1, 2)
    exactly, _ = replayed([OPENING, message("update", START + 10_003, [("100.5", "1")])])
    assert [one.gap for one in exactly] == [False, False]


def test_a_crossed_book_shows_the_book_before_it():
    """The line has the time of the message that crossed, and the levels from before it."""
    crossing = message("update", START + 500, [("101", "9")])
    change = message("update", START + 400, [("100.5", "1")])
    found, replay = replayed([OPENING, change, crossing, message("update", START + 4_000, [])])
    assert [(one.ts - START, one.gap, one.bids) for one in found] == [
        (3, False, ["100,5,0,1"]), (500, True, ["100.5,1,0,1", "100,5,0,1"]),
    ]  # fmt: skip
    assert (replay.facts.breaks, replay.facts.dropped) == (1, 1)


def test_a_snapshot_that_differs_is_counted_and_breaks_nothing():
    """Levels with another size, within the reach of both, are counted; the snapshot counts."""
    other = message(
        "snapshot", START + 2_100, [("100", "5"), ("99", "1")], [("101", "7"), ("102", "1")]
    )
    found, replay = replayed(
        [OPENING, message("snapshot", START + 500, [("100", "5")], [("101", "6")]), other]
    )
    assert (replay.facts.snapshots, replay.facts.disagreeing, replay.facts.differing_levels) == (
        3,
        1,
        1,
    )
    assert [one.gap for one in found] == [False, False]


def test_the_last_book_is_shown_again_if_the_day_ends_without_it():
    """A file that ends more than 10 s before midnight; not one that ends at 23:59:59.9."""
    found, _ = replayed([OPENING], ends=True)
    assert [(one.ts - START, one.gap) for one in found] == [(3, False), (4, True)]
    end = START + times.DAY_MS
    whole, _ = replayed(
        [OPENING, message("snapshot", end - 100, [("1", "1")], [("2", "1")])], ends=True
    )
    assert not whole[-1].gap


def test_the_depth_cuts_the_lines_and_not_the_book():
    """Levels beyond the depth come back when those before them are removed."""
    asks = [(str(101 + step), "1") for step in range(5)]
    gone = message("update", START + 2_100, [], [(price, "0") for price, _ in asks[:3]])
    found, _ = replayed([message("snapshot", START, [("100", "1")], asks), gone], depth=2)
    assert [[one.partition(",")[0] for one in book.asks] for book in found] == [
        ["101", "102"], ["104", "105"],
    ]  # fmt: skip


# -- hostile lines


def bad(**changes: Any) -> bytes:
    row = {"instId": BTC, "action": "update", "ts": str(START + 100), "asks": [], "bids": []}
    return orjson.dumps(row | changes) + b"\n"


HOSTILE = {
    "instId": bad(instId="ETH-USDT-SWAP"),
    "action": bad(action="partial"),
    "ts: 'x'": bad(ts="x"),
    "is no message: a key comes twice": bad(ts=START + 100),
    "comes after": bad(ts=str(START)),
    "expected times of 2025-12-14": bad(ts=str(START + times.DAY_MS)),
    "keys": bad(seqId=1),
    "a side is no list": bad(asks={}),
    "price: 'x'": bad(asks=[["x", "1", "1"]]),
    "price: '0'": bad(asks=[["0", "1", "1"]]),
    "size: '-1'": bad(asks=[["102", "-1", "1"]], ts=str(START + 3_000)),
    "size: 'NaN'": bad(asks=[["102", "NaN", "1"]], ts=str(START + 3_000)),
    "size: '0e-01'": bad(asks=[["102", "0e-01", "1"]], ts=str(START + 3_000)),
    "orders: 'x'": bad(asks=[["102", "1", "x"]], ts=str(START + 3_000)),
    "a level is not of three strings": bad(asks=[["102", "1", 1]]),
    "level is not of three strings": bad(asks=["123"]),
    "to unpack": bad(asks=[["102", "1"], ["103", "1", "1", "1"]]),
    "quotes in a text": bad(asks=[["102", "1", '1"],["']]),
    "is no message: ": b"{}}\n",
    "expected instId, action, ts, asks, bids": b"[]\n",
    "a key comes twice": bad().replace(b'"bids":[]', b'"bids":[],"bids":[]'),
    "more than 20000 levels": bad(asks=[[str(200 + n), "1", "1"] for n in range(20_001)]),
}


@pytest.mark.parametrize("words", HOSTILE)
def test_a_hostile_line_refuses_the_day_by_its_number(words):
    """The error names the line and the value."""
    replay = OkxBookReplay(BTC, DAY, cadence_ms=2_000, depth=400)
    data = book_archives.line(OPENING) + HOSTILE[words]
    with pytest.raises(RecordError, match="line 2: ") as caught:
        list(replay.read(data))
    assert words in str(caught.value) or words == "quotes in a text"


def test_a_day_opens_with_a_snapshot():
    """An update at first is refused, and so is a file without a line."""
    with pytest.raises(RecordError, match="line 1: it opens with an update; expected a snapshot"):
        replayed([message("update", START, [("100", "1")])])
    with pytest.raises(RecordError, match="no message"):
        replayed([], ends=True)


def test_many_different_numbers_do_not_fill_the_memory():
    """Texts are forgotten once there are too many; the books stay right."""
    replay = OkxBookReplay(BTC, DAY, cadence_ms=2_000, depth=400)
    list(replay.read(book_archives.line(OPENING)))
    for number in range(40):
        asks = [(f"{200 + k}", f"{number * 2_000 + k}.5") for k in range(2_000)]
        rows = book_archives.line(message("update", START + 100 + number, [], asks))
        list(replay.read(rows))
    found = list(replay.read(book_archives.line(message("update", START + 2_500))))
    assert found[0].asks[1] == "200,78000.5,0,1"


def test_the_form_of_the_files():
    """The reader of names knows both depths of books."""
    name = BOOKS.parse_name(f"{book_archives.name_of(DAY)}.tar.gz")
    assert name is not None
    assert (name.stream, name.inst_id, name.label) == ("books", BTC, DAY)
