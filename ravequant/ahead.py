"""Reading ahead: large raw trade files as partial bars, by processes side by side, in file order.

Each process reads every n-th span; what it hands back is merged exactly (SPEC section 4), and a
span that does not follow in order is read again by whoever asked. A pipe leads to each process: it
ends when the asker does, however that happens.
"""

import logging
import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ravequant.bars import BarReader, Closed, Part, join, partial
from ravequant.scan import Rejected, Scanner
from ravequant.vault.tail import BLOCK_BYTES, Block, Span, block_size

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

MOST_PROCESSES: Final = 8
_WAITING: Final = 2  # spans a process is given before its first answer is asked for
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
    pool: _Pool | None = None
    given: deque[Span] = deque()
    try:
        for piece in pieces:
            if isinstance(piece, Span):
                pool = pool or _Pool(inst_id, whale_notional, processes or _processes())
                pool.give(piece)
                given.append(piece)
                if len(given) > pool.room:
                    yield given.popleft(), pool.take()
            else:
                while pool and given:
                    yield given.popleft(), pool.take()
                yield piece, None
        while pool and given:
            yield given.popleft(), pool.take()
    finally:
        if pool:
            pool.close()


def _processes() -> int:
    return min(os.cpu_count() or 1, MOST_PROCESSES)


class _Pool:
    """Processes that are given spans in turns, and asked for them in the same turns."""

    def __init__(self, inst_id: str, whale_notional: int, processes: int) -> None:
        import multiprocessing  # noqa: PLC0415 - few runs read so much

        context = multiprocessing.get_context("spawn")
        self._links: list[Connection] = []
        self._given = self._taken = 0
        for _ in range(processes):
            ours, theirs = context.Pipe()
            arguments = (theirs, inst_id, whale_notional)
            context.Process(target=_serve, args=arguments, daemon=True).start()
            theirs.close()  # so that the link ends with the process
            self._links.append(ours)

    @property
    def room(self) -> int:
        """How many spans may wait."""
        return _WAITING * len(self._links)

    def give(self, span: Span) -> None:
        link = self._links[self._given % len(self._links)]
        self._given += 1
        with suppress(OSError):  # a process that has died answers nothing
            link.send((span.path, span.offset, span.end))

    def take(self) -> Found | None:
        link = self._links[self._taken % len(self._links)]
        self._taken += 1
        try:
            found: Found | None = link.recv()
        except (OSError, EOFError):
            _log.warning("a process that was reading ahead has died; its part is read without it")
            return None
        return found

    def close(self) -> None:
        """Let the processes end."""
        for link in self._links:
            link.close()


def _serve(link: "Connection", inst_id: str, whale_notional: int) -> None:
    """Read spans until the asker is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the asker
    with suppress(EOFError, OSError):
        while True:
            path, offset, end = link.recv()
            try:
                found = read_span(inst_id, whale_notional, path, offset, end)
            except (OSError, EOFError):  # gone or changed: the asker will say what is wrong
                found = None
            link.send(found)


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
