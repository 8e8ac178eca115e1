"""The bucketizer without files, on markets made up: what its tests feed it, and how."""

import random
from fractions import Fraction
from typing import Any

import orjson
from hypothesis import strategies as st

from Liquidity_Buckets.l2_bucketizer import BucketFold
from ravequant.books.snapshot_reader import SnapshotReader
from ravequant.contract import Contract
from ravequant.settings import L2, Settings
from ravequant.vault.instruments import Metadata
from tests.support import book_lines
from tests.support.bucket_oracle import Rules

START = 1_765_748_096_000  # 2025-12-14T21:34:56.000Z


class Fixed:
    """Contracts by the clock, as the rules of the oracle say."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def refresh(self) -> None:
        pass

    def at(self, ts: int) -> Metadata:
        worth = self._rules.worth(ts)
        text = str(float(worth)).rstrip("0").rstrip(".")
        kind: Any = "inverse" if self._rules.inverse else "linear"
        return Metadata("", 0, Contract(text, "1", kind), "", "", "", "", "", "", {})


class Queue:
    """Deep lines from memory; a restart begins with the line in use."""

    def __init__(self, rows: list[dict[str, Any]], at: int = 0) -> None:
        self._lines = [book_lines.lines([row]) for row in rows]
        self._next = at
        self._used = at

    def peek(self) -> bytes | None:
        return self._lines[self._next] if self._next < len(self._lines) else None

    def take(self) -> None:
        self._used = self._next
        self._next += 1

    def skip(self, reason: str | None) -> None:
        assert reason is None, reason
        self._next += 1

    def again(self) -> "Queue":
        queue = Queue([], self._used)
        queue._lines = self._lines
        return queue


def compute(
    snapshots: list[dict[str, Any]],
    deeps: list[dict[str, Any]],
    rules: Rules,
    cuts: list[int] | None = None,
    *,
    odd: bool = False,
) -> list[dict[str, Any]]:
    """Return the records; at each of ``cuts`` everything goes on from JSON."""
    chosen = Settings(l2=L2(depth_levels=rules.depth_levels))
    inst_id = snapshots[0]["instId"]
    queue, state = Queue(deeps), b""
    records: list[dict[str, Any]] = []
    ends = [*(cuts or []), len(snapshots)]
    for begin, end in zip([0, *ends], ends, strict=False):
        reader = SnapshotReader(inst_id, queue, _refuse)
        fold = BucketFold(inst_id, chosen, Fixed(rules))
        if state:
            facts = orjson.loads(state)
            reader.restore(facts["reader"])
            fold.restore(facts["fold"])
        data = book_lines.lines(snapshots[begin:end])
        if odd:  # another writer's spelling
            data = data.replace(b'":', b'": ')
        records += fold.update(reader.read(data)) if data else []
        state = orjson.dumps({"reader": reader.state(), "fold": fold.state()})
        queue = queue.again()
    return [orjson.loads(orjson.dumps(record)) for record in records]


def _refuse(offset: int, reason: str) -> None:
    raise AssertionError(f"line at {offset} rejected: {reason}")


def first_difference(found: list[Any], wanted: list[Any]) -> Any:
    for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
        if one != other:
            fields = [
                (key, one.get(key), other[key]) for key in other if one.get(key) != other[key]
            ]
            return number, fields, list(one) == list(other)
    return None


# small books: a handful of levels, steps of time and price that meet every rule


@st.composite
def markets(  # noqa: C901 - a whole market
    draw: st.DrawFn,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Rules]:
    chance = random.Random(draw(st.integers(0, 2**32)))
    depth = draw(st.integers(2, 6))
    tick, places = draw(st.sampled_from([(10, 1), (1, 0), (25, 2), (5, 2)]))
    unit = 10**places
    rules = Rules(
        depth_levels=depth,
        inverse=draw(st.booleans()),
        ct_val=Fraction(draw(st.sampled_from(["0.01", "1", "100"]))),
    )
    scale = 1 if not rules.inverse else 100_000
    if not rules.inverse:
        scale = max(1, int(10 / rules.ct_val))
    ts, mid = START, 100_000 * unit // 10 * 10
    snapshots: list[dict[str, Any]] = []
    deeps: list[dict[str, Any]] = []
    standing: dict[int, int] = {}

    def text(units: int) -> str:
        whole, part = divmod(units, unit)
        return f"{whole}.{part:0{places}}".rstrip("0").rstrip(".") if part else str(whole)

    def side(sign: int, count: int, span: int) -> list[list[str]]:
        step = mid * span // 10_000 // count
        found, price = [], mid
        for _ in range(count):
            price += sign * max(tick, chance.randint(1, max(2, 2 * step)) // tick * tick)
            level = standing.get(price)
            if level is None or chance.random() < 0.1:
                level = chance.choice((1, 3, 5, 9, 10, 30)) * scale * chance.choice((1, 1, 1, 7))
                standing[price] = level
            found.append([text(price), str(level), "0", "1"])
        return found

    def fixed(sign: int, span: int, count: int) -> list[list[str]]:
        """Levels at round prices, so that walls stand still while the mid moves."""
        grid = mid // 400 // tick * tick or tick
        first = (mid // grid + (1 if sign > 0 else 0)) * grid
        if first == mid:
            first += sign * grid
        prices = [first + sign * grid * n for n in range(count)]
        found = []
        for price in prices:
            if abs(price - mid) * 10_000 > span * mid:
                break
            if chance.random() < 0.03 or price not in standing:
                standing[price] = chance.choice((1, 3, 10, 12, 30)) * scale
            found.append([text(price), str(standing[price]), "0", "1"])
        return found or side(sign, 1, span)

    for _ in range(draw(st.integers(5, 60))):
        ts += chance.choice(
            (1, 2_000, 2_000, 5_000, 10_000, 10_000, 10_000, 10_001, 300_000)
            if chance.random() < 0.2
            else (2_000, 9_000, 10_000)
        )
        if chance.random() < 0.5:
            mid += chance.choice((-1, 1)) * tick * chance.choice((1, 1, 5, mid // 2000 // tick + 1))
        make = fixed if chance.random() < 0.8 else side
        count = depth if chance.random() < 0.9 else max(1, depth - 1)
        spans = chance.choice((600, 300, 90)), chance.choice((600, 300, 90))
        bids, asks = (
            make(s, count, n) if make is side else make(s, n, count)
            for s, n in zip((-1, 1), spans, strict=True)
        )
        snapshots.append(book_lines.snapshot(ts, bids, asks, gap=chance.random() < 0.02))
        if chance.random() < (0.5 if len(snapshots) % 20 < 14 else 0.02):
            far = chance.choice((700, 450, 120))
            sides = [fixed(s, far, 40) for s in (-1, 1)]
            deeps.append(
                book_lines.deep(ts + chance.choice((-500, 0, 900)), ts, sides[0], sides[1])
            )
    return snapshots, deeps, rules
