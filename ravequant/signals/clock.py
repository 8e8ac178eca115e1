"""The clock of a question of now, and whether it can be believed (SPEC 11, "A wrong clock").

Every age of an answer counts to this clock. So it is held against times that cannot be later than
now: that of the newest record, and the exchange's time when an exporter wrote its heartbeat. An
exporter that is alive also says by how much this computer's clock is ahead of the exchange's.

A local exchange may run at another speed than this computer: $RAVEQUANT_EXCHANGE_CLOCK then holds
its REST address, and its time is now. Only an address of this computer is believed.
"""

import os
import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

from ravequant import catalog, exchanges, times
from ravequant.errors import FeedError, UsageError
from ravequant.exchanges.url import check_url
from ravequant.records import DEFAULT_EXCHANGE
from ravequant.vault import heartbeat, newest
from ravequant.vault.heartbeat import FRESH_MS
from ravequant.vault.paths import DEMO_MARKER, Vault

CLOCK_VARIABLE: Final = "RAVEQUANT_EXCHANGE_CLOCK"
WRONG_MS: Final = 30_000  # of difference; more falsifies every age
ALIVE_MS: Final = 120_000  # an older heartbeat says nothing of now


class Clock(NamedTuple):
    """The time of now, Unix ms."""

    ms: int
    exchange: str = ""  # the address of the local exchange whose time it is

    @property
    def line(self) -> str:
        """The line that says whose clock it is; empty for this computer's."""
        if not self.exchange:
            return ""
        return f"CLOCK of the local exchange {self.exchange} ({CLOCK_VARIABLE})"


def now() -> Clock:
    """Return the time of now: this computer's, or that of the local exchange if one is named.

    Raises UsageError for an address of another computer, FeedError if no exchange answers.
    """
    url = os.environ.get(CLOCK_VARIABLE, "")
    return Clock(_time_of(url), url) if url else Clock(times.utc_now_ms())


def _time_of(url: str) -> int:
    try:
        local = check_url(url, "http", "http")
    except UsageError:
        local = False
    if not local:
        raise UsageError(
            f"{CLOCK_VARIABLE}={url!r}: expected the address of a local exchange, like "
            "http://127.0.0.1:8791; no other clock is believed: remove the variable"
        )
    rest = exchanges.load(DEFAULT_EXCHANGE).rest(url, attempts=1)
    try:
        return rest.server_time()
    except FeedError as error:
        raise FeedError(
            f"{CLOCK_VARIABLE}={url}: no exchange tells its time there: {error}; start it, or "
            "remove the variable"
        ) from None
    finally:
        rest.close()


def wrong_by(vault: Vault, clock: Clock) -> int | None:
    """Return by how much (ms) the clock is ahead of the exchange's; None if it can be believed.

    Negative: behind. The newest record and the heartbeats cannot be of a time to come, so that a
    clock that is behind one of them is slow, however old they are. That a clock is fast is known
    from a living exporter alone: its heartbeat is new by the same clock that it judges, and no
    fresh heartbeat of another contradicts it. A fresh heartbeat is younger than such a fault.
    """
    known = [newest.newest_of_all(vault) or 0]
    ahead, right = [0], False
    if not clock.exchange:  # heartbeats are about this computer's clock
        for written, offset, living in _offsets(vault, clock.ms):
            known.append(written - offset)
            right |= living and abs(offset) <= WRONG_MS and clock.ms - written <= FRESH_MS
            ahead += [offset] * (living and abs(offset) > WRONG_MS)
    if right:
        ahead = [offset for offset in ahead if offset <= 0]
    behind = clock.ms - max(known)
    if behind < -WRONG_MS:
        return behind
    return max(ahead, key=abs) or None


def _offsets(vault: Vault, now_ms: int) -> Iterator[tuple[int, int, bool]]:
    """Yield, for each exporter, the time of its heartbeat, its clock's offset, and if it lives."""
    for program in catalog.EXPORTERS:
        beat = heartbeat.read(vault, program.name)
        if beat is None:
            continue
        offset, age = beat.get("clock_offset_ms"), heartbeat.age_ms(beat, now_ms)
        stopped = bool(beat.get("stopped"))
        if type(offset) is int:
            living = not stopped and -WRONG_MS <= age <= ALIVE_MS
            yield now_ms - age, offset, living


def problem(vault: Vault, clock: Clock) -> str:
    """Return by how much a clock is wrong, and how it is set; empty for one to be believed."""
    off = wrong_by(vault, clock)
    if off is None:
        return ""
    side = "ahead of" if off > 0 else "behind"
    remedy = {
        "win32": "w32tm /resync, or Settings > Time & language > Sync now",
        "darwin": "sudo sntp -sS time.apple.com",
    }.get(sys.platform, "sudo timedatectl set-ntp true")
    if (vault.root / DEMO_MARKER).exists():
        return f"CLOCK {times.duration(abs(off))} {side} the demo's market: this computer is busy"
    if clock.exchange:
        remedy = f"{CLOCK_VARIABLE} names another exchange than the one that is recorded"
    return f"CLOCK {times.duration(abs(off))} {side} the exchange: set it ({remedy})"
