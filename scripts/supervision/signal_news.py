"""The lines of run_all.py about signals: those of its own watch, read from the end of its log.

Another watch of the vault, with other options, has its own.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from ravequant.alerts.signal_lines import HEADS, SILENT
from ravequant.errors import message_of
from ravequant.vault.paths import StrPath

_MOST_BYTES: Final = 1 << 22  # of one look


class SignalNews:
    """Follows the log of a watch from now on."""

    def __init__(self, log: StrPath) -> None:
        self._path = Path(log)
        self._read = self._length()

    def lines(self) -> list[str]:
        """Return the lines about signals since the last call."""
        messages = map(message_of, self._new_lines())
        return [text for text in messages if text.partition(" ")[0] in HEADS]

    def _new_lines(self) -> Iterator[str]:
        length = self._length()
        if length < self._read:  # it has rotated
            self._read = 0
        if length == self._read:
            return
        with suppress(OSError), self._path.open("rb") as file:
            file.seek(self._read)
            block = file.read(_MOST_BYTES)
            whole = block[: block.rfind(b"\n") + 1]
            self._read += len(whole)
            yield from whole.decode("utf-8", "replace").splitlines()

    def _length(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0


def rings(line: str) -> bool:
    """Return True if a line rings the bell."""
    return line.partition(" ")[0] not in SILENT
