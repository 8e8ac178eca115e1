"""Dashboard/guard.py: who may ask, over real sockets."""

import socket
from http.client import HTTPConnection
from urllib.parse import urlsplit

import orjson
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from Dashboard.guard import COOKIE, HEADERS, Sessions, host_name
from ravequant.errors import UsageError
from ravequant.vault.paths import Vault
from tests.support.screen import served

TOKEN = "t" * 32
ANY = "0.0.0.0"  # noqa: S104 - what is refused there is the point


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """Return the address of a server of this computer alone."""
    with served(Vault(tmp_path_factory.mktemp("vault")), "--no-refresh") as address:
        yield address


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory):
    """Return the address of a server that other computers may ask, with its token."""
    vault = Vault(tmp_path_factory.mktemp("vault"))
    options = ("--no-refresh", "--bind", ANY, "--allow-host", "localhost")
    with served(vault, *options, RAVEQUANT_DASHBOARD_TOKEN=TOKEN) as address:
        yield address


def asked(address, path="/", method="GET", body=None, **headers):
    """Return status, headers and content of an answer."""
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=20)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def place(address):
    return address.partition("//")[2]


@pytest.mark.parametrize("path", ["/", "/api/v1/status", "/static/none", "/none"])
def test_every_answer_bears_the_headers(local, path):
    """Also that of an error: nothing of the page runs or loads from elsewhere."""
    _, headers, _ = asked(local, path)
    assert {name: headers[name] for name in HEADERS} == HEADERS
    assert "Access-Control-Allow-Origin" not in headers
    assert "Server" not in headers


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}", "", "[::1"],
)
def test_another_host_is_refused(local, host):
    """DNS rebinding: the page of an attacker resolves to this address, under its own name."""
    port = urlsplit(local).port
    status, _, content = asked(local, "/api/v1/status", Host=host.format(port=port))
    assert status in {400, 421}
    assert b"instruments" not in content


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}", "[::1]:{port}"])
def test_its_own_names_are_answered(local, host):
    """The address in any of its spellings."""
    status, _, _ = asked(local, "/api/v1/status", Host=host.format(port=urlsplit(local).port))
    assert status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://{place}", "file://"])
def test_a_foreign_origin_is_refused(local, origin):
    """A request that another page makes bears that page's origin."""
    status, _, _ = asked(local, "/api/v1/status", Origin=origin.format(place=place(local)))
    assert status == 403
    assert asked(local, "/api/v1/status", Origin=local)[0] == 200


@pytest.mark.parametrize("origin", [None, "http://evil.example"])
def test_a_socket_needs_the_pages_origin(local, origin):
    """A socket is subject to no policy of the browser: without an origin it is refused too."""
    address = f"ws://{place(local)}/api/v1/live/BTC-USDT-SWAP"
    with pytest.raises(InvalidStatus) as refused, connect(address, origin=origin):
        pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(local, method):
    """GET and HEAD alone."""
    status, headers, _ = asked(local, "/api/v1/status", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert asked(local, "/api/v1/status", "HEAD")[2] == b""


@pytest.mark.parametrize(
    "request_text",
    [
        "GET /?" + "a" * 9_000 + " HTTP/1.1\r\nHost: {place}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: {place}\r\nX: " + "a" * 9_000 + "\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: {place}\r\nContent-Length: 99999\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: {place}\r\nContent-Length: ²\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: {place}\r\nHost: evil.example\r\n\r\n",
        "\x00\x01\x02\r\n\r\n",
    ],
)
def test_a_large_or_odd_request_is_refused(local, request_text):
    """And the server answers the next one."""
    parts = urlsplit(local)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as line:
        line.sendall(request_text.format(place=place(local)).encode())
        assert line.recv(65_536).split(b" ")[1] in {b"400", b"413", b"421", b"431"}
    assert asked(local, "/api/v1/status")[0] == 200


@pytest.mark.parametrize("path", ["/static/..%2fapp.py", "/static/%2e%2e/app.py", "/..%2fapp.py"])
def test_no_path_of_a_request_reaches_the_disk(local, path):
    """Names come from a map."""
    status, _, content = asked(local, path)
    assert (status, b"import" in content) == (404, False)


def test_a_server_for_others_asks_for_its_token(open_to_all):
    """No cookie, a wrong one, the right token: in the order in which a person meets them."""
    port = urlsplit(open_to_all).port
    here = f"http://127.0.0.1:{port}"
    assert asked(here, "/")[0] in {200, 404}  # the page holds no data
    assert asked(here, "/api/v1/status")[0] == 401
    assert asked(here, "/api/v1/status", Cookie=f"{COOKIE}=guessed")[0] == 401
    form = {"Content_Type": "application/json"}
    wrong = asked(here, "/api/v1/session", "POST", orjson.dumps({"token": "wrong"}), **form)
    assert wrong[0] == 401
    right = asked(here, "/api/v1/session", "POST", orjson.dumps({"token": TOKEN}), **form)
    cookie = right[1]["Set-Cookie"]
    assert (right[0], "HttpOnly" in cookie, "SameSite=strict" in cookie) == (204, True, True)
    assert TOKEN not in cookie
    kept = cookie.partition(";")[0]
    assert asked(here, "/api/v1/status", Cookie=kept)[0] == 200
    for body in (b"{", b'{"token": 5}', b"[]", b"a" * 9_000):
        assert asked(here, "/api/v1/session", "POST", body, **form)[0] in {400, 413}


def test_ten_wrong_tokens_a_minute():
    """The eleventh waits, the right one too; after a minute it may be tried again."""
    moment = [100.0]
    sessions = Sessions(TOKEN, lambda: moment[0])
    for _ in range(10):
        assert sessions.waits_s == 0
        assert sessions.begin("wrong") is None
        moment[0] += 1
    assert sessions.waits_s == 50
    moment[0] += 50
    assert sessions.waits_s == 0
    assert sessions.begin(TOKEN)


def test_a_short_token_is_refused():
    """A token that can be guessed is worse than none."""
    with pytest.raises(UsageError, match="31 characters, expected at least 32"):
        Sessions("t" * 31, lambda: 0.0)


@pytest.mark.parametrize("name", ["rave.lan", "192.168.1.5", "x"])
def test_names_that_may_be_allowed(name):
    """A name as the browser asks for it."""
    assert host_name(name) == name


@pytest.mark.parametrize("name", ["http://rave.lan", "rave.lan:80", "*", "", "a b", "-x"])
def test_names_that_no_host_has(name):
    """A scheme, a port or a pattern would allow nothing, or all."""
    with pytest.raises(UsageError, match="expected the name or address"):
        host_name(name)
