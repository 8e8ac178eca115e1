"""The form of run_all.py's lines on a terminal: the time, then the message, cut to its width.

A pipe and the log file get whole lines with date, level and program instead.
"""

import logging
import shutil
import sys
import textwrap
import time
from typing import Final

_INDENT: Final = " " * len("21:34:56 ")
_LEAST_WIDTH: Final = 40


class WindowFormatter(logging.Formatter):
    """Formats an event as a short UTC time and its message, over as many lines as it needs."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of an event."""
        message = "".join(
            sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in record.getMessage()
        )
        text = f"{self.formatTime(record, '%H:%M:%S')} {message}"
        width = max(_LEAST_WIDTH, shutil.get_terminal_size().columns - 1)
        lines = textwrap.wrap(
            text,
            width,
            subsequent_indent=_INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )
        return "\n".join(lines)


def shorten_on_terminal() -> None:
    """Give the log's lines on a terminal their short form."""
    for handler in logging.getLogger().handlers:
        if (
            isinstance(handler, logging.StreamHandler)
            and handler.stream is sys.stderr
            and sys.stderr.isatty()
        ):
            handler.setFormatter(WindowFormatter())
