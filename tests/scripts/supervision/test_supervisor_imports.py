"""run_all goes on with an import that was stopped."""

import logging

from ravequant.vault.imports import built_day, under_way
from scripts.supervision.schedule import Plan, Task
from scripts.supervision.supervisor import Supervisor
from tests.vault.imports.test_provenance import BTC
from tests.vault.imports.test_under_way import DAYS, build, there


def test_an_import_that_was_stopped_is_completed(vault, caplog):
    """Before any program is started, and said."""
    for day in DAYS:
        build(vault, day)
    under_way.note(vault, BTC, DAYS)
    supervisor = Supervisor(vault)
    with caplog.at_level(logging.INFO):
        supervisor.run(Plan([], 1, once=True), 1)
    assert f"{BTC}: imported days stand in their places" in caplog.text
    assert len(there(vault)) == 3


def test_an_import_that_cannot_be_completed_is_said_once(vault, caplog, monkeypatch):
    """Not at each look; its end too. It stops nothing."""
    monkeypatch.setattr("scripts.supervision.supervisor._HEARTBEAT_S", 0.1)
    waits = Task("waits", "none.py", ready=lambda: False)
    supervisor, day = Supervisor(vault), "2025-12-20"
    build(vault, day)
    under_way.note(vault, BTC, [day])
    part = built_day.part_path(vault, BTC, day)
    built = part.read_bytes()
    part.write_bytes(b"")
    stuck = "an import that was stopped cannot be completed"
    with caplog.at_level(logging.INFO):
        supervisor.run(Plan([waits], 1), 1)
        assert caplog.text.count(stuck) == 1
        part.write_bytes(built)
        supervisor.run(Plan([waits], 1), 1)
    assert caplog.text.count(stuck) == 1
    assert caplog.text.count("no import waits any more, after ") == 1
