"""A made-up market that is open now, and its records of the day before as recorders write them.

An hour is made once and repeated with earlier dates and ids: a day costs little more than an hour.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ravequant import catalog, exchanges, times
from ravequant.records import Trade, TradeEncoder
from ravequant.sim.market import ModelMarket
from ravequant.vault import instruments
from ravequant.vault.append_log import DayLog
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault
from scripts.bench.market import BTC, CADENCE_MS
from scripts.showcase.past_books import EVERY_MS, PastBooks

RATE: Final = 5.0  # trades a second on average
HOURS: Final = 23  # before the hour that is copied, which ends with the present hour's begin
DEEP_HOURS: Final = 3  # of these, the newest ones, with deep books


class LiveDay:
    """The recorders of one instrument; used by a ``with`` block.

    The hours come in their order: ``write_copies`` until none is left, then ``write_until``.
    """

    def __init__(self, vault: Vault, seed: int, now_ms: int) -> None:
        """Make the market from the begin of the hour before that of ``now_ms`` on."""
        self._vault = vault
        self.begin_ms = now_ms - now_ms % times.HOUR_MS - times.HOUR_MS
        self._book_ms = self.begin_ms - EVERY_MS // 2  # of the newest one: none at an hour's turn
        self._market = ModelMarket(seed, (BTC,), start_ms=self.begin_ms, rows_per_second=RATE)
        terms = instruments.parse_instrument(self._market.instruments[BTC])
        instruments.save(vault, terms, None)
        self._encoder = TradeEncoder(BTC, terms.contract)
        self._held = ExitStack()
        for data in (catalog.TRADES, catalog.BOOK):
            self._held.enter_context(writer_lock(vault, data.stream, BTC))
        self._log = self._held.enter_context(DayLog(vault.trades(BTC)))
        self._of_hour = Vault(vault.root.with_name(f"{vault.root.name}.hour"))
        self._books = self._books_in(self._of_hour)
        self._hour = list(self._trades_and_books(self.begin_ms + times.HOUR_MS, EVERY_MS))
        self._books.close()
        self._books = self._books_in(vault)
        self._held.callback(self._books.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._held.close()

    def _books_in(self, vault: Vault) -> PastBooks:
        return PastBooks(vault, exchanges.load(vault.exchange), BTC)

    def _trades_and_books(self, until_ms: int, every_ms: int) -> Iterator[Trade]:
        """Yield the trades up to a moment; their books are written meanwhile."""
        while self._book_ms + every_ms <= until_ms:
            self._book_ms += every_ms
            yield from (trade for _, trade in self._market.trades(self._book_ms))
            self._books.append(self._market)
        yield from (trade for _, trade in self._market.trades(until_ms))

    def write_copies(self, first: int = HOURS, last: int = 0) -> int:
        """Write the copies of the hour that lie ``first`` to ``last`` hours back; return the end.

        The last is that of 0 hours, the hour itself.
        """
        ids = self._hour[-1].trade_id - self._hour[0].first_id + 1
        for back in range(first, last - 1, -1):
            shift = back * times.HOUR_MS
            self._write(
                replace(trade, ts=trade.ts - shift, trade_id=trade.trade_id - back * ids)
                for trade in self._hour
            )
            self._copy(Vault.snapshots, shift)
            if back <= DEEP_HOURS:
                self._copy(Vault.deep_snapshots, shift)
        return self.begin_ms - (last - 1) * times.HOUR_MS

    def _copy(self, place: Callable[[Vault, str], Path], shift: int) -> None:
        """Copy the books of the hour; all times in them begin with the hour."""
        moments = self.begin_ms, self.begin_ms - shift
        stamps = [times.iso(ms)[: len("2025-12-14T21")] for ms in moments]
        vaults = self._of_hour, self._vault
        old, new = (
            place(vault, BTC) / f"{stamp.replace('T', '/')}.jsonl"
            for vault, stamp in zip(vaults, stamps, strict=True)
        )
        new.parent.mkdir(parents=True, exist_ok=True)
        before, after = (f'_utc":"{stamp}:'.encode() for stamp in stamps)
        new.write_bytes(old.read_bytes().replace(before, after))

    def write_until(self, moment_ms: int, every_ms: int = CADENCE_MS) -> int | None:
        """Write the trades up to a moment (Unix ms) and the books, one each ``every_ms``.

        Return the time of the newest record, None without any.
        """
        books_ms = self._book_ms
        newest = self._write(self._trades_and_books(moment_ms, every_ms))
        return newest if self._book_ms == books_ms else max(newest or 0, self._book_ms)

    def _write(self, trades: Iterator[Trade]) -> int | None:
        newest, lines = 0, list[bytes]()
        day = ""
        for trade in trades:
            if lines and times.day(trade.ts) > day:
                self._log.append(newest, b"".join(lines))
                lines.clear()
            newest = max(newest, trade.ts)
            day = times.day(newest)
            lines.append(self._encoder.line(trade))
        if lines:
            self._log.append(newest, b"".join(lines))
        return newest or None
