"""Rows of the derived files as dense columns of minutes, for drawing. Pure.

A column has one place a minute (of a longer bar: one a bar) and null where there is no record, so
that the axis of time stays linear. Its numbers are JSON numbers, good for pixels; a number that a
person reads is the text of its file, or prints back to it at the places of the price.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ravequant.signals.inputs import minute_of

Row = Mapping[str, Any]
Columns = dict[str, list[Any]]

MOST_MINUTES: Final = 2_880
_TIERS: Final = {"T1": 1, "T2": 2, "T3": 3, "T4": 4, None: None}
_ABSORBED: Final = frozenset({"buy", "sell", None})
_DIVERGENCES: Final = frozenset({"bullish", "bearish", None})


class WhaleTag(NamedTuple):
    """The settings above which a minute has the tag `whales`."""

    most: int  # records
    notional: float


class VolumeCells(NamedTuple):
    """The cells of a minute of the volume analyzer."""

    o: float
    h: float
    l: float  # noqa: E741 - the short name of low
    c: float
    vol: float
    delta: float
    tier: int | None
    absorbed: str | None
    whales: int
    gap: int


class VwapCells(NamedTuple):
    """The cells of a minute of the VWAP calculator."""

    v1h: float
    v4h: float
    vs: float
    sd: float | None  # of the session; rows of an earlier version have none
    vgap: int


class CvdCells(NamedTuple):
    """The cells of a minute of the CVD calculator."""

    cvd: float
    cvd1m: float
    div: str | None


FIELDS: Final = (*VolumeCells._fields, *VwapCells._fields, *CvdCells._fields)


def volume_cells(row: Row, whale: WhaleTag) -> tuple[int, VolumeCells]:
    """Return the minute of a row of `volume_1m.jsonl` and its cells; ValueError and the like."""
    absorbed = row["absorbed_side"] if row["absorption"] else None
    if absorbed not in _ABSORBED:
        raise ValueError(f"{absorbed!r} is no side")
    whales = int(row["whale_count"]) > whale.most and number(row["whale_volume"]) > whale.notional
    return minute_of(row["timestamp_utc"]), VolumeCells(
        number(row["open"]),
        number(row["high"]),
        number(row["low"]),
        number(row["close"]),
        number(row["total_volume"]),
        number(row["delta"]),
        _TIERS[row["volume_tier"]],
        absorbed,
        int(whales),
        int(bool(row["gap"])),
    )


def vwap_cells(row: Row) -> tuple[int, VwapCells]:
    """Return the minute of a row of `vwap_1m.jsonl` and its cells; ValueError and the like."""
    deviation = row.get("sd_session")
    return minute_of(row["timestamp_utc"]), VwapCells(
        number(row["vwap_1h"]),
        number(row["vwap_4h"]),
        number(row["vwap_session"]),
        None if deviation is None else number(deviation),
        int(bool(row["gap"])),
    )


def cvd_cells(row: Row) -> tuple[int, CvdCells]:
    """Return the minute of a row of `cvd_1m.jsonl` and its cells; ValueError and the like."""
    divergence = row["divergence"]
    if divergence not in _DIVERGENCES:
        raise ValueError(f"{divergence!r} is no divergence")
    cells = CvdCells(number(row["cvd_session"]), number(row["cvd_1m"]), divergence)
    return minute_of(row["timestamp_utc"]), cells


def number(text: Any) -> float:
    """Return a decimal text as a number. Raises ValueError for one that is not finite."""
    if type(text) is not str:
        raise TypeError(f"{text!r} is no decimal text")
    found = float(text)
    if not math.isfinite(found):
        raise ValueError(f"{text!r} is no decimal number")
    return found


def dense(
    span: range,
    volume: Iterable[tuple[int, VolumeCells]],
    vwap: Iterable[tuple[int, VwapCells]],
    cvd: Iterable[tuple[int, CvdCells]],
) -> Columns:
    """Return the columns of a span of Unix minutes; of two rows of a minute the later counts."""
    return (
        _columns(span, volume, VolumeCells._fields)
        | _columns(span, vwap, VwapCells._fields)
        | _columns(span, cvd, CvdCells._fields)
    )


def _columns(
    span: range, rows: Iterable[tuple[int, tuple[Any, ...]]], names: Sequence[str]
) -> Columns:
    places: list[tuple[Any, ...]] = [(None,) * len(names)] * len(span)
    for minute, cells in rows:
        if minute in span:
            places[minute - span.start] = cells
    if not places:
        return {name: [] for name in names}
    return dict(zip(names, map(list, zip(*places, strict=True)), strict=True))


# --- bars of more than a minute ------------------------------------------------------------------


def window(until: int, minutes: int, every: int) -> range:
    """Return the Unix minutes of whole bars that end by ``until``, ``minutes`` of them at least.

    Bars begin at multiples of ``every`` minutes of UTC.
    """
    end = until - until % every
    first = end - minutes
    return range(first - first % every, end)


def rolled(columns: Columns, every: int, missing: int) -> Columns:
    """Return columns of bars of ``every`` minutes from those of minutes that fill whole bars.

    ``missing``: the minutes at the start that lie before the first record of the file. A bar that
    holds such a minute is null, as its open is unknown. Amounts are summed; of VWAP, CVD, absorbed
    side and divergence the newest counts, of tier, whales and gaps the largest.
    """
    whole = -(-missing // every) * every
    starts = range(0, len(columns["o"]), every)
    found = {
        name: [
            None if start < whole else _ROLLED[name](_known(values[start : start + every]))
            for start in starts
        ]
        for name, values in columns.items()
    }
    newest = (_newest(columns["vs"], range(start, start + every)) for start in starts)
    bands = [None if place is None else columns["sd"][place] for place in newest]
    found["sd"] = [
        None if start < whole else band for start, band in zip(starts, bands, strict=True)
    ]
    return found


def _newest(values: Sequence[Any], places: range) -> int | None:
    """Return the last of these places that holds a value."""
    return next((place for place in reversed(places) if values[place] is not None), None)


def _known(values: Sequence[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _sum(values: Sequence[float]) -> float | None:
    return math.fsum(values) if values else None


def _first(values: Sequence[Any]) -> Any:
    return values[0] if values else None


def _last(values: Sequence[Any]) -> Any:
    return values[-1] if values else None


def _largest(values: Sequence[Any]) -> Any:
    return max(values, default=None)


def _least(values: Sequence[Any]) -> Any:
    return min(values, default=None)


_ROLLED: Final[dict[str, Callable[[Sequence[Any]], Any]]] = {
    **dict.fromkeys(FIELDS, _last),
    **dict.fromkeys(("vol", "delta", "cvd1m"), _sum),
    **dict.fromkeys(("h", "tier", "whales", "gap", "vgap"), _largest),
    "o": _first,
    "l": _least,
}
