"""Who puts noted days in their places: the holder of the log, or the program that asks."""

import threading

import pytest

from ravequant.errors import LockedError
from ravequant.vault.imports import hand_over, under_way
from ravequant.vault.lock import writer_lock
from tests.vault.imports.test_provenance import BTC
from tests.vault.imports.test_under_way import DAYS, build, there


@pytest.fixture
def noted(vault):
    for day in DAYS:
        build(vault, day)
    under_way.note(vault, BTC, DAYS)
    return vault


def test_without_a_recorder_it_is_done_here(noted):
    """The log is free."""
    hand_over.carry_out(noted, BTC, 1)
    assert len(there(noted)) == 3
    hand_over.carry_out(noted, BTC, 1)  # nothing is noted any more


def test_a_holder_that_does_nothing_is_named(noted):
    """And all stays noted."""
    with (
        writer_lock(noted, "trades_perps", BTC),
        pytest.raises(LockedError, match=r"did not let imported days to their places within 0\.1"),
    ):
        hand_over.carry_out(noted, BTC, 0.1)
    assert under_way.is_noted(noted, BTC)


def test_when_the_holder_ends_it_is_done_here(noted):
    """Nobody waits for a program that is gone."""
    held = writer_lock(noted, "trades_perps", BTC)
    held.__enter__()
    threading.Timer(0.5, lambda: held.__exit__(None, None, None)).start()
    hand_over.carry_out(noted, BTC, 20)
    assert len(there(noted)) == 3


def test_others_complete_what_was_stopped(noted):
    """run_all looks now and then; a log that is held is left to its holder."""
    assert hand_over.noted_instruments(noted) == [BTC]
    with writer_lock(noted, "trades_perps", BTC):
        assert hand_over.complete(noted) == []
    with writer_lock(noted, "retention", BTC):
        assert hand_over.complete(noted) == []
    assert hand_over.complete(noted, within_s=-1) == []
    assert hand_over.complete(noted) == [BTC]
    assert hand_over.complete(noted) == []
    assert len(there(noted)) == 3
