"""The heartbeat of a long-running program: a small file with its time of writing and its state."""

import logging
import os
from collections.abc import Mapping
from typing import Any

import orjson

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault.atomic import replace_file
from ravequant.vault.paths import Vault

_log = logging.getLogger(__name__)


class Heartbeat:
    """Writes ``state/health/{component}.json``, with wall-clock times: nothing is computed from it.

    A heartbeat never stops its program: a refusal of the disk is logged, once until it works again.
    """

    def __init__(self, vault: Vault, component: str) -> None:
        self._path = vault.health(component)
        self._identity: dict[str, Any] = {
            "component": component,
            "pid": os.getpid(),
            "started_utc": times.iso(times.utc_now_ms()),
        }
        self._failing = False

    def write(self, facts: Mapping[str, Any]) -> bool:
        """Write program, time and ``facts`` (JSON-able). Return False if the disk refuses."""
        now = {"heartbeat_utc": times.iso(times.utc_now_ms())}
        data = orjson.dumps(self._identity | now | dict(facts)) + b"\n"
        try:
            replace_file(self._path, data, durable=False, patience_s=0.1)
        except VaultError as error:
            if not self._failing:
                _log.warning("no heartbeat: %s", error)
            self._failing = True
        else:
            self._failing = False
        return not self._failing
