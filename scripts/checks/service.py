"""The check of the service: whether recording starts with the computer, or at a logon only."""

import getpass
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ravequant.checks.check import Check
from scripts.install_service import unit_folder
from scripts.supervision.service_units import NAME, SERVICES

LINGER: Final = Path("/var/lib/systemd/linger")  # a file for each user who may linger
_INSTALL: Final = "python scripts/install_service.py"
_NOT_INSTALLED: Final = f"not installed: nothing starts by itself; {_INSTALL} changes that"
_LATE: Final = "after a restart nothing is recorded until you log on"


def start() -> Iterator[Check]:
    """Check when the system starts RaveQuant; nothing on a system without a service of ours."""
    if sys.platform == "win32":
        yield of_windows(_entry())
    elif sys.platform == "linux":
        yield of_linux(unit_folder(), LINGER / _user())


def _user() -> str:
    """Return the name of this user; in a container one may have a number alone."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid()) if sys.platform != "win32" else ""


def of_linux(folder: Path, linger: Path) -> Check:
    """Judge the units in ``folder``; the file ``linger`` is there if they start with the system."""
    if not (folder / SERVICES[0]).exists():
        return Check("service", "PASS", _NOT_INSTALLED)
    if linger.exists():
        return Check("service", "PASS", "starts with the computer")
    remedy = f"sudo loginctl enable-linger {linger.name}"
    return Check("service", "WARN", f"starts when you log on: {_LATE}", remedy)


def of_windows(entry: str | None) -> Check:
    """Judge the XML of the Task Scheduler's entry; None: there is no entry."""
    if entry is None:
        return Check("service", "PASS", _NOT_INSTALLED)
    if "<BootTrigger>" in entry.replace("\0", ""):  # UTF-16 in a pipe of another encoding
        return Check("service", "PASS", "starts with the computer")
    remedy = f"{_INSTALL} in a terminal that was opened as administrator"
    return Check("service", "WARN", f"starts when you log on: {_LATE}", remedy)


def _entry() -> str | None:
    command = ["schtasks", "/Query", "/TN", NAME, "/XML"]
    try:
        found = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout
