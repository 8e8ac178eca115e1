"""The lines of run_all.py on a terminal: short, wrapped between words, nothing that a tty obeys."""

import logging
import os
import subprocess
import sys

import pytest

from ravequant.vault.paths import CHECKOUT
from scripts.supervision import window


@pytest.fixture
def shown(monkeypatch):
    """Return how a message is shown in so many columns."""

    def show(message: str, columns: int) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        record = logging.LogRecord("run_all", logging.ERROR, "", 0, "%s", (message,), None)
        record.created = 1_765_748_096.5  # 21:34:56.5 UTC
        return window.WindowFormatter().format(record)

    return show


def test_a_line_is_a_time_and_a_message(shown):
    """Without date, level and program: they stand in the log file."""
    assert shown("calculators: 10 up to date", 80) == "21:34:56 calculators: 10 up to date"


def test_a_long_line_is_cut_between_words_under_its_message(shown):
    """A word that is longer than the line, like a path, stays whole."""
    assert shown("NOT RECORDING trades: cannot reach openapi.okx.com: name not known", 50) == (
        "21:34:56 NOT RECORDING trades: cannot reach\n         openapi.okx.com: name not known"
    )
    path = "/a" * 50
    assert shown(f"look at {path} now", 50) == f"21:34:56 look at\n         {path}\n         now"


def test_control_signs_are_made_visible(shown):
    """Words of another computer cannot move the cursor."""
    assert shown("said \x1b[2J\x07", 80) == "21:34:56 said \\x1b[2J\\x07"


@pytest.mark.skipif(os.name == "nt", reason="a pseudo-terminal is POSIX")
def test_only_a_terminal_gets_the_short_form(tmp_path):
    """A pipe has date, level and program, as the log file has."""
    import pty

    code = (
        "import logging\nfrom ravequant import cli\nfrom scripts.supervision import window\n"
        f"cli.set_up_logging('info', __import__('pathlib').Path({str(tmp_path / 'x.log')!r}))\n"
        "window.shorten_on_terminal()\nlogging.getLogger('run_all').info('hello')"
    )
    command = [sys.executable, "-c", code]
    piped = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert piped.stderr.endswith("Z INFO run_all: hello\n")
    ours, theirs = pty.openpty()
    subprocess.run(command, cwd=CHECKOUT, stderr=theirs, check=True)
    os.close(theirs)
    said = os.read(ours, 1_000).decode()
    os.close(ours)
    assert said[8:] == " hello\r\n"
    logged = (tmp_path / "x.log").read_text(encoding="utf-8")
    assert logged.count("Z INFO run_all: hello\n") == 2
