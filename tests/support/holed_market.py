"""Three hours of a made-up market with holes: missing trades, ids that never were, broken books."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ravequant import exact, times
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry, Status
from ravequant.vault.paths import Vault
from tests.support.book_lines import put, put_metadata, snapshot
from tests.support.judged_market import walk
from tests.support.notes_market import calculate
from tests.support.trade_streams import write_raw

BTC = "BTC-USDT-SWAP"
LINEAR = Contract("0.01", "1", "linear")
START = times.parse_iso("2025-12-14T22:30:00Z")
MINUTES = 180  # a UTC midnight lies in them
LOST = (20, 27)  # minutes from the start without trades; the ledger says `open`
GIVEN_UP = (95, 96)  # `unrecoverable`
NEVER = 50  # in this minute ids are missing that never were
UNNAMED = 60  # in this minute ids are missing that the ledger does not name
SILENT = (40, 44)  # minutes without a snapshot
BROKEN = 70  # the book breaks at the beginning of this minute, and comes back 6 s later


def at(minute: float) -> int:
    """Return the moment of a minute from the start, Unix ms."""
    return START + int(minute * times.MINUTE_MS)


class HoledMarket:
    """Its raw lines, put into a vault up to any minute."""

    def __init__(self, *, whole: bool = False) -> None:
        every = walk(START, at(MINUTES + 0.2))
        self.books = list(_books(every, whole=whole))
        if not whole:
            every = [_renumbered(trade) for trade in every if not _is_lost(trade)]
        self.trades = every
        encoder = TradeEncoder(BTC, LINEAR)
        self.lines = [(trade.ts, encoder.line(trade)) for trade in self.trades]

    def put(self, vault: Vault, after: int = 0, until: int = MINUTES) -> None:
        """Add what came in (after, until], in minutes, and the trade that closes the last one."""
        begin, end = at(after), at(until)
        closes = next(ts for ts, _ in self.lines if ts >= end + 5_000)
        began = next(ts for ts, _ in self.lines if ts >= begin + 5_000) if after else 0
        if not after:
            put_metadata(vault, BTC, LINEAR)
            self._put_ledger(vault)
        write_raw(vault, BTC, [line for ts, line in self.lines if began < ts <= closes])
        moments = ((times.parse_iso(row["timestamp_utc"]), row) for row in self.books)
        since = begin if after else 0
        put(vault.snapshots(BTC), [row for ts, row in moments if since < ts <= end])
        calculate(vault)

    def _put_ledger(self, vault: Vault) -> None:
        ledger = GapLedger(vault.gap_ledger(BTC), BTC)
        known: tuple[tuple[int, Status], ...] = (
            (LOST[1], "open"), (GIVEN_UP[1], "unrecoverable"), (NEVER, "id_hole"),
        )  # fmt: skip
        for minute, status in known:
            gap = self._gap_before(at(minute))
            if gap is not None:
                ledger.append(LedgerEntry(gap, status, "made up", at(minute)))

    def _gap_before(self, ms: int) -> Gap | None:
        """Return the ids missing before the first trade at or after a moment."""
        number = next(n for n, trade in enumerate(self.trades) if trade.ts >= ms)
        before, after = self.trades[number - 1].trade_id, self.trades[number].trade_id
        return Gap(before + 1, after - 1) if after > before + 1 else None


def _is_lost(trade: Trade) -> bool:
    minute = (trade.ts - START) / times.MINUTE_MS
    return any(first <= minute < end for first, end in (LOST, GIVEN_UP))


def _renumbered(trade: Trade) -> Trade:
    shift = 5 * (trade.ts >= at(NEVER)) + 3 * (trade.ts >= at(UNNAMED))
    return replace(trade, trade_id=trade.trade_id + shift)


def _books(trades: list[Trade], *, whole: bool) -> Iterator[dict[str, Any]]:
    moments = [trade.ts for trade in trades]
    for ts in range(START + 2_000, at(MINUTES), 6_000):
        minute = (ts - START) / times.MINUTE_MS
        if SILENT[0] <= minute < SILENT[1] and not whole:
            continue
        middle = exact.units(trades[max(0, bisect_right(moments, ts) - 1)].price, 1)
        sides = [
            [[exact.text(middle + sign * step, 1), f"{1 + step % 7}", "0", "1"] for step in (1, 9)]
            for sign in (-1, 1)
        ]
        broken = BROKEN <= minute < BROKEN + 0.1 and not whole
        yield snapshot(ts, *sides, gap=broken)
