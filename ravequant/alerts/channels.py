"""Whom a watch tells what is new: the options."""

import argparse
from typing import NamedTuple

from ravequant.errors import UsageError


class Channels(NamedTuple):
    """Whom to tell."""

    discord: bool
    command: str | None
    bell: bool


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--discord", action="store_true", help="with --watch: post what is new")
    parser.add_argument(
        "--exec", dest="command", metavar="COMMAND",
        help="with --watch: run it for each alert, which stands as JSON on its stdin",
    )  # fmt: skip
    parser.add_argument("--bell", action="store_true", help="with --watch: ring the terminal")


def chosen(args: argparse.Namespace) -> Channels | None:
    """Return whom to tell, None for nobody; UsageError if nothing is watched."""
    if not args.discord and args.command is None and not args.bell:
        return None
    if args.watch is None:
        raise UsageError(
            "--discord, --exec and --bell tell what is new since the round before: add --watch 30"
        )
    return Channels(args.discord, args.command, args.bell)
