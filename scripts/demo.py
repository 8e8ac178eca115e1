"""Shows the pipeline at work, without an account or a real exchange: `python scripts/demo.py`.

Sets itself up first (scripts/environment.py), then runs the steps of scripts/demo_steps.py: an
exchange in a box, the real exporter, the real calculators, and a table of what they wrote. All
data goes to demo_vault/, which the next demo empties.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKOUT = Path(__file__).resolve().parents[1]


def parser() -> argparse.ArgumentParser:
    """Return the options of the demo."""
    made = argparse.ArgumentParser(
        prog="demo.py", description="the whole pipeline against an exchange in a box"
    )
    made.add_argument(
        "--seconds", type=float, default=25, help="how long the exporter runs (default: 25)"
    )
    made.add_argument(
        "--speed", type=float, default=30, help="market seconds per second (default: 30)"
    )
    made.add_argument("--seed", type=int, default=1, help="which market is made up (default: 1)")
    made.add_argument(
        "--vault",
        type=Path,
        default=CHECKOUT / "demo_vault",
        metavar="DIR",
        help="a folder that is new, empty or an earlier demo's (default: demo_vault)",
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Set up, go on inside `.venv`, run the demo; return its exit code."""
    args = parser().parse_args(argv)
    runpy.run_path(str(CHECKOUT / "scripts" / "environment.py"))["enter"]()
    from scripts import demo_steps  # noqa: PLC0415 - needs what only .venv holds

    return demo_steps.run(args)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
