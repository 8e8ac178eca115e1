"""`edge_lab.py forward`: registers a forward test, judges the signals of a watch, and reports.

The test counts the signals of `find_signals.py --watch 30` with the query of the settings, and
without --min-score.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from Edge_Lab.agreement import DIFFERING, AgreementCheck
from Edge_Lab.evaluations import Evaluated, decimal
from Edge_Lab.forward import comparison, in_force, standings
from Edge_Lab.paper import Engine, answers, judge
from Edge_Lab.paper_engine import engine_of
from Edge_Lab.power import BURN_IN
from Edge_Lab.registered import Registration, hypotheses_of, register
from Edge_Lab.verdict import Forward, number, with_interval
from ravequant import cli, settings, tables, times
from ravequant.errors import DONE, NoDataError
from ravequant.settings import Settings
from ravequant.vault.paths import Vault

WATCH: Final = "find_signals.py --watch 30"
Engines = Callable[[Vault, str, Settings], Engine]
_HEADERS: Final = (
    "hypothesis", "trials", "fills", "days", "net, bps a fill", "at least", "over fake levels",
    "at least",
)  # fmt: skip
_MOST_NAMED: Final = 10  # signals that differ


@dataclass(frozen=True, slots=True)
class ForwardReport:
    """All that a look at the forward test shows."""

    found: Registration
    made_ms: int
    judged: int  # trials whose end became known since the look before
    seen: dict[str, int]  # events of the watch: trials, and those that are none by their reason
    standing: list[Evaluated]
    comparison: AgreementCheck


def add_options(made: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    made.add_argument(
        "--begin",
        action="store_true",
        help="forward: register the hypotheses under the present settings; a change is a new day 0",
    )


def command(args: argparse.Namespace, engines: Engines = engine_of) -> int:
    """Run `forward`. NoDataError while no test of the present settings is registered."""
    vault, chosen, now = cli.vault_of(args), settings.load(), times.utc_now_ms()
    instruments = cli.instruments_of(args, chosen.instruments)
    if args.begin:
        return _begin(register(vault, hypotheses_of(chosen, instruments), now), as_json=args.json)
    found = in_force(vault, chosen, instruments)
    if found is None:
        raise NoDataError(
            f"no forward test of these settings is registered in {vault.root}: begin it with "
            "edge_lab.py forward --begin"
        )
    report = look(vault, found, chosen, engines, now)
    if args.json:
        sys.stdout.write(orjson.dumps(_as_json(report)).decode() + "\n")
    else:
        sys.stdout.write(_as_text(report))
    return DONE


def look(
    vault: Vault, found: Registration, chosen: Settings, engines: Engines, made_ms: int
) -> ForwardReport:
    """Judge the trials that have ended; return how the test stands, which is put down first."""
    judged, seen = 0, dict.fromkeys(("trials", "late", "undated", "otherwise", "damaged"), 0)
    for inst_id in found.about.instruments:
        judged += judge(vault, inst_id, found, chosen, engines(vault, inst_id, chosen))
        record = answers(vault, inst_id, found).record
        seen["trials"] += len(record.trials)
        for name in list(seen)[1:]:
            seen[name] += getattr(record, name)
    standing = standings(vault, found, made_ms)
    return ForwardReport(found, made_ms, judged, seen, standing, comparison(vault, found, chosen))


def _begin(found: Registration, *, as_json: bool) -> int:
    about = found.about
    if as_json:
        sys.stdout.write(orjson.dumps(_registration(found)).decode() + "\n")
        return DONE
    sys.stdout.write(
        f"registered {times.iso(found.registered_ms)}: {', '.join(about.hypotheses)} of "
        f"{', '.join(about.instruments)} (line {found.number}, config_id {about.config_id}, "
        f"query_id {about.query_id})\n"
        f"Trials are the signals of {WATCH} from now on, without --min-score.\n"
    )
    return DONE


def _registration(found: Registration) -> dict[str, Any]:
    about = found.about
    return {
        "registered_utc": times.iso(found.registered_ms),
        "line": found.number,
        "hypotheses": list(about.hypotheses),
        "instruments": list(about.instruments),
        "config_id": about.config_id,
        "query_id": about.query_id,
        "code": about.code,
    }


def _as_json(report: ForwardReport) -> dict[str, Any]:
    return {
        **_registration(report.found),
        "elapsed_days": _elapsed(report),
        "judged": report.judged,
        "watch": report.seen,
        "standing": [_row(one) for one in report.standing],
        "agreement": {
            **{word: len(pairs) for word, pairs in sorted(report.comparison.pairs.items())},
            "unequal": len(report.comparison.unequal),
            "differing": _names(report.comparison),
            "disagrees": report.comparison.agreement.fails,
        },
    }


def _row(one: Evaluated) -> dict[str, Any]:
    forward, lead = Forward.of(one.net, one.lead), one.lead
    return {
        "family": one.family,
        "trials": one.gathered.trials,
        "fills": int(one.gathered.real.fills.sum()),
        "missed": one.gathered.missed,
        "gap": one.gathered.gap,
        "days": forward.day,
        "net": None if one.net is None else decimal(one.net.value),
        "net_at_least": decimal(forward.net),
        "delta": None if lead is None else decimal(lead.value),
        "delta_at_least": decimal(forward.lead),
    }


def _elapsed(report: ForwardReport) -> int:
    """Return the UTC days since day 0."""
    first, last = report.found.registered_ms, report.made_ms
    return max(0, last // times.DAY_MS - first // times.DAY_MS)


def _as_text(report: ForwardReport) -> str:
    about = report.found.about
    head = (
        f"forward test of {', '.join(about.instruments)}, day {_elapsed(report)} since "
        f"{times.iso(report.found.registered_ms)}\n"
    )
    return (
        head
        + tables.text(_HEADERS, [_cells(one) for one in report.standing])
        + "".join(f"{line}\n" for line in _said(report))
    )


def _cells(one: Evaluated) -> Sequence[str]:
    forward = Forward.of(one.net, one.lead)
    wait = f"day {BURN_IN}"
    least = [wait if bound is None else number(bound) for bound in (forward.net, forward.lead)]
    fills = str(int(one.gathered.real.fills.sum()))
    row = (one.family, str(one.gathered.trials), fills, str(forward.day))
    return *row, with_interval(one.net), least[0], with_interval(one.lead), least[1]


def _said(report: ForwardReport) -> Sequence[str]:
    seen, found = report.seen, report.comparison
    names = {
        "trials": "trials",
        "late": "seen too late",
        "undated": "without a time",
        "otherwise": "of other questions",
    }
    watched = ", ".join(f"{text} {seen[name]}" for name, text in names.items())
    said = [f"the watch: {watched}"]
    if seen["damaged"]:
        said.append(
            f"lines of signals.jsonl that are no signal and were left out: {seen['damaged']}"
        )
    if not seen["trials"]:
        said.append(f"no trial yet: run {WATCH}, with the query of the settings and every score")
    agreed = found.agreement
    counts = {
        "compared": agreed.compared,
        "same": found.count("same"),
        "shifted": found.count("shifted"),
        "different": agreed.differing,
        "ended otherwise": agreed.unequal,
    }
    listed = ", ".join(f"{name} {count}" for name, count in counts.items())
    said.append(f"held against the backtest: {listed}")
    return said + [f"  {name}" for name in _names(found)[:_MOST_NAMED]]


def _names(found: AgreementCheck) -> list[str]:
    """Return the trials that differ, each with its word."""
    pairs = [(word, *pair) for word in DIFFERING for pair in found.pairs.get(word, ())]
    named = [f"{word}: {event_id} {family}" for word, event_id, family in pairs]
    return named + [f"unequal: {event_id}" for event_id in found.unequal]
