"""The screen of a watch: each instrument is on it, cut to the height, drawn over the one before."""

import io
import logging
import os
import re
import select
import struct
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from rich.console import Console

from ravequant import times
from ravequant.signals import watch_screen
from ravequant.signals.candidates import Query
from ravequant.signals.inputs import CvdRow, LastTrade, VwapRow, price
from ravequant.signals.proof import not_tested
from ravequant.signals.rules import Reached, find
from ravequant.signals.seen import Instant, Seen
from ravequant.signals.watch_screen import Answer, WatchScreen, fitted
from ravequant.vault.paths import CHECKOUT
from tests.support.made_signals import (
    LIMITS,
    WORTH,
    A,
    book,
    limits_of,
    made_verdict,
    set_up,
    side,
    surrounding,
    volume,
    wick,
)
from tests.support.notes_market import AT, BTC, Market, record

CET = timezone(timedelta(hours=1))
NOW = Instant(A * 60_000 + 42_000, Seen())


def three(inst_id="BTC-USDT-SWAP", **other):
    """Return a set-up with three signals, the nearest one a LONG."""
    low = wick(25, "100900.5", "low", size_ticks=9, tip_strength="NEAR")
    wicks = [*surrounding(), low, wick(28, "101300", size_ticks=8)]
    return replace(set_up(wicks, **other), inst_id=inst_id)


def panel(state, width, limits=LIMITS):
    result = find(replace(state, instant=NOW), Query(), limits)
    (found,) = watch_screen.panels([Answer(result, limits, "1m")], width, zone=CET)
    return found


def screen(states, width, height, last=(), first=()):
    found = [find(replace(state, instant=NOW), Query(), LIMITS) for state in states]
    answers = [Answer(result, LIMITS, "1m") for result in found]
    return fitted(first, watch_screen.panels(answers, width, zone=CET), last, width, height)


STALE = (VwapRow(A - 31, price("101050"), price("101058"), gap=False),)
UNTESTED = not_tested()
TWO = (three(vwap=STALE, verdict=UNTESTED), three("ETH-USDT-SWAP", verdict=UNTESTED))

# fmt: off
AT_80 = """\
BTC-USDT-SWAP 1m  21:35 UTC, local 22:35  price 101050.9 (mid)
age at 21:35:42 UTC: trades 44s, buckets 43s, wicks volume cvd 42s,
    vwap 30m42s STALE
fade      level     bps  conviction              score      stop    target
LONG   100900.5  -14.88  WATCH (x1, not tested)     25  100890.4    101250
SHORT    101250  +19.70  MAX (x3, not tested)       95  101260.2  100900.5
SHORT    101300  +24.65  MAX (x3, not tested)       60  101310.2  100900.5
SHORT 101250: + wick volume_tier absorption wall imbalance young_wall cvd
    - vwap STALE
    defended to the tick
SHORT 101300: + wick volume_tier absorption imbalance cvd  - wall, young_wall,
    vwap STALE

ETH-USDT-SWAP 1m  21:35 UTC, local 22:35  price 101050.9 (mid)
age at 21:35:42 UTC: trades 44s, buckets 43s, wicks volume cvd vwap 42s
LONG   100900.5  -14.88  HIGH (x2, not tested)      30  100890.4    101058
SHORT    101250  +19.70  MAX (x3, not tested)      100  101260.2    101058
SHORT    101300  +24.65  MAX (x3, not tested)       65  101310.2    101058
SHORT 101250: + wick volume_tier absorption wall imbalance young_wall cvd vwap
    defended to the tick
SHORT 101300: + wick volume_tier absorption imbalance cvd vwap  - wall,
    young_wall
12:00:00 WARNING vwap was not brought up to date
"""
# fmt: on


def test_golden():
    """Two instruments with three signals each, on 80 columns and 24 lines."""
    note = "12:00:00 WARNING vwap was not brought up to date"
    assert screen(TWO, 80, 23, [note]) == AT_80.splitlines()


def test_the_screen_in_the_readme_is_the_screen():
    """Line by line, as far as it is shown there."""
    text = (CHECKOUT / "Untouch_Wick" / "README.md").read_text(encoding="utf-8")
    assert "```\n" + "\n".join(AT_80.splitlines()[:6]) + "\n```" in text


@pytest.mark.parametrize("width", [40, 60, 79, 80, 100, 120, 200])
@pytest.mark.parametrize("height", [1, 2, 3, 5, 7, 9, 12, 23, 29, 60])
def test_no_instrument_is_lost(width, height):
    """At any size of the terminal each instrument has its line, and nothing is too long or wide."""
    lines = screen([*TWO, three("SOL-USDT-SWAP")], width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert [line for line in lines if line != line.rstrip()] == []
    heads = [line for line in lines if "-USDT-SWAP 1m" in line]
    assert len(heads) == (3 if height >= 3 else height - 1)
    if height < 3:
        assert lines[-1] == f"... {3 - len(heads)} more instruments"
    if height >= 12:
        assert sum(line.startswith(("LONG", "SHORT")) for line in lines) >= 8


def test_too_little_room_takes_the_least_first():
    """Details, signals without a size, ages, signals of the smallest size; then headings."""
    wicks = [*surrounding(), wick(28, "101300", size_ticks=8), wick(25, "100900.5", "low")]
    fees = (VwapRow(A - 1, price("101050"), price("100950"), gap=False),)
    state = set_up(wicks, vwap=fees)
    state = replace(state, volume=(*state.volume[:-1], volume(0, gap=True)))

    def kinds(height):
        found = screen([state], 80, height)
        return found[0].partition("(mid)")[2], [line[:5].strip() for line in found[1:]]

    ages, signals = ["age a", "c"], ["LONG", "SHORT", "SHORT"]
    assert len(screen([state], 80, 23)) > 7
    assert kinds(7) == ("", [*ages, "fade", *signals])
    assert kinds(6) == ("  +1 more", [*ages, "fade", *signals[1:]])
    assert kinds(5) == ("  GAP", ["fade", *signals])
    assert kinds(4) == ("  +1 more  GAP", ["fade", *signals[1:]])
    assert kinds(3) == ("  +2 more  GAP", ["fade", *signals[1:2]])
    assert kinds(2) == ("  +2 more  GAP", signals[1:2])


NO_BOOK = set_up(book=None)
HIGH = set_up(
    volume=tuple(volume(ago) for ago in range(60, -1, -1)),
    cvd=(CvdRow(A - 1, "+1", gap=False),),
    book=book(side()),
)


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (set_up(vwap=()), "SHORT  101250  +19.70  NO TRADE    no target within 60 bps"),
        (
            set_up(trade=LastTrade(A * 60_000, price("101250"))),
            "SHORT  101250  +19.70  NO ENTRY    price is at the tip: too late to enter",
        ),
        (NO_BOOK, "SHORT  101250  +19.74  WATCH x1    MAX "),
        (HIGH, "SHORT  101250  +19.70  HIGH x2     MAX "),
    ],
)
def test_a_line_says_why_there_is_no_more(state, line):
    """The reason stands in the place of stop and target; the other reading beside the first."""
    (found,) = panel(state, 80).signals
    assert found.startswith(line)
    assert len(found) <= 80


def test_a_reason_has_the_whole_line():
    """It is not pushed to the right by a longer conviction above or below it."""
    touch = Reached(A * 60_000 + 20_500, price("101300"))
    result = find(set_up([*surrounding(), wick(28, "101300", size_ticks=8)]), Query(), LIMITS)
    first, second = result.signals
    long = first._replace(readings=first.readings._replace(strict="HIGH"))
    touched = second._replace(no_trade="touched", reached=touch)
    answer = Answer(result._replace(signals=(long, touched)), LIMITS, "1m")
    (found,) = watch_screen.panels([answer], 80)
    assert found.signals[0].startswith("SHORT  101250  +19.70  HIGH x2     MAX  ")
    assert found.signals[1] == (
        "SHORT  101300  +24.65  NO TRADE    touched at 21:35:20 UTC at 101300"
    )


def test_the_reading_of_the_notes_may_decide():
    """Then the strict one has the column beside it."""
    shown = panel(HIGH, 120, limits_of(max_rule="notes"))
    assert "conviction  strict  " in shown.headings
    assert "MAX x3      HIGH    " in shown.signals[0]


def test_without_a_signal_the_reason_is_seen():
    """Broken between words; where room is short the head says so, or its first line stands."""
    state = set_up(surrounding(3))
    lines = screen([state], 80, 23)
    reason = find(state, Query(), LIMITS).missing
    assert len(lines) == 4
    assert f"{lines[2]} {lines[3].strip()}" == f"no signal: {reason}"
    assert screen([state], 80, 3)[2] == f"{lines[2]}..."[:77].rstrip(".") + "..."
    assert screen([state, state], 80, 2)[0].endswith("(mid)  no signal")


def test_columns_are_those_of_all_instruments():
    """Their headings stand once, and the other reading pushes none of them away."""
    lines = screen([three(book=None), three("ETH-USDT-SWAP"), set_up(vwap=())], 80, 30)
    heads = [line for line in lines if line.startswith("fade ")]
    assert heads == ["fade      level     bps  conviction  notes  score      stop  target  net R/R"]
    signals = [line for line in lines if re.match(r"(LONG|SHORT) +[0-9.]+ ", line)]
    assert {len(line) for line in signals if " x" in line} == {len(heads[0])}
    at = heads[0].index("stop") + len("stop")
    stops = {line[:at].split()[-1] for line in signals if " x" in line}
    assert stops == {"100890.4", "101260.2", "101310.2"}


def test_headings_stand_above_the_first_signal_that_is_shown():
    """On a small screen too, where the first instrument has none."""
    lines = screen([set_up(surrounding(3)), three("ETH-USDT-SWAP")], 60, 5)
    assert [line.split()[0] for line in lines] == [
        "BTC-USDT-SWAP", "ETH-USDT-SWAP", "fade", "SHORT", "SHORT",
    ]  # fmt: skip
    assert lines[2].split()[-2:] == ["stop", "target"]


def test_a_long_warning_is_broken_between_words():
    """So that its reason is seen, in three lines at most."""
    note = (
        f"12:00:00 ERROR {'/a/long/path' * 6}: signals.stop_bps = 1: expected a decimal in quotes"
    )
    lines = screen([set_up(surrounding(3))], 80, 23, [note])
    assert lines[-1].endswith("signals.stop_bps = 1: expected a decimal in quotes")
    lines = screen([set_up(surrounding(3))], 80, 23, ["word " * 99])
    assert [line[-3:] for line in lines[-3:]] == ["ord", "ord", "..."]


def test_what_concerns_all_stands_first_and_warnings_last():
    """A wrong clock above the instruments; both keep their place where room is short."""
    lines = screen(TWO, 80, 12, ["a warning"], ["CLOCK 3m38s behind"])
    assert (lines[0], lines[-1]) == ("CLOCK 3m38s behind", "a warning")
    assert len(lines) == 12


# --- drawn on a terminal ----------------------------------------------------------------------

CODES = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|([^\x1b]+)")


class Terminal:
    """A terminal: lines of text, a place, and the few codes that the screen uses."""

    def __init__(self, height):
        self.lines, self.at, self.cleared = [""] * height, 0, 0
        self.row = ""

    def take(self, output):
        for number, code, text in CODES.findall(output.replace("\r\n", "\n")):
            if text:
                self.write(text)
            elif code == "H":
                self.at, self.row = 0, ""
            elif code == "J":
                self.lines, self.cleared = [""] * len(self.lines), self.cleared + 1
            elif code == "K":
                self.lines[self.at] = self.lines[self.at][: len(self.row)]
            else:
                assert code == "m", f"{number}{code}"

    def write(self, text):
        first, *more = text.split("\n")
        for number, part in enumerate([first, *more]):
            if number:
                self.at, self.row = self.at + 1, ""
                assert self.at < len(self.lines), "it scrolls"
            self.row += part
            kept = self.lines[self.at][len(self.row) :]
            self.lines[self.at] = self.row + kept


def on_a_console(width=80, height=24):
    out = io.StringIO()
    console = Console(
        file=out, width=width, height=height, force_terminal=True, highlight=False,
        color_system="standard", legacy_windows=False,
    )  # fmt: skip
    return out, console


def answer(state):
    return find(replace(state, instant=NOW), Query(), LIMITS), LIMITS, "1m"


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 8)])
@pytest.mark.parametrize(("word", "worth"), WORTH.items())
def test_each_verdict_on_a_screen(word, worth, width, height):
    """A size that is no go stands whole in brackets; the card's second line stands once."""
    out, console = on_a_console(width, height)
    with WatchScreen(console) as found:
        for inst_id in ("BTC-USDT-SWAP", "ETH-USDT-SWAP"):
            found.add(*answer(three(inst_id, verdict=made_verdict(word))))
        found.draw()
    text = " ".join(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", out.getvalue()).split())
    assert worth.partition(" ")[2] in text  # of MAX, or of a nearer one
    assert ("MAX x3" in text) == (word == "PROVEN")
    assert text.count("Stop trading this as it is.") == ("x0" in worth)


def test_a_screen_is_drawn_over_the_one_before(monkeypatch):
    """Cleared once; a shorter screen leaves nothing of a longer one; nothing scrolls."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    out, console = on_a_console()
    terminal = Terminal(24)
    with WatchScreen(console) as found:
        for states in (TWO, [set_up(surrounding(3))]):
            for state in states:
                found.add(*answer(state))
            assert out.getvalue() == ""  # not before it is ready
            found.draw()
            terminal.take(out.getvalue())
            lines = [line for line in terminal.lines if line]
            out.seek(0)
            out.truncate()
    assert terminal.cleared == 1
    assert [line[:13] for line in lines] == [
        "BTC-USDT-SWAP", "age at 21:35:", "no signal: ru", "    within 10",
    ]  # fmt: skip


def test_warnings_stand_on_the_screen_in_place_of_stderr(monkeypatch):
    """Once each, with their time, an error longer than a warning; the log is as it was after."""
    out, console = on_a_console()
    log = logging.getLogger("find_signals")
    handler = logging.StreamHandler(io.StringIO())
    monkeypatch.setattr(handler.stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    terminal = Terminal(24)
    with WatchScreen(console) as found:
        for _ in range(2):
            log.warning("vwap was not\nbrought up to date")
            log.error("no answer")
            log.info("nothing")
        found.fail("ETH-USDT-SWAP", "no data of ETH-USDT-SWAP")
        found.draw()
        terminal.take(out.getvalue())
        now = times.utc_now_ms()
        for seconds, count in ((59, 2), (62, 1), (599, 1), (602, 0)):
            monkeypatch.setattr(times, "utc_now_ms", lambda then=now + seconds * 1000: then)
            assert len(found._notes.lines()) == count
    assert handler.stream.getvalue() == ""
    lines = [line for line in terminal.lines if line]
    assert lines[:2] == ["ETH-USDT-SWAP", "no answer: no data of ETH-USDT-SWAP"]
    assert [line[8:] for line in lines[2:]] == [
        " WARNING vwap was not brought up to date", " ERROR no answer",
    ]  # fmt: skip
    assert logging.getLogger().handlers == [handler]


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal")
def test_a_watch_on_a_real_terminal(vault):
    """80 columns, 24 lines, both instruments, again and again, without scrolling or a blank."""
    import fcntl
    import pty
    import termios

    record(vault, Market())
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    script = str(CHECKOUT / "Untouch_Wick" / "find_signals.py")
    names = ("--instId", BTC, "--instId", "ETH-USDT-SWAP")
    process = subprocess.Popen(
        [sys.executable, script, "--vault", str(vault.root), *names, "--at", AT, "--watch", "0.1"],
        stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL, close_fds=True,
        env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(theirs)
    terminal, draws, text, deadline = Terminal(24), 0, "", time.monotonic() + 60
    try:
        while draws < 4:
            assert time.monotonic() < deadline
            if select.select([ours], [], [], 1.0)[0]:
                text += os.read(ours, 1 << 16).decode()
            *whole, text = text.split("\x1b[H")
            draws += len(whole)
            for part in whole:
                terminal.take(("\x1b[H" if draws > 1 else "") + part)
                seen = [line for line in terminal.lines if line]
                assert draws < 3 or [line.split()[0] for line in seen][:2] == [BTC, "age"]
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert terminal.cleared == 1
    assert any(line.startswith("SHORT") and "MAX (x3, not tested)" in line for line in seen)
    assert "ETH-USDT-SWAP" in seen
    assert any(line.startswith("no answer: ") for line in seen)
