"""The texts of the services: every element, every line, every path in them."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import PurePosixPath, PureWindowsPath
from xml.etree import ElementTree as ET

import pytest

from ravequant.vault.paths import CHECKOUT
from scripts.supervision.service_units import (
    SCREEN,
    SERVICES,
    SIGNALS,
    TIMERS,
    Installation,
    task,
    units,
)

BEAR = PureWindowsPath(r"C:\Users\M.R Bear & Söhne\RaveQuant")


WINDOWS = Installation(
    BEAR, BEAR / "Rave_Quant_Vault", watch=("--watch", "30", "--min-score", "60")
)


LINUX = Installation(
    PurePosixPath("/home/bär/100% Rave & Quant"), PurePosixPath('/data/a "vault" of 5 $'),
    PurePosixPath("/etc/my settings.toml"),
    watch=("--watch", "30", "--discord"), secrets=PurePosixPath("/home/bär/50% of/environment"),
    dashboard=True,
)  # fmt: skip


TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


def element(path: str, *, boot: bool = False) -> ET.Element:
    """Return the one element of the Windows entry with this path."""
    text = task(WINDOWS, "DESK\\bear", boot=boot)
    root = ET.fromstring(text)  # noqa: S314 - our own text
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
         (rf'"{BEAR}\scripts\run_all.py" --vault "{BEAR}\Rave_Quant_Vault" '
         "--watch 30 --min-score 60")),
        ("Actions/Exec/WorkingDirectory", str(BEAR)),
    ],
)  # fmt: skip
def test_each_element_of_the_windows_entry(path, text):
    """No window, no end, no second one, also on battery, again after a failure, from logon on."""
    assert element(path).text == text


def test_the_windows_entry_starts_with_the_computer_where_it_may():
    """Then it runs without a logon, and with a logon too, never twice."""
    assert element("Triggers/BootTrigger/Enabled", boot=True).text == "true"
    assert element("Triggers/LogonTrigger/Enabled", boot=True).text == "true"
    assert element("Principals/Principal/LogonType", boot=True).text == "S4U"
    assert b"Boot" not in task(WINDOWS, "bear", boot=False).replace(b"\0", b"")


def test_the_windows_entry_is_what_schtasks_reads():
    """UTF-16 with its mark, the namespace and version of the schema, the action's principal."""
    data = task(WINDOWS, "bear", boot=False)
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


@pytest.mark.parametrize("name", [*SERVICES, SIGNALS, SCREEN])
def test_the_recorders_run_for_ever(name):
    """They are started again whatever ended them, and at every login."""
    found = lines(name)
    assert (found["Restart"], found["RestartSec"]) == ("always", "5" if name in SERVICES else "30")
    assert found["StartLimitIntervalSec"] == "0"
    assert found["WantedBy"] == "default.target"


CALENDARS = ("*:0/5:20", "*:07:00", "*:37:40", "*:47:20")


@pytest.mark.parametrize(("timer", "calendar"), list(zip(TIMERS, CALENDARS, strict=True)))
def test_the_timers_start_their_service(timer, calendar):
    """What comes and goes has a unit of the same name, is made up for, and never runs for ever."""
    service = timer.replace(".timer", ".service")
    assert lines(timer)["OnCalendar"] == calendar
    assert lines(timer)["Persistent"] == "true"
    assert lines(timer)["WantedBy"] == "timers.target"
    assert lines(service)["Type"] == "oneshot"
    limit = "6h" if "judge" in timer else "1h"  # of all the days that wait when it first runs
    assert lines(service)["TimeoutStartSec"] == limit
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
    found = lines(SIGNALS)
    assert found["ExecStart"].endswith(r'"/data/a \"vault\" of 5 $$" "--watch" "30" "--discord"')
    assert found["EnvironmentFile"] == "/home/bär/50%% of/environment"
    assert found["StandardOutput"] == "null"  # its tables are for a screen; warnings are logged


def test_every_program_of_the_units_knows_its_options():
    """A unit with an option that is unknown would fail in the dark."""
    watch = ("--watch", "30", "--min-score", "60", "--discord")
    for name, text in units(Installation(CHECKOUT, CHECKOUT / "vault", watch=watch)).items():
        for command in re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE):
            _, script, *options = shlex.split(command)
            answer = subprocess.run(
                [sys.executable, script, "--help"], capture_output=True, text=True, check=True
            )
            for option in (word for word in options if word.startswith("--")):
                assert option in answer.stdout, f"{name}: {option}"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_finds_nothing_wrong(tmp_path):
    """The units as written here pass systemd's own check."""
    place = Installation(CHECKOUT, tmp_path / "a 50% $vault", watch=("--watch", "30"))
    for name, text in units(place).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    answer = subprocess.run(
        ["systemd-analyze", "--user", "verify", *map(str, sorted(tmp_path.iterdir()))],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "ravequant-" not in answer.stderr, answer.stderr
