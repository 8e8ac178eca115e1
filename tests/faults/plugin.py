"""The frame of the fault suite: how often, by which seed, and the figures of each test.

A test of a row takes the fixture ``faults``::

    def test_killed(faults, tmp_path):
        fact = faults.row("A1", "trade exporter, SIGKILL at random instants")
        for _ in range(faults.count(5, 100)):       # ordinary run, long run (--faults)
            ... faults.random ...                   # seeded by the run's seed and the test's name
            fact.times += 1
            fact.add("kills survived")              # added up over all tests of this row and text
        fact.worst("restart ms", 812)               # the largest one is shown

``faults.long`` is True in the long run; ``faults.seed`` is a number, as in
``hypothesis.seed(faults.seed)(…)``. A fact counts as failed unless its test passes.
``faults.row`` comes first in a test, so that a failure has its line as well.

``pytest --faults`` runs the long counts with a new seed and prints it, a line for each row and
text, and the rows of `table.ROWS` that no test reported. ``--fault-seed N``: that seed.
A test of a rate bears ``@pytest.mark.alone``: scripts/test.py --faults runs nothing else meanwhile.
Tests that take long bear ``@pytest.mark.first``: they are begun first; ``turn=0`` before them all.
One with ``@pytest.mark.parts(5)`` and an argument ``part`` is run five times, side by side, in the
long run, and once (part 0) in the ordinary one.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import tempfile
import time
import uuid
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.faults import table
from tests.faults.table import Fact

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

ORDINARY_SEED: Final = 7
_STATE: Final = pytest.StashKey["Run"]()
_PASSED: Final = pytest.StashKey[bool]()


class Run:
    """One run of the suite: its seed, its counts, where its facts are collected."""

    def __init__(self, *, long: bool, seed: int, folder: Path) -> None:
        self.long = long
        self.seed = seed
        self.folder = folder
        self.began = time.time()


class Faults:
    """The fixture of a test of a row: counts, randomness, and the facts it reports."""

    def __init__(self, run: Run, name: str) -> None:
        self.long = run.long
        self.seed = zlib.crc32(f"{run.seed} {name}".encode())
        self.random = random.Random(self.seed)
        self.facts: list[Fact] = []

    def count(self, ordinary: int, long: int) -> int:
        """Return how often, in this run."""
        return long if self.long else ordinary

    def row(self, row: str, what: str) -> Fact:
        """Begin a line of the table."""
        if row not in table.ROWS:
            raise ValueError(
                f"{row!r} is no row of the fault list: expected {', '.join(table.ROWS)}"
            )
        self.facts.append(Fact(row, what))
        return self.facts[-1]


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> Iterator[Faults]:
    """Counts, randomness and the facts of one test."""
    run = request.config.stash[_STATE]
    given = Faults(run, request.node.nodeid)
    start = time.monotonic()
    yield given
    for fact in given.facts:
        fact.seconds = time.monotonic() - start
        fact.failed = not request.node.stash.get(_PASSED, False)
        text = json.dumps(asdict(fact))
        (run.folder / f"{uuid.uuid4().hex}.json").write_text(text, encoding="utf-8")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep whether a test passed, and show with a failure how it is run again."""
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    run = item.config.stash.get(_STATE, None)
    if run is not None and report.failed and "faults" in getattr(item, "fixturenames", ()):
        again = f"--fault-seed {run.seed}" + (" --faults" if run.long else "")
        report.sections.append(("again", f"python -m pytest {item.nodeid!r} {again}"))
    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two options of the suite."""
    group = parser.getgroup("faults")
    group.addoption(
        "--faults", action="store_true", help="the long counts, and all figures at the end"
    )
    group.addoption("--fault-seed", type=int, metavar="N", help="of all that is random in them")
    group.addoption("--fault-facts", metavar="DIR", help="collects what several runs saw")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed, once for all workers."""
    config.addinivalue_line("markers", "alone: measures a rate, so nothing else runs meanwhile")
    config.addinivalue_line("markers", "first: takes long, so it is begun first")
    config.addinivalue_line(
        "markers", "parts(n): n times, side by side, in the long run; else once"
    )
    given = getattr(config, "workerinput", {})
    long = config.getoption("--faults")
    seed = given.get("fault_seed", config.getoption("--fault-seed"))
    if seed is None:
        seed = secrets.randbelow(1_000_000) if long else ORDINARY_SEED
    shared = given.get("fault_folder") or config.getoption("--fault-facts")
    folder = shared or tempfile.mkdtemp(prefix="fault-facts-")
    config.stash[_STATE] = Run(long=long, seed=seed, folder=Path(folder))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Cut long tests into parts, which can run side by side."""
    for mark in metafunc.definition.iter_markers("parts"):
        parts = mark.args[0] if metafunc.config.stash[_STATE].long else 1
        metafunc.parametrize("part", range(parts))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand seed and folder to a worker."""
    run = node.config.stash[_STATE]
    node.workerinput.update(fault_seed=run.seed, fault_folder=str(run.folder))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, so that the run does not end with them."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    mark = item.get_closest_marker("first")
    return 2 if mark is None else mark.kwargs.get("turn", 1)


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """Print the seed and, after a long run, all figures."""
    if hasattr(config, "workerinput"):
        return  # the others may not be done yet
    run = config.stash[_STATE]
    facts = [Fact(**json.loads(path.read_bytes())) for path in sorted(run.folder.glob("*.json"))]
    if not facts:
        return
    write = terminalreporter.write_line
    write(f"fault seed {run.seed}, {len(facts)} facts")
    if run.long:
        merged = table.merged(facts)
        for line in table.lines(merged):
            write(line)
        if lacking := table.lacking(merged):
            write(f"no test of {', '.join(lacking)}")
        survived, lost = (table.total(merged, name) for name in ("kills survived", "ids lost"))
        result = "FAILED" if exitstatus or any(fact.failed for fact in merged) else "passed"
        minutes = (time.time() - run.began) / 60
        write(f"{result} in {minutes:.0f} min; kills survived {survived:,}, ids lost {lost:,}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the facts, which were printed; those of several runs stay for the next one."""
    run = config.stash.get(_STATE, None)
    if (
        run is not None
        and not config.getoption("--fault-facts")
        and not hasattr(config, "workerinput")
        and "PYTEST_XDIST_WORKER" not in os.environ
    ):
        shutil.rmtree(run.folder, ignore_errors=True)
