"""One instrument's way to disk: restarts, deep snapshots, and a disk that refuses."""

import asyncio
import errno
import logging
import os
from typing import Any

import orjson
import pytest

from L2_Bot.book_recorder import BookRecorder
from ravequant import times
from ravequant.errors import VaultError
from ravequant.exchanges import load
from ravequant.exchanges.base import Channel, ChannelData, DeepBook
from ravequant.exchanges.exchange_time import ExchangeTime
from ravequant.exchanges.okx.messages import BOOKS
from ravequant.records import RecordError
from ravequant.settings import L2
from ravequant.vault import atomic
from ravequant.vault.append_log import HourLog
from ravequant.vault.paths import Vault
from tests.support.still_time import StillTime

BTC = "BTC-USDT-SWAP"
CHANNEL = Channel(BOOKS, BTC)
TS = 1_700_000_000_000


def whole(ts: int, seq: int) -> ChannelData:
    bids, asks = [["100", "1", "0", "1"]], [["101", str(seq), "0", "1"]]
    row = {"asks": asks, "bids": bids, "ts": str(ts), "seqId": seq, "prevSeqId": -1}
    return ChannelData(CHANNEL, "snapshot", (row,))


def update(ts: int, seq: int, prev: int, **more: Any) -> ChannelData:
    row = {"asks": [], "bids": [], "ts": str(ts), "seqId": seq, "prevSeqId": prev} | more
    return ChannelData(CHANNEL, "update", (row,))


def recorder(vault: Vault, time: ExchangeTime | None = None) -> BookRecorder:
    return BookRecorder(load("okx"), vault, BTC, L2(), time or StillTime(TS + times.HOUR_MS))


def take(subject: BookRecorder, payload: ChannelData, now: float = 0.0) -> bool:
    ask = subject.receive(payload, 1, now)
    subject.write(now)
    return ask


def on_disk(vault: Vault) -> list[tuple[int, bool]]:
    """Return (ms after TS, gap) of the snapshot lines on disk."""
    found = []
    for path in sorted(vault.snapshots(BTC).glob("*/*.jsonl")):
        for line in path.read_bytes().splitlines():
            row = orjson.loads(line)
            found.append((times.parse_iso(row["timestamp_utc"]) - TS, row["gap_detected"]))
    return found


def deep_rows(vault: Vault) -> list[dict[str, Any]]:
    paths = sorted(vault.deep_snapshots(BTC).glob("*/*.jsonl"))
    return [orjson.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def deep_book(ts: int) -> DeepBook:
    return DeepBook(ts, [["100", "1", "1"]], [["101", "1", "1"]])


class Disk:
    """A switch: while it is full, writes of the hour files stop half-way with ENOSPC."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.broken = False
        self._write, self._fsync = atomic.write_all, os.fsync
        monkeypatch.setattr("ravequant.vault.append_log.write_all", self.write)
        monkeypatch.setattr(os, "fsync", self.fsync)

    def write(self, handle: int, data: bytes) -> None:
        if self.full:
            self._write(handle, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        self._write(handle, data)

    def fsync(self, handle: int) -> None:
        if self.broken:
            raise OSError(errno.EIO, "Input/output error")
        self._fsync(handle)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_breaks_and_refusals_ask_for_a_whole_book(vault, caplog):
    """Each is said in words that can be searched for; an ordinary message asks for nothing."""
    subject = recorder(vault)
    assert not take(subject, whole(TS, 5))
    assert not take(subject, update(TS + 100, 6, 5))
    assert take(subject, update(TS + 200, 9, 8))
    assert not take(subject, update(TS + 300, 10, 9))
    assert take(subject, ChannelData(CHANNEL, "snapshot", ({"bids": [], "ts": "1"},)))
    assert not take(subject, whole(TS + 2000, 20))
    assert take(subject, update(TS + 2100, 3, 20))  # a reset: when idle, which is now
    assert on_disk(vault) == [(0, False), (200, True), (2000, False)]
    said = "\n".join(caplog.messages)
    assert "GAP DETECTED BTC-USDT-SWAP: prevSeqId 8 after seqId 6; last book written as of " in said
    assert "BUILD_FAIL: Missing required fields: asks" in said


def test_checksum_mismatch_is_logged_and_counted(vault, caplog):
    """The first ten and then every thousandth: it stops nothing, the log included."""
    subject = recorder(vault)
    take(subject, whole(TS, 1))
    for seq in range(2, 40):
        assert not take(
            subject, update(TS + seq, seq, seq - 1, checksum=77, bids=[["9", "1", "0", "1"]])
        )
    mismatches = [text for text in caplog.messages if text.startswith("Checksum mismatch")]
    assert len(mismatches) == 10
    assert subject.facts()["checksum_mismatches"] == 38


def test_lost_connection_is_a_gap_only_for_the_book_that_followed_it(vault):
    """A connection that another one has followed may go."""
    subject = recorder(vault)
    take(subject, whole(TS, 5))
    subject.receive(whole(TS + 100, 6), 2, 0.0)
    subject.lose(1, "closed")
    subject.write(0.0)
    assert on_disk(vault) == [(0, False)]
    subject.lose(2, "closed")
    subject.write(0.0)
    assert on_disk(vault) == [(0, False), (101, True)]


def test_restart_goes_on_from_the_newest_regular_line(vault):
    """A gap line is newer but used up no boundary; a damaged line is passed over."""
    subject = recorder(vault)
    take(subject, whole(TS, 5))
    take(subject, update(TS + 2500, 9, 8))
    subject.close()
    path = next(vault.snapshots(BTC).glob("*/*.jsonl"))
    path.write_bytes(path.read_bytes() + b"{damaged}\n")
    again = recorder(vault)
    assert again.on_disk_ts == TS + 2500
    take(again, whole(TS + 2500, 20))
    take(again, update(TS + 2600, 21, 20))
    again.close()
    path.write_bytes(path.read_bytes().replace(b"{damaged}\n", b""))
    assert on_disk(vault) == [(0, False), (2500, True), (2600, False)]


def test_older_market_in_a_newer_vault_is_said(vault, caplog):
    """A replay into the wrong vault breaks the book, and nothing follows on the newer line."""
    subject = recorder(vault)
    take(subject, whole(TS, 5))
    take(subject, whole(TS - 61_000, 6))
    take(subject, update(TS - 50_000, 7, 6))
    assert on_disk(vault) == [(0, False), (1, True)]
    assert (
        "BTC-USDT-SWAP: its time 2023-11-14T22:12:19.000Z lies before the newest line of "
        "2023-11-14T22:13:20.000Z; last book written"
    ) in caplog.text


@pytest.mark.parametrize("asked", [True, False])
def test_a_message_past_the_exchange_s_time_is_a_break(vault, caplog, asked):
    """Its time enters no file and no boundary; a whole book of now goes on where time stands."""
    time = StillTime(TS + 10_000)
    time.asked_at = float("inf") if asked else float("-inf")
    subject = recorder(vault, time)
    take(subject, whole(TS, 5))
    take(subject, update(TS + 900, 6, 5))
    assert take(subject, update(TS + 400 * times.DAY_MS, 7, 6))
    assert on_disk(vault) == [(0, False), (901, True)]
    assert subject.facts()["ahead"] == 1
    said = "lies past the exchange's" if asked else "is true is not known: no answer to that"
    assert said in caplog.text
    take(subject, whole(TS + 1_500, 9))
    take(subject, update(TS + 2_000, 10, 9))
    assert on_disk(vault) == [(0, False), (901, True), (2_000, False)]


def test_a_message_long_before_the_newest_line_is_a_break(vault):
    """A minute earlier is a slip; more is another time."""
    subject = recorder(vault)
    take(subject, whole(TS, 5))
    take(subject, update(TS - 60_000, 6, 5))
    take(subject, update(TS - 60_001, 7, 6))
    assert on_disk(vault) == [(0, False), (1, True)]


@pytest.mark.parametrize("ts", [TS + 400 * times.DAY_MS, TS - 60_001])
def test_a_deep_book_of_another_time_is_rejected(vault, ts):
    """It would open an hour file of that time."""
    time = StillTime(TS)
    time.asked_at = float("inf")

    async def scene() -> None:
        subject = recorder(vault, time)
        take(subject, whole(TS, 5))
        with pytest.raises(RecordError, match="deep book rejected: its time "):
            await subject.deepen(deep_book(ts), 0.0)
        await subject.deepen(deep_book(TS + 100), 0.0)

    asyncio.run(scene())
    assert [row["timestamp_utc"] for row in deep_rows(vault)] == [times.iso(TS + 100)]


def test_deep_snapshot_names_the_newest_line_on_disk(vault):
    """Synced before it is named; never without a line to follow, never the same book twice."""

    async def scene() -> None:
        subject = recorder(vault)
        await subject.deepen(deep_book(TS), 0.0)
        assert not subject.started.is_set()
        take(subject, whole(TS, 5))
        await subject.deepen(deep_book(TS + 900), 0.0)
        await subject.deepen(deep_book(TS + 900), 0.0)
        take(subject, update(TS + 2000, 6, 5))
        await subject.deepen(deep_book(TS + 2100), 0.0)
        facts = subject.facts()
        assert (facts["deep"], facts["deep_stale"]) == (2, 1)
        subject.close()

    asyncio.run(scene())
    rows = [(row["timestamp_utc"], row["from_utc"]) for row in deep_rows(vault)]
    assert rows == [
        (times.iso(TS + 900), times.iso(TS)),
        (times.iso(TS + 2100), times.iso(TS + 2000)),
    ]
    again = recorder(vault)
    asyncio.run(again.deepen(deep_book(TS + 2100), 0.0))
    assert again.facts()["deep_stale"] == 1


def test_no_snapshot_line_passes_a_deep_one_on_its_way(vault, monkeypatch):
    """While a deep line is being written and flushed, snapshots wait."""
    append = HourLog.append

    async def scene() -> None:
        subject = recorder(vault)
        take(subject, whole(TS, 5))

        def slow(self: HourLog, ts: int, data: bytes) -> None:
            if b"books-full" in data:
                assert not subject._unsynced  # the line that it names is on disk for good
                subject.receive(update(TS + 2000, 6, 5), 1, 0.0)
                subject.write(0.0)
                assert on_disk(vault) == [(0, False)]
            append(self, ts, data)

        monkeypatch.setattr(HourLog, "append", slow)
        await subject.deepen(deep_book(TS + 900), 0.0)
        subject.write(0.0)
        subject.close()

    asyncio.run(scene())
    assert on_disk(vault) == [(0, False), (2000, False)]
    assert deep_rows(vault)[0]["from_utc"] == times.iso(TS)


def test_full_disk_leaves_no_half_line_and_is_tried_again(vault, disk, caplog):
    """What waited meanwhile is written when there is room, as far as it was kept."""
    caplog.set_level(logging.WARNING)
    subject = recorder(vault)
    take(subject, whole(TS, 1))
    disk.full = True
    take(subject, update(TS + 2000, 2, 1), now=10)
    assert subject.refused
    assert on_disk(vault) == [(0, False)]
    take(subject, update(TS + 4000, 3, 2), now=11)
    disk.full = False
    take(subject, update(TS + 6000, 4, 3), now=12)
    assert on_disk(vault) == [(0, False)]
    take(subject, update(TS + 8000, 5, 4), now=15.1)
    assert on_disk(vault) == [(ms, False) for ms in (0, 2000, 4000, 6000, 8000)]
    assert not subject.refused
    said = "\n".join(caplog.messages)
    assert "NOT RECORDING, the disk refuses" in said
    assert "recording again, 0 lines lost so far" in said


def test_long_refusal_loses_the_oldest_and_counts_them(vault, disk):
    """Memory stays bounded: sixteen lines are kept."""
    subject = recorder(vault)
    take(subject, whole(TS, 1))
    disk.full = True
    for seq in range(2, 32):
        take(subject, update(TS + 2000 * seq, seq, seq - 1), now=0.0)
    disk.full = False
    take(subject, update(TS + 2000 * 32, 32, 31), now=100.0)
    assert [ms for ms, _ in on_disk(vault)] == [0, *(2000 * seq for seq in range(16, 33))]
    assert subject.facts()["lost_to_disk"] == 14


def test_failed_fsync_means_not_written(vault, disk):
    """Lines since the last good sync count as lost, and are written again from memory."""

    async def scene() -> None:
        subject = recorder(vault)
        take(subject, whole(TS, 1))
        await subject.sync(0.0)
        take(subject, update(TS + 2000, 2, 1))
        disk.broken = True
        await subject.sync(0.0)
        assert subject.refused
        assert on_disk(vault) == [(0, False)]
        disk.broken = False
        take(subject, update(TS + 4000, 3, 2), now=6.0)
        assert on_disk(vault) == [(0, False), (2000, False), (4000, False)]
        assert subject.counts.written == 3
        subject.close()

    asyncio.run(scene())


def test_close_says_that_the_disk_refuses(vault, disk):
    """The last lines are not on disk: that is an error, not a quiet end."""
    subject = recorder(vault)
    take(subject, whole(TS, 1))
    disk.full = True
    subject.receive(update(TS + 2000, 2, 1), 1, 0.0)
    with pytest.raises(VaultError, match="free space on its disk"):
        subject.close()
    assert on_disk(vault) == [(0, False)]
