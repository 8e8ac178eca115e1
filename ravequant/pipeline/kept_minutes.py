"""Kept minutes: those of a finished day are computed once, and read again by every cold reader.

The first run that reads a whole finished day keeps its minutes in ``derived/bars/``. A later run
that comes to that day takes them from there, if they were made of the same lines in the same way
(``trades/day_minutes.py`` holds the key); else it reads the lines again, and keeps their minutes.
Of several that come to the same day at once one reads its lines, and the others wait for that.
Deleting kept minutes loses nothing but time.
"""

import logging
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ravequant import times
from ravequant.errors import VaultError
from ravequant.pipeline.job import BadLine, Leg
from ravequant.trades.bar_builder import Closed
from ravequant.trades.bar_reader import BarReader
from ravequant.trades.day_minutes import (
    DamagedMinutesError,
    DayMinutes,
    Heard,
    MinutesKey,
    RejectedLine,
    decode,
    encode,
)
from ravequant.vault import crc
from ravequant.vault.atomic import replace_file
from ravequant.vault.cursor import Cursor, Trail
from ravequant.vault.lock import after_others, if_free
from ravequant.vault.paths import MINUTES, Vault
from ravequant.vault.raw_content import (
    RawContent,
    RawContents,
    first_bytes,
    stamp,
    whole_content,
)
from ravequant.vault.tail import Block, Chunk, Listing, Span, Tail

if TYPE_CHECKING:
    from ravequant.trades.minute_bar import MinuteBar

KEEPING: Final = "bars_kept"  # the lock of the program that reads a day, for all
PATIENCE_S: Final = 60.0  # with the program that reads a day
CLOSING_BYTES: Final = 1 << 20  # a day whose last minute closes later is not kept
_CLOSING_BLOCK: Final = 1 << 16
_MOST_LISTED: Final = 1_000  # bad lines, or missing ids: a day with more of them is not kept
_log = logging.getLogger(__name__)


class FinishedDay(NamedTuple):
    """A raw day file behind which a later one stands: it changes by repair alone."""

    key: str
    path: Path
    next_key: str
    next_path: Path

    @property
    def last_minute(self) -> int:
        """Its 23:59, in Unix minutes."""
        return times.day_start_ms(self.key) // times.MINUTE_MS + times.DAY_MINUTES - 1


def finished_day(files: Listing, key: str | None) -> FinishedDay | None:
    """Return the day of that key (None: the oldest); None if it or a later file does not exist."""
    found = list(files())
    for (at, path), later in pairwise(found):
        if key is None or key == at:
            return FinishedDay(at, path, *later)
    return None


class KeptMinutes:
    """Reads an instrument's finished days: from kept minutes, or from raw lines, which it keeps."""

    def __init__(
        self, vault: Vault, inst_id: str, whale_notional: int, files: Listing, generation: int
    ) -> None:
        self._vault, self._inst_id, self._whale_notional = vault, inst_id, whale_notional
        self._files, self._generation = files, generation
        self._contents = RawContents(vault, inst_id, generation)
        self._refused = False  # the disk has refused: no further day of this run is kept
        self._in_vain = False  # it waited, and the other program has not come to an end

    def legs(self, reader: BarReader, cursor: Cursor | None) -> Iterator[Leg[Closed]]:
        """Yield the finished days from ``cursor`` on, where ``reader`` stands."""
        at_start = cursor is None or cursor.offset == 0
        passed = RawContent(0, 0) if at_start else None  # of the day's file, where that is known
        while (day := finished_day(self._files, cursor.file if cursor else None)) is not None:
            known = self._known(day, cursor, reader)
            if known is None and passed is None:
                if finished_day(self._files, day.next_key) is None:
                    break  # a run over midnight, as every night has one: no whole day lies before
                cursor, passed = yield from self._read(day, cursor, reader, None)
                continue
            if known is None:
                with self._turn() as waited:
                    known = self._known(day, cursor, reader) if waited else None
                    if known is None:
                        cursor, passed = yield from self._read(day, cursor, reader, passed)
                        continue
            minutes, leg = known
            yield leg
            cursor, passed = leg.tail.cursor(), minutes.next_content
        with suppress(VaultError):  # they save time, and nothing else
            self._contents.save()

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        """Let one program of several read a day, for all; yield True if another may have done so.

        A program that has waited in vain waits no more.
        """
        if self._in_vain:
            yield False
            return
        with after_others(self._vault, KEEPING, self._inst_id, PATIENCE_S) as waited:
            self._in_vain = waited is not None and waited >= PATIENCE_S
            if waited is not None:
                self._contents.read_again()
            yield waited is not None

    def has(self, key: str) -> bool:
        """Return True if minutes of a day are kept, to be believed or not."""
        return self._path(key).exists()

    def known(self, reader: BarReader, cursor: Cursor | None) -> Leg[Closed] | None:
        """Return the finished day that begins at ``cursor``, where ``reader`` stands, if kept."""
        day = finished_day(self._files, cursor.file if cursor else None)
        found = None if day is None else self._known(day, cursor, reader)
        return None if found is None else found[1]

    def joined(self, reader: BarReader, key: str, moment_ms: int) -> Leg[Closed] | None:
        """Return the kept minutes of a day for a reader that would begin within that day.

        They hold from ``moment_ms`` on, wherever before it the reader would begin. None if no such
        minutes are kept, or if not every place is as good as another.
        """
        day = finished_day(self._files, key)
        minutes = None if day is None else self._found(day)
        if day is None or minutes is None or not minutes.is_joined_before(moment_ms):
            return None
        key_here = self._key(day, None, reader)
        own = replace(key_here, offset=minutes.key.offset, reader=minutes.key.reader)
        return self._taken_over(day, minutes, reader) if minutes.key == own else None

    def _known(
        self, day: FinishedDay, cursor: Cursor | None, reader: BarReader
    ) -> tuple[DayMinutes, Leg[Closed]] | None:
        """Return the kept minutes of the lines that come next, and the leg behind these lines.

        None if there are none, or if they were made of other lines, or in another way.
        """
        minutes = self._found(day)
        if minutes is None or minutes.key != self._key(day, cursor, reader):
            return None
        leg = self._taken_over(day, minutes, reader)
        return None if leg is None else (minutes, leg)

    def _found(self, day: FinishedDay) -> DayMinutes | None:
        path = self._path(day.key)
        try:
            return decode(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, DamagedMinutesError) as error:
            _log.warning("%s cannot be used: %s; the raw lines are read again", path, error)
            return None

    def _taken_over(
        self, day: FinishedDay, minutes: DayMinutes, reader: BarReader
    ) -> Leg[Closed] | None:
        """Pass minutes to the reader; None, and nothing is passed, if other lines are there now."""
        try:
            end = self._end(day, minutes)
            if end is None or not self._contents.holds(day.key, day.path, minutes.content):
                return None
        except VaultError as error:  # reading in order raises it, where it matters
            _log.debug("%s", error)
            return None
        if not reader.is_answered(minutes.id_gaps):
            return None
        tail = Tail(self._files, end, self._generation)
        paths = {day.key: day.path, day.next_key: day.next_path}
        tail.unsynced = {path for path in paths.values() if path.suffix != ".gz"}
        try:
            bad = [BadLine(paths[bad.file], bad.offset, bad.reason) for bad in minutes.rejected]
            return Leg(tail, reader.take_over(minutes), tuple(bad))
        except (KeyError, TypeError, ValueError) as error:
            path = self._path(day.key)
            _log.warning("%s cannot be used: %r; the raw lines are read again", path, error)
            return None

    def _read(
        self, day: FinishedDay, cursor: Cursor | None, reader: BarReader, passed: RawContent | None
    ) -> Generator[Leg[Closed], None, tuple[Cursor | None, RawContent | None]]:
        """Yield the day's own file, then the lines behind it that close its last minute.

        Keep its minutes, if it is read from its beginning. Return the place behind these lines,
        and what was read of the next file, if that is known.
        """
        recording = _Recording(day, self._key(day, cursor, reader), passed, reader)
        closing = ClosingTail(self._after(day), self._generation, reader, day)
        reader.heard = recording.heard
        yield Leg(Tail(self._up_to(day), cursor, self._generation), watch=recording.take)
        reader.single_lines = True
        yield Leg(closing, watch=recording.take_closing)
        reader.single_lines, reader.heard = False, None
        if closing.cursor() is None or not closing.closed:
            return closing.cursor(), None
        self._keep(recording, reader)
        return closing.cursor(), recording.next_content

    def _up_to(self, day: FinishedDay) -> Listing:
        return lambda: (item for item in self._files() if item[0] <= day.key)

    def _after(self, day: FinishedDay) -> Listing:
        return lambda: (item for item in self._files() if item[0] > day.key)

    def _key(self, day: FinishedDay, cursor: Cursor | None, reader: BarReader) -> MinutesKey:
        return MinutesKey(
            self._vault.exchange,
            self._inst_id,
            day.key,
            self._whale_notional,
            cursor.offset if cursor is not None else 0,
            reader.builder.state(),  # the same for every calculator
        )

    def _path(self, key: str) -> Path:
        return self._vault.minutes(self._inst_id) / f"{key}.json.gz"

    def _end(self, day: FinishedDay, minutes: DayMinutes) -> Cursor | None:
        """Return the place behind the line that closes the day; None if it is another line now."""
        if minutes.next_file != day.next_key:
            return None
        data = first_bytes(day.next_path, minutes.next_content.length)
        if RawContent(len(data), zlib.crc32(data)) != minutes.next_content:
            return None
        trail = Trail()
        trail.pass_over(data)
        return trail.cursor(day.next_key, self._generation)

    def _keep(self, recording: "_Recording", reader: BarReader) -> None:
        """Write the recorded day; a disk that refuses costs the kept minutes, and nothing else."""
        path = self._path(recording.day.key)
        try:
            minutes = None if self._refused else recording.minutes(reader)
            if minutes is None:
                return
            data = _checked(minutes)
            with if_free(self._vault, MINUTES, self._inst_id) as free:
                if free:
                    replace_file(path, data, durable=False)
        except (VaultError, ValueError, TypeError) as error:
            self._refused = isinstance(error, VaultError)
            _log.warning("%s is not kept: %s", path, error)
        else:
            day = recording.day
            self._contents.note(day.key, day.path, recording.stamp, minutes.content)
            with suppress(VaultError):  # another program, which waits, need not read the day
                self._contents.save()


def _checked(minutes: DayMinutes) -> bytes:
    """Return the file of a day; ValueError if it does not read back as that day."""
    data = encode(minutes)
    if decode(data) != minutes:
        raise ValueError("it does not read back")
    return data


class ClosingTail(Tail):
    """Single lines behind a finished day, to the line that closes its last minute."""

    def __init__(
        self, files: Listing, generation: int, reader: BarReader, day: FinishedDay
    ) -> None:
        super().__init__(files, None, generation, _CLOSING_BLOCK, single_lines=True)
        self._reader, self._day = reader, day

    @property
    def closed(self) -> bool:
        """True if the last minute is closed, and by a line of the next file."""
        at = self.cursor()
        return at is not None and at.file == self._day.next_key and self._is_closed()

    def _is_closed(self) -> bool:
        return self._reader.builder.through >= self._day.last_minute

    def _pieces(self, *, spans: bool) -> Iterator[Block | Span]:
        del spans
        passed = 0
        for line in super()._pieces(spans=False):
            yield line
            passed += line.end - line.offset if isinstance(line, Span) else len(line.data)
            if self._is_closed() or passed >= CLOSING_BYTES:
                return


class _Recording:
    """The minutes and the facts that the lines of a finished day give while they are read."""

    def __init__(
        self, day: FinishedDay, key: MinutesKey, passed: RawContent | None, reader: BarReader
    ) -> None:
        self.day, self._key = day, key
        self.stamp = stamp(day.path)
        self.heard = Heard()
        self.next_content = RawContent(0, 0)
        self._whole = passed is not None
        self._length, self._crc32 = passed or RawContent(0, 0)
        self._counts = reader.counts()
        self._bars: list[MinuteBar] = []
        self._gaps: list[int] = []
        self._rejected: list[RejectedLine] = []

    def take(self, chunk: Chunk, found: Any, closed: Closed) -> None:
        """Take in a chunk of the day's file, and the minutes that it has closed."""
        self._whole &= (chunk.path, chunk.offset) == (self.day.path, self._length)
        if isinstance(chunk, Span):
            length = chunk.end - chunk.offset
            self._crc32 = crc.joined(self._crc32, found.crc32, length)
        else:
            length = len(chunk.data)
            if chunk.path.suffix != ".gz":  # of that its own trailer holds the checksum
                self._crc32 = zlib.crc32(chunk.data, self._crc32)
        self._length += length
        self._add(self.day.key, chunk.offset, closed)

    def take_closing(self, chunk: Chunk, _: Any, closed: Closed) -> None:
        """Take in a line of the next file, and the minutes that it has closed."""
        if isinstance(chunk, Block):
            length, crc32 = self.next_content
            self._whole &= chunk.offset == length
            self.next_content = RawContent(length + len(chunk.data), zlib.crc32(chunk.data, crc32))
        self._add(self.day.next_key, chunk.offset, closed)

    def _add(self, file: str, offset: int, closed: Closed) -> None:
        self._bars += closed.bars
        self._gaps += closed.gaps
        bad = self.heard.rejected
        self._rejected += [RejectedLine(file, offset + line.offset, line.reason) for line in bad]
        bad.clear()
        self._whole &= max(len(self._rejected), len(self.heard.answers)) <= _MOST_LISTED
        if not self._whole:
            self._bars.clear()
            self._gaps.clear()
            self._rejected.clear()
            self.heard.answers.clear()

    def minutes(self, reader: BarReader) -> DayMinutes | None:
        """Return the day; None if not all of it was read, or more than kept minutes can hold.

        Raises VaultError.
        """
        if not self._whole or any(bar.square_notional is None for bar in self._bars):
            return None
        content = whole_content(self.day.path, self._length, self._crc32)
        if content is None or self.stamp != stamp(self.day.path):
            return None
        counts = {name: n - self._counts[name] for name, n in reader.counts().items()}
        return DayMinutes(
            self._key,
            content,
            self.day.next_key,
            self.next_content,
            tuple(self.heard.answers),
            Closed(self._bars, self._gaps, reader.builder.through),
            reader.builder.state_with_squares(),
            counts,
            tuple(self._rejected),
        )
