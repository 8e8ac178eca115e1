"""The program around recorders: locks, heartbeat, instruments that come and go, a clean end."""

import asyncio
import itertools
import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from random import uniform
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, TypeVar

import orjson

from ravequant import exchanges
from ravequant.errors import DONE, FAILED, FeedError, VaultError
from ravequant.exchanges.admission import Look, look_at
from ravequant.exchanges.recorder_options import RecorderOptions
from ravequant.exchanges.standstill import Standstill
from ravequant.exchanges.stopping import stop_on_signals
from ravequant.exchanges.time_keeper import TimeKeeper
from ravequant.exchanges.url import unreachable
from ravequant.vault import instruments
from ravequant.vault.heartbeat import Heartbeat
from ravequant.vault.instruments import Metadata
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault

if TYPE_CHECKING:
    from ravequant.exchanges.base import RestClient
    from ravequant.exchanges.client import Client

_HEARTBEAT_S: Final = 5.0
_SUMMARY_S: Final = 60.0
_RETRY_S: Final = 30.0  # at most, full jitter
_TOGETHER_S: Final = 3.0  # first looks that take longer are not waited for
_LOOK_AGAIN_S: Final = 60.0
_ROUNDS: Final = 60  # after so many, metadata are saved though nothing changed
_ILLEGAL: Final = (
    "it is no instrument's name: expected one like BTC-USDT-SWAP; correct the settings"
)


class InstrumentRecorder(Protocol):
    """A recorder of one instrument."""

    @property
    def refused(self) -> bool:
        """Return True while the disk refuses its rows."""

    def facts(self) -> dict[str, Any]:
        """Return the state as it stands in heartbeats; ``written`` counts its records."""

    def close(self) -> None:
        """Write and sync the last rows; VaultError if the disk refuses them."""


R = TypeVar("R", bound=InstrumentRecorder)


class RecorderApp(ABC, Generic[R]):
    """A program that records one exchange until a signal or a limit stops it.

    The exchange is that of ``vault``, where only this program writes the raw ``streams``. Each
    instrument has a task of its own, which takes it in once it can be recorded: one that cannot is
    named and left out, and the others go on. A subclass says how an instrument is taken in, and
    names the texts of the log, which take a recorder's facts.
    """

    SUMMARY: ClassVar[str]  # the last minute; ``fresh`` counts its records
    STOPPED: ClassVar[str]
    ROWS: ClassVar[str]  # the plural of a record's name
    NEEDS_METADATA: ClassVar[bool]  # its records carry terms of the contract

    def __init__(
        self, program: str, streams: Sequence[str], vault: Vault, options: RecorderOptions
    ) -> None:
        self.vault = vault
        self.options = options
        self.exchange = exchanges.load(vault.exchange)
        self.rest: RestClient = self.exchange.rest(
            options.rest_url, limit_factor=options.rest_limit_factor
        )
        self.once: RestClient = self.exchange.rest(  # for questions that are asked again anyway
            options.rest_url, attempts=1, limit_factor=options.rest_limit_factor
        )
        self.keeper = TimeKeeper(self.once.server_time)
        self.stop = asyncio.Event()
        self.busy_at: float | None = None  # time of the last row, or of the first subscription
        self.log = logging.getLogger(program)
        self.recorders: dict[str, R] = {}
        self.clients: list[Client] = []
        self.left_out: dict[str, str] = dict.fromkeys(options.unusable, _ILLEGAL)
        self.barred: set[str] = set()  # left out until the program starts again
        self._refused: set[str] = set()  # by the exchange, as long as nothing is recorded of them
        self._gone: set[str] = set()  # left out, and not for a moment, as far as is known
        self._given_up: set[str] = set()  # channels of instruments that the exchange has no more
        self._unseen = set(options.inst_ids)  # not looked at yet
        self._to_subscribe: list[str] = []
        self._away = ""  # why REST does not answer
        self._standstill = Standstill()
        self._written: dict[str, int] = {}  # at the last summary
        self._streams = tuple(streams)
        self._heartbeat = Heartbeat(vault, program)
        self._newest_connection = 0

    @abstractmethod
    async def take_in(self, inst_id: str, meta: Metadata | None) -> None:
        """Begin to record an instrument; ``meta`` is None where REST is away and none is on file.

        Raises VaultError if its files cannot be used.
        """

    @abstractmethod
    async def renew(self, inst_id: str, meta: Metadata) -> None:
        """Save metadata just fetched. Raises VaultError."""

    @abstractmethod
    def listen(self, inst_id: str, *, wanted: bool) -> None:
        """Subscribe to an instrument's channel again, or give it up."""

    @abstractmethod
    async def look_after(self) -> None:
        """Sync every so often, and do other regular work, until cancelled."""

    async def work(self) -> None:
        """Record until cancelled."""
        async with asyncio.TaskGroup() as self.tasks:
            self.tasks.create_task(self.report())  # a heartbeat, though nobody may answer yet
            self.tasks.create_task(self.keeper.keep())
            self.tasks.create_task(self.look_after())
            for inst_id in self.options.inst_ids:
                self.tasks.create_task(self._attend(inst_id))
            await asyncio.sleep(_TOGETHER_S)
            self._unseen.clear()
            self._looked_at("")

    # -- instruments come and go

    async def _attend(self, inst_id: str) -> None:
        """Take an instrument in once it can be recorded; look at it again each minute."""
        meta, unknown = await self._admit(inst_id), 0
        for turn in itertools.count(1):
            await asyncio.sleep(_LOOK_AGAIN_S)
            look = await look_at(self.once, inst_id)
            try:
                if look.meta is not None and (
                    meta is None or look.meta.terms != meta.terms or turn % _ROUNDS == 0
                ):
                    await self.renew(inst_id, look.meta)
                    meta = look.meta
                if look.obstacle and not look.refused:
                    self._leave_out(inst_id, look.obstacle)
                elif look.meta is not None:
                    self._back_again(inst_id)
                unknown = unknown + 1 if look.unknown else 0
                if unknown == 2:  # one such answer may be a slip
                    self._leave_out(inst_id, look.obstacle)
                    self.listen(inst_id, wanted=False)  # its silence would end the connection
                    self._given_up.add(inst_id)
            except VaultError as error:
                self.log.warning("%s: metadata not renewed: %s", inst_id, error)

    async def _admit(self, inst_id: str) -> Metadata | None:
        """Take an instrument in as soon as that can be done; return its metadata."""
        for attempt in itertools.count():
            look = await look_at(self.once, inst_id)
            meta = look.meta or self._on_file(inst_id, look)
            if look.obstacle:
                (self._refused.add if look.refused else self._refused.discard)(inst_id)
                self._leave_out(inst_id, look.obstacle, gone=look.refused)
            elif meta is None and self.NEEDS_METADATA:
                self._away = look.away
                self._looked_at(inst_id)
                await self.wait_to_retry(f"no metadata of {inst_id} yet: {look.away}", attempt)
                continue
            else:
                try:
                    await self.take_in(inst_id, meta)
                    self._back_again(inst_id)
                    self._looked_at(inst_id)
                    return meta
                except VaultError as error:
                    self._leave_out(inst_id, str(error), gone=True)
            self._looked_at(inst_id)
            await asyncio.sleep(_LOOK_AGAIN_S)
        return None

    def subscribe(self, inst_id: str) -> None:
        """Subscribe to an instrument: those of the start together, so that they begin together."""
        self._to_subscribe.append(inst_id)
        self._looked_at("")

    def _looked_at(self, inst_id: str) -> None:
        """Take in that a first look is over; after the last of them, subscribe."""
        self._unseen.discard(inst_id)
        if not self._unseen:
            waiting, self._to_subscribe = self._to_subscribe, []
            for name in waiting:
                self.listen(name, wanted=True)

    def _on_file(self, inst_id: str, look: Look) -> Metadata | None:
        """Return the metadata saved last, to go on with while REST is away."""
        if not look.away:
            return None
        try:
            meta = instruments.load(self.vault, inst_id)
        except VaultError:
            return None
        self.log.warning("%s: metadata on file is used: %s", inst_id, look.away)
        return meta

    def _leave_out(self, inst_id: str, obstacle: str, *, gone: bool = False) -> None:
        """Name an instrument that is not recorded; raise FeedError if that ends the program."""
        if inst_id in self.barred:
            return
        sentence = f"{obstacle}; it is looked at again each minute"
        if self.left_out.get(inst_id) != sentence:
            self.log.error("%s is left out: %s", inst_id, obstacle)
        self.left_out[inst_id] = sentence
        if gone:
            self._give_up(inst_id)

    def bar(self, inst_id: str, obstacle: str) -> None:
        """Leave an instrument out for good; raise FeedError if none is left."""
        self.log.error("%s is left out: %s", inst_id, obstacle)
        self.barred.add(inst_id)
        self.left_out[inst_id] = obstacle
        self._give_up(inst_id)

    def _give_up(self, inst_id: str) -> None:
        self._gone.add(inst_id)
        if self._gone.issuperset(self.options.inst_ids):
            raise self.none_left()

    def _back_again(self, inst_id: str) -> None:
        self._away = ""
        if inst_id in self.barred:
            return
        if self.left_out.pop(inst_id, None) is not None:
            self.log.info("%s is recorded from now on", inst_id)
            if inst_id in self._given_up:
                self._given_up.discard(inst_id)
                self.listen(inst_id, wanted=True)
        self._gone.discard(inst_id)

    def connected(self, number: int) -> None:
        """Take in that a connection delivers: of a new one, ask the exchange for its time."""
        if number > self._newest_connection:
            self._newest_connection = number
            self.keeper.connected()
            self._heartbeat.write(self.facts())  # whoever reads it need not wait for the next

    # -- reports, and the end

    def facts(self) -> dict[str, Any]:
        """Return the state as it stands in heartbeats and in ``--json``."""
        names = (*self.options.inst_ids, *self.options.unusable)
        return {
            "connections": sum(client.open_links for client in self.clients),
            "connects": sum(client.connects for client in self.clients),
            "frames": sum(client.frames for client in self.clients),
            "reader_stalls": sum(client.stalls for client in self.clients),
            "clock_offset_ms": self.keeper.offset_ms(),
            **self._standstill.facts(self._problem(), self._silent_s()),
            "instruments": {
                name: self._facts_of(name)
                for name in names
                if name in self.recorders or name in self.left_out
            },
        }

    def _facts_of(self, inst_id: str) -> dict[str, Any]:
        own = self.recorders[inst_id].facts() if inst_id in self.recorders else {"filling": None}
        return {**own, "left_out": self.left_out.get(inst_id)}

    def _silent_s(self) -> float | None:
        busy = self.busy_at
        return None if busy is None else asyncio.get_running_loop().time() - busy

    def _problem(self) -> str | None:
        recorded = [name for name in self.recorders if name not in self.left_out]
        if recorded:
            if all(self.recorders[name].refused for name in recorded):
                return "the disk refuses what is recorded; see the log"
            if any(client.open_links for client in self.clients):
                known = self.keeper.time.at(asyncio.get_running_loop().time())
                return None if known else "the exchange's time cannot be had; see the log"
            return next((client.problem for client in self.clients if client.problem), None)
        if away := self._away or self.keeper.problem:
            return unreachable(self.options.rest_url, away.partition(": ")[2] or away)
        named = "; ".join(f"{name}: {why}" for name, why in self.left_out.items())
        return f"no instrument can be recorded: {named}" if named else None

    def summary(self) -> None:
        """Log the counts of the last minute."""
        for inst_id, recorder in self.recorders.items():
            facts = recorder.facts()
            fresh = facts["written"] - self._written.get(inst_id, 0)
            self._written[inst_id] = facts["written"]
            self.log.info(self.SUMMARY, {**facts, "inst_id": inst_id, "fresh": fresh})

    def close(self) -> int:
        """Flush everything; return the exit code, FAILED if the disk refused something."""
        code = DONE
        for inst_id, recorder in self.recorders.items():
            try:
                recorder.close()
            except VaultError as error:
                self.log.error("%s: the last %s are not on disk: %s", inst_id, self.ROWS, error)  # noqa: TRY400 - for a person
                code = FAILED
            if recorder.refused:
                code = FAILED
            self.log.info(self.STOPPED, {**recorder.facts(), "inst_id": inst_id})
        return code

    async def run(self) -> int:
        """Record until something stops the program; return the exit code."""
        loop = asyncio.get_running_loop()
        with ExitStack() as held:
            for inst_id in self.options.inst_ids:
                for stream in self._streams:
                    held.enter_context(writer_lock(self.vault, stream, inst_id))
            held.enter_context(stop_on_signals(loop, self.stop))
            held.callback(self.rest.close)
            held.callback(self.once.close)
            if self.options.max_seconds:
                loop.call_later(self.options.max_seconds, self.stop.set)
            work = asyncio.create_task(self.work())
            stop = asyncio.create_task(self.stop.wait())
            await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
            self.rest.close()
            self.once.close()
            work.cancel()
            stop.cancel()
            outcome = (await asyncio.gather(work, return_exceptions=True))[0]
            closed = self.close()
            self._heartbeat.write({**self.facts(), "stopped": True})
            self._show()
        while isinstance(outcome, ExceptionGroup):
            outcome = outcome.exceptions[0]
        if isinstance(outcome, Exception):
            raise outcome
        return closed

    async def report(self) -> None:
        """Write the heartbeat, and a summary each minute, until cancelled."""
        loop = asyncio.get_running_loop()
        summary_at = loop.time() + _SUMMARY_S
        while True:
            self._heartbeat.write(self.facts())
            await asyncio.sleep(_HEARTBEAT_S)
            if loop.time() >= summary_at:
                summary_at += _SUMMARY_S
                self.summary()
                self._show()

    def idle(self, now: float) -> bool:
        """Return True, and log it, if nothing has come for as long as ``--stop-when-idle``."""
        idle_s = self.options.stop_when_idle
        if not idle_s or self.busy_at is None or now - self.busy_at < idle_s:
            return False
        self.log.info("Idle for %g s, stopping", idle_s)
        return True

    async def wait_to_retry(self, problem: str, attempt: int) -> None:
        """Log the problem and sleep, longer from attempt to attempt."""
        wait = uniform(0.0, min(_RETRY_S, 2.0 ** min(attempt, 10)))  # noqa: S311 - jitter
        self.log.warning("%s; again in %.1f s", problem, wait)
        await asyncio.sleep(wait)

    def none_left(self) -> FeedError:
        """Return the error for a program that cannot record any of its instruments."""
        if self._refused.issuperset(self.options.inst_ids):
            return FeedError(
                f"the exchange knows none of {', '.join(self.options.inst_ids)}: expected names "
                "like BTC-USDT-SWAP; correct --instId or the settings"
            )
        named = "; ".join(f"{name}: {why}" for name, why in self.left_out.items())
        return FeedError(f"no instrument is left to record: {named}")

    def _show(self) -> None:
        if self.options.as_json:
            sys.stdout.write(orjson.dumps(self.facts()).decode() + "\n")
            sys.stdout.flush()
