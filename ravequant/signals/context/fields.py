"""The block ``context`` of a signal: its fields and their order (SPEC section 11). Pure.

A field is null where its stream is missing or stale, and ``unknown`` holds the reason; or where it
has nothing to say of the tip.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

WALL_FIELDS: Final = (  # of a wall's record of book flow, as they stand there
    "price", "notional", "placed", "largest", "qty", "filled", "pulled", "refilled", "added",
    "unknown", "since_utc", "placed_known", "held_s", "end", "end_utc",
)  # fmt: skip
FEEDS: Final = ("funding", "interest", "liquidated_5m", "ratios")  # of the context exporter
FIELDS: Final = ("wall", "walls_24h", "poor", *FEEDS, "unknown")

Context = Mapping[str, Any]
Unknown = Literal["not recorded", "stale", "gap", "settling", "not readable"]
Feed = Context | Unknown  # the object of a feed, or the reason why it is null
NOTHING: Final[Context] = MappingProxyType(dict.fromkeys(FIELDS))
