"""The news of the recording: each trouble once, its end, and the back-fill each minute."""

from dataclasses import replace

from ravequant.vault.recorder_state import BackFill, RecorderState
from scripts.supervision.news import Line, RecordingNews, Trouble

TRADES = RecorderState("trades_exporter", lives=True, connected=True)
BOOKS = RecorderState("l2_exporter", lives=True, connected=True)
NAME = "cannot reach openapi.okx.com: name not known"
NOON = 1_765_713_600_000  # 2025-12-14T12:00:00Z
CUT = replace(TRADES, problem=NAME, problem_since_ms=NOON)


def told(news: RecordingNews, *states: RecorderState, at_s: float) -> list[str]:
    """Return the texts of the lines at so many seconds after noon."""
    return [line.text for line in news.lines(states, NOON + round(at_s * 1000))]


def test_a_trouble_is_told_once_and_again_when_it_is_over():
    """Not before it has lasted ten seconds; the standing line of the round holds it."""
    news = RecordingNews()
    assert told(news, CUT, BOOKS, at_s=9) == []
    assert news.standing == ""
    assert news.lines([CUT, BOOKS], NOON + 10_000) == [
        Line(f"NOT RECORDING trades: {NAME}", bad=True)
    ]
    assert told(news, CUT, BOOKS, at_s=700) == []
    assert news.standing == "NOT RECORDING trades"
    assert news.lines([TRADES, BOOKS], NOON + 750_000) == [
        Line("recording trades again, after 12m")
    ]
    assert news.standing == ""
    assert told(news, TRADES, BOOKS, at_s=760) == []


def test_one_reason_for_both_recorders_is_one_line():
    """A network that is away stops both; at its end each says when it records again."""
    news = RecordingNews()
    both = [replace(state, problem=NAME, problem_since_ms=NOON) for state in (TRADES, BOOKS)]
    assert told(news, *both, at_s=20) == [f"NOT RECORDING trades and books: {NAME}"]
    assert news.standing == "NOT RECORDING trades; NOT RECORDING books"
    assert told(news, TRADES, BOOKS, at_s=30) == [
        "recording trades again, after 30s",
        "recording books again, after 30s",
    ]


def test_a_reconnection_is_no_news():
    """A trouble that ends before it was told is not told at its end either."""
    news = RecordingNews()
    assert told(news, CUT, at_s=5) == []
    assert told(news, TRADES, at_s=9) == []


def test_another_reason_is_told_after_ten_minutes():
    """Reasons that take turns do not fill the window."""
    news, other = RecordingNews(), replace(CUT, problem="the exchange refuses")
    told(news, CUT, at_s=20)
    assert told(news, other, at_s=30) == []
    assert told(news, CUT, at_s=40) == []
    assert told(news, other, at_s=640) == ["NOT RECORDING trades: the exchange refuses"]


def test_a_recorder_that_died_takes_its_troubles_with_it():
    """Its end is told by the supervisor: trouble is over only when it lives without it."""
    news = RecordingNews()
    told(news, CUT, at_s=20)
    assert told(news, replace(TRADES, lives=False), BOOKS, at_s=30) == []
    assert told(news, TRADES, BOOKS, at_s=40) == ["recording trades again, after 40s"]


def test_an_instrument_left_out_is_told_with_its_command():
    """At once, from whichever recorder, and only once; and when it is recorded."""
    news, why = RecordingNews(), {"X-USDT-SWAP": "it is not trading yet"}
    states = [replace(state, left_out=why) for state in (TRADES, BOOKS)]
    assert told(news, *states, at_s=1) == ["X-USDT-SWAP is left out: it is not trading yet"]
    assert told(news, *states, at_s=100) == []
    assert news.standing == "X-USDT-SWAP is left out"
    assert told(news, TRADES, BOOKS, at_s=101) == ["X-USDT-SWAP is recorded now, after 1m40s"]


def test_a_text_that_varies_is_told_once():
    """A wrong clock is off by another second each time, and that is no news."""
    news = RecordingNews()

    def told_of(text: str, at_s: int) -> list[str]:
        trouble = Trouble(("run_all", "clock"), text, "the clock is right again", varies=True)
        more = [trouble] if text else []
        return [line.text for line in news.lines([], NOON + at_s * 1000, more)]

    assert told_of("CLOCK 3m38s behind the exchange: set it", 1) == [
        "CLOCK 3m38s behind the exchange: set it"
    ]
    assert told_of("CLOCK 3m37s behind the exchange: set it", 1_000) == []
    assert news.standing == "CLOCK 3m37s behind the exchange"
    assert told_of("", 1_001) == ["the clock is right again, after 16m"]


def test_the_back_fill_is_told_each_minute_with_the_time_left():
    """Both instruments on one line; a short stretch is no news; the end is."""
    news = RecordingNews()
    until = NOON
    fill = BackFill(until - 89 * 60_000, until, 350.0)
    assert told(news, replace(TRADES, filling={"A-B": replace(fill, at_ms=until - 60_000)}),
                at_s=0) == []  # fmt: skip
    both = replace(TRADES, filling={"A-B": fill, "C-D": replace(fill, left_s=None)})
    (line,) = told(news, both, at_s=5)
    assert line == ("fetching past trades: A-B at 10:31 UTC, 1h29m to go, about 6 min; then C-D")
    assert told(news, both, at_s=60) == []
    assert len(told(news, both, at_s=65)) == 1
    late = replace(TRADES, filling={"C-D": replace(fill, at_ms=until - 1_000)})
    assert told(news, late, at_s=70) == ["A-B: the past trades are fetched"]
    assert told(news, TRADES, at_s=80) == ["C-D: the past trades are fetched"]
    assert told(news, TRADES, at_s=90) == []


def test_a_back_fill_outlives_neither_its_recorder_nor_its_instrument():
    """No time left stays on the screen; nor is it fetched because a recorder starts anew."""
    news, fill = RecordingNews(), BackFill(NOON - 37 * 60_000, NOON, 350.0)
    both = replace(TRADES, filling={"A-B": fill, "C-D": fill})
    assert len(told(news, both, at_s=0)) == 1
    begins = replace(TRADES, connected=False)
    assert told(news, begins, at_s=5) == []
    assert told(news, replace(both, left_out={"C-D": "not trading"}, filling={"A-B": fill}),
                at_s=10) == ["C-D is left out: not trading"]  # fmt: skip
    assert told(news, RecorderState("trades_exporter"), at_s=40) == [
        "A-B: past trades are not fetched any more, trades_exporter has ended"
    ]
    assert told(news, RecorderState("trades_exporter"), at_s=45) == []
    assert told(news, TRADES, at_s=50) == ["C-D is recorded now, after 40s"]
    assert len(told(news, both, at_s=70)) == 1
