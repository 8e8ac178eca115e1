"""The file of signals: what is appended, what is not, and by one writer alone."""

import orjson
import pytest

from ravequant.errors import LockedError
from ravequant.signals import signal_log
from ravequant.signals.inputs import CvdRow
from ravequant.signals.serialize import as_json
from ravequant.signals.signal_log import record
from ravequant.vault.lock import writer_lock
from tests.support.made_signals import BTC, LIMITS, A, hidden, only, set_up


def row(name="a", delta="-1"):
    """Return a signal of this name."""
    cvd = (CvdRow(A - 1, delta, gap=False),)
    return as_json(only(set_up(the_wick=hidden(event_id=name), cvd=cvd)), LIMITS, {})


@pytest.fixture
def path(vault):
    """Return the file."""
    return vault.derived("signals", BTC) / "signals.jsonl"


def names(path):
    return [orjson.loads(line)["event_id"] for line in path.read_bytes().splitlines()]


def test_new_and_changed_signals_are_appended(vault, path):
    """First seen: a line. The same again: none. A layer fewer: a line, and back again: a line."""
    assert record(vault, BTC, [row("a"), row("b")]) == 2
    assert record(vault, BTC, [row("a"), row("b")]) == 0
    assert record(vault, BTC, [row("a", "+1"), row("b")]) == 1
    assert record(vault, BTC, [row("a"), row("b")]) == 1
    assert names(path) == ["a", "b", "a", "a"]
    assert orjson.loads(path.read_bytes().splitlines()[0]) == row("a")


def test_without_signals_nothing_is_touched(vault, path):
    """No file, no lock."""
    with writer_lock(vault, "signals", BTC):
        assert record(vault, BTC, []) == 0
    assert not path.exists()


def test_a_damaged_line_hides_one_repetition(vault, path):
    """What stands around it is still known."""
    record(vault, BTC, [row("a"), row("b")])
    first, second = path.read_bytes().splitlines()
    path.write_bytes(first + b"\n" + second[:40] + b"\n[]\n")
    assert record(vault, BTC, [row("a"), row("b")]) == 1
    assert orjson.loads(path.read_bytes().splitlines()[-1])["event_id"] == "b"


def test_a_signal_far_back_counts_as_new(vault, path, monkeypatch):
    """Only the newest lines are looked at."""
    record(vault, BTC, [row("a"), row("b"), row("c")])
    monkeypatch.setattr(signal_log, "_LOOK_BACK", 2)
    assert record(vault, BTC, [row("a"), row("b"), row("c")]) == 1
    assert names(path) == ["a", "b", "c", "a"]


def test_one_writer(vault, path):
    """Another process that records is named by the lock."""
    with writer_lock(vault, "signals", BTC), pytest.raises(LockedError):
        record(vault, BTC, [row()])
    assert not path.exists()


def test_rows_of_the_version_before_are_read(vault, path):
    """They lack what a signal says since: it is one change, and is not repeated after that."""
    since = "conviction_notes conviction_uncapped capped_by confluences_strict max_rule no_trade"
    before = {name: value for name, value in row("a").items() if name not in since.split()}
    before["wicks"] = [
        {name: value for name, value in wick.items() if name != "wick_price"}
        for wick in before["wicks"]
    ]
    path.parent.mkdir(parents=True)
    path.write_bytes(orjson.dumps(before) + b"\n")
    assert [record(vault, BTC, [row("a")]) for _ in range(2)] == [1, 0]
    assert names(path) == ["a", "a"]
