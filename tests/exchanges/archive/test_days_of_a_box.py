"""Days listed, fetched and read over real sockets, from the exchange in a box and its faults."""

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.errors import FeedError
from ravequant.exchanges import load_publisher
from ravequant.exchanges.archive.container import ArchiveError
from ravequant.exchanges.archive.download import FetchedDay, Fetcher, fetch_days
from ravequant.exchanges.archive.publisher import list_days, list_funding
from ravequant.exchanges.okx.archive.candles import differing, read_candles
from ravequant.exchanges.okx.archive.trade_day import TradeDay, TradeDayFacts
from ravequant.sim import faults
from ravequant.sim.archive_files import fills_of, write_days
from ravequant.sim.exchange import SimExchange
from ravequant.sim.faultplan import FaultPlan
from ravequant.sim.market import ModelMarket
from tests.support.exchange_client import run

BTC = "BTC-USDT-SWAP"
DAY = "2025-12-14"
CUT = times.parse_iso("2025-12-14T16:00:00.000Z")
START, UNTIL = CUT - 5 * times.MINUTE_MS, CUT + 5 * times.MINUTE_MS
CONTRACT = Contract("0.01", "1", "linear")
FAST = 1_000.0
OKX = load_publisher("okx")


def market() -> ModelMarket:
    return ModelMarket(21, (BTC,), start_ms=START, rows_per_second=3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the published files of ten minutes around a cut: a UTC day in two labels."""
    write_days(tmp_path / "archive", market(), UNTIL)
    return tmp_path / "archive"


def fetched(folder: Path, *rows: dict[str, Any]) -> tuple[list[FetchedDay], list[float]]:
    """Return the day's files, kept, and the waits, with these faults."""
    waits: list[float] = []
    found: list[FetchedDay] = []

    def fetch(rest_url: str) -> None:
        listing = OKX.listing(rest_url, limit_factor=FAST)
        days = list_days(OKX, listing, BTC, ("trades", "candles"), [DAY])
        fetcher = Fetcher(folder.parent / "files", pause=waits.append)
        found.extend(fetch_days(fetcher, days, keep=True))
        funding = list_funding(OKX, listing, BTC, [DAY])
        assert [file.label for file in funding] == ["2025-12"]

    async def body(exchange: SimExchange) -> None:
        await asyncio.to_thread(fetch, exchange.addresses["rest_url"])

    plan = FaultPlan(*faults.parse(orjson.dumps({"faults": rows}), "faults.json"))
    run(market(), body, plan, archive=folder, rest_limit_factor=FAST)
    return found, waits


def read(day: FetchedDay) -> TradeDayFacts:
    """Return the facts of the day's trades."""
    paths = [file.path for file in day.fetched if "-trades-" in file.path.name]
    reader = TradeDay(paths, BTC, DAY, CONTRACT)
    for _ in reader.blocks():
        pass
    return reader.facts


def test_every_fill_of_the_market_arrives_once_and_its_candles_agree(folder):
    """Two labels make one day; no id is missing, and no minute differs."""
    ((day,), waits) = fetched(folder)
    facts = read(day)
    ids = [fill.trade_id for _, fill in fills_of(market(), UNTIL)]
    assert (facts.first_id, facts.last_id, facts.rows) == (ids[0], ids[-1], len(ids))
    assert (facts.jumps, facts.doubles, day.absent, waits) == ((), 0, (), [])
    paths = [file.path for file in day.fetched if "candle" in file.path.name]
    candles = read_candles(paths, BTC, DAY)
    assert len(candles) == 10
    assert differing(facts.minutes, candles) == []


@pytest.mark.parametrize(
    ("fault", "waited"),
    [
        ({"kind": "archive", "how": "cut", "length": 3_000, "every": 2}, [2, 2, 2, 2]),
        ({"kind": "archive", "how": "capitals"}, []),
        ({"kind": "archive", "how": "small"}, []),
        ({"kind": "archive", "how": "part", "times": 1}, []),
        ({"kind": "archive", "how": "rewritten", "at": [1, 3]}, []),
        ({"kind": "rest-status", "path": "/cdn/", "status": 429, "at": [1, 2]}, [60, 120]),
        ({"kind": "rest-status", "path": "/cdn/", "status": 403, "at": [3]}, [60]),
        ({"kind": "rest-status", "path": "market-data", "status": 429, "at": [1]}, []),
    ],
)
def test_each_trouble_on_the_way_ends_with_the_same_fills(folder, fault, waited):
    """Cut, refused, renamed, sizes of 0, part of a list: the day is as without them."""
    ((day,), waits) = fetched(folder, fault)
    assert read(day).rows == len(list(fills_of(market(), UNTIL)))
    assert (day.absent, set(waits)) == ((), set(waited))


def test_a_file_rewritten_while_it_was_cut_is_whole_in_its_new_form(folder):
    """The rest of the new bytes is never put behind the first of the old ones."""
    name = f"{BTC}-trades-2025-12-14.zip"
    ((day,), _) = fetched(
        folder,
        {"kind": "archive", "how": "cut", "path": name, "length": 2_000, "at": [1]},
        {"kind": "archive", "how": "rewritten", "path": name},
    )
    assert read(day).rows == len(list(fills_of(market(), UNTIL)))
    assert (folder.parent / "files" / name).read_bytes() != (folder / name).read_bytes()


def test_absent_files_are_named_whether_listed_or_not(folder):
    """404, and a listing without the day."""
    name = f"{BTC}-trades-2025-12-15.zip"
    ((day,), waits) = fetched(folder, {"kind": "archive", "how": "missing", "path": name})
    assert ([file.name for file in day.absent], waits) == ([name], [])
    (folder.parent / "files" / name).unlink(missing_ok=True)
    ((day,), _) = fetched(folder, {"kind": "archive", "how": "unlisted", "path": name})
    assert (day.absent, day.unlisted) == ((), (("trades", "2025-12-15"),))
    assert name not in [file.path.name for file in day.fetched]


@pytest.mark.parametrize("how", ["crc", "bomb", "member", "falls"])
def test_hostile_files_arrive_and_are_refused_by_name(folder, how):
    """Their MD5 is right, so only a reader sees it."""
    fault = {"kind": "archive", "how": how, "path": "-trades-2025-12-14", "length": 3}
    ((day,), _) = fetched(folder, fault)
    with pytest.raises(ArchiveError, match=r"BTC-USDT-SWAP-trades-2025-12-14\.zip"):
        read(day)
    assert not (folder.parent.parent / "escaped.csv").exists()


def test_a_host_that_refuses_for_ever_ends_the_run(folder):
    """With the address and the way to go on."""
    fault = {"kind": "rest-status", "path": "/cdn/", "status": 403}
    with pytest.raises(FeedError, match=r"HTTP 403 \(6 times\); run again later"):
        fetched(folder, fault)


def test_a_missing_day_shows_as_a_jump_of_ids(folder):
    """A line less in the first label: the reader names the ids."""
    fault = {"kind": "archive", "how": "changed", "path": "-trades-2025-12-14"}
    ((day,), _) = fetched(folder, fault)
    facts = read(day)
    ids = [fill.trade_id for _, fill in fills_of(market(), UNTIL)]
    assert all(early + 1 == late for early, late in pairwise(ids))
    assert [last - first for first, last in facts.jumps] == [0]
