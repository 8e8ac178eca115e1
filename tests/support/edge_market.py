"""Small markets for the tests of the lab: records and snapshots as columns."""

import numpy as np
from hypothesis import strategies as st

from Edge_Lab.fills import OrderClock, RestingOrder
from Edge_Lab.placebo import Bracket, Side
from Edge_Lab.tape import DayBooks, DayTrades, SideColumns
from ravequant import times
from tests.support.plain_fills import PlainBook, PlainOrder, PlainTrade

FAR = 1 << 40


def tape_of(trades):
    """Return plain trades as a tape."""
    return DayTrades(
        np.array([trade.ts for trade in trades], dtype=np.int64),
        np.array([trade.price for trade in trades], dtype=np.int64),
        np.array([trade.qty for trade in trades], dtype=np.int64),
        np.array([trade.side == "buy" for trade in trades], dtype=np.bool_),
        np.array([trade.source != "1" for trade in trades], dtype=np.bool_),
    )


def book_of(books):
    """Return plain snapshots as a book."""
    return DayBooks(
        np.array([book.ts for book in books], dtype=np.int64),
        np.array([not book.gap for book in books], dtype=np.bool_),
        _side([book.asks for book in books], [book.complete_asks for book in books], FAR),
        _side([book.bids for book in books], [book.complete_bids for book in books], -FAR),
    )


def _side(sides, complete, end):
    levels = [level for side in sides for level in side]
    reach = [
        end if whole else side[-1][0] if side else -end
        for side, whole in zip(sides, complete, strict=True)
    ]
    return SideColumns(
        np.array([price for price, _ in levels], dtype=np.int64),
        np.array([size for _, size in levels], dtype=np.int64),
        np.cumsum([0, *map(len, sides)], dtype=np.int64),
        np.array(reach, dtype=np.int64),
    )


def at(text):
    """Return a time of the evening of the examples as Unix ms."""
    return times.parse_iso(f"2025-12-14T{text}Z")


# the worked tape: prices in halves, so that a tick of 0.5 is 1
TIP, STOP = 202_500, 202_521
CLOCK = OrderClock(at("21:35:05.200"), at("21:35:15.200"), at("21:45:00"), at("22:46:00"))
WORKED = [
    PlainTrade(at("21:36:00"), 202_500, 15, "buy"),
    PlainTrade(at("21:36:11"), 202_499, 3, "sell"),
    PlainTrade(at("21:36:12"), 202_500, 10, "buy"),
    PlainTrade(at("21:36:12.100"), 202_500, 9, "sell"),
    PlainTrade(at("21:36:12.300"), 202_500, 8, "buy"),
    PlainTrade(at("21:36:13"), 202_501, 1, "buy"),
    PlainTrade(at("21:36:14"), 202_521, 1, "buy"),
    PlainTrade(at("21:36:14.050"), 202_522, 1, "buy"),
    PlainTrade(at("21:36:14.120"), 202_525, 1, "buy"),
]
BOOKS = [
    PlainBook(at("21:35:14"), ((202_400, 1),), ((202_490, 1), (202_500, 40), (202_600, 9))),
    PlainBook(at("21:36:10"), ((202_400, 1),), ((202_500, 12), (202_600, 9))),
    PlainBook(at("21:36:13.500"), ((202_500, 1),), ((202_522, 3), (202_524, 10))),
]


def order_of(side: Side = -1, tip=TIP, stop=STOP, clock=CLOCK):
    """Return a resting order of five contracts without a target."""
    return RestingOrder(Bracket(side, tip, stop), clock, 5)


@st.composite
def markets(draw):
    """Draw a short market around a tip, an order in it, and snapshots with gaps and short reach."""
    times_ms = sorted(draw(st.lists(st.integers(0, 40), min_size=1, max_size=30)))
    late = draw(st.integers(0, len(times_ms) - 1))
    times_ms[late] = max(0, times_ms[late] - draw(st.integers(0, 8)))
    trades = [
        PlainTrade(
            ts * 1_000, draw(st.integers(96, 104)), draw(st.integers(1, 6)),
            draw(st.sampled_from(["buy", "sell"])), draw(st.sampled_from(["0", "0", "0", "1"])),
        )
        for ts in times_ms
    ]  # fmt: skip
    books = []
    for ts in sorted(draw(st.lists(st.integers(0, 80), max_size=12, unique=True))):
        middle = draw(st.integers(96, 104))
        sides = [
            tuple(
                (middle + sign * step, draw(st.integers(1, 9)))
                for step in sorted(draw(st.sets(st.integers(1, 6), max_size=4)))
            )
            for sign in (-1, 1)
        ]
        books.append(
            PlainBook(
                ts * 500,
                sides[0],
                sides[1],
                gap=draw(st.integers(0, 5)) == 0,
                complete_bids=draw(st.booleans()),
                complete_asks=draw(st.booleans()),
            )
        )
    short, tip = draw(st.booleans()), draw(st.integers(98, 102))
    sign = 1 if short else -1
    risk, reward = draw(st.integers(1, 4)), draw(st.none() | st.integers(1, 5))
    target = None if reward is None else tip - sign * reward
    active = draw(st.integers(0, 20)) * 1_000
    return trades, books, PlainOrder(
        short, tip, tip + sign * risk, target, draw(st.integers(1, 6)),
        draw(st.sampled_from([1, 2])), active, active + draw(st.integers(1, 30)) * 1_000,
    )  # fmt: skip


def lab_order(plain):
    """Return the lab's order of a plain one."""
    clock = OrderClock(0, plain.active, plain.expires, plain.expires + 3_660_000)
    bracket = Bracket(-1 if plain.short else 1, plain.tip, plain.stop, plain.target)
    return RestingOrder(bracket, clock, plain.size, plain.tick)
