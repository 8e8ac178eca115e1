"""The program around a recorder: options, locks, signals, heartbeat, metadata, a clean end."""

import argparse
import asyncio
import logging
import random
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, TypeVar

import orjson

from ravequant import cli, exchanges
from ravequant.errors import DONE, FAILED, FeedError, VaultError
from ravequant.exchanges.base import RefusedError, RestClient
from ravequant.records import DEFAULT_EXCHANGE
from ravequant.settings import Settings
from ravequant.stop_signals import on_stop
from ravequant.vault import instruments
from ravequant.vault.heartbeat import Heartbeat
from ravequant.vault.instruments import Metadata
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault

if TYPE_CHECKING:
    from ravequant.exchanges.client import Client

_HEARTBEAT_S: Final = 5.0
_SUMMARY_S: Final = 60.0
_RETRY_S: Final = 30.0  # at most, full jitter
_CLOSE_EVENTS: Final = (2, 5, 6)  # CTRL_CLOSE, CTRL_LOGOFF, CTRL_SHUTDOWN
_CLOSE_WITHIN_S: Final = 4.5  # Windows ends the process 5 s after its window was closed
Flag = tuple[str, Callable[[str], Any], Any, str, str]  # name, type, default, metavar, help
_FLAGS: Final[tuple[Flag, ...]] = (
    ("--log-file", cli.path_arg, None, "FILE", "the log (default: beside the program)"),
    ("--ws-url", str, None, "URL", "default: okx.ws_url of the settings"),
    ("--rest-url", str, None, "URL", "default: okx.rest_url of the settings"),
    ("--max-seconds", cli.seconds, 0.0, "S", "stop after S seconds; 0 (default): never"),
    (
        "--stop-when-idle", cli.seconds, 0.0, "S",
        "stop when nothing has come for S seconds; 0 (default): never",
    ),
    (
        "--rest-limit-factor", cli.factor, 1.0, "X",
        "ask X times as often as OKX allows; for an exchange in a box that allows it",
    ),
)  # fmt: skip
T = TypeVar("T")


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


@dataclass(frozen=True, slots=True)
class RecorderOptions:
    """The options of every exporter; times in seconds, 0 for never."""

    inst_ids: tuple[str, ...]
    ws_url: str
    rest_url: str
    max_seconds: float = 0.0
    stop_when_idle: float = 0.0
    rest_limit_factor: float = 1.0  # times the exchange's rate limits
    as_json: bool = False


def add_options(made: argparse.ArgumentParser) -> None:
    """Add the options of every exporter."""
    cli.add_instruments(made)
    made.add_argument(
        "--exchange",
        choices=exchanges.NAMES,
        default=DEFAULT_EXCHANGE,
        help=f"default: {DEFAULT_EXCHANGE}",
    )
    add_flags(made, _FLAGS)


def add_flags(made: argparse.ArgumentParser, flags: Iterable[Flag]) -> None:
    """Add options that take a value."""
    for name, kind, default, metavar, purpose in flags:
        made.add_argument(name, type=kind, default=default, metavar=metavar, help=purpose)


def options_of(args: argparse.Namespace, chosen: Settings) -> RecorderOptions:
    """Return the options of the command line; where a flag is absent, the settings decide."""
    for noisy in ("websockets", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    ws_url, rest_url = getattr(chosen, args.exchange).addresses()  # the exchange's own table
    return RecorderOptions(
        inst_ids=tuple(cli.instruments_of(args, chosen.instruments)),
        ws_url=args.ws_url or ws_url,
        rest_url=args.rest_url or rest_url,
        max_seconds=args.max_seconds,
        stop_when_idle=args.stop_when_idle,
        rest_limit_factor=args.rest_limit_factor,
        as_json=args.json,
    )


class RecorderApp(ABC, Generic[R]):
    """A program that records one exchange until a signal or a limit stops it.

    The exchange is that of ``vault``, where only this program writes the raw ``streams``. A
    subclass implements `work`, which fills ``recorders`` and ``clients``, and names the texts of
    the log, which take a recorder's facts.
    """

    SUMMARY: ClassVar[str]  # the last minute; ``fresh`` counts its records
    STOPPED: ClassVar[str]
    ROWS: ClassVar[str]  # the plural of a record's name

    def __init__(
        self, program: str, streams: Sequence[str], vault: Vault, options: RecorderOptions
    ) -> None:
        self.vault = vault
        self.options = options
        self.exchange = exchanges.load(vault.exchange)
        self.rest: RestClient = self.exchange.rest(
            options.rest_url, limit_factor=options.rest_limit_factor
        )
        self.stop = asyncio.Event()
        self.busy_at: float | None = None  # time of the last row, or of the first subscription
        self.log = logging.getLogger(program)
        self.recorders: dict[str, R] = {}
        self.clients: list[Client] = []
        self._written: dict[str, int] = {}  # at the last summary
        self._streams = tuple(streams)
        self._heartbeat = Heartbeat(vault, program)

    @abstractmethod
    async def work(self) -> None:
        """Record until cancelled."""

    def facts(self) -> dict[str, Any]:
        """Return the state as it stands in heartbeats and in ``--json``."""
        return {
            "connections": sum(client.open_links for client in self.clients),
            "connects": sum(client.connects for client in self.clients),
            "frames": sum(client.frames for client in self.clients),
            "reader_stalls": sum(client.stalls for client in self.clients),
            "instruments": {name: item.facts() for name, item in self.recorders.items()},
        }

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
            held.enter_context(_stop_on_signals(loop, self.stop))
            held.callback(self.rest.close)
            if self.options.max_seconds:
                loop.call_later(self.options.max_seconds, self.stop.set)
            work = asyncio.create_task(self.work())
            stop = asyncio.create_task(self.stop.wait())
            await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
            self.rest.close()
            work.cancel()
            stop.cancel()
            outcome = (await asyncio.gather(work, return_exceptions=True))[0]
            closed = self.close()
            self._heartbeat.write({**self.facts(), "stopped": True})
            self._show()
        if isinstance(outcome, ExceptionGroup):
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

    async def metadata(self, inst_id: str) -> Metadata | None:
        """Return the instrument's metadata, asking until it comes; None if there is no such.

        While REST fails, metadata on file are used.
        """
        for attempt in range(1_000_000):
            try:
                row = await in_thread(self.rest.instrument, inst_id)
                return instruments.parse_instrument(row)
            except RefusedError as error:
                self.log.error("%s is left out: %s", inst_id, error)  # noqa: TRY400 - for a person
                return None
            except FeedError as error:
                try:
                    on_file = instruments.load(self.vault, inst_id)
                except VaultError:
                    await self.wait_to_retry(f"no metadata of {inst_id} yet: {error}", attempt)
                else:
                    self.log.warning("%s: metadata on file is used: %s", inst_id, error)
                    return on_file
        return None

    async def wait_to_retry(self, problem: str, attempt: int) -> None:
        """Log the problem and sleep, longer from attempt to attempt."""
        wait = random.uniform(0.2, min(_RETRY_S, 2.0 ** min(attempt, 10)))  # noqa: S311 - jitter
        self.log.warning("%s; again in %.1f s", problem, wait)
        await asyncio.sleep(wait)

    def none_known(self) -> FeedError:
        """Return the error for a program none of whose instruments the exchange knows."""
        return FeedError(
            f"the exchange knows none of {', '.join(self.options.inst_ids)}: expected names like "
            "BTC-USDT-SWAP; correct --instId or the settings"
        )

    def _show(self) -> None:
        if self.options.as_json:
            sys.stdout.write(orjson.dumps(self.facts()).decode() + "\n")
            sys.stdout.flush()


async def in_thread(call: Callable[..., T], *arguments: Any) -> T:
    """Run a blocking call in a thread; return its result or raise its error.

    The thread is a daemon: unlike a thread of an executor it does not delay the program's exit.
    """
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # a wait that is cancelled leaves the call alone

    def work() -> None:
        try:
            done.set_result(call(*arguments))
        except BaseException as error:  # noqa: BLE001 - raised by the await below
            done.set_exception(error)

    threading.Thread(target=work, name=f"offload-{call.__name__}", daemon=True).start()
    return await asyncio.wrap_future(done)


@contextmanager
def _stop_on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    """Set ``stop`` on signals, Ctrl-C, Ctrl-Break and a closed window; at the end undo all."""
    with ExitStack() as undo:
        undo.enter_context(on_stop(lambda: loop.call_soon_threadsafe(stop.set)))
        if sys.platform == "win32":
            undo.enter_context(_closed_window(loop, stop))
        yield


@contextmanager
def _closed_window(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    """Set ``stop`` when Windows closes the window.

    The process ends when the handler returns, so the handler waits until all is flushed.
    """
    import ctypes  # noqa: PLC0415 - Windows only

    flushed = threading.Event()

    def closing(event: int) -> bool:
        if event not in _CLOSE_EVENTS:
            return False
        loop.call_soon_threadsafe(stop.set)
        return flushed.wait(_CLOSE_WITHIN_S)

    ct: Any = ctypes
    handler = ct.WINFUNCTYPE(ct.c_int, ct.c_uint)(closing)
    ct.windll.kernel32.SetConsoleCtrlHandler(handler, 1)
    try:
        yield
    finally:
        flushed.set()
        ct.windll.kernel32.SetConsoleCtrlHandler(handler, 0)
