"""Watches the page of a running system, and holds each look at it against the truth."""

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final

import requests

from tests.support.screen import Screen
from tests.support.screen_judge import SHOWN_S, Claim, Truth, wrong
from tests.support.screen_truth import DiskTruth, exchange_ms
from tests.support.watched_system import WatchedSystem, resident_mb

_MINUTE_S: Final = 60.0  # of the market: an answer is made anew at each
READ: Final = """() => {
    const text = (at) => document.querySelector(at)?.textContent.trim() ?? '';
    const all = (at) => [...document.querySelectorAll(at)];
    const aged = (words) => /^(\\d+[dhms])+$/.test(words.split(' ')[0]) ? words.split(' ')[0] : '';
    const root = document.documentElement.dataset;
    const book = document.querySelector('#book');
    const drawn = document.getElementById('chart').geometry?.() ?? {};
    return {
        level: root.level, words: text('#verdict-words'), mode: text('#mode-word'),
        streams: Object.fromEntries(all('#streams li').map((row) =>
            [row.dataset.stream, [row.dataset.state, aged(row.querySelector('b').textContent)]])),
        price: [text('#price-value'), text('#price-source'), text('#price-age')],
        worth: text('#card .badge'), go: document.querySelector('#card .badge.go') !== null,
        reasons: Object.fromEntries(all('#card .reasons tr[data-layer]').map((row) =>
            [row.dataset.layer, row.dataset.state])),
        warnings: text('#card .warning'), others: all('#others-list li').length,
        tags: (drawn.price?.signals ?? []).map((mark) => String(mark.text ?? '')),
        book: !book.hidden && !book.classList.contains('stale')
            && book.querySelector('table.bands') !== null,
        recorders: all('#recorders li').map((row) => row.textContent),
        tabs: all('#instruments button').map((tab) => `${tab.dataset.value} ${tab.textContent}`),
    }; }"""


class ScreenWatch:
    """A page that is looked at again and again; ``wrong`` holds what it claimed wrongly."""

    def __init__(
        self, system: WatchedSystem, screen: Screen, slack_s: float, every_s: float
    ) -> None:
        self._system, self._screen = system, screen
        self._slack_s, self._every_s = slack_s, every_s
        self._disks = {name: DiskTruth(system.vault, name) for name in system.inst_ids}
        self._began_s = time.monotonic()
        status = requests.get(f"{system.address}/api/v1/status", timeout=10).json()
        self._rate = float(status["rate"])
        self._behind: deque[tuple[float, float]] = deque()
        self._live_s = self._began_s  # when the page was connected last
        self.most_leap_s = 0.0
        self.wrong: list[str] = []
        self.looks: Counter[str] = Counter()  # by the level of the verdict
        self.claim = Claim("", "", "")

    def look(self) -> Claim:
        """Look once, and judge."""
        system = self._system
        now_ms, down_s = exchange_ms(system.rest_url), system.down_s()
        claim = self.claim = Claim.of(self._screen.page.evaluate(READ))
        for disk in self._disks.values():
            disk.read()
        first, *others = self._disks.values()
        value, source, _ = claim.price
        truth = Truth(
            ages_s=first.ages_s(now_ms),
            price_age_s=first.price_age_s(value, source, now_ms),
            elsewhere_s={
                name: disk.ages_s(now_ms)["trades"] or 0.0
                for name, disk in zip(system.inst_ids[1:], others, strict=True)
            },
            down_s=down_s,
            rate=system.rate,
            slack_s=self._slack_s,
            leap_s=self._leap_s(now_ms),
        )
        at_s = time.monotonic() - self._began_s
        self.wrong += [f"at {at_s:.1f} s: {text}; {claim}; {truth}" for text in wrong(claim, truth)]
        self.looks[claim.level] += 1
        return claim

    def _leap_s(self, now_ms: int) -> float:
        """Return by how much the exchange's clock ran ahead of the rate that the page counts by.

        On a busy computer the exchange waits, and makes good for it. No page can know that since
        the answer from which it counts on, of a minute ago or of before its connection was lost.
        """
        now_s = time.monotonic()
        if self.claim.mode == "LIVE":
            self._live_s = now_s
        behind = self._rate * now_s - now_ms / 1_000
        self._behind.append((now_s, behind))
        since_s = self._live_s - _MINUTE_S / self._rate - SHOWN_S - self._slack_s
        while len(self._behind) > 2 and self._behind[1][0] < since_s:
            self._behind.popleft()
        leap_s = max(most for _, most in self._behind) - behind
        self.most_leap_s = max(self.most_leap_s, leap_s)
        return leap_s

    def until(self, holds: Callable[[Claim], bool], seconds: float = 240) -> float:
        """Look until a claim is made; return the seconds that it took."""
        began_s = time.monotonic()
        while not holds(self.look()):
            waited_s = time.monotonic() - began_s
            assert waited_s < seconds, f"waited in vain, the screen says {self.claim}; {self.wrong}"
            time.sleep(self._every_s)
        return time.monotonic() - began_s

    def for_s(self, seconds: float) -> None:
        """Look for some time."""
        ends_s = time.monotonic() + seconds
        while time.monotonic() < ends_s:
            self.look()
            time.sleep(max(0.0, min(self._every_s, ends_s - time.monotonic())))

    def memory(self) -> dict[str, float]:
        """Return the memory of server and page, after the page's garbage was collected."""
        session: Any = self._screen.page.context.new_cdp_session(self._screen.page)
        session.send("HeapProfiler.enable")
        session.send("HeapProfiler.collectGarbage")
        session.send("Performance.enable")
        found = session.send("Performance.getMetrics")["metrics"]
        session.detach()
        named = {metric["name"]: metric["value"] for metric in found}
        return {
            "server_mb": resident_mb(self._system.pid("server")),
            "heap_mb": named["JSHeapUsedSize"] / 1e6,
            "nodes": named["Nodes"],
            "listeners": named["JSEventListeners"],
        }
