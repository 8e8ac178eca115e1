"""What people see: golden text at both widths, nothing cut at any, and nothing but ASCII."""

import io
import re
from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from rich.console import Console

from ravequant.signals import table
from ravequant.signals.base_rates import base_rates
from ravequant.signals.inputs import CvdRow, LastTrade, price
from ravequant.signals.limits import STREAMS
from ravequant.signals.rules import Query, find
from tests.support.made_signals import LIMITS, A, book, hidden, set_up, surrounding, volume, wick

CET = timezone(timedelta(hours=1))
CLOCK_MS = A * 60_000 + 42_000
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

# fmt: off
AT_80 = """\
age at 21:35 UTC: trades 2s, buckets 1s, wicks volume 0s, cvd 30m00s STALE,
vwap 0s; clock +42s
BTC-USDT-SWAP 1m  2025-12-14 21:35 UTC, local 22:35  price 101050.9 (mid)
fade        wick            evidence         trade
----------------------------------------------------------------------------
LONG        age 25m, small  HIGH x2          entry 100900.5
100900.5    touched 15/16   3/7 confluences  stop 100890.4, target 101250
-14.88 bps  tip NEAR        score 30         net R/R 3.45
            HIGH                             break-even 22.46%

SHORT       age 32m, small  MAX x3           entry 101250
101250      touched 16/17   6/7 confluences  stop 101260.2, target 100900.5
+19.70 bps  tip EXACT       score 90         net R/R 3.44
            VERY_HIGH                        break-even 22.53%
LONG 100900.5: + wick volume_tier vwap  - absorption, wall, imbalance,
    young_wall, cvd STALE
SHORT 101250: + wick volume_tier absorption wall imbalance young_wall vwap
    - cvd STALE
"""

AT_140 = """\
age at 21:35 UTC: trades 2s, buckets 1s, wicks volume 0s, cvd 30m00s STALE, vwap 0s; clock +42s
BTC-USDT-SWAP 1m  2025-12-14 21:35 UTC, local 22:35  price 101050.9 (mid)
                                                                                                                                   break
fade      price     bps  age  touched  tip    small  strength   confl.  conviction  score     entry      stop    target  net R/R    even
-----------------------------------------------------------------------------------------------------------------------------------------
LONG   100900.5  -14.88  25m    15/16  NEAR   yes    HIGH          3/7  HIGH x2        30  100900.5  100890.4    101250     3.45  22.46%
SHORT    101250  +19.70  32m    16/17  EXACT  yes    VERY_HIGH     6/7  MAX x3         90    101250  101260.2  100900.5     3.44  22.53%
LONG 100900.5: + wick volume_tier vwap  - absorption, wall, imbalance, young_wall, cvd STALE
SHORT 101250: + wick volume_tier absorption wall imbalance young_wall vwap  - cvd STALE
"""  # noqa: E501

EXPLAINED = """\
age at 21:35 UTC: trades 2s, buckets 1s, wicks volume 0s, cvd 30m00s STALE,
vwap 0s
BTC-USDT-SWAP 1m  2025-12-14 21:35 UTC, local 22:35  price 101050.9 (mid)
fade        wick            evidence         trade
--------------------------------------------------------------------------
SHORT       age 32m, small  MAX x3           entry 101250
101250      touched 16/16   6/7 confluences  stop 101260.2, target 101058
+19.70 bps  tip EXACT       score 90         net R/R 1.50
            VERY_HIGH                        break-even 40.08%
SHORT 101250  BTC-USDT-SWAP|1m|2025-12-14T21:03:00Z|high
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
    true at 100.0% of 3 moments in 24 h; 1s old
    derived/buckets.jsonl
  10/10 imbalance met: -0.78 in 10-25 bps
    wants -0.70 or less in the tip's band
    true at 100.0% of 3 moments in 24 h; 1s old
    derived/buckets.jsonl
  10/10 young_wall met: the wall: 95 s, young
    wants that wall is young and under 300 s; without one, the tip's band is
    true at 100.0% of 3 moments in 24 h; 1s old
    derived/buckets.jsonl
   0/10 cvd stale: -125000 at 21:04
    wants cvd_1m negative
    true at 100.0% of 1 moments in 24 h; 30m00s old
    derived/cvd.jsonl
   5/5 vwap met: tip +19.00 bps from 101058.00
    wants tip 10 bps or more above vwap_4h
    true at 100.0% of 1 moments in 24 h; 0s old
    derived/vwap.jsonl
"""
# fmt: on


def both():
    """Return a set-up with a wick on each side of price, one of them nearer, and a stale cvd."""
    low = wick(25, "100900.5", "low", size_ticks=9, tip_strength="NEAR")
    return set_up([*surrounding(), low], cvd=(CvdRow(A - 31, "-125000", gap=False),))


def shown(facts, width, *, explain=False, clock_ms=None, colour=False):
    """Return what is printed, without the blanks at the ends of lines."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colour, highlight=False, markup=False)
    answer = find(facts, Query(), LIMITS)
    rates = base_rates(answer.signals, Query(), LIMITS) if explain else None
    table.show(
        answer, console, limits=LIMITS, timeframe="1m", explained=rates, clock_ms=clock_ms, zone=CET
    )
    return "".join(line.rstrip() + "\n" for line in out.getvalue().splitlines())


@pytest.mark.parametrize(("width", "golden"), [(80, AT_80), (140, AT_140)])
def test_golden(width, golden):
    """What a reader with ten seconds sees, nearest first, where a terminal is narrow or wide."""
    assert shown(both(), width, clock_ms=CLOCK_MS) == golden
    assert max(map(len, golden.splitlines())) <= width


def test_explained_golden():
    """Each layer: points, what it saw, what it wants, how often that is true, its age and file."""
    files = {name: f"derived/{name}.jsonl" for name in STREAMS}
    one = replace(both(), wicks=both().wicks[:-1], files=files, past_books=(book(),) * 3)
    assert shown(one, 80, explain=True) == EXPLAINED


@pytest.mark.parametrize("width", [40, 59, 60, 79, 80, 120, 131, 137, 140, 200])
def test_nothing_is_ever_cut(width):
    """At any width every number and word is there, whole, and no line is longer than the width."""
    text = shown(both(), width, clock_ms=CLOCK_MS)
    assert max(map(len, text.splitlines())) <= width
    words = "100900.5 -14.88 100890.4 101250 +19.70 101260.2 3.45 22.46% VERY_HIGH MAX HIGH EXACT"
    assert {word for word in words.split() if word not in text} == set()


def test_it_is_ascii():
    """Every console can show it."""
    assert shown(both(), 80, explain=True, clock_ms=CLOCK_MS).isascii()


def test_colour_only_repeats_the_words(monkeypatch):
    """Without its colours a coloured answer is the plain one; NO_COLOR takes them."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    coloured = shown(both(), 80, colour=True)
    assert "\x1b[" in coloured
    plain = "".join(line.rstrip() + "\n" for line in COLOUR.sub("", coloured).splitlines())
    assert plain == shown(both(), 80)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in shown(both(), 80, colour=True)


def test_in_contact_is_no_entry():
    """Where an entry would stand it says `in contact`, and no stop or target."""
    facts = set_up(trade=LastTrade(A * 60_000, price("101250")))
    assert "SHORT       age 32m, small  MAX x3           in contact" in shown(facts, 80)
    assert "stop -, target -" in shown(facts, 80)
    assert "in contact" in shown(facts, 140)


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
        "    on 1m, 5m; a volume divergence against it takes MAX away; tags whales"
        in shown(facts, 140).splitlines()
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"), (86399, "23h59m"),
     (86400, "1d00h"), (-42, "-42s")],
)  # fmt: skip
def test_duration(seconds, text):
    """Two units are enough for an age."""
    assert table.duration(seconds * 1000) == text
