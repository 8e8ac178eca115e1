"""Calculators that read the same books, run in turns in one process: each line is read once.

Each has its own output, state and cursor, as if it ran alone; an error of one stops no other.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ravequant import cli, settings
from ravequant.books.kept_books import KeptBooks
from ravequant.errors import DONE, RaveQuantError
from ravequant.pipeline import calculator, runner
from ravequant.pipeline.book_source import BookInput
from ravequant.pipeline.calculator import Calculator
from ravequant.vault.paths import Vault


class _Turns:
    """A calculator on one instrument, as far as it has come."""

    def __init__(self, made: Calculator[Any], vault: Vault, inst_id: str, args: Any) -> None:
        self._made, self._vault, self._inst_id, self._args = made, vault, inst_id, args
        self._steps: runner.RunInParts[Any] | None = None
        self._iterator: Iterator[None] | None = None
        self.outcome: int | None = None  # exit code; None: it is not at its end

    def next(self) -> None:
        """Take the next part of its input, and say at the end how it went."""
        try:
            if self._iterator is None:
                job = self._made.job(self._vault, self._inst_id, settings.load())
                self._steps = runner.RunInParts(job, self._args.since, rebuild=self._args.rebuild)
                self._iterator = iter(self._steps)
            next(self._iterator)
        except StopIteration:
            self.outcome = self._said()
        except RaveQuantError as error:
            self.outcome = calculator.failed(self._made, error)

    def give_up(self) -> None:
        """Leave its lock, if it was interrupted."""
        if isinstance(self._iterator, Generator):
            self._iterator.close()

    def _said(self) -> int:
        summary = self._steps.summary if self._steps else runner.Summary("", "")
        return calculator.ended(self._made, self._vault, summary, as_json=self._args.json)


def run(made: Sequence[Calculator[Any]], vault: Vault, inst_id: str, args: Any) -> int:
    """Bring the calculators of an instrument up to date; return the first exit code but 0."""
    kept = KeptBooks()
    turns = [_Turns(_sharing(one, kept), vault, inst_id, args) for one in made]
    try:
        while waiting := [taker for taker in turns if taker.outcome is None]:
            for taker in waiting:
                taker.next()
    finally:
        for taker in turns:
            taker.give_up()
    return next((one.outcome for one in turns if one.outcome), DONE)


def _sharing(made: Calculator[Any], kept: KeptBooks) -> Calculator[Any]:
    if not isinstance(made.input, BookInput):
        raise TypeError(f"{made.metric} reads no books")
    return replace(made, input=made.input.sharing(kept))


def main(made: Sequence[Calculator[Any]], argv: Sequence[str] | None = None) -> int:
    """Run the calculators for the instruments asked for; the last gives the program its name."""
    parser = cli.parser(made[-1].metric, made[-1].description)
    cli.add_calculator_options(parser)

    def body(args: Any) -> int:
        chosen, vault = settings.load(), cli.vault_of(args)
        outcomes = [
            run(made, vault, inst_id, args)
            for inst_id in cli.instruments_of(args, chosen.instruments)
        ]
        return next(filter(None, outcomes), DONE)

    return cli.run(parser, body, argv)
