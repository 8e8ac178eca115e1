"""Rows of OKX's context feeds, from socket and REST, checked; nothing that arrives is trusted."""

import re
from typing import Any, Final

from ravequant import exact
from ravequant.errors import shown
from ravequant.exchanges.base import Channel
from ravequant.exchanges.context_feeds import (
    ContextFeeds,
    FundingRow,
    InterestRow,
    LiquidationRow,
    MarkRow,
    PeriodRow,
    SettledRow,
)
from ravequant.exchanges.okx.messages import LIQUIDATIONS, as_text, check_fields, moment
from ravequant.records import RecordError, positive_decimal, taker_side
from ravequant.times import MINUTE_MS

_SWAPS: Final = Channel(LIQUIDATIONS, "SWAP")
_DETAIL: Final = ("side", "sz", "bkPx", "ts")
_INTEREST: Final = ("instId", "oi", "oiCcy", "oiUsd", "ts")
_FUNDING: Final = ("instId", "fundingRate", "fundingTime", "nextFundingTime", "ts")
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,30})?")
_PERIOD_MS: Final = 5 * MINUTE_MS
SERIES: Final = {  # values in a row, behind its time
    "ls_accounts": 1,
    "ls_top_accounts": 1,
    "ls_top_positions": 1,
    "oi": 3,  # contracts, coins, USD
    "taker": 2,  # sell, then buy
}


def liquidation_rows(item: Any) -> tuple[list[LiquidationRow], list[str]]:
    """Return the sound rows of one item of ``data``, and why its other rows are left out."""
    if not isinstance(item, dict) or not isinstance(item.get("details"), list):
        return [], [f"liquidations are an object with details, not {shown(item):.120}"]
    inst_id = item.get("instId")
    if not isinstance(inst_id, str) or not inst_id:
        return [], [f"instId: expected an instrument, not {shown(inst_id):.120}"]
    found: list[LiquidationRow] = []
    faults: list[str] = []
    for row in item["details"]:
        try:
            found.append(_liquidation(row, inst_id))
        except RecordError as error:
            faults.append(str(error)[:200])
    return found, faults


def _liquidation(row: Any, inst_id: str) -> LiquidationRow:
    if not isinstance(row, dict):
        raise RecordError(f"a liquidation is a JSON object, not {type(row).__name__}")
    check_fields(row, _DETAIL)
    return LiquidationRow(
        inst_id,
        moment(row["ts"]),
        taker_side(row["side"]),
        as_text(row.get("posSide")),
        positive_decimal(row["bkPx"], "bkPx", exact.PRICE_PLACES),
        positive_decimal(row["sz"], "sz", exact.SIZE_PLACES),
        as_text(row.get("bkLoss")),
    )


def mark_row(row: Any, inst_id: str) -> MarkRow:
    """Return a mark price; RecordError if it is none of the instrument."""
    _own(row, inst_id, ("instId", "markPx", "ts"))
    return MarkRow(moment(row["ts"]), positive_decimal(row["markPx"], "markPx", exact.PRICE_PLACES))


def interest_row(row: Any, inst_id: str) -> InterestRow:
    """Return a row of open interest; RecordError if it is none of the instrument."""
    _own(row, inst_id, _INTEREST)
    values = [_decimal(row[name], name) for name in ("oi", "oiCcy", "oiUsd")]
    if any(value.startswith("-") for value in values):
        raise RecordError(f"open interest below zero: {', '.join(values)}")
    return InterestRow(moment(row["ts"]), *values)


def funding_row(row: Any, inst_id: str) -> FundingRow:
    """Return a row of funding; RecordError if it is none of the instrument.

    ``prevFundingTime`` is on the wire and in no reference: without it the row is sound.
    """
    _own(row, inst_id, _FUNDING)
    coming, after = moment(row["fundingTime"]), moment(row["nextFundingTime"])
    before = moment(row["prevFundingTime"]) if row.get("prevFundingTime") else None
    if not (before or 0) < coming < after:
        raise RecordError(f"funding times out of order: {before}, {coming}, {after}")
    settled = row.get("settFundingRate")
    return FundingRow(
        moment(row["ts"]),
        _decimal(row["fundingRate"], "fundingRate"),
        coming,
        after,
        before,
        _decimal(settled, "settFundingRate") if settled else "",
        as_text(row.get("settState")),
        as_text(row.get("premium")),
    )


def settled_row(row: Any, inst_id: str) -> SettledRow:
    """Return a row of ``funding-rate-history``; RecordError if it is none of the instrument."""
    _own(row, inst_id, ("instId", "fundingTime", "realizedRate"))
    return SettledRow(moment(row["fundingTime"]), _decimal(row["realizedRate"], "realizedRate"))


def period_row(row: Any, series: str) -> PeriodRow:
    """Return a row of a statistic; RecordError if it is none."""
    if not isinstance(row, list) or len(row) != SERIES[series] + 1:
        raise RecordError(f"{series}: expected {SERIES[series] + 1} texts, not {shown(row):.120}")
    start = moment(row[0])
    if start % _PERIOD_MS:
        raise RecordError(f"{series}: {start} is no start of a period")
    return PeriodRow(start, tuple(_decimal(value, series) for value in row[1:]))


def newest_time(row: Any) -> int | None:
    """Return the largest time of a row, or of the details in it; None without any."""
    details = row.get("details") if isinstance(row, dict) else None
    rows = details if isinstance(details, list) else [row]
    found = []
    for one in rows:
        try:
            found.append(moment(one["ts"]))
        except (RecordError, KeyError, TypeError):
            continue
    return max(found, default=None)


def _own(row: Any, inst_id: str, fields: tuple[str, ...]) -> None:
    if not isinstance(row, dict):
        raise RecordError(f"a row is a JSON object, not {type(row).__name__}")
    check_fields(row, fields)
    if row["instId"] != inst_id:
        raise RecordError(f"instId: {shown(row['instId'])} is not {inst_id!r}")


def _decimal(value: Any, name: str) -> str:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return value
    raise RecordError(f"{name}: {shown(value):.80} is no decimal number")


FEEDS: Final = ContextFeeds(
    liquidations=_SWAPS,
    mark="mark-price",
    interest="open-interest",
    funding="funding-rate",
    liquidation_rows=liquidation_rows,
    mark_row=mark_row,
    interest_row=interest_row,
    funding_row=funding_row,
    newest_time=newest_time,
    series=SERIES,
    period="5m",
    period_ms=_PERIOD_MS,
)
