"""The local exchange's REST side pages, limits and refuses as the fact sheet says."""

from pathlib import Path

import pytest

from ravequant import records
from ravequant.records import Trade
from ravequant.sim.exchange import SimExchange
from ravequant.sim.recording import Recording
from tests.support.exchange_client import (
    BTC,
    START,
    data,
    get,
    record,
    run,
    write_books,
    write_trades,
)


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Return a recording of 600 trades, 6 s long."""
    return write_trades(tmp_path / "trades.jsonl", [record(i) for i in range(600)])


def test_history_is_paged_by_id_newest_first(tape):
    """after=X: rows with smaller ids; before=X: the newest rows above X; 100 at most."""

    async def body(exchange: SimExchange) -> None:
        path = "market/history-trades"
        newest = await data(exchange, path, instId=BTC)
        assert [int(row["tradeId"]) for row in newest] == list(range(1599, 1499, -1))
        older = await data(exchange, path, instId=BTC, type=1, after=1200, limit=500)
        assert [int(row["tradeId"]) for row in older] == list(range(1199, 1099, -1))
        window = await data(exchange, path, instId=BTC, after=1010, before=1004)
        assert [int(row["tradeId"]) for row in window] == [1009, 1008, 1007, 1006, 1005]
        above = await data(exchange, path, instId=BTC, before=1000, limit=2)
        assert [row["tradeId"] for row in above] == ["1599", "1598"]
        assert await data(exchange, path, instId=BTC, after=1000) == []
        assert newest[0] == {
            "instId": BTC, "side": "buy", "sz": "600", "source": "0", "px": "100.5",
            "tradeId": "1599", "ts": str(START + 5990),
        }  # fmt: skip

    run(Recording([tape]), body, history_ms=6_000)


def test_history_is_paged_by_time_but_not_forward(tape):
    """type=2 with after: rows older than a moment; with before: error 50039."""

    async def body(exchange: SimExchange) -> None:
        path = "market/history-trades"
        older = await data(exchange, path, instId=BTC, type=2, after=START + 50)
        assert [int(row["tradeId"]) for row in older] == [1004, 1003, 1002, 1001, 1000]
        _, answer = await get(exchange, path, instId=BTC, type=2, before=START)
        assert (answer["code"], answer["data"]) == ("50039", [])

    run(Recording([tape]), body, history_ms=6_000)


def test_rest_shows_single_fills_that_join_into_the_record(tmp_path):
    """A record of n ids is n rows whose sizes sum to it, also where a page cuts it in two."""
    made = [record(9, 10), record(12, 3), Trade(START + 200, 1015, "buy", "99.5", "0.01", 3)]
    path = write_trades(tmp_path / "t", made)

    async def body(exchange: SimExchange) -> None:
        found = await data(exchange, "market/trades", instId=BTC, limit=500)
        fills = [
            Trade(int(row["ts"]), int(row["tradeId"]), row["side"], row["px"], row["sz"])
            for row in reversed(found)
        ]
        assert [fill.trade_id for fill in fills] == list(range(1000, 1016))
        assert list(records.join_fills(fills)) == made
        assert min(float(fill.qty) for fill in fills) > 0
        page = await data(exchange, "market/history-trades", instId=BTC, after=1005, limit=2)
        assert [row["tradeId"] for row in page] == ["1004", "1003"]

    run(Recording([path]), body, history_ms=1_000)


def test_rest_books_have_their_depth_and_shape(tmp_path):
    """books: four items a level, default one level, seqId; books-full: three items, none."""
    books = write_books(tmp_path / "b", 3)

    async def body(exchange: SimExchange) -> None:
        (book,) = await data(exchange, "market/books", instId=BTC)
        assert book["asks"] == [["101", "4", "0", "1"]]
        assert book["seqId"] == 13
        (full,) = await data(exchange, "market/books-full", instId=BTC, sz=5000)
        assert full == {"asks": [["101", "4", "1"]], "bids": [["100", "5", "1"]], "ts": full["ts"]}
        _, answer = await get(exchange, "market/books", instId=BTC, sz=401)
        assert answer["code"] == "51000"

    run(Recording([], [books]), body, history_ms=1_000)


def test_rest_tells_instruments_and_the_markets_time(tape):
    """The instrument's row by type and id; the time is the market's."""

    async def body(exchange: SimExchange) -> None:
        path = "public/instruments"
        (row,) = await data(exchange, path, instType="SWAP", instId=BTC)
        assert (row["ctVal"], row["tickSz"], row["state"]) == ("0.01", "0.1", "live")
        assert await data(exchange, path, instType="SPOT") == []
        assert (await get(exchange, path, instType="SWAP", instId="NO-USDT-SWAP"))[1][
            "code"
        ] == "51001"
        assert (await get(exchange, path))[1]["code"] == "50014"
        assert await data(exchange, "public/time") == [{"ts": str(START + 1000)}]
        status, answer = await get(exchange, "market/nothing")
        assert (status, answer["code"]) == (404, 404)

    run(Recording([tape]), body, history_ms=1_000)


def test_too_many_rest_requests_get_50011(tape):
    """Request 21 within two seconds is refused, in a shape without data."""

    async def body(exchange: SimExchange) -> None:
        found = [await get(exchange, "market/history-trades", instId=BTC) for _ in range(21)]
        assert [status for status, _ in found[:20]] == [200] * 20
        assert found[20] == (429, {"msg": "Too Many Requests", "code": "50011"})

    run(Recording([tape]), body)
