"""Why nothing is recorded, and since when, as it stands in a recorder's heartbeat."""

from ravequant import times


class Standstill:
    """Remembers since when nothing is recorded: since the last row, or the program's start.

    A broken connection is noticed late, so the time of the notice would claim rows that never came.
    """

    def __init__(self) -> None:
        self._started_ms = times.utc_now_ms()
        self._since_ms: int | None = None

    def facts(self, problem: str | None, silent_s: float | None) -> dict[str, str | None]:
        """Return the problem of now and its beginning (wall clock), null where there is none.

        ``silent_s``: seconds since the last row; None: none has come.
        """
        if problem is None:
            self._since_ms = None
        elif self._since_ms is None and silent_s is None:
            self._since_ms = self._started_ms
        elif self._since_ms is None and silent_s is not None:
            self._since_ms = times.utc_now_ms() - round(silent_s * times.SECOND_MS)
        since = self._since_ms
        return {
            "problem": problem,
            "problem_since_utc": None if since is None else times.iso(since),
        }
