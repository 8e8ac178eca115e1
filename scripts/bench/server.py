"""A dashboard that serves a vault; the processor time and the memory that its process uses."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from ravequant.catalog import DASHBOARD
from ravequant.errors import RaveQuantError
from ravequant.vault.paths import CHECKOUT, Vault
from scripts.bench import runs
from scripts.bench.market import BTC

_ADDRESS: Final = re.compile(r"http://[^\s/]+(?=/)")
_ENDS_S: Final = 20
_NS: Final = 1e9


class Used(NamedTuple):
    """The use of a process: seconds of processor time so far, and memory in MB now."""

    cpu_s: float
    memory_mb: float


class Server(NamedTuple):
    """A running dashboard."""

    pid: int
    address: str  # http://host:port


@contextmanager
def serving(vault: Vault, *options: str) -> Iterator[Server]:
    """Run the dashboard of a vault at a free port. Raises RaveQuantError if it does not start."""
    words = [sys.executable, str(CHECKOUT / DASHBOARD.script), "--vault", str(vault.root)]
    words += ["--instId", BTC, "--port", "0", "--log-level", "error", *options]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=runs.environment()
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            found = _ADDRESS.search(line)
            if found is None:
                raise RaveQuantError(f"the dashboard did not start: {line!r}")
            yield Server(process.pid, found[0])
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_ENDS_S)
            process.kill()


def used(pid: int) -> Used | None:
    """Return the use of a process without its children; None where the system does not say."""
    folder = Path("/proc", str(pid))
    try:
        tasks = [path.read_text("ascii") for path in folder.glob("task/*/schedstat")]
        status = (folder / "status").read_text("utf-8")
    except OSError:
        return None
    resident = re.search(r"VmRSS:\s+([0-9]+) kB", status)
    if not tasks or resident is None:
        return None
    return Used(sum(int(task.split()[0]) for task in tasks) / _NS, int(resident[1]) / 1024)


def family(pid: int) -> list[int]:
    """Return a process and all that it has started, as far as the system says so."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            parent = int(path.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def cpu_of(pids: list[int]) -> float | None:
    """Return the seconds of processor time of some processes so far."""
    known = [one for pid in pids if (one := used(pid)) is not None]
    return sum(one.cpu_s for one in known) if known else None


class ShareMeter:
    """Measures which share of a core some processes use, in windows one after the other."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids
        self._cpu_s, self._at = cpu_of(pids), time.monotonic()

    def share(self) -> float | None:
        """Return the share in percent since the last call; None where it is not known."""
        before, began = self._cpu_s, self._at
        self._cpu_s, self._at = cpu_of(self._pids), time.monotonic()
        if before is None or self._cpu_s is None:
            return None
        return 100 * (self._cpu_s - before) / (self._at - began)
