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
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ravequant import catalog, settings, times
from ravequant.errors import DONE, FAILED, FeedError, VaultError
from ravequant.exchanges import recorder_app
from ravequant.exchanges.base import Channel, Data, Subscribed, TradeRows
from ravequant.exchanges.client import Client
from ravequant.exchanges.recorder_app import RecorderOptions, in_thread
from ravequant.vault import instruments
from ravequant.vault.paths import Vault
from Trades_Bot.backfill import fill_gaps, find_start, watch_the_tail
from Trades_Bot.trade_recorder import TradeRecorder

PROGRAM: Final = catalog.TRADES_EXPORTER.name
_METADATA_S: Final = 60.0
_METADATA_ROUNDS: Final = 60  # after so many it is saved though nothing changed


class TradesExporter(recorder_app.RecorderApp):
    """The running program: one connection, and a recorder per instrument."""

    def __init__(
        self, vault: Vault, options: RecorderOptions, chosen: settings.Trades, backfill_ms: int = 0
    ) -> None:
        super().__init__(PROGRAM, [catalog.TRADES.stream], vault, options)
        self._chosen = chosen
        self._backfill_ms = backfill_ms
        self._recorders: dict[str, TradeRecorder] = {}
        self._client = self._new_client()
        self._written_before: dict[str, int] = {}

    def _new_client(self) -> Client:
        name = self.exchange.trades_channel
        url = self.exchange.socket_url(self.options.ws_url, name)
        return Client(self.exchange, url, [Channel(name, inst_id) for inst_id in self._recorders])

    async def work(self) -> None:
        """Record until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.report())  # a heartbeat, though the exchange may not answer yet
            await self._prepare()
            self._client = self._new_client()
            tasks.create_task(self._client.run())
            tasks.create_task(self._record())
            tasks.create_task(self._sync())
            tasks.create_task(self._renew_metadata())
            for recorder in self._recorders.values():
                tasks.create_task(fill_gaps(recorder, self.rest))
                tasks.create_task(watch_the_tail(recorder, self.rest))

    # -- before the first row

    async def _prepare(self) -> None:
        """Fetch and save the metadata, open the logs, find the first id."""
        found = await asyncio.gather(*map(self.metadata, self.options.inst_ids))
        for meta in filter(None, found):
            recorder = TradeRecorder(self.exchange, self.vault, meta, self._chosen)
            self._recorders[meta.inst_id] = recorder
            recorder.renew(meta)
        if not self._recorders:
            raise self.none_known()
        await asyncio.gather(*map(self._find_beginning, self._recorders.values()))

    async def _find_beginning(self, recorder: TradeRecorder) -> None:
        name, attempt = recorder.inst_id, 0
        if recorder.last_id is not None:
            when = times.iso(recorder.last_ts)
            self.log.info("%s goes on after id %d of %s", name, recorder.last_id, when)
            return
        if not self._backfill_ms:
            self.log.info("%s begins with the next trade", name)
            return
        while True:
            try:
                begin = await in_thread(find_start, self.rest, name, self._backfill_ms)
                break
            except FeedError as error:
                await self.wait_to_retry(f"{name}: no beginning found yet: {error}", attempt)
                attempt += 1
        if begin is not None:
            recorder.begin_at(*begin)
            self.log.info("%s begins with id %d of %s", name, begin[0], times.iso(begin[1]))

    # -- while it runs

    async def _record(self) -> None:
        loop = asyncio.get_running_loop()
        async for batch in self._client.batches():
            now = loop.time()
            for arrival in batch:
                match arrival.event:
                    case Data(payload=TradeRows() as payload):
                        self._recorders[payload.channel.inst_id].rows(payload, now)
                        self.busy_at = now
                    case Subscribed():
                        self.busy_at = self.busy_at or now
            for recorder in self._recorders.values():
                recorder.write(now)
                if recorder.filling:
                    recorder.woken.set()
            await asyncio.sleep(0)

    async def _sync(self) -> None:
        """Sync written records every so often; stop the program once it is idle."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._chosen.sync_every_ms / 1000)
            for recorder in self._recorders.values():
                await recorder.sync()
                await recorder.mend()
                recorder.write(loop.time())
            filling = any(recorder.filling for recorder in self._recorders.values())
            if filling and self._client.open_links and self.busy_at is not None:
                self.busy_at = loop.time()
            if self.idle(loop.time()):
                self.stop.set()

    async def _renew_metadata(self) -> None:
        for turn in itertools.count(1):
            await asyncio.sleep(_METADATA_S)
            for name, recorder in self._recorders.items():
                try:
                    row = await in_thread(self.rest.instrument, name)
                    meta = instruments.parse_instrument(row)
                    if recorder.differs(meta) or turn % _METADATA_ROUNDS == 0:
                        await recorder.sync()
                        recorder.write(asyncio.get_running_loop().time())
                        recorder.renew(meta)
                except (FeedError, VaultError) as error:
                    self.log.warning("%s: metadata not renewed: %s", name, error)

    # -- reports, and the end

    def facts(self) -> dict[str, Any]:
        """Return the state as it stands in heartbeats and in ``--json``."""
        return {
            "connections": self._client.open_links,
            "connects": self._client.connects,
            "frames": self._client.frames,
            "reader_stalls": self._client.stalls,
            "instruments": {name: item.facts() for name, item in self._recorders.items()},
        }

    def summary(self) -> None:
        """Log the counts of the last minute."""
        for name, recorder in self._recorders.items():
            facts = recorder.facts()
            new = facts["written"] - self._written_before.get(name, 0)
            self._written_before[name] = facts["written"]
            self.log.info(
                "%s: %d records in the last minute, %d in all, newest id %s of %s; %d gaps, %d ids "
                "repaired, %d duplicates, %d rejected, %d waiting",
                name,
                new,
                facts["written"],
                facts["last_trade_id"],
                facts["last_trade_utc"],
                facts["gaps"],
                facts["ids_repaired"],
                facts["duplicates"],
                facts["rejected"],
                facts["waiting"],
            )

    def close(self) -> int:
        """Flush everything; return the exit code, FAILED if the disk refused something."""
        code = DONE
        for name, recorder in self._recorders.items():
            try:
                recorder.close()
            except VaultError as error:
                self.log.error("%s: the last rows are not on disk: %s", name, error)  # noqa: TRY400 - for a person
                code = FAILED
            if recorder.broken:
                code = FAILED
            written = recorder.counts.written
            self.log.info(
                "%s: stopped after id %s, %d records written", name, recorder.last_id, written
            )
        return code


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, __doc__ or "")
    recorder_app.add_options(made)
    made.add_argument(
        "--backfill",
        type=cli.duration,
        default=0,
        metavar="SPAN",
        help="empty vault: begin this long before now (4h, 2d); otherwise what was "
        "missed since the last id on disk is fetched anyway",
    )
    return made


def body(args: argparse.Namespace) -> int:
    """Run the exporter with the parsed arguments."""
    chosen = settings.load()
    options, vault = recorder_app.options_of(args, chosen), cli.vault_of(args)

    async def export() -> int:
        return await TradesExporter(vault, options, chosen.trades, args.backfill).run()

    return asyncio.run(export())


def main(argv: Sequence[str] | None = None) -> int:
    """Record trades; return the exit code."""
    return cli.run(parser(), body, argv, log_file=Path(__file__).with_suffix(".log"))


if __name__ == "__main__":
    sys.exit(main())
