"""MinuteCandle files: the minutes of a day, and the proof that its fills sum to them exactly.

A file has a row for every minute, flat with a volume of 0 where nothing traded. It is cut as trade
files are: two labels hold a UTC day.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

from ravequant import exact, times
from ravequant.exchanges.archive.container import refusal
from ravequant.exchanges.okx.archive.csv_rows import INSTRUMENT, CsvForm, canonical, parsed_rows
from ravequant.exchanges.okx.archive.minutes import MinuteOfFills
from ravequant.exchanges.okx.messages import moment
from ravequant.records import RecordError
from ravequant.vault.paths import StrPath

_FORM: Final = CsvForm(
    "candles",
    ("open", "high", "low", "close", "vol", "vol_ccy", "vol_quote", "open_time"),
    (INSTRUMENT, "confirm"),
)
_PLACES: Final = {"qty": exact.SIZE_PLACES, "coins": exact.BASE_PLACES}  # the others are prices
_RATIO_PLACES: Final = exact.BASE_PLACES - exact.SIZE_PLACES


class MinuteCandle(NamedTuple):
    """One minute of the archive; all numbers count units of `exact`."""

    open: int
    high: int
    low: int
    close: int
    qty: int  # contracts
    coins: int  # units of a base
    quote: int  # quote currency, units of a base too


def read_candles(paths: Iterable[StrPath], inst_id: str, day: str) -> dict[int, MinuteCandle]:
    """Return the finished candles of a UTC day by their minute.

    Raises ArchiveError for a file of another form, and for a minute with two candles that differ.
    """
    start = times.day_start_ms(day) // times.MINUTE_MS
    found: dict[int, MinuteCandle] = {}
    for path in paths:
        for number, (minute, candle) in parsed_rows(path, inst_id, _FORM, _candle):
            if not start <= minute < start + times.DAY_MINUTES or candle is None:
                continue
            if found.setdefault(minute, candle) != candle:
                raise refusal(
                    path,
                    f"line {number}: the minute {times.iso_minute(minute)} has another candle too",
                    "one candle a minute",
                )
    return found


def _candle(row: dict[str, str]) -> tuple[int, MinuteCandle | None]:
    """Return a row's minute and candle; None for one that was not finished."""
    ms = moment(row["open_time"])
    if ms % times.MINUTE_MS:
        raise RecordError(f"open_time: {ms} is no whole minute")
    candle = MinuteCandle(
        _units(row, "open", exact.PRICE_PLACES),
        _units(row, "high", exact.PRICE_PLACES),
        _units(row, "low", exact.PRICE_PLACES),
        _units(row, "close", exact.PRICE_PLACES),
        _units(row, "vol", exact.SIZE_PLACES),
        _units(row, "vol_ccy", exact.BASE_PLACES),
        _units(row, "vol_quote", exact.BASE_PLACES),
    )
    return ms // times.MINUTE_MS, candle if row.get("confirm", "1") == "1" else None


def _units(row: dict[str, str], name: str, places: int) -> int:
    try:
        return exact.units(canonical(row[name]), places)
    except ValueError as error:
        raise RecordError(f"{name}: {error}") from None


def differing(
    minutes: Mapping[int, MinuteOfFills], candles: Mapping[int, MinuteCandle]
) -> list[str]:
    """Return a line for each minute whose fills are not exactly its candle, in order.

    Coins are compared where the archive gives them (those of 2021 are 0) and the contract is
    linear. A minute with neither fills nor candle is not named.
    """
    every = sorted({*minutes, *candles})
    found = ((minute, _difference(minutes.get(minute), candles.get(minute))) for minute in every)
    return [f"{times.iso_minute(minute)}: {text}" for minute, text in found if text]


def _difference(fills: MinuteOfFills | None, candle: MinuteCandle | None) -> str:
    """Return how a minute's fills differ from its candle; empty if they do not."""
    if fills is None:
        traded = candle is not None and candle.qty
        return f"no fills, candle qty {_text('qty', traded)}" if traded else ""
    if candle is None:
        return "no candle"
    return ", ".join(
        f"{name} {_text(name, ours)}, candle {_text(name, theirs)}"
        for name, ours, theirs in _compared(fills, candle)
        if ours != theirs
    )


def _compared(fills: MinuteOfFills, candle: MinuteCandle) -> Iterator[tuple[str, int, int]]:
    for name in ("open", "high", "low", "close", "qty"):
        yield name, getattr(fills, name), getattr(candle, name)
    if fills.coins is not None and candle.coins:
        yield "coins", fills.coins, candle.coins


def _text(name: str, value: int) -> str:
    return exact.text(value, _PLACES.get(name, exact.PRICE_PLACES))


def contract_in_force(
    candles: Mapping[int, MinuteCandle], ct_type: Literal["linear", "inverse"]
) -> str | None:
    """Return ctVal x ctMult of the day: coins (linear) or quote currency (inverse) by contracts.

    None if nothing traded, if the archive does not give the amounts, or if minutes disagree.
    """
    traded = [candle for candle in candles.values() if candle.qty]
    amounts = [candle.coins if ct_type == "linear" else candle.quote for candle in traded]
    ratios = {divmod(amount, candle.qty) for amount, candle in zip(amounts, traded, strict=True)}
    if len(ratios) != 1:
        return None
    [(worth, rest)] = ratios
    return exact.text(worth, _RATIO_PLACES) if worth and not rest else None
