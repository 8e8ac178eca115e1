"""Snapshot lines to columns: two ways in, one result and one acceptance."""

import random
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ravequant import exact
from ravequant.books.snapshot_reader import DeepReader, SnapshotReader
from tests.support import book_lines
from tests.support.examples import often

BTC = "BTC-USDT-SWAP"
START = 1_765_748_096_000


class Queue:
    """Deep lines from memory."""

    def __init__(self, *lines: bytes) -> None:
        self.lines = list(lines)
        self.log: list[str | None] = []

    def peek(self) -> bytes | None:
        return self.lines[0] if self.lines else None

    def take(self) -> None:
        self.lines.pop(0)

    def skip(self, reason: str | None) -> None:
        self.lines.pop(0)
        self.log.append(reason)


class OddOnly(SnapshotReader):
    """Takes the way through orjson for every line."""

    def _outline(self, *_: Any) -> None:
        return None


class OddDeepOnly(DeepReader):
    """Takes the way through orjson for every deep line."""

    def _fast(self, *_: Any) -> None:
        return None


def shown(levels: Any, side: int) -> list[tuple[int, int]]:
    """Return (price, size) of a side in the units of ``exact``."""
    rows = slice(int(levels.starts[side]), int(levels.starts[side + 1]))
    price_unit = 10 ** (exact.PRICE_PLACES - levels.price_places)
    qty_unit = 10 ** (exact.SIZE_PLACES - levels.qty_places)
    return [
        (price * price_unit, qty * qty_unit)
        for price, qty in zip(levels.price[rows].tolist(), levels.qty[rows].tolist(), strict=True)
    ]


def read(kind: type[SnapshotReader], block: bytes) -> tuple[list[Any], list[int], dict[str, int]]:
    rejected: list[int] = []
    reader = kind(BTC, Queue(), lambda offset, _: rejected.append(offset))
    found = []
    for batch in reader.read(block):
        for number, head in enumerate(batch.heads):
            facts = head.ts, head.twice_mid, head.gap_detected, head.entries
            found.append((facts, *(shown(batch.levels, 2 * number + side) for side in (0, 1))))
    return found, rejected, reader.counts()


def level(price: str, qty: str) -> list[str]:
    return [price, qty, "0", "3"]


def line(ts: int = START, **changes: Any) -> bytes:
    row = book_lines.snapshot(
        ts,
        [level("101250", "45"), level("101249.5", "0.25"), level("101200", "2500")],
        [level("101250.5", "7.5"), level("101251", "45"), level("101300.1", "100")],
    )
    return book_lines.lines([{**row, **changes}])


def agree(block: bytes) -> tuple[list[Any], list[int], dict[str, int]]:
    fast, odd = read(SnapshotReader, block), read(OddOnly, block)
    assert fast == odd
    return fast


def test_a_line_becomes_exact_columns():
    """Bids fall and asks rise, in integers; the mid is kept doubled, so half a tick is whole."""
    found, rejected, counts = agree(line())
    facts, bids, asks = found[0]
    one = exact.PRICE_ONE
    assert facts == (START, 2025005 * one // 10, False, (3, 3))
    assert [price * 10 // one for price, _ in bids] == [1012500, 1012495, 1012000]
    assert [price * 10 // one for price, _ in asks] == [1012505, 1012510, 1013001]
    assert [qty * 100 // exact.SIZE_ONE for _, qty in bids] == [4500, 25, 250000]
    assert not rejected
    assert (counts["lines"], counts["malformed"]) == (1, 0)


ODD = (
    "", "0", "0.0", ".5", "5.", "1..2", "01", "00.1", "1e3", "-1", "+1", " 1", "1 ", "1,5",
         "NaN", "1_000", "0x10", "٣", "1\u00a0", "/", ":", "1.2.3", "12345678.", ".12345678",
         "1234567.8", "123456789012345.6", "0.00000000001", "0.100000000000",
         "99999999999999999999",
    "1.2345678.1", "1.23456789.12345", "12345678.1234567", ".123456789", "123456789.", "0123456789",
)  # fmt: skip


def numbers() -> st.SearchStrategy[str]:
    plain = st.from_regex(r"(0|[1-9][0-9]{0,12})(\.[0-9]{1,12})?", fullmatch=True)
    wide = st.from_regex(r"[1-9][0-9]{14,21}(\.[0-9]{1,31})?", fullmatch=True)
    return plain | wide | st.sampled_from(ODD)


@pytest.mark.parametrize("text", ODD)
def test_a_number_is_judged_alike_wherever_it_stands(text):
    """Alone in a line as it should be, as a price and as a size: one verdict by both ways in."""
    for odd in (level(text, "1"), level("9", text), level(text, text)):
        found, _, counts = agree(line(bids_top400=[odd, level("0.000001", "2")]))
        assert len(found[0][1]) + counts["malformed"] == 2


sides = st.lists(st.tuples(numbers(), numbers()), min_size=1, max_size=5)


@settings(max_examples=often(140, 400))
@given(sides, sides)
@example([("1", "1"), ("1.0", "2")], [("2", "1")])
@example([("1", "1"), ("2", "1")], [("2", "1"), ("1", "1")])
def test_any_numbers_are_read_alike_both_ways(bids, asks):
    """Wide, tiny, malformed, unordered and repeated prices: the fast way changes nothing."""
    block = line() + line(START + 1, bids_top400=[level(*x) for x in bids],
                          asks_top400=[level(*x) for x in asks]) + line(START + 2)  # fmt: skip
    found, _, counts = agree(block)
    assert len(found) == 3
    kept = sum(len(side) for side in found[1][1:])
    assert kept + counts["malformed"] == len(bids) + len(asks)


@settings(max_examples=often(200, 600), suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.integers(1, 4))
def test_any_damaged_byte_is_judged_alike_both_ways(seed, wounds):
    """Bytes changed, put in or taken out anywhere: same lines, same numbers, same counts."""
    chance = random.Random(seed)
    block = bytearray(b"".join(line(START + n) for n in range(3)))
    for _ in range(wounds):
        at = chance.randrange(len(block))
        byte = chance.choice(b'0123456789."[]{},:\\ \t\r\n\0\x80\xffabu-+eE/;<>"')
        chance.choice((block.__setitem__, block.insert, lambda i, _: block.pop(i)))(at, byte)
    data = bytes(block)
    agree(data[: data.rfind(b"\n") + 1] or b"\n")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exchange": "okex"}, "exchange: 'okex' is not 'okx'"),
        ({"market": "spot"}, "market: 'spot' is not 'perp'"),
        ({"channel": "books5"}, "channel: 'books5' is not 'books'"),
        ({"instId": "ETH-USDT-SWAP"}, "instId: 'ETH-USDT-SWAP' is not 'BTC-USDT-SWAP'"),
        (
            {"timestamp_utc": "2025-12-14T21:34:56Z"},
            "timestamp_utc: '2025-12-14T21:34:56Z' is not like",
        ),
        ({"timestamp_utc": "2025-02-30T21:34:56.000Z"}, "timestamp_utc: "),
        ({"timestamp_utc": 5}, "timestamp_utc: 5 is not like"),
        ({"bids_top400": []}, "bids: not a list of levels"),
        ({"asks_top400": None}, "asks: not a list of levels"),
        ({"best_bid": 101250}, "best_bid: "),
        ({"best_ask": "0"}, "best_ask: '0' is not above zero"),
        ({"mid_price": "101250"}, "mid_price: '101250' is not between '101250' and '101250.5'"),
        ({"gap_detected": 0}, "gap_detected: 0 is neither true nor false"),
    ],
)
def test_what_is_no_snapshot_is_rejected_with_a_reason(changes, reason):
    """A field that is wrong rejects the line, not the run; the neighbours stay."""
    block = line() + line(START + 1, **changes) + line(START + 2)
    reasons: list[tuple[int, str]] = []
    reader = SnapshotReader(BTC, Queue(), lambda *facts: reasons.append(facts))
    assert [head.ts for batch in reader.read(block) for head in batch.heads] == [START, START + 2]
    [(offset, text)] = reasons
    assert offset == len(line())
    assert text.startswith(reason)
    agree(block)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"a":1,"a":2}',
        b"\xef\xbb\xbf{}",
        b"NaN",
        b"\0" * 40,
        b"[" * 5000,
    ],
)
def test_garbage_lines_are_rejected(text):
    """Whatever stands in a line: it is one rejected line."""
    _, rejected, counts = agree(line() + text + b"\n" + line(START + 1))
    assert rejected == [len(line())]
    assert counts["rejected"] == 1


def test_a_repeated_key_is_no_snapshot():
    """Which of two values counts is nobody's guess."""
    twice = line().replace(b'"checksum":0', b'"checksum":0,"gap_detected":false')
    assert agree(twice)[1] == [0]


def test_other_spellings_are_read_the_same():
    """Blanks, another order of fields, unknown fields, CRLF: the same numbers."""
    row = orjson.loads(line())
    other = dict(reversed(row.items())) | {"new": {"x": [1]}}
    spaced = line(START + 1).replace(b",", b" , ")
    block = line() + book_lines.lines([other | {"timestamp_utc": book_lines.iso(START + 2)}])
    found, rejected, _ = agree(block + spaced.replace(b"\n", b"\r\n").replace(b"}", b" }"))
    assert not rejected
    assert found[0][1:] == found[1][1:]


@pytest.mark.parametrize("spell", [bytes, lambda block: block.replace(b'":', b'": ')])
def test_lines_of_another_exchange_are_read_alike_and_only_when_it_is_meant(spell):
    """Whether they are read many at once or one by one."""
    block = spell(b"".join(line(START + n * 1_000) for n in range(3)))
    other = block.replace(b'"okx"', b'"binance"')
    assert other != block
    theirs = SnapshotReader(BTC, Queue(), lambda *_: None, "binance")
    ours = SnapshotReader(BTC, Queue(), lambda *_: None)
    heads = [[head for books in reader.read(lines) for head in books.heads]
             for reader, lines in ((theirs, other), (ours, block))]  # fmt: skip
    assert heads[0] == heads[1]
    assert len(heads[0]) == 3
    reasons: list[str] = []
    assert SnapshotReader(BTC, Queue(), lambda _, why: reasons.append(why)).read(other) == []
    assert reasons == ["exchange: 'binance' is not 'okx'"] * 3


def test_time_only_goes_forward():
    """A line that is not later than the one before is a duplicate, in this run and the next."""
    reader = SnapshotReader(BTC, Queue(), lambda *_: None)
    reader.read(line() + line(START + 5) + line(START + 5) + line(START + 4))
    assert reader.counts()["duplicates"] == 2
    again = SnapshotReader(BTC, Queue(), lambda *_: None)
    again.restore(orjson.loads(orjson.dumps(reader.state())))
    assert again.read(line(START + 5)) == []
    assert len(again.read(line(START + 6))) == 1


def deep_line(ts: int, since: int | None, **changes: Any) -> bytes:
    row = book_lines.deep(ts, since, [level("1", "2"), level("0.5", "3")], [level("2.25", "4")])
    return book_lines.lines([{**row, **changes}])


def moment(reader: DeepReader, ts: int) -> int | None:
    """Return the time of the deep book that counts at ``ts``."""
    found = reader.at(ts)
    return None if found is None else found.ts


def test_a_deep_line_counts_for_snapshots_later_than_its_from():
    """The newest whose ``from_utc`` is earlier; the one after it waits its turn."""
    queue = Queue(deep_line(START, START - 1000), deep_line(START + 10, START + 20))
    reader = DeepReader(BTC, queue)
    assert moment(reader, START - 1000) is None
    assert moment(reader, START - 999) == START
    assert moment(reader, START + 20) == START
    assert moment(reader, START + 21) == START + 10
    queue.lines.append(deep_line(START + 30, None))
    assert moment(reader, START + 40) == START + 10
    reader.look_again()
    assert moment(reader, START + 40) == START + 30


def test_a_bad_or_old_deep_line_is_passed_over():
    """Garbage is rejected with a reason; one whose book is not newer is dropped."""
    queue = Queue(
        deep_line(START, START),
        b"garbage\n",
        deep_line(START, START + 1),
        deep_line(START + 1, START),
    )
    reader = DeepReader(BTC, queue)
    assert moment(reader, START + 9) == START + 1
    assert [reason and reason[:8] for reason in queue.log] == ["not JSON", None]
    assert reader.counts() == {
        "deep_lines": 4, "deep_rejected": 1, "deep_duplicates": 1, "deep_malformed": 0,
    }  # fmt: skip


@settings(max_examples=often(140, 400))
@given(st.integers(0, 2**32))
def test_any_damaged_deep_line_is_judged_alike_both_ways(seed):
    """As for snapshots: three strings a level, and the same verdict by either way in."""
    chance = random.Random(seed)
    block = bytearray(deep_line(START, START - 1000))
    for _ in range(chance.choice((0, 1, 1, 2))):
        at = chance.randrange(len(block) - 1)
        byte = chance.choice(b'0123456789."[]{},:\\ \t\r\0\x80\xffabu-+eE/;')
        chance.choice((block.__setitem__, block.insert, lambda i, _: block.pop(i)))(at, byte)
    found = []
    for kind in (DeepReader, OddDeepOnly):
        queue = Queue(bytes(block))
        deep = kind(BTC, queue).at(START + 9)
        facts = None
        if deep is not None:
            facts = deep.ts, deep.from_ms, shown(deep.levels, 0), shown(deep.levels, 1)
        found.append((facts, queue.log))
    assert found[0] == found[1]
