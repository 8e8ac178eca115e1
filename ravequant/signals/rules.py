"""The rules of the query (SPEC section 11): a market state in, signals out. Pure.

A signal is a small untouched wick among touched wicks. The layers are the evidence for a fade at
its tip; the number of layers that are met makes the conviction. Near twins are one signal.
"""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from ravequant import exact, times
from ravequant.signals import conviction
from ravequant.signals.candidates import (
    Candidate,
    LastPrice,
    MinuteWicks,
    Query,
    candidates,
)
from ravequant.signals.context.fields import NOTHING, Context
from ravequant.signals.conviction import CAPPED_SIZE, SIZES, Cap, Conviction, Readings
from ravequant.signals.evidence import (
    CONFLUENCES,
    Evidence,
    FadeSetup,
    judge,
    touch_gap,
    within,
)
from ravequant.signals.inputs import BOOK_SIDES, VolumeRow, WickAsOf
from ravequant.signals.limits import SignalLimits
from ravequant.signals.market_state import MarketState
from ravequant.signals.proof import shown_size
from ravequant.signals.trade_plan import NoTrade, TradePlan, plan, same_price

Strength = Literal["VERY_HIGH", "HIGH"]
TWIN_BPS: Final = exact.SIZE_ONE  # tips of one side within 1 bp are one level
OLDER_MID_MS: Final = 10 * times.SECOND_MS  # a mid that is older than a trade by more is no price


class Reached(NamedTuple):
    """A trade that reached the tip after the minute of the state."""

    ts: int  # Unix ms
    price: int


class Signal(NamedTuple):
    """A level to fade, with its evidence and its trade."""

    state: MarketState
    candidate: Candidate  # the strongest wick of its group
    last: LastPrice | None
    in_contact: bool
    strength: Strength
    layers: tuple[Evidence, ...]
    readings: Readings
    max_rule: str  # the reading that decides: strict or notes
    wicks: tuple[WickAsOf, ...]  # of its group, and of their prices on all timeframes
    plan: TradePlan
    tags: tuple[str, ...]
    no_trade: NoTrade | None = None  # the reason why it has no size
    reached: Reached | None = None  # with no_trade "touched"
    context: Context = NOTHING  # other facts of its moment; no rule reads them

    @property
    def wick(self) -> WickAsOf:
        """The wick to fade."""
        return self.candidate.wick

    @property
    def direction(self) -> Literal["SHORT", "LONG"]:
        """The direction of the trade."""
        return "SHORT" if self.wick.side == "high" else "LONG"

    @property
    def age_minutes(self) -> int:
        """Minutes from the birth of the wick to the minute of the state."""
        return self.state.minute - self.wick.birth

    @property
    def confluences(self) -> int:
        """The number of layers that are met, without young_wall."""
        return len(_met(self.layers))

    @property
    def confluences_strict(self) -> int:
        """The same, with volume_tier and absorption together as one."""
        return conviction.apart(_met(self.layers))

    @property
    def score(self) -> int:
        """Sum of the points, for ranking."""
        return _score(self.layers)

    @property
    def conviction(self) -> Conviction:
        """The strict reading."""
        return self.readings.strict

    @property
    def conviction_notes(self) -> Conviction:
        """The reading of the notes, word for word."""
        return self.readings.notes

    @property
    def capped_by(self) -> Cap | None:
        """The part of the market without which there is no more than WATCH."""
        return self.readings.capped_by

    @property
    def deciding(self) -> Conviction:
        """The reading that decides."""
        return self.conviction_notes if self.max_rule == "notes" else self.conviction

    @property
    def size(self) -> int:
        """The position size of the reading that decides; 0 without a trade or an entry."""
        if self.no_trade is not None or self.in_contact:
            return 0
        size = SIZES[self.deciding]
        return size if self.capped_by is None else min(size, CAPPED_SIZE)

    @property
    def size_shown(self) -> int:
        """The size that the lab's verdict leaves of it."""
        return shown_size(self.size, self.state.verdict)

    @property
    def distance_bps(self) -> str | None:
        """The distance of the tip from the last price; + above it."""
        if self.last is None:
            return None
        off = exact.divide((self.wick.tip - self.last.price) * 10_000, self.last.price, 2)
        return exact.signed_fixed(off, 2)


class QueryResult(NamedTuple):
    """The signals, nearest first; without any, the reason in words."""

    state: MarketState
    last: LastPrice | None
    signals: tuple[Signal, ...]
    missing: str | None


def find(state: MarketState, query: Query, limits: SignalLimits) -> QueryResult:
    """Return the signals of ``query``; if there are none, a sentence names the rule that failed."""
    asked = JudgedMinute(state, limits)
    levels, missing = asked.levels(query, limits)
    signals = sorted(map(asked.signal, levels), key=_nearness)
    return QueryResult(state, asked.last, tuple(signals), missing)


class Level(NamedTuple):
    """Near twins that passed rules 1 to 3, the strongest first: one signal."""

    members: tuple[Candidate, ...]

    @property
    def wick(self) -> WickAsOf:
        """The strongest wick, whose tip is faded."""
        return self.members[0].wick


class JudgedMinute:
    """A state of which several queries are asked: each wick is judged at most once."""

    def __init__(self, state: MarketState, limits: SignalLimits) -> None:
        self.state, self.last = state, last_price(state, limits)
        self._limits = limits
        self._wicks: dict[str, MinuteWicks] = {}
        self._layers: dict[str, tuple[Evidence, ...]] = {}
        self._signals: dict[tuple[str, ...], Signal] = {}

    def levels(self, query: Query, limits: SignalLimits) -> tuple[list[Level], str | None]:
        """Return the levels of a query; without any, the sentence about the rule that failed.

        ``limits`` may differ from those of the minute in ``reach_bps`` alone.
        """
        wicks = self._wicks.get(query.timeframe)
        if wicks is None:
            wicks = MinuteWicks(self.state, query.timeframe, self._limits)
            self._wicks[query.timeframe] = wicks
        near, missing = candidates(self.state, query, limits, self.last, wicks)
        return self._grouped(near), missing

    def signal(self, level: Level) -> Signal:
        """Return the signal of a level."""
        name = tuple(found.wick.event_id for found in level.members)
        if name not in self._signals:
            self._signals[name] = _signal(
                self.state, self._limits, level, self.layers(level.members[0]), self.last
            )
        return self._signals[name]

    def layers(self, found: Candidate) -> tuple[Evidence, ...]:
        """Return the layers of the fade of a candidate."""
        name = found.wick.event_id
        if name not in self._layers:
            setup = FadeSetup(found.wick, _around(found), self.last.price if self.last else None)
            self._layers[name] = judge(self.state, self._limits, setup)
        return self._layers[name]

    def _grouped(self, near: Sequence[Candidate]) -> list[Level]:
        """Return near twins together.

        Strongest first, each takes all of its side within TWIN_BPS of itself. There are no chains:
        a wick that is that near to another member alone belongs to no level yet. A wick without
        a neighbour needs no strength.
        """
        levels = []
        for run in _runs(near):
            left = sorted(run, key=self._strength_order) if len(run) > 1 else run
            while left:
                lead = left[0].wick
                levels.append(Level(tuple(one for one in left if _twins(lead, one.wick))))
                left = [one for one in left if not _twins(lead, one.wick)]
        return levels

    def _strength_order(self, found: Candidate) -> tuple[int, int, str]:
        """Return the key of the strongest: the higher score, the older wick, the lower name."""
        wick = found.wick
        return -_score(self.layers(found)), wick.birth, wick.event_id


def _runs(near: Sequence[Candidate]) -> list[list[Candidate]]:
    """Return candidates of a side whose tips follow each other within TWIN_BPS together."""
    runs: list[list[Candidate]] = []
    for found in sorted(near, key=lambda one: (one.wick.side, one.wick.tip)):
        before = runs[-1][-1].wick if runs else None
        if before is not None and _twins(found.wick, before):  # of both tips the larger
            runs[-1].append(found)
        else:
            runs.append([found])
    return runs


def last_price(state: MarketState, limits: SignalLimits) -> LastPrice | None:
    """Return the mid of the newest snapshot, or the newest trade's price.

    The mid gives way if it is stale, or more than OLDER_MID_MS older than the trade.
    """
    book, trade = state.book, state.trade
    usable = not _stale_book(state, limits)
    if book and usable and (trade is None or trade.ts - book.ts <= OLDER_MID_MS):
        return LastPrice(book.mid, "mid")
    return None if trade is None else LastPrice(trade.price, "trade")


def _stale_book(state: MarketState, limits: SignalLimits) -> bool:
    return state.defect("buckets", limits) in ("missing", "stale")


def _nearness(signal: Signal) -> tuple[int, str]:
    away = 0 if signal.last is None else abs(signal.wick.tip - signal.last.price)
    return away, signal.wick.event_id


def _twins(lead: WickAsOf, other: WickAsOf) -> bool:
    return lead.side == other.side and within(lead.tip - other.tip, TWIN_BPS, lead.tip)


def _signal(
    state: MarketState,
    limits: SignalLimits,
    level: Level,
    layers: tuple[Evidence, ...],
    last: LastPrice | None,
) -> Signal:
    """Return the signal of a level, with the layers of its strongest wick."""
    found, wick = level.members[0], level.wick
    wicks = [member.wick for member in level.members]
    strength = strength_of(found, limits)
    sure = next(layer.state for layer in layers if layer.name == "wick") == "met"
    contact = in_contact(state, limits, wick)
    trade = plan(state, limits, wick, wicks)
    return Signal(
        state=state,
        candidate=found,
        last=last,
        in_contact=contact,
        strength=strength,
        layers=layers,
        readings=conviction.read(
            _met(layers),
            very_high=sure and strength == "VERY_HIGH",
            diverges=_divergence_against(state, limits, wick),
            capped_by=conviction.cap(state, limits, layers, touch_gap(wick, state.gap_minutes)),
        ),
        max_rule=limits.max_rule,
        wicks=tuple(same_price(state, wicks)),
        plan=TradePlan() if contact else trade,
        tags=_tags(state, limits, wick),
        no_trade=trade.no_trade,
    )


def _around(found: Candidate) -> str:
    tip = f"tip {found.wick.tip_strength}" if found.wick.tip_strength else "no tip-to-tip"
    return (
        f"{found.touched} of {len(found.others)} touched, {tip}, size {found.wick.size_ticks} "
        f"(median {found.median_text} ticks)"
    )


def _met(layers: Sequence[Evidence]) -> frozenset[str]:
    """Return the names of the confluences that are met."""
    return frozenset(
        layer.name for layer in layers if layer.state == "met" and layer.name in CONFLUENCES
    )


def _score(layers: Sequence[Evidence]) -> int:
    return sum(layer.points for layer in layers)


def strength_of(found: Candidate, limits: SignalLimits) -> Strength:
    """Return VERY_HIGH for an exact tip with enough touched wicks around it, else HIGH."""
    very = found.touched >= limits.very_high_touched and found.wick.tip_exact
    return "VERY_HIGH" if very else "HIGH"


def _newest_volume(state: MarketState, limits: SignalLimits) -> VolumeRow | None:
    fresh = state.defect("volume", limits) not in ("missing", "stale")
    return state.volume[-1] if fresh else None


def _divergence_against(state: MarketState, limits: SignalLimits, wick: WickAsOf) -> bool:
    row = _newest_volume(state, limits)
    return row is not None and row.divergence == ("bullish" if wick.side == "high" else "bearish")


def in_contact(state: MarketState, limits: SignalLimits, wick: WickAsOf) -> bool:
    """Return True if the newest mid or trade, or a minute since its birth, reached the tip.

    Such a minute without a touch means that the wick tracker lags.
    """
    prices = [
        row.high if wick.side == "high" else row.low for row in state.volume_since(wick.birth)
    ]
    if state.book is not None and not _stale_book(state, limits):
        prices.append(state.book.mid)
    if state.trade is not None:
        prices.append(state.trade.price)
    if wick.side == "high":
        return any(price >= wick.tip for price in prices)
    return any(price <= wick.tip for price in prices)


def _tags(state: MarketState, limits: SignalLimits, wick: WickAsOf) -> tuple[str, ...]:
    tags = []
    row, book = _newest_volume(state, limits), state.book
    if row is not None and not row.gap and row.whale_count > limits.whale_count:
        tags += ["whales"] * (row.whale_volume > limits.whale_volume)
    if book is not None and state.defect("buckets", limits) is None:
        band = book.band(wick.tip)
        if band is not None and book.sides[wick.side].significant[band]:
            tags.append(f"{BOOK_SIDES[wick.side]}_delta")
    return tuple(tags)
