"""Streams whose reader went away, or whose disk is full: no traceback, and the right exit code."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ravequant import catalog, cli
from ravequant.vault.paths import CHECKOUT

PROBE = """
import sys
from ravequant import cli
def body(args):
    {}
sys.exit(cli.run(cli.parser('probe', 'A probe.'), body, sys.argv[1:]))
"""


def without_a_reader(body: str, *words: str, stderr: bool = False, alone: bool = False):
    """Run a probe; close its stdout, and with ``stderr`` its stderr, before it writes to it.

    Returns its exit code, and all that stands on stderr. ``alone``: nothing is buffered.
    """
    script = PROBE.format("sys.stdin.readline(); " + body)
    command = [sys.executable, *(["-u"] if alone else []), "-c", script, *words]
    read, write = os.pipe()
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        command,
        env=buffered,
        stdin=subprocess.PIPE,
        stdout=write,
        stderr=write if stderr else subprocess.PIPE,
        cwd=CHECKOUT,
    ) as program:
        os.close(write)
        os.close(read)
        _, said = program.communicate(b"\n")
    return program.returncode, said or b""


@pytest.mark.parametrize("alone", [False, True], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    "body",
    ["print('short'); return 0", "print('long' * 99_999); return 0",
     "from ravequant import tables; tables.screen().print('drawn'); return 0"],
)  # fmt: skip
def test_a_program_whose_reader_went_away_ends_quietly(body, alone):
    """``… --json | head -1`` is no error, however little there was to write."""
    assert without_a_reader(body, alone=alone) == (0, b"")


def test_the_code_of_a_failure_stays():
    """A finding is a finding, also if nobody reads it; a log may go where nobody listens."""
    assert without_a_reader("print('lost'); return 3") == (3, b"")
    logged = "logging.getLogger('probe').warning('lost'); return 0"
    assert without_a_reader(f"import logging; {logged}", stderr=True) == (0, b"")


@pytest.mark.parametrize(("words", "code"), [("--help", 0), ("--nonsense", 2)])
def test_help_without_a_reader(words, code):
    """The command line's own words are written no more than others."""
    assert without_a_reader("return 0", words, stderr=True) == (code, b"")
    assert without_a_reader("return 0", words)[0] == code


def test_another_broken_pipe_is_an_error(capfd):
    """Of a connection or of another process: the reader of stdout is there, and is told."""

    def body(_args) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    assert cli.run(cli.parser("probe", "A probe."), body, []) == 1
    assert "Broken pipe; check that path and its disk" in capfd.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the full disk of Linux")
def test_a_full_disk_under_stdout_is_an_error():
    """What is missing from a file is said, and the exit code is 1."""
    script = PROBE.format("print('lost'); return 0")
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
        command = [sys.executable, "-c", script]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, check=False, env=buffered
        )
    assert done.returncode == 1
    assert b"ERROR probe: <stdout> could not be written: [Errno 28] No space left" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("kind", ["demo test environment peek", "ravequant vwap find_signals"])
def test_programs_of_each_kind_end_quietly(kind):
    """Those that set themselves up, that have one way in, and that leave without a collection."""
    read, write = os.pipe()
    os.close(read)
    running = [
        (program.name, subprocess.Popen(
            [sys.executable, str(CHECKOUT / program.script), "--help"],
            stdout=write, stderr=subprocess.PIPE,
        ))
        for program in catalog.PROGRAMS
        if program.name in kind.split()
    ]  # fmt: skip
    os.close(write)
    ended = {name: (program.communicate()[1], program.returncode) for name, program in running}
    assert {name: end for name, end in ended.items() if end != (b"", 0)} == {}
