"""Records every trade of the chosen perpetuals, for ever: socket, back-fill, one file per day."""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import asyncio
import itertools
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from ravequant import catalog, cli, settings, times
from ravequant.errors import FeedError, VaultError
from ravequant.exchanges import recorder_options
from ravequant.exchanges.base import Channel, Subscribed, TradeRows
from ravequant.exchanges.client import Arrival, Client
from ravequant.exchanges.offload import in_thread
from ravequant.exchanges.recorder_app import RecorderApp
from ravequant.exchanges.recorder_options import RecorderOptions
from ravequant.vault.instruments import Metadata
from ravequant.vault.paths import Vault
from Trades_Bot.backfill import fill_gaps, find_start, watch_the_tail
from Trades_Bot.progress import RowRate, line_up
from Trades_Bot.trade_recorder import TradeRecorder

PROGRAM: Final = catalog.TRADES_EXPORTER.name


class TradesExporter(RecorderApp[TradeRecorder]):
    """The running program: one connection, and a recorder per instrument."""

    SUMMARY = (
        "%(inst_id)s: %(fresh)d records in the last minute, %(written)d in all, newest id "
        "%(last_trade_id)s of %(last_trade_utc)s; %(gaps)d gaps, %(ids_repaired)d ids repaired, "
        "%(duplicates)d duplicates, %(rejected)d rejected, %(waiting)d waiting"
    )
    STOPPED = "%(inst_id)s: stopped after id %(last_trade_id)s, %(written)d records written"
    ROWS = "rows"
    NEEDS_METADATA = True

    def __init__(
        self, vault: Vault, options: RecorderOptions, chosen: settings.Trades, backfill_ms: int = 0
    ) -> None:
        super().__init__(PROGRAM, [catalog.TRADES.stream], vault, options)
        self._chosen = chosen
        self._backfill_ms = backfill_ms
        self._rate = RowRate()

    # -- instruments

    async def take_in(self, inst_id: str, meta: Metadata | None) -> None:
        """Open the log, find the first id, and subscribe."""
        if meta is None:
            raise VaultError(f"there is no metadata of {inst_id}")
        await self.keeper.renew(asyncio.get_running_loop().time())
        time = self.keeper.time
        recorder = TradeRecorder(self.exchange, self.vault, meta, self._chosen, time)
        recorder.renew(meta)
        await self._find_beginning(recorder)
        self.recorders[inst_id] = recorder
        self.subscribe(inst_id)
        earlier = partial(self._earlier, inst_id)
        self.tasks.create_task(fill_gaps(recorder, self.rest, self.keeper.judge, earlier))
        self.tasks.create_task(watch_the_tail(recorder, self.rest))

    def _earlier(self, inst_id: str) -> list[TradeRecorder]:
        """Return the recorders of the instruments that come before this one in the settings."""
        before = itertools.takewhile(lambda name: name != inst_id, self.options.inst_ids)
        return [self.recorders[name] for name in before if name in self.recorders]

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
                now_ms = await self._exchange_ms()
                begin = await in_thread(find_start, self.rest, name, self._backfill_ms, now_ms)
                break
            except FeedError as error:
                await self.wait_to_retry(f"{name}: no beginning found yet: {error}", attempt)
                attempt += 1
        if begin is not None:
            recorder.begin_at(*begin)
            self.log.info("%s begins with id %d of %s", name, begin[0], times.iso(begin[1]))

    async def _exchange_ms(self) -> int:
        now = asyncio.get_running_loop().time()
        await self.keeper.renew(now)
        known = self.keeper.time.at(now)
        if known is None:
            raise FeedError(self.keeper.problem or "the exchange's time cannot be had")
        return known

    async def renew(self, inst_id: str, meta: Metadata) -> None:
        """Save metadata just fetched, between two records."""
        recorder = self.recorders[inst_id]
        await recorder.sync()
        recorder.write(asyncio.get_running_loop().time())
        recorder.renew(meta)

    def listen(self, inst_id: str, *, wanted: bool) -> None:
        """Subscribe to an instrument's trades, or give them up; all share one connection."""
        channel = Channel(self.exchange.trades_channel, inst_id)
        if self.clients:
            (self.clients[0].add if wanted else self.clients[0].drop)(channel)
        elif wanted:
            url = self.exchange.socket_url(self.options.ws_url, channel.name)
            client = Client(self.exchange, url, [channel])
            self.clients.append(client)
            self.tasks.create_task(client.run())
            self.tasks.create_task(self._record(client))

    def facts(self) -> dict[str, Any]:
        """Return the state as it stands in heartbeats and in ``--json``."""
        facts = super().facts()
        found = (facts["instruments"].get(name, {}) for name in self.options.inst_ids)
        line_up(filling for it in found if (filling := it.get("filling")))
        rows = sum(recorder.counts.rows for recorder in self.recorders.values())
        facts["rows_per_s"] = self._rate.at(time.monotonic(), rows)
        return facts

    # -- while it runs

    async def _record(self, client: Client) -> None:
        loop = asyncio.get_running_loop()
        async for batch in client.batches():
            now = loop.time()
            await self.keeper.judge(max(map(_newest_ts, batch)), now)
            for arrival in batch:
                match arrival.event:
                    case TradeRows() as payload:
                        self.recorders[payload.channel.inst_id].rows(payload, now)
                        self.busy_at = loop.time()
                    case Subscribed():
                        self.connected(arrival.connection)
                        self.busy_at = self.busy_at or now
            for recorder in self.recorders.values():
                recorder.write(loop.time())
                if recorder.filling:
                    recorder.woken.set()
            await asyncio.sleep(0)

    async def look_after(self) -> None:
        """Sync written records every so often; stop the program once it is idle."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._chosen.sync_every_ms / 1000)
            for recorder in tuple(self.recorders.values()):
                await recorder.sync()
                await recorder.mend()
                recorder.write(loop.time())
                if recorder.is_other_stream:
                    self._leave_to_another(recorder)
            filling = any(recorder.filling for recorder in self.recorders.values())
            connected = any(client.open_links for client in self.clients)
            if filling and connected and self.busy_at is not None:
                self.busy_at = loop.time()
            if self.idle(loop.time()):
                self.stop.set()

    def _leave_to_another(self, recorder: TradeRecorder) -> None:
        """Leave out an instrument whose ids begin lower than those on disk."""
        name = recorder.inst_id
        if name not in self.barred:
            self.listen(name, wanted=False)
            self.bar(
                name,
                f"the exchange's ids begin lower than {recorder.last_id} of "
                f"{times.iso(recorder.last_ts)} on disk: another stream (live or demo), or "
                f"renumbered; stop the exporters, then set the old one aside: "
                f"python scripts/repair_gaps.py --set-aside {name}",
            )


def _newest_ts(arrival: Arrival) -> int:
    event = arrival.event
    return max((row.ts for row in event.trades), default=0) if isinstance(event, TradeRows) else 0


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, __doc__ or "")
    recorder_options.add_options(made)
    purpose = (
        "empty vault: begin this long before now (4h, 2d); otherwise what was missed since the "
        "last id on disk is fetched anyway"
    )
    made.add_argument("--backfill", type=cli.duration, default=0, metavar="SPAN", help=purpose)
    return made


def body(args: argparse.Namespace) -> int:
    """Run the exporter with the parsed arguments."""
    chosen = settings.load()
    options, vault = recorder_options.options_of(args, chosen), cli.vault_of(args)

    async def export() -> int:
        return await TradesExporter(vault, options, chosen.trades, args.backfill).run()

    return asyncio.run(export())


def main(argv: Sequence[str] | None = None) -> int:
    """Record trades; return the exit code."""
    return cli.run(parser(), body, argv, log_file=Path(__file__).with_suffix(".log"))


if __name__ == "__main__":
    sys.exit(main())
