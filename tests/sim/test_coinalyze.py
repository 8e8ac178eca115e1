"""The desk of Coinalyze: a key, calls by symbol, a buffer, a forming row, seconds."""

import orjson
import pytest

from ravequant.sim.coinalyze import KEY, CoinalyzeDesk, values
from ravequant.times import MINUTE_MS, parse_iso

NOW = parse_iso("2025-12-14T21:33:20.000Z")
STEP = 5 * MINUTE_MS
FORMING = NOW // STEP * STEP
RATIO, LIQUIDATIONS = "/v1/long-short-ratio-history", "/v1/liquidation-history"


@pytest.fixture
def desk():
    return CoinalyzeDesk(("BTC-USDT-SWAP",))


def ask(desk, path=RATIO, *, now=NOW, key=KEY, wall=0.0, **more):
    query = {"symbols": "BTCUSDT_PERP.A", "interval": "5min"}
    query |= {"from": "0", "to": str(now // 1_000)} | more
    return desk.answer(path, query, key, now, wall)


def rows(answer):
    found = orjson.loads(answer.body)
    return found[0]["history"] if found else []


def test_rows_rise_in_seconds_and_only_the_last_changes(desk):
    """Two thousand rows; the forming one is final once a newer one is there."""
    first, later = rows(ask(desk)), rows(ask(desk, now=NOW + 20_000))
    assert [row["t"] for row in first] == [
        (FORMING - n * STEP) // 1_000 for n in range(1_999, -1, -1)
    ]
    assert first[:-1] == later[:-1]
    assert first[-1] != later[-1]
    final = rows(ask(desk, now=NOW + STEP))[-2]
    assert [str(final["r"])] == [values(RATIO[4:], "BTCUSDT_PERP.A", FORMING)[0].rstrip("0")]


def test_outside_of_the_buffer_there_is_nothing(desk):
    """And no error."""
    answer = ask(desk, to=str((FORMING - 2_000 * STEP) // 1_000))
    assert (answer.status, answer.body) == (200, b"[]")


def test_okx_has_liquidations_and_no_ratio(desk):
    """As its market says."""
    symbol = "BTCUSDT_PERP.3"
    assert rows(ask(desk, symbols=symbol)) == []
    assert rows(ask(desk, LIQUIDATIONS, symbols=symbol))
    listed = orjson.loads(ask(desk, "/v1/future-markets").body)
    assert {row["symbol"]: row["has_long_short_ratio_data"] for row in listed} == {
        "BTCUSDT_PERP.3": False, "BTCUSDT_PERP.A": True, "BTCUSDT.6": True,
    }  # fmt: skip


def test_each_symbol_is_a_call(desk):
    """Forty in a minute; then it says how long to wait."""
    pair = "BTCUSDT_PERP.A,BTCUSDT.6"
    for _ in range(20):
        assert ask(desk, symbols=pair, wall=1.0).status == 200
    refused = ask(desk, wall=31.0)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "30.000")
    assert ask(desk, wall=61.0).status == 200


def test_what_is_refused(desk):
    """A wrong key, an interval that is none, no time, too many symbols, a path that is none."""
    assert ask(desk, key="").status == 401
    assert ask(desk, interval="4h").status == 400
    assert ask(desk, to="now").status == 400
    assert ask(desk, symbols=",".join("A" * 21)).status == 400
    assert ask(desk, "/v1/other").status == 404
