"""What every case of the benchmark shares: what is asked, runs in turns, medians, tables."""

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

Run = dict[str, Any]  # what one run took: seconds, and what else there is to say
_PACKAGES: Final = ("numpy", "orjson", "websockets", "duckdb", "polars")
_WATCH: Final = str(Path(__file__).with_name("watch.py"))
_CHILD: Final = str(Path(__file__).with_name("child.py"))


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be measured, and where there is room for it."""

    work: Path  # a folder of the case's own, deleted afterwards
    lines: int  # of case bars
    days: tuple[int, ...]
    rounds: int
    seed: int
    rate: float  # trades a second of BTC in the cases of whole days
    seconds: float  # of market for the exporters
    instruments: tuple[int, ...]  # how many the exporters record at once
    snapshots: int
    vault: Path | None = None  # take the data from here instead of making them up
    swapped: bool = False  # leave the model market's rows that go back in time where they are


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of each row: its key, what stands above it, and its form."""

    key: str
    header: str
    form: str = "{:,.2f}"
    factor: float = 1.0  # of the figure as it is shown
    less: bool = False  # is better

    def text(self, row: Mapping[str, Any]) -> str:
        """Return the figure for people; ``-`` where there is none."""
        value = row.get(self.key)
        return "-" if value is None else self.form.format(value * self.factor)


@dataclass(slots=True)
class Table:
    """What a case has found."""

    title: str
    columns: Sequence[Column]
    chart: Column  # what the chart shows
    rows: list[dict[str, Any]] = field(default_factory=list)  # "name" and the figures
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return it for people."""
        headers = ["", *(column.header for column in self.columns)]
        rows = [[row["name"], *(c.text(row) for c in self.columns)] for row in self.rows]
        notes = [textwrap.fill(note, 100) for note in self.notes]
        return "\n".join([self.title, tables.text(headers, rows).rstrip("\n"), *notes, ""])

    def facts(self) -> dict[str, Any]:
        """Return it for programs."""
        return {"title": self.title, "results": self.rows, "notes": self.notes}


def watched(command: Sequence[str], work: Path, codes: Sequence[int] = (0,)) -> Run:
    """Run a command to its end; what it took, and what it said as ``said``."""
    target = work / "watched.json"
    whole = [sys.executable, "-I", "-S", _WATCH, str(target), *command]
    done = subprocess.run(
        whole, capture_output=True, cwd=CHECKOUT, env=environment(), check=False, text=True,
        encoding="utf-8", errors="replace",
    )  # fmt: skip
    took: Run = json.loads(target.read_bytes()) if not done.returncode else {"code": None}
    target.unlink(missing_ok=True)
    if took["code"] not in codes:
        raise RaveQuantError(
            f"{' '.join(command[1:3])} ended with {took['code']}: {done.stderr.strip()[-400:]}"
        )
    return took | {"said": done.stdout}


def child(*words: str) -> list[str]:
    """Return the command that does one thing of ``child.py``."""
    return [sys.executable, _CHILD, *words]


def measured(work: Path, *words: str) -> Run:
    """Return what a child found out about itself, beside what it took."""
    took = watched(child(*words), work)
    found: Run = json.loads(took.pop("said"))
    return took | found


def environment() -> dict[str, str]:
    """Return the environment of what is measured: the settings' defaults, whatever yours are.

    Python keeps our modules compiled, as it does for you, even where the environment forbids it.
    """
    known = {name: text for name, text in os.environ.items() if not name.startswith("RAVEQUANT_")}
    known.pop("PYTHONDONTWRITEBYTECODE", None)
    paths = [str(CHECKOUT), *filter(None, [known.get("PYTHONPATH")])]
    return known | {"PYTHONPATH": os.pathsep.join(paths)}


def in_turns(rounds: int, contenders: Mapping[str, Callable[[], Run]]) -> dict[str, list[Run]]:
    """Run each once, then each again: what slows the machine down meets all of them."""
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            runs[name].append(run())
    return runs


def median(runs: Sequence[Run], key: str) -> float | None:
    """Return the median of a figure; None if it is not known."""
    values = [run[key] for run in runs if run.get(key) is not None]
    return statistics.median(values) if values else None


def ratio(runs: Sequence[Run], others: Sequence[Run], key: str) -> float:
    """Return the median over the rounds of one's figure beside the other's."""
    pairs = zip(runs, others, strict=True)
    return float(statistics.median(run[key] / other[key] for run, other in pairs))


def largest(runs: Sequence[Run], key: str) -> float | None:
    """Return the largest of a figure; None if it is not known."""
    return max((run[key] for run in runs if run.get(key) is not None), default=None)


def machine() -> dict[str, Any]:
    """Return what the figures stand on: the computer, its load, the versions."""
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
