"""The data of the benchmark: the model market as files of a vault, or those of a vault you name.

A day of the market is made once and repeated with other dates and ids, so that 30 days cost little
more than one. In no recording of the exchange that we hold does a trade's time go back, in some of
the model's rows it does; here their times are put in order, unless asked otherwise.
"""

import gzip
import io
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

from ravequant import times
from ravequant.errors import NoDataError
from ravequant.records import Trade, TradeEncoder
from ravequant.sim.market import START_MS, ModelMarket
from ravequant.vault import instruments as instruments_module
from ravequant.vault import tail
from ravequant.vault.paths import Vault, day_files, instruments

BTC: Final = "BTC-USDT-SWAP"
ETH: Final = "ETH-USDT-SWAP"
_PORTION_MS: Final = 5 * times.MINUTE_MS
_FOREVER: Final = 1 << 60


def write_trades(path: Path, lines: int, seed: int, *, swapped: bool = False) -> int:
    """Write so many BTC trades at 15 a second into one file; return how many bytes."""
    market = ModelMarket(seed, (BTC,))
    encoder = TradeEncoder(
        BTC, instruments_module.parse_instrument(market.instruments[BTC]).contract
    )
    with path.open("wb") as file:
        trades = (trade for _, trade in _trades(market, _FOREVER, swapped=swapped))
        file.writelines(encoder.line(trade) for trade, _ in zip(trades, range(lines), strict=False))
    return path.stat().st_size


def _trades(market: ModelMarket, end_ms: int, *, swapped: bool) -> Iterator[tuple[str, Trade]]:
    newest: dict[str, int] = {}
    until = market.start_ms
    while until < end_ms:
        until = min(until + _PORTION_MS, end_ms)
        for inst_id, trade in market.trades(until):
            ts = newest[inst_id] = max(newest.get(inst_id, 0), trade.ts)
            yield inst_id, trade if swapped else replace(trade, ts=ts)


def write_days(
    vault: Vault, names: Sequence[str], days: int, *, rate: float, seed: int, more_ms: int = 0
) -> None:
    """Write whole days of trades that end at START_MS, and the beginning of the next one."""
    market = ModelMarket(seed, names, start_ms=START_MS - times.DAY_MS, rows_per_second=rate)
    found = list(_trades(market, START_MS, swapped=False))
    for name in names:
        meta = instruments_module.parse_instrument(market.instruments[name])
        instruments_module.save(vault, meta, None)
        encoder = TradeEncoder(name, meta.contract)
        day_trades = [trade for inst_id, trade in found if inst_id == name]
        vault.trades(name).mkdir(parents=True, exist_ok=True)
        ids = day_trades[-1].trade_id - day_trades[0].first_id + 1
        for number in range(days + bool(more_ms)):
            shift = (number - days + 1) * times.DAY_MS
            until = START_MS + more_ms if number == days else _FOREVER
            path = vault.trades(name) / f"{times.day(START_MS - times.DAY_MS + shift)}.jsonl"
            moved = (_moved(trade, shift, number * ids) for trade in day_trades)
            with path.open("wb") as file:
                file.writelines(encoder.line(trade) for trade in moved if trade.ts < until)


def _moved(trade: Trade, shift_ms: int, ids: int) -> Trade:
    return replace(trade, ts=trade.ts + shift_ms, trade_id=trade.trade_id + ids)


def recorded(root: Path) -> list[str]:
    """Return the first two instruments of a vault of your own; NoDataError without any."""
    names = instruments(Vault(root).trades)
    if not names:
        raise NoDataError(f"{root} holds no trades; name another vault, or leave --vault out")
    return sorted(names, key=lambda name: (name != BTC, name != ETH, name))[:2]


def newest_file(root: Path, work: Path) -> tuple[str, Path]:
    """Return an instrument of a vault and its largest day as a plain file."""
    name = recorded(root)[0]
    path = max((path for _, path in day_files(Vault(root).trades(name))), key=_size)
    if path.suffix == ".gz":
        plain = work / path.stem
        with gzip.open(path, "rb") as packed, plain.open("wb") as file:
            shutil.copyfileobj(packed, file)
        path = plain
    return name, path


def _size(path: Path) -> int:
    return path.stat().st_size * (8 if path.suffix == ".gz" else 1)


def count_lines(path: Path) -> int:
    """Return how many lines a plain or packed file has."""
    with tail.open_lines(path) as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def place(source: Path, target: Path) -> None:
    """Put a file that nobody will write to at a second place, without copying it if possible."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def take_days(source: Vault, target: Vault, name: str, days: int) -> int:
    """Put the newest whole-day files of an instrument into another vault; return their bytes."""
    take_metadata(source, target, name)
    chosen = [path for _, path in day_files(source.trades(name))][-days:]
    for path in chosen:
        place(path, target.trades(name) / path.name)
    return sum(path.stat().st_size for path in chosen)


def take_metadata(source: Vault, target: Vault, name: str) -> None:
    """Put what is known of an instrument and its holes into another vault."""
    known = (Vault.metadata, Vault.metadata_history, Vault.gap_ledger, Vault.generation)
    for path_of in known:
        if path_of(source, name).exists():
            path_of(target, name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path_of(source, name), path_of(target, name))


def take_span(files: tail.Listing, target: Path, root: Path, first_ms: int, until_ms: int) -> None:
    """Put what ``files`` lists under ``root`` into ``target``, up to the line of ``until_ms``.

    It begins with the file that holds ``first_ms``.
    """
    for path, begin, end in _spans(files):
        if end <= first_ms or begin >= until_ms:
            continue
        if end <= until_ms:
            place(path, target / path.relative_to(root))
        else:
            _add(path, target, root, 0, until_ms)


def add_span(files: tail.Listing, target: Path, root: Path, first_ms: int, until_ms: int) -> int:
    """Append the lines from ``first_ms`` to ``until_ms``; return their bytes."""
    found = [span for span in _spans(files) if span[2] > first_ms and span[1] < until_ms]
    return sum(_add(path, target, root, first_ms, until_ms) for path, _, _ in found)


def _spans(files: tail.Listing) -> list[tuple[Path, int, int]]:
    """Return each file with the time of its first line and that of the next file's."""
    moments = [(_begin(item), item[1]) for item in files()]
    known = [(moment, path) for moment, path in moments if moment is not None]
    ends = [moment for moment, _ in known[1:]] + [_FOREVER]
    return [(path, begin, end) for (begin, path), end in zip(known, ends, strict=True)]


def _begin(item: tuple[str, Path]) -> int | None:
    return tail.first_time(lambda: iter([item]))


def _add(path: Path, target: Path, root: Path, first_ms: int, until_ms: int) -> int:
    plain = target / path.relative_to(root)
    plain = plain.with_suffix("") if plain.suffix == ".gz" else plain
    plain.parent.mkdir(parents=True, exist_ok=True)
    data = b"".join(_lines_between(path, first_ms, until_ms))
    with plain.open("ab") as file:
        file.write(data)
    return len(data)


def _lines_between(path: Path, first_ms: int, until_ms: int) -> Iterator[bytes]:
    begun = False
    with tail.open_lines(path) as file:
        for line in io.BufferedReader(cast("io.RawIOBase", file)):
            moment = tail.line_time(line)
            begun = begun or (moment is not None and moment >= first_ms)
            if moment is not None and moment >= until_ms:
                return
            if begun:
                yield line
