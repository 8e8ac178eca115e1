"""The answers of ``l2_query`` as a person reads them: a ladder, zones, one sentence."""

from typing import Any

from L2_Bot import book_queries
from L2_Bot.book_queries import Book
from ravequant import tables, times

Answer = dict[str, Any]


def heading(book: Book, now: int | None) -> str:
    """Return what is being looked at, and how old it is at the moment ``now``."""
    age = "" if now is None else f", {_age(max(0, now - book.ts))} old"
    gap = ", the last book before a gap" if book.gap_detected else ""
    return f"{book.inst_id} at {times.iso(book.ts)}{age}{gap}: mid {book.mid}"


def walls(answer: Answer) -> str:
    """Asks above, bids below, the mid between them."""
    rows = [
        [side[:-1], wall["price"], *_sizes(wall), wall["distance_bps"]]
        for side, found in (("asks", answer["asks"][::-1]), ("bids", answer["bids"]))
        for wall in found
    ]
    if not rows:
        return f"no level above {answer['above_contracts']} contracts\n"
    return tables.text(["side", "price", "contracts", "coins", "USD", "bps from mid"], rows)


def zones(answer: Answer) -> str:
    """The largest zones of each side, largest first."""
    rows = [
        [side[:-1], zone["from"], *_sizes(zone), str(zone["levels"])]
        for side in reversed(book_queries.SIDES)
        for zone in answer[side]
    ]
    return tables.text(["side", "zone from", "contracts", "coins", "USD", "levels"], rows)


def spread(answer: Answer) -> str:
    """Bid, ask and the spread; a warning where it is wide."""
    warning = f"{book_queries.WIDE}\n" if answer["wide"] else ""
    return (
        f"bid {answer['best_bid']}, ask {answer['best_ask']}: spread {answer['spread']} = "
        f"{answer['spread_bps']} bps\n{warning}"
    )


def imbalance(answer: Answer) -> str:
    """Both sums and what they say."""
    pressure = f"{answer['pressure']}\n" if answer["pressure"] else ""
    return (
        f"top {answer['levels']} levels: bids {answer['bid_contracts']} contracts, asks "
        f"{answer['ask_contracts']} contracts, imbalance {answer['imbalance']}\n{pressure}"
    )


def _sizes(facts: Answer) -> list[str]:
    base, notional = facts["base"], facts["notional"]
    return [
        facts["contracts"],
        "-" if base is None else base,
        "-" if notional is None else f"{int(notional.partition('.')[0]):,}",
    ]


def _age(span_ms: int) -> str:
    for unit, size in (("days", times.DAY_MS), ("h", times.HOUR_MS), ("min", times.MINUTE_MS)):
        if span_ms >= 2 * size:
            return f"{span_ms // size} {unit}"
    return f"{span_ms // times.SECOND_MS} s"
