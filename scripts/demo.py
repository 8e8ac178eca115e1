"""Shows the pipeline at work, without an account or a real exchange: `python scripts/demo.py`.

Sets itself up first (scripts/environment.py), then runs the steps of scripts/showcase/steps.py: an
exchange in a box, the two real exporters, the five real calculators, tables of their records, and
the signals. All data goes to demo_vault/, which the next demo empties.
"""

from __future__ import annotations

import argparse
import math
import os
import runpy
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKOUT = Path(__file__).resolve().parents[1]
MOST_DAYS = 30  # of history
LEAST_MARKET_S = 185  # the planted wall needs them: 40 s of book before it, 95 s of it, 50 s after


def parser() -> argparse.ArgumentParser:
    """Return the options of the demo."""
    made = argparse.ArgumentParser(
        prog="demo.py", description="the whole pipeline against an exchange in a box"
    )
    made.add_argument(
        "--seconds", type=float, default=20, help="how long the market is recorded (default: 20)"
    )
    made.add_argument(
        "--speed", type=float, default=10, help="market seconds per second (default: 10)"
    )
    made.add_argument("--seed", type=int, default=1, help="which market is made up (default: 1)")
    made.add_argument(
        "--history",
        type=_days,
        default=0,
        metavar="DAYS",
        help="import so many days first, which the exchange has published, like 3d (two minutes)",
    )
    made.add_argument(
        "--vault",
        type=_folder,
        default=CHECKOUT / "demo_vault",
        metavar="DIR",
        help="a folder that is new, empty or an earlier demo's (default: demo_vault)",
    )
    return made


def _days(text: str) -> int:
    number = text.removesuffix("d")
    if not (number.isascii() and number.isdigit() and 1 <= int(number) <= MOST_DAYS):
        raise argparse.ArgumentTypeError(f"{text!r}: expected 1d to {MOST_DAYS}d")
    return int(number)


def _folder(text: str) -> Path:
    return Path(os.path.expanduser(text))  # noqa: PTH111 - raises nothing for an unknown home


def options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options given; a market too short for the set-up in it is a usage error."""
    made = parser()
    args = made.parse_args(argv)
    if not 0 < args.seconds < math.inf or not 0 < args.speed < math.inf:
        made.error("--seconds and --speed: expected numbers above 0")
    if args.seconds * args.speed < LEAST_MARKET_S:
        made.error(
            f"--seconds x --speed is {args.seconds * args.speed:g} s of market, expected at least "
            f"{LEAST_MARKET_S}: the set-up that the demo plants and finds takes so long"
        )
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Set up, go on inside `.venv`, run the demo; return its exit code."""
    args = options(argv)
    runpy.run_path(str(CHECKOUT / "scripts" / "environment.py"))["enter"]()
    from scripts.showcase import steps  # noqa: PLC0415 - needs modules of .venv

    return steps.run(args)


if __name__ == "__main__":
    runpy.run_path(str(CHECKOUT / "scripts" / "environment.py"))["end"](main)
