"""Streams with every fault in them, at random: no torn line, gaps exactly where SPEC 9 says."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from L2_Bot.snapshot_writer import SnapshotWriter
from ravequant import times
from ravequant.exchanges import load
from tests.support.examples import often
from tests.support.plain_book import Message, PlainBook, Sides, level, lines_of, message

TS = 1_700_000_000_000  # a 2 s boundary

Ids = tuple[int, int]  # seqId and prevSeqId; after a reset the same may come again


@dataclass
class Stream:
    """Messages with faults in them, and the true book after each sequence id."""

    messages: list[Message | None] = field(default_factory=list)  # None: the connection is lost
    truth: dict[Ids, list[Sides]] = field(default_factory=lambda: defaultdict(list))


PRICES = st.integers(1, 40)
SIZES = st.sampled_from(["0", "1", "2.5", "10", "0.0"])


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Draw a valid stream of one instrument and put faults into it."""
    made, plain = Stream(), PlainBook()
    ts, seq = TS + draw(st.integers(0, 3000)), draw(st.integers(100, 200))
    fresh = True
    for _ in range(draw(st.integers(1, 25))):
        ts += draw(st.sampled_from([0, 1, 100, 700, 2000, 2500, 61_000, -30]))
        fault = draw(st.sampled_from(FAULTS))
        if fresh or fault == "again":
            mid, prev, action, seq = draw(st.integers(15, 25)), -1, "snapshot", seq + 1
            row = message(ts, seq, prev, _side(draw, 1, mid), _side(draw, mid + 1, 40))
        elif fault == "heartbeat":
            action, prev = "update", seq
            row = message(ts, seq, prev)
        else:
            action, prev = "update", seq
            seq = (
                seq - draw(st.integers(1, 50))
                if fault == "reset"
                else seq + draw(st.integers(1, 9))
            )
            bids, asks = _changes(draw, plain)
            row = message(ts, seq, prev, bids, asks)
        plain.apply(action, row)
        made.truth[seq, prev].append((plain.top("bids"), plain.top("asks")))
        _emit(made, action, row, fault, draw)
        fresh = fault in ("lost", "crossed")
        if fault == "lost":
            made.messages.append(None)
        seq += 1000 * fresh
    return made


FAULTS = (
    "", "", "", "", "again", "heartbeat", "reset", "gap", "duplicate", "reorder", "no prevSeqId",
    "no ts", "bad level", "lost", "crossed",
)  # fmt: skip


def _side(draw: st.DrawFn, low: int, high: int) -> list[list[str]]:
    prices = draw(st.lists(st.integers(low, high), max_size=6, unique=True))
    return [level(str(price), draw(st.sampled_from(["1", "3.5", "20"]))) for price in prices]


def _changes(draw: st.DrawFn, plain: PlainBook) -> tuple[list[list[str]], list[list[str]]]:
    """Draw changes on both sides of a mid price, now and then of levels that do not exist."""
    mid = draw(st.integers(15, 25))
    bids = [
        level(str(draw(st.integers(1, mid))), draw(SIZES)) for _ in range(draw(st.integers(0, 4)))
    ]
    asks = [
        level(str(draw(st.integers(mid + 1, 40))), draw(SIZES))
        for _ in range(draw(st.integers(0, 4)))
    ]
    bids += [level(str(price), "0") for price in plain.sides["bids"] if price > mid]
    asks += [level(str(price), "0") for price in plain.sides["asks"] if price <= mid]
    return bids, asks


def _emit(made: Stream, action: str, row: dict[str, Any], fault: str, draw: st.DrawFn) -> None:
    if fault == "gap" and action == "update":
        return
    sent = dict(row)
    if fault == "no prevSeqId" and action == "update":
        del sent["prevSeqId"]
    elif fault == "no ts":
        del sent["ts"]
    elif fault == "bad level":
        sent["bids"] = [*sent["bids"], ["1", "1e5", "0", "1"]]
    elif fault == "crossed":
        sent["bids"] = [*sent["bids"], level("41", "1")]
        sent["asks"] = [*sent["asks"], level("40", "1")]
    made.messages.append((action, sent))
    if fault == "duplicate":
        made.messages.append((action, sent))
    if fault == "reorder" and len(made.messages) > 1:
        made.messages[-2:] = made.messages[-1:] + made.messages[-2:-1]


@settings(max_examples=often(140, 400))
@given(streams(), st.sampled_from([1, 500, 2000]))
def test_no_line_is_torn_and_gaps_stand_exactly_where_they_belong(stream: Stream, cadence: int):
    """Whatever goes wrong, each line is one true book, in time, and marked as SPEC 9 says."""
    kept = SnapshotWriter(load("okx"), "BTC-USDT-SWAP", cadence_ms=cadence, depth=400)
    taken = [kept.lose() if one is None else kept.receive(*one) for one in stream.messages]
    lines = [orjson.loads(one.snapshot.line) for one in taken if one.snapshot]
    for line in lines:
        true_books = stream.truth[line["seqId"], line["prevSeqId"]]
        assert (line["bids_top400"], line["asks_top400"]) in true_books
    moments = [times.parse_iso(line["timestamp_utc"]) for line in lines]
    assert moments == sorted(set(moments))
    assert lines_of(stream.messages, cadence) == [
        (moment, line["gap_detected"], line["seqId"])
        for moment, line in zip(moments, lines, strict=True)
    ]
