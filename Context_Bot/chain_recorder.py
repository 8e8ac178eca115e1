"""Records large transfers of bitcoin, block by block: a block whole or not at all, none left out.

The lines of a block are synced, then a line about the block says that they are all. A block is
read only after its parent, so a height that was missed is read before any later one.
"""

import logging
from itertools import islice
from typing import Any, Final, NamedTuple

import orjson

from ravequant import times
from ravequant.errors import FeedError
from ravequant.exchanges.chain_rows import ChainBlock, Transfer, hash_of
from ravequant.exchanges.mempool_space import MempoolSpace
from ravequant.vault.append_log import AppendLog, DayLog
from ravequant.vault.line_file import lines_backward
from ravequant.vault.paths import ON_CHAIN, TRANSFERS, Vault, day_files

DEEPEST: Final = 100  # blocks that a reorganisation may replace
_FIRST_UNSURE: Final = 6  # blocks behind the first on disk until it is not replaced any more
_REMEMBERED: Final = 1_000  # blocks of the log; a week
_log = logging.getLogger("btc_transfers")


class WrittenBlock(NamedTuple):
    """A block as its line has it."""

    block: ChainBlock
    transfers: int  # lines of it in the day files
    least_sat: int  # the smallest amount that counted
    generation: int  # reorganisations before it

    def line(self, fetched_ms: int) -> bytes:
        """Return its line, newline included."""
        row = {
            "timestamp_utc": times.iso(self.block.ts),
            "instId": ON_CHAIN,
            "height": self.block.height,
            "hash": self.block.hash,
            "previous": self.block.previous,
            "median_utc": times.iso(self.block.median),
            "transactions": self.block.transactions,
            "transfers": self.transfers,
            "least_sat": str(self.least_sat),
            "generation": self.generation,
            "fetched_utc": times.iso(fetched_ms),
        }
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def read_block(line: bytes) -> WrittenBlock:
    """Return the block of a line. Raises ValueError, KeyError or TypeError if it is none."""
    row = orjson.loads(line)
    head = ChainBlock(
        int(row["height"]),
        hash_of(row["hash"], "hash"),
        hash_of(row["previous"], "previous"),
        times.parse_iso(row["timestamp_utc"]),
        times.parse_iso(row["median_utc"]),
        int(row["transactions"]),
    )
    counts = int(row["transfers"]), int(row["least_sat"]), int(row["generation"])
    return WrittenBlock(head, *counts)


def transfer_line(transfer: Transfer, block: ChainBlock) -> bytes:
    """Return the line of a transfer, newline included."""
    row = {
        "timestamp_utc": times.iso(block.ts),
        "exchange": "mempool.space",
        "market": "onchain",
        "channel": TRANSFERS,
        "instId": ON_CHAIN,
        "height": block.height,
        "index": transfer.place,
        "txid": transfer.txid,
        "sent_sat": str(transfer.sent),
        "returned_sat": str(transfer.returned),
        "fee_sat": str(transfer.fee),
        "inputs": transfer.inputs,
        "outputs": transfer.outputs,
        "labels": None,
        "block": block.hash,
    }
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


class ChainRecorder:
    """The day files of transfers and the log of blocks, and the chain as far as it was read.

    After a VaultError it cannot go on: ``close`` it and make another, which reads the disk.
    """

    def __init__(self, vault: Vault, rest: MempoolSpace, least_sat: int) -> None:
        self._rest, self._least = rest, least_sat
        self.written = self.blocks = 0  # lines, and blocks, since the start
        self.tip: int | None = None  # the newest height there is
        self._chain: dict[int, WrittenBlock] = {}  # the chain that counts, by height
        self._known: dict[str, WrittenBlock] = {}  # every block that was read, by hash
        self._log = AppendLog(vault.btc_blocks(ON_CHAIN))
        self._days = DayLog(vault.btc_transfers(ON_CHAIN))
        self._take_up()
        self._began = _last_indices(vault)  # of blocks that may not be finished too
        if torn := self._log.torn_bytes + self._days.torn_bytes:
            _log.warning("a torn tail of %d bytes was cut off and kept in .torn", torn)

    def _take_up(self) -> None:
        lines = (
            list(islice(lines_backward(self._log.path), _REMEMBERED)) if self._log.length else []
        )
        for line in reversed(lines):
            try:
                self._count(read_block(line))
            except (ValueError, KeyError, TypeError):
                _log.warning("%s: a line is none of a block: %.80r", self._log.path, line)

    @property
    def newest(self) -> WrittenBlock | None:
        """Return the newest block of the chain that counts; None before the first."""
        return self._chain[max(self._chain)] if self._chain else None

    def step(self) -> bool:
        """Read and write the next block; return False if there is none yet. Blocks.

        Raises FeedError, after which it may be tried again, and VaultError.
        """
        self.tip, newest = self._rest.tip(), self.newest
        if newest is not None and self.tip <= newest.block.height:
            return False
        height = self.tip if newest is None else newest.block.height + 1
        self._write(self._attached(self._rest.block_at(height)))
        return True

    def _attached(self, block: ChainBlock) -> ChainBlock:
        """Return the block, or that ancestor of it whose parent is on disk."""
        first = block
        lowest = min(self._chain, default=block.height)
        while first.height > lowest and first.previous != self._hash_at(first.height - 1):
            depth = block.height - first.height
            if depth >= DEEPEST or (first.height == lowest + 1 and depth >= _FIRST_UNSURE):
                raise FeedError(
                    f"block {block.height} {block.hash} is of another chain than the blocks on "
                    f"disk; expected one that leaves it at most {DEEPEST} blocks before. Set "
                    "btc_transfers.url to a node of Bitcoin's main chain"
                )
            parent = self._rest.block(first.previous)
            if parent.height != first.height - 1:
                raise FeedError(
                    f"block {parent.hash} is of height {parent.height}, not that of a parent"
                )
            first = parent
        before = self._chain.get(first.height - 1)
        if before is not None and not 0 <= first.median - before.block.median <= times.DAY_MS:
            raise FeedError(
                f"block {first.height}: mediantime {times.iso(first.median)} is not within a day "
                f"behind its parent's, {times.iso(before.block.median)}; it is asked again"
            )
        return first

    def _hash_at(self, height: int) -> str:
        found = self._chain.get(height)
        return "" if found is None else found.block.hash

    def _write(self, block: ChainBlock) -> None:
        newest, known = self.newest, self._known.get(block.hash)
        replaced = newest is not None and newest.block.height >= block.height
        generation = (newest.generation if newest else 0) + replaced
        if known is None:
            found = [one for one in self._rest.transfers(block) if one.sent >= self._least]
            fresh = [one for one in found if one.place > self._began.get(block.hash, -1)]
            if fresh:
                self._days.append(block.ts, b"".join(transfer_line(one, block) for one in fresh))
                self._days.sync()
            self.written += len(fresh)
            made = WrittenBlock(block, len(found), self._least, generation)
        else:  # its lines are on disk: the chain has come back to it
            made = known._replace(generation=generation)
        self._log.append(made.line(times.utc_now_ms()))
        self._log.sync()
        self._count(made)
        self.blocks += 1
        if replaced:
            _log.warning(
                "Reorganisation: block %d is now %s, the blocks read from there on are replaced",
                block.height,
                block.hash,
            )
        _log.info(
            "Block %d of %s: %d large transfers in %d transactions",
            block.height,
            times.iso(block.ts),
            made.transfers,
            block.transactions,
        )

    def _count(self, made: WrittenBlock) -> None:
        """Take in a block: those of its height and above it count no longer."""
        height = made.block.height
        for replaced in [other for other in self._chain if other >= height]:
            del self._chain[replaced]
        self._chain[height] = self._known[made.block.hash] = made

    def facts(self) -> dict[str, Any]:
        """Return the state as it stands in the heartbeat."""
        newest = self.newest
        return {
            "last_block": None if newest is None else newest.block.height,
            "last_block_utc": None if newest is None else times.iso(newest.block.ts),
            "generation": 0 if newest is None else newest.generation,
            "behind": 0 if newest is None else max(0, (self.tip or 0) - newest.block.height),
            "blocks": self.blocks,
            "written": self.written,
        }

    def close(self) -> None:
        """Sync and close the files. Raises VaultError."""
        try:
            self._days.close()
        finally:
            self._log.close()


def _last_indices(vault: Vault) -> dict[str, int]:
    """Return the last index on disk of each block of the newest two day files."""
    found: dict[str, int] = {}
    for _, path in islice(day_files(vault.btc_transfers(ON_CHAIN), newest_first=True), 2):
        for line in lines_backward(path):
            try:
                row = orjson.loads(line)
                found.setdefault(hash_of(row["block"], "block"), int(row["index"]))
            except (ValueError, KeyError, TypeError):
                continue
    return found
