"""The REST side of mempool.space, or of a node of one's own with the same one: confirmed blocks.

Blocking. Its limits are not published: it is asked at most once a second, and a refusal (429) is
waited out.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from ravequant.errors import FeedError
from ravequant.exchanges.base import RefusedError
from ravequant.exchanges.chain_rows import (
    ChainBlock,
    Transfer,
    block_row,
    hash_of,
    transfer_row,
)
from ravequant.exchanges.paced_http import HttpReply, PacedHttp, PassingError
from ravequant.records import RecordError

PAGE: Final = 25  # transactions of an answer
_PACE: Final = "all"
_PER_SECOND: Final = 1.0
_ATTEMPTS: Final = 5
_REFUSED_S: Final = 30.0  # after a 429 that names no time
_MOST_WAIT_S: Final = 600.0
_OK, _TOO_MANY, _SERVER_ERROR = 200, 429, 500


class MempoolSpace:
    """A client of one address; ``close`` ends its waits, from any thread.

    Raises FeedError for an answer that cannot be had or is not to be believed.
    """

    def __init__(
        self,
        url: str,
        *,
        attempts: int = _ATTEMPTS,
        limit_factor: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        pace = {_PACE: _PER_SECOND * limit_factor}
        self._http = PacedHttp(url, pace, "btc_transfers.url", attempts=attempts, clock=clock)

    def close(self) -> None:
        """End waits and refuse further requests."""
        self._http.close()

    def tip(self) -> int:
        """Return the height of the newest block."""
        path = "/api/blocks/tip/height"
        text = self._ask(path, _text)
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise self._odd(path, f"{text!r:.80} is no height")
        return int(text)

    def block_at(self, height: int) -> ChainBlock:
        """Return the block of a height in the chain that counts now."""
        path = f"/api/block-height/{height}"
        try:
            found = self.block(hash_of(self._ask(path, _text), "hash"))
        except RecordError as error:
            raise self._odd(path, str(error)) from None
        if found.height != height:
            raise self._odd(path, f"the block {found.hash} is of height {found.height}")
        return found

    def block(self, block_hash: str) -> ChainBlock:
        """Return a block by its hash, in whichever chain it stands."""
        path = f"/api/block/{block_hash}"
        try:
            found = block_row(self._ask(path, _json))
        except RecordError as error:
            raise self._odd(path, str(error)) from None
        if found.hash != block_hash:
            raise self._odd(path, f"id is {found.hash}")
        return found

    def transfers(self, block: ChainBlock) -> list[Transfer]:
        """Return all transactions of a block, in their order."""
        found: list[Transfer] = []
        while len(found) < block.transactions:
            start = len(found)
            path = f"/api/block/{block.hash}/txs/{start}"
            page = self._ask(path, _json)
            wanted = min(PAGE, block.transactions - start)
            if not isinstance(page, list) or len(page) != wanted:
                raise self._odd(path, f"{page!r:.80} is no list of {wanted} transactions")
            try:
                found += [transfer_row(row, start + at) for at, row in enumerate(page)]
            except RecordError as error:
                raise self._odd(path, str(error)) from None
        if len({one.txid for one in found}) != len(found):
            raise self._odd(f"/api/block/{block.hash}/txs", "a transaction came twice")
        return found

    def _ask(self, path: str, read: Callable[[HttpReply], Any]) -> Any:
        return self._http.ask(path, {}, read, pace=_PACE)

    def _odd(self, path: str, fault: str) -> FeedError:
        return FeedError(
            f"{self._http.url}{path}: {fault}; nothing of that block is written. It is asked "
            "again; if that goes on, set btc_transfers.url to another address"
        )


def _text(reply: HttpReply) -> str:
    if reply.status == _OK:
        return reply.body.decode("utf-8", "replace").strip()
    said = f"{reply.where}: HTTP {reply.status}: {reply.body[:80]!r}"
    if reply.status == _TOO_MANY or reply.status >= _SERVER_ERROR:
        error = PassingError(said)
        if reply.status == _TOO_MANY:
            error.wait_s = _named_wait(reply.headers)
        raise error
    raise RefusedError(
        f"{said}; expected HTTP 200. Check btc_transfers.url, and that this network may reach it",
        str(reply.status),
    )


def _json(reply: HttpReply) -> Any:
    text = _text(reply)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise PassingError(f"{reply.where}: no JSON: {text!r:.80}") from None


def _named_wait(headers: Mapping[str, str]) -> float:
    named = headers.get("Retry-After", "")
    whole = named.isascii() and named.isdigit() and len(named) <= 9
    return min(float(named), _MOST_WAIT_S) if whole else _REFUSED_S
