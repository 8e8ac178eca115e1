"""The trouble with alerts in run_all's window, by a real watch's dispatcher and webhook."""

import logging

from ravequant import times
from ravequant.alerts.dispatcher import AlertDispatcher
from ravequant.alerts.webhook import WEBHOOK_VARIABLE
from ravequant.vault import heartbeat
from ravequant.vault.heartbeat import Heartbeat
from scripts.supervision.alert_news import AlertNews
from scripts.supervision.news import RecordingNews
from scripts.supervision.schedule import Plan
from scripts.supervision.supervisor import Supervisor
from tests.alerts.test_dispatcher import DISCORD, a_round, few
from tests.support.alert_cases import hook

BAD = "ALERTS ARE NOT SENT: Discord answered HTTP 404"


def texts(news: AlertNews) -> list[str]:
    """Return the troubles' beginnings."""
    return [trouble.text.partition("; ")[0] for trouble in news.troubles()]


def test_a_new_start_ends_the_trouble_only_with_an_alert_sent(vault, monkeypatch):
    """A watch that was started again has proven nothing yet."""
    news = AlertNews(vault)
    with hook() as there:
        monkeypatch.setenv(WEBHOOK_VARIABLE, there.url)
        there.answers = [(404, {}, b"")]
        with AlertDispatcher(vault, DISCORD, few()) as alerts:
            assert texts(news) == []
            a_round(alerts, "a")
            assert texts(news) == [BAD]
            assert texts(AlertNews(vault)) == []  # of a watch before that run
        beat = heartbeat.read(vault, "find_signals")
        assert beat is not None
        again = {"started_utc": "2030-01-01T00:00:00.000Z", "problem": None, "stopped": False}
        Heartbeat(vault, "find_signals").write({**beat, **again})
        assert texts(news) == [BAD]
        with AlertDispatcher(vault, DISCORD, few()) as alerts:
            a_round(alerts, "a")
            assert texts(news) == []


def test_the_window_says_it_once_and_once_that_it_is_over(vault, monkeypatch, caplog):
    """As a trouble of the recording: the reason and the remedy, then the end."""
    monkeypatch.setattr("scripts.supervision.supervisor._HEARTBEAT_S", 0.05)
    monkeypatch.setattr("scripts.supervision.alert_news._PATIENCE_MS", 0)
    monkeypatch.setattr(Plan, "finished", property(lambda _: False))
    supervisor = Supervisor(vault)
    with hook() as there, caplog.at_level(logging.INFO, "run_all"):
        monkeypatch.setenv(WEBHOOK_VARIABLE, there.url)
        there.answers = [(404, {}, b"")]
        for _ in range(2):
            with AlertDispatcher(vault, DISCORD, few()) as alerts:
                a_round(alerts, "a")
                supervisor.run(Plan([], 1), 0.5)
    told = [line for line in caplog.messages if line.casefold().startswith("alerts are")]
    remedy = "make a new webhook in the channel's settings and start again"
    assert told[0] == f"{BAD}; {remedy}"
    assert [line.partition(", after")[0] for line in told[1:]] == ["alerts are sent again"]


def test_alerts_that_wait_for_the_hour_are_one_line_and_its_end(vault, monkeypatch):
    """Not those of a watch before that run."""
    news, lines = AlertNews(vault), RecordingNews()
    now = times.utc_now_ms()
    monkeypatch.setattr(times, "utc_now_ms", lambda: now)

    def told(later_ms: int = 0) -> list[str]:
        monkeypatch.setattr(times, "utc_now_ms", lambda: now + later_ms)
        return [line.text for line in lines.lines([], now + later_ms, news.troubles())]

    with hook() as there:
        monkeypatch.setenv(WEBHOOK_VARIABLE, there.url)
        with AlertDispatcher(vault, DISCORD, few(1)) as alerts:
            a_round(alerts, "a")
            assert told() == []
            a_round(alerts, "a", "b")
            (line,) = told()
            assert line.startswith("ALERTS WAIT: 1 of the hour are used, next at ")
            assert line.endswith(" UTC; 1 wait")
            a_round(alerts, "a", "b", "c")
            assert told(660_000) == []
            assert list(AlertNews(vault).troubles()) == []
            (line,) = told(times.HOUR_MS + 60_000)
    assert line.startswith("no alert waits for the hour, after ")
