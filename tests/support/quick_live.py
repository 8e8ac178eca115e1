"""Serves the live pages of a vault in a process of its own, and looks at its files all the time.

``python -m tests.support.quick_live VAULT INSTID UNIX_MS`` prints its address; it ends with its
stdin.
"""

import sys

from Dashboard.app import Site, application
from Dashboard.live import Live, LiveTimes
from Dashboard.server_clock import ServerClock
from ravequant.signals.clock import Clock
from ravequant.vault.paths import Vault
from tests.support.screen import serving

_QUICK = LiveTimes(look=0.005, beat=0.2, answer=600)


class SetClock(ServerClock):
    """A clock that stands at a time (Unix ms)."""

    def __init__(self, ms: int) -> None:
        self.rate, self._ms = 0.0, ms

    def now(self) -> Clock:
        """Return that time."""
        return Clock(self._ms)


def main() -> None:
    """Serve until stdin ends."""
    root, inst_id, ms = sys.argv[1:]
    site = Site(Vault(root), (inst_id,), clock=SetClock(int(ms)))
    live = Live(site, lambda *_: [], lambda *_: {}, _QUICK, forget=lambda _: None)
    with serving(application(site, [live.route])) as address:
        sys.stdout.write(f"ws{address.removeprefix('http')}/api/v1/live/{inst_id}\n")
        sys.stdout.flush()
        sys.stdin.read()
    live.close()


if __name__ == "__main__":
    main()
