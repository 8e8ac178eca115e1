"""Answers four questions about a recorded book: walls, zones, spread and imbalance."""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import orjson

from L2_Bot import book_queries
from L2_Bot.book_queries import BookSnapshot
from ravequant import cli, exact, settings, settings_schema, tables, times
from ravequant.contract import Contract
from ravequant.errors import DONE, NoDataError, RaveQuantError, UsageError, VaultError
from ravequant.records import RecordError
from ravequant.settings import Settings
from ravequant.vault.instruments import InstrumentHistory
from ravequant.vault.line_file import LineFile
from ravequant.vault.paths import Vault, book_files, held

PROGRAM: Final = "l2_query"
QUESTIONS: Final = ("walls", "zones", "spread", "imbalance")
_PACKED_BYTES: Final = 4 << 20  # of a packed hour that are searched, should its last lines be bad
_log = logging.getLogger(PROGRAM)
Answer = dict[str, Any]
Question = Callable[[Vault, BookSnapshot], Answer]


def parser() -> argparse.ArgumentParser:
    """Return the options of the command line."""
    made = cli.parser(PROGRAM, __doc__ or "")
    made.add_argument("question", choices=QUESTIONS)
    cli.add_instruments(made)
    when = made.add_mutually_exclusive_group()
    when.add_argument("--last", action="store_true", help="the newest snapshot (default)")
    when.add_argument(
        "--at",
        metavar="TIME",
        help="the newest snapshot at or before this time: '2025-12-14 21:34', 21:34 "
        "(UTC where no zone is named), latest",
    )
    made.add_argument(
        "--contracts",
        default="1000",
        metavar="N",
        help="walls: levels of more than N contracts (default: 1000)",
    )
    made.add_argument(
        "--width", default="100", metavar="USD", help="zones: so wide in price (default: 100)"
    )
    return made


def question_of(args: argparse.Namespace) -> Question:
    """Return the question with its numbers; UsageError for an impossible number."""
    above = settings_schema.decimal(args.contracts, "--contracts", exact.SIZE_PLACES)
    width = settings_schema.decimal(args.width, "--width", exact.PRICE_PLACES)
    if width == 0:
        raise UsageError(f"--width {args.width} makes no zones; give a price above 0")
    chosen = settings.load()

    def far(vault: Vault, book: BookSnapshot) -> tuple[BookSnapshot, Answer]:
        deep = with_deep(vault, book, chosen)
        return deep, book_queries.seen(deep, chosen.l2.depth_levels)

    def walls(vault: Vault, book: BookSnapshot) -> Answer:
        deep, reach = far(vault, book)
        return reach | book_queries.walls(deep, contract_of(vault, book), above)

    def zones(vault: Vault, book: BookSnapshot) -> Answer:
        deep, reach = far(vault, book)
        return reach | book_queries.zones(deep, contract_of(vault, book), width)

    questions: dict[str, Question] = {
        "walls": walls,
        "zones": zones,
        "spread": lambda _, book: book_queries.spread(book),
        "imbalance": lambda _, book: book_queries.imbalance(book),
    }
    return questions[args.question]


def newest_book(vault: Vault, inst_id: str, at: int | None = None) -> BookSnapshot:
    """Return the newest snapshot of ``inst_id``, or the newest at or before ``at`` (Unix ms).

    Damaged lines are passed over. Raises NoDataError if there is none.
    """
    files = list(book_files(vault.snapshots(inst_id)))
    for key, path in reversed(files):
        if at is not None and key > times.hour(at):
            continue
        with LineFile(path, until=at, keep=_PACKED_BYTES) as file:
            lines = file.backward(file.size if at is None else file.after(at))
            book = next(_books(lines, inst_id, vault.exchange), None)
        if book is not None:
            return book
    if at is None or not files:
        raise NoDataError(
            f"no book snapshot of {inst_id} in {vault.root}; start L2_Bot/l2_exporter.py, or name "
            f"another vault with --vault{held(vault.snapshots)}"
        )
    raise NoDataError(
        f"no book snapshot of {inst_id} at or before {times.iso(at)}; the oldest file is "
        f"{files[0][1]}, ask for a later time"
    )


def with_deep(vault: Vault, book: BookSnapshot, chosen: Settings) -> BookSnapshot:
    """Return a book with the deep levels that the bucketizer uses for it, where there are any."""
    latest = book.ts + chosen.buckets.deep_age_s * times.SECOND_MS
    for key, path in reversed(list(book_files(vault.deep_snapshots(book.inst_id)))):
        if key > times.hour(latest):
            continue
        with LineFile(path, until=latest, keep=_PACKED_BYTES) as file:
            for line in file.backward(file.after(latest)):
                with suppress(RecordError):
                    deep = book_queries.parse_deep(line, book.inst_id, vault.exchange)
                    if deep.from_ms >= book.ts:
                        continue  # it counts for later books only
                    if book.ts - deep.ts > chosen.buckets.deep_age_s * times.SECOND_MS:
                        return book
                    return book_queries.deepened(book, deep, chosen.l2.depth_levels)
        if key < times.hour(book.ts - times.HOUR_MS):
            break
    return book


def _books(lines: Iterable[bytes], inst_id: str, exchange: str) -> Iterator[BookSnapshot]:
    for line in lines:
        try:
            yield book_queries.parse(line, inst_id, exchange)
        except RecordError:
            continue


def contract_of(vault: Vault, book: BookSnapshot) -> Contract | None:
    """Return the contract at the time of the book; None, and a warning, if it is unknown."""
    try:
        return InstrumentHistory(vault, book.inst_id).at(book.ts).contract
    except VaultError as error:
        _log.warning("%s; until then sizes are shown in contracts only", error)
        return None


def body(args: argparse.Namespace) -> int:
    """Answer for each instrument; an instrument without data stops no other."""
    ask, vault, outcome = question_of(args), cli.vault_of(args), DONE
    at = cli.asked(vault, args.at)
    until = None if at == times.LATEST else at.ms
    for inst_id in cli.instruments_of(args, settings.load().instruments):
        try:
            book = newest_book(vault, inst_id, until)
        except RaveQuantError as error:
            cli.report(PROGRAM, error)
            outcome = outcome or error.exit_code
            continue
        _show(args, book, ask(vault, book))
    return outcome


def _show(args: argparse.Namespace, book: BookSnapshot, answer: Answer) -> None:
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
        now = times.utc_now_ms() if args.at in (None, times.LATEST) else None
        sys.stdout.write(f"{_heading(book, now)}\n{_TEXTS[args.question](answer)}")


def _heading(book: BookSnapshot, now: int | None) -> str:
    """Return instrument, time and mid of the snapshot, and its age at ``now`` (Unix ms)."""
    age = "" if now is None else f", {_age(max(0, now - book.ts))} old"
    gap = ", the last book before a gap" if book.gap_detected else ""
    return f"{book.inst_id} at {times.iso(book.ts)}{age}{gap}: mid {book.mid}"


def _seen_text(answer: Answer) -> str:
    """Return how far the book was seen."""
    whole, away = answer["whole"], answer["seen_bps"]
    sides = [
        f"{name} to their end" if whole[name] else f"{name} to {away[name]} bps"
        for name in reversed(book_queries.SIDES)
    ]
    age = answer["deep_age_s"]
    deep = "no deep snapshot" if age is None else f"deep snapshot {age} s old"
    return f"seen: {', '.join(sides)} ({deep})\n"


def _walls_text(answer: Answer) -> str:
    """Return a table: asks above, bids below, the mid between them."""
    rows = [
        [side[:-1], wall["price"], *_sizes(wall), wall["distance_bps"]]
        for side, found in (("asks", answer["asks"][::-1]), ("bids", answer["bids"]))
        for wall in found
    ]
    if not rows:
        return f"{_seen_text(answer)}no level above {answer['above_contracts']} contracts\n"
    headers = ["side", "price", "contracts", "coins", "USD", "bps from mid"]
    return _seen_text(answer) + tables.text(headers, rows)


def _zones_text(answer: Answer) -> str:
    """Return a table of the largest zones of each side, largest first."""
    rows = [
        [side[:-1], zone["from"], *_sizes(zone), str(zone["levels"])]
        for side in reversed(book_queries.SIDES)
        for zone in answer[side]
    ]
    headers = ["side", "zone from", "contracts", "coins", "USD", "levels"]
    return _seen_text(answer) + tables.text(headers, rows)


def _spread_text(answer: Answer) -> str:
    """Return bid, ask and the spread, and a warning if the spread is wide."""
    warning = f"{book_queries.WIDE}\n" if answer["wide"] else ""
    return (
        f"bid {answer['best_bid']}, ask {answer['best_ask']}: spread {answer['spread']} = "
        f"{answer['spread_bps']} bps\n{warning}"
    )


def _imbalance_text(answer: Answer) -> str:
    """Return the size of both sides and the pressure they show, if any."""
    pressure = f"{answer['pressure']}\n" if answer["pressure"] else ""
    return (
        f"top {answer['levels']} levels: bids {answer['bid_contracts']} contracts, asks "
        f"{answer['ask_contracts']} contracts, imbalance {answer['imbalance']}\n{pressure}"
    )


def _sizes(sized: Answer) -> list[str]:
    base, notional = sized["base"], sized["notional"]
    return [
        sized["contracts"],
        "-" if base is None else base,
        "-" if notional is None else f"{int(notional.partition('.')[0]):,}",
    ]


def _age(span_ms: int) -> str:
    for unit, size in (("days", times.DAY_MS), ("h", times.HOUR_MS), ("min", times.MINUTE_MS)):
        if span_ms >= 2 * size:
            return f"{span_ms // size} {unit}"
    return f"{span_ms // times.SECOND_MS} s"


_TEXTS: Final[dict[str, Callable[[Answer], str]]] = {
    "walls": _walls_text,
    "zones": _zones_text,
    "spread": _spread_text,
    "imbalance": _imbalance_text,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Find the snapshot, answer, return the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
