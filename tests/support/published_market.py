"""A made-up market of a few days as the exchange publishes it: trades, candles and books."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from ravequant import exact, times
from ravequant.records import Trade
from tests.support import book_archives
from tests.support.archive_files import candle_file, candle_rows, trade_file
from tests.support.judged_market import walk
from tests.support.plain_book import Message

DAYS = ("2025-12-13", "2025-12-14", "2025-12-15", "2025-12-16")
_STEP_MS = 20_000


def publish(folder: Path, *, books: Iterable[str] = DAYS[1:]) -> Path:
    """Write the files of DAYS: whole days of trades with their candles, and books of ``books``."""
    begin, end = times.day_start_ms(DAYS[0]), times.day_start_ms(DAYS[-1]) + times.DAY_MS
    fills = walk(begin, end, every_ms=20_000)
    folder.mkdir(parents=True, exist_ok=True)
    for label, rows in groupby(fills, lambda fill: times.day(fill.ts + 8 * times.HOUR_MS)):
        its = list(rows)
        trade_file(folder, label, its, "source")
        candle_file(folder, label, candle_rows(its))
    for day in books:
        of_day = (fill for fill in fills if times.day(fill.ts) == day)
        book_archives.write(folder, day, book_archives.lines(messages(of_day)))
    return folder


def messages(fills: Iterable[Trade]) -> Iterator[Message]:
    """Yield a whole book of ten levels a side around the newest fill, every twenty seconds."""
    due = 0
    for fill in fills:
        if fill.ts >= due:
            due = fill.ts + _STEP_MS
            middle = exact.units(fill.price, 1)
            bids, asks = (
                [
                    (exact.text(middle + sign * step, 1), str(1 + (middle + step) % 7))
                    for step in range(1, 11)
                ]
                for sign in (-1, 1)
            )
            yield book_archives.message("snapshot", fill.ts, bids, asks)
