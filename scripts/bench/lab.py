"""Case lab: a day judged, the candidates in it, and the same day asked minute by minute.

The lab walks over the minutes of a day and reads each file once, with the queries of all filters.
The plain way reads the vault anew for each minute, with one query; it is measured for an hour.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from Edge_Lab.day_candidates import WARM_MINUTES, day_candidates
from ravequant import times
from ravequant.catalog import JUDGE
from ravequant.settings import Settings
from ravequant.signals import as_of
from ravequant.signals.candidates import Query
from ravequant.signals.limits import SignalLimits
from ravequant.signals.rules import find
from ravequant.sim.market import START_MS
from ravequant.vault.paths import CHECKOUT, Vault
from scripts.bench import market, runs
from scripts.bench.runs import Comparison, Figure, Measurement, Sizes

DAY: Final = times.day(START_MS)
ASKED: Final = 60  # minutes of the plain way
FIGURES: Final = (
    Figure("seconds", "cpu s a day", "{:,.1f}"),
    Figure("times_lab", "x candidates", "{:.1f} x"),
    Figure("peak_mb", "peak MB", "{:,.0f}"),
)
JUDGED: Final = "edge_lab judge"
LAB: Final = "its candidates, 72 filters"
PLAIN: Final = "asked each minute, 1 query"


def run(sizes: Sizes) -> Comparison:
    """Measure the judging of a day, and both ways to its candidates."""
    vault = filled(sizes)
    judge = [sys.executable, str(CHECKOUT / JUDGE.script), "judge", "--again"]
    judge += ["--vault", str(vault.root), "--instId", market.BTC, "--from", DAY, "--to", DAY]
    contenders: dict[str, Callable[[], Measurement]] = {
        JUDGED: partial(runs.watched, [*judge, "--log-level", "error"], sizes.work)
    }
    for name in CONTENDERS:
        contenders[name] = partial(runs.contender, sizes, "lab", name, str(vault.root))
    found = runs.in_turns(sizes.rounds, contenders)
    for judged in found[JUDGED]:
        judged["seconds"] = judged["cpu_s"]
    comparison = Comparison(f"lab: a day of {market.BTC}", FIGURES)
    comparison.rows += [
        {
            "name": name,
            "seconds": runs.median(its_runs, "seconds"),
            "times_lab": runs.ratio(its_runs, found[LAB], "seconds"),
            "peak_mb": runs.largest(its_runs, "peak_mb"),
        }
        for name, its_runs in found.items()
    ]
    comparison.notes.append(
        f"{sizes.rate:g} trades/s on average, {sizes.snapshots:,} snapshots of the book. Asked "
        f"each minute: {ASKED} minutes were, a day has {times.DAY_MINUTES:,}; the lab also walks "
        f"over {WARM_MINUTES} minutes before the day. Processor time."
    )
    return comparison


def filled(sizes: Sizes) -> Vault:
    """Return a vault with DAY, the day before, and the next one up to its fourth hour."""
    vault = Vault(sizes.work / "vault")
    day = market.RepeatedDay(sizes.seed, sizes.rate)
    for number in (0, 1):
        day.append(vault, number)
    day.append(vault, 2, until_ms=START_MS + times.DAY_MS + 4 * times.HOUR_MS)
    market.append_snapshots(market.snapshots(vault, sizes.seed, deep=False), sizes.snapshots)
    recompute = str(CHECKOUT / "scripts" / "recompute.py")
    quiet = ("--workers", "1", "--log-level", "error")
    runs.watched([sys.executable, recompute, "--vault", str(vault.root), *quiet], sizes.work)
    return vault


def measure(name: str, root: str) -> Measurement:
    """Run a contender here; return its processor seconds for a day."""
    began = time.process_time()
    share = CONTENDERS[name](Vault(root))
    return {"seconds": (time.process_time() - began) / share}


def _candidates(vault: Vault) -> float:
    day_candidates(vault, market.BTC, DAY, Settings())
    return 1.0


def _asked(vault: Vault) -> float:
    chosen = Settings()
    limits, query = SignalLimits.of(market.BTC, chosen), Query()
    back = query.age_max + chosen.signals.surrounding_minutes
    noon = times.day_start_ms(DAY) // times.MINUTE_MS + times.DAY_MINUTES // 2
    for minute in range(noon, noon + ASKED):
        find(as_of.read(vault, market.BTC, minute, back=back, past=False), query, limits)
    return ASKED / times.DAY_MINUTES


CONTENDERS: Final[dict[str, Callable[[Vault], float]]] = {LAB: _candidates, PLAIN: _asked}
