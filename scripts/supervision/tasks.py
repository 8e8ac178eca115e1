"""The programs that run_all.py looks after, with their options."""

import math
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from Context_Bot import coinalyze_key
from ravequant import settings, times
from ravequant.catalog import (
    BOOK,
    BOOK_FLOW_MAKER,
    BTC_TRANSFERS_RECORDER,
    CALCULATORS,
    COINALYZE_EXPORTER,
    DASHBOARD,
    EXPORTERS,
    FIND_SIGNALS,
    JUDGE,
    L2_BUCKETIZER,
    L2_RETENTION,
    LIQUIDATION_MINUTES,
    MARKS,
    OKX_EXCHANGE,
    TRADES,
    VERIFY_VAULT,
    Program,
)
from ravequant.vault.paths import Vault
from scripts.supervision.schedule import Task

HOUR_S: Final = 3_600.0
# the maker of book flow brings the buckets along: both come from one reading of the books
STARTED: Final = tuple(program for program in CALCULATORS if program != L2_BUCKETIZER)
_JUDGE_LIMIT_S: Final = 6 * HOUR_S  # of all the days that wait when it first runs
REST_LIMIT_FACTOR: Final = 20  # times OKX's limits: the history of a demo comes quickly
_HISTORY_MS: Final = 5 * times.HOUR_MS  # the age of the market when a demo begins
_METADATA_LOOKS: Final = 12  # one each READY_S
_SET_UP_MS: Final = 4 * times.MINUTE_MS  # the planted signal is complete so long after that
SOON_MS: Final = 2 * times.MINUTE_MS  # or so, where the books of before are there
BOOKS: Final = "3h"  # before a demo with a screen; earlier books are not recorded
_BOOK_LOOKS: Final = 240  # for them, ten minutes: two programs look each READY_S
_PAST_BOOKS: Final = "scripts/showcase/past_books.py"


@dataclass(frozen=True, slots=True)
class RunRequest:
    """The options of a run; times in seconds."""

    vault: Path
    inst_ids: Sequence[str]
    every_s: float
    limit_s: float
    backfill: str = ""
    watch_s: float = 0.0  # 0: no find_signals
    watch_options: tuple[str, ...] = ()
    exporter_options: tuple[str, ...] = ()
    rebuild: bool = False
    once: bool = False  # the calculators run a single time, on the data there are

    @property
    def common(self) -> tuple[str, ...]:
        """The options of every program that works for instruments."""
        names = (part for inst_id in self.inst_ids for part in ("--instId", inst_id))
        return ("--vault", str(self.vault), *names)


def free_port() -> int:
    """Return a port of this machine that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


def demo_market(opened_ms: int, set_up_ms: int = _SET_UP_MS) -> tuple[str, ...]:
    """Return the options of the market of a demo that is opened at ``opened_ms``.

    It follows from its seed and its beginning alone and runs with the clock of this computer:
    started again, it is at the place where it would be if it had never ended.
    """
    begin_ms = opened_ms - opened_ms % times.MINUTE_MS - _HISTORY_MS
    plant = f"--plant {_HISTORY_MS + set_up_ms}ms --rows-per-second 1"
    return tuple(f"--begin {times.iso(begin_ms)} {plant}".split())


def demo_exchange(port: int, market: Sequence[str]) -> Task:
    """Return the exchange in a box for a demo."""
    options = f"--port {port} --wait-for-clients 0 --rest-limit-factor {REST_LIMIT_FACTOR}"
    return Task("exchange", OKX_EXCHANGE.script, (*options.split(), *market))


def past_books(vault: Vault, market: Sequence[str]) -> Task:
    """Return the program that writes the books of a demo's market up to now, once."""
    options = ("--vault", str(vault.root), "--span", BOOKS, *market)
    return Task("past_books", _PAST_BOOKS, options, every_s=math.inf)


class BooksCheck:
    """Looks whether the books of a demo's past are written; after some minutes no longer."""

    def __init__(self, vault: Vault, inst_ids: Sequence[str]) -> None:
        self._vault, self._inst_ids, self._looks = vault, inst_ids, 0
        self._written = False

    def ready(self) -> bool:
        """Return True once no program writes the books any more, and from then on."""
        self._looks += 1
        self._written = self._written or self._looks > _BOOK_LOOKS or self._all_written()
        return self._written

    def _all_written(self) -> bool:
        holders = (self._vault.lock(BOOK.stream, name) for name in self._inst_ids)
        written = all(any(BOOK.files(self._vault, name)) for name in self._inst_ids)
        return written and not any(lock.with_suffix(".json").exists() for lock in holders)


def exchange_options(ws_url: str, rest_url: str) -> tuple[str, ...]:
    """Return the exporters' options for an exchange in a box at these addresses."""
    factor = str(REST_LIMIT_FACTOR)
    return ("--ws-url", ws_url, "--rest-url", rest_url, "--rest-limit-factor", factor)


def exporters(request: RunRequest, books: BooksCheck | None = None) -> list[Task]:
    """Return the recorders, kept running; that of books waits for the ``books`` of before."""
    common = (*request.common, *request.exporter_options)
    backfill = ("--backfill", request.backfill) if request.backfill else ()
    more = {"trades_exporter": backfill}
    found = [
        Task(name, script, (*common, *more.get(name, ())), heartbeat=name)
        for name, script in EXPORTERS
    ]
    if books is None:
        return found
    return [replace(it, ready=books.ready) if it.name == BOOK.maker.name else it for it in found]


def extras(request: RunRequest) -> list[Task]:
    """Return the recorders that the settings or the environment turn on, kept running.

    None with an exchange in a box, since real data do not belong to its market.
    """
    if request.exporter_options:
        return []
    chosen = settings.load()
    found: list[tuple[Program, tuple[str, ...]]] = []
    if chosen.btc_transfers.url:
        found.append((BTC_TRANSFERS_RECORDER, ("--vault", str(request.vault))))
    if coinalyze_key.is_named(chosen.coinalyze):
        found.append((COINALYZE_EXPORTER, request.common))
    return [Task(name, script, options, heartbeat=name) for (name, script), options in found]


def dashboard(
    request: RunRequest, port: int, books: BooksCheck | None = None, *, opens: bool = False
) -> Task:
    """Return the server of the screen, kept running; it opens the browser at its first start.

    It brings the calculators up to date by itself, more often than the rounds do: a live screen
    must not be as old as they are apart. Locks keep the two from each other.
    """
    found = Task(
        DASHBOARD.name,
        DASHBOARD.script,
        (*request.common, "--port", str(port)),
        first_options=("--open",) * opens,
    )
    return found if books is None else replace(found, ready=books.ready)


def watch(request: RunRequest) -> list[Task]:
    """Return the signal finder, kept running, if it is wanted; it records in signals.jsonl."""
    if not request.watch_s:
        return []
    options = (*request.common, "--watch", f"{request.watch_s:g}", *request.watch_options)
    return [Task("find_signals", FIND_SIGNALS.script, options, shows=True)]


def calculators(request: RunRequest) -> list[Task]:
    """Return each calculator for each instrument, a program of its own but for the bucketizer.

    In a rebuild one calculator of each instrument comes before the next calculator of any: it
    keeps the minutes that the others read.
    """
    vault = Vault(request.vault)
    pairs = [
        (program, inst_id)
        for inst_id in request.inst_ids
        for program in STARTED
        if not (request.once and program == LIQUIDATION_MINUTES)
        or any(MARKS.files(vault, inst_id))  # few need the context feeds: without them it is well
    ]
    if request.rebuild:
        pairs.sort(key=lambda pair: STARTED.index(pair[0]))
    return [
        Task(
            f"{program.name}.{inst_id}",
            program.script,
            ("--vault", str(request.vault), "--instId", inst_id),
            every_s=request.every_s,
            limit_s=request.limit_s,
            calculates=True,
            ready=InputCheck(vault, program, inst_id).ready,
            first_options=("--rebuild",) if request.rebuild else (),
        )
        for program, inst_id in pairs
    ]


class InputCheck:
    """Looks for the input of a calculator: raw records and metadata.

    Metadata that do not come within a minute are no longer waited for: the calculator says so.
    """

    def __init__(self, vault: Vault, calculator: Program, inst_id: str) -> None:
        self._vault, self._inst_id, self._looks = vault, inst_id, 0
        books = dict.fromkeys((L2_BUCKETIZER, BOOK_FLOW_MAKER), BOOK)
        self._source = {**books, LIQUIDATION_MINUTES: MARKS}.get(calculator, TRADES)

    def ready(self) -> bool:
        """Return True once the vault holds the input of the calculator."""
        newest = max(self._source.files(self._vault, self._inst_id), default=None)
        if newest is None or not newest[1].stat().st_size:
            return False
        self._looks += 1
        return self._looks > _METADATA_LOOKS or self._vault.metadata(self._inst_id).exists()


def retention(request: RunRequest) -> Task:
    """Return the program that keeps the disk free, hourly."""
    options = ("--vault", str(request.vault))
    return Task("l2_retention", L2_RETENTION.script, options, every_s=HOUR_S, limit_s=HOUR_S)


def seal(request: RunRequest) -> Task:
    """Return the program that certifies each finished day, at a quiet moment of the hour."""
    options = ("--vault", str(request.vault), "--seal")
    return Task(
        VERIFY_VAULT.name,
        VERIFY_VAULT.script,
        options,
        every_s=HOUR_S,
        limit_s=HOUR_S,
        quiet=True,
        tells=True,
    )


def judge(request: RunRequest) -> Task:
    """Return the program that judges each finished day once and renews the verdict, when quiet."""
    return Task(
        "judge",
        JUDGE.script,
        ("judge", "--verdict", *request.common),
        every_s=HOUR_S,
        limit_s=_JUDGE_LIMIT_S,
        quiet=True,
        tells=True,
    )
