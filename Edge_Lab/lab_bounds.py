"""The bounds that the lab must keep on a market without an edge (SPEC section 17). Pure.

Ruin       wins are those of gambler's ruin                         M1, within 4 sd
Identity   from fill record to exit record the mean move is 0       M2, within 4 se
Delta      the lead over fake levels is 0                           M2 and M3, |t| <= 4
Size       a lead is claimed as often as its level allows           studies of 30 days
Verdict    with fees each study loses
Words      no study says PROMISING or PROVEN more often than its level allows
Planted    an edge that is there is found
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from Edge_Lab.exits import ExitRules, TradeResult, result
from Edge_Lab.fills import MODELS, Model, OrderClock, RestingOrder, fills
from Edge_Lab.model_markets import tick_walk
from Edge_Lab.model_studies import (
    PLANTED,
    STUDY_DAYS,
    MarketDays,
    adjusted,
    drawn,
    lead,
    mean_moves,
    mean_net,
    study_words,
)
from Edge_Lab.model_trials import FAMILIES
from Edge_Lab.placebo import Bracket, Side
from Edge_Lab.tape import DayTrades
from Edge_Lab.verdict import MOST_P, Word

MOST_SE: Final = 4.0
SIZES: Final = ((0.025, 0.058), (0.05, 0.096))  # level, most claims: nominal + 3 sd of 200 studies
MOST_PROMISING, MOST_PROVEN = 0.035, 0.005  # of studies in which every fade earns
LEAST_FOUND: Final = 0.85
EDGE_BPS: Final = 2
RUINS: Final[tuple[tuple[Model, int, int], ...]] = (  # stop and target in ticks
    ("through", 15, 15), ("through", 45, 45), ("through", 10, 100), ("touch", 10, 100),
)  # fmt: skip
_PIECE: Final = 1 << 20  # records of a walk at once
_REST_MS: Final = 60_000
_BARE: Final = ExitRules(
    stop_arm_ms=0, stop_latency_ms=0, hold_max_min=100_000, maker_bps=0, taker_bps=0, slippage_bps=0
)
RuinResult = tuple[DayTrades, TradeResult]


class Bound(NamedTuple):
    """A bound, how it was tried, and what was seen."""

    name: str
    sample: str
    seen: str
    limit: str
    holds: bool


# --- gambler's ruin ------------------------------------------------------------------------------


def ruin_trades(
    model: Model, stop: int, target: int, pieces: Sequence[int]
) -> Iterator[RuinResult]:
    """Yield trades of walks of single ticks, SHORT and LONG in turn, none before the last ended.

    Orders rest a minute, two ticks away from the price.
    """
    for number in pieces:
        tape, place = tick_walk(number, _PIECE), 0
        side: Side = -1
        while place < len(tape) - 1:
            active = tape.ms(place) + 1
            tip = int(tape.price[place]) - side * 2
            bracket = Bracket(side, tip, tip - side * stop, tip + side * target)
            clock = OrderClock(0, active, active + _REST_MS, 0)
            order = RestingOrder(bracket, clock, 1)
            fill = fills(tape, None, order)[model]
            if fill is None:
                place = tape.first_at(clock.expires)
                continue
            found = result(tape, None, order, fill, rules=_BARE)
            if found is None:
                break
            yield tape, found
            place, side = found.exit_place, -side


def any_trade(_tape: DayTrades, _found: TradeResult) -> bool:
    """Return True: each trade counts."""
    return True


def ruin(
    model: Model,
    stop: int,
    target: int,
    trades: int,
    *,
    counted: Callable[[DayTrades, TradeResult], bool] = any_trade,
) -> Bound:
    """Return whether the share of wins is (S - j) / (S + T), j = 1 tick for ``through``.

    ``counted`` chooses trades: a mutation, if it knows anything of the time after the fill.
    """
    wins = total = piece = 0
    while total < trades:
        for tape, found in ruin_trades(model, stop, target, [piece]):
            if counted(tape, found):
                wins, total = wins + (found.exit == "target"), total + 1
            if total == trades:
                break
        piece += 1
    chance = (stop - (model == "through")) / (stop + target)
    most = MOST_SE * math.sqrt(chance * (1 - chance) / total)
    return Bound(
        f"Ruin, {model} {stop}/{target}",
        f"M1, {total:,} trades",
        f"{100 * wins / total:.2f} % won",
        f"{100 * chance:.2f} ± {100 * most:.2f} %",
        abs(wins / total - chance) <= most,
    )


# --- days ----------------------------------------------------------------------------------------


def identity(days: MarketDays) -> list[Bound]:
    """Return the bound of optional stopping for each fill model."""
    return [
        Bound(
            f"Identity, {model}",
            f"M2, {days.number:,} days, {count:,} fills",
            f"{mean:+.3f} bps",
            f"± {MOST_SE * error:.3f} bps",
            abs(mean) <= MOST_SE * error,
        )
        for model, (count, mean, error) in zip(MODELS, mean_moves(days), strict=True)
    ]


def no_lead(market: str, days: MarketDays) -> Bound:
    """Return the bound of the lead over fake levels."""
    found = lead(days)
    t = math.inf if found is None or found.t is None else found.t
    value, fills_made = (math.nan, 0) if found is None else (found.value, found.fills)
    return Bound(
        f"Delta on {market}",
        f"{days.number:,} days, {fills_made:,} fills",
        f"{value:+.3f} bps, t {t:+.2f}",
        f"t within ± {MOST_SE:g}",
        abs(t) <= MOST_SE,
    )


# --- studies -------------------------------------------------------------------------------------


def studies(days: MarketDays, count: int, name: str) -> Iterator[MarketDays]:
    """Yield studies of STUDY_DAYS, each of days of its own drawing."""
    for number in range(count):
        yield days.chosen(drawn(f"{name}|{number}", days.number, STUDY_DAYS))


def _sample(days: MarketDays, count: int) -> str:
    return f"{count:,} studies of {STUDY_DAYS} days, drawn from {days.number:,}"


def size(market: str, days: MarketDays, count: int, *, of_filled: bool = False) -> list[Bound]:
    """Return, for each level, how often a lead is claimed. ``of_filled`` is a mutation."""
    found = [lead(study, of_filled=of_filled) for study in studies(days, count, "size")]
    tails = [1.0 if one is None or one.p is None else one.p for one in found]
    made = []
    for level, most in SIZES:
        share = sum(p <= level for p in tails) / count
        made.append(
            Bound(
                f"Size on {market}, p ≤ {level:g}",
                _sample(days, count),
                f"{100 * share:.1f} %",
                f"≤ {100 * most:.1f} %",
                share <= most,
            )
        )
    return made


def loses(days: MarketDays, count: int) -> Bound:
    """Return whether each study with the default fees says LOSES."""
    said, nets = Counter[str](), []
    for number, study in enumerate(studies(days, count, "size")):
        said[study_words(days, f"size|{number}")["base"]] += 1
        found = mean_net(study)
        nets.append(math.nan if found is None else found.value)
    return Bound(
        "Verdict",
        _sample(days, count),
        f"{_counted(said)}; Net {sum(nets) / count:.2f} bps",
        "LOSES in all",
        said["LOSES"] == count,
    )


def best_words(days: MarketDays, count: int, *, with_lead: bool = True) -> Counter[str]:
    """Return how many studies say a word; of 24 families the word that claims the most counts."""
    order: tuple[Word, ...] = ("PROVEN", "PROMISING", "QUEUE DECIDES", "NOT PROVEN", "LOSES")
    said = Counter[str]()
    for number in range(count):
        words = set(study_words(days, f"words|{number}", with_lead=with_lead).values())
        said[next((word for word in order if word in words), "TOO EARLY")] += 1
    return said


def words_with_fees(days: MarketDays, count: int) -> Bound:
    """Return whether no study with the default fees claims anything."""
    said = best_words(days, count)
    return Bound(
        "Words on M2, default fees",
        _sample(days, count),
        _counted(said),
        "PROVEN 0, PROMISING 0",
        said["PROVEN"] + said["PROMISING"] == 0,
    )


def words_without_fees(days: MarketDays, count: int, *, with_lead: bool = True) -> Bound:
    """Return whether few studies claim anything where every fade earns.

    ``with_lead`` False takes the lead out of the rule: a mutation, which must break the bound.
    """
    said = best_words(days, count, with_lead=with_lead)
    claimed = said["PROVEN"] + said["PROMISING"]
    return Bound(
        "Words on M3, no fees" + ("" if with_lead else ", no lead"),
        _sample(days, count),
        _counted(said),
        f"claims ≤ {100 * MOST_PROMISING:g} %, PROVEN ≤ {100 * MOST_PROVEN:g} %",
        claimed <= MOST_PROMISING * count and said["PROVEN"] <= MOST_PROVEN * count,
    )


def planted(days: MarketDays, count: int, bps: int = EDGE_BPS) -> Bound:
    """Return how often an edge on the fills of one layer is found among all 24 families."""
    row, found = FAMILIES.index(PLANTED), 0
    for study in studies(days.with_edge(bps), count, "planted"):
        leads = [lead(study, family=family) for family in FAMILIES]
        found += float(adjusted(leads, study.number)[row]) <= MOST_P
    return Bound(
        f"Planted, +{bps} bps on one layer",
        _sample(days, count),
        f"found in {100 * found / count:.1f} %",
        f"≥ {100 * LEAST_FOUND:g} %",
        found >= LEAST_FOUND * count,
    )


def _counted(said: Counter[str]) -> str:
    return ", ".join(f"{word} {count:,}" for word, count in sorted(said.items()))


def table(bounds: Sequence[Bound]) -> list[str]:
    """Return the bounds as lines of a table in Markdown."""
    rows = [
        f"| {one.name} | {one.sample} | {one.seen} | {one.limit} | {'yes' if one.holds else 'NO'} |"
        for one in bounds
    ]
    return ["| bound | sample | seen | limit | holds |", "|---|---|---|---|---|", *rows]
