"""The shell of sql.py: questions over several lines up to a semicolon, history, a few commands."""

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from ravequant import tables
from ravequant.errors import RaveQuantError
from scripts.warehouse.output import FORMATS
from scripts.warehouse.schema import TABLES
from scripts.warehouse.session import RefusedError, Session

_PROMPT, _GOES_ON = "sql> ", "...> "
_LONGEST_HISTORY: Final = 1_000
HELP: Final = r"""A question ends with a semicolon.  \d the views   \d NAME its columns
\f table|json|csv   \q the end   Ctrl-C gives a question up
"""


def run(session: Session, tell: Callable[[RaveQuantError], None], left_out: Callable[[int], None],
        history: Path) -> None:  # fmt: skip
    """Read and answer questions until the end of the input; errors are told, and it goes on."""
    people = sys.stdin.isatty()
    remember = _with_history(history) if people else lambda: None
    if people:
        sys.stdout.write(HELP)
    gathered = ""
    while True:
        try:
            line = _read(_GOES_ON if gathered else _PROMPT, people=people)
            if line is None or (not gathered and line.strip() in {r"\q", "exit", "quit"}):
                break
            if not gathered and line.strip().startswith("\\"):
                session = _command(session, line.split())
                continue
            gathered = f"{gathered}\n{line}".strip()
            if gathered.endswith(";"):
                question, gathered = gathered, ""
                left_out(session.ask(question))
        except KeyboardInterrupt:
            gathered = ""
            sys.stdout.write("\n")
        except RaveQuantError as error:
            gathered = ""
            tell(error)
    if gathered:
        with _told(tell):
            left_out(session.ask(gathered))
    remember()


class _told(suppress):  # noqa: N801 - reads as a word of the sentence
    """Tells an error instead of raising it."""

    def __init__(self, tell: Callable[[RaveQuantError], None]) -> None:
        super().__init__(RaveQuantError)
        self._tell = tell

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        if isinstance(error, RaveQuantError):
            self._tell(error)
            return True
        return False


def _read(prompt: str, *, people: bool) -> str | None:
    if people:
        try:
            return input(prompt)
        except EOFError:
            sys.stdout.write("\n")
            return None
    line = sys.stdin.readline()
    return line.rstrip("\r\n") if line else None


def _command(session: Session, words: list[str]) -> Session:
    """Do what a line with a backslash says; return the session that follows from it."""
    if words[0] == r"\d" and len(words) == 1:
        tables.write(("view", "parquet files", "line files", ""), session.describe())
    elif words[0] == r"\d" and words[1].lower() in TABLES:
        columns = TABLES[words[1].lower()].columns
        tables.write(("column", "kind", "unit"), [[c.name, c.kind, c.unit] for c in columns], 3)
    elif words[0] == r"\f" and words[1:2] and words[1] in FORMATS:
        return replace(session, form=words[1])
    elif words[0] == r"\?":
        sys.stdout.write(HELP)
    else:
        raise RefusedError(f"{' '.join(words)} is no command\n{HELP.rstrip()}")
    return session


def _with_history(path: Path) -> Callable[[], None]:
    """Give the prompt its history, where the system has one; return what keeps it."""
    try:
        import readline  # noqa: PLC0415 - Windows has none, its console remembers by itself
    except ImportError:
        return lambda: None
    with suppress(OSError):
        readline.read_history_file(path)

    def keep() -> None:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            readline.set_history_length(_LONGEST_HISTORY)
            readline.write_history_file(path)

    return keep
