"""Makes the verdict: evaluates the registered hypotheses, weighs them, and writes card and file.

The evaluations are put down first. After a search over these days the verdict is about the
later days on which its choices were tried, and not about any point of the grid.
"""

import argparse
import logging
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import orjson

from Edge_Lab import card, golden_examples
from Edge_Lab.backtest import estimate_row, evaluate
from Edge_Lab.evaluations import (
    VERDICT_MODEL,
    Evaluated,
    Selection,
    config_of,
    evaluated,
    of_group,
    put_down,
)
from Edge_Lab.executions import executions
from Edge_Lab.families import EXITS, REGISTERED, name_of
from Edge_Lab.fills import MODELS
from Edge_Lab.forward import agreement, standing
from Edge_Lab.inference import Estimate
from Edge_Lab.judged_span import JudgedSpan, evaluating, judged_span
from Edge_Lab.lab_paths import LAB_VERSION, LabPaths
from Edge_Lab.optimise import FAMILY, search
from Edge_Lab.registered import hypotheses_of
from Edge_Lab.series_files import SeriesKey, TrialSeries, read_series
from Edge_Lab.trial_ledger import ChainedLog, Evaluation, evaluations, trials
from Edge_Lab.verdict import (
    Agreement,
    Forward,
    VerdictFacts,
    decide,
    nothing,
    one_line,
    six_numbers,
)
from Edge_Lab.verdict_facts import LabState, Significance, facts_of, significance
from Edge_Lab.walk_forward import TRAIN_DAYS
from ravequant import cli, exact, settings, times
from ravequant.errors import DONE, FAILED, NoDataError, UsageError, VaultError
from ravequant.settings import Settings
from ravequant.signals.lab_verdict import write_verdict
from ravequant.vault.atomic import replace_file
from ravequant.vault.paths import Vault

VERSION: Final = 1
_WITHOUT_SERIES: Final = frozenset({"forward", "self_test"})  # of other days than the verdict's
_ROUNDED: Final = 1e-4  # bps: the ledger has four places
_CODES: Final = {"LAB BROKEN": FAILED, "NO DATA": NoDataError.exit_code}
PICKED: Final = "Of picked days: this decides nothing, and signals do not go by it."
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MadeVerdict:
    """A verdict with all that its file and its card say."""

    span: JudgedSpan
    facts: VerdictFacts
    days: list[str]  # of the trials that it is about
    config_id: str | None = None
    searched: bool = False
    registered: tuple[str, ...] = ()  # the other hypotheses, each in a line


def command(args: argparse.Namespace) -> int:
    """Run `verdict`: evaluate, put down, write the card and the file, then show."""
    vault, chosen = cli.vault_of(args), settings.load()
    picked = bool(args.first or args.last)  # days that a person picked decide nothing
    if picked and args.html:
        raise UsageError("--html names the page of all days: leave --from and --to out")
    span = judged_span(vault, cli.instruments_of(args, chosen.instruments), args.first, args.last)
    made, row = verdict_of(span, chosen, kept=not picked)
    if args.json:
        sys.stdout.write(orjson.dumps(row).decode() + "\n")
    elif args.html and row["card"]:
        sys.stdout.write(f"{vault.root / row['card']}\n")
    else:
        said = [PICKED] * picked + _more(made)[: made.searched]
        sys.stdout.write(card.terminal(made.facts, more=said))
    return _CODES.get(row["word"], DONE)


def verdict_of(
    span: JudgedSpan, chosen: Settings, *, kept: bool = True
) -> tuple[MadeVerdict, dict[str, Any]]:
    """Make the verdict on a span and return it with its row.

    If it is ``kept``, card and file are written: signals go by it from then on. NO DATA is no
    verdict on anything and is not written. Raises LockedError while another program evaluates one
    of the instruments.
    """
    with evaluating(span):
        return _verdict_of(span, chosen, kept=kept)


def _verdict_of(
    span: JudgedSpan, chosen: Settings, *, kept: bool
) -> tuple[MadeVerdict, dict[str, Any]]:
    made_ms = times.utc_now_ms()
    made = _made(span.judged_by(executions(chosen)[0]), chosen, made_ms)
    query = hypotheses_of(chosen, made.span.instruments).query_id
    row = as_json(made, made_ms) | {"query_id": query}
    if not kept or row["word"] == "NO DATA":
        return made, row | {"card": None}
    if made.span.notes:
        page = card.html(made.facts, title=_title(made), more=_more(made))
        replace_file(LabPaths(span.vault).card(made.span.days[-1]), page.encode())
    write_verdict(span.vault, row)
    return made, row


def _made(span: JudgedSpan, chosen: Settings, made_ms: int) -> MadeVerdict:
    """Return the verdict; that of a broken lab where its own files contradict it."""
    try:
        before = list(evaluations(ChainedLog(LabPaths(span.vault).ledger)))
        intact = not failed_checks(span.vault)
    except VaultError as error:
        _log.error("%s", error)
        before, intact = [], False
    if not (intact and span.notes):
        return MadeVerdict(span, VerdictFacts(days=0, claims=nothing(), intact=intact), [])
    return _weighed(span, chosen, before, made_ms)


def failed_checks(vault: Vault) -> bool:
    """Return True if a worked example is not met, or the self test of this version has failed."""
    if failures := golden_examples.failures():
        _log.error("a worked example is not met: %s; run edge_lab.py check", failures[0])
        return True
    path = LabPaths(vault).self_test
    try:
        found = orjson.loads(path.read_bytes())
        broken = found["code"] == LAB_VERSION and found["passed"] is not True
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.error("%s: is no self test: %r; run edge_lab.py check", path, error)
        return True
    if broken:
        _log.error("%s: failed: %s; run edge_lab.py check", path, ", ".join(found["failed"]))
    return broken


def _weighed(
    span: JudgedSpan, chosen: Settings, before: Sequence[Evaluation], made_ms: int
) -> MadeVerdict:
    default = executions(chosen)[0]
    digests = span.digests(default)
    selections = {family: of_group(digests, family) for family in REGISTERED}
    made = evaluate(
        digests, config_of(default, name_of(default.default_filter)), REGISTERED, MODELS
    )
    searched, lacking = was_searched(before, span), set[str]()
    if searched:
        found = search(span, executions(chosen)[: len(EXITS)])
        selections[FAMILY] = found.selection
        out = [evaluated(found.config_id, FAMILY, model, found.selection) for model in MODELS]
        made = [*out, *(one for one in made if one.family != FAMILY)]
        lacking = {FAMILY} if found.other_exits else lacking
    put_down(span, "verdict", made, made_ms)
    agreed = agreement(span.vault, span.instruments)
    ahead = {} if searched else standing(span.vault, span.instruments, made_ms)
    weights, by_family = Weights(span), dict[str, VerdictFacts]()
    for family in REGISTERED:
        state = LabState(
            books=span.books,
            all_kinds=family not in lacking,
            agreement=agreed,
            forward=ahead.get(family),
            fees_bps=_fees(chosen),
        )
        models = [one for one in made if one.family == family]
        by_family[family] = weights.facts(selections[family], models, state)
    queue = next(one for one in made if (one.family, one.model) == (FAMILY, VERDICT_MODEL))
    others = [one_line(name, by_family[name]) for name in REGISTERED if name != FAMILY]
    return MadeVerdict(
        span,
        by_family[FAMILY],
        queue.gathered.days,
        queue.config_id,
        searched=searched,
        registered=tuple(others),
    )


def was_searched(before: Sequence[Evaluation], span: JudgedSpan) -> bool:
    """Return True if a search learnt from these days of one of the instruments."""
    days = span.days
    return len(days) > TRAIN_DAYS and any(
        made.role == "train"
        and made.days[0] <= days[-1]
        and made.days[1] >= days[0]
        and not set(made.instruments).isdisjoint(span.instruments)
        for made in before
    )


def _fees(chosen: Settings) -> float:
    return int(chosen.signals.maker_bps + chosen.signals.taker_bps) / exact.SIZE_ONE


class Weights:
    """The trials of the ledger over the days of a span, and the day series of each.

    Of a trial the evaluation that holds most days of the span counts, of equals the newest. A
    series that is gone from the disk is counted against the claim.
    """

    def __init__(self, span: JudgedSpan) -> None:
        self._instruments = span.instruments
        log = ChainedLog(LabPaths(span.vault).ledger)
        made = list(evaluations(log))
        days = span.days
        self.trials = trials(made, days[0], days[-1])
        shown = [one for one in made if one.trial in self.trials and _has_series(one)]
        longest = {one.trial: one for one in sorted(shown, key=_held_of(days))}
        found = {trial: _series_of(span.vault, one) for trial, one in longest.items()}
        self._series = {trial: one for trial, one in found.items() if one is not None}
        self._lost = [longest[trial] for trial, one in found.items() if one is None]
        if self._lost:
            _log.warning(
                "of %d of %d trials in the ledger the day series are gone, so nothing is proven; "
                "the first is %s of %s; make them again with edge_lab.py backtest or optimise, "
                "under the settings of then",
                len(self._lost),
                len(self.trials),
                self._lost[0].family,
                LabPaths(span.vault).series(self._lost[0].config_id, self._lost[0].data_id),
            )

    def facts(
        self, selection: Selection, models: Sequence[Evaluated], state: LabState
    ) -> VerdictFacts:
        """Return the facts of a hypothesis among all trials."""
        own = next(found for found in models if found.model == VERDICT_MODEL)
        trial = own.config_id, own.family, own.model, self._instruments
        others = [found for name, found in self._series.items() if name != trial]
        left: Significance = significance(own, others, len(self.trials))
        return facts_of(selection, models, left._replace(lost_series=len(self._lost)), state)


def _has_series(made: Evaluation) -> bool:
    """Return True for an evaluation whose day series was written before its line."""
    shown = made.role not in _WITHOUT_SERIES and made.model == VERDICT_MODEL
    return shown and made.net is not None


def _held_of(days: Sequence[str]) -> Callable[[Evaluation], int]:
    return lambda made: bisect_right(days, made.days[1]) - bisect_left(days, made.days[0])


def _series_of(vault: Vault, made: Evaluation) -> TrialSeries | None:
    """Return the series of an evaluation; None if its file is gone.

    Raises VaultError if it is damaged, or does not add up to Net of the ledger.
    """
    key = SeriesKey(made.config_id, made.data_id)
    found = next((one for one in read_series(vault, key) if one.family == made.family), None)
    if found is not None and abs(float(np.nansum(found.net)) - float(made.net or 0)) > _ROUNDED:
        raise VaultError(
            f"{LabPaths(vault).series(*key)}: the days of {made.family} add up to "
            f"{float(np.nansum(found.net)):.4f}, the ledger says {made.net}; delete the file, then "
            "run edge_lab.py backtest"
        )
    return found


# --- the file and the card -----------------------------------------------------------------------


def as_json(made: MadeVerdict, made_ms: int) -> dict[str, Any]:
    """Return the verdict as its file holds it; decimals are text."""
    facts = made.facts
    word, what_to_do = decide(facts)
    days = made.days
    return {
        "version": VERSION,
        "made_utc": times.iso(made_ms),
        "code": LAB_VERSION,
        "instruments": list(made.span.instruments),
        "days": [days[0], days[-1]] if days else None,
        "word": word,
        "what_to_do": what_to_do,
        "short": one_line(FAMILY, facts).removeprefix(f"{FAMILY}: "),
        "numbers": [list(pair) for pair in six_numbers(facts)],
        "family": FAMILY,
        "config_id": made.config_id,
        "searched": made.searched,
        "registered": list(made.registered),
        "facts": dict(_fact_rows(facts)),
        "card": f"lab/cards/{made.span.days[-1]}.html" if made.span.notes else None,
    }


def _fact_rows(facts: VerdictFacts) -> Iterator[tuple[str, Any]]:
    for field in fields(facts):
        value = getattr(facts, field.name)
        if field.name == "claims":
            value = {
                model: {"net": estimate_row(claim.net), "delta": estimate_row(claim.lead)}
                for model, claim in value.items()
            }
        elif isinstance(value, Estimate):
            value = estimate_row(value)
        elif isinstance(value, float):
            value = f"{value:.6f}"
        elif isinstance(value, Agreement | Forward):
            value = {
                name: f"{part:.6f}" if isinstance(part, float) else part
                for name, part in value._asdict().items()
            }
        yield field.name, value


def _title(made: MadeVerdict) -> str:
    return f"{', '.join(made.span.instruments)}: {FAMILY}, {made.span.days[-1]}"


def _more(made: MadeVerdict) -> list[str]:
    """Return the sentences below the card."""
    said = [f"Registered too: {line}." for line in made.registered]
    if made.searched:
        said.insert(
            0,
            "A search went over these days: judged is what its choices earned on the days after "
            f"those they were learnt from, {made.days[0]} to {made.days[-1]}.",
        )
    if made.span.stale:
        said.append(f"The trades of {made.span.stale} days were repaired after they were judged.")
    return said
