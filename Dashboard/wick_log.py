"""The wicks of an instrument, folded from their events; each event is read once."""

from collections.abc import Iterator
from typing import Final

from ravequant import times
from ravequant.signals.derived_rows import FILES, parsed, take_event, wick_event
from ravequant.signals.inputs import WickAsOf
from ravequant.signals.question import OLDEST
from ravequant.vault.line_file import LineFile, is_there
from ravequant.vault.paths import Vault

_CUT: Final = times.HOUR_MS // times.MINUTE_MS  # minutes between two times at which old ones go


class WickLog:
    """The wicks that may live, by their newest status. ``read`` raises VaultError."""

    def __init__(self, vault: Vault, inst_id: str) -> None:
        self._path = FILES["wicks"].place(vault, inst_id)
        self._key = FILES["wicks"].key
        self._born: dict[str, WickAsOf] = {}
        self._place: int | None = None
        self._cut_at = 0

    def read(self) -> None:
        """Take the events that came; the file must not have been replaced since."""
        if not is_there(self._path):
            return
        with LineFile(self._path, self._key) as file:
            if self._place is None:
                newest = next(
                    (time for time in map(file.time_of, file.backward(file.size)) if time), 0
                )
                self._place = file.after(newest - OLDEST * times.MINUTE_MS - 1)
            for event in parsed(self._path, file.forward(self._place), wick_event):
                take_event(self._born, event)
            self._place = file.size

    def known(self, minute: int) -> Iterator[WickAsOf]:
        """Yield the wicks that were born by a minute and may live."""
        if minute >= self._cut_at:
            self._cut_at = minute + _CUT
            old = [name for name, wick in self._born.items() if wick.birth <= minute - OLDEST]
            for name in old:
                del self._born[name]
        return (wick for wick in self._born.values() if wick.birth <= minute)
