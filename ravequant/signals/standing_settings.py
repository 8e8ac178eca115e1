"""The settings of a program that reads them again and again while it runs."""

import logging
from pathlib import Path

from ravequant import settings
from ravequant.errors import UsageError

_log = logging.getLogger("settings")


class StandingSettings:
    """While the file is wrong, empty or gone the last good ones hold; ``problem`` says why."""

    def __init__(self) -> None:
        self.problem = ""
        self._good: settings.Settings | None = None
        self._filled = False  # they come from a file that says something

    def load(self) -> settings.Settings:
        """Return the settings of the file in use, or the last good ones, and log once why.

        Raises UsageError for a file that is wrong from the beginning.
        """
        try:
            self._good, self.problem = self._read(), ""
        except UsageError as error:
            if self._good is None:
                raise
            problem = f"{error}; until it is mended the settings read before hold"
            if problem != self.problem:
                _log.warning("%s", problem)
            self.problem = problem
        return self._good

    def _read(self) -> settings.Settings:
        filled = _says_something(settings.file_in_use())
        found = settings.load()
        if self._filled and not (filled and _says_something(settings.file_in_use())):
            raise UsageError(f"{settings.file_in_use()}: gone or empty while the program runs")
        self._filled = filled
        return found


def _says_something(path: Path) -> bool:
    try:
        return bool(path.read_bytes().strip())
    except OSError:
        return False
