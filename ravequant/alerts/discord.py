"""Posts alerts to a Discord webhook from a thread, so that the watch never waits for the network.

A batch of messages is posted in order until one cannot be posted now. The watch collects the
results and alone remembers them; so after a crash a message is posted again rather than never.
The webhook's address is a secret: an error is logged by its kind alone, and the HTTP library's own
log is shut.
"""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

import orjson
import requests
from urllib3.exceptions import HTTPError

from ravequant import times
from ravequant.alerts.doubts import DoubtMessage
from ravequant.alerts.policy import AlertMessage
from ravequant.alerts.refusals import DeliveryStatus, refusal
from ravequant.alerts.webhook import Webhook

_TIMEOUTS_S: Final = (5.0, 10.0)  # to connect, between two bytes
_MOST_BYTES: Final = 1 << 18
_LEAST_WAIT_S, _MOST_WAIT_S, _USUAL_WAIT_S = 0.1, 900.0, 5.0
_SHORT_WAIT_S: Final = 3.0  # a wait that Discord asks for is spent within the batch, if so short
_SHORT_WAITS: Final = 3  # of a message in one batch
_SILENT_S: Final = 300.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 10.0, 300.0
_NETWORK: Final = "see whether the network is up, it is tried again by itself"
_ITSELF: Final = "Discord itself failed, the watch tries again by itself"
_NEXT: Final = "that alert is lost, the next one is tried"
_log = logging.getLogger("find_signals")
Message = AlertMessage | DoubtMessage


class PostResult(NamedTuple):
    """The status of a message, the reason, the pause that Discord asks for, and the remedy."""

    status: DeliveryStatus
    why: str = ""
    wait_s: float | None = None  # None: Discord did not say
    remedy: str = ""  # empty: the network's


class DiscordClient:
    """A client of one webhook; used by one thread at a time."""

    def __init__(self, webhook: Webhook) -> None:
        logging.getLogger("urllib3").setLevel(logging.CRITICAL + 1)  # it logs whole addresses
        self._webhook = webhook
        self._http = requests.Session()
        self._http.trust_env = not webhook.local  # a proxy of the environment is for the internet
        self._http.headers["User-Agent"] = "ravequant"

    def post(self, message: dict[str, Any]) -> PostResult:
        """Post a message; nothing is raised."""
        try:
            with self._http.post(
                self._webhook.url,
                params=self._webhook.params,
                data=orjson.dumps(message),
                headers={"Content-Type": "application/json"},
                timeout=_TIMEOUTS_S,
                allow_redirects=False,
                stream=True,
            ) as response:
                status, header = response.status_code, response.headers.get("Retry-After", "")
                body = b"" if status < 300 else _start_of(response)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            return PostResult(DeliveryStatus.LATER, type(error).__name__)
        found = result(status, header, body)
        return found._replace(why=self._webhook.without_secret(found.why))


def result(status: int, header: str, body: bytes) -> PostResult:
    """Return the result of an HTTP answer: status, ``Retry-After`` and body."""
    if 200 <= status < 300:
        return PostResult(DeliveryStatus.ACCEPTED)
    if status == requests.codes.too_many:
        return PostResult(DeliveryStatus.LATER, f"HTTP {status}", _wait(header, body))
    found = refusal(status, body)
    return PostResult(found.status, found.why, remedy=found.remedy or _ITSELF * (status >= 500))


def _wait(header: str, body: bytes) -> float:
    """Return the longer of the two waits that a 429 names, within reason."""
    named = [_seconds(header)]
    with suppress(orjson.JSONDecodeError, AttributeError):
        named.append(_seconds(orjson.loads(body).get("retry_after")))
    found = [wait for wait in named if wait is not None]
    return min(max([*found, _LEAST_WAIT_S]), _MOST_WAIT_S) if found else _USUAL_WAIT_S


def _seconds(value: Any) -> float | None:
    try:
        wait = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return wait if 0 <= wait < float("inf") else None


def _start_of(response: requests.Response) -> bytes:
    """Return the first bytes of a body, none if it does not come."""
    with suppress(requests.RequestException, HTTPError, OSError):
        return bytes(response.raw.read(_MOST_BYTES, decode_content=True))
    return b""


class DiscordSender:
    """Posts batches of messages, each from a thread; used by one other thread."""

    def __init__(
        self,
        post: Callable[[dict[str, Any]], PostResult],
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._post, self._clock, self._pause = post, clock, pause
        self._thread: threading.Thread | None = None
        self._done = queue.SimpleQueue[tuple[Message, bool]]()
        self._failures = 0
        self._not_before = 0.0
        self._silent_at = 0.0  # a batch that still runs then is logged
        self.off = False
        self.problem = ""  # why the last message was not accepted, with the remedy
        self.sent_ms: int | None = None  # when the last message was accepted, Unix ms

    @property
    def idle(self) -> bool:
        """True while no batch is under way."""
        return self._thread is None or not self._thread.is_alive()

    @property
    def wait_s(self) -> float:
        """Seconds after a failure until the next post is allowed."""
        return max(0.0, self._not_before - self._clock())

    @property
    def ready(self) -> bool:
        """True if a batch may be sent now."""
        return self.idle and not self.off and not self.wait_s

    def send(self, batch: list[tuple[Message, dict[str, Any]]]) -> None:
        """Begin to post messages with their JSON bodies; only when ready."""
        self._silent_at = self._clock() + _SILENT_S
        self._thread = threading.Thread(
            target=self._deliver, args=(batch,), name="discord", daemon=True
        )
        self._thread.start()

    def collect(self, patience_s: float) -> list[tuple[Message, bool]]:
        """Return the messages that are done since the last call, and whether each was accepted.

        Messages not accepted were refused for good. Waits at most ``patience_s`` for the rest.
        """
        if self._thread is not None:
            self._thread.join(patience_s)
        if not self.idle and self._clock() > self._silent_at:
            self._silent_at += _SILENT_S
            self.problem = f"Discord has not ended its answer for minutes; {_NETWORK}"
            _log.warning(
                "alerts: Discord has not ended its answer for minutes; nothing is posted meanwhile"
            )
        found = []
        while not self._done.empty():
            found.append(self._done.get())
        return found

    def _deliver(self, batch: list[tuple[Message, dict[str, Any]]]) -> None:
        try:
            for message, body in batch:
                posted = self._patiently(body)
                if posted.status in {DeliveryStatus.LATER, DeliveryStatus.OFF}:
                    self._fail(posted)
                    return
                self._failures = 0
                if posted.status is DeliveryStatus.REFUSED:
                    self.problem = f"Discord refused the last message: {posted.why}; {_NEXT}"
                    _log.error("alerts: Discord refused a message: %s; it is dropped", posted.why)
                else:
                    self.problem, self.sent_ms = "", times.utc_now_ms()
                self._done.put((message, posted.status is DeliveryStatus.ACCEPTED))
        except Exception as error:  # noqa: BLE001 - a thread that dies unseen posts nothing any more
            kind = type(error).__name__  # the text of the error may hold the address
            self._fail(PostResult(DeliveryStatus.LATER, kind))

    def _patiently(self, body: dict[str, Any]) -> PostResult:
        for _ in range(_SHORT_WAITS):
            posted = self._post(body)
            if posted.wait_s is None or posted.wait_s > _SHORT_WAIT_S:
                return posted
            self._pause(posted.wait_s)
        return self._post(body)

    def _fail(self, posted: PostResult) -> None:
        if posted.status is DeliveryStatus.OFF:
            self.off = True
            self.problem = f"Discord answered {posted.why}; {posted.remedy}"
            _log.error(
                "alerts: nothing is posted to Discord until the next start: %s from the webhook; "
                "%s",
                posted.why,
                posted.remedy,
            )
            return
        self._failures += 1
        self.problem = f"Discord did not take a message: {posted.why}; {posted.remedy or _NETWORK}"
        longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self._failures - 1, 8))
        wait = posted.wait_s
        if wait is None:
            wait = random.uniform(longest / 2, longest)  # noqa: S311 - jitter
        self._not_before = self._clock() + wait
        _log.warning(
            "alerts: Discord did not take a message: %s; again in %.0f s", posted.why, wait
        )
