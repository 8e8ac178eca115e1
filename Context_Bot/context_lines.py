"""The raw lines of the context feeds (SPEC section 19): rows in, bytes out; pure."""

from typing import Any

import orjson

from ravequant import times
from ravequant.contract import Contract
from ravequant.exchanges.context_feeds import (
    FundingRow,
    InterestRow,
    LiquidationRow,
    MarkRow,
    PeriodRow,
    SettledRow,
)
from ravequant.times import HOUR_MS

_INTERVALS_H = (1, 2, 4, 6, 8)
Key = tuple[int, str, str, str, str]  # ts, side, posSide, qty, px


class ContextLines:
    """Makes the lines of one instrument; ``feeds`` names the channels in them."""

    def __init__(self, exchange: str, inst_id: str, contract: Contract) -> None:
        self.contract = contract
        self._exchange, self._inst_id = exchange, inst_id

    def liquidation(self, row: LiquidationRow, known_ms: int, channel: str) -> bytes:
        """Return a liquidation's line; it was known at ``known_ms``."""
        return self._line(
            row.ts,
            channel,
            {
                "side": row.side,
                "posSide": row.pos_side,
                "liquidated": row.liquidated,
                "px": row.px,
                "qty_contracts": row.qty,
                "bkLoss": row.loss,
                "ctVal": self.contract.ct_val,
                "ctMult": self.contract.ct_mult,
                "ctType": self.contract.ct_type,
                "via": "ws",
                "known_utc": times.iso(known_ms),
            },
        )

    def mark(self, row: MarkRow, channel: str) -> bytes:
        """Return a mark price's line."""
        return self._line(row.ts, channel, {"markPx": row.px})

    def interest(self, row: InterestRow, channel: str) -> bytes:
        """Return a line of open interest."""
        values = {"oi": row.contracts, "oiCcy": row.coins, "oiUsd": row.usd, "via": "ws"}
        return self._line(row.ts, channel, values)

    def funding(self, row: FundingRow, channel: str) -> bytes:
        """Return the line of a running estimate of funding."""
        return self._line(row.ts, channel, funding_fields(row))

    def settled(self, row: SettledRow, before_ms: int | None, via: str) -> bytes:
        """Return the line of a settlement; ``before_ms`` is the time of that before it."""
        hours, rest = divmod(row.ts - (before_ms or 0), HOUR_MS)
        interval = hours if not rest and hours in _INTERVALS_H else None
        values = {"rate": row.rate, "interval_h": interval, "via": via}
        return self._line(row.ts, "funding-settled", values)

    def statistic(self, row: PeriodRow, series: str, period: str, known_ms: int) -> bytes:
        """Return the line of a closed period of a statistic."""
        values = {"series": series, "period": period, **period_fields(row, known_ms)}
        return self._line(row.start, "rubik", values)

    def _line(self, ts: int, channel: str, values: dict[str, Any]) -> bytes:
        return line(self._exchange, self._inst_id, ts, channel, values)


def line(exchange: str, inst_id: str, ts: int, channel: str, values: dict[str, Any]) -> bytes:
    """Return a line of any feed; ``exchange`` is where its values come from."""
    head = {
        "timestamp_utc": times.iso(ts),
        "exchange": exchange,
        "market": "perp",
        "channel": channel,
        "instId": inst_id,
    }
    return orjson.dumps({**head, **values}, option=orjson.OPT_APPEND_NEWLINE)


def period_fields(row: PeriodRow, known_ms: int) -> dict[str, Any]:
    """Return the last fields of a statistic's line."""
    return {"known_utc": times.iso(known_ms), "values": list(row.values)}


def funding_fields(row: FundingRow) -> dict[str, str | None]:
    """Return the fields of an estimate, without its time: when one changes it is written."""
    return {
        "fundingRate": row.rate,
        "fundingTime": str(row.coming),
        "nextFundingTime": str(row.after),
        "prevFundingTime": None if row.before is None else str(row.before),
        "settFundingRate": row.settled_rate,
        "settState": row.state,
        "premium": row.premium,
    }


def key_of(row: LiquidationRow) -> Key:
    """Return the key by which a repeated row is known."""
    return row.ts, row.side, row.pos_side, row.qty, row.px


def key_of_line(line: bytes) -> tuple[Key, int]:
    """Return (key, time of knowing) of a line on disk. Raises ValueError, KeyError, TypeError."""
    row = orjson.loads(line)
    ts, known = times.parse_iso(row["timestamp_utc"]), times.parse_iso(row["known_utc"])
    return (ts, row["side"], row["posSide"], row["qty_contracts"], row["px"]), known
