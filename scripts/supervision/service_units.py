"""The texts that make RaveQuant a service: systemd user units, a Task Scheduler entry.

The texts stand in ``service_files/``; here the paths of one installation are put into them. Paths
and names in, file contents out: the texts of both systems can be shown and tested on either.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePath, PureWindowsPath
from typing import Final
from xml.sax.saxutils import escape

from ravequant.settings import SETTINGS_VARIABLE

NAME: Final = "RaveQuant"
TIMERS: Final = ("ravequant-calculators.timer", "ravequant-retention.timer")
SERVICES: Final = ("ravequant-trades.service", "ravequant-books.service")
_BY_TIMER: Final = ("ravequant-calculators.service", "ravequant-retention.service")
_UNITS: Final = (*SERVICES, _BY_TIMER[0], TIMERS[0], _BY_TIMER[1], TIMERS[1])
_TEXTS: Final = Path(__file__).with_name("service_files")


@dataclass(frozen=True, slots=True)
class Installation:
    """The folders of RaveQuant and of its data, and the settings file if it is not the usual."""

    checkout: PurePath
    vault: PurePath
    settings: PurePath | None = None


def units(place: Installation) -> dict[str, str]:
    """Return the systemd user units by name: recorders run on, the others come by their timers."""
    checkout = place.checkout.as_posix()
    variable = f"{SETTINGS_VARIABLE}={place.settings}"
    paths = {
        "folder": checkout.replace("%", "%%"),
        "python": f"{_escaped(checkout)}/.venv/bin/python",  # systemd expands no variable here
        "checkout": _escaped(checkout).replace("$", "$$"),
        "vault": _escaped(str(place.vault)).replace("$", "$$"),
        "environment": f'Environment="{_escaped(variable)}"\n' if place.settings else "",
    }
    return {name: _text(name).format(**paths) for name in _UNITS}


def task(place: Installation, user: str) -> bytes:
    """Return the XML of the Task Scheduler entry: run_all.py from logon on, without a window.

    UTF-16 with its mark: the only encoding that ``schtasks /XML`` takes on every Windows.
    """
    checkout = PureWindowsPath(place.checkout)
    arguments = [str(checkout / "scripts" / "run_all.py"), "--vault", str(place.vault)]
    words = {
        "user": user,
        "python": str(checkout / ".venv" / "Scripts" / "pythonw.exe"),
        "arguments": subprocess.list2cmdline(arguments),
        "checkout": str(checkout),
    }
    text = _text(f"{NAME}.xml").format(**{name: escape(word) for name, word in words.items()})
    return text.encode("utf-16")


def _text(name: str) -> str:
    return (_TEXTS / name).read_text(encoding="utf-8")


def _escaped(text: str) -> str:
    """Return a text as it stands inside the double quotes of a unit, escaped."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
