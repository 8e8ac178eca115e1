"""Every name of the lab's files on disk, once; the judged notes stand where retention looks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ravequant import times
from ravequant.vault.paths import Vault

LAB_VERSION: Final = "1"  # of the engine: a change that changes a result is a new one


@dataclass(frozen=True, slots=True)
class LabPaths:
    """The lab's files of one exchange in one vault. A day is a UTC date; ValueError for others."""

    vault: Vault

    def cache(self, inst_id: str, day: str) -> Path:
        """Folder of the columns of a finished day of trades."""
        return self.vault.lab(inst_id) / "cache" / times.parse_day(day)

    def trials(self, inst_id: str, exec_id: str, day: str) -> Path:
        """The trials of a day under one execution, each on a line."""
        return self._execution(inst_id, exec_id) / f"{times.parse_day(day)}.jsonl"

    def execution(self, inst_id: str, exec_id: str) -> Path:
        """The settings behind an exec_id."""
        return self._execution(inst_id, exec_id) / "settings.json"

    def _execution(self, inst_id: str, exec_id: str) -> Path:
        return self.vault.lab(inst_id) / "trials" / exec_id

    def digest(self, inst_id: str, exec_id: str, day: str) -> Path:
        """The digest of a day's trials, which may be deleted."""
        folder = self.vault.lab(inst_id) / "digests" / exec_id
        return folder / f"{times.parse_day(day)}.bin"

    def judged(self, inst_id: str, day: str) -> Path:
        """The note of a judged day: written last, it makes the trials count."""
        return self.vault.judged(inst_id, times.parse_day(day))

    def paper(self, inst_id: str) -> Path:
        """The trials of the forward test, chained."""
        return self.vault.lab(inst_id) / "paper.jsonl"

    @property
    def ledger(self) -> Path:
        """Every evaluation, chained."""
        return self._lab / "ledger.jsonl"

    @property
    def registered(self) -> Path:
        """The hypotheses registered before their forward test, chained."""
        return self._lab / "registered.jsonl"

    @property
    def model(self) -> Path:
        """The fitted model of ``predict``."""
        return self._lab / "model.json"

    def series(self, config_id: str, data_id: str) -> Path:
        """The day values of the evaluations of a configuration over a set of days."""
        return self._lab / "series" / f"{config_id}.{data_id}.jsonl"

    @property
    def self_test(self) -> Path:
        """The result of the newest run of `check`."""
        return self._lab / "self_test.json"

    def card(self, day: str) -> Path:
        """The card of a verdict as a page."""
        return self._lab / "cards" / f"{times.parse_day(day)}.html"

    @property
    def _lab(self) -> Path:
        return self.vault.root / "lab"
