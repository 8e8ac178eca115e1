"""The fault script at work: which frames it strikes, and what becomes of them."""

from typing import Any

import orjson
import pytest

from ravequant.sim import faults
from ravequant.sim.faultplan import FaultPlan, Frame

BTC = "BTC-USDT-SWAP"


def plan(*rows: dict[str, Any], seed: int = 7) -> FaultPlan:
    return FaultPlan(*faults.parse(orjson.dumps({"seed": seed, "faults": rows}), "faults.json"))


def frame(number: int, connection: int = 1, channel: str = "trades", since: int = 0) -> Frame:
    payload = orjson.dumps({"data": [{"px": "100.5", "sz": str(number)}]})
    return Frame(connection, channel, BTC, payload, {"last": number}, since)


def fates(chosen: FaultPlan, number: int, **more: Any) -> list[tuple[int, str]]:
    """Return (frame, fate) for so many frames, 10 ms apart, in the order they go out."""
    found = []
    for i in range(1, number + 1):
        for fate, treated, _ in chosen.frame(frame(i, **more), 10 * i).deliveries:
            found.append((treated.facts["last"], fate))
    return found


def struck(found: list[tuple[int, str]], fate: str = "dropped") -> list[int]:
    return [number for number, became in found if became == fate]


def test_a_fault_strikes_by_count_by_chance_and_by_time():
    """at, every, probability, after and until choose the frames; times is a limit."""
    assert struck(fates(plan({"kind": "drop", "at": [2, 5]}), 9)) == [2, 5]
    assert struck(fates(plan({"kind": "drop", "every": 3}), 9)) == [3, 6, 9]
    assert struck(fates(plan({"kind": "drop", "every": 3, "times": 1}), 9)) == [3]
    timed = {"kind": "drop", "after": "30ms", "until": "60ms"}
    assert struck(fates(plan(timed), 9)) == [3, 4, 5]
    chance = {"kind": "drop", "probability": 0.3}
    by_chance = struck(fates(plan(chance), 200))
    assert 30 < len(by_chance) < 90
    assert by_chance == struck(fates(plan(chance), 200))
    assert by_chance != struck(fates(plan(chance, seed=8), 200))


def test_a_fault_strikes_only_where_it_is_meant():
    """Channel, instrument and connection narrow it down; what passes by is not counted."""
    here = {"kind": "drop", "channel": "books", "instId": BTC, "connection": 2}
    assert struck(fates(plan(here), 3)) == []
    assert struck(fates(plan(here), 3, channel="books")) == []
    assert struck(fates(plan(here), 3, channel="books", connection=2)) == [1, 2, 3]


def test_frames_are_doubled_held_back_and_lost_in_rows():
    """Duplicate sends twice, reorder lets later frames pass, gap loses a stretch."""
    assert fates(plan({"kind": "duplicate", "at": [2]}), 3) == [
        (1, "sent"), (2, "sent"), (2, "duplicated"), (3, "sent"),
    ]  # fmt: skip
    assert fates(plan({"kind": "reorder", "at": [1], "length": 2}), 4) == [
        (1, "held"), (2, "sent"), (3, "sent"), (1, "late"), (4, "sent"),
    ]  # fmt: skip
    assert struck(fates(plan({"kind": "gap", "at": [3], "length": 4}), 9)) == [3, 4, 5, 6]


def test_a_frame_held_for_a_dead_connection_is_given_back():
    """Nothing disappears silently: what was held when a connection died is named."""
    chosen = plan({"kind": "reorder", "at": [1]})
    chosen.frame(frame(1), 10)
    assert [lost.facts["last"] for lost in chosen.forget(1)] == [1]
    assert chosen.forget(1) == []


def test_a_stall_ends_with_time_or_with_a_new_subscription():
    """A stalled channel flows again after ``for``, or for who subscribed after it began."""
    timed = plan({"kind": "stall", "after": "20ms", "for": "30ms"})
    assert struck(fates(timed, 9), "stalled") == [2, 3, 4]
    cured = {"kind": "stall", "after": "20ms", "until_subscribe": True}
    assert struck(fates(plan(cured), 5), "stalled") == [2, 3, 4, 5]
    assert struck(fates(plan(cured), 5, since=25), "stalled") == []


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"how": "json"}, None),
        ({"how": "missing", "field": "px"}, {"sz": "1"}),
        ({"how": "number", "field": "sz"}, {"px": "100.5", "sz": 1.0}),
        ({"how": "text", "value": "1e5"}, {"px": "1e5", "sz": "1"}),
    ],
)
def test_a_corrupt_frame_is_spoiled_as_asked(how, expected):
    """Half a JSON, a field less, a number for a string, or another text."""
    (delivery,) = plan({"kind": "corrupt", **how}).frame(frame(1), 0).deliveries
    assert delivery.fate == "corrupted"
    assert delivery.payload is not None
    if expected is None:
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(delivery.payload)
    else:
        assert orjson.loads(delivery.payload)["data"] == [expected]


def test_a_disconnect_loses_the_frame_that_struck_and_a_notice_does_not():
    """Both strike the connection."""
    for kind, fate in (("disconnect", "dropped"), ("notice", "sent")):
        treated = plan({"kind": kind, "at": [1]}).frame(frame(1), 0)
        assert treated.strike is not None
        assert treated.strike.kind == kind
        assert [delivery.fate for delivery in treated.deliveries] == [fate]


def test_a_timed_disconnect_comes_due_once():
    """Without a count it strikes by time, as often as ``times`` says."""
    chosen = plan({"kind": "disconnect", "after": "1s"})
    assert [len(chosen.due(now)) for now in (999, 1_000, 1_001)] == [0, 1, 0]
    twice = plan({"kind": "disconnect", "after": "1s", "times": 2})
    assert [len(twice.due(now)) for now in (1_000, 1_001, 1_002)] == [1, 1, 0]


def test_rest_faults_are_chosen_by_a_part_of_the_path():
    """Other paths are not counted."""
    chosen = plan({"kind": "rest-empty", "path": "history-trades", "at": [2]})
    paths = ("/api/v5/market/trades", "/api/v5/market/history-trades")
    struck_paths = [path for path in paths * 3 if chosen.rest(path, BTC, 0)]
    assert struck_paths == [paths[1]]
    assert chosen.ack(1, "trades", BTC, 0) is None


def test_an_instrument_shows_other_fields_within_its_time():
    """Before ``after`` and from ``until`` on it is as it was."""
    chosen = plan({"kind": "instrument", "set": {"tickSz": "1"}, "after": "1s", "until": "2s"})
    row = {"instId": BTC, "tickSz": "0.1"}
    assert [chosen.instrument(row, now)["tickSz"] for now in (999, 1_000, 2_000)] == [
        "0.1", "1", "0.1",
    ]  # fmt: skip
    assert row["tickSz"] == "0.1"


def test_a_fault_of_a_file_strikes_by_its_name_and_its_way():
    """A part of the name, the instrument, and whether the file is listed or served."""
    chosen = plan(
        {"kind": "archive", "how": "missing", "path": "trades-2025", "instId": BTC, "times": 1},
        {"kind": "archive", "how": "small"},
    )
    name = f"{BTC}-trades-2025-12-14.zip"
    assert chosen.archive("candles.zip", BTC, 0, ("missing",)) is None
    assert chosen.archive(name, "ETH-USDT-SWAP", 0, ("missing",)) is None
    assert chosen.archive(name, BTC, 0, ("small",)) == chosen.faults[1]
    assert chosen.archive(name, BTC, 0, ("missing", "cut")) == chosen.faults[0]
    assert chosen.archive(name, BTC, 0, ("missing", "cut")) is None
