"""Records the order books of the chosen perpetuals: a 400-level snapshot every two seconds."""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import asyncio
import gc
import logging
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from L2_Bot.book_recorder import BookRecorder
from L2_Bot.snapshot_writer import MOST_LEVELS
from ravequant import catalog, cli, settings
from ravequant.errors import FeedError, UsageError
from ravequant.exchanges.base import Channel, ChannelData, RestClient, Subscribed
from ravequant.exchanges.client import Arrival, Client, Ended, Pace
from ravequant.exchanges.offload import in_thread
from ravequant.exchanges.recorder_app import RecorderApp
from ravequant.exchanges.recorder_options import (
    Flag,
    RecorderOptions,
    add_flags,
    add_options,
    options_of,
)
from ravequant.records import RecordError
from ravequant.settings import L2
from ravequant.vault import instruments
from ravequant.vault.instruments import Metadata
from ravequant.vault.paths import Vault

PROGRAM: Final = catalog.L2_EXPORTER.name
_STREAMS: Final = (catalog.BOOK.stream, catalog.DEEP.stream)
_FLAGS: Final[tuple[Flag, ...]] = (
    (
        "--cadence", cli.duration, None, "SPAN",
        "exchange time from snapshot to snapshot, like 2s or 500ms",
    ),
    ("--depth", int, None, "N", f"levels a side, at most {MOST_LEVELS}"),
    ("--deep-every", int, None, "S", "a deep REST snapshot every S seconds, 0 for none"),
)  # fmt: skip
_DEEP_AT_ONCE: Final = 4
_GARBAGE_EVERY: Final = 10_000  # a message is a list of lists: 700 would search all the time


class L2Exporter(RecorderApp[BookRecorder]):
    """The running program: a recorder per book, and a connection for every few books."""

    SUMMARY = (
        "Snapshot written %(inst_id)s: %(fresh)d in the last minute, %(written)d in all, newest "
        "%(last_snapshot_utc)s; %(deep)d deep, %(gaps)d gaps, %(rejected)d rejected, "
        "%(checksum_mismatches)d checksum mismatches"
    )
    STOPPED = "%(inst_id)s: stopped, %(written)d snapshots written, newest %(last_snapshot_utc)s"
    ROWS = "lines"
    NEEDS_METADATA = False

    def __init__(self, vault: Vault, options: RecorderOptions, chosen: L2) -> None:
        super().__init__(PROGRAM, _STREAMS, vault, options)
        self._chosen = chosen
        self._deep_rest: RestClient = self.exchange.rest(options.rest_url, attempts=1)
        self._deep_turn = asyncio.Semaphore(_DEEP_AT_ONCE)
        self._pace = Pace(self.exchange.connects_per_second)
        self._client_of: dict[str, Client] = {}

    async def work(self) -> None:
        """Record until cancelled."""
        gc.set_threshold(_GARBAGE_EVERY)
        await super().work()

    # -- instruments

    async def take_in(self, inst_id: str, meta: Metadata | None) -> None:
        """Open the files and subscribe; without metadata too: they are fetched later."""
        recorder = BookRecorder(self.exchange, self.vault, inst_id, self._chosen, self.keeper.time)
        await self.keeper.refuse_ahead(inst_id, recorder.on_disk_ts, "the newest line of its book")
        self.recorders[inst_id] = recorder
        if meta is not None:
            await self.renew(inst_id, meta)
        self.subscribe(inst_id)
        if self._chosen.deep_every_s:
            self.tasks.create_task(self._deepen(recorder))

    async def renew(self, inst_id: str, meta: Metadata) -> None:
        """Save metadata just fetched."""
        newest = self.recorders[inst_id].on_disk_ts
        await in_thread(instruments.save, self.vault, meta, newest)

    def listen(self, inst_id: str, *, wanted: bool) -> None:
        """Subscribe to a book on a connection that may take one more, or give it up."""
        channel = Channel(self.exchange.books_channel, inst_id)
        client = self._client_of.get(inst_id)
        if client is not None:
            (client.add if wanted else client.drop)(channel)
        elif wanted:
            self._client_of[inst_id] = self._client_for(channel)

    def _client_for(self, channel: Channel) -> Client:
        taken = Counter(self._client_of.values())
        for client in self.clients:
            if taken[client] < self.exchange.books_per_connection:
                client.add(channel)
                return client
        url = self.exchange.socket_url(self.options.ws_url, channel.name)
        client = Client(self.exchange, url, [channel], pace=self._pace)
        self.clients.append(client)
        self.tasks.create_task(client.run())
        self.tasks.create_task(self._record(client))
        return client

    # -- while it runs

    async def _record(self, client: Client) -> None:
        """Pass the events of one connection to its recorders."""
        loop = asyncio.get_running_loop()
        async for batch in client.batches():
            now = loop.time()
            await self.keeper.judge(max(map(self._newest_ts, batch)), now)
            own = {
                name: self.recorders[name] for name, of in self._client_of.items() if of is client
            }
            for arrival in batch:
                self._take(client, own, arrival, now)
            for recorder in own.values():
                recorder.write(loop.time())
            await asyncio.sleep(0)

    def _newest_ts(self, arrival: Arrival) -> int:
        rows = arrival.event.rows if isinstance(arrival.event, ChannelData) else ()
        return max((self.exchange.book_time(row) or 0 for row in rows), default=0)

    def _take(
        self, client: Client, own: Mapping[str, BookRecorder], arrival: Arrival, now: float
    ) -> None:
        match arrival.event:
            case ChannelData(channel=channel) as payload:
                self.busy_at = asyncio.get_running_loop().time()
                if own[channel.inst_id].receive(payload, arrival.connection, now):
                    client.renew(channel, arrival.connection)
            case Subscribed():
                self.connected(arrival.connection)
                self.busy_at = self.busy_at or now
            case Ended(reason=reason):
                for recorder in own.values():
                    recorder.lose(arrival.connection, reason)

    async def look_after(self) -> None:
        """Sync written lines every so often; stop the program once it is idle."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._chosen.sync_every_ms / 1000)
            for recorder in tuple(self.recorders.values()):
                recorder.write(loop.time())
                await recorder.sync(loop.time())
            if self.idle(loop.time()):
                self.stop.set()

    # -- REST

    async def _deepen(self, recorder: BookRecorder) -> None:
        """Record a deep snapshot every so often, once there is a snapshot line."""
        loop, failing = asyncio.get_running_loop(), False
        number = self.options.inst_ids.index(recorder.inst_id)
        await asyncio.sleep(self._chosen.deep_every_s * number / len(self.options.inst_ids))
        await recorder.started.wait()
        while True:
            began = loop.time()
            try:
                await self._deepen_once(recorder)
            except (FeedError, RecordError) as error:
                if not failing:
                    self.log.warning("%s: no deep snapshot: %s", recorder.inst_id, error)
                failing = True
            else:
                failing = False
            await asyncio.sleep(max(0.0, began + self._chosen.deep_every_s - loop.time()))

    async def _deepen_once(self, recorder: BookRecorder) -> None:
        """Write one deep snapshot; its 3 MB are freed on return, before the wait."""
        async with self._deep_turn:
            found = await in_thread(self._deep_rest.deep_book, recorder.inst_id)
            now = asyncio.get_running_loop().time()
            await self.keeper.judge(found.ts, now)
            await recorder.deepen(found, now)

    def close(self) -> int:
        """Flush everything; return the exit code, FAILED if the disk refused something."""
        self._deep_rest.close()
        return super().close()


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, __doc__ or "")
    add_options(made)
    add_flags(made, _FLAGS)
    return made


def chosen_of(args: argparse.Namespace, standing: L2) -> L2:
    """Return the settings as the flags change them; UsageError for impossible values."""
    flags = {
        "cadence_ms": args.cadence,
        "depth_levels": args.depth,
        "deep_every_s": args.deep_every,
    }
    chosen = standing._replace(**{key: value for key, value in flags.items() if value is not None})
    if not 1 <= chosen.depth_levels <= MOST_LEVELS:
        raise UsageError(
            f"a depth of {chosen.depth_levels} levels: expected 1 to {MOST_LEVELS}, "
            "correct --depth or l2.depth_levels"
        )
    if chosen.deep_every_s < 0:
        raise UsageError(f"--deep-every {chosen.deep_every_s}: expected seconds, or 0 for none")
    return chosen


def body(args: argparse.Namespace) -> int:
    """Run the exporter with the parsed arguments."""
    standing = settings.load()
    options, chosen = options_of(args, standing), chosen_of(args, standing.l2)
    if chosen.depth_levels < standing.l2.depth_levels:
        logging.getLogger(PROGRAM).warning(
            "--depth %d: the bucketizer takes a side of fewer than %d levels for a complete one; "
            "set l2.depth_levels in ravequant.toml instead",
            chosen.depth_levels,
            standing.l2.depth_levels,
        )

    async def export() -> int:
        return await L2Exporter(cli.vault_of(args), options, chosen).run()

    return asyncio.run(export())


def main(argv: Sequence[str] | None = None) -> int:
    """Record books; return the exit code."""
    return cli.run(parser(), body, argv, log_file=Path(__file__).with_suffix(".log"))


if __name__ == "__main__":
    sys.exit(main())
