"""A question to the instant (SPEC section 11): its moment, and how far the files were read. Pure.

An answer to the instant says how far it read, so that it can be asked for again: ``ID,TIME`` is the
last trade_id and the time of the newest snapshot, ``-`` for none. A calculator that had not reached
the minute of the answer is named after them with how far it was: ``ID,TIME,vwap=TIME``; so is the
recorder of the context feeds, by ``marks``, their clock. The reason
why there was no entry at all then, ``recorder`` or ``clock``, stands by itself. The verdict of the
lab stands last, with the time at which it was made: ``ID,TIME,recorder,verdict=TIME``.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, get_args

from ravequant import times
from ravequant.errors import UsageError, shown

Lagging = Literal[
    "wicks", "volume", "cvd", "vwap", "buckets", "book_flow", "profile", "liquidations_1m", "marks"
]
LAGGING: Final[tuple[Lagging, ...]] = get_args(Lagging)
NoEntry = Literal["clock", "recorder"]
NO_ENTRY: Final[tuple[NoEntry, ...]] = get_args(NoEntry)
CLOSING_MS: Final = 5_000  # a trade this long after the end of a minute closes it

_NONE: Final = "-"
_TIME = r"-|[0-9T:.Z-]{20,24}"
_VERDICT: Final = "verdict"
_NAMED: Final = "|".join((*LAGGING, _VERDICT))
_ALONE: Final = "|".join(NO_ENTRY)
_SEEN = re.compile(rf"(-|[0-9]{{1,18}}),({_TIME})((?:,(?:(?:{_NAMED})=(?:{_TIME})|{_ALONE}))*)")


class Seen(NamedTuple):
    """How far the files were read."""

    trade_id: int | None = None  # of the last trade line
    book_ms: int | None = None  # of the newest snapshot
    reach: Mapping[Lagging, int] = {}  # Unix ms; of those that had not reached the minute
    verdict_ms: int | None = None  # when the lab's verdict was made that the answer was shown with
    no_entry: NoEntry | None = None  # why no signal of the answer was an entry

    @property
    def text(self) -> str:
        """The form in which people give it with --seen."""
        trade = _NONE if self.trade_id is None else str(self.trade_id)
        lags = (f"{name}={_text(self.reach[name])}" for name in LAGGING if name in self.reach)
        verdict = [f"{_VERDICT}={_text(self.verdict_ms)}"] * (self.verdict_ms is not None)
        alone = [self.no_entry] if self.no_entry else []
        return ",".join([trade, _text(self.book_ms), *lags, *alone, *verdict])


def _text(moment_ms: int | None) -> str:
    return times.iso(moment_ms) if moment_ms else _NONE


def parse_seen(text: str) -> Seen:
    """Return the ``Seen`` of its text. Raises UsageError for any other text."""
    match = _SEEN.fullmatch(text)
    try:
        if match is not None:
            parts = match[3].split(",")[1:]
            named = dict(part.split("=") for part in parts if "=" in part)
            no_entry = next((name for name in NO_ENTRY if name in parts), None)
            reach = {name: _moment(named[name]) for name in LAGGING if name in named}
            trade_id = None if match[1] == _NONE else int(match[1])
            verdict_ms = _moment(named[_VERDICT]) if _VERDICT in named else None
            return Seen(trade_id, _moment(match[2]) or None, reach, verdict_ms, no_entry)
    except ValueError:
        pass  # a date that does not exist
    raise UsageError(
        f"--seen {shown(text)}: expected ID,TIME as an answer shows it, like "
        "1234567890,2025-12-14T21:35:01.900Z"
    )


def _moment(text: str) -> int:
    return 0 if text == _NONE else times.parse_iso(text)


class NewestPrice(NamedTuple):
    """The newest price that was read."""

    ts: int  # Unix ms
    price: int
    source: Literal["mid", "trade"]


class Instant(NamedTuple):
    """The moment of a question to the instant; its minute is that of the market state."""

    ms: int
    seen: Seen
    newest: NewestPrice | None = None
    trade_ms: int | None = None  # of the newest trade that was read


class RawTrade(NamedTuple):
    """A raw trade line."""

    ts: int
    first_id: int
    trade_id: int
    price: int


class RawMid(NamedTuple):
    """The mid of a snapshot."""

    ts: int
    price: int


class RawTail(NamedTuple):
    """The raw lines up to an instant that the minute of its answer does not hold."""

    trades: tuple[RawTrade, ...] = ()  # in the order of the file; late ones too
    mids: tuple[RawMid, ...] = ()
    gap: bool = False  # ids are missing among the trades
