"""The verdict on the screen (freshness.js) and the numbers of people (formats.js), run by node."""

import json
from typing import Any

import pytest

from tests.support.page_modules import NODE, NOT_RUN, called

STREAMS = ("trades", "buckets", "wicks", "volume", "cvd", "vwap")
LIMITS = {"buckets": 120, "wicks": 180, "volume": 180, "cvd": 180, "vwap": 1200}

pytestmark = pytest.mark.skipif(not NODE, reason=NOT_RUN)


def trust(**changes: Any) -> dict[str, Any]:
    """Return the facts of a live screen whose streams are all 11 s old; names change streams."""
    data = {name: {"age_s": 11, "state": "fresh", "limit_s": LIMITS.get(name)} for name in STREAMS}
    data |= {name: data[name] | changes.pop(name) for name in STREAMS if name in changes}
    answer = {"data": data, "clock": "", "no_entry": None} | changes.pop("answer", {})
    fixed = {
        "phase": "ready",
        "live": True,
        "answered_ms": 1000,
        "heard_ms": 1000,
        "heard_at": "05:03:12 UTC",
        "lost": False,
    }
    return fixed | {"answer": answer} | changes


def judged(facts: dict[str, Any], now_ms: int = 1000) -> dict[str, Any]:
    """Return the verdict on facts at a time of the page."""
    found: dict[str, Any] = called("freshness.js", ("verdict", [facts, now_ms]))[0]
    return found


STATES = {
    "fresh": ({}, "fresh", "✓ data fresh, oldest 11s"),
    "recorded too short": (
        {"vwap": {"state": "partial"}, "short": "recorded since 20:31: VWAP 4h over 64 of 240 min"},
        "partly",
        "⚠ recorded since 20:31: VWAP 4h over 64 of 240 min",
    ),
    "cvd stale": ({"cvd": {"age_s": 1140, "state": "stale"}}, "partly", "⚠ cvd STALE 19m"),
    "volume over a gap": ({"volume": {"state": "gap"}}, "partly", "⚠ volume GAP"),
    "no book": ({"buckets": {"age_s": None, "state": "missing"}}, "partly", "⚠ buckets MISSING"),
    "two stale": (
        {"cvd": {"age_s": 1140, "state": "stale"}, "vwap": {"age_s": 1300, "state": "stale"}},
        "partly",
        "⚠ cvd STALE 19m and 1 more",
    ),
    "wicks stale": (
        {"wicks": {"age_s": 1140, "state": "stale"}, "cvd": {"age_s": 1140, "state": "stale"}},
        "void",
        "✕ do not use: wicks stale 19m and 1 more",
    ),
    "no trade for 120 s": ({"trades": {"age_s": 121}}, "void", "✕ do not use: trades stale 2m"),
    "no wicks": (
        {"wicks": {"age_s": None, "state": "missing"}},
        "void",
        "✕ do not use: wicks missing",
    ),
    "clock": (
        {"answer": {"clock": "CLOCK 4m02s behind the exchange: set it (ntp true)"}},
        "void",
        "✕ this computer's clock is 4m02s behind the exchange",
    ),
    "recorder stands": (
        {"answer": {"no_entry": "recorder", "not_recorded": "NOT RECORDING books: it is gone"}},
        "partly",
        "⚠ no entry: NOT RECORDING books: it is gone",
    ),
    "connection lost": (
        {"lost": True},
        "void",
        "✕ no connection since 05:03:12 UTC, trying",
    ),
    "reading": ({"phase": "reading", "words": "reading 24 h …"}, "reading", "reading 24 h …"),
    "empty": ({"phase": "empty", "words": "no raw data"}, "empty", "no raw data"),
    "error": ({"phase": "error", "words": "id 7f3a"}, "void", "✕ id 7f3a"),
}


@pytest.mark.parametrize("name", STATES)
def test_each_state_has_its_level_and_words(name):
    """The worst fact decides how far the screen can be trusted, and is named first."""
    changes, level, words = STATES[name]
    found = judged(trust(**json.loads(json.dumps(changes))))
    assert (found["level"], found["words"]) == (level, words)


def test_a_stream_turns_stale_while_nothing_arrives():
    """Ages run on by the clock of the page; past its limit a stream no longer counts."""
    facts = trust(wicks={"age_s": 170}, heard_ms=20_000)
    assert judged(facts, 10_900)["level"] == "fresh"
    late = judged(facts, 11_100)
    assert (late["level"], late["ahead"]) == ("void", True)
    assert late["reason"].endswith("touched in the last 3m.")


def test_silence_of_twelve_seconds_is_void():
    """Without a message the screen is void after 12 s, whatever its data said."""
    assert judged(trust(), 13_000)["level"] == "fresh"
    assert judged(trust(), 13_001)["level"] == "void"


def test_ages_run_as_fast_as_the_servers_clock():
    """Beside a local exchange that runs ten times as fast, so do the ages."""
    assert judged(trust(rate=10), 3_000)["words"] == "✓ data fresh, oldest 31s"


def test_replay_has_no_silence_and_its_ages_stand():
    """A picture of the past stays as it was."""
    words = judged(trust(live=False), 10_000_000)["words"]
    assert words == "↺ not now; data were fresh, oldest 11s"
    stale = judged(trust(live=False, cvd={"age_s": 1140, "state": "stale"}))
    assert (stale["level"], stale["words"]) == ("partly", "↺ not now; cvd STALE 19m")


def test_numbers_are_written_as_the_commands_write_them():
    """Amounts, distances and ages in few characters; distances are exact."""
    found = called(
        "formats.js",
        *(("amount", [text]) for text in ("2599996.39926", "999499", "999500", "12", "-1230000")),
        ("apart", ["97137.3", "96955.25"]),
        ("apart", ["0.00012", "0.000125"]),
        ("apart", ["97137.3", None]),
        *(("age", [ms]) for ms in (11_999, 1_140_000, 7_800_000, 277_200_000)),
    )
    assert found == [
        *("2.60M", "999k", "1.00M", "12", "-1.23M"),
        *("182.05", "0.000005", None),
        *("11s", "19m", "2h10m", "3d05h"),
    ]
