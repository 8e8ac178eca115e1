"""Judges the raw days of the context feeds: each line is of its feed, times never fall."""

from collections.abc import Iterator
from pathlib import Path

import orjson

from ravequant import catalog
from ravequant.catalog import DataSet
from ravequant.vault.line_file import time_of_key
from ravequant.vault.paths import Vault
from scripts.audit.day_certificate import DayVerdict
from scripts.audit.file_audit import FileAudit


def context_days(
    vault: Vault, inst_id: str, newest_days: int | None = None
) -> Iterator[DayVerdict]:
    """Yield a verdict for each day and feed, at most the newest ``newest_days`` days of each."""
    for data in catalog.CONTEXT:
        files = list(data.files(vault, inst_id))
        for key, path in files[-newest_days:] if newest_days else files:
            yield _judged(data, inst_id, key, path)


def _judged(data: DataSet, inst_id: str, key: str, path: Path) -> DayVerdict:
    audit, time_of = FileAudit(key, path), time_of_key(data.key)
    lines = bad = newest = falls = 0
    for block in audit.blocks():
        for line in block.splitlines():
            lines += 1
            moment = time_of(line)
            if moment is None or not _is_of(line, inst_id):
                bad += 1
            else:
                falls += moment < newest
                newest = max(newest, moment)
    disorder = f"{falls} times ({data.key}) fall" if falls else ""
    return line_verdict(data, inst_id, audit, (lines, bad), disorder)


def line_verdict(
    data: DataSet, inst_id: str, audit: FileAudit, counts: tuple[int, int], disorder: str
) -> DayVerdict:
    """Return the verdict on a day with ``counts`` of all and of bad lines; "" is no disorder."""
    path, (lines, bad) = audit.path, counts
    found = DayVerdict(inst_id, data.name, audit.key, "lines", lines, lines - bad, bad_lines=bad)
    found.files[path.name] = audit.sha256
    if audit.damaged:
        found.problems.append(audit.damaged)
    if bad:
        found.problems.append(f"{path}: {bad} lines are none of {data.name}; readers skip them")
    if disorder:
        found.problems.append(f"{path}: {disorder}; move the file away")
    if audit.torn_bytes:
        found.notes.append(f"{path}: ends with {audit.torn_bytes} bytes of an unfinished line")
    return found


def _is_of(line: bytes, inst_id: str) -> bool:
    try:
        return bool(orjson.loads(line)["instId"] == inst_id)
    except (ValueError, KeyError, TypeError):
        return False
