"""Judges the raw days of large transfers of bitcoin: each line once, in the order of its block."""

from collections.abc import Iterator

import orjson

from ravequant import catalog
from ravequant.vault.line_file import time_of_key
from ravequant.vault.paths import Vault
from scripts.audit.context_days import line_verdict
from scripts.audit.day_certificate import DayVerdict
from scripts.audit.file_audit import FileAudit

_TIME = time_of_key(catalog.BTC_TRANSFERS.key)


def chain_days(vault: Vault, inst_id: str, newest_days: int | None = None) -> Iterator[DayVerdict]:
    """Yield a verdict for each day, at most the newest ``newest_days``.

    Times of blocks may fall, and heights do in a reorganisation; the places in a block never do,
    and no block comes a second time.
    """
    files = list(catalog.BTC_TRANSFERS.files(vault, inst_id))
    for key, path in files[-newest_days:] if newest_days else files:
        audit = FileAudit(key, path)
        lines = bad = falls = 0
        last: tuple[str, int] = ("", -1)
        over: set[str] = set()  # blocks behind whose lines another block's stand
        for block in audit.blocks():
            for line in block.splitlines():
                lines += 1
                place = _place(line, inst_id)
                if place is None:
                    bad += 1
                    continue
                if place[0] != last[0]:
                    over.add(last[0])
                falls += place[0] in over or (place[0] == last[0] and place[1] <= last[1])
                last = place
        disorder = f"{falls} lines came twice or out of order" if falls else ""
        yield line_verdict(catalog.BTC_TRANSFERS, inst_id, audit, (lines, bad), disorder)


def _place(line: bytes, inst_id: str) -> tuple[str, int] | None:
    """Return the block of a line and its place there; None if it is no transfer."""
    try:
        row = orjson.loads(line)
        sound = row["instId"] == inst_id and _TIME(line) is not None and int(row["sent_sat"]) > 0
        return (str(row["block"]), int(row["index"])) if sound else None
    except (ValueError, KeyError, TypeError):
        return None
