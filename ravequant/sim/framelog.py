"""The frame log: every published record and every frame's fate, one JSON object a line.

The fault tests take it for the truth. Kinds: ``start``, ``history`` (a record REST has from the
start), ``trade`` (a record published), ``wall`` (an owner or takers changed a wall of the model
market), ``liquidations`` (rows published, even if nobody listens), ``frame`` (one message to one
connection and its fate), ``connect``, ``disconnect``, ``subscribe``, ``fault`` (a disconnect or
notice), ``rest``, ``end``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant.records import Trade
from ravequant.sim.faultplan import Frame
from ravequant.sim.feed import WallChange
from ravequant.vault.paths import StrPath

_BUFFER_LINES: Final = 20_000


class FrameLog:
    """Appends lines to a new file; ``flush`` at least every second, and at the end."""

    def __init__(self, path: StrPath | None) -> None:
        path = None if path is None else Path(path)
        self.on = path is not None
        self._lines: list[bytes] = []
        self._file = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb")

    def note(self, kind: str, **facts: Any) -> None:
        """Write one line of a kind."""
        if self.on:
            self._append(orjson.dumps({"kind": kind, **facts}))

    def trade(self, kind: str, inst_id: str, trade: Trade) -> None:
        """Write a record: ``kind`` is ``trade``, or ``history`` for one from before the start."""
        if self.on:
            self._append(
                f'{{"kind":"{kind}","instId":"{inst_id}","tradeId":{trade.trade_id},'
                f'"count":{trade.count},"ts":{trade.ts},"side":"{trade.side}",'
                f'"px":"{trade.price}","sz":"{trade.qty}","source":"{trade.source}"}}'.encode()
            )

    def wall(self, inst_id: str, change: WallChange) -> None:
        """Write a change of a wall, with the truth about who made it."""
        self.note(
            "wall",
            instId=inst_id,
            ts=change.ts,
            side=change.side,
            px=change.price,
            how=change.how,
            sz=change.size,
            left=change.left,
        )

    def frame(
        self, connection: int, channel: str, inst_id: str, facts: Mapping[str, Any], fate: str
    ) -> None:
        """Write the fate of one message to one connection."""
        if self.on:
            row = {"kind": "frame", "connection": connection, "channel": channel}
            self._append(orjson.dumps({**row, "instId": inst_id, "fate": fate, **facts}))

    def lost(self, frame: Frame) -> None:
        """Write that a frame that was held back never went out."""
        self.frame(frame.connection, frame.channel, frame.inst_id, frame.facts, "lost")

    def _append(self, line: bytes) -> None:
        self._lines.append(line)
        if len(self._lines) >= _BUFFER_LINES:
            self.flush()

    def flush(self) -> None:
        """Write the lines to the file, so that a reader sees them."""
        if self._file is not None and self._lines:
            self._file.write(b"\n".join(self._lines) + b"\n")
            self._file.flush()
            self._lines.clear()

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None
            self.on = False
