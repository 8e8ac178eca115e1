"""The settled funding rates of an instrument: one line a settlement, in order of time, each once.

Recorder and importer write the same file in turns; a line that is there stays as it is.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import orjson

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault.append_log import AppendLog
from ravequant.vault.atomic import disk_error, replace_file
from ravequant.vault.lock import turn
from ravequant.vault.paths import SETTLED_FUNDING, StrPath, Vault

LineOf = Callable[[int | None], bytes]  # of a settlement, by the time of that before it


def add(vault: Vault, inst_id: str, made: Mapping[int, LineOf]) -> list[int]:
    """Add the settlements (Unix ms) that lack; return them in order.

    Lines behind the newest one are appended; for an earlier one the file is replaced as a whole. A
    torn tail is cut off first. Raises VaultError for a damaged file and if the disk refuses.
    """
    path = vault.settled_funding(inst_id)
    with turn(vault, SETTLED_FUNDING, inst_id):
        known = settlements(path)
        fresh = sorted(made.keys() - known.keys())
        if not fresh:
            return fresh
        moments = sorted(known.keys() | made.keys())
        before = dict(zip(moments[1:], moments, strict=False))
        lines = {ts: made[ts](before.get(ts)) for ts in fresh}
        if fresh[0] > max(known, default=0):
            with AppendLog(path) as log:
                log.append(b"".join(lines.values()))
        else:
            together = known | lines
            replace_file(path, b"".join(together[ts] for ts in moments))
    return fresh


def settlements(path: StrPath) -> dict[int, bytes]:
    """Return the whole lines of a file by their time (Unix ms). Raises VaultError."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise disk_error(path, "read", error) from error
    found = {}
    whole = data[: data.rfind(b"\n") + 1]
    for number, line in enumerate(whole.splitlines(keepends=True), 1):
        try:
            found[times.parse_iso(orjson.loads(line)["timestamp_utc"])] = line
        except (ValueError, KeyError, TypeError) as error:
            raise VaultError(
                f"{path}: line {number} is no settlement: {error!r}; move the file away and import "
                "again"
            ) from None
    return found
