"""Digests on disk: read back to the last number, made again whenever they do not fit."""

import json

import pytest

from Edge_Lab.digest_files import TrialsName, day_digest, packed, unpacked
from Edge_Lab.executions import executions
from Edge_Lab.families import FAMILIES, FILTERS, name_of
from Edge_Lab.lab_paths import LabPaths
from Edge_Lab.trial_digest import digest
from Edge_Lab.trial_files import DayNote, needed_trials, read_note, write_day
from ravequant.errors import VaultError
from ravequant.settings import Settings
from ravequant.vault.paths import Vault
from tests.Edge_Lab.test_trial_digest import digest_parts
from tests.support.made_trials import BTC, day_of, judge_days

GROUPS = (*FAMILIES, *map(name_of, FILTERS))
DAY = day_of(0)
EXECUTION = executions(Settings())[0]
NAME = TrialsName(BTC, EXECUTION.exec_id, DAY)


@pytest.fixture
def vault(tmp_path):
    """Return a vault with one judged day."""
    made = Vault(tmp_path / "a vault")
    judge_days(made, [DAY], instruments=[BTC], trials=12, placebos=3)
    return made


def read(vault, groups=GROUPS):
    """Return the digest of the day."""
    note = read_note(vault, BTC, DAY)
    assert note is not None
    return day_digest(vault, NAME, note.trials[EXECUTION.exec_id], groups)


def equal(one, other):
    """Return True if all arrays of two digests are equal."""
    pairs = zip(digest_parts(one), digest_parts(other), strict=True)
    return all(a.shape == b.shape and (a == b).all() for a, b in pairs)


def test_a_digest_is_read_back(vault):
    """The first reading makes the file; the second needs no line of the trials."""
    first = read(vault)
    assert equal(first, digest(needed_trials(vault, *NAME), GROUPS))
    LabPaths(vault).trials(*NAME).unlink()
    assert equal(read(vault), first)


def test_a_day_without_lines_is_read_back():
    """Its digest has no row, and is as good as any other."""
    found = digest([], GROUPS)
    assert equal(unpacked(packed(found, {"a": 1}), {"a": 1}, GROUPS), found)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:0],
        lambda data: data[:-1],
        lambda data: data.replace(b'"version": 1', b'"version": 2'),
        lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
        lambda data: b"[1]" + data[data.index(b"\n") :],
    ],
    ids=["empty", "cut", "version", "flipped", "list"],
)
def test_a_damaged_digest_is_made_again(vault, damage):
    """Whatever its bytes are: the numbers are those of the trials, and the file is whole again."""
    first = read(vault)
    path = LabPaths(vault).digest(*NAME)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert equal(read(vault), first)
    assert path.read_bytes() == whole


def test_other_trials_or_groups_have_another_digest(vault):
    """A day judged again, and a grid that has changed, are not answered from the old file."""
    first = read(vault)
    assert read(vault, GROUPS[:30]).sums.groups == GROUPS[:30]
    lines = needed_trials(vault, *NAME)[:-1]
    write_day(vault, BTC, DAY, DayNote("0", {}, books=True, until_utc=""), [(EXECUTION, lines)])
    found = read(vault)
    assert len(found.start_ms) == len(first.start_ms) - 1
    assert equal(found, digest(lines, GROUPS))


def test_a_line_that_is_no_trial_is_named(vault):
    """The file, the field that lacks, and what to do."""
    lines = [{key: value for key, value in needed_trials(vault, *NAME)[0].items() if key != "bin"}]
    write_day(vault, BTC, DAY, DayNote("0", {}, books=True, until_utc=""), [(EXECUTION, lines)])
    with pytest.raises(VaultError) as found:
        read(vault)
    assert str(found.value) == (
        f"{LabPaths(vault).trials(*NAME)}: a line is no trial: KeyError('bin'); judge the day "
        "again: edge_lab.py judge --again"
    )


def test_the_key_names_the_trials(vault):
    """Length and checksum of the file of trials stand in the first line."""
    read(vault)
    note = read_note(vault, BTC, DAY)
    assert note is not None
    entry = note.trials[EXECUTION.exec_id]
    head = json.loads(LabPaths(vault).digest(*NAME).read_bytes().split(b"\n")[0])
    assert head["trials"] == [entry.length, entry.crc32]
