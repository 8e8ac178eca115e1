"""The options of every exporter, from the command line and the settings."""

import argparse
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from ravequant import cli, exchanges, settings
from ravequant.records import DEFAULT_EXCHANGE
from ravequant.settings import Settings

Flag = tuple[str, Callable[[str], Any], Any, str, str]  # name, type, default, metavar, help
_FLAGS: Final[tuple[Flag, ...]] = (
    ("--log-file", cli.path_arg, None, "FILE", "the log (default: beside the program)"),
    ("--ws-url", str, None, "URL", "default: okx.ws_url of the settings"),
    ("--rest-url", str, None, "URL", "default: okx.rest_url of the settings"),
    ("--max-seconds", cli.seconds, 0.0, "S", "stop after S seconds; 0 (default): never"),
    (
        "--stop-when-idle", cli.seconds, 0.0, "S",
        "stop when nothing has come for S seconds; 0 (default): never",
    ),
    (
        "--rest-limit-factor", cli.factor, 1.0, "X",
        "ask X times as often as OKX allows; for an exchange in a box that allows it",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RecorderOptions:
    """The options of every exporter; times in seconds, 0 for never."""

    inst_ids: tuple[str, ...]
    ws_url: str
    rest_url: str
    max_seconds: float = 0.0
    stop_when_idle: float = 0.0
    rest_limit_factor: float = 1.0  # times the exchange's rate limits
    as_json: bool = False
    unusable: tuple[str, ...] = ()  # names of the settings that can be no instrument's


def add_options(made: argparse.ArgumentParser) -> None:
    """Add the options of every exporter."""
    cli.add_instruments(made)
    made.add_argument(
        "--exchange",
        choices=exchanges.NAMES,
        default=DEFAULT_EXCHANGE,
        help=f"default: {DEFAULT_EXCHANGE}",
    )
    add_flags(made, _FLAGS)


def add_flags(made: argparse.ArgumentParser, flags: Iterable[Flag]) -> None:
    """Add options that take a value."""
    for name, kind, default, metavar, purpose in flags:
        made.add_argument(name, type=kind, default=default, metavar=metavar, help=purpose)


def options_of(args: argparse.Namespace, chosen: Settings) -> RecorderOptions:
    """Return the options of the command line; where a flag is absent, the settings decide."""
    for noisy in ("websockets", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    ws_url, rest_url = getattr(chosen, args.exchange).addresses()  # the exchange's own table
    return RecorderOptions(
        inst_ids=tuple(cli.instruments_of(args, chosen.instruments)),
        ws_url=args.ws_url or ws_url,
        rest_url=args.rest_url or rest_url,
        max_seconds=args.max_seconds,
        stop_when_idle=args.stop_when_idle,
        rest_limit_factor=args.rest_limit_factor,
        as_json=args.json,
        unusable=() if args.inst_ids else settings.no_instruments(),
    )
