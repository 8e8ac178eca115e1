"""Which days are due: the notes, the books, the calculators, and the reasons to wait."""

import shutil

import pytest

from Edge_Lab import due_days
from Edge_Lab.commands_judge import judge
from Edge_Lab.due_days import DaysToJudge, RecordedDays
from Edge_Lab.executions import executions
from Edge_Lab.trial_files import NeverJudgedError, read_trials
from ravequant.errors import NoDataError
from ravequant.settings import Settings
from ravequant.vault.compress import pack
from ravequant.vault.imports import provenance
from ravequant.vault.line_file import newest_time_in
from ravequant.vault.paths import Vault, book_files
from tests.support.judged_market import (
    BTC,
    DAY,
    NEXT,
    judged_day,
    made_candidates,
    recorded_day,
    repaired,
)
from tests.support.notes_market import calculate
from tests.support.quick_disk import without_sync

CHOSEN = Settings()
EXEC_ID = executions(CHOSEN)[0].exec_id


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Return the vault of a recorded day."""
    return recorded_day(tmp_path_factory)


@pytest.fixture(scope="module")
def judged_once(tmp_path_factory):
    """Return the vault of a judged day."""
    return judged_day(tmp_path_factory)


@pytest.fixture
def vault(recorded, tmp_path):
    """Return a copy of the recorded vault that may be changed."""
    shutil.copytree(recorded.root, tmp_path / "copy of it")
    return Vault(tmp_path / "copy of it")


@pytest.fixture
def judged_vault(judged_once, tmp_path):
    """Return a copy of the judged vault that may be changed."""
    shutil.copytree(judged_once.root, tmp_path / "judged copy")
    return Vault(tmp_path / "judged copy")


def work(vault, chosen=CHOSEN, **asked):
    """Judge what is due; return the counts of each day."""
    days = DaysToJudge(**asked)
    with without_sync():
        return list(judge(vault, [BTC], chosen, days, candidates_of=made_candidates))


def due(vault, chosen=CHOSEN, **asked):
    """Return the days that are due."""
    return list(RecordedDays(vault, BTC, chosen).due(DaysToJudge(**asked)))


def cut_next_day(vault, until):
    """Cut the trades and the books of the next day at a time like ``T02``."""
    path = vault.trades(BTC) / f"{NEXT}.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if line < b'{"timestamp_utc":"%s%s' % (
        NEXT.encode(), until)))  # fmt: skip
    for key, hour in list(book_files(vault.snapshots(BTC))):
        if key[:10] == NEXT and key[10:].replace("/", "T").encode() >= until:
            hour.unlink()


@pytest.mark.parametrize(("until", "days"), [(b"T02:59", []), (b"T03:01", ["2025-12-13", DAY])])
def test_a_day_waits_for_three_hours_of_the_next(vault, until, days):
    """Trades up to 03:00; its books as far."""
    cut_next_day(vault, until)
    (vault.snapshots(BTC) / NEXT / "04.jsonl").unlink(missing_ok=True)
    found = [one.day for one in due(vault)]
    assert found == (days or ["2025-12-13"])


def test_a_day_waits_for_its_books_and_for_its_calculators(vault):
    """The recorder of books is behind; then the tracker of wicks is."""
    for hour in ("02", "03", "04"):
        (vault.snapshots(BTC) / NEXT / f"{hour}.jsonl").unlink()
    assert [one.day for one in due(vault)] == ["2025-12-13"]
    vault.state("wicks", BTC).unlink()
    shutil.rmtree(vault.derived("wicks", BTC))
    assert due(vault) == []
    with pytest.raises(NoDataError, match="the calculators are behind: run wicks first"):
        work(vault, first=DAY, last=DAY)


def test_books_that_ended_within_a_day_do_not_hold_it_up(vault):
    """The bucketizer has come to the last of them; of later ones it has not."""
    hours = dict(book_files(vault.snapshots(BTC)))
    kept = hours.pop(f"{DAY}/11").read_bytes()
    for key, hour in hours.items():
        if key > f"{DAY}/10":
            hour.unlink()
    (vault.snapshots(BTC) / DAY / "11.jsonl").unlink()
    for metric in ("liquidity_buckets", "book_flow"):
        shutil.rmtree(vault.derived(metric, BTC))
        vault.state(metric, BTC).unlink()
    calculate(vault)
    assert [one.day for one in due(vault, first=DAY, last=DAY)] == [DAY]
    (vault.snapshots(BTC) / DAY / "11.jsonl").write_bytes(kept)
    with pytest.raises(NoDataError, match="are behind: run liquidity_buckets first"):
        work(vault, first=DAY, last=DAY)


def test_an_imported_day_waits_for_its_books_and_the_next_days(vault):
    """Trades are imported before books: it is judged without them only if it is asked for."""
    imported = provenance.ImportedDay(
        1, "trades", DAY, (), 1, 1, 1, 1, 0, (), "candles", "candles", 1, "ab" * 32
    )  # fmt: skip
    provenance.append(vault, BTC, [imported])
    assert DAY in [one.day for one in due(vault)]
    shutil.rmtree(vault.snapshots(BTC) / NEXT)
    assert DAY not in [one.day for one in due(vault)]
    assert [one.day for one in due(vault, first=DAY, last=DAY)] == [DAY]


def test_the_next_day_itself_is_not_over(vault):
    """Asked for by name it is refused with the reason."""
    with pytest.raises(NoDataError, match=f"{NEXT}: the day is not over: wait for its last trade"):
        work(vault, first=NEXT)


def test_a_judged_day_is_known_by_its_note(judged_vault, monkeypatch):
    """The newest lines of its files, which may be packed, are not read at each run."""
    read = []

    def watched(path, key):
        read.append(key)
        return newest_time_in(path, key)

    monkeypatch.setattr(due_days, "newest_time_in", watched)
    assert due(judged_vault) == []
    assert set(read) == {NEXT}  # which is not over


def test_a_day_that_lacks_an_hour_of_its_books_keeps_its_trials(judged_vault):
    """Only one hour is left of those that its trials know: they would be replaced by worse ones."""
    trials = read_trials(judged_vault, BTC, EXEC_ID, DAY)
    for key, hour in list(book_files(judged_vault.snapshots(BTC))):
        if key != f"{DAY}/23":
            hour.unlink()
    with pytest.raises(NeverJudgedError, match="books existed"):
        work(judged_vault, first=DAY, last=DAY, again=True)
    repaired(judged_vault)
    assert {one["day"]: one for one in work(judged_vault)}[DAY]["stale_trades"]
    assert read_trials(judged_vault, BTC, EXEC_ID, DAY) == trials


def test_a_packed_hour_of_books_is_there(judged_vault):
    """Under its other name."""
    pack(judged_vault.snapshots(BTC) / DAY / "07.jsonl")
    assert [one["day"] for one in work(judged_vault, first=DAY, last=DAY, again=True)] == [DAY]


def test_a_day_whose_books_were_deleted_before_is_refused(vault):
    """Its buckets say that there were books."""
    shutil.rmtree(vault.snapshots(BTC))
    with pytest.raises(NeverJudgedError, match="books existed"):
        work(vault, first=DAY, last=DAY)


def test_open_trials_are_judged_again_when_their_time_has_passed(vault):
    """A day asked for is judged where its input ends; later the rest comes."""
    whole = vault.trades(BTC) / f"{NEXT}.jsonl"
    data = whole.read_bytes()
    cut_next_day(vault, b"T00:40")
    (before,) = work(vault, first=DAY, last=DAY)
    assert before["open"] > 0
    assert [one.day for one in due(vault, first=DAY, last=DAY)] == []
    whole.write_bytes(data)
    (after,) = work(vault, first=DAY, last=DAY)
    assert (after["open"], after["trials"]) == (0, before["trials"])
    assert work(vault, first=DAY, last=DAY) == []
