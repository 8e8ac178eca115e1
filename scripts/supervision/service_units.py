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
TIMERS: Final = tuple(
    f"ravequant-{name}.timer" for name in ("calculators", "retention", "seal", "judge")
)
SERVICES: Final = ("ravequant-trades.service", "ravequant-books.service")
SIGNALS: Final = "ravequant-signals.service"
SCREEN: Final = "ravequant-dashboard.service"
_BY_TIMER: Final = tuple(timer.replace(".timer", ".service") for timer in TIMERS)
_UNITS: Final = (*SERVICES, *_BY_TIMER, *TIMERS)
NAMES: Final = (*_UNITS, SIGNALS, SCREEN)
_BOOT: Final = "    <BootTrigger>\n      <Enabled>true</Enabled>\n    </BootTrigger>\n"
_TEXTS: Final = Path(__file__).with_name("service_files")


@dataclass(frozen=True, slots=True)
class Installation:
    """The folders of RaveQuant and of its data, and the options of the search for signals.

    ``settings`` is the file of the settings if it is not the usual one; ``secrets`` is a file with
    the address of the webhook, which stands in no unit.
    """

    checkout: PurePath
    vault: PurePath
    settings: PurePath | None = None
    watch: tuple[str, ...] = ()  # of find_signals.py; empty: it is not started
    secrets: PurePath | None = None
    dashboard: bool = False  # the screen is served too

    @property
    def optional(self) -> dict[str, bool]:
        """The systemd services that not every installation has, and whether this one has them."""
        return {SIGNALS: bool(self.watch), SCREEN: self.dashboard}


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
    secrets = str(place.secrets).replace("%", "%%")
    paths["secrets"] = f"EnvironmentFile={secrets}\n" if place.secrets else ""
    paths["watch"] = " ".join(f'"{_escaped(word)}"' for word in place.watch)
    names = (*_UNITS, *(name for name, wanted in place.optional.items() if wanted))
    return {name: _text(name).format(**paths) for name in names}


def task(place: Installation, user: str, *, boot: bool) -> bytes:
    """Return the XML of the Task Scheduler entry: run_all.py without a window.

    With ``boot`` it starts with the computer and needs no logon, which an administrator must
    allow; else it starts at the user's logon.
    UTF-16 with its mark: the only encoding that ``schtasks /XML`` takes on every Windows.
    """
    checkout = PureWindowsPath(place.checkout)
    arguments = [str(checkout / "scripts" / "run_all.py"), "--vault", str(place.vault)]
    arguments += [*place.watch, *["--dashboard"] * place.dashboard]
    words = {
        "user": user,
        "python": str(checkout / ".venv" / "Scripts" / "pythonw.exe"),
        "arguments": subprocess.list2cmdline(arguments),
        "checkout": str(checkout),
        "logon_type": "S4U" if boot else "InteractiveToken",
    }
    written = {name: escape(word) for name, word in words.items()}
    written["boot"] = _BOOT if boot else ""
    text = _text(f"{NAME}.xml").format(**written)
    return text.encode("utf-16")


def _text(name: str) -> str:
    return (_TEXTS / name).read_text(encoding="utf-8")


def _escaped(text: str) -> str:
    """Return a text as it stands inside the double quotes of a unit, escaped."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
