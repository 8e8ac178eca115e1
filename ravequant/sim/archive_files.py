"""Writes a market as the files that an exchange publishes of it: zips and tars of whole days.

``write_days`` writes trades, candles and funding, ``write_books`` books. Both run a feed from its
beginning, so each needs a feed of its own (the same seed gives the same market), and give the same
bytes whenever they are run.
"""

import gzip
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from ravequant import exact, times
from ravequant.contract import Contract
from ravequant.records import Trade
from ravequant.sim import archive_books, archive_rows, frames
from ravequant.sim.archive_spoil import unpacked
from ravequant.sim.feed import BookChange, Feed, KnowsFills
from ravequant.vault.paths import StrPath

UTC8_MS: Final = 8 * times.HOUR_MS
ALL_SWAPS: Final = "allswap"
_LOOK_MS: Final = times.MINUTE_MS
_BUFFER: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ArchiveForm:
    """The form in which an exchange writes its files; it has changed over the years."""

    header: str = archive_rows.NAMED  # of trades: a key of archive_rows.HEADERS
    book_floats: bool = False  # sizes of books as 240.0
    snapshot_every_ms: int = times.MINUTE_MS  # of books; 15 minutes since 2026
    cut_ms: int = 0  # the day of trades ends so long before 16:00 UTC, as in early 2023
    fine: bool = True  # books in steps of 10 ms; else as the market's own updates


@dataclass(slots=True)
class _Pen:
    """An open text file of one label, written in blocks."""

    path: Path
    member: str
    _parts: list[bytes] = field(default_factory=list)
    _size: int = 0
    _text: Path = field(init=False)

    def __post_init__(self) -> None:
        self._text = self.path.with_name(f".{self.path.name}.text")
        self._text.unlink(missing_ok=True)

    def write(self, line: bytes) -> None:
        """Append a line."""
        self._parts.append(line)
        self._size += len(line)
        if self._size > _BUFFER:
            self._flush()

    def _flush(self) -> None:
        with self._text.open("ab") as file:
            file.write(b"".join(self._parts))
        self._parts.clear()
        self._size = 0

    def close(self) -> Path:
        """Pack the text as the file's only member."""
        self._flush()
        pack = pack_tar if self.path.name.endswith(".tar.gz") else pack_zip
        pack(self.path, self.member, self._text)
        self._text.unlink()
        return self.path


def pack_zip(path: StrPath, member: str, text: StrPath) -> None:
    """Write a zip of one member, without any time of its own."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        info = zipfile.ZipInfo(member)
        info.compress_type = zipfile.ZIP_DEFLATED
        with made.open(info, "w", force_zip64=False) as inside, Path(text).open("rb") as source:
            while block := source.read(_BUFFER):
                inside.write(block)


def pack_tar(path: StrPath, member: str, text: StrPath) -> None:
    """Write a tar.gz of one member, without any time of its own."""
    info = tarfile.TarInfo(member)
    info.size = Path(text).stat().st_size
    info.mode = 0o644
    with (
        Path(path).open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as made,
        Path(text).open("rb") as source,
    ):
        made.addfile(info, source)


class _Pens:
    """The open files of a stream: at most one of each instrument, that of its newest label."""

    def __init__(self, folder: StrPath, word: str, header: bytes, ending: str = ".zip") -> None:
        self._folder, self._word = Path(folder), word
        self._header, self._ending = header, ending
        self._open: dict[str, tuple[str, _Pen]] = {}
        self.written: list[Path] = []

    def write(self, inst_id: str, label: str, line: bytes) -> None:
        """Append a line to the file of a label; the file before it is packed."""
        known = self._open.get(inst_id)
        if known is None or known[0] != label:
            self._close(inst_id)
            known = self._open[inst_id] = label, self._begin(f"{inst_id}-{self._word}-{label}")
            known[1].write(self._header)
        known[1].write(line)

    def _begin(self, stem: str) -> _Pen:
        member = f"{stem}.csv" if self._ending == ".zip" else f"{stem}.data"
        return _Pen(self._folder / f"{stem}{self._ending}", member)

    def _close(self, inst_id: str) -> None:
        known = self._open.pop(inst_id, None)
        if known is not None:
            self.written.append(known[1].close())

    def close(self) -> list[Path]:
        """Pack the open files; return all in the order of their ends."""
        for inst_id in tuple(self._open):
            self._close(inst_id)
        return self.written


def label_of(moment_ms: int, zone_ms: int = UTC8_MS) -> str:
    """Return the day of a time in its zone, UTC+8 if none is given: 16:00 UTC begins a label."""
    return times.day(moment_ms + zone_ms)


def label_end_ms(label: str, zone_ms: int = UTC8_MS) -> int:
    """Return the first millisecond (Unix) after a day's label."""
    return times.day_start_ms(label) + times.DAY_MS - zone_ms


def write_days(
    folder: StrPath, feed: Feed, until_ms: int, form: ArchiveForm | None = None
) -> list[Path]:
    """Write trades, candles and funding of all instruments of a fresh feed up to a time.

    The last label is written as far as it goes. Returns the files.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    form = form or ArchiveForm()
    trades = _Pens(folder, "trades", archive_rows.trade_header(form.header))
    candles = _Pens(folder, "candlesticks", archive_rows.CANDLES.encode())
    makers = {inst_id: _maker(feed, inst_id) for inst_id in feed.instruments}
    newest = dict.fromkeys(feed.instruments, 0)
    for inst_id, fill in fills_of(feed, until_ms):
        newest[inst_id] = max(newest[inst_id], fill.ts)
        label = label_of(newest[inst_id] + form.cut_ms)
        trades.write(inst_id, label, archive_rows.trade_row(form.header, inst_id, fill))
        for minute, line in makers[inst_id].add(fill):
            candles.write(inst_id, label_of(minute * times.MINUTE_MS), line)
    for inst_id, maker in makers.items():
        for minute, line in maker.close_until(-(-until_ms // times.MINUTE_MS)):
            candles.write(inst_id, label_of(minute * times.MINUTE_MS), line)
    files = trades.close() + candles.close()
    return files + write_funding(folder, tuple(feed.instruments), feed.start_ms, until_ms)


def fills_of(feed: Feed, until_ms: int) -> Iterator[tuple[str, Trade]]:
    """Yield (instId, single fill) of a fresh feed up to a time, ids ascending."""
    split = {inst_id: _splitter(feed, inst_id) for inst_id in feed.instruments}
    now = feed.start_ms
    while now < until_ms:
        now = min(now + _LOOK_MS, until_ms)
        for inst_id, trade in feed.trades(now):
            for fill in split[inst_id](trade):
                yield inst_id, fill


def _splitter(feed: Feed, inst_id: str) -> Callable[[Trade], list[Trade]]:
    lot = exact.units(feed.instruments[inst_id]["lotSz"], exact.SIZE_PLACES)
    return partial(_split, feed if isinstance(feed, KnowsFills) else None, inst_id, lot)


def _split(known: KnowsFills | None, inst_id: str, lot: int, trade: Trade) -> list[Trade]:
    sizes = known.fill_sizes(inst_id, trade.trade_id) if known and trade.count > 1 else None
    return frames.fills(trade, sizes, lot)


def _maker(feed: Feed, inst_id: str) -> archive_rows.CandleMaker:
    row = feed.instruments[inst_id]
    return archive_rows.CandleMaker(inst_id, Contract(row["ctVal"], row["ctMult"], row["ctType"]))


def write_funding(
    folder: StrPath, inst_ids: Iterable[str], start_ms: int, until_ms: int
) -> list[Path]:
    """Write settled funding of a span: a file of each instrument and month, one of all a day."""
    folder, inst_ids = Path(folder), tuple(inst_ids)
    header = archive_rows.FUNDING.encode()
    months, days = (_Pens(folder, "fundingrates", header) for _ in range(2))
    first = -(-start_ms // archive_rows.FUNDING_MS) * archive_rows.FUNDING_MS
    for ts in range(first, until_ms, archive_rows.FUNDING_MS):
        label = label_of(ts)
        for inst_id in inst_ids:
            row = archive_rows.funding_row(inst_id, ts)
            months.write(inst_id, label[:7], row)
            days.write(ALL_SWAPS, label, row)
    return months.close() + days.close()


def write_books(
    folder: StrPath,
    feed: Feed,
    until_ms: int,
    form: ArchiveForm | None = None,
    *,
    deep: bool = False,
) -> list[Path]:
    """Write the books of all instruments of a fresh feed up to a time, UTC days; return the files.

    ``deep``: 5000 levels once a second, in place of 400 levels in steps of 10 ms.
    """
    form = form or ArchiveForm()
    if deep:
        return write_messages(folder, archive_books.deep_messages(feed, until_ms), form, deep=True)
    messages = archive_books.book_messages(
        feed, until_ms, snapshot_every_ms=form.snapshot_every_ms, fine=form.fine
    )
    return write_messages(folder, messages, form)


def write_messages(
    folder: StrPath, messages: Iterable[BookChange], form: ArchiveForm, *, deep: bool = False
) -> list[Path]:
    """Write book messages, each into the file of its UTC day; return the files."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    word = "L2orderbook-5000lv" if deep else "L2orderbook-400lv"
    pens = _Pens(folder, word, b"", ".tar.gz")
    for message in messages:
        line = archive_rows.book_line(message, floats=form.book_floats)
        pens.write(message.inst_id, label_of(message.ts, 0), line)
    return pens.close()


def read_member(path: StrPath) -> tuple[str, bytes]:
    """Return name and content of the only member of a small file written here."""
    path = Path(path)
    return unpacked(path.read_bytes(), path.name)
