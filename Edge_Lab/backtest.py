"""Estimates all families under all fill models over the judged days, and puts them down first."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any, Final

import orjson

from Edge_Lab.evaluations import (
    VERDICT_MODEL,
    Evaluated,
    config_of,
    decimal,
    evaluated,
    of_group,
    put_down,
)
from Edge_Lab.executions import executions
from Edge_Lab.families import FAMILIES, name_of
from Edge_Lab.fills import MODELS, Model
from Edge_Lab.inference import Estimate, net
from Edge_Lab.judged_span import Digests, JudgedSpan, evaluating, judged_span
from Edge_Lab.verdict import with_interval
from ravequant import cli, settings, tables, times
from ravequant.errors import DONE, NoDataError

WIDTH: Final = 80
_HEADINGS: Final = ("family", "trials", "fills", "net", "over fake levels")
_MODEL_HEADINGS: Final = ("base filled as", "fills", "net", "over fake levels")


def span_of(args: argparse.Namespace) -> JudgedSpan:
    """Return the judged days that the arguments ask for. NoDataError without one."""
    vault, chosen = cli.vault_of(args), settings.load()
    instruments = cli.instruments_of(args, chosen.instruments)
    span = judged_span(vault, instruments, args.first, args.last)
    span = span.judged_by(executions(chosen)[0])
    if not span.notes:
        raise NoDataError(
            f"{vault.root}: no judged day of {', '.join(span.instruments)}; record a day, then run "
            "edge_lab.py judge"
        )
    return span


def command(args: argparse.Namespace) -> int:
    """Run `backtest`: evaluate, put down, then show."""
    span = span_of(args)
    default = executions(settings.load())[0]
    families = args.families or list(FAMILIES)
    models = args.models or list(MODELS)
    config_id = config_of(default, name_of(default.default_filter))
    with evaluating(span):
        made = evaluate(span.digests(default), config_id, families, models)
        put_down(span, "explore", made, times.utc_now_ms())
    if args.json:
        sys.stdout.write(orjson.dumps(as_json(span, made)).decode() + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in page(span, made)))
    return DONE


def evaluate(
    digests: Digests, config_id: str, families: Sequence[str], models: Sequence[Model]
) -> list[Evaluated]:
    """Return the evaluations of families under models, each family's models side by side."""
    return [
        evaluated(config_id, family, model, of_group(digests, family))
        for family in families
        for model in models
    ]


def page(span: JudgedSpan, made: Sequence[Evaluated]) -> Iterator[str]:
    """Yield the lines of the answer, at most 80 columns wide."""
    first, last = span.days[0], span.days[-1]
    yield f"{', '.join(span.instruments)}: {len(span.days)} judged days, {first} to {last}"
    yield "bps a fill, all costs taken off; in brackets the range that holds 19 times of 20"
    models = {found.model for found in made}
    model = VERDICT_MODEL if VERDICT_MODEL in models else made[0].model
    rows = [
        (
            found.family,
            f"{found.gathered.trials:,}",
            f"{int(found.gathered.real.fills.sum()):,}",
            with_interval(found.net),
            with_interval(found.lead),
        )
        for found in made
        if found.model == model
    ]
    yield ""
    yield from tables.aligned(_HEADINGS, rows, ("family",))
    if side := [found for found in made if found.family == "base"]:
        yield ""
        yield from tables.aligned(_MODEL_HEADINGS, _model_rows(side), ("base filled as",))
    yield ""
    for note in _notes(span, made, model):
        yield from wrap(note, WIDTH, subsequent_indent="  ")


def _model_rows(made: Sequence[Evaluated]) -> list[tuple[str, ...]]:
    return [
        (
            found.model,
            f"{int(found.gathered.real.fills.sum()):,}",
            with_interval(found.net),
            with_interval(found.lead),
        )
        for found in made
    ]


def _notes(span: JudgedSpan, made: Sequence[Evaluated], model: Model) -> Iterator[str]:
    """Yield the counts and cautions that belong to the table."""
    first = next(found for found in made if found.model == model)
    base, name = first.gathered, first.family
    yield (
        f"{name}: {base.missed:,} of {base.trials:,} trials came too late, {base.gap:,} "
        f"lie over a gap, {base.open:,} are open; of {base.unknown:,} fills the queue is unknown"
    )
    yield f"{name}: net a signal, filled or not, {with_interval(net(base.signals))}"
    if span.stale:
        yield f"the trades of {span.stale} days were repaired after they had been judged"
    if len({found.family for found in made}) > 1:
        yield f"families stand as filled by the model {model}; the best of 24 looks good by luck"
    yield f"{len(made)} evaluations went into the ledger; what they prove: edge_lab.py verdict"


def as_json(span: JudgedSpan, made: Sequence[Evaluated]) -> dict[str, Any]:
    """Return the answer as an object; decimals are text."""
    return {
        "instruments": list(span.instruments),
        "days": [span.days[0], span.days[-1]],
        "judged_days": len(span.days),
        "stale_days": span.stale,
        "data_id": span.data_id,
        "evaluations": [_row(found) for found in made],
    }


def _row(found: Evaluated) -> dict[str, Any]:
    gathered = found.gathered
    return {
        "config_id": found.config_id,
        "family": found.family,
        "model": found.model,
        **{name: getattr(gathered, name) for name in ("trials", "missed", "gap", "open")},
        "fills": int(gathered.real.fills.sum()),
        "unknown_queue": gathered.unknown,
        "net": estimate_row(found.net),
        "delta": estimate_row(found.lead),
        "net_a_signal": estimate_row(net(gathered.signals)),
    }


def estimate_row(found: Estimate | None) -> dict[str, Any] | None:
    """Return an estimate as an object: decimals in bps as text; None without a fill."""
    if found is None:
        return None
    ends = found.interval()
    return {
        "bps": decimal(found.value),
        "interval": None if ends is None else [decimal(end) for end in ends],
        "se": decimal(found.se),
        "p": None if found.p is None else f"{found.p:.6f}",
        "fills": found.fills,
        "days": len(found.influence),
        "days_a_cluster": found.block,
        "left_out": found.left_out,
    }
