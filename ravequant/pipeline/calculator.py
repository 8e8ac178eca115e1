"""A calculator, declared as an input, a fold and an output, and the program that runs it."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import orjson

from ravequant import cli, settings
from ravequant.catalog import DataSet
from ravequant.errors import DONE, RaveQuantError, VaultError
from ravequant.pipeline import runner
from ravequant.pipeline.job import Fold, Job, Sink, Source
from ravequant.settings import Settings
from ravequant.vault.paths import Vault
from ravequant.vault.tail import Listing

Batch = TypeVar("Batch")


class Input(Protocol[Batch]):
    """A kind of raw data that calculators read."""

    @property
    def record(self) -> str:
        """The word for a valid line."""

    def files(self, vault: Vault, inst_id: str) -> Listing:
        """Return the listing of the raw files of an instrument, oldest first."""

    def folder(self, vault: Vault, inst_id: str) -> Path:
        """Return the folder of the raw files."""

    def source(self, vault: Vault, inst_id: str, chosen: Settings) -> Source[Batch]:
        """Return the source of an instrument."""


@dataclass(frozen=True, slots=True)
class Calculator(Generic[Batch]):
    """One of the calculators, for any instrument of any vault."""

    description: str
    input: Input[Batch]
    fold: Callable[[Vault, str, Settings], Fold[Batch]]  # of an instrument
    output: DataSet
    parameters: Callable[[str, Settings], dict[str, Any]]  # settings that the output depends on
    known_at_end: bool = False  # a record is ordered by when it became known, not by its start
    publish: Callable[[Vault, str, Any], None] | None = None  # each run, with the committed fold

    @property
    def metric(self) -> str:
        """Its folder under derived/ and state/."""
        return self.output.maker.name

    def job(self, vault: Vault, inst_id: str, chosen: Settings) -> Job[Batch]:
        """Return the job that brings ``inst_id`` up to date."""
        return Job(
            vault,
            self.metric,
            inst_id,
            self.parameters(inst_id, chosen),
            self.input.source(vault, inst_id, chosen),
            partial(self.fold, vault, inst_id, chosen),
            self._sink(vault, inst_id),
        )

    def _sink(self, vault: Vault, inst_id: str) -> Sink:
        key, name = self.output.key, self.output.place(vault, inst_id).name
        publish = partial(self.publish, vault, inst_id) if self.publish else None
        if self.output.kind == "days":
            day = len("2025-12-14")
            return Sink(
                "????-??-??.jsonl",
                lambda row: f"{row[key][:day]}.jsonl",
                key,
                self.known_at_end,
                publish,
            )
        return Sink(name, lambda _: name, key, self.known_at_end, publish)


def main(calculator: Calculator[Any], argv: Sequence[str] | None = None) -> int:
    """Run ``calculator`` for the instruments asked for; one that fails does not stop the others."""
    parser = cli.parser(calculator.metric, calculator.description)
    cli.add_calculator_options(parser)

    def body(args: Any) -> int:
        chosen, vault = settings.load(), cli.vault_of(args)
        outcome = DONE
        for inst_id in cli.instruments_of(args, chosen.instruments):
            try:
                job = calculator.job(vault, inst_id, chosen)
                summary = runner.run(job, args.since, rebuild=args.rebuild)
            except RaveQuantError as error:
                outcome = outcome or failed(calculator, error)
            else:
                outcome = ended(calculator, vault, summary, as_json=args.json) or outcome
        return outcome

    return cli.run(parser, body, argv)


def failed(calculator: Calculator[Any], error: RaveQuantError) -> int:
    """Report the error of a run; return its exit code."""
    cli.report(calculator.metric, error)
    return error.exit_code


def ended(
    calculator: Calculator[Any], vault: Vault, summary: runner.Summary, *, as_json: bool
) -> int:
    """Report a run that came to its end; return its exit code."""
    _show(summary, as_json=as_json)
    try:
        _refuse_garbage(summary, calculator.input, vault)
    except VaultError as error:
        return failed(calculator, error)
    return DONE


def _refuse_garbage(summary: runner.Summary, read: Input[Any], vault: Vault) -> None:
    """Raise VaultError if there were new lines and not one of them was a valid record."""
    lines = summary.counts["lines"]
    if lines and summary.counts["rejected"] == lines:
        raise VaultError(
            f"{read.folder(vault, summary.instId)}: not one of {lines} new lines is a "
            f"{read.record} of {summary.instId}; the log says why; move what does not belong there "
            "away"
        )


def _newest(summary: runner.Summary) -> str:
    """Return the newest of the new records, or why there are none."""
    if summary.newest_utc:
        return f"newest {summary.newest_utc}"
    return "none complete yet" if summary.counts["lines"] else "no raw data since the last run"


def _show(summary: runner.Summary, *, as_json: bool) -> None:
    if as_json:
        line = orjson.dumps(summary.facts()).decode()
    else:
        counts = ", ".join(f"{count:,} {name}" for name, count in summary.counts.items())
        line = (
            f"{summary.metric} {summary.instId}: {summary.records:,} new records, "
            f"{_newest(summary)} ({counts})"
        )
    sys.stdout.write(line + "\n")
