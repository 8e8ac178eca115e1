"""The end of an announced signal: reached, withdrawn, or aged out (SPEC section 11). Pure."""

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from ravequant import times
from ravequant.alerts.policy import EndKind, SignalEnd
from ravequant.exact import price_text
from ravequant.signals.candidates import Query
from ravequant.signals.evidence import clock
from ravequant.signals.inputs import WickAsOf
from ravequant.signals.limits import SignalLimits
from ravequant.signals.market_state import MarketState
from ravequant.signals.rules import QueryResult, Signal
from ravequant.signals.wording import why_no_trade


class RoundAnswer(NamedTuple):
    """The answer for one instrument in a round of a watch."""

    result: QueryResult
    query: Query
    limits: SignalLimits
    min_score: int
    not_recorded: str = ""  # why trades or books of the instrument do not come now

    @property
    def standing(self) -> list[Signal]:
        """The signals that are shown."""
        return [found for found in self.result.signals if found.score >= self.min_score]


def ends(known: Mapping[str, Sequence[str]], answer: RoundAnswer) -> list[SignalEnd]:
    """Return the ends of announced signals; ``known``: the names of each by its key.

    A signal of another instrument or timeframe, or one whose wick is not known, goes on.
    """
    wicks = {wick.event_id: wick for wick in answer.result.state.wicks}
    found = []
    for key, names in known.items():
        wick = wicks.get(key)
        if wick is not None and wick.timeframe == answer.query.timeframe:
            found += [end for end in [_end(wick, names, answer)] if end is not None]
    return found


def _end(wick: WickAsOf, names: Container[str], answer: RoundAnswer) -> SignalEnd | None:
    state = answer.result.state
    if wick.status == "touched" and wick.ended is not None:
        return _touched(wick, state, wick.ended)
    signal = next((one for one in answer.result.signals if _names(one, names)), None)
    if signal is not None:
        return _end_of_shown(wick, signal, answer)
    if wick.status == "expired" or state.minute - wick.birth > answer.query.age_max:
        return _made(wick, state, "aged")
    return _made(wick, state, "withdrawn", "it does not pass the rules any more")


def _end_of_shown(wick: WickAsOf, signal: Signal, answer: RoundAnswer) -> SignalEnd | None:
    """Return the end of a signal that is still in the answer; None if it goes on."""
    state = answer.result.state
    if signal.reached is not None:
        at, price = times.iso(signal.reached.ts), price_text(signal.reached.price)
        why = f"a trade at {price} at {at[11:19]} UTC"
        return _made(wick, state, "reached", why)._replace(price=price, at_ms=signal.reached.ts)
    if signal.no_trade in {"fees", "break-even", "target"}:
        return _made(
            wick, state, "withdrawn", f"no trade any more: {why_no_trade(signal, answer.limits)}"
        )
    if signal.no_trade is None and signal.score < answer.min_score:
        why = f"its score is {signal.score} now, below {answer.min_score}"
        return _made(wick, state, "withdrawn", why)
    if signal.no_trade is None and not signal.in_contact and not signal.size:
        made = _made(wick, state, "withdrawn", "it has no size any more")
        return made._replace(for_size=True)
    return None


def _names(signal: Signal, names: Container[str]) -> bool:
    return any(wick.event_id in names for wick in signal.wicks)


def _touched(wick: WickAsOf, state: MarketState, known: int) -> SignalEnd:
    """Return the end of a wick whose touch is known since a minute; its candle began before."""
    why = f"touched in the minute {clock(known - 1)} UTC"
    price = price_text(wick.tip)
    return _made(wick, state, "reached", why)._replace(price=price, at_ms=known * times.MINUTE_MS)


def _made(wick: WickAsOf, state: MarketState, kind: EndKind, why: str = "") -> SignalEnd:
    direction = "SHORT" if wick.side == "high" else "LONG"
    line = f"{state.inst_id} {direction} {price_text(wick.tip)}"
    return SignalEnd(kind, wick.event_id, line, why, state.ms)
