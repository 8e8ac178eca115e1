"""The ledger of missing steps in streams with a time grid: settlements, statistics.

A line for each change of status; of several lines about a stretch the newest counts.
"""

from typing import Any, Literal, NamedTuple

import orjson

from ravequant import times
from ravequant.vault.append_log import AppendLog
from ravequant.vault.line_file import lines_forward
from ravequant.vault.paths import Vault

GridStatus = Literal["open", "repaired", "unrecoverable"]


class GridGap(NamedTuple):
    """Steps that lack between two lines of a stream; the times are those of the two lines."""

    channel: str
    series: str  # the statistic; empty where the channel has no series
    from_ms: int
    to_ms: int
    missing: int  # steps
    status: GridStatus
    reason: str


def note(vault: Vault, inst_id: str, gap: GridGap) -> bool:
    """Append a gap to the ledger, and sync; return False if its newest line says the same.

    Raises VaultError.
    """
    if newest(vault, inst_id).get(gap[:4]) == gap.status:
        return False
    row = {
        "detected_utc": times.iso(times.utc_now_ms()),
        "channel": gap.channel,
        "instId": inst_id,
        "series": gap.series,
        "from_utc": times.iso(gap.from_ms),
        "to_utc": times.iso(gap.to_ms),
        "missing": gap.missing,
        "status": gap.status,
        "reason": gap.reason,
    }
    with AppendLog(vault.grid_gaps(inst_id)) as log:
        log.append(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    return True


def newest(vault: Vault, inst_id: str) -> dict[tuple[Any, ...], str]:
    """Return the status of each stretch (channel, series, from, to); bad lines are passed over."""
    found: dict[tuple[Any, ...], str] = {}
    path = vault.grid_gaps(inst_id)
    if not path.exists():
        return found
    for line in lines_forward(path):
        try:
            row = orjson.loads(line)
            span = times.parse_iso(row["from_utc"]), times.parse_iso(row["to_utc"])
            found[row["channel"], row["series"], *span] = row["status"]
        except (ValueError, KeyError, TypeError):
            continue
    return found


def open_gaps(vault: Vault, inst_id: str, channel: str) -> list[tuple[int, int]]:
    """Return the stretches of a channel that are open, oldest first. Raises VaultError."""
    return sorted(
        (span[2], span[3])
        for span, status in newest(vault, inst_id).items()
        if span[0] == channel and status == "open"
    )
