"""The page of the dashboard in a browser: its first load, at rest, and live.

CPU is that of its main thread, and of all processes of the browser, which draws without its
graphics card. Times are those of a computer as busy as this.
"""

import gzip
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ravequant.errors import RaveQuantError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_WIDE: Final = {"width": 1600, "height": 900}
_WITHIN_S: Final = 120
_LEVEL: Final = 6  # of packing, as servers do it
# notes when a message came, with the time of its price, and when it was on the screen
_NOTES: Final = """(() => {
  const notes = { drawn: 0, messages: [], painted: [] };
  window.notes = notes;
  const now = () => performance.timeOrigin + performance.now();
  window.WebSocket = class extends WebSocket {
    constructor(...words) {
      super(...words);
      this.addEventListener("message", ({ data }) => {
        const seq = /"seq":(\\d+)/.exec(data), price = /"price":{[^}]*"ts_ms":(\\d+)/.exec(data);
        if (price) notes.messages.push([now(), Number(seq[1]), Number(price[1])]);
      });
    }
  };
  new MutationObserver(() => {
    const { views, seq } = document.documentElement.dataset;
    if (views && !notes.drawn) notes.drawn = performance.now();
    if (Number(seq) > (notes.painted.at(-1)?.[1] ?? 0)) notes.painted.push([now(), Number(seq)]);
  }).observe(document, {
    attributes: true, subtree: true, attributeFilter: ["data-views", "data-seq"] });
})()"""


class FirstLoad(NamedTuple):
    """A page that was opened in a new browser profile."""

    paint_ms: float  # first contentful paint
    drawn_ms: float  # the chart is on the screen
    raw: int  # bytes of all answers but the heat
    packed: int  # the same, each packed by itself


class Delay(NamedTuple):
    """Milliseconds from an append on disk to the message, and to the screen."""

    message: float
    screen: float


@contextmanager
def opened(browser: "Browser", address: str, bodies: list[bytes] | None = None) -> Iterator["Page"]:
    """Open an address in a profile of its own, and wait until its chart is drawn.

    The answers of the server, without the heat, are added to ``bodies``.
    """
    own = browser.new_context(viewport=_WIDE, timezone_id="UTC", color_scheme="dark")  # type: ignore[arg-type]
    try:
        page = own.new_page()
        page.add_init_script(_NOTES)
        answers: list[Any] = []

        def note(answer: Any) -> None:
            answers.append(answer)

        page.on("response", note)
        page.goto(address)
        deadline = time.monotonic() + _WITHIN_S
        while not page.evaluate("notes.drawn"):
            if time.monotonic() > deadline:
                raise RaveQuantError(f"no chart was drawn within {_WITHIN_S} s: {page.title()}")
            page.wait_for_timeout(20)
        if bodies is not None:
            bodies += [one.body() for one in answers if "/api/v1/heat/" not in one.url]
        yield page
    finally:
        own.close()


def first_load(browser: "Browser", address: str) -> FirstLoad:
    """Open a page for the first time."""
    bodies: list[bytes] = []
    with opened(browser, address, bodies) as page:
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        paint_ms, drawn_ms = page.evaluate(f"[{paint}, notes.drawn]")
    packed = sum(len(gzip.compress(body, _LEVEL)) for body in bodies)
    return FirstLoad(paint_ms, drawn_ms, sum(map(len, bodies)), packed)


class MainThread:
    """The main thread of a page, as the browser counts it."""

    def __init__(self, page: "Page") -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})
        self._busy_s, self._at = self._metrics()["TaskDuration"], time.monotonic()

    def share(self) -> float:
        """Return the percent of a core that it has used since the last call."""
        before, began = self._busy_s, self._at
        self._busy_s, self._at = self._metrics()["TaskDuration"], time.monotonic()
        return 100 * (self._busy_s - before) / (self._at - began)

    def heap_mb(self) -> float:
        """Return the memory of the page's objects that are still in use."""
        self._session.send("HeapProfiler.collectGarbage")
        return self._metrics()["JSHeapUsedSize"] / 2**20

    def _metrics(self) -> dict[str, float]:
        found = self._session.send("Performance.getMetrics")["metrics"]
        return {metric["name"]: float(metric["value"]) for metric in found}


def delays(page: "Page", appended: list[tuple[float, int]]) -> list[Delay]:
    """Return the delay of each append: the time (Unix ms) at which it was on disk, and its newest.

    The message is the first whose price is of that time or later.
    """
    notes = page.evaluate("notes")
    return list(_delays(notes["messages"], notes["painted"], appended))


def _delays(
    messages: list[tuple[float, int, int]],
    painted: list[tuple[float, int]],
    appended: list[tuple[float, int]],
) -> Iterator[Delay]:
    for done_ms, newest in appended:
        message = next((one for one in messages if one[2] >= newest and one[0] >= done_ms), None)
        if message is None:
            continue
        screen = next((at for at, seq in painted if seq >= message[1]), None)
        if screen is not None:
            yield Delay(message[0] - done_ms, screen - done_ms)
