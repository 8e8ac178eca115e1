"""Runs everything, day and night: both exporters, the calculators every 5 minutes, retention.

    python scripts/run_all.py            until Ctrl-C; restarts exporters that end or fall silent
    python scripts/run_all.py --once     the calculators and retention once, for a scheduler; no
                                         day is judged, since that may take hours
    python scripts/run_all.py --demo     against an exchange in a box, in demo_vault/

One instance per vault. Every program has its own log in logs/ of the vault.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import logging
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Final

import orjson

from ravequant import cli, settings, times
from ravequant.alerts import command, webhook
from ravequant.catalog import (
    CALCULATORS,
    DASHBOARD,
    EXPORTERS,
    FIND_SIGNALS,
    JUDGE,
    L2_RETENTION,
    TRADES,
)
from ravequant.checks.check import Check
from ravequant.errors import DONE, FAILED, UsageError, VaultError
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import CHECKOUT, Vault
from scripts.checks import computer
from scripts.showcase.demo_vault import emptied, use_default_settings
from scripts.supervision import metrics, window
from scripts.supervision import tasks as tasks_module
from scripts.supervision.schedule import Plan, Task
from scripts.supervision.signal_news import SignalNews
from scripts.supervision.supervisor import PROGRAM, Supervisor, stop_on_signals

_EVERYTHING: Final = "ALL-INSTRUMENTS"  # the lock is one for all of them
SCREEN_PORT: Final = 8766
_ORPHANS_S: Final = 10.0  # so long may programs of a killed demo still end
_SWITCHES: Final = (
    ("--check", "only look whether all is there to start; exit code 0 or 1"),
    ("--once", "the calculators and retention once, no exporters and no judge; then end"),
    ("--no-exporters", "they run elsewhere, or not"),
    ("--no-retention", "compress, delete, certify and judge nothing"),
    ("--rebuild", "in the first round every calculator computes its records anew"),
    ("--demo", "against an exchange in a box; empties demo_vault/ first"),
    (
        "--dashboard",
        "serve the screen too; with --demo books of before its start are there at once",
    ),
    ("--open", "with --dashboard: open it in the browser"),
    ("--discord", "with --watch: post what is new to the webhook"),
    ("--bell", "with --watch: ring this terminal for each new signal"),
)
_log = logging.getLogger(PROGRAM)


def cores() -> int:
    """Return how many cores this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# flag, type, default, name in the help, help
_VALUES: Final = (
    ("--every", cli.duration, 5 * times.MINUTE_MS, "SPAN",
     "from one run of a calculator to its next (default: 5m)"),
    ("--limit", cli.duration, 15 * times.MINUTE_MS, "SPAN",
     "a calculator that runs longer is ended, and goes on at its next run (default: 15m)"),
    ("--backfill", str, "4h", "SPAN",
     "empty vault: the trades begin this long before now (default: 4h)"),
    ("--watch", cli.seconds, 0.0, "S", "look for signals every S seconds too, and record them"),
    ("--min-score", cli.score, 0, "N", "with --watch: signals below it are left out (default: 0)"),
    ("--exec", str, None, "COMMAND", "with --watch: run it for each alert, as JSON on its stdin"),
    ("--dashboard-port", int, SCREEN_PORT, "N", f"of the screen (default: {SCREEN_PORT})"),
    ("--metrics-port", int, None, "N", "serve metrics for Prometheus at this port"),
    ("--metrics-host", str, metrics.LOOPBACK, "HOST",
     f"the address of that port (default: {metrics.LOOPBACK}: this computer alone)"),
    ("--at-once", int, cores(), "N", "calculators side by side (default: one for each core)"),
    ("--max-seconds", cli.seconds, 0.0, "S",
     "stop after S seconds, the calculators once more at the end; 0 (default): never"),
)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, "Run exporters, calculators and retention, and look after them.")
    cli.add_instruments(made)
    for flag, purpose in _SWITCHES:
        made.add_argument(flag, action="store_true", help=purpose)
    for flag, kind, standing, metavar, purpose in _VALUES:
        made.add_argument(flag, type=kind, default=standing, metavar=metavar, help=purpose)
    return made


def refuse_nonsense(args: argparse.Namespace) -> None:
    """Raise UsageError for options that contradict each other or cannot be."""
    if args.demo and (args.once or args.no_exporters):
        raise UsageError("--demo records: leave out --once and --no-exporters; --max-seconds ends")
    told = args.discord or args.bell or args.min_score or args.exec is not None
    if told and not args.watch:
        raise UsageError(
            "--discord, --min-score, --exec and --bell are for the signals: add --watch 30"
        )
    if args.once and args.dashboard:
        raise UsageError("--dashboard stays: leave out --once")
    if args.open and not args.dashboard:
        raise UsageError("--open is for the screen: add --dashboard")
    if args.discord:
        webhook.needed(settings.load())
    if args.exec is not None:
        command.split(args.exec)
    if args.at_once < 1:
        raise UsageError(f"--at-once {args.at_once}: expected 1 or more")
    try:
        times.parse_duration(args.backfill)
    except ValueError as error:
        raise UsageError(f"--backfill: {error}") from None


def body(args: argparse.Namespace) -> int:
    """Check, or run."""
    refuse_nonsense(args)
    if args.demo and args.vault is None:
        args.vault = CHECKOUT / "demo_vault"
    vault = cli.vault_of(args)
    if args.check:
        return check(args, vault)
    with ExitStack() as held:
        if args.demo:
            empty(vault, held)
        return work(args, vault)


def check(args: argparse.Namespace, vault: Vault) -> int:
    """Print all that would prevent a start; return the exit code."""
    chosen = settings.load()
    checks = [Check("settings", "PASS", "valid"), *to_start(vault)]
    if not (args.demo or args.once or args.no_exporters):
        inst_ids = cli.instruments_of(args, chosen.instruments)
        checks += computer.listed(chosen.okx.addresses()[1], inst_ids)
    for check in checks:
        facts = {"name": check.name, "good": check.level == "PASS", "text": check.sentence}
        line = f"{check.level}  {check.name}: {check.sentence}"
        print(orjson.dumps(facts).decode() if args.json else line)
    return DONE if all(check.level == "PASS" for check in checks) else FAILED


def to_start(vault: Vault) -> Iterator[Check]:
    """Yield the checks that must pass before a program is started."""
    yield from computer.python()
    programs = (*EXPORTERS, *CALCULATORS, L2_RETENTION, FIND_SIGNALS, DASHBOARD)
    yield computer.programs([program.script for program in programs])
    usable = computer.writable(vault)
    yield usable
    if usable.level == "PASS":
        yield computer.room(vault)


def work(args: argparse.Namespace, vault: Vault) -> int:
    """Run as the only instance of this vault."""
    bad = [check.sentence for check in to_start(vault) if check.level == "FAIL"]
    if bad:
        raise VaultError("; ".join(bad))
    with writer_lock(vault, PROGRAM, _EVERYTHING):
        supervisor = Supervisor(vault, signals=signal_news(args, vault), bell=args.bell)
        with ExitStack() as held:
            held.enter_context(stop_on_signals(supervisor))
            cli.set_up_logging(args.log_level, supervisor.programs.logs / f"{PROGRAM}.log")
            window.shorten_on_terminal()
            if args.metrics_port is not None:
                held.enter_context(metrics_of(args, vault))
            return supervise(args, vault, supervisor)


def at_end(args: argparse.Namespace, vault: Vault) -> str:
    """Return the fate of the data after a Ctrl-C."""
    if args.demo:
        return f"and the next start of the demo begins anew: it empties {vault.root}"
    return "nothing is lost"


@contextmanager
def metrics_of(args: argparse.Namespace, vault: Vault) -> Iterator[None]:
    """Serve the metrics of the vault in a ``with`` block."""
    inst_ids = cli.instruments_of(args, settings.load().instruments)
    text = partial(metrics.now, vault, inst_ids)
    with metrics.serving(args.metrics_host, args.metrics_port, text) as port:
        _log.info("metrics: http://%s:%d/metrics", args.metrics_host, port)
        yield


def supervise(args: argparse.Namespace, vault: Vault, supervisor: Supervisor) -> int:
    """Follow the plan to its end or to a signal; then no program is left, even after an error."""
    kept, passing = tasks(args, vault)
    last = in_one_round(passing)
    _log.info("times are UTC; Ctrl-C ends everything, %s", at_end(args, vault))
    if not (args.once or args.no_exporters):
        tell_backfill(args, vault)
    if kept:
        names = ", ".join(task.name for task in kept)
        _log.info("keeps %s running; their logs: %s", names, supervisor.programs.logs)
    if args.dashboard:
        _log.info("the screen: http://127.0.0.1:%d/%s", args.dashboard_port, screen_waits(args))
    plan = Plan([*kept, *(last if args.once else passing)], args.at_once, once=args.once)
    try:
        supervisor.run(plan, args.max_seconds or math.inf)
        if not args.once and not supervisor.stopping:  # --max-seconds
            supervisor.programs.end_all()
            plan = Plan(last, args.at_once, once=True)
            supervisor.run(plan, math.inf)
    finally:
        supervisor.close(plan)
    _log.info("ended, and all its programs")
    if supervisor.stopping:
        return cli.INTERRUPTED if args.once else DONE
    return plan.outcome


def screen_waits(args: argparse.Namespace) -> str:
    """Return until when the screen of a demo waits; nothing for any other."""
    if not args.demo:
        return ""
    span = tasks_module.BOOKS
    return f", in about a minute: the books of the market's last {span} are written first"


def signal_news(args: argparse.Namespace, vault: Vault) -> SignalNews | None:
    """Return the news of signals for the window, with ``--watch``."""
    if not args.watch:
        return None
    return SignalNews(vault.root / "logs" / f"{FIND_SIGNALS.name}.log")


def tell_backfill(args: argparse.Namespace, vault: Vault) -> None:
    """Log the back-fill of an empty vault, with the cost and the gain of a shorter one."""
    inst_ids = cli.instruments_of(args, settings.load().instruments)
    if any(any(TRADES.files(vault, inst_id)) for inst_id in inst_ids):
        return
    _log.info("an empty vault: the trades of the last %s are fetched first", args.backfill)
    hours = times.parse_duration(args.backfill) / times.HOUR_MS
    if hours > 1:
        text = (
            "--backfill 1h would be done %g times sooner, and is enough for signals; but the 4 h "
            "VWAP would count only %g h later, as a target and for 5 of 100 points"
        )
        _log.info(text, hours, min(hours, 4.0) - 1)


def tasks(args: argparse.Namespace, vault: Vault) -> tuple[list[Task], list[Task]]:
    """Return the tasks that are kept running, and those that come and go."""
    box: list[Task] = []
    passing: list[Task] = []
    books: tasks_module.BooksCheck | None = None
    inst_ids = cli.instruments_of(args, settings.load().instruments)
    exporter_options: tuple[str, ...] = ()
    if args.demo:
        port, opened_ms = tasks_module.free_port(), times.utc_now_ms()
        market = tasks_module.demo_market(opened_ms)
        if args.dashboard:
            market = tasks_module.demo_market(opened_ms, tasks_module.SOON_MS)
            books = tasks_module.BooksCheck(vault, inst_ids)
            passing.append(tasks_module.past_books(vault, market))
        box = [tasks_module.demo_exchange(port, market)]
        exporter_options = tasks_module.exchange_options(
            f"ws://127.0.0.1:{port}/ws/v5", f"http://127.0.0.1:{port}"
        )
    request = tasks_module.RunRequest(
        vault=vault.root,
        inst_ids=inst_ids,
        every_s=args.every / times.SECOND_MS,
        limit_s=args.limit / times.SECOND_MS,
        backfill=args.backfill,
        watch_s=args.watch,
        watch_options=(
            "--min-score",
            str(args.min_score),
            *["--discord"] * args.discord,
            *(("--exec", args.exec) if args.exec is not None else ()),
        ),
        exporter_options=exporter_options,
        rebuild=args.rebuild,
        once=args.once,
    )
    recorders = [] if args.no_exporters or args.once else tasks_module.exporters(request, books)
    recorders += tasks_module.extras(request) if recorders else []
    kept = [*box, *recorders, *([] if args.once else tasks_module.watch(request))]
    if args.dashboard:
        screen = tasks_module.dashboard(request, args.dashboard_port, books, opens=args.open)
        kept.append(screen)
    passing += tasks_module.calculators(request)
    if not args.no_retention:
        passing += [tasks_module.retention(request), tasks_module.seal(request)]
        passing.append(tasks_module.judge(request))
    return kept, passing


def in_one_round(passing: Sequence[Task]) -> list[Task]:
    """Return the tasks of a round that must end: the judge may take hours, and waits for none."""
    return [task for task in passing if task.script != JUDGE.script and task.every_s < math.inf]


def empty(vault: Vault, held: ExitStack) -> None:
    """Empty the demo's vault and go on with the default settings in place of the user's.

    Programs of a demo that was killed may still be at their end in it.
    """
    deadline = time.monotonic() + _ORPHANS_S
    while True:
        try:
            held.enter_context(emptied(vault.root))
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            use_default_settings(vault.root)
            return


def main(argv: Sequence[str] | None = None) -> int:
    """Run everything; return the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
