"""Levels read many at once: only what a JSON parser would read, and everything that is plain."""

import random

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravequant import exact
from ravequant.books import level_scanner
from ravequant.books.snapshot_json import levels_of
from ravequant.records import RecordError
from tests.support.examples import often

Level = list[str]
Numbers = list[tuple[int, int]]  # price and size in the units of ``exact``


def text_of(bids: list[Level], asks: list[Level]) -> bytes:
    return b'{"bids":%b,"asks":%b' % (orjson.dumps(bids), orjson.dumps(asks))


def scan(blocks: list[bytes], after_qty: bytes = level_scanner.AFTER_QTY) -> list[Numbers | None]:
    """Return the levels of each side of some blocks; None for a side that is reported."""
    data, places = b"", []
    for block in blocks:
        first, second = block.index(b'"bids":[') + 7, block.rindex(b',"asks":[')
        places.append((len(data) + first, len(data) + second - 1))
        places.append((len(data) + second + 8, len(data) + len(block) - 1))
        data += block + b'],"best_bid":"1"}\n'
    padded = np.frombuffer(data + b" " * level_scanner.BEHIND, dtype=np.uint8)
    levels, good = level_scanner.scan(padded, places, after_qty)
    price = 10 ** (exact.PRICE_PLACES - levels.price_places)
    qty = 10 ** (exact.SIZE_PLACES - levels.qty_places)
    rows = [
        (a * price, b * qty)
        for a, b in zip(levels.price.tolist(), levels.qty.tolist(), strict=True)
    ]
    starts = levels.starts.tolist()
    return [
        rows[starts[side] : starts[side + 1]] if good[side] else None for side in range(len(good))
    ]


def slow(block: bytes) -> list[Numbers] | None:
    """Return both sides as orjson and Python integers read them; None if any level is malformed."""
    try:
        row = orjson.loads(block + b"}")
        levels, malformed = levels_of(row["bids"], row["asks"])
    except (ValueError, KeyError, RecordError):
        return None
    price = 10 ** (exact.PRICE_PLACES - levels.price_places)
    qty = 10 ** (exact.SIZE_PLACES - levels.qty_places)
    rows = list(zip(levels.price.tolist(), levels.qty.tolist(), strict=True))
    starts = levels.starts.tolist()
    sides = [
        [(a * price, b * qty) for a, b in rows[starts[side] : starts[side + 1]]] for side in (0, 1)
    ]
    return None if malformed else sides


def decimal(chance: random.Random, most: int) -> str:
    """Return a plain decimal above 0 of at most so many characters."""
    while True:
        whole = str(chance.choice((0, 7, chance.randrange(10 ** chance.randint(1, most)))))
        places = chance.randint(0, max(0, most - len(whole) - 1))
        part = "".join(chance.choice("0123456789") for _ in range(places))
        text = f"{whole}.{part}" if part else whole
        if len(text) <= most and text.strip("0."):
            return text


def side_of(chance: random.Random, most: int, *, rising: bool) -> list[Level]:
    prices = {float(text): text for text in (decimal(chance, most) for _ in range(9))}
    return [
        [prices[price], decimal(chance, most), "0", str(chance.randrange(1000))]
        for price in sorted(prices, reverse=not rising)
    ]


def block_of(chance: random.Random, most: int) -> bytes:
    return text_of(side_of(chance, most, rising=False), side_of(chance, most, rising=True))


@pytest.mark.parametrize("most", [4, 8, 10, 13])
@settings(max_examples=often(40, 120))
@given(seed=st.integers(0, 2**32))
def test_plain_levels_are_taken_as_they_are(most, seed):
    """Numbers of any plain form, short and long ones mixed: none is left to the slow way."""
    chance = random.Random(seed)
    blocks = [block_of(chance, chance.randint(3, most)) for _ in range(3)]
    sides = [side for block in blocks for side in (slow(block) or [])]
    widest = [max(map(len, column)) for column in places_of(blocks)]
    if max(widest) <= 16:
        assert scan(blocks) == sides


def places_of(blocks: list[bytes]) -> list[list[str]]:
    """Return, of prices and of sizes, a text as wide as the digits before and behind the point."""
    columns: list[list[str]] = []
    for column in (0, 1):
        texts = [
            level[column]
            for block in blocks
            for side in orjson.loads(block + b"}").values()
            for level in side
        ]
        whole = max(len(text.partition(".")[0]) for text in texts)
        part = max(len(text.partition(".")[2]) for text in texts)
        columns.append(["9" * (whole + part)])
    return columns


@settings(max_examples=often(170, 500))
@given(st.integers(0, 2**32), st.sampled_from([6, 8, 12]), st.integers(1, 3))
def test_whatever_is_damaged_is_reported_or_read_as_json_reads_it(seed, most, wounds):
    """Any bytes changed, put in or taken out of a level: never a number that is not there."""
    chance = random.Random(seed)
    block = bytearray(block_of(chance, most))
    for _ in range(wounds):
        at = chance.randrange(block.index(b"[[") + 2, len(block) - 2)
        byte = chance.choice(b'0123456789."[]{},:;/\\ \t\0\x1f\x7f\x80\xcf\xffak?+-eE')
        chance.choice((block.__setitem__, block.insert, lambda i, _: block.pop(i)))(at, byte)
    damaged = bytes(block)
    if b',"asks":[' not in damaged:
        return
    found, wanted = scan([damaged]), slow(damaged)
    if None not in found:
        assert found == wanted


@pytest.mark.parametrize("put_in", [False, True])
def test_every_byte_is_judged_as_json_judges_it(put_in):
    """Each place with each byte in its stead, or before it: what orjson refuses is not taken."""
    block = text_of([["9.5", "1", "0", "7"], ["8", "0.25", "0", "12"]], [["10", "3.5", "0", "123"]])
    for at in range(block.index(b"[[") + 1, len(block)):
        changed = [block[:at] + bytes([byte]) + block[at + (not put_in) :] for byte in range(256)]
        blocks = [one for one in changed if b',"asks":[' in one]
        found = iter(scan(blocks) if blocks else [])
        for one, bids, asks in zip(blocks, found, found, strict=False):
            wanted = slow(one)
            assert bids is None or asks is None or [bids, asks] == wanted, one


@settings(max_examples=often(40, 100))
@given(st.integers(0, 2**32))
def test_a_bad_side_is_the_only_one_reported(seed):
    """Its neighbours in the same block are read, in units that the bad one has not widened."""
    chance = random.Random(seed)
    blocks = [block_of(chance, 8) for _ in range(3)]
    row = orjson.loads(blocks[1] + b"}")
    side = chance.choice(("bids", "asks"))
    level = chance.choice(row[side])
    level[chance.choice((0, 1))] = chance.choice(
        ("", "0", "01", ".5", "5.", "1..2", "-1", "x", " 1")
    )
    blocks[1] = text_of(row["bids"], row["asks"])
    found = scan(blocks)
    assert [index for index, rows in enumerate(found) if rows is None] == [2 + (side == "asks")]
    assert [*found[:2], *found[4:]] == [*(slow(blocks[0]) or []), *(slow(blocks[2]) or [])]


@pytest.mark.parametrize(
    ("bids", "asks", "bad"),
    [
        (["2", "1"], ["3", "4"], []),
        (["1", "2"], ["3", "4"], [0]),
        (["2", "1"], ["4", "3"], [1]),
        (["2", "2.0"], ["3", "3"], [0, 1]),
    ],
)
def test_sides_run_outwards(bids, asks, bad):
    """Bids fall, asks rise, and no price comes twice; the next side begins anew."""
    blocks = [text_of(*([[price, "1", "0", "1"] for price in side] for side in (bids, asks)))] * 2
    found = scan(blocks)
    assert [n for n, rows in enumerate(found) if rows is None] == [*bad, *(n + 2 for n in bad)]


def test_deep_levels_have_three_strings():
    """The same with another stretch between the size and the last string, and not with four."""
    three = text_of([["2.5", "10", "7"]], [["3", "0.25", "999"]])
    four = text_of([["2.5", "10", "0", "7"]], [["3", "0.25", "0", "999"]])
    assert scan([three], level_scanner.DEEP_AFTER_QTY) == slow(three) == slow(four) == scan([four])
    assert scan([four], level_scanner.DEEP_AFTER_QTY) == scan([three]) == [None, None]


def test_four_digits_of_orders_are_left_to_the_slow_way():
    """Nobody needs how many orders there are; what is not checked is not taken."""
    block = text_of([["2.5", "10", "0", "1000"]], [["3", "0.25", "0", "100"]])
    assert [rows is None for rows in scan([block])] == [True, False]


def test_a_wrong_number_does_not_make_the_others_too_wide():
    """Its many decimals and their many digits would not fit one column; only its side is left."""
    wide = text_of([["1234567.5", "1", "0", "1"]], [["1234568.5", "1", "0", "1"]])
    bad = text_of([["0.0000000000005x", "1", "0", "1"]], [["3", "1", "0", "1"]])
    found = scan([wide, bad])
    assert found[2] is None
    assert [found[0], found[1], found[3]] == [
        *(slow(wide) or []),
        [(3 * exact.PRICE_ONE, exact.SIZE_ONE)],
    ]


def test_a_size_has_ten_decimals_at_most():
    """What the slow way calls malformed is not taken; a price may have more."""
    tiny = "0.00000000001"
    found = scan([text_of([[tiny, "1", "0", "1"]], [["3", tiny, "0", "1"]])])
    assert found == [[(10 ** (exact.PRICE_PLACES - 11), exact.SIZE_ONE)], None]
