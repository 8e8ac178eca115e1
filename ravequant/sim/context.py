"""The context feeds of the local exchange: mark price, open interest, funding, liquidations; pure.

They follow from the trades and from time alone: the same trades give the same messages, however
often a caller asks.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import orjson

from ravequant.records import Trade
from ravequant.sim import frames, funding
from ravequant.sim.liquidations import Liquidation, Liquidations
from ravequant.times import SECOND_MS

MARK, INTEREST, FUNDING = "mark-price", "open-interest", "funding-rate"
LIQUIDATIONS = frames.LIQUIDATIONS
SWAPS: Final = "SWAP"  # the type whose liquidations are published
_SLOT_MS: Final = 200
_UNCHANGED_MS: Final = 10 * SECOND_MS  # a mark price that stands is pushed so often
_INTEREST_MS: Final = 3 * SECOND_MS
_FUNDING_MS: Final = 45 * SECOND_MS


class Push(NamedTuple):
    """A message to the subscribers of a channel."""

    channel: str
    name: str  # the instrument; of liquidations the type
    payload: bytes
    facts: Mapping[str, Any]


class ContextMarket:
    """The context feeds of the instruments of a market, from its trades on."""

    def __init__(self, instruments: Mapping[str, Mapping[str, Any]], seed: int = 1) -> None:
        self._liquidations = Liquidations(instruments, seed)
        self._seed = seed
        self._at: int | None = None  # the last slot gone through
        self._coming: list[tuple[str, Trade]] = []
        self._prices: dict[str, str] = {}
        self._marks: dict[str, tuple[str, int]] = {}  # the newest push: price, time

    @property
    def running(self) -> bool:
        """Return True once somebody has asked for a channel."""
        return self._at is not None

    def start(self, now_ms: int, prices: Mapping[str, str]) -> None:
        """Begin at a moment with the prices of then; does nothing if it runs already."""
        if self._at is None:
            self._at = now_ms // _SLOT_MS
            self._prices.update(prices)

    def trade(self, inst_id: str, trade: Trade) -> None:
        """Take in the next trade."""
        self._coming.append((inst_id, trade))

    def until(self, until_ms: int) -> Iterator[Push]:
        """Yield the messages of the time up to ``until_ms``; all earlier trades are taken in."""
        while self._at is not None and (self._at + 1) * _SLOT_MS <= until_ms:
            self._at += 1
            now = self._at * _SLOT_MS
            passed = 0
            for inst_id, trade in self._coming:
                if trade.ts >= now:
                    break
                self._prices[inst_id] = trade.price
                passed += 1
            del self._coming[:passed]
            yield from self._slot(now)

    def first(self, channel: str, inst_id: str, now_ms: int) -> Push | None:
        """Return the message that a new subscriber gets at once; None without one."""
        if inst_id not in self._prices or channel == LIQUIDATIONS:
            return None
        made = {MARK: self._mark, INTEREST: self._interest, FUNDING: self._funding}[channel]
        return made(inst_id, now_ms - now_ms % _SLOT_MS)

    def row(self, channel: str, inst_id: str, now_ms: int) -> dict[str, str] | None:
        """Return the row of a channel as REST answers it."""
        push = self.first(channel, inst_id, now_ms)
        return None if push is None else orjson.loads(push.payload)["data"][0]

    def _slot(self, now: int) -> Iterator[Push]:
        if now % SECOND_MS == 0:
            found = self._liquidations.second(now - SECOND_MS, self._prices)
            if found:
                yield _liquidated(found, now)
        for inst_id, price in self._prices.items():
            if now % _INTEREST_MS == 0:
                yield self._interest(inst_id, now)
            if now % _FUNDING_MS == 0:
                yield self._funding(inst_id, now)
            before, at = self._marks.get(inst_id, ("", 0))
            if price != before or now - at >= _UNCHANGED_MS:
                self._marks[inst_id] = price, now
                yield self._mark(inst_id, now)

    def _mark(self, inst_id: str, now: int) -> Push:
        price = self._prices[inst_id]
        row = {"instId": inst_id, "instType": SWAPS, "markPx": price, "ts": str(now)}
        return _push(MARK, inst_id, row, {"ts": now, "px": price})

    def _interest(self, inst_id: str, now: int) -> Push:
        number = funding.chance(self._seed, inst_id, now // _INTEREST_MS)
        whole, tail = 2_200_000 + number % 90_000, number % 1_000_000_000
        row = {
            "instId": inst_id,
            "instType": SWAPS,
            "oi": f"{whole}.{tail:011}",
            "oiCcy": f"{whole / 100:.2f}{tail:011}",
            "oiUsd": f"{whole * 972}.{tail:014}",
            "ts": str(now),
        }
        return _push(INTEREST, inst_id, row, {"ts": now, "oi": row["oi"]})

    def _funding(self, inst_id: str, now: int) -> Push:
        row = funding.row(inst_id, now)
        return _push(FUNDING, inst_id, row, {"ts": now, "fundingTime": int(row["fundingTime"])})


def _push(channel: str, inst_id: str, row: dict[str, str], facts: Mapping[str, Any]) -> Push:
    arg = {"channel": channel, "instId": inst_id}
    return Push(channel, inst_id, orjson.dumps({"arg": arg, "data": [row]}), facts)


def _liquidated(found: list[Liquidation], now: int) -> Push:
    """Return one frame of all rows of a second, each instrument's together."""
    data = [
        {
            "details": [one.detail() for one in found if one.inst_id == inst_id],
            "instFamily": inst_id.rpartition("-")[0],
            "instId": inst_id,
            "instType": SWAPS,
            "uly": inst_id.rpartition("-")[0],
        }
        for inst_id in dict.fromkeys(one.inst_id for one in found)
    ]
    payload = orjson.dumps({"arg": {"channel": LIQUIDATIONS, "instType": SWAPS}, "data": data})
    facts = {"ts": now, "rows": [one.facts() for one in found]}
    return Push(LIQUIDATIONS, SWAPS, payload, facts)
