"""Silence is told while it lasts: of run_all's programs, and of exporters elsewhere that lived."""

import os

from ravequant.vault.heartbeat import Heartbeat
from ravequant.vault.paths import Vault
from scripts.supervision.silences import Silences

NOW = 1_765_713_600_000


def beat(vault: Vault, program: str, stamp: int, *, stopped: bool = False) -> None:
    Heartbeat(vault, program).write({"stopped": stopped})
    os.utime(vault.health(program), (stamp, stamp))


def told(found: Silences, kept: dict[str, bool], now: float) -> list[str]:
    return [trouble.text for trouble in found.troubles(kept, now, NOW)]


def test_an_exporter_is_silent_after_thirty_seconds(vault):
    """Counted from its last heartbeat, or from its start."""
    found, kept = Silences(vault), {"trades_exporter": True, "l2_exporter": False}
    for stamp, now in enumerate((0.0, 5.0)):
        beat(vault, "trades_exporter", stamp)
        assert told(found, kept, now) == []
    assert told(found, kept, 35.0) == []
    (text,) = told(found, kept, 36.0)
    silence, _, remedy = text.partition("; ")
    assert silence == "NOT RECORDING trades: trades_exporter has given no sign of life for 31 s"
    assert remedy == "run_all ends it and starts it again after 90 s"
    found.forget("trades_exporter")
    assert told(found, kept, 100.0) == []


def test_an_exporter_that_runs_elsewhere_is_told_if_it_lived_meanwhile(vault):
    """One that has ended in order, or died long ago, is not."""
    found = Silences(vault)
    beat(vault, "l2_exporter", 1)
    beat(vault, "trades_exporter", 1)
    assert told(found, {}, 0.0) == []
    beat(vault, "l2_exporter", 2)
    assert told(found, {}, 5.0) == []
    (text,) = told(found, {}, 50.0)
    assert text.startswith("NOT RECORDING books: l2_exporter has given no sign of life for 45 s; ")
    assert text.endswith("end it where it runs, and start it again")
    beat(vault, "l2_exporter", 3, stopped=True)
    assert told(found, {}, 55.0) == []
    assert told(found, {}, 100.0) == []


def test_a_watch_that_does_not_answer_is_told_until_a_new_one_does(vault):
    """Its first round may take long, and one without alerts has no heartbeat: no news."""
    found, kept = Silences(vault), {"find_signals": True}
    beat(vault, "find_signals", 1)
    assert told(found, kept, 0.0) == []
    assert told(found, kept, 500.0) == []
    beat(vault, "find_signals", 2)
    assert told(found, kept, 505.0) == []
    assert told(found, kept, 565.0) == []
    (text,) = told(found, kept, 566.0)
    start = "THE WATCH DOES NOT ANSWER: find_signals has given no sign of life for 61 s; "
    assert text.startswith(start)
    found.forget("find_signals")
    assert told(found, kept, 570.0) == [text]
    beat(vault, "find_signals", 3)
    assert told(found, kept, 575.0) == []
