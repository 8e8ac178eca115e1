"""The file of signals: what is appended, what is not, and by one writer alone."""

from concurrent.futures import ThreadPoolExecutor, wait

import orjson
import pytest

from ravequant.errors import LockedError
from ravequant.signals import signal_log
from ravequant.signals.candidates import Query
from ravequant.signals.inputs import CvdRow
from ravequant.signals.query_id import query_id
from ravequant.signals.serialize import as_json
from ravequant.signals.signal_log import AskedQuestion
from ravequant.vault import lock
from ravequant.vault.lock import writer_lock
from tests.support.made_signals import BTC, LIMITS, A, hidden, only, set_up

DETECTED = A * 60_000 + 7_300
ASKED = AskedQuestion.of(DETECTED, Query(), LIMITS, 0)


def row(name="a", delta="-1"):
    """Return a signal of this name."""
    cvd = (CvdRow(A - 1, delta, gap=False),)
    return as_json(only(set_up(the_wick=hidden(event_id=name), cvd=cvd)), LIMITS, {})


@pytest.fixture
def path(vault):
    """Return the file."""
    return vault.derived("signals", BTC) / "signals.jsonl"


def record(vault, inst_id, rows, asked=ASKED, **other):
    """Record them for a usual question."""
    return signal_log.record(vault, inst_id, rows, asked, **other)


def lines(path):
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def names(path):
    return [orjson.loads(line)["event_id"] for line in path.read_bytes().splitlines()]


def test_new_and_changed_signals_are_appended(vault, path):
    """First seen: a line. The same again: none. A layer fewer: a line, and back again: a line."""
    assert record(vault, BTC, [row("a"), row("b")]) == 2
    assert record(vault, BTC, [row("a"), row("b")]) == 0
    assert record(vault, BTC, [row("a", "+1"), row("b")]) == 1
    assert record(vault, BTC, [row("a"), row("b")]) == 1
    assert names(path) == ["a", "b", "a", "a"]
    assert lines(path)[0] == {
        **row("a"),
        "detected_utc": "2025-12-14T21:35:07.300Z",
        "query": {
            "age_min": 20, "age_max": 40, "timeframe": "1m", "min_touched": 10, "small_only": True,
        },
        "min_score": 0,
        "query_id": query_id(Query(), LIMITS),
    }  # fmt: skip


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


def test_one_writer(vault, path, monkeypatch):
    """Another process that records too long is named by the lock, and nothing is written."""
    monkeypatch.setattr(lock, "_TURN_S", 0.1)
    said = f"signals of {BTC} has been held for 0.1 s, expected a moment"
    with writer_lock(vault, "signals", BTC), pytest.raises(LockedError, match=said):
        record(vault, BTC, [row()])
    assert not path.exists()


def test_two_watches_wait_for_each_other(vault, path):
    """The round that comes second is noted too."""
    with ThreadPoolExecutor(1) as other:
        with writer_lock(vault, "signals", BTC):
            second = other.submit(record, vault, BTC, [row()])
            wait([second], timeout=0.5)  # it is there before the lock is free
        assert second.result() == 1
    assert names(path) == ["a"]


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


def test_a_later_answer_is_no_change(vault, path):
    """The time at which it was seen makes no new line."""
    assert record(vault, BTC, [row("a")]) == 1
    assert record(vault, BTC, [row("a")], ASKED._replace(detected_ms=DETECTED + 30_000)) == 0


def test_two_watches_record_side_by_side(vault, path):
    """Each question has its own first line, and neither repeats the other's."""
    older = AskedQuestion.of(DETECTED, Query(age_max=60), LIMITS, 0)
    best = ASKED._replace(min_score=60)
    for wanted in (1, 0, 0):
        assert [record(vault, BTC, [row("a")], asked) for asked in (ASKED, older, best)] == [
            wanted
        ] * 3
    assert [(line["query"]["age_max"], line["min_score"]) for line in lines(path)] == [
        (40, 0), (60, 0), (40, 60),
    ]  # fmt: skip
    assert record(vault, BTC, [row("a", "+1")], older) == 1
    assert record(vault, BTC, [row("a")]) == 0


@pytest.fixture
def rounds(vault):
    """Return the file of the rounds of a watch."""
    return vault.derived("signals", BTC) / "asked.jsonl"


def test_a_round_is_noted_with_or_without_signals(vault, path, rounds):
    """A line each, the same as before too; an answer that is no round has none."""
    record(vault, BTC, [row("a")])
    assert not rounds.exists()
    for found in ([], [row("a"), row("b")], [row("b")]):
        record(vault, BTC, found, round_of=A)
    assert [line["signals"] for line in lines(rounds)] == [[], ["a", "b"], ["b"]]
    assert lines(rounds)[0] == {
        "as_of_utc": "2025-12-14T21:35:00Z",
        "detected_utc": "2025-12-14T21:35:07.300Z",
        "query": ASKED.query._asdict(),
        "min_score": 0,
        "query_id": ASKED.query_id,
        "signals": [],
    }
    assert names(path) == ["a", "b"]


def test_a_signal_in_contact_was_not_shown_as_an_entry(vault, path, rounds):
    """It is recorded as a signal, and not among those of the round."""
    record(vault, BTC, [{**row("a"), "entry": None}, row("b")], round_of=A)
    assert [line["signals"] for line in lines(rounds)] == [["b"]]
    assert names(path) == ["a", "b"]


def test_a_torn_round_is_kept_aside(vault, rounds):
    """As of every log: the next round begins on a line of its own."""
    record(vault, BTC, [], round_of=A)
    with rounds.open("ab") as file:
        file.write(b'{"as_of')
    record(vault, BTC, [], round_of=A + 1)
    assert [line["as_of_utc"][11:16] for line in lines(rounds)] == ["21:35", "21:36"]
    assert rounds.with_name("asked.jsonl.torn").read_bytes() == b'{"as_of'
