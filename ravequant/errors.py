"""The errors that programs report, and the exit code of each.

::

    RaveQuantError                 1  something failed; the message gives the remedy
    ├── FeedError                  1  the exchange: unreachable, refused, or not understood
    ├── VaultError                 1  a file of the vault is missing or damaged
    │   ├── NoDataError            3  there is nothing to read yet
    │   └── LockedError            4  another program holds the lock
    └── UsageError                 2  an argument or a setting cannot be used

A message gives the value found, the value expected, and, after its last semicolon, the remedy.
"""

import re
import reprlib
from typing import Any, ClassVar, Final

DONE: Final = 0
FAILED: Final = 1

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlevel = 2
# compiled where a message is made, which few runs do
_LONG_WORD: Final = r"[^\s,]{25,}"
_LOG_HEAD: Final = r"^\S+Z (?:DEBUG|INFO|WARNING|ERROR|CRITICAL) (?:[\w.]+: )?"


def shown(value: Any) -> str:
    """Return a short ``repr`` of any value, for a message.

    A plain ``repr`` of a hostile value may be megabytes long, or nested too deeply to be made.
    """
    return _SHORT.repr(value)


def masked(text: str) -> str:
    """Return text about a value of the settings, without words that may be a secret.

    In a damaged file a webhook's address may stand in any value; no name and no number is as long.
    """
    return re.sub(_LONG_WORD, "...", text)


def message_of(line: str) -> str:
    """Return the message of a line of a log, without its time, level and program."""
    return re.sub(_LOG_HEAD, "", line)


def remedy_of(line: str) -> str:
    """Return the remedy in a line of a log; the whole message if it names none."""
    return message_of(line).rpartition("; ")[2]


class RaveQuantError(Exception):
    """Root of the tree; programs return ``exit_code`` to the shell."""

    exit_code: ClassVar[int] = FAILED


class FeedError(RaveQuantError):
    """The exchange could not be reached, refused, or gave an answer that cannot be read."""


class VaultError(RaveQuantError):
    """A file of the vault is missing, damaged, or contradicts another file."""


class NoDataError(VaultError):
    """The vault holds no data for this yet."""

    exit_code = 3


class LockedError(VaultError):
    """Another process holds the writer's lock; the message names it."""

    exit_code = 4


class UsageError(RaveQuantError):
    """An argument or a setting cannot be used as given."""

    exit_code = 2
