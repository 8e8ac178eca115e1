"""A recorder program whose recorders and exchange are made up."""

import asyncio
from typing import Any

from ravequant.errors import VaultError
from ravequant.exchanges import recorder_app
from ravequant.exchanges.recorder_app import RecorderApp
from ravequant.exchanges.recorder_options import RecorderOptions
from ravequant.exchanges.time_keeper import TimeKeeper
from ravequant.vault.instruments import Metadata

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
START = 1_765_670_400_000
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
    NEEDS_METADATA = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.channels: list[tuple[str, bool]] = []  # (instrument, wanted)
        self.renewed: list[str] = []
        self.damaged: set[str] = set()
        self.body: Any = asyncio.Event().wait

    async def take_in(self, inst_id: str, meta: Metadata | None) -> None:
        if inst_id in self.damaged:
            raise VaultError(f"{inst_id}.jsonl.gz: is not a whole gzip file")
        assert meta is not None
        self.recorders[inst_id] = MadeRecorder()
        self.subscribe(inst_id)

    async def renew(self, inst_id: str, meta: Metadata) -> None:
        self.renewed.append(f"{inst_id} {meta.tick_sz} {meta.state}")

    def listen(self, inst_id: str, *, wanted: bool) -> None:
        self.channels.append((inst_id, wanted))

    async def look_after(self) -> None:
        await asyncio.Event().wait()

    async def work(self) -> None:
        await self.body()


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


class Exchange:
    """REST that answers for each instrument as told, and counts the looks at it."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {f"{base}-USDT-SWAP": answer for base, answer in answers.items()}
        self.looks = dict.fromkeys(self.answers, 0)

    def instrument(self, inst_id: str) -> Any:
        self.looks[inst_id] += 1
        answer = self.answers[inst_id]
        if isinstance(answer, Exception):
            raise answer
        return {**ROW, "instId": inst_id, **answer}

    def server_time(self) -> int:
        return START


def attended(vault, monkeypatch, exchange: Exchange, scene: Any, **options: Any) -> App:
    """Run an app over the instruments of ``exchange`` until ``scene`` is over."""
    monkeypatch.setattr(recorder_app, "_LOOK_AGAIN_S", 0.01)
    monkeypatch.setattr(recorder_app, "_RETRY_S", 0.01)

    async def started() -> App:
        subject = app(vault, inst_ids=tuple(exchange.answers), **options)
        monkeypatch.setattr(subject.once, "instrument", exchange.instrument)
        monkeypatch.setattr(subject.once, "server_time", exchange.server_time)
        subject.keeper = TimeKeeper(exchange.server_time)

        async def body() -> None:
            async with asyncio.TaskGroup() as tasks:
                work = tasks.create_task(RecorderApp.work(subject))
                await scene(subject)
                work.cancel()
            subject.stop.set()

        subject.body = body
        async with asyncio.timeout(20):
            await subject.run()
        return subject

    return asyncio.run(started())


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a state, not an event
            await asyncio.sleep(0.005)
