"""Deep REST snapshots: the line of SPEC 9, and what is refused."""

from typing import Any

import pytest

from L2_Bot import deep_snapshot
from ravequant.records import RecordError

TS = 1_700_000_000_123
BOOK = {
    "bids": [["100.0", "5", "2"], ["99", "7.5", "1"]],
    "asks": [["101", "6", "1"], ["102.5", "1", "9"]],
    "ts": str(TS),
}
LEVEL = "a deep level is [price, size, orders] in strings"
GOLDEN = (
    b'{"timestamp_utc":"2023-11-14T22:13:20.123Z","exchange":"okx","market":"perp",'
    b'"channel":"books-full","instId":"BTC-USDT-SWAP","from_utc":"2023-11-14T22:13:20.000Z",'
    b'"bids":[["100.0","5","2"],["99","7.5","1"]],"asks":[["101","6","1"],["102.5","1","9"]]}\n'
)


def test_deep_line_is_that_of_the_data_book():
    """Keys, their order and three items a level; prices and sizes as they came."""
    found = deep_snapshot.parse(BOOK | {"news": 1})
    assert found.ts == TS
    assert found.line("BTC-USDT-SWAP", TS - 123) == GOLDEN


def test_levels_are_put_in_order():
    """Bids descending, asks ascending as numbers, whatever order they came in."""
    found = deep_snapshot.parse({
        "bids": [["9.5", "1", "1"], ["10.25", "1", "1"]],
        "asks": [["100", "1", "1"], ["11", "1", "1"]],
        "ts": str(TS),
    })  # fmt: skip
    assert [level[0] for level in found.bids] == ["10.25", "9.5"]
    assert [level[0] for level in found.asks] == ["11", "100"]


@pytest.mark.parametrize(
    ("book", "reason"),
    [
        ([], "a deep book is a JSON object, not list"),
        ({"bids": []}, "BUILD_FAIL: Missing required fields: asks, ts"),
        (BOOK | {"bids": []}, "bids: expected a list of levels with something in it"),
        (BOOK | {"asks": None}, "asks: expected a list of levels with something in it"),
        (BOOK | {"ts": 5}, "ts: 5 is not a whole number in a string"),
        (BOOK | {"bids": [["101", "1", "1"]]}, "crossed book: best bid 101, best ask 101"),
        *(
            (BOOK | {"bids": [bad]}, f"{LEVEL}, not {bad!r}")
            for bad in (
                ["100", "5", "0", "2"], ["100", "5"], ["100", 5, "2"], [100, "5", "2"], None,
                ["1e2", "5", "2"], ["100", "0", "0"], ["0", "5", "2"], ["100", "5", "x"], "abc",
            )
        ),
    ],
)  # fmt: skip
def test_what_is_no_consistent_book_is_refused(book: Any, reason: str):
    """Nothing of such an answer is written; the reason says what was met."""
    with pytest.raises(RecordError) as caught:
        deep_snapshot.parse(book)
    assert str(caught.value) == reason
