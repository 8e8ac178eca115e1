"""Snapshots: recorded frames against a book rebuilt here, and every break that SPEC 9 names."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson
import pytest

from L2_Bot.snapshot_writer import BookStep, SnapshotWriter, encode_deep
from ravequant import times
from ravequant.exchanges import load
from ravequant.exchanges.base import DeepBook
from tests.support import recordings
from tests.support.plain_book import PlainBook, frames, level, message
from tests.support.recordings import Recording

INST = "BTC-USDT-SWAP"
TS = 1_700_000_000_000  # a 2 s boundary
GOLDEN = (
    b'{"timestamp_utc":"2023-11-14T22:13:20.000Z","exchange":"okx","market":"perp",'
    b'"channel":"books","instId":"BTC-USDT-SWAP",'
    b'"bids_top400":[["43250.5","100","0","5"],["43250","200","0","8"]],'
    b'"asks_top400":[["43251","150","0","6"],["43251.5","180","0","7"]],'
    b'"best_bid":"43250.5","best_ask":"43251","mid_price":"43250.75","checksum":0,'
    b'"seqId":987654321,"prevSeqId":-1,"gap_detected":false}\n'
)
GOLDEN_DEEP = (
    b'{"timestamp_utc":"2023-11-14T22:13:20.123Z","exchange":"okx","market":"perp",'
    b'"channel":"books-full","instId":"BTC-USDT-SWAP","from_utc":"2023-11-14T22:13:20.000Z",'
    b'"bids":[["100.0","5","2"],["99","7.5","1"]],"asks":[["101","6","1"],["102.5","1","9"]]}\n'
)


def whole(ts: int, seq: int) -> dict[str, Any]:
    """Return an exchange snapshot: bid 100, ask 101."""
    return message(ts, seq, -1, [level("100", "1")], [level("101", "1")])


def recorder(**options: Any) -> SnapshotWriter:
    return SnapshotWriter(load("okx"), INST, **{"cadence_ms": 2000, "depth": 400, **options})


def times_of(taken: Sequence[BookStep]) -> list[tuple[int, bool]]:
    """Return (ms after TS, gap) of what was written."""
    lines = [one.snapshot for one in taken if one.snapshot]
    return [(line.ts - TS, orjson.loads(line.line)["gap_detected"]) for line in lines]


def parsed(taken: BookStep) -> dict[str, Any]:
    assert taken.snapshot is not None
    found: dict[str, Any] = orjson.loads(taken.snapshot.line)
    return found


# -- the line


def test_snapshot_is_the_line_of_the_data_book():
    """Keys, their order, the numbers and the canonical mid are those of SPEC 9, byte for byte."""
    row = message(
        TS, 987654321, -1,
        [level("43250.5", "100", "5"), level("43250", "200", "8")],
        [level("43251.5", "180", "7"), level("43251", "150", "6")],
    )  # fmt: skip
    taken = recorder().receive("snapshot", row)
    assert taken.snapshot is not None
    assert (taken.snapshot.line, taken.snapshot.ts) == (GOLDEN, TS)


@pytest.mark.parametrize(
    ("bid", "ask", "mid"),
    [
        ("1", "2", "1.5"), ("43250.0", "43252.00", "43251"), ("0.00000074408", "0.00000074409",
        "0.000000744085"), ("99999.9", "100000", "99999.95"), ("0.1", "0.30", "0.2"),
    ],
)  # fmt: skip
def test_mid_is_exact_and_canonical_and_prices_stay_as_they_came(bid: str, ask: str, mid: str):
    """The mid drops trailing zeros and no digit; best_bid and best_ask are the exchange's text."""
    row = message(TS, 1, -1, [level(bid, "1")], [level(ask, "1")])
    line = parsed(recorder().receive("snapshot", row))
    assert (line["best_bid"], line["best_ask"], line["mid_price"]) == (bid, ask, mid)


def test_depth_cuts_both_sides_and_keeps_the_keys():
    """A smaller depth writes fewer levels under the same names; the book behind it stays whole."""
    bids = [level(str(100 - step), "1") for step in range(5)]
    asks = [level(str(101 + step), "1") for step in range(5)]
    kept = recorder(depth=2)
    line = parsed(kept.receive("snapshot", message(TS, 1, -1, bids, asks)))
    assert [bid[0] for bid in line["bids_top400"]] == ["100", "99"]
    assert [ask[0] for ask in line["asks_top400"]] == ["101", "102"]
    again = kept.receive("update", message(TS + 2000, 2, 1, [level("100", "0"), level("99", "0")]))
    assert [bid[0] for bid in parsed(again)["bids_top400"]] == ["98", "97"]


def test_captures_without_a_sequence_say_null():
    """Before seqId existed there is nothing to write there, and nothing is made up."""
    row = whole(TS, 1)
    del row["seqId"], row["prevSeqId"], row["checksum"]
    line = parsed(recorder().receive("snapshot", row))
    assert (line["seqId"], line["prevSeqId"], line["checksum"]) == (None, None, 0)


# -- the recordings


@recordings.each(*recordings.BOOKS)
def test_every_level_of_every_snapshot_equals_a_book_rebuilt_here(recording: Recording):
    """One line at each first message past a 2 s boundary, its levels as the frames give them."""
    kept, plain = recorder(), PlainBook()
    boundary, written = -1, 0
    for action, row in frames(recording.book_file):
        plain.apply(action, row)
        taken = kept.receive(action, row)
        assert (taken.snapshot is not None) == (int(row["ts"]) // 2000 > boundary)
        if taken.snapshot is None:
            continue
        boundary, written = int(row["ts"]) // 2000, written + 1
        line, bids, asks = parsed(taken), plain.top("bids"), plain.top("asks")
        assert line["bids_top400"] == bids
        assert line["asks_top400"] == asks
        assert (line["best_bid"], line["best_ask"]) == (bids[0][0], asks[0][0])
        assert Decimal(line["mid_price"]) == (Decimal(bids[0][0]) + Decimal(asks[0][0])) / 2
        assert line["timestamp_utc"] == times.iso(int(row["ts"]))
        assert [line[key] for key in ("checksum", "seqId", "prevSeqId", "gap_detected")] == [
            row["checksum"], row["seqId"], row["prevSeqId"], False,
        ]  # fmt: skip
    assert written > (70 if recording.root == recordings.MADE else 150)


# -- the cadence


def test_first_consistent_book_at_or_past_each_boundary_is_written():
    """Exchange time decides: 0, the first at or past 2 s, none twice, and none is made up."""
    kept = recorder()
    taken = [kept.receive("snapshot", whole(TS, 1))]
    for seq, ms in enumerate([1999, 2000, 2001, 3900, 4100, 9999, 10_000, 10_500], 2):
        taken.append(kept.receive("update", message(TS + ms, seq, seq - 1)))
    assert times_of(taken) == [
        (0, False),
        (2000, False),
        (4100, False),
        (9999, False),
        (10_000, False),
    ]


def test_first_book_ever_is_written_wherever_it_lies():
    """Nothing of its boundary is on disk, so it is the first at or past it."""
    assert times_of([recorder().receive("snapshot", whole(TS + 777, 1))]) == [(777, False)]


def test_boundaries_go_on_from_the_last_regular_line_after_a_restart():
    """A restart within the two seconds writes no second line for them; a gap line used none up."""
    kept = recorder(newest_ts=TS + 1500, newest_regular_ts=TS + 100)
    assert times_of([kept.receive("snapshot", whole(TS + 1900, 1))]) == []
    assert times_of([kept.receive("update", message(TS + 2000, 2, 1))]) == [(2000, False)]
    after_gap = recorder(newest_ts=TS + 2100, newest_regular_ts=TS + 100)
    assert times_of([after_gap.receive("snapshot", whole(TS + 2100, 1))]) == []
    assert times_of([after_gap.receive("update", message(TS + 2101, 2, 1))]) == [(2101, False)]


def test_time_that_stands_or_runs_back_writes_nothing():
    """Lines strictly increase in time whatever the exchange's clock does."""
    kept = recorder()
    taken = [kept.receive("snapshot", whole(TS + 5000, 1))]
    for seq, ms in enumerate([4000, 5000, 1000, 6000, 5999], 2):
        taken.append(kept.receive("update", message(TS + ms, seq, seq - 1)))
    assert times_of(taken) == [(5000, False), (6000, False)]


def test_heartbeat_shows_the_same_book_at_a_later_time():
    """An empty message past a boundary is a message of a consistent book: its line says so."""
    kept = recorder()
    kept.receive("snapshot", whole(TS, 7))
    line = parsed(kept.receive("update", message(TS + 60_000, 7, 7)))
    assert (line["timestamp_utc"], line["best_bid"]) == (times.iso(TS + 60_000), "100")


def test_one_sided_book_is_not_written_and_is_no_break():
    """Its boundary waits for the first book with two sides."""
    kept = recorder()
    taken = [kept.receive("snapshot", whole(TS, 1))]
    taken.append(kept.receive("update", message(TS + 2000, 2, 1, asks=[level("101", "0")])))
    taken.append(kept.receive("update", message(TS + 2500, 3, 2, asks=[level("102", "4")])))
    assert times_of(taken) == [(0, False), (2500, False)]
    assert not any(one.broken for one in taken)


# -- what breaks a book


def test_broken_sequence_writes_the_last_book_at_the_time_that_showed_it():
    """The line before the break is marked; nothing follows until a new snapshot has come."""
    kept = recorder()
    taken = [
        kept.receive("snapshot", whole(TS, 1)),
        kept.receive("update", message(TS + 100, 2, 1, [level("99", "3")])),
        kept.receive("update", message(TS + 2300, 9, 8, [level("98", "3")])),
        kept.receive("update", message(TS + 4400, 10, 9)),
        kept.receive("snapshot", whole(TS + 4500, 20)),
    ]
    assert times_of(taken) == [(0, False), (2300, True), (4500, False)]
    line = parsed(taken[2])
    assert line["bids_top400"] == [level("100", "1"), level("99", "3")]
    assert (line["seqId"], line["prevSeqId"]) == (2, 1)
    assert [one.broken for one in taken] == ["", "", "prevSeqId 8 after seqId 2", "", ""]


def test_gap_line_does_not_use_up_a_boundary():
    """The boundary that the break fell into is still written once the book is back."""
    kept = recorder()
    taken = [
        kept.receive("snapshot", whole(TS, 1)),
        kept.receive("update", message(TS + 2300, 9, 8)),
        kept.receive("snapshot", whole(TS + 2400, 20)),
    ]
    assert times_of(taken) == [(0, False), (2300, True), (2400, False)]


def test_gap_line_comes_at_least_a_millisecond_after_the_line_before():
    """A break shown at the very time of the newest line, or before it, still gets its own time."""
    kept = recorder()
    taken = [
        kept.receive("snapshot", whole(TS, 1)),
        kept.receive("update", message(TS - 50, 9, 8)),
        kept.receive("snapshot", whole(TS + 1, 20)),
        kept.receive("update", message(TS + 1, 30, 29)),
    ]
    assert times_of(taken) == [(0, False), (1, True), (2, True)]


def test_lost_connection_is_a_break_a_millisecond_after_the_last_message():
    """The time of a loss is the last ts + 1 ms: no clock of ours decides it."""
    kept = recorder()
    taken = [
        kept.receive("snapshot", whole(TS, 1)),
        kept.receive("update", message(TS + 900, 2, 1)),
        kept.lose(),
        kept.lose(),
        kept.receive("snapshot", whole(TS + 2000, 20)),
    ]
    assert times_of(taken) == [(0, False), (901, True), (2000, False)]


def test_crossed_book_writes_the_consistent_one_before_it():
    """A best bid at the best ask: the line shows the book before that message."""
    kept = recorder()
    kept.receive("snapshot", whole(TS, 1))
    crossing = kept.receive("update", message(TS + 500, 2, 1, [level("101", "1")]))
    line = parsed(crossing)
    assert (line["best_bid"], line["gap_detected"], crossing.broken[:7]) == ("100", True, "crossed")
    assert line["timestamp_utc"] == times.iso(TS + 500)


def test_break_of_a_one_sided_book_shows_the_last_with_two_sides():
    """The last consistent book is older than the last message, and is the one written."""
    kept = recorder()
    kept.receive("snapshot", whole(TS, 1))
    kept.receive("update", message(TS + 100, 2, 1, asks=[level("101", "0")]))
    line = parsed(kept.lose())
    assert (line["asks_top400"], line["timestamp_utc"]) == (
        [level("101", "1")],
        times.iso(TS + 101),
    )


def test_book_that_was_never_consistent_leaves_no_line():
    """Without a consistent book since the exchange's snapshot a break has nothing to show."""
    kept = recorder()
    kept.receive("snapshot", message(TS, 1, -1, [level("100", "1")]))
    broken = kept.receive("update", message(TS + 1, 9, 8))
    assert (broken.snapshot, broken.broken) == (None, "prevSeqId 8 after seqId 1")
    kept.receive("snapshot", message(TS + 2, 20, -1, [level("100", "1")]))
    assert kept.lose().snapshot is None


def test_crossed_snapshot_is_refused_while_waiting():
    """A whole book that is crossed is no start; the caller asks again, later."""
    kept = recorder()
    row = message(TS, 1, -1, [level("101", "1")], [level("101", "1")])
    assert kept.receive("snapshot", row) == BookStep(
        rejected="crossed book: best bid 101, best ask 101"
    )


def test_lower_reset_is_no_break():
    """The exchange may begin its sequence anew; the caller is told to ask for a whole book."""
    kept = recorder()
    kept.receive("snapshot", whole(TS, 10))
    taken = kept.receive("update", message(TS + 2000, 3, 10))
    assert (times_of([taken]), taken.reset, taken.broken) == ([(2000, False)], True, "")


def test_malformed_message_is_a_break_and_names_the_field():
    """What it changed is unknown, so the book is unknown."""
    kept = recorder()
    kept.receive("snapshot", whole(TS, 1))
    taken = kept.receive("update", {"ts": str(TS + 40), "bids": []})
    assert times_of([taken]) == [(40, True)]
    assert taken.broken == "BUILD_FAIL: Missing required fields: asks"


# -- two connections


def test_second_connection_takes_over_with_its_snapshot():
    """Its whole book replaces the first one's; what the first still brings is passed over."""
    kept = recorder()
    taken = [
        kept.receive("snapshot", whole(TS, 1), 1),
        kept.receive("update", message(TS + 100, 6, 5), 2),  # before its snapshot: not yet
        kept.receive("update", message(TS + 200, 2, 1), 1),
        kept.receive("snapshot", whole(TS + 300, 3), 2),
        kept.receive("update", message(TS + 300, 3, 2), 1),
        kept.receive("update", message(TS + 2000, 4, 3), 2),
        kept.lose(1),
    ]
    assert times_of(taken) == [(0, False), (2000, False)]
    assert not any(one.broken for one in taken)
    assert kept.superseded == 2
    assert times_of([kept.lose(2)]) == [(2001, True)]


def test_first_connection_lost_too_early_is_a_break():
    """If it goes before the second one's snapshot the book is unknown, and comes back with that."""
    kept = recorder()
    taken = [
        kept.receive("snapshot", whole(TS, 1), 1),
        kept.lose(1),
        kept.receive("snapshot", whole(TS + 2000, 9), 2),
    ]
    assert times_of(taken) == [(0, False), (1, True), (2000, False)]


def test_deep_line_is_that_of_the_data_book():
    """Keys, their order and three items a level; prices and sizes as they came."""
    book = DeepBook(
        TS + 123,
        [["100.0", "5", "2"], ["99", "7.5", "1"]],
        [["101", "6", "1"], ["102.5", "1", "9"]],
    )
    assert encode_deep(load("okx"), INST, book, TS) == GOLDEN_DEEP
