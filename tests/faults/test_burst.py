"""E8: 20,000 trades a second; nothing is dropped, and the log is whole a moment after."""

import time

import pytest

from tests.faults import invariants
from tests.faults.exporters import BTC, TRADE, alive, last_id, market, newest_published
from tests.support import box

ROWS = 20_000
LAG_S = 2.0


def over(folder):
    """Return True if the market is over; REST may be asked after that."""
    with (folder / box.FRAMES).open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - (1 << 20)))
        return b'{"kind":"end"' in file.read()


@pytest.mark.alone
@pytest.mark.first
def test_a_burst(faults, tmp_path, vault):
    """No gap, no question to REST, at most two seconds behind, and small (I6).

    The end is seen when the exchange flushes its log, so the lag may be a second more. An exporter
    that gets too little of the computer is thrown out by the exchange and fetches the rest by REST:
    nothing is lost, but this test fails.
    """
    fact = faults.row("E8", f"{ROWS:,} trade rows a second")
    seconds = faults.count(2, 60)
    words = ("--rows-per-second", ROWS, "--history", "1s", "--until", f"{seconds}s")
    with market(tmp_path, *words, seed=faults.seed % 1000, speed=1) as there:
        began = time.monotonic()
        with alive(TRADE.start(vault, there)) as process:
            box.wait_for(lambda: over(tmp_path), process, seconds=60 + 5 * seconds)
            ended, newest = time.monotonic(), newest_published(tmp_path, BTC)
            box.wait_for(lambda: last_id(vault) >= newest, process, seconds=60)
            lag = time.monotonic() - ended
            invariants.small(process.pid, TRADE.name, fact)
    records = len(invariants.trades(vault, BTC, tmp_path, fact, whole=True))
    assert not [row for row in box.logged(tmp_path, "rest") if "history-trades" in row["path"]]
    fact.times += records
    fact.worst("seconds", round(ended - began, 1))
    fact.worst("lag s", round(lag, 2))
    assert lag <= LAG_S
