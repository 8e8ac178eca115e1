"""Imports the days of one instrument: built one by one, then put in their places at once."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from ravequant import times
from ravequant.catalog import TRADES
from ravequant.errors import LockedError, RaveQuantError, UsageError
from ravequant.exchanges.archive.base import Archive
from ravequant.trades.recorded_day import first_id_in
from ravequant.vault import instruments, trade_repair
from ravequant.vault.imports import built_day, hand_over, under_way
from ravequant.vault.imports.id_spans import IdSpan, number_of_ids
from ravequant.vault.imports.provenance import ImportedDay
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault, day_files
from Trades_Bot.archive_files import TradeFiles
from Trades_Bot.day_import import DayOptions, DayResult, TradeDayBuilder

_LOOK_AGAIN_S: Final = 0.2
_ATTEMPTS: Final = 3  # at days whose recorded file changes while they wait
_log = logging.getLogger("import_trades")


@dataclass(slots=True)
class ImportResult:
    """The result of an import of one instrument."""

    inst_id: str
    imported: list[ImportedDay] = field(default_factory=list)  # in their places now
    there: int = 0  # days that were imported before
    between: tuple[IdSpan, ...] = ()  # ids missing between the import and the recording behind it
    generation: int = 0
    error: RaveQuantError | None = None  # why it ended before its last day

    @property
    def missing(self) -> int:
        """The number of ids missing in the imported days."""
        return sum(number_of_ids(day.jumps) for day in self.imported)


def import_days(
    vault: Vault,
    inst_id: str,
    archive: Archive,
    days: Iterable[TradeFiles],
    options: DayOptions,
    *,
    wait_s: float,
    told: Callable[[DayResult], None],
) -> ImportResult:
    """Import days, oldest first; an error ends it behind the last good day, and is in the result.

    Nothing of the log is changed before all good days are built. Raises LockedError if another
    program imports or repairs this instrument.
    """
    result = ImportResult(inst_id)
    with writer_lock(vault, trade_repair.METRIC, inst_id):
        _finish_earlier(vault, inst_id, wait_s)
        contract = instruments.load(vault, inst_id).contract
        builder = TradeDayBuilder(vault, inst_id, archive, contract, options)
        files_by_day: dict[str, TradeFiles] = {}
        try:
            for files in _in_order(vault, inst_id, days, partial=options.partial):
                files_by_day[files.day] = files
                found = builder.build(files)
                told(found)
                result.there += found.outcome == "there"
        except RaveQuantError as error:
            result.error = error
        except OSError as error:
            result.error = RaveQuantError(f"{error}; check that path and its disk, then try again")
        instruments.note_earlier(vault, inst_id, builder.contracts)
        _put_in_place(vault, builder, files_by_day, result, wait_s)
    return result


def _in_order(
    vault: Vault, inst_id: str, days: Iterable[TradeFiles], *, partial: bool
) -> Iterator[TradeFiles]:
    """Yield the days; UsageError for one that has begun, and for one behind a day that lacks."""
    today, before = times.day(times.utc_now_ms()), None
    for files in days:
        if files.day >= today:
            raise UsageError(
                f"{inst_id} {files.day}: this day is not over; it is imported once it is"
            )
        if before is not None and not partial:
            follows = times.day(times.day_start_ms(before) + times.DAY_MS)
            there = built_day.standing_file(vault, inst_id, _day_before(files.day)) is not None
            if files.day != follows and not there:
                raise UsageError(
                    f"{inst_id} {files.day}: the day before it is neither here nor in the vault, "
                    "and an import leaves no day out; fetch it, or import single days with "
                    "--partial"
                )
        before = files.day
        yield files


def _day_before(day: str) -> str:
    return times.day(times.day_start_ms(day) - times.DAY_MS)


def _finish_earlier(vault: Vault, inst_id: str, wait_s: float) -> None:
    """Complete an import or a repair that was stopped."""
    if under_way.is_noted(vault, inst_id):
        _log.info("%s: an earlier import was stopped; its days are put in place first", inst_id)
    hand_over.carry_out(vault, inst_id, wait_s)
    deadline = time.monotonic() + wait_s
    while trade_repair.is_noted(vault, inst_id):
        try:
            with writer_lock(vault, TRADES.stream, inst_id):
                trade_repair.finish(vault, inst_id)
        except LockedError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_LOOK_AGAIN_S)


def _put_in_place(
    vault: Vault,
    builder: TradeDayBuilder,
    files: dict[str, TradeFiles],
    result: ImportResult,
    wait_s: float,
) -> None:
    """Put the built days in their places; days that have changed meanwhile are built again."""
    inst_id = result.inst_id
    for attempt in range(_ATTEMPTS):
        waiting = [day for day in built_day.days_built(vault, inst_id) if day in files]
        if attempt and waiting:
            waiting = _built_again(builder, [files[day] for day in waiting], result)
        if not waiting:
            return
        built = {day: built_day.load(vault, inst_id, day) for day in waiting}
        result.between = _between(vault, inst_id, waiting)
        noted = under_way.note(vault, inst_id, waiting, result.between)
        result.generation = noted.generation
        hand_over.carry_out(vault, inst_id, wait_s)
        left = built_day.days_built(vault, inst_id)
        result.imported += [one.line for day, one in built.items() if one and day not in left]
    if left := [day for day in built_day.days_built(vault, inst_id) if day in files]:
        raise LockedError(
            f"{inst_id}: the recorder still writes to {left[0]} or an earlier day, so these days "
            f"wait: {', '.join(left)}. Import again once it has come to a later day, or stop it "
            "first; what is built is kept"
        )


def _built_again(
    builder: TradeDayBuilder, files: Sequence[TradeFiles], result: ImportResult
) -> list[str]:
    """Build days again; return those up to the first that cannot be built."""
    done = list[str]()
    for one in files:
        try:
            builder.build(one)
        except RaveQuantError as error:
            result.error = result.error or error
            break
        done.append(one.day)
    return done


def _between(vault: Vault, inst_id: str, days: Sequence[str]) -> tuple[IdSpan, ...]:
    """Return the ids missing between a built day and a file behind it that is none of ``days``."""
    there = dict(day_files(vault.trades(inst_id)))
    keys, found = sorted({*there, *days}), list[IdSpan]()
    for key, behind in pairwise(keys):
        if key not in days or behind in days:
            continue
        built = built_day.load(vault, inst_id, key)
        first = first_id_in(there[behind], inst_id, vault.exchange)
        if built is not None and first is not None and first > built.last_id + 1:
            found.append((built.last_id + 1, first - 1))
    return tuple(found)
