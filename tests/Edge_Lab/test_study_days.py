"""How far a study is: the notes of its days and the provenance of its books say it."""

import pytest

from ravequant.vault.imports.provenance import BOOKS, TRADES
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault, book_files
from tests.support.study_vault import BTC, WAYS, put_import, put_note, state_of

DAYS = ["2025-12-14", "2025-12-15", "2025-12-16"]
HOURS = tuple(f"{hour:02}" for hour in range(24))


@pytest.fixture
def vault(tmp_path):
    """Return a vault in a folder with a blank in its name."""
    return Vault(tmp_path / "a vault")


@pytest.fixture
def state(vault):
    """Return the state of three days with books."""
    return state_of(vault, DAYS[0], DAYS[-1])


def test_an_empty_vault_lacks_everything(state):
    """Trades from a week before to the day after, books from the first day on."""
    assert state.left(BTC) == DAYS
    assert len(state.lacks_trades(BTC)) == 8 + 3 + 1
    assert state.lacks_books(BTC) == [*DAYS, "2025-12-17"]


@pytest.mark.parametrize(
    ("changed", "done"),
    [
        ({}, True),
        ({"books": False}, False),
        ({"unknown": 1}, False),
        ({"ways": WAYS[:1]}, False),  # other settings: the other executions have no trials
    ],
)
def test_a_day_is_done_with_books_all_executions_and_no_open_trial(vault, state, changed, done):
    """But the trials of the last day may be open."""
    put_note(vault, BTC, DAYS[0], **changed)
    put_note(vault, BTC, DAYS[2], **changed)
    assert state.done(BTC, DAYS[0]) is done
    assert state.done(BTC, DAYS[2]) is (done or "unknown" in changed)


def test_without_books_a_day_needs_none(vault):
    """A study of trades alone takes what is judged, with books or without."""
    state = state_of(vault, DAYS[0], DAYS[-1], books=False)
    put_note(vault, BTC, DAYS[0], books=False)
    put_note(vault, BTC, DAYS[1])
    assert state.left(BTC) == DAYS[2:]
    assert state.judged_without_books(BTC, DAYS[0])
    assert not state.judged_without_books(BTC, DAYS[1])


def test_a_damaged_note_is_none(vault, state):
    """The day is judged again."""
    put_note(vault, BTC, DAYS[0])
    vault.judged(BTC, DAYS[0]).write_bytes(b"{")
    assert not state.done(BTC, DAYS[0])
    assert not state.judged_without_books(BTC, DAYS[0])


def test_books_count_while_they_are_on_disk(vault, state):
    """Imported hours by their provenance, recorded ones if the day is whole."""
    put_import(vault, BTC, BOOKS, DAYS[0], ("00", "13"))
    assert state.has_books(BTC, DAYS[0])
    (vault.snapshots(BTC) / DAYS[0] / "13.jsonl.gz").unlink()
    assert not state.has_books(BTC, DAYS[0])
    folder = vault.snapshots(BTC) / DAYS[1]
    folder.mkdir()
    for hour in HOURS:
        assert not state.has_books(BTC, DAYS[1])
        (folder / f"{hour}.jsonl").write_bytes(b"recorded\n")
    assert state.has_books(BTC, DAYS[1])


def test_trades_count_once_imported_whole(vault, state):
    """A day that was imported in part is imported again."""
    put_import(vault, BTC, TRADES, DAYS[0])
    assert DAYS[0] not in state.lacks_trades(BTC)
    assert DAYS[1] in state.lacks_trades(BTC)


def test_only_imported_hours_of_a_done_day_are_dropped(vault, state):
    """Recorded hours and pinned ones stay, and so does a day with open trials."""
    put_import(vault, BTC, BOOKS, DAYS[0], ("00", "13"))
    recorded = vault.snapshots(BTC) / DAYS[0] / "14.jsonl"
    recorded.write_bytes(b"recorded\n")
    put_import(vault, BTC, BOOKS, DAYS[1], ("05",), keep=True)
    put_import(vault, BTC, BOOKS, DAYS[2], ("06",))
    assert state.drop(BTC, DAYS[0], "import_books") == 0  # not judged
    for number, day in enumerate(DAYS):
        put_note(vault, BTC, day, unknown=number // 2)
    freed = [state.drop(BTC, day, "import_books") for day in DAYS]
    assert [bytes_ > 0 for bytes_ in freed] == [True, False, False]
    there = [key for key, _ in book_files(vault.snapshots(BTC))]
    assert there == [f"{DAYS[0]}/14", f"{DAYS[1]}/05", f"{DAYS[2]}/06"]


def test_an_import_at_work_keeps_its_books(vault, state):
    """The drop takes the importer's lock."""
    from ravequant.errors import LockedError

    put_import(vault, BTC, BOOKS, DAYS[0], ("00",))
    put_note(vault, BTC, DAYS[0])
    with writer_lock(vault, "import_books", BTC), pytest.raises(LockedError):
        state.drop(BTC, DAYS[0], "import_books")
    assert state.has_books(BTC, DAYS[0])
