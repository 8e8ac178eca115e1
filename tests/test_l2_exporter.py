"""The book exporter as a person starts it: real processes, sockets and files, faults included."""

import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from L2_Bot.snapshots import SnapshotRecorder
from ravequant import times
from ravequant.vault.hours import hour_name
from ravequant.vault.paths import CHECKOUT, Vault
from tests.plain_book import Message, PlainBook, Sides, frames, lines_of

BTC = "BTC-USDT-SWAP"
ETH = "ETH-USDT-SWAP"
MIDNIGHT = "BTC-USDT-SWAP.2023-04-04_05.books.frames.jsonl.gz"
START = times.parse_iso("2025-12-14T21:59:50.000Z")
EXCHANGE = CHECKOUT / "scripts" / "okx_exchange.py"
EXPORTER = CHECKOUT / "L2_Bot" / "l2_exporter.py"


@contextmanager
def exchange(
    folder: Path, *arguments: Any, faults: Sequence[dict[str, Any]] = ()
) -> Iterator[list[str]]:
    """Run the exchange in a box; yield the exporter's arguments for it."""
    folder.mkdir(parents=True, exist_ok=True)
    ready, script = folder / "ready.json", folder / "faults.json"
    script.write_text(json.dumps({"seed": 1, "faults": list(faults)}), encoding="utf-8")
    words = [*arguments, "--faults", script, "--ready-file", ready, "--wait-for-books", 1]
    words += ["--frame-log", folder / "frames.log", "--log-level", "warning"]
    process = subprocess.Popen([sys.executable, str(EXCHANGE), *map(str, words)])
    try:
        while not ready.exists() or not ready.read_bytes():
            assert process.poll() is None, "the exchange ended before it was ready"
            time.sleep(0.02)
        where = json.loads(ready.read_bytes())
        yield ["--ws-url", where["ws_url"], "--rest-url", where["rest_url"]]
    finally:
        process.terminate()
        process.wait(10)


def started(vault: Vault, where: list[str], *arguments: Any) -> subprocess.Popen[str]:
    words = ["--vault", str(vault.root), *where, *map(str, arguments)]
    return subprocess.Popen(
        [sys.executable, str(EXPORTER), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip


def record(vault: Vault, where: list[str], *arguments: Any) -> tuple[int, str]:
    """Run the exporter until nothing more comes; its exit code and its log."""
    process = started(vault, where, "--stop-when-idle", 1, *arguments)
    _, log = process.communicate(timeout=60)
    return process.returncode, log


def lines(vault: Vault, inst_id: str = BTC) -> list[bytes]:
    """Return every snapshot line, in order, and check that each stands in the hour of its time."""
    found = []
    for path in sorted(vault.snapshots(inst_id).glob("*/*.jsonl")):
        hour = f"{path.parent.name}/{path.stem}"
        for line in path.read_bytes().splitlines(keepends=True):
            assert hour_name(moment(line)) == hour
            found.append(line)
    return found


def moment(line: bytes) -> int:
    return times.parse_iso(orjson.loads(line)["timestamp_utc"])


def tape(path: Path, messages: list[Message], inst_id: str = BTC) -> Path:
    """Write book frames as a recording."""
    arg = {"channel": "books", "instId": inst_id}
    made = ({"frame": {"arg": arg, "action": action, "data": [row]}} for action, row in messages)
    path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in made))
    return path


def steady(updates: int, step_ms: int = 100, first_seq: int = 10) -> list[Message]:
    """Return a snapshot and updates of it, ten a second, over the turn of an hour."""
    made: list[Message] = []
    for number in range(updates + 1):
        asks = [["101", str(number + 1), "0", "1"]]
        row = {
            "asks": asks, "bids": [] if number else [["100", "5", "0", "1"]],
            "ts": str(START + number * step_ms), "checksum": 0, "seqId": first_seq + number,
            "prevSeqId": first_seq + number - 1 if number else -1,
        }  # fmt: skip
        made.append(("update" if number else "snapshot", row))
    return made


def logged(folder: Path, kind: str = "frame") -> list[dict[str, Any]]:
    """Return what the exchange noted, of one kind; all kinds for an empty one."""
    noted = [orjson.loads(line) for line in (folder / "frames.log").read_bytes().splitlines()]
    return [one for one in noted if not kind or one["kind"] == kind]


def pure(messages: list[Message], cadence: int = 2000) -> list[bytes]:
    """Return what the pure recorder makes of unbroken messages (it has its own tests)."""
    kept = SnapshotRecorder(BTC, cadence_ms=cadence, depth=400)
    taken = (kept.receive(*one) for one in messages)
    return [one.snapshot.line for one in taken if one.snapshot]


# -- what it records


def test_recorded_hours_come_out_level_by_level_over_midnight(shared_data, tmp_path, vault):
    """Recorded frames through real sockets: every line as it must be, each in its UTC hour."""
    path = shared_data / "books" / MIDNIGHT
    with exchange(tmp_path, "--books", path, "--speed", "max") as where:
        code, log = record(vault, where, "--instId", BTC, "--deep-every", 1)
    assert code == 0, log
    assert lines(vault) == pure(list(frames(path)))
    hours = [path.relative_to(vault.snapshots(BTC)).as_posix()
             for path in sorted(vault.snapshots(BTC).glob("*/*.jsonl"))]  # fmt: skip
    assert hours == ["2023-04-04/23.jsonl", "2023-04-05/00.jsonl"]
    assert vault.metadata(BTC).exists()
    beat = orjson.loads(vault.health("l2_exporter").read_bytes())
    assert (beat["stopped"], beat["instruments"][BTC]["gaps"]) == (True, 0)


def test_same_frames_give_the_same_file_at_any_speed(shared_data, tmp_path):
    """Cadence counts in exchange time: once in real time, once as fast as it goes."""
    every = itertools.islice(frames(shared_data / "books" / MIDNIGHT), 45)
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
    deep = [orjson.loads(line) for file in sorted(vault.deep_snapshots(BTC).glob("*/*.jsonl"))
            for line in file.read_bytes().splitlines()]  # fmt: skip
    assert len(deep) > 2
    for row in deep:
        assert list(row) == ["timestamp_utc", "exchange", "market", "channel", "instId",
                             "from_utc", "bids", "asks"]  # fmt: skip
        assert (row["channel"], row["bids"]) == ("books-full", [["100", "5", "1"]])
        assert times.parse_iso(row["from_utc"]) in moments
    stamps = [row["timestamp_utc"] for row in deep]
    assert stamps == sorted(set(stamps))


def test_two_instruments_share_a_connection(shared_data, tmp_path, vault):
    """Each has its own files and its own book."""
    books = [
        shared_data / "books" / f"{name}.2024-08-08.books.frames.jsonl.gz" for name in (BTC, ETH)
    ]
    with exchange(tmp_path, "--books", books[0], "--books", books[1], "--until", "60s",
                  "--speed", "max") as where:  # fmt: skip
        code, log = record(vault, where, "--instId", BTC, "--instId", ETH, "--deep-every", 0)
    assert code == 0, log
    assert len(lines(vault, BTC)) > 25
    assert len(lines(vault, ETH)) > 25
    assert not vault.deep_snapshots(BTC).exists()
    assert len(logged(tmp_path, "connect")) == 1


# -- faults


FAULTS: list[dict[str, Any]] = [
    {"kind": "gap", "at": [50], "length": 3},
    {"kind": "drop", "at": [100]},
    {"kind": "duplicate", "at": [150]},
    {"kind": "reorder", "at": [200]},
    {"kind": "corrupt", "how": "missing", "field": "prevSeqId", "at": [250]},
    {"kind": "corrupt", "how": "json", "at": [300]},
    {"kind": "corrupt", "how": "unknown", "at": [330]},  # a field more is no break
    {"kind": "disconnect", "how": "close", "at": [380]},
    {"kind": "disconnect", "how": "drop", "at": [430]},
    {"kind": "corrupt", "how": "missing", "field": "asks", "at": [480]},
    {"kind": "gap", "at": [530], "length": 1},
]
BREAKS = len(FAULTS) - 1
SPEED = 8


def spoiled(row: dict[str, Any], number: int) -> dict[str, Any] | None:
    """Return what became of the corrupted frame ``number``; None if it cannot be read."""
    fault = [one for one in FAULTS if one["kind"] == "corrupt"][number]
    if fault["how"] == "json":
        return None
    return {key: value for key, value in row.items() if key != fault.get("field")}


def received(
    folder: Path, rows: dict[int, dict[str, Any]], truth: dict[int, Sides]
) -> list[Message | None]:
    """Return what the exporter got, by the exchange's own log; None is a lost connection."""
    made: list[Message | None] = []
    spoilt = itertools.count()
    for one in logged(folder, ""):
        if one["kind"] == "disconnect":
            made.append(None)
        if one["kind"] != "frame" or one["fate"] not in ("sent", "duplicated", "late", "corrupted"):
            continue
        row = rows[one["seqId"]]
        if one["prevSeqId"] == -1:
            bids, asks = truth[one["seqId"]]
            whole = {"bids": bids, "asks": asks, "prevSeqId": -1, "ts": str(one["ts"])}
            made.append(("snapshot", row | whole))
        elif one["fate"] != "corrupted":
            made.append(("update", row))
        elif remains := spoiled(row, next(spoilt)):
            made.append(("update", remains))
    assert made.pop() is None  # the exporter left by itself
    return made


@pytest.mark.slow
def test_breaks_stand_exactly_where_the_exchange_made_them(shared_data, tmp_path, vault):
    """Lost, doubled, swapped, damaged frames, lost connections: no torn line, no other gap."""
    path, plain = shared_data / "books" / MIDNIGHT, PlainBook()
    rows: dict[int, dict[str, Any]] = {}
    truth: dict[int, Sides] = {}
    for action, row in frames(path):
        plain.apply(action, row)
        rows[row["seqId"]], truth[row["seqId"]] = row, plain.both()
    faults = [fault | {"channel": "books"} for fault in FAULTS]
    box = ("--books", path, "--speed", SPEED, "--until", "100s")
    with exchange(tmp_path, *box, faults=faults) as where:
        code, log = record(vault, where, "--instId", BTC, "--deep-every", 0)
    assert code == 0, log
    found = [orjson.loads(line) for line in lines(vault)]
    for row in found:
        assert (row["bids_top400"], row["asks_top400"]) == truth[row["seqId"]]
    got = [(times.parse_iso(row["timestamp_utc"]), row["gap_detected"], row["seqId"])
           for row in found]  # fmt: skip
    assert got == lines_of(received(tmp_path, rows, truth), 2000)
    assert sum(gap for _, gap, _ in got) == log.count("GAP DETECTED") == BREAKS
    assert "BUILD_FAIL: Missing required fields: asks" in log
    assert len(logged(tmp_path, "subscribe")) == 1 + BREAKS  # never two for one break
    whole = [one["ts"] for one in logged(tmp_path) if one["prevSeqId"] == -1]
    late = [ts for ts, gap, _ in got
            if gap and not any(ts <= fresh <= ts + 5_000 * SPEED for fresh in whole)]  # fmt: skip
    assert late == [], f"no whole book within 5 s after {late}, but at {whole}"


def test_odd_messages_are_taken_as_they_are_meant(tmp_path, vault):
    """A reset and unknown deletes are no gap; a crossed book is, and a whole book is asked for."""
    made = steady(120, first_seq=2000)
    made[30][1]["bids"] = [["42", "0", "0", "0"]]  # nobody has it
    for number, (_, row) in enumerate(made):  # the exchange begins its sequence anew
        row["seqId"] -= 900 * (number >= 50)
        row["prevSeqId"] -= 900 * (number > 50)
    made[80][1]["bids"] = [["101.5", "9", "0", "1"]]
    made[81][1]["bids"] = [["101.5", "0", "0", "0"]]
    path = tape(tmp_path / "tape.jsonl", made)
    with exchange(tmp_path, "--books", path, "--speed", "5") as where:
        code, log = record(vault, where, "--instId", BTC, "--deep-every", 0, "--cadence", "500ms")
    assert code == 0, log
    rows = [orjson.loads(line) for line in lines(vault)]
    gaps = [row for row in rows if row["gap_detected"]]
    assert [times.parse_iso(row["timestamp_utc"]) for row in gaps] == [START + 8_000]
    assert gaps[0]["seqId"] == 2000 + 79 - 900
    assert gaps[0]["asks_top400"] == [["101", "80", "0", "1"]]
    assert all(row["best_bid"] == "100" for row in rows)
    assert rows[-1]["seqId"] >= 2000 + 119 - 900
    assert "began its sequence anew" in log
    assert "GAP DETECTED BTC-USDT-SWAP: crossed book: best bid 101.5, best ask 101" in log
    beat = orjson.loads(vault.health("l2_exporter").read_bytes())["instruments"][BTC]
    assert (beat["gaps"], beat["resets"], beat["unknown_deletes"]) == (1, 1, 1)


def test_notice_is_a_hand_over_without_a_gap(tmp_path, vault):
    """64008: the second connection's book takes over before the first is closed."""
    path = tape(tmp_path / "tape.jsonl", steady(120))
    notice = {"kind": "notice", "after": "3s", "delay": "3s"}
    with exchange(tmp_path, "--books", path, "--speed", "2", faults=[notice]) as where:
        code, log = record(vault, where, "--instId", BTC, "--deep-every", 0, "--cadence", "500ms")
    assert code == 0, log
    assert len(logged(tmp_path, "connect")) == 2
    rows = [orjson.loads(line) for line in lines(vault)]
    assert not any(row["gap_detected"] for row in rows)
    moments = [times.parse_iso(row["timestamp_utc"]) for row in rows]
    assert moments == list(range(START, START + 12_001, 500))


# -- start, stop, start again


def test_stopped_and_started_again_in_the_same_hour(tmp_path, vault):
    """SIGTERM flushes and exits 0; the next start cuts a torn tail and goes on, no time twice."""
    path = tape(tmp_path / "tape.jsonl", steady(160))
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


def test_killed_at_any_moment_leaves_whole_lines(tmp_path, vault):
    """SIGKILL, again and again: what is there can be read, and time goes on increasing."""
    path = tape(tmp_path / "tape.jsonl", steady(400, step_ms=50))
    with exchange(tmp_path, "--books", path, "--speed", "2") as where:
        arguments = ("--instId", BTC, "--deep-every", "1", "--cadence", "50ms")
        for pause in (0.9, 1.1, 1.3):
            process = started(vault, where, *arguments)
            time.sleep(pause)
            process.kill()
            process.wait()
        code, log = record(vault, where, *arguments)
    assert code == 0, log
    moments = [moment(line) for line in lines(vault)]
    assert moments == sorted(set(moments))
    assert moments[-1] == START + 20_000


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


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
