"""Judges what the screen claims of its data against the files and the clock of the exchange.

Independent of the page: the limits are those of SPEC 11 written out, an age is read as a person
reads it. A claim is wrong if data older than their limit are shown as usable, or an age is shown
that is younger than the true one. All is counted in seconds of the market but for programs that
are down, which are counted on the wall.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

LIMITS_S: Final = {
    "trades": 120, "buckets": 120, "wicks": 180, "volume": 180, "cvd": 180, "vwap": 1_200,
}  # fmt: skip
FATAL: Final = ("trades", "wicks")  # without them nobody knows whether a level was touched
SHOWN_S: Final = 2.0  # from a change to the screen at most, wall
SILENCE_S: Final = 12.0  # of the server until the screen is void, wall
UNRECORDED_S: Final = 30.0 + 10.0  # until a recorder stands, and until the server looks, wall
WHOLE_S: Final = 1.0  # an age is in whole seconds, rounded down
PRICE_S: Final = 5.0  # a price has no age on the screen up to this
_RESTS_ON: Final = {
    "wick": "wicks", "volume_tier": "volume", "absorption": "volume", "wall": "buckets",
    "imbalance": "buckets", "young_wall": "buckets", "cvd": "cvd", "vwap": "vwap",
}  # fmt: skip
_USABLE: Final = ("fresh", "partial", "gap")
_COUNTS: Final = ("met", "not_met", "far", "partial")
_AGE: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_OLDEST: Final = re.compile(r"oldest (\S+)")
_WORTH: Final = re.compile(r"\b(?:MAX|HIGH|WATCH|x[1-9])\b")


@dataclass(frozen=True)
class Claim:
    """What the screen says at a moment, as it is read there."""

    level: str  # of the verdict: fresh, partly, void, reading, empty
    words: str
    mode: str
    streams: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # name: state, age
    price: tuple[str, str, str] = ("", "no price", "")  # value, source, age
    worth: str = ""  # in the frame of the card
    go: bool = False  # the frame is filled
    reasons: Mapping[str, str] = field(default_factory=dict)  # layer: state
    warnings: str = ""
    others: int = 0  # signals beside that of the card
    tags: tuple[str, ...] = ()  # of signals in the chart
    book: bool = False  # the bands are shown as of now
    recorders: tuple[str, ...] = ()
    tabs: tuple[str, ...] = ()

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Claim":
        """Return the claim of what READ finds in the page."""
        known = {name: tuple(value) for name, value in found["streams"].items()}
        lists = {name: tuple(found[name]) for name in ("price", "tags", "recorders", "tabs")}
        return cls(**{**found, "streams": known, **lists})


@dataclass(frozen=True)
class Truth:
    """What stands outside of the page; each age is the least that it can be."""

    ages_s: Mapping[str, float | None]  # by stream; None: nothing was recorded
    price_age_s: float | None = None  # of the price that is shown; None: it never stood on disk
    elsewhere_s: Mapping[str, float] = field(default_factory=dict)  # trades of others, by tab
    down_s: Mapping[str, float] = field(default_factory=dict)  # dead programs, wall
    rate: float = 1.0  # seconds of the market in one of the wall
    slack_s: float = 0.0  # that the computer itself was late, wall
    leap_s: float = 0.0  # that the exchange's clock ran ahead of its rate: it waits, then hurries


def most_s(text: str) -> float:
    """Return the age above which nobody says ``11s``, ``19m``, ``2h10m`` or ``3d04h``."""
    match = _AGE.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"{text!r} is no age")
    places = [int(part or 0) for part in match.groups()]
    unit = 1 if match[4] else 60 if match[3] else 3_600
    return float(sum(n * s for n, s in zip(places, (86_400, 3_600, 60, 1), strict=True)) + unit)


def wrong(claim: Claim, truth: Truth) -> list[str]:
    """Return what the screen claims wrongly, in sentences; empty if it is right."""
    if claim.level in ("reading", "empty"):
        live = [f"the screen is LIVE, and {claim.level}"] * (claim.mode == "LIVE")
        return [*live, *_price(claim, truth)]
    found = [_streams, _verdict, _card, _chart, _book, _price, _link, _recorder, _tabs]
    return [text for judge in found for text in judge(claim, truth)]


def _late_s(truth: Truth) -> float:
    return (SHOWN_S + truth.slack_s) * truth.rate + WHOLE_S + truth.leap_s


def _expired(truth: Truth) -> dict[str, float]:
    """Return the true ages of the streams beyond their limit, and beyond the time to say so."""
    late = _late_s(truth)
    return {
        name: age
        for name, age in truth.ages_s.items()
        if age is not None and age > LIMITS_S[name] + late
    }


def _younger(name: str, text: str, age_s: float, truth: Truth) -> Iterator[str]:
    if most_s(text) + _late_s(truth) < age_s:
        yield f"{name} is said to be {text} old, and is {age_s:.1f} s"


def _streams(claim: Claim, truth: Truth) -> Iterator[str]:
    expired = _expired(truth)
    for name, age_s in truth.ages_s.items():
        state, text = claim.streams.get(name, ("", ""))
        if not state:
            yield f"{name} is not shown"
        elif age_s is None and state != "missing":
            yield f"{name} is {state}, and nothing was recorded"
        elif age_s is not None and text:
            yield from _younger(name, text, age_s, truth)
        if name in expired and state in _USABLE:
            yield f"{name} is {state}, and is {expired[name]:.1f} s old"


def _verdict(claim: Claim, truth: Truth) -> Iterator[str]:
    expired = _expired(truth)
    if claim.level == "fresh" or claim.words.startswith("✓"):
        if expired:
            yield f"{claim.words!r}, and {expired} are expired"
        oldest = _OLDEST.search(claim.words)
        ages = [age for age in truth.ages_s.values() if age is not None]
        if oldest and ages:
            yield from _younger("the oldest", oldest[1], max(ages), truth)
    if claim.level != "void" and (fatal := [name for name in FATAL if name in expired]):
        yield f"{claim.words!r}, and {fatal} make it void"


def _card(claim: Claim, truth: Truth) -> Iterator[str]:
    expired = _expired(truth)
    usable = bool(claim.reasons or claim.others or claim.go or _WORTH.search(claim.worth))
    if usable and (claim.level == "void" or any(name in expired for name in FATAL)):
        yield f"the card is usable ({claim.worth}), and must be void"
    for layer, state in claim.reasons.items():
        name = _RESTS_ON[layer]
        if name in expired and state in _COUNTS and f"{name} STALE" not in claim.warnings:
            yield f"reason {layer} counts as {state}, and {name} is {expired[name]:.1f} s old"


def _chart(claim: Claim, truth: Truth) -> Iterator[str]:
    void = claim.level == "void" or any(name in _expired(truth) for name in FATAL)
    for tag in claim.tags:
        if void and _WORTH.search(tag):
            yield f"the chart says {tag!r}, and must be void"


def _book(claim: Claim, truth: Truth) -> Iterator[str]:
    if claim.book and "buckets" in _expired(truth):
        yield f"the book is shown as of now, and is {truth.ages_s['buckets']:.1f} s old"


def _price(claim: Claim, truth: Truth) -> Iterator[str]:
    value, source, text = claim.price
    if source in ("", "no price"):
        return
    if truth.price_age_s is None:
        yield f"the price {value} ({source}) was never recorded"
    elif text:
        yield from _younger(f"the price {value}", text, truth.price_age_s, truth)
    elif truth.price_age_s > PRICE_S + _late_s(truth):
        yield f"the price {value} ({source}) has no age, and is {truth.price_age_s:.1f} s old"


def _link(claim: Claim, truth: Truth) -> Iterator[str]:
    down_s = truth.down_s.get("server", 0.0)
    if down_s <= SILENCE_S + SHOWN_S + truth.slack_s:
        return
    if claim.level != "void" or claim.mode == "LIVE":
        yield f"{claim.words!r} {claim.mode}, and the server is down for {down_s:.1f} s"
    if any(row.startswith("●") for row in claim.recorders):
        yield f"the footer calls a program well, and the server is down for {down_s:.1f} s"


def _recorder(claim: Claim, truth: Truth) -> Iterator[str]:
    for name in ("trades_exporter", "l2_exporter"):
        down_s = truth.down_s.get(name, 0.0)
        if down_s <= UNRECORDED_S + SHOWN_S + truth.slack_s or "server" in truth.down_s:
            continue
        if claim.level == "fresh" or claim.go:
            yield f"{claim.words!r}, and {name} is down for {down_s:.1f} s"
        if any(row.startswith(f"● {name}") for row in claim.recorders):
            yield f"the footer calls {name} well, which is down for {down_s:.1f} s"


def _tabs(claim: Claim, truth: Truth) -> Iterator[str]:
    for tab in claim.tabs:
        name = tab.partition(" ")[0]
        age_s = truth.elsewhere_s.get(name, 0.0)
        if _WORTH.search(tab) and age_s > LIMITS_S["trades"] + _late_s(truth):
            yield f"the tab {tab!r} stands, and its trades are {age_s:.1f} s old"
