"""The chain desk of the local exchange: Bitcoin's blocks as mempool.space answers them; pure.

The chain follows from market time alone. A block is due every ten minutes, and it has every trouble
of the real chain, only more often: of five blocks two come at once, so that the newest height jumps
over a block; the miners' clocks run backward; and each twelfth block and its parent are replaced
once the block behind them is found.
"""

import hashlib
import re
from functools import lru_cache
from random import Random
from typing import Any, Final

import orjson

from ravequant.sim.replies import HttpAnswer
from ravequant.times import HOUR_MS, MINUTE_MS, SECOND_MS

PREFIX: Final = "/api/block"  # of all paths
BLOCK_MS: Final = 10 * MINUTE_MS
_FIRST_MS: Final = 1_231_006_505_000  # of the first block
_BEHIND_MS: Final = HOUR_MS  # of the median time
_JUMPS: Final = 5  # blocks; the last of them comes with its parent
_REPLACED: Final = 12  # each such block, and its parent
_PAGE: Final = 25
_SEARCHED: Final = 2_000  # blocks behind the newest that are known by their hash
_COIN: Final = 10**8
_TEXT: Final = "text/plain"


def found_ms(height: int) -> int:
    """Return the market time at which a block is found (Unix ms)."""
    early = height % _JUMPS == _JUMPS - 1
    return _FIRST_MS + (height - early) * BLOCK_MS


def tip(now_ms: int) -> int:
    """Return the height of the newest block."""
    height = (now_ms - _FIRST_MS) // BLOCK_MS
    return height + 1 if found_ms(height + 1) <= now_ms else height


def block_hash(height: int, now_ms: int) -> str:
    """Return the hash of the block that stands at a height now."""
    last = height if height % _REPLACED == 0 else height + 1
    stale = last % _REPLACED == 0 and now_ms < found_ms(last + 1)
    return _hash(height, stale=stale)


def block(height: int, *, stale: bool = False) -> dict[str, Any]:
    """Return the head of a block, or of the ``stale`` block that it replaces."""
    shift = Random(f"clock {height}").randrange(-40, 20) * MINUTE_MS
    return {
        "id": _hash(height, stale=stale),
        "height": height,
        "version": 536870912,
        "timestamp": (found_ms(height) + shift) // SECOND_MS,
        "tx_count": len(transactions(height, stale=stale)),
        "previousblockhash": _hash(height - 1, stale=stale and height % _REPLACED == 0),
        "mediantime": (_FIRST_MS + height * BLOCK_MS - _BEHIND_MS) // SECOND_MS,
    }


@lru_cache(maxsize=64)
def transactions(height: int, *, stale: bool = False) -> tuple[dict[str, Any], ...]:
    """Return the transactions of a block; a stale block lacks some of them."""
    chance = Random(f"block {height}")
    made = [_coinbase(height, stale=stale)]
    made += [
        _transaction(chance, f"{height}.{number}") for number in range(chance.randrange(5, 60))
    ]
    return tuple(made[:-3] if stale else made)


def answer(path: str, now_ms: int) -> HttpAnswer:
    """Return the answer to a GET of one of the desk's paths."""
    newest = tip(now_ms)
    if path == "/api/blocks/tip/height":
        return _plain(str(newest))
    if match := re.fullmatch(r"/api/block-height/([0-9]{1,9})", path):
        height = int(match[1])
        return _plain(block_hash(height, now_ms)) if height <= newest else _unknown()
    match = re.fullmatch(r"/api/block/([0-9a-f]{64})(?:/txs(?:/([0-9]{1,6}))?)?", path)
    place = None if match is None else _place(match[1], newest)
    if match is None or place is None:
        return _unknown()
    height, stale = place
    if "/txs" not in path:
        return HttpAnswer(200, orjson.dumps(block(height, stale=stale)))
    start, all_of_it = int(match[2] or 0), transactions(height, stale=stale)
    if start >= len(all_of_it) or start % _PAGE:
        return HttpAnswer(400, b"start index out of range", _TEXT)
    page = all_of_it[start : start + _PAGE]
    return HttpAnswer(200, orjson.dumps(page), rows=len(page))


def _place(name: str, newest: int) -> tuple[int, bool] | None:
    for height in range(newest, newest - _SEARCHED, -1):
        for stale in (False, True):
            if _hash(height, stale=stale) == name:
                return height, stale
    return None


@lru_cache(maxsize=2 * _SEARCHED)
def _hash(height: int, *, stale: bool) -> str:
    return f"{'0' * 16}{_digest('block', height, stale)[16:]}"


def _digest(*words: object) -> str:
    return hashlib.sha256("|".join(map(str, words)).encode()).hexdigest()


def _script(number: int) -> dict[str, Any]:
    return {"scriptpubkey": f"0014{_digest('script', number)[:40]}"}


def _coinbase(height: int, *, stale: bool) -> dict[str, Any]:
    return {
        "txid": _digest("coinbase", height, stale),
        "vin": [{"is_coinbase": True, "prevout": None}],
        "vout": [{**_script(height), "value": 312_500_000}, {"scriptpubkey": "6a24", "value": 0}],
        "fee": 0,
    }


def _transaction(chance: Random, name: str) -> dict[str, Any]:
    """Return a transaction: one in six moves hundreds of coins, half of them return change."""
    spent = [_script(chance.randrange(10**9)) for _ in range(chance.randrange(1, 4))]
    most = 900 * _COIN if chance.random() < 1 / 6 else 3 * _COIN
    amounts = [chance.randrange(10_000, most) for _ in spent]
    fee = chance.randrange(200, 9_000)
    left, paid = sum(amounts) - fee, []
    for _ in range(chance.randrange(0, 3)):
        part = left // chance.randrange(2, 9)
        left -= part
        paid.append({**_script(chance.randrange(10**9)), "value": part})
    change = spent[0] if chance.random() < 1 / 2 else _script(chance.randrange(10**9))
    return {
        "txid": _digest("transaction", name),
        "vin": [
            {"is_coinbase": False, "prevout": {**script, "value": value}}
            for script, value in zip(spent, amounts, strict=True)
        ],
        "vout": [*paid, {**change, "value": left}],
        "fee": fee,
    }


def _plain(text: str) -> HttpAnswer:
    return HttpAnswer(200, text.encode(), _TEXT)


def _unknown() -> HttpAnswer:
    return HttpAnswer(404, b"Block not found", _TEXT)
