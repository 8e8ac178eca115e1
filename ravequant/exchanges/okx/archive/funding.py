"""Funding files: the settled rates of an instrument as raw records, ``via`` the archive."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Final, NamedTuple

import orjson

from ravequant import times
from ravequant.exchanges.archive.container import refusal
from ravequant.exchanges.okx.archive.csv_rows import INSTRUMENT, CsvForm, canonical, parsed_rows
from ravequant.exchanges.okx.messages import moment
from ravequant.records import DEFAULT_EXCHANGE
from ravequant.vault.paths import StrPath

_FORM: Final = CsvForm("funding", ("funding_rate", "funding_time"), (INSTRUMENT,))
_INTERVALS_H: Final = (1, 2, 4, 6, 8)


class Settlement(NamedTuple):
    """A settled funding rate."""

    ts: int  # Unix ms
    rate: str  # a fraction per interval, signed, canonical; longs pay it if it is positive
    interval_h: int | None  # since the settlement before; None if that is not known

    def line(self, inst_id: str, exchange: str = DEFAULT_EXCHANGE) -> bytes:
        """Return the record as one line, newline included."""
        record = {
            "timestamp_utc": times.iso(self.ts),
            "exchange": exchange,
            "market": "perp",
            "channel": "funding-settled",
            "instId": inst_id,
            "rate": self.rate,
            "interval_h": self.interval_h,
            "via": "archive",
        }
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def read_funding(
    paths: Iterable[StrPath], inst_id: str, before_ms: int | None = None
) -> list[Settlement]:
    """Return the settlements of an instrument in order of time, each once.

    The files are months of the instrument, or days of all swaps. ``before_ms`` is the time of the
    settlement before them, if it is known. Raises ArchiveError for a file of another form, and for
    a time with two rates.
    """
    rates: dict[int, str] = {}
    for path in paths:
        for number, (ts, rate) in parsed_rows(path, inst_id, _FORM, _rate):
            if rates.setdefault(ts, rate) != rate:
                raise refusal(
                    path,
                    f"line {number}: rate {rate} at {times.iso(ts)}, where another row has "
                    f"{rates[ts]}",
                    "one rate a settlement",
                )
    moments = [before_ms, *sorted(rates)]
    return [
        Settlement(ts, rates[ts], _interval(earlier, ts))
        for earlier, ts in pairwise(moments)
        if ts is not None
    ]


def _rate(row: dict[str, str]) -> tuple[int, str]:
    text = row["funding_rate"]
    rate = canonical(text.removeprefix("-"))
    return moment(row["funding_time"]), f"-{rate}" if text[0] == "-" and rate != "0" else rate


def _interval(earlier: int | None, ts: int) -> int | None:
    """Return the hours between two settlements; None if they are no interval of the exchange."""
    hours, rest = divmod(ts - (earlier or 0), times.HOUR_MS)
    return hours if not rest and hours in _INTERVALS_H else None
