"""The demo, step by step; each step starts real programs and fails if their files are not there."""

import argparse
import io
import json
import logging
import math
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from rich.console import Console, RenderableType

from ravequant import catalog, settings, tables, times
from ravequant.catalog import FOOTPRINT, PROFILE, DataSet, Program
from ravequant.cli import INTERRUPTED
from ravequant.errors import DONE, RaveQuantError
from ravequant.vault.paths import CHECKOUT, Vault
from scripts.showcase import history, pictures
from scripts.showcase.demo_vault import emptied, use_default_settings
from scripts.supervision.schedule import Plan, Task
from scripts.supervision.supervisor import PROGRAM, Supervisor, stop_on_signals
from scripts.supervision.tasks import REST_LIMIT_FACTOR, STARTED, exchange_options
from VWAP.anchored_vwap import anchored_vwap

INSTRUMENTS: Final = ("BTC-USDT-SWAP", "ETH-USDT-SWAP")
PLANTED: Final = INSTRUMENTS[0]  # the set-up is in the first instrument of a market
LEAST_HISTORY_S: Final = 5 * 3_600  # of trades, fetched before the live trades
LEAST_MINUTES: Final = 295  # of history and market that the calculators must have closed
AFTER_SETUP_S: Final = 50  # so long before the market's end the set-up is complete
SNAPSHOT_S: Final = 2  # market time between two snapshots
DEEP_S: Final = 30  # and between two deep ones
LONGEST_SECONDS: Final = 40  # that the exporters may need before and after the live part
CALCULATOR_SECONDS: Final = 60
SERVING_SECONDS: Final = 120  # its end is noticed at once; a busy computer takes its time
PUBLISHING_SECONDS: Final = 240  # more, for each day of history
SHOWN: Final = 3  # newest rows per instrument in the table
BY_MINUTE: Final = (catalog.VWAP, catalog.CVD, catalog.VOLUME)  # one row a minute each

Row = dict[str, Any]


class DemoError(RaveQuantError):
    """A step failed; the text says how, and where to look."""


class WholePlan(Plan):
    """A plan that runs each task once and is finished early by one that fails."""

    @property
    def finished(self) -> bool:
        """Return True if nothing runs any more, or if a task has failed."""
        return super().finished or self.outcome != DONE


@dataclass(slots=True)
class Demo:
    """The options, the vault and the programs, shared by the steps."""

    args: argparse.Namespace
    console: Console
    vault: Vault
    supervisor: Supervisor
    exchange: Task | None = None  # while it runs
    addresses: tuple[str, str] = ("", "")  # of its socket and of its REST

    def run(self, tasks: list[Task], text: str) -> None:
        """Run programs side by side until each has ended well; DemoError if one does not."""
        plan = WholePlan(tasks, len(tasks), once=True)
        if self.exchange in tasks:
            plan.started(self.exchange.name, 0.0)
        if not self.console.is_terminal:  # where a status line would show nothing
            self.console.print(text)
        with self.console.status(text, spinner="line"):
            self.supervisor.run(plan, math.inf)
        for standing in plan.standings.values():
            if standing.last_code not in (None, DONE):
                self.fail(standing.task, f"ended with exit code {standing.last_code}, expected 0")

    def task(self, program: Program, options: list[str]) -> Task:
        """Return a task that is run once; one that takes far too long is ended."""
        recording = program in (catalog.OKX_EXCHANGE, *catalog.EXPORTERS)
        limit_s = self.args.seconds + LONGEST_SECONDS if recording else CALCULATOR_SECONDS
        return Task(program.name, program.script, tuple(options), every_s=math.inf, limit_s=limit_s)

    def log(self, program: Program | Task) -> Path:
        """Return the log file of a program."""
        return self.vault.root / "logs" / f"{program.name}.log"

    def fail(self, program: Program | Task, what: str) -> NoReturn:
        """Raise DemoError with the last words of the program; KeyboardInterrupt after a signal."""
        if self.supervisor.stopping:
            raise KeyboardInterrupt
        log = self.log(program)
        files = filter(Path.exists, (log, log.with_suffix(".out")))
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in files]
        words = [line for text in texts for line in text.splitlines()[-8:]]
        said = f"Its last words ({log}):" if words else f"Beside that it said nothing ({log})"
        raise DemoError("\n  ".join([f"{program.script} {what}. {said}", *words]))

    def show(self, picture: RenderableType) -> None:
        """Print a table or a picture, and an empty line."""
        self.console.print(picture)
        self.console.print()

    def rows(self, data: DataSet, inst_id: str) -> list[Row]:
        """Return the records of a data set, oldest first; none if there is no file."""
        files = data.files(self.vault, inst_id)
        return [json.loads(line) for _, path in files for line in path.read_bytes().splitlines()]

    def count(self, data: DataSet, inst_id: str) -> int:
        """Return the number of lines of a data set."""
        return sum(path.read_bytes().count(b"\n") for _, path in data.files(self.vault, inst_id))


def start_exchange(demo: Demo) -> str:
    """Start the exchange in a box and learn its addresses."""
    ready, args = demo.vault.root / "exchange.json", demo.args
    market_s = market_seconds(args)
    # the set-up is complete at a whole minute, and that minute is closed when the market ends
    history_s = history.market_history_s(args.history) if args.history else LEAST_HISTORY_S
    history_s += (AFTER_SETUP_S - market_s) % 60
    options = (
        f"--seed {args.seed} --rows-per-second 1 --history {history_s}s --speed {args.speed} "
        f"--until {market_s}s --plant {history_s + market_s - AFTER_SETUP_S}s "
        f"--rest-limit-factor {REST_LIMIT_FACTOR} --wait-for-clients {len(INSTRUMENTS)} "
        f"--wait-for-books {len(INSTRUMENTS)} --exit-at-end"
    )
    published = ["--archive", str(demo.vault.root / history.FOLDER)] if args.history else []
    exchange = demo.task(
        catalog.OKX_EXCHANGE, ["--ready-file", str(ready), *options.split(), *published]
    )
    demo.supervisor.programs.start(exchange)
    demo.exchange = exchange
    limit_s = SERVING_SECONDS + args.history * PUBLISHING_SECONDS
    deadline = time.monotonic() + limit_s
    if published:
        demo.console.print(f"the market makes and publishes {history.span(args.history)} first")
    while not ready.exists():
        for _, code in demo.supervisor.programs.ended():
            demo.fail(exchange, f"ended with exit code {code}, expected to serve")
        if demo.supervisor.stopping or time.monotonic() > deadline:
            demo.fail(exchange, f"did not serve within {limit_s} s")
        time.sleep(0.05)
    found = json.loads(ready.read_text(encoding="utf-8"))
    demo.addresses = found["ws_url"], found["rest_url"]
    age = history.span(args.history) if args.history else "5 hours"
    return (
        f"{demo.addresses[1]}: a made-up market (seed {args.seed}), {age} old, {args.speed:g} "
        f"times as fast as the clock. Its REST limits are {REST_LIMIT_FACTOR} times those of OKX."
    )


_RECORDED: Final = (
    catalog.TRADES,
    catalog.BOOK,
    catalog.DEEP,
    catalog.LIQUIDATIONS,
    catalog.MARKS,
)


def record(demo: Demo) -> str:
    """Run the exporters side by side: the trade history by REST, then all feeds live."""
    args = demo.args
    idle_s = math.ceil(max(2, 20 / args.speed))
    deep_s = max(1, round(DEEP_S / args.speed))
    common = [
        *vault_options(demo),
        *exchange_options(*demo.addresses),
        *("--stop-when-idle", str(idle_s)),
    ]
    exporters = [
        demo.task(catalog.TRADES_EXPORTER, [*common, "--backfill", "6h"]),
        demo.task(catalog.L2_EXPORTER, [*common, "--deep-every", str(deep_s)]),
        demo.task(catalog.CONTEXT_EXPORTER, common),
    ]
    exchange = [demo.exchange] if demo.exchange else []
    demo.run([*exchange, *exporters], f"recording trades and books for {args.seconds:g} s")
    check_recorded(demo)
    trades, books, deep, liquidations, marks = (
        sum(demo.count(data, inst_id) for inst_id in INSTRUMENTS) for data in _RECORDED
    )
    return (
        f"{trades:,} trades, {books} books of 400 levels a side, {deep} deep ones\n"
        f"  {marks} mark prices, {liquidations} liquidations seen (a lower bound, never the total)"
    )


def check_recorded(demo: Demo) -> None:
    """Raise DemoError unless trades, books and deep books of all instruments are on disk."""
    least = market_seconds(demo.args) // SNAPSHOT_S
    for inst_id in INSTRUMENTS:
        if not demo.count(catalog.TRADES, inst_id):
            demo.fail(catalog.TRADES_EXPORTER, f"wrote no trade of {inst_id}")
        books = demo.count(catalog.BOOK, inst_id)
        if books < least:
            text = f"wrote {books} books of {inst_id}, expected {least} or more"
            demo.fail(catalog.L2_EXPORTER, text)
        if not demo.count(catalog.MARKS, inst_id):
            demo.fail(catalog.CONTEXT_EXPORTER, f"wrote no mark price of {inst_id}")
        if not demo.count(catalog.DEEP, inst_id):
            demo.fail(catalog.L2_EXPORTER, f"wrote no deep book of {inst_id}")


def calculate(demo: Demo) -> str:
    """Run the calculators side by side, once, for both instruments."""
    options = [*vault_options(demo), "--json"]
    demo.run([demo.task(made, options) for made in STARTED], "calculating")
    counts = []
    for inst_id in INSTRUMENTS:
        minutes = min(check_minutes(demo, one, inst_id) for one in (*BY_MINUTE, FOOTPRINT))
        wicks, books = demo.count(catalog.WICKS, inst_id), check_buckets(demo, inst_id)
        if not wicks:
            demo.fail(catalog.UNTOUCH_WICK, f"wrote no wick of {inst_id}")
        counts.append(
            f"{inst_id} {minutes} minutes of VWAP, CVD and volume, {wicks:,} wick events, "
            f"{books} books bucketed"
        )
    return "\n  ".join(["all side by side", *counts])


def check_minutes(demo: Demo, data: DataSet, inst_id: str) -> int:
    """Return how many minutes a calculator wrote; DemoError if there are too few or gaps."""
    rows = demo.rows(data, inst_id)
    minutes = 1 + minute_of(rows[-1]) - minute_of(rows[0]) if rows else 0
    least = LEAST_MINUTES + demo.args.history * times.DAY_MINUTES
    if minutes < least or len(rows) < least * 0.9:
        text = f"wrote {len(rows)} rows of {inst_id} over {minutes} minutes, expected "
        demo.fail(data.maker, f"{text}{least} or more")
    if any(row["gap"] for row in rows):
        demo.fail(data.maker, f"found a gap in {inst_id}, expected none")
    return len(rows)


def check_buckets(demo: Demo, inst_id: str) -> int:
    """Return how many books were bucketed; DemoError unless all were, without a gap."""
    rows, books = demo.rows(catalog.BUCKETS, inst_id), demo.count(catalog.BOOK, inst_id)
    if len(rows) != books:
        demo.fail(catalog.L2_BUCKETIZER, f"wrote {len(rows)} rows of {books} books of {inst_id}")
    if any(row["gap"] for row in rows):
        text = f"found a gap in the books of {inst_id}, expected none"
        demo.fail(catalog.L2_BUCKETIZER, text)
    return books


def show_minutes(demo: Demo) -> str:
    """Show the newest minutes of both instruments, and by price the newest of each."""
    rows = []
    for inst_id in INSTRUMENTS:
        found = [demo.rows(data, inst_id) for data in BY_MINUTE]
        rows += list(zip(*found, strict=True))[-SHOWN:]
    demo.show(pictures.minutes_table(rows))
    folders = (demo.vault.trades(PLANTED), demo.vault.derived("vwap", PLANTED))
    prices: list[str] = []
    for inst_id in INSTRUMENTS:
        footprint, sessions = demo.rows(FOOTPRINT, inst_id)[-1], demo.rows(PROFILE, inst_id)
        vwap = anchored_vwap(inst_id, "session", vault=demo.vault.root).rows[-1]
        prices += pictures.prices_said(footprint, sessions, vwap)
    return "\n  ".join([*prices, "the files, here of BTC:", *map(str, folders)])


def show_book(demo: Demo) -> str:
    """Show the walls and the bands of the newest book of both instruments, and their flow."""
    console, least = demo.console, settings.load().buckets.wall_notional
    walls = 0
    for inst_id in INSTRUMENTS:
        row = demo.rows(catalog.BUCKETS, inst_id)[-1]
        walls += len(row["bid_walls"]) + len(row["ask_walls"])
        demo.show(pictures.walls_table(row, least.of(inst_id).text))
        ascii_only = console.options.ascii_only
        demo.show(pictures.bands_picture(row, console.width, ascii_only=ascii_only))
    if not walls:
        demo.fail(catalog.L2_BUCKETIZER, "found no wall, expected the planted one at least")
    flows = [pictures.flow_said(demo.rows(catalog.BOOK_FLOW, inst_id)) for inst_id in INSTRUMENTS]
    return "\n  ".join([f"{walls} in the two books", *pictures.WALLS_SAID, *flows])


def show_signals(demo: Demo) -> str:
    """Ask for the signals, explained; DemoError unless the planted one is among them."""
    script = str(CHECKOUT / catalog.FIND_SIGNALS.script)
    command = [sys.executable, script, *vault_options(demo), "--at", "latest", "--no-refresh"]
    sys.stdout.flush()
    with demo.log(catalog.FIND_SIGNALS).open("ab") as log:
        found = subprocess.run(
            [*command, "--json"], stdout=subprocess.PIPE, stderr=log, check=False
        )
        shown = subprocess.run([*command, "--explain"], stderr=log, check=False)
    for code in (found.returncode, shown.returncode):
        if code:
            demo.fail(catalog.FIND_SIGNALS, f"ended with exit code {code}, expected 0")
    signals = [json.loads(line) for line in found.stdout.splitlines()]
    planted = next(filter(is_planted, signals), None)
    if planted is None:
        text = f"found {len(signals)} signals, expected the planted one among them"
        demo.fail(catalog.FIND_SIGNALS, text)
    return (
        f"the planted set-up was found: {PLANTED} {planted['direction']} {planted['entry']}, "
        f"{planted['confluences']} of 7 confluences, score {planted['score']}"
    )


def is_planted(signal: Row) -> bool:
    """Return True if a signal is the planted set-up: all speaks for a short, and it can win."""
    return (
        signal["instId"] == PLANTED
        and signal["direction"] == "SHORT"
        and signal["size"] == 3
        and all(layer["state"] == "met" for layer in signal["layers"])
    )


Step = tuple[str, Callable[[Demo], str]]
STEPS: Final[tuple[Step, ...]] = (
    ("exchange", start_exchange),
    ("exporters", record),
    ("calculators", calculate),
    ("minutes", show_minutes),
    ("walls", show_book),
    ("signals", show_signals),
)


def import_history(demo: Demo) -> str:
    """Import the days that the exchange has published."""
    return history.import_days(demo, INSTRUMENTS, demo.args.history)


def steps_of(args: argparse.Namespace) -> tuple[Step, ...]:
    """Return the steps that the options ask for."""
    if not args.history:
        return STEPS
    recorded = STEPS.index(("exporters", record)) + 1
    return (*STEPS[:recorded], ("history", import_history), *STEPS[recorded:])


def run(args: argparse.Namespace) -> int:
    """Run all steps in an emptied vault; return 0 only if each of them worked."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a console that knows only ASCII
    logging.getLogger(PROGRAM).disabled = True  # each step reports on its programs itself
    console = tables.screen(highlight=False)
    if console.width < pictures.NEEDED_WIDTH:  # a narrower terminal folds, nothing is cut
        console = tables.screen(highlight=False, width=pictures.NEEDED_WIDTH)
    started = time.monotonic()
    try:
        with emptied(args.vault.absolute()) as root:
            use_default_settings(root)
            work(Demo(args, console, Vault(root), Supervisor(Vault(root))))
    except RaveQuantError as error:
        print(f"demo: FAILED: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("demo: interrupted; all its programs have ended", file=sys.stderr)
        return INTERRUPTED
    count = len(steps_of(args))
    console.print(f"demo: all {count} steps worked, {time.monotonic() - started:.0f} s")
    return 0


def work(demo: Demo) -> None:
    """Run the steps; no program outlives them, even after an error."""
    steps = steps_of(demo.args)
    try:
        with stop_on_signals(demo.supervisor):
            for number, (name, step) in enumerate(steps, 1):
                demo.console.print(f"{number}/{len(steps)} {name}", markup=False)
                found = step(demo)
                if demo.supervisor.stopping:
                    raise KeyboardInterrupt
                demo.console.print(f"{found}\n", markup=False, soft_wrap=True)
    finally:
        demo.supervisor.programs.end_all()


def vault_options(demo: Demo) -> list[str]:
    """Return the vault and the instruments as options of our programs."""
    names = [word for inst_id in INSTRUMENTS for word in ("--instId", inst_id)]
    return ["--vault", str(demo.vault.root), *names]


def market_seconds(args: argparse.Namespace) -> int:
    """Return how long the market runs, in its own time."""
    market_s: int = round(args.seconds * args.speed)
    return market_s


def minute_of(row: Row) -> int:
    """Return the minute of a record, counted from 1970."""
    minute: int = times.parse_iso(row["timestamp_utc"]) // times.MINUTE_MS
    return minute
