"""The verdict card: one screen of text, or one HTML page that needs no network and no script. Pure.

The word, the sentence, six numbers, one picture, and the line that counts trials and days. The
picture shows Net and the lead over fake levels with their intervals for each fill model, and the
win rate beside the rates of chance and break-even.
"""

from collections.abc import Iterator, Sequence
from html import escape
from textwrap import wrap
from typing import Final, NamedTuple

from Edge_Lab.fills import MODELS
from Edge_Lab.inference import Estimate
from Edge_Lab.verdict import VerdictFacts, besides, decide, number, six_numbers

WIDTH: Final = 80  # of the terminal's card
_BAR: Final = 46  # columns of a bar
_LABELS_OF: Final = {"touch": "touch (lucky)", "queue": "queue", "through": "through (unlucky)"}
_ROOM: Final = 0.15  # of the axis, that the label of 0 needs on either side
_FAINT: Final = 0.35  # of a picture that is no reason to act yet
_PIXELS: Final = 560  # width of the picture's axis
_LABELS: Final = (-12, 21, -26)  # pixels below the axis of the win rates, where labels stand
_LEFT, _ROW = 190, 26  # pixels before the axis, and between two rows
_COLOURS: Final = {
    "PROVEN": "#1a7f37",
    "PROMISING": "#8a5a00",  # not the colour of a proof
    "LOSES": "#b42318",
    "LAB BROKEN": "#b42318",
    "DISAGREES": "#b42318",
}
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;"
    "color:#1c1c1c;background:#fff}h1{margin:0;font-size:2.4rem}table{border-spacing:0 .2rem}"
    "th{text-align:left;font-weight:400;color:#666;padding-right:1.5rem}"
    "p{margin:.6rem 0}footer{color:#666}svg{width:100%;height:auto}"
)


class Bar(NamedTuple):
    """An estimate with its interval, as the picture draws it."""

    label: str
    value: float
    low: float
    high: float


class RateMark(NamedTuple):
    """A win rate on the lower axis of the picture."""

    label: str
    percent: float


def bars(facts: VerdictFacts) -> list[Bar]:
    """Return the bars of the picture; an estimate without an interval has none."""
    return [
        made
        for model in MODELS
        for name, found in zip(("net", "over fake"), facts.claims[model], strict=True)
        if (made := _bar(f"{_LABELS_OF[model]}, {name}", found)) is not None
    ]


def _bar(label: str, found: Estimate | None) -> Bar | None:
    ends = None if found is None else found.interval()
    return None if found is None or ends is None else Bar(label, found.value, *ends)


def marks(facts: VerdictFacts) -> list[RateMark]:
    """Return the win rates of the picture that are known, lowest first."""
    named = {
        "chance": facts.chance_pct,
        "break-even": facts.break_even_pct,
        "wins": facts.wins_pct,
    }
    known = [RateMark(label, percent) for label, percent in named.items() if percent is not None]
    return sorted(known, key=lambda mark: mark.percent)


def _range(shown: Sequence[Bar]) -> tuple[float, float]:
    """Return the ends of the common axis, 0 inside of them."""
    low = min(0.0, *(bar.low for bar in shown), 0.0)
    high = max(0.0, *(bar.high for bar in shown), 0.0)
    return low, high if high > low else low + 1


def _labelled(low: float, high: float) -> list[float]:
    """Return the places of the axis with a label: 0, and the ends that leave it room."""
    return [0.0, *(end for end in (low, high) if abs(end) >= _ROOM * (high - low))]


def counted(facts: VerdictFacts) -> str:
    """Return the last line of the card."""
    return f"{facts.trials} trials are counted in the ledger, over {facts.days} days."


# --- terminal ------------------------------------------------------------------------------------


def terminal(facts: VerdictFacts, *, more: Sequence[str] = ()) -> str:
    """Return the card as text of at most 80 columns; ``more`` are sentences below the picture."""
    word, what_to_do = decide(facts)
    lines = [word, *wrap(what_to_do, WIDTH), ""]
    width = max(len(name) for name, _ in six_numbers(facts))
    lines += [f"{name:{width}}  {value}" for name, value in six_numbers(facts)]
    if shown := bars(facts):
        lines += ["", *_text_picture(shown)]
    said = [*wrap(" ".join(besides(facts)), WIDTH), *wrap(" ".join(more), WIDTH)]
    return "\n".join([*lines, "", *said, counted(facts)]) + "\n"


def _text_picture(shown: Sequence[Bar]) -> Iterator[str]:
    """Yield a line for each bar, and the axis with its ends and 0."""
    low, high = _range(shown)

    def column(value: float) -> int:
        return round((value - low) / (high - low) * (_BAR - 1))

    width = max(len(bar.label) for bar in shown)
    zero = column(0.0)
    for bar in shown:
        cells = [" "] * _BAR
        cells[zero] = "┊"
        first, last = column(bar.low), column(bar.high)
        cells[first : last + 1] = "─" * (last - first + 1)
        cells[first], cells[last] = "├", "┤"
        cells[column(bar.value)] = "●"
        yield f"{bar.label:{width}}  {''.join(cells)}".rstrip()
    axis = [" "] * _BAR
    for value in _labelled(low, high):
        text = number(value) if value else "0"
        start = min(column(value), _BAR - len(text))
        axis[start : start + len(text)] = text
    yield f"{'bps a fill':{width}}  {''.join(axis)}".rstrip()


# --- HTML ----------------------------------------------------------------------------------------


def html(facts: VerdictFacts, *, title: str, more: Sequence[str] = ()) -> str:
    """Return the card as one HTML page; ``title`` says of which setup and day it is.

    ``more`` are sentences below the picture.
    """
    word, what_to_do = decide(facts)
    colour = _COLOURS.get(word, "#5c5c5c")
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in six_numbers(facts)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}: {word}</title><style>{_STYLE}</style></head>\n<body>"
        f'<p>{escape(title)}</p><h1 style="color:{colour}">{word}</h1>'
        f"<p>{escape(what_to_do)}</p>\n<table>{rows}</table>\n{picture(facts)}\n"
        f"{''.join(f'<p>{escape(line)}</p>' for line in (*besides(facts), *more))}"
        f"<footer>{escape(counted(facts))}</footer></body></html>\n"
    )


def picture(facts: VerdictFacts) -> str:
    """Return the picture as inline SVG; empty if there is nothing to draw."""
    shown, rates = bars(facts), marks(facts)
    if not shown and not rates:
        return ""
    height = _ROW * (len(shown) + (5 if rates else 2))
    parts = [*_bar_shapes(shown), *_rate_shapes(rates, _ROW * (len(shown) + 3))]
    faint = f' opacity="{_FAINT}"' if decide(facts).word == "TOO EARLY" else ""
    return (
        f'<svg viewBox="0 0 {_LEFT + _PIXELS + 40} {height}" role="img" '
        'aria-label="Net and lead with intervals, and win rates" font-size="13" '
        f'font-family="sans-serif"{faint}>{"".join(parts)}</svg>'
    )


def _bar_shapes(shown: Sequence[Bar]) -> Iterator[str]:
    """Yield the shapes of the intervals and of their axis."""
    if not shown:
        return
    low, high = _range(shown)

    def across(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * _PIXELS

    bottom = _ROW * len(shown) + 8
    yield _line(across(0), 4, across(0), bottom, "#888", dashes="3 3")
    for row, bar in enumerate(shown):
        y = _ROW * (row + 0.7)
        colour = "#1f4e9e" if row % 2 == 0 else "#8a5a00"
        yield _text(_LEFT - 10, y + 4, bar.label, "end")
        yield _line(across(bar.low), y, across(bar.high), y, colour, width=3)
        yield f'<circle cx="{across(bar.value):.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'
    yield _text(_LEFT - 40, bottom + 14, "bps a fill", "end")
    for value in _labelled(low, high):
        label = number(value) if value else "0 bps"
        yield _text(across(value), bottom + 14, label, "middle")


def _rate_shapes(rates: Sequence[RateMark], y: float) -> Iterator[str]:
    """Yield the shapes of the win rates; each label stands at a height of its own."""
    if not rates:
        return
    yield _text(_LEFT - 10, y + 4, "win rate", "end")
    yield _line(_LEFT, y, _LEFT + _PIXELS, y, "#888")
    for place, mark in enumerate(rates):
        x = _LEFT + mark.percent / 100 * _PIXELS
        own = mark.label == "wins"
        yield _line(x, y - 7, x, y + 7, "#1f4e9e" if own else "#444", width=3 if own else 2)
        label = f"{mark.label} {mark.percent:.1f} %"
        yield _text(x, y + _LABELS[place], label, "middle")


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, *, width: int = 1, dashes: str = ""
) -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width}"{dashed}/>'
    )


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
