"""Writes the books of a demo's market up to now, as its recorder would have written them.

A demo begins with a market of some age. The trades of its past come from REST; an exchange gives no
past book, so this program asks the market itself. It takes the options of okx_exchange.py with
``--begin``: the same seed and beginning make the same market, whose books go on where these end.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from L2_Bot.snapshot_writer import MOST_LEVELS, encode_deep, line_of
from ravequant import catalog, cli, exact, exchanges, times
from ravequant.exchanges.base import BookLevel, DeepBook, Exchange
from ravequant.sim.feed import BookChange, Feed, Level
from ravequant.vault.append_log import HourLog
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault
from scripts import okx_exchange

EVERY_MS: Final = 10 * times.SECOND_MS  # a longer span without a book would be a gap
DEEP_EVERY_MS: Final = times.MINUTE_MS
DEEP_LEVELS: Final = 5_000
_NO_CHAIN: Final[dict[str, int | None]] = {"checksum": 0, "seqId": -1, "prevSeqId": -1}
_log = logging.getLogger("past_books")


class PastBooks:
    """The book logs of one instrument."""

    def __init__(self, vault: Vault, exchange: Exchange, inst_id: str) -> None:
        self._exchange, self._inst_id = exchange, inst_id
        self._hours = HourLog(vault.snapshots(inst_id))
        self._deep = HourLog(vault.deep_snapshots(inst_id))

    def append(self, market: Feed) -> None:
        """Write the book of the market as of now, and a deep one in the last step of a minute."""
        book = market.snapshot(self._inst_id, MOST_LEVELS)
        if book is None:
            return
        self._hours.append(book.ts, self._line(book))
        if book.ts % DEEP_EVERY_MS < DEEP_EVERY_MS - EVERY_MS:
            return
        deep = market.snapshot(self._inst_id, DEEP_LEVELS)
        if deep is not None:
            shown = DeepBook(deep.ts, *([*map(list, side)] for side in (deep.bids, deep.asks)))
            line = encode_deep(self._exchange, self._inst_id, shown, book.ts)
            self._deep.append(deep.ts, line)

    def _line(self, book: BookChange) -> bytes:
        best = [exact.units(side[0][0], exact.PRICE_PLACES) for side in (book.bids, book.asks)]
        sides = [_level(level) for level in book.bids], [_level(level) for level in book.asks]
        return line_of(
            self._exchange,
            self._inst_id,
            book.ts,
            sides,
            twice_mid=sum(best),
            chain=_NO_CHAIN,
            gap=False,
        )

    def close(self) -> None:
        """Sync both logs."""
        self._hours.close()
        self._deep.close()


def _level(level: Level) -> BookLevel:
    price, size, orders = level
    return f"{price},{size},0,{orders}"


def write(vault: Vault, market: Feed, span_ms: int) -> int:
    """Write the books of the last ``span_ms`` of all instruments; return the time of the last."""
    exchange = exchanges.load(vault.exchange)
    with ExitStack() as held:
        logs = []
        for inst_id in market.instruments:
            held.enter_context(writer_lock(vault, catalog.BOOK.stream, inst_id))
            logs.append(PastBooks(vault, exchange, inst_id))
            held.callback(logs[-1].close)
        moment = max(market.start_ms, times.utc_now_ms() - span_ms)
        moment -= moment % EVERY_MS
        while moment + EVERY_MS < times.utc_now_ms():
            moment += EVERY_MS
            market.trades(moment)
            for log in logs:
                log.append(market)
    return moment


def body(args: argparse.Namespace) -> int:
    """Write the books of the market of the options."""
    okx_exchange.open_now(args)
    until = write(cli.vault_of(args), okx_exchange.market(args), args.span)
    _log.info("the books up to %s are written", times.iso(until))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    made = okx_exchange.parser()
    made.add_argument("--vault", type=cli.path_arg, required=True, help="that of the demo")
    made.add_argument("--span", type=cli.duration, required=True, help="before now, like 3h")
    return cli.run(made, body, argv)


if __name__ == "__main__":
    sys.exit(main())
