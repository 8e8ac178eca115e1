"""Dashboard/server_clock.py: whose time it is."""

import os

import pytest

from Dashboard.server_clock import TEST_VARIABLE, ServerClock
from ravequant.errors import UsageError
from ravequant.signals.clock import CLOCK_VARIABLE
from tests.support.box import exchange


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch):
    """Begin without either variable, and undo what a clock sets."""
    monkeypatch.setenv(CLOCK_VARIABLE, "")
    monkeypatch.delenv(TEST_VARIABLE, raising=False)


def test_this_computers_clock():
    """Without a variable the time is this computer's, second by second."""
    clock = ServerClock()
    assert (clock.rate, clock.now().exchange) == (1.0, "")


def test_the_time_of_a_local_exchange_at_its_speed(tmp_path, monkeypatch):
    """An exchange in a box at speed 60: its time, and its rate."""
    with exchange(tmp_path, "--speed", "60", "--wait-for-clients", "0") as there:
        monkeypatch.setenv(TEST_VARIABLE, there[-1])
        clock = ServerClock()
        assert clock.now().exchange == os.environ[CLOCK_VARIABLE] == there[-1]
        assert 50 <= clock.rate <= 70


@pytest.mark.parametrize("url", ["https://www.okx.com", "http://192.168.1.5:8791", "x"])
def test_no_other_exchange_is_believed(monkeypatch, url):
    """A test clock beside real data would make old data fresh."""
    monkeypatch.setenv(TEST_VARIABLE, url)
    with pytest.raises(UsageError, match="expected the address of a local exchange"):
        ServerClock()


def test_two_clocks_that_differ_are_refused(monkeypatch):
    """One of the two is a slip."""
    monkeypatch.setenv(CLOCK_VARIABLE, "http://127.0.0.1:1")
    monkeypatch.setenv(TEST_VARIABLE, "http://127.0.0.1:2")
    with pytest.raises(UsageError, match="expected the same address"):
        ServerClock()
