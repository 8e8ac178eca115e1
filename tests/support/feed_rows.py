"""Lines of the context feeds in files, made by hand."""

from pathlib import Path
from typing import Any

import orjson

from ravequant import catalog, times
from ravequant.catalog import DataSet
from ravequant.signals.context.moment import ContextMoment
from ravequant.signals.context.ratios import SERIES
from ravequant.signals.seen import Lagging
from ravequant.vault.paths import Vault
from tests.support.made_signals import BTC, LIMITS, A

MS = A * times.MINUTE_MS
MINUTE = times.MINUTE_MS


def moment(
    vault: Vault, after_s: float = 0, ends: dict[Lagging, int] | None = None, minute: int = A
) -> ContextMoment:
    """The moment of a question about A, or another minute, so many seconds later."""
    ms = minute * MINUTE
    return ContextMoment(vault, BTC, LIMITS, minute, ms + round(after_s * 1_000), None, ends or {})


def put(vault: Vault, data: DataSet, rows: list[dict[str, Any]]) -> Path:
    """Append rows to a data set, each to the file of its day; return the file of the last."""
    path = data.place(vault, BTC)
    for row in rows:
        if data.kind == "days":
            path = data.place(vault, BTC) / f"{row['timestamp_utc'][:10]}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(orjson.dumps(row) + b"\n")
    return path


def marks(vault: Vault, *moments: int) -> None:
    """Append mark prices of these times, Unix ms."""
    put(vault, catalog.MARKS, [{"timestamp_utc": times.iso(ts)} for ts in moments])


def interest(vault: Vault, rows: dict[int, str]) -> Path:
    """Append open interest by time, Unix ms."""
    made = [{"timestamp_utc": times.iso(ts), "oi": oi} for ts, oi in rows.items()]
    return put(vault, catalog.OPEN_INTEREST, made)


def funding(vault: Vault, ts: int, rate: str, coming: int, hours: int = 8) -> Path:
    """Append an estimate of the rate of the settlement at ``coming``, Unix ms."""
    row = {
        "timestamp_utc": times.iso(ts), "fundingRate": rate, "fundingTime": str(coming),
        "nextFundingTime": str(coming + hours * times.HOUR_MS),
    }  # fmt: skip
    return put(vault, catalog.FUNDING_ESTIMATES, [row])


def ratio(vault: Vault, name: str, start: int, known: int, value: str) -> Path:
    """Append a period of a ratio that begins at ``start``, known at ``known``, Unix ms."""
    row = {
        "timestamp_utc": times.iso(start), "known_utc": times.iso(known), "values": [value],
    }  # fmt: skip
    return put(vault, SERIES[name], [row])


def liquidated(vault: Vault, minute: int, longs: str = "0", *, gap: bool = False) -> Path:
    """Append a minute of seen liquidations: of longs, and one of 7.5 of shorts."""
    row = {
        "timestamp_utc": times.iso_minute(minute), "long_notional": longs, "short_notional": "7.5",
        "long_count": int(longs != "0"), "short_count": 1, "gap": gap,
    }  # fmt: skip
    return put(vault, catalog.LIQUIDATIONS_1M, [row])


def all_feeds(vault: Vault) -> None:
    """Record each feed as of A, an hour of it."""
    marks(vault, MS - 500, MS + 9_000)
    interest(vault, {MS - 60 * MINUTE: "100", MS - 15 * MINUTE: "80", MS - 2_000: "90"})
    funding(vault, MS - 40_000, "-0.0000263463215391", MS + 133 * MINUTE + 59_000)
    for name, value in zip(SERIES, ("1.1739", "0.996", "2"), strict=True):
        ratio(vault, name, MS - 10 * MINUTE, MS - 3 * MINUTE, value)
    for ago in range(5, 0, -1):
        liquidated(vault, A - ago, "300000.25" if ago == 3 else "0")
