"""The wiring that every trade-based calculator shares: options, vault, ledger, bars, stage."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import orjson

from ravequant import cli, settings, times
from ravequant.errors import DONE, RaveQuantError, VaultError
from ravequant.pipeline import runner
from ravequant.settings import Settings
from ravequant.trades.bar_builder import Closed
from ravequant.trades.bar_reader import BarReader
from ravequant.trades.parallel_scan import read_ahead
from ravequant.vault.cursor import Cursor
from ravequant.vault.gap_ledger import GapLedger
from ravequant.vault.paths import Vault, day_files
from ravequant.vault.tail import Listing, Tail


@dataclass(frozen=True, slots=True)
class Calculator:
    """What distinguishes one calculator from another."""

    metric: str  # its folder under derived/ and state/
    description: str
    output: str  # the file its records go to
    fold: Callable[[str, Settings], runner.Fold[Closed]]  # of an instrument
    parameters: Callable[[Settings], dict[str, Any]]  # the settings its output depends on
    record: str = "trade"

    def folder(self, vault: Vault, inst_id: str) -> Path:
        """Return where the raw trades are."""
        return vault.trades(inst_id)

    def job(self, vault: Vault, inst_id: str, chosen: Settings) -> runner.Job[Closed]:
        """Return the job that brings ``inst_id`` up to date."""
        return bar_job(
            vault,
            inst_id,
            chosen,
            metric=self.metric,
            fold=lambda: self.fold(inst_id, chosen),
            output=self.output,
            parameters=self.parameters(chosen),
        )


def trade_listing(vault: Vault, inst_id: str) -> Listing:
    """Return what lists the raw trade files of ``inst_id``."""
    folder = vault.trades(inst_id)
    return lambda: day_files(folder)


def bar_reader(
    vault: Vault, inst_id: str, chosen: Settings
) -> Callable[[runner.Reject], runner.Reader[Closed]]:
    """Return what makes a reader of raw trades, with the ledger and the settings of ``inst_id``."""
    whale = chosen.bars.whale_notional
    ledger = GapLedger(vault.gap_ledger(inst_id), inst_id)

    def is_hole(first_missing: int, last_missing: int) -> bool:
        ledger.refresh()  # settled before the line after the jump was written
        return ledger.is_gap(first_missing, last_missing)

    return lambda reject: BarReader(inst_id, whale, is_hole, reject)


def bar_job(
    vault: Vault,
    inst_id: str,
    chosen: Settings,
    *,
    metric: str,
    fold: Callable[[], runner.Fold[Closed]],
    output: str,
    parameters: dict[str, Any],
) -> runner.Job[Closed]:
    """Return a job that reads the raw trades of ``inst_id`` as closed minute bars."""
    return runner.Job(
        vault=vault,
        metric=metric,
        inst_id=inst_id,
        files=trade_listing(vault, inst_id),
        reader=bar_reader(vault, inst_id, chosen),
        fold=fold,
        output=lambda _: output,
        pattern=output,
        parameters=parameters,
        ahead=partial(read_ahead, inst_id, chosen.bars.whale_notional),
        first_ms=lambda cursor: first_bar_ms(trade_listing(vault, inst_id), inst_id, cursor),
    )


def first_bar_ms(files: Listing, inst_id: str, cursor: Cursor | None) -> int | None:
    """Return the start of the first minute that reading from ``cursor`` gives; None without any.

    That is not always the first line's: a line of the minute before may follow it.
    """
    reader = BarReader(inst_id, 0, lambda *_: False, lambda *_: None)
    closed = (reader.read(block.data).bars for block in Tail(files, cursor, 0).blocks())
    bars = next(filter(None, closed), None) or reader.builder.open_bars
    return bars[0].minute * times.MINUTE_MS if bars else None


class Room(Protocol):
    """A calculator that a person starts: trade-based or not."""

    @property
    def metric(self) -> str:
        """Its folder under derived/ and state/."""

    @property
    def description(self) -> str:
        """One sentence."""

    @property
    def record(self) -> str:
        """What a valid raw line is called."""

    def folder(self, vault: Vault, inst_id: str) -> Path:
        """Return where its raw lines are."""

    def job(self, vault: Vault, inst_id: str, chosen: Settings) -> runner.Job[Any]:
        """Return the job that brings ``inst_id`` up to date."""


def main(calculator: Room, argv: Sequence[str] | None = None) -> int:
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
                _show(summary, as_json=args.json)
                _refuse_garbage(summary, calculator.folder(vault, inst_id), calculator.record)
            except RaveQuantError as error:
                cli.report(calculator.metric, error)
                outcome = outcome or error.exit_code
        return outcome

    return cli.run(parser, body, argv)


def _refuse_garbage(summary: runner.Summary, folder: Path, record: str) -> None:
    """Raise VaultError if there were new lines and not one of them was a valid record."""
    lines = summary.counts["lines"]
    if lines and summary.counts["rejected"] == lines:
        raise VaultError(
            f"{folder}: not one of {lines} new lines is a {record} of {summary.instId}; the log "
            "says why; move what does not belong there away"
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
