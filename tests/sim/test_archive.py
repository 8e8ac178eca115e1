"""The listing and the files of the local exchange, over real sockets, with each fault."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests

from ravequant import times
from ravequant.sim import faults
from ravequant.sim.archive_spoil import packed, unpacked
from ravequant.sim.exchange import SimExchange
from ravequant.sim.faultplan import FaultPlan
from ravequant.sim.recording import Recording
from tests.support.exchange_client import BTC, record, run, write_trades

LISTING = "/api/v5/public/market-data-history"
TRADES = [f"{BTC}-trades-2025-12-{day}.zip" for day in ("13", "14", "15")]
BOOKS = f"{BTC}-L2orderbook-400lv-2025-12-14.tar.gz"
MONTH = f"{BTC}-fundingrates-2025-12.zip"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of published files and of others."""
    made = tmp_path / "archive"
    made.mkdir()
    for name in (*TRADES, BOOKS, MONTH):
        (made / name).write_bytes(packed(name, "member", name.encode() * 2_000))
    (made / "notes.txt").write_text("mine", encoding="utf-8")
    return made


def serve(folder: Path, body: Any, *rows: dict[str, Any], **options: Any) -> None:
    """Run ``body(ask)`` in a thread against an exchange with an archive and faults."""
    feed = Recording([write_trades(folder.parent / "trades.jsonl", [record(i) for i in range(9)])])
    plan = FaultPlan(*faults.parse(orjson.dumps({"faults": rows}), "faults.json"))

    async def scene(exchange: SimExchange) -> None:
        base = exchange.addresses["rest_url"]

        def ask(path: str, headers: dict[str, str] | None = None, **query: Any) -> Any:
            url = path if path.startswith("http") else f"{base}{path}"
            return requests.get(url, params=query, headers=headers or {}, timeout=10)

        await asyncio.to_thread(body, ask)

    run(feed, scene, plan, archive=folder, rest_limit_factor=100, **options)


def days(first: str, last: str, zone_hours: int = 8, **more: Any) -> dict[str, Any]:
    """Return the query of trades from label to label."""
    begin, end = (times.day_start_ms(day) - zone_hours * times.HOUR_MS for day in (first, last))
    return {
        "module": 1, "instType": "SWAP", "instFamilyList": "BTC-USDT", "dateAggrType": "daily",
        "begin": begin, "end": end, **more,
    }  # fmt: skip


def listed(answer: Any) -> list[dict[str, str]]:
    (row,) = answer.json()["data"]
    return [file for detail in row["details"] for file in detail["groupDetails"]]


def test_the_listing_has_the_shape_of_recorded_answers(folder, shared_data):
    """Every key of a recorded answer, newest first, times in UTC+8, addresses that work."""
    path = shared_data / "okx_archive/listing/recorded_module1_daily.json"
    recorded = json.loads(path.read_bytes())["data"][0]

    def body(ask):
        answer = ask(LISTING, **days("2025-12-13", "2025-12-15"))
        (row,) = answer.json()["data"]
        assert row.keys() == recorded.keys()
        assert row["details"][0].keys() == recorded["details"][0].keys()
        files = listed(answer)
        assert [file["filename"] for file in files] == TRADES[::-1]
        assert files[0].keys() == recorded["details"][0]["groupDetails"][0].keys()
        assert int(files[0]["dateTs"]) == times.parse_iso("2025-12-14T16:00:00Z")
        assert "/cdn/okex/traderecords/trades/daily/20251215/" in files[0]["url"]
        content = ask(files[0]["url"]).content
        assert content == (folder / TRADES[2]).read_bytes()

    serve(folder, body)


def test_only_the_dates_of_the_bounds_count_and_in_the_zone_of_the_module(folder):
    """Trades in UTC+8, books in UTC."""

    def body(ask):
        a_day = days("2025-12-14", "2025-12-14")
        late = {**a_day, "begin": a_day["begin"] + times.DAY_MS - 1, "end": a_day["end"] + 5}
        assert [file["filename"] for file in listed(ask(LISTING, **late))] == [TRADES[1]]
        midnight = days("2025-12-14", "2025-12-14", 0)
        assert [file["filename"] for file in listed(ask(LISTING, **midnight))] == [TRADES[1]]
        books = days("2025-12-14", "2025-12-14", 0, module=4)
        assert [file["filename"] for file in listed(ask(LISTING, **books))] == [BOOKS]
        before = days("2025-12-14", "2025-12-14", 8, module=4)
        assert listed(ask(LISTING, **before)) == []

    serve(folder, body)


def test_months_and_all_instruments(folder):
    """Funding of a month is asked for as monthly; nothing there: details are empty."""

    def body(ask):
        month = days("2025-12-01", "2025-12-01", module=3, dateAggrType="monthly")
        assert [file["filename"] for file in listed(ask(LISTING, **month))] == [MONTH]
        everyone = days("2025-12-14", "2025-12-14", module=3, instFamilyList="ANY")
        assert ask(LISTING, **everyone).json()["data"][0]["details"] == []

    serve(folder, body)


def test_wrong_queries_are_refused_as_recorded(folder, shared_data):
    """Eleven days: HTTP 400, 50076; an unknown module: 51000; a second call at once: 429."""
    path = shared_data / "okx_archive/listing/recorded_http400_eleven_days.json"

    def body(ask):
        answer = ask(LISTING, **days("2025-12-01", "2025-12-11"))
        assert (answer.status_code, answer.json()) == (400, json.loads(path.read_bytes()))
        assert ask(LISTING, **days("2025-12-01", "2025-12-10")).json()["code"] == "0"
        assert ask(LISTING, **days("2025-12-01", "2025-12-01", module=7)).json()["code"] == "51000"
        assert ask(LISTING, **days("2025-12-01", "2025-12-01", begin="")).status_code == 400

    serve(folder, body)


def test_two_calls_within_two_seconds_are_too_many(folder):
    """As measured, whatever the reference says."""
    feed = Recording([write_trades(folder.parent / "t.jsonl", [record(i) for i in range(9)])])

    async def body(exchange: SimExchange) -> None:
        url = f"{exchange.addresses['rest_url']}{LISTING}"
        query = days("2025-12-13", "2025-12-13")
        codes = [
            (await asyncio.to_thread(requests.get, url, params=query, timeout=10)).status_code
            for _ in range(2)
        ]
        assert codes == [200, 429]

    run(feed, body, archive=folder)


def test_without_an_archive_there_is_no_listing(folder):
    """404, as for any unknown path."""
    feed = Recording([write_trades(folder.parent / "t.jsonl", [record(i) for i in range(9)])])

    async def body(exchange: SimExchange) -> None:
        url = f"{exchange.addresses['rest_url']}{LISTING}"
        assert (await asyncio.to_thread(requests.get, url, timeout=10)).status_code == 404

    run(feed, body)


def test_a_file_has_its_md5_as_etag_and_can_be_had_in_parts(folder):
    """Range gives 206, another version under If-Range all of it, the end 416."""
    data = (folder / TRADES[0]).read_bytes()
    etag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'

    def body(ask):
        url = listed(ask(LISTING, **days("2025-12-13", "2025-12-13")))[0]["url"]
        whole = ask(url)
        assert (whole.content, whole.headers["ETag"]) == (data, etag)
        part = ask(url, {"Range": "bytes=5-", "If-Range": etag})
        assert (part.status_code, part.content) == (206, data[5:])
        assert part.headers["Content-Range"] == f"bytes 5-{len(data) - 1}/{len(data)}"
        other = ask(url, {"Range": "bytes=5-", "If-Range": '"other"'})
        assert (other.status_code, other.content) == (200, data)
        assert ask(url, {"Range": f"bytes={len(data)}-"}).status_code == 416
        assert ask(url.replace("2025", "2024")).status_code == 404
        assert ask("/cdn/okex/traderecords/trades/daily/20251213/notes.txt").status_code == 404

    serve(folder, body)


def test_each_fault_of_a_file(folder):
    """Missing, cut, in capitals, spoiled, refused: as scripted, each for its own file."""
    name = TRADES[0]

    def body(ask):
        url = listed(ask(LISTING, **days("2025-12-13", "2025-12-13")))[0]["url"]
        assert ask(url).status_code == 404
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            ask(url)
        assert ask(url).headers["ETag"].isupper()
        assert unpacked(ask(url).content, name)[0] == "../../escaped.csv"
        assert ask(url).status_code == 403
        assert ask(url).content == (folder / name).read_bytes()

    serve(
        folder, body,
        {"kind": "archive", "how": "missing", "path": "12-13", "at": [1]},
        {"kind": "archive", "how": "cut", "path": "12-13", "length": 10, "at": [1]},
        {"kind": "archive", "how": "capitals", "path": "12-13", "at": [1]},
        {"kind": "archive", "how": "member", "path": "12-13", "at": [1]},
        {"kind": "rest-status", "path": "/cdn/", "status": 403, "body": "no", "at": [5]},
    )  # fmt: skip


def test_each_fault_of_a_listing(folder):
    """A day that is lacking, sizes of 0, only the newest part."""

    def body(ask):
        query = days("2025-12-13", "2025-12-15")
        first, second, third = (listed(ask(LISTING, **query)) for _ in range(3))
        assert [file["filename"] for file in first] == [TRADES[2], TRADES[0]]
        assert {file["sizeMB"] for file in second} == {"0"}
        assert [file["filename"] for file in third] == [TRADES[2]]

    big = packed("x.zip", "member", bytes(range(256)) * 100)
    for name in TRADES:
        (folder / name).write_bytes(big * 30)
    serve(
        folder, body,
        {"kind": "archive", "how": "unlisted", "path": "12-14", "at": [1]},
        {"kind": "archive", "how": "small", "at": [3, 4, 5]},
        {"kind": "archive", "how": "part", "at": [3]},
    )  # fmt: skip
