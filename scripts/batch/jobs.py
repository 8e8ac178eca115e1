"""Runs one calculator on one instrument, with raw data of one folder and outputs in another."""

import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from Context_Bot.liquidation_source import LIQUIDATIONS_CURSOR
from Context_Bot.liquidations_1m import CALCULATOR as LIQUIDATIONS_1M
from CVD.run_cvd_from_jsonl import CALCULATOR as CVD
from Liquidity_Buckets.book_flow import CALCULATOR as BOOK_FLOW
from Liquidity_Buckets.l2_bucketizer import CALCULATOR as BUCKETS
from ravequant.catalog import BOOK, COVERAGE, DEEP, LIQUIDATIONS, MARKS, TRADES, DataSet
from ravequant.errors import FAILED, RaveQuantError
from ravequant.pipeline import runner
from ravequant.pipeline.book_source import DEEP_CURSOR
from ravequant.pipeline.calculator import Calculator
from ravequant.pipeline.flow_source import TAPE_CURSOR
from ravequant.pipeline.job import Job
from ravequant.pipeline.level_source import LevelInput
from ravequant.pipeline.trade_source import TradeInput, source_of
from ravequant.settings import Settings
from ravequant.vault import commit
from ravequant.vault.atomic import replace_file
from ravequant.vault.cursor import Cursor
from ravequant.vault.lock import turn
from ravequant.vault.paths import Vault
from ravequant.vault.tail import Listing
from Untouch_Wick.untouch_wick import CALCULATOR as WICKS
from Volume_Analyzer.footprint import CALCULATOR as FOOTPRINT
from Volume_Analyzer.profile import CALCULATOR as PROFILE
from Volume_Analyzer.volume_analyzer import CALCULATOR as VOLUME
from VWAP.vwap_calculator import CALCULATOR as VWAP

CALCULATORS: Final[dict[str, Calculator[Any]]] = {
    made.metric: made
    for made in (VWAP, CVD, VOLUME, WICKS, BUCKETS, BOOK_FLOW, FOOTPRINT, PROFILE, LIQUIDATIONS_1M)
}
BARS: Final = tuple(
    metric for metric, made in CALCULATORS.items() if isinstance(made.input, TradeInput)
)
OF_TRADES: Final = tuple(
    metric
    for metric, made in CALCULATORS.items()
    if isinstance(made.input, TradeInput | LevelInput)
)
RAW: Final[dict[str, DataSet]] = {  # whose days a metric is computed of
    **dict.fromkeys(CALCULATORS, BOOK),
    **dict.fromkeys(OF_TRADES, TRADES),
    LIQUIDATIONS_1M.metric: MARKS,
}
LAST: Final = "~"  # behind every day
SIDE_DATA: Final = {  # of a side input, by its cursor
    DEEP_CURSOR: DEEP,
    TAPE_CURSOR: TRADES,
    LIQUIDATIONS_CURSOR: LIQUIDATIONS,
}


@dataclass(frozen=True, slots=True)
class Days:
    """The UTC days whose raw files are read, both included."""

    first: str = ""
    last: str = LAST

    def listing(self, files: Listing, cursor: Cursor | None) -> Listing:
        """Return ``files`` of these days and of those back to the cursor's."""
        first = min(self.first, cursor.file[:10]) if cursor else self.first
        return lambda: (item for item in files() if first <= item[0][:10] <= self.last)


@dataclass(frozen=True, slots=True)
class RecomputeTask:
    """One output to be computed."""

    metric: str
    inst_id: str
    source: Path
    target: Path
    settings: Settings
    days: Days
    rebuild: bool

    @property
    def vault(self) -> Vault:
        """The vault in which the calculator runs."""
        return Vault(self.target)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a task."""

    metric: str
    inst_id: str
    facts: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    code: int = 0


def run_task(task: RecomputeTask) -> Outcome:
    """Bring one output up to date; an error stands in the outcome."""
    try:
        facts = _run(task).facts()
    except RaveQuantError as error:
        return Outcome(task.metric, task.inst_id, {}, str(error), error.exit_code)
    except OSError as error:
        text = f"{task.metric} {task.inst_id}: {error}; check source and target, then run it again"
        return Outcome(task.metric, task.inst_id, {}, text, FAILED)
    return Outcome(task.metric, task.inst_id, facts)


def _run(task: RecomputeTask) -> runner.Summary:
    if task.source != task.vault.root:
        with turn(task.vault, "recompute", task.inst_id):
            _bring_meta(Vault(task.source), task.vault, task.inst_id)
    state_file = task.vault.state(task.metric, task.inst_id)
    facts = None
    if not task.rebuild:
        facts = commit.read_state(state_file, task.metric, task.inst_id)
    cursor = cursor_of(facts)
    if cursor is not None and cursor.file[:10] > task.days.last:
        return runner.Summary(task.metric, task.inst_id)
    return runner.run(_job(task, facts), rebuild=task.rebuild)


def cursor_of(facts: dict[str, Any] | None, name: str = "cursor") -> Cursor | None:
    """Return where a calculator, or a side input of it, stands by its state; None at the start."""
    with suppress(KeyError, TypeError, ValueError):
        return Cursor.restore(facts[name]) if facts and facts[name] else None
    return None  # the run itself names the fault


def _job(task: RecomputeTask, facts: dict[str, Any] | None) -> Job[Any]:
    """Return the ordinary job, with the raw files of the source; it starts no other processes."""
    made, raw, inst_id = CALCULATORS[task.metric], Vault(task.source), task.inst_id
    files = task.days.listing(made.input.files(raw, inst_id), cursor_of(facts))
    job = made.job(task.vault, inst_id, task.settings)
    archive = task.source != task.vault.root
    source = replace(job.source, files=files)
    if isinstance(made.input, TradeInput):
        squares = made.input.squares
        source = source_of(task.vault, inst_id, task.settings, files, squares=squares)
    elif isinstance(made.input, LevelInput):
        source = made.input.source_of(task.vault, inst_id, task.settings, files)
    source = replace(source, archive=archive)
    for name, side in source.side_inputs.items():
        data = SIDE_DATA[name]
        side.files = task.days.listing(partial(data.files, raw, inst_id), cursor_of(facts, name))
    return replace(job, source=source)


def _bring_meta(source: Vault, vault: Vault, inst_id: str) -> None:
    """Make metadata, ledger, repair generation and coverage those of the source."""
    names = ("metadata", "metadata_history", "gap_ledger", "generation")
    pairs = [tuple(getattr(holder, name)(inst_id) for holder in (source, vault)) for name in names]
    pairs.append((COVERAGE.place(source, inst_id), COVERAGE.place(vault, inst_id)))
    for theirs, ours in pairs:
        data = _bytes(theirs)
        if data is not None and data != _bytes(ours):
            replace_file(ours, data)


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def peak_memory() -> int | None:
    """Return the most bytes that this process has held; None where the system does not say."""
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - POSIX only

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
