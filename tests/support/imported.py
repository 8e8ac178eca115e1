"""Provenance for tests: days as an import notes them."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

from ravequant import times
from ravequant.vault.imports import provenance
from ravequant.vault.imports.provenance import ImportedDay, SourceFile
from ravequant.vault.paths import Vault

DAY = "2025-12-14"
LINE = ImportedDay(
    imported_ms=times.parse_iso("2025-12-20T10:00:00Z"),
    stream="trades",
    day=DAY,
    files=(SourceFile("X-trades-2025-12-14.zip", 10, "0" * 64),),
    rows=5,
    records=4,
    first_id=1,
    last_id=5,
    dropped_recorded=0,
    jumps=(),
    proof="candles",
    contract="candles",
    lines=4,
    sha256="",
)


def note(vault: Vault, inst_id: str, **facts: Any) -> ImportedDay:
    """Append a day to the provenance of an instrument; return it."""
    line = replace(LINE, **facts)
    provenance.append(vault, inst_id, [line])
    return line


def hash_of(lines: list[bytes]) -> str:
    """Return the SHA-256 of lines."""
    return sha256(b"".join(lines)).hexdigest()
