"""The places of an hour: so many messages in any hour, and when the next place is free. Pure."""

from ravequant import times


class HourBudget:
    """The times of the messages that took a place; all times are Unix milliseconds."""

    def __init__(self, per_hour: int) -> None:
        self.per_hour = per_hour
        self.sent: list[int] = []

    def take(self, now: int) -> None:
        """Take a place."""
        self.sent.append(now)

    def free(self, now: int) -> int:
        """Return how many places are free."""
        return max(0, self.per_hour - len(self._taken(now)))

    def full_until(self, now: int, more: int = 0) -> int | None:
        """Return when the next place is free once ``more`` are taken; None if one is left."""
        taken = [*self._taken(now), *[now] * more]
        return None if len(taken) < self.per_hour else taken[-self.per_hour] + times.HOUR_MS

    def forget(self, now: int) -> None:
        """Forget the times that are an hour old, or ahead of a clock that went back."""
        self.sent = [at for at in self.sent if now - times.HOUR_MS < at <= now]

    def _taken(self, now: int) -> list[int]:
        return sorted(at for at in self.sent if now - times.HOUR_MS < at)


def next_place(until_ms: int) -> str:
    """Return in words when the next place is free: the minute in which it is for sure."""
    return f"next at {times.iso(until_ms + times.MINUTE_MS - 1)[11:16]} UTC"


def used_words(per_hour: int, until_ms: int, waiting: int) -> str:
    """Return the line about alerts that wait for a place."""
    return f"{per_hour} of the hour are used, {next_place(until_ms)}; {waiting} wait"
