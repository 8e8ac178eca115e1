"""The context of a signal in words, for people: two short lines. Pure.

Of the walls the known facts alone. Of the feeds, once one is recorded, also those that are not
known, as ``?`` with the reason.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ravequant import exact
from ravequant.signals.context.fields import FEEDS, Context
from ravequant.signals.evidence import amount

_TAKEN: Final = ("filled", "pulled", "refilled")  # shares of its largest size
_NEVER: Final = dict.fromkeys(FEEDS, "not recorded")


def context_lines(context: Context) -> list[str]:
    """Return a line about the walls and one of the feeds; none of them if nothing is known."""
    lines = ["; ".join(_walls(context)), "; ".join(_feeds(context))]
    return [line for line in lines if line]


def _walls(context: Context) -> Iterator[str]:
    if wall := context["wall"]:
        yield _wall(wall)
    lately, unknown = context["walls_24h"], context["unknown"] or {}
    if unknown.get("walls_24h") == "stale":
        yield "walls ? (stale)"
    if lately and lately["pulled_pct"] is not None:
        share = lately["pulled_pct"]
        yield f"{lately['pulled']} of {lately['ended']} walls pulled in 24 h ({share}%)"
    if poor := context["poor"]:
        place = f"{poor['price']} ({poor['distance_bps']} bps from the tip)"
        hole = ", over a gap" if poor["gap"] else ""
        yield f"poor {poor['side']} of {poor['session_utc'][5:10]} at {place}{hole}"
    elif unknown.get("poor") == "stale":
        yield "poor highs and lows ? (stale)"


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


def _feeds(context: Context) -> Iterator[str]:
    unknown = context["unknown"]
    if unknown is None or {name: unknown.get(name) for name in FEEDS} == _NEVER:
        return
    for name, (short, words) in _WORDS.items():
        feed = context[name]
        yield f"{short} ? ({unknown[name]})" if feed is None else f"{short} {words(feed)}"


def _funding(feed: Context) -> str:
    rate = feed["estimate"]
    units = exact.units(rate.removeprefix("-"), exact.PRICE_PLACES)
    percent = exact.divide(100 * units, exact.PRICE_ONE, 4)
    text = exact.signed_fixed(-percent if rate.startswith("-") else percent, 4)
    hours, minutes = divmod(feed["minutes"], 60)
    return f"{text}% in {f'{hours}h{minutes:02}m' if hours else f'{minutes}m'}"


def _interest(feed: Context) -> str:
    changes = {"15m": feed["change_15m_pct"], "1h": feed["change_1h_pct"]}
    return ", ".join(f"{'?' if pct is None else f'{pct}%'} {span}" for span, pct in changes.items())


def _liquidated(feed: Context) -> str:
    longs, shorts = (
        amount(exact.units(feed[name], exact.NOTIONAL_PLACES))
        for name in ("long_notional", "short_notional")
    )
    hole = " or more (gap)" if feed["gap"] else ""
    return f"longs {longs}, shorts {shorts}{hole} (to {feed['until_utc'][11:16]})"


def _ratios(feed: Context) -> str:
    names = {"accounts": "", "top_accounts": "top 5% ", "top_positions": "their positions "}
    parts = (f"{words}{_two_places(feed[name])}" for name, words in names.items())
    return f"{', '.join(parts)} (to {feed['until_utc'][11:16]})"


def _two_places(ratio: str | None) -> str:
    if ratio is None:
        return "?"
    units = exact.units(ratio, exact.PRICE_PLACES)
    return exact.fixed(exact.divide(units, exact.PRICE_ONE, 2), 2)


_WORDS: Final[Mapping[str, tuple[str, Callable[[Context], str]]]] = {
    "funding": ("funding estimate", _funding),
    "interest": ("OI", _interest),
    "liquidated_5m": ("seen liquidated 5m", _liquidated),
    "ratios": ("long/short", _ratios),
}
