"""Runs one calculator on one instrument, from any source to any target.

The calculator runs as usual, in the vault of the target if that is a folder. Else it runs in a
vault under the scratch folder, whose files are then put to the target: outputs first, state last.
"""

import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from CVD.run_cvd_from_jsonl import CALCULATOR as CVD
from Liquidity_Buckets.l2_bucketizer import CALCULATOR as BUCKETS
from ravequant.catalog import DEEP
from ravequant.errors import FAILED, RaveQuantError
from ravequant.pipeline import runner
from ravequant.pipeline.calculator import Calculator
from ravequant.pipeline.trade_source import first_bar_ms
from ravequant.settings import Settings
from ravequant.vault import commit
from ravequant.vault.atomic import replace_file
from ravequant.vault.cursor import Cursor
from ravequant.vault.lock import turn
from ravequant.vault.paths import Vault
from ravequant.vault.tail import Listing
from scripts.batch.partial_bars import PartialStore
from scripts.batch.storage import Place, Remote, vault_at
from Untouch_Wick.untouch_wick import CALCULATOR as WICKS
from Volume_Analyzer.volume_analyzer import CALCULATOR as VOLUME
from VWAP.vwap_calculator import CALCULATOR as VWAP

CALCULATORS: Final[dict[str, Calculator[Any]]] = {
    made.metric: made for made in (VWAP, CVD, VOLUME, WICKS, BUCKETS)
}
BARS: Final = tuple(metric for metric, made in CALCULATORS.items() if made.input.parallel)
LAST: Final = "~"  # behind every day
OURS: Final = "state/recompute"  # in the target: the stores, and what is being put


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
class Task:
    """One output to be computed."""

    metric: str
    inst_id: str
    source: Place
    target: Place
    scratch: Path
    settings: Settings
    days: Days
    rebuild: bool
    units: tuple[tuple[str, str], ...] = ()  # of the store, in order: key of the file, name

    @property
    def vault(self) -> Vault:
        """The vault in which the calculator runs."""
        return Vault(self.target if isinstance(self.target, Path) else self.scratch / "vault")

    @property
    def store(self) -> Place:
        """The folder of the parts of the instrument."""
        return store_of(self.target, self.inst_id)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a task."""

    metric: str
    inst_id: str
    facts: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    code: int = 0


def store_of(target: Place, inst_id: str) -> Place:
    """Return the folder of an instrument's parts, kept until its outputs are there."""
    return target / OURS / inst_id


def run_task(task: Task) -> Outcome:
    """Bring one output up to date; an error stands in the outcome."""
    try:
        facts = _run(task).facts()
    except RaveQuantError as error:
        return Outcome(task.metric, task.inst_id, {}, str(error), error.exit_code)
    except OSError as error:
        text = f"{task.metric} {task.inst_id}: {error}; check source and target, then run it again"
        return Outcome(task.metric, task.inst_id, {}, text, FAILED)
    return Outcome(task.metric, task.inst_id, facts)


def _run(task: Task) -> runner.Summary:
    if task.source != task.vault.root:
        with turn(task.vault, "recompute", task.inst_id):
            _bring_meta(vault_at(task.source), task.vault, task.inst_id)
    if isinstance(task.target, Remote):
        _bring(task, vault_at(task.target))
    state_file = task.vault.state(task.metric, task.inst_id)
    cursor = None if task.rebuild else cursor_of(state_file, task.metric, task.inst_id)
    if cursor is not None and cursor.file[:10] > task.days.last:
        return runner.Summary(task.metric, task.inst_id)
    summary = runner.run(_job(task, cursor), rebuild=task.rebuild)
    if isinstance(task.target, Remote):
        _put(task, vault_at(task.target), everything=summary.rebuilt is not None)
    return summary


def cursor_of(state_file: Path, metric: str, inst_id: str) -> Cursor | None:
    """Return where a calculator stands; None at the beginning. VaultError for a damaged state."""
    facts = commit.read_state(state_file, metric, inst_id)
    with suppress(KeyError, TypeError, ValueError):
        return Cursor.restore(facts["cursor"]) if facts and facts["cursor"] else None
    return None  # the run itself names the fault


def raw_files(task: Task, cursor: Cursor | None) -> Listing:
    """Return the raw files of a task; those of an object storage as they are now."""
    read = CALCULATORS[task.metric].input
    return _listing(task, read.files(vault_at(task.source), task.inst_id), cursor)


def _listing(task: Task, files: Listing, cursor: Cursor | None) -> Listing:
    chosen = task.days.listing(files, cursor)
    if isinstance(task.source, Path):
        return chosen
    now = tuple(chosen())
    return lambda: iter(now)


def _job(task: Task, cursor: Cursor | None) -> runner.Job[Any]:
    """Return the ordinary job, with other raw files, and with what others have read of them."""
    files, inst_id = raw_files(task, cursor), task.inst_id
    job = CALCULATORS[task.metric].job(task.vault, inst_id, task.settings)
    source = replace(job.source, files=files, archive=task.source != task.vault.root)
    if task.metric in BARS:
        store = PartialStore(task.store, task.units)
        source = replace(
            source,
            read_ahead=store.ahead,
            known=store.known,
            first_ms=lambda cursor: first_bar_ms(files, inst_id, cursor),
        )
    if source.side_input is not None:
        deep = vault_at(task.source)
        source.side_input.files = _listing(task, lambda: DEEP.files(deep, inst_id), cursor)
    return replace(job, source=source)


def _bring_meta(source: Vault, vault: Vault, inst_id: str) -> None:
    """Make metadata, ledger and repair generation those of the source."""
    for name in ("metadata", "metadata_history", "gap_ledger", "generation"):
        theirs, ours = (getattr(place, name)(inst_id) for place in (source, vault))
        data = _bytes(theirs)
        if data is not None and data != _bytes(ours):
            replace_file(ours, data)


def _bytes(place: Place) -> bytes | None:
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return None


def _bring(task: Task, target: Vault) -> None:
    """Copy the target's files to the scratch vault, unless that is ahead of it already."""
    metric, inst_id, vault = task.metric, task.inst_id, task.vault
    state, seen = _bytes(target.state(metric, inst_id)), _bytes(_seen(task))
    if state == seen and (state is not None or vault.state(metric, inst_id).exists()):
        return
    _forget(task)
    if state is None and _bytes(_putting(task)) is not None:
        return  # outputs of a run that was cut off before its state was there
    for path in _files(target.derived(metric, inst_id)):
        if isinstance(path, Remote):
            path.fetch(vault.derived(metric, inst_id) / path.name)
    if state is not None:
        replace_file(vault.state(metric, inst_id), state)
        replace_file(_seen(task), state)


def _files(folder: Place) -> list[Place]:
    """Return the files of a folder that may be output; none of a hidden or strange name."""
    try:
        found: list[Place] = list(folder.iterdir())
    except FileNotFoundError:
        return []
    return [path for path in found if path.suffix in (".jsonl", ".json", ".gz")
            and path.name[0] != "." and "\\" not in path.name]  # fmt: skip


def _put(task: Task, target: Vault, *, everything: bool) -> None:
    """Put the files of the scratch vault to the target, and delete them here."""
    metric, inst_id, vault = task.metric, task.inst_id, task.vault
    state = vault.state(metric, inst_id).read_bytes()
    if state != _bytes(_seen(task)):
        there = {path.name: path.stat().st_size for path in _files(target.derived(metric, inst_id))}
        putting: Any = _putting(task)
        putting.write_bytes(b"{}\n")
        for path in _files(vault.derived(metric, inst_id)):
            size = there.pop(path.name, -1)
            if isinstance(path, Path) and (
                everything or path.suffix == ".json" or size != path.stat().st_size
            ):
                _remote(target.derived(metric, inst_id) / path.name).put(path)
        _remote(target.state(metric, inst_id)).write_bytes(state)
        for name in there:  # of a longer past, which a rebuild has left out
            _remote(target.derived(metric, inst_id) / name).remove()
        putting.remove()
    _forget(task)


def _remote(place: Place) -> Remote:
    if not isinstance(place, Remote):
        raise TypeError(f"{place} is no object")
    return place


def _seen(task: Task) -> Path:
    return task.scratch / "seen" / f"{task.metric}.{task.inst_id}.json"


def _putting(task: Task) -> Place:
    return task.target / OURS / f"{task.metric}.{task.inst_id}.putting"


def _forget(task: Task) -> None:
    shutil.rmtree(task.vault.derived(task.metric, task.inst_id), ignore_errors=True)
    for path in (task.vault.state(task.metric, task.inst_id), _seen(task)):
        path.unlink(missing_ok=True)


def peak_memory() -> int | None:
    """Return the most bytes that this process has held; None where the system does not say."""
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - POSIX only

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
