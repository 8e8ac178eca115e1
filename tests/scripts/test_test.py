"""scripts/test.py: which checks it runs, and what it says of those that fail."""

import os
import runpy

import pytest

from scripts import test as program


@pytest.fixture
def _nothing_to_install(monkeypatch):
    """Leave the set-up out (tests/scripts/test_environment.py)."""
    made = {
        "enter": lambda _: None,
        "on_this_computer": lambda: "/usr/bin/chromium",
        "NOT_RUN": "browser tests not run",
    }
    monkeypatch.setattr(runpy, "run_path", lambda _: made)


def test_the_checks_and_what_goes_on_to_pytest():
    """Lint, format, types and tests are run, and further words reach pytest."""
    named = dict(program.checks(["-k", "signed"]))
    assert list(named) == ["ruff check", "ruff format", "mypy", "pytest"]
    shape = ["-n", "5", "--dist", "worksteal"]
    assert named["pytest"] == ["pytest", *shape, "--verbosity=0", "-k", "signed"]


def test_the_whole_run_measures_rates_alone():
    """Nothing else runs meanwhile, and no test is left out; options go on to the rest."""
    *_, (_, alone), (_, rest) = program.checks(["--durations=9"])
    assert alone == ["pytest", *program.ALONE, "tests/faults"]
    assert rest[-3:] == ["-m", "not alone", "--durations=9"]


def test_faults_runs_the_fault_suite_alone():
    """--faults: long counts, side by side, and nothing else; further words reach pytest."""
    (_, alone), (_, rest) = program.checks(["--faults", "--fault-seed", "5"])
    assert alone[alone.index("-m") + 1] == "alone"
    assert rest[rest.index("-m") + 1] == "not alone"
    assert alone[alone.index("--faults") :] == rest[rest.index("--faults") :]  # seed, table, tests
    assert rest[rest.index("--faults") :][1:3] == ["--fault-seed", "5"]
    assert rest[-1] == "tests/faults"


def test_some_of_the_fault_suite_is_one_run():
    """Tests that are named run together, and a seed is chosen where none is given."""
    ((_, words),) = program.checks(["tests/faults/test_network.py", "--faults"])
    assert "tests/faults" not in words
    assert "-m" not in words
    assert words[words.index("--fault-seed") + 1].isdigit()


def test_lab_bounds_runs_the_market_without_edge_alone():
    """--lab-bounds: in one process, since the days are simulated side by side."""
    ((_, words),) = program.checks(["--lab-bounds", "--lab-days", "kept"])
    assert words[2:] == [
        "tests/Edge_Lab/test_market_without_edge.py", "tests/Edge_Lab/test_day_candidates.py",
        "tests/Edge_Lab/test_candidates_parity.py", "--lab-bounds", "--lab-days", "kept",
    ]  # fmt: skip
    assert all((program.CHECKOUT / file).is_file() for file in words[2:5])


def test_watch_screen_runs_the_watch_alone():
    """--watch-screen: its one file, in one process, with the words behind it."""
    ((_, words),) = program.checks(["--watch-screen", "30", "--watch-speed", "60"])
    assert words[-5:] == [program.WATCHED, "--watch-screen", "30", "--watch-speed", "60"]
    assert (program.CHECKOUT / program.WATCHED).is_file()


@pytest.mark.usefixtures("_nothing_to_install")
def test_every_check_is_run_and_the_failed_ones_are_named(monkeypatch, capfd):
    """One failure does not hide another; the exit code is 1."""
    chosen = [("first", ["no_such_module"]), ("second", ["platform"]), ("third", ["no_such"])]
    monkeypatch.setattr(program, "checks", lambda _: chosen)
    assert program.main([]) == 1
    shown = capfd.readouterr()
    assert [line for line in shown.out.splitlines() if line.startswith("--- ")][:3] == [
        "--- first",
        "--- second",
        "--- third",
    ]
    assert shown.err.endswith("FAILED: first, third\n")
    assert "all is well" not in shown.out


@pytest.mark.usefixtures("_nothing_to_install")
def test_all_passed(monkeypatch, capfd):
    """Without a failure the exit code is 0 and nothing is named."""
    monkeypatch.setattr(program, "checks", lambda _: [("only", ["platform"])])
    assert program.main([]) == 0
    shown = capfd.readouterr()
    assert "FAILED" not in shown.err
    assert shown.out.endswith(" s\nall is well\n")


def test_without_a_browser_the_last_line_says_so(monkeypatch, capfd):
    """The tests of the page are skipped, the run passes all the same, and nobody overlooks it."""
    entered: list[list[str]] = []
    made = {
        "enter": entered.append,
        "on_this_computer": lambda: "",
        "NOT_RUN": "browser tests not run",
    }
    monkeypatch.setattr(runpy, "run_path", lambda _: made)
    monkeypatch.setattr(program, "checks", lambda _: [("only", ["platform"])])
    assert program.main([]) == 0
    assert entered == [["test"]]
    assert capfd.readouterr().out.endswith("all is well\nbrowser tests not run\n")


@pytest.mark.usefixtures("_nothing_to_install")
def test_long_reaches_the_tests_and_no_other_program(monkeypatch, capfd):
    """--long is a variable for tests/support/examples.py; pytest does not know the word."""
    monkeypatch.setenv(program.LONG_VARIABLE, "")
    chosen: list[list[str]] = []

    def checks(words):
        chosen.append(words)
        return []

    monkeypatch.setattr(program, "checks", checks)
    assert program.main(["--long", "-k", "x"]) == 0
    assert (chosen, os.environ[program.LONG_VARIABLE]) == ([["-k", "x"]], "1")


def test_help_sets_nothing_up(capsys):
    """--help shows what the script is for, at once."""
    assert program.main(["--help"]) == 0
    assert "Runs every check of the project" in capsys.readouterr().out
