"""Dashboard/live.py: live pages over real sockets."""

import contextlib
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import orjson
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from Dashboard.app import Site, application
from Dashboard.live import MOST_SOCKETS, Live, LiveTimes
from Dashboard.market_view import asked, view
from Dashboard.server_clock import ServerClock
from Dashboard.watch import standing
from ravequant.catalog import VOLUME
from ravequant.signals.clock import Clock
from ravequant.vault.paths import CHECKOUT, Vault
from tests.faults.invariants import resident_mb
from tests.support.examples import often
from tests.support.holed_market import BTC, MINUTES, at
from tests.support.page_state import shown, take
from tests.support.screen import serving

QUICK = LiveTimes(look=0.02, beat=0.2, answer=30)
IMPATIENT = LiveTimes(look=0.02, beat=0.2, answer=2)
NOW = at(MINUTES) + 6_000
LEAST_QUEUE_MB = 4.0  # that 400 messages to 15 pages would take


class StillClock(ServerClock):
    """A clock of the server that a test sets."""

    def __init__(self):
        self.rate, self.ms = 0.0, NOW

    def now(self):
        return Clock(self.ms)


@pytest.fixture
def site(holed, tmp_path):
    """Return a site over a copy of three hours."""
    shutil.copytree(holed.root, tmp_path / "vault")
    return Site(Vault(tmp_path / "vault"), (BTC,), clock=StillClock())


def health(*_):
    return []


def heat(*_):
    return {}


@contextmanager
def live_site(site, spans=QUICK):
    """Serve the live pages of a site; yields them and their address."""
    live = Live(site, health, heat, spans, forget=lambda _: None)
    with serving(application(site, [live.route])) as address:
        yield live, f"ws{address.removeprefix('http')}/api/v1/live/{BTC}"
    live.close()


def message(socket, *kinds, acknowledge=True):
    """Return the next message that is none of these kinds; a beat is none."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = orjson.loads(socket.recv(timeout=20))
        if found["type"] == "beat":
            continue
        if acknowledge:
            socket.send(orjson.dumps({"ack": found["seq"]}).decode())
        if found["type"] not in kinds:
            return found
    raise AssertionError(f"no message for 30 s but beats and {kinds}")


def append(site):
    """Append the newest row of the volume analyzer again, of the next minute."""
    path = VOLUME.place(site.vault, BTC)
    row = orjson.loads(path.read_bytes().splitlines()[-1])
    row["total_volume"] = str(float(row["total_volume"]) + 1)
    with path.open("ab") as file:
        file.write(orjson.dumps(row) + b"\n")


def test_a_page_gets_all_and_then_what_changed(site):
    """Hello, the whole of the moving parts, and after that what changed alone."""
    with live_site(site) as (_, address), connect(address) as socket:
        hello = message(socket)
        assert (hello["type"], hello["seq"], hello["proto"]) == ("hello", 1, 1)
        assert (hello["page"], hello["now_ms"]) == (site.static.page_hash, NOW)
        rows = message(socket)
        assert rows["answer"]["at_utc"]
        assert rows["minutes"]["first"] + len(rows["minutes"]["c"]) == NOW // 60_000
        append(site)
        told = message(socket)
        assert (told["type"], told["seq"] > rows["seq"]) == ("rows", True)
        assert told["minutes"]["first"] == NOW // 60_000 - 1
        assert "holes" not in told


def test_the_page_shows_what_it_would_load_anew(site):
    """Picture and messages together are a new picture; wicks that are gone meanwhile go."""
    with live_site(site) as (live, address):
        page = view(site.vault, BTC, asked(site.vault, "now", site.clock.now()))
        page["wicks"] = {name: [*values, values[0]] for name, values in page["wicks"].items()}
        page["wicks"]["id"][-1] = "one that was touched meanwhile"
        live.seen(BTC, page)
        site.clock.ms += 60_000
        with connect(f"{address}?from={page['minutes']['first']}") as socket:
            message(socket)
            take(page, message(socket))
    new = view(site.vault, BTC, asked(site.vault, "now", site.clock.now()))
    assert shown(page, NOW // 60_000 - 30) == shown(new, NOW // 60_000 - 30)


def test_one_message_is_under_way(site):
    """The next one is made when the page has the last, of all that changed meanwhile."""
    with live_site(site, LiveTimes(0.02, 0.05, 20)) as (live, address), connect(address) as socket:
        message(socket)
        first = message(socket, acknowledge=False)
        feed = live.feeds()[BTC]
        for _ in range(3):
            before = feed.state.version
            append(site)
            site.clock.ms += 60_000
            until(lambda before=before: feed.state.version > before)
        while (beat := orjson.loads(socket.recv(timeout=20)))["type"] == "beat":
            if beat["seq"] > first["seq"] + 2:
                break
        assert beat["type"] == "beat"
        socket.send(orjson.dumps({"ack": first["seq"]}).decode())
        told = message(socket)
        assert told["answer"]["at_utc"] == feed.state.parts["answer"].value["at_utc"]


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_a_page_that_does_not_acknowledge_is_closed(site):
    """After the time for an answer, with words; the others stay."""
    with live_site(site, IMPATIENT) as (_, address), connect(address) as bad:
        kinds: list[str] = []
        with pytest.raises(ConnectionClosed, match=r"4000 .* no answer for 2 s"):
            drain(bad, kinds)
        assert set(kinds) == {"hello", "beat"}
        with connect(address) as good:
            message(good)
            assert message(good)["type"] == "rows"


def test_pages_that_never_acknowledge_cost_no_memory(site):
    """Of twenty the server takes fifteen beside one that answers; it keeps a cursor for each."""
    words = [sys.executable, "-m", "tests.support.quick_live", str(site.vault.root), BTC, str(NOW)]
    with (
        subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=CHECKOUT, encoding="utf-8"
        ) as process,
        contextlib.ExitStack() as held,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        held.callback(process.stdin.close)
        address = process.stdout.readline().strip()
        good = held.enter_context(connect(address))
        message(good)
        message(good)
        silent = [held.enter_context(connect(address)) for _ in range(MOST_SOCKETS - 1)]
        for _ in range(20 - len(silent)):
            with pytest.raises(InvalidStatus):
                connect(address)
        follow(site, good, 100)
        before = resident_mb(process.pid)
        follow(site, good, often(400, 2_000))
        after = resident_mb(process.pid)
        kinds = {orjson.loads(socket.recv(timeout=20))["type"] for socket in silent}
        assert kinds == {"hello"}
    if before is None or after is None:
        pytest.skip("this system does not tell the memory of a process")
    assert after - before < LEAST_QUEUE_MB


def follow(site, socket, count):
    """Append a row so many times, each once the page has been told of the one before."""
    for _ in range(count):
        append(site)
        message(socket)


def drain(socket, kinds):
    """Read until the socket ends; note the kinds of messages."""
    while True:
        kinds.append(orjson.loads(socket.recv(timeout=20))["type"])


def test_acknowledgements_that_are_none_change_nothing(site):
    """Nonsense, numbers to come and of the past: the page counts as one that is silent."""
    with live_site(site, IMPATIENT) as (_, address), connect(address) as socket:
        kinds: list[str] = []
        for text in ("", "[]", "null", '{"ack":"1"}', '{"ack":99}', '{"ack":0}', "{", '"ack"'):
            socket.send(text)
        with pytest.raises(ConnectionClosed, match="no answer"):
            drain(socket, kinds)
        assert set(kinds) == {"hello", "beat"}


def test_a_rebuild_resets_the_page(site):
    """The reason is told; what comes later is told as to a new page."""
    with live_site(site) as (_, address), connect(address) as socket:
        message(socket)
        message(socket)
        path = VOLUME.place(site.vault, BTC)
        path.write_bytes(path.read_bytes()[:-100])
        reset = message(socket, "rows")
        assert (reset["type"], reset["reason"]) == ("reset", "volume was computed anew")
        assert message(socket)["answer"]


@pytest.mark.parametrize("other", [False, True])
def test_rows_that_became_others_before_the_first_message(site, other):
    """A page is reset if a file changed between its picture and the first look; not if it grew."""
    stood = standing(site.vault, BTC)
    path = VOLUME.place(site.vault, BTC)
    if other:
        path.write_bytes(path.read_bytes()[:-100])
    else:
        append(site)
    with live_site(site) as (_, address), connect(f"{address}?rows={stood}") as socket:
        message(socket)
        told = message(socket)
        if other:
            assert (told["type"], told["reason"]) == ("reset", "volume was computed anew")
        else:
            assert told["type"] == "rows"


def test_an_error_of_a_look_resets_the_page_without_a_path(site):
    """The page loads its picture anew, and meets the error there in words."""
    with live_site(site) as (_, address), connect(address) as socket:
        message(socket)
        message(socket)
        shutil.rmtree(site.vault.root / "derived")
        shutil.rmtree(site.vault.root / "raw")
        words = ""
        while "no data" not in words:
            words = message(socket, "rows")["reason"]
        assert str(site.vault.root) not in words


def test_a_beat_while_nothing_happens(site):
    """The page knows from it that the server lives."""
    with live_site(site) as (_, address), connect(address) as socket:
        message(socket)
        message(socket)
        beat = orjson.loads(socket.recv(timeout=20))
        assert (beat["type"], beat["now_ms"]) == ("beat", NOW)


def test_sixteen_pages(site):
    """Another one is refused; when one goes its place is free."""
    with live_site(site, LiveTimes(0.05, 5, 30)) as (live, address), contextlib.ExitStack() as held:
        sockets = [held.enter_context(connect(address)) for _ in range(MOST_SOCKETS)]
        for socket in sockets:
            assert message(socket)["type"] == "hello"
        with pytest.raises(InvalidStatus) as refused, connect(address):
            pass
        assert refused.value.response.status_code == 503
        assert b"16 pages are open" in refused.value.response.body
        sockets[0].close()
        until(lambda: live.pages == MOST_SOCKETS - 1)
        with connect(address) as socket:
            assert message(socket)["type"] == "hello"


@pytest.mark.parametrize(
    "tail", ["btc", "BTC..2f", f"{BTC}?from=x", f"{BTC}?from=-1", f"{BTC}?rows=1.2"]
)
def test_an_instrument_or_a_minute_that_is_none(site, tail):
    """Refused before the socket is open."""
    with (
        live_site(site) as (_, address),
        pytest.raises(InvalidStatus) as refused,
        connect(f"{address.rpartition('/')[0]}/{tail}"),
    ):
        pass
    assert refused.value.response.status_code == 404


def test_nothing_is_looked_at_without_a_page(site):
    """The feed of an instrument ends with its last page."""
    with live_site(site) as (live, address):
        with connect(address) as one, connect(address) as two:
            message(one)
            message(two)
            assert list(live.feeds()) == [BTC]
        until(lambda: not live.feeds())
