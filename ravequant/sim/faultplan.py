"""The fault script at work: counts, chances, and frames that are held back; pure, seeded."""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from ravequant.sim.faults import ACK_KINDS, FRAME_KINDS, REST_KINDS, Fault


class Frame(NamedTuple):
    """A message to one connection, with its facts for the frame log."""

    connection: int
    channel: str
    inst_id: str
    payload: bytes
    facts: Mapping[str, Any]  # first/last ids of trades, seqId/prevSeqId of books
    subscribed_ms: int  # market time since the start when the client subscribed


class Delivery(NamedTuple):
    """The fate of a frame; with ``payload`` None nothing is sent now."""

    fate: str  # sent, dropped, duplicated, held, late, stalled, corrupted
    frame: Frame
    payload: bytes | None


class Treatment(NamedTuple):
    """The fates of the frames of one moment, and a fault that strikes the connection."""

    deliveries: list[Delivery]
    strike: Fault | None = None  # a disconnect or a notice


class FaultPlan:
    """Decides for each frame, ack and request which fault strikes it."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self.faults = tuple(faults)
        self._random = random.Random(seed)
        self._seen: dict[int, int] = defaultdict(int)
        self._struck: dict[int, int] = defaultdict(int)
        self._losing: dict[tuple[int, str, str], int] = {}  # frames of a gap still to be lost
        self._held: dict[tuple[int, str, str], list[tuple[int, Frame]]] = {}
        self._on_frames = self._of(FRAME_KINDS)
        self._timed = [
            (index, fault)
            for index, fault in self._on_frames
            if fault.kind in ("disconnect", "notice") and not fault.counted
        ]
        self._on_frames = [pair for pair in self._on_frames if pair not in self._timed]

    def __bool__(self) -> bool:
        """Return True if the script has a fault."""
        return bool(self.faults)

    def _of(self, kinds: tuple[str, ...]) -> list[tuple[int, Fault]]:
        return [(index, fault) for index, fault in enumerate(self.faults) if fault.kind in kinds]

    def _strikes(self, index: int, fault: Fault, elapsed_ms: int) -> bool:
        """Count a thing that passed *where*; return True if the fault strikes it."""
        self._seen[index] += 1
        if not fault.in_time(elapsed_ms):
            return False
        if fault.times is not None and self._struck[index] >= fault.times:
            return False
        seen = self._seen[index]
        strikes = (
            not fault.counted
            or seen in fault.at
            or bool(fault.every and seen % fault.every == 0)
            or bool(fault.probability and self._random.random() < fault.probability)
        )
        self._struck[index] += strikes
        return strikes

    def frame(self, frame: Frame, elapsed_ms: int) -> Treatment:
        """Return the fate of ``frame`` and of the frames held back before it."""
        key = frame.connection, frame.channel, frame.inst_id
        if self._losing.get(key, 0) > 0:
            self._losing[key] -= 1
            return self._with_held(key, Delivery("dropped", frame, None))
        for index, fault in self._on_frames:
            if not _touches(fault, *key):
                continue
            if fault.until_subscribe and frame.subscribed_ms > fault.after_ms:
                continue
            if self._strikes(index, fault, elapsed_ms):
                return self._struck_frame(fault, frame, key)
        return self._with_held(key, Delivery("sent", frame, frame.payload))

    def _struck_frame(self, fault: Fault, frame: Frame, key: tuple[int, str, str]) -> Treatment:
        match fault.kind:
            case "disconnect" | "notice":
                lost = fault.kind == "disconnect"
                payload = None if lost else frame.payload
                fate = "dropped" if lost else "sent"
                return Treatment([Delivery(fate, frame, payload)], fault)
            case "duplicate":
                twice = Delivery("duplicated", frame, frame.payload)
                return self._with_held(key, Delivery("sent", frame, frame.payload), twice)
            case "reorder":
                held = self._held.setdefault(key, [])
                held.append(((fault.length or 1) + 1, frame))
                return self._with_held(key, Delivery("held", frame, None))
            case "corrupt":
                return self._with_held(key, Delivery("corrupted", frame, corrupt(frame, fault)))
            case "gap":
                self._losing[key] = (fault.length or 10) - 1
        fate = "stalled" if fault.kind == "stall" else "dropped"
        return self._with_held(key, Delivery(fate, frame, None))

    def _with_held(self, key: tuple[int, str, str], *deliveries: Delivery) -> Treatment:
        released = list(deliveries)
        if key in self._held:
            waiting = [(left - 1, frame) for left, frame in self._held[key]]
            released += [
                Delivery("late", frame, frame.payload) for left, frame in waiting if not left
            ]
            self._held[key] = [(left, frame) for left, frame in waiting if left]
        return Treatment(released)

    def forget(self, connection: int) -> list[Frame]:
        """Drop the frames held for a connection that is gone, and return them."""
        keys = [key for key in self._held if key[0] == connection]
        for key in [key for key in self._losing if key[0] == connection]:
            del self._losing[key]
        return [frame for key in keys for _, frame in self._held.pop(key)]

    def due(self, elapsed_ms: int) -> list[Fault]:
        """Return the disconnects and notices whose time has come, once each (or ``times``)."""
        found = []
        for index, fault in self._timed:
            if fault.in_time(elapsed_ms) and self._struck[index] < (fault.times or 1):
                self._struck[index] += 1
                found.append(fault)
        return found

    def ack(self, connection: int, channel: str, inst_id: str, elapsed_ms: int) -> Fault | None:
        """Return the fault that strikes the ack of a subscription, if any."""
        for index, fault in self._of(ACK_KINDS):
            touched = _touches(fault, connection, channel, inst_id)
            if touched and self._strikes(index, fault, elapsed_ms):
                return fault
        return None

    def rest(self, path: str, inst_id: str, elapsed_ms: int) -> Fault | None:
        """Return the fault that strikes the answer to a REST request, if any."""
        for index, fault in self._of(REST_KINDS):
            touched = (fault.path or "") in path and fault.inst_id in (None, inst_id)
            if touched and self._strikes(index, fault, elapsed_ms):
                return fault
        return None

    def archive(
        self, name: str, inst_id: str, elapsed_ms: int, hows: tuple[str, ...]
    ) -> Fault | None:
        """Return the fault that strikes a published file in one of these ways, if any."""
        for index, fault in self._of(("archive",)):
            touched = (fault.path or "") in name and fault.inst_id in (None, inst_id)
            if fault.how in hows and touched and self._strikes(index, fault, elapsed_ms):
                return fault
        return None

    def outage(self, elapsed_ms: int) -> bool:
        """Return True if the exchange is unreachable."""
        return any(fault.kind == "outage" and fault.in_time(elapsed_ms) for fault in self.faults)

    def instrument(self, row: Mapping[str, Any], elapsed_ms: int) -> dict[str, Any]:
        """Return an instrument's row as REST shows it now."""
        shown = dict(row)
        for fault in self.faults:
            touched = fault.kind == "instrument" and fault.inst_id in (None, row["instId"])
            if touched and fault.in_time(elapsed_ms):
                shown.update(fault.set)
        return shown


def _touches(fault: Fault, connection: int, channel: str, inst_id: str) -> bool:
    return (
        fault.connection in (None, connection)
        and fault.channel in (None, channel)
        and fault.inst_id in (None, inst_id)
    )


def corrupt(frame: Frame, fault: Fault) -> bytes:
    """Return the payload spoiled in the way of ``fault.how``."""
    if fault.how in ("", "json"):
        return frame.payload[: len(frame.payload) // 2]
    message = orjson.loads(frame.payload)
    row = message["data"][0]
    if fault.how == "missing":
        row.pop(fault.field, None)
    elif fault.how == "number":
        row[fault.field] = float(row.get(fault.field, 1))
    elif fault.how == "text":
        row[fault.field] = fault.value
    else:
        row["newField"] = {"of": ["a", "future", "version"]}
    return orjson.dumps(message)
