"""Checks of days imported from an exchange's archive: how many, whether proved, whether done."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from ravequant import times
from ravequant.checks.check import Check
from ravequant.vault.imports import provenance, under_way
from ravequant.vault.imports.under_way import ImportNote
from ravequant.vault.paths import Vault

PROVED: Final = frozenset({"candles", "ids"})
_NAMED: Final = 3  # days in a line
_COMPLETE: Final = (
    "a running exporter completes it within a minute, else: python scripts/run_all.py, or the "
    "same import once more"
)
_REPEAT: Final = (
    "python Trades_Bot/import_trades.py with these days again, when the archive has their files; "
    "until then do not lean on them"
)


def imports(vault: Vault, inst_id: str) -> Iterator[Check]:
    """Yield a check of the imported days; none if nothing was imported and no import waits."""
    note = under_way.noted(vault, inst_id)
    newest = {(line.stream, line.day): line for line in provenance.entries(vault, inst_id)}
    if note is None and not newest:
        return
    counts = Counter(stream for stream, _ in newest)
    parts = [", ".join(f"{_days(count)} of {stream}" for stream, count in sorted(counts.items()))]
    doubtful = {
        line.day: _doubt(line)
        for line in sorted(newest.values(), key=lambda line: line.day)
        if line.stream == provenance.TRADES and line.proof not in PROVED
    }
    if doubtful:
        parts.append(f"{_days(len(doubtful))} not proved: {_listed(doubtful)}")
    if note is not None:
        parts.insert(0, _waiting(note))
    text = "; ".join(filter(None, parts))
    remedy = _COMPLETE if note is not None else _REPEAT if doubtful else ""
    yield Check(f"imports {inst_id}", "WARN" if remedy else "PASS", text, remedy)


def _days(count: int) -> str:
    return f"{count:,} day{'s' * (count != 1)}"


def _waiting(note: ImportNote) -> str:
    since = times.iso(note.noted_ms)[:16]
    return f"{_days(len(note.days))} are being put in their places since {since}Z"


def _doubt(line: provenance.ImportedDay) -> str:
    """Return a day that is not proved, with the reason."""
    if line.differing_minutes:
        return f"{line.day} ({line.differing_minutes:,} minutes differ from their candles)"
    return f"{line.day} ({line.proof})"


def _listed(doubtful: dict[str, str]) -> str:
    shown = list(doubtful.values())[:_NAMED]
    left = len(doubtful) - len(shown)
    return ", ".join(shown) + (f" and {left:,} more" if left else "")
