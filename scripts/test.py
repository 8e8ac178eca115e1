"""Runs every check of the project: lint, format, types, tests. `python scripts/test.py`.

Sets itself up first (scripts/environment.py). Anything after the name goes on to pytest, so
`python scripts/test.py tests/test_exact.py -k signed` narrows the tests. All checks are run, those
that failed are named at the end; without any it says `all is well`, and the exit code is 0. On two
cores that takes about fourteen minutes.

The tests of the dashboard's page run where a Chromium, Chrome or Edge is found (RAVEQUANT_BROWSER
may name it); elsewhere the last line says `browser tests not run`.

`python scripts/test.py --long` tries each property three times as often, and more; half an hour.

`python scripts/test.py --faults` runs the fault suite alone (tests/faults), with the long counts
and a new seed that it prints, for half an hour or so; it writes the table of
tests/faults/README.md. `--fault-seed N` repeats a run.

`python scripts/test.py --lab-bounds` holds the edge lab against markets without an edge: 1,500
days of each and 2,000 studies, a quarter of an hour or more; it writes the table of
tests/Edge_Lab/README.md. `--lab-days DIR` keeps the simulated days for the next run.

`python scripts/test.py --watch-screen MINUTES` watches the dashboard in a browser for so long,
while recorders, calculators and server are killed: no stale number may look fresh. With
`--watch-speed 60` a market at that speed, without kills, and the memory of server and page.
"""

from __future__ import annotations

import os
import runpy
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# most of a test's time is waiting for a socket or a clock; a module's tests stay together, for one
# browser, until another process has none left
SIDE_BY_SIDE = ("-n", "5", "--dist", "worksteal")
FAULTS = "--faults"
LONG = "--long"
LONG_VARIABLE = "RAVEQUANT_LONG_TESTS"  # read by tests/support/examples.py
LAB_BOUNDS = "--lab-bounds"
WITHOUT_EDGE = "tests/Edge_Lab/test_market_without_edge.py"
WATCH_SCREEN = "--watch-screen"
WATCHED = "tests/Dashboard/browser/test_screen_watch.py"
# longer counts of CUT and WARM, and of PARITY
OF_THE_DAY = ("tests/Edge_Lab/test_day_candidates.py", "tests/Edge_Lab/test_candidates_parity.py")
# as many at once as two cores bear; an idle process takes tests that wait behind a long one
LONG_RUN = ("-n", "6", "--dist", "worksteal", "--verbosity=0", "-m", "not alone")
ALONE = ("-n", "0", "--verbosity=0", "-m", "alone")  # tests that measure a rate want the computer
CHECKOUT = Path(__file__).resolve().parents[1]


def checks(pytest_arguments: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return each check's name and its module with arguments, in the order they are run."""
    if FAULTS in pytest_arguments:
        return fault_checks([word for word in pytest_arguments if word != FAULTS])
    if LAB_BOUNDS in pytest_arguments:
        return [
            (
                "lab bounds",
                ["pytest", "--verbosity=0", WITHOUT_EDGE, *OF_THE_DAY, *pytest_arguments],
            )
        ]
    if WATCH_SCREEN in pytest_arguments:
        return [("watch", ["pytest", "-n", "0", "--verbosity=0", WATCHED, *pytest_arguments])]
    found = [
        ("ruff check", ["ruff", "check", "."]),
        ("ruff format", ["ruff", "format", "--check", "."]),
        ("mypy", ["mypy"]),
    ]
    # this verbosity always shows the last line, with the count of passed tests
    tests = ["pytest", *SIDE_BY_SIDE, "--verbosity=0"]
    if all(word.startswith("--") for word in pytest_arguments):  # no test is chosen
        found.append(("pytest, alone", ["pytest", *ALONE, "tests/faults"]))
        tests += ["-m", "not alone"]
    return [*found, ("pytest", [*tests, *pytest_arguments])]


def fault_checks(chosen: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return the fault suite: tests that must run alone, then the rest, with the same seed."""
    words = [FAULTS, *chosen]
    if "--fault-seed" not in chosen:
        words += ["--fault-seed", str(secrets.randbelow(1_000_000))]
    if any("tests/faults" in word for word in chosen):
        return [("faults", ["pytest", *LONG_RUN[:-2], *words])]
    words += ["--fault-facts", tempfile.mkdtemp(prefix="fault-facts-"), "tests/faults"]
    return [
        ("faults, alone", ["pytest", *ALONE, *words]),
        ("faults", ["pytest", *LONG_RUN, *words]),
    ]


def run(name: str, module: Sequence[str]) -> bool:
    """Run a check in the checkout with this Python; return True if it passed."""
    print(f"--- {name}", flush=True)
    environment = dict(os.environ, PYTHONUTF8="1")
    command = [sys.executable, "-m", *module]
    return subprocess.run(command, cwd=str(CHECKOUT), env=environment, check=False).returncode == 0


def main(arguments: Sequence[str]) -> int:
    """Run all checks and return 0 if all passed, else 1."""
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0
    browser = runpy.run_path(str(CHECKOUT / "scripts" / "showcase" / "browser.py"))
    found = browser["on_this_computer"]()
    extras = ["test", "browser-test"] if found else ["test"]
    runpy.run_path(str(CHECKOUT / "scripts" / "environment.py"))["enter"](extras)
    if LONG in arguments:
        os.environ[LONG_VARIABLE] = "1"
        arguments = [word for word in arguments if word != LONG]
    start = time.monotonic()
    failed = [name for name, module in checks(arguments) if not run(name, module)]
    taken = time.monotonic() - start
    print(f"--- {taken / 60:.1f} min" if taken >= 60 else f"--- {taken:.0f} s", flush=True)
    if not failed:
        print("all is well")
    else:
        print(f"FAILED: {', '.join(failed)}", file=sys.stderr)
    if not found:
        print(browser["NOT_RUN"])
    return 1 if failed else 0


if __name__ == "__main__":
    runpy.run_path(str(CHECKOUT / "scripts" / "environment.py"))["end"](lambda: main(sys.argv[1:]))
