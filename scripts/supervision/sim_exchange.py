"""The exchange in a box as run_all.py --demo uses it: one market that a restart does not change.

The market follows from its seed and its beginning alone, and runs with the clock of this computer.
So whenever this program is started it is at the same place as if it had never ended.
"""

try:
    from ravequant import cli, times
except ModuleNotFoundError:  # started with a Python outside .venv: hand over to it, or say how
    import runpy
    from pathlib import Path

    runpy.run_path(str(Path(__file__).resolve().parents[2] / "scripts" / "handover.py"))

import argparse
import socket
import sys
from collections.abc import Sequence
from typing import Final

from scripts import okx_exchange

SCRIPT: Final = "scripts/supervision/sim_exchange.py"
REST_LIMIT_FACTOR: Final = 20  # times OKX's: nobody waits for the history of a demo
_HISTORY_MS: Final = 5 * times.HOUR_MS  # how old the market is when the demo begins
_SET_UP_MS: Final = 4 * times.MINUTE_MS  # the planted signal is complete so long after that


def free_port() -> int:
    """Return a port of this machine that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


def options(port: int, opened_ms: int) -> tuple[str, ...]:
    """Return the options of this program for a demo that is opened at a moment."""
    begin = opened_ms - opened_ms % times.MINUTE_MS - _HISTORY_MS
    return ("--port", str(port), "--begin", times.iso(begin))


def exporter_options(port: int) -> tuple[str, ...]:
    """Return the exporters' options that lead here."""
    place = f"127.0.0.1:{port}"
    return (
        "--ws-url", f"ws://{place}/ws/v5", "--rest-url", f"http://{place}",
        "--rest-limit-factor", str(REST_LIMIT_FACTOR),
    )  # fmt: skip


def exchange_arguments(port: int, begin_ms: int, now_ms: int) -> list[str]:
    """Return the exchange's arguments for a market that began then and is open now."""
    return [
        "--port", str(port), "--rows-per-second", "1", "--start", times.iso(now_ms),
        "--history", f"{now_ms - begin_ms}ms", "--plant", f"{_HISTORY_MS + _SET_UP_MS}ms",
        "--wait-for-clients", "0", "--rest-limit-factor", str(REST_LIMIT_FACTOR),
    ]  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the market from where it is by now."""
    made = argparse.ArgumentParser(prog="run_box", description=__doc__)
    made.add_argument("--port", type=int, required=True, metavar="N", help="on this machine only")
    made.add_argument("--begin", type=cli.moment, required=True, metavar="UTC",
                      help="the first moment of the market, in the past")  # fmt: skip
    args = made.parse_args(argv)
    now = times.utc_now_ms()
    if args.begin >= now:
        made.error(f"--begin {times.iso(args.begin)}: expected a moment in the past")
    return okx_exchange.main(exchange_arguments(args.port, args.begin, now))


if __name__ == "__main__":
    sys.exit(main())
