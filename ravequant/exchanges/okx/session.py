"""The protocol of one OKX connection, without I/O: subscriptions, their health, pings, pacing."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from statistics import median
from typing import Final, Literal

from ravequant.exchanges.base import (
    Channel,
    ChannelData,
    HandOver,
    Refused,
    Resubscribing,
    Rows,
    SessionEvent,
    Subscribed,
    TradeRows,
    UnknownFrame,
)
from ravequant.exchanges.okx import messages
from ravequant.exchanges.okx.messages import Ack, ErrorEvent, Notice

_HAND_OVER: Final = "64008"
_CONFIG_ERRORS: Final = frozenset(
    {
        "60008", "60011", "60012", "60013", "60018", "60019", "60027", "60028", "60033",
        "64000", "64001", "64002", "64003", "64004",
    }
)  # fmt: skip
_TOO_FREQUENT: Final = "60014"

PING_AFTER_S: Final = 8.0  # of silence; the exchange closes after 30 s
PONG_WITHIN_S: Final = 5.0  # so a half-open socket is noticed within 13 s
ACK_WITHIN_S: Final = 10.0
STALE_AFTER_S: Final = 19.0
_STALE_SPACINGS: Final = 10  # times the median spacing, where that is longer
_STALE_DOUBLINGS: Final = 5  # a quiet market is asked less and less often
_CONFIG_RETRY_S: Final = 300.0
_BACK_OFF_S: Final = 30.0  # after "requests too frequent"
_HOUR_S: Final = 3600.0
_REQUESTS_AN_HOUR: Final = 470  # the exchange allows 480
_RESUBSCRIBES_AN_HOUR: Final = 200
_PACED_FROM: Final = 120  # with so many in an hour the others are spread over it
_PACE_S: Final = _HOUR_S / (_RESUBSCRIBES_AN_HOUR - _PACED_FROM)
WHOLE_WITHIN_S: Final = 10.0  # from the ack of a book to its snapshot
_UNSOUND_S: Final = 0.5  # a book that breaks so soon after its snapshot counts as unsound
_UNSOUND_ROUNDS: Final = 10  # so many in a row are asked for anew within seconds
_UNSOUND_WAIT_S: Final = 0.05  # so much longer after each of them
_UNSOUND_DOUBLINGS: Final = 5
_ARGS_A_REQUEST: Final = 100  # far below 64 KB
_SPACINGS: Final = 33


class Stage(Enum):
    """The stage of a subscription."""

    WANTED = "to be asked for"
    ASKED = "asked for, no answer yet"
    LIVE = "acknowledged or delivering"
    LEAVING = "to be given up and asked for again"
    LEFT = "given up, no answer yet"
    REFUSED = "refused as a configuration error"


@dataclass(slots=True)
class _TrackedChannel:
    """One channel of the connection: its stage, and the times by which its silence is judged."""

    channel: Channel
    state: Stage = Stage.WANTED
    since: float = field(init=False)  # of the state; one that waits to be sent may begin later
    last_data: float = 0.0
    newest_id: int = -1
    silent_rounds: int = 0  # resubscribes since the last new row
    unanswered: int = 0  # resubscribes that brought no row at all
    attempts: int = 0
    alone: bool = False  # its request was refused as a whole: ask for it by itself
    whole: bool = True  # False: the snapshot of a book has not come yet
    whole_at: float = float("-inf")
    renew_at: float | None = None  # when to ask for a whole book
    unsound: int = 0  # books in a row that broke at once, or never came
    spacings: deque[float] = field(default_factory=lambda: deque(maxlen=_SPACINGS))

    def enter(self, state: Stage, now: float) -> None:
        self.state, self.since = state, now
        self.renew_at = None
        if state is Stage.ASKED:
            self.whole = not messages.begins_whole(self.channel)

    def patience(self) -> float:
        """Return the seconds of silence after which the channel counts as stale."""
        if messages.is_sporadic(self.channel):
            return float("inf")
        spacing = float(median(self.spacings)) if len(self.spacings) > 2 else 0.0
        doubled = 2 ** min(self.silent_rounds, _STALE_DOUBLINGS)
        usual = messages.patience_s(self.channel, STALE_AFTER_S)
        return float(max(usual, _STALE_SPACINGS * spacing) * doubled)

    def heard(self, payload: Rows, now: float) -> None:
        self.unanswered = 0
        if isinstance(payload, ChannelData) and payload.action == "snapshot":
            self.whole, self.whole_at = True, now
        if isinstance(payload, TradeRows):
            newest = max((trade.trade_id for trade in payload.trades), default=-1)
            if newest <= self.newest_id:  # the replay after a subscribe: an old row, no activity
                return
            self.newest_id = newest
        if self.last_data:
            self.spacings.append(now - self.last_data)
        self.last_data, self.silent_rounds = now, 0

    def silence_began(self) -> float:
        return max(self.since, self.last_data)

    def renewal_due(self) -> float:
        """Return the time to ask for a whole book: it was wanted, or its snapshot never came."""
        if self.renew_at is not None:
            return self.renew_at
        patience = WHOLE_WITHIN_S * 2.0 ** min(self.unsound, _UNSOUND_DOUBLINGS)
        return float("inf") if self.whole else self.since + patience


class OkxSession:
    """Subscriptions of one connection, their health, and the pace of requests."""

    def __init__(self, channels: Iterable[Channel]) -> None:
        self._all = {channel: _TrackedChannel(channel) for channel in channels}
        self._requests: deque[float] = deque()  # when they were sent, the last hour
        self._resubscribes: deque[float] = deque()
        self._asked: dict[str, tuple[Channel, ...]] = {}  # request id -> its channels
        self._dropped: list[Channel] = []  # to be unsubscribed from
        self._left: set[Channel] = set()  # unsubscribed from, for good
        self._serial = 0
        self._quiet_until = 0.0
        self._heard_at = 0.0
        self._pinged_at: float | None = None
        self.failed: str | None = None  # why the connection is of no use any more

    def opened(self, now: float) -> None:
        """Begin: the connection is open."""
        self._heard_at = now
        for item in self._all.values():
            item.enter(Stage.WANTED, now)

    def add(self, channel: Channel, now: float) -> None:
        """Subscribe to one more channel."""
        if channel not in self._all:
            self._all[channel] = _TrackedChannel(channel)
            self._all[channel].enter(Stage.WANTED, now)

    def drop(self, channel: Channel) -> None:
        """Give a channel up for good."""
        item = self._all.pop(channel, None)
        if item is not None and item.state in (Stage.ASKED, Stage.LIVE):
            self._dropped.append(channel)

    @property
    def complete(self) -> bool:
        """Return True if every channel is answered: live, or refused for good."""
        return all(item.state in (Stage.LIVE, Stage.REFUSED) for item in self._all.values())

    @property
    def delivering(self) -> bool:
        """Return True if every live channel has brought a row on this connection."""
        live = [item for item in self._all.values() if item.state is Stage.LIVE]
        steady = [item for item in live if not messages.is_sporadic(item.channel)]
        return bool(steady) and all(item.last_data for item in steady)

    def renew(self, channel: Channel, now: float) -> None:
        """Ask for a whole book of ``channel``; does nothing while a book is on its way.

        A book that breaks again and again right after its snapshot is asked for less and less
        often, so that an unknown kind of feed causes no storm of requests.
        """
        item = self._all.get(channel)
        if item is None or item.state is not Stage.LIVE or item.renewal_due() < float("inf"):
            return
        item.unsound = item.unsound + 1 if now - item.whole_at < _UNSOUND_S else 0
        rounds = min(item.unsound - _UNSOUND_ROUNDS, _UNSOUND_DOUBLINGS)
        soon = _UNSOUND_WAIT_S * max(item.unsound - 1, 0)  # a crossed book may last a while
        item.renew_at = now + (2.0**rounds if rounds > 0 else soon)

    def receive(self, frame: bytes | str, now: float) -> list[SessionEvent]:  # noqa: PLR0911 - by kind
        """Take in a frame; return its events."""
        self._heard_at, self._pinged_at = now, None
        match messages.parse_frame(frame):
            case TradeRows() | ChannelData() as payload:
                return self._data(payload, now)
            case Ack() as ack:
                return self._ack(ack, now)
            case ErrorEvent() as error:
                return self._error(error, now)
            case Notice(code=code, message=message) if code == _HAND_OVER:
                return [HandOver(message, f"Notice {code}")]
            case Notice(code=code, message=message):
                return [UnknownFrame(f"notice {code}: {message}")]
            case UnknownFrame() as unknown:
                return [unknown]
            case messages.Pong():
                return []

    def due(self, now: float) -> tuple[list[str], list[SessionEvent]]:
        """Return the messages to send now, and the events that time alone has brought."""
        events = self._notice_silence(now)
        sent = self._farewell(now)
        for op, waiting, asked in (
            ("unsubscribe", Stage.LEAVING, Stage.LEFT),
            ("subscribe", Stage.WANTED, Stage.ASKED),
        ):
            sent += self._requests_for(op, waiting, asked, now)  # type: ignore[arg-type]
        if self._pinged_at is None and now - self._heard_at >= PING_AFTER_S:
            self._pinged_at = now
            sent.append("ping")
        elif self._pinged_at is not None and now - self._pinged_at >= PONG_WITHIN_S:
            self.failed = f"no pong within {PONG_WITHIN_S:g} s"
        return sent, events

    def wake_at(self, now: float) -> float:
        """Return the time at which `due` has something to do, as far as is known now."""
        moments = [
            self._pinged_at + PONG_WITHIN_S
            if self._pinged_at is not None
            else self._heard_at + PING_AFTER_S
        ]
        moments += [self._deadline(item, now) for item in self._all.values()]
        return min(moments)

    def _deadline(self, item: _TrackedChannel, now: float) -> float:
        match item.state:
            case Stage.WANTED | Stage.LEAVING:
                return max(item.since, self._may_ask_at(now))
            case Stage.ASKED | Stage.LEFT:
                return item.since + self._answer_time(item)
            case Stage.LIVE:
                stale = item.silence_began() + item.patience()
                return max(min(stale, item.renewal_due()), self._may_resubscribe_at(now))
            case Stage.REFUSED:
                return item.since + _CONFIG_RETRY_S

    @staticmethod
    def _answer_time(item: _TrackedChannel) -> float:
        return float(ACK_WITHIN_S * min(max(item.attempts, 1), 6))

    # -- messages of the exchange

    def _data(self, payload: Rows, now: float) -> list[SessionEvent]:
        item = self._all.get(payload.channel)
        if item is None:
            return [UnknownFrame(f"data of {payload.channel}, which nobody asked for")]
        if item.state is Stage.ASKED:  # data may come before the ack
            self._live(item, now)
        item.heard(payload, now)
        return [payload]

    def _ack(self, ack: Ack, now: float) -> list[SessionEvent]:
        item = self._all.get(ack.channel)
        if ack.op == "unsubscribe" and ack.channel in self._left:
            self._left.discard(ack.channel)
            return []
        if item is None:
            return [UnknownFrame(f"{ack.op} of {ack.channel} acknowledged, which nobody asked for")]
        if ack.op == "unsubscribe":
            if item.state is Stage.LEFT:
                item.enter(Stage.WANTED, now)
            return []
        if item.state is Stage.ASKED:
            self._live(item, now)
        return [Subscribed(ack.channel)]

    @staticmethod
    def _live(item: _TrackedChannel, now: float) -> None:
        item.enter(Stage.LIVE, now)
        item.attempts = 0

    def _error(self, error: ErrorEvent, now: float) -> list[SessionEvent]:
        if error.code == _TOO_FREQUENT:
            self._quiet_until = now + _BACK_OFF_S
        concerned = [error.channel] if error.channel else self._asked.get(error.request_id, ())
        waiting = [
            item
            for item in map(self._all.get, concerned)
            if item and item.state in (Stage.ASKED, Stage.LEFT)
        ]
        if error.code in _CONFIG_ERRORS:
            for item in waiting:
                if len(waiting) > 1:  # one channel spoils the request: ask for each by itself
                    item.alone = True
                    item.enter(Stage.WANTED, now)
                else:
                    item.enter(Stage.REFUSED, now)
        only = waiting[0].channel if len(waiting) == 1 else error.channel
        return [Refused(only, error.code, error.message)]

    # -- the passing of time

    def _notice_silence(self, now: float) -> list[SessionEvent]:
        events: list[SessionEvent] = []
        for item in self._all.values():
            if self._deadline(item, now) > now:
                continue
            if item.state is Stage.LIVE and item.renewal_due() <= now:
                events.append(self._renewal(item, now))
            elif item.state is Stage.LIVE:
                events += self._stale(item, now)
            elif item.state in (Stage.ASKED, Stage.LEFT, Stage.REFUSED):
                item.enter(Stage.WANTED, now)
        return events

    def _stale(self, item: _TrackedChannel, now: float) -> list[SessionEvent]:
        silent_s = now - item.silence_began()
        if item.unanswered >= 2:
            self.failed = f"{item.channel.name} of {item.channel.inst_id} stays silent"
            return []
        item.silent_rounds += 1
        item.unanswered += 1
        item.enter(Stage.LEAVING, now)
        self._resubscribes.append(now)
        return [Resubscribing(item.channel, silent_s)]

    def _renewal(self, item: _TrackedChannel, now: float) -> SessionEvent:
        reason = "a whole book is wanted" if item.whole else "no snapshot has come"
        item.unsound += not item.whole
        silent_s = now - item.silence_began()
        item.enter(Stage.LEAVING, now)
        self._resubscribes.append(now)
        return Resubscribing(item.channel, silent_s, reason)

    def _requests_for(
        self,
        op: Literal["subscribe", "unsubscribe"],
        waiting: Stage,
        asked: Stage,
        now: float,
    ) -> list[str]:
        items = [item for item in self._all.values() if item.state is waiting and item.since <= now]
        sent: list[str] = []
        for batch in _batches(items):
            if self._may_ask_at(now) > now:
                break
            self._requests.append(now)
            self._serial += 1
            request_id = f"{op[0]}{self._serial}"
            channels = [item.channel for item in batch]
            self._asked[request_id] = tuple(channels)
            if len(self._asked) > 64:
                del self._asked[next(iter(self._asked))]
            for item in batch:
                item.attempts += 1
                item.enter(asked, now)
            sent.append(messages.request(op, request_id, channels))
        return sent

    def _farewell(self, now: float) -> list[str]:
        """Return the request that gives up the dropped channels, once one is allowed."""
        if not self._dropped or self._may_ask_at(now) > now:
            return []
        self._requests.append(now)
        self._serial += 1
        leaving, self._dropped = self._dropped[:_ARGS_A_REQUEST], self._dropped[_ARGS_A_REQUEST:]
        self._left.update(leaving)
        return [messages.request("unsubscribe", f"u{self._serial}", leaving)]

    def _may_resubscribe_at(self, now: float) -> float:
        free = _free_at(self._resubscribes, _RESUBSCRIBES_AN_HOUR, now)
        if len(self._resubscribes) < _PACED_FROM:
            return free
        return max(free, self._resubscribes[-1] + _PACE_S)

    def _may_ask_at(self, now: float) -> float:
        return max(self._quiet_until, _free_at(self._requests, _REQUESTS_AN_HOUR, now))


def _batches(items: list[_TrackedChannel]) -> list[list[_TrackedChannel]]:
    together = [item for item in items if not item.alone]
    packed = [
        together[start : start + _ARGS_A_REQUEST]
        for start in range(0, len(together), _ARGS_A_REQUEST)
    ]
    return packed + [[item] for item in items if item.alone]


def _free_at(moments: deque[float], an_hour: int, now: float) -> float:
    """Return the time from which another of at most ``an_hour`` in any hour is allowed."""
    while moments and moments[0] <= now - _HOUR_S:
        moments.popleft()
    return moments[0] + _HOUR_S if len(moments) >= an_hour else now
