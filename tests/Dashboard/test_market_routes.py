"""Dashboard/market_routes.py: what the routes of a market answer, over real sockets."""

import base64

import orjson
import pytest
import requests

from Dashboard.app import Site, application
from Dashboard.heat_columns import HeatColumns
from Dashboard.market_routes import health_of, market_routes, newest_heat
from ravequant.settings import Settings
from ravequant.signals.lab_verdict import write_verdict
from ravequant.vault.paths import Vault
from tests.support.holed_market import BTC, MINUTES, START, at
from tests.support.screen import serving

LAST = START // 60_000 + MINUTES
VERDICT = {
    "made_utc": "2025-12-14T10:00:00Z", "word": "TOO EARLY", "short": "TOO EARLY, 84 of 200 fills",
    "what_to_do": "wait", "instruments": [BTC], "numbers": [["Net", "1.5"]],
}  # fmt: skip


@pytest.fixture(scope="module")
def seen():
    """Return the live pictures that were answered."""
    return []


@pytest.fixture(scope="module")
def address(holed, seen):
    """Return the address of the routes of three hours."""
    site = Site(holed, (BTC,))
    heat = HeatColumns(holed, Settings())
    routes = market_routes(site, heat, lambda *picture: seen.append(picture))
    with serving(application(site, routes)) as found:
        yield f"{found}/api/v1"


def asked(address, path):
    return requests.get(f"{address}/{path}", timeout=60)


def test_the_picture_of_a_time(address, seen):
    """That of a time or of the newest minute is no live one: its health is of another time."""
    latest = asked(address, f"view/{BTC}?at=latest&minutes=60&exchange=okx").json()
    then = asked(address, f"view/{BTC}?at=2025-12-15T00:30:00Z&minutes=60&tf=5m").json()
    assert (latest["mode"], latest["as_of_utc"]) == ("latest", "2025-12-15T01:30:00Z")
    assert (then["mode"], then["as_of_utc"]) == ("replay", "2025-12-15T00:30:00Z")
    assert (then["tf"], len(then["minutes"]["c"])) == ("5m", 12)
    assert seen == []


def test_the_picture_of_now(address, seen):
    """It has the health, and the live pages are told which wicks it shows."""
    found = asked(address, f"view/{BTC}").json()
    assert (found["mode"], len(found["minutes"]["c"])) == ("live", 1_440)
    assert {row["name"] for row in found["health"]} >= {"calculators", "disk"}
    ((inst_id, picture),) = seen
    assert (inst_id, picture["wicks"]["id"]) == (BTC, found["wicks"]["id"])


def test_the_answer(address):
    """That of the picture at the same time."""
    time = "2025-12-15T00:30:00Z"
    answer = asked(address, f"signals/{BTC}?at={time}").json()
    assert answer == asked(address, f"view/{BTC}?at={time}&minutes=60").json()["answer"]
    assert asked(address, f"signals/{BTC}?at={time}&timeframe=5m").json() != answer


def test_the_heat_ends_at_the_time_that_is_asked_for(address):
    """No later book is in it; each cell is a byte."""
    then = at(60) // 60_000
    found = asked(address, f"heat/{BTC}?at=2025-12-14T23:30:00Z&from={then - 3}&to={then + 3}")
    heat = found.json()
    assert heat["source"] == ["ws", "ws", "ws", "none", "none", "none", "none"]
    assert len(base64.b64decode(heat["cells"])) == 7 * heat["rows"]
    latest = asked(address, f"heat/{BTC}?at=latest").json()
    assert (latest["first"], latest["every"]) == (LAST, 1)


def test_the_heat_of_the_newest_minutes(holed):
    """As the live pages get it."""
    found = newest_heat(HeatColumns(holed, Settings()), BTC, range(LAST - 3, LAST), at(MINUTES))
    assert (found["first"], found["source"]) == (LAST - 3, ["ws"] * 3)


def test_days(address):
    """The newest first."""
    found = asked(address, f"days/{BTC}").json()
    assert [day["day"] for day in found] == ["2025-12-15", "2025-12-14"]


def test_health_has_no_path_of_the_computer(holed):
    """Neither in its words nor in the remedy."""
    site = Site(holed, (BTC,))
    text = orjson.dumps(health_of(site, holed, [BTC])).decode()
    assert "remedy" in text
    assert str(holed.root) not in text


def test_the_verdict_of_the_lab(tmp_path):
    """As it stands in its file; null without one."""
    site = Site(Vault(tmp_path), (BTC,))
    routes = market_routes(site, HeatColumns(site.vault, Settings()), lambda *_: None)
    with serving(application(site, routes)) as found:
        assert asked(found, "api/v1/verdict").json() is None
        write_verdict(site.vault, VERDICT)
        assert asked(found, "api/v1/verdict").json() == {"version": 1, **VERDICT}
        assert asked(found, "api/v1/health").json()


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"view/{BTC}?at=yesterday", 400, "bad_request"),
        (f"view/{BTC}?tf=7m", 400, "bad_request"),
        (f"view/{BTC}?minutes=2881", 400, "bad_request"),
        (f"view/{BTC}?exchange=kraken", 400, "bad_request"),
        (f"signals/{BTC}?timeframe=2m", 400, "bad_request"),
        (f"heat/{BTC}?every=3", 400, "bad_request"),
        (f"heat/{BTC}?from=1&to=1442", 400, "bad_request"),
        ("view/ETH-USDT-SWAP", 200, "no_data"),
        ("view/..%2f..%2fetc", 404, "not_found"),
        ("view/btc", 404, "not_found"),
    ],
)
def test_questions_that_have_no_answer(address, holed, path, status, code):
    """In the words of the commands, with a code, and without a path of the computer."""
    answer = asked(address, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["message"]
    assert str(holed.root) not in answer.text
