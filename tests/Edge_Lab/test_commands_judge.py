"""The command `judge`: trials are there whole or not at all, and none is lost."""

import json
import shutil
import signal
import subprocess
import sys
from typing import Any

import orjson
import pytest

from Edge_Lab import commands_judge, edge_lab
from Edge_Lab.commands_judge import judge
from Edge_Lab.due_days import DaysToJudge
from Edge_Lab.executions import executions
from Edge_Lab.lab_paths import LabPaths
from Edge_Lab.trial_files import NeverJudgedError, judged_days, read_note, read_trials
from ravequant import times
from ravequant.records import Trade
from ravequant.settings import Settings
from ravequant.signals.lab_verdict import verdict_file
from ravequant.vault.compress import pack
from ravequant.vault.paths import CHECKOUT, Vault
from tests.support.judged_market import (
    BTC,
    DAY,
    NEXT,
    START,
    judged_day,
    made_candidates,
    put_trades,
    recorded_day,
    repaired,
)
from tests.support.quick_disk import without_sync

CHOSEN = Settings()
EXEC_ID = executions(CHOSEN)[0].exec_id
CHANGED = CHOSEN._replace(edge=CHOSEN.edge._replace(placebos=3))


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


def work(vault, chosen=CHOSEN, workers=1, **asked):
    """Judge what is due; return the counts of each day."""
    days = DaysToJudge(**asked)
    with without_sync():
        made = judge(vault, [BTC], chosen, days, workers=workers, candidates_of=made_candidates)
        return list(made)


def files_of(vault):
    """Return every file of the lab but the caches, by name."""
    root = vault.lab(BTC)
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "cache" not in path.parts
    }


def test_a_finished_day_is_judged_once(vault):
    """Its neighbours are not: one has no books' time before it, the other is not over."""
    first = work(vault)
    assert [(one["instId"], one["day"]) for one in first] == [
        (BTC, "2025-12-13"), (BTC, DAY),
    ]  # fmt: skip
    assert first[1]["trials"] == len(read_trials(vault, BTC, EXEC_ID, DAY) or ())
    assert first[1]["trials"] == sum(
        first[1][name] for name in ("filled", "unfilled", "missed", "gap", "open")
    )
    assert judged_days(vault, BTC) == ["2025-12-13", DAY]
    assert work(vault) == []
    assert [one["day"] for one in work(vault, first=DAY, again=True)] == [DAY]


def test_a_repaired_day_is_judged_again_while_it_has_books(judged_vault):
    """Its inputs have another name then, and so have those of the day that needs it."""
    before: Any = read_note(judged_vault, BTC, DAY)
    repaired(judged_vault)
    assert [one["day"] for one in work(judged_vault)] == ["2025-12-13", DAY]
    after: Any = read_note(judged_vault, BTC, DAY)
    assert after.data_id != before.data_id
    assert not after.stale_trades


def test_a_repaired_day_without_books_keeps_its_trials(judged_vault):
    """They are marked, once."""
    trials = read_trials(judged_vault, BTC, EXEC_ID, DAY)
    shutil.rmtree(judged_vault.snapshots(BTC))
    assert work(judged_vault) == []
    repaired(judged_vault)
    found = {one["day"]: one for one in work(judged_vault)}
    assert found[DAY] == {"instId": BTC, "day": DAY, "stale_trades": True}
    note: Any = read_note(judged_vault, BTC, DAY)
    assert note.stale_trades
    assert read_trials(judged_vault, BTC, EXEC_ID, DAY) == trials
    assert work(judged_vault) == []


def test_a_changed_setting_is_judged_anew_while_there_are_books(judged_vault):
    """The trials of the old setting stay under their name: the inputs are the same."""
    changed = executions(CHANGED)[0].exec_id
    assert read_trials(judged_vault, BTC, changed, DAY) is None
    assert [one["day"] for one in work(judged_vault, CHANGED)] == ["2025-12-13", DAY]
    assert read_trials(judged_vault, BTC, changed, DAY)
    assert read_trials(judged_vault, BTC, EXEC_ID, DAY)


def finish_next_day(vault):
    """Record a trade two days later: the next day's file grows no more."""
    path = vault.trades(BTC) / f"{NEXT}.jsonl"
    last = orjson.loads(path.read_bytes().splitlines()[-1])
    moment = START + 2 * times.DAY_MS + 1_000
    made = Trade(moment, int(last["trade_id"]) + 1, "buy", last["price"], "1")
    put_trades(vault, [made])


def test_trials_of_other_settings_stay_when_the_next_day_has_finished(judged_vault):
    """Its file of trades has a name among the inputs then; a repair of the day is another input."""
    changed = executions(CHANGED)[0].exec_id
    before = read_trials(judged_vault, BTC, EXEC_ID, DAY)
    finish_next_day(judged_vault)
    work(judged_vault, CHANGED)
    note: Any = read_note(judged_vault, BTC, DAY)
    assert any(NEXT in name and "trades" in name for name in note.inputs)
    assert read_trials(judged_vault, BTC, changed, DAY)
    assert read_trials(judged_vault, BTC, EXEC_ID, DAY) == before
    repaired(judged_vault)
    work(judged_vault, CHANGED)
    assert read_trials(judged_vault, BTC, EXEC_ID, DAY) is None


def test_a_changed_setting_is_refused_without_books(judged_vault, caplog):
    """No old answer is given for it, and none is made without the queue."""
    shutil.rmtree(judged_vault.snapshots(BTC))
    changed = executions(CHANGED)[0].exec_id
    with caplog.at_level("INFO"):
        assert [one["day"] for one in work(judged_vault, CHANGED)] == ["2025-12-13"]
    sentence = f"exec_id {changed} was not judged while the day's books existed"
    assert sentence in caplog.text
    with pytest.raises(NeverJudgedError, match=sentence):
        work(judged_vault, CHANGED, first=DAY, last=DAY)


def test_the_reasons_why_days_wait_are_said(judged_vault, caplog):
    """Though none was asked for by name; one reason of several days once."""
    shutil.rmtree(judged_vault.lab(BTC) / "judged")
    judged_vault.state("wicks", BTC).unlink()
    with caplog.at_level("INFO"):
        assert work(judged_vault) == []
    late = "the calculators are behind: run wicks first; 1 later days wait for the same"
    assert [record.message for record in caplog.records] == [
        f"{BTC} 2025-12-13: {late}", f"{BTC} {NEXT}: the day is not over: wait for its last trade",
    ]  # fmt: skip


def test_a_damaged_note_is_judged_again(judged_vault, caplog):
    """It is logged, and what it said counts for nothing."""
    before = files_of(judged_vault)
    LabPaths(judged_vault).judged(BTC, DAY).write_bytes(b"{}")
    assert [one["day"] for one in work(judged_vault)] == [DAY]
    assert "is no note of a judged day" in caplog.text
    assert files_of(judged_vault) == before


def test_two_runs_and_two_processes_write_the_same_bytes(recorded, judged_once, tmp_path):
    """Whole, packed or by two processes: every file of the lab is the same."""
    other = Vault(tmp_path / "another place")
    shutil.copytree(recorded.root, other.root)
    pack(other.trades(BTC) / f"{DAY}.jsonl")
    pack(other.snapshots(BTC) / DAY / "07.jsonl")
    assert len(work(other, workers=2)) == 2
    assert files_of(other) == files_of(judged_once)


KILLED = """
import sys, time
sys.path.insert(0, {checkout!r})
from ravequant.vault import atomic
from Edge_Lab import trial_files
from Edge_Lab.commands_judge import judge
from Edge_Lab.due_days import DaysToJudge
from ravequant.settings import Settings
from ravequant.vault.paths import Vault
from tests.support.judged_market import BTC, made_candidates
real, count = trial_files.replace_file, 0
def slow(path, data, **options):
    global count
    count += 1
    if count == {place}:
        print("here", flush=True)
        time.sleep(60)
    real(path, data, **options)
trial_files.replace_file = slow
list(judge(Vault({vault!r}), [BTC], Settings(), DaysToJudge({day!r}, {day!r}, True),
           candidates_of=made_candidates))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a kill of this kind is POSIX")
@pytest.mark.parametrize("place", [2, 19, 37])
def test_killed_anywhere_a_day_is_whole_or_not_judged(judged_vault, judged_once, place, request):
    """Between the files, and before the note: the day is judged again, with the same bytes."""
    if place == 19 and not request.config.getoption("--lab-bounds"):
        pytest.skip("amid the files a kill leaves the same: tried with --lab-bounds")
    code = KILLED.format(checkout=str(CHECKOUT), vault=str(judged_vault.root), day=DAY, place=place)
    shutil.rmtree(judged_vault.lab(BTC) / "trials")  # so that each file is written anew
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        process.kill()
    assert read_trials(judged_vault, BTC, EXEC_ID, DAY) is None
    assert [one["day"] for one in work(judged_vault, first=DAY, last=DAY)] == [DAY]
    wanted = {name: data for name, data in files_of(judged_once).items() if DAY in name}
    assert {name: data for name, data in files_of(judged_vault).items() if DAY in name} == wanted


def test_the_command(judged_vault, capsys, monkeypatch):
    """Counts for people and for programs; nothing due; no trades at all."""
    monkeypatch.setattr(commands_judge, "day_candidates", made_candidates)
    words = ["judge", "--vault", str(judged_vault.root), "--instId", BTC]
    assert edge_lab.main(words) == 0
    assert capsys.readouterr().out == ""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert edge_lab.main(words) == 0
    assert capsys.readouterr().out == "no day is due\n"
    assert edge_lab.main([*words, "--from", DAY, "--to", DAY, "--again", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["day"] == DAY
    assert edge_lab.main([*words, "--verdict"]) == 0  # nothing was judged, so it stands
    assert not verdict_file(judged_vault).exists()
    capsys.readouterr()
    assert edge_lab.main([*words, "--from", DAY, "--to", DAY, "--again", "--verdict"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("the verdict: TOO EARLY, ")
    assert verdict_file(judged_vault).exists()
    assert edge_lab.main([*words, "--from", DAY, "--to", "2025-12-01"]) == 2
    assert "is later than --to" in capsys.readouterr().err
    assert edge_lab.main([*words[:2], str(judged_vault.root / "none"), *words[3:]]) == 3
    with pytest.raises(SystemExit):
        edge_lab.main([*words, "--workers", "0"])


def test_sentences():
    """A line a day, in which no result stands: those are counted in the ledger first."""
    counts = {
        "instId": BTC, "day": DAY, "trials": 5, "filled": 1, "unfilled": 2, "missed": 1, "gap": 1,
        "open": 0, "no_plan": 0, "books": False,
    }  # fmt: skip
    assert commands_judge.sentence(counts) == (
        f"judged {DAY}: {BTC} 5 trials: 1 filled, 2 unfilled, 1 missed, 1 gap, 0 open; without "
        "books, so the queue is unknown"
    )
    stale = {"instId": BTC, "day": DAY, "stale_trades": True}
    assert commands_judge.sentence(stale) == (
        f"judged {DAY}: {BTC}: trades were repaired after its books were gone; its trials stay"
    )
