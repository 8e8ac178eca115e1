"""The live trades of one instrument that wait, packed, until a gap before them is filled."""

from collections import deque
from typing import Final

from ravequant.records import Side, Trade

_SIDES: Final[dict[str, Side]] = {"b": "buy", "s": "sell"}  # by initial


class WaitingRows:
    """Live trades in order of arrival, packed: a hundred thousand take 10 MB, not 25."""

    def __init__(self) -> None:
        self._rows: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._rows)

    def append(self, trade: Trade) -> None:
        """Add the newest trade."""
        self._rows.append(
            f"{trade.ts} {trade.trade_id} {trade.side[0]} {trade.price} {trade.qty} {trade.count} "
            f"{trade.source} {trade.ahead:d}".encode("ascii")
        )

    def head(self) -> Trade:
        """Return the oldest trade; IndexError if none waits."""
        ts, trade_id, side, price, qty, count, source, ahead = (
            self._rows[0].decode("ascii").split(" ")
        )
        return Trade(
            int(ts), int(trade_id), _SIDES[side], price, qty, int(count), source, ahead == "1"
        )

    def drop_head(self) -> None:
        """Remove the oldest trade."""
        self._rows.popleft()

    def clear(self) -> None:
        """Remove all trades."""
        self._rows.clear()
