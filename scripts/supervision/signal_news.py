"""The lines of run_all.py about signals: read from the end of signals.jsonl, each signal once.

``find_signals --watch`` appends its signals there. A signal without a trade, or with a lower
score than asked for, has no line; one whose size has grown has another.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant import catalog
from ravequant.vault.paths import Vault

_MOST_BYTES: Final = 1 << 22  # of one look; a file that grows faster is no signals.jsonl


class SignalNews:
    """Follows the recorded signals of some instruments, from now on."""

    def __init__(self, vault: Vault, inst_ids: Iterable[str], min_score: int = 0) -> None:
        self._min_score = min_score
        paths = [catalog.SIGNALS.place(vault, inst_id) for inst_id in inst_ids]
        self._read = {path: _length(path) for path in paths}
        self._sizes: dict[str, int] = {}  # the largest size shown, by the event_id of each wick

    def lines(self) -> list[str]:
        """Return a line for each signal that is new since the last call."""
        rows = [row for path in self._read for row in self._new_rows(path)]
        return [_line(row) for row in rows if self._is_news(row)]

    def _new_rows(self, path: Path) -> Iterator[dict[str, Any]]:
        begin, length = self._read[path], _length(path)
        if length < begin:  # cut back, or made anew
            self._read[path] = length
        if length <= begin:
            return
        with suppress(OSError), path.open("rb") as file:
            file.seek(begin)
            block = file.read(_MOST_BYTES)
            whole = block[: block.rfind(b"\n") + 1]
            self._read[path] = begin + len(whole)
            for line in whole.splitlines():
                with suppress(ValueError):
                    row = orjson.loads(line)
                    if isinstance(row, dict):
                        yield row

    def _is_news(self, row: Mapping[str, Any]) -> bool:
        try:
            size, score = int(row["size"]), int(row["score"])
            names = {str(row["event_id"]), *(str(wick["event_id"]) for wick in row["wicks"])}
        except (KeyError, TypeError, ValueError):
            return False
        if size < 1 or score < self._min_score or row.get("no_trade") or row.get("in_contact"):
            return False
        shown = max(self._sizes.get(name, 0) for name in names)
        self._sizes.update(dict.fromkeys(names, max(size, shown)))
        return size > shown


def _line(row: Mapping[str, Any]) -> str:
    strict, notes = row.get("conviction"), row.get("conviction_notes")
    readings = [f"{strict} x{row.get('size')}", f"{notes} by the notes"]
    if row.get("max_rule") == "notes":
        readings = [f"{notes} x{row.get('size')}", f"{strict} by the strict rule"]
    parts = [
        *readings[: 1 + (notes is not None and notes != strict)],
        f"score {row.get('score')}",
        f"{row.get('distance_bps')} bps away",
        f"stop {row.get('stop') or '-'}",
        f"target {row.get('target') or '-'}",
        f"net R/R {row.get('reward_risk_net') or '-'}",
    ]
    head = f"SIGNAL {row.get('direction')} {row.get('instId')} at {row.get('entry')}"
    return f"{head}: {', '.join(parts)}"


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
