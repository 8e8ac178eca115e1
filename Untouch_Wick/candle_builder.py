"""Candles: 1m from closed minute bars; 5m, 15m, 1h and 4h rolled up from them (SPEC section 8).

Aligned to UTC. A candle closes when its last minute does, traded or not; one without a trade does
not exist. Sums and extremes of a rolled-up candle are exactly those of its minutes.

As a program: prints the closed candles of an instrument, computed afresh from its raw trades.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import logging
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from ravequant import cli, exact, settings, tables, times
from ravequant.errors import DONE, NoDataError
from ravequant.pipeline import trade_source
from ravequant.vault import gap_ledger, tail
from ravequant.vault.paths import held

if TYPE_CHECKING:
    import argparse

    from ravequant.trades.bar_builder import Closed
    from ravequant.trades.minute_bar import MinuteBar
    from ravequant.vault.cursor import Cursor
    from ravequant.vault.paths import Vault

TIMEFRAMES: Final = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240}  # minutes, shortest first
HEADERS: Final = ("start UTC", "open", "high", "low", "close", "trades", "USD", "delta", "note")
_MINUTE: Final = "1m"
_PRICES: Final = ("open", "high", "low", "close")
_log = logging.getLogger("candles")


class Candle(NamedTuple):
    """The trades of one span of a timeframe, summed; in the units of ``exact``."""

    timeframe: str
    start: int  # Unix minutes
    open: int
    high: int
    low: int
    close: int
    trade_count: int
    base: int
    notional: int
    buy_notional: int
    cut: bool  # it began before the first minute of the input: part of it was not seen

    @property
    def end(self) -> int:
        """The minute at which it closes."""
        return self.start + TIMEFRAMES[self.timeframe]


class CandleBuilder:
    """Minute bars in, closed candles of all timeframes out.

    The sums of an open candle lack those of the open one of the next shorter timeframe, which it
    takes in when that closes: 4 h of minutes are added once, not once for each timeframe.
    """

    def __init__(self, first: int | None = None) -> None:
        self._first = first  # first minute of the input; None: that of the first bar
        self._open: dict[str, Candle | None] = dict.fromkeys(TIMEFRAMES)
        self.next_end: int | None = None  # earliest minute at which a candle closes

    def _look_ahead(self) -> None:
        shortest = next((candle for candle in self._open.values() if candle is not None), None)
        self.next_end = None if shortest is None else shortest.end

    def add(self, bar: "MinuteBar") -> None:
        """Take in a minute; candles that end by its start have been closed before."""
        if self._first is None:
            self._first = bar.minute
        prices = bar.open, bar.high, bar.low, bar.close
        sums = bar.trade_count, bar.base, bar.notional, bar.buy_notional
        self._open[_MINUTE] = Candle(_MINUTE, bar.minute, *prices, *sums, cut=False)
        self.next_end = bar.minute + 1

    def close(self, end: int) -> list[Candle]:
        """Return the candles that close at ``end``, the shortest first."""
        closed: list[Candle] = []
        if self.next_end != end:
            return closed
        shorter: Candle | None = None
        for timeframe, minutes in TIMEFRAMES.items():
            candle = self._joined(timeframe, shorter)
            if end % minutes:  # so no longer one ends either
                self._open[timeframe] = candle
                break
            self._open[timeframe], shorter = None, candle
            if candle is not None:
                closed.append(candle)
        self._look_ahead()
        return closed

    def _joined(self, timeframe: str, shorter: Candle | None) -> Candle | None:
        """Return the open candle of a timeframe with the newest one of the next shorter in it."""
        candle = self._open[timeframe]
        if shorter is None:
            return candle
        if candle is not None:
            return _go_on(candle, shorter)
        start = shorter.start - shorter.start % TIMEFRAMES[timeframe]
        cut = self._first is not None and start < self._first
        return shorter._replace(timeframe=timeframe, start=start, cut=cut)

    def state(self) -> dict[str, Any]:
        """Return everything that later candles depend on, for JSON."""
        texts: list[list[Any]] = []
        candle: Candle | None = None
        for timeframe in TIMEFRAMES:
            candle = self._joined(timeframe, candle)
            if candle is not None:
                texts.append(_as_texts(candle))
        return {"first": self._first, "open": texts}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state()`` returned."""
        self._first = state["first"]
        shorter: Candle | None = None
        for timeframe, start, cut, *texts in state["open"]:
            values: list[Any] = [timeframe, start, *map(int, texts), cut]
            candle = Candle(*values)
            self._open[timeframe] = candle if shorter is None else _without(candle, shorter)
            shorter = candle
        self._look_ahead()


def _go_on(candle: Candle, later: Candle) -> Candle:
    return Candle(
        candle.timeframe,
        candle.start,
        candle.open,
        max(candle.high, later.high),
        min(candle.low, later.low),
        later.close,
        candle.trade_count + later.trade_count,
        candle.base + later.base,
        candle.notional + later.notional,
        candle.buy_notional + later.buy_notional,
        candle.cut,
    )


def _without(candle: Candle, part: Candle) -> Candle | None:
    """Return a candle whose sums lack those of its newest part; None if there is no other."""
    if candle.trade_count == part.trade_count:
        return None
    return candle._replace(
        trade_count=candle.trade_count - part.trade_count,
        base=candle.base - part.base,
        notional=candle.notional - part.notional,
        buy_notional=candle.buy_notional - part.buy_notional,
    )


def _as_texts(candle: Candle) -> list[Any]:
    prices = candle.open, candle.high, candle.low, candle.close
    sums = candle.trade_count, candle.base, candle.notional, candle.buy_notional
    return [candle.timeframe, candle.start, candle.cut, *map(str, prices + sums)]


def candles(
    vault: "Vault", inst_id: str, timeframe: str, since_ms: int
) -> Iterator[tuple[Candle, bool]]:
    """Yield the closed candles of the last ``since_ms`` before the newest raw trade.

    Each comes with True if a gap touches it. Reads raw trades only and writes nothing. Raises
    NoDataError and VaultError.
    """
    files = trade_source.TRADES.files(vault, inst_id)
    newest = tail.newest_time(files)
    if newest is None:
        raise NoDataError(
            f"no raw data of {inst_id} in {vault.root}; start its exporter, or name another vault "
            f"with --vault{held(vault.trades)}"
        )
    span = TIMEFRAMES[timeframe]
    first = max(0, (newest - since_ms) // times.MINUTE_MS // span * span)
    generation = gap_ledger.read_generation(vault.generation(inst_id))
    cursor = tail.cursor_at(files, first * times.MINUTE_MS, generation)
    builder = CandleBuilder(first if _continues(files, cursor) else None)
    closed = _closed_minutes(vault, inst_id, tail.Tail(files, cursor, generation))
    for candle, gap in _roll(closed, builder):
        if candle.timeframe == timeframe and candle.start >= first:
            yield candle, gap


def _continues(files: tail.Listing, cursor: "Cursor | None") -> bool:
    """Return True if trades precede a cursor: then a quiet first minute does not cut a candle."""
    oldest = next((key for key, _ in files()), None)
    return cursor is not None and (cursor.offset > 0 or cursor.file != oldest)


def _closed_minutes(vault: "Vault", inst_id: str, trades: tail.Tail) -> "Iterator[Closed]":
    reader = trade_source.decoder(vault, inst_id, settings.load())(_refused)
    for block in trades.blocks():
        yield reader.read(block.data, block.path.name)


def _refused(offset: int, reason: str) -> None:
    _log.warning("a line %d bytes into its block was skipped: %s", offset, reason)


def _roll(batches: "Iterable[Closed]", builder: CandleBuilder) -> Iterator[tuple[Candle, bool]]:
    """Yield each closed candle, and True if a gap touches a minute of it."""
    marked = -1
    for closed in batches:
        gaps = deque(closed.gaps)
        ends: list[tuple[int, MinuteBar | None]] = [(bar.minute, bar) for bar in closed.bars]
        for until, bar in [*ends, (closed.through + 1, None)]:
            while (end := builder.next_end) is not None and end <= until:
                while gaps and gaps[0] < end:
                    marked = gaps.popleft()
                for candle in builder.close(end):
                    yield candle, marked >= candle.start
            if bar is not None:
                builder.add(bar)
        marked = gaps[-1] if gaps else marked


def row(inst_id: str, candle: Candle, *, gap: bool) -> dict[str, Any]:
    """Return a candle as one JSON object; ``delta`` is buy - sell notional."""
    delta = 2 * candle.buy_notional - candle.notional
    return {
        "timestamp_utc": times.iso_minute(candle.start),
        "instId": inst_id,
        "timeframe": candle.timeframe,
        **{name: exact.price_text(getattr(candle, name)) for name in _PRICES},
        "trade_count": candle.trade_count,
        "base": exact.text(candle.base, exact.BASE_PLACES),
        "notional": exact.text(candle.notional, exact.NOTIONAL_PLACES),
        "delta": exact.signed_text(delta, exact.NOTIONAL_PLACES),
        "gap": gap,
        "cut": candle.cut,
    }


def cells(candle: Candle, *, gap: bool) -> list[str]:
    """Return a candle as a line of the table, sums in whole dollars."""
    notes = [name for name, true in (("gap", gap), ("cut", candle.cut)) if true]
    delta = 2 * candle.buy_notional - candle.notional
    return [
        times.iso_minute(candle.start)[:16].replace("T", " "),
        *(exact.price_text(getattr(candle, name)) for name in _PRICES),
        f"{candle.trade_count:,}",
        f"{exact.divide(candle.notional, exact.NOTIONAL_ONE, 0):,}",
        exact.signed(f"{exact.divide(delta, exact.NOTIONAL_ONE, 0):,}"),
        " ".join(notes),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the closed candles of the given instruments."""
    parser = cli.parser("candles", "Closed candles from raw trades, as a table or as JSON lines.")
    cli.add_instruments(parser)
    parser.add_argument(
        "--timeframe", choices=TIMEFRAMES, default="1m", help="length of a candle (default: 1m)"
    )
    parser.add_argument(
        "--since",
        type=cli.duration,
        default=times.HOUR_MS,
        metavar="SPAN",
        help="how far back from the newest raw trade (60m, 4h, 7d; default: 1h)",
    )

    def body(args: "argparse.Namespace") -> int:
        vault = cli.vault_of(args)
        for inst_id in cli.instruments_of(args, settings.load().instruments):
            found = candles(vault, inst_id, args.timeframe, args.since)
            if args.json:
                for candle, gap in found:
                    sys.stdout.write(orjson.dumps(row(inst_id, candle, gap=gap)).decode() + "\n")
            else:
                lines = [cells(candle, gap=gap) for candle, gap in found]
                sys.stdout.write(f"{inst_id} {args.timeframe}\n{tables.text(HEADERS, lines)}")
        return DONE

    return cli.run(parser, body, argv)


if __name__ == "__main__":
    sys.exit(main())
