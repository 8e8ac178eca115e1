"""A signal as JSON: its fields, and the changes that make a new line."""

from dataclasses import replace

import pytest

from ravequant.signals.base_rates import Rate
from ravequant.signals.inputs import CvdRow, VwapRow, price
from ravequant.signals.rules import Reached
from ravequant.signals.seen import Instant, Seen
from ravequant.signals.serialize import MOVING, as_json, fingerprint, shown_fields
from tests.support.made_signals import (
    LIMITS,
    A,
    book,
    made_verdict,
    only,
    set_up,
    surrounding,
    wick,
)

INSTANT = Instant(A * 60_000 + 42_123, Seen(77, A * 60_000 + 40_000))
FILES = {"wicks": "derived/wicks/okx/perps/BTC-USDT-SWAP/wicks_events.jsonl"}


def row(clock_ms=None, **other):
    return as_json(
        only(set_up(**other)), LIMITS, {"wall": Rate(5, 40), "imbalance": Rate(8, 8)}, clock_ms
    )


def test_the_notes_set_up():
    """Prices as text, ages as numbers, everything of the layers."""
    found = row(files=FILES)
    assert (found["as_of_utc"], found["instId"]) == ("2025-12-14T21:35:00Z", "BTC-USDT-SWAP")
    assert (found["wick_price"], found["median_size_ticks"], found["touched"]) == (
        "101250",
        "15",
        16,
    )
    assert (found["entry"], found["stop"], found["target"]) == ("101250", "101260.2", "101058")
    assert (found["conviction"], found["size"], found["score"]) == ("MAX", 3, 100)
    assert (found["conviction_notes"], found["conviction_uncapped"]) == ("MAX", "MAX")
    assert (found["confluences"], found["confluences_strict"]) == (7, 6)
    assert (found["no_trade"], found["capped_by"], found["max_rule"]) == (None, None, "strict")
    assert found["data"]["cvd"] == {"age_s": 0, "state": "fresh"}
    layers = {layer["layer"]: layer for layer in found["layers"]}
    assert layers["wick"]["file"] == FILES["wicks"]
    assert (layers["wall"]["base_rate_pct"], layers["wall"]["base_rate_of"]) == ("12.5", 40)
    few = layers["imbalance"]
    assert (few["base_rate_pct"], few["base_rate_of"]) == (None, 8)
    assert (layers["cvd"]["base_rate_pct"], layers["cvd"]["base_rate_of"]) == (None, 0)
    assert layers["wall"]["age_s"] == 1


def test_the_clock_is_there_only_when_asked():
    """A query of the past has no clock."""
    assert "clock_age_s" not in row()
    assert row(A * 60_000 + 42_999)["clock_age_s"] == 42


def test_what_is_unknown_is_null():
    """Without price, tick and rows."""
    found = row(volume=(), cvd=(), vwap=(), book=None, trade=None, tick=None)
    for name in ("last_price", "last_price_from", "distance_bps", "stop", "target", "reward_risk"):
        assert found[name] is None, name
    assert found["data"]["cvd"] == {"age_s": None, "state": "missing"}


@pytest.mark.parametrize(
    ("change", "new"),
    [
        ({"tick": price("0.5")}, True),  # the stop moves
        ({"book": book(mid=price("101060"))}, False),  # price alone
        ({"cvd": (CvdRow(A - 1, "-7", gap=False),)}, False),  # a value of a layer
        ({"cvd": (CvdRow(A - 1, "+7", gap=False),)}, True),  # a layer is met no more
        ({"book": book(gap=True)}, True),
        ({"around": [*surrounding(), wick(90, "101250", timeframe="5m")]}, True),
        ({"around": surrounding(15)}, False),  # one fewer around it
        ({"vwap": (VwapRow(A - 1, price("101050"), price("101200"), gap=False),)}, True),  # fees
    ],
)
def test_what_makes_a_new_line(change, new):
    """A change of the signal does, a move of price or time does not."""
    assert (fingerprint(row(**change)) != fingerprint(row())) == new


def test_a_minute_later_it_is_the_same():
    """Ages and the minute itself move with the clock."""
    later = as_json(only(replace(set_up(), minute=A + 1, newest_event=A + 1)), LIMITS, {})
    assert fingerprint(later) == fingerprint(row())


def test_the_moving_fields_are_fields():
    """A name that no signal has would protect nothing."""
    assert set(row(0, instant=INSTANT)) >= MOVING


def test_an_answer_to_the_instant_says_how_to_ask_for_it_again():
    """Its moment, how far it read, and the trade that reached the tip since."""
    signal = only(set_up(instant=INSTANT))
    fields = as_json(signal, LIMITS, {})
    assert (fields["at_utc"], fields["seen"], fields["touched_since"]) == (
        "2025-12-14T21:35:42.123Z", "77,2025-12-14T21:35:40.000Z", None,
    )  # fmt: skip
    reached = Reached(INSTANT.ms - 20_124, price("101251.5"))
    fields = as_json(signal._replace(no_trade="touched", reached=reached), LIMITS, {})
    assert fields["touched_since"] == {
        "time_utc": "2025-12-14T21:35:21.999Z", "price": "101251.5", "seconds": 20,
    }  # fmt: skip
    assert (fields["no_trade"], fields["size"]) == ("touched", 0)
    assert "at_utc" not in row()


def test_the_verdict_is_none_of_the_fields_of_the_market():
    """It stands beside them where it is shown; a new verdict makes no new line."""
    plain = row()
    for word, size in (("PROVEN", 3), ("PROMISING", 1), ("NOT PROVEN", 3), ("LOSES", 0)):
        verdict = made_verdict(word)
        assert row(verdict=verdict) == plain
        assert shown_fields(only(set_up(verdict=verdict))) == {"size_shown": size, "verdict": word}
    assert shown_fields(only(set_up())) == {"size_shown": 3, "verdict": None}
