"""Trials on disk: they count as the note has them, as a whole or not at all."""

import json
from typing import Any

import pytest

from Edge_Lab import trial_files
from Edge_Lab.executions import executions
from Edge_Lab.lab_paths import LabPaths
from Edge_Lab.trial_files import DayNote, NeverJudgedError, judged_days, needed_trials, read_trials
from Edge_Lab.trial_ledger import setting_id
from ravequant.errors import VaultError
from ravequant.settings import Settings
from ravequant.vault.paths import Vault

BTC, DAY = "BTC-USDT-SWAP", "2025-12-14"
DEFAULT, OTHER = executions(Settings())[:2]
LINES = [{"event_id": "a", "status": "open"}, {"event_id": "b", "status": "filled"}]
NOTE = DayNote("0123456789ab", {"raw": [1, 2]}, books=True, until_utc="2025-12-15T03:00:00.000Z")


@pytest.fixture
def vault(tmp_path):
    """Return a vault in a folder with a blank in its name."""
    return Vault(tmp_path / "a vault")


def test_a_written_day_is_read_as_it_was(vault):
    """Lines in their order, the settings behind the name, and a note that counts."""
    trial_files.write_day(vault, BTC, DAY, NOTE, [(DEFAULT, LINES), (OTHER, [])])
    assert read_trials(vault, BTC, DEFAULT.exec_id, DAY) == LINES
    assert read_trials(vault, BTC, OTHER.exec_id, DAY) == []
    assert judged_days(vault, BTC) == [DAY]
    note: Any = trial_files.read_note(vault, BTC, DAY)
    entry = note.trials[DEFAULT.exec_id]
    assert (entry.lines, entry.open, note.open, note.books) == (2, 1, 1, True)
    written = json.loads(LabPaths(vault).execution(BTC, DEFAULT.exec_id).read_bytes())
    assert setting_id(written) == DEFAULT.exec_id


def test_without_a_note_nothing_was_judged(vault):
    """A crash before the note leaves files that do not count; so does one while they change."""
    trial_files.write_day(vault, BTC, DAY, NOTE, [(DEFAULT, LINES)])
    LabPaths(vault).judged(BTC, DAY).unlink()
    assert read_trials(vault, BTC, DEFAULT.exec_id, DAY) is None
    assert judged_days(vault, BTC) == []


def test_the_old_note_goes_before_the_first_file(vault, monkeypatch):
    """The disk is full at the second file: the day is not judged, and not damaged."""
    trial_files.write_day(vault, BTC, DAY, NOTE, [(DEFAULT, LINES)])

    def full(path, data, **_options):
        raise VaultError(f"{path}: no space for {len(data)} bytes")

    monkeypatch.setattr(trial_files, "replace_file", full)
    with pytest.raises(VaultError, match="no space"):
        trial_files.write_day(vault, BTC, DAY, NOTE, [(DEFAULT, LINES[:1])])
    assert read_trials(vault, BTC, DEFAULT.exec_id, DAY) is None


def test_entries_of_other_executions_stay(vault):
    """What the note given holds already is named by the new one too."""
    trial_files.write_day(vault, BTC, DAY, NOTE, [(DEFAULT, LINES)])
    first: Any = trial_files.read_note(vault, BTC, DAY)
    trial_files.write_day(vault, BTC, DAY, first, [(OTHER, LINES[:1])])
    assert read_trials(vault, BTC, DEFAULT.exec_id, DAY) == LINES
    assert read_trials(vault, BTC, OTHER.exec_id, DAY) == LINES[:1]


def test_a_changed_file_is_refused(vault):
    """One byte more, or another one: the file, both lengths, the remedy."""
    trial_files.write_day(vault, BTC, DAY, NOTE, [(DEFAULT, LINES)])
    path = LabPaths(vault).trials(BTC, DEFAULT.exec_id, DAY)
    path.write_bytes(path.read_bytes().replace(b'"b"', b'"c"'))
    with pytest.raises(VaultError, match=r"with checksum .*judge the day again"):
        read_trials(vault, BTC, DEFAULT.exec_id, DAY)
    path.unlink()
    with pytest.raises(VaultError, match="cannot be read"):
        read_trials(vault, BTC, DEFAULT.exec_id, DAY)


def test_a_name_that_was_not_judged_is_refused(vault):
    """A changed setting finds no old answer."""
    trial_files.write_day(vault, BTC, DAY, NOTE, [(DEFAULT, LINES)])
    assert needed_trials(vault, BTC, DEFAULT.exec_id, DAY) == LINES
    with pytest.raises(NeverJudgedError, match="was not judged while the day's books existed"):
        needed_trials(vault, BTC, OTHER.exec_id, DAY)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version":1,"trials":{"a":[]}}', "\xff"])
def test_a_damaged_note_is_an_error(vault, text):
    """Nothing is believed of it, and the remedy judges the day again."""
    path = LabPaths(vault).judged(BTC, DAY)
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="latin-1")
    with pytest.raises(VaultError, match=r"is no note of a judged day: .*judge --again"):
        read_trials(vault, BTC, DEFAULT.exec_id, DAY)


def test_a_note_of_another_version_is_none(vault):
    """A later lab's note is not guessed at."""
    path = LabPaths(vault).judged(BTC, DAY)
    path.parent.mkdir(parents=True)
    path.write_text('{"version":2}', encoding="utf-8")
    assert read_trials(vault, BTC, DEFAULT.exec_id, DAY) is None
