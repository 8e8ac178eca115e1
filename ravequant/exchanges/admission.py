"""One look at an instrument by REST: its metadata, or why it cannot be recorded now."""

from dataclasses import dataclass
from typing import Final

from ravequant.errors import FeedError
from ravequant.exchanges.base import RefusedError, RestClient, UnknownInstrumentError
from ravequant.exchanges.offload import in_thread
from ravequant.vault import instruments
from ravequant.vault.instruments import Metadata

_NOT_TRADING: Final = {
    "preopen": "it does not trade yet",
    "suspend": "its trading is suspended",
}


@dataclass(frozen=True, slots=True)
class Look:
    """The outcome: metadata if they are complete, an obstacle if there is one; or no answer."""

    meta: Metadata | None = None
    obstacle: str = ""
    refused: bool = False  # the exchange said no, and not for this moment
    unknown: bool = False  # it has no such instrument
    away: str = ""  # why there is no answer


async def look_at(rest: RestClient, inst_id: str) -> Look:
    """Ask the exchange for an instrument; no answer of it raises."""
    try:
        row = await in_thread(rest.instrument, inst_id)
    except UnknownInstrumentError as error:
        obstacle = f"the exchange does not know it (code {error.code}); correct the name"
        return Look(obstacle=obstacle, refused=True, unknown=True)
    except RefusedError as error:
        return Look(obstacle=str(error), refused=True)
    except FeedError as error:
        return Look(away=str(error))
    state = row.get("state")
    obstacle = ""
    if isinstance(state, str) and state in _NOT_TRADING:
        obstacle = f"{_NOT_TRADING[state]} (state {state})"
    try:
        return Look(instruments.parse_instrument(row), obstacle)
    except FeedError as error:
        return Look(obstacle=obstacle or str(error))
