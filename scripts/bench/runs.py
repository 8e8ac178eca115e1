"""Shared by the cases of the benchmark: sizes, runs in turns, medians, tables."""

import json
import os
import platform
import statistics
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from ravequant import tables
from ravequant.errors import RaveQuantError
from ravequant.vault.paths import CHECKOUT

Measurement = dict[str, Any]  # figures of one process by name: seconds, peak_mb and so on
PLAIN_GC: Final = (700, 10, 10)  # Python's own thresholds, for contenders that are not ours
_PACKAGES: Final = ("numpy", "orjson", "websockets", "duckdb", "polars")
_WATCH: Final = str(Path(__file__).with_name("watch.py"))


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a measurement, its rounds, and the folder of its files."""

    work: Path  # a folder of the case's own, deleted afterwards
    rounds: int
    seed: int
    lines: int  # trades of case bars, rows of case import
    snapshots: int  # of case books
    messages: int  # of case import_books
    days: tuple[int, ...]  # ages of the vaults of case increment
    rate: float  # trades a second in case increment, on average


@dataclass(frozen=True, slots=True)
class Figure:
    """A column of a comparison: its key in a row, its header, and how it is written."""

    key: str
    header: str
    form: str = "{:,.2f}"
    factor: float = 1.0  # from the row's unit to the header's

    def text(self, row: Mapping[str, Any]) -> str:
        """Return the figure of a row as text; ``-`` if the row has none."""
        value = row.get(self.key)
        return "-" if value is None else self.form.format(value * self.factor)


@dataclass(slots=True)
class Comparison:
    """The result of a case: a row for each contender."""

    title: str
    figures: Sequence[Figure]
    rows: list[dict[str, Any]] = field(default_factory=list)  # "name" and the figures
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return the title, a table and the notes, for people."""
        headers = ["", *(figure.header for figure in self.figures)]
        rows = [[row["name"], *(figure.text(row) for figure in self.figures)] for row in self.rows]
        notes = [textwrap.fill(note, 100) for note in self.notes]
        return "\n".join([self.title, tables.text(headers, rows).rstrip("\n"), *notes, ""])

    def facts(self) -> dict[str, Any]:
        """Return the same for JSON."""
        return {"title": self.title, "results": self.rows, "notes": self.notes}


def watched(command: Sequence[str], work: Path, codes: Sequence[int] = (0,)) -> Measurement:
    """Run a command to its end; return its cost, and its stdout as ``said``.

    Raises RaveQuantError if its exit code is none of ``codes``.
    """
    target = work / "watched.json"
    done = subprocess.run(
        [sys.executable, "-I", "-S", _WATCH, str(target), *command],
        capture_output=True,
        cwd=CHECKOUT,
        env=environment(),
        check=False,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    took: Measurement = json.loads(target.read_bytes()) if not done.returncode else {"code": None}
    target.unlink(missing_ok=True)
    if took["code"] not in codes:
        raise RaveQuantError(
            f"{' '.join(command[1:3])} ended with {took['code']}: {done.stderr.strip()[-400:]}"
        )
    return took | {"said": done.stdout}


def contender(sizes: Sizes, case: str, name: str, *words: str) -> Measurement:
    """Run a contender of a case in a process of its own; return its cost and its own figures."""
    command = [sys.executable, "-m", "scripts.bench.child", case, name, *words]
    took = watched(command, sizes.work)
    own: Measurement = json.loads(took.pop("said"))
    return took | own


def environment() -> dict[str, str]:
    """Return the environment of the measured processes: the settings' defaults, not yours.

    Python keeps our modules compiled, as it does for you, even where the environment forbids it.
    """
    known = {name: text for name, text in os.environ.items() if not name.startswith("RAVEQUANT_")}
    known.pop("PYTHONDONTWRITEBYTECODE", None)
    paths = [str(CHECKOUT), *filter(None, [known.get("PYTHONPATH")])]
    return known | {"PYTHONPATH": os.pathsep.join(paths)}


def in_turns(
    rounds: int, contenders: Mapping[str, Callable[[], Measurement]]
) -> dict[str, list[Measurement]]:
    """Run each contender once, then each again: a slow moment of the machine meets all of them."""
    runs: dict[str, list[Measurement]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            runs[name].append(run())
    return runs


def median(runs: Sequence[Measurement], key: str) -> float | None:
    """Return the median of a figure; None if no run has it."""
    values = [run[key] for run in runs if run.get(key) is not None]
    return statistics.median(values) if values else None


def ratio(runs: Sequence[Measurement], others: Sequence[Measurement], key: str) -> float:
    """Return the median over the rounds of a figure divided by the other contender's."""
    pairs = zip(runs, others, strict=True)
    return float(statistics.median(run[key] / other[key] for run, other in pairs))


def largest(runs: Sequence[Measurement], key: str) -> float | None:
    """Return the largest of a figure; None if no run has it."""
    return max((run[key] for run in runs if run.get(key) is not None), default=None)


def machine() -> dict[str, Any]:
    """Return the computer, its load and the versions that the figures belong to."""
    load = os.getloadavg() if hasattr(os, "getloadavg") else (0.0, 0.0, 0.0)
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_1m": round(load[0], 1),
        "system": f"{platform.system()} {platform.release()}",
        "versions": {"python": platform.python_version(), **dict(map(_version, _PACKAGES))},
    }


def _version(package: str) -> tuple[str, str | None]:
    try:
        return package, metadata.version(package)
    except metadata.PackageNotFoundError:
        return package, None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or "unknown"
