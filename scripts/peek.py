"""Shows the newest lines of any file of the vault: `tail` and `type`, the same on every system."""

try:
    from ravequant import cli
except ModuleNotFoundError:  # started with a Python outside .venv: hand over to it, or say so
    import runpy
    from pathlib import Path

    runpy.run_path(
        str(Path(__file__).resolve().parents[1] / "scripts" / "handover.py"), run_name="handover"
    )

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from ravequant.errors import DONE, NoDataError, UsageError
from ravequant.vault.paths import CHECKOUT, Vault
from scripts import line_files
from scripts.peek_lines import Lines, Whole

PROGRAM: Final = "peek"
_AGAIN_S: Final = 0.25

DATED: Final = {"l2" if name == "book" else name: files for name, files in line_files.DATED.items()}
GROWING: Final[dict[str, Callable[[Vault, str], Path]]] = {
    **line_files.GROWING,
    "gaps": lambda vault, name: vault.gap_ledger(name),
    "history": lambda vault, name: vault.metadata_history(name),
}
REPLACED: Final[dict[str, Callable[[Vault, str], Path]]] = {
    "metadata": lambda vault, name: vault.metadata(name),
    "active": lambda vault, name: vault.derived("wicks", name) / "wicks_active.json",
    "health": lambda vault, name: vault.health(name),
}
WITH_STATE: Final = {
    "vwap": "vwap", "cvd": "cvd", "volume": "volume", "wicks": "wicks",
    "buckets": "liquidity_buckets",
}  # fmt: skip
LOG: Final = "log"
WHAT: Final = (*DATED, *GROWING, *REPLACED, LOG)


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, __doc__ or "")
    made.add_argument("what", choices=WHAT, metavar="WHAT", help=", ".join(WHAT))
    made.add_argument(
        "name", metavar="NAME", help="the instrument; with health and log the program"
    )
    made.add_argument("-n", type=int, default=10, metavar="N",
                      help="how many lines; 0: all (default: 10)")  # fmt: skip
    made.add_argument("-f", "--follow", action="store_true",
                      help="go on with what is appended, until Ctrl-C")  # fmt: skip
    made.add_argument("--state", action="store_true",
                      help="what the calculator has committed, in place of its output")  # fmt: skip
    made.add_argument("--file", metavar="KEY", help="one day or hour: 2025-12-14, 2025-12-14/21")
    return made


def refuse_nonsense(args: argparse.Namespace) -> None:
    """Raise UsageError for options that cannot be."""
    if args.n < 0:
        raise UsageError(f"-n {args.n} is below 0; give a number of lines, 0 for all")
    if args.state and args.what not in WITH_STATE:
        raise UsageError(f"--state: {args.what} has none; choose one of {', '.join(WITH_STATE)}")
    if args.file and (args.state or args.what not in DATED):
        raise UsageError(f"--file: only {', '.join(DATED)} have one file a day or hour")


def looking_at(args: argparse.Namespace, vault: Vault) -> Lines | Whole:
    """Return the lines asked for; NoDataError if there are none yet, UsageError for a bad name."""
    what, name = args.what, args.name
    if args.state:
        return Whole(_found(vault.state(WITH_STATE[what], name), vault))
    if what in REPLACED:
        if not _plain_name(name):
            raise UsageError(f"{name!r} is no name of a program or instrument")
        return Whole(_found(REPLACED[what](vault, name), vault))
    if what == LOG:
        return _grown(_log_of(vault, name))
    if what in GROWING:
        return _grown(_found(GROWING[what](vault, name), vault))

    def files() -> Iterator[tuple[str, Path]]:
        listing = DATED[what](vault, name)
        return (item for item in listing if args.file in (None, item[0]))

    if next(files(), None) is None:
        wanted = f" of {args.file}" if args.file else ""
        raise NoDataError(f"no {what} of {name}{wanted} in {vault.root}; {_REMEDY}")
    return Lines(files)


_REMEDY: Final = "start what writes it, or name another vault with --vault"


def _grown(path: Path) -> Lines:
    return Lines(lambda: iter([(path.name, path)]))


def _plain_name(name: str) -> bool:
    return name.translate({ord(sign): None for sign in "-_."}).isalnum()


def _found(path: Path, vault: Vault) -> Path:
    if not path.exists():
        raise NoDataError(f"no {path.relative_to(vault.root)} in {vault.root}; {_REMEDY}")
    return path


def _log_of(vault: Vault, program: str) -> Path:
    """Return the log that run_all keeps in the vault, else the one beside the program."""
    if _plain_name(program):
        name = f"{program}.log"
        for path in (vault.root / "logs" / name, *sorted(CHECKOUT.glob(f"*/{name}"))):
            if path.exists():
                return path
    raise NoDataError(
        f"no log of {program} in {vault.root / 'logs'}, nor beside a program of {CHECKOUT}"
    )


def body(args: argparse.Namespace) -> int:
    """Show the lines, and with ``-f`` what comes after them."""
    refuse_nonsense(args)
    lines = looking_at(args, cli.vault_of(args))
    _show(lines.newest(args.n or None))
    while args.follow:
        time.sleep(_AGAIN_S)
        _show(lines.more())
    return DONE


def _show(lines: Iterator[bytes]) -> None:
    for line in lines:
        sys.stdout.write(line.decode("utf-8", "backslashreplace"))
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Show lines; the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
