"""The data of a vault that come from an exchange's archive, and the words that go with them.

An archive may be published for personal use alone, so wherever such data are shown or handed on,
these words are shown too.
"""

from typing import Final

from ravequant.errors import VaultError
from ravequant.vault.imports import provenance
from ravequant.vault.paths import Vault

EVERY: Final = "~"  # sorts behind every day


def source_text(vault: Vault) -> str:
    """Return the words that go with imported data."""
    return f"{vault.exchange.upper()} archive, personal use"


def imported_days(
    vault: Vault, inst_id: str, first: str = "", last: str = EVERY
) -> dict[str, list[str]]:
    """Return the days into which an import wrote lines, ascending, by stream.

    ``first`` and ``last`` are UTC days, both included. Raises VaultError.
    """
    found: dict[str, set[str]] = {}
    for line in provenance.entries(vault, inst_id):
        if line.records and first <= line.day <= last:
            found.setdefault(line.stream, set()).add(line.day)
    return {stream: sorted(days) for stream, days in sorted(found.items())}


def source_line(vault: Vault, inst_id: str, first: str, last: str) -> str:
    """Return the line about imported data of these days; empty if there are none."""
    try:
        found = imported_days(vault, inst_id, first, last)
    except VaultError as error:
        return f"source: cannot be told: {error}"
    if not found:
        return ""
    spans = ", ".join(f"{stream} of {_span(days)}" for stream, days in found.items())
    return f"source: {source_text(vault)} ({spans})"


def _span(days: list[str]) -> str:
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
