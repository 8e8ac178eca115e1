"""Dashboard/wick_log.py: the wicks, each event read once."""

from Dashboard.market_files import wicks_until
from Dashboard.wick_log import WickLog
from ravequant.catalog import WICKS
from ravequant.signals.question import OLDEST
from ravequant.vault.paths import Vault
from tests.support.holed_market import BTC, START

FIRST = START // 60_000


def test_step_by_step_it_is_the_whole_file(holed, tmp_path):
    """Read as it grows, the log knows the wicks that a reading of the whole file knows."""
    lines = WICKS.place(holed, BTC).read_bytes().splitlines(keepends=True)
    vault = Vault(tmp_path)
    path = WICKS.place(vault, BTC)
    log = WickLog(vault, BTC)
    log.read()
    assert list(log.known(FIRST)) == []
    path.parent.mkdir(parents=True)
    for number in range(0, len(lines), 50):
        with path.open("ab") as file:
            file.writelines(lines[number : number + 50])
            file.write(b'{"torn')
        log.read()
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size - len(b'{"torn'))
    minute = FIRST + 180
    assert sorted(log.known(minute)) == sorted(wicks_until(holed, BTC, minute))
    assert len(lines) > 100


def test_old_wicks_go(holed):
    """A wick that has lived for the longest time is not kept."""
    log = WickLog(holed, BTC)
    log.read()
    assert list(log.known(FIRST + 100))
    assert list(log.known(FIRST + OLDEST + 200)) == []
    assert list(log.known(FIRST + 100)) == []
