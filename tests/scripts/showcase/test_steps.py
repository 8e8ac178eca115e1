"""The steps of the demo: a failure is named, an interrupt leaves no program."""

import re
import signal
import subprocess
import sys

import pytest

from scripts.showcase import steps
from scripts.supervision.schedule import Task
from tests.scripts.test_demo import DEMO, UNKNOWN, demo_in, programs_with, start


def test_a_step_that_fails_is_named(tmp_path):
    """Where nothing can be recorded the exit code is 1, with the program's last words."""
    root = tmp_path / "vault"
    with start(root, program=DEMO.replace("sys.exit", UNKNOWN)) as process:
        shown, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    script = r"(Trades_Bot/trades|L2_Bot/l2|Context_Bot/context)_exporter\.py"
    first = rf"demo: FAILED: {script} ended with exit code 1"
    assert re.match(first + r", expected 0\. Its last words \(.*_exporter\.log\):\n", errors)
    assert "the exchange knows none of NONE-USDT-SWAP" in errors
    assert "steps worked" not in shown
    assert programs_with(str(tmp_path)) == []


def test_an_interrupt_while_a_program_starts_leaves_no_orphan(vault, monkeypatch):
    """Ctrl-C in the instant between a program's start and its being on the list."""
    real, started = subprocess.Popen, []

    def interrupted(*_arguments, **options):
        code = "import sys; sys.stdin.read()"
        started.append(real([sys.executable, "-c", code], **options))
        signal.raise_signal(signal.SIGINT)
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    task = Task("okx_exchange", "scripts/okx_exchange.py", every_s=60)
    monkeypatch.setattr(steps, "STEPS", [("exchange", lambda demo: demo.run([task], "starts"))])
    with pytest.raises(KeyboardInterrupt):
        steps.work(demo_in(vault))
    (process,) = started
    assert process.poll() is not None
