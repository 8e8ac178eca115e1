"""No stale number is ever shown as fresh, whatever is killed; and the screen's memory is flat.

`python scripts/test.py --watch-screen 30` runs the long forms.
"""

import random
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from ravequant import times
from tests.support.examples import often
from tests.support.screen import Screen
from tests.support.screen_truth import exchange_ms
from tests.support.screen_watch import ScreenWatch
from tests.support.watched_system import BTC, CALCULATORS, WatchedSystem

RATE: Final = 20
PAST_MS: Final = 90 * times.MINUTE_MS  # the planted set-up begins 75 min before it is complete
ETH: Final = "ETH-USDT-SWAP"
LATE_S: Final = 3.0  # of a computer on which other tests run
NO_PROC = pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds calculators in /proc")


@contextmanager
def watched(folder, browser, rate, *, slack_s, every_s, inst_ids=(BTC,), past_ms=PAST_MS):
    """Run the system and a page of it; yield both as (system, watch)."""
    with (
        WatchedSystem.of(folder, rate, past_ms, inst_ids) as system,
        Screen.of(browser, system.address) as screen,
    ):
        yield system, ScreenWatch(system, screen, slack_s, every_s)


def is_fresh(claim):
    """Return True if all that the screen shows can be used."""
    return claim.level == "fresh"


def are_stale(*names):
    """Return a condition: the screen says of these streams that they are stale."""
    return lambda claim: all(claim.streams.get(name, ("",))[0] == "stale" for name in names)


@NO_PROC
@pytest.mark.slow
@pytest.mark.skipif(not often(0, 1), reason="minutes of two cores: scripts/test.py --long")
def test_programs_are_killed(tmp_path, browser):
    """Recorders, calculators and server die and come back, in a market at twenty times its speed.

    Of each the screen says so by itself, and at no look is a number younger than it is.
    """
    with watched(tmp_path, browser, RATE, slack_s=LATE_S, every_s=0.15) as (system, watch):
        watch.until(lambda claim: is_fresh(claim) and claim.reasons)
        system.kill("trades_exporter")
        system.kill(CALCULATORS)
        watch.until(are_stale("trades", "wicks", "volume", "cvd"))
        assert watch.claim.level == "void"
        system.start("trades_exporter")
        system.start(CALCULATORS)
        watch.until(is_fresh)
        system.kill("l2_exporter")
        watch.for_s(1)
        system.kill("server")
        watch.until(lambda claim: claim.mode == "NOT LIVE" and are_stale("buckets")(claim))
        assert watch.claim.level == "void"  # and its ages ran on without a word from the server
        system.start("server")
        watch.until(lambda claim: claim.level == "partly" and are_stale("buckets")(claim))
        system.start("l2_exporter")
        watch.until(is_fresh)
    assert watch.wrong == [], f"leap {watch.most_leap_s}"


# --- long forms, of scripts/test.py --watch-screen ------------------------------------------------


@pytest.fixture
def minutes(request):
    """Return for how long to watch; skips a run that did not ask for it."""
    found = request.config.getoption("--watch-screen")
    if not found:
        pytest.skip("scripts/test.py --watch-screen MINUTES runs it")
    return found


@pytest.fixture
def say(request):
    """Return a function that writes a line to the terminal at once."""
    plugins = request.config.pluginmanager

    def write(text):
        with plugins.get_plugin("capturemanager").global_and_fixture_disabled():
            plugins.get_plugin("terminalreporter").write(f"\n{text}", flush=True)

    return write


@NO_PROC
def test_half_an_hour_of_kills(tmp_path, browser, minutes, request, say):
    """At the market's own speed, two instruments, and a seeded order of kills and hang-ups."""
    if request.config.getoption("--watch-speed") != 1:
        pytest.skip("kills are at speed 1")
    random_ = random.Random(1)
    kinds = [
        ("kill", "trades_exporter", 170), ("kill", "l2_exporter", 190), ("kill", CALCULATORS, 260),
        ("kill", "server", 25), ("hang", "server", 25), ("hang", "l2_exporter", 60),
        ("kill", "trades_exporter", 12), ("kill", "server", 3),
    ]  # fmt: skip
    with watched(
        tmp_path, browser, 1, slack_s=0, every_s=1, inst_ids=(BTC, ETH), past_ms=5 * times.HOUR_MS
    ) as (system, watch):
        ends_s = time.monotonic() + 60 * minutes
        watch.until(is_fresh, 300)
        say(f"{watch.memory()}")
        while time.monotonic() < ends_s:
            for way, name, hold_s in random_.sample(kinds, len(kinds)):
                if time.monotonic() > ends_s:
                    break
                watch.for_s(random_.uniform(10, 30))
                (system.kill if way == "kill" else system.hang)(name)
                watch.for_s(hold_s * random_.uniform(0.9, 1.1))
                say(f"{way} {name} {hold_s} s: {watch.claim.level} {watch.claim.words}")
                (system.start if way == "kill" else system.go_on)(name)
                say(f"fresh after {watch.until(is_fresh, 400):.1f} s, {len(watch.wrong)} wrong")
        say(f"{watch.memory()} {dict(watch.looks)}")
    assert watch.wrong == [], f"leap {watch.most_leap_s}"


def test_memory_is_flat(tmp_path, browser, minutes, request, say):
    """Hours of a fast market: server and page are at the end as after the first hour.

    More than a day is recorded before, so that the page holds all the minutes that it ever does.
    """
    rate = request.config.getoption("--watch-speed")
    if rate == 1:
        pytest.skip("--watch-speed N: hours pass in minutes")
    found = []
    with watched(tmp_path, browser, rate, slack_s=0, every_s=0.5, past_ms=26 * times.HOUR_MS) as (
        system,
        watch,
    ):
        watch.until(is_fresh, 300)
        began_ms = exchange_ms(system.rest_url)
        for hour in range(round(minutes * rate / 60) + 1):
            watch.until(
                lambda _, until=began_ms + hour * times.HOUR_MS: (
                    exchange_ms(system.rest_url) >= until
                ),
                7_200,
            )
            found.append(watch.memory())
            say(f"hour {hour}: {found[-1]} {dict(watch.looks)}, {len(watch.wrong)} wrong")
    _, first, *_, last = found
    assert last["server_mb"] < 1.15 * first["server_mb"]
    assert last["heap_mb"] < 20
    assert last["heap_mb"] < first["heap_mb"] + 3
    assert last["nodes"] < 1.2 * first["nodes"]
    assert last["listeners"] <= first["listeners"] + 5
    assert watch.wrong == [], f"leap {watch.most_leap_s}"
