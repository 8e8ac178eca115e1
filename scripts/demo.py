"""Shows the pipeline at work, without an account or a real exchange: `python scripts/demo.py`.

    python scripts/demo.py                a minute: what each program makes, as tables
    python scripts/demo.py --dashboard    the screen of a market that is open now, until Ctrl-C

Sets itself up first (scripts/environment.py), then runs the steps of scripts/showcase/steps.py: an
exchange in a box, the two real exporters, the five real calculators, tables of their records, and
the signals. The screen is that of `run_all.py --demo --dashboard`, with a market five hours old.
All data goes to demo_vault/, which the next demo empties.
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
        prog="demo.py",
        description="the whole pipeline against an exchange in a box",
        allow_abbrev=False,
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
    text = "the screen of a market that is open now, until Ctrl-C"
    made.add_argument("--dashboard", action="store_true", help=text)
    text = "with --dashboard: of the screen (default: 8766)"
    made.add_argument("--dashboard-port", default="8766", metavar="N", help=text)
    text = "with --dashboard: only print its address, open no browser"
    made.add_argument("--no-open", action="store_true", help=text)
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


def screen_options(args: argparse.Namespace) -> list[str]:
    """Return the options of run_all.py for the screen of a demo."""
    options = ["--demo", "--dashboard", "--dashboard-port", args.dashboard_port]
    options += ["--vault", str(args.vault), "--every", "1m", "--backfill", "5h"]
    return [*options, *["--open"] * (not args.no_open)]


def main(argv: Sequence[str] | None = None) -> int:
    """Set up, go on inside `.venv`, run the demo; return its exit code."""
    args = options(argv)
    runpy.run_path(str(CHECKOUT / "scripts" / "environment.py"))["enter"]()
    if args.dashboard:
        from scripts import run_all  # noqa: PLC0415 - needs modules of .venv

        return run_all.main(screen_options(args))
    from scripts.showcase import steps  # noqa: PLC0415 - needs modules of .venv

    return steps.run(args)


if __name__ == "__main__":
    runpy.run_path(str(CHECKOUT / "scripts" / "environment.py"))["end"](main)
