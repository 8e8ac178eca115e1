"""Finished days of raw trades as integer columns, kept on disk and believed only for their file.

A day is read once through the scanner of all calculators; the columns stand in
``lab/{exchange}/perps/{INSTID}/cache/{DATE}/`` with the length and checksum of the raw file and the
id that they follow. Another content, or another id before it, and the day is read again. Deleting
the cache loses nothing but time.
"""

import io
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from Edge_Lab.lab_paths import LabPaths
from Edge_Lab.tape import Bools, DayTrades, Ints, narrow
from ravequant import swar_digits, times
from ravequant.errors import NoDataError
from ravequant.records import RecordError, check_inst_id, parse_trade
from ravequant.trades.bar_reader import end_of
from ravequant.trades.rising_ids import NO_ID, largest_id, rising
from ravequant.trades.scanner import Scanner, TradeColumns
from ravequant.vault.atomic import replace_file
from ravequant.vault.gap_ledger import read_generation
from ravequant.vault.line_file import is_there, lines_backward
from ravequant.vault.lock import if_free
from ravequant.vault.paths import Vault, day_files
from ravequant.vault.raw_content import RawContent, RawContents, whole_content
from ravequant.vault.tail import Tail

VERSION: Final = 1
_COLUMNS: Final = ("ts", "price", "qty", "flags")
_BUY, _ORGANIC = 1, 2  # bits of a flag
_LINES_BEFORE: Final = 100  # of the file before, among which the newest id stands
_MAY_BE_RPI: Final = (
    re.compile(rb'"source"\s*:\s*"(?!0")'),
    re.compile(rb"\\u"),  # a name or value that is spelt oddly
)
_KEEPING: Final = "ticks_kept"  # the lock of a process that writes columns


@dataclass(frozen=True, slots=True, eq=False)
class TickColumns:
    """The valid records of a day file in the order of their ids; none of them ahead.

    Prices and contracts are integers in units of ``10**-price_places`` and ``10**-qty_places``.
    """

    ts: NDArray[np.int64]
    price: Ints
    qty: Ints
    buy: Bools
    organic: Bools
    price_places: int
    qty_places: int
    last_id: int  # the largest id up to its end

    def scaled(self, price_places: int, qty_places: int) -> "TickColumns":
        """Return the same records in finer units."""
        return replace(
            self,
            price=narrow(swar_digits.scale_up(self.price, price_places - self.price_places)),
            qty=narrow(swar_digits.scale_up(self.qty, qty_places - self.qty_places)),
            price_places=price_places,
            qty_places=qty_places,
        )


def joined(days: Sequence[TickColumns]) -> TickColumns:
    """Put days one after the other, in the finest units among them."""
    places = max(day.price_places for day in days), max(day.qty_places for day in days)
    scaled = [day.scaled(*places) for day in days]
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(day, name) for day in scaled])
        for name in ("ts", "price", "qty", "buy", "organic")
    }
    return replace(scaled[-1], **columns)


def tape_of(ticks: TickColumns) -> DayTrades:
    """Return the columns as the tape that orders are played on."""
    return DayTrades(ticks.ts, ticks.price, ticks.qty, ticks.buy, ticks.organic)


class TickCache:
    """The days of one instrument. Raises VaultError for a file that cannot be read."""

    def __init__(self, vault: Vault, inst_id: str) -> None:
        self._vault, self._inst_id = vault, check_inst_id(inst_id)
        generation = read_generation(vault.generation(inst_id))
        self._contents = RawContents(vault, inst_id, generation)
        self._read_contents: dict[str, RawContent] = {}

    def folder(self, day: str) -> Path:
        """Return the folder of a day's columns."""
        return LabPaths(self._vault).cache(self._inst_id, day)

    def content(self, day: str) -> RawContent | None:
        """Return the content of the raw file of a day that was read; None while it may grow."""
        return self._read_contents.get(day)

    def day(self, day: str, until_ms: int | None = None) -> TickColumns:
        """Return the trades of a UTC day; a finished day from the cache, which is made if absent.

        Of a day that may still grow some trades later than ``until_ms`` (Unix ms) may lack. Raises
        NoDataError if there is no file of that day.
        """
        files = dict(day_files(self._vault.trades(self._inst_id)))
        if day not in files:
            raise NoDataError(
                f"no raw trades of {self._inst_id} on {day} in {self._vault.root}; record them "
                "with Trades_Bot/trades_exporter.py, or ask for another day"
            )
        after = self._last_id_before(files, day)
        if kept := self._kept(files[day], day, after):
            return kept
        finished = any(other > day for other in files)
        until_ms = None if finished else until_ms
        ticks, length, crc32 = self._read(files[day], day, after, until_ms)
        if finished:
            content = whole_content(files[day], length, crc32)
            if content is not None:
                with if_free(self._vault, _KEEPING, self._inst_id) as free:
                    if free:  # else another process is keeping a day
                        self._keep(day, ticks, after, content)
                self._read_contents[day] = content
        return ticks

    def save(self) -> None:
        """Note which raw files were read through, for later runs."""
        self._contents.save()

    def _last_id_before(self, files: dict[str, Path], day: str) -> int:
        """Return the largest id among the newest lines of the file before; -1 without one."""
        earlier = max((other for other in files if other < day), default=None)
        if earlier is None:
            return NO_ID
        lines = islice(lines_backward(files[earlier]), _LINES_BEFORE)
        return largest_id(lines, self._inst_id, self._vault.exchange)

    def _read(
        self, path: Path, day: str, after: int, until_ms: int | None
    ) -> tuple[TickColumns, int, int]:
        """Read a day file; return its columns, and length and checksum of its whole lines.

        With ``until_ms`` a block that ends later is the last.
        """
        scanner = Scanner(self._inst_id, self._vault.exchange)
        tail = Tail(lambda: iter([(day, path)]), None, 0, remedy="ask for the day again")
        parts: list[TickColumns] = []
        length = crc32 = 0
        for block in tail.blocks():
            length, crc32 = length + len(block.data), zlib.crc32(block.data, crc32)
            rpi = self._rpi_ids(block.data)
            for trades in scanner.scan(block.data).stretches:
                for stretch in trades.until(end_of(path.name)):
                    part = _part(stretch, after, rpi)
                    after = part.last_id
                    parts.append(part)
            if until_ms is not None and parts and len(parts[-1].ts) and parts[-1].ts[-1] > until_ms:
                break
        return joined(parts) if parts else _nothing(after), length, crc32

    def _rpi_ids(self, data: bytes) -> list[int]:
        """Return the ids of the records with ``source`` 1, each read by itself: they are few."""
        found, starts = [], {data.rfind(b"\n", 0, m.start()) + 1 for m in _marks(data)}
        for start in sorted(starts):
            line = data[start : data.index(b"\n", start) + 1]
            try:
                trade, _ = parse_trade(line, self._inst_id, self._vault.exchange)
            except RecordError:
                continue
            if trade.source == "1":
                found.append(trade.trade_id)
        return found

    # --- on disk ---------------------------------------------------------------------------------

    def _kept(self, path: Path, day: str, after: int) -> TickColumns | None:
        """Return the kept columns if they are whole, and of this content after this id."""
        folder = self.folder(day)
        try:
            if not is_there(folder / "key.json"):
                return None
            key = json.loads((folder / "key.json").read_bytes())
            content = RawContent(*key["raw"])
            if (key["version"], key["after_id"]) != (VERSION, after):
                return None
            columns = [_loaded(folder / f"{name}.npy", key["crc32"][name]) for name in _COLUMNS]
            made = _of_kept(columns, key, times.day_start_ms(day))
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            return None  # damaged, or of another version: it is made again
        if not self._contents.holds(day, path, content):
            return None
        self._read_contents[day] = content
        return made

    def _keep(self, day: str, ticks: TickColumns, after: int, content: RawContent) -> None:
        """Write the columns, and last the key that makes them count."""
        offsets = ticks.ts - times.day_start_ms(day)
        flags = ticks.buy * np.uint8(_BUY) + ticks.organic * np.uint8(_ORGANIC)
        folder, sums = self.folder(day), {}
        for name, column in zip(
            _COLUMNS, (narrow(offsets), ticks.price, ticks.qty, flags), strict=True
        ):
            if column.dtype == object:
                return  # numbers of more than 63 bits are read from the raw file each time
            data = _saved(column)
            sums[name] = zlib.crc32(data)
            replace_file(folder / f"{name}.npy", data, durable=False)
        key = {
            "version": VERSION,
            "raw": list(content),
            "after_id": after,
            "last_id": ticks.last_id,
            "price_places": ticks.price_places,
            "qty_places": ticks.qty_places,
            "crc32": sums,
        }
        replace_file(folder / "key.json", json.dumps(key).encode())


def _marks(data: bytes) -> Iterator["re.Match[bytes]"]:
    """Yield the places in a block at which a record may have ``source`` 1."""
    for pattern in _MAY_BE_RPI:
        yield from pattern.finditer(data)


def _part(trades: TradeColumns, after: int, rpi: Sequence[int]) -> TickColumns:
    """Return the records of a stretch whose ids are above all before them; none if ahead."""
    trades, last_id = rising(trades, after)
    if trades.ahead:
        return _nothing(last_id)
    organic = np.ones(len(trades), dtype=np.bool_)
    if rpi:
        organic = ~np.isin(trades.trade_id, np.array(rpi, dtype=np.int64))
    return TickColumns(
        trades.ts,
        narrow(trades.price),
        narrow(trades.qty),
        trades.buy,
        organic,
        trades.price_decimals,
        trades.qty_decimals,
        last_id,
    )


def _nothing(last_id: int) -> TickColumns:
    none, flags = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.bool_)
    return TickColumns(np.empty(0, dtype=np.int64), none, none, flags, flags, 0, 0, last_id)


def _saved(column: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(column), allow_pickle=False)
    return stream.getvalue()


def _loaded(path: Path, crc32: int) -> NDArray[Any]:
    data = path.read_bytes()
    if zlib.crc32(data) != crc32:
        raise ValueError(f"{path} is damaged")
    found: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    return found


def _of_kept(columns: Sequence[NDArray[Any]], key: dict[str, Any], start_ms: int) -> TickColumns:
    ts, price, qty, flags = columns
    if len({len(column) for column in columns}) != 1:
        raise ValueError("the columns have different lengths")
    return TickColumns(
        ts.astype(np.int64) + start_ms,
        price,
        qty,
        (flags & _BUY) != 0,
        (flags & _ORGANIC) != 0,
        int(key["price_places"]),
        int(key["qty_places"]),
        int(key["last_id"]),
    )
