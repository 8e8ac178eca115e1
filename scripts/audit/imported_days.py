"""Holds imported days to their provenance: files, proof, and the hash of the lines written."""

from typing import Any, Final

from ravequant.errors import VaultError
from ravequant.vault.imports import provenance
from ravequant.vault.imports.archive_source import source_text
from ravequant.vault.imports.id_spans import IdSpan
from ravequant.vault.imports.provenance import ImportedDay
from ravequant.vault.paths import Vault
from scripts.audit.file_audit import FileAudit, sha256_of_trades

_CHANGED: Final = (
    "its imported lines are not those that the import wrote; put a good copy back, or import the "
    "day again"
)
_ADDED: Final = "lines were put in since the import; those that it wrote are as they were"


class ImportedDays:
    """The provenance of an instrument; ``problem`` says why it cannot be read."""

    def __init__(self, vault: Vault, inst_id: str) -> None:
        self.problem = ""
        self._source = source_text(vault)
        self._newest: dict[tuple[str, str], ImportedDay] = {}
        self._put_in: dict[str, list[tuple[IdSpan, ...]]] = {}  # ids of trades by day, each import
        try:
            for line in provenance.entries(vault, inst_id):
                self._newest[line.stream, line.day] = line
                if line.stream == provenance.TRADES:
                    self._put_in.setdefault(line.day, []).append(line.spans)
        except VaultError as error:
            self.problem = str(error)

    def of(self, stream: str, day: str) -> ImportedDay | None:
        """Return the newest provenance of a day; None if it was not imported."""
        return self._newest.get((stream, day))

    def ids_of(self, day: str) -> list[tuple[IdSpan, ...]]:
        """Return the ids of trades that each import put into a day, the oldest import first."""
        return self._put_in.get(day, [])

    def note(self, line: ImportedDay) -> str:
        """Return the words about an imported day."""
        files = ", ".join(file.name for file in line.files)
        facts = [f"{line.records:,} lines of {files}", f"proof {line.proof}"]
        if line.differing_minutes:
            facts.append(f"{line.differing_minutes:,} minutes differ from their candles")
        if line.contract:
            facts.append(f"contract {line.contract}")
        if line.snapshots_disagreeing:
            facts.append(f"{line.snapshots_disagreeing:,} snapshots disagree with their updates")
        return f"source: {self._source}: {'; '.join(facts)}"

    def facts(self, line: ImportedDay) -> dict[str, Any]:
        """Return the provenance of a day as JSON has it."""
        return {"source": self._source, **provenance.facts_of(line)}


def change(line: ImportedDay, file: FileAudit) -> tuple[str, str]:
    """Return (problem, note) of a day of trades that is not as its import left it, else empty.

    A repair may have put in more lines; those of the import stay byte for byte.
    """
    if file.damaged or file.sha256 == line.sha256:
        return "", ""
    if sha256_of_trades(file.path, line.spans) == line.records_sha256:
        return "", _ADDED
    return f"{file.path}: {_CHANGED}", ""
