"""mempool.space over real sockets: what it asks, how it waits, and what it does not believe."""

import time

import pytest

from ravequant.errors import FeedError
from ravequant.exchanges.base import RefusedError
from ravequant.exchanges.mempool_space import MempoolSpace
from ravequant.sim import chain
from ravequant.sim.replies import HttpAnswer
from tests.support.chain_desk import TWELFTH, serving, spoiled

HEIGHT = TWELFTH - 6
BUSY = HttpAnswer(429, b"Too Many Requests", "text/plain", headers={"Retry-After": "1"})


@pytest.fixture
def desk():
    with serving(HEIGHT) as made:
        yield made


def client(desk, attempts: int = 1) -> MempoolSpace:
    return MempoolSpace(desk.url, attempts=attempts, limit_factor=1_000)


def test_a_block_and_all_its_transactions(desk):
    """The head by height, the transactions in pages, in their order."""
    made = client(desk)
    block = made.block_at(made.tip())
    found = made.transfers(block)
    assert [one.txid for one in found] == [row["txid"] for row in chain.transactions(HEIGHT)]
    assert [one.place for one in found] == list(range(block.transactions))


def test_at_most_one_request_a_second(desk):
    """Of all paths together: the limits of the service are not known."""
    made = MempoolSpace(desk.url)
    began = time.monotonic()
    made.block(chain.block_hash(made.tip(), desk.now))
    assert time.monotonic() - began > 1


def test_a_refusal_is_waited_out(desk):
    """After a 429 the next request comes when the answer says, or later."""
    asked: list[float] = []

    def busy(_, answer):
        asked.append(time.monotonic())
        return BUSY if len(asked) == 1 else answer

    desk.spoil = busy
    assert client(desk, attempts=2).tip() == HEIGHT
    assert asked[1] - asked[0] >= 1


def test_a_client_that_is_closed_does_not_wait_on(desk):
    """A program that stops does not sit out half an hour."""
    desk.spoil = lambda *_: BUSY._replace(headers={"Retry-After": "1800"})
    made = client(desk, attempts=2)
    made.close()
    with pytest.raises(FeedError, match="closed"):
        made.tip()


def test_what_is_not_there_is_refused_at_once(desk):
    """A height above the newest; the message names address and remedy."""
    with pytest.raises(RefusedError, match=r"HTTP 404.*Check btc_transfers\.url"):
        client(desk, attempts=5).block_at(HEIGHT + 5)
    assert len(desk.paths) == 1


@pytest.mark.parametrize("body", [b"", b"NaN", b"-1", b"1e6", b"<html>", b"9" * 40, b"\xff\xfe"])
def test_a_height_that_is_none(desk, body):
    """Whatever stands there, it is named."""
    desk.spoil = lambda _, answer: answer._replace(body=body)
    with pytest.raises(FeedError, match="is no height"):
        client(desk).tip()


def first(field, value):
    return lambda page: page[0].update({field: value})


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        ("/txs/0", lambda page: page[:-1], "is no list of 25 transactions"),
        ("/txs/0", lambda page: [*page, page[0]], "is no list of 25 transactions"),
        ("/txs/0", lambda _: {"error": "x"}, "is no list"),
        ("/txs/25", lambda _: [], "is no list of"),
        ("/txs/0", lambda page: [page[0], page[1], *page[1:-1]], "came twice"),
        ("/txs/0", first("txid", "x"), "is not 64 hexadecimal digits"),
        ("/txs/0", lambda page: page[1]["vout"][0].update(value=-1), "value = -1"),
        ("/txs/0", lambda page: page[1]["vout"][0].update(value=1.5), "value = 1.5"),
        ("/txs/0", lambda page: page[1]["vin"][0].update(prevout=None), "output = None"),
    ],
)
def test_pages_of_another_form_are_refused_whole(desk, part, change, said):
    """One bad transaction, and nothing of its block is believed."""
    made = client(desk)
    block = made.block_at(HEIGHT)
    assert block.transactions > 25
    desk.spoil = spoiled(part, change)
    with pytest.raises(FeedError, match=said) as caught:
        made.transfers(block)
    assert "nothing of that block is written" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "b" * 64}, "id is bbb"),
        ({"height": 5}, "is of height 5"),
        ({"tx_count": -1}, "tx_count = -1"),
        ({"mediantime": True}, "mediantime = True"),
    ],
)
def test_a_head_that_is_not_the_one_asked_for(desk, change, said):
    """Another hash, another height, another form."""
    desk.spoil = spoiled("/api/block/", change.__ror__)
    with pytest.raises(FeedError, match=said):
        client(desk).block_at(HEIGHT)
