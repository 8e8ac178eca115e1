"""The service: every element of its files, and what the systems' own commands are told."""

import os
import re
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ravequant import catalog
from ravequant.contract import Contract
from ravequant.errors import RaveQuantError
from ravequant.records import Trade, TradeEncoder
from ravequant.vault.paths import CHECKOUT
from scripts import install_service
from scripts.supervision.service_units import (
    SCREEN,
    SERVICES,
    SIGNALS,
    TIMERS,
    Installation,
    task,
    units,
)
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


PLAIN = replace(LINUX, watch=(), dashboard=False)
STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >> "{folder}/calls"
for word in "$@"; do case "$word" in *.xml) cp "$word" "{folder}/task.xml";; esac; done
for word in "$@"; do case "$word" in *.xml)
  if tr -d '\\000' < "$word" | grep -q {refused}; then echo "denied" >&2; exit 1; fi;; esac
done
case "$* " in {fails}) echo "it broke" >&2; exit 1;; esac
"""


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Stand-ins for the systems' commands, which note their calls; returns how to make one fail."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def make(fails: str = "nothing-fails", refused: str = "nothing") -> None:
        for name in ("systemctl", "loginctl", "schtasks"):
            text = STAND_IN.format(folder=tmp_path, fails=fails, refused=refused)
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
    assert set(written) == set(units(PLAIN))
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
    assert stopped == f"systemctl --user disable --now {' '.join(units(PLAIN))}"
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
    written = task(place, install_service.user(), boot=True)
    assert (tmp_path / "task.xml").read_bytes() == written
    said = capsys.readouterr().out
    assert f'setx RAVEQUANT_SETTINGS "{tmp_path / "my.toml"}"' in said
    assert "it starts with the computer, before anybody logs on" in said
    system(fails="/End*")  # as when it does not run
    install_service.remove_windows()
    assert [call.split()[1] for call in calls(tmp_path)] == ["/Query", "/End", "/Delete"]
    system(fails="/Query*")
    install_service.remove_windows()
    assert [call.split()[1] for call in calls(tmp_path)] == ["/Query"]


@posix
def test_without_an_administrator_it_starts_at_logon_and_says_so(system, tmp_path, capsys):
    """Windows lets only an administrator register a start with the computer."""
    checkout = tmp_path / "checkout"
    (checkout / ".venv" / "Scripts").mkdir(parents=True)
    (checkout / ".venv" / "Scripts" / "pythonw.exe").touch()
    place = Installation(checkout, tmp_path / "vault", watch=("--watch", "30", "--discord"))
    system(refused="BootTrigger")
    install_service.install_windows(place)
    assert [call.split()[1] for call in calls(tmp_path)] == ["/Create", "/Create", "/End", "/Run"]
    written = task(place, install_service.user(), boot=False)
    assert (tmp_path / "task.xml").read_bytes() == written
    said = capsys.readouterr().out
    assert "nothing is recorded until you log on" in said
    assert "it starts when you log on" in said


HOOK = "https://discord.com/api/webhooks/123456789012345678/" + "a" * 68


@on_linux
def test_the_search_for_signals_is_a_unit_and_its_secret_stands_in_none(
    system, tmp_path, monkeypatch
):
    """The webhook of the environment goes into a file for this user alone; --remove deletes it."""
    monkeypatch.setenv("RAVEQUANT_DISCORD_WEBHOOK", HOOK)
    options = ("--watch", "30", "--discord", "--min-score", "60")
    answer = run(*options)
    assert answer.returncode == 0, answer.stderr
    folder = tmp_path / "config" / "systemd" / "user"
    secret = tmp_path / "config" / "ravequant" / "environment"
    unit = (folder / SIGNALS).read_text(encoding="utf-8")
    assert '"--watch" "30" "--min-score" "60" "--discord"' in unit
    assert f"EnvironmentFile={secret}" in unit
    assert secret.read_text(encoding="utf-8") == f"RAVEQUANT_DISCORD_WEBHOOK={HOOK}\n"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    texts = [path.read_text(encoding="utf-8") for path in folder.iterdir()]
    said = answer.stdout + answer.stderr + run(*options, "--print").stdout
    assert all(HOOK not in text and "a" * 68 not in text for text in (*texts, said))
    assert any(f"restart {' '.join(SERVICES)} {SIGNALS}" in call for call in calls(tmp_path))
    assert run().returncode == 0  # installed again, without signals
    assert not (folder / SIGNALS).exists()
    assert not secret.exists()
    assert f"systemctl --user disable --now {SIGNALS}" in calls(tmp_path)
    assert run(*options).returncode == 0
    assert run("--remove").returncode == 0
    assert (list(folder.iterdir()), secret.exists()) == ([], False)


@on_linux
def test_the_screen_is_a_unit_where_it_is_wanted(system, tmp_path):
    """Enabled with the others; an installation without it stops and deletes it."""
    assert run("--dashboard").returncode == 0
    unit = tmp_path / "config" / "systemd" / "user" / SCREEN
    assert "/Dashboard/dashboard.py" in unit.read_text(encoding="utf-8")
    assert any(f"enable {' '.join(SERVICES)} {SCREEN}" in call for call in calls(tmp_path))
    assert run().returncode == 0
    assert not unit.exists()
    assert f"systemctl --user disable --now {SCREEN}" in calls(tmp_path)


@on_linux
def test_a_webhook_of_the_settings_needs_no_file(system, tmp_path, monkeypatch):
    """And without any webhook --discord is refused before anything is written."""
    answer = run("--watch", "30", "--discord")
    assert (answer.returncode, "no Discord webhook is set" in answer.stderr) == (2, True)
    assert run("--discord").returncode == 2
    assert not (tmp_path / "config").exists()
    chosen = tmp_path / "own.toml"
    chosen.write_text(f'[alerts]\ndiscord_webhook = "{HOOK}"\n', encoding="utf-8")
    monkeypatch.setenv("RAVEQUANT_SETTINGS", str(chosen))
    assert run("--watch", "30", "--discord").returncode == 0
    unit = (tmp_path / "config" / "systemd" / "user" / SIGNALS).read_text(encoding="utf-8")
    assert "EnvironmentFile" not in unit
    assert not (tmp_path / "config" / "ravequant").exists()


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
