"""Takes a program that was started with a Python outside `.venv` over into it.

Each program runs this when `ravequant` cannot be imported (see the first lines of any of them):
the same command line goes on in the Python of `.venv`, or one line says what to do. It never
returns to the program.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

GUARD = "RAVEQUANT_HANDED_OVER"  # set once handed over: a second time would be a loop
PYTHON = "py" if os.name == "nt" else "python3"  # as a plain system knows it
ENVIRONMENT = runpy.run_path(str(Path(__file__).resolve().with_name("environment.py")))


def command_line() -> list[str]:
    """Return the arguments of this Python, the program first; runpy has changed ``sys.argv[0]``."""
    if hasattr(sys, "orig_argv"):  # Python 3.10 and newer: with the interpreter's own options
        return list(sys.orig_argv[1:])
    return [str(sys.modules["__main__"].__file__), *sys.argv[1:]]


def hand_over() -> None:
    """Go on inside `.venv`, or end with exit code 1 and the remedy."""
    program = Path(str(sys.modules["__main__"].__file__)).name
    missing = getattr(sys.exc_info()[1], "name", None) or "ravequant"
    again = os.environ.get(GUARD) == sys.executable or ENVIRONMENT["inside"]()
    if again or not ENVIRONMENT["venv_python"]().is_file():
        installer = ENVIRONMENT["CHECKOUT"] / "scripts" / "environment.py"
        sys.exit(
            f"{program}: the module {missing} is not installed for {sys.executable}. "
            f'Run this once, then the same command again: {PYTHON} "{installer}"'
        )
    os.environ[GUARD] = str(ENVIRONMENT["venv_python"]())
    ENVIRONMENT["rerun"](command_line())


if __name__ in ("handover", "<run_path>"):  # the second is what runpy calls it by itself
    hand_over()
