"""Says whether the setup pays (verdict), family by family (backtest), or after a search (optimise).

Says how long a test must run (power), and tests the lab itself (check).

Takes you from nothing to a verdict (study). Judges recorded days (judge). Fits a model of whether a
filled fade pays, and shows its worth (predict fit, predict show).
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import math
import sys
from collections.abc import Sequence
from typing import Any, Final

import orjson

from Edge_Lab import (
    backtest,
    commands_check,
    commands_forward,
    commands_judge,
    commands_predict,
    commands_study,
    make_verdict,
    optimise,
    power,
)
from Edge_Lab.families import FAMILIES
from Edge_Lab.fills import MODELS
from ravequant import cli
from ravequant.errors import DONE

PROGRAM: Final = "edge_lab"
EDGES: Final = (0.25, 0.5, 1.0, 2.0)  # bps a fill
MODEL_SPREAD: Final = power.expected_spread(5.5, 36, 0.005)  # of a market without edge
_HEADINGS: Final = ("edge, bps a fill", "days of a test", "days of a forward test")


def parser() -> argparse.ArgumentParser:
    """Return the options of the command line."""
    made = cli.parser(PROGRAM, __doc__ or "")
    made.add_argument("command", choices=COMMANDS, help="the answer that is wanted")
    made.add_argument("action", nargs="?", help="predict: fit or show")
    cli.add_instruments(made)
    made.add_argument(
        "--spread",
        type=_spread,
        default=MODEL_SPREAD,
        metavar="BPS",
        help="power: how far the mean of a day strays "
        f"(default: {MODEL_SPREAD:.2f}, of a model market)",
    )
    for flag, name, text in (("--from", "first", "first"), ("--to", "last", "last")):
        made.add_argument(
            flag, dest=name, type=cli.day_arg, metavar="DAY", help=f"{text} UTC day that counts"
        )
    for flag, name, known in (("--family", "families", FAMILIES), ("--model", "models", MODELS)):
        made.add_argument(
            flag,
            dest=name,
            action="append",
            choices=list(known),
            metavar=flag[2:].upper(),
            help=f"backtest: {', '.join(known)}; may be repeated (default: all)",
        )
    made.add_argument("--html", action="store_true", help="verdict: say where the page stands")
    commands_judge.add_options(made)
    commands_check.add_options(made)
    commands_forward.add_options(made)
    commands_study.add_options(made)
    return made


def _spread(text: str) -> float:
    """Return an argument that is a spread of a day in bps, above 0 and at most 1,000."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0.001 <= found <= 1_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a spread in bps from 0.001 to 1000")
    return found


def waits(spread: float) -> list[tuple[float, int, int]]:
    """Return, for each edge, the days of a test of fixed length and of the forward test.

    Neither is shorter than its least: FEWEST_DAYS, and the burn-in of the forward test.
    """
    return [
        (
            edge,
            max(power.FEWEST_DAYS, power.days_to_see(edge, spread)),
            power.forward_day(edge, spread),
        )
        for edge in EDGES
    ]


def _power(args: argparse.Namespace) -> int:
    rows = waits(args.spread)
    if args.json:
        names = ("edge_bps", "test_days", "forward_days")
        _write([dict(zip(names, row, strict=True)) for row in rows])
        return DONE
    widths = [len(heading) for heading in _HEADINGS]
    table = [_HEADINGS, *((f"{edge:g}", str(test), str(ahead)) for edge, test, ahead in rows)]
    lines = [
        f"spread of a day {args.spread:.2f} bps; at least {power.FEWEST_FILLS} fills too",
        *("  ".join(map(str.rjust, row, widths)) for row in table),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return DONE


def _write(value: Any) -> None:
    sys.stdout.write(orjson.dumps(value).decode() + "\n")


def body(args: argparse.Namespace) -> int:
    """Run the command that was asked for."""
    return COMMANDS[args.command](args)


COMMANDS: Final = {
    "judge": commands_judge.command,
    "backtest": backtest.command,
    "optimise": optimise.command,
    "verdict": make_verdict.command,
    "forward": commands_forward.command,
    "predict": commands_predict.predict,
    "study": commands_study.command,
    "power": _power,
    "check": commands_check.check,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    cli.leave(main())
