"""The exchange in a box with many instruments: each shows what one of three model markets does.

All of a kind move at the same moment, which is the hardest for a recorder. Started by the benchmark
with a file for the addresses, the number of instruments, and the seed; it ends with its stdin.
"""

import asyncio
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from ravequant.records import Trade
from ravequant.sim.exchange import Exchange, Options
from ravequant.sim.feed import BookChange
from ravequant.sim.market import ModelMarket
from ravequant.vault import atomic

if TYPE_CHECKING:
    from collections.abc import Mapping

MODELS: Final = ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "XRP-USDT-SWAP")


def names(count: int) -> list[str]:
    """Return so many instruments: BTC, ETH, and others of less trade."""
    return [*MODELS[:2], *(f"C{number:03d}-USDT-SWAP" for number in range(count - 2))][:count]


class Copies:
    """A Feed: instruments that copy one of three markets."""

    def __init__(self, count: int, seed: int) -> None:
        self._market = ModelMarket(seed, MODELS)
        self.start_ms = self._market.start_ms
        self.end_ms: int | None = None
        self._model = {name: name if name in MODELS else MODELS[2] for name in names(count)}
        self._copies = {
            model: [name for name, shown in self._model.items() if shown == model]
            for model in MODELS
        }
        self.instruments: Mapping[str, Mapping[str, Any]] = {
            name: {**self._market.instruments[model], "instId": name}
            for name, model in self._model.items()
        }

    def trades(self, until_ms: int) -> list[tuple[str, Trade]]:
        """Return the records of all since the last call."""
        found = self._market.trades(until_ms)
        return [(name, trade) for model, trade in found for name in self._copies[model]]

    def books(self, until_ms: int) -> list[BookChange]:
        """Return the changes of all since the last call."""
        return [
            replace(change, inst_id=name)
            for change in self._market.books(until_ms)
            for name in self._copies[change.inst_id]
        ]

    def snapshot(self, inst_id: str, depth: int) -> BookChange | None:
        """Return the book of an instrument."""
        found = self._market.snapshot(self._model[inst_id], depth)
        return None if found is None else replace(found, inst_id=inst_id)


async def serve(ready: Path, count: int, seed: int) -> None:
    """Serve until ended."""
    options = Options(wait_for_trades=0, rest_limit_factor=50)
    async with Exchange(Copies(count, seed), options) as exchange:
        atomic.replace_file(ready, orjson.dumps(exchange.addresses))
        await exchange.wait()


def _end_with_stdin() -> None:
    while os.read(0, 64):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
