"""The signals in run_all's window: what its own watch says in its log, each line once."""

import pytest

from ravequant.alerts.signal_lines import HEADS
from scripts.supervision.signal_news import SignalNews, rings

TEXT = "SHORT BTC-USDT-SWAP at 97137.3: MAX (x3, not tested), score 100"


def logged(head: str, text: str = TEXT) -> str:
    """Return a line of the log."""
    return f"2026-01-01T00:00:00.000Z INFO find_signals: {head} {text}\n"


@pytest.fixture
def log(tmp_path):
    """A log with a signal of an earlier run."""
    path = tmp_path / "find_signals.log"
    path.write_text(logged("SIGNAL", "of before"), encoding="utf-8")
    return path


def say(log, *lines: str) -> None:
    with log.open("a", encoding="utf-8", newline="") as file:
        file.write("".join(lines))


def test_a_line_about_a_signal_is_shown_once(log):
    """Of any kind, without its time and program; other lines of the log stay there."""
    news = SignalNews(log)
    assert news.lines() == []
    say(log, logged("SIGNAL"), logged("vwap was not brought up to date: SIGNAL"), "SIGNALS\n", "\n")
    assert news.lines() == [f"SIGNAL {TEXT}"]
    assert news.lines() == []
    say(log, *map(logged, HEADS))
    assert news.lines() == [f"{head} {TEXT}" for head in HEADS]


def test_a_half_line_is_read_when_it_is_whole(log):
    """The watch may be writing it just now."""
    news, line = SignalNews(str(log)), logged("REACHED")
    say(log, line[:50])
    assert news.lines() == []
    say(log, line[50:])
    assert news.lines() == [f"REACHED {TEXT}"]


def test_a_log_that_rotates_vanishes_or_is_damaged(log):
    """It is followed from its beginning when it is a new one."""
    news = SignalNews(log)
    log.unlink()
    assert news.lines() == []
    say(log, logged("BACK", "x"))
    assert news.lines() == ["BACK x"]
    log.write_bytes(b"\xff\n")
    assert news.lines() == []
    say(log, logged("SIGNAL"))
    assert news.lines() == [f"SIGNAL {TEXT}"]
    later = SignalNews(log.with_name("absent.log"))
    assert later.lines() == []


def test_a_withdrawal_or_a_smaller_size_rings_no_bell():
    """All others do."""
    assert [head for head in HEADS if not rings(f"{head} {TEXT}")] == ["SHRUNK", "WITHDRAWN"]
