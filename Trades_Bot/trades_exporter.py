"""Records every trade of the chosen perpetuals, for ever: socket, back-fill, one file per day."""

try:
    from ravequant import cli
except ModuleNotFoundError:  # started with a Python outside .venv: hand over to it, or say so
    import runpy
    from pathlib import Path

    runpy.run_path(
        str(Path(__file__).resolve().parents[1] / "scripts" / "handover.py"), run_name="handover"
    )

import argparse
import asyncio
import logging
import random
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant import settings, times
from ravequant.errors import DONE, FAILED, FeedError, VaultError
from ravequant.okx.client import Client
from ravequant.okx.messages import TRADES, Channel, TradeRows
from ravequant.okx.offload import in_thread
from ravequant.okx.rest import RefusedError, Rest
from ravequant.okx.session import Data, Subscribed
from ravequant.vault import metadata
from ravequant.vault.health import Heartbeat
from ravequant.vault.lock import writer_lock
from ravequant.vault.metadata import Metadata
from ravequant.vault.paths import Vault
from Trades_Bot.recorder import Recorder, fill_gaps, find_start
from Trades_Bot.stopping import stop_on_signals

PROGRAM: Final = "trades_exporter"
_STREAM: Final = "trades_perps"
_HEARTBEAT_S: Final = 5.0
_STATISTICS_S: Final = 60.0
_METADATA_S: Final = 3_600.0
_RETRY_S: Final = 30.0  # at most, full jitter
_log = logging.getLogger(PROGRAM)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for; times in seconds, 0 for never."""

    inst_ids: tuple[str, ...]
    ws_url: str
    rest_url: str
    backfill_ms: int = 0
    max_seconds: float = 0.0
    stop_when_idle: float = 0.0
    rest_limit_factor: float = 1.0
    as_json: bool = False


class Exporter:
    """The program while it runs: one connection, one recorder per instrument."""

    def __init__(self, vault: Vault, options: Options, chosen: settings.Trades) -> None:
        self._vault = vault
        self._options = options
        self._chosen = chosen
        self._rest = Rest(options.rest_url, limit_factor=options.rest_limit_factor)
        self._recorders: dict[str, Recorder] = {}
        self._client = Client(f"{options.ws_url.rstrip('/')}/public", ())
        self._heartbeat = Heartbeat(vault, PROGRAM)
        self._busy_at: float | None = None  # last row, or when the subscription stood
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Record until told to stop; the exit code."""
        loop = asyncio.get_running_loop()
        with ExitStack() as held:
            for inst_id in self._options.inst_ids:
                held.enter_context(writer_lock(self._vault, _STREAM, inst_id))
            held.enter_context(stop_on_signals(loop, self._stop))
            held.callback(self._rest.close)
            if self._options.max_seconds:
                loop.call_later(self._options.max_seconds, self._stop.set)
            work = asyncio.create_task(self._work())
            stop = asyncio.create_task(self._stop.wait())
            await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
            self._rest.close()
            work.cancel()
            stop.cancel()
            outcome = (await asyncio.gather(work, return_exceptions=True))[0]
            closed = self._close()
        if isinstance(outcome, Exception):
            raise outcome
        return closed

    async def _work(self) -> None:
        await self._prepare()
        channels = [Channel(TRADES, inst_id) for inst_id in self._recorders]
        self._client = Client(f"{self._options.ws_url.rstrip('/')}/public", channels)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._client.run())
            tasks.create_task(self._record())
            tasks.create_task(self._sync())
            tasks.create_task(self._report())
            tasks.create_task(self._renew_metadata())
            for recorder in self._recorders.values():
                tasks.create_task(fill_gaps(recorder, self._rest))

    # -- before the first row

    async def _prepare(self) -> None:
        """Fetch and save the metadata, open the logs, find where to begin."""
        found = await asyncio.gather(*map(self._metadata, self._options.inst_ids))
        for meta in filter(None, found):
            recorder = Recorder(self._vault, meta, self._chosen)
            recorder.renew(meta)
            self._recorders[meta.inst_id] = recorder
        if not self._recorders:
            raise FeedError(
                f"the exchange knows none of {', '.join(self._options.inst_ids)}: expected names "
                "like BTC-USDT-SWAP; correct --instId or the settings"
            )
        await asyncio.gather(*map(self._find_beginning, self._recorders.values()))

    async def _metadata(self, inst_id: str) -> Metadata | None:
        """Fetch metadata until it comes; what is on file stands in while REST is away."""
        for attempt in range(1_000_000):
            try:
                row = await in_thread(self._rest.instrument, inst_id)
                return metadata.parse_instrument(row)
            except RefusedError as error:
                _log.error("%s is left out: %s", inst_id, error)  # noqa: TRY400 - for a person
                return None
            except FeedError as error:
                try:
                    on_file = metadata.load(self._vault, inst_id)
                except VaultError:
                    await self._wait_to_retry(f"no metadata of {inst_id} yet: {error}", attempt)
                else:
                    _log.warning("%s: metadata on file is used: %s", inst_id, error)
                    return on_file
        return None

    async def _find_beginning(self, recorder: Recorder) -> None:
        if recorder.last_id is not None:
            _log.info("%s goes on after id %d of %s", recorder.inst_id, recorder.last_id,
                      times.iso(recorder.last_ts))  # fmt: skip
            return
        if not self._options.backfill_ms:
            _log.info("%s begins with the next trade", recorder.inst_id)
            return
        for attempt in range(1_000_000):
            try:
                begin = await in_thread(
                    find_start, self._rest, recorder.inst_id, self._options.backfill_ms
                )
            except FeedError as error:
                await self._wait_to_retry(f"{recorder.inst_id}: no start found: {error}", attempt)
                continue
            if begin is not None:
                recorder.begin_at(*begin)
                _log.info("%s begins with id %d of %s", recorder.inst_id, begin[0],
                          times.iso(begin[1]))  # fmt: skip
            return

    @staticmethod
    async def _wait_to_retry(problem: str, attempt: int) -> None:
        wait = random.uniform(0.2, min(_RETRY_S, 2.0 ** min(attempt, 10)))  # noqa: S311 - jitter
        _log.warning("%s; again in %.1f s", problem, wait)
        await asyncio.sleep(wait)

    # -- while it runs

    async def _record(self) -> None:
        loop = asyncio.get_running_loop()
        async for batch in self._client.batches():
            now = loop.time()
            for arrival in batch:
                match arrival.event:
                    case Data(payload=TradeRows() as payload):
                        self._recorders[payload.channel.inst_id].rows(payload, now)
                        self._busy_at = now
                    case Subscribed():
                        self._busy_at = self._busy_at or now
            for recorder in self._recorders.values():
                recorder.write(now)
                if recorder.filling:
                    recorder.woken.set()
            await asyncio.sleep(0)

    async def _sync(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._chosen.sync_every_ms / 1000)
            for recorder in self._recorders.values():
                await recorder.sync()
                recorder.write(loop.time())
            if self._idle(loop.time()):
                _log.info("Idle for %g s, stopping", self._options.stop_when_idle)
                self._stop.set()

    def _idle(self, now: float) -> bool:
        if not self._options.stop_when_idle or self._busy_at is None:
            return False
        filling = any(recorder.filling for recorder in self._recorders.values())
        if filling and self._client.open_links:
            self._busy_at = now
        return now - self._busy_at >= self._options.stop_when_idle

    async def _report(self) -> None:
        loop = asyncio.get_running_loop()
        before, statistics_at = self._written(), loop.time() + _STATISTICS_S
        while True:
            self._heartbeat.write(self._facts())
            await asyncio.sleep(_HEARTBEAT_S)
            if loop.time() >= statistics_at:
                statistics_at += _STATISTICS_S
                before = self._statistics(before)

    def _statistics(self, before: dict[str, int]) -> dict[str, int]:
        after = self._written()
        for inst_id, recorder in self._recorders.items():
            facts = recorder.facts()
            _log.info("%s: %d records in the last minute, %d in all, newest id %s of %s; "
                      "%d gaps, %d ids repaired, %d duplicates, %d rejected, %d waiting",
                      inst_id, after[inst_id] - before.get(inst_id, 0), facts["written"],
                      facts["last_trade_id"], facts["last_trade_utc"], facts["gaps"],
                      facts["ids_repaired"], facts["duplicates"], facts["rejected"],
                      facts["waiting"])  # fmt: skip
        self._show()
        return after

    def _written(self) -> dict[str, int]:
        return {inst_id: item.counts.written for inst_id, item in self._recorders.items()}

    async def _renew_metadata(self) -> None:
        while True:
            await asyncio.sleep(_METADATA_S)
            for inst_id, recorder in self._recorders.items():
                try:
                    row = await in_thread(self._rest.instrument, inst_id)
                    meta = metadata.parse_instrument(row)
                    await recorder.sync()
                    recorder.renew(meta)
                except (FeedError, VaultError) as error:
                    _log.warning("%s: metadata not renewed: %s", inst_id, error)

    # -- the end

    def _close(self) -> int:
        """Flush everything; the exit code says whether the disk took it."""
        code = DONE
        for recorder in self._recorders.values():
            try:
                recorder.close()
            except VaultError as error:
                _log.error("%s: the last rows are not on disk: %s", recorder.inst_id, error)  # noqa: TRY400
                code = FAILED
            if recorder.broken:
                code = FAILED
            _log.info("%s: stopped after id %s, %d records written", recorder.inst_id,
                      recorder.last_id, recorder.counts.written)  # fmt: skip
        self._heartbeat.write({**self._facts(), "stopped": True})
        self._show()
        return code

    def _facts(self) -> dict[str, Any]:
        return {
            "connections": self._client.open_links,
            "connects": self._client.connects,
            "frames": self._client.frames,
            "reader_stalls": self._client.stalls,
            "instruments": {key: item.facts() for key, item in self._recorders.items()},
        }

    def _show(self) -> None:
        if self._options.as_json:
            sys.stdout.write(orjson.dumps(self._facts()).decode() + "\n")
            sys.stdout.flush()


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, __doc__ or "")
    cli.add_instruments(made)
    made.add_argument("--backfill", type=cli.duration, default=0, metavar="SPAN",
                      help="empty vault: begin this long before now (4h, 2d); otherwise what was "
                      "missed since the last id on disk is fetched anyway")  # fmt: skip
    made.add_argument("--ws-url", metavar="URL", help="default: okx.ws_url of the settings")
    made.add_argument("--rest-url", metavar="URL", help="default: okx.rest_url of the settings")
    made.add_argument(
        "--rest-limit-factor",
        type=float,
        default=1.0,
        metavar="X",
        help="ask X times as often as OKX allows, where an exchange in a box allows it",
    )
    made.add_argument("--max-seconds", type=float, default=0.0, metavar="S", help="stop after S")
    made.add_argument("--stop-when-idle", type=float, default=0.0, metavar="S",
                      help="stop when nothing has come for S seconds")  # fmt: skip
    return made


def body(args: argparse.Namespace) -> int:
    """Run the exporter with the parsed arguments."""
    chosen = settings.load()
    ws_url, rest_url = chosen.okx.addresses()
    options = Options(
        inst_ids=tuple(cli.instruments_of(args, chosen.instruments)),
        ws_url=args.ws_url or ws_url,
        rest_url=args.rest_url or rest_url,
        backfill_ms=args.backfill,
        max_seconds=args.max_seconds,
        stop_when_idle=args.stop_when_idle,
        rest_limit_factor=args.rest_limit_factor,
        as_json=args.json,
    )
    for noisy in ("websockets", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

    async def export() -> int:
        return await Exporter(cli.vault_of(args), options, chosen.trades).run()

    return asyncio.run(export())


def main(argv: Sequence[str] | None = None) -> int:
    """Record trades; the exit code."""
    return cli.run(parser(), body, argv, log_file=Path(__file__).with_suffix(".log"))


if __name__ == "__main__":
    sys.exit(main())
