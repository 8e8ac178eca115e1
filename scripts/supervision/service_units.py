"""The texts that make RaveQuant a service: systemd user units, a Task Scheduler entry.

Pure: paths and names in, file contents out; so both systems' can be shown and tested on either.
"""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Final
from xml.etree import ElementTree as ET

from ravequant.settings import SETTINGS_VARIABLE

NAME: Final = "RaveQuant"
TIMERS: Final = ("ravequant-calculators.timer", "ravequant-retention.timer")
SERVICES: Final = ("ravequant-trades.service", "ravequant-books.service")
_CALCULATORS: Final = ("--once", "--no-exporters", "--no-retention")
_NAMESPACE: Final = "http://schemas.microsoft.com/windows/2004/02/mit/task"
_RESTARTS: Final = "255"  # as many as the schema allows


@dataclass(frozen=True, slots=True)
class Place:
    """Where RaveQuant is, where its data goes, and the settings file if it is not the usual one."""

    checkout: PurePath
    vault: PurePath
    settings: PurePath | None = None


def units(place: Place) -> dict[str, str]:
    """Return the systemd user units: the recorders run on, the others come by their timers."""
    run_all = ("scripts/run_all.py", *_CALCULATORS)
    return {
        SERVICES[0]: _recorder(
            place, "trades", "Trades_Bot/trades_exporter.py", "--backfill", "4h"
        ),
        SERVICES[1]: _recorder(place, "order books", "L2_Bot/l2_exporter.py"),
        "ravequant-calculators.service": _round(place, "the calculators, once", *run_all),
        TIMERS[0]: _timer("the calculators every 5 minutes", "*:0/5:20"),
        "ravequant-retention.service": _round(place, "retention", "L2_Bot/l2_retention.py"),
        TIMERS[1]: _timer("retention every hour", "*:07:00"),
    }


def task(place: Place, user: str) -> bytes:
    """Return the XML of the Task Scheduler entry: run_all.py from logon on, without a window.

    UTF-16 with its mark, the one encoding that ``schtasks /XML`` takes on every Windows.
    """
    checkout = PureWindowsPath(place.checkout)
    arguments = [str(checkout / "scripts" / "run_all.py"), "--vault", str(place.vault)]
    root = _element(
        "Task",
        _element(
            "RegistrationInfo",
            Description="RaveQuant: records OKX trades and order books, and computes on them.",
            URI=f"\\{NAME}",
        ),
        _element("Triggers", _element("LogonTrigger", Enabled="true", UserId=user)),
        _element(
            "Principals",
            _element(
                "Principal", UserId=user, LogonType="InteractiveToken", RunLevel="LeastPrivilege",
                attributes={"id": "Author"},
            ),
        ),
        _element(
            "Settings",
            _element("RestartOnFailure", Interval="PT1M", Count=_RESTARTS),
            MultipleInstancesPolicy="IgnoreNew",
            DisallowStartIfOnBatteries="false",
            StopIfGoingOnBatteries="false",
            StartWhenAvailable="true",
            ExecutionTimeLimit="PT0S",
            Hidden="true",
            Enabled="true",
        ),
        _element(
            "Actions",
            _element(
                "Exec",
                Command=str(checkout / ".venv" / "Scripts" / "pythonw.exe"),
                Arguments=subprocess.list2cmdline(arguments),
                WorkingDirectory=str(checkout),
            ),
            attributes={"Context": "Author"},
        ),
        attributes={"version": "1.2", "xmlns": _NAMESPACE},
    )  # fmt: skip
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-16"?>\n{text}\n'.encode("utf-16")


def _element(
    name: str,
    *inner: ET.Element,
    attributes: Mapping[str, str] | None = None,
    **texts: str,
) -> ET.Element:
    """Return an element; ``texts`` are elements with nothing but text, in front of ``inner``."""
    made = ET.Element(name, dict(attributes or {}))
    for tag, text in texts.items():
        ET.SubElement(made, tag).text = text
    made.extend(inner)
    return made


def _recorder(place: Place, what: str, script: str, *options: str) -> str:
    return f"""[Unit]
Description=RaveQuant: records {what}
StartLimitIntervalSec=0

[Service]
{_start(place, script, *options)}
Restart=always
RestartSec=5
TimeoutStopSec=15

[Install]
WantedBy=default.target
"""


def _round(place: Place, what: str, script: str, *options: str) -> str:
    return f"""[Unit]
Description=RaveQuant: {what}

[Service]
Type=oneshot
{_start(place, script, *options)}
SuccessExitStatus=3 4
TimeoutStartSec=1h
"""


def _timer(what: str, calendar: str) -> str:
    return f"""[Unit]
Description=RaveQuant: {what}

[Timer]
OnCalendar={calendar}
Persistent=true

[Install]
WantedBy=timers.target
"""


def _start(place: Place, script: str, *options: str) -> str:
    checkout = PurePosixPath(place.checkout)
    python = _quoted(str(checkout / ".venv/bin/python"), dollars=False)  # no variables there
    words = [checkout / script, "--vault", place.vault, *options]
    lines = [
        f"WorkingDirectory={str(checkout).replace('%', '%%')}",
        f"ExecStart={' '.join([python, *(_quoted(str(word)) for word in words)])}",
    ]
    if place.settings is not None:
        variable = f"{SETTINGS_VARIABLE}={place.settings}"
        lines.append(f"Environment={_quoted(variable, dollars=False)}")
    return "\n".join(lines)


def _quoted(word: str, *, dollars: bool = True) -> str:
    """Return a word as a systemd command line takes it, whatever stands in it."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text.replace("$", "$$") if dollars else text}"'
