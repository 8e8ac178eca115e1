"""The command that starts the exchange in a box: it says where it is, serves, and ends cleanly."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from websockets.asyncio.client import connect

from ravequant.sim.archive_files import read_member
from ravequant.vault.paths import CHECKOUT
from scripts import okx_exchange
from tests.support import recordings
from tests.support.trades_box import joined

BTC = "BTC-USDT-SWAP"
SCRIPT = CHECKOUT / "scripts" / "okx_exchange.py"
Start = Callable[..., "tuple[subprocess.Popen[bytes], dict[str, str]]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return what starts the command and waits for its ready file."""
    processes = []

    def started(*args: str) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
        ready = tmp_path / "ready.json"
        command = [sys.executable, str(SCRIPT), "--ready-file", str(ready), *args]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        processes.append(process)
        while not ready.exists():
            assert process.poll() is None, process.stdout and process.stdout.read().decode()
            time.sleep(0.02)
        return process, json.loads(ready.read_text(encoding="utf-8"))

    yield started
    for process in processes:
        process.kill()
        process.communicate()


def subscribe_and_hear(ws_url: str, number: int) -> list[dict[str, Any]]:
    """Return the first rows of BTC trades."""

    async def hear() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(20), connect(f"{ws_url}/public") as socket:
            args = [{"channel": "trades", "instId": BTC}]
            await socket.send(json.dumps({"op": "subscribe", "args": args}))
            while len(found) < number:
                found += json.loads(await socket.recv()).get("data", [])
        return found

    return asyncio.run(hear())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that can be handled")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_made_up_market_is_served_until_a_signal(start, tmp_path, how):
    """Socket and REST agree on one market with a history; a signal ends it with exit code 0."""
    log = tmp_path / "frames.jsonl"
    process, at = start("--history", "10m", "--speed", "50", "--frame-log", str(log), "--seed", "3")
    rows = subscribe_and_hear(at["ws_url"], 20)
    url = at["rest_url"] + "/api/v5/market/history-trades"
    after = int(rows[1]["tradeId"]) - int(rows[1]["count"]) + 1
    page = requests.get(url, params={"instId": BTC, "after": str(after)}, timeout=5).json()["data"]
    assert len(page) == 100
    assert page[0]["tradeId"] == rows[0]["tradeId"] == str(after - 1)
    process.send_signal(how)
    assert process.wait(10) == 0
    kinds = [json.loads(line)["kind"] for line in log.read_bytes().splitlines()]
    assert {"start", "history", "trade", "frame", "rest"} <= set(kinds)


@recordings.each(*recordings.MIDNIGHT)
def test_a_recording_is_served_to_its_end(start, recording):
    """With --exit-at-end the command ends by itself once its client has all of it."""
    tape = str(recording.trade_files[0])
    records = joined(recording, days=1)
    process, at = start("--trades", tape, "--speed", "max", "--exit-at-end")
    rows = subscribe_and_hear(at["ws_url"], len(records))
    assert [int(row["tradeId"]) for row in rows] == [record.trade_id for record in records]
    assert process.wait(10) == 0


def test_the_archive_of_its_finished_days_is_published(start, tmp_path):
    """Two labels that are over by the time the clients come, in the form asked for, and books."""
    folder = tmp_path / "archive"
    _, at = start(
        "--start", "2025-12-14T16:00:30Z", "--history", "10m", "--rows-per-second", "1",
        "--instId", BTC, "--archive", str(folder), "--archive-header", "chinese",
        "--archive-books", "2s",
    )  # fmt: skip
    names = [
        "BTC-USDT-SWAP-L2orderbook-400lv-2025-12-14.tar.gz",
        "BTC-USDT-SWAP-candlesticks-2025-12-14.zip",
        "BTC-USDT-SWAP-trades-2025-12-14.zip",
    ]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert "交易id" in read_member(folder / names[2])[1].decode("gbk")
    query: dict[str, Any] = {"module": 1, "instType": "SWAP", "instFamilyList": "BTC-USDT"}
    query |= {"dateAggrType": "daily", "begin": "1765670400000", "end": "1765670400000"}
    listing = f"{at['rest_url']}/api/v5/public/market-data-history"
    answer = requests.get(listing, params=query, timeout=5).json()
    (file,) = answer["data"][0]["details"][0]["groupDetails"]
    content = requests.get(file["url"], timeout=5).content
    assert content == (folder / names[2]).read_bytes()


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--trades", "nowhere.jsonl"], 1, "nowhere.jsonl: cannot be read"),
        (["--faults", "nowhere.json"], 2, "--faults nowhere.json: cannot be read"),
        (["--speed", "0"], 2, "'0' is not above 0, nor max"),
        (["--start", "noon"], 2, "--start: 'noon' is not a time; expected"),
        (["--begin", "2999-01-01 UTC+3"], 2, "write +03:00 for a clock east of Greenwich"),
        (
            ["--begin", "2999-01-01"],
            2,
            "is 2999-01-01T00:00:00.000Z: expected a moment in the past",
        ),
        (["--archive-header", "new"], 2, "'new' is none of named, source, chinese"),
        (["--port", "99999"], 2, "--port 99999 cannot be served"),
        (["--host", "192.0.2.1"], 2, "--host 192.0.2.1 --port 0 cannot be served"),
    ],
)
def test_what_cannot_be_used_is_said(args, code, words):
    """An unusable argument ends the command at once, with its exit code and one clear line."""
    command = [sys.executable, str(SCRIPT), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == code
    assert words in done.stderr


def test_a_set_up_can_be_planted_at_any_span():
    """--plant alone means five hours; a span that leaves the set-up no time is refused."""
    command = [sys.executable, str(SCRIPT), "--plant", "10m"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert refused.returncode == 2
    assert "expected at least 75 minutes between them; start it earlier" in refused.stderr
    assert okx_exchange.parser().parse_args(["--plant"]).plant == 5 * 3_600_000
    assert not hasattr(okx_exchange.parser().parse_args([]), "plant")
