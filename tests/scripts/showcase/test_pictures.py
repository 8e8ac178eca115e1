"""What the demo shows: golden text at 80 and 140 columns, and nothing is ever cut."""

from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from rich.console import Console, RenderableType

from scripts.showcase import pictures

BTC: dict[str, Any] = {
    "timestamp_utc": "2025-12-14T05:03:50.000Z",
    "instId": "BTC-USDT-SWAP",
    "mid_price": "97081.75",
    "bands_bps": [10, 25, 50, 100, 200, 500],
    "bid_notional": ["972345.6", "1050000", "1640000.5", "26160000", "1600000", "0"],
    "ask_notional": ["12200000", "16790000", "28380000", "49310000", "22180000", "99.5"],
    "imbalance": ["-0.85", "-0.88", "-0.89", "-0.31", None, None],
    "band_source": ["ws", "deep", "deep", "deep", "partial", "partial"],
    "ask_walls": [
        {
            "price": "97137.3",
            "notional": "2599995.98",
            "age_s": 144,
            "young": True,
            "ratio": "889.40",
        },
        {
            "price": "98107",
            "notional": "1011316.9",
            "age_s": None,
            "young": False,
            "ratio": "223.00",
        },
    ],
    "bid_walls": [
        {"price": "96409", "notional": "1499719.1", "age_s": 45, "young": True, "ratio": "8.72"},
        {
            "price": "96337",
            "notional": "1334132",
            "age_s": 3700,
            "young": False,
            "ratio": "6913.18",
        },
    ],
}

WALLS = """\
BTC-USDT-SWAP 05:03:50 UTC, mid 97081.75: walls of 1,000,000 USD or more
  price  side        USD  coins (BTC)  bps away  age      young   ratio
-----------------------------------------------------------------------
  98107  ask   1,011,316       10.308    +105.6  unknown  no       223x
97137.3  ask   2,599,995       26.766      +5.7  2m24s    yes      889x
  96409  bid   1,499,719       15.556     -69.3  45s      yes      8.7x
  96337  bid   1,334,132       13.849     -76.7  61m40s   no     6,913x
"""

BANDS_80 = """\
BTC-USDT-SWAP 05:03:50 UTC, mid 97081.75: USD within each distance
                               bids   asks                    imbalance  source
   0-10 bps     972k              ▐ | ███▌            12.20M      -0.85  ws
  10-25 bps    1.05M              ▐ | █████           16.79M      -0.88  deep
  25-50 bps    1.64M              ▐ | ████████        28.38M      -0.89  deep
 50-100 bps   26.16M       ▐███████ | ██████████████  49.31M      -0.31  deep
100-200 bps    1.60M              ▐ | ██████▌         22.18M          -  partial
200-500 bps        0                | ▌                  100          -  partial
"""

BANDS_140 = """\
BTC-USDT-SWAP 05:03:50 UTC, mid 97081.75: USD within each distance
                                                             bids   asks                                                  imbalance  source
   0-10 bps     972k                                            █ | ███████████                                   12.20M      -0.85  ws
  10-25 bps    1.05M                                            █ | ███████████████                               16.79M      -0.88  deep
  25-50 bps    1.64M                                           ▐█ | █████████████████████████▌                    28.38M      -0.89  deep
 50-100 bps   26.16M                     ▐███████████████████████ | ████████████████████████████████████████████  49.31M      -0.31  deep
100-200 bps    1.60M                                           ▐█ | ████████████████████                          22.18M          -  partial
200-500 bps        0                                              | ▌                                                100          -  partial
"""  # noqa: E501 - as wide as it is shown

BANDS_ASCII = """\
BTC-USDT-SWAP 05:03:50 UTC, mid 97081.75: USD within each distance
                               bids   asks                    imbalance  source
   0-10 bps     972k              # | ####            12.20M      -0.85  ws
  10-25 bps    1.05M              # | #####           16.79M      -0.88  deep
  25-50 bps    1.64M              # | ########        28.38M      -0.89  deep
 50-100 bps   26.16M       ######## | ##############  49.31M      -0.31  deep
100-200 bps    1.60M              # | #######         22.18M          -  partial
200-500 bps        0                | #                  100          -  partial
"""

MINUTES = """\
newest minutes (UTC): price, bps off the 4h VWAP, CVD in USD, volume tier
minute  instrument       close   VWAP 4h     bps      CVD 1m  tier  absorbed
----------------------------------------------------------------------------
 05:02  BTC-USDT-SWAP  97080.8  96376.69  +73.06  +3,758,632    T4  buy
 05:02  BTC-USDT-SWAP  97080.4  96377.50  +72.93    -828,823     -  -
"""


def text(picture: RenderableType, width: int) -> str:
    """Return what a console of that width shows."""
    console = Console(file=StringIO(), width=width, highlight=False, color_system=None)
    with console.capture() as shown:
        console.print(picture)
    return shown.get()


def minute(close: str, vwap: str, bps: str, cvd: str, volume: Any) -> Any:
    """Return the three records of a minute; ``volume``: its tier and the absorbed side."""
    named = {"timestamp_utc": "2025-12-14T05:02:00Z", "instId": "BTC-USDT-SWAP"}
    return (
        {**named, "close": close, "vwap_4h": vwap, "deviation_bps_4h": bps},
        {**named, "cvd_1m": cvd},
        {**named, "volume_tier": volume[0], "absorbed_side": volume[1]},
    )


@pytest.mark.parametrize("width", [80, 140])
def test_walls_golden(width):
    """Asks above bids as in a book, highest price first; an age nobody knows is said so."""
    assert text(pictures.walls_table(BTC, "1000000"), width) == WALLS
    assert WALLS.isascii()  # every console shows it


@pytest.mark.parametrize(("width", "golden"), [(80, BANDS_80), (140, BANDS_140)])
def test_bands_golden(width, golden):
    """Bids grow to the left, asks to the right, the largest band fills its side."""
    assert text(pictures.bands_picture(BTC, width, ascii_only=False), width) == golden
    assert max(map(len, golden.splitlines())) <= width


def test_bands_in_ascii():
    """Where the console knows no blocks the same bars are of #."""
    shown = text(pictures.bands_picture(BTC, 80, ascii_only=True), 80)
    assert shown == BANDS_ASCII
    assert shown.isascii()


@pytest.mark.parametrize("width", [80, 140])
def test_minutes_golden(width):
    """One line a minute from three calculators; what is not there yet is a dash."""
    rows = [
        minute("97080.8", "96376.69123", "+73.06", "+3758632.7", ("T4", "buy")),
        minute("97080.4", "96377.5", "+72.93", "-828823.73", (None, None)),
    ]
    assert text(pictures.minutes_table(rows), width) == MINUTES


def test_no_walls_are_said():
    """A side without walls has a line that says so."""
    shown = text(pictures.walls_table({**BTC, "ask_walls": []}, "1000000"), 80)
    assert shown.splitlines()[3].split() == ["none", "ask", *["-"] * 6]


def test_the_largest_walls_are_shown_and_the_others_counted():
    """Of seven walls a side the first five, which are the largest, are shown."""
    walls = [{**BTC["ask_walls"][0], "price": str(98000 - number)} for number in range(7)]
    lines = text(pictures.walls_table({**BTC, "ask_walls": walls}, "1000000"), 80).splitlines()
    shown = [line.split()[0] for line in lines[3:8]]
    assert shown == ["98000", "97999", "97998", "97997", "97996"]
    assert lines[8].split() == ["2", "more"]


def test_wide_numbers_are_not_cut_at_80_columns():
    """The widest numbers that BTC has had, and wider, fit the narrowest console."""
    wall = {
        "price": "126250.5", "notional": "123456789.1", "age_s": 3599, "young": True,
        "ratio": "17833.35",
    }  # fmt: skip
    record = {**BTC, "mid_price": "125000.25", "bid_walls": [], "ask_walls": [wall]}
    words = text(pictures.walls_table(record, "1000000"), 80).splitlines()[3].split()
    assert words == [
        "126250.5", "ask", "123,456,789", "977.872", "+100.0", "59m59s", "yes", "17,833x",
    ]  # fmt: skip


def test_bands_without_a_book_are_empty():
    """Nothing on either side is no bar at all, and no error."""
    record = {**BTC, "bid_notional": ["0"] * 6, "ask_notional": ["0"] * 6}
    assert "█" not in text(pictures.bands_picture(record, 80, ascii_only=False), 80)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0", "0"), ("99.5", "100"), ("1499", "1k"), ("999499.9", "999k"), ("999500", "1.00M"),
     ("123456789", "123.46M")],
)  # fmt: skip
def test_short_dollars(amount, shown):
    """Dollars in at most seven characters."""
    assert pictures.short_usd(Decimal(amount)) == shown


def level(side: str, price: str, event: str, day: str = "13") -> dict[str, Any]:
    """Return an event of a poor end."""
    return {
        "kind": "level",
        "event": event,
        "event_id": f"{day}|{side}",
        "side": side,
        "price": price,
        "session_utc": f"2025-12-{day}T00:00:00Z",
        "tpos": 3,
    }


def test_the_poor_ends_that_are_open_are_said():
    """A repaired one is none; before the first whole day has ended there can be none."""
    profile = {"kind": "profile"}
    rows = [level("high", "97500", "open"), level("low", "96100", "open"), profile]
    assert pictures.poor_said("BTC", [profile]) == (
        "BTC poor ends: none open; the first day that is whole has not ended"
    )
    assert pictures.poor_said("BTC", rows) == (
        "BTC poor ends: high 97500 of 12-13 (3 half hours), low 96100 of 12-13 (3 half hours)"
    )
    rows += [level("low", "96100", "repaired"), level("high", "98000", "open", "14")]
    assert pictures.poor_said("BTC", rows) == (
        "BTC poor ends: high 97500 of 12-13 (3 half hours), high 98000 of 12-14 (3 half hours)"
    )
    rows = [level("high", "97500", "open"), level("high", "97500", "repaired")]
    assert pictures.poor_said("BTC", rows) == "BTC poor ends: none open"


def test_the_vwap_since_midnight_is_said():
    """Its minute, and how far the close lies from it."""
    row = {
        "timestamp_utc": "2025-12-14T05:02:00Z",
        "vwap": "97001.23456789",
        "deviation_bps": "-4.1",
    }
    assert pictures.anchored_said("BTC", row) == (
        "BTC VWAP since 00:00: 97001.23 at 05:02, the close -4.1 bps from it"
    )
