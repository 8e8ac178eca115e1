"""Imports settled funding rates: lines in order of time, each settlement once."""

from collections.abc import Sequence
from pathlib import Path

import orjson

from ravequant import times
from ravequant.errors import VaultError
from ravequant.exchanges.archive.base import Archive
from ravequant.vault.atomic import disk_error, replace_file
from ravequant.vault.paths import StrPath, Vault


def import_funding(vault: Vault, inst_id: str, archive: Archive, paths: Sequence[StrPath]) -> int:
    """Add the settlements of these files that lack; return how many there were.

    A line that is there stays as it is. Raises ArchiveError, and VaultError for a damaged file.
    """
    path = vault.settled_funding(inst_id)
    known = _lines(path)
    fresh = {
        found.ts: found.line(inst_id, vault.exchange)
        for found in archive.settlements(paths, inst_id)
        if found.ts not in known
    }
    if fresh:
        together = {**known, **fresh}
        replace_file(path, b"".join(together[ts] for ts in sorted(together)))
    return len(fresh)


def _lines(path: Path) -> dict[int, bytes]:
    """Return the lines of a file of settlements by their time. Raises VaultError."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise disk_error(path, "read", error) from error
    found = {}
    for number, line in enumerate(lines, 1):
        try:
            found[times.parse_iso(orjson.loads(line)["timestamp_utc"])] = line
        except (ValueError, KeyError, TypeError) as error:
            raise VaultError(
                f"{path}: line {number} is no settlement: {error!r}; move the file away and import "
                "again"
            ) from None
    return found
