"""Starts the exchange in a box: a local OKX with a made-up market or a recorded one."""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant import cli, times
from ravequant.cli import path_arg
from ravequant.errors import UsageError
from ravequant.processes.lifeline import on_stop
from ravequant.sim import archive_files, faults
from ravequant.sim.archive_rows import HEADERS, NAMED
from ravequant.sim.exchange import SimExchange, SimOptions
from ravequant.sim.faultplan import FaultPlan
from ravequant.sim.feed import Feed
from ravequant.sim.recording import Recording
from ravequant.vault import atomic

NOW: Final = -1


def opening(text: str) -> int:
    """Return the moment of ``--start`` (Unix ms), or NOW; a made-up market may lie anywhere."""
    return NOW if text == "now" else cli.time_arg(text).ms


def header(text: str) -> str:
    """Return a form of trade files."""
    if text not in HEADERS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(HEADERS)}")
    return text


# flag, type, name in the help, help, attribute; a type in a list: the flag may be repeated
FLAGS: Final = (
    ("--port", int, "N", "0 (default): any free port", "port"),
    ("--host", str, "HOST", "default: 127.0.0.1, this machine only", "host"),
    ("--ready-file", path_arg, "F", "gets the addresses as JSON once clients may come", "ready"),
    ("--trades", [path_arg], "FILE", "replay a trade file, .jsonl or .gz; repeatable", "trades"),
    ("--books", [path_arg], "FILE", "replay book frames, .jsonl or .gz; repeatable", "books"),
    ("--instId", [str], "INSTID", "serve only this instrument; repeatable", "inst_ids"),
    ("--seed", int, "N", "of the made-up market (default: 1)", "seed"),
    ("--rows-per-second", float, "N", "trade rows of the made-up market, on average", "rate"),
    ("--start", opening, "TIME", "when the clients come to the made-up market: now, or a time",
     "start_ms"),
    ("--history", cli.duration, "SPAN", "how much REST has at the start, like 5h", "history_ms"),
    ("--begin", cli.time_arg, "TIME",
     "the made-up market began then and is open now, however often it is started", "begin"),
    ("--until", cli.duration, "SPAN", "the market ends so long after its start", "until_ms"),
    ("--wait-for-books", int, "N", "book subscriptions before the market starts",
     "wait_for_books"),
    ("--grace", cli.duration, "SPAN", "with --exit-at-end: wait at most so long (default: 30s)",
     "grace_ms"),
    ("--rest-limit-factor", float, "X", "times OKX's rate limits (default: 1)",
     "rest_limit_factor"),
    ("--faults", path_arg, "FILE", "what goes wrong; see ravequant/sim/faults.py", "faults"),
    ("--archive", path_arg, "DIR",
     "publish the files in DIR; those of the market's finished days are written into it first",
     "archive"),
    ("--archive-header", header, "FORM", f"of trade files: {', '.join(HEADERS)}", "header"),
    ("--archive-books", cli.duration, "SPAN",
     "with --archive: write the books of the market's first SPAN too", "archive_books_ms"),
    ("--frame-log", path_arg, "FILE", "every frame and its fate, one JSON object a line",
     "frame_log"),
)  # fmt: skip


def speed(text: str) -> float | None:
    """Return market seconds per second; None for ``max``."""
    if text == "max":
        return None
    if float(text) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0, nor max")
    return float(text)


def parser() -> argparse.ArgumentParser:
    """Return the options of the command; one that is not given has no attribute."""
    made = argparse.ArgumentParser(
        prog="okx_exchange",
        description=__doc__,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    for flag, kind, metavar, purpose, name in FLAGS:
        if isinstance(kind, list):
            made.add_argument(
                flag, type=kind[0], action="append", metavar=metavar, help=purpose, dest=name
            )
        else:
            made.add_argument(flag, type=kind, metavar=metavar, help=purpose, dest=name)
    purpose = "market time per time; max: as fast as the clients take it (default: 1)"
    made.add_argument("--speed", type=speed, metavar="X", help=purpose)
    purpose = "trade subscriptions before the market starts (default: 1; 0: at once)"
    clients: dict[str, Any] = {"nargs": "?", "const": 1, "dest": "wait_for_trades"}
    made.add_argument("--wait-for-clients", type=int, metavar="N", help=purpose, **clients)
    purpose = "end after the market, when the clients that saw its end have left"
    made.add_argument("--exit-at-end", action="store_true", default=False, help=purpose)
    purpose = "a complete set-up in the made-up market, SPAN after its first moment (default: 5h)"
    plant: dict[str, Any] = {"nargs": "?", "const": 5 * times.HOUR_MS}
    made.add_argument("--plant", type=cli.duration, metavar="SPAN", help=purpose, **plant)
    levels = ("debug", "info", "warning", "error")
    made.add_argument("--log-level", choices=levels, default="info", help="default: info")
    return made


def open_now(args: argparse.Namespace) -> None:
    """Let ``--start now`` be this moment, and ``--begin`` too, with a history up to it."""
    now, given = times.utc_now_ms(), vars(args)
    args.with_the_clock = "begin" in given or given.get("start_ms") == NOW
    if args.with_the_clock:
        args.start_ms = now
    if "begin" not in given:
        return
    begin = args.begin.ms
    if begin >= now:
        raise UsageError(
            f"--begin {args.begin.given} is {times.iso(begin)}: expected a moment in the past"
        )
    args.history_ms = now - begin


def market(args: argparse.Namespace) -> Feed:
    """Return the recorded market, or the made-up one."""
    given = vars(args)
    only = given.get("inst_ids", [])
    if "trades" in given or "books" in given:
        return Recording(given.get("trades", []), given.get("books", []), only)
    from ravequant.sim.market import (  # noqa: PLC0415 - numpy only where it is used
        START_MS,
        ModelMarket,
    )

    more: dict[str, Any] = {"instruments": only} if only else {}
    if "rate" in given:
        more["rows_per_second"] = args.rate
    if "start_ms" in given:
        more["start_ms"] = args.start_ms - given.get("history_ms", 0)
    if "plant" in given:
        more["plant"] = more.get("start_ms", START_MS) + args.plant
    return ModelMarket(given.get("seed", 1), **more)


def publish(args: argparse.Namespace) -> None:
    """Write the files of the market's finished days, from a market of their own."""
    given = vars(args)
    if "archive" not in given:
        return
    feed = market(args)
    form = archive_files.ArchiveForm(given.get("header", NAMED))
    opened_ms = feed.start_ms + given.get("history_ms", 0)
    today = archive_files.label_of(opened_ms)
    finished_ms = archive_files.label_end_ms(today) - times.DAY_MS
    if finished_ms > feed.start_ms:
        archive_files.write_days(args.archive, feed, finished_ms, form)
    if "archive_books_ms" in given:
        feed = market(args)
        until_ms = min(opened_ms, feed.start_ms + args.archive_books_ms)
        archive_files.write_books(args.archive, feed, until_ms, form)


def plan(path: Path | None) -> FaultPlan:
    """Return the scripted faults."""
    if path is None:
        return FaultPlan()
    try:
        return FaultPlan(*faults.parse(path.read_bytes(), str(path)))
    except OSError as error:
        raise UsageError(f"--faults {path}: cannot be read: {error}") from None


def options(args: argparse.Namespace) -> SimOptions:
    """Return how the exchange runs."""
    given = vars(args)
    chosen = {field.name: given[field.name] for field in fields(SimOptions) if field.name in given}
    if "wait_for_books" in given and "wait_for_trades" not in given:
        chosen["wait_for_trades"] = 0
    return SimOptions(grace_s=given.get("grace_ms", 30_000) / 1_000, **chosen)


async def serve(feed: Feed, chosen: SimOptions, faulty: FaultPlan, ready: Path | None) -> None:
    """Serve until the market is done or a signal comes."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    with on_stop(lambda: loop.call_soon_threadsafe(stop.set)):
        async with SimExchange(feed, chosen, faulty) as exchange:
            addresses = orjson.dumps(exchange.addresses)
            print(addresses.decode(), flush=True)
            if ready is not None:
                atomic.replace_file(ready, addresses)
            ends = [asyncio.create_task(stop.wait()), asyncio.create_task(exchange.wait())]
            finished, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                task.result()


def body(args: argparse.Namespace) -> int:
    """Run the exchange."""
    logging.getLogger("websockets.server").setLevel(logging.WARNING)
    open_now(args)
    publish(args)
    given = vars(args)
    faulty = plan(given.get("faults"))
    asyncio.run(serve(market(args), options(args), faulty, given.get("ready")))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
