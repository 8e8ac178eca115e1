"""Blocks and transactions of Bitcoin as mempool.space answers them; pure.

The form is that of its REST side, which others serve too. Amounts are satoshi, times Unix
milliseconds of the miners' clocks: a block may be dated before its parent, and two hours off.
"""

import re
from typing import Any, Final, NamedTuple

from ravequant.records import RecordError
from ravequant.times import DAY_MS, SECOND_MS

SAT_PLACES: Final = 8  # a satoshi is 10**-8 BTC
MOST_SAT: Final = 21_000_000 * 10**SAT_PLACES  # there will never be more
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_MOST_TRANSACTIONS: Final = 100_000  # a block of 4 MB has room for far fewer
_MOST_HEIGHT: Final = 100_000_000
_MOST_SECONDS: Final = 1 << 32  # a block's time has 32 bits


class ChainBlock(NamedTuple):
    """The head of a block."""

    height: int
    hash: str
    previous: str  # the hash of its parent
    ts: int
    median: int  # of the times of eleven blocks: never falls along a chain
    transactions: int


class Transfer(NamedTuple):
    """A transaction of a block. Nobody sends the new coins at index 0: both amounts are 0."""

    place: int  # in the block
    txid: str
    sent: int  # to scripts that are none of its inputs': change to a fresh address counts here
    returned: int  # to scripts of its inputs
    fee: int
    inputs: int
    outputs: int


def hash_of(value: Any, name: str) -> str:
    """Return the hash of a block or transaction; RecordError if it is none."""
    if not isinstance(value, str) or _HASH.fullmatch(value) is None:
        raise RecordError(f"{name} = {value!r:.80} is not 64 hexadecimal digits")
    return value


def block_row(row: Any) -> ChainBlock:
    """Return the head of a block. Raises RecordError."""
    found = _object(row, "block")
    height = _whole(found, "height", _MOST_HEIGHT)
    ts = _whole(found, "timestamp", _MOST_SECONDS) * SECOND_MS
    median = _whole(found, "mediantime", _MOST_SECONDS) * SECOND_MS
    if not 0 <= ts - median <= DAY_MS:
        raise RecordError(
            f"block {height}: timestamp {ts // SECOND_MS} is not within a day behind its "
            f"mediantime {median // SECOND_MS}"
        )
    return ChainBlock(
        height,
        hash_of(found.get("id"), "id"),
        hash_of(found.get("previousblockhash"), "previousblockhash"),
        ts,
        median,
        _whole(found, "tx_count", _MOST_TRANSACTIONS, least=1),
    )


def transfer_row(row: Any, index: int) -> Transfer:
    """Return the transaction at a place of its block. Raises RecordError."""
    found = _object(row, "transaction")
    txid = hash_of(found.get("txid"), "txid")
    try:
        paid = [_output(one) for one in _list(found, "vout")]
        total = _sum(paid)
        if index == 0:
            return _coinbase(found, txid, len(paid))
        spent = [_output(_prevout(one)) for one in _list(found, "vin")]
        own = {script for script, _ in spent}
        returned = sum(value for script, value in paid if script in own)
        fee = _fee(found, _sum(spent), total)
    except RecordError as error:
        raise RecordError(f"transaction {txid}: {error}") from None
    return Transfer(index, txid, total - returned, returned, fee, len(spent), len(paid))


def _coinbase(found: dict[str, Any], txid: str, outputs: int) -> Transfer:
    inputs = _list(found, "vin")
    if len(inputs) != 1 or _object(inputs[0], "vin").get("is_coinbase") is not True:
        raise RecordError("is the first of its block and no coinbase")
    return Transfer(0, txid, 0, 0, 0, 1, outputs)


def _fee(found: dict[str, Any], spent: int, paid: int) -> int:
    fee = _whole(found, "fee", MOST_SAT)
    if spent - paid != fee:
        raise RecordError(f"fee = {fee} is not {spent} of its inputs less {paid} of its outputs")
    return fee


def _prevout(value: Any) -> Any:
    found = _object(value, "vin")
    if found.get("is_coinbase") not in (None, False):
        raise RecordError("is a coinbase and not the first of its block")
    return found.get("prevout")


def _output(value: Any) -> tuple[str, int]:
    """Return (script, satoshi). Scripts are compared: an output may have no address."""
    found = _object(value, "output")
    script = found.get("scriptpubkey")
    if not isinstance(script, str):
        raise RecordError(f"scriptpubkey = {script!r:.80} is no text")
    return script, _whole(found, "value", MOST_SAT)


def _sum(outputs: list[tuple[str, int]]) -> int:
    total = sum(value for _, value in outputs)
    if total > MOST_SAT:
        raise RecordError(f"{total} satoshi are more than there are")
    return total


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RecordError(f"{name} = {value!r:.80} is no object")
    return value


def _list(found: dict[str, Any], name: str) -> list[Any]:
    value = found.get(name)
    if not isinstance(value, list) or not value:
        raise RecordError(f"{name} = {value!r:.80} is no list with a member")
    return value


def _whole(found: dict[str, Any], name: str, most: int, *, least: int = 0) -> int:
    value = found.get(name)
    if type(value) is not int or not least <= value <= most:
        raise RecordError(f"{name} = {value!r:.80} is no whole number from {least} to {most}")
    return value
