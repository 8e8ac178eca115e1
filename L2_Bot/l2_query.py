"""Asks a recorded book: where the walls are, where size gathers, how wide, and who leans on it."""

try:
    from ravequant import cli, exact, settings, settings_schema, times
except ModuleNotFoundError:  # started with a Python outside .venv: hand over to it, or say so
    import runpy
    from pathlib import Path

    runpy.run_path(
        str(Path(__file__).resolve().parents[1] / "scripts" / "handover.py"), run_name="handover"
    )

import argparse
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import orjson

from L2_Bot import book_queries, query_text
from L2_Bot.book_queries import Book
from ravequant.contract import Contract
from ravequant.errors import DONE, NoDataError, RaveQuantError, UsageError, VaultError
from ravequant.records import RecordError
from ravequant.vault.instruments import InstrumentHistory
from ravequant.vault.line_file import LineFile
from ravequant.vault.paths import Vault, book_files

PROGRAM: Final = "l2_query"
QUESTIONS: Final = ("walls", "zones", "spread", "imbalance")
_PACKED_BYTES: Final = 4 << 20  # of a packed hour that are searched, should its last lines be bad
_log = logging.getLogger(PROGRAM)
Ask = Callable[[Vault, Book], dict[str, Any]]


def parser() -> argparse.ArgumentParser:
    """Return the options of the command line."""
    made = cli.parser(PROGRAM, __doc__ or "")
    made.add_argument("question", choices=QUESTIONS)
    cli.add_instruments(made)
    when = made.add_mutually_exclusive_group()
    when.add_argument("--last", action="store_true", help="the newest snapshot (default)")
    when.add_argument("--at", type=cli.moment, metavar="TIME",
                      help="the newest snapshot at or before this time: '2025-12-14 21:34', 21:34 "
                           "(UTC where no zone is named)")  # fmt: skip
    made.add_argument("--contracts", default="1000", metavar="N",
                      help="walls: levels of more than N contracts (default: 1000)")  # fmt: skip
    made.add_argument("--width", default="100", metavar="USD",
                      help="zones: so wide in price (default: 100)")  # fmt: skip
    return made


def asked(args: argparse.Namespace) -> Ask:
    """Return the question with its numbers; UsageError if one is none."""
    above = settings_schema.decimal(args.contracts, "--contracts", exact.SIZE_PLACES)
    width = settings_schema.decimal(args.width, "--width", exact.PRICE_PLACES)
    if width == 0:
        raise UsageError(f"--width {args.width} makes no zones; give a price above 0")
    questions: dict[str, Ask] = {
        "walls": lambda vault, book: book_queries.walls(book, contract_of(vault, book), above),
        "zones": lambda vault, book: book_queries.zones(book, contract_of(vault, book), width),
        "spread": lambda _, book: book_queries.spread(book),
        "imbalance": lambda _, book: book_queries.imbalance(book),
    }
    return questions[args.question]


def newest_book(vault: Vault, inst_id: str, at: int | None = None) -> Book:
    """Return the newest snapshot of ``inst_id``, or the newest one at or before ``at`` (Unix ms).

    Damaged lines are passed over. Raises NoDataError if there is none.
    """
    files = list(book_files(vault.snapshots(inst_id)))
    for key, path in reversed(files):
        if at is not None and key > times.hour(at):
            continue
        with LineFile(path, until=at, keep=_PACKED_BYTES) as file:
            lines = file.backward(file.size if at is None else file.after(at))
            book = next(_books(lines, inst_id), None)
        if book is not None:
            return book
    if at is None or not files:
        raise NoDataError(
            f"no book snapshot of {inst_id} in {vault.root}; start L2_Bot/l2_exporter.py, or name "
            "another vault with --vault"
        )
    raise NoDataError(
        f"no book snapshot of {inst_id} at or before {times.iso(at)}; the oldest file is "
        f"{files[0][1]}, ask for a later time"
    )


def _books(lines: Iterable[bytes], inst_id: str) -> Iterator[Book]:
    for line in lines:
        try:
            yield book_queries.parse(line, inst_id)
        except RecordError:
            continue


def contract_of(vault: Vault, book: Book) -> Contract | None:
    """Return what a contract was worth at the time of the book; None, and a warning, if unknown."""
    try:
        return InstrumentHistory(vault, book.inst_id).at(book.ts).contract
    except VaultError as error:
        _log.warning("%s; until then sizes are shown in contracts only", error)
        return None


def body(args: argparse.Namespace) -> int:
    """Answer for each instrument; one without data does not stop the others."""
    ask, vault, outcome = asked(args), cli.vault_of(args), DONE
    for inst_id in cli.instruments_of(args, settings.load().instruments):
        try:
            book = newest_book(vault, inst_id, args.at)
        except RaveQuantError as error:
            cli.report(PROGRAM, error)
            outcome = outcome or error.exit_code
            continue
        _show(args, book, ask(vault, book))
    return outcome


def _show(args: argparse.Namespace, book: Book, answer: dict[str, Any]) -> None:
    if args.json:
        head = {
            "timestamp_utc": times.iso(book.ts),
            "instId": book.inst_id,
            "mid_price": book.mid,
            "gap_detected": book.gap_detected,
            "question": args.question,
        }
        sys.stdout.write(orjson.dumps({**head, **answer}).decode() + "\n")
    else:
        now = times.utc_now_ms() if args.at is None else None
        said: str = getattr(query_text, args.question)(answer)
        sys.stdout.write(f"{query_text.heading(book, now)}\n{said}")


def main(argv: Sequence[str] | None = None) -> int:
    """Find the snapshot, answer, return the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
