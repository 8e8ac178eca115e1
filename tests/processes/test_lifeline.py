"""The lifeline: a program ends with whoever holds the other end of its stdin."""

import os
import signal
import subprocess
import sys

import pytest

from ravequant.processes import lifeline
from ravequant.vault.paths import CHECKOUT

WAITS = """
import sys, time
from ravequant import cli
def body(args):
    try:
        print("up", flush=True)
        time.sleep(60)
    finally:
        print("ended what it had started", flush=True)
    return 0
sys.exit(cli.run(cli.parser("probe", "A probe."), body, []))
"""
ASKS_ITS_CHILD = """
import os, subprocess, sys
from ravequant import cli
def body(args):
    code = "import os; print(os.environ.get('RAVEQUANT_SUPERVISED'))"
    return subprocess.call([sys.executable, "-c", code])
sys.exit(cli.run(cli.parser("probe", "A probe."), body, []))
"""
DEAF = """
import signal, time
from ravequant.processes import lifeline
lifeline._GRACE_S = 0.2
signal.signal(signal.SIGTERM, lambda *_: None)
lifeline.watch()
print("up", flush=True)
time.sleep(60)
time.sleep(60)
"""
LOGS = """
import logging, sys
from ravequant import cli
def body(args):
    logging.getLogger("probe").warning("said")
    return 0
sys.exit(cli.run(cli.parser("probe", "A probe."), body, []))
"""


def start(code: str, log_file: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, lifeline.VARIABLE: str(log_file)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=CHECKOUT,
    )  # fmt: skip


def test_a_cut_lifeline_interrupts_a_program(tmp_path):
    """It ends as by Ctrl-C: what it has started itself is ended too."""
    with start(WAITS, tmp_path / "log") as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "up\n"
        said, errors = program.communicate(timeout=20)  # closes stdin
    assert (said, errors) == ("ended what it had started\n", "")
    assert program.returncode == 130


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGTERM to die of")
def test_a_program_that_ignores_ctrl_c_ends_at_once_all_the_same(tmp_path):
    """A shell that began it behind `&` had Ctrl-C ignored: no grace runs out for that."""
    ignores = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    with start(ignores + WAITS, tmp_path / "log") as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "up\n"
        program.communicate(timeout=20)
    assert program.returncode == -signal.SIGTERM


def test_a_deaf_program_is_ended(tmp_path):
    """Who does not end within the grace is ended, with code 1."""
    with start(DEAF, tmp_path / "log") as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "up\n"
        program.communicate(timeout=20)
    assert program.returncode == 1


def test_what_a_program_starts_knows_nothing_of_it(tmp_path):
    """Its own children have no lifeline: stdin is not theirs."""
    with start(ASKS_ITS_CHILD, tmp_path / "log") as program:
        assert program.stdout is not None
        assert program.stdout.read() == "None\n"


def test_the_log_goes_to_the_file_alone(tmp_path):
    """A supervised program's words rotate in its file; stderr, which nobody reads, stays empty."""
    with start(LOGS, tmp_path / "log") as program:
        assert program.stdout is not None
        assert program.stdout.read() == ""
        assert program.communicate(timeout=20) == ("", "")
    assert (tmp_path / "log").read_text(encoding="utf-8").endswith("WARNING probe: said\n")


def test_without_a_supervisor_nothing_is_watched(monkeypatch):
    """A program that a person starts does not care about its stdin."""
    monkeypatch.delenv(lifeline.VARIABLE, raising=False)
    assert lifeline.watch() is None
