"""The service: every element of its files, and what the systems' own commands are told."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ravequant import catalog
from ravequant.contract import Contract
from ravequant.errors import RaveQuantError
from ravequant.records import Trade, TradeEncoder
from ravequant.vault.paths import CHECKOUT
from scripts import install_service
from scripts.supervision.service_units import SERVICES, TIMERS, Installation, task, units
from tests.scripts.supervision.test_service_units import LINUX

PROGRAM = CHECKOUT / "scripts" / "install_service.py"
posix = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")


WITH_DATA, WITHOUT_DATA = ("--instId", "ETH-USDT-SWAP"), ("--instId", "BTC-USDT-SWAP")
NOWHERE = ("--ws-url", "ws://127.0.0.1:9", "--rest-url", "http://127.0.0.1:9")
WITHOUT_STREAMS = """
import os, runpy, sys
for number in range(3):
    os.close(number)
sys.stdin = sys.stdout = sys.stderr = sys.__stdin__ = sys.__stdout__ = sys.__stderr__ = None
del sys.argv[0]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(
    ("script", "options", "code"),
    [
        *((script, (*NOWHERE, *WITH_DATA, "--max-seconds", "0.2"), 0)
          for _, script in catalog.EXPORTERS),
        *((script, WITH_DATA, 0) for _, script in catalog.CALCULATORS[:3]),
        *((script, WITHOUT_DATA, 3) for _, script in catalog.CALCULATORS),
        (catalog.L2_RETENTION.script, (), 0),
        (catalog.FIND_SIGNALS.script, WITH_DATA, 0),
        (catalog.FIND_SIGNALS.script, WITHOUT_DATA, 3),
        ("VWAP/vwap_calculator.py", ("--help",), 0),
        ("VWAP/vwap_calculator.py", ("--no-such-option",), 2),
    ],
)  # fmt: skip
def test_no_program_needs_a_console(vault, script, options, code):
    """Under pythonw there is no stdin, stdout or stderr: each does its work and ends as always."""
    encoder = TradeEncoder(WITH_DATA[1], Contract("0.1", "1", "linear"))
    folder = vault.trades(WITH_DATA[1])
    folder.mkdir(parents=True)
    trades = [Trade(1_765_700_000_000 + n * 30_000, n, "buy", "3000", "1") for n in range(1, 9)]
    (folder / "2025-12-14.jsonl").write_bytes(b"".join(map(encoder.line, trades)))
    command = [sys.executable, "-c", WITHOUT_STREAMS, str(CHECKOUT / script)]
    command += ["--vault", str(vault.root), *options]
    assert subprocess.run(command, check=False, timeout=60).returncode == code


STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >> "{folder}/calls"
for word in "$@"; do case "$word" in *.xml) cp "$word" "{folder}/task.xml";; esac; done
case "$* " in {fails}) echo "it broke" >&2; exit 1;; esac
"""


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Stand-ins for the systems' commands, which note their calls; returns how to make one fail."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def make(fails: str = "nothing-fails") -> None:
        for name in ("systemctl", "loginctl", "schtasks"):
            text = STAND_IN.format(folder=tmp_path, fails=fails)
            (folder / name).write_text(text, encoding="utf-8")
            (folder / name).chmod(0o755)

    make()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return make


def calls(folder: Path) -> list[str]:
    """Return what the system's commands were told since the last look."""
    noted = folder / "calls"
    found = noted.read_text(encoding="utf-8").splitlines() if noted.exists() else []
    noted.unlink(missing_ok=True)
    return found


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), *options], capture_output=True, text=True, check=False
    )


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")


@on_linux
def test_installed_shown_and_removed_on_linux(system, tmp_path):
    """All units stand where systemd looks; --remove leaves nothing of them."""
    folder = tmp_path / "config" / "systemd" / "user"
    vault = tmp_path / "a vault"
    answer = run("--vault", str(vault))
    assert answer.returncode == 0, answer.stderr
    written = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert set(written) == set(units(LINUX))
    assert f'"--vault" "{vault}"' in written[SERVICES[0]]
    enabled = f"{' '.join((*SERVICES, *TIMERS))}"
    assert calls(tmp_path) == [
        "systemctl --user daemon-reload", "systemctl --user daemon-reload",
        f"systemctl --user enable {enabled}",
        f"systemctl --user restart {enabled}",  # also what runs by units of an earlier call
        "loginctl enable-linger",
    ]  # fmt: skip
    shown = run("--vault", str(vault), "--print").stdout
    assert all(f"# {folder / name}\n{text}" in shown for name, text in written.items())
    assert run("--remove").returncode == 0
    assert list(folder.iterdir()) == []
    stopped, forgotten = calls(tmp_path)
    assert stopped == f"systemctl --user disable --now {' '.join(units(LINUX))}"
    assert forgotten == "systemctl --user daemon-reload"
    again = run("--remove")
    assert (again.returncode, again.stdout) == (0, f"no unit of RaveQuant in {folder}\n")


@on_linux
def test_without_systemd_nothing_is_written(system, tmp_path):
    """A user session without systemd: its words, the remedy, code 1, and no half service."""
    system(fails="*daemon-reload*")
    answer = run()
    assert answer.returncode == 1
    assert "systemctl --user daemon-reload ended with code 1: it broke; mend that" in answer.stderr
    assert not (tmp_path / "config").exists()


@on_linux
def test_without_lingering_it_says_how(system, tmp_path):
    """Where the user may not linger the service is installed all the same."""
    system(fails="enable-linger*")
    answer = run()
    assert answer.returncode == 0
    assert "sudo loginctl enable-linger" in answer.stdout


@posix
def test_registered_and_removed_on_windows(system, tmp_path, monkeypatch, capsys):
    """The XML is registered and the entry started; --remove ends and deletes it."""
    checkout = tmp_path / "checkout"
    (checkout / ".venv" / "Scripts").mkdir(parents=True)
    place = Installation(checkout, tmp_path / "vault", tmp_path / "my.toml")
    with pytest.raises(RaveQuantError, match=r"pythonw\.exe is not there: run this first"):
        install_service.install_windows(place)
    (checkout / ".venv" / "Scripts" / "pythonw.exe").touch()
    install_service.install_windows(place)
    create, end, start = calls(tmp_path)
    assert end == "schtasks /End /TN RaveQuant"  # what runs by an earlier entry
    assert re.fullmatch(r"schtasks /Create /TN RaveQuant /XML \S+RaveQuant\.xml /F", create)
    assert start == "schtasks /Run /TN RaveQuant"
    assert (tmp_path / "task.xml").read_bytes() == task(place, install_service.user())
    assert f'setx RAVEQUANT_SETTINGS "{tmp_path / "my.toml"}"' in capsys.readouterr().out
    system(fails="/End*")  # as when it does not run
    install_service.remove_windows()
    assert [call.split()[1] for call in calls(tmp_path)] == ["/Query", "/End", "/Delete"]
    system(fails="/Query*")
    install_service.remove_windows()
    assert [call.split()[1] for call in calls(tmp_path)] == ["/Query"]


def test_the_other_systems_files_can_be_looked_at():
    """--print --system shows them anywhere; without --print they are refused."""
    for system, sign in (("windows", "<MultipleInstancesPolicy>"), ("linux", "[Timer]")):
        answer = run("--print", "--system", system)
        assert (answer.returncode, sign in answer.stdout) == (0, True)
    other = "linux" if os.name == "nt" else "windows"
    answer = run("--system", other)
    assert answer.returncode == 2
    assert "add --print to look at it" in answer.stderr


def test_a_command_that_is_not_there_is_named(monkeypatch, tmp_path):
    """No systemctl at all: the message says what else there is."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RaveQuantError, match="systemctl is not there: expected a system that"):
        install_service.call("systemctl", "--user", "daemon-reload")
