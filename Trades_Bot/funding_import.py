"""Imports settled funding rates: lines in order of time, each settlement once."""

from collections.abc import Sequence

from ravequant.exchanges.archive.base import Archive
from ravequant.vault import settled_funding
from ravequant.vault.paths import StrPath, Vault


def import_funding(vault: Vault, inst_id: str, archive: Archive, paths: Sequence[StrPath]) -> int:
    """Add the settlements of these files that lack; return how many there were.

    A line that is there stays as it is. Raises ArchiveError, and VaultError for a damaged file.
    """
    lines = {
        found.ts: found.line(inst_id, vault.exchange)
        for found in archive.settlements(paths, inst_id)
    }
    made = {ts: lambda _, line=line: line for ts, line in lines.items()}
    return len(settled_funding.add(vault, inst_id, made))
