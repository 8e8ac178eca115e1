"""The loop of run_all.py: it ends programs that run too long or fall silent."""

from scripts.supervision.schedule import Plan, Task
from scripts.supervision.supervisor import Supervisor
from tests.scripts.test_run_all import LIMIT_S, script


def test_a_program_that_runs_too_long_is_ended(vault):
    """Its time limit cuts its lifeline; the code is that of a failure."""
    hangs = script(vault.root.parent, "lifeline.watch()\ntime.sleep(100)\n")
    plan = Plan([Task("hangs", hangs, every_s=100, limit_s=0.5)], 1, once=True)
    supervisor = Supervisor(vault)
    supervisor.run(plan, LIMIT_S)
    assert plan.finished
    assert plan.outcome == 1


class UntilItRanTwice(Plan):
    """A plan that is finished once its task has been started a second time."""

    @property
    def finished(self) -> bool:
        return all(standing.runs >= 2 for standing in self.standings.values())


def test_a_program_that_falls_silent_is_started_again(vault, monkeypatch):
    """An exporter that lives but whose heartbeat has stopped is no exporter."""
    monkeypatch.setattr("scripts.supervision.supervisor.SILENT_S", 0.3)
    monkeypatch.setattr("scripts.supervision.supervisor._HEARTBEAT_S", 0.1)
    silent = script(vault.root.parent, "lifeline.watch()\ntime.sleep(100)\n")
    plan = UntilItRanTwice([Task("silent", silent, heartbeat="silent")], 1)
    supervisor = Supervisor(vault)
    supervisor.run(plan, LIMIT_S)
    supervisor.close(plan)
    assert plan.finished


def test_where_no_heartbeat_can_be_written_silence_says_nothing(vault, monkeypatch):
    """A disk that is full lets nobody give a sign: who records when there is room is not ended."""
    monkeypatch.setattr("scripts.supervision.supervisor.SILENT_S", 0.3)
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
