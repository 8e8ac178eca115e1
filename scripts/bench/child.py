"""One thing that the benchmark measures, done in a process of its own.

    child.py bars NAME FILE WARM        a contender; what it found out about itself
    child.py scan VAULT WHO INSTID …    raw trades to minute bars, and nothing else
    child.py alone SCRIPT …             a program that reads in one process only
    child.py again VAULT SCRIPT …       a program's bytes read, once it is loaded
    child.py delays FILE SCRIPT …       an exporter; how long its rows took, into FILE

WHO is ``one`` or ``all``: in this process, or with processes that read ahead.
"""

import sys

if __name__ == "__mp_main__":  # a process that reads ahead: it needs nothing of this
    sys.argv = sys.argv[:1]

import gc
import hashlib
import json
import runpy
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_NEVER: Final = 1 << 62  # bytes in a file from which on processes read ahead


def bars(name: str, path: str, warm: str) -> None:
    """Run one contender; print seconds, bars (hashed), peak memory."""
    from ravequant import PLAIN_GC  # noqa: PLC0415 - only what is asked for
    from scripts.bench.contenders import CONTENDERS  # noqa: PLC0415

    run, text = CONTENDERS[name]
    if not name.startswith("ravequant"):
        gc.set_threshold(*PLAIN_GC)  # the others find Python as it comes
    run(Path(warm))  # imports and caches are not what we measure
    began = time.perf_counter()
    rows = run(Path(path))
    seconds = time.perf_counter() - began
    found = [text(row) for row in rows]
    digest = hashlib.sha256(json.dumps(found).encode()).hexdigest()
    print(json.dumps({"seconds": seconds, "bars": len(found), "digest": digest}))


def scan(root: str, who: str, *names: str) -> None:
    """Read all raw trades of some instruments as minute bars."""
    from ravequant import settings  # noqa: PLC0415
    from ravequant.pipeline import calculator  # noqa: PLC0415
    from ravequant.trades.parallel_scan import read_ahead  # noqa: PLC0415
    from ravequant.vault.paths import Vault  # noqa: PLC0415
    from ravequant.vault.tail import Span, Tail  # noqa: PLC0415

    vault, chosen, closed = Vault(Path(root)), settings.load(), 0
    whale = settings.exactly(chosen, "bars.whale_notional")
    for name in names:
        reader: Any = calculator.bar_reader(vault, name, chosen)(lambda *_: None)
        tail = Tail(calculator.trade_listing(vault, name), None, 0)
        pieces = tail.pieces() if who == "all" else tail.blocks()
        for piece, found in read_ahead(name, whale, pieces):
            batch = found.add_to(reader) if found is not None else None
            if batch is not None:
                closed += len(batch.bars)
                continue
            for block in tail.again(piece) if isinstance(piece, Span) else (piece,):
                closed += len(reader.read(block.data).bars)
    print(json.dumps({"bars": closed}))


def alone(script: str, *words: str) -> None:
    """Run a program without processes that read ahead."""
    from ravequant.vault import tail  # noqa: PLC0415

    tail.SPANS_FROM = _NEVER  # type: ignore[misc]
    _run(script, words)


def again(root: str, script: str, *words: str) -> None:
    """Run a program twice from the same state; print what the kernel says the second one read.

    The first run loads the code. Reads of the page cache count, those of memory maps do not.
    """
    from scripts.bench.state import State  # noqa: PLC0415

    state = State.of(Path(root))
    _quietly(script, words)
    state.restore()
    before = _bytes_read()
    _quietly(script, words)
    after = _bytes_read()
    state.restore()
    print(json.dumps({"read_bytes": None if before is None or after is None else after - before}))


def _bytes_read() -> int | None:
    try:
        text = Path("/proc/self/io").read_text("ascii")
    except OSError:
        return None
    return int(text.split()[1])  # rchar: what read calls have returned


def _quietly(script: str, words: tuple[str, ...]) -> None:
    import io  # noqa: PLC0415
    from contextlib import redirect_stdout  # noqa: PLC0415

    with redirect_stdout(io.StringIO()):
        _run(script, words)


def _run(script: str, words: tuple[str, ...]) -> None:
    sys.argv = [script, *words]
    sys.path.insert(0, str(Path(script).parent))
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise


def delays(target: str, script: str, *words: str) -> None:
    """Run the trade exporter, and note how long each row took from the socket into its file.

    The first moment is when the last byte of its frame has been taken from the socket, the second
    when the write call of its line has returned.
    """
    from websockets.asyncio.connection import Connection  # noqa: PLC0415

    from ravequant.vault.append_log import DayLog  # noqa: PLC0415

    came: deque[float] = deque()
    took: list[float] = []
    process_event, append = Connection.process_event, DayLog.append

    def note_frame(self: Any, event: Any) -> None:
        if b'"tradeId"' in event.data:
            came.append(time.perf_counter())
        process_event(self, event)

    def note_lines(self: DayLog, ts: int, data: bytes) -> None:
        append(self, ts, data)
        now = time.perf_counter()
        took.extend(now - came.popleft() for _ in range(data.count(b"\n")))

    Connection.process_event = note_frame  # type: ignore[method-assign]
    DayLog.append = note_lines  # type: ignore[method-assign]
    try:
        _run(script, words)
    finally:
        Path(target).write_text(json.dumps(took), "ascii")


VERBS: Final[dict[str, Callable[..., None]]] = {
    verb.__name__: verb for verb in (bars, scan, alone, again, delays)
}

if __name__ == "__main__":
    VERBS[sys.argv[1]](*sys.argv[2:])
