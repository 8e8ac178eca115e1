"""Serves the screen: a page that shows a market, and the data behind it, on this computer.

    python Dashboard/dashboard.py             prints the address of the page
    python Dashboard/dashboard.py --open      opens it in the browser too

It reads the vault; the calculators, which it keeps up to date, write their own files.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import asyncio
import logging
import os
import secrets
import socket
import sys
import time
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

import uvicorn

from Dashboard.app import Site, application
from Dashboard.guard import LOOPBACK, MOST_BYTES, TOKEN_VARIABLE, Guard, Sessions, host_name
from Dashboard.heat_columns import HeatColumns
from Dashboard.heat_fill import HeatFill
from Dashboard.live import Live
from Dashboard.market_routes import health_of, market_routes, newest_heat
from Dashboard.refresher import Refresher
from ravequant import cli, settings
from ravequant.errors import DONE, UsageError
from ravequant.processes.lifeline import on_stop

PORT: Final = 8766
REFRESH_S: Final = 15.0
_BACKLOG: Final = 64
_HTTP: Final = 80
_LAST_S: Final = 2  # for answers that are under way at the end


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser("dashboard", "Serve the one screen of a market on this computer.")
    cli.add_instruments(made)
    made.add_argument("--port", type=_port, default=PORT, metavar="N", help=f"default: {PORT}")
    text = f"default: {LOOPBACK[0]}, this computer alone; another one asks for a token"
    made.add_argument("--bind", default=LOOPBACK[0], metavar="ADDRESS", help=text)
    text = "a name by which browsers may ask for it, beside its addresses"
    made.add_argument("--allow-host", type=host_name, action="append", default=[], help=text)
    made.add_argument("--open", action="store_true", help="open the page in the browser")
    text = f"bring the calculators up to date so often (default: {REFRESH_S:g})"
    made.add_argument("--refresh", type=cli.seconds, default=REFRESH_S, metavar="S", help=text)
    made.add_argument("--no-refresh", action="store_true", help="only read")
    return made


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a port, 0 for any that is free")
    return int(text)


def body(args: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    local = args.bind in LOOPBACK
    given = os.environ.pop(TOKEN_VARIABLE, "")
    token = given or secrets.token_hex(32)
    sessions = None if local else Sessions(token, time.monotonic)
    inst_ids = cli.instruments_of(args, ()) if args.inst_ids else ()
    site = Site(cli.vault_of(args), inst_ids, sessions=sessions)
    heat = HeatColumns(site.vault, settings.load())
    live = Live(site, partial(health_of, site), partial(newest_heat, heat), forget=heat.forget)
    app = application(site, [*market_routes(site, heat, live.seen), live.route])
    with _listening(args.bind, args.port) as listener:
        port = listener.getsockname()[1]
        names = dict.fromkeys([*LOOPBACK, args.bind, *args.allow_host])
        hosts = [f"{name}:{port}" for name in names]
        hosts += names if port == _HTTP else ()  # which a browser leaves out
        address = f"http://{args.bind if local else (args.allow_host or [args.bind])[0]}:{port}/"
        server = _Server(_config(Guard(app, hosts, sessions)))
        with on_stop(server.end), _at_work(site, heat, 0 if args.no_refresh else args.refresh):
            _say(address, args, "" if local or given else token)
            if args.open:
                webbrowser.open(address)
            asyncio.run(server.serve([listener]))
            live.close()
            site.reads.close()
    return DONE


@contextmanager
def _at_work(site: Site, heat: HeatColumns, refresh_s: float) -> Iterator[None]:
    """Fill the heat meanwhile, and bring the calculators up to date each ``refresh_s`` if not 0."""
    filling = HeatFill(heat, site.instruments)
    refresher = Refresher(site.vault, site.instruments, refresh_s) if refresh_s else None
    filling.start()
    if refresher is not None:
        refresher.start()
    try:
        yield
    finally:
        if refresher is not None:
            refresher.stop()
        filling.stop()


def _say(address: str, args: argparse.Namespace, made: str) -> None:
    """Print the address first, then the token that was made for this start, if one was."""
    lines = [f"the screen: {address}"]
    if made:
        lines.append(f"its token, to be typed into the page: {made}")
    if args.bind not in LOOPBACK:
        lines.append(
            "the line is not encrypted: whoever listens on the way reads along. Better: leave "
            f"--bind out, and on the other computer: ssh -L {args.port}:127.0.0.1:{args.port} HOST"
        )
    sys.stdout.write("\n".join([*lines, "Ctrl-C ends it\n"]))
    sys.stdout.flush()


@contextmanager
def _listening(bind: str, port: int) -> Iterator[socket.socket]:
    """Yield a socket that listens. Raises UsageError if that cannot be."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        if sys.platform != "win32":  # there it would share the port with a running server
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((bind.strip("[]"), port))
            listener.listen(_BACKLOG)
        except OSError as error:
            raise UsageError(
                f"{bind}:{port} cannot be served: {error.strerror or error}; is a dashboard "
                "running already? Else name another --port"
            ) from None
        yield listener


def _config(app: Guard) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MOST_BYTES,
        ws_max_size=MOST_BYTES,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=_LAST_S,
        log_level=logging.CRITICAL,  # an error is logged with its id by the routes
    )


class _Server(uvicorn.Server):
    """Leaves the signals to the program, which ends with exit code 0."""

    def end(self) -> None:
        """Ask the server to end."""
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Change no handler of a signal."""
        yield


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the page; return the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
