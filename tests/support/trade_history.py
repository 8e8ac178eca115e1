"""A trade recorder with made rows, and REST pages of made trades."""

from ravequant.exchanges import load
from ravequant.exchanges.base import Channel, TradePage, TradeRows
from ravequant.records import Trade, parse_trade
from ravequant.settings import Trades
from ravequant.vault.instruments import parse_instrument
from ravequant.vault.paths import day_files
from tests.support.still_time import StillTime
from Trades_Bot.trade_recorder import TradeRecorder

BTC = "BTC-USDT-SWAP"
ROW = {
    "instId": BTC, "ctVal": "0.01", "ctMult": "1", "ctType": "linear", "ctValCcy": "BTC",
    "settleCcy": "USDT", "tickSz": "0.1", "lotSz": "0.01", "minSz": "0.01", "state": "live",
}  # fmt: skip
START = 1_700_000_000_000


def trade(trade_id, ts=START):
    return Trade(ts + trade_id, trade_id, "buy", str(trade_id), "1")


def rows(*ids):
    return TradeRows(Channel("trades", BTC), tuple(map(trade, ids)))


def recorder(vault, time=None, **options):
    time = time or StillTime(START + 60_000)
    return TradeRecorder(load("okx"), vault, parse_instrument(ROW), Trades(**options), time)


def on_disk(vault):
    found = []
    for _, path in day_files(vault.trades(BTC)):
        found += [parse_trade(line, BTC)[0].trade_id for line in path.read_bytes().splitlines()]
    return found


def take(subject, payload, now=0.0):
    subject.rows(payload, now)
    subject.write(now)


class History:
    """REST that has ids up to ``newest``; a time is an id behind START. It fails as told."""

    def __init__(self, newest, oldest=1):
        self.ids = range(oldest, newest + 1)
        self.failures = []

    def _page(self, ids):
        return TradePage(tuple(map(trade, reversed(ids[-100:]))), 0)

    def history_trades(self, inst_id, after_id):  # noqa: ARG002 - REST's own names
        if self.failures:
            raise self.failures.pop()
        return self._page([n for n in self.ids if n < after_id])

    def history_trades_before(self, inst_id, ts):  # noqa: ARG002
        return self._page([n for n in self.ids if START + n < ts])

    def trades(self, inst_id, limit=500):  # noqa: ARG002
        return TradePage(tuple(map(trade, self.ids[-limit:])), 0)
