"""run_all goes on with an import that was stopped."""

import logging

from ravequant.vault.imports import built_day, under_way
from scripts.supervision.schedule import Plan
from scripts.supervision.supervisor import Supervisor
from tests.vault.imports.test_provenance import BTC
from tests.vault.imports.test_under_way import DAYS, build, there


def test_an_import_that_was_stopped_is_completed(vault, caplog):
    """Before any program is started, and said; a damaged note is named and stops nothing."""
    for day in DAYS:
        build(vault, day)
    under_way.note(vault, BTC, DAYS)
    supervisor = Supervisor(vault)
    with caplog.at_level(logging.INFO):
        supervisor.run(Plan([], 1, once=True), 1)
    assert f"{BTC}: imported days stand in their places" in caplog.text
    assert len(there(vault)) == 3
    build(vault, "2025-12-20")
    under_way.note(vault, BTC, ["2025-12-20"])
    built_day.part_path(vault, BTC, "2025-12-20").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        supervisor.run(Plan([], 1, once=True), 1)
    assert "an import that was stopped cannot be completed" in caplog.text
