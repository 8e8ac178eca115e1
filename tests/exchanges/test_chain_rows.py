"""Blocks and transactions of the chain: what is believed, and what is refused by name."""

import copy
from typing import Any

import pytest

from ravequant.exchanges.chain_rows import (
    MOST_SAT,
    ChainBlock,
    Transfer,
    block_row,
    transfer_row,
)
from ravequant.records import RecordError

TXID = "ab" * 32
HEAD = {
    "id": "0" * 64,
    "height": 971234,
    "timestamp": 1_763_641_867,
    "mediantime": 1_763_638_000,
    "tx_count": 2345,
    "previousblockhash": "1" * 64,
}


def paid(script: Any, value: Any) -> dict[str, Any]:
    return {"scriptpubkey": script, "value": value}


def transaction(inputs, outputs, fee) -> dict[str, Any]:
    spent = [{"is_coinbase": False, "prevout": paid(*one)} for one in inputs]
    return {"txid": TXID, "vin": spent, "vout": [paid(*one) for one in outputs], "fee": fee}


SOUND = transaction([("aa", 70), ("bb", 40)], [("cc", 60), ("aa", 30), ("6a", 0)], 20)
COINBASE = {
    "txid": TXID,
    "vin": [{"is_coinbase": True, "prevout": None}],
    "vout": [paid("cc", 312_500_000)],
    "fee": 0,
}


def test_change_is_not_sent():
    """What goes back to a script of an input is returned; all else was sent, a fresh one too."""
    assert transfer_row(SOUND, 17) == Transfer(17, TXID, 60, 30, 20, 2, 3)


def test_a_consolidation_sends_nothing():
    """Coins that stay with their owner's script are no transfer."""
    row = transaction([("aa", 70), ("aa", 40)], [("aa", 100)], 10)
    assert (transfer_row(row, 1).sent, transfer_row(row, 1).returned) == (0, 100)


def test_new_coins_are_sent_by_nobody():
    """A coinbase has no input with an amount, and stands first in its block alone."""
    assert transfer_row(COINBASE, 0) == Transfer(0, TXID, 0, 0, 0, 1, 1)
    with pytest.raises(RecordError, match="coinbase and not the first"):
        transfer_row(COINBASE, 1)
    with pytest.raises(RecordError, match="no coinbase"):
        transfer_row(SOUND, 0)


def spoiled(*path: Any, value: Any) -> dict[str, Any]:
    row = copy.deepcopy(SOUND)
    place: Any = row
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return row


@pytest.mark.parametrize(
    "row",
    [
        [],
        None,
        spoiled("txid", value="AB" * 32),
        spoiled("txid", value=7),
        spoiled("vin", value=[]),
        spoiled("vin", value="x"),
        spoiled("vout", value={}),
        spoiled("vin", 0, "prevout", value=None),
        spoiled("vin", 0, "prevout", "scriptpubkey", value=None),
        spoiled("vin", 0, "prevout", "value", value="70"),
        spoiled("vin", 0, "prevout", "value", value=70.0),
        spoiled("vout", 0, "value", value=-60),
        spoiled("vout", 0, "value", value=True),
        spoiled("vout", 0, "value", value=MOST_SAT + 1),
        spoiled("vout", 0, value=None),
        spoiled("fee", value=21),
        spoiled("fee", value=-1),
        spoiled("fee", value=None),
        transaction([("aa", MOST_SAT), ("bb", MOST_SAT)], [("cc", MOST_SAT), ("cc", MOST_SAT)], 0),
        transaction([("aa", 10)], [("cc", 20)], 0),
    ],
)
def test_a_transaction_of_another_form_is_refused(row):
    """Wrong types, amounts below 0 or above 21 million coins, inputs that do not pay outputs."""
    with pytest.raises(RecordError):
        transfer_row(row, 3)


def test_the_message_names_transaction_field_and_value():
    """Whoever reads it can look the transaction up."""
    with pytest.raises(RecordError) as caught:
        transfer_row(spoiled("vout", 0, "value", value=-60), 3)
    wanted = f"value = -60 is no whole number from 0 to {MOST_SAT}"
    assert str(caught.value) == f"transaction {TXID}: {wanted}"


def test_the_head_of_a_block():
    """Times in milliseconds."""
    wanted = ChainBlock(971234, "0" * 64, "1" * 64, 1_763_641_867_000, 1_763_638_000_000, 2345)
    assert block_row(HEAD) == wanted


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "0" * 63},
        {"previousblockhash": None},
        {"height": -1},
        {"height": "971234"},
        {"tx_count": 0},
        {"tx_count": 10**6},
        {"timestamp": 4_070_908_800},
        {"timestamp": 1_763_637_999},
        {"mediantime": 1.5},
        {"timestamp": 10**30},
    ],
)
def test_a_head_of_another_form_is_refused(changed):
    """A block of the year 2099 would open a file of that day, and hide each one before it."""
    with pytest.raises(RecordError):
        block_row({**HEAD, **changed})
