"""An alert as a Discord message: the cells of the table and the evidence. Pure.

The message keeps Discord's limits and notifies nobody: mentions are not allowed, and characters
that could form one are replaced.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ravequant import times
from ravequant.alerts.doubts import DoubtMessage, RecordingStop, Sequel
from ravequant.alerts.policy import AlertMessage
from ravequant.alerts.policy_state import Kind, PendingAlert
from ravequant.signals.evidence import Evidence
from ravequant.signals.limits import SignalLimits
from ravequant.signals.proof import stop_line
from ravequant.signals.rules import Signal
from ravequant.signals.table import BREAK_EVEN, cells
from ravequant.signals.wording import JOINT, age_line, far_at, notes, worth

TITLE, TEXT, NAME, VALUE, FOOTER = 256, 4_096, 256, 1_024, 2_048  # Discord's, in characters
WHOLE: Final = 6_000  # all of them together
_COLOURS: Final = {"SHORT": 0xD9534F, "LONG": 0x3C9D5B}
_GREY: Final = 0x808080
_HEADS: Final[dict[Kind, str]] = {"near": "NEAR ", "grown": "GROWN ", "back": "BACK "}
_SILENT: Final = 1 << 12  # Discord's flag SUPPRESS_NOTIFICATIONS
_OLD_MS: Final = 5 * times.MINUTE_MS  # data that ended so long before the clock are said to be old
_PINGS: Final = str.maketrans({"@": "(at)", "<": "(", ">": ")", "`": "'", "\u200b": ""})
_UNSEEN: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def plain(text: str, most: int) -> str:
    """Return text without mentions and formatting, cut to ``most`` characters."""
    seen = _UNSEEN.sub(" ", text.replace(JOINT, " ")).translate(_PINGS)
    return seen if len(seen) <= most else seen[: most - 3] + "..."


def title(signal: Signal, kind: Kind = "new") -> str:
    """Return the title: the kind of alert, instrument, direction, price, conviction."""
    price = cells(signal)["level"]
    head = f"{signal.state.inst_id} {signal.direction} {price} {worth(signal)}"
    return plain(_HEADS.get(kind, "") + head, TITLE)


def line(signal: Signal) -> str:
    """Return the signal in a list of signals."""
    return plain(f"{title(signal)}, score {signal.score}", VALUE)


def embed(
    signal: Signal, limits: SignalLimits, clock_ms: int, kind: Kind = "new", hour: str = ""
) -> dict[str, Any]:
    """Return the message of a signal; ``near``: price is near its tip.

    ``hour``: the words of a message that takes the hour's last place.
    """
    last = [f"**{hour}**"] * bool(hour)
    return _message(
        title(signal, kind),
        "\n".join([*_words(signal, limits, clock_ms, near=kind == "near"), *last]),
        _GREY if stop_line(signal.state.verdict) else _COLOURS[signal.direction],
        _fields(signal, far_at(signal, limits).replace(JOINT, " ")),
        signal.wick.event_id,
    )


def ended(alert: PendingAlert) -> dict[str, Any]:
    """Return the message of an end or a smaller size; only a signal that was reached rings."""
    second = alert.since_ms // 1000
    text = f"{plain(alert.detail, VALUE)}\n<t:{second}:R>"
    name = plain(f"{alert.kind.upper()} {alert.line}", TITLE)
    made = _message(name, text, _GREY, footer=alert.key)
    return made if alert.kind == "reached" else {**made, "flags": _SILENT}


def doubted(message: DoubtMessage, stop: RecordingStop) -> dict[str, Any]:
    """Return the message about signals whose instrument is not recorded; it rings."""
    levels = list(message.levels.values())
    verb = "stand" if len(levels) > 1 else "stands"
    second = stop.since_ms // times.SECOND_MS
    lines = [
        plain(f"nobody knows whether {', '.join(levels)} still {verb}; do not use", VALUE),
        plain(stop.why.removeprefix("NOT RECORDING "), VALUE),
        f"<t:{second}:R>",
    ]
    since = times.iso(stop.since_ms)[11:19]
    name = plain(f"{message.inst_id}: NOT RECORDING since {since} UTC", TITLE)
    return _message(name, "\n".join(lines), _GREY, footer=", ".join(message.levels))


def trusted(message: DoubtMessage, sequels: Mapping[str, Sequel]) -> dict[str, Any]:
    """Return the message about these signals once it is recorded again; it rings if one stands."""
    lines = [f"{level} {sequels[key].words}" for key, level in message.levels.items()]
    name = plain(f"{message.inst_id}: RECORDING AGAIN", TITLE)
    text = "\n".join(plain(line, VALUE) for line in lines)
    made = _message(name, text, _GREY, footer=", ".join(message.levels))
    rings = any(sequels[key].stands for key in message.levels)
    return made if rings else {**made, "flags": _SILENT}


def digest(message: AlertMessage, hour: str = "") -> dict[str, Any]:
    """Return the message that lists the alerts that were not posted in time."""
    count = len(message.alerts) + message.left_out
    head = (
        "Not posted in time: no more than a note. Above the hourly budget, or nobody was reached."
        + f"\n**{hour}**" * bool(hour)
    )
    lines = [_listed(alert) for alert in message.alerts]
    left_out = message.left_out
    while len("\n".join(lines)) > TEXT - len(head) - 40:
        lines.pop()
        left_out += 1
    more = [f"and {left_out} more"] * bool(left_out)
    name = f"{count} earlier alert{'s' * (count != 1)}"
    return _message(name, "\n".join([head, *lines, *more]), _GREY)


def _listed(alert: PendingAlert) -> str:
    words = plain(_HEADS.get(alert.kind, "") + alert.line, VALUE)
    return f"<t:{alert.since_ms // 1000}:t> {words}"


def _words(signal: Signal, limits: SignalLimits, clock_ms: int, *, near: bool) -> list[str]:
    """Return the lines above the fields: first the layers that do not count, then the ages."""
    state = signal.state
    second = state.asked_ms // times.SECOND_MS
    ages = plain(age_line(state, limits), TEXT // 4)
    words = [f"<t:{second}:R>, {ages}"]
    if clock_ms - state.ms > _OLD_MS:
        words.insert(0, f"**OLD: the data end {times.duration(clock_ms - state.ms)} before now**")
    lacks = [
        f"{layer.name} {layer.state.upper()}"
        for layer in signal.layers
        if layer.state in {"stale", "gap", "missing", "partial"}
    ]
    if lacks:
        words.insert(0, f"**does not count: {plain(', '.join(lacks), TEXT // 4)}**")
    if near:
        words.insert(
            0, f"price is {plain(str(signal.distance_bps), 40).lstrip('+-')} bps from the tip"
        )
    if found := notes(signal, limits):
        words.append(plain("; ".join(found), TEXT // 4))
    if stop := stop_line(state.verdict):
        words.insert(0, f"**{plain(stop, TEXT // 4)}**")
    elif state.verdict is not None and state.verdict.made_ms is not None:
        words.append(f"base: {plain(state.verdict.short, VALUE)}")
    return words


def _fields(signal: Signal, far: str) -> list[tuple[str, str, bool]]:
    of = cells(signal)
    last = signal.last
    price = "none" if last is None else f"{of['bps']} bps to the tip ({last.source})"
    met = [layer for layer in signal.layers if layer.state == "met"]
    others = [layer for layer in signal.layers if layer.state != "met"]
    small = "small" if of["small"] == "yes" else "not small"
    tip = signal.wick.tip
    frames = ", ".join(wick.timeframe for wick in signal.wicks if wick.tip == tip)
    return [
        ("entry", of["entry"], True),
        ("stop", of["stop"], True),
        ("target", of["target"], True),
        ("net R/R", f"{of['net R/R']}, break-even {of[BREAK_EVEN]}", True),
        ("price", price, True),
        ("score", f"{of['score']}, {of['confl.']} confluences", True),
        ("wick", f"{of['age']} old, {small}, on {frames}", True),
        ("touched", of["touched"], True),
        ("tip", of["tip"], True),
        *_evidence("for it", met),
        *_evidence("not for it", others, far),
    ]


def _evidence(name: str, layers: Sequence[Evidence], far: str = "") -> list[tuple[str, str, bool]]:
    """Return layers as a block of lines, each with its points and its value."""
    if not layers:
        return []
    lines = [plain(_layer(layer, far), 110) for layer in layers]
    return [(name, "\n".join(["```", *lines, "```"]), False)]


def _layer(layer: Evidence, far: str) -> str:
    state = {"met": "", "not_met": "not met: ", "far": f"FAR{far}: "}.get(
        layer.state, f"{layer.state.upper()}: "
    )
    return f"{layer.points:>2}/{layer.most} {layer.name}  {state}{layer.value or '-'}"


def _message(
    name: str,
    text: str,
    colour: int,
    fields: Sequence[tuple[str, str, bool]] = (),
    footer: str = "",
) -> dict[str, Any]:
    """Return a message with one embed; fields that would make it too long are left out."""
    found: dict[str, Any] = {"title": name, "description": text[:TEXT], "color": colour}
    if footer:
        found["footer"] = {"text": plain(footer, FOOTER)[:NAME]}
    room = WHOLE - len(name) - len(found["description"]) - len(footer[:NAME])
    kept = []
    for heading, value, inline in fields:
        shown = value if value.startswith("```") else plain(value, VALUE)
        room -= len(heading) + len(shown)
        if room >= 0 and len(shown) <= VALUE:
            kept.append({"name": heading, "value": shown or "-", "inline": inline})
    if kept:
        found["fields"] = kept
    return {"embeds": [found], "allowed_mentions": {"parse": []}}
