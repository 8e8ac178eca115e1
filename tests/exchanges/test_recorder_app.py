"""The program around a recorder: its options, its reports, its end, and what it survives."""

import asyncio
import logging
import signal
import sys
from typing import Any

import pytest

from ravequant.errors import DONE, FAILED, FeedError, VaultError
from tests.support.made_app import BTC, App, MadeRecorder, app


def facts_of(subject: App) -> dict[str, Any]:
    async def asked() -> dict[str, Any]:
        return subject.facts()

    return asyncio.run(asked())


def run(vault, body: Any = None, **options: Any) -> tuple[int, App]:
    async def started() -> tuple[int, App]:
        subject = app(vault, **options)
        subject.recorders[BTC] = MadeRecorder(3)
        if body is not None:
            subject.body = lambda: body(subject)
        async with asyncio.timeout(20):
            return await subject.run(), subject

    return asyncio.run(started())


# -- reports


def test_a_summary_counts_the_records_since_the_last(vault, caplog):
    """The first summary counts all of them."""
    caplog.set_level(logging.INFO, "made_app")
    subject = app(vault)
    recorder = subject.recorders[BTC] = MadeRecorder(3)
    subject.summary()
    recorder.written = 10
    subject.summary()
    assert caplog.messages == [f"{BTC}: 3 of 3", f"{BTC}: 7 of 10"]


def test_facts_sum_the_connections(vault):
    """Before the first connection there are none; the instruments stand by name."""
    subject = app(vault)
    subject.recorders[BTC] = MadeRecorder(3)
    assert facts_of(subject) == {
        "connections": 0,
        "connects": 0,
        "frames": 0,
        "reader_stalls": 0,
        "clock_offset_ms": None,
        "problem": None,
        "problem_since_utc": None,
        "instruments": {BTC: {"written": 3, "left_out": None}},
    }


def test_a_new_connection_is_in_a_heartbeat_at_once(vault):
    """Readers that wait for a recorder need not wait for its next regular heartbeat."""

    async def delivered() -> list[bool]:
        subject, there = app(vault), vault.health("made_app")
        found = []
        for number in (1, 1, 2):
            there.unlink(missing_ok=True)
            subject.connected(number)
            found.append(there.exists())
        return found

    assert asyncio.run(delivered()) == [True, False, True]


# -- the end


def test_it_ends_after_its_time_and_says_what_it_wrote(vault, caplog):
    """--max-seconds: work is cancelled, the recorders are closed, the heartbeat says stopped."""
    caplog.set_level(logging.INFO, "made_app")
    code, _ = run(vault, max_seconds=0.05)
    assert (code, caplog.messages) == (DONE, [f"{BTC}: stopped at 3"])
    assert b'"stopped":true' in vault.health("made_app").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
def test_a_signal_ends_it_in_order_and_the_handler_is_back_afterwards(vault):
    """SIGTERM is a request to stop, not an end without flushing."""
    before = signal.getsignal(signal.SIGTERM)

    async def terminated(_: App) -> None:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.Event().wait()

    assert run(vault, terminated)[0] == DONE
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("how", ["refuses", "fails"])
def test_a_disk_that_refuses_is_exit_code_1(vault, caplog, how):
    """Whether it refuses at the end or has refused before."""

    async def spoiled(subject: App) -> None:
        recorder = subject.recorders[BTC]
        recorder.refused = how == "refuses"
        recorder.error = VaultError("no space") if how == "fails" else None
        subject.stop.set()

    assert run(vault, spoiled)[0] == FAILED
    assert (f"{BTC}: the last rows are not on disk: no space" in caplog.messages) is (
        how == "fails"
    )


def test_an_error_of_the_work_is_raised_once_all_is_flushed(vault, caplog):
    """The recorders are closed first."""
    caplog.set_level(logging.INFO, "made_app")

    async def failing(subject: App) -> None:
        subject._refused.add(BTC)
        raise subject.none_left()

    with pytest.raises(FeedError, match=f"the exchange knows none of {BTC}: expected names like"):
        run(vault, failing)
    assert caplog.messages == [f"{BTC}: stopped at 3"]


def test_it_is_idle_once_nothing_has_come_for_so_long(vault):
    """Not before the first row or subscription, and never without --stop-when-idle."""
    subject = app(vault, stop_when_idle=5.0)
    assert not subject.idle(100.0)
    subject.busy_at = 90.0
    assert [subject.idle(now) for now in (94.9, 95.0)] == [False, True]
    patient = app(vault)
    patient.busy_at = 0.0
    assert not patient.idle(1e9)
