"""Records the context of perpetuals: seen liquidations, funding, open interest, ratios."""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from Context_Bot.context_lines import ContextLines
from Context_Bot.context_recorder import ContextRecorder
from Context_Bot.coverage import reason_of
from Context_Bot.funding_chain import FundingChain
from Context_Bot.statistics_log import StatisticsLog, statistic_of
from ravequant import catalog, cli, exchanges, settings
from ravequant.errors import RaveQuantError, VaultError
from ravequant.exchanges.base import Channel, ChannelData, Resubscribing, Subscribed
from ravequant.exchanges.client import Arrival, Client, Ended
from ravequant.exchanges.context_feeds import ContextRest, LiquidationRow
from ravequant.exchanges.offload import in_thread
from ravequant.exchanges.recorder_app import RecorderApp
from ravequant.exchanges.recorder_options import RecorderOptions, add_options, options_of
from ravequant.records import RecordError
from ravequant.vault.instruments import Metadata
from ravequant.vault.paths import Vault

PROGRAM: Final = catalog.CONTEXT_EXPORTER.name
_SYNC_EVERY_S: Final = 5.0
_LOOK_EVERY_S: Final = 1.0  # whether a period of the statistics has closed
_ASK_AGAIN_S: Final = 20.0  # for a row that was due and did not come
_LOGGED: Final = 10  # rejected rows; then every thousandth
_STREAMS: Final = tuple(
    dict.fromkeys(
        data.stream for data in catalog.DATA_SETS.values() if data.maker is catalog.CONTEXT_EXPORTER
    )
)


class ContextExporter(RecorderApp[ContextRecorder]):
    """The running program: one connection, and a recorder for each instrument."""

    SUMMARY = (
        "Context written %(inst_id)s: %(fresh)d lines in the last minute, %(written)d in all, "
        "newest mark %(last_mark_utc)s; %(liquidations)d liquidations seen, %(gaps)d breaks, "
        "%(rejected)d rejected"
    )
    STOPPED = "%(inst_id)s: stopped, %(written)d lines written, newest mark %(last_mark_utc)s"
    ROWS = "lines"
    NEEDS_METADATA = True

    def __init__(self, vault: Vault, options: RecorderOptions) -> None:
        super().__init__(PROGRAM, _STREAMS, vault, options)
        self._feeds = exchanges.load_context(vault.exchange)
        self._client: Client | None = None
        self._listening: set[int] = set()  # connections that listen to liquidations
        self._rejected = 0

    # -- instruments

    async def take_in(self, inst_id: str, meta: Metadata | None) -> None:
        """Open the files, subscribe, and begin to follow settlements and statistics."""
        if meta is None:
            raise VaultError(f"{inst_id}: no metadata; start again once the exchange answers")
        lines = ContextLines(self.exchange.name, inst_id, meta.contract)
        recorder = ContextRecorder(self.vault, self._feeds, inst_id, lines)
        await self.keeper.refuse_ahead(inst_id, recorder.on_disk_ts, "the newest mark price")
        rest = cast("ContextRest", self.rest)
        chain = FundingChain(self.vault, inst_id, lines, rest)
        recorder.heard_funding = chain.heard
        logs = [
            StatisticsLog(self.vault, statistic_of(self.vault, self._feeds, inst_id, series, lines))
            for series in self._feeds.series
        ]
        for connection in self._listening:
            recorder.subscribed(connection)
        self.recorders[inst_id] = recorder
        self.subscribe(inst_id)
        self.tasks.create_task(chain.follow())
        self.tasks.create_task(self._follow(recorder, logs, rest))

    async def renew(self, inst_id: str, meta: Metadata) -> None:
        """Take over the terms of the contract: the other exporters save them."""
        self.recorders[inst_id].lines.contract = meta.contract

    def listen(self, inst_id: str, *, wanted: bool) -> None:
        """Subscribe to an instrument's channels, and to the liquidations of all; or give it up."""
        feeds = self._feeds
        own = [Channel(name, inst_id) for name in (feeds.mark, feeds.interest, feeds.funding)]
        if self._client is None and wanted:
            url = self.exchange.socket_url(self.options.ws_url, feeds.mark)
            self._client = Client(self.exchange, url, [feeds.liquidations, *own])
            self.clients.append(self._client)
            self.tasks.create_task(self._client.run())
            self.tasks.create_task(self._record(self._client))
        elif self._client is not None:
            for channel in own:
                (self._client.add if wanted else self._client.drop)(channel)

    # -- while it runs

    async def _record(self, client: Client) -> None:
        """Pass the events of the connection to the recorders."""
        loop = asyncio.get_running_loop()
        async for batch in client.batches():
            now = loop.time()
            await self.keeper.judge(max(map(self._newest_ts, batch)), now)
            for arrival in batch:
                self._take(arrival, now)
            for recorder in self.recorders.values():
                recorder.write(loop.time())
            await asyncio.sleep(0)

    def _newest_ts(self, arrival: Arrival) -> int:
        rows = arrival.event.rows if isinstance(arrival.event, ChannelData) else ()
        return max((self._feeds.newest_time(row) or 0 for row in rows), default=0)

    def _take(self, arrival: Arrival, now: float) -> None:
        connection, liquidations = arrival.connection, self._feeds.liquidations
        match arrival.event:
            case ChannelData(channel=channel) as payload if channel == liquidations:
                self._take_liquidations(payload, now)
            case ChannelData() as payload:
                self.busy_at = asyncio.get_running_loop().time()
                for row in payload.rows:
                    self._take_row(payload.channel, row, connection, now)
            case Subscribed(channel=channel):
                self.connected(connection)
                self.busy_at = self.busy_at or now
                if channel == liquidations:
                    self._listening.add(connection)
                    for recorder in self.recorders.values():
                        recorder.subscribed(connection)
            case Resubscribing(channel=channel) if channel == liquidations:
                self._lose(connection, "silent")
            case Ended(reason=reason):
                self._lose(connection, reason_of(reason))

    def _lose(self, connection: int, reason: str) -> None:
        self._listening.discard(connection)
        for recorder in self.recorders.values():
            recorder.lose(connection, reason)

    def _take_liquidations(self, payload: ChannelData, now: float) -> None:
        """Give each recorder its rows of a frame; those of other instruments are nobody's."""
        found: dict[str, list[LiquidationRow]] = {}
        for item in payload.rows:
            rows, faults = self._feeds.liquidation_rows(item)
            name = rows[0].inst_id if rows else ""
            for fault in faults:
                self._reject(self.recorders.get(name), payload.channel, fault)
            if name in self.recorders:
                sound = [row for row in rows if self._is_sound(name, row.ts, now)]
                found.setdefault(name, []).extend(sound)
        for name, rows in found.items():
            self.recorders[name].liquidated(rows)

    def _take_row(self, channel: Channel, row: Any, connection: int, now: float) -> None:
        recorder, feeds, inst_id = self.recorders.get(channel.inst_id), self._feeds, channel.inst_id
        if recorder is None:
            return
        try:
            if channel.name == feeds.mark:
                mark = feeds.mark_row(row, inst_id)
                if self._is_sound(inst_id, mark.ts, now):
                    recorder.mark(mark, connection)
            elif channel.name == feeds.interest:
                interest = feeds.interest_row(row, inst_id)
                if self._is_sound(inst_id, interest.ts, now):
                    recorder.interest(interest)
            elif channel.name == feeds.funding:
                funding = feeds.funding_row(row, inst_id)
                if self._is_sound(inst_id, funding.ts, now):
                    recorder.funding(funding)
        except RecordError as error:
            self._reject(recorder, channel, str(error))

    def _is_sound(self, inst_id: str, ts: int, now: float) -> bool:
        if self.keeper.time.judge(ts, now) == "sound":
            return True
        self.recorders[inst_id].counts.ahead += 1
        return False

    def _reject(self, recorder: ContextRecorder | None, channel: Channel, fault: str) -> None:
        self._rejected += 1
        if recorder is not None:
            recorder.counts.rejected += 1
        if self._rejected <= _LOGGED or self._rejected % 1000 == 0:
            self.log.error("%s: row rejected: %.200s", channel.name, fault)

    async def _follow(
        self, recorder: ContextRecorder, logs: Sequence[StatisticsLog], rest: ContextRest
    ) -> None:
        """Fetch the statistics whenever a period has closed by the mark price."""
        loop = asyncio.get_running_loop()
        again_at = dict.fromkeys(range(len(logs)), 0.0)
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            for number, log in enumerate(logs):
                clock = recorder.written_ts
                if clock is None or not log.due(clock) or loop.time() < again_at[number]:
                    continue
                again_at[number] = loop.time() + _ASK_AGAIN_S
                try:
                    pages = partial(rest.statistic, log.statistic.series, recorder.inst_id)
                    rows = await in_thread(log.fetch, pages)
                    # no mark price is written meanwhile: readers of a later one find the rows
                    log.add(rows, recorder.written_ts or clock)
                except RaveQuantError as error:
                    self.log.warning("%s %s: %s", recorder.inst_id, log.statistic.series, error)

    async def look_after(self) -> None:
        """Sync written lines every so often; stop the program once it is idle."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SYNC_EVERY_S)
            for recorder in tuple(self.recorders.values()):
                recorder.write(loop.time())
                await in_thread(recorder.sync, loop.time())
            if self.idle(loop.time()):
                self.stop.set()


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, __doc__ or "")
    add_options(made)
    return made


def body(args: argparse.Namespace) -> int:
    """Run the exporter with the parsed arguments."""
    options = options_of(args, settings.load())

    async def export() -> int:
        return await ContextExporter(cli.vault_of(args), options).run()

    return asyncio.run(export())


def main(argv: Sequence[str] | None = None) -> int:
    """Record the context feeds; return the exit code."""
    return cli.run(parser(), body, argv, log_file=Path(__file__).with_suffix(".log"))


if __name__ == "__main__":
    sys.exit(main())
