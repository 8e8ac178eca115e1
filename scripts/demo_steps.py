"""The demo, step by step; each step starts real programs and fails if their files are not there."""

import argparse
import io
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from filelock import FileLock, Timeout
from rich import box
from rich.console import Console
from rich.status import Status
from rich.table import Table

from ravequant import times
from ravequant.vault.paths import CHECKOUT, Vault, day_files

INSTRUMENTS: Final = ("BTC-USDT-SWAP", "ETH-USDT-SWAP")
HISTORY: Final = "5h"  # what the exporter fetches before it goes live
HISTORY_MINUTES: Final = 300
LONGEST_SECONDS: Final = 60  # of the demo beside its live part; then the exchange ends by itself
REST_LIMIT_FACTOR: Final = 20  # the real exchange serves 10 pages a second
MARKER: Final = ".made_by_demo"  # a vault that holds this may be emptied
LOCK: Final = ".demo.lock"
INTERRUPTED: Final = 130
SHOWN: Final = 4  # newest rows per instrument in the table


class DemoError(Exception):
    """A step did not do what it should; the text says what was met and where to look."""


@dataclass(slots=True)
class Demo:
    """What the steps share: the options, the vault, the programs that run."""

    args: argparse.Namespace
    console: Console
    vault: Vault
    programs: list[subprocess.Popen[bytes]] = field(default_factory=list)
    ws_url: str = ""
    rest_url: str = ""

    def log(self, name: str) -> Path:
        """Return the file that holds what a program said."""
        return self.vault.root / "logs" / f"{name}.log"

    def start(self, script: str, *options: object) -> subprocess.Popen[bytes]:
        """Start a program of the checkout in this Python; its words go to its log."""
        log = self.log(Path(script).stem)
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(CHECKOUT / script), *map(str, options)]
        with log.open("ab") as words:
            process = subprocess.Popen(
                command, stdout=words, stderr=words, stdin=subprocess.DEVNULL, cwd=CHECKOUT
            )
        self.programs.append(process)
        return process

    def finish(self, script: str, process: subprocess.Popen[bytes], limit_s: float) -> None:
        """Wait until a program has ended well; DemoError if it fails or takes too long."""
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.fail(script, "still runs, expected to have ended by now")
        if code:
            self.fail(script, f"ended with exit code {code}, expected 0")

    def fail(self, script: str, what: str) -> NoReturn:
        """Raise DemoError with the last words of the program."""
        log = self.log(Path(script).stem)
        words = log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        raise DemoError("\n  ".join([f"{script} {what}. Its last words ({log}):", *words]))

    def end(self) -> None:
        """End every program that still runs, the newest first."""
        for process in reversed(self.programs):
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def start_exchange(demo: Demo) -> str:
    """Start the exchange in a box and learn its addresses."""
    script, ready = "scripts/okx_exchange.py", demo.vault.root / "exchange.json"
    args = demo.args
    market_seconds = round((args.seconds + LONGEST_SECONDS) * args.speed)
    process = demo.start(
        script, "--port", 0, "--ready-file", ready, "--seed", args.seed, "--rows-per-second", 1,
        "--history", HISTORY, "--speed", args.speed, "--rest-limit-factor", REST_LIMIT_FACTOR,
        "--wait-for-clients", len(INSTRUMENTS), "--until", f"{market_seconds}s", "--exit-at-end",
    )  # fmt: skip
    deadline = time.monotonic() + 20
    while not ready.exists():
        if process.poll() is not None:
            demo.fail(script, f"ended with exit code {process.returncode}, expected to serve")
        if time.monotonic() > deadline:
            demo.fail(script, "did not serve within 20 s")
        time.sleep(0.05)
    addresses = json.loads(ready.read_text(encoding="utf-8"))
    demo.ws_url, demo.rest_url = addresses["ws_url"], addresses["rest_url"]
    return (
        f"{demo.rest_url}: a made-up market (seed {args.seed}), {HISTORY} old, {args.speed:g} "
        f"times as fast as the clock. Its REST limits are {REST_LIMIT_FACTOR} times those of OKX."
    )


def record_trades(demo: Demo) -> str:
    """Run the trade exporter: fetch the history by REST, then record live."""
    script = "Trades_Bot/trades_exporter.py"
    process = demo.start(
        script, "--vault", demo.vault.root, "--ws-url", demo.ws_url, "--rest-url", demo.rest_url,
        "--rest-limit-factor", REST_LIMIT_FACTOR, *instrument_options(), "--backfill", HISTORY,
        "--max-seconds", demo.args.seconds,
    )  # fmt: skip
    with waiting(demo.console, f"recording for {demo.args.seconds:g} s") as tell:
        deadline = time.monotonic() + demo.args.seconds + LONGEST_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.25)
            tell("recording: " + rows_text(demo))
    demo.finish(script, process, 0)
    for inst_id in INSTRUMENTS:
        if not count_lines(demo, inst_id):
            demo.fail(script, f"wrote no trade of {inst_id}")
    return rows_text(demo)


def calculate_vwap(demo: Demo) -> str:
    """Run the VWAP calculator once for both instruments."""
    script = "VWAP/vwap_calculator.py"
    process = demo.start(script, "--vault", demo.vault.root, *instrument_options(), "--json")
    with waiting(demo.console, "calculating"):
        demo.finish(script, process, 60)
    counts = []
    for inst_id in INSTRUMENTS:
        rows = vwap_rows(demo, inst_id)
        minutes = minute_of(rows[-1]) - minute_of(rows[0]) if rows else 0
        if minutes < HISTORY_MINUTES or len(rows) < HISTORY_MINUTES * 0.9:
            demo.fail(
                script,
                f"wrote {len(rows)} rows of {inst_id} over {minutes} minutes, expected more than "
                f"{HISTORY_MINUTES}; a slow computer needs a longer --seconds",
            )
        if any(row["gap"] for row in rows):
            demo.fail(script, f"found a gap in {inst_id}, expected none")
        counts.append(f"{inst_id} {len(rows):,} minutes")
    return ", ".join(counts)


def show_vwap(demo: Demo) -> str:
    """Show the newest VWAP rows of both instruments."""
    table = Table(title="newest minutes (UTC), VWAPs, basis points off the 4h VWAP", box=box.SIMPLE)
    for name in ("minute", "instrument", "close", "VWAP 1h", "VWAP 4h", "session", "bps"):
        table.add_column(name, justify="left" if name == "instrument" else "right")
    for inst_id in INSTRUMENTS:
        for row in vwap_rows(demo, inst_id)[-SHOWN:]:
            vwaps = (row["vwap_1h"], row["vwap_4h"], row["vwap_session"])
            table.add_row(
                row["timestamp_utc"][11:16], inst_id, row["close"], *map(two_places, vwaps),
                row["deviation_bps_4h"],
            )  # fmt: skip
        table.add_section()
    demo.console.print(table)
    folders = (demo.vault.trades(INSTRUMENTS[0]), demo.vault.derived("vwap", INSTRUMENTS[0]))
    return "\n  ".join(["the files, here of BTC:", *map(str, folders)])


STEPS: Final[tuple[tuple[str, Callable[[Demo], str]], ...]] = (
    ("exchange", start_exchange),
    ("trades", record_trades),
    ("VWAP", calculate_vwap),
    ("table", show_vwap),
)


def run(args: argparse.Namespace) -> int:
    """Run all steps in an emptied vault; return 0 only if each of them worked."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a console that knows only ASCII
    console = Console(highlight=False)
    started = time.monotonic()
    try:
        with emptied(args.vault.absolute()) as root:
            work(Demo(args, console, Vault(root)))
    except DemoError as error:
        print(f"demo: FAILED: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted; all its programs have ended", file=sys.stderr)
        return INTERRUPTED
    console.print(f"demo: all {len(STEPS)} steps worked, {time.monotonic() - started:.0f} s")
    return 0


def work(demo: Demo) -> None:
    """Run the steps; whatever happens, no program outlives them."""
    for ending in (signal.SIGINT, signal.SIGTERM):  # also where a shell's & had them ignored
        signal.signal(ending, signal.default_int_handler)
    try:
        for number, (name, step) in enumerate(STEPS, 1):
            line = f"{number}/{len(STEPS)} {name}: {step(demo)}"
            demo.console.print(line, markup=False, soft_wrap=True)
    finally:
        for ending in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ending, signal.SIG_IGN)  # a second Ctrl-C must not leave orphans
        demo.end()


@contextmanager
def emptied(root: Path) -> Iterator[Path]:
    """Yield ``root``, empty and ours alone; DemoError unless it is new, empty or a demo's."""
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()) and not (root / MARKER).exists():
        raise DemoError(f"{root} holds data that no demo made: name another folder with --vault")
    (root / MARKER).touch()
    try:
        with FileLock(root / LOCK, timeout=0):
            for path in root.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name not in (MARKER, LOCK):
                    path.unlink()
            yield root
    except Timeout:
        raise DemoError(f"another demo works in {root}: wait for it, or use --vault") from None


@contextmanager
def waiting(console: Console, text: str) -> Iterator[Callable[[str], None]]:
    """Show that work goes on: on a terminal alive, and changed by what is yielded; else once."""
    if not console.is_terminal:
        console.print(text)
        yield lambda _: None
        return
    with Status(text, console=console, spinner="line") as status:
        yield status.update


def instrument_options() -> list[str]:
    """Return the instruments as options of our programs."""
    return [part for inst_id in INSTRUMENTS for part in ("--instId", inst_id)]


def rows_text(demo: Demo) -> str:
    """Return how many trades stand in the files by now."""
    return ", ".join(f"{name} {count_lines(demo, name):,} trades" for name in INSTRUMENTS)


def count_lines(demo: Demo, inst_id: str) -> int:
    """Count the raw trades of an instrument on disk."""
    return sum(path.read_bytes().count(b"\n") for _, path in day_files(demo.vault.trades(inst_id)))


def vwap_rows(demo: Demo, inst_id: str) -> list[dict[str, Any]]:
    """Return the VWAP records of an instrument, oldest first."""
    path = demo.vault.derived("vwap", inst_id) / "vwap_1m.jsonl"
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def minute_of(row: dict[str, Any]) -> int:
    """Return the minute of a record."""
    return times.parse_iso(row["timestamp_utc"]) // times.MINUTE_MS


def two_places(number: str) -> str:
    """Cut a decimal string after two places, for the eye only."""
    whole, _, fraction = number.partition(".")
    return f"{whole}.{fraction:0<2.2}"
