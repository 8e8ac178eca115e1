"""The truth about the walls of a model market, and how book flow has called them.

The market says of each wall who changed it: its owner placed or pulled it, takers took from it.
From that alone follows how a wall ended: at the act that left less than the wall size, by the
contracts that were taken and pulled since it was largest.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import orjson
import pytest

from Liquidity_Buckets.book_flow import CALCULATOR
from ravequant import times
from ravequant.pipeline import runner
from ravequant.records import TradeEncoder
from ravequant.settings import Settings
from ravequant.settings_schema import build
from ravequant.sim import late_books
from ravequant.sim import market as market_module
from ravequant.sim.faults import Fault
from ravequant.sim.instruments import listing
from ravequant.vault import instruments
from ravequant.vault.paths import Vault
from tests.support import book_lines

SOL = "SOL-USDT-SWAP"  # 400 levels of it reach all its walls
WALL = 900_000
CHOSEN = build(Settings, {"buckets": {"wall_notional": {"SOL": str(WALL)}}})
CADENCE_MS = 2_000
Act = dict[str, Any]


@dataclass(frozen=True)
class WallEnd:
    """The end of a wall, as its market knows it."""

    side: str
    price: str
    begun: int  # first book that shows it, ms
    ended: int  # first book that shows less than a wall, ms
    how: str


def ends(acts: Iterable[Act], least: Fraction) -> list[WallEnd]:
    """Return the ends of walls; ``least`` is the wall size as contracts x price."""
    standing: dict[tuple[str, str], list[Act]] = {}
    found = []
    for act in acts:
        place = act["side"], act["px"]
        story = standing.setdefault(place, [])
        story.append(act)
        if Fraction(act["left"]) * Fraction(act["px"]) >= least:
            if act["how"] == "placed":
                standing[place] = [act]  # it is largest now
            continue
        del standing[place]
        if story[0]["how"] != "placed":
            continue  # it had fallen below the wall size before
        parts = {
            how: sum((Fraction(one["sz"]) for one in story[1:] if one["how"] == how), Fraction(0))
            for how in ("taken", "pulled")
        }
        both = sum(parts.values())
        how = next(
            (
                name
                for name, part in (("filled", parts["taken"]), ("pulled", parts["pulled"]))
                if part * 10 >= both * 8
            ),
            "mixed",
        )
        found.append(WallEnd(*place, story[0]["ts"], act["ts"], how))
    return found


def record(
    vault: Vault, seed: int, minutes: int, *, lag_ms: int = 0, busy: bool = False
) -> list[Act]:
    """Write the trades and books of a model market; return the acts on its walls."""
    with pytest.MonkeyPatch.context() as patch:
        if busy:  # price comes to the walls, and takers eat one in a minute
            known = replace(listing(SOL), minute_usd=8e6, minute_bps=20.0)
            patch.setattr(market_module, "listing", lambda _: known)
        market = market_module.ModelMarket(seed, (SOL,), rows_per_second=40)
    late = [Fault("book_lag", delay_ms=lag_ms)] * bool(lag_ms)
    feed = late_books.of(market, late, market.start_ms)
    meta = instruments.parse_instrument(market.instruments[SOL], fetched_ms=0)
    instruments.save(vault, meta, None)
    encoder, acts = TradeEncoder(SOL, meta.contract), []
    end = market.start_ms + minutes * times.MINUTE_MS
    rows, trades = [], []
    for now in range(market.start_ms + CADENCE_MS, end, CADENCE_MS):
        for step in range(now - 400 if lag_ms else now, now + 1, 100):
            trades += [encoder.line(trade) for _, trade in feed.trades(step)]
            feed.books(step)
        book = feed.snapshot(SOL, 400)
        assert book is not None
        bids, asks = ([[p, q, "0", n] for p, q, n in side] for side in (book.bids, book.asks))
        rows.append(book_lines.snapshot(now, bids, asks, inst_id=SOL))
        acts += [
            {"ts": one.ts, "side": one.side, "px": one.price, "how": one.how, "sz": one.size,
             "left": one.left}
            for _, one in market.wall_changes()
        ]  # fmt: skip
    book_lines.put(vault.snapshots(SOL), rows)
    path = vault.trades(SOL) / f"{times.day(market.start_ms)}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(trades))
    return acts


def called(vault: Vault, inst_id: str = SOL, chosen: Settings = CHOSEN) -> list[dict[str, Any]]:
    """Bring book flow up to date; return the walls that have ended."""
    runner.run(CALCULATOR.job(vault, inst_id, chosen))
    lines = (
        orjson.loads(line)
        for path in sorted(vault.derived("book_flow", inst_id).glob("*.jsonl"))
        for line in path.read_bytes().splitlines()
    )
    return [row for row in lines if row.get("end") is not None]


@dataclass
class Score:
    """How many walls were called right, and each of the others with the reason."""

    right: int = 0
    unseen: int = 0  # the price had left the recorded part of the book before: nothing is claimed
    misses: list[str] = field(default_factory=list)
    hows: Counter[str] = field(default_factory=Counter)

    def share(self) -> float:
        return self.right / max(self.right + len(self.misses), 1)


def score(
    truth: list[WallEnd], rows: list[dict[str, Any]], until: int, late: int = 0, since: int = 0
) -> Score:
    """Compare; a wall that came and went between two books was never seen, and is left out."""
    found = Score()
    for end in truth:
        first = -(-end.begun // CADENCE_MS) * CADENCE_MS + late
        if first > end.ended or not since <= end.ended <= until:
            continue
        story = [
            (row, times.parse_iso(row["end_utc"]))
            for row in rows
            if (row["side"], row["price"]) == (end.side, end.price)
        ]
        if any(row["end"] == "unseen" and end.begun <= at <= end.ended for row, at in story):
            found.unseen += 1
            continue
        found.hows[end.how] += 1
        window = range(end.ended - CADENCE_MS, end.ended + 5_000)
        calls = [row for row, at in story if at in window]
        if any(row["end"] == end.how for row in calls):
            found.right += 1
        else:
            found.misses.append(f"{end} called {[(row['end'], row) for row in calls]}")
    return found
