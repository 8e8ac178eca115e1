"""Changes under a running run_all.py: of the folder of the vault, and of the code on disk."""

from collections.abc import Iterator, Sequence
from typing import Final

from ravequant import times
from ravequant.vault.code_digest import code_at_start, code_on_disk
from ravequant.vault.heartbeat import place_of
from ravequant.vault.paths import Vault
from ravequant.vault.recorder_state import RecorderState
from scripts.supervision.news import RUN_ALL, Trouble

_CODE_EVERY_MS: Final = times.MINUTE_MS


class Surroundings:
    """Watches the folder of a vault and the code of the programs."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._place = place_of(vault)
        self._code_at: int | None = None
        self._older: frozenset[str] = frozenset()  # programs older than the code on disk
        code_at_start(RUN_ALL)

    @property
    def vault_moved(self) -> bool:
        """True while the folder of the vault is not that of the start, or is gone."""
        if self._place is None:
            self._place = place_of(self._vault)
            return False
        return place_of(self._vault) != self._place

    def troubles(self, states: Sequence[RecorderState], now: int) -> Iterator[Trouble]:
        """Yield the trouble of programs that run older code, looked for once a minute.

        It counts from the second look on, so that an update under way is complete.
        """
        if self._code_at is None or now - self._code_at >= _CODE_EVERY_MS:
            self._code_at = now
            self._older = frozenset(_older(states))
        if self._older:
            text = f"new code on disk, but older code runs: {', '.join(sorted(self._older))}"
            remedy = "press Ctrl-C and start run_all.py again (a service: restart it)"
            over = "the newest code runs"
            yield Trouble((RUN_ALL, "code"), f"{text}; {remedy}", over, None, _CODE_EVERY_MS)


def _older(states: Sequence[RecorderState]) -> Iterator[str]:
    running = {state.program: state.code for state in states if state.lives}
    running[RUN_ALL] = code_at_start(RUN_ALL) or ""
    for name, code in running.items():
        on_disk = code_on_disk(name)
        if code and on_disk and code != on_disk:
            yield name
