"""A page as the server sees it: a picture, changed by the messages that came after it."""

from typing import Any

Row = dict[str, Any]
_WHOLE = (
    "answer", "book", "holes", "imported", "proof", "short", "as_of_utc", "at_utc", "price",
    "forming", "health",
)  # fmt: skip


def take(view: Row, message: Row) -> None:
    """Put the parts of a message into a picture, as the page does."""
    for name in _WHOLE:
        if name in message:
            view[name] = message[name]
    if "minutes" in message:
        _take_minutes(view["minutes"], message["minutes"])
    if "wicks" in message:
        _take_wicks(view["wicks"], message["wicks"])


def _take_minutes(held: Row, newer: Row) -> None:
    place = newer["first"] - held["first"]
    assert newer["every"] == held["every"]
    assert place >= 0
    for name, values in newer.items():
        if isinstance(values, list):
            column = held[name]
            column += [None] * (place - len(column))
            column[place:] = values


def _take_wicks(held: Row, newer: Row) -> None:
    names = list(held)
    rows = {row[0]: row for row in zip(*held.values(), strict=True)}
    if newer["id"]:
        rows |= {row[0]: row for row in zip(*(newer[name] for name in names), strict=True)}
    for gone in newer.get("gone", ()):
        rows.pop(gone, None)
    for place, name in enumerate(names):
        held[name] = [row[place] for row in rows.values()]


def shown(view: Row, first: int) -> Row:
    """Return the parts of a picture that a page holds, from a minute on, in one order."""
    minutes, wicks = view["minutes"], view["wicks"]
    place = first - minutes["first"]
    whole = ("answer", "book", "forming", "holes", "imported", "proof", "short")
    found = {name: view[name] for name in whole}
    found["minutes"] = {
        name: values[place:] for name, values in minutes.items() if isinstance(values, list)
    }
    found["wicks"] = sorted(zip(*wicks.values(), strict=True))
    return found
