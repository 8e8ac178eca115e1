"""The log file of a program that runs day and night."""

import logging
import sys
from logging.handlers import RotatingFileHandler


class RotatingFile(RotatingFileHandler):
    """A log that goes on in the same file when another program holds it open (Windows).

    What a full disk does not take stands on stderr all the same.
    """

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Leave out what a disk does not take."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)

    def doRollover(self) -> None:  # noqa: N802 - logging's own name
        """Begin a new file, or go on in the old one."""
        try:
            super().doRollover()
        except OSError:
            self.stream = self._open()
