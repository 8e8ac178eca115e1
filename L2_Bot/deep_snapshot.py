"""Deep REST snapshots as lines: checked, put in order, never older than the one before; pure."""

import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ravequant import exact, times
from ravequant.exchanges.okx.messages import moment
from ravequant.exchanges.okx.order_book import PRICE_FORM, SIZE_FORM
from ravequant.records import RecordError

CHANNEL: Final = "books-full"
DEPTH: Final = 5000  # levels a side, the most the exchange gives

_LEVEL: Final = re.compile(rf"{PRICE_FORM},{SIZE_FORM},[0-9]{{1,18}}")
_REQUIRED: Final = ("asks", "bids", "ts")

Level = list[str]  # [price, contracts, number of orders]: three items, unlike `books`


@dataclass(frozen=True, slots=True)
class DeepSnapshot:
    """A deep book as the exchange answered it."""

    ts: int  # Unix milliseconds, exchange time
    bids: list[Level]  # descending
    asks: list[Level]  # ascending

    def line(self, inst_id: str, from_ts: int) -> bytes:
        """Return the record, newline included; ``from_ts``: newest snapshot line on disk."""
        fields = {
            "timestamp_utc": times.iso(self.ts),
            "exchange": "okx",
            "market": "perp",
            "channel": CHANNEL,
            "instId": inst_id,
            "from_utc": times.iso(from_ts),
            "bids": self.bids,
            "asks": self.asks,
        }
        return orjson.dumps(fields) + b"\n"


def parse(row: Any) -> DeepSnapshot:
    """Return the row of an answer; RecordError if it is no consistent book of two sides."""
    if not isinstance(row, dict):
        raise RecordError(f"a deep book is a JSON object, not {type(row).__name__}")
    missing = [field for field in _REQUIRED if field not in row]
    if missing:
        raise RecordError(f"BUILD_FAIL: Missing required fields: {', '.join(missing)}")
    bids, asks = _side(row["bids"], "bids"), _side(row["asks"], "asks")
    best_bid, best_ask = max(bids), min(asks)
    if best_bid >= best_ask:
        raise RecordError(
            f"crossed book: best bid {bids[best_bid][0]}, best ask {asks[best_ask][0]}"
        )
    return DeepSnapshot(
        moment(row["ts"]),
        [bids[key] for key in sorted(bids, reverse=True)],
        [asks[key] for key in sorted(asks)],
    )


def _side(levels: Any, name: str) -> dict[int, Level]:
    if not isinstance(levels, list) or not levels:
        raise RecordError(f"{name}: expected a list of levels with something in it")
    return {_key(level): level for level in levels}


def _key(level: Any) -> int:
    try:
        if type(level) is list and len(level) == 3 and _LEVEL.fullmatch(",".join(level)):
            key = exact.units(level[0], exact.PRICE_PLACES)
            if key and level[1].strip("0."):
                return key
    except TypeError:
        pass
    raise RecordError(f"a deep level is [price, size, orders] in strings, not {level!r:.120}")
