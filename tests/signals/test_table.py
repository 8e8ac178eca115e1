"""What people see: golden text at both widths, nothing cut at any, and nothing but ASCII."""

import io
import re
from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from rich.console import Console

from ravequant.signals import table
from ravequant.signals.base_rates import base_rates
from ravequant.signals.candidates import Query
from ravequant.signals.inputs import LastTrade, VwapRow, price
from ravequant.signals.limits import STREAMS
from ravequant.signals.proof import not_tested
from ravequant.signals.rules import find
from ravequant.signals.seen import Instant, NewestPrice, Seen
from ravequant.vault.paths import CHECKOUT
from tests.support.made_signals import (
    LIMITS,
    WORTH,
    A,
    book,
    hidden,
    made_verdict,
    set_up,
    surrounding,
    volume,
    wick,
)

README = CHECKOUT / "Untouch_Wick" / "README.md"
CET = timezone(timedelta(hours=1))
UNTESTED = not_tested()
NOW = Instant(
    A * 60_000 + 42_000,
    Seen(1234567890, A * 60_000 + 41_900),
    NewestPrice(A * 60_000 + 41_100, price("101050.9"), "mid"),
)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

# fmt: off
AT_80 = """\
age at 21:35:42 UTC: trades 44s, buckets 43s, wicks volume cvd 42s,
vwap 30m42s STALE
BTC-USDT-SWAP 1m  2025-12-14 21:35 UTC, local 22:35  price 101050.9 (mid, 0s)
asked at 2025-12-14 21:35:42.000 UTC, seen 1234567890,2025-12-14T21:35:41.900Z
fade        wick            evidence          trade
-----------------------------------------------------------------------------
LONG        age 25m, small  WATCH             entry 100900.5
100900.5    touched 15/16   (x1, not tested)  stop 100890.4, target 101250
-14.88 bps  tip NEAR        2/7 confluences   net R/R 3.45, break-even 22.46%
                            score 25

SHORT       age 32m, small  MAX               entry 101250
101250      touched 16/17   (x3, not tested)  stop 101260.2, target 100900.5
+19.70 bps  tip EXACT       6/7 confluences   net R/R 3.44, break-even 22.53%
                            score 95
LONG 100900.5: + wick volume_tier  - absorption, wall, imbalance, young_wall,
    cvd, vwap STALE
SHORT 101250: + wick volume_tier absorption wall imbalance young_wall cvd
    - vwap STALE
    defended to the tick
"""

AT_140 = """\
age at 21:35:42 UTC: trades 44s, buckets 43s, wicks volume cvd 42s, vwap 30m42s STALE
BTC-USDT-SWAP 1m  2025-12-14 21:35 UTC, local 22:35  price 101050.9 (mid, 0s)
asked at 2025-12-14 21:35:42.000 UTC, seen 1234567890,2025-12-14T21:35:41.900Z
fade      level     bps  conviction              confl.  score  age  touched  tip    small      stop    target  net R/R  break-even
-----------------------------------------------------------------------------------------------------------------------------------
LONG   100900.5  -14.88  WATCH (x1, not tested)     2/7     25  25m    15/16  NEAR   yes    100890.4    101250     3.45      22.46%
SHORT    101250  +19.70  MAX (x3, not tested)       6/7     95  32m    16/17  EXACT  yes    101260.2  100900.5     3.44      22.53%
LONG 100900.5: + wick volume_tier  - absorption, wall, imbalance, young_wall, cvd, vwap STALE
SHORT 101250: + wick volume_tier absorption wall imbalance young_wall cvd  - vwap STALE
    defended to the tick
"""  # noqa: E501

EXPLAINED = """\
age at 21:35 UTC: trades 2s, buckets 1s, wicks volume cvd 0s, vwap 30m00s STALE
BTC-USDT-SWAP 1m  2025-12-14 21:35 UTC, local 22:35  price 101050.9 (mid)
base: not tested; python Edge_Lab/edge_lab.py judge, then verdict
fade        wick            evidence             trade
------------------------------------------------------------------------
SHORT       age 32m, small  NO TRADE: no target  entry 101250
101250      touched 16/16   6/7 confluences      stop 101260.2, target -
+19.70 bps  tip EXACT       score 95             net R/R -, break-even -
SHORT 101250  BTC-USDT-SWAP|1m|2025-12-14T21:03:00Z|high
    no target within 60 bps; the evidence alone: MAX; defended to the tick
  20/20 wick met: 16 of 16 touched, tip EXACT, size 12 (median 15 ticks)
    wants rules 1 to 3 passed; half the points without an exact tip
    true at 21.3% of 61 moments in 24 h; 0s old
    derived/wicks.jsonl
  15/15 volume_tier met: T4 at 21:33, 2.60 x median
    wants a T4 in the last 5 minutes
    true at 3.3% of 61 moments in 24 h; 0s old
    derived/volume.jsonl
  15/15 absorption met: T4 at 21:33, 2.60 x median
    wants buys absorbed in the last 5 minutes
    true at 3.3% of 61 moments in 24 h; 0s old
    derived/volume.jsonl
  15/15 wall met: 2.50M at 101250, 95 s
    wants ask wall of 2.00M or more within 2 bps of the tip
    too few to say: 3 moments in 24 h; 1s old
    derived/buckets.jsonl
  10/10 imbalance met: -0.78 in 10-25 bps
    wants -0.70 or less in the tip's band
    too few to say: 3 moments in 24 h; 1s old
    derived/buckets.jsonl
  10/10 young_wall met: the wall: 95 s, young
    wants that wall is young, 30 to 299 s; without one, the tip's band is
    too few to say: 3 moments in 24 h; 1s old
    derived/buckets.jsonl
  10/10 cvd met: -125k at 21:34
    wants cvd_1m negative
    too few to say: 1 moment in 24 h; 0s old
    derived/cvd.jsonl
   0/5 vwap stale: tip +19.00 bps from 101058.00
    wants tip 10 bps or more above vwap_4h
    too few to say: 1 moment in 24 h; 30m00s old
    derived/vwap.jsonl
"""
# fmt: on


def both(verdict=UNTESTED):
    """Return a set-up with a wick on each side of price, one of them nearer, and a stale VWAP."""
    low = wick(25, "100900.5", "low", size_ticks=9, tip_strength="NEAR")
    vwap = (VwapRow(A - 31, price("101050"), price("101058"), gap=False),)
    return set_up([*surrounding(), low], vwap=vwap, verdict=verdict)


def shown(facts, width, *, explain=False, now=False, colour=False, source=""):
    """Return what is printed."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colour, highlight=False, markup=False)
    answer = find(replace(facts, instant=NOW) if now else facts, Query(), LIMITS)
    rates = base_rates(answer.signals, Query(), LIMITS) if explain else None
    table.show(
        answer, console, limits=LIMITS, timeframe="1m", explained=rates, source=source, zone=CET
    )
    return out.getvalue()


@pytest.mark.parametrize(("width", "golden"), [(80, AT_80), (140, AT_140)])
def test_golden(width, golden):
    """What a reader with ten seconds sees, nearest first, where a terminal is narrow or wide."""
    assert shown(both(), width, now=True) == golden
    assert max(map(len, golden.splitlines())) <= width
    assert [line for line in golden.splitlines() if line != line.rstrip()] == []


def test_the_answer_in_the_readme_is_the_answer():
    """Line by line."""
    assert f"```\n{AT_80}```" in README.read_text(encoding="utf-8")


def test_explained_golden():
    """Each layer: points, what it saw, what it wants, how often that is true, its age and file."""
    files = {name: f"derived/{name}.jsonl" for name in STREAMS}
    one = replace(both(), wicks=both().wicks[:-1], files=files, past_books=(book(),) * 3)
    assert shown(one, 80, explain=True) == EXPLAINED


@pytest.mark.parametrize("width", [60, 80, 140])
@pytest.mark.parametrize(("word", "worth"), WORTH.items())
def test_each_verdict_on_a_size(word, worth, width):
    """A size that is no go stands in brackets; the card's second line stands above, once."""
    text = shown(both(made_verdict(word)), width)
    flat = " ".join(text.split())
    assert worth.partition("(")[2] in flat
    assert width < 140 or worth in flat
    assert ("MAX x3" in flat) == (word == "PROVEN")
    assert flat.count(f"{word}: Stop trading this as it is.") == ("x0" in worth)
    explained = shown(both(made_verdict(word)), width, explain=True)
    assert f"\nbase: {word}, 84 of 200 fills\n" in explained


def test_without_the_setting_nothing_is_said_of_the_lab():
    """The size is that of the market."""
    text = shown(both(None), 80, explain=True)
    assert "MAX x3" in text
    assert not re.search("base:|tested|proven", text)


def test_only_a_size_to_be_taken_at_its_word_is_bold(monkeypatch):
    """In brackets its doubt is coloured, and the size is not."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[1mMAX x3\x1b[0m" in shown(both(made_verdict("PROVEN")), 140, colour=True)
    doubted = shown(both(), 140, colour=True)
    assert "\x1b[1mMAX" not in doubted
    assert "(x3, \x1b[1;35mnot tested\x1b[0m)" in doubted


def test_the_source_stands_above_the_table():
    """Broken between words where the terminal ends; without one there is no line."""
    source = "source: OKX archive, personal use (trades of 2025-12-13 to 2025-12-14)"
    with_it = shown(both(), 60, explain=True, source=source).splitlines()
    at = with_it.index("source: OKX archive, personal use (trades of 2025-12-13 to")
    assert with_it[at + 1] == "2025-12-14)"
    assert with_it[at - 1].startswith("price 101050.9")
    del with_it[at : at + 2]
    assert with_it == shown(both(), 60, explain=True).splitlines()


@pytest.mark.parametrize("width", [40, 59, 60, 79, 80, 120, 131, 137, 140, 200])
def test_nothing_is_ever_cut(width):
    """At any width every number and word is there, whole, and no line is longer than the width."""
    text = shown(both(), width, now=True)
    assert max(map(len, text.splitlines())) <= width
    words = "100900.5 -14.88 100890.4 101250 +19.70 101260.2 3.45 22.46% tick MAX WATCH EXACT"
    assert {word for word in words.split() if word not in text} == set()
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


def test_it_is_ascii():
    """Every console can show it."""
    assert shown(both(), 80, explain=True, now=True).isascii()


def test_colour_only_repeats_the_words(monkeypatch):
    """Without its colours a coloured answer is the plain one; NO_COLOR takes them."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    coloured = shown(both(), 80, colour=True)
    assert "\x1b[" in coloured
    assert COLOUR.sub("", coloured) == shown(both(), 80)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in shown(both(), 80, colour=True)


def test_in_contact_is_no_entry():
    """Where an entry would stand it says `in contact`, and no size, stop or target."""
    facts = set_up(trade=LastTrade(A * 60_000, price("101250")))
    text = shown(facts, 80)
    assert "SHORT       age 32m, small  NO ENTRY: in contact  in contact" in text
    assert "stop -, target -" in text
    assert "    price is at the tip: too late to enter; the evidence alone: MAX; defended" in text
    assert "NO ENTRY: in contact" in shown(facts, 140)
    assert "x3" not in text


def test_no_signal_says_why():
    """The first lines stand, then the rule that failed."""
    lines = shown(set_up(the_wick=hidden(size_ticks=99)), 200).splitlines()
    assert lines[0].startswith("age at 21:35 UTC: ")
    assert lines[2].startswith("no signal: rule 3: ")
    assert len(lines) == 3


def test_what_else_is_known():
    """Other timeframes, a divergence and tags stand below the evidence."""
    whales = {"whale_count": 11, "whale_volume": LIMITS.whale_volume + 1}
    rows = (*set_up().volume[:-1], volume(0, divergence="bullish", **whales))
    facts = set_up([*surrounding(), wick(30, "101250", timeframe="5m")], volume=rows)
    assert (
        "    a volume divergence against it takes MAX away; defended to the tick; on 1m, 5m; "
        "tags whales" in shown(facts, 140).splitlines()
    )


def test_a_minute_that_is_not_closed_is_said():
    """And how old the price is, the tip that was touched, and the moment to which ages count."""
    late = NOW._replace(ms=A * 60_000 + 62_123)
    text = shown(replace(both(), instant=late), 80)
    assert "(mid, 21s)" in text
    assert (
        "asked at 2025-12-14 21:36:02.123 UTC (21:36 not closed yet),\nseen 1234567890,2025" in text
    )
    assert text.startswith("age at 21:36:02 UTC: trades 1m04s, buckets 1m03s,")
    old = NOW._replace(ms=A * 60_000 + 365_000)
    text = shown(replace(both(), instant=old), 80)
    assert text.startswith("age at 21:41:05 UTC: trades 6m07s, buckets 6m06s STALE")
    assert "(no trade has closed a minute after 21:35)" in text.replace("\n", " ")


def test_a_layer_is_as_old_as_the_head_says():
    """Both count to the instant."""
    result = find(replace(set_up(), instant=NOW), Query(), LIMITS)
    (signal,) = result.signals
    (rates,) = base_rates(result.signals, Query(), LIMITS)
    texts = ["\n".join(table.explain(layer, result.state, rates)) for layer in signal.layers]
    ages = {age for text in texts for age in re.findall(r"; (\S+) old", text)}
    assert ages == {"42s", "43s"}


def test_ages_are_those_at_the_instant():
    """One number each, that of trades to the newest one read; STALE is judged by it."""
    facts = replace(both(), instant=NOW._replace(ms=A * 60_000 + 125_000, trade_ms=A * 60_000))
    assert shown(facts, 200).startswith(
        "age at 21:37:05 UTC: trades 2m05s, buckets 2m06s STALE, wicks volume cvd 2m05s, "
        "vwap 32m05s STALE"
    )
