"""Evaluations: a family under a fill model, estimated, and put down before its number is shown.

The day series come first and the line of the ledger last, so that after a crash every line has
its series.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from Edge_Lab.day_sums import GatheredDays, Part, pooled
from Edge_Lab.executions import Execution
from Edge_Lab.fills import Model
from Edge_Lab.inference import PLACES, Estimate, delta, net
from Edge_Lab.judged_span import Digests, JudgedSpan
from Edge_Lab.lab_paths import LAB_VERSION, LabPaths
from Edge_Lab.series_files import SeriesKey, TrialSeries, values_of, write_series
from Edge_Lab.trial_digest import TrialDigest
from Edge_Lab.trial_ledger import ChainedLog, Evaluation, Role, record, setting_id
from ravequant import times

Selection = Mapping[str, Sequence[tuple[TrialDigest, str]]]  # by UTC day: trials and their group
VERDICT_MODEL: Final = "queue"  # of the claims; only its series are kept


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """The estimates of a family under a model."""

    config_id: str
    family: str
    model: Model
    gathered: GatheredDays
    net: Estimate | None
    lead: Estimate | None  # over shifted placebos


class LedgerLook(NamedTuple):
    """A look at some inputs, of which the ledger has a line for each evaluation."""

    role: Role
    data_id: str
    instruments: tuple[str, ...]
    made_ms: int  # Unix ms


def config_of(execution: Execution, wick_filter: str) -> str:
    """Return the config_id of a filter under an execution, whose name holds all its settings."""
    return setting_id({"exec_id": execution.exec_id, "filter": wick_filter, "lab": LAB_VERSION})


def of_group(digests: Digests, group: str) -> Selection:
    """Return the trials of a group on all days."""
    return {day: [(found, group) for found in parts] for day, parts in digests.items()}


def sums_of(selection: Selection) -> dict[str, list[Part]]:
    """Return the sums of a selection, as ``pooled`` takes them."""
    return {
        day: [(found.sums, group) for found, group in parts] for day, parts in selection.items()
    }


def evaluated(config_id: str, family: str, model: Model, selection: Selection) -> Evaluated:
    """Return the estimates of the trials selected."""
    found = pooled(sums_of(selection), model)
    return Evaluated(
        config_id, family, model, found, net(found.real), delta(found.real, found.fake)
    )


def put_down(span: JudgedSpan, role: Role, made: Sequence[Evaluated], made_ms: int) -> None:
    """Write the series of evaluations, then their lines in the ledger, and sync both."""
    of_config: dict[str, list[TrialSeries]] = {}
    for found in made:
        if found.model == VERDICT_MODEL:
            of_config.setdefault(found.config_id, []).append(_series(found))
    for config_id, series in of_config.items():
        write_series(span.vault, SeriesKey(config_id, span.data_id), series)
    look = LedgerLook(role, span.data_id, span.instruments, made_ms)
    lines = [ledger_line(found, look) for found in made]
    record(ChainedLog(LabPaths(span.vault).ledger), lines)


def _series(found: Evaluated) -> TrialSeries:
    days = found.gathered.days
    net_values, leads = (values_of(made, len(days)) for made in (found.net, found.lead))
    return TrialSeries(found.family, found.model, tuple(days), net_values, leads)


def ledger_line(found: Evaluated, look: LedgerLook) -> Evaluation:
    """Return the line of an evaluation that has a day."""
    gathered = found.gathered
    return Evaluation(
        made_utc=times.iso(look.made_ms),
        role=look.role,
        config_id=found.config_id,
        data_id=look.data_id,
        code=LAB_VERSION,
        family=found.family,
        model=found.model,
        instruments=look.instruments,
        days=(gathered.days[0], gathered.days[-1]),
        fills=int(gathered.real.fills.sum()),
        missed=gathered.missed,
        gap=gathered.gap,
        net=None if found.net is None else decimal(found.net.value),
        delta=None if found.lead is None else decimal(found.lead.value),
        se=None if found.net is None else decimal(found.net.se),
    )


def decimal(value: float | None) -> str | None:
    """Return an amount in bps as text, to PLACES."""
    return None if value is None else f"{value:.{PLACES}f}"
