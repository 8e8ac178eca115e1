"""The size that a verdict of the lab leaves of a signal, and the words for it (SPEC 11.8). Pure.

The verdict is about the setup, a signal about the market: no verdict changes a signal, its place
or its alerts. It says how far the size may be taken at its word.
"""

from typing import Final, Literal, NamedTuple

from ravequant import times

Word = Literal[
    "PROVEN", "PROMISING", "TOO EARLY", "NO DATA", "NOT PROVEN", "QUEUE DECIDES", "LOSES",
    "DISAGREES", "LAB BROKEN", "not tested",
]  # fmt: skip
UNTESTED: Final = "not tested"
START: Final = "python Edge_Lab/edge_lab.py judge, then verdict"
COUNTS_DAYS: Final = 7  # from the time at which a verdict was made


class LabVerdict(NamedTuple):
    """The verdict of the lab on the default query, or that there is none."""

    word: Word
    short: str  # the word and how far the test has come
    made_ms: int | None = None  # Unix ms; None: there is none
    what_to_do: str = ""  # the second line of its card
    instruments: tuple[str, ...] = ()  # it is a verdict on these
    query_id: str = ""  # and on this query; empty: on the default arguments


class _Effect(NamedTuple):
    most: int | None  # a larger size is cut to it; None: none is
    words: str  # behind the size; empty: the size is taken at its word


_DOUBT: Final = _Effect(None, "not proven")
_EFFECTS: Final[dict[Word, _Effect]] = {
    "PROVEN": _Effect(None, ""),
    "PROMISING": _Effect(1, "promising"),
    "TOO EARLY": _DOUBT,
    "NO DATA": _DOUBT,
    "NOT PROVEN": _DOUBT,
    "QUEUE DECIDES": _DOUBT,
    "LOSES": _Effect(0, "LOSES"),
    "DISAGREES": _Effect(0, "DISAGREES"),
    "LAB BROKEN": _Effect(0, "LAB BROKEN"),
    UNTESTED: _Effect(None, UNTESTED),
}
WORDS: Final = frozenset(_EFFECTS) - {UNTESTED}  # of the lab
_STOPS: Final = frozenset(word for word, effect in _EFFECTS.items() if effect.most == 0)


def not_tested(why: str = "") -> LabVerdict:
    """Return the verdict on a query of which there is none: the lab has not run, or ``why``."""
    return LabVerdict(UNTESTED, f"{UNTESTED}{why or f'; {START}'}")


def counting(verdict: LabVerdict, ms: int) -> LabVerdict:
    """Return the verdict as it counts at a time (Unix ms): `not tested` once it is too old.

    It keeps ``made_ms``: an answer names the verdict that it was shown with.
    """
    age_ms = 0 if verdict.made_ms is None else ms - verdict.made_ms
    if age_ms <= COUNTS_DAYS * times.DAY_MS:
        return verdict
    old = not_tested(f": its verdict is {age_ms // times.DAY_MS} d old; {START}")
    return old._replace(made_ms=verdict.made_ms)


def shown_size(size: int, verdict: LabVerdict | None) -> int:
    """Return what the verdict leaves of a size; None: sizes do not go by the verdict."""
    most = None if verdict is None else _EFFECTS[verdict.word].most
    return size if most is None else min(size, most)


def sized(size: int, verdict: LabVerdict | None) -> str:
    """Return a size in words: ``x3``, or in brackets if it is not to be taken at its word."""
    words = "" if verdict is None or not size else _EFFECTS[verdict.word].words
    number = f"x{shown_size(size, verdict)}"
    return f"({number}, {words})" if words else number


def stop_line(verdict: LabVerdict | None) -> str:
    """Return the word and the second line of the card of a verdict that takes all size, else ''."""
    if verdict is None or verdict.word not in _STOPS:
        return ""
    return f"{verdict.word}: {verdict.what_to_do}"
