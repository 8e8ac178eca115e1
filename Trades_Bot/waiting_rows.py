"""Live rows that wait while a gap is filled, packed: a hundred thousand take 10 MB, not 25."""

from collections import deque

from ravequant.records import Side, Trade

_SIDES: dict[str, Side] = {"b": "buy", "s": "sell"}


class WaitingRows:
    """A queue of trades in order of arrival."""

    def __init__(self) -> None:
        self._rows: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._rows)

    def append(self, trade: Trade) -> None:
        """Put a trade behind the others."""
        self._rows.append(
            f"{trade.ts} {trade.trade_id} {trade.side[0]} {trade.price} {trade.qty} {trade.count} "
            f"{trade.source}".encode("ascii")
        )

    def head(self) -> Trade:
        """Return the oldest trade; IndexError if none waits."""
        ts, trade_id, side, price, qty, count, source = self._rows[0].decode("ascii").split(" ")
        return Trade(int(ts), int(trade_id), _SIDES[side], price, qty, int(count), source)

    def drop_head(self) -> None:
        """Forget the oldest trade."""
        self._rows.popleft()

    def clear(self) -> None:
        """Forget all of them."""
        self._rows.clear()
