"""What Discord answers, or does not, and what a watch makes of it."""

import json
import socket
import sys
import threading
import time

import pytest

from ravequant import times
from ravequant.alerts import dispatcher
from ravequant.alerts.channels import Channels
from ravequant.alerts.discord import Became, Discord, Outcome, judged
from ravequant.alerts.dispatcher import Alerts
from ravequant.alerts.webhook import WEBHOOK_VARIABLE, Webhook
from ravequant.errors import LockedError
from ravequant.settings import Alerts as AlertSettings
from ravequant.settings import Settings
from tests.support.made_signals import LIMITS, hidden, only, set_up
from tests.support.sightings import SECRET, TAKEN, hook, until

DISCORD = Channels(discord=True, command=None, bell=False)


@pytest.fixture
def there(monkeypatch):
    """Run a webhook, and have the environment name it."""
    with hook() as found:
        monkeypatch.setenv(WEBHOOK_VARIABLE, found.url)
        yield found


@pytest.fixture(autouse=True)
def _log_shows_no_address(caplog):
    """Whatever is logged in any of these tests: the address is not in it."""
    caplog.set_level("DEBUG", logger="find_signals")
    yield
    assert SECRET not in caplog.text
    assert "/api/webhooks/" not in caplog.text


def a_signal(name, minutes_ago=32, tip="101250"):
    """Return the notes' signal under a name of its own."""
    return only(set_up(the_wick=hidden(event_id=name, birth=hidden().birth + 32 - minutes_ago)))


def a_round(alerts, *names):
    """Tell of a round in which these signals stand."""
    signals = [a_signal(name) for name in names]
    alerts.see(signals, [{"event_id": name} for name in names], LIMITS)
    alerts.tell()
    alerts.rest(0.01)


def few(per_hour=10):
    """Return settings with a budget."""
    return Settings(alerts=AlertSettings(per_hour=per_hour))


def footers(there):
    """Return the signals posted, in order; a list is its title."""
    embeds = [post["embeds"][0] for post in there.posts]
    return [embed.get("footer", {}).get("text") or embed["title"] for embed in embeds]


# --- the watch and its webhook --------------------------------------------------------------


def test_each_signal_once_in_order_over_restarts(vault, there):
    """Posted as they came; the next round and the next start post nothing again."""
    for _ in range(2):
        with Alerts(vault, DISCORD, few()) as alerts:
            a_round(alerts, "b", "a")
            a_round(alerts, "b", "a")
    assert footers(there) == ["a", "b"]
    assert {path for path, _ in there.asked} == {f"/api/webhooks/12345/{SECRET}?wait=true"}


def test_the_budget_and_the_list(vault, there, monkeypatch):
    """Two messages an hour; an hour later the rest in one, and what came since in the other."""
    now = times.utc_now_ms()
    with Alerts(vault, DISCORD, few(2)) as alerts:
        a_round(alerts, "a")
        a_round(alerts, "a", "b")
        a_round(alerts, "b", "c", "d")
    monkeypatch.setattr(times, "utc_now_ms", lambda: now + times.HOUR_MS + 60_000)
    with Alerts(vault, DISCORD, few(2)) as alerts:
        a_round(alerts, "e")
    assert footers(there) == ["a", "b", "2 earlier alerts", "e"]


def test_only_one_tells_for_a_vault(vault, there):
    """A second watch with alerts would double them."""
    with (
        Alerts(vault, DISCORD, few()),
        pytest.raises(LockedError),
        Alerts(vault, DISCORD, few()),
    ):
        pass


def test_a_slow_discord_does_not_hold_up_the_round(vault, monkeypatch):
    """The round goes on; the answer is noted when it comes."""
    answer = threading.Event()
    monkeypatch.setattr(dispatcher, "_PATIENCE_S", 0.01)
    with hook() as there:
        monkeypatch.setenv(WEBHOOK_VARIABLE, there.url)
        taken = there.answer
        monkeypatch.setattr(
            there, "answer", lambda path, body: (answer.wait(), taken(path, body))[1]
        )
        with Alerts(vault, DISCORD, few()) as alerts:
            a_round(alerts, "a")
            a_round(alerts, "a", "b")
            assert json.loads(vault.alerts().read_bytes())["sent"] == []
            answer.set()
            until(lambda: a_round(alerts, "a", "b") or len(there.posts) == 2)
    assert footers(there) == ["a", "b"]
    assert len(json.loads(vault.alerts().read_bytes())["sent"]) == 2


def test_what_was_not_taken_is_posted_after_a_restart(vault, there, caplog):
    """Nobody reached: it waits in the vault, and stands in the log without the address."""
    there.answers = [(500, {}, b"")]
    with Alerts(vault, DISCORD, few()) as alerts:
        a_round(alerts, "a")
    assert footers(there) == []
    assert "Discord did not take a message: HTTP 500; again in " in caplog.text
    with Alerts(vault, DISCORD, few()) as alerts:
        a_round(alerts, "a")
    assert footers(there) == ["a"]


def test_rest_posts_again_when_the_wait_is_over(vault, there, monkeypatch):
    """A long pause between two rounds is no reason to be silent as long."""
    monkeypatch.setattr(dispatcher, "_ASK_AGAIN_S", 0.01)
    there.answers = [(429, {"Retry-After": "4"}, b"")]
    with Alerts(vault, DISCORD, few()) as alerts:
        monkeypatch.setattr(alerts._courier, "_clock", lambda: time.monotonic() * 20)
        alerts.see([a_signal("a")], [{}], LIMITS)
        alerts.tell()
        assert footers(there) == []
        alerts.rest(0.8)
    assert footers(there) == ["a"]


def test_what_cannot_be_remembered_is_not_told_twice(vault, there, caplog, monkeypatch):
    """A full disk: said, and this watch knows all the same."""
    from ravequant.errors import VaultError

    def full(*_, **__):
        raise VaultError("the disk is full")

    monkeypatch.setattr(dispatcher, "replace_file", full)
    with Alerts(vault, DISCORD, few()) as alerts:
        a_round(alerts, "a")
        a_round(alerts, "a")
    assert footers(there) == ["a"]
    assert "alerts: what was told is not kept: the disk is full" in caplog.text


# --- what Discord answers -------------------------------------------------------------------


def poster(url):
    return Discord(Webhook(url))


def asks_for(seconds):
    return Outcome(Became.LATER, "HTTP 429", seconds)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (TAKEN, Outcome(Became.ACCEPTED)),
        ((204, {}, b""), Outcome(Became.ACCEPTED)),
        ((429, {"Retry-After": "2"}, b'{"retry_after":1.337}'), asks_for(2.0)),
        ((429, {}, b'{"retry_after":1.337,"global":true}'), asks_for(1.337)),
        ((429, {"Retry-After": "1e9"}, b"{}"), asks_for(900.0)),
        ((429, {"Retry-After": "nan"}, b'{"retry_after":-1}'), asks_for(5.0)),
        ((429, {"Retry-After": "0"}, b"<html>"), asks_for(0.1)),
        ((429, {}, b"[" * 300_000), asks_for(5.0)),
        ((429, {}, b'{"retry_after":[1]}'), asks_for(5.0)),
        ((500, {}, b""), Outcome(Became.LATER, "HTTP 500")),
        ((503, {"Retry-After": "9"}, b""), Outcome(Became.LATER, "HTTP 503")),
        ((400, {}, b'{"embeds":["0"]}'), Outcome(Became.REFUSED, "HTTP 400")),
        ((401, {}, b""), Outcome(Became.OFF, "HTTP 401")),
        ((404, {}, b'{"code":10015}'), Outcome(Became.OFF, "HTTP 404")),
    ],
)  # fmt: skip
def test_what_an_answer_means(there, answer, outcome):
    """Taken, refused, later (and when), or never again."""
    there.answers = [answer]
    assert poster(there.url).post({"content": "x"}) == outcome
    assert judged(*(answer[0], answer[1].get("Retry-After", ""), answer[2])) == outcome


def test_a_redirection_is_not_followed(there):
    """The message is for nobody else, wherever the address sends it."""
    with hook() as elsewhere:
        there.answers = [(307, {"Location": elsewhere.url}, b"")]
        outcome = poster(there.url).post({"content": "x"})
        assert elsewhere.asked == []
    assert outcome == Outcome(Became.OFF, "HTTP 307, a redirection, which is not followed")


def closed_port():
    """Return a port at which nobody is."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_nobody_there(caplog):
    """Refused, cut off, no HTTP: later, by the kind of the error alone."""
    url = f"http://127.0.0.1:{closed_port()}/api/webhooks/12345/{SECRET}"
    assert poster(url).post({}) == Outcome(Became.LATER, "ConnectionError")
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/api/webhooks/12345/{SECRET}"
        found = []
        thread = threading.Thread(target=lambda: found.append(poster(url).post({})))
        thread.start()
        server.accept()[0].close()
        thread.join()
    assert found == [Outcome(Became.LATER, "ConnectionError")]


def test_a_server_that_speaks_nonsense(there):
    """No HTTP at all, and headers that no library likes: nothing is raised, nothing shown."""
    for noise in (b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n: \x00bad\r\nbroken\r\n\r\n"):
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"http://127.0.0.1:{server.getsockname()[1]}/api/webhooks/12345/{SECRET}"
            found: list[Outcome] = []
            thread = threading.Thread(
                target=lambda url=url, into=found: into.append(poster(url).post({}))
            )
            thread.start()
            peer = server.accept()[0]
            with peer:
                peer.recv(1 << 16)
                peer.sendall(noise)
            thread.join()
        assert found[0].became in {Became.LATER, Became.ACCEPTED}


def test_the_bell_is_for_a_terminal(vault, capsys, monkeypatch):
    """Once a round with something new; a file or a pipe gets none."""
    bell = Channels(discord=False, command=None, bell=True)
    with Alerts(vault, bell, few()) as alerts:
        a_round(alerts, "a")
        assert "\a" not in "".join(capsys.readouterr())
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        a_round(alerts, "a", "b", "c")
        a_round(alerts, "a", "b", "c")
        assert capsys.readouterr().err == "\a"
