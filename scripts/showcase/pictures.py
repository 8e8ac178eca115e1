"""Tables and bars of the demo's records; pure.

Nothing is ever cut: the tables need NEEDED_WIDTH columns, and the bars take the rest.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from rich.text import Text

from ravequant import tables

Record = Mapping[str, Any]

UNKNOWN: Final = "unknown"
WALLS_SAID: Final = (  # below the tables
    "age unknown: it stood there when its price was first seen, so it is never called young",
    "ratio: times the ordinary level of its band; partial: the book was not seen to its end",
)


class Row(NamedTuple):
    """The cells of a line of a table, and its colour."""

    cells: Sequence[str]
    style: str = ""


NEEDED_WIDTH: Final = 80
WALLS_SHOWN: Final = 5  # a side, the largest
BID, ASK = "green", "red"
_FIXED: Final = 52  # columns of a band's line without its two bars
_LONGEST: Final = 44  # columns of a bar
_WORDS: Final = frozenset({"side", "instrument", "age", "young", "source", "absorbed"})
_BPS: Final = 10_000


def minutes_table(rows: Sequence[tuple[Record, Record, Record]]) -> Text:
    """Return the newest minutes: each the VWAP, CVD and volume record of one of them."""
    headers = ("minute", "instrument", "close", "VWAP 4h", "bps", "CVD 1m", "tier", "absorbed")
    shown: list[Row] = []
    before = None
    for vwap, cvd, volume in rows:
        if before not in (None, vwap["instId"]):
            shown.append(Row([""] * len(headers)))
        before = vwap["instId"]
        shown.append(
            Row(
                [
                    vwap["timestamp_utc"][11:16],
                    vwap["instId"],
                    vwap["close"],
                    _two_places(vwap["vwap_4h"]),
                    vwap["deviation_bps_4h"],
                    f"{int(Decimal(cvd['cvd_1m'])):+,}",
                    volume["volume_tier"] or "-",
                    volume["absorbed_side"] or "-",
                ]
            )
        )
    title = "newest minutes (UTC): price, bps off the 4h VWAP, CVD in USD, volume tier"
    return _table(title, headers, shown)


def prices_said(footprint: Record, sessions: Sequence[Record], vwap: Record) -> list[str]:
    """Return a line about each measure by price, the newest of an instrument."""
    inst_id = footprint["instId"]
    return [
        footprint_said(footprint),
        profile_said([row for row in sessions if row["kind"] == "profile"][-1]),
        poor_said(inst_id, sessions),
        anchored_said(inst_id, vwap),
    ]


def footprint_said(row: Record) -> str:
    """Return a line about a footprint: where most traded, the delta, stacked imbalances."""
    stacks = ", ".join(f"{side}s {low} to {high}" for low, high, side in row["stacked"]) or "none"
    return (
        f"{row['instId']} by price at {row['timestamp_utc'][11:16]}: most traded at {row['poc']}, "
        f"delta {int(Decimal(row['delta'])):+,} USD; stacked imbalances: {stacks}"
    )


def profile_said(row: Record) -> str:
    """Return a line about the newest profile of a session."""
    return (
        f"{row['instId']} by price since {row['session_utc'][11:16]}: value {row['val']} to "
        f"{row['vah']}, most traded at {row['poc']}"
    )


def poor_said(inst_id: str, rows: Sequence[Record]) -> str:
    """Return a line about the poor highs and lows that are open; ``rows`` of the profile."""
    levels: dict[str, Record] = {}
    for row in rows:
        if row["kind"] == "level":
            levels[row["event_id"]] = row
    found = [
        f"{row['side']} {row['price']} of {row['session_utc'][5:10]} ({row['tpos']} half hours)"
        for row in levels.values()
        if row["event"] == "open"
    ]
    none = "" if levels else "; the first day that is whole has not ended"
    return f"{inst_id} poor ends: {', '.join(found) or 'none open'}{none}"


def anchored_said(inst_id: str, row: Record) -> str:
    """Return a line about the newest minute of the VWAP since the session began."""
    return (
        f"{inst_id} VWAP since 00:00: {_two_places(row['vwap'])} at {row['timestamp_utc'][11:16]}, "
        f"the close {row['deviation_bps']} bps from it"
    )


def flow_said(rows: Sequence[Record]) -> str:
    """Return a line about book flow: the newest minute, and how walls ended."""
    minutes = [row for row in rows if row["kind"] == "flow"]
    if not minutes:
        return "book flow: no whole minute yet"
    newest, inst_id = minutes[-1], minutes[-1]["instId"]
    ends = Counter(row["end"] for row in rows if row["kind"] == "wall" and row["end"])
    ended = ", ".join(f"{count} {end}" for end, count in sorted(ends.items())) or "none"
    return (
        f"{inst_id} order flow at {newest['timestamp_utc'][11:16]}: {newest['ofi_1m']} "
        f"{inst_id.partition('-')[0]} at the best prices; walls that ended: {ended}"
    )


def walls_table(record: Record, least_usd: str) -> Text:
    """Return the walls of one bucket record, as they stand in the book: asks above, bids below.

    A level of ``least_usd`` or more is a wall.
    """
    coin = record["instId"].partition("-")[0]
    headers = ("price", "side", "USD", f"coins ({coin})", "bps away", "age", "young", "ratio")
    mid = Decimal(record["mid_price"])
    shown: list[Row] = []
    for side, style in (("ask", ASK), ("bid", BID)):
        walls = record[f"{side}_walls"][:WALLS_SHOWN]
        for wall in sorted(walls, key=lambda found: Decimal(found["price"]), reverse=True):
            price, notional = Decimal(wall["price"]), Decimal(wall["notional"])
            cells = [
                wall["price"],
                side,
                f"{int(notional):,}",
                f"{notional / price:,.3f}",
                f"{(price - mid) / mid * _BPS:+.1f}",
                _age(wall["age_s"]),
                "yes" if wall["young"] else "no",
                _times(wall["ratio"]),
            ]
            shown.append(Row(cells, style))
        if not walls:
            shown.append(Row(["none", side, *["-"] * 6]))
        more = len(record[f"{side}_walls"]) - len(walls)
        if more:
            shown.append(Row(["", f"{more} more", *[""] * 6]))
    title = f"{_place(record)}: walls of {int(Decimal(least_usd)):,} USD or more"
    return _table(title, headers, shown)


def bands_picture(record: Record, width: int, *, ascii_only: bool) -> Text:
    """Return the six bands of one bucket record: bids grow to the left, asks to the right.

    All bars have one scale, the largest band of the twelve fills its side.
    """
    bids, asks = (list(map(Decimal, record[f"{side}_notional"])) for side in ("bid", "ask"))
    largest = max(*bids, *asks, Decimal(1))
    cells = min(max((width - _FIXED) // 2, 4), _LONGEST)
    picture = Text(f"{_place(record)}: USD within each distance", no_wrap=True, overflow="ignore")
    picture.append(
        f"\n{'':11}  {'':7} {'bids':>{cells}}   {'asks':<{cells}} {'':7}  imbalance  source"
    )
    edges = [0, *record["bands_bps"]]
    for number, (bid, ask) in enumerate(zip(bids, asks, strict=True)):
        left, right = (round(2 * cells * value / largest) or int(value > 0) for value in (bid, ask))
        picture.append(f"\n{f'{edges[number]}-{edges[number + 1]} bps':>11}  ")
        picture.append(f"{short_usd(bid):>7} ")
        picture.append(f"{_bar(left, '▐', ascii_only=ascii_only)[::-1]:>{cells}}", BID)
        picture.append(" | ")
        picture.append(f"{_bar(right, '▌', ascii_only=ascii_only):<{cells}}", ASK)
        imbalance = record["imbalance"][number] or "-"
        source = record["band_source"][number]
        picture.append(f" {short_usd(ask):>7}  {imbalance:>9}  {source}")
    return picture


def short_usd(amount: Decimal) -> str:
    """Return dollars in few characters, enough to compare bands: ``12.39M``, ``968k``, ``0``.

    >>> short_usd(Decimal("999600"))
    '1.00M'
    """
    thousands = int(amount / 1_000 + Decimal("0.5"))
    if thousands >= 1_000:
        return f"{amount / 1_000_000:.2f}M"
    return f"{thousands}k" if thousands else f"{amount:.0f}"


def _bar(halves: int, half: str, *, ascii_only: bool) -> str:
    """Return a bar of that many half columns, from the middle outwards."""
    if ascii_only:
        return "#" * ((halves + 1) // 2)
    return "█" * (halves // 2) + half * (halves % 2)


def _table(title: str, headers: Sequence[str], rows: Sequence[Row]) -> Text:
    """Return a table below its title; an empty row stands for an empty line."""
    head, *lines = tables.aligned(headers, [row.cells for row in rows], _WORDS)
    text = Text(title, no_wrap=True, overflow="ignore")
    text.append(f"\n{head}\n{'-' * max(map(len, (head, *lines)))}")
    for row, line in zip(rows, lines, strict=True):
        text.append("\n")
        text.append(line, row.style)
    return text


def _place(record: Record) -> str:
    """Return instrument, time and mid price of a bucket record."""
    moment = record["timestamp_utc"]
    return f"{record['instId']} {moment[11:19]} UTC, mid {record['mid_price']}"


def _age(seconds: int | None) -> str:
    if seconds is None:
        return UNKNOWN
    return f"{seconds // 60}m{seconds % 60:02}s" if seconds >= 60 else f"{seconds}s"


def _times(ratio: str) -> str:
    """Return a ratio in as many digits as an eye needs: ``8.2x``, ``345x``, ``5,570x``."""
    value = Decimal(ratio)
    return f"{value:.1f}x" if value < 100 else f"{value:,.0f}x"


def _two_places(number: str) -> str:
    """Cut a decimal string after two places, for the eye only."""
    whole, _, fraction = number.partition(".")
    return f"{whole}.{fraction:0<2.2}"
