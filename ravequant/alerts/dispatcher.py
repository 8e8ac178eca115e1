"""Sends the alerts of a watch to Discord, to a command and to the terminal's bell."""

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import orjson

from ravequant import times
from ravequant.alerts import discord_embed, doubts, webhook
from ravequant.alerts.command import Command
from ravequant.alerts.delivery import DeliveryHeartbeat
from ravequant.alerts.doubts import DoubtMessage, RecordingStops, Sequel
from ravequant.alerts.due_kind import SignalSeen
from ravequant.alerts.ends import RoundAnswer, ends
from ravequant.alerts.hour import next_place, used_words
from ravequant.alerts.policy import AlertPolicy, SignalEnd
from ravequant.errors import VaultError, shown
from ravequant.settings import Settings
from ravequant.signals.evidence import within
from ravequant.signals.limits import SignalLimits
from ravequant.signals.rules import Signal
from ravequant.signals.serialize import shown_fields
from ravequant.vault.atomic import disk_error, move_over, replace_file
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import StrPath, Vault
from ravequant.vault.recorder_state import not_recorded_since

if TYPE_CHECKING:
    from ravequant.alerts.discord import DiscordSender, Message

_EVERYTHING: Final = "ALL-INSTRUMENTS"  # one watch sends alerts for a vault
_PATIENCE_S: Final = 1.0  # for which a round waits for Discord; `rest` waits for the remainder
_LAST_S: Final = 2.0  # the same, as the watch ends
_PAUSE_S: Final = 5.0
_MOST_BYTES: Final = 1 << 22  # of a state file
_log = logging.getLogger("find_signals")


class Channels(NamedTuple):
    """The receivers of alerts."""

    discord: bool
    command: str | None
    bell: bool


class _StandingSignal(NamedTuple):
    signal: Signal
    limits: SignalLimits
    row: Mapping[str, Any]  # its JSON object


class AlertDispatcher:
    """Sends the new alerts of each round, and notes them in the vault; used by a ``with`` block.

    One dispatcher at a time works for a vault: LockedError if there is another.
    """

    def __init__(self, vault: Vault, channels: Channels, chosen: Settings) -> None:
        self._vault, self._path, self._channels = vault, vault.alerts(), channels
        self._approach = chosen.alerts.approach_bps
        self._policy = AlertPolicy(chosen.alerts.per_hour, posts=channels.discord)
        self._webhook = webhook.needed(chosen) if channels.discord else None
        self._command = Command(channels.command) if channels.command is not None else None
        self._discord: DiscordSender | None = None
        self._round: dict[str, _StandingSignal] = {}  # by every event_id of each level
        self._answers: dict[str, RoundAnswer] = {}  # by instrument
        self._stops = RecordingStops(times.utc_now_ms())
        self._saved, self._waits = b"", False
        self._heartbeat = DeliveryHeartbeat(vault)
        self._held = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as held:
            held.enter_context(writer_lock(self._vault, "alerts", _EVERYTHING))
            restore(self._policy, self._path)
            if self._webhook is not None:
                from ravequant.alerts import discord  # noqa: PLC0415 - loads requests

                self._discord = discord.DiscordSender(discord.DiscordClient(self._webhook).post)
            self._tell()
            self._held = held.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        with self._held:
            self._collect(_LAST_S)
            if self._command is not None:
                self._command.finish(_LAST_S)
            self._tell(stopped=True)

    def add(self, answer: RoundAnswer, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take the answer for one instrument in this round; ``rows``: its standing signals."""
        self._answers[answer.result.state.inst_id] = answer
        for signal, row in zip(answer.standing, rows, strict=True):
            found = _StandingSignal(signal, answer.limits, row)
            self._round |= {wick.event_id: found for wick in signal.wicks}

    def notify(self) -> None:
        """End a round: send the new alerts, ends and doubts, and post the alerts that wait."""
        now = times.utc_now_ms()
        ended = self._policy.end(self._ends(), now)
        standing = {id(found): found for found in self._round.values()}.values()
        seen = [signal_seen(found.signal, self._approach) for found in standing]
        new = self._policy.add(seen, now)
        doubted = self._take_recording(now)
        if self._command is not None:
            for message in doubted:
                self._command.run(self._doubt_row(message))
            for alert in new:
                found = self._round[alert.key]
                row = {"alert": alert.kind, **found.row, **shown_fields(found.signal)}
                self._command.run(row)
            for end in ended:
                self._command.run(end_row(end))
        rings = any(alert.kind != "shrunk" for alert in new) or any(map(self._rings, doubted))
        if self._channels.bell and (rings or any(end.kind == "reached" for end in ended)):
            _ring()
        self._save()
        self._post()
        self._collect(_PATIENCE_S)
        self._tell()

    def _tell(self, *, stopped: bool = False) -> None:
        """Write to the heartbeat whether alerts are sent."""
        used = [channel for channel in (self._discord, self._command) if channel is not None]
        problem = next((channel.problem for channel in used if channel.problem), "")
        waiting = self._waiting + (self._command.waiting if self._command else 0)
        sent = min((channel.sent_ms or 0 for channel in used), default=0)
        hour = self._policy.hour
        full = None if self._discord is None else hour.full_until(times.utc_now_ms())
        for_place = self._policy.waiting_for_place
        self._heartbeat.write(
            problem, waiting, sent or None, (hour.per_hour, full, for_place), stopped=stopped
        )
        waits = full is not None and for_place > 0
        if waits and not self._waits:
            _log.warning("alerts wait: %s", used_words(hour.per_hour, full or 0, for_place))
        self._waits = waits

    def _ends(self) -> list[SignalEnd]:
        """Return the ends of the announced signals, as the answers of this round have them."""
        told = {key: self._policy.names(key) for key in self._policy.open_keys}
        return [end for answer in self._answers.values() for end in ends(told, answer)]

    def _take_recording(self, now: int) -> list[DoubtMessage]:
        """Return the messages about signals that came into doubt in this round, or out of it."""
        found = []
        for inst_id, answer in self._answers.items():
            why = answer.not_recorded
            since = not_recorded_since(self._vault, inst_id, now) if why else None
            stands = self._stops.take(inst_id, why, since, now)
            if stands is None:
                continue
            if stands:
                levels = doubts.doubt(self._policy, doubts.levels_of(answer))
            else:
                levels = doubts.trust(self._policy, inst_id)
            found += [DoubtMessage(inst_id, stands, levels)] * bool(levels)
        return found

    def _due_doubts(self) -> list[DoubtMessage]:
        """Return the messages about doubts that can be posted in this round."""
        return [
            message
            for message in doubts.due(self._policy)
            if message.stands is (message.inst_id in self._stops)
            and (message.stands or message.inst_id in self._answers)
        ]

    def _sequels(self, message: DoubtMessage) -> dict[str, Sequel]:
        """Return the state of each signal of a message in this round, by its key."""
        found, limits = {}, self._answers[message.inst_id].limits
        for key in message.levels:
            names = self._policy.names(key)
            shown = next((self._round[name].signal for name in names if name in self._round), None)
            found[key] = doubts.sequel(shown, limits)
        return found

    def _doubt_row(self, message: DoubtMessage) -> dict[str, Any]:
        if message.stands:
            return doubts.stop_row(message, self._stops[message.inst_id])
        return doubts.sequel_row(message, self._sequels(message))

    def _rings(self, message: DoubtMessage) -> bool:
        sequels = () if message.stands else self._sequels(message).values()
        return message.stands or any(found.stands for found in sequels)

    @property
    def _waiting(self) -> int:
        """The messages and alerts that wait for Discord."""
        return self._policy.pending + (len(self._due_doubts()) if self._channels.discord else 0)

    def rest(self, seconds: float) -> None:
        """Wait for the next round; meanwhile collect Discord's answers and post pending alerts."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            discord = self._discord
            if discord is None or discord.off or (discord.idle and not self._waiting):
                time.sleep(min(left, _PAUSE_S))
            elif not discord.idle:
                self._collect(min(left, _PAUSE_S))
            else:
                time.sleep(min(left, _PAUSE_S))
                self._post()
            self._tell()
        self._round.clear()
        self._answers.clear()

    def end_round(self, seconds: float, *, sends: bool) -> None:
        """Wait for the next round; send the alerts of this round first, if it ``sends``."""
        if sends:
            self.notify()
            self.rest(seconds)
        else:
            self.pause(seconds)

    def pause(self, seconds: float) -> None:
        """Send nothing until the next round; the heartbeat goes on."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            self._tell()
            time.sleep(min(left, _PAUSE_S))

    def _post(self) -> None:
        if self._discord is None or not self._discord.ready:
            return
        self._collect(0)
        now = times.utc_now_ms()
        standing = {
            key
            for key, found in self._round.items()
            if not found.signal.in_contact
            and found.signal.no_trade is None
            and self._policy.stands(key, found.signal.size)
        }
        doubted = self._due_doubts()
        due: list[Message] = [*doubted, *self._policy.due(standing, now)]
        for message in doubted:
            doubts.sent(self._policy, message)
        self._save()
        if due:
            self._discord.send([(message, self._body(message, now)) for message in due])

    def _body(self, message: "Message", now: int) -> dict[str, Any]:
        if isinstance(message, DoubtMessage):
            if message.stands:
                return discord_embed.doubted(message, self._stops[message.inst_id])
            return discord_embed.trusted(message, self._sequels(message))
        places = self._policy.hour.per_hour
        full = message.full_until_ms
        hour = "" if full is None else f"{places} of {places} this hour, {next_place(full)}"
        if message.is_list:
            return discord_embed.digest(message, hour)
        (alert,) = message.alerts
        if alert.is_free:
            return discord_embed.ended(alert)
        found = self._round[alert.key]
        return discord_embed.embed(found.signal, found.limits, now, alert.kind, hour)

    def _collect(self, patience_s: float) -> None:
        """Remember the messages that were accepted, and drop those that were refused."""
        if self._discord is None:
            return
        for message, accepted in self._discord.collect(patience_s):
            if isinstance(message, DoubtMessage):
                doubts.done(self._policy, message)
            elif accepted:
                self._policy.accepted(message, times.utc_now_ms())
            else:
                self._policy.dropped(message)
        self._save()

    def _save(self) -> None:
        data = orjson.dumps(self._policy.state())
        if data == self._saved:
            return
        try:
            replace_file(self._path, data)
            self._saved = data
        except VaultError as error:  # this watch goes on; the next one would notify again
            _log.warning("alerts: what was told is not kept: %s", error)


def restore(policy: AlertPolicy, path: StrPath) -> None:
    """Restore ``policy`` from the state of the last watch; VaultError if it cannot be read.

    A damaged file is set aside: present signals are notified once more, within the budget of the
    hour.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES)  # of a larger file, which is not ours: no JSON
    except FileNotFoundError:
        return
    except OSError as error:
        raise disk_error(path, "read", error) from error
    try:
        policy.restore(orjson.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        aside = path.with_name(f"{path.name}.damaged")
        _log.warning(
            "%s is damaged: %s; it was set aside as %s, and signals that stand now may be told "
            "once more",
            path,
            shown(error),
            aside.name,
        )
        try:
            move_over(path, aside)
        except OSError as refused:
            raise disk_error(path, "set aside", refused) from refused


def signal_seen(signal: Signal, approach: int) -> SignalSeen:
    """Return a signal as the policy takes it; near: at most ``approach`` from the tip, in bps."""
    wick, last = signal.wick, signal.last
    return SignalSeen(
        key=wick.event_id,
        others=tuple(other.event_id for other in signal.wicks if other != wick),
        line=discord_embed.line(signal),
        birth=wick.birth,
        near=last is not None and within(wick.tip - last.price, approach, last.price),
        no_entry=signal.in_contact or signal.no_trade is not None,
        size=signal.size,
    )


def end_row(end: SignalEnd) -> dict[str, Any]:
    """Return the end of a signal as a command gets it."""
    inst_id, direction, price = end.line.split(" ")
    reached = {"price": end.price, "time_utc": times.iso(end.at_ms)}
    return {
        "alert": end.kind,
        "event_id": end.key,
        "instId": inst_id,
        "direction": direction,
        "wick_price": price,
        "why": end.detail,
        "reached": reached if end.kind == "reached" else None,
    }


def _ring() -> None:
    """Ring the bell if stderr or stdout is a terminal."""
    for stream in (sys.stderr, sys.stdout):
        if stream.isatty():
            stream.write("\a")
            stream.flush()
            return
