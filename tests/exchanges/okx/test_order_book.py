"""The order book: what it accepts, what breaks it, and what OKX itself says of real frames."""

import gzip
import tracemalloc
import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from ravequant import exact
from ravequant.exchanges.base import BookCounts, BookState, Broken, Dropped, price_of
from ravequant.exchanges.okx.order_book import OkxOrderBook, checksum
from tests.support import recordings
from tests.support.plain_book import level, message
from tests.support.recordings import Recording

TS = 1_700_000_000_000


def row(seq: int, prev: int, bids: list[Any] = (), asks: list[Any] = (), **more: Any) -> Any:  # type: ignore[assignment]
    return message(TS + seq, seq, prev, bids, asks) | more


def opened() -> OkxOrderBook:
    """Return a book with bids 100 and 99, asks 101 and 102, at seqId 10."""
    book = OkxOrderBook()
    first = row(
        10, -1, [level("100", "5"), level("99", "7")], [level("101", "6"), level("102", "1")]
    )
    assert isinstance(book.receive("snapshot", first), BookState)
    return book


def bids(book: OkxOrderBook) -> list[tuple[str, str]]:
    assert book.state is not None
    fields = [one.split(",") for one in book.state.top_bids(400)]
    return [(price, size) for price, size, _, _ in fields]


def frames(path: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    with gzip.open(path) as lines:
        for line in lines:
            frame = orjson.loads(line)["frame"]
            if "action" in frame:
                for data in frame["data"]:
                    yield frame["arg"]["instId"], frame["action"], data


@pytest.mark.parametrize(
    ("name", "messages", "unknown_deletes"),
    [("okx_2022-05-13_books", 290, 953), ("okx_2022-02-27_books-l2-tbt", 3679, None)],
)
def test_real_frames_without_a_sequence_verify_against_their_own_checksums(
    shared_data: Path, name: str, messages: int, unknown_deletes: int | None
):
    """Every frame of OKX's own, from before seqId existed, gives the checksum that came with it."""
    books: dict[str, OkxOrderBook] = {}
    for inst_id, action, data in frames(shared_data / "okx_frames" / f"{name}.frames.jsonl.gz"):
        outcome = books.setdefault(inst_id, OkxOrderBook()).receive(action, data)
        assert isinstance(outcome, BookState)
        assert checksum(outcome) == data["checksum"]
        assert outcome.seq_id is None
    counts = [book.counts for book in books.values()]
    assert sum(count.checksums for count in counts) == messages
    assert sum(count.checksum_mismatches for count in counts) == 0
    if unknown_deletes is not None:
        assert sum(count.unknown_deletes for count in counts) == unknown_deletes


@recordings.each(*recordings.BOOKS)
def test_recorded_books_never_break(recording: Recording):
    """Hours of recorded frames form one unbroken chain, and each of their checksums is right."""
    book, messages = OkxOrderBook(), 0
    for _, action, data in frames(recording.book_file):
        assert isinstance(book.receive(action, data), BookState)
        messages += 1
    assert book.counts.checksums == messages
    assert (book.counts.snapshots, book.counts.breaks, book.counts.rejected) == (1, 0, 0)


def test_checksum_takes_turns_between_bids_and_asks():
    """OKX's own vector: bid and ask take turns, a side that has run out is skipped."""
    book = OkxOrderBook()
    book.receive(
        "snapshot",
        row(
            1,
            -1,
            [level("3366.1", "7"), level("3366", "6")],
            [level("3366.8", "9"), level("3368", "8")],
        ),
    )
    assert book.state is not None
    assert checksum(book.state) == -1881014294
    book.receive("update", row(2, 1, asks=[level("3368", "0")]))
    assert checksum(book.state) % (1 << 32) == zlib.crc32(b"3366.1:7:3366.8:9:3366:6")
    book.receive("update", row(3, 2, [level("3366", "0")], [level("3368", "8")]))
    assert checksum(book.state) % (1 << 32) == zlib.crc32(b"3366.1:7:3366.8:9:3368:8")


def test_wrong_checksum_is_counted_and_stops_nothing():
    """A mismatch, even of every message, leaves the book alive; 0 and absent are not verified."""
    book = opened()
    assert isinstance(
        book.receive("update", row(11, 10, [level("98", "1")], checksum=5)), BookState
    )
    assert isinstance(
        book.receive("update", row(12, 11, [level("97", "1")], checksum="x")), BookState
    )
    without = row(13, 12, [level("96", "1")])
    del without["checksum"]
    assert isinstance(book.receive("update", without), BookState)
    assert (book.counts.checksums, book.counts.checksum_mismatches) == (0, 1)


def test_sizes_are_absolute_and_zero_deletes():
    """A level's size replaces the one before; zero in any spelling takes the level away."""
    book = opened()
    book.receive("update", row(11, 10, [level("100", "2.5"), level("99", "0.00", "0")]))
    assert bids(book) == [("100", "2.5")]


def test_a_price_is_one_level_however_it_is_spelled():
    """43250 and 43250.0 are the same price; the newest spelling stays as it came."""
    book = opened()
    book.receive("update", row(11, 10, [level("100.0", "3"), level("99.00", "0")]))
    assert bids(book) == [("100.0", "3")]


def test_prices_sort_as_numbers():
    """9.9 lies below 10 and 10.15 above 10.2 never, whatever their text looks like."""
    book = OkxOrderBook()
    prices = ["9.9", "10", "10.2", "10.15", "0.00000074408", "9"]
    asks = [level("11", "1"), level("100.5", "1"), level("20.25", "1")]
    book.receive("snapshot", row(1, -1, [level(price, "1") for price in prices], asks))
    assert [price for price, _ in bids(book)] == sorted(prices, key=Decimal, reverse=True)
    assert book.state is not None
    assert [price_of(ask) for ask in book.state.top_asks(2)] == ["11", "20.25"]


def test_deleting_an_unknown_level_is_normal():
    """A delete for a price that is not in the book is counted and changes nothing."""
    book = opened()
    assert isinstance(book.receive("update", row(11, 10, [level("42", "0", "0")])), BookState)
    assert book.counts.unknown_deletes == 1
    assert bids(book) == [("100", "5"), ("99", "7")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"prevSeqId": 9}, "prevSeqId 9 after seqId 10"),
        ({"prevSeqId": 11}, "prevSeqId 11 after seqId 10"),
        ({"prevSeqId": 0}, "prevSeqId 0 after seqId 10"),
        ({"prevSeqId": -1}, "prevSeqId -1 after seqId 10"),
        ({"prevSeqId": None}, "prevSeqId None after seqId 10"),
    ],
)
def test_chain_is_checked_before_a_message_is_applied(change: dict[str, Any], reason: str):
    """An update that does not follow breaks the book; nothing of it is applied anywhere."""
    book = opened()
    before = book.state
    assert before is not None
    kept = before.top_bids(400), before.top_asks(400)
    outcome = book.receive("update", row(20, 10, [level("100", "0")]) | change)
    assert outcome == Broken(reason, TS + 20)
    assert not book.live
    assert (before.top_bids(400), before.top_asks(400)) == kept


@pytest.mark.parametrize("fields", [["seqId"], ["prevSeqId"], ["seqId", "prevSeqId"]])
def test_missing_sequence_breaks_a_chain_that_had_one(fields: list[str]):
    """A missing id is not 0 and not -1: nobody knows whether the message follows."""
    book = opened()
    message = row(11, 10, [level("98", "1")])
    for field in fields:
        del message[field]
    assert book.receive("update", message) == Broken(
        f"BUILD_FAIL: Missing required fields: {', '.join(fields)}", TS + 11
    )


def test_sequence_that_begins_in_the_middle_is_no_chain():
    """Messages of an old capture follow without ids; one that suddenly has some is not trusted."""
    book, rows = OkxOrderBook(), [row(1, -1, [level("1", "1")], [level("3", "1")])]
    rows.append(row(2, 1, [level("2", "1")]))
    for one in rows:
        del one["seqId"], one["prevSeqId"]
    book.receive("snapshot", rows[0])
    assert isinstance(book.receive("update", rows[1]), BookState)
    assert bids(book) == [("2", "1"), ("1", "1")]
    assert book.receive("update", row(9, 8)) == Broken(
        "prevSeqId came after a message without seqId", TS + 9
    )


def test_broken_book_waits_for_a_snapshot():
    """After a break late updates of the old chain are dropped; only a snapshot brings it back."""
    book = opened()
    book.receive("update", row(30, 29))
    assert book.receive("update", row(11, 10, [level("98", "1")])) == Dropped()
    assert book.receive("update", row(31, 30)) == Dropped()
    assert isinstance(book.receive("snapshot", row(40, -1, [level("90", "1")])), BookState)
    assert bids(book) == [("90", "1")]
    assert (book.counts.breaks, book.counts.dropped, book.counts.snapshots) == (1, 2, 2)


def test_heartbeat_keeps_the_book_and_moves_its_time():
    """An empty message with seqId equal to prevSeqId says that nothing has changed."""
    book = opened()
    outcome = book.receive("update", row(10, 10, ts=str(TS + 60_000)))
    assert isinstance(outcome, BookState)
    assert (outcome.ts, outcome.reset, book.counts.heartbeats) == (TS + 60_000, False, 1)
    assert bids(book) == [("100", "5"), ("99", "7")]


def test_lower_reset_is_legal_and_later_messages_chain_from_it():
    """A seqId below prevSeqId is applied, said, and the chain goes on from the lower value."""
    book = opened()
    outcome = book.receive("update", row(3, 10, [level("98", "1")]))
    assert isinstance(outcome, BookState)
    assert outcome.reset
    assert isinstance(book.receive("update", row(5, 3, [level("97", "1")])), BookState)
    assert [price for price, _ in bids(book)] == ["100", "99", "98", "97"]
    assert book.counts.resets == 1
    assert isinstance(book.receive("update", row(12, 11)), Broken)


def test_snapshot_replaces_a_live_book():
    """A later snapshot is no break: it replaces both sides, and is no reset of the sequence."""
    book = opened()
    outcome = book.receive("snapshot", row(5, -1, [level("80", "1")], [level("81", "1")]))
    assert isinstance(outcome, BookState)
    assert not outcome.reset
    assert bids(book) == [("80", "1")]
    assert book.counts.snapshots == 2


@pytest.mark.parametrize("price", ["101", "101.5"])
def test_crossed_book_breaks(price: str):
    """A best bid at or above the best ask is a break; the state before stays what it was."""
    book = opened()
    before = book.state
    assert before is not None
    outcome = book.receive("update", row(11, 10, [level(price, "1")]))
    assert outcome == Broken(f"crossed book: best bid {price}, best ask 101", TS + 11)
    assert before.consistent
    assert before.top_bids(1) == ["100,5,0,1"]


def test_crossing_within_one_message_is_no_crossing():
    """A message is applied whole: the ask that the new bid meets may leave in the same one."""
    book = opened()
    outcome = book.receive("update", row(11, 10, [level("101", "1")], [level("101", "0", "0")]))
    assert isinstance(outcome, BookState)
    assert outcome.consistent


def test_empty_side_is_not_consistent_and_no_break():
    """A book without asks lives on but is no book to show."""
    book = opened()
    outcome = book.receive("update", row(11, 10, asks=[level("101", "0"), level("102", "0")]))
    assert isinstance(outcome, BookState)
    assert (outcome.consistent, outcome.crossed, book.live) == (False, False, True)
    assert (outcome.best_bid, outcome.best_ask) == (100 * exact.PRICE_ONE, 0)
    outcome = book.receive("snapshot", row(12, -1))
    assert isinstance(outcome, BookState)
    assert (outcome.best_bid, outcome.best_ask) == (0, 0)


@pytest.mark.parametrize(
    "bad",
    [
        ["98", "1", "0"], ["98", 1, "0", "1"], [98.5, "1", "0", "1"], ["98", "1", "0", 1],
        ["98", "-1", "0", "1"], ["1e2", "1", "0", "1"], ["98", "1e2", "0", "1"],
        ["98", "NaN", "0", "1"], ["098", "1", "0", "1"], [".5", "1", "0", "1"],
        ["98,1", "1", "0", "1"], ["98,1", "0", "1"], ["98,1,0,1"],
        ["0", "1", "0", "1"], ["0.00", "1", "0", "1"],
        ["98", "1", "0", ""], ["98", "1", None, "1"], ["98", "1.12345678901", "0", "1"],
        "1111", None, {"98": 1, "1": 1, "0": 1, "2": 1}, [],
    ],
)  # fmt: skip
@pytest.mark.parametrize("side", ["bids", "asks"])
def test_malformed_level_never_leaves_half_a_message(bad: Any, side: str):
    """A message with one bad level is not applied at all: the book is unknown from there on."""
    book = opened()
    before = book.state
    assert before is not None
    kept = before.top_bids(400), before.top_asks(400)
    outcome = book.receive("update", row(11, 10) | {side: [level("95", "9"), bad]})
    assert isinstance(outcome, Broken)
    assert outcome.ts == TS + 11
    assert (before.top_bids(400), before.top_asks(400)) == kept
    assert book.counts.rejected == 1


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (7, "a book row is a JSON object, not int"),
        ({"asks": []}, "BUILD_FAIL: Missing required fields: bids, ts"),
        (row(11, 10) | {"ts": 5}, "ts: 5 is not a whole number in a string"),
        (row(11, 10) | {"ts": "5"}, "ts: 5 is not a time in Unix milliseconds"),
        (row(11, 10) | {"bids": {}}, "a side is a list of levels, not dict"),
        (row(11, 10) | {"prevSeqId": "10"}, "prevSeqId: '10' is not a whole number"),
        (row(11, 10) | {"seqId": True}, "seqId: True is not a whole number"),
        (row(11, 10, [level("0.0", "1")]), "price: '0.0' is not above zero"),
        (
            row(11, 10, [["98", "x", "0", "1"]]),
            "a level is [price, size, number, orders] in strings, not ['98', 'x', '0', '1']",
        ),
    ],
)
def test_malformed_message_breaks_the_book_and_says_why(message: Any, reason: str):
    """What cannot be read may have changed anything; while waiting it is only rejected."""
    book = opened()
    assert book.receive("update", message) == Broken(reason, _ts(message))
    waiting = OkxOrderBook()
    assert waiting.receive("snapshot", message) == Dropped(reason) or "Seq" in reason
    assert not waiting.live or "Seq" in reason


def _ts(message: Any) -> int | None:
    value = message.get("ts") if isinstance(message, dict) else None
    return int(value) if isinstance(value, str) and len(value) == 13 else None


def test_messages_are_counted_by_kind():
    """Each twice; a change of one side alone is an update, and the checksum of a book counts."""
    book = opened()
    for seq, wrong in ((11, 7), (13, 8)):
        book.receive("update", row(seq, seq - 1, [level("98", "1")], checksum=wrong))
        book.receive("update", row(seq + 1, seq, asks=[level("103", "1")]))
    book.receive("update", row(14, 14))
    book.receive("update", row(14, 14))
    assert book.counts == BookCounts(snapshots=1, updates=4, heartbeats=2, checksum_mismatches=2)
    book.receive("update", row(15, 14, [level("42", "0"), level("43", "0")]))
    book.receive("update", row(3, 15))
    book.receive("update", row(2, 3, asks=[level("103", "2")]))
    assert book.state is not None
    for seq in (4, 5):
        right = checksum(book.state)
        book.receive("update", row(seq, 2 if seq == 4 else 4, checksum=right))
    for _ in range(2):
        book.receive("update", 7)
        book.receive("update", 7)
        book.receive("snapshot", row(20, -1, [level("90", "1")]))
    assert book.counts == BookCounts(
        snapshots=3, updates=6, heartbeats=5, resets=2, breaks=2, dropped=2, rejected=4,
        unknown_deletes=2, checksums=2, checksum_mismatches=2,
    )  # fmt: skip


def test_other_actions_are_refused():
    """A frame without action, as books5 sends it, is not taken for an update."""
    assert opened().receive("", row(11, 10)) == Broken(
        "action: '' is neither snapshot nor update", TS + 11
    )


def test_what_the_exchange_adds_is_left_out():
    """Unknown fields and a fifth item of a level change nothing of what is kept."""
    book = opened()
    book.receive("update", row(11, 10, [[*level("98", "1"), "new"]], colour="blue"))
    assert book.state is not None
    assert book.state.top_bids(3)[2] == "98,1,0,1"


def test_losing_the_connection_forgets_the_book_once():
    """A lost connection breaks a live book; one that waits already has nothing to lose."""
    book = opened()
    assert book.lose("connection lost") == Broken("connection lost", None)
    assert book.lose("connection lost") == Dropped("connection lost")


def test_many_prices_do_not_pile_up():
    """A book that wanders over very many prices keeps right and forgets the old ones."""
    book, seq = opened(), 10
    for step in range(6000):
        changes = [
            level(f"{50 + step % 40}.{step:04}", "1"),
            level(f"{50 + (step - 1) % 40}.{step - 1:04}", "0"),
        ]
        book.receive("update", row(seq + 1, seq, changes if step else changes[:1]))
        seq += 1
    assert len(bids(book)) == 3
    assert len(book._known) <= 600


def test_forgetting_prices_leaves_those_of_the_book_known():
    """Prices that left the book go; those that stand in it are never looked up anew."""
    book = opened()
    for seq in range(10, 1210):
        change = [level(f"50.{seq // 2}", str((seq + 1) % 2))]  # comes, goes
        book.receive("update", row(seq + 1, seq, change))
    assert bids(book) == [("100", "5"), ("99", "7")]
    assert book._known.keys() >= {"100", "99", "101", "102"}


def test_a_book_takes_little_memory():
    """400 levels a side, as they come from the socket, are held in less than 250 KB.

    What the first book of a process leaves behind, as the numbers it has met, is no part of it.
    """
    sides = [
        [level(f"{at / 10:.1f}", f"{at}.25") for at in range(low, low + 400)] for low in (500, 1000)
    ]
    sent = orjson.dumps(row(1, -1, *sides))
    OkxOrderBook().receive("snapshot", orjson.loads(sent))
    book = OkxOrderBook()
    tracemalloc.start()
    try:
        book.receive("snapshot", orjson.loads(sent))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(bids(book)) == 400
    assert held < 250_000
