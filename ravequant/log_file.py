"""The rotating log file of a program that runs day and night."""

import logging
import sys
from logging.handlers import RotatingFileHandler


class RotatingFile(RotatingFileHandler):
    """Rotates a log, or goes on in the same file while another program has it open (Windows).

    Lines that a full disk refuses are left out here; the handler for stderr still writes them.
    """

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Report an error, unless the disk refused the line."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)

    def doRollover(self) -> None:  # noqa: N802 - logging's own name
        """Begin a new file, or go on in the old one if it cannot be renamed."""
        try:
            super().doRollover()
        except OSError:
            self.stream = self._open()
