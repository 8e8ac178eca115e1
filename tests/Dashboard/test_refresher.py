"""Dashboard/refresher.py: the calculators brought up to date."""

import logging

import pytest

from Dashboard.refresher import Refresher, pause_s
from ravequant.catalog import VOLUME
from ravequant.signals.refresh import BUSY
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault
from tests.support.alert_cases import until
from tests.support.book_lines import put_metadata
from tests.support.holed_market import BTC, LINEAR, HoledMarket
from tests.support.trade_streams import write_raw


@pytest.fixture
def vault(tmp_path):
    """Return a vault with raw trades of some minutes."""
    made = Vault(tmp_path)
    put_metadata(made, BTC, LINEAR)
    write_raw(made, BTC, [line for _, line in HoledMarket().lines[:200]])
    return made


def test_rows_come_while_it_runs(vault):
    """Trades that come are in the next round; after the end nothing runs."""
    made = Refresher(vault, lambda: [BTC], 0.2)
    path = VOLUME.place(vault, BTC)
    made.start()
    try:
        until(path.exists)
        before = path.stat().st_size
        write_raw(vault, BTC, [line for _, line in HoledMarket().lines[200:300]])
        until(lambda: path.stat().st_size > before)
    finally:
        made.stop()


def test_no_round_is_the_last(vault, monkeypatch, caplog):
    """A computer that starts no process now may do so in the next round."""
    rounds = []

    def listed():
        rounds.append(1)
        if len(rounds) == 1:
            raise PermissionError("not now")
        return [BTC]

    def refuse(*_):
        raise BrokenPipeError("no process")

    made = Refresher(vault, listed, 0.05)
    monkeypatch.setattr(made._calculators, "refresh", refuse)
    made.start()
    try:
        until(lambda: len(rounds) > 3)
    finally:
        made.stop()
    assert caplog.messages[0] == "nothing is brought up to date: PermissionError('not now')"
    assert f"{BTC} is not brought up to date: BrokenPipeError('no process')" in caplog.messages


def test_what_is_said_once(vault, caplog):
    """A line that repeats is said once, and one about a calculator that is busy elsewhere never."""
    log = logging.getLogger("find_signals")
    made = Refresher(vault, list, 15.0)
    made.start()
    try:
        for text in ("vwap: a", "vwap: a", f"cvd: {BUSY}", "vwap: b", "vwap: a"):
            log.warning(text)
    finally:
        made.stop()
    log.warning("later")
    assert caplog.messages == ["vwap: a", "vwap: b", "vwap: a", "later"]


def test_one_at_work_elsewhere_is_no_error(vault, caplog):
    """Its lock keeps the writers apart; the others run."""
    made = Refresher(vault, lambda: [BTC], 0.2)
    with writer_lock(vault, "cvd", BTC):
        made.start()
        try:
            until(VOLUME.place(vault, BTC).exists)
        finally:
            made.stop()
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("now", "every", "pause"),
    [
        (60.0, 15.0, 7.0),
        (66.0, 15.0, 1.0),
        (67.0, 15.0, 15.0),
        (70.0, 15.0, 12.0),
        (10.0, 60.0, 57.0),
    ],
)
def test_a_round_begins_after_the_turn_of_a_minute(now, every, pause):
    """A trade five seconds after its end closes a minute; two seconds later it can be added."""
    assert pause_s(now, every) == pytest.approx(pause)
