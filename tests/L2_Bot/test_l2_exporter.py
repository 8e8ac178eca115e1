"""The book exporter as a person starts it: real processes, sockets and files."""

import asyncio
import itertools
import signal
import weakref

import orjson
import pytest

from L2_Bot.book_recorder import BookRecorder
from L2_Bot.l2_exporter import L2Exporter
from L2_Bot.snapshot_writer import SnapshotWriter
from ravequant import times
from ravequant.exchanges import load
from ravequant.exchanges.base import DeepBook
from ravequant.exchanges.recorder_options import RecorderOptions
from ravequant.settings import L2
from ravequant.vault.paths import Vault
from tests.support import recordings
from tests.support.book_lines import lines as book_lines
from tests.support.book_lines import snapshot
from tests.support.l2_box import (  # fmt: skip
    BTC,
    deep_rows,
    exchange,
    lines,
    logged,
    moment,
    record,
    started,
    steady,
    tape,
    wait_for,
)
from tests.support.plain_book import Message, frames
from tests.support.still_time import StillTime

ETH = "ETH-USDT-SWAP"
EVENINGS = (recordings.at_hand(chosen) for chosen in (recordings.EVENING, recordings.EVENING_ETH))
PAIRS = list(zip(*EVENINGS, strict=True))
MOMENT = 1_700_000_000_000


def pure(messages: list[Message], cadence: int = 2000) -> list[bytes]:
    """Return what the pure recorder makes of unbroken messages (it has its own tests)."""
    kept = SnapshotWriter(load("okx"), BTC, cadence_ms=cadence, depth=400)
    taken = (kept.receive(*one) for one in messages)
    return [one.snapshot.line for one in taken if one.snapshot]


# -- what it records


@recordings.each(*recordings.MIDNIGHT)
def test_recorded_hours_come_out_level_by_level_over_midnight(recording, tmp_path, vault):
    """Recorded frames through real sockets: every line as it must be, each in its UTC hour."""
    path = recording.book_file
    with exchange(tmp_path, "--books", path, "--speed", "max") as where:
        code, log = record(vault, where, "--instId", BTC, "--deep-every", 1)
    assert code == 0, log
    assert lines(vault) == pure(list(frames(path)))
    hours = [path.relative_to(vault.snapshots(BTC)).as_posix()
             for path in sorted(vault.snapshots(BTC).glob("*/*.jsonl"))]  # fmt: skip
    assert hours == [f"{recording.days[0]}/23.jsonl", f"{recording.days[1]}/00.jsonl"]
    assert vault.metadata(BTC).exists()
    beat = orjson.loads(vault.health("l2_exporter").read_bytes())
    assert (beat["stopped"], beat["instruments"][BTC]["gaps"]) == (True, 0)


@recordings.each(*recordings.MIDNIGHT)
def test_same_frames_give_the_same_file_at_any_speed(recording, tmp_path):
    """Cadence counts in exchange time: once in real time, once as fast as it goes."""
    every = itertools.islice(frames(recording.book_file), 45)
    path, made = tape(tmp_path / "piece.jsonl", list(every)), {}
    for speed in ("1", "max"):
        vault = Vault(tmp_path / speed)
        with exchange(tmp_path / f"box-{speed}", "--books", path, "--speed", speed) as where:
            code, log = record(vault, where, "--instId", BTC, "--cadence", "500ms")
        assert code == 0, log
        made[speed] = lines(vault)
    assert made["1"] == made["max"]
    assert len(made["1"]) > 5


def test_deep_snapshots_follow_a_line_that_is_on_disk(tmp_path, vault):
    """from_utc is the newest snapshot line when it was written; keys and levels as SPEC 9."""
    path = tape(tmp_path / "tape.jsonl", steady(150))
    with exchange(tmp_path, "--books", path, "--speed", "4") as where:
        code, log = record(vault, where, "--instId", BTC, "--deep-every", 1)
    assert code == 0, log
    moments = [moment(line) for line in lines(vault)]
    found = deep_rows(vault)
    assert len(found) > 2
    for row in found:
        assert list(row) == ["timestamp_utc", "exchange", "market", "channel", "instId",
                             "from_utc", "bids", "asks"]  # fmt: skip
        assert (row["channel"], row["bids"]) == ("books-full", [["100", "5", "1"]])
        assert times.parse_iso(row["from_utc"]) in moments
    stamps = [row["timestamp_utc"] for row in found]
    assert stamps == sorted(set(stamps))


class Watched(DeepBook):
    """A deep snapshot that can be asked whether somebody still holds it."""

    __slots__ = ("__weakref__",)


def test_a_deep_snapshot_is_not_kept_until_the_next_one(vault, monkeypatch):
    """It is megabytes for each instrument: once written nobody holds it through the wait."""
    held: list[weakref.ref[Watched]] = []

    def fetch(_: str) -> Watched:
        found = Watched(MOMENT, [["100", "1", "1"]], [["101", "1", "1"]])
        held.append(weakref.ref(found))
        return found

    async def deepened() -> None:
        options = RecorderOptions((BTC,), "ws://127.0.0.1:1", "http://127.0.0.1:1")
        exporter = L2Exporter(vault, options, L2())
        recorder = BookRecorder(
            exporter.exchange, vault, BTC, L2(deep_every_s=3600), StillTime(MOMENT)
        )
        recorder.started.set()
        monkeypatch.setattr(exporter._deep_rest, "deep_book", fetch)
        exporter.keeper.time = StillTime(MOMENT)
        async with asyncio.timeout(30):
            task = asyncio.create_task(exporter._deepen(recorder))
            while not recorder.counts.deep or held[0]() is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            task.cancel()
        recorder.close()

    asyncio.run(deepened())


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: str(pair[0]))
def test_two_instruments_share_a_connection(pair, tmp_path, vault):
    """Each has its own files and its own book."""
    books = [recording.book_file for recording in pair]
    with exchange(tmp_path, "--books", books[0], "--books", books[1], "--until", "60s",
                  "--speed", "max") as where:  # fmt: skip
        code, log = record(vault, where, "--instId", BTC, "--instId", ETH, "--deep-every", 0)
    assert code == 0, log
    assert len(lines(vault, BTC)) > 25
    assert len(lines(vault, ETH)) > 25
    assert not vault.deep_snapshots(BTC).exists()
    assert len(logged(tmp_path, "connect")) == 1


# -- start, stop, start again


def test_stopped_and_started_again_in_the_same_hour(tmp_path, vault):
    """SIGTERM flushes and exits 0; the next start cuts a torn tail and goes on, no time twice."""
    path = tape(tmp_path / "tape.jsonl", steady(110))
    with exchange(tmp_path, "--books", path, "--speed", "2") as where:
        arguments = ("--instId", BTC, "--deep-every", "0", "--cadence", "500ms")
        first = started(vault, where, *arguments)
        wait_for(lambda: len(lines(vault)) > 4)
        first.send_signal(signal.SIGTERM)
        assert first.wait(5) == 0
        before = lines(vault)
        file = next(vault.snapshots(BTC).glob("*/21.jsonl"))
        file.write_bytes(file.read_bytes() + b'{"timestamp_utc":"20')
        code, log = record(vault, where, *arguments)
    assert code == 0, log
    assert "a torn tail of 20 bytes was cut off" in log
    after = lines(vault)
    assert after[: len(before)] == before
    moments = [moment(line) for line in after]
    assert moments == sorted(set(moments))
    assert len({ts // 500 for ts in moments}) == len(moments)
    assert file.with_name("21.jsonl.torn").read_bytes() == b'{"timestamp_utc":"20'
    hours = sorted(path.name for path in file.parent.glob("*.jsonl"))
    assert hours == ["21.jsonl", "22.jsonl"]


def test_second_writer_is_refused_by_name(tmp_path, vault):
    """Exit code 4, who writes already, and what to do."""
    path = tape(tmp_path / "tape.jsonl", steady(300))
    with exchange(tmp_path, "--books", path) as where:
        first = started(vault, where, "--instId", BTC)
        wait_for(lambda: bool(lines(vault)))
        code, log = record(vault, where, "--instId", BTC)
        first.terminate()
        assert first.wait(10) == 0
    assert code == 4
    assert (
        f"l2_perps of BTC-USDT-SWAP has its one writer already: l2_exporter.py, pid {first.pid}"
        in log
    )


def test_a_book_that_lies_in_the_future_is_left_out_with_the_remedy(tmp_path, vault):
    """Nothing can follow on such a line; as the only instrument it is exit code 1."""
    future = vault.snapshots(BTC) / "2098-01-01" / "10.jsonl"
    future.parent.mkdir(parents=True)
    line = snapshot(
        times.parse_iso("2098-01-01T10:00:00.000Z"),
        [["100", "1", "0", "1"]],
        [["101", "1", "0", "1"]],
    )
    future.write_bytes(book_lines([line]))
    path = tape(tmp_path / "tape.jsonl", steady(30))
    with exchange(tmp_path, "--books", path) as where:
        code, log = record(vault, where, "--instId", BTC)
    assert code == 1
    assert "the newest line of its book on disk is of 2098-01-01T10:00:00.000Z, past" in log
    assert f"python scripts/repair_gaps.py --set-aside {BTC}" in log
    assert [path.name for path in vault.snapshots(BTC).iterdir()] == ["2098-01-01"]


def test_unknown_instrument_is_an_error(tmp_path, vault):
    """The exchange knows none of them: exit code 1 and what is wrong, no file left behind."""
    path = tape(tmp_path / "tape.jsonl", steady(3))
    with exchange(tmp_path, "--books", path) as where:
        code, log = record(vault, where, "--instId", "NO-SUCH-SWAP")
    assert code == 1
    assert "the exchange knows none of NO-SUCH-SWAP" in log
    assert list(vault.snapshots("NO-SUCH-SWAP").glob("*")) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--depth", "401"], "a depth of 401 levels: expected 1 to 400"),
        (["--depth", "0"], "a depth of 0 levels: expected 1 to 400"),
        (["--deep-every", "-1"], "--deep-every -1: expected seconds, or 0 for none"),
        (["--cadence", "2"], "'2' is not a duration like 30s"),
        (["--instId", "../x"], "is not a legal name"),
        (["--ws-url", "ws://example.com"], "expected wss://"),
    ],
)
def test_wrong_arguments_are_named(vault, arguments, message):
    """Exit code 2 and the value that was wanted, before anything is written."""
    process = started(vault, [], *arguments)
    _, log = process.communicate(timeout=30)
    assert process.returncode == 2
    assert message in log
    assert not vault.root.exists() or not list(vault.root.rglob("*.jsonl"))


def test_a_depth_that_the_bucketizer_does_not_know_of_is_said(tmp_path, vault, monkeypatch):
    """A side with fewer levels than the setting counts as complete there: bands would lie."""
    path = tape(tmp_path / "tape.jsonl", steady(3))
    said = "the bucketizer takes a side of fewer than 400 levels for a complete one"
    with exchange(tmp_path, "--books", path) as where:
        assert said in record(vault, where, "--instId", BTC, "--depth", "20")[1]
        own = tmp_path / "own.toml"
        own.write_text("[l2]\ndepth_levels = 20\n", encoding="utf-8")
        monkeypatch.setenv("RAVEQUANT_SETTINGS", str(own))
        assert "the bucketizer takes" not in record(vault, where, "--instId", BTC)[1]
