"""The context feeds of the local exchange, as a subscriber sees them."""

import json

import pytest

from ravequant.records import Trade
from ravequant.sim.context import (
    FUNDING,
    INTEREST,
    LIQUIDATIONS,
    MARK,
    SWAPS,
    ContextMarket,
    Push,
)
from ravequant.sim.exchange import SimExchange
from ravequant.sim.market import ModelMarket
from tests.support.exchange_client import BTC, ask, client, data, hear, run

ETH = "ETH-USDT-SWAP"
START = ModelMarket(1).start_ms


def pushes(step_ms: int, seconds: int = 30) -> list[Push]:
    """Return the messages of a market that is asked in steps."""
    feed = ModelMarket(1)
    made = ContextMarket(feed.instruments)
    made.start(START, {BTC: "97250", ETH: "3420"})
    found: list[Push] = []
    for until in range(START + step_ms, START + seconds * 1_000 + 1, step_ms):
        for inst_id, trade in feed.trades(until):
            made.trade(inst_id, trade)
        found += made.until(until)
    return found


def test_the_messages_do_not_depend_on_the_steps():
    """The same trades give the same messages, whether asked for each 20 ms or each second."""
    assert pushes(20) == pushes(1_000)
    assert {push.channel for push in pushes(1_000)} >= {MARK, INTEREST}


def test_a_mark_price_that_stands_comes_every_ten_seconds():
    """Without a trade the price does not change: the exchange says so all the same."""
    made = ContextMarket(ModelMarket(1).instruments)
    made.start(START, {BTC: "97250"})
    marks = [push.facts["ts"] for push in made.until(START + 31_000) if push.channel == MARK]
    assert [ts - START for ts in marks] == [200, 10_200, 20_200, 30_200]


def test_the_newest_trade_before_a_slot_counts():
    """A trade at the moment of a slot belongs to the next."""
    made = ContextMarket(ModelMarket(1).instruments)
    made.start(START, {BTC: "1"})
    made.trade(BTC, Trade(START + 199, 1, "buy", "2", "1", 1, "0"))
    made.trade(BTC, Trade(START + 200, 2, "buy", "3", "1", 1, "0"))
    marks = [push.facts["px"] for push in made.until(START + 400) if push.channel == MARK]
    assert marks == ["2", "3"]


def test_nothing_is_made_before_somebody_asks():
    """A market without a reader of these feeds is not slowed down by them."""
    made = ContextMarket(ModelMarket(1).instruments)
    assert not made.running
    assert list(made.until(START + 60_000)) == []
    assert made.first(MARK, BTC, START) is None


@pytest.mark.parametrize("channel", [MARK, INTEREST, FUNDING])
def test_a_subscriber_gets_the_newest_row_at_once(channel):
    """One row of the instrument, in the form of the reference; its REST row is the same."""

    async def body(exchange: SimExchange) -> None:
        async with client(exchange) as socket:
            await ask(socket, "subscribe", {"channel": channel, "instId": BTC})
            assert (await hear(socket))["event"] == "subscribe"
            message = await hear(socket)
            assert message["arg"] == {"channel": channel, "instId": BTC}
            (row,) = message["data"]
            assert row["instId"] == BTC
            assert all(isinstance(value, str) for value in row.values())
            (answer,) = await data(exchange, f"public/{channel}", instId=BTC, instType=SWAPS)
            assert answer.keys() == row.keys()
            assert {one["instId"] for one in await data(exchange, f"public/{channel}")} == {
                BTC, ETH
            }  # fmt: skip

    run(ModelMarket(1), body, wait_for_trades=0, speed=1.0, history_ms=60_000)


def test_liquidations_of_all_swaps_come_by_type():
    """Subscribed by instType, several instruments in one stream, rows in ``details``."""

    async def body(exchange: SimExchange) -> None:
        async with client(exchange) as socket:
            await ask(socket, "subscribe", {"channel": LIQUIDATIONS, "instType": SWAPS})
            assert (await hear(socket))["arg"] == {"channel": LIQUIDATIONS, "instType": SWAPS}
            seen = set[str]()
            while not seen >= {BTC, "DOGE-USDT-SWAP"}:
                message = await hear(socket)
                for item in message["data"]:
                    seen.add(item["instId"])
                    for detail in item["details"]:
                        assert set(detail) == {
                            "bkLoss", "bkPx", "ccy", "posSide", "side", "sz", "ts"
                        }  # fmt: skip

    run(ModelMarket(1), body, wait_for_trades=0, speed=600.0, history_ms=60_000)


def test_a_wrong_argument_is_refused():
    """An instId in the place of the instType, and the wrong path, are 60018."""

    async def body(exchange: SimExchange) -> None:
        async with client(exchange) as socket:
            await ask(socket, "subscribe", {"channel": LIQUIDATIONS, "instId": BTC})
            assert (await hear(socket))["code"] == "60018"
        async with client(exchange, "business") as socket:
            await ask(socket, "subscribe", {"channel": MARK, "instId": BTC})
            assert (await hear(socket))["code"] == "60018"

    run(ModelMarket(1), body, wait_for_trades=0, speed=1.0)


def test_what_is_published_is_noted_for_an_oracle(tmp_path):
    """The frame log has every row that was published, also while nobody listened."""

    async def body(exchange: SimExchange) -> None:
        async with client(exchange) as socket:
            await ask(socket, "subscribe", {"channel": LIQUIDATIONS, "instType": SWAPS})
            for _ in range(3):
                await hear(socket)
        await exchange.ended.wait()

    log = tmp_path / "frames.log"
    run(
        ModelMarket(1), body, wait_for_trades=0, speed=600.0, until_ms=900_000, frame_log=log
    )  # fmt: skip
    noted = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    published = [one for one in noted if one["kind"] == "liquidations"]
    sent = [one for one in noted if one["kind"] == "frame" and one["channel"] == LIQUIDATIONS]
    assert len(published) > len(sent) >= 2
    assert all(one["rows"] for one in published)
