"""The block ``context`` of a signal: its fields and their order (SPEC section 11). Pure.

A field is null where its stream is missing or stale, or has nothing to say of the tip.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

WALL_FIELDS: Final = (  # of a wall's record of book flow, as they stand there
    "price", "notional", "placed", "largest", "qty", "filled", "pulled", "refilled", "added",
    "unknown", "since_utc", "placed_known", "held_s", "end", "end_utc",
)  # fmt: skip
FIELDS: Final = ("wall", "walls_24h")

Context = Mapping[str, Any]
NOTHING: Final[Context] = MappingProxyType(dict.fromkeys(FIELDS))
