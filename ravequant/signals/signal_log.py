"""Appends signals to `signals.jsonl` when they are first seen and when they have changed."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant import catalog
from ravequant.signals.serialize import fingerprint
from ravequant.vault.append_log import AppendLog
from ravequant.vault.line_file import lines_backward
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault

_LOOK_BACK: Final = 2_000  # of the newest lines: a signal in none of these counts as new


def record(vault: Vault, inst_id: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Append the signals that are new or changed, and return their number.

    Raises VaultError, and LockedError while another process records.
    """
    found = list(rows)
    if not found:
        return 0
    path = catalog.SIGNALS.place(vault, inst_id)
    with writer_lock(vault, catalog.SIGNALS.stream, inst_id), AppendLog(path) as log:
        seen = _newest(path, {row["event_id"] for row in found})
        new = [row for row in found if seen.get(row["event_id"]) != fingerprint(row)]
        if new:
            log.append(b"".join(orjson.dumps(row) + b"\n" for row in new))
    return len(new)


def _newest(path: Path, wanted: set[str]) -> dict[str, dict[str, Any]]:
    """Return the fingerprint of the newest line of each wanted event_id."""
    seen: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines_backward(path)):
        if number == _LOOK_BACK or len(seen) == len(wanted):
            break
        try:
            row = orjson.loads(line)
            event_id = row["event_id"]
            if event_id in wanted and event_id not in seen:
                seen[event_id] = fingerprint(row)
        except (ValueError, KeyError, TypeError):
            continue  # a damaged line hides at most one repetition
    return seen
