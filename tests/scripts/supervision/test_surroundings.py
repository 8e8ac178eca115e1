"""Changes under a running run_all.py: the vault is moved, the code on disk is newer."""

import os
import shutil
from dataclasses import replace

import pytest

from ravequant import times
from ravequant.vault.code_digest import code_on_disk
from ravequant.vault.recorder_state import RecorderState
from scripts.supervision import surroundings
from scripts.supervision.news import RecordingNews
from scripts.supervision.surroundings import Surroundings
from tests.checks.test_programs import put_beat

NOON = 1_765_713_600_000


@pytest.mark.skipif(os.name == "nt", reason="Windows moves no folder in which a file is open")
def test_a_moved_vault_is_noticed(vault):
    """Also one in whose place another stands; back again it is itself."""
    found = Surroundings(vault)
    assert not found.vault_moved  # there is none yet
    vault.root.mkdir()
    assert not found.vault_moved
    vault.root.rename(vault.root.with_name("elsewhere"))
    assert found.vault_moved
    vault.root.mkdir()
    assert found.vault_moved
    vault.root.rmdir()
    vault.root.with_name("elsewhere").rename(vault.root)
    assert not found.vault_moved


def test_older_code_is_told_once_an_update_is_complete(vault, monkeypatch):
    """A minute after the first sight; no more once every program was started again."""
    found, news = Surroundings(vault), RecordingNews()
    old = RecorderState("trades_exporter", lives=True, code="0123456789abcdef")
    new = replace(old, code=str(code_on_disk("trades_exporter")))
    dead = RecorderState("l2_exporter", code="0123456789abcdef")

    def told(state: RecorderState, at_s: int) -> list[str]:
        states, now = [state, dead], NOON + at_s * 1000
        return [line.text for line in news.lines(states, now, found.troubles(states, now))]

    assert told(old, 0) == []
    assert told(old, 59) == []
    assert told(old, 60) == [
        (
            "new code on disk, but older code runs: trades_exporter; press Ctrl-C and start "
            "run_all.py again (a service: restart it)"
        )
    ]
    assert told(new, 61) == []  # looked for once a minute
    assert told(new, 120) == ["the newest code runs, after 2m00s"]
    monkeypatch.setattr(surroundings, "code_at_start", lambda _: "0123456789abcdef")
    assert told(new, 180) == []
    assert "older code runs: run_all;" in told(new, 240)[0]


def test_a_wrong_clock_is_told_with_its_remedy(vault):
    """Held against the newest record and the exporters, as in an answer of find_signals."""
    now = times.utc_now_ms()
    put_beat(vault, "trades_exporter", now, clock_offset_ms=-100_000_000)
    (found,) = Surroundings(vault).troubles([], now)
    assert found.text.startswith("CLOCK ")
    assert " behind the exchange: set it (" in found.text
    put_beat(vault, "trades_exporter", now, clock_offset_ms=10)
    assert list(Surroundings(vault).troubles([], now)) == []


def test_a_disk_that_takes_nothing_is_the_reason(vault, monkeypatch):
    """A full disk, or one that may not be written; the end is told too."""
    vault.root.mkdir()
    found, news = Surroundings(vault), RecordingNews()

    def told(*, writable: bool) -> list[str]:
        more = found.troubles([], NOON, writable=writable)
        return [line.text for line in news.lines([], NOON, more)]

    assert told(writable=False) == [
        f"NOT RECORDING: {vault.root} cannot be written; allow writing there"
    ]
    assert news.standing == "NOT RECORDING"
    assert told(writable=True) == ["the vault can be written again, after 0s"]
    full = shutil.disk_usage(vault.root)._replace(free=4_096)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    assert told(writable=False) == [
        (
            "NOT RECORDING: the disk is full; free space on it, then all goes on by itself, and "
            "missed trades are fetched"
        )
    ]
