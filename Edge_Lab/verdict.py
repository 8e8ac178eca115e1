"""The verdict on a setup: one of nine words, the sentence below it, and six numbers. Pure.

The conditions of the words are tried in a fixed order; the first that holds is the verdict.
Amounts are in bps a fill. Nothing is shown without its interval, and nothing per week.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from Edge_Lab import power
from Edge_Lab.fills import MODELS, Model
from Edge_Lab.inference import Estimate

Word = Literal[
    "LAB BROKEN", "NO DATA", "TOO EARLY", "DISAGREES", "LOSES", "QUEUE DECIDES", "PROVEN",
    "PROMISING", "NOT PROVEN",
]  # fmt: skip
MOST_P: Final = 0.025  # of Net and of the lead, each after the step-down
LEAST_SHARPE: Final = 0.95  # probability of the deflated Sharpe ratio
MOST_LOST: Final = 0.2  # of the trials over a gap, and of the fills with an unknown queue
MOST_DIFFERING: Final = 0.01  # of the signals that were shown live
SMALL_LEAD: Final = 1.0  # bps; an interval inside of it says that the tip adds next to nothing
TRADES_ALONE: Final = (
    "Trades alone cannot prove this: the queue is unknown and MAX never occurs. They can only show "
    "that it LOSES."
)


class Agreement(NamedTuple):
    """The signals of a live watch, held against those of the backtest."""

    compared: int
    differing: int  # only live, only in the backtest, or with another plan
    unequal: int = 0  # the same plan, and another outcome

    @property
    def fails(self) -> bool:
        """True if more than 1 % differ, or one outcome does."""
        return self.unequal > 0 or self.differing > MOST_DIFFERING * self.compared


class Claim(NamedTuple):
    """Net and the lead over shifted placebos, under one fill model; None without a fill."""

    net: Estimate | None
    lead: Estimate | None


class Forward(NamedTuple):
    """The forward test: days so far, and the lower bounds of its confidence sequence."""

    day: int
    net: float | None = None  # None before the burn-in is over
    lead: float | None = None

    @classmethod
    def of(cls, net: Estimate | None, lead: Estimate | None) -> "Forward":
        """Return the test with these estimates; its t counts days with a fill, or blocks of days.

        So days that depend on each other make it no narrower.
        """
        return cls(0 if net is None else net.clusters, _lower_bound(net), _lower_bound(lead))

    @property
    def proves(self) -> bool:
        """True if both bounds lie above 0."""
        return self.net is not None and self.lead is not None and min(self.net, self.lead) > 0


def _lower_bound(found: Estimate | None) -> float | None:
    if found is None or found.se is None:
        return None
    return power.lower_bound(found.value, found.se, found.clusters)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictFacts:
    """All numbers that a verdict stands on; those of fills are of the ``queue`` model."""

    days: int  # finished days
    days_seen: int = 0  # of them, days that the trader had watched when the idea was formed
    fills: int = 0
    intact: bool = True  # every check passed in this version
    books: bool = True  # books were recorded, so the queue can be known
    all_kinds: bool = True  # of placebos were judged with the exits of all trials
    claims: Mapping[Model, Claim]
    mirror: Estimate | None = None
    random: Estimate | None = None
    p_net: float = 1.0  # after the step-down
    p_lead: float = 1.0
    sharpe: float = 0.0  # probability of the deflated Sharpe ratio
    gap_share: float = 0.0  # of all trials
    unknown_share: float = 0.0  # of the fills
    agreement: Agreement | None = None  # None: no watch ran
    forward: Forward | None = None  # None: none is registered
    trials: int = 0  # in the ledger, over these days
    lost_series: int = 0  # of them, those whose day series are gone
    wins_pct: float | None = None
    chance_pct: float | None = None
    break_even_pct: float | None = None  # None: never
    mean_r: float | None = None
    worst_day: float | None = None  # bps
    losing_run: int = 0  # fills
    alone: Estimate | None = None  # Net of the fills that come while no other is open
    rank: float | None = None  # share of the sets of random levels that did as well
    fees_bps: float = 7.0


class SetupVerdict(NamedTuple):
    """The word, and the sentence that says what to do."""

    word: Word
    what_to_do: str


def decide(facts: VerdictFacts) -> SetupVerdict:
    """Return the verdict."""
    word = _word(facts)
    if not facts.books and word in {"TOO EARLY", "NOT PROVEN", "DISAGREES"}:
        return SetupVerdict(word, TRADES_ALONE)
    return SetupVerdict(word, _SENTENCES[word](facts))


def _word(facts: VerdictFacts) -> Word:
    few = facts.days < power.FEWEST_DAYS or facts.fills < power.FEWEST_FILLS
    luckiest = _interval(facts.claims["touch"].net)
    lacking = missing(facts)
    words: tuple[tuple[Word, bool], ...] = (
        ("LAB BROKEN", not facts.intact),
        ("NO DATA", not facts.days),
        ("TOO EARLY", few),
        ("DISAGREES", facts.agreement is not None and facts.agreement.fails),
        ("LOSES", luckiest is not None and luckiest[1] < 0),
        ("QUEUE DECIDES", lacking == ["through"]),
        ("NOT PROVEN", bool(lacking)),
        ("PROVEN", facts.forward is not None and facts.forward.proves),
    )
    return next((word for word, holds in words if holds), "PROMISING")


def missing(facts: VerdictFacts) -> list[str]:
    """Return the conditions of a proof that past days do not meet."""
    through = _value(facts.claims["through"].net)
    met = {
        "series": not facts.lost_series,
        "net": facts.p_net <= MOST_P,
        "lead": facts.p_lead <= MOST_P,
        "sharpe": facts.sharpe >= LEAST_SHARPE,
        "kinds": facts.all_kinds,
        "mirror": _value(facts.mirror) > 0,
        "random": _value(facts.random) > 0,
        "gap": facts.gap_share <= MOST_LOST,
        "unknown": facts.unknown_share <= MOST_LOST,
        "through": through > 0,
    }
    return [name for name, holds in met.items() if not holds]


def _value(found: Estimate | None) -> float:
    """Return an estimate's value; without one nothing is above 0."""
    return float("-inf") if found is None else found.value


def _interval(found: Estimate | None) -> tuple[float, float] | None:
    return None if found is None else found.interval()


# --- words ---------------------------------------------------------------------------------------


def number(value: float, places: int = 1, *, sign: bool = True) -> str:
    """Return a number with its sign, ``+`` only on request; a value that rounds to 0 has none."""
    written = f"{abs(value):.{places}f}"
    if not float(written):
        return written
    return f"-{written}" if value < 0 else f"+{written}" if sign else written


def with_interval(found: Estimate | None) -> str:
    """Return ``+2.1 (0.8 to 3.4)``; ``unknown`` without a value or without an interval."""
    ends = _interval(found)
    if found is None or ends is None:
        return "unknown"
    low, high = (number(end, sign=False) for end in ends)
    return f"{number(found.value)} ({low} to {high})"


def _too_early(facts: VerdictFacts) -> str:
    claim = facts.claims["queue"]
    spreads = (found.spread for found in (claim.lead, claim.net) if found is not None)
    spread = next((found for found in spreads if found is not None), None)
    wait = ""
    if spread is not None:
        needed = max(power.FEWEST_DAYS, power.days_to_see(1.0, spread))
        wait = f"At this spread +1 bp needs {needed} days. "
    return f"{_progress(facts)}. {wait}Trade nothing because of this page."


def _progress(facts: VerdictFacts) -> str:
    days = f"{facts.days} of {power.FEWEST_DAYS} days"
    return f"{days}, {facts.fills} of {power.FEWEST_FILLS} fills"


def _disagrees(facts: VerdictFacts) -> str:
    found = facts.agreement or Agreement(0, 0)
    if found.unequal:
        return (
            f"{found.unequal} of {found.compared} signals were the same and ended otherwise in the "
            "backtest. Find out why first."
        )
    return (
        "What you were shown and what the backtest says you were shown differ in "
        f"{found.differing} of {found.compared} signals. Find out why first."
    )


def _loses(facts: VerdictFacts) -> str:
    found = facts.claims["touch"].net
    low, high = _interval(found) or (0.0, 0.0)
    lost = number(-_value(found), sign=False)
    return (
        f"With the best luck in the queue a fill still lost {lost} bps ({number(low)} to "
        f"{number(high)}). Fees alone are {facts.fees_bps:g}. Stop trading this as it is."
    )


def _promising(facts: VerdictFacts) -> str:
    claim = facts.claims["queue"]
    net = with_interval(claim.net).replace(" (", " bps a fill (")
    day = power.BURN_IN if facts.forward is None else max(power.BURN_IN, facts.forward.day + 1)
    return (
        f"Past days pay: {net}, {number(_value(claim.lead))} over fake levels. Not proven until "
        f"day {day} of the forward test agrees. Size: zero or smallest."
    )


def _proven(facts: VerdictFacts) -> str:
    low, _ = _interval(facts.claims["queue"].net) or (0.0, 0.0)
    return (
        "Pays after costs, more than fake levels, on days that nobody had seen. Size by the low "
        f"end ({number(low)}), not the middle."
    )


_LACKING: Final = {
    "series": "The day series of some trials are gone: run backtest or optimise again",
    "net": "After all trials Net could be luck",
    "lead": "After all trials the lead over fake levels could be luck",
    "sharpe": "The best of so many trials without an edge would look as good",
    "kinds": "Mirrored levels were not judged with the chosen exits",
    "mirror": "It earns no more than the mirrored levels",
    "random": "It earns no more than random levels",
    "gap": "More than a fifth of the trials lie over a gap",
    "unknown": "Of more than a fifth of the fills the queue is unknown",
    "through": "Last in the queue it does not pay",
}


def _not_proven(facts: VerdictFacts) -> str:
    claim = facts.claims["queue"]
    net, lead = _interval(claim.net), _interval(claim.lead)
    said = f"Net {with_interval(claim.net)}. Over fake levels {with_interval(claim.lead)}. "
    if all(ends is None or ends[0] <= 0 <= ends[1] for ends in (net, lead)):
        said += "Both could be nothing."
    else:
        said += f"{_LACKING[missing(facts)[0]]}."
    if lead is not None and lead[0] >= -SMALL_LEAD and lead[1] <= SMALL_LEAD:
        said += " The tip adds less than 1 bp."
    return said


_SENTENCES: Final = {
    "LAB BROKEN": lambda _: "Do not read any number here. Run `edge_lab.py check`.",
    "NO DATA": lambda _: (
        "No finished day was judged yet: run_all judges each day after 03:00 UTC; by hand "
        "`edge_lab.py judge`."
    ),
    "TOO EARLY": _too_early,
    "DISAGREES": _disagrees,
    "LOSES": _loses,
    "QUEUE DECIDES": lambda _: (
        "It pays only if you are early in the queue, which nobody can see. Treat as not proven."
    ),
    "PROVEN": _proven,
    "PROMISING": _promising,
    "NOT PROVEN": _not_proven,
}


def six_numbers(facts: VerdictFacts) -> list[tuple[str, str]]:
    """Return the six numbers of the card, each with its name."""
    claim = facts.claims["queue"]
    net = with_interval(claim.net)
    if facts.mean_r is not None and net != "unknown":
        net += f", {number(facts.mean_r, 2)} R"
    wins = "unknown" if facts.wins_pct is None else f"{facts.wins_pct:.1f} %"
    chance = "unknown" if facts.chance_pct is None else f"{facts.chance_pct:.1f} %"
    even = "never" if facts.break_even_pct is None else f"{facts.break_even_pct:.1f} %"
    even = "unknown" if facts.chance_pct is None else even
    worst = "unknown" if facts.worst_day is None else f"{number(facts.worst_day)} bps"
    clean = facts.days - facts.days_seen
    return [
        (
            "fills and days",
            f"{facts.fills:,} on {facts.days} days ({clean} clean, {facts.days_seen} seen)",
        ),
        ("net a fill, bps", net),
        ("over fake levels", with_interval(claim.lead)),
        ("wins (target met)", f"{wins}; by chance {chance}, to pay the fees {even}"),
        ("worst", f"day {worst} in all, {facts.losing_run} losing fills in a row"),
        ("trials in the ledger", str(facts.trials)),
    ]


def besides(facts: VerdictFacts) -> list[str]:
    """Return sentences that stand beside the six numbers, and decide nothing."""
    said = []
    if facts.alone is not None:
        alone = with_interval(facts.alone)
        said.append(f"One position at a time: net {alone} on {facts.alone.fills:,} fills.")
    if facts.rank is not None:
        said.append(f"Random levels did as well in {100 * facts.rank:.1f} % of 1,000 draws.")
    return said


def one_line(family: str, facts: VerdictFacts) -> str:
    """Return the verdict in a line for other programs: ``base: TOO EARLY, 84 of 200 fills``."""
    word = decide(facts).word
    if word == "TOO EARLY":
        few = facts.fills < power.FEWEST_FILLS
        left = _progress(facts).split(", ")[few]
        return f"{family}: {word}, {left}"
    if word in {"LAB BROKEN", "NO DATA", "DISAGREES"}:
        return f"{family}: {word}"
    return f"{family}: {word}, net {with_interval(facts.claims['queue'].net)} bps a fill"


def nothing() -> Mapping[Model, Claim]:
    """Return the claims of a setup that was never filled."""
    return dict.fromkeys(MODELS, Claim(None, None))
