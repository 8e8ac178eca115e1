"""The loop of run_all.py: it ends programs that run too long or fall silent."""

import logging
import os
import re
import signal
from collections.abc import Callable, Iterator

import pytest

from ravequant.vault import heartbeat
from ravequant.vault.heartbeat import Heartbeat
from scripts.supervision import tasks
from scripts.supervision.schedule import Plan, Task
from scripts.supervision.signal_news import SignalNews
from scripts.supervision.supervisor import Supervisor
from tests.scripts.supervision.test_signal_news import logged, say
from tests.scripts.test_run_all import LIMIT_S, script
from tests.support.trades_box import BTC

ALL = {"trades", "books", "context feeds"}
FORMERLY = "2025-12-14T12:00:00.000Z"


def test_a_program_that_runs_too_long_is_ended(vault):
    """Its time limit cuts its lifeline; the code is that of a failure."""
    hangs = script(vault.root.parent, "lifeline.watch()\ntime.sleep(100)\n")
    plan = Plan([Task("hangs", hangs, every_s=100, limit_s=0.5)], 1, once=True)
    supervisor = Supervisor(vault)
    supervisor.run(plan, LIMIT_S)
    assert plan.finished
    assert plan.outcome == 1


def test_without_data_no_calculator_is_started_and_the_reason_is_told_once(
    vault, monkeypatch, caplog
):
    """The window says why nothing is recorded, and that the calculators wait for data."""
    monkeypatch.setattr("scripts.supervision.supervisor._FIRST_ROUND_S", 0.5)
    monkeypatch.setattr("scripts.supervision.supervisor._HEARTBEAT_S", 0.1)
    beat = {"problem": "cannot reach x: name not known", "problem_since_utc": FORMERLY}
    Heartbeat(vault, "trades_exporter").write(beat)
    request = tasks.RunRequest(vault.root, [BTC], 1, 900)
    plan, supervisor = Plan(tasks.calculators(request), 1), Supervisor(vault)
    with caplog.at_level(logging.INFO):
        supervisor.run(plan, 1)
    assert caplog.messages == [
        "NOT RECORDING trades: cannot reach x: name not known",
        "no data yet: the calculators wait for the first trades and books",
    ]
    assert {standing.runs for standing in plan.standings.values()} == {0}


class UntilTold(Plan):
    """A plan that is finished once a line was logged."""

    logged: Callable[[], bool]

    @property
    def finished(self) -> bool:
        return self.logged()


def test_real_exporters_without_an_exchange_give_their_reason(vault, monkeypatch, caplog):
    """From socket and REST to the window: one line for all; it takes their second heartbeat."""
    monkeypatch.setattr("scripts.supervision.supervisor._HEARTBEAT_S", 0.1)
    monkeypatch.setattr("scripts.supervision.news._PATIENCE_MS", 0)
    where = tasks.exchange_options("ws://127.0.0.1:9/ws/v5", "http://127.0.0.1:9")
    request = tasks.RunRequest(vault.root, [BTC], 300, 900, exporter_options=where)
    plan, supervisor = UntilTold(tasks.exporters(request), 1), Supervisor(vault)

    def told() -> set[str]:
        lines = (text for text in caplog.messages if text.startswith("NOT RECORDING "))
        heads = (line.removeprefix("NOT RECORDING ").partition(": ")[0] for line in lines)
        return {name for head in heads for name in re.split(", | and ", head)}

    plan.logged = lambda: told() >= ALL
    with caplog.at_level(logging.INFO):
        supervisor.run(plan, LIMIT_S)
        supervisor.close(plan)
    assert told() == ALL
    reasons = {text.partition(": ")[2] for text in caplog.messages if "NOT RECORDING" in text}
    assert all("127.0.0.1" in reason for reason in reasons), reasons


def test_a_round_is_one_line_with_the_trouble_that_lasts(vault, monkeypatch, caplog):
    """Failures with their remedy; the words of the others stay in their logs; then the trouble."""
    monkeypatch.setattr("scripts.supervision.supervisor._HEARTBEAT_S", 0.1)
    beat = {"problem": "name not known", "problem_since_utc": FORMERLY}
    Heartbeat(vault, "l2_exporter").write(beat)
    (vault.root / ".made_by_demo").touch()
    folder = vault.root.parent
    good = script(folder, "time.sleep(0.5)\n")
    bad = folder / "bad.py"
    bad.write_text("raise SystemExit('2026-01-01T00:00:00Z ERROR x: bad; use --rebuild')", "utf-8")
    plan = Plan(
        [
            Task("good", good, every_s=100, calculates=True),
            Task("bad", str(bad), every_s=100, calculates=True),
            Task("retention", good, every_s=100),
        ],
        3,
        once=True,
    )
    supervisor = Supervisor(vault)
    with caplog.at_level(logging.INFO):
        supervisor.run(plan, LIMIT_S)
        supervisor.close(plan)
    told = [line for line in caplog.messages if "calculators" in line]
    all_of_them = f"end run_all, then: python scripts/run_all.py --demo{vault.option} --rebuild"
    failed = f"1 FAILED: bad: use --rebuild (all at once: {all_of_them})"
    assert told == [f"still NOT RECORDING books; calculators: 1 up to date, {failed}"]
    facts = heartbeat.read(vault, "run_all")
    assert facts is not None
    assert facts["tasks"]["bad"]["last_words"] == "bad; use --rebuild"
    assert facts["tasks"]["good"]["last_words"] is None


def test_a_round_without_an_end_has_lines_on_its_way(vault, monkeypatch, caplog):
    """Calculators that never rest: those that have ended are counted every so often."""
    monkeypatch.setattr("scripts.supervision.supervisor._ROUND_MOST_S", 1.0)
    quick = script(vault.root.parent, "time.sleep(0.1)\n")
    slow = vault.root.parent / "slow.py"
    slow.write_text("import time\ntime.sleep(60)\n", "utf-8")
    tasks_ = [
        Task("quick", quick, every_s=100, calculates=True),
        Task("slow", str(slow), every_s=100, calculates=True),
    ]
    plan, supervisor = UntilTold(tasks_, 3), Supervisor(vault)
    wanted = "calculators: 1 up to date, the others are still at work"
    plan.logged = lambda: wanted in caplog.messages
    with caplog.at_level(logging.INFO):
        supervisor.run(plan, LIMIT_S)
        supervisor.close(plan)
    assert wanted in caplog.messages


def test_the_seal_of_a_day_is_a_line_in_the_window(vault, caplog):
    """The words of a program that tells; one that has nothing to tell has no line."""
    says = script(vault.root.parent, "print('sealed 2025-12-14: all complete')\n")
    silent = vault.root.parent / "silent.py"
    silent.touch()
    kept = [Task("a", says, every_s=9, tells=True), Task("b", str(silent), every_s=9, tells=True)]
    supervisor = Supervisor(vault)
    with caplog.at_level(logging.INFO):
        supervisor.run(Plan(kept, 2, once=True), LIMIT_S)
    assert caplog.messages == ["sealed 2025-12-14: all complete"]


@pytest.mark.skipif(os.name == "nt", reason="Windows moves no folder in which a file is open")
def test_a_moved_vault_ends_the_programs_until_it_is_back(vault, monkeypatch, caplog):
    """Nothing is written at the old place; at its old place again all goes on."""
    vault.root.mkdir()
    elsewhere = vault.root.with_name("elsewhere")
    sleeps = script(vault.root.parent, "lifeline.watch()\ntime.sleep(100)\n")
    plan, supervisor = Plan([Task("sleeps", sleeps)], 1), Supervisor(vault)
    with caplog.at_level(logging.INFO):
        supervisor.run(plan, 0.5)
        assert "sleeps" in supervisor.programs
        vault.root.rename(elsewhere)
        supervisor.run(plan, 1.5)
        assert "sleeps" not in supervisor.programs
        assert not vault.root.exists()
        elsewhere.rename(vault.root)
        supervisor.run(plan, 2)
        assert "sleeps" in supervisor.programs
        supervisor.close(plan)
    told = [text for text in caplog.messages if "vault" in text]
    assert len(told) == 2
    assert told[0].startswith(f"NOT RECORDING: {vault.root} is not the folder that it was: ")
    assert told[1] == f"the vault is back in {vault.root}: goes on"


def test_new_signals_are_lines_in_the_window(vault, monkeypatch, caplog):
    """As its own find_signals --watch says them; their ends too."""
    monkeypatch.setattr("scripts.supervision.supervisor._HEARTBEAT_S", 0.1)
    log = vault.root.parent / "find_signals.log"
    supervisor = Supervisor(vault, signals=SignalNews(log))
    say(log, logged("SIGNAL"), logged("WITHDRAWN"))
    sleeps = script(vault.root.parent, "lifeline.watch()\ntime.sleep(100)\n")
    plan = Plan([Task("sleeps", sleeps)], 1)
    with caplog.at_level(logging.INFO):
        supervisor.run(plan, 0.5)
        supervisor.close(plan)
    told = [text for text in caplog.messages if BTC in text]
    line = f"SHORT {BTC} at 97137.3: MAX (x3, not tested), score 100"
    assert told == [f"SIGNAL {line}", f"WITHDRAWN {line}"]


class UntilItRanTwice(Plan):
    """A plan that is finished once its task has been started a second time."""

    @property
    def finished(self) -> bool:
        return all(standing.runs >= 2 for standing in self.standings.values())


def test_a_program_that_falls_silent_is_started_again(vault, monkeypatch):
    """An exporter that lives but whose heartbeat has stopped is no exporter."""
    monkeypatch.setattr("scripts.supervision.supervisor.ENDED_S", 0.3)
    monkeypatch.setattr("scripts.supervision.supervisor._HEARTBEAT_S", 0.1)
    silent = script(vault.root.parent, "lifeline.watch()\ntime.sleep(100)\n")
    plan = UntilItRanTwice([Task("silent", silent, heartbeat="silent")], 1)
    supervisor = Supervisor(vault)
    supervisor.run(plan, LIMIT_S)
    supervisor.close(plan)
    assert plan.finished


def test_where_no_heartbeat_can_be_written_silence_says_nothing(vault, monkeypatch):
    """A disk that is full lets nobody give a sign: who records when there is room is not ended."""
    monkeypatch.setattr("scripts.supervision.supervisor.ENDED_S", 0.3)
    monkeypatch.setattr("scripts.supervision.supervisor._HEARTBEAT_S", 0.1)
    vault.health("silent").parent.parent.mkdir(parents=True)
    vault.health("silent").parent.touch()
    silent = script(vault.root.parent, "lifeline.watch()\ntime.sleep(100)\n")
    plan = Plan([Task("silent", silent, heartbeat="silent")], 1)
    supervisor = Supervisor(vault)
    supervisor.run(plan, 1.5)
    assert "silent" in supervisor.programs
    assert plan.standings["silent"].runs == 1
    supervisor.close(plan)


def test_a_program_that_run_all_ended_died_of_no_signal(vault, monkeypatch, caplog):
    """Silent, it is ended; the window does not call that its own death."""
    monkeypatch.setattr("scripts.supervision.supervisor.ENDED_S", 0.2)
    monkeypatch.setattr("scripts.supervision.supervisor._HEARTBEAT_S", 0.1)
    monkeypatch.setattr("scripts.supervision.processes.END_WITHIN_S", 0.3)
    deaf = script(vault.root.parent, "time.sleep(100)\n")
    plan, supervisor = UntilTold([Task("deaf", deaf, heartbeat="deaf")], 1), Supervisor(vault)
    plan.logged = lambda: any("starts again" in text for text in caplog.messages)
    with caplog.at_level(logging.INFO):
        supervisor.run(plan, LIMIT_S)
        supervisor.close(plan)
    (line,) = (text for text in caplog.messages if "starts again" in text)
    assert line.startswith("deaf was ended by run_all, starts again in ")


class UntilAnswered(Plan):
    """A plan that asks after each step whether it is finished."""

    steps: Iterator[bool]

    @property
    def finished(self) -> bool:
        return next(self.steps, True)


@pytest.mark.skipif(os.name == "nt", reason="SIGSTOP is POSIX")
def test_a_frozen_exporter_is_told_before_it_is_ended_and_when_it_lives_again(
    vault, monkeypatch, caplog
):
    """A real exporter that is stopped and goes on: each once, the other exporter not at all."""
    monkeypatch.setattr("scripts.supervision.supervisor._HEARTBEAT_S", 0.2)
    monkeypatch.setattr("scripts.supervision.silences._TOLD_S", 8.0)  # a heartbeat comes every 5 s
    where = tasks.exchange_options("ws://127.0.0.1:9/ws/v5", "http://127.0.0.1:9")
    request = tasks.RunRequest(vault.root, [BTC], 300, 900, exporter_options=where)
    plan, supervisor = UntilAnswered(tasks.exporters(request), 1), Supervisor(vault)

    def told(sign: str) -> list[str]:
        return [text for text in caplog.messages if sign in text]

    def steps() -> Iterator[bool]:
        while not all(heartbeat.read(vault, name) for name in plan.standings):
            yield False
        pid = supervisor.programs.pid("l2_exporter")
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            while not told("no sign of life"):
                yield False
            for _ in range(5):
                yield False
        finally:
            os.kill(pid, signal.SIGCONT)
        while not told("gives signs of life"):
            yield False

    plan.steps = steps()
    with caplog.at_level(logging.INFO):
        supervisor.run(plan, LIMIT_S)
        supervisor.close(plan)
    (line,), (end,) = told("no sign of life"), told("gives signs of life")
    head, _, rest = line.partition(" has given no sign of life for ")
    assert head == "NOT RECORDING books: l2_exporter"
    assert rest.endswith(" s; run_all ends it and starts it again after 90 s")
    assert end.startswith("l2_exporter gives signs of life, after ")
    assert plan.standings["l2_exporter"].runs == 1
