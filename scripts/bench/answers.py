"""Answers and pictures of the dashboard, in a process of its own, and where their time goes.

Processor time. The first answer of a process parses all its lines, a later one the
new lines; the server makes one every few seconds. The first of a minute judges its day anew.
"""

import cProfile
import pstats
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from Dashboard import market_view
from Dashboard.answer import answered
from ravequant import times
from ravequant.settings import Settings
from ravequant.signals.candidates import Query
from ravequant.signals.clock import Clock
from ravequant.signals.limits import SignalLimits
from ravequant.signals.market_state import BOOK_STEP
from ravequant.signals.question import Request, When
from ravequant.vault.paths import CHECKOUT, Vault
from scripts.bench.market import BTC
from scripts.bench.runs import Measurement

AGAIN: Final = 5  # answers of each kind in a process
EVERY_MS: Final = 2_000  # between two answers of the server
WINDOWS: Final = (150, 1_440)  # minutes of a picture
_SHOWN: Final = 6  # parts of a profile
_PROJECT: Final = (str(CHECKOUT / "ravequant"), str(CHECKOUT / "Dashboard"))


def measure(root: str, moment_ms: str) -> Measurement:
    """Return the milliseconds of answers and pictures of now, at a moment (Unix ms)."""
    vault, now = Vault(root), int(moment_ms)
    limits = SignalLimits.of(BTC, Settings())

    def rated(ms: int) -> None:
        answered(vault, BTC, _live(ms), now=Clock(ms), wall_ms=ms, chosen=Settings())

    def bare(ms: int) -> None:
        Request(vault, BTC, Query(), limits, _live(ms)).find(past=False)

    def of_minute(minute: int) -> None:
        answered(vault, BTC, When(minute=minute), chosen=Settings())

    asked = market_view.asked(vault, "now", Clock(now), now)

    def picture(minutes: int) -> None:
        market_view.view(vault, BTC, asked, minutes, chosen=Settings())

    minute = now // times.MINUTE_MS
    found: Measurement = {"first": _spent(rated, now)}
    again = range(now + EVERY_MS, now + (AGAIN + 1) * EVERY_MS, EVERY_MS)
    found["next"] = statistics.median(_spent(rated, ms) for ms in again)
    found["bare"] = statistics.median(_spent(bare, ms) for ms in again)
    minutes = range(minute - AGAIN, minute)
    for earlier in range(minutes.start - BOOK_STEP, minutes.start):  # it meets their past books
        of_minute(earlier)
    found["of a minute"] = statistics.median(_spent(of_minute, one) for one in minutes)
    for window in WINDOWS:
        picture(window)
        found[f"view {window}"] = statistics.median(_spent(picture, window) for _ in again)
    return found | {"parts": _parts(rated, now)}


def _live(ms: int) -> When:
    return When(instant_ms=ms, live=True)


def _spent(work: Callable[[int], Any], asked: int) -> float:
    began = time.process_time()
    work(asked)
    return (time.process_time() - began) * times.SECOND_MS


def _parts(work: Callable[[int], Any], asked: int) -> list[tuple[str, float]]:
    """Return the modules in which an answer spends most of its time, with their shares."""
    profile = cProfile.Profile(time.process_time)
    profile.runcall(work, asked)
    facts: dict[Any, Any] = vars(pstats.Stats(profile))["stats"]
    spent: Counter[str] = Counter()
    for place, (_, _, own, _, callers) in facts.items():
        module = _module(place[0])
        if module:
            spent[module] += own
        else:  # of Python itself: the work of those that called it
            for caller, (_, _, part, _) in callers.items():
                spent[_module(caller[0]) or "others"] += part
    whole = sum(spent.values()) or 1.0
    return [(name, part / whole) for name, part in spent.most_common(_SHOWN)]


def _module(file: str) -> str:
    return Path(file).stem if file.startswith(_PROJECT) else ""
