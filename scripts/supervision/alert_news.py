"""The troubles of run_all.py with alerts: a watch cannot send them, or they wait for the hour."""

from collections.abc import Iterator
from typing import Final

from ravequant import times
from ravequant.alerts.delivery import SendingState, delivery
from ravequant.vault.paths import Vault
from scripts.supervision.news import RUN_ALL, Trouble

_PATIENCE_MS: Final = 10_000  # a post that is taken at the second try is no news


class AlertNews:
    """Follows the state of sending of each watch that begins from now on."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._before = delivery(vault, times.utc_now_ms()).start  # of a watch before this run
        self._failed: SendingState | None = None

    def troubles(self) -> Iterator[Trouble]:
        """Yield the troubles; after a new start only an alert that was sent ends a failure."""
        now = times.utc_now_ms()
        found = delivery(self._vault, now)
        if found.start in {"", self._before}:
            pass
        elif found.problem:
            self._failed = found
        elif self._failed and (found.proven or found.start == self._failed.start):
            self._failed = None
        if self._failed:
            text, over = f"ALERTS ARE NOT SENT: {self._failed.problem}", "alerts are sent again"
            since = self._failed.since_ms
            yield Trouble((RUN_ALL, "alerts"), text, over, since, _PATIENCE_MS)
        if found.start != self._before and (full := found.full_hour(now)):
            yield Trouble(
                (RUN_ALL, "hour"),
                f"ALERTS WAIT: {full}",
                "no alert waits for the hour",
                varies=True,
            )
