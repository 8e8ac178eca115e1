"""The demo, step by step; each step starts real programs and fails if their files are not there."""

import argparse
import io
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from ravequant import catalog, settings, times
from ravequant.catalog import DataSet
from ravequant.errors import RaveQuantError
from ravequant.vault.paths import Vault
from scripts.showcase import pictures
from scripts.showcase.programs import Demo, emptied, ended, waiting

INSTRUMENTS: Final = ("BTC-USDT-SWAP", "ETH-USDT-SWAP")
PLANTED: Final = INSTRUMENTS[0]  # the set-up is in the first instrument of a market
LEAST_HISTORY_S: Final = 5 * 3_600  # what the trade exporter fetches before it goes live
LEAST_MINUTES: Final = 295  # of history and market that the calculators must have closed
AFTER_SETUP_S: Final = 50  # so long before the market's end the set-up is complete
SNAPSHOT_S: Final = 2  # market time between two snapshots
DEEP_S: Final = 30  # and between two deep ones
LONGEST_SECONDS: Final = 40  # that the exporters may need beside the live part
CALCULATOR_SECONDS: Final = 60
REST_LIMIT_FACTOR: Final = 20  # the real exchange serves 10 pages a second
INTERRUPTED: Final = 130
SHOWN: Final = 3  # newest rows per instrument in the table

TRADES, BOOKS = (program.script for program in catalog.EXPORTERS)
SCRIPTS: Final = [program.script for program in catalog.CALCULATORS]
BY_MINUTE: Final = (catalog.VWAP, catalog.CVD, catalog.VOLUME)  # one row a minute each

Row = dict[str, Any]


def start_exchange(demo: Demo) -> str:
    """Start the exchange in a box and learn its addresses."""
    script, ready = catalog.OKX_EXCHANGE.script, demo.vault.root / "exchange.json"
    args = demo.args
    market_s = market_seconds(args)
    # the set-up is complete at a whole minute, and that minute is closed when the market ends
    history_s = LEAST_HISTORY_S + (AFTER_SETUP_S - market_s) % 60
    process = demo.start(
        script, "--port", 0, "--ready-file", ready, "--seed", args.seed, "--rows-per-second", 1,
        "--history", f"{history_s}s", "--speed", args.speed, "--until", f"{market_s}s",
        "--plant", f"{history_s + market_s - AFTER_SETUP_S}s",
        "--rest-limit-factor", REST_LIMIT_FACTOR, "--wait-for-clients", len(INSTRUMENTS),
        "--wait-for-books", len(INSTRUMENTS), "--exit-at-end",
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
        f"{demo.rest_url}: a made-up market (seed {args.seed}), 5 hours old, {args.speed:g} "
        f"times as fast as the clock. Its REST limits are {REST_LIMIT_FACTOR} times those of OKX."
    )


def record(demo: Demo) -> str:
    """Run both exporters side by side: the trade history by REST, then trades and books live."""
    args = demo.args
    common = (
        "--vault", demo.vault.root, "--ws-url", demo.ws_url, "--rest-url", demo.rest_url,
        "--rest-limit-factor", REST_LIMIT_FACTOR, *instrument_options(),
        "--stop-when-idle", math.ceil(max(2, 20 / args.speed)),
    )  # fmt: skip
    running = {
        TRADES: demo.start(TRADES, *common, *own_log(demo, TRADES), "--backfill", "6h"),
        BOOKS: demo.start(
            BOOKS,
            *common,
            *own_log(demo, BOOKS),
            "--deep-every",
            max(1, round(DEEP_S / args.speed)),
        ),
    }
    deadline = time.monotonic() + args.seconds + LONGEST_SECONDS
    with waiting(demo.console, f"recording trades and books for {args.seconds:g} s") as tell:
        while time.monotonic() < deadline and all(
            process.poll() in (None, 0) for process in running.values()
        ):
            if all(process.poll() == 0 for process in running.values()):
                break
            time.sleep(0.25)
            tell("recording: " + recorded(demo))
    for script, process in running.items():
        if process.poll() is not None or time.monotonic() >= deadline:
            demo.finish(script, process, 0)
    check_recorded(demo)
    return recorded(demo)


def check_recorded(demo: Demo) -> None:
    """Raise DemoError unless trades, books and deep books of all instruments are on disk."""
    vault = demo.vault
    least = market_seconds(demo.args) // SNAPSHOT_S
    for inst_id in INSTRUMENTS:
        if not lines_of(catalog.TRADES.files(vault, inst_id)):
            demo.fail(TRADES, f"wrote no trade of {inst_id}")
        books = lines_of(catalog.BOOK.files(vault, inst_id))
        if books < least:
            demo.fail(BOOKS, f"wrote {books} books of {inst_id}, expected {least} or more")
        if not lines_of(catalog.DEEP.files(vault, inst_id)):
            demo.fail(BOOKS, f"wrote no deep book of {inst_id}")


def calculate(demo: Demo) -> str:
    """Run the five calculators side by side, once, for both instruments."""
    options = ("--vault", demo.vault.root, *instrument_options(), "--json")
    with waiting(demo.console, "calculating"):
        running = [(script, demo.start(script, *options)) for script in SCRIPTS]
        for script, process in running:
            demo.finish(script, process, CALCULATOR_SECONDS)
    counts = []
    for inst_id in INSTRUMENTS:
        minutes = min(check_minutes(demo, data, inst_id) for data in BY_MINUTE)
        wicks, books = check_wicks(demo, inst_id), check_buckets(demo, inst_id)
        counts.append(
            f"{inst_id} {minutes} minutes of VWAP, CVD and volume, {wicks:,} wick events, "
            f"{books} books bucketed"
        )
    return "\n  ".join(["all five side by side", *counts])


def check_minutes(demo: Demo, data: DataSet, inst_id: str) -> int:
    """Return how many minutes a calculator wrote; DemoError if that is not what it should be."""
    rows = json_lines(data.place(demo.vault, inst_id))
    minutes = 1 + minute_of(rows[-1]) - minute_of(rows[0]) if rows else 0
    if minutes < LEAST_MINUTES or len(rows) < LEAST_MINUTES * 0.9:
        demo.fail(
            data.made_by,
            f"wrote {len(rows)} rows of {inst_id} over {minutes} minutes, expected "
            f"{LEAST_MINUTES} or more",
        )
    if any(row["gap"] for row in rows):
        demo.fail(data.made_by, f"found a gap in {inst_id}, expected none")
    return len(rows)


def check_wicks(demo: Demo, inst_id: str) -> int:
    """Return how many wick events there are; DemoError without any."""
    events = json_lines(catalog.WICKS.place(demo.vault, inst_id))
    if not events:
        demo.fail(catalog.WICKS.made_by, f"wrote no wick of {inst_id}")
    return len(events)


def check_buckets(demo: Demo, inst_id: str) -> int:
    """Return how many books were bucketed; DemoError unless all were, without a gap."""
    rows, books = bucket_rows(demo, inst_id), lines_of(catalog.BOOK.files(demo.vault, inst_id))
    if len(rows) != books:
        demo.fail(catalog.BUCKETS.made_by, f"wrote {len(rows)} rows of {books} books of {inst_id}")
    if any(row["gap"] for row in rows):
        demo.fail(catalog.BUCKETS.made_by, f"found a gap in the books of {inst_id}, expected none")
    return books


def show_minutes(demo: Demo) -> str:
    """Show the newest minutes of both instruments."""
    rows = []
    for inst_id in INSTRUMENTS:
        found = [json_lines(data.place(demo.vault, inst_id)) for data in BY_MINUTE]
        rows += list(zip(*found, strict=True))[-SHOWN:]
    demo.show(pictures.minutes_table(rows))
    folders = (demo.vault.trades(PLANTED), catalog.VWAP.place(demo.vault, PLANTED).parent)
    return "\n  ".join(["the files, here of BTC:", *map(str, folders)])


def show_book(demo: Demo) -> str:
    """Show the walls and the bands of the newest book of both instruments."""
    console, least = demo.console, settings.load().buckets.wall_notional
    walls = 0
    for inst_id in INSTRUMENTS:
        row = bucket_rows(demo, inst_id)[-1]
        walls += len(row["bid_walls"]) + len(row["ask_walls"])
        demo.show(pictures.walls_table(row, settings.amount_for(inst_id, least)))
        ascii_only = console.options.ascii_only
        demo.show(pictures.bands_picture(row, console.width, ascii_only=ascii_only))
    if not walls:
        demo.fail(catalog.BUCKETS.made_by, "found no wall, expected the planted one at least")
    return "\n  ".join([f"{walls} in the two books", *pictures.WALLS_SAID])


def show_signals(demo: Demo) -> str:
    """Ask for the signals, explained; DemoError unless the planted one is among them."""
    asked = ("--vault", demo.vault.root, *instrument_options(), "--at", "latest", "--no-refresh")
    answer = demo.ask(catalog.FIND_SIGNALS.script, *asked, "--json")
    signals = [json.loads(line) for line in answer.splitlines()]
    planted = next(filter(is_planted, signals), None)
    demo.ask(catalog.FIND_SIGNALS.script, *asked, "--explain", shown=True)
    if planted is None:
        demo.fail(
            catalog.FIND_SIGNALS.script,
            f"found {len(signals)} signals, expected the planted one among them",
        )
    return (
        f"the planted set-up was found: {PLANTED} {planted['direction']} {planted['entry']}, "
        f"{planted['confluences']} of 7 confluences, score {planted['score']}"
    )


def is_planted(signal: Row) -> bool:
    """Say whether a signal is what the exchange planted: all layers speak for a short."""
    return (
        signal["instId"] == PLANTED
        and signal["direction"] == "SHORT"
        and signal["conviction"] == "MAX"
        and all(layer["state"] == "met" for layer in signal["layers"])
    )


STEPS: Final[tuple[tuple[str, Callable[[Demo], str]], ...]] = (
    ("exchange", start_exchange),
    ("exporters", record),
    ("calculators", calculate),
    ("minutes", show_minutes),
    ("walls", show_book),
    ("signals", show_signals),
)


def run(args: argparse.Namespace) -> int:
    """Run all steps in an emptied vault; return 0 only if each of them worked."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a console that knows only ASCII
    console = Console(highlight=False)
    if console.width < pictures.NEEDED_WIDTH:  # a narrower terminal folds, nothing is cut
        console = Console(highlight=False, width=pictures.NEEDED_WIDTH)
    started = time.monotonic()
    try:
        with emptied(args.vault.absolute()) as root:
            use_default_settings(root)
            work(Demo(args, console, Vault(root)))
    except RaveQuantError as error:
        print(f"demo: FAILED: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("demo: interrupted; all its programs have ended", file=sys.stderr)
        return INTERRUPTED
    console.print(f"demo: all {len(STEPS)} steps worked, {time.monotonic() - started:.0f} s")
    return 0


def work(demo: Demo) -> None:
    """Run the steps; whatever happens, no program outlives them."""
    with ended(demo):
        for number, (name, step) in enumerate(STEPS, 1):
            line = f"{number}/{len(STEPS)} {name}: {step(demo)}\n"
            demo.console.print(line, markup=False, soft_wrap=True)


def market_seconds(args: argparse.Namespace) -> int:
    """Return how long the market runs, in its own time."""
    market_s: int = round(args.seconds * args.speed)
    return market_s


def instrument_options() -> list[str]:
    """Return the instruments as options of our programs."""
    return [part for inst_id in INSTRUMENTS for part in ("--instId", inst_id)]


def use_default_settings(root: Path) -> None:
    """Let this program and those it starts use the defaults, whatever `ravequant.toml` says."""
    empty = root / "settings.toml"
    empty.touch()
    os.environ[settings.SETTINGS_VARIABLE] = str(empty)


def own_log(demo: Demo, script: str) -> list[str]:
    """Return the option that keeps an exporter from writing to the person's own log."""
    return ["--log-file", str(demo.log(f"{Path(script).stem}_file"))]


def recorded(demo: Demo) -> str:
    """Return how much stands in the files by now."""
    trades, books, deep = (
        sum(lines_of(data.files(demo.vault, inst_id)) for inst_id in INSTRUMENTS)
        for data in (catalog.TRADES, catalog.BOOK, catalog.DEEP)
    )
    return f"{trades:,} trades, {books} books of 400 levels a side, {deep} deep ones"


def lines_of(files: Iterable[tuple[str, Path]]) -> int:
    """Count the lines of files."""
    return sum(path.read_bytes().count(b"\n") for _, path in files)


def json_lines(path: Path) -> list[Row]:
    """Return the records of a file, oldest first; none if it is not there."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def bucket_rows(demo: Demo, inst_id: str) -> list[Row]:
    """Return the liquidity buckets of an instrument."""
    files = catalog.BUCKETS.files(demo.vault, inst_id)
    return [row for _, path in files for row in json_lines(path)]


def minute_of(row: Row) -> int:
    """Return the minute of a record."""
    minute: int = times.parse_iso(row["timestamp_utc"]) // times.MINUTE_MS
    return minute
