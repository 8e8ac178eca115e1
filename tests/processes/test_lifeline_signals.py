"""Signals that ask to end: real signals to this process and to programs under nohup."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ravequant.processes.lifeline import on_stop
from ravequant.vault.paths import CHECKOUT
from tests.support.box import wait_for

PROGRAMS = {
    "trades_exporter": ("Trades_Bot/trades_exporter.py", "state/health/trades_exporter.json"),
    "l2_exporter": ("L2_Bot/l2_exporter.py", "state/health/l2_exporter.json"),
    "run_all": ("scripts/run_all.py", "state/health/run_all.json"),
}
pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows sends no signal to one process")


def ignoring(*words: object) -> subprocess.Popen[bytes]:
    """Start a program of the checkout with hang-up and Ctrl-C ignored."""
    command = "trap '' HUP INT; exec \"$@\""
    return subprocess.Popen(
        ["sh", "-c", command, "sh", sys.executable, *map(str, words)],
        cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def survives(process: subprocess.Popen[bytes], lives: Path) -> None:
    """Check that a program lives on after both signals, once ``lives`` is there, and then ends."""
    try:
        wait_for(lives.exists, process)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
        process.terminate()
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_is_a_request_to_end_and_its_handler_comes_back(number):
    """While it is heard it ends nothing by itself."""
    before, asked = signal.getsignal(number), []
    with on_stop(lambda: asked.append(number)):
        signal.raise_signal(number)
    assert asked == [number]
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_is_ignored_stays_ignored(number):
    """As nohup and `&` ask for."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        asked: list[int] = []
        with on_stop(lambda: asked.append(number)):
            signal.raise_signal(number)
            assert signal.getsignal(number) == signal.SIG_IGN
        assert not asked
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_under_nohup_survives_the_end_of_its_terminal(tmp_path, name):
    """Hang-up and Ctrl-C do nothing to it; SIGTERM still ends it in order."""
    program, heartbeat = PROGRAMS[name]
    nobody = ["--ws-url", "ws://127.0.0.1:9/ws/v5", "--rest-url", "http://127.0.0.1:9"]
    options = ["--no-exporters"] if name == "run_all" else [*nobody, "--log-file", tmp_path / "log"]
    process = ignoring(program, "--vault", tmp_path / "vault", *options)
    survives(process, tmp_path / "vault" / heartbeat)


def test_the_exchange_in_a_box_survives_it_too(tmp_path):
    """It serves on."""
    ready = tmp_path / "ready"
    process = ignoring("scripts/okx_exchange.py", "--ready-file", ready)
    survives(process, ready)
