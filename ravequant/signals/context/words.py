"""The context of a signal in words, for people: the known facts alone. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ravequant import exact
from ravequant.signals.context.fields import Context
from ravequant.signals.evidence import amount

_TAKEN: Final = ("filled", "pulled", "refilled")  # shares of its largest size


def context_line(context: Context) -> str:
    """Return one short line; empty if nothing is known."""
    return "; ".join(_parts(context))


def _parts(context: Context) -> Iterator[str]:
    if wall := context["wall"]:
        yield _wall(wall)
    lately = context["walls_24h"]
    if lately and lately["pulled_pct"] is not None:
        share = lately["pulled_pct"]
        yield f"{lately['pulled']} of {lately['ended']} walls pulled in 24 h ({share}%)"


def _wall(wall: Mapping[str, Any]) -> str:
    notional = exact.units(wall["notional"], exact.NOTIONAL_PLACES)
    largest = exact.units(wall["largest"], exact.SIZE_PLACES)
    shares = ", ".join(f"{_share(wall[name], largest)}% {name}" for name in _TAKEN)
    return f"wall {amount(notional)} at {wall['price']} {_life(wall)}: {shares}"


def _share(text: str, largest: int) -> int:
    return exact.divide(100 * exact.units(text, exact.SIZE_PLACES), largest, 0)


def _life(wall: Mapping[str, Any]) -> str:
    """Return since when it stands, or how and when it ended."""
    if wall["end"] is not None:
        return f"ended {wall['end_utc'][11:19]} ({wall['end']})"
    longer = "" if wall["placed_known"] else " or longer"
    return f"stands since {wall['since_utc'][11:19]}{longer}"
