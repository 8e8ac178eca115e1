"""Records the order books of the chosen perpetuals: a 400-level snapshot every two seconds."""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import asyncio
import gc
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from L2_Bot.book_recorder import BookRecorder
from L2_Bot.snapshot_writer import MOST_LEVELS
from ravequant import catalog, cli, settings
from ravequant.errors import FeedError, UsageError, VaultError
from ravequant.exchanges.base import Channel, ChannelData, RestClient, Subscribed
from ravequant.exchanges.client import Arrival, Client, Ended, Pace
from ravequant.exchanges.recorder_app import (
    Flag,
    RecorderApp,
    RecorderOptions,
    add_flags,
    add_options,
    in_thread,
    options_of,
)
from ravequant.records import RecordError
from ravequant.settings import L2
from ravequant.vault import instruments
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
_METADATA_S: Final = 3_600.0
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

    def __init__(self, vault: Vault, options: RecorderOptions, chosen: L2) -> None:
        super().__init__(PROGRAM, _STREAMS, vault, options)
        self._chosen = chosen
        self._deep_rest: RestClient = self.exchange.rest(options.rest_url, attempts=1)
        self._deep_turn = asyncio.Semaphore(_DEEP_AT_ONCE)
        self._unknown: set[str] = set()

    async def work(self) -> None:
        """Record until cancelled."""
        gc.set_threshold(_GARBAGE_EVERY)
        exchange, together = self.exchange, self.exchange.books_per_connection
        url = exchange.socket_url(self.options.ws_url, exchange.books_channel)
        pace = Pace(exchange.connects_per_second)
        for inst_id in self.options.inst_ids:
            recorder = BookRecorder(exchange, self.vault, inst_id, self._chosen)
            self.recorders[inst_id] = recorder
        async with asyncio.TaskGroup() as tasks:
            for start in range(0, len(self.options.inst_ids), together):
                names = self.options.inst_ids[start : start + together]
                channels = [Channel(exchange.books_channel, name) for name in names]
                client = Client(exchange, url, channels, pace=pace)
                self.clients.append(client)
                tasks.create_task(client.run())
                tasks.create_task(self._record(client, names))
            tasks.create_task(self._sync())
            tasks.create_task(self.report())
            for number, inst_id in enumerate(self.options.inst_ids):
                tasks.create_task(self._keep_metadata(inst_id))
                if self._chosen.deep_every_s:
                    wait_s = self._chosen.deep_every_s * number / len(self.options.inst_ids)
                    tasks.create_task(self._deepen(self.recorders[inst_id], wait_s))

    async def _record(self, client: Client, names: Sequence[str]) -> None:
        """Pass the events of one connection to its recorders."""
        loop = asyncio.get_running_loop()
        own = {name: self.recorders[name] for name in names}
        async for batch in client.batches():
            for arrival in batch:
                self._take(client, own, arrival, loop.time())
            for recorder in own.values():
                recorder.write(loop.time())
            await asyncio.sleep(0)

    def _take(
        self, client: Client, own: Mapping[str, BookRecorder], arrival: Arrival, now: float
    ) -> None:
        match arrival.event:
            case ChannelData(channel=channel) as payload:
                self.busy_at = now
                if own[channel.inst_id].receive(payload, arrival.connection):
                    client.renew(channel, arrival.connection)
            case Subscribed():
                self.busy_at = self.busy_at or now
            case Ended(reason=reason):
                for recorder in own.values():
                    recorder.lose(arrival.connection, reason)

    async def _sync(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._chosen.sync_every_ms / 1000)
            for recorder in self.recorders.values():
                recorder.write(loop.time())
                await recorder.sync(loop.time())
            if self.idle(loop.time()):
                self.stop.set()

    # -- REST

    async def _deepen(self, recorder: BookRecorder, wait_s: float) -> None:
        """Record a deep snapshot every so often, once there is a snapshot line."""
        loop, failing = asyncio.get_running_loop(), False
        await asyncio.sleep(wait_s)
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
            await recorder.deepen(found, asyncio.get_running_loop().time())

    async def _keep_metadata(self, inst_id: str) -> None:
        """Fetch and save the metadata, now and every hour; books are recorded meanwhile."""
        meta = await self.metadata(inst_id)
        if meta is None:
            self._unknown.add(inst_id)
            if len(self._unknown) == len(self.options.inst_ids):
                raise self.none_known()
            return
        while True:
            try:
                newest = self.recorders[inst_id].on_disk_ts
                await in_thread(instruments.save, self.vault, meta, newest)
                await asyncio.sleep(_METADATA_S)
                row = await in_thread(self.rest.instrument, inst_id)
                meta = instruments.parse_instrument(row)
            except (FeedError, VaultError) as error:
                self.log.warning("%s: metadata not renewed: %s", inst_id, error)
                await asyncio.sleep(_METADATA_S / 60)

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
