"""Reading ahead: large raw trade files as partial bars, by processes side by side, in file order.

The result of a span is merged exactly (SPEC section 4); a span that does not follow in order is
read again by the process that asked.
"""

import logging
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ravequant.records import DEFAULT_EXCHANGE, Rejected
from ravequant.trades.bar_builder import Closed, PartialBars, join
from ravequant.trades.bar_reader import BarReader, end_of
from ravequant.trades.minute_bar import NEVER
from ravequant.vault.paths import StrPath
from ravequant.vault.tail import BLOCK_BYTES, Chunk, Span, block_size

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ravequant.trades.scanner import Scanner

MOST_PROCESSES: Final = 8
_GIVEN: Final = 3  # spans that each process has at once, with the span that it reads
_WAITING: Final = 16  # spans for each process whose answers are not taken yet
_NAMED: Final = 1_000  # with more bad lines a span is better read again
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpanResult:
    """The content of a span: its records as partial bars (None without any), and its bad lines."""

    partial: PartialBars | None
    lines: int
    rejected: list[Rejected] = field(default_factory=list)  # offsets count from the span's start
    crc32: int = 0  # of its bytes

    def add_to(self, reader: BarReader) -> Closed | None:
        """Add it to a reader; None if it does not follow the lines that the reader has read."""
        return reader.absorb(self.partial, self.lines, self.rejected)


def read_ahead(
    inst_id: str,
    whale_notional: int,
    chunks: Iterator[Chunk],
    processes: int | None = None,
    *,
    exchange: str = DEFAULT_EXCHANGE,
    bucket: int = 0,
) -> Iterator[tuple[Chunk, SpanResult | None]]:
    """Yield ``chunks`` in their order, each span with its result if there is one.

    ``processes``: None for as many as cores, at most 8, with this process, which reads too. The
    others start at the first span.
    """
    helpers = _helpers() if processes is None else processes
    readers: _Readers | None = None
    try:
        for chunk in chunks:
            if isinstance(chunk, Span) and helpers:
                if readers is None:
                    read = partial(read_span, exchange=exchange, bucket=bucket)
                    readers = _Readers(inst_id, whale_notional, read, helpers)
                readers.give(chunk)
                if readers.full:
                    yield readers.take()
            else:
                while readers and readers.waiting:
                    yield readers.take()
                yield chunk, None
        while readers and readers.waiting:
            yield readers.take()
    finally:
        if readers:
            readers.close()


def _helpers() -> int:
    return min(os.cpu_count() or 1, MOST_PROCESSES) - 1


class _Readers:
    """Processes that read spans; the caller reads too while it waits for a result."""

    def __init__(
        self,
        inst_id: str,
        whale_notional: int,
        read: Callable[..., SpanResult | None],
        width: int,
    ) -> None:
        from ravequant.processes.worker_pool import Processes  # noqa: PLC0415 - few runs read so much

        self._inst_id, self._whale_notional = inst_id, whale_notional
        self._read_span = read
        self._processes = Processes(width)
        self.waiting: deque[_Reading] = deque()

    @property
    def full(self) -> bool:
        """True if an answer must be taken before more spans are given."""
        return len(self.waiting) > _WAITING * self._processes.width

    def give(self, span: Span) -> None:
        """Queue a span, and start its reading if a process is free."""
        self.waiting.append(_Reading(span))
        self._feed()

    def _feed(self) -> None:
        """Give work to every idle process."""
        under_way = sum(one.under_way for one in self.waiting)
        for one in self.waiting:
            if under_way >= _GIVEN * self._processes.width:
                return
            if one.answer is None:
                one.answer = self._processes.submit(self._read_span, *self._asked(one.span))
                under_way += 1

    def take(self) -> tuple[Span, SpanResult | None]:
        """Return the oldest span, and its result if there is one."""
        from concurrent.futures import BrokenExecutor  # noqa: PLC0415 - loaded by now

        oldest = self.waiting[0]
        while oldest.answer is None or not oldest.answer.done():
            unread = next((one for one in self.waiting if one.answer is None), None)
            if unread is None:
                break
            self._read_here(unread)
            self._feed()
        self.waiting.popleft()
        assert oldest.answer is not None  # noqa: S101 - the loop has filled it
        try:
            return oldest.span, oldest.answer.result()
        except (OSError, EOFError):  # gone or changed: reading it in order raises the error
            return oldest.span, None
        except BrokenExecutor as error:
            _log.warning("reading ahead failed (%s); this part is read without it", error)
            return oldest.span, None

    def _read_here(self, one: "_Reading") -> None:
        from concurrent.futures import Future  # noqa: PLC0415 - loaded by now

        one.answer = Future()
        try:
            one.answer.set_result(self._read_span(*self._asked(one.span)))
        except (OSError, EOFError) as error:
            one.answer.set_exception(error)

    def _asked(self, span: Span) -> tuple[str, int, Path, int, int]:
        return self._inst_id, self._whale_notional, span.path, span.offset, span.end

    def close(self) -> None:
        """End the processes."""
        self._processes.close()


@dataclass(slots=True, eq=False)
class _Reading:
    """A span and, once a process has it, its result."""

    span: Span
    answer: "Future[SpanResult | None] | None" = None

    @property
    def under_way(self) -> bool:
        """True while a process reads the span."""
        return self.answer is not None and not self.answer.done()


def read_span(
    inst_id: str,
    whale_notional: int,
    path: StrPath,
    offset: int,
    end: int,
    *,
    exchange: str = DEFAULT_EXCHANGE,
    bucket: int = 0,
) -> SpanResult | None:
    """Return the content of whole lines of a file; None if they must be read in order."""
    path = Path(path)
    scanner, blocks = _scanner(inst_id, exchange), _blocks(path, offset, end)
    return collect(scanner, whale_notional, offset, blocks, end_of(path.name), bucket=bucket)


@lru_cache(maxsize=1)
def _scanner(inst_id: str, exchange: str) -> "Scanner":
    """Return the scanner of this process, which knows from span to span how the lines look."""
    from ravequant.trades.scanner import Scanner  # noqa: PLC0415 - numpy: few runs read so much

    return Scanner(inst_id, exchange)


def collect(
    scanner: "Scanner",
    whale_notional: int,
    offset: int,
    blocks: Iterable[tuple[int, bytes]],
    day_end: int = NEVER,
    *,
    bucket: int = 0,
) -> SpanResult | None:
    """Return the content of blocks of whole lines, the first at ``offset``; None as above.

    Records from ``day_end`` on (Unix ms), and those that say so, are ahead: they are read in order.
    """
    from ravequant.trades.bar_columns import partial_bars  # noqa: PLC0415

    lines, rejected, crc32 = 0, list[Rejected](), 0
    found: PartialBars | None = None
    for at, block in blocks:
        crc32 = zlib.crc32(block, crc32)
        scanned = scanner.scan(block)
        lines += scanned.lines
        rejected += [Rejected(at - offset + bad.offset, bad.reason) for bad in scanned.rejected]
        for trades in scanned.stretches:
            partial = None if trades.ahead else partial_bars(trades, whale_notional, bucket)
            joined = join(found, partial) if found and partial else partial
            if partial is None or joined is None or len(rejected) > _NAMED:
                return None
            found = joined
    if found is not None and found.watermark >= day_end:
        return None
    return SpanResult(found, lines, rejected, crc32)


def _blocks(path: Path, offset: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, whole lines); EOFError if the file has become shorter."""
    rest = b""
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        while left := end - offset - len(rest):
            size, _ = block_size(file, offset + len(rest), BLOCK_BYTES)
            more = file.read(min(size, left))
            if not more:
                raise EOFError
            data = rest + more
            cut = data.rfind(b"\n") + 1
            if cut:
                yield offset, data[:cut]
            offset, rest = offset + cut, data[cut:]
    if rest:
        raise EOFError
