"""The program around a recorder: its options, its reports, its end, and what it survives."""

import argparse
import asyncio
import logging
import signal
import sys
import threading
from typing import Any

import pytest

from ravequant.errors import DONE, FAILED, FeedError, VaultError
from ravequant.exchanges import recorder_app
from ravequant.exchanges.base import RefusedError
from ravequant.exchanges.recorder_app import RecorderApp, RecorderOptions, in_thread
from ravequant.settings import Settings
from ravequant.vault import instruments

BTC = "BTC-USDT-SWAP"
ROW = {
    "instId": BTC, "ctVal": "0.01", "ctMult": "1", "ctType": "linear", "ctValCcy": "BTC",
    "settleCcy": "USDT", "tickSz": "0.1", "lotSz": "0.01", "minSz": "0.01", "state": "live",
}  # fmt: skip


class MadeRecorder:
    """A recorder that has written ``written`` records."""

    def __init__(self, written: int = 0) -> None:
        self.written = written
        self.refused = False
        self.error: VaultError | None = None

    def facts(self) -> dict[str, Any]:
        return {"written": self.written}

    def close(self) -> None:
        if self.error is not None:
            raise self.error


class App(RecorderApp[MadeRecorder]):
    """A program that runs ``body`` and then waits."""

    SUMMARY = "%(inst_id)s: %(fresh)d of %(written)d"
    STOPPED = "%(inst_id)s: stopped at %(written)d"
    ROWS = "rows"

    async def work(self) -> None:
        await self.body()

    async def body(self) -> None:
        await asyncio.Event().wait()


def app(vault, **options: Any) -> App:
    chosen = RecorderOptions(
        **{
            "inst_ids": (BTC,),
            "ws_url": "ws://127.0.0.1:1",
            "rest_url": "http://127.0.0.1:1",
            **options,
        }
    )
    return App("made_app", ["made"], vault, chosen)


def parsed(*words: str) -> argparse.Namespace:
    made = argparse.ArgumentParser()
    recorder_app.add_options(made)
    return made.parse_args([*words], argparse.Namespace(json=False))


def run(vault, body: Any = None, **options: Any) -> tuple[int, App]:
    async def started() -> tuple[int, App]:
        subject = app(vault, **options)
        subject.recorders[BTC] = MadeRecorder(3)
        if body is not None:
            subject.body = lambda: body(subject)  # type: ignore[method-assign]
        async with asyncio.timeout(20):
            return await subject.run(), subject

    return asyncio.run(started())


# -- options


def test_where_no_flag_is_given_the_settings_decide():
    """The addresses come from the table of the exchange, the instruments from the list."""
    found = recorder_app.options_of(parsed(), Settings())
    assert (found.ws_url, found.rest_url) == Settings().okx.addresses()
    assert found.inst_ids == tuple(Settings().instruments)
    assert (found.max_seconds, found.stop_when_idle, found.rest_limit_factor) == (0.0, 0.0, 1.0)


def test_flags_go_before_the_settings():
    """Each flag replaces one value."""
    words = ["--exchange", "okx", "--instId", "ETH-USDT-SWAP", "--ws-url", "ws://localhost:1",
             "--rest-url", "http://localhost:2", "--max-seconds", "5", "--stop-when-idle", "2",
             "--rest-limit-factor", "20"]  # fmt: skip
    assert recorder_app.options_of(parsed(*words), Settings()) == RecorderOptions(
        inst_ids=("ETH-USDT-SWAP",),
        ws_url="ws://localhost:1",
        rest_url="http://localhost:2",
        max_seconds=5.0,
        stop_when_idle=2.0,
        rest_limit_factor=20.0,
    )


def test_an_unknown_exchange_is_refused(capsys):
    """The message names the exchanges there are."""
    with pytest.raises(SystemExit) as caught:
        parsed("--exchange", "mtgox")
    assert caught.value.code == 2
    assert "invalid choice: 'mtgox' (choose from " in capsys.readouterr().err


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
    assert subject.facts() == {
        "connections": 0,
        "connects": 0,
        "frames": 0,
        "reader_stalls": 0,
        "instruments": {BTC: {"written": 3}},
    }


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
        raise subject.none_known()

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


# -- metadata


def metadata(vault, monkeypatch, *answers: Any) -> Any:
    left = list(answers)

    def instrument(_: str) -> Any:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def fetched() -> Any:
        subject = app(vault)
        monkeypatch.setattr(subject.rest, "instrument", instrument)
        monkeypatch.setattr("ravequant.exchanges.recorder_app.random.uniform", lambda *_: 0.0)
        return await subject.metadata(BTC)

    return asyncio.run(fetched())


def test_metadata_is_asked_for_until_it_comes(vault, monkeypatch, caplog):
    """An exchange that cannot be reached is asked again."""
    found = metadata(vault, monkeypatch, FeedError("away"), ROW)
    assert found.inst_id == BTC
    assert f"no metadata of {BTC} yet: away; again in 0.0 s" in caplog.messages


def test_metadata_on_file_stands_in_for_an_exchange_that_is_away(vault, monkeypatch, caplog):
    """Recording begins at once; the terms are those last seen."""
    known = instruments.parse_instrument(ROW)
    instruments.save(vault, known, None)
    assert metadata(vault, monkeypatch, FeedError("away")).terms == known.terms
    assert f"{BTC}: metadata on file is used: away" in caplog.messages


def test_an_unknown_instrument_is_left_out(vault, monkeypatch, caplog):
    """The exchange said no: it is not asked again."""
    assert metadata(vault, monkeypatch, RefusedError("no such", "51001")) is None
    assert f"{BTC} is left out: no such" in caplog.messages


# -- threads


def test_a_call_in_a_thread_returns_or_raises():
    """As if it had been called directly."""

    def divide(one: int, other: int) -> float:
        return one / other

    assert asyncio.run(in_thread(divide, 6, 3)) == 2.0
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(divide, 6, 0))


def test_a_call_that_nobody_waits_for_any_more_ends_quietly(monkeypatch, caplog):
    """Its wait was cancelled, and its event loop may be closed by then."""
    go, ended = threading.Event(), threading.Event()
    raised: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)

    def slow() -> int:
        go.wait(10)
        ended.set()
        return 1

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(in_thread(slow), 0.05)

    asyncio.run(give_up())
    (thread,) = [item for item in threading.enumerate() if item.name == "offload-slow"]
    assert thread.daemon
    go.set()
    assert ended.wait(10)
    thread.join(10)
    assert not raised
    assert not caplog.messages
