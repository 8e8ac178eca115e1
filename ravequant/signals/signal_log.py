"""Appends signals to `signals.jsonl` when they are first seen and when they have changed.

A watch notes each of its rounds in `asked.jsonl` too: a signal that is in neither was not there.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import orjson

from ravequant import catalog, times
from ravequant.signals.candidates import Query
from ravequant.signals.limits import SignalLimits
from ravequant.signals.query_id import query_id
from ravequant.signals.serialize import fingerprint
from ravequant.vault.append_log import AppendLog
from ravequant.vault.line_file import lines_backward
from ravequant.vault.lock import turn
from ravequant.vault.paths import Vault

_LOOK_BACK: Final = 2_000  # of the newest lines: a signal in none of these counts as new
_Key = tuple[Any, ...]


class AskedQuestion(NamedTuple):
    """The question behind an answer, and the time at which the answer was written."""

    detected_ms: int  # by the clock of the question, Unix ms
    query: Query
    min_score: int
    query_id: str

    @classmethod
    def of(cls, detected_ms: int, query: Query, limits: SignalLimits, min_score: int) -> Self:
        """Return the question of a query under its limits."""
        return cls(detected_ms, query, min_score, query_id(query, limits))

    def fields(self) -> dict[str, Any]:
        """Return the fields that it adds to a line."""
        return {
            "detected_utc": times.iso(self.detected_ms),
            "query": self.query._asdict(),
            "min_score": self.min_score,
            "query_id": self.query_id,
        }


def record(
    vault: Vault,
    inst_id: str,
    rows: Iterable[Mapping[str, Any]],
    asked: AskedQuestion,
    round_of: int | None = None,
) -> int:
    """Append the signals that are new or changed for this question, and return their number.

    ``round_of``: the minute of an answer of a watch, which is noted whether it has signals or not.
    Raises VaultError, and LockedError if another process records for 10 s.
    """
    found = [{**row, **asked.fields()} for row in rows]
    if not found and round_of is None:
        return 0
    with turn(vault, catalog.SIGNALS.stream, inst_id):
        new = _append_new(catalog.SIGNALS.place(vault, inst_id), found) if found else 0
        if round_of is not None:
            with AppendLog(catalog.ASKED.place(vault, inst_id)) as log:
                log.append(_round_line(round_of, asked, found))
    return new


def _append_new(path: Path, found: Sequence[Mapping[str, Any]]) -> int:
    with AppendLog(path) as log:
        seen = _newest(path, {_key(row) for row in found})
        new = [row for row in found if seen.get(_key(row)) != fingerprint(row)]
        if new:
            log.append(b"".join(orjson.dumps(row) + b"\n" for row in new))
    return len(new)


def _round_line(minute: int, asked: AskedQuestion, found: Iterable[Mapping[str, Any]]) -> bytes:
    shown = [row["event_id"] for row in found if row["entry"] is not None]
    line = {"as_of_utc": times.iso_minute(minute), **asked.fields(), "signals": shown}
    return orjson.dumps(line) + b"\n"


def _key(row: Mapping[str, Any]) -> _Key:
    """Return the key of a line: two watches that ask differently record side by side."""
    return row["event_id"], row.get("query_id"), row.get("min_score")


def _newest(path: Path, wanted: set[_Key]) -> dict[_Key, dict[str, Any]]:
    """Return the fingerprint of the newest line of each wanted signal."""
    seen: dict[_Key, dict[str, Any]] = {}
    for number, line in enumerate(lines_backward(path)):
        if number == _LOOK_BACK or len(seen) == len(wanted):
            break
        try:
            row = orjson.loads(line)
            key = _key(row)
            if key in wanted and key not in seen:
                seen[key] = fingerprint(row)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # a damaged line hides at most one repetition
    return seen
