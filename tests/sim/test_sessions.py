"""The exchange's side of a connection: each request is answered as the reference says."""

import orjson
import pytest

from ravequant.sim.sessions import REQUESTS_PER_HOUR, ChannelRequest, ClientSession

BTC = "BTC-USDT-SWAP"
ARG = {"channel": "trades", "instId": BTC}


def session(path="/ws/v5/public"):
    return ClientSession(path, "c1", frozenset({BTC}))


def request(*args, **more):
    return orjson.dumps({"op": "subscribe", "args": list(args), **more}).decode()


def codes(answers):
    return [orjson.loads(answer)["code"] for answer in answers if isinstance(answer, bytes)]


def test_a_ping_is_answered_and_not_counted():
    """Any number of them."""
    subject = session()
    for _ in range(REQUESTS_PER_HOUR + 1):
        assert subject.receive("ping", 0.0) == [b"pong"]
    assert codes(subject.receive(request(ARG), 0.0)) == []


def test_legal_arguments_are_handed_on_in_their_order():
    """Beside a bad argument too, which gets an error of its own."""
    bad = {"channel": "tradez", "instId": BTC}
    first, error, last = session().receive(request(ARG, bad, ARG, id="a1"), 0.0)
    assert first == last == ChannelRequest("subscribe", ARG, "a1")
    assert first.key == ("trades", BTC)
    found = orjson.loads(error)
    assert (found["code"], found["id"], found["connId"]) == ("60018", "a1", "c1")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "60012"),
        ("[]", "60012"),
        ('{"op":"subscribe"}', "60012"),
        ('{"op":"dance","args":[{}]}', "60019"),
        ('{"op":"subscribe","args":[]}', "60013"),
        ('{"op":"subscribe","args":["trades"]}', "60013"),
        ('{"op":"subscribe","args":[{"channel":1}]}', "60013"),
        (request(ARG, id="not ok"), "60033"),
        (request({"channel": "books-l2-tbt", "instId": BTC}), "60011"),
        (request({"channel": "trades", "instId": "NO-USDT-SWAP"}), "60018"),
        (request({"channel": "trades-all", "instId": BTC}), "60018"),
    ],
)
def test_a_bad_request_has_its_code(text, code):
    """One error for the request, or for each bad argument."""
    assert codes(session().receive(text, 0.0)) == [code]


def test_each_path_has_its_channels():
    """Single fills are on the business path."""
    arg = {"channel": "trades-all", "instId": BTC}
    business = session("/ws/v5/business")
    assert codes(business.receive(request(arg), 0.0)) == []
    assert codes(business.receive(request(ARG), 0.0)) == ["60018"]


def test_requests_are_limited_in_any_hour():
    """The refused ones do not count; after an hour there is room again."""
    subject = session()
    for _ in range(REQUESTS_PER_HOUR):
        assert codes(subject.receive(request(ARG), 10.0)) == []
    assert codes(subject.receive(request(ARG), 3_609.9)) == ["60014"]
    assert codes(subject.receive(request(ARG), 3_610.0)) == []
