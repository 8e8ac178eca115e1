"""Has the noted days put in their places by the program that holds the log, or does it here."""

import logging
import time
from collections.abc import Callable
from typing import Final

from ravequant import catalog
from ravequant.errors import LockedError
from ravequant.vault.imports import built_day, under_way
from ravequant.vault.lock import if_free, writer_lock
from ravequant.vault.paths import IMPORT, Vault, instruments

_LOOK_AGAIN_S: Final = 0.2
AT_ONCE_S: Final = 2.0  # of a program that has other work too
_log = logging.getLogger(__name__)


def carry_out(
    vault: Vault, inst_id: str, wait_s: float, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Put the noted days in their places, or let the exporter do it that holds the log.

    If the exporter ends meanwhile, it is done here. Raises LockedError if no day came to its place
    for ``wait_s`` seconds; the days stay noted, and the next program that looks goes on.
    """
    waits_until, waiting = time.monotonic() + wait_s, -1
    while under_way.is_noted(vault, inst_id):
        try:
            with writer_lock(vault, catalog.TRADES.stream, inst_id):
                under_way.finish(vault, inst_id)
                return
        except LockedError as error:
            held = error
        left = _parts(vault, inst_id)
        if left != waiting:
            waits_until, waiting = time.monotonic() + wait_s, left
        if time.monotonic() >= waits_until:
            raise LockedError(
                f"{held}. It did not let imported days to their places within {wait_s:g} s, its "
                "log may say why. Stop it, then import again: what is built is kept"
            )
        sleep(_LOOK_AGAIN_S)


def complete(vault: Vault, within_s: float = AT_ONCE_S) -> list[str]:
    """Go on with imports that were stopped, each for a moment; return the instruments done.

    An instrument whose log another program holds is left to that program. Raises VaultError.
    """
    done = []
    for inst_id in noted_instruments(vault):
        with if_free(vault, catalog.TRADES.stream, inst_id) as free:
            if not free:
                continue
            try:
                progress = under_way.finish(vault, inst_id, within_s=within_s)
            except LockedError as error:  # finished days are being compressed
                _log.debug("%s", error)
                continue
        if progress is not None and progress.done:
            done.append(inst_id)
    return done


def noted_instruments(vault: Vault) -> list[str]:
    """Return the instruments of which days are being put in their places."""
    if not (vault.root / "state" / IMPORT).is_dir():
        return []
    return [name for name in instruments(vault.import_parts) if under_way.is_noted(vault, name)]


def _parts(vault: Vault, inst_id: str) -> int:
    """Return how many built days are not in their places yet."""
    days = built_day.days_built(vault, inst_id)
    return sum(built_day.part_path(vault, inst_id, day).exists() for day in days)
