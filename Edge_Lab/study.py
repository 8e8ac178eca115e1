"""A study: from nothing to judged days, one day after the other, without keeping raw books.

Trades of all days come first, with the rows of the calculators. Then, day by day: its books
are fetched and imported, their buckets made, the day is judged, and its raw books are deleted. The
books of the next day stay until then too, since the last trials of a day end there.
"""

import logging
import os
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from Edge_Lab.study_days import StudyState
from Edge_Lab.study_plan import left_s, moved
from Edge_Lab.study_steps import StudySteps
from ravequant import catalog, times
from ravequant.errors import DONE, LockedError, RaveQuantError, VaultError
from ravequant.exchanges.archive.plan import megabytes
from ravequant.vault import compress
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault

_BY_MINUTE: Final = ",".join(program.name for program in catalog.TRADE_CALCULATORS)
RECOMPUTE: Final = "recompute"
LEAST_FREE: Final = 1_000_000_000  # bytes: less of them explains a failure
MOST_FAILURES: Final = 3  # days in a row; a damaged file costs its day and the day before
_log = logging.getLogger("edge_lab")


class StudyOptions(NamedTuple):
    """How the exchange is asked."""

    rest_url: str | None = None
    limit_factor: float = 1.0

    @property
    def words(self) -> tuple[str, ...]:
        """The options of every importer."""
        url = () if self.rest_url is None else ("--rest-url", self.rest_url)
        return ("--download", *url)


class StudyRun:
    """A study of some instruments; ``run`` goes on where an earlier run has stopped."""

    def __init__(
        self,
        state: StudyState,
        instruments: Sequence[str],
        steps: StudySteps,
        options: StudyOptions,
        *,
        unpublished: Collection[tuple[str, str]] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take (instrument, day) of which no file of books is published: they are left out."""
        self._state, self._instruments, self._steps = state, instruments, steps
        self._options, self._unpublished, self._clock = options, set(unpublished), clock
        self._in_a_row = 0  # days that failed
        self.failed: list[str] = []  # "INSTID day" of days that could not be judged

    def run(self) -> None:
        """Do all that is left. RaveQuantError if the study cannot go on; StoppedError."""
        self._trades()
        days = self._state.days.days
        left = [day for day in days if self._is_left(day)]
        began = self._clock()
        for number, day in enumerate(left, 1):
            day_began = self._clock()
            self._day(day)
            now = self._clock()
            _log.info(
                "day %d of %d, %s, took %s; %d days left, about %s",
                len(days) - len(left) + number,
                len(days),
                day,
                _span(now - day_began),
                len(left) - number,
                _span(left_s(now - began, number, len(left))),
            )

        self._drop_all()  # of days that waited for another, or of a run that was stopped

    def _drop_all(self) -> None:
        for inst_id in self._instruments:
            for day in self._state.days.days:
                self._drop(inst_id, day)

    def _is_left(self, day: str) -> bool:
        return not all(self._settled(inst_id, day) for inst_id in self._instruments)

    def _settled(self, inst_id: str, day: str) -> bool:
        """Return True for a day on which nothing is left to do."""
        return (inst_id, day) in self._unpublished or self._state.done(inst_id, day)

    # -- trades

    def _trades(self) -> None:
        days = self._state.days
        lacking = [name for name in self._instruments if self._state.lacks_trades(name)]
        if lacking:
            _log.info("trades from %s to %s come first", days.begin, days.after)
            factor = f"--rest-limit-factor={self._options.limit_factor}"
            words = (factor, *_named(lacking), *_span_of(days.begin, days.after))
            self._needed(catalog.IMPORT_TRADES.name, *self._options.words, *words)
        if any(self._state.left(inst_id) for inst_id in self._instruments):
            self._needed(RECOMPUTE, "--metric", _BY_MINUTE, *_named(self._instruments))

    def _needed(self, name: str, *words: str) -> None:
        """Run a program without which the study cannot go on."""
        code = self._steps.run(name, *words)
        if code != DONE:
            raise self._failure(name, code)

    def _failure(self, name: str, code: int) -> RaveQuantError:
        free = self._free()
        if free < LEAST_FREE:
            return VaultError(
                f"{self._state.vault.root}: only {megabytes(free)} are free, and {name} has ended "
                "with an error; free space on its disk, then begin the study again: it goes on "
                "where it was"
            )
        if code == LockedError.exit_code:
            return LockedError(
                f"{name}: another program has held its lock for a long time; end that program, or "
                "run_all.py, then begin the study again: it goes on where it was"
            )
        return VaultError(
            f"{name} has ended with exit code {code}, its own words stand above; then begin the "
            "study again: it goes on where it was"
        )

    def _free(self) -> int:
        return shutil.disk_usage(self._state.vault.root).free

    # -- a day

    def _day(self, day: str) -> None:
        """Import, judge and drop a day; a day that fails is left out, but not too many in a row."""
        waiting = [name for name in self._instruments if not self._settled(name, day)]
        ready = [name for name in waiting if self._has_books(name, day)]
        again = [name for name in ready if self._state.judged_without_books(name, day)]
        self._judge(again, day, "--again")
        self._judge([name for name in ready if name not in again], day)
        undone = [f"{name} {day}" for name in waiting if not self._state.done(name, day)]
        self.failed += undone
        self._in_a_row = self._in_a_row + 1 if undone else 0
        for name in self._instruments:
            self._drop(name, day)
        if self._in_a_row >= MOST_FAILURES:
            raise VaultError(
                f"{', '.join(self.failed[-MOST_FAILURES:])} could not be judged, the words of the "
                "programs stand above; then begin the study again: it goes on where it was"
            )

    def _judge(self, names: Sequence[str], day: str, *words: str) -> None:
        if not names:
            return
        workers = str(min(len(names), os.cpu_count() or 1))
        words = (*_named(names), *_span_of(day, day), "--workers", workers, *words)
        code = self._steps.run(catalog.JUDGE.name, "judge", *words)
        if code != DONE:
            _log.warning("%s: judge has ended with exit code %d", day, code)

    def _has_books(self, inst_id: str, day: str) -> bool:
        """Bring the books of a day and the next one, and their buckets; False if an import fails.

        Without the next day's books the last trials of the day would not know their queue.
        """
        if not self._state.books:
            return True
        needed = [day, moved(day, 1)]
        for one in needed:
            if (inst_id, one) in self._unpublished or self._state.has_books(inst_id, one):
                continue
            again = ("--replace",) if self._state.imported(inst_id, one) else ()
            words = (*_named([inst_id]), *_span_of(one, one), *again)
            code = self._steps.run(catalog.IMPORT_BOOKS.name, *self._options.words, *words)
            if code == LockedError.exit_code or (code != DONE and self._free() < LEAST_FREE):
                raise self._failure(catalog.IMPORT_BOOKS.name, code)
            if code != DONE:
                return False
        metric = catalog.L2_BUCKETIZER.name
        self._needed(RECOMPUTE, "--metric", metric, *_named([inst_id]), "--to", needed[-1])
        return True

    def _drop(self, inst_id: str, day: str) -> None:
        """Delete the imported books of a day that no trial needs any more, and pack its buckets."""
        before = moved(day, -1)
        waits = before in self._state.days.days and not self._settled(inst_id, before)
        if waits or not (self._state.books and self._state.done(inst_id, day)):
            return
        try:
            freed = self._state.drop(inst_id, day, catalog.IMPORT_BOOKS.name)
            pack_buckets(self._state.vault, inst_id, day)
        except (compress.HeldOpenError, LockedError) as error:
            _log.warning("%s", error)  # the next run does it
            return
        if freed:
            _log.info("%s %s: judged; %s of raw books deleted", inst_id, day, megabytes(freed))


def pack_buckets(vault: Vault, inst_id: str, day: str) -> None:
    """Pack the buckets of a day that the bucketizer has left."""
    files = dict(catalog.BUCKETS.files(vault, inst_id))
    path = files.get(day)
    if path is None or path.suffix == ".gz" or day == max(files):
        return
    with suppress(LockedError), writer_lock(vault, catalog.L2_BUCKETIZER.name, inst_id):
        compress.pack(path)


def _named(instruments: Sequence[str]) -> list[str]:
    return [word for inst_id in instruments for word in ("--instId", inst_id)]


def _span_of(first: str, last: str) -> tuple[str, ...]:
    """Return the options of every program that name UTC days."""
    return "--from", first, "--to", last


def _span(seconds: float) -> str:
    return times.duration(round(seconds) * times.SECOND_MS)
