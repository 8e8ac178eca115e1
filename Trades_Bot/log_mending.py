"""Work of a running exporter for others between two flushes, since it holds the log.

A repair that repair_gaps has noted is carried out, and days that import_trades has built are put in
their places. The exporter's file is closed meanwhile and its rows wait, at most a minute at a time.
"""

from collections.abc import Iterator
from typing import Final

from ravequant.vault import trade_repair
from ravequant.vault.imports import under_way
from ravequant.vault.paths import Vault

AT_MOST_S: Final = 60.0  # then the rows that wait are written, and the rest follows


def is_noted(vault: Vault, inst_id: str) -> bool:
    """Return True if there is work on the log that a running exporter carries out."""
    if trade_repair.is_noted(vault, inst_id):
        # of one too large repair_gaps has said that the exporter must be stopped for it
        return not trade_repair.too_large(vault, inst_id)
    return under_way.is_noted(vault, inst_id)


def carry_out(vault: Vault, inst_id: str, writes_to: str) -> Iterator[str]:
    """Do the noted work and yield a sentence for the log about each part of it.

    ``writes_to`` is the day of the exporter's file: no imported day from there on is put in place.
    Raises VaultError; the log is then as it was, or done in part, day by day.
    """
    repaired = trade_repair.finish(vault, inst_id)
    if repaired is not None:
        yield f"repaired {len(repaired.days)} days of the log"
    placed = under_way.finish(
        vault, inst_id, before=writes_to or under_way.EVERY_DAY, within_s=AT_MOST_S
    )
    if placed is not None and placed.placed:
        more = "" if placed.done else "; the others follow"
        yield f"{len(placed.placed)} imported days stand in their places{more}"
    if placed is not None and placed.left:
        yield f"{placed.left[0]} was imported and has changed since: import_trades builds it again"
