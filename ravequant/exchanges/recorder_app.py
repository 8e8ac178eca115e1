"""What every exporter does besides recording: locks, signals, heartbeat, metadata, a clean end."""

import argparse
import asyncio
import logging
import random
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant import cli
from ravequant.errors import FeedError, VaultError
from ravequant.exchanges.offload import in_thread
from ravequant.exchanges.okx.rest import RefusedError, Rest
from ravequant.exchanges.stopping import stop_on_signals
from ravequant.settings import Settings
from ravequant.vault import instruments
from ravequant.vault.heartbeat import Heartbeat
from ravequant.vault.instruments import Metadata
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault

_HEARTBEAT_S: Final = 5.0
_SUMMARY_S: Final = 60.0
_RETRY_S: Final = 30.0  # at most, full jitter


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line of every exporter asks for; times in seconds, 0 for never."""

    inst_ids: tuple[str, ...]
    ws_url: str
    rest_url: str
    max_seconds: float = 0.0
    stop_when_idle: float = 0.0
    rest_limit_factor: float = 1.0  # times OKX's rate limits
    as_json: bool = False


def add_options(made: argparse.ArgumentParser) -> None:
    """Add the options of every exporter."""
    cli.add_instruments(made)
    made.add_argument("--log-file", type=Path, metavar="FILE",
                      help="the log (default: beside the program)")  # fmt: skip
    made.add_argument("--ws-url", metavar="URL", help="default: okx.ws_url of the settings")
    made.add_argument("--rest-url", metavar="URL", help="default: okx.rest_url of the settings")
    made.add_argument("--max-seconds", type=cli.seconds, default=0.0, metavar="S",
                      help="stop after S seconds; 0 (default): never")  # fmt: skip
    made.add_argument("--stop-when-idle", type=cli.seconds, default=0.0, metavar="S",
                      help="stop when nothing has come for S seconds; 0 (default): "
                      "never")  # fmt: skip
    made.add_argument("--rest-limit-factor", type=cli.factor, default=1.0, metavar="X",
                      help="ask X times as often as OKX allows; for an exchange in a box that "
                      "allows it")  # fmt: skip


def options_of(args: argparse.Namespace, chosen: Settings) -> Options:
    """Return the options of the command line, the settings behind them."""
    for noisy in ("websockets", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    ws_url, rest_url = chosen.okx.addresses()
    return Options(
        inst_ids=tuple(cli.instruments_of(args, chosen.instruments)),
        ws_url=args.ws_url or ws_url,
        rest_url=args.rest_url or rest_url,
        max_seconds=args.max_seconds,
        stop_when_idle=args.stop_when_idle,
        rest_limit_factor=args.rest_limit_factor,
        as_json=args.json,
    )


class Exporter(ABC):
    """A program that records until it is told to stop.

    ``streams`` are the raw streams of which it is the one writer. A subclass says how it works
    (`work`), how it ends (`close`), and how it fares (`facts`, `summary`).
    """

    def __init__(
        self, program: str, streams: Sequence[str], vault: Vault, options: Options
    ) -> None:
        self.vault = vault
        self.options = options
        self.rest = Rest(options.rest_url, limit_factor=options.rest_limit_factor)
        self.stop = asyncio.Event()
        self.busy_at: float | None = None  # last row, or when the subscription stood
        self.log = logging.getLogger(program)
        self._streams = tuple(streams)
        self._heartbeat = Heartbeat(vault, program)

    @abstractmethod
    async def work(self) -> None:
        """Record until cancelled."""

    @abstractmethod
    def close(self) -> int:
        """Flush everything; the exit code says whether the disk took it."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return the state as it stands in heartbeats and in ``--json``."""

    @abstractmethod
    def summary(self) -> None:
        """Log what the last minute brought."""

    async def run(self) -> int:
        """Record until told to stop; the exit code."""
        loop = asyncio.get_running_loop()
        with ExitStack() as held:
            for inst_id in self.options.inst_ids:
                for stream in self._streams:
                    held.enter_context(writer_lock(self.vault, stream, inst_id))
            held.enter_context(stop_on_signals(loop, self.stop))
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
        """Say, in the log too, whether nothing has come for as long as ``--stop-when-idle``."""
        idle_s = self.options.stop_when_idle
        if not idle_s or self.busy_at is None or now - self.busy_at < idle_s:
            return False
        self.log.info("Idle for %g s, stopping", idle_s)
        return True

    async def metadata(self, inst_id: str) -> Metadata | None:
        """Fetch metadata until it comes; what is on file stands in while REST is away.

        None if the exchange has no such instrument.
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
        """Say what is wrong and sleep, longer from attempt to attempt."""
        wait = random.uniform(0.2, min(_RETRY_S, 2.0 ** min(attempt, 10)))  # noqa: S311 - jitter
        self.log.warning("%s; again in %.1f s", problem, wait)
        await asyncio.sleep(wait)

    def none_known(self) -> FeedError:
        """Return the error of a program whose instruments the exchange does not know."""
        return FeedError(
            f"the exchange knows none of {', '.join(self.options.inst_ids)}: expected names like "
            "BTC-USDT-SWAP; correct --instId or the settings"
        )

    def _show(self) -> None:
        if self.options.as_json:
            sys.stdout.write(orjson.dumps(self.facts()).decode() + "\n")
            sys.stdout.flush()
