"""Snapshot lines for the tests of `l2_query` and its questions: three bids, two asks."""

import orjson

from ravequant import exact

BTC = "BTC-USDT-SWAP"
MOMENT = "2025-12-14T21:34:56.123Z"
BIDS = [
    ["101250", "1000", "0", "5"],
    ["101249.5", "1000.1", "0", "1"],
    ["101100", "2500", "0", "9"],
]
ASKS = [["101251", "7", "0", "1"], ["101300", "1500", "0", "2"]]


def line(bids=BIDS, asks=ASKS, moment=MOMENT, inst_id=BTC, *, gap=False) -> bytes:
    """Return a raw snapshot line."""
    middle = exact.units(bids[0][0], 20) + exact.units(asks[0][0], 20)
    row = {
        "timestamp_utc": moment, "exchange": "okx", "market": "perp", "channel": "books",
        "instId": inst_id, "bids_top400": bids, "asks_top400": asks, "best_bid": bids[0][0],
        "best_ask": asks[0][0], "mid_price": exact.text(5 * middle, 21), "checksum": 0,
        "seqId": 2, "prevSeqId": 1, "gap_detected": gap,
    }  # fmt: skip
    return orjson.dumps(row) + b"\n"


def deep_line(bids, asks, moment=MOMENT, from_utc="2025-12-14T21:34:54.100Z") -> bytes:
    """Return a raw deep line; a level is (price, contracts)."""
    row = {
        "timestamp_utc": moment, "exchange": "okx", "market": "perp", "channel": "books-full",
        "instId": BTC, "from_utc": from_utc, "bids": [[px, qty, "1"] for px, qty in bids],
        "asks": [[px, qty, "1"] for px, qty in asks],
    }  # fmt: skip
    return orjson.dumps(row) + b"\n"
