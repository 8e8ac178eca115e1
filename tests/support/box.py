"""The exchange in a box as a process, and its frame log: what all tests of the exporters share."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from ravequant.vault.paths import CHECKOUT

EXCHANGE = CHECKOUT / "scripts" / "okx_exchange.py"
LIMIT_S = 100  # a hang is a failure
FRAMES = "frames.log"


@contextmanager
def exchange(
    folder: Path, *options: Any, faults: Sequence[dict[str, Any]] = (), seed: int = 7
) -> Iterator[list[str]]:
    """Run the exchange in a box; yields the exporter's options that lead there.

    Its frame log is ``frames.log`` of the folder, whole once the block is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ready, script = folder / "ready.json", folder / "faults.json"
    ready.unlink(missing_ok=True)
    script.write_text(json.dumps({"seed": seed, "faults": list(faults)}), encoding="utf-8")
    words = [sys.executable, EXCHANGE, *options, "--faults", script, "--ready-file", ready]
    words += ["--frame-log", folder / FRAMES, "--log-level", "warning"]
    with (folder / "exchange.log").open("wb") as log:
        process = subprocess.Popen([*map(str, words)], stderr=log, stdout=log)
        try:
            wait_for(lambda: ready.exists() and ready.stat().st_size, process)
            where = json.loads(ready.read_bytes())
            yield ["--ws-url", where["ws_url"], "--rest-url", where["rest_url"]]
        finally:
            ended(process)


def ended(process: subprocess.Popen[Any], patience_s: float = 20) -> None:
    """Ask a process to end, and make it end if it does not."""
    process.terminate()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(condition: Callable[[], Any], process: Any = None, seconds: float = LIMIT_S) -> None:
    """Wait until something holds; fails when the process ended or it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, "the process ended"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def frames(folder: Path) -> bytes:
    """Return the whole lines of the frame log so far; it is flushed every second."""
    content = (folder / FRAMES).read_bytes()
    return content[: content.rfind(b"\n") + 1]


def logged(folder: Path, kind: str = "frame") -> list[dict[str, Any]]:
    """Return what the exchange has noted so far, of one kind; all kinds for an empty one."""
    noted = [orjson.loads(line) for line in frames(folder).splitlines()]
    return [one for one in noted if not kind or one["kind"] == kind]
