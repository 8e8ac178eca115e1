"""The query: hidden wicks to fade, with the evidence for and against each (SPEC section 11).

    python find_signals.py --instId BTC-USDT-SWAP              now, after a refresh
    python find_signals.py --at "2025-12-14 21:35" --explain   as it was known then

An untouched small wick, 20 to 40 minutes old, among touched ones; then eight layers of evidence.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

import orjson

from ravequant import cli, settings, tables, times
from ravequant.errors import DONE, FAILED, NoDataError, RaveQuantError, UsageError
from ravequant.processes.lifeline import on_stop
from ravequant.records import check_inst_id
from ravequant.signals import clock
from ravequant.signals.candidates import Query
from ravequant.signals.inputs import TIMEFRAMES
from ravequant.signals.limits import SignalLimits
from ravequant.signals.question import Request, query_of, when
from ravequant.signals.recorded import check_recorded
from ravequant.signals.rules import QueryResult
from ravequant.signals.standing_settings import StandingSettings
from ravequant.vault.paths import StrPath, Vault, default_root
from ravequant.vault.recorder_state import why_not_recorded, why_unknown

if TYPE_CHECKING:
    from rich.console import Console

    from ravequant.alerts.dispatcher import AlertDispatcher
    from ravequant.alerts.signal_lines import SignalLines
    from ravequant.signals.watch_screen import WatchScreen

_OF_NOW: Final = frozenset({"touched", "recorder"})  # reasons that no question to the minute gives
_log = logging.getLogger("find_signals")


def find_hidden_signals(  # noqa: PLR0917 - the notes' own signature
    inst_id: str | None = None,
    age_min: int = 20,
    age_max: int = 40,
    timeframe: str = "1m",
    min_touched_surrounding: int = 10,
    small_only: bool = True,  # noqa: FBT001, FBT002 - as above
    at: str | datetime | None = None,
    *,
    vault: StrPath | None = None,
    refresh: bool | None = None,
    seen: str | None = None,
) -> list[dict[str, Any]]:
    """Return the signals of an instrument, nearest first, as the objects that --json prints.

    ``inst_id``: None is each instrument of the settings, one after the other.
    ``at``: None is now, after the calculators were brought up to date (unless ``refresh`` is
    False); ``latest`` is the newest minute that all of them have reached; else a datetime, ISO or
    HH:MM, in UTC unless a zone stands. A time with seconds is an instant, as now is; with the
    ``seen`` of an answer no more is read than was read for it. While the clock of this computer is
    wrong, each answer of now has ``no_trade`` ``"clock"``; while trades or books are not recorded,
    each that could be an entry has ``"recorder"``. Raises UsageError, VaultError, and NoDataError
    if there is no data at all.
    """
    query = query_of(age_min, age_max, timeframe, min_touched_surrounding, small_only=small_only)
    where = Vault(vault or default_root())
    chosen, found, lacking = settings.load(), list[dict[str, Any]](), list[NoDataError]()
    names = chosen.instruments if inst_id is None else [check_inst_id(inst_id)]
    _check_seen(seen, names)
    given = None if at is None and seen is None else when(where, at, seen)
    refreshes = refresh if refresh is not None else at is None
    wrong = clock.problem(where, clock.now()) if at is None else ""
    if wrong:
        _log.warning("%s", wrong)
    for name in names:
        again = partial(_refresh, where, name) if refreshes else None
        try:
            check_recorded(where, name)
            if again is not None:
                again()
            stands = why_not_recorded(where, name, times.utc_now_ms()) if at is None else ""
            if stands:
                _log.warning("%s: %s", name, stands)
            request = Request(
                where, name, query, SignalLimits.of(name, chosen), given or when(where, None),
                bool(wrong), stands, again,
            )  # fmt: skip
            found += request.rows(request.find(past=True).signals)
        except NoDataError as error:  # the other instruments still get their answer
            lacking.append(error)
    if lacking and len(lacking) == len(names):
        raise lacking[0]
    return found


def _check_seen(seen: str | None, names: Sequence[str]) -> None:
    if seen is not None and len(names) > 1:
        raise UsageError(f"--seen is of one instrument, asked are {', '.join(names)}: add --instId")


def _refresh(vault: Vault, inst_id: str) -> None:
    from ravequant.signals.refresh import refresh  # noqa: PLC0415 - not for a query of the past

    refresh(vault, inst_id)


class Outputs(NamedTuple):
    """The outputs of a round of requests, and the refresh before each of them."""

    console: "Console | None"  # None: JSON
    standing: StandingSettings
    refresh: Callable[[Vault, str], None] = _refresh
    alerts: "AlertDispatcher | None" = None
    screen: "WatchScreen | None" = None  # of a watch on a terminal
    lines: "SignalLines | None" = None  # of a watch, in its log


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser(
        "find_signals", "Hidden wicks to fade, nearest first, with the evidence for each."
    )
    cli.add_instruments(parser)
    default = Query()
    parser.add_argument("--age-min", type=int, default=default.age_min, metavar="MIN")
    parser.add_argument("--age-max", type=int, default=default.age_max, metavar="MIN")
    parser.add_argument("--timeframe", choices=TIMEFRAMES, default=default.timeframe)
    parser.add_argument(
        "--min-touched",
        type=int,
        default=default.min_touched,
        metavar="N",
        help=f"touched wicks within 10 min of it (default: {default.min_touched})",
    )
    parser.add_argument("--all-sizes", action="store_true", help="not only small wicks")
    parser.add_argument(
        "--at", metavar="TIME", help="as it was known then, UTC; or `latest`: where the data end"
    )
    parser.add_argument(
        "--seen", metavar="ID,TIME", help="with --at: read no further than the answer that shows it"
    )
    parser.add_argument(
        "--refresh",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="bring the calculators up to date first (default: only without --at)",
    )
    parser.add_argument(
        "--explain", action="store_true", help="each layer, and how often it is true"
    )
    parser.add_argument("--min-score", type=cli.score, default=0, metavar="N", help="0 to 100")
    parser.add_argument(
        "--watch", type=_seconds, metavar="SECONDS", help="ask again; without --at record too"
    )
    parser.add_argument("--record", action="store_true", help="append what is new to signals.jsonl")
    parser.add_argument("--discord", action="store_true", help="with --watch: post what is new")
    parser.add_argument(
        "--exec",
        dest="command",
        metavar="COMMAND",
        help="with --watch: run it for each alert, which stands as JSON on its stdin",
    )
    parser.add_argument("--bell", action="store_true", help="with --watch: ring the terminal")
    return parser


def _seconds(text: str) -> float:
    seconds = cli.seconds(text)
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected more than 0 and at most 86400 seconds"
        )
    return seconds


def _answer(request: Request, args: argparse.Namespace, outputs: Outputs) -> None:
    """Write the result of one request to stdout, and record it if that was asked for."""
    recorded = args.record or (args.watch is not None and args.at is None)
    kept = recorded or outputs.lines is not None
    answer = result = request.find(past=args.explain or args.json or kept)
    signals = tuple(signal for signal in result.signals if signal.score >= args.min_score)
    missing = result.missing or f"none of {len(result.signals)} has a score of {args.min_score}"
    if unknown := _unknown(request.vault, request.inst_id, args):
        missing = f"not known yet: {unknown}"
    if request.not_recorded and (signals or request.not_recorded != unknown):
        _say(f"{request.inst_id}: {request.not_recorded}", outputs)
    result = result._replace(signals=signals, missing=None if signals else missing)
    if outputs.screen is not None:
        outputs.screen.add(result, request.limits, request.query.timeframe)
    elif outputs.console is None:
        _print_json(request, result)
    else:
        _show(request, result, outputs.console, explain=args.explain)
    if kept and not request.clock_wrong:
        rows = request.rows(signals, aged=False)
        if outputs.lines is not None:
            from ravequant.alerts.ends import RoundAnswer  # noqa: PLC0415 - for a watch

            told = RoundAnswer(
                answer, request.query, request.limits, args.min_score, request.not_recorded
            )
            outputs.lines.add(told, rows)
            if outputs.alerts is not None:
                outputs.alerts.add(told, rows)
        if recorded:
            from ravequant.signals.signal_log import AskedQuestion, record  # noqa: PLC0415 - a lock

            asked = AskedQuestion.of(clock.now().ms, request.query, request.limits, args.min_score)
            entries = [row for row in rows if row["no_trade"] not in _OF_NOW]
            noted = args.watch is not None and not request.not_recorded  # else it had no entry
            round_of = answer.state.minute if noted else None
            record(request.vault, request.inst_id, entries, asked, round_of)


def _show(request: Request, result: QueryResult, console: "Console", *, explain: bool) -> None:
    from ravequant.signals.table import show  # noqa: PLC0415 - JSON needs none of it

    show(
        result,
        console,
        limits=request.limits,
        timeframe=request.query.timeframe,
        explained=request.rates(result.signals) if explain else None,
        source=request.source(result.state.minute) if explain else "",
    )


def _print_json(request: Request, result: QueryResult) -> None:
    for row in request.rows(result.signals):
        sys.stdout.write(orjson.dumps(row).decode() + "\n")
    if result.missing:
        instant = result.state.instant
        seen = f" (seen {instant.seen.text})" if instant else ""
        sys.stderr.write(f"no signal of {request.inst_id}: {result.missing}{seen}\n")


class RoundOutcome(NamedTuple):
    """The outcome of a round."""

    code: int
    clock_wrong: bool = False


def _round(args: argparse.Namespace, outputs: Outputs) -> RoundOutcome:
    """Answer for every instrument; an instrument that fails does not stop the others."""
    vault, chosen = cli.vault_of(args), _settings(outputs)
    query = query_of(
        args.age_min, args.age_max, args.timeframe, args.min_touched, small_only=not args.all_sizes
    )
    outcome, wrong = DONE, ""  # wrong: the line about the clock
    names = cli.instruments_of(args, chosen.instruments)
    _check_seen(args.seen, names)
    given = None if args.at is None and args.seen is None else when(vault, args.at, args.seen)
    if args.at is None:
        try:
            wrong = _first_lines(vault, outputs)
        except RaveQuantError as error:
            if outputs.screen is not None:
                outputs.screen.say(str(error))
            else:
                cli.report("find_signals", error)
            return RoundOutcome(error.exit_code, clock_wrong=True)
        outcome = FAILED if wrong else DONE
    refreshes = args.refresh if args.refresh is not None else args.at is None
    for number, inst_id in enumerate(names):
        if number and outputs.console is not None and outputs.screen is None:
            outputs.console.print()
        again = partial(outputs.refresh, vault, inst_id) if refreshes else None
        try:
            check_recorded(vault, inst_id)
            if again is not None:
                again()
            limits, moment = SignalLimits.of(inst_id, chosen), given or when(vault, None)
            stands = why_not_recorded(vault, inst_id, times.utc_now_ms()) if args.at is None else ""
            request = Request(vault, inst_id, query, limits, moment, bool(wrong), stands, again)
            _answer(request, args, outputs)
        except RaveQuantError as error:
            outcome = outcome or error.exit_code
            unknown = _unknown(vault, inst_id, args) if isinstance(error, NoDataError) else ""
            if unknown:
                error = NoDataError(f"no data of {inst_id} yet: {unknown}")
            if outputs.screen is not None:
                outputs.screen.fail(inst_id, str(error))
            else:
                cli.report("find_signals", error)
    return RoundOutcome(outcome, bool(wrong))


def _settings(outputs: Outputs) -> settings.Settings:
    """Return the settings of a round; the screen of a watch says why they are older ones."""
    chosen = outputs.standing.load()
    if outputs.standing.problem and outputs.screen is not None:
        outputs.screen.say(outputs.standing.problem)
    return chosen


def _first_lines(vault: Vault, outputs: Outputs) -> str:
    """Write whose clock it is, if it is not this computer's, and by how much it is wrong."""
    read = clock.now()
    wrong = clock.problem(vault, read)
    for line in filter(None, (read.line, wrong)):
        _say(line, outputs)
    return wrong


def _say(line: str, outputs: Outputs) -> None:
    """Write a line above the answers."""
    if outputs.screen is not None:
        outputs.screen.say(line)
    elif outputs.console is None:
        sys.stderr.write(f"{line}\n")
    else:
        outputs.console.print(line, markup=False, soft_wrap=True)


def _unknown(vault: Vault, inst_id: str, args: argparse.Namespace) -> str:
    """Return why not all trades of now are on disk; empty if they are, or for the past."""
    return why_unknown(vault, inst_id, times.utc_now_ms()) if args.at is None else ""


def _notifies(args: argparse.Namespace) -> bool:
    return args.discord or args.command is not None or args.bell


def _interrupt() -> NoReturn:
    """End like after a Ctrl-C, so that processes and alerts under way end in order."""
    raise KeyboardInterrupt


def _watch(args: argparse.Namespace, console: "Console | None") -> NoReturn:
    """Answer again and again, and send alerts of new signals."""
    from ravequant.alerts.dispatcher import AlertDispatcher, Channels  # noqa: PLC0415 - for a watch
    from ravequant.alerts.signal_lines import SignalLines  # noqa: PLC0415
    from ravequant.signals.refresh import LoadedCalculators  # noqa: PLC0415
    from ravequant.signals.watch_screen import WatchScreen  # noqa: PLC0415

    terminal = console if console is not None and console.is_terminal else None
    with ExitStack() as held:
        held.enter_context(on_stop(_interrupt))
        calculators = held.enter_context(LoadedCalculators())
        alerts, standing = None, StandingSettings()
        if _notifies(args):
            channels = Channels(args.discord, args.command, args.bell)
            alerts = AlertDispatcher(cli.vault_of(args), channels, standing.load())
            held.enter_context(alerts)
        screen = None
        if terminal is not None and not args.explain:
            screen = held.enter_context(WatchScreen(terminal))
        lines = SignalLines()
        outputs = Outputs(console, standing, calculators.refresh, alerts, screen, lines)
        while True:
            with terminal or nullcontext():  # drawn when it is ready
                if terminal is not None and screen is None:
                    terminal.clear()
                outcome = _round(args, outputs)
                if screen is not None:
                    screen.draw()
            sys.stdout.flush()
            past = "" if args.at is None else f"; as of --at {args.at}, not now"
            for line in lines.lines(times.utc_now_ms()):
                _log.info("%s%s", line, past)
            if alerts is None:
                time.sleep(args.watch)
            else:
                alerts.end_round(args.watch, sends=not outcome.clock_wrong)


def main(argv: Sequence[str] | None = None) -> int:
    """Show the signals of the given instruments, once or again and again."""

    def body(args: argparse.Namespace) -> int:
        if args.record and args.at is not None:
            raise UsageError(
                "--record is for signals of now, with the time at which they were seen; one of the "
                "past would look like them: leave out --at, or --record"
            )
        console = None if args.json else tables.screen(highlight=False, markup=False)
        if args.watch is not None:
            _watch(args, console)
        if _notifies(args):
            raise UsageError(
                "--discord, --exec and --bell tell what is new since the round before: add "
                "--watch 30"
            )
        return _round(args, Outputs(console, StandingSettings())).code

    return cli.run(_parser(), body, argv)


if __name__ == "__main__":
    cli.leave(main())
