"""Settled funding: at once from the socket, confirmed by REST, holes filled or noted."""

import asyncio
import itertools
from typing import Any

import orjson
import pytest

from Context_Bot import funding_chain
from Context_Bot.context_lines import ContextLines
from Context_Bot.funding_chain import CHANNEL, FundingChain
from ravequant import times
from ravequant.contract import Contract
from ravequant.errors import FeedError
from ravequant.exchanges.context_feeds import SettledRow
from ravequant.exchanges.okx import context_rows
from ravequant.sim import funding
from ravequant.vault import grid_gaps

BTC = "BTC-USDT-SWAP"
START = times.parse_iso("2025-12-14T09:00:00.000Z")
LINES = ContextLines("okx", BTC, Contract("0.01", "1", "linear"))


class BoxFunding:
    """The exchange in a box, without its socket."""

    def __init__(self) -> None:
        self.now, self.away, self.calls = START, False, 0

    def settlements(self, inst_id: str, before_ms: int | None) -> list[SettledRow]:
        self.calls += 1
        if self.away:
            raise FeedError("nobody answers")
        rows = funding.history(inst_id, self.now, None, before_ms, 100)
        return [context_rows.settled_row(row, inst_id) for row in rows]

    def statistic(self, *_: object) -> list[Any]:
        raise AssertionError


@pytest.fixture
def rest() -> BoxFunding:
    return BoxFunding()


async def rested(chain: FundingChain) -> None:
    """Wait until a chain has done what it can."""
    await asyncio.sleep(0.02)
    async with asyncio.timeout(20):
        while not chain.at_rest:  # noqa: ASYNC110 - threads are at work
            await asyncio.sleep(0.01)


def follow(chain: FundingChain, *moments: int, until=lambda: True) -> None:
    """Let a chain hear the messages of some moments."""

    async def scene() -> None:
        task = asyncio.create_task(chain.follow())
        await rested(chain)
        for moment in moments:
            chain.heard(context_rows.funding_row(funding.row(BTC, moment), BTC))
            await rested(chain)
        async with asyncio.timeout(20):
            while not until():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(scene())


def made(vault, rest) -> FundingChain:
    return FundingChain(vault, BTC, LINES, rest)


def settled(vault) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in vault.settled_funding(BTC).read_bytes().splitlines()]


def chain_of(vault) -> list[int]:
    return [times.parse_iso(row["timestamp_utc"]) for row in settled(vault)]


def assert_whole(found: list[int]) -> None:
    """Each settlement of the exchange once, in order."""
    assert found == sorted(set(found))
    for earlier, later in itertools.pairwise(found):
        assert funding.settled_after(earlier) == later


def test_the_first_start_fetches_three_months(vault, rest):
    """Each settlement with its rate and the hours since the one before."""
    follow(made(vault, rest))
    found = chain_of(vault)
    assert_whole(found)
    assert len(found) > 270
    assert {row["interval_h"] for row in settled(vault)} == {4, 8, None}
    assert settled(vault)[0]["interval_h"] is None
    rates = [row["rate"] for row in settled(vault)]
    assert rates == [funding.rate(BTC, ts) for ts in found]
    assert {row["via"] for row in settled(vault)} == {"rest"}


def test_a_settlement_comes_from_the_socket_once_it_is_settled(vault, rest):
    """Not while it is processed; REST then confirms it, and adds nothing."""
    follow(made(vault, rest))
    before, coming = len(chain_of(vault)), funding.settled_after(START)
    rest.now = coming + 10_000
    follow(made(vault, rest), START + 60_000, coming + funding.PROCESSING_MS - 1)
    assert len(chain_of(vault)) == before
    rest.now = coming + 60_000
    rest.away = True
    follow(made(vault, rest), coming + funding.PROCESSING_MS)
    assert_whole(chain_of(vault))
    assert settled(vault)[-1]["via"] == "ws"
    assert chain_of(vault)[-1] == coming


def test_a_hole_is_filled_by_rest(vault, rest):
    """The program was off over some settlements, at whatever interval."""
    follow(made(vault, rest))
    rest.now = START + 5 * times.DAY_MS
    follow(made(vault, rest), rest.now)
    assert_whole(chain_of(vault))
    assert grid_gaps.newest(vault, BTC) == {}


def test_without_the_settlement_before_rest_is_asked(vault, rest):
    """The field is in no reference: when the coming settlement moves on, one has passed."""
    chain = made(vault, rest)
    coming = funding.settled_after(START)

    async def scene() -> None:
        task = asyncio.create_task(chain.follow())
        await rested(chain)
        for moment in (START, coming + 60_000):
            rest.now = moment
            row = context_rows.funding_row(funding.row(BTC, moment), BTC)
            chain.heard(row._replace(before=None))
            await rested(chain)
        task.cancel()

    asyncio.run(scene())
    assert_whole(chain_of(vault))
    assert (chain_of(vault)[-1], settled(vault)[-1]["via"]) == (coming, "rest")


def test_a_hole_that_rest_does_not_fill_for_long_is_noted_and_repaired_later(
    vault, rest, monkeypatch
):
    """The settlement of the socket is written at once; the ledger names the hole behind it."""
    monkeypatch.setattr(funding_chain, "AGAIN_S", 0.05)
    monkeypatch.setattr(funding_chain, "GIVE_UP_S", 0.1)
    follow(made(vault, rest))
    last, rest.away = chain_of(vault)[-1], True
    later = last + 2 * times.DAY_MS
    follow(made(vault, rest), later + times.HOUR_MS, until=lambda: grid_gaps.newest(vault, BTC))
    settlement = funding.settled_before(later + times.HOUR_MS)
    assert chain_of(vault)[-2:] == [last, settlement]
    assert grid_gaps.open_gaps(vault, BTC, CHANNEL) == [(last, settlement)]
    rest.away, rest.now = False, later + times.HOUR_MS
    follow(made(vault, rest))
    assert_whole(chain_of(vault))
    assert set(grid_gaps.newest(vault, BTC).values()) == {"repaired"}


def test_what_is_older_than_the_exchanges_history_cannot_be_had(vault, rest):
    """It is noted so, and the chain goes on."""
    follow(made(vault, rest))
    last = chain_of(vault)[-1]
    rest.now = START + 120 * times.DAY_MS
    follow(made(vault, rest))
    (stretch,) = grid_gaps.newest(vault, BTC).items()
    assert stretch[0][:3] == (CHANNEL, "", last)
    assert stretch[1] == "unrecoverable"
    assert chain_of(vault)[-1] == funding.settled_before(rest.now)
