"""The lab tests itself: its chains, its worked examples, and its bounds on markets without an edge.

Days of model markets are simulated once and kept in a folder. The name of a file holds what day 0
came to, so days of another engine are never believed.
"""

import hashlib
import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson

from Edge_Lab import golden_examples, lab_bounds
from Edge_Lab.exits import ExitRules
from Edge_Lab.lab_bounds import Bound
from Edge_Lab.lab_paths import LAB_VERSION, LabPaths
from Edge_Lab.model_markets import DayMarket
from Edge_Lab.model_studies import FORWARD_DAYS, STUDY_DAYS, MarketDays, joined, simulated
from Edge_Lab.model_trials import FREE
from Edge_Lab.trial_ledger import ChainedLog
from ravequant import times
from ravequant.vault.atomic import make_folder, replace_file
from ravequant.vault.line_file import is_there
from ravequant.vault.paths import StrPath, Vault

VERSION: Final = 1  # of self_test.json
FEWEST_DAYS: Final = STUDY_DAYS + FORWARD_DAYS
SLOW_DAYS: Final = 1_500  # of each market
SLOW_STUDIES: Final = 2_000  # half of them on each market
SIZE_STUDIES: Final = 200
RUIN_TRADES: Final = 40_000
QUICK_DAYS: Final = 3
QUICK_TRADES: Final = 1_500
BLOCK: Final = 50  # days in a file
_RULES: Final[dict[DayMarket, ExitRules]] = {"M2": ExitRules(), "M3": FREE}


# --- chains --------------------------------------------------------------------------------------


def chains(vault: Vault) -> dict[str, int]:
    """Return the lines of each chained file that is there. VaultError at the first broken one."""
    paths = LabPaths(vault)
    papers = sorted((vault.root / "lab").glob("*/perps/*/paper.jsonl"))
    return {
        path.relative_to(vault.root).as_posix(): sum(1 for _ in ChainedLog(path).rows())
        for path in (paths.ledger, paths.registered, *papers)
        if is_there(path)
    }


# --- bounds --------------------------------------------------------------------------------------


def quick_bounds() -> list[Bound]:
    """Return the worked examples and the bounds of a few days, which take some seconds."""
    failed = golden_examples.failures()
    examples = Bound(
        "Worked examples",
        f"{len(golden_examples.EXAMPLES)} rules",
        "; ".join(failed) or "all met",
        "all met",
        not failed,
    )
    ruins = [
        lab_bounds.ruin("touch", 15, 15, QUICK_TRADES),
        lab_bounds.ruin("through", 10, 30, QUICK_TRADES),
    ]
    few = {market: block_of_days(market, 0, QUICK_DAYS) for market in _RULES}
    leads = [lab_bounds.no_lead(market, days) for market, days in few.items()]
    return [examples, *ruins, *lab_bounds.identity(few["M2"]), *leads]


def slow_bounds(
    folder: StrPath, days: int = SLOW_DAYS, studies: int = SLOW_STUDIES
) -> Iterator[Bound]:
    """Yield the bounds over many days and studies; the days come from a folder, or go into it.

    Raises ValueError for fewer days than a study and its forward test have.
    """
    if days < FEWEST_DAYS:
        raise ValueError(f"{days} days, expected {FEWEST_DAYS} or more: a study draws so many")
    for model, stop, target in lab_bounds.RUINS:
        yield lab_bounds.ruin(model, stop, target, RUIN_TRADES)
    paid, free = (kept_days(folder, market, days) for market in _RULES)
    yield from lab_bounds.identity(paid)
    few = min(studies, SIZE_STUDIES)
    for market, made in zip(_RULES, (paid, free), strict=True):
        yield lab_bounds.no_lead(market, made)
        yield from lab_bounds.size(market, made, few)
    yield lab_bounds.loses(paid, few)
    yield lab_bounds.planted(paid, few)
    yield lab_bounds.words_with_fees(paid, studies // 2)
    yield lab_bounds.words_without_fees(free, studies // 2)


# --- days ----------------------------------------------------------------------------------------


def block_of_days(market: DayMarket, first: int, count: int) -> MarketDays:
    """Return days of a market, simulated."""
    return joined(simulated(market, first + place, _RULES[market]) for place in range(count))


def kept_days(folder: StrPath, market: DayMarket, count: int) -> MarketDays:
    """Return the first days of a market; blocks that are not in the folder yet are simulated.

    Blocks are simulated side by side, one on each processor.
    """
    from ravequant.processes.worker_pool import Processes  # noqa: PLC0415 - for the slow bounds alone

    make_folder(Path(folder))
    name = f"{market}-{_engine(market)}"
    firsts = range(0, count, BLOCK)
    paths = {first: Path(folder) / f"{name}-{first:05d}.npz" for first in firsts}
    found = {first: _read(path) for first, path in paths.items()}
    pool = Processes(os.cpu_count() or 1)
    try:
        made = {
            first: pool.submit(block_of_days, market, first, BLOCK)
            for first, block in found.items()
            if block is None
        }
        for first, future in made.items():
            found[first] = future.result()
            _write(paths[first], future.result())
    finally:
        pool.close()
    blocks = [block for block in found.values() if block is not None]
    return joined(blocks).chosen(np.arange(count))


def _engine(market: DayMarket) -> str:
    """Return what day 0 comes to, in a few digits: another engine has others."""
    day = simulated(market, 0, _RULES[market])
    whole = b"".join(column.astype("<i8").tobytes() for column in day)
    return hashlib.sha256(whole).hexdigest()[:8]


def _read(path: Path) -> MarketDays | None:
    """Return the days of a file; None if it is not there, or damaged."""
    try:
        with np.load(path) as columns:
            found = MarketDays(*(columns[name] for name in MarketDays._fields))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return found if found.number == BLOCK else None


def _write(path: Path, days: MarketDays) -> None:
    temporary = path.with_name(f".{path.name}.tmp.npz")
    np.savez(temporary, **days._asdict())
    temporary.replace(path)


# --- the result ----------------------------------------------------------------------------------


def write_result(
    vault: Vault, quick: Sequence[Bound], slow: Sequence[Bound] | None, made_ms: int
) -> dict[str, Any]:
    """Write lab/self_test.json, so that a verdict can say LAB BROKEN; return its content.

    Without slow bounds those of an earlier test of this version stand: what failed over many days
    is not mended by a test of a few.
    """
    kept = _slow_bounds_of(vault) if slow is None else [bound._asdict() for bound in slow]
    bounds = [bound._asdict() | {"slow": False} for bound in quick]
    bounds += [bound | {"slow": True} for bound in kept]
    failed = [bound["name"] for bound in bounds if not bound["holds"]]
    row = {
        "version": VERSION,
        "code": LAB_VERSION,
        "made_utc": times.iso(made_ms),
        "passed": not failed,
        "failed": failed,
        "bounds": bounds,
    }
    replace_file(LabPaths(vault).self_test, orjson.dumps(row) + b"\n")
    return row


def _slow_bounds_of(vault: Vault) -> list[dict[str, Any]]:
    """Return the slow bounds of the last test of this version; none of a damaged file."""
    try:
        found = orjson.loads(LabPaths(vault).self_test.read_bytes())
        slow = [bound for bound in found["bounds"] if bound.get("slow") is True]
        return slow if found["code"] == LAB_VERSION else []
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
