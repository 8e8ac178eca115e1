"""The hypotheses of the forward test, registered before it starts: ``lab/registered.jsonl``.

A change of the hypotheses, of a setting that bears on their trials, of the instruments or of the
lab is a new line, and a new day 0; the old lines stay.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from Edge_Lab.evaluations import config_of
from Edge_Lab.executions import executions
from Edge_Lab.families import REGISTERED, name_of
from Edge_Lab.lab_paths import LAB_VERSION, LabPaths
from Edge_Lab.trial_ledger import ChainedLog
from ravequant import times
from ravequant.errors import VaultError
from ravequant.settings import Settings
from ravequant.signals.limits import SignalLimits
from ravequant.signals.query_id import query_id
from ravequant.vault.paths import Vault


@dataclass(frozen=True, slots=True)
class Hypotheses:
    """The parts of a forward test whose change begins another one."""

    hypotheses: tuple[str, ...]
    config_id: str
    query_id: str
    code: str  # version of the lab
    instruments: tuple[str, ...]  # ascending


@dataclass(frozen=True, slots=True)
class Registration:
    """A line of the register."""

    number: int
    registered_ms: int  # day 0 begins: trials count from here on
    about: Hypotheses


def hypotheses_of(chosen: Settings, instruments: Sequence[str]) -> Hypotheses:
    """Return the registration that the settings would make for these instruments."""
    default = executions(chosen)[0]
    config_id = config_of(default, name_of(default.default_filter))
    names = tuple(sorted(instruments))
    limits = SignalLimits.of(names[0], chosen)
    asked = query_id(default.default_filter.query, limits)
    return Hypotheses(REGISTERED, config_id, asked, LAB_VERSION, names)


def registered(vault: Vault) -> Registration | None:
    """Return the newest line; None if nothing was registered. VaultError if the file is damaged."""
    log = ChainedLog(LabPaths(vault).registered)
    newest: Registration | None = None
    for row in log.rows():
        newest = _registration(log, row)
    return newest


def register(vault: Vault, wanted: Hypotheses, made_ms: int) -> Registration:
    """Return the newest registration if it is of these hypotheses, else write and sync a line."""
    newest = registered(vault)
    if newest is not None and newest.about == wanted:
        return newest
    body = {"registered_utc": times.iso(made_ms), **asdict(wanted)}
    link = ChainedLog(LabPaths(vault).registered).append([body])
    return Registration(link.number, made_ms, wanted)


def _registration(log: ChainedLog, row: dict[str, Any]) -> Registration:
    try:
        values = {name: row[name] for name in Hypotheses.__slots__}
        lists = {name: tuple(values[name]) for name in ("hypotheses", "instruments")}
        about = Hypotheses(**values | lists)
        return Registration(row["n"], times.parse_iso(row["registered_utc"]), about)
    except (KeyError, TypeError, ValueError) as error:
        raise VaultError(
            f"{log.path}: line {row['n']} is no registration: {error!r}; put a copy back, or move "
            "the file away and begin anew: edge_lab.py forward --begin"
        ) from error
