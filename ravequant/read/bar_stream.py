"""Closed minutes of a span as bars, with all their sums, and the minutes that a gap marked."""

from collections.abc import Mapping, Sequence

from ravequant.read.columns import Column
from ravequant.read.minute_stream import MinuteStream
from ravequant.trades.bar_builder import Closed
from ravequant.trades.minute_bar import MinuteBar
from ravequant.vault.paths import Vault


class BarStream(MinuteStream):
    """The minutes of ``minute_stream`` as they are, instead of columns."""

    def __init__(self, vault: Vault, inst_id: str) -> None:
        super().__init__(vault, inst_id)
        self.bars: list[MinuteBar] = []
        self.gaps: list[int] = []

    def _passed(self, closed: Closed) -> list[MinuteBar]:
        self.gaps += closed.gaps
        return closed.bars

    def _inside(self, closed: Sequence[MinuteBar]) -> Mapping[str, Column]:
        self.bars += self._in_span_of(closed)
        return {}


def closed_minutes(
    vault: Vault, inst_id: str, since: int | None = None, until: int | None = None
) -> Closed:
    """Return the minutes that begin in a span (Unix ms; ``until`` is not part of it).

    ``gaps`` are all minutes that a gap marked, those of the span and some others.
    """
    stream = BarStream(vault, inst_id)
    stream.open(since, until)
    for _ in stream.tables():
        pass
    return Closed(stream.bars, stream.gaps, stream.through)
