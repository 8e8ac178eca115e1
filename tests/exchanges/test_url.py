"""Addresses: TLS everywhere, plain text only to this machine, and no password in any of them."""

import pytest

from ravequant.errors import UsageError
from ravequant.exchanges.url import check_url, unreachable


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("wss://ws.okx.com/ws/v5", False),
        ("wss://localhost:8443/ws", True),
        ("ws://127.0.0.1:8080/ws/v5", True),
        ("ws://[::1]:8080", True),
    ],
)
def test_tls_anywhere_and_plain_text_to_this_machine(url, local):
    """The answer says whether the address is this machine's own."""
    assert check_url(url, "wss", "ws") is local


@pytest.mark.parametrize(
    "url", ["ws://ws.okx.com", "ws://127.0.0.1.example.com", "https://ws.okx.com", "ws.okx.com",
            "", "wss://", "wss://[::1", "ws://127.0.0.1:", "wss://ws.okx.com:x", "wss://a.b:70000"],
)  # fmt: skip
def test_any_other_address_is_refused(url):
    """The message shows the address, the form expected, and where to correct it."""
    with pytest.raises(UsageError) as caught:
        check_url(url, "wss", "ws")
    assert str(caught.value) == (
        f"address {url!r}: expected wss://… (ws:// only to this machine itself); "
        "correct --ws-url, --rest-url or the settings"
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:s3cret@okx.com", "https://…@okx.com"),
        ("me:s3/cret@host", "…@host"),
        ("http://s3cret@127.0.0.1", "http://…@127.0.0.1"),
        ("https://a@s3cret@okx.com", "https://…@okx.com"),
    ],
)
def test_an_address_with_a_login_is_refused_and_the_login_not_shown(url, shown):
    """Addresses stand in logs and errors: a password must never come to be in one."""
    with pytest.raises(UsageError) as caught:
        check_url(url, "https", "http")
    assert str(caught.value) == (
        f"address {shown!r}: holds a user name or password, expected none; "
        "correct --ws-url, --rest-url or the settings"
    )


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("[Errno -2] Name or service not known", "name not known"),
        ("[Errno 11001] getaddrinfo failed", "name not known"),
        ("[Errno 111] Connect call failed ('127.0.0.1', 9)", "connection refused"),
        ("HTTPConnectionPool: Read timed out. (read timeout=10)", "no answer in time"),
        ("HTTP 503, code 50001: busy", "HTTP 503, code 50001: busy"),
    ],
)
def test_an_address_that_does_not_answer_is_a_short_sentence(reason, said):
    """For the window and the heartbeat: the host, and the systems' words in plain ones."""
    url = "https://openapi.okx.com/api/v5"
    assert unreachable(url, reason) == f"cannot reach openapi.okx.com: {said}"
