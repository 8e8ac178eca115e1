"""Which programs run in a round of run_all.py that must end."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scripts import run_all


class Rounds:
    """A supervisor that keeps the programs of each plan, and runs none."""

    stopping = False

    def __init__(self, logs: Path) -> None:
        self.programs = SimpleNamespace(logs=logs, end_all=lambda: None)
        self.rounds: list[set[str]] = []

    def run(self, plan, _):
        self.rounds.append(set(plan.standings))

    def close(self, plan):
        pass


def test_a_round_that_ends_does_not_wait_for_the_judge(vault):
    """It may take hours: neither --once nor the end of --max-seconds judges; retention runs."""
    judged = []
    for option in (("--once",), ("--max-seconds", "1")):
        args = run_all.parser().parse_args(["--no-exporters", *option])
        supervisor: Any = Rounds(vault.root)
        run_all.supervise(args, vault, supervisor)
        judged += ["judge" in names for names in supervisor.rounds]
        assert all({"l2_retention", "verify_vault"} <= names for names in supervisor.rounds)
    assert judged == [False, True, False]
