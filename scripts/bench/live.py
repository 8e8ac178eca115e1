"""Long-running programs of the benchmark: started, looked at while they run, ended."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant.errors import RaveQuantError, UsageError
from ravequant.vault.paths import CHECKOUT
from scripts.bench import runs

_PATIENCE_S: Final = 120.0
_LOOK_S: Final = 0.02
_PROC: Final = Path("/proc")


def check() -> None:
    """Raise UsageError where nobody tells what a running process takes."""
    if not (_PROC / "self/stat").exists():
        raise UsageError(
            "this case reads /proc, which only Linux has: expected Linux; leave it out with --case"
        )


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a program and end it at the end; what it says goes to ``log``."""
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=said, stderr=said, cwd=CHECKOUT,
            env=runs.environment(),
        )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE_S)
            finally:
                process.kill()
                if process.stdin is not None:
                    process.stdin.close()


@contextmanager
def exchange(work: Path, script: str, *options: str) -> Iterator[tuple[str, ...]]:
    """Start an exchange; yield the exporters' options that lead to it."""
    ready = work / "addresses.json"
    ready.unlink(missing_ok=True)
    words = [word.format(ready=ready) for word in options]
    with running([sys.executable, str(CHECKOUT / script), *words], work / "exchange.log") as box:
        wait_for(ready.exists, box, work / "exchange.log")
        found = orjson.loads(ready.read_bytes())
        addresses = ("--ws-url", found["ws_url"], "--rest-url", found["rest_url"])
        yield (*addresses, "--rest-limit-factor", "50")


def wait_for(done: Any, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until ``done()``; RaveQuantError if the program ends before, or it takes too long."""
    ends = time.monotonic() + _PATIENCE_S
    while not done():
        if process.poll() is not None or time.monotonic() > ends:
            with suppress(OSError):
                raise RaveQuantError(f"{log.stem}: {log.read_text('utf-8')[-600:].strip()}")
        time.sleep(_LOOK_S)


def cpu_seconds(process: "subprocess.Popen[bytes]") -> float:
    """Return the processor seconds of a running program so far."""
    fields = (_PROC / f"{process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(process: "subprocess.Popen[bytes]", field: str = "VmHWM") -> float:
    """Return the resident memory of a running program: its largest so far, or now (``VmRSS``)."""
    lines = (_PROC / f"{process.pid}/status").read_text("utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def on_one_core(process: "subprocess.Popen[bytes]") -> None:
    """Keep a program, and the threads it will start, on the last core that we may use."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(process.pid, {max(os.sched_getaffinity(0))})
