"""An exchange's time that stands still, for recorders whose rows are made up."""

from ravequant.exchanges.exchange_time import ExchangeTime


class StillTime(ExchangeTime):
    """The time ``ms`` at any moment; None: it cannot be had."""

    def __init__(self, ms: int | None) -> None:
        super().__init__()
        self.ms = ms

    def at(self, now: float) -> int | None:  # noqa: ARG002 - it stands
        """Return the time."""
        return self.ms

    _carried = at
