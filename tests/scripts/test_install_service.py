"""The service: every element of its files, and what the systems' own commands are told."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import astuple
from pathlib import Path, PurePosixPath, PureWindowsPath
from xml.etree import ElementTree as ET

import pytest

from ravequant import catalog
from ravequant.contract import Contract
from ravequant.errors import RaveQuantError
from ravequant.records import Trade, TradeEncoder
from ravequant.vault.paths import CHECKOUT
from scripts import install_service
from scripts.supervision.service_units import SERVICES, TIMERS, Installation, task, units

PROGRAM = CHECKOUT / "scripts" / "install_service.py"
BEAR = PureWindowsPath(r"C:\Users\M.R Bear & Söhne\RaveQuant")
WINDOWS = Installation(BEAR, BEAR / "Rave_Quant_Vault")
LINUX = Installation(
    PurePosixPath("/home/bär/100% Rave & Quant"), PurePosixPath('/data/a "vault" of 5 $'),
    PurePosixPath("/etc/my settings.toml"),
)  # fmt: skip
TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
posix = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")


def element(path: str) -> ET.Element:
    """Return the one element of the Windows entry with this path."""
    root = ET.fromstring(task(WINDOWS, "DESK\\bear"))  # noqa: S314 - our own text
    found = root.findall("/".join(TASK + name for name in path.split("/")))
    assert len(found) == 1, path
    return found[0]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("Triggers/LogonTrigger/Enabled", "true"),
        ("Triggers/LogonTrigger/UserId", "DESK\\bear"),
        ("Principals/Principal/UserId", "DESK\\bear"),
        ("Principals/Principal/LogonType", "InteractiveToken"),
        ("Principals/Principal/RunLevel", "LeastPrivilege"),
        ("Settings/ExecutionTimeLimit", "PT0S"),
        ("Settings/MultipleInstancesPolicy", "IgnoreNew"),
        ("Settings/StartWhenAvailable", "true"),
        ("Settings/RestartOnFailure/Interval", "PT1M"),
        ("Settings/RestartOnFailure/Count", "255"),
        ("Settings/DisallowStartIfOnBatteries", "false"),
        ("Settings/StopIfGoingOnBatteries", "false"),
        ("Settings/Hidden", "true"),
        ("Settings/Enabled", "true"),
        ("Actions/Exec/Command", rf"{BEAR}\.venv\Scripts\pythonw.exe"),
        ("Actions/Exec/Arguments",
         rf'"{BEAR}\scripts\run_all.py" --vault "{BEAR}\Rave_Quant_Vault"'),
        ("Actions/Exec/WorkingDirectory", str(BEAR)),
    ],
)  # fmt: skip
def test_each_element_of_the_windows_entry(path, text):
    """No window, no end, no second one, also on battery, again after a failure, from logon on."""
    assert element(path).text == text


def test_the_windows_entry_is_what_schtasks_reads():
    """UTF-16 with its mark, the namespace and version of the schema, the action's principal."""
    data = task(WINDOWS, "bear")
    assert data.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = data.decode("utf-16")
    assert text.startswith('<?xml version="1.0" encoding="UTF-16"?>\n<Task version="1.2" xmlns="')
    assert "M.R Bear &amp; Söhne" in text
    assert element("Actions").get("Context") == element("Principals/Principal").get("id")


def lines(name: str) -> dict[str, str]:
    """Return the assignments of a unit; each key stands once."""
    pairs = [line.split("=", 1) for line in units(LINUX)[name].splitlines() if "=" in line]
    assert len(dict(pairs)) == len(pairs)
    return {key: value for key, value in pairs}  # noqa: C416 - pairs are lists


@pytest.mark.parametrize("name", SERVICES)
def test_the_recorders_run_for_ever(name):
    """They are started again whatever ended them, and at every login."""
    found = lines(name)
    assert (found["Restart"], found["RestartSec"]) == ("always", "5")
    assert found["StartLimitIntervalSec"] == "0"
    assert found["WantedBy"] == "default.target"


@pytest.mark.parametrize(
    ("timer", "calendar"), list(zip(TIMERS, ("*:0/5:20", "*:07:00"), strict=True))
)  # fmt: skip
def test_the_timers_start_their_service(timer, calendar):
    """What comes and goes has a unit of the same name, is made up for, and never runs for ever."""
    service = timer.replace(".timer", ".service")
    assert lines(timer)["OnCalendar"] == calendar
    assert lines(timer)["Persistent"] == "true"
    assert lines(timer)["WantedBy"] == "timers.target"
    assert lines(service)["Type"] == "oneshot"
    assert lines(service)["TimeoutStartSec"] == "1h"
    assert lines(service)["SuccessExitStatus"] == "3 4"  # no data yet, another one is at it


def test_paths_in_units_are_quoted():
    """Blanks, per cent signs, quotes and dollars reach the program as they are."""
    found = lines("ravequant-calculators.service")
    checkout = "/home/bär/100%% Rave & Quant"
    assert found["WorkingDirectory"] == checkout
    assert found["ExecStart"] == (
        f'"{checkout}/.venv/bin/python" "{checkout}/scripts/run_all.py" "--vault" '
        r'"/data/a \"vault\" of 5 $$" "--once" "--no-exporters" "--no-retention"'
    )
    assert found["Environment"] == '"RAVEQUANT_SETTINGS=/etc/my settings.toml"'


def test_every_program_of_the_units_knows_its_options():
    """A unit with an option that is unknown would fail in the dark."""
    for name, text in units(Installation(CHECKOUT, CHECKOUT / "vault")).items():
        for command in re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE):
            _, script, *options = shlex.split(command)
            answer = subprocess.run(
                [sys.executable, script, "--help"], capture_output=True, text=True, check=True
            )
            for option in (word for word in options if word.startswith("--")):
                assert option in answer.stdout, f"{name}: {option}"


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
          for _, script in map(astuple, catalog.EXPORTERS)),
        *((script, WITH_DATA, 0) for _, script in map(astuple, catalog.CALCULATORS[:3])),
        *((script, WITHOUT_DATA, 3) for _, script in map(astuple, catalog.CALCULATORS)),
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


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_finds_nothing_wrong(tmp_path):
    """The units as written here pass systemd's own check."""
    for name, text in units(Installation(CHECKOUT, tmp_path / "a 50% $vault")).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    answer = subprocess.run(
        ["systemd-analyze", "--user", "verify", *map(str, sorted(tmp_path.iterdir()))],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "ravequant-" not in answer.stderr, answer.stderr


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
