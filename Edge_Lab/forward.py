"""The forward test: its agreement with the backtest, and how it stands today.

It may be looked at every day: its bounds are those of a confidence sequence. The evaluations of a
look are in the ledger before this module returns them.
"""

import logging
from collections.abc import Sequence
from typing import Any, Final

from Edge_Lab.agreement import AgreementCheck, WatchedDays, compare
from Edge_Lab.day_sums import gathered
from Edge_Lab.evaluations import Evaluated, LedgerLook, ledger_line
from Edge_Lab.executions import executions
from Edge_Lab.fills import Model
from Edge_Lab.inference import delta, net
from Edge_Lab.lab_paths import LabPaths
from Edge_Lab.paper import PaperMarket, answers, paper_rows
from Edge_Lab.registered import Registration, hypotheses_of, registered
from Edge_Lab.trial_files import judged_days, read_trials
from Edge_Lab.trial_ledger import ChainedLog, evaluations, record, setting_id
from Edge_Lab.verdict import Agreement, Forward
from ravequant import settings, times
from ravequant.settings import Settings
from ravequant.signals.limits import SignalLimits
from ravequant.vault.newest import newest_of_all
from ravequant.vault.paths import Vault

MODEL: Final[Model] = "queue"  # of the hypotheses
_log = logging.getLogger(__name__)


def in_force(vault: Vault, chosen: Settings, instruments: Sequence[str]) -> Registration | None:
    """Return the registration of the present settings and instruments; None without one.

    That the newest is of others is logged.
    """
    found = registered(vault)
    if found is None or found.about == hypotheses_of(chosen, instruments):
        return found
    _log.warning(
        "the forward test since %s is of other settings, instruments or another version: take them "
        "back, or begin anew with edge_lab.py forward --begin",
        times.iso(found.registered_ms),
    )
    return None


def agreement(vault: Vault, instruments: Sequence[str]) -> Agreement | None:
    """Return how far a watch and the backtest agree; None while nothing can be compared."""
    chosen = settings.load()
    found = in_force(vault, chosen, instruments)
    if found is None:
        return None
    counts = comparison(vault, found, chosen).agreement
    return counts if counts.compared else None


def comparison(vault: Vault, found: Registration, chosen: Settings) -> AgreementCheck:
    """Return the live trials and those of the backtest on judged days, held against each other."""
    whole = AgreementCheck()
    exec_id = executions(chosen)[0].exec_id
    first = times.day(found.registered_ms)
    for inst_id in found.about.instruments:
        days = {
            day: lines
            for day in judged_days(vault, inst_id)
            if day >= first
            if (lines := read_trials(vault, inst_id, exec_id, day)) is not None
        }
        live = answers(vault, inst_id, found)
        outcomes = {
            (row["event_id"], times.parse_iso(row["A_utc"]) // times.MINUTE_MS): row["undelayed"]
            for row in paper_rows(vault, inst_id, found)
        }
        past = [line for lines in days.values() for line in lines]
        watched = WatchedDays(live.record.trials, past, days.keys(), live.covered, outcomes)
        market = PaperMarket(vault, inst_id, SignalLimits.of(inst_id, chosen))
        whole.add(compare(watched, market))
    return whole


# --- how it stands -------------------------------------------------------------------------------


def standing(
    vault: Vault, instruments: Sequence[str], made_ms: int | None = None
) -> dict[str, Forward]:
    """Return how each registered hypothesis stands; none if none is registered as it is now.

    ``made_ms`` is the time of the look (Unix ms), now by default.
    """
    found = in_force(vault, settings.load(), instruments)
    if found is None:
        return {}
    made_ms = times.utc_now_ms() if made_ms is None else made_ms
    made = standings(vault, found, made_ms)
    return {one.family: Forward.of(one.net, one.lead) for one in made}


def standings(vault: Vault, found: Registration, made_ms: int) -> list[Evaluated]:
    """Return the hypotheses on the UTC days before the newest record, put into the ledger."""
    today = times.day(newest_of_all(vault) or 0)
    rows = {
        inst_id: [row for row in paper_rows(vault, inst_id, found) if row["A_utc"][:10] < today]
        for inst_id in found.about.instruments
    }
    lines = [row for of_one in rows.values() for row in of_one]
    made = [_evaluated(found, family, lines) for family in found.about.hypotheses]
    data_id = setting_id(
        {inst_id: of_one[-1]["sha"] if of_one else None for inst_id, of_one in rows.items()}
    )
    _put_down(vault, found, data_id, made, made_ms)
    return made


def _evaluated(found: Registration, family: str, lines: Sequence[dict[str, Any]]) -> Evaluated:
    made = gathered(lines, family, MODEL)
    ours, lead = (net(made.real), delta(made.real, made.fake)) if made.days else (None, None)
    return Evaluated(found.about.config_id, family, MODEL, made, ours, lead)


def _put_down(
    vault: Vault, found: Registration, data_id: str, made: Sequence[Evaluated], made_ms: int
) -> None:
    """Write the evaluations that the ledger does not hold yet, and sync them."""
    log = ChainedLog(LabPaths(vault).ledger)
    look = LedgerLook("forward", data_id, found.about.instruments, made_ms)
    lines = [ledger_line(one, look) for one in made if one.gathered.days]
    known = {
        (one.trial, one.data_id, one.days) for one in evaluations(log) if one.role == "forward"
    }
    new = [one for one in lines if (one.trial, one.data_id, one.days) not in known]
    if new:
        record(log, new)
