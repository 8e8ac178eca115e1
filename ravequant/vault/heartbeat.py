"""The heartbeat of a long-running program: a small file with its time of writing and its state."""

import logging
import os
from collections.abc import Mapping
from typing import Any, Final

import orjson

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault.atomic import replace_file
from ravequant.vault.code_digest import code_at_start
from ravequant.vault.paths import Vault

FRESH_MS: Final = 30_000  # it comes every 5 s
AHEAD_MS: Final = 30_000  # two clocks differ; more than this is no age at all
_log = logging.getLogger(__name__)


def read(vault: Vault, component: str) -> dict[str, Any] | None:
    """Return the newest heartbeat of a program; None if none can be read."""
    try:
        found = orjson.loads(vault.health(component).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def age_ms(beat: Mapping[str, Any], now: int) -> int:
    """Return how old a heartbeat is; ``now`` itself if it has no time that can be read."""
    try:
        return now - times.parse_iso(beat["heartbeat_utc"])
    except (KeyError, TypeError, ValueError):
        return now


def alive(beat: Mapping[str, Any] | None, now: int) -> bool:
    """Return True if a heartbeat is fresh, and the program has not stopped since."""
    if beat is None or beat.get("stopped"):
        return False
    return -AHEAD_MS <= age_ms(beat, now) <= FRESH_MS


def place_of(vault: Vault) -> tuple[int, int] | None:
    """Return the identity of the folder of a vault, which moves with it; None if there is none."""
    try:
        found = vault.root.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def moved(vault: Vault) -> VaultError:
    """Return the error of a vault whose folder was moved, deleted or replaced under a program."""
    return VaultError(
        f"{vault.root} is not the folder that it was: the vault was moved or deleted while it was "
        "written; move it back, or start again with --vault and its new place"
    )


class Heartbeat:
    """Writes ``state/health/{component}.json``, with wall-clock times: nothing is computed from it.

    A heartbeat never stops its program: a refusal of the disk is logged, once until it works again.
    A vault that was moved is not begun anew at its old place.
    """

    def __init__(self, vault: Vault, component: str) -> None:
        self._path = vault.health(component)
        self._vault, self._place = vault, place_of(vault)
        self._identity: dict[str, Any] = {
            "component": component,
            "pid": os.getpid(),
            "started_utc": times.iso(times.utc_now_ms()),
            "code": code_at_start(component),
        }
        self._failing = False

    def write(self, facts: Mapping[str, Any]) -> bool:
        """Write program, time and ``facts`` (JSON-able). Return False if the disk refuses."""
        now = {"heartbeat_utc": times.iso(times.utc_now_ms())}
        data = orjson.dumps(self._identity | now | dict(facts)) + b"\n"
        try:
            if self._place is not None and place_of(self._vault) != self._place:
                raise moved(self._vault)
            replace_file(self._path, data, durable=False, patience_s=0.1)
        except VaultError as error:
            if not self._failing:
                _log.warning("no heartbeat: %s", error)
            self._failing = True
        else:
            self._place = self._place or place_of(self._vault)
            self._failing = False
        return not self._failing
