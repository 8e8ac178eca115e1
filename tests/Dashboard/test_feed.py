"""Dashboard/feed.py: the picture of an instrument kept up to date."""

import shutil

import orjson
import pytest

from Dashboard.feed import LookMoment, MarketFeed
from Dashboard.market_view import asked, view
from ravequant import times
from ravequant.catalog import VOLUME
from ravequant.errors import NoDataError, VaultError
from ravequant.signals.clock import Clock
from ravequant.vault.paths import Vault
from tests.support.holed_market import BTC, MINUTES, START, HoledMarket, at
from tests.support.page_state import shown, take

HEALTH = [{"name": "disk", "level": "PASS", "words": "well", "remedy": ""}]


class Looks:
    """A feed, and the clock by which it looks."""

    def __init__(self, vault):
        self.vault = vault
        self.health = HEALTH
        self.heated = []
        self.forgotten: list[str] = []
        self.feed = MarketFeed(vault, BTC, lambda *_: self.health, self.heat, self.forgotten.append)
        self.steady = 0.0

    def heat(self, inst_id, minutes, ms):
        self.heated.append((inst_id, minutes, ms))
        return {"first": minutes[0]}

    def look(self, ms, passed=10.0):
        """Look at a time of the market, some seconds after the last look."""
        self.steady += passed
        return self.feed.look(LookMoment(Clock(ms), ms, self.steady))

    def picture(self, ms):
        """Return the picture that is read anew."""
        return view(self.vault, BTC, asked(self.vault, "now", Clock(ms)))


@pytest.fixture(scope="module")
def market():
    """Return the raw lines of three hours."""
    return HoledMarket()


@pytest.fixture
def looks(holed, tmp_path):
    """Return the looks at a copy of three hours."""
    shutil.copytree(holed.root, tmp_path / "vault")
    return Looks(Vault(tmp_path / "vault"))


def test_messages_make_of_a_picture_what_a_new_one_is(tmp_path, market):
    """Holes, a new day and late calculators included: the page shows what it would load anew."""
    looks = Looks(Vault(tmp_path))
    market.put(looks.vault, 0, 21)
    now = at(21) + 6_000
    looks.look(now)
    page, cursor = looks.picture(now), 0
    first = page["minutes"]["first"]
    for begin, end in ((21, 22), (22, 30), (30, 46), (46, 62), (62, 75), (75, 97), (97, 98)):
        market.put(looks.vault, begin, end)
        now = at(end) + 6_000
        assert looks.look(now)
        take(page, looks.feed.state.since(cursor, first))
        cursor = looks.feed.state.version
        assert shown(page, now // 60_000 - 60) == shown(looks.picture(now), now // 60_000 - 60)
    assert {hole["stream"] for hole in page["holes"]} == {"trades", "book", "row"}


def test_a_look_at_nothing_new_is_cheap(looks):
    """Without a change no answer is made, and nothing is told."""
    now = at(MINUTES) + 6_000
    assert looks.look(now)
    version = looks.feed.state.version
    assert not looks.look(now + 500)
    assert looks.feed.state.version == version


def test_the_answer_is_made_anew_at_each_minute(looks):
    """Nothing came, and yet the ages have changed."""
    now = at(MINUTES) + 6_000
    looks.look(now)
    before = looks.feed.state.version
    looks.look(now + 60_000)
    told = looks.feed.state.since(before, 0)
    assert times.parse_iso(told["answer"]["at_utc"]) == now + 60_000


def test_the_answer_is_made_anew_when_a_stream_becomes_stale(looks):
    """A second after its limit, while nothing else happens."""
    now = at(MINUTES) + 6_000
    looks.look(now)
    streams = looks.feed.state.parts["answer"].value["data"]
    name, stream = min(
        ((name, stream) for name, stream in streams.items() if stream["limit_s"]),
        key=lambda item: item[1]["limit_s"] - item[1]["age_s"],
    )
    assert stream["state"] == "fresh"
    passes = now + (stream["limit_s"] - stream["age_s"] + 1) * 1_000
    looks.look(passes - 1_500 - (passes - 1_500) % 60_000)
    looks.look(passes)
    assert looks.feed.state.parts["answer"].value["data"][name]["state"] == "stale"


def test_raw_lines_bring_an_answer_only_so_often(looks, market):
    """Price is told at once, an answer made of raw lines alone in its own pace."""
    now = at(MINUTES) + 6_000
    looks.look(now)
    before = looks.feed.state.version
    path = looks.vault.trades(BTC) / f"{times.day(now)}.jsonl"
    newest = path.read_bytes().splitlines(keepends=True)[-1]
    with path.open("ab") as file:
        file.write(_next_of(newest))
    looks.look(now + 500, passed=0.5)
    told = looks.feed.state.since(before, 0)
    assert (told["price"]["source"], "answer" in told) == ("trade", False)
    looks.look(now + 9_000, passed=8.5)
    assert "answer" in looks.feed.state.since(before, 0)


def _next_of(line):
    """Return a trade of the same moment with the next id, far from each level."""
    row = orjson.loads(line)
    row["trade_id"] = str(int(row["trade_id"]) + 1)
    row["price"] = str(float(row["price"]) * 2)
    return orjson.dumps(row) + b"\n"


def test_price_at_a_level_brings_an_answer_at_once(looks, market):
    """In contact there is no entry any more: the page must not go on to show one."""
    now = at(MINUTES) + 6_000
    looks.look(now)
    signals = looks.feed.state.parts["answer"].value["signals"]
    assert signals
    before = looks.feed.state.version
    path = looks.vault.trades(BTC) / f"{times.day(now)}.jsonl"
    newest = path.read_bytes().splitlines(keepends=True)[-1]
    row = _next_of(newest).replace(b'"price":', b'"x":')
    row = row[:-2] + f',"price":"{signals[0]["wick_price"]}"}}\n'.encode()
    with path.open("ab") as file:
        file.write(row)
    looks.look(now + 1_200, passed=1.2)
    assert "answer" in looks.feed.state.since(before, 0)


def test_rows_that_were_computed_anew_void_the_page(looks):
    """The reason is told, and the next look begins from nothing."""
    now = at(MINUTES) + 6_000
    looks.look(now)
    path = VOLUME.place(looks.vault, BTC)
    path.write_bytes(path.read_bytes()[:-100])
    assert looks.look(now + 500)
    state = looks.feed.state
    assert (state.void, state.void_version) == ("volume was computed anew", state.version)
    assert looks.forgotten == [BTC], "books that were replaced have another heat"
    looks.look(now + 1_000)
    assert looks.feed.state.since(0, 0)["answer"]


def test_health_that_turns_brings_an_answer(looks):
    """A recorder that died is in the answer too, not only in its own row."""
    now = at(MINUTES) + 6_000
    looks.look(now)
    before = looks.feed.state.version
    looks.health = [{**HEALTH[0], "level": "FAIL"}]
    looks.look(now + 9_000, passed=9)
    assert "health" not in looks.feed.state.since(before, 0)
    looks.look(now + 11_000, passed=2)
    told = looks.feed.state.since(before, 0)
    assert (told["health"], "answer" in told) == (looks.health, True)


def test_heat_of_the_newest_minutes(looks):
    """Read when a book came, and not at each look."""
    now = at(MINUTES)
    looks.look(now)
    minute = now // 60_000
    assert looks.heated == [(BTC, range(minute - 2, minute + 1), now)]
    assert looks.feed.state.parts["heat"].value == {"first": minute - 2}
    looks.look(now + 30_000, passed=30)
    assert len(looks.heated) == 1


def test_an_empty_vault_and_a_file_that_cannot_be_read(tmp_path, looks, monkeypatch):
    """The errors of a reading are those of a look."""
    with pytest.raises(NoDataError):
        Looks(Vault(tmp_path / "empty")).look(START)

    def refused(*_, **__):
        raise VaultError("refused")

    monkeypatch.setattr("Dashboard.feed.answered", refused)
    with pytest.raises(VaultError, match="refused"):
        looks.look(at(MINUTES))
