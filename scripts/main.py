"""Every program under one command: `ravequant doctor` is `python scripts/doctor.py`.

    ravequant                      lists the programs
    ravequant run --demo           starts one of them, with its own options
    ravequant signals --help       shows these
    ravequant --version

The command stands in `.venv` after the installation. It starts the program in this process: its
options, output and exit codes are those of the script.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import ast
import difflib
import platform
import runpy
import sys
from collections.abc import Sequence
from typing import Final

from ravequant import __version__, cli
from ravequant.catalog import PROGRAMS, SHORT_NAMES, Program
from ravequant.errors import DONE, UsageError
from ravequant.vault.paths import CHECKOUT

PROGRAM: Final = "ravequant"
_LISTED: Final = tuple(program for program in PROGRAMS if program.name != PROGRAM)
_HELP: Final = ("-h", "--help", "help")


def words_of(program: Program) -> list[str]:
    """Return the words for a program, the shortest first."""
    short = [word for word, name in SHORT_NAMES.items() if name == program.name]
    return [*short, program.name]


def chosen(word: str) -> Program:
    """Return the program that a word names, with dashes too. UsageError for another word."""
    by_word = {name: program for program in _LISTED for name in words_of(program)}
    wanted = word.replace("-", "_").removesuffix(".py")
    if wanted in by_word:
        return by_word[wanted]
    near = difflib.get_close_matches(wanted, by_word, 1)
    meant = f"; did you mean {near[0]}?" if near else ";"
    raise UsageError(f"no program {word!r}{meant} `{PROGRAM}` alone lists them")


def listing() -> str:
    """Return the programs, a line each: the words for it, and the first sentence of its text."""
    shown = [(", ".join(words_of(program)), _about(program)) for program in _LISTED]
    width = max(len(words) for words, _ in shown)
    lines = [f"{PROGRAM} PROGRAM [options]; each has --help", ""]
    return "\n".join([*lines, *(f"  {words:{width}}  {about}" for words, about in shown)])


def _about(program: Program) -> str:
    text = (CHECKOUT / program.script).read_text(encoding="utf-8")
    first = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    return first.partition(". ")[0].rstrip(".")


def version() -> str:
    """Return the version, the Python that runs it, and the checkout."""
    return f"{PROGRAM} {__version__}, Python {platform.python_version()}, {CHECKOUT}"


def start(program: Program, arguments: Sequence[str]) -> None:
    """Run the script of a program in this process, as if it had been typed."""
    script = str(CHECKOUT / program.script)
    sys.argv = [script, *arguments]
    sys.orig_argv = [sys.executable, *sys.argv]  # by which a program knows that it was started
    runpy.run_path(script, run_name="__main__")


def main() -> int:
    """Start the program of the command line; return the exit code."""
    return cli.until_reader_leaves(PROGRAM, _answer)


def _answer() -> int:
    first, *arguments = sys.argv[1:] or ["--help"]
    if first in _HELP and arguments and not arguments[0].startswith("-"):
        first, arguments = arguments[0], ["--help"]  # `ravequant help doctor`
    if first in _HELP:
        print(listing())
    elif first in {"-V", "--version"}:
        print(version())
    else:
        try:
            program = chosen(first)
        except UsageError as error:
            cli.set_up_logging("info")
            cli.report(PROGRAM, error)
            return error.exit_code
        start(program, arguments)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
