"""The heartbeat: what it says, and that it never stops its program."""

import errno
import logging
import os

import orjson
import pytest

from ravequant import times
from ravequant.vault import heartbeat
from ravequant.vault.code_digest import code_on_disk
from ravequant.vault.heartbeat import Heartbeat


def read(vault, component):
    """Return a heartbeat as a dashboard reads it."""
    return orjson.loads(vault.health(component).read_bytes())


def test_says_who_when_and_how(vault, monkeypatch):
    """Component, process, start, moment of the beat, then the facts."""
    moments = iter((0, 5_000, 9_000))
    monkeypatch.setattr(times, "utc_now_ms", lambda: next(moments))
    beat = Heartbeat(vault, "trades_exporter")
    beat.write({"rows": 7})
    assert vault.health("trades_exporter").read_bytes() == (
        b'{"component":"trades_exporter","pid":%d,"started_utc":"1970-01-01T00:00:00.000Z",'
        b'"code":"%s","heartbeat_utc":"1970-01-01T00:00:05.000Z","rows":7}\n'
        % (os.getpid(), str(code_on_disk("trades_exporter")).encode())
    )
    beat.write({"rows": 8})
    second = read(vault, "trades_exporter")
    assert second["heartbeat_utc"] == "1970-01-01T00:00:09.000Z"
    assert second["started_utc"] == "1970-01-01T00:00:00.000Z"
    assert second["rows"] == 8


@pytest.mark.parametrize(
    ("age_ms", "facts", "lives"),
    [
        (0, {}, True),
        (30_000, {}, True),
        (30_001, {}, False),
        (-30_000, {}, True),
        (-30_001, {}, False),
        (0, {"stopped": True}, False),
        (0, {"heartbeat_utc": 5}, False),
    ],
)
def test_it_lives_for_half_a_minute(vault, age_ms, facts, lives):
    """One of the future is none, beyond what two clocks may differ; nor is the last one."""
    now = times.utc_now_ms()
    Heartbeat(vault, "x").write({"heartbeat_utc": times.iso(now - age_ms), **facts})
    assert heartbeat.alive(heartbeat.read(vault, "x"), now) is lives
    assert not heartbeat.alive(heartbeat.read(vault, "another"), now)


@pytest.mark.skipif(os.name == "nt", reason="Windows moves no folder in which a file is open")
def test_a_vault_that_was_moved_is_not_begun_anew(vault, caplog):
    """The old place stays empty, the log says so once, and back again it goes on."""
    vault.root.mkdir()
    beat, elsewhere = Heartbeat(vault, "x"), vault.root.with_name("elsewhere")
    assert beat.write({"beat": 1})
    vault.root.rename(elsewhere)
    with caplog.at_level(logging.WARNING):
        assert not beat.write({"beat": 2})
        assert not beat.write({"beat": 3})
    assert not vault.root.exists()
    (message,) = caplog.messages
    assert message.startswith(f"no heartbeat: {vault.root} is not the folder that it was: ")
    elsewhere.rename(vault.root)
    assert beat.write({"beat": 4})
    assert read(vault, "x")["beat"] == 4


def test_is_cheap(vault, monkeypatch):
    """A heartbeat syncs nothing once its folder is there."""
    beat = Heartbeat(vault, "x")
    beat.write({})
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    beat.write({"beat": 2})
    assert synced == []
    assert read(vault, "x")["beat"] == 2


def test_a_full_disk_is_logged_once_and_stops_nothing(vault, monkeypatch, caplog):
    """The old heartbeat stays, one warning says why, and a later failure is news again."""
    beat = Heartbeat(vault, "x")
    beat.write({"beat": 1})
    real = os.write

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with caplog.at_level(logging.WARNING):
        monkeypatch.setattr(os, "write", full)
        beat.write({"beat": 2})
        beat.write({"beat": 3})
        assert read(vault, "x")["beat"] == 1
        path, (message,) = vault.health("x"), caplog.messages
        assert message == (
            f"no heartbeat: {path}: cannot be replaced: {os.strerror(errno.ENOSPC)}; "
            "free space on its disk; what was whole before stays whole"
        )
        monkeypatch.setattr(os, "write", real)
        beat.write({"beat": 4})
        assert read(vault, "x")["beat"] == 4
        monkeypatch.setattr(os, "write", full)
        beat.write({"beat": 5})
        assert len(caplog.messages) == 2
