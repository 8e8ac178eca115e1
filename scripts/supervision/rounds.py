"""The line about a round of the calculators: how many are up to date, which fail, why. Pure."""

from collections import Counter
from typing import Final

from ravequant.checks.check import rebuild_all
from ravequant.errors import (
    DONE,
    LockedError,
    NoDataError,
    UsageError,
    message_of,
    remedy_of,
)

_OUTCOMES: Final = {
    DONE: "up to date",
    NoDataError.exit_code: "without data yet",
    LockedError.exit_code: "at work elsewhere",
}
_MOST_NAMES: Final = 3
_REBUILD: Final = "--rebuild"


class Round:
    """Counts the ends of calculators until the line of the round.

    ``options`` stand in the command of its remedy: they name the vault, and the demo of a demo.
    """

    def __init__(self, options: str = "") -> None:
        self._rebuild_all = rebuild_all(options)
        self._codes: dict[str, int] = {}
        self._words: dict[str, str] = {}  # of those that failed

    def __bool__(self) -> bool:
        return bool(self._codes)

    @property
    def failed(self) -> bool:
        """True if a calculator failed."""
        return bool(self._words)

    def ended(self, name: str, code: int, words: str) -> None:
        """Note an end; a later end of the same calculator takes its place."""
        self._codes[name] = code
        self._words.pop(name, None)
        if code not in _OUTCOMES:
            self._words[name] = words

    def tell(self) -> str:
        """Return the line of the round, and begin a new round."""
        outcomes = Counter(_OUTCOMES[code] for code in self._codes.values() if code in _OUTCOMES)
        parts = [f"{count} {outcome}" for outcome, count in sorted(outcomes.items())]
        slips = [name for name in self._words if self._codes[name] == UsageError.exit_code]
        if slips:
            parts.append(self._waiting(slips))
        if self._words:
            parts.append(self._failures())
        self._codes.clear()
        self._words.clear()
        return ", ".join(parts)

    def _waiting(self, names: list[str]) -> str:
        """Return the text about calculators that stop at the settings, and take them out."""
        words = [self._words.pop(name) for name in names]
        return f"{len(words)} WAIT until the settings are mended: {message_of(words[0])}"

    def _failures(self) -> str:
        by_remedy: dict[str, list[str]] = {}
        for name, words in self._words.items():
            by_remedy.setdefault(remedy_of(words), []).append(name)
        told = [f"{_few(names)}: {text}" for text, names in by_remedy.items()]
        text = f"{len(self._words)} FAILED: {'; '.join(told)}"
        if any(_REBUILD in text for text in by_remedy):
            text += f" (all at once: {self._rebuild_all})"
        return text


def _few(names: list[str]) -> str:
    """Return names for a line: all of a few, else the first two and how many more."""
    if len(names) <= _MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[:2])} and {len(names) - 2} more"
