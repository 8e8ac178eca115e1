"""The chart of the dashboard by itself in a browser, and made-up views for it."""

from typing import Any, Final

from ravequant import times
from tests.support.screen import Screen

END: Final = 29_400_000  # the minute after the newest column of a view
NUMBERS: Final = (
    "o", "h", "l", "c", "vol", "delta", "tier", "absorbed", "whales", "gap", "v1h", "v4h", "vs",
    "sd", "vgap", "cvd", "cvd1m", "div",
)  # fmt: skip
WICK_FIELDS: Final = ("id", "tf", "side", "tip", "birth", "touch", "exact", "gap")


class ChartPage:
    """The chart in a browser. ``screen``: a page of `scripts.showcase.chart_server`."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        screen.page.wait_for_selector("html[data-seq='1']", state="attached")

    def show(self, view: dict[str, Any], script: str = "null") -> dict[str, Any]:
        """Show a view, run a script with ``chart``, and return the geometry once it is painted."""
        return self.run(f"chart.setView(given); {script}", view)

    def run(self, script: str, given: Any = None) -> dict[str, Any]:
        """Run a script with ``chart`` and ``given``; return the geometry once it is painted."""
        self.screen.page.evaluate(f"async (given) => {{ {script}; await painted(); }}", given)
        return self.screen.geometry()

    def value(self, expression: str) -> Any:
        """Return what an expression with ``chart`` gives."""
        return self.screen.page.evaluate(f"() => ({expression})")

    def columns_with(self, x1: float, x2: float, y: float, high: float = 1) -> list[int]:
        """Return the x between two at which some pixel within ``high`` of y is not the ground's."""
        found: list[int] = self.screen.page.evaluate(
            """([x1, x2, y, high]) => {
            const ground = [14, 17, 22];
            const own = (x, y) => pixel(x, y).some((part, at) => Math.abs(part - ground[at]) > 16);
            const found = [];
            for (let x = Math.ceil(x1); x <= x2; x += 1)
                for (let off = -high; off <= high; off += 1)
                    if (own(x, y + off)) { found.push(x); break; }
            return found; }""",
            [x1, x2, y, high],
        )
        return found


def middle(frame: dict[str, float], minute: int) -> float:
    """Return the x of the middle of a minute's column."""
    return frame["x0"] + (minute - frame["first"]) / frame["every"] * frame["spacing"]


def minutes(count: int, end: int = END, *, blank: range = range(0)) -> dict[str, Any]:
    """Return ``count`` calm minutes before ``end``; ``blank`` counts minutes back from the end.

    Candles move between 99 and 101 and never beyond; every fourth minute has whales.
    """
    first = end - count
    rows: list[tuple[Any, ...]] = []
    for minute in range(first, end):
        if end - minute in blank:
            rows.append((None,) * len(NUMBERS))
            continue
        up = minute % 2
        rows.append((
            99.5 + (not up), 101.0, 99.0, 99.5 + up, 1000.0 + minute % 7, 10.0, minute % 4 + 1,
            None, int(minute % 4 == 0), 0, 99.8, 99.9, 100.0, 0.5, 0, 1000.0 + minute % 5, 10.0,
            None,
        ))  # fmt: skip
    columns = zip(*rows, strict=True)
    return {"first": first, "every": 1, **dict(zip(NUMBERS, map(list, columns), strict=True))}


def wicks(*rows: tuple[Any, ...]) -> dict[str, list[Any]]:
    """Return wicks as columns, from rows in the order of WICK_FIELDS."""
    return {name: [row[at] for row in rows] for at, name in enumerate(WICK_FIELDS)}


def signal(
    tip: str, direction: str = "SHORT", birth: int = END - 30, **fields: Any
) -> dict[str, Any]:
    """Return the fields of a signal that the chart reads."""
    return {
        "event_id": f"X|1m|{birth}|{direction}|{tip}",
        "direction": direction,
        "wick_price": tip,
        "creation_time_utc": times.iso_minute(birth),
        "timeframe": "1m",
        "conviction": "MAX",
        "in_contact": False,
        "stop": None,
        "target": None,
        "layers": [{"layer": "wick", "state": "met"}],
        "words": {"worth": "MAX x3", "near": True},
        "verdict": "PROVEN",
        "size_shown": 3,
        **fields,
    }


def hole(stream: str, first: int, end: int, **fields: Any) -> dict[str, Any]:
    """Return a hole between two Unix minutes."""
    span = {"from_utc": times.iso_minute(first), "to_utc": times.iso_minute(end)}
    return {"stream": stream, **span, "status": "open", "words": "7 min, 2,310 trades", **fields}


def view(count: int = 300, end: int = END, **parts: Any) -> dict[str, Any]:
    """Return a view of ``count`` minutes; ``parts`` replace its own."""
    return {
        "proto": 1,
        "instId": "BTC-USDT-SWAP",
        "mode": "live",
        "as_of_utc": times.iso_minute(end),
        "places": 1,
        "tf": "1m",
        "minutes": minutes(count, end),
        "forming": None,
        "price": {"value": "100.0", "source": "mid"},
        "wicks": wicks(),
        "holes": [],
        "imported": [],
        "recorded_from_utc": times.iso_minute(end - count),
        "answer": {"signals": [], "missing": None},
        "book": None,
        **parts,
    }
