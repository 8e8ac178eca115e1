"""Reading ahead: large raw trade files as partial bars, by processes side by side, in file order.

What a process hands back of its span is merged exactly (SPEC section 4), and a span that does not
follow in order is read again by whoever asked.
"""

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ravequant.bars import BarReader, Closed, Part, join, partial
from ravequant.scan import Rejected, Scanner
from ravequant.vault.tail import BLOCK_BYTES, Block, Span, block_size

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ravequant.processes import Processes

MOST_PROCESSES: Final = 8
_WAITING: Final = 2  # spans for each process that are under way or wait
_NAMED: Final = 1_000  # with more bad lines a span is better read again
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What a span holds: its records as one part (None: no record at all), and its bad lines."""

    part: Part | None
    lines: int
    rejected: list[Rejected] = field(default_factory=list)  # offsets count from the span's start

    def add_to(self, reader: BarReader) -> Closed | None:
        """Hand it to the reader whose turn it is; None if it does not follow what that has read."""
        return reader.absorb(self.part, self.lines, self.rejected)


Piece = Block | Span


def read_ahead(
    inst_id: str, whale_notional: int, pieces: Iterator[Piece], processes: int | None = None
) -> Iterator[tuple[Piece, Found | None]]:
    """Yield ``pieces`` in their order, spans with what they hold, if that could be found out.

    ``processes``: None for one a core, at most 8. None is started before there is a span to read.
    """
    pool: Processes | None = None
    given: deque[tuple[Span, Future[Found | None]]] = deque()
    try:
        for piece in pieces:
            if isinstance(piece, Span):
                pool = pool or _pool(processes or _processes())
                asked = inst_id, whale_notional, piece.path, piece.offset, piece.end
                given.append((piece, pool.submit(read_span, *asked)))
                if len(given) > _WAITING * pool.width:
                    yield _take(*given.popleft())
            else:
                while given:
                    yield _take(*given.popleft())
                yield piece, None
        while given:
            yield _take(*given.popleft())
    finally:
        if pool:
            pool.close()


def _pool(width: int) -> "Processes":
    from ravequant.processes import Processes  # noqa: PLC0415 - few runs read so much

    return Processes(width)


def _take(span: Span, reading: "Future[Found | None]") -> tuple[Span, Found | None]:
    from concurrent.futures import BrokenExecutor  # noqa: PLC0415 - loaded with the processes

    try:
        return span, reading.result()
    except (OSError, EOFError):  # gone or changed: whoever reads it now will say what is wrong
        return span, None
    except BrokenExecutor as error:
        _log.warning("reading ahead failed (%s); this part is read without it", error)
        return span, None


def _processes() -> int:
    return min(os.cpu_count() or 1, MOST_PROCESSES)


def read_span(inst_id: str, whale_notional: int, path: Path, offset: int, end: int) -> Found | None:
    """Return what whole lines of a file hold; None if they must be read one after the other."""
    return collect(inst_id, whale_notional, offset, _blocks(path, offset, end))


def collect(
    inst_id: str, whale_notional: int, offset: int, blocks: Iterable[tuple[int, bytes]]
) -> Found | None:
    """Return what blocks of whole lines hold, the first at ``offset``; None as above."""
    scanner, parts, lines, rejected = Scanner(inst_id), list[Part](), 0, list[Rejected]()
    for at, block in blocks:
        scanned = scanner.scan(block)
        lines += scanned.lines
        rejected += [Rejected(at - offset + bad.offset, bad.reason) for bad in scanned.rejected]
        for trades in scanned.stretches:
            part = partial(trades, whale_notional)
            joined = join(parts[0], part) if parts and part else part
            if joined is None or len(rejected) > _NAMED:
                return None
            parts = [joined]
    return Found(parts[0] if parts else None, lines, rejected)


def _blocks(path: Path, offset: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, whole lines); EOFError if the file is not what it was."""
    rest = b""
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        while left := end - offset - len(rest):
            size, _ = block_size(file, offset + len(rest), BLOCK_BYTES)
            chunk = file.read(min(size, left))
            if not chunk:
                raise EOFError
            data = rest + chunk
            cut = data.rfind(b"\n") + 1
            if cut:
                yield offset, data[:cut]
            offset, rest = offset + cut, data[cut:]
    if rest:
        raise EOFError
