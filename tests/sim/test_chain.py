"""The chain desk of the local exchange: every trouble of the real chain, from time alone."""

import json
from itertools import pairwise

import pytest

from ravequant.sim import chain
from ravequant.times import MINUTE_MS

TWELFTH = 891_240  # a block that is replaced, with the one before it
NOW = chain.found_ms(TWELFTH)


def head(height: int, *, stale: bool = False):
    return chain.block(height, stale=stale)


def test_blocks_are_linked():
    """Each block names its parent, also where that was replaced."""
    for height in range(TWELFTH - 30, TWELFTH + 3):
        assert head(height)["previousblockhash"] == head(height - 1)["id"]


def test_two_blocks_come_at_once():
    """The newest height jumps by two: who looks at the newest alone misses a block."""
    seen = [chain.tip(NOW + minute * MINUTE_MS) for minute in range(60)]
    steps = {later - earlier for earlier, later in pairwise(seen)}
    assert steps == {0, 1, 2}


def test_two_blocks_are_replaced():
    """Until the next one is found, a branch of two blocks stands in their place."""
    after = chain.found_ms(TWELFTH + 1)
    for height in (TWELFTH - 1, TWELFTH):
        assert chain.block_hash(height, after - 1) == head(height, stale=True)["id"]
        assert chain.block_hash(height, after) == head(height)["id"]
    branch = head(TWELFTH, stale=True)
    assert branch["previousblockhash"] == head(TWELFTH - 1, stale=True)["id"]
    assert head(TWELFTH - 1, stale=True)["previousblockhash"] == head(TWELFTH - 2)["id"]


def test_the_clocks_of_miners_run_backward():
    """The time of a block may lie before its parent's; the median never falls."""
    heads = [head(height) for height in range(TWELFTH - 40, TWELFTH)]
    stamps = [one["timestamp"] for one in heads]
    medians = [one["mediantime"] for one in heads]
    assert stamps != sorted(stamps)
    assert medians == sorted(medians)


def test_inputs_pay_for_outputs_and_fee():
    """To the satoshi; a transaction stands once in a block."""
    made = chain.transactions(TWELFTH)
    for row in made[1:]:
        spent = sum(one["prevout"]["value"] for one in row["vin"])
        assert spent == sum(one["value"] for one in row["vout"]) + row["fee"]
        assert all(one["value"] > 0 for one in row["vout"])
    assert len({row["txid"] for row in made}) == len(made)


def test_the_paths():
    """Height and hash as text, head and pages of 25 as JSON, 404 for what is not there."""
    name = chain.block_hash(TWELFTH, NOW)
    ask = lambda path: chain.answer(path, NOW)  # noqa: E731
    assert ask("/api/blocks/tip/height").body == str(chain.tip(NOW)).encode()
    assert ask(f"/api/block-height/{TWELFTH}").body == name.encode()
    assert json.loads(ask(f"/api/block/{name}").body)["id"] == name
    count, found = head(TWELFTH, stale=True)["tx_count"], list[object]()
    while len(found) < count:
        found += json.loads(ask(f"/api/block/{name}/txs/{len(found)}").body)
    assert found == list(chain.transactions(TWELFTH, stale=True))
    assert ask(f"/api/block/{name}/txs/{count + 25}").status == 400


@pytest.mark.parametrize("path", ["block-height/99999999", f"block/{'a' * 64}", "blocks/tip/x"])
def test_what_is_not_there(path):
    """A height above the newest, a hash of no block, a path of another form."""
    assert chain.answer(f"/api/{path}", NOW).status == 404
