"""Funding of the model market: settlements, estimates and their REST rows; pure functions of time.

Every seventh settlement at 00, 08 or 16 h UTC hits its cap, and for eight hours from it on the
interval is 4 h instead of 8 h, as on the exchange since April 2026.
"""

import zlib
from typing import Final

from ravequant.times import DAY_MS, HOUR_MS, SECOND_MS

CAP: Final = "0.00375"
PROCESSING_MS: Final = 20 * SECOND_MS  # after a settlement its rate is not known yet
_USUAL_MS: Final = 8 * HOUR_MS
_SHORT_MS: Final = 4 * HOUR_MS
_CAPPED_EVERY: Final = 7
_CAPPED_AT: Final = 3
_DEPTH_MS: Final = 93 * DAY_MS


def chance(*words: object) -> int:
    """Return a number from 0 to 2**32 - 1 that follows from the words alone."""
    return zlib.crc32("|".join(map(str, words)).encode())


def settled_before(ts: int) -> int:
    """Return the newest settlement at or before a moment (all in Unix ms)."""
    start = ts - ts % _USUAL_MS
    middle = start + _SHORT_MS
    return middle if _is_capped(start) and ts >= middle else start


def settled_after(ts: int) -> int:
    """Return the first settlement after a moment."""
    start = ts - ts % _USUAL_MS
    middle = start + _SHORT_MS
    return middle if _is_capped(start) and ts < middle else start + _USUAL_MS


def rate(inst_id: str, settlement: int) -> str:
    """Return the rate that is paid at a settlement, a fraction with sixteen places."""
    if settlement % _USUAL_MS == 0 and _is_capped(settlement):
        return CAP
    return _small(chance(inst_id, settlement))


def row(inst_id: str, ts: int) -> dict[str, str]:
    """Return the row of ``funding-rate`` of a moment, of socket and REST."""
    before, coming = settled_before(ts), settled_after(ts)
    is_short = _is_capped(before - before % _USUAL_MS)
    processing = ts - before < PROCESSING_MS
    return {
        "formulaType": "withRate",
        "fundingRate": _small(chance(inst_id, coming, ts // (5 * 60 * SECOND_MS))),
        "fundingTime": str(coming),
        "impactValue": "20000.0000000000000000",
        "instId": inst_id,
        "instType": "SWAP",
        "interestRate": "0.0001000000000000",
        "maxFundingRate": CAP,
        "method": "current_period",
        "minFundingRate": f"-{CAP}",
        "nextFundingRate": "",
        "nextFundingTime": str(coming + (_SHORT_MS if is_short else _USUAL_MS)),
        "premium": _small(chance(inst_id, "premium", ts // (60 * SECOND_MS))),
        "prevFundingTime": str(before),
        "settFundingRate": "" if processing else rate(inst_id, before),
        "settState": "processing" if processing else "settled",
        "ts": str(ts),
    }


def history(
    inst_id: str, now: int, before: int | None, after: int | None, limit: int
) -> list[dict[str, str]]:
    """Return the newest ``limit`` settlements, newest first, up to 93 days old.

    ``after``: older than this moment. ``before``: newer than that.
    """
    found: list[dict[str, str]] = []
    at = settled_before(min(now - PROCESSING_MS, now if after is None else after - 1))
    while len(found) < limit and at >= now - _DEPTH_MS and (before is None or at > before):
        found.append(
            {
                "formulaType": "withRate",
                "fundingRate": rate(inst_id, at),
                "fundingTime": str(at),
                "instId": inst_id,
                "instType": "SWAP",
                "method": "current_period",
                "realizedRate": rate(inst_id, at),
            }
        )
        at = settled_before(at - 1)
    return found


def _is_capped(settlement: int) -> bool:
    return settlement // _USUAL_MS % _CAPPED_EVERY == _CAPPED_AT


def _small(number: int) -> str:
    """Return a rate of at most 0.0002 to either side."""
    units = number % 4_000_000_000_001 - 2_000_000_000_000
    return f"{'-' if units < 0 else ''}0.{abs(units):016}"
