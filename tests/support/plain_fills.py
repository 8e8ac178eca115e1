"""The fill models and exits once more: record by record, in fractions, without a mirror.

It shares no code with the lab. Prices are integers, sizes whole contracts.
"""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class PlainTrade:
    """A record of the tape."""

    ts: int
    price: int
    qty: int
    side: str
    source: str = "0"


@dataclass(frozen=True)
class PlainBook:
    """A snapshot; levels are (price, contracts) from the mid outwards."""

    ts: int
    bids: tuple[tuple[int, int], ...] = ()
    asks: tuple[tuple[int, int], ...] = ()
    gap: bool = False
    complete_bids: bool = False  # nothing rests beyond the last level
    complete_asks: bool = False


@dataclass(frozen=True)
class PlainOrder:
    """A resting order; ``short`` True sells at the tip."""

    short: bool
    tip: int
    stop: int
    target: int | None
    size: int
    tick: int
    active: int
    expires: int


def in_order(trades):
    """Return the trades, none of them before the newest time so far."""
    newest, found = -1, []
    for trade in trades:
        newest = max(newest, trade.ts)
        found.append(PlainTrade(newest, trade.price, trade.qty, trade.side, trade.source))
    return found


def beyond(order, price, level):
    """Return how far ``price`` lies past ``level``, against the position."""
    return price - level if order.short else level - price


def resting(order, book):
    """Return the contracts that a snapshot shows at the tip; None if it does not show them."""
    levels = book.asks if order.short else book.bids
    if book.gap:
        return None
    complete = book.complete_asks if order.short else book.complete_bids
    if not complete and (not levels or beyond(order, order.tip, levels[-1][0]) > 0):
        return None
    return sum(size for price, size in levels if price == order.tip)


def fills(trades, books, order):
    """Return the index of the record that fills under each model."""
    trades = in_order(trades)
    taker = "buy" if order.short else "sell"
    found: dict[str, int | None] = {"touch": None, "queue": None, "through": None}
    known, ahead = False, None
    newest = [book for book in books if book.ts <= order.active]
    if newest and order.active - newest[-1].ts <= 10_000 and not newest[-1].gap:
        waiting = [newest[-1], *(book for book in books if book.ts > order.active)]
    else:
        waiting = [book for book in books if book.ts > order.active]
    for index, trade in enumerate(trades):
        while waiting and waiting[0].ts < trade.ts:
            shown = resting(order, waiting.pop(0))
            if shown is not None:
                ahead = shown if ahead is None else min(ahead, shown)
        if trade.ts < order.active or trade.ts >= order.expires or trade.source == "1":
            continue
        at_tip = trade.price == order.tip and trade.side == taker
        through = beyond(order, trade.price, order.tip) >= order.tick
        past = beyond(order, trade.price, order.tip) > 0
        if at_tip and ahead is not None:
            ahead -= trade.qty
        if found["touch"] is None and (at_tip or through):
            found["touch"] = index
        if found["queue"] is None and (
            through or (at_tip and ahead is not None and ahead <= -order.size)
        ):
            found["queue"], known = index, ahead is not None
        if found["through"] is None and through:
            found["through"] = index
            break
        assert not past or through or order.tick > 1
    return found, known


def walk(order, book, size):
    """Return the price of leaving over the best price, and whether the book was too thin."""
    levels = book.asks if order.short else book.bids
    if not levels:
        return None
    paid, left = Fraction(0), size
    for price, shown in levels:
        taken = min(left, shown)
        paid += price * taken
        left -= taken
    thin = left > 0
    paid += levels[-1][0] * left
    return paid / size / levels[0][0], thin


def first_exit(trades, order, fill, rules):
    """Return (kind, index, moment) of the exit that comes first; None without one."""
    filled = trades[fill].ts
    due = filled + rules["hold_ms"]
    need = order.tick if rules["target"] == "maker" else 0
    for index, trade in enumerate(trades):
        if index <= fill:
            continue
        organic = trade.source != "1"
        if trade.ts >= due:
            if organic:
                return "time", index, due
        elif trade.ts >= filled + rules["arm_ms"] and beyond(order, trade.price, order.stop) >= 0:
            return "stop", index, trade.ts
        elif (
            organic
            and order.target is not None
            and -beyond(order, trade.price, order.target) >= need
        ):
            return "target", index, trade.ts
    return None


def payment(trades, books, order, found, rules):
    """Return (index, price, depth) of a market exit; None while its record has not come."""
    kind, trigger, moment = found
    earliest = moment if kind == "time" else moment + rules["latency_ms"]
    rest = (index for index in range(trigger, len(trades)) if trades[index].source != "1")
    place = next((index for index in rest if trades[index].ts >= earliest), None)
    if place is None:
        return None
    price = Fraction(trades[place].price)
    limit = {"stop": order.stop, "target": order.target, "time": None}[kind]
    if limit is not None:
        price = Fraction(max(price, limit) if order.short else min(price, limit))
    before = [book for book in books if book.ts <= moment]
    usable = before and moment - before[-1].ts <= 10_000 and not before[-1].gap
    walked = walk(order, before[-1], order.size) if usable else None
    if walked is None:
        slip = rules["slippage"] / 10_000
        return place, price * (1 + slip if order.short else 1 - slip), "none"
    return place, price * walked[0], "thin" if walked[1] else "book"


def funding(order, span, rules):
    """Return the funding of a position in bps; ``span`` is fill and exit."""
    total, side = Fraction(0), -1 if order.short else 1
    filled, left = span
    for ms, rate in rules["settlements"]:
        touches = filled <= ms + 60_000 and left >= ms
        throughout = filled <= ms and left >= ms + 60_000
        paid = -rules["funding"] if rate is None else -side * rate * 10_000
        if throughout or (touches and paid < 0):
            total += paid
    return total


def leave(trades, books, order, fill, rules):
    """Return how the position ends, as a dictionary; None while the tape does not reach it."""
    trades = in_order(trades)
    found = first_exit(trades, order, fill, rules)
    if found is None:
        return None
    kind, trigger, _ = found
    by_maker = kind == "target" and rules["target"] == "maker"
    paid = (trigger, Fraction(order.target), None) if by_maker else None
    paid = paid or payment(trades, books, order, found, rules)
    if paid is None:
        return None
    place, price, depth = paid
    tip, side = order.tip, -1 if order.short else 1
    gross = side * (price - tip) / tip * 10_000
    funded = funding(order, (trades[fill].ts, trades[place].ts), rules)
    fee = rules["maker"] if by_maker else rules["taker"]
    net = gross - rules["maker"] - fee * price / tip + funded
    fees = rules["maker"] * tip + rules["taker"] * order.stop
    moves = [beyond(order, trade.price, tip) for trade in trades[fill + 1 : trigger + 1]]
    return {
        "exit": kind,
        "exit_place": place,
        "exit_price": price,
        "gross": gross,
        "net": net,
        "net_r": net * tip / 10_000 / (abs(order.stop - tip) + fees / 10_000),
        "mae": Fraction(max(0, *moves, 0) * 10_000, tip),
        "mfe": Fraction(max(0, *(-move for move in moves), 0) * 10_000, tip),
        "overshoot": Fraction(beyond(order, trades[fill].price, tip) * 10_000, tip),
        "funding": funded,
        "depth": depth,
        "fill_ms": trades[fill].ts,
        "exit_ms": trades[place].ts,
    }
