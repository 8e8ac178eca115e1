"""Coinalyze's client against a real server: literal numbers, hostile rows, a key nobody sees."""

import logging
import traceback

import pytest

from ravequant.errors import FeedError
from ravequant.exchanges import coinalyze
from ravequant.exchanges.base import RefusedError
from ravequant.exchanges.coinalyze import CoinalyzeRest, CoinMarket, Key
from ravequant.exchanges.context_feeds import PeriodRow
from ravequant.exchanges.paced_http import HttpReply, PassingError
from tests.support.scripted_http import Script, serving

SECRET = "1234abcd-the-secret-key"  # noqa: S105 - of no server
SYMBOL = "BTCUSDT_PERP.A"
START_S = 1_709_251_200
START = START_S * 1_000
STEP = coinalyze.INTERVAL_MS
GOOD = b'{"t":1709251200,"r":1.1500,"l":53.55,"s":4.6e1}'


@pytest.fixture
def script():
    return Script()


@pytest.fixture
def client(script, monkeypatch):
    monkeypatch.setattr("random.uniform", lambda low, _high: low / 100)
    with serving(script) as url:
        made = CoinalyzeRest(url, Key(SECRET), limit_factor=100.0)
        yield made
        made.close()


def history(*rows: bytes, symbol: str = SYMBOL) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, b'[{"symbol":"%s","history":[%s]}]' % (symbol.encode(), b",".join(rows))


def ask(client, series="long_short"):
    return client.history(series, SYMBOL, START, START + 10 * STEP)


def test_numbers_are_kept_as_they_are_written(client, script):
    """Trailing zeros and exponents too; times become milliseconds, the newest row comes first."""
    script.answers = [history(GOOD, GOOD.replace(b"1709251200", b"1709251500"))]
    values = ("1.1500", "53.55", "4.6e1")
    assert ask(client) == [PeriodRow(START + STEP, values), PeriodRow(START, values)]
    query = {"symbols": SYMBOL, "interval": "5min", "from": "1709251200", "to": "1709254200"}
    assert script.requests == [("/long-short-ratio-history", query)]
    assert script.headers[0]["api_key"] == SECRET


@pytest.mark.parametrize(
    "row",
    [
        b'{"t":"1709251500","r":1,"l":2,"s":3}', b'{"t":1709251500000,"r":1,"l":2,"s":3}',
        b'{"t":1709251501,"r":1,"l":2,"s":3}', b'{"t":1709251500.0,"r":1,"l":2,"s":3}',
        b'{"t":0,"r":1,"l":2,"s":3}', b'{"t":-1709251500,"r":1,"l":2,"s":3}',
        b'{"t":true,"r":1,"l":2,"s":3}', b'{"t":1709251500,"r":"1","l":2,"s":3}',
        b'{"t":1709251500,"r":null,"l":2,"s":3}', b'{"t":1709251500,"r":-1,"l":2,"s":3}',
        b'{"t":1709251500,"r":{},"l":2,"s":3}', b'{"t":1709251500,"l":2,"s":3}',
        b"[1709251500,1,2,3]", b"null", b"7",
    ],
)  # fmt: skip
def test_a_row_of_another_form_is_left_out(client, script, row, caplog):
    """Wrong types, milliseconds, a time off the grid, a value below zero; the good row counts."""
    script.answers = [history(row, GOOD)]
    assert [found.start for found in ask(client)] == [START]
    assert "1 rows rejected: long_short: " in caplog.text


def test_only_the_symbol_asked_for_counts(client, script):
    """Other symbols, items of another form and an empty history are passed over."""
    other = history(GOOD, symbol="ETHUSDT_PERP.A")[2][1:-1]
    odd = b'null,7,{"symbol":"BTCUSDT_PERP.A"},{"symbol":"BTCUSDT_PERP.A","history":{}}'
    script.answers = [(200, {}, b"[%s,%s]" % (other, odd)), (200, {}, b"[]")]
    assert ask(client) == []
    assert ask(client) == []


def test_rows_in_any_order_are_sorted_and_the_later_of_two_counts(client, script):
    """A time that falls in the answer, and a time twice."""
    later = GOOD.replace(b"1709251200", b"1709251500")
    script.answers = [history(later, GOOD, GOOD.replace(b"1.1500", b"2"))]
    assert [(row.start, row.values[0]) for row in ask(client)] == [
        (START + STEP, "1.1500"), (START, "2"),
    ]  # fmt: skip


def test_liquidations_have_two_values(client, script):
    """Longs, then shorts."""
    script.answers = [history(b'{"t":1709251200,"l":0,"s":1e-7}')]
    assert ask(client, "liquidations") == [PeriodRow(START, ("0", "1e-7"))]


def test_too_many_calls_wait_as_long_as_they_are_told(client, script):
    """Retry-After decides; then the same question is asked again."""
    script.answers = [(429, {"Retry-After": "0.05"}, b"{}"), history(GOOD)]
    assert len(ask(client)) == 1
    assert len(script.requests) == 2


def test_the_wait_of_a_refusal_is_the_one_it_names():
    """The pause before the next attempt is that of its own Retry-After."""
    reply = HttpReply("there", 429, b"{}", {"Retry-After": "12"})
    with pytest.raises(PassingError) as refused:
        coinalyze._answer(reply)
    assert refused.value.wait_s == 12.0


@pytest.mark.parametrize(
    ("text", "seconds"), [("12", 12.0), ("0.5", 0.5), ("", 60.0), ("soon", 60.0), ("99999", 300.0)]
)
def test_a_wait_has_bounds(text, seconds):
    """Without a number it is a minute, and never more than five."""
    assert coinalyze._retry_after(text) == seconds


@pytest.mark.parametrize(
    "body", [b"{}", b"<html>", b"", b'[{"t":NaN}]', b"[" * 100_000, b'"' + SECRET.encode() + b'"']
)
def test_an_answer_that_is_no_list_is_asked_for_again(client, script, body):
    """An object, a page, nothing, no number, nested without end: in the end an error."""
    script.answers = [(200, {}, body)]
    with pytest.raises(FeedError, match=r"asked 3 times"):
        ask(client)
    assert len(script.requests) == 3


def test_markets_are_perpetuals_with_names(client, script):
    """Other rows are left out."""
    row = b'{"symbol":"%s","base_asset":"BTC","quote_asset":"USDT","is_perpetual":%s,%s}'
    ratio = b'"has_long_short_ratio_data":true'
    rows = [
        row % (b"BTCUSDT_PERP.A", b"true", ratio),
        row % (b"BTCUSDT_PERP.3", b"true", b'"has_long_short_ratio_data":1'),
        row % (b"BTCUSDT.2512", b"false", ratio),
        b'{"symbol":7,"is_perpetual":true}',
        b"null",
    ]
    script.answers = [(200, {}, b"[" + b",".join(rows) + b"]")]
    assert client.markets() == [
        CoinMarket("BTCUSDT_PERP.A", "BTC", "USDT", has_ratio=True),
        CoinMarket("BTCUSDT_PERP.3", "BTC", "USDT", has_ratio=False),
    ]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 503, 302, 200])
def test_no_error_and_no_log_holds_the_key(client, script, status, caplog):
    """Not even if the answer repeats it, where a message is cut within it too."""
    caplog.set_level(logging.DEBUG)
    said = b"x" * 70 + SECRET.encode() + b" is wrong"
    script.answers = [(status, {"Location": f"http://127.0.0.1:1/{SECRET}"}, said)]
    kinds = (FeedError,) if status in (200, 500, 503) else (RefusedError,)
    with pytest.raises(kinds) as failed:
        ask(client)
    told = "".join(traceback.format_exception_only(failed.value)) + caplog.text + repr(client)
    assert SECRET[:8] not in told
    assert SECRET not in repr(Key(SECRET))
