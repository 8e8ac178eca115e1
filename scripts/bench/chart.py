"""Case chart: what a frame of the dashboard's chart costs the browser's main thread.

A made-up day of 1,440 candles, 300 wicks and a heat of 720 columns of 100 rows, in the browser of
this computer without its graphics card. Panning moves the chart in each frame; the crosshair moves
with the mouse. CPU is that of the main thread, as the browser counts it.
"""

import base64
import itertools
import random
import statistics
from typing import TYPE_CHECKING, Any, Final

from ravequant import times
from ravequant.errors import UsageError
from scripts.bench.runs import Comparison, Figure, Sizes
from scripts.showcase import browser
from scripts.showcase.chart_server import chart_address

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

MINUTES: Final = 1440
WICKS: Final = 300
HEAT: Final = (720, 100)  # columns, rows
WINDOWS: Final = (150, 720, 1440)  # minutes in sight
BUDGET_MS: Final = {"pan 150": 12.0, "pan 720": 16.0, "pan 1440": 16.0, "crosshair": 6.0}
WARM: Final = 30  # frames before those that are measured
FRAMES: Final = 120
END: Final = 29_428_560  # a full minute of 2025-12-14
FIGURES: Final = (
    Figure("cpu_ms", "cpu ms", "{:.1f}"),
    Figure("script_ms", "script ms", "{:.1f}"),
    Figure("budget_ms", "budget", "{:.0f}"),
    Figure("fps", "frames/s", "{:.0f}"),
)
_FRAMES = """async ([kind, step, frames]) => {
  const canvas = document.querySelectorAll("#chart canvas")[0].parentElement.lastElementChild;
  const box = canvas.getBoundingClientRect();
  const mouse = (name, at) => canvas.dispatchEvent(new MouseEvent(name, {
    bubbles: true, view: window, clientX: box.left + 100 + (at * 7) % 700,
    clientY: box.top + 60 + (at * 3) % 300 }));
  if (kind === "crosshair") mouse("mouseenter", 0);
  const begin = performance.now();
  for (let at = 0; at < frames; at += 1) {
    if (kind === "crosshair") mouse("mousemove", at);
    else chart.pan(at % 40 < 20 ? -step : step);
    await new Promise(requestAnimationFrame);
  }
  return performance.now() - begin;
}"""


def check() -> None:
    """Raise UsageError without a browser or without Playwright."""
    try:
        import playwright  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise UsageError("case chart needs playwright: pip install -e '.[browser-test]'") from None
    if not browser.on_this_computer():
        raise UsageError(f"case chart needs a Chromium, Chrome or Edge: {browser.BROWSER_VARIABLE}")


def run(sizes: Sizes) -> Comparison:
    """Measure each movement in each window; medians over the rounds."""
    comparison = Comparison("chart: a frame of a day", FIGURES)
    shown, heat = day(sizes.seed)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in BUDGET_MS}
    path = browser.on_this_computer()
    with chart_address() as address, browser.running(path) as running:
        for _ in range(sizes.rounds):
            page = running.new_page(viewport={"width": 1195, "height": 770})
            page.goto(address)
            page.wait_for_selector("html[data-seq='1']", state="attached")
            page.evaluate("async ([view, heat]) => { await show(view, heat); }", [shown, heat])
            for name, figures in _round(page).items():
                found[name].append(figures)
            page.close()
    for name, rounds in found.items():
        medians = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        comparison.rows.append({"name": name, **medians, "budget_ms": BUDGET_MS[name]})
    comparison.notes.append(
        f"{MINUTES:,} candles, {WICKS} wicks, heat {HEAT[0]} x {HEAT[1]}; {FRAMES} frames of each; "
        "frames a second are those of a computer that is as busy as this one."
    )
    return comparison


def _round(page: "Page") -> dict[str, dict[str, float]]:
    """Return the figures of each movement, in one page."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    found = {}
    for window in WINDOWS:
        page.evaluate("(minutes) => chart.setWindow(minutes)", window)
        found[f"pan {window}"] = _frames(page, session, "pan", window / WINDOWS[0])
    page.evaluate("(minutes) => chart.setWindow(minutes)", WINDOWS[0])
    found["crosshair"] = _frames(page, session, "crosshair", 0)
    return found


def _frames(page: "Page", session: "CDPSession", kind: str, step: float) -> dict[str, float]:
    """Return the cost of a frame and the frames a second."""
    page.evaluate(_FRAMES, [kind, step, WARM])
    before = _spent(session)
    took_ms = page.evaluate(_FRAMES, [kind, step, FRAMES])
    task, script = (new - old for new, old in zip(_spent(session), before, strict=True))
    return {
        "cpu_ms": task * 1000 / FRAMES,
        "script_ms": script * 1000 / FRAMES,
        "fps": FRAMES * 1000 / took_ms,
    }


def _spent(session: "CDPSession") -> tuple[float, float]:
    """Return the seconds of the main thread so far: all tasks, and scripts alone."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    named = {metric["name"]: float(metric["value"]) for metric in metrics}
    return named["TaskDuration"], named["ScriptDuration"]


# --- a made-up day -------------------------------------------------------------------------------


def day(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a view and a heat of a day, as the server answers them."""
    random_ = random.Random(seed)  # noqa: S311 - a made-up market
    first = END - MINUTES
    close, candles, flow = 96_000.0, [], 0.0
    for _ in range(MINUTES):
        begin, close = close, round(close + random_.gauss(0, 25), 1)
        high = max(begin, close) + random_.expovariate(1 / 18)
        low = min(begin, close) - random_.expovariate(1 / 18)
        delta = random_.gauss(0, 500_000)
        flow += delta
        volume = random_.lognormvariate(14.5, 0.6)
        candles.append((begin, high, low, close, volume, delta, 1 + random_.randrange(4), flow))
    names = ("o", "h", "l", "c", "vol", "delta", "tier", "cvd")
    columns = dict(zip(names, map(list, zip(*candles, strict=True)), strict=True))
    mean = list(itertools.accumulate(columns["c"], lambda old, new: old * 0.99 + new * 0.01))
    lines = {"v1h": columns["c"], "v4h": mean, "vs": mean, "sd": [200.0] * MINUTES}
    absorbed = [random_.choice(("buy", "sell")) if tier == 4 else None for tier in columns["tier"]]
    minutes = {**columns, **lines, "cvd1m": columns["delta"], "absorbed": absorbed}
    iso = times.iso_minute(END)
    view = {
        "instId": "BTC-USDT-SWAP",
        "mode": "live",
        "as_of_utc": iso,
        "places": 1,
        "minutes": {"first": first, "every": 1, **minutes},
        "wicks": _wicks(columns, first),
        "holes": [],
        "answer": {"signals": []},
        "recorded_from_utc": times.iso_minute(first),
    }
    return view, _heat(random_, columns["c"])


def _wicks(columns: dict[str, list[Any]], first: int) -> dict[str, list[Any]]:
    """Return 300 wicks, half of them touched."""
    rows = []
    for number in range(WICKS):
        at = (number + 1) * MINUTES // (WICKS + 1)
        upper = number % 2
        frame = ("1m", "1m", "5m", "15m", "1h")[number % 5]
        tip = columns["h" if upper else "l"][at]
        touch = first + min(MINUTES, at + 20 + number) if number % 4 < 2 else None
        side = "upper" if upper else "lower"
        rows.append((str(number), frame, side, tip, first + at + 1, touch, number % 7 == 0, False))
    names = ("id", "tf", "side", "tip", "birth", "touch", "exact", "gap")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def _heat(random_: random.Random, closes: list[float]) -> dict[str, Any]:
    """Return the heat of the newest 720 minutes around their prices, a tenth of it bright."""
    columns, rows = HEAT
    step = 20
    cells = bytes(
        random_.randrange(96, 256) if random_.random() < 0.1 else 60 for _ in range(columns * rows)
    )
    return {
        "first": END - columns,
        "every": 1,
        "step": str(step),
        "rows": rows,
        "base": [int(close / step) - rows // 2 for close in closes[-columns:]],
        "cells": base64.b64encode(cells).decode("ascii"),
        "source": ["ws"] * columns,
    }
