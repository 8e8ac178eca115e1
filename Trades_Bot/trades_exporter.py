"""Records every trade of the chosen perpetuals, for ever: socket, back-fill, one file per day."""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import asyncio
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ravequant import catalog, cli, settings, times
from ravequant.errors import FeedError, VaultError
from ravequant.exchanges import recorder_app
from ravequant.exchanges.base import Channel, Subscribed, TradeRows
from ravequant.exchanges.client import Client
from ravequant.exchanges.recorder_app import RecorderApp, RecorderOptions, in_thread
from ravequant.vault import instruments
from ravequant.vault.paths import Vault
from Trades_Bot.backfill import fill_gaps, find_start, watch_the_tail
from Trades_Bot.trade_recorder import TradeRecorder

PROGRAM: Final = catalog.TRADES_EXPORTER.name
_METADATA_S: Final = 60.0
_METADATA_ROUNDS: Final = 60  # after so many it is saved though nothing changed


class TradesExporter(RecorderApp[TradeRecorder]):
    """The running program: one connection, and a recorder per instrument."""

    SUMMARY = (
        "%(inst_id)s: %(fresh)d records in the last minute, %(written)d in all, newest id "
        "%(last_trade_id)s of %(last_trade_utc)s; %(gaps)d gaps, %(ids_repaired)d ids repaired, "
        "%(duplicates)d duplicates, %(rejected)d rejected, %(waiting)d waiting"
    )
    STOPPED = "%(inst_id)s: stopped after id %(last_trade_id)s, %(written)d records written"
    ROWS = "rows"

    def __init__(
        self, vault: Vault, options: RecorderOptions, chosen: settings.Trades, backfill_ms: int = 0
    ) -> None:
        super().__init__(PROGRAM, [catalog.TRADES.stream], vault, options)
        self._chosen = chosen
        self._backfill_ms = backfill_ms

    async def work(self) -> None:
        """Record until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.report())  # a heartbeat, though the exchange may not answer yet
            await self._prepare()
            name = self.exchange.trades_channel
            url = self.exchange.socket_url(self.options.ws_url, name)
            channels = [Channel(name, inst_id) for inst_id in self.recorders]
            client = Client(self.exchange, url, channels)
            self.clients.append(client)
            tasks.create_task(client.run())
            tasks.create_task(self._record(client))
            tasks.create_task(self._sync())
            tasks.create_task(self._renew_metadata())
            for recorder in self.recorders.values():
                tasks.create_task(fill_gaps(recorder, self.rest))
                tasks.create_task(watch_the_tail(recorder, self.rest))

    # -- before the first row

    async def _prepare(self) -> None:
        """Fetch and save the metadata, open the logs, find the first id."""
        found = await asyncio.gather(*map(self.metadata, self.options.inst_ids))
        for meta in filter(None, found):
            recorder = TradeRecorder(self.exchange, self.vault, meta, self._chosen)
            self.recorders[meta.inst_id] = recorder
            recorder.renew(meta)
        if not self.recorders:
            raise self.none_known()
        await asyncio.gather(*map(self._find_beginning, self.recorders.values()))

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

    async def _record(self, client: Client) -> None:
        loop = asyncio.get_running_loop()
        async for batch in client.batches():
            now = loop.time()
            for arrival in batch:
                match arrival.event:
                    case TradeRows() as payload:
                        self.recorders[payload.channel.inst_id].rows(payload, now)
                        self.busy_at = now
                    case Subscribed():
                        self.busy_at = self.busy_at or now
            for recorder in self.recorders.values():
                recorder.write(now)
                if recorder.filling:
                    recorder.woken.set()
            await asyncio.sleep(0)

    async def _sync(self) -> None:
        """Sync written records every so often; stop the program once it is idle."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._chosen.sync_every_ms / 1000)
            for recorder in self.recorders.values():
                await recorder.sync()
                await recorder.mend()
                recorder.write(loop.time())
            filling = any(recorder.filling for recorder in self.recorders.values())
            connected = any(client.open_links for client in self.clients)
            if filling and connected and self.busy_at is not None:
                self.busy_at = loop.time()
            if self.idle(loop.time()):
                self.stop.set()

    async def _renew_metadata(self) -> None:
        for turn in itertools.count(1):
            await asyncio.sleep(_METADATA_S)
            for name, recorder in self.recorders.items():
                try:
                    row = await in_thread(self.rest.instrument, name)
                    meta = instruments.parse_instrument(row)
                    if recorder.differs(meta) or turn % _METADATA_ROUNDS == 0:
                        await recorder.sync()
                        recorder.write(asyncio.get_running_loop().time())
                        recorder.renew(meta)
                except (FeedError, VaultError) as error:
                    self.log.warning("%s: metadata not renewed: %s", name, error)


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, __doc__ or "")
    recorder_app.add_options(made)
    purpose = (
        "empty vault: begin this long before now (4h, 2d); otherwise what was missed since the "
        "last id on disk is fetched anyway"
    )
    made.add_argument("--backfill", type=cli.duration, default=0, metavar="SPAN", help=purpose)
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
