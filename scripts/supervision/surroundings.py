"""Changes under a running run_all.py: of the vault's folder, the code on disk, the clock."""

import shutil
from collections.abc import Iterator, Sequence
from typing import Final

from ravequant import times
from ravequant.checks.programs import LEAST_FREE
from ravequant.errors import RaveQuantError
from ravequant.signals import clock
from ravequant.vault.code_digest import code_at_start, code_on_disk
from ravequant.vault.heartbeat import place_of
from ravequant.vault.paths import Vault
from ravequant.vault.recorder_state import RecorderState
from scripts.supervision.news import RUN_ALL, Trouble

_EVERY_MS: Final = times.MINUTE_MS


class Surroundings:
    """Watches the folder of a vault, the code of the programs, and this computer's clock."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._place = place_of(vault)
        self._looked_at: int | None = None
        self._clock = ""  # by how much it is wrong
        self._older: frozenset[str] = frozenset()  # programs older than the code on disk
        code_at_start(RUN_ALL)

    @property
    def vault_moved(self) -> bool:
        """True while the folder of the vault is not that of the start, or is gone."""
        if self._place is None:
            self._place = place_of(self._vault)
            return False
        return place_of(self._vault) != self._place

    def troubles(
        self, states: Sequence[RecorderState], now: int, *, writable: bool = True
    ) -> Iterator[Trouble]:
        """Yield the troubles: a vault that is not ``writable``, a wrong clock, older code.

        Clock and code are looked at once a minute. Code counts from the second look on, so that an
        update under way is complete.
        """
        if not writable:
            over = "the vault can be written again"
            yield Trouble((RUN_ALL, "disk"), self._disk_problem(), over, varies=True)
        if self._looked_at is None or not 0 <= now - self._looked_at < _EVERY_MS:
            self._looked_at = now
            self._older = frozenset(_older(states))
            self._clock = self._clock_problem()
        if self._clock:
            over = "the clock is right again"
            yield Trouble((RUN_ALL, "clock"), self._clock, over, varies=True)
        if self._older:
            text = f"new code on disk, but older code runs: {', '.join(sorted(self._older))}"
            remedy = "press Ctrl-C and start run_all.py again (a service: restart it)"
            over = "the newest code runs"
            yield Trouble((RUN_ALL, "code"), f"{text}; {remedy}", over, None, _EVERY_MS)

    def _disk_problem(self) -> str:
        try:
            free = shutil.disk_usage(self._vault.root).free
        except OSError as error:
            return f"NOT RECORDING: {self._vault.root} cannot be read: {error.strerror}"
        if free < LEAST_FREE:
            return (
                "NOT RECORDING: the disk is full; free space on it, then all goes on by itself, "
                "and missed trades are fetched"
            )
        return f"NOT RECORDING: {self._vault.root} cannot be written; allow writing there"

    def _clock_problem(self) -> str:
        try:
            return clock.problem(self._vault, clock.now())
        except RaveQuantError:  # a local exchange that does not answer
            return ""


def _older(states: Sequence[RecorderState]) -> Iterator[str]:
    running = {state.program: state.code for state in states if state.lives}
    running[RUN_ALL] = code_at_start(RUN_ALL) or ""
    for name, code in running.items():
        on_disk = code_on_disk(name)
        if code and on_disk and code != on_disk:
            yield name
