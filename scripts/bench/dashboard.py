"""Case dashboard: each budget of the dashboard next to its measurements.

A market of a day that is open now; its recorders append while the real server and its page in the
browser of this computer are measured. The calculators run in processes of their own, which do not
count.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from ravequant import times
from ravequant.catalog import CALCULATORS, LIQUIDATION_MINUTES
from ravequant.vault.paths import CHECKOUT, Vault
from scripts.bench import answers, chart, page, runs
from scripts.bench.live_day import HOURS, LiveDay
from scripts.bench.market import BTC
from scripts.bench.page import MainThread
from scripts.bench.runs import Comparison, Figure, Measurement, Sizes
from scripts.bench.server import Server, ShareMeter, family, serving, used
from scripts.showcase import browser as finder
from scripts.showcase.past_books import EVERY_MS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Share = TypeVar("Share")
FEW_HOURS: Final = 5
APPEND_S: Final = 0.25  # between two appends of trades
WINDOW_S: Final = 12.0  # of a share; five of them are a minute
QUIET_PERCENT: Final = 3.0
QUIET_WITHIN_S: Final = 300.0  # so long the heat of a day may be read in the background
FIGURES: Final = (
    Figure("median", "median", "{:,.2f}"),
    Figure("most", "most", "{:,.2f}"),
    Figure("budget", "budget", "{:,g}"),
    Figure("at_most", "at most", "{:,g}"),
)


class Budget(NamedTuple):
    """A figure, and the most that it should be."""

    name: str
    unit: str
    most: float | None = None
    of_most: float | None = None  # of the largest of the measurements


PAINT: Final = Budget("first contentful paint", "s", 0.5)
DRAWN: Final = Budget("chart with a day drawn", "s", 1.0)
RAW: Final = Budget("first load without heat, raw", "KB", 500)
PACKED: Final = Budget("first load without heat, gzipped", "KB", 180)
REST: Final = Budget("page at rest", "% of a core", 0.1)
PRICES: Final = Budget("page, two prices a second", "% of a core", 5)
DRAWING: Final = Budget("the same, all of the browser", "% of a core")
NO_CLIENT: Final = Budget("server, no client", "% of a core", 0.5)
CLIENT: Final = Budget("server, one live page", "% of a core", 2)
MEMORY: Final = Budget("server memory", "MB", 120)
HEAP: Final = Budget("page heap", "MB", 20)
MESSAGE: Final = Budget("append on disk to message", "s")
SCREEN: Final = Budget("append on disk to pixels", "s", 1, 2)
ANSWERS: Final = {
    "bare": Budget("answer without base rates", "ms of cpu", 26),
    "next": Budget("answer", "ms of cpu", 31),
    "of a minute": Budget("answer, the first of a minute", "ms of cpu"),
    "first": Budget("answer, the first of a process", "ms of cpu"),
}
VIEWS: Final = {
    f"view {minutes}": Budget(f"view of {minutes:,} minutes", "ms of cpu")
    for minutes in answers.WINDOWS
}


def run(sizes: Sizes) -> Comparison:
    """Measure all of them; at least five of each."""
    comparison = Comparison("dashboard: its budgets", FIGURES)
    vault = Vault(sizes.work / "vault")
    with LiveDay(vault, sizes.seed, times.utc_now_ms()) as day:
        end = day.write_copies(HOURS, HOURS - FEW_HOURS + 1)
        _bring_up_to_date(vault, sizes)
        few = _asked(sizes, vault, end)
        day.write_copies(HOURS - FEW_HOURS, 0)
        day.write_until(times.utc_now_ms(), EVERY_MS)
        _bring_up_to_date(vault, sizes)
        whole = _asked(sizes, vault, times.utc_now_ms())
        for hours, found in ((f"{FEW_HOURS} hours", few), ("a day", whole)):
            for name, budget in ANSWERS.items():
                named = budget._replace(name=f"{budget.name}, {hours}")
                comparison.rows.append(_row(named, [one[name] for one in found]))
        comparison.rows += [_row(VIEWS[name], [one[name] for one in whole]) for name in VIEWS]
        with finder.running(finder.on_this_computer()) as browser:
            comparison.rows += _served(vault, day, browser, sizes.rounds)
    comparison.rows += _frames(sizes)
    parts = ", ".join(f"{name} {100 * share:.0f} %" for name, share in whole[0]["parts"])
    comparison.notes.append(f"An answer on a day spends its time in: {parts}.")
    comparison.notes.append(
        f"Shares are of {WINDOW_S:g} s: of the server without its calculators, of the page's main "
        "thread unless it says all. At rest the page shows a replay. Its heap is that of a live "
        "page after some minutes, not after a day."
    )
    return comparison


def _row(budget: Budget, measured: Sequence[float | None], factor: float = 1.0) -> dict[str, Any]:
    known = [one * factor for one in measured if one is not None]
    row: dict[str, Any] = {"name": f"{budget.name}, {budget.unit}", "budget": budget.most}
    if known:
        row |= {"median": statistics.median(known), "most": max(known)}
    return row | {"at_most": budget.of_most}


def _bring_up_to_date(vault: Vault, sizes: Sizes) -> None:
    for calculator in CALCULATORS:
        if calculator == LIQUIDATION_MINUTES:  # the measured market has no context feeds
            continue
        words = [str(CHECKOUT / calculator.script), "--vault", str(vault.root), "--instId", BTC]
        runs.watched([sys.executable, *words, "--log-level", "error"], sizes.work)


def _asked(sizes: Sizes, vault: Vault, moment_ms: int) -> list[Measurement]:
    words = (str(vault.root), str(moment_ms))
    return [runs.contender(sizes, "answers", *words) for _ in range(max(5, sizes.rounds))]


def _frames(sizes: Sizes) -> Iterator[dict[str, Any]]:
    """Yield the rows of case chart."""
    for found in chart.run(sizes).rows:
        name = f"a frame, {found['name']}, ms of cpu"
        yield {"name": name, "median": found["cpu_ms"], "budget": found["budget_ms"]}


# --- the server and its page ---------------------------------------------------------------------


def _served(
    vault: Vault, day: LiveDay, browser: "Browser", rounds: int
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a server, alone first, then with its page."""
    count = max(5, rounds)
    with serving(vault) as server:
        _wait_until_quiet(server)
        yield _row(NO_CLIENT, list(_shares(count, ShareMeter([server.pid]).share, time.sleep)))
        loads = [page.first_load(browser, f"{server.address}/") for _ in range(count)]
        yield _row(PAINT, [one.paint_ms for one in loads], 1e-3)
        yield _row(DRAWN, [one.drawn_ms for one in loads], 1e-3)
        yield _row(RAW, [one.raw for one in loads], 1e-3)
        yield _row(PACKED, [one.packed for one in loads], 1e-3)
        at = times.iso_minute(times.utc_now_ms() // times.MINUTE_MS - 2)
        with page.opened(browser, f"{server.address}/?at={at}") as shown:
            wait = partial(_wait, shown)
            wait(WINDOW_S)
            yield _row(REST, list(_shares(count, MainThread(shown).share, wait)))
        yield from _live(server, day, browser, count)


def _live(server: Server, day: LiveDay, browser: "Browser", count: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of one live page, to which a recording market comes."""
    with page.opened(browser, f"{server.address}/") as shown, _recording(day) as appended:
        wait = partial(_wait, shown)
        wait(WINDOW_S)
        before = used(server.pid)
        drawing = set(family(os.getpid())) - {os.getpid(), *family(server.pid)}
        thread = MainThread(shown)
        meters = (ShareMeter([server.pid]).share, thread.share, ShareMeter([*drawing]).share)
        shares = list(_shares(count, lambda: [share() for share in meters], wait))
        for number, budget in enumerate((CLIENT, PRICES, DRAWING)):
            yield _row(budget, [window[number] for window in shares])
        found = page.delays(shown, list(appended))
        yield _row(MESSAGE, [one.message for one in found], 1e-3)
        yield _row(SCREEN, [one.screen for one in found], 1e-3)
        yield _row(HEAP, [thread.heap_mb()])
        memory = (before, used(server.pid))
        yield _row(MEMORY, [one.memory_mb for one in memory if one is not None])


def _wait(shown: "Page", seconds: float) -> None:
    shown.wait_for_timeout(seconds * 1_000)


def _shares(
    count: int, measured: Callable[[], Share], wait: Callable[[float], None]
) -> Iterator[Share]:
    """Yield a measurement for each of so many windows of time."""
    measured()
    for _ in range(count):
        wait(WINDOW_S)
        yield measured()


def _wait_until_quiet(server: Server) -> None:
    """Wait until the server has read the heat of the day, which it does in the background."""
    meter, ends = ShareMeter([server.pid]), time.monotonic() + QUIET_WITHIN_S
    while time.monotonic() < ends:
        time.sleep(WINDOW_S / 4)
        share = meter.share()
        if share is None or share < QUIET_PERCENT:
            return


@contextmanager
def _recording(day: LiveDay) -> Iterator[list[tuple[float, int]]]:
    """Let the market go on; yield the times (Unix ms) of its appends, with the newest of each."""
    appended: list[tuple[float, int]] = []
    stopped = Event()

    def record() -> None:
        while not stopped.wait(APPEND_S):
            newest = day.write_until(times.utc_now_ms())
            if newest is not None:
                appended.append((time.time() * 1_000, newest))

    thread = Thread(target=record, name="recorder")
    thread.start()
    try:
        yield appended
    finally:
        stopped.set()
        thread.join()
