"""The signals in run_all's window: each new signal once, from what find_signals records."""

from typing import Any

import orjson
import pytest

from ravequant import catalog
from ravequant.signals import signal_log
from scripts.supervision.signal_news import SignalNews
from tests.support.trades_box import BTC


def row(name: str = "a", **other: Any) -> dict[str, Any]:
    """Return a recorded signal."""
    facts = {
        "instId": BTC, "event_id": name, "direction": "SHORT", "conviction": "MAX", "size": 3,
        "score": 100, "distance_bps": "+18.96", "entry": "97137.3", "stop": "97147.1",
        "target": None, "reward_risk_net": None, "no_trade": None, "in_contact": False,
        "wicks": [{"event_id": name}], "layers": [],
    }  # fmt: skip
    return facts | other


@pytest.fixture
def news(vault) -> SignalNews:
    """The news of a vault in which a signal was recorded before."""
    signal_log.record(vault, BTC, [row("before")])
    return SignalNews(vault, [BTC, "ETH-USDT-SWAP"], 60)


def test_a_new_signal_is_one_line_and_is_told_once(vault, news):
    """Later lines of it, whose fields have changed, are no news; larger it is."""
    assert news.lines() == []
    signal_log.record(vault, BTC, [row(conviction="HIGH", size=2)])
    assert news.lines() == [
        (
            f"SIGNAL SHORT {BTC} at 97137.3: HIGH x2, score 100, +18.96 bps away, stop 97147.1, "
            "target -, net R/R -"
        )
    ]
    signal_log.record(vault, BTC, [row(conviction="HIGH", size=2, score=80)])
    assert news.lines() == []
    signal_log.record(vault, BTC, [row()])
    assert [line.partition(": ")[2][:6] for line in news.lines()] == ["MAX x3"]


@pytest.mark.parametrize(
    ("rule", "size", "words"),
    [("strict", 2, "HIGH x2, MAX by the notes, s"), ("notes", 3, "MAX x3, HIGH by the strict ru")],
)
def test_where_the_readings_differ_both_are_there(vault, news, rule, size, words):
    """The one that decides has the size."""
    facts = {"conviction": "HIGH", "conviction_notes": "MAX", "max_rule": rule, "size": size}
    signal_log.record(vault, BTC, [row(**facts)])
    assert [line.partition(": ")[2][: len(words)] for line in news.lines()] == [words]


def test_one_level_of_several_wicks_is_one_signal(vault, news):
    """Whichever of its wicks it is named after."""
    signal_log.record(vault, BTC, [row("a", wicks=[{"event_id": "a"}, {"event_id": "b"}])])
    assert len(news.lines()) == 1
    signal_log.record(vault, BTC, [row("b")])
    assert news.lines() == []


@pytest.mark.parametrize(
    "other", [{"score": 59}, {"size": 0}, {"no_trade": "fees"}, {"in_contact": True}]
)
def test_a_signal_without_a_trade_or_below_the_score_has_no_line(vault, news, other):
    """It stands in signals.jsonl, and find_signals shows it."""
    signal_log.record(vault, BTC, [row(**other)])
    assert news.lines() == []


def test_damaged_half_and_vanished_lines_are_passed_over(vault, news):
    """A half line is read when it is whole; a file that was cut is followed from its end."""
    path = catalog.SIGNALS.place(vault, BTC)
    whole = orjson.dumps(row()) + b"\n"
    with path.open("ab") as file:
        file.write(b'{\n[]\n5\n{"size":3}\n' + whole[:50])
    assert news.lines() == []
    with path.open("ab") as file:
        file.write(whole[50:])
    assert len(news.lines()) == 1
    path.write_bytes(b"")
    assert news.lines() == []
    path.write_bytes(orjson.dumps(row("c")) + b"\n")
    assert len(news.lines()) == 1
    path.unlink()
    assert news.lines() == []
