"""The alerts of a watch: what a round brought goes to Discord, to a command, to the bell."""

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import orjson

from ravequant import times
from ravequant.alerts import discord_embed, told_state, webhook
from ravequant.alerts.channels import Channels
from ravequant.alerts.command import Command
from ravequant.alerts.courier import Courier, Letter
from ravequant.alerts.policy import AlertBook, Message, Sighting
from ravequant.errors import VaultError
from ravequant.settings import Settings, exactly
from ravequant.signals.evidence import within
from ravequant.signals.market_state import Limits
from ravequant.signals.rules import Signal
from ravequant.vault.atomic import replace_file
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault

_EVERYTHING: Final = "ALL-INSTRUMENTS"  # one that tells for a vault, whatever it watches
_PATIENCE_S: Final = 1.0  # that a round waits for Discord; what takes longer is seen to later
_LAST_S: Final = 2.0  # as the watch ends
_ASK_AGAIN_S: Final = 5.0
_log = logging.getLogger("find_signals")


class _Standing(NamedTuple):
    signal: Signal
    limits: Limits
    row: Mapping[str, Any]


class Alerts:
    """Tells what each round brings that is new, and remembers it in the vault.

    Between ``with`` and its end it is the only one in its vault; LockedError if there is another.
    """

    def __init__(self, vault: Vault, channels: Channels, chosen: Settings) -> None:
        self._vault, self._path, self._channels = vault, vault.alerts(), channels
        self._approach = exactly(chosen, "alerts.approach_bps")
        self._book = AlertBook(chosen.alerts.per_hour, posts=channels.discord)
        self._webhook = webhook.needed(chosen) if channels.discord else None
        self._command = Command(channels.command) if channels.command is not None else None
        self._courier: Courier | None = None
        self._round: dict[str, _Standing] = {}
        self._saved = b""
        self._held = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as held:
            held.enter_context(writer_lock(self._vault, "alerts", _EVERYTHING))
            told_state.restore(self._book, self._path)
            if self._webhook is not None:
                from ravequant.alerts.discord import Discord  # noqa: PLC0415 - loads requests

                self._courier = Courier(Discord(self._webhook).post)
            self._held = held.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        with self._held:
            self._gather(_LAST_S)
            if self._command is not None:
                self._command.finish(_LAST_S)

    def see(
        self, signals: Sequence[Signal], rows: Sequence[Mapping[str, Any]], limits: Limits
    ) -> None:
        """Take the signals of one instrument, with their JSON objects."""
        for signal, row in zip(signals, rows, strict=True):
            self._round[signal.wick.event_id] = _Standing(signal, limits, row)

    def tell(self) -> None:
        """End a round: tell what is new, and post what waits."""
        sightings = [_sighting(one.signal, self._approach) for one in self._round.values()]
        told = self._book.see(sightings, times.utc_now_ms())
        for found in told:
            if self._command is not None:
                self._command.run({"alert": "near" if found.near else "new",
                                   **self._round[found.key].row})  # fmt: skip
        if told and self._channels.bell:
            _ring()
        self._save()
        self._gather(0)
        self._post()
        self._gather(_PATIENCE_S)

    def rest(self, seconds: float) -> None:
        """Wait for the next round; see to what Discord takes its time for, or takes again."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            courier = self._courier
            if courier is None or courier.off or not (self._book.waiting or not courier.idle):
                time.sleep(left)
            elif not courier.idle:
                self._gather(left)
            else:
                time.sleep(min(left, max(courier.wait_s, _ASK_AGAIN_S)))
                self._post()
        self._round.clear()

    def _post(self) -> None:
        if self._courier is None or not self._courier.ready:
            return
        now = times.utc_now_ms()
        standing = {key for key, one in self._round.items() if not one.signal.in_contact}
        due = self._book.due(standing, now)
        if due:
            self._courier.carry([Letter(message, self._body(message, now)) for message in due])

    def _body(self, message: Message, now: int) -> dict[str, Any]:
        if message.is_list:
            return discord_embed.digest(message)
        (alert,) = message.alerts
        one = self._round[alert.key]
        return discord_embed.embed(one.signal, one.limits, now, near=alert.near)

    def _gather(self, patience_s: float) -> None:
        """Take note of what was posted."""
        if self._courier is None:
            return
        for done in self._courier.collect(patience_s):
            if done.accepted:
                self._book.accepted(done.message, times.utc_now_ms())
            else:
                self._book.dropped(done.message)
        self._save()

    def _save(self) -> None:
        data = orjson.dumps(self._book.state())
        if data == self._saved:
            return
        try:
            replace_file(self._path, data)
            self._saved = data
        except VaultError as error:  # this watch knows all the same; only the next one would not
            _log.warning("alerts: what was told is not kept: %s", error)


def _sighting(signal: Signal, approach: int) -> Sighting:
    wick, last = signal.wick, signal.last
    return Sighting(
        key=wick.event_id,
        others=tuple(other.event_id for other in signal.wicks if other != wick),
        line=discord_embed.line(signal),
        birth=wick.birth,
        near=last is not None and within(wick.tip - last.price, approach, last.price),
        in_contact=signal.in_contact,
    )


def _ring() -> None:
    """Ring the terminal's bell, if somebody sits at one."""
    for stream in (sys.stderr, sys.stdout):
        if stream.isatty():
            stream.write("\a")
            stream.flush()
            return
