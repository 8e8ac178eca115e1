"""The REST client against a real HTTP server on this machine that answers as scripted."""

import gzip
import json
import re
import socket

import pytest

from ravequant.errors import FeedError, UsageError
from ravequant.exchanges.base import RefusedError
from ravequant.exchanges.okx.rest import OkxRest
from tests.support.scripted_http import Script, serving

BTC = "BTC-USDT-SWAP"


def trade_row(trade_id):
    return {
        "instId": BTC, "side": "sell", "sz": "0.1", "px": "29963.2", "tradeId": str(trade_id),
        "ts": "1654161646974", "source": "0",
    }  # fmt: skip


def envelope(*rows):
    return 200, {}, json.dumps({"code": "0", "msg": "", "data": rows}).encode()


def refusal(status, code):
    return status, {}, json.dumps({"code": code, "msg": "no", "data": []}).encode()


@pytest.fixture
def script():
    return Script()


@pytest.fixture
def client(script, monkeypatch):
    """Return a client of a server that plays the script; waits between attempts are short."""
    monkeypatch.setattr("random.uniform", lambda low, _high: low / 100)
    with serving(script) as address:
        made = OkxRest(address, attempts=4)
        yield made
        made.close()


def test_history_pages_by_id_and_by_time(client, script):
    """Type 1 with `after`, type 2 with a time; rows become trades, newest first as they came."""
    script.answers = [envelope(trade_row(12), trade_row(11))]
    assert [trade.trade_id for trade in client.history_trades(BTC, 13).trades] == [12, 11]
    client.history_trades_before(BTC, 1654161646974)
    client.trades(BTC, 500)
    path = "/api/v5/market/history-trades"
    assert script.requests == [
        (path, {"instId": BTC, "limit": "100", "type": "1", "after": "13"}),
        (path, {"instId": BTC, "limit": "100", "type": "2", "after": "1654161646974"}),
        ("/api/v5/market/trades", {"instId": BTC, "limit": "500"}),
    ]
    assert script.headers[0]["User-Agent"] == "ravequant"


def test_an_unreadable_row_is_counted_and_the_page_goes_on(client, script):
    """One row without a price: the other one is returned, one is unreadable."""
    script.answers = [envelope(trade_row(12), {"instId": BTC, "tradeId": "11"})]
    page = client.history_trades(BTC, 13)
    assert ([trade.trade_id for trade in page.trades], page.unreadable) == ([12], 1)


def test_the_instrument_row_is_the_one_asked_for(client, script):
    """Its raw fields come through untouched."""
    row = {"instId": BTC, "ctVal": "0.01", "new": [1]}
    script.answers = [envelope({"instId": "OTHER-USDT-SWAP"}, row)]
    assert client.instrument(BTC) == row
    assert script.requests == [("/api/v5/public/instruments", {"instType": "SWAP", "instId": BTC})]


@pytest.mark.parametrize(
    "failure",
    [
        refusal(429, "50011"),
        (200, {}, b'{"msg":"Too Many Requests","code":"50011"}'),
        refusal(503, "50001"),
        refusal(500, "50026"),
        (502, {}, b"<html>bad gateway</html>"),
        (200, {"Content-Type": "text/html"}, b"<html>Just a moment</html>"),
        (200, {}, b'{"code":"0","msg":"","data":{}}'),
        (200, {}, b"[]"),
        (200, {}, b""),
        None,
    ],
)
def test_what_may_pass_is_asked_again(client, script, failure):
    """Rate limits in both shapes, 5xx, HTML, half an envelope, a dropped connection."""
    script.answers = [failure, failure, envelope(trade_row(12))]
    assert client.history_trades(BTC, 13).trades[0].trade_id == 12
    assert len(script.requests) == 3


def test_a_server_that_is_not_there_is_said_in_few_words():
    """The reason stands in the message, not the wrappings of the HTTP library."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    absent = OkxRest(f"http://127.0.0.1:{port}", attempts=1)
    with pytest.raises(FeedError) as said:
        absent.instrument(BTC)
    absent.close()
    message = str(said.value)
    assert "/api/v5/public/instruments: ConnectionError: " in message
    assert "refused" in message
    assert "Max retries" not in message
    assert "HTTPConnection" not in message


def test_attempts_end_and_the_error_says_what_came(client, script):
    """Four times 429: the message gives address, status, code, and how often it was tried."""
    script.answers = [refusal(429, "50011")]
    pattern = re.escape("history-trades: HTTP 429, code 50011: no (asked 4 times)")
    with pytest.raises(FeedError, match=pattern):
        client.history_trades(BTC, 13)
    assert len(script.requests) == 4


@pytest.mark.parametrize(("status", "code"), [(200, "51001"), (400, "51000"), (200, "50039")])
def test_what_no_repetition_mends_is_asked_once(client, script, status, code):
    """An unknown instrument or a wrong parameter is refused at once, with its code."""
    script.answers = [refusal(status, code)]
    with pytest.raises(RefusedError) as caught:
        client.instrument(BTC)
    assert caught.value.code == code
    assert len(script.requests) == 1


def test_a_page_that_is_not_there_is_an_error_of_the_address(client, script):
    """The 404 envelope, whose code is a number, names the settings to correct."""
    body = b'{"code":404,"data":{},"error_code":"404","msg":"Not Found"}'
    script.answers = [(404, {}, body)]
    with pytest.raises(RefusedError, match=r"HTTP 404, code 404: Not Found; .* okx\.rest_url"):
        client.instrument(BTC)


def test_a_redirect_is_an_error(client, script):
    """Nothing is fetched from where an answer points to."""
    script.answers = [(302, {"Location": "http://127.0.0.1:1/elsewhere"}, b"")]
    with pytest.raises(RefusedError, match=r"redirected to 'http://127\.0\.0\.1:1/elsewhere'"):
        client.instrument(BTC)
    assert len(script.requests) == 1


@pytest.mark.parametrize("body", [b"no gzip", b""])
def test_an_answer_that_cannot_be_unpacked_is_asked_for_again(client, script, body):
    """It is no answer, and no traceback."""
    script.answers = [(200, {"Content-Encoding": "gzip"}, body), envelope({"instId": BTC})]
    assert client.instrument(BTC) == {"instId": BTC}


def test_a_packed_answer_is_read(client, script):
    """Servers and proxies may compress."""
    status, _, body = envelope({"instId": BTC})
    script.answers = [(status, {"Content-Encoding": "gzip"}, gzip.compress(body))]
    assert client.instrument(BTC) == {"instId": BTC}


def test_a_closed_client_ends_its_waits(client, script):
    """Another thread closes it: the next request fails at once instead of being sent."""
    client.close()
    with pytest.raises(FeedError, match="the client was closed"):
        client.instrument(BTC)
    assert script.requests == []


@pytest.mark.parametrize("url", ["http://okx.com", "ftp://127.0.0.1", "okx.com", "", "https://"])
def test_plain_text_goes_to_this_machine_only(url):
    """Anything but https is refused, except to the loopback address."""
    with pytest.raises(UsageError, match=re.escape(f"address {url!r}: expected https://")):
        OkxRest(url)
