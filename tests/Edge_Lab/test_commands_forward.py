"""`edge_lab.py forward`: what it registers, what it shows, and that it says what is missing."""

import json
from argparse import Namespace

import pytest

from Edge_Lab import commands_forward
from Edge_Lab.lab_paths import LabPaths
from Edge_Lab.trial_files import DayNote, write_note
from ravequant import times
from ravequant.errors import NoDataError
from ravequant.settings import Settings
from ravequant.signals import signal_log
from ravequant.signals.candidates import Query
from ravequant.signals.limits import SignalLimits
from ravequant.signals.signal_log import AskedQuestion
from ravequant.vault.paths import Vault
from tests.support.made_trials import day_lines
from tests.support.notes_market import BTC, A, Market, ask, record
from tests.support.trade_streams import write_raw

EMPTY = next(line for line in day_lines("2025-12-14") if line["status"] == "filled")


@pytest.fixture
def vault(tmp_path, monkeypatch):
    """Return an empty vault; the clock stands a minute before the notes' set-up."""
    monkeypatch.setattr(times, "utc_now_ms", lambda: A - times.MINUTE_MS)
    return Vault(tmp_path / "a vault")


def run(vault, capsys, *, begin=False, as_json=True):
    """Run the command with an engine that fills every trial; return its output."""
    capsys.readouterr()
    args = Namespace(vault=vault.root, inst_ids=[BTC], begin=begin, json=as_json)
    commands_forward.command(args, lambda *_: filled)
    out = capsys.readouterr().out
    return json.loads(out) if as_json else out


def filled(_, requests):
    """Return a line of each request, as of a judged day."""
    return [
        {
            **EMPTY, "event_id": candidate.event_id, "A_utc": times.iso_minute(candidate.minute),
            "families": list(candidate.families),
        }
        for candidate, _ in requests
    ]  # fmt: skip


def watched(vault, **asked):
    """Let a watch see the notes' signal."""
    record(vault, Market())
    question = AskedQuestion.of(A + 7_000, Query(), SignalLimits.of(BTC, Settings()), 0)
    signal_log.record(vault, BTC, ask(vault), question._replace(**asked), A // times.MINUTE_MS)
    after = f'{{"timestamp_utc":"{times.iso(A + times.DAY_MS)}"}}\n'
    write_raw(vault, BTC, [after.encode()])
    note = DayNote("0" * 12, {}, books=True, until_utc="2025-12-15T03:00:00.000Z")
    write_note(vault, BTC, "2025-12-14", note)


def test_a_test_has_to_be_registered_first(vault, capsys):
    """Exit code 3, with the command that does it."""
    with pytest.raises(NoDataError, match=r"begin it with edge_lab\.py forward --begin"):
        run(vault, capsys)


def test_it_is_registered_once(vault, capsys):
    """The same again says when it began."""
    first = run(vault, capsys, begin=True)
    assert first == run(vault, capsys, begin=True)
    assert (first["registered_utc"], first["line"]) == ("2025-12-14T21:34:00.000Z", 1)
    assert first["hypotheses"] == ["base", "VERY_HIGH", "conviction=MAX"]
    head, what = run(vault, capsys, begin=True, as_json=False).splitlines()
    assert head == (
        "registered 2025-12-14T21:34:00.000Z: base, VERY_HIGH, conviction=MAX of BTC-USDT-SWAP "
        f"(line 1, config_id {first['config_id']}, query_id 618d6abbefa3)"
    )
    assert what == (
        "Trials are the signals of find_signals.py --watch 30 from now on, without --min-score."
    )


def test_how_it_stands(vault, capsys, monkeypatch):
    """A trial is judged and counted; the numbers stand in the ledger."""
    run(vault, capsys, begin=True)
    watched(vault)
    monkeypatch.setattr(times, "utc_now_ms", lambda: A + 2 * times.DAY_MS)
    found = run(vault, capsys)
    assert (found["judged"], found["elapsed_days"]) == (1, 2)
    assert found["watch"] == {"trials": 1, "late": 0, "undated": 0, "otherwise": 0, "damaged": 0}
    assert [
        (row["family"], row["trials"], row["fills"], row["net_at_least"])
        for row in found["standing"]
    ] == [(family, 1, 1, None) for family in found["hypotheses"]]
    assert found["agreement"] == {"unequal": 0, "differing": [], "disagrees": False}
    assert len(LabPaths(vault).ledger.read_bytes().splitlines()) == 3
    lines = run(vault, capsys, as_json=False).splitlines()
    assert lines[0] == "forward test of BTC-USDT-SWAP, day 2 since 2025-12-14T21:34:00.000Z"
    assert lines[2].split()[:4] == ["base", "1", "1", "1"]
    assert lines[2].split()[-2:] == ["day", "20"]
    assert lines[-2:] == [
        "the watch: trials 1, seen too late 0, without a time 0, of other questions 0",
        "held against the backtest: compared 0, same 0, shifted 0, different 0, ended otherwise 0",
    ]


def test_a_watch_that_leaves_signals_out_is_said(vault, capsys):
    """It gives no trial, and the answer says which watch does."""
    run(vault, capsys, begin=True)
    watched(vault, min_score=60)
    lines = run(vault, capsys, as_json=False).splitlines()
    assert lines[-3].endswith("of other questions 1")
    assert lines[-2] == (
        "no trial yet: run find_signals.py --watch 30, with the query of the settings and every "
        "score"
    )


def test_damaged_lines_are_said(vault, capsys):
    """How many, and that they were left out."""
    run(vault, capsys, begin=True)
    watched(vault)
    path = vault.derived("signals", BTC) / "signals.jsonl"
    path.write_bytes(path.read_bytes() + b'{"as_of_utc":"2025-12-14T21:36:00Z"}\n')
    said = "lines of signals.jsonl that are no signal and were left out: 1"
    assert said in run(vault, capsys, as_json=False).splitlines()
