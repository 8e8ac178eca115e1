"""The screen of a watch: every instrument, one line a signal, cut to the height of the terminal.

It is drawn in one go over the screen before, so that it is never blank. Where lines are
few, details go first, then signals without a size, then ages, then the other signals; the line of
an instrument goes last. The columns are those of all instruments, and headings stand once, above
the first signal that is shown.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from ravequant import tables, times
from ravequant.signals.limits import STREAMS, SignalLimits
from ravequant.signals.market_state import MarketState
from ravequant.signals.proof import stop_line
from ravequant.signals.rules import QueryResult, Signal
from ravequant.signals.table import BREAK_EVEN, WORDS, cells, place_line, print_line, wrapped
from ravequant.signals.wording import age_line, evidence, why_no_trade

if TYPE_CHECKING:
    from datetime import tzinfo

    from rich.console import Console

_OTHERS: Final = {"strict": "notes", "notes": "strict"}  # the reading that does not decide
_COLUMNS: Final = (
    "fade", "level", "bps", "conviction", "notes", "strict", "confl.", "score", "age", "touched",
    "stop", "target", "net R/R", BREAK_EVEN,
)  # fmt: skip
_FREE: Final = tuple(  # left out, first to last
    f"touched,age,confl.,{BREAK_EVEN},notes,strict,net R/R,score,target,stop".split(",")
)
_WORDS: Final = WORDS | {*_OTHERS}
_FIRST: Final = 4  # columns that every signal has, a trade or not
_AGES, _NONE, _HEADINGS = 1, 2, 2  # places in a panel
_MORE: Final = "..."
_WARNED_S, _ERROR_S = 60.0, 600.0  # for which a warning, and an error, stands on the screen
_NOTES: Final = 3  # warnings at a time, and lines of one


class Panel(NamedTuple):
    """The lines of one instrument; its signals nearest first."""

    head: str
    ages: tuple[str, ...] = ()
    none: tuple[str, ...] = ()  # in place of signals
    headings: str = ""  # the same in each panel that has signals
    signals: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()  # of the signals
    details: tuple[tuple[str, ...], ...] = ()  # of each signal
    lacks: str = ""  # said in the head where the ages are left out


class _ScreenLines(NamedTuple):
    """Lines that are shown together or not at all."""

    rank: int  # the lower, the sooner it is shown
    order: int  # of its kind, in its panel
    panel: int
    place: int  # in its panel, from the top
    lines: tuple[str, ...]
    is_signal: bool = False
    shortens: bool = False  # its first lines may stand for all


class Answer(NamedTuple):
    """The answer for one instrument."""

    result: QueryResult
    limits: SignalLimits
    timeframe: str


def panels(
    answers: Sequence[Answer | Panel], width: int, *, zone: "tzinfo | None" = None
) -> list[Panel]:
    """Return the lines of all answers for a screen of this width, with the same columns."""
    found = [answer for answer in answers if isinstance(answer, Answer)]
    judged = [(signal, answer.limits) for answer in found for signal in answer.result.signals]
    headings, *lines = _lines(judged, width) if judged else [""]
    made = list[Panel]()
    for answer in answers:
        if isinstance(answer, Answer):
            count = len(answer.result.signals)
            mine, lines = lines[:count], lines[count:]
            made.append(_panel(answer, [headings, *mine], width, zone))
        else:
            made.append(answer)
    return made


def _panel(answer: Answer, table: Sequence[str], width: int, zone: "tzinfo | None") -> Panel:
    result, limits, timeframe = answer
    head, *rest = wrapped(place_line(result, timeframe, zone, dated=False), width)
    ages = (*rest, *wrapped(age_line(result.state, limits), width, 4))
    lacks = _lacks(result.state, limits)
    if not result.signals:
        none = tuple(wrapped(f"no signal: {result.missing}", width, 4))
        return Panel(head, ages, none=none, lacks=lacks)
    headings, *lines = table
    found = (evidence(signal, limits) for signal in result.signals)
    details = (
        tuple(part for line in lines_of for part in wrapped(line, width, 4)) for lines_of in found
    )
    sizes = tuple(signal.size if signal.size_shown else 0 for signal in result.signals)
    return Panel(head, ages, (), headings, tuple(lines), sizes, tuple(details), lacks)


def _lacks(state: MarketState, limits: SignalLimits) -> str:
    """Return the defects of streams, each once."""
    defects = {state.defect(name, limits) for name in STREAMS} - {None}
    return " ".join(sorted(str(defect).upper() for defect in defects))


def cut(line: str, width: int) -> str:
    """Return a line of at most this width; the end of a longer one is left out."""
    return line if len(line) <= width else line[: width - len(_MORE)] + _MORE


def _lines(judged: Sequence[tuple[Signal, SignalLimits]], width: int) -> list[str]:
    """Return the headings and one line for each signal, in as many columns as the width allows."""
    rows = [_row(signal) for signal, _ in judged]
    reasons = [why_no_trade(signal, limits) for signal, limits in judged]
    names = [*_COLUMNS] if None in reasons else [*_COLUMNS[:_FIRST]]
    names = [name for name in names if any(row.get(name) for row in rows)]
    for name in (None, *_FREE):
        names = [one for one in names if one != name]
        if len(_aligned(names, rows, [None] * len(rows))[0]) <= width:
            break
    return [cut(line, width) for line in _aligned(names, rows, reasons)]


def _row(signal: Signal) -> dict[str, str]:
    row = cells(signal)
    row["conviction"], colon, _ = row["conviction"].partition(":")
    readings = {"strict": signal.conviction, "notes": signal.conviction_notes}
    if not colon and readings["strict"] != readings["notes"]:
        other = _OTHERS[signal.max_rule]
        row[other] = readings[other]
    return row


def _aligned(
    names: Sequence[str], rows: Sequence[dict[str, str]], reasons: Sequence[str | None]
) -> list[str]:
    """Return the lines of a table; a reason stands in the place of the numbers of a trade."""
    trades = [
        [
            row.get(name, "") if why is None or number < _FIRST else ""
            for number, name in enumerate(names)
        ]
        for row, why in zip(rows, reasons, strict=True)
    ]
    headings, *lines = tables.aligned(names, trades, _WORDS)
    start = headings.index(names[_FIRST - 1]) + len(names[_FIRST - 1])
    return [
        headings,
        *(
            line if why is None else f"{line:<{start}}  {why}"
            for line, why in zip(lines, reasons, strict=True)
        ),
    ]


def fitted(
    first: Iterable[str], panels: Sequence[Panel], last: Iterable[str], width: int, height: int
) -> list[str]:
    """Return the lines of a screen: ``first``, the panels, ``last``, at most ``height`` lines."""
    top = [part for line in first for part in wrapped(line, width)]
    notes = [wrapped(line, width, 4) for line in last]
    room = max(height - len(top), 1)
    if len(panels) > room:
        heads = [cut(one.head, width) for one in panels[: room - 1]]
        more = len(panels) - len(heads)
        return [*top, *heads, f"{_MORE} {more} more instruments"][:height]
    parts = [part for number, one in enumerate(panels) for part in _parts(one, number)]
    parts += [
        _ScreenLines(2, -1, len(panels), number, _first(lines, _NOTES), shortens=True)
        for number, lines in enumerate(notes)
    ]
    kept = _headed(parts, panels, room)
    lines = [*top]
    for number in range(len(panels) + 1):
        mine = [part for part in kept if part.panel == number]
        lines += _shown(mine, _unsaid(panels[number], mine) if number < len(panels) else [])
    return [cut(line, width) for line in lines[:height]]


def _parts(one: Panel, number: int) -> Iterable[_ScreenLines]:
    yield _ScreenLines(0, 0, number, 0, (one.head,))
    yield _ScreenLines(2, 0, number, _AGES, one.ages)
    if one.none:
        yield _ScreenLines(3, 0, number, _NONE, one.none, shortens=True)
    count = len(one.signals)
    orders = [place - size * count for place, size in enumerate(one.sizes)]  # largest size first
    for place, (line, size) in enumerate(zip(one.signals, one.sizes, strict=True)):
        yield _ScreenLines(
            1 if size else 3, orders[place], number, 3 + place, (line,), is_signal=True
        )
    if number:
        yield _ScreenLines(5, 0, number, -1, ("",))
    for place, lines in enumerate(one.details):
        yield _ScreenLines(6, orders[place], number, 3 + count + place, lines)


def _headed(
    parts: Iterable[_ScreenLines], panels: Sequence[Panel], room: int
) -> list[_ScreenLines]:
    """Return the lines that fit; headings come second, after the first signal."""
    ranked = sorted(parts)
    best = next((place for place, part in enumerate(ranked) if part.is_signal), None)
    if best is None:
        return _kept(ranked, room)
    headings = ranked[best]._replace(
        lines=(panels[ranked[best].panel].headings,), is_signal=False, place=_HEADINGS
    )
    kept = _kept([*ranked[: best + 1], headings, *ranked[best + 1 :]], room)
    shown = min((part.panel for part in kept if part.is_signal), default=None)
    return [
        part._replace(panel=shown) if part is headings and shown is not None else part
        for part in kept
    ]


def _kept(parts: Iterable[_ScreenLines], room: int) -> list[_ScreenLines]:
    kept = []
    for part in parts:
        lines = _first(part.lines, room) if part.shortens else part.lines
        if len(lines) <= room and (lines or not part.shortens):
            kept.append(part if lines is part.lines else part._replace(lines=lines))
            room -= len(lines)
    return kept


def _first(lines: Sequence[str], most: int) -> tuple[str, ...]:
    """Return the first lines; the last of them says that there are more."""
    if len(lines) <= most:
        return tuple(lines)
    return (*lines[: most - 1], f"{lines[most - 1]} {_MORE}") if most else ()


def _unsaid(one: Panel, parts: Sequence[_ScreenLines]) -> list[str]:
    """Return the facts of a panel whose lines are left out, in short."""
    places = {part.place for part in parts}
    missing = len(one.signals) - sum(part.is_signal for part in parts)
    notes = [f"+{missing} more"] * bool(missing)
    notes += ["no signal"] * bool(one.none and _NONE not in places)
    return notes + [one.lacks] * bool(one.lacks and _AGES not in places)


def _shown(parts: Iterable[_ScreenLines], notes: Sequence[str]) -> list[str]:
    """Return the lines of a panel in their places; ``notes`` stand in its head."""
    lines = [line for part in sorted(parts, key=lambda part: part.place) for line in part.lines]
    if notes:
        head = next(number for number, line in enumerate(lines) if line)
        lines[head] = "  ".join([lines[head], *notes])
    return lines


class WatchScreen:
    """The screen of a watch on a terminal; used by a ``with`` block.

    Warnings of the log stand below the answers for a time, in place of stderr if that is the same
    terminal.
    """

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._first: list[str] = []
        self._answers: list[Answer | Panel] = []
        self._notes = _Notes()
        self._others: list[logging.Handler] = []
        self._drawn = False

    def __enter__(self) -> Self:
        root = logging.getLogger()
        self._others = [one for one in root.handlers if _on_this_terminal(one)]
        for handler in self._others:
            root.removeHandler(handler)
        root.addHandler(self._notes)
        return self

    def __exit__(self, *_: object) -> None:
        root = logging.getLogger()
        root.removeHandler(self._notes)
        for handler in self._others:
            root.addHandler(handler)

    def say(self, line: str) -> None:
        """Have a line stand above all, on the next screen."""
        self._first.append(line)

    def add(self, result: QueryResult, limits: SignalLimits, timeframe: str) -> None:
        """Have the answer for an instrument stand on the next screen."""
        self._answers.append(Answer(result, limits, timeframe))

    def fail(self, inst_id: str, reason: str) -> None:
        """Have an instrument without an answer stand on the next screen."""
        lines = wrapped(f"no answer: {reason}", self._console.width, 4)
        self._answers.append(Panel(inst_id, none=tuple(lines)))

    def draw(self) -> None:
        """Draw the screen over the one before."""
        from rich.control import Control  # noqa: PLC0415 - JSON answers never need it
        from rich.segment import ControlType  # noqa: PLC0415

        console, height = self._console, self._console.height - 1
        found = panels(self._answers, console.width)
        notes = [
            note for note in self._notes.lines() if not any(line in note for line in self._first)
        ]
        lines = fitted(self._first, found, [*_stops(self._answers), *notes], console.width, height)
        with console:  # one write
            if not self._drawn:
                console.control(Control.clear())
            console.control(Control.home())
            for number in range(height):
                console.control(Control((ControlType.ERASE_IN_LINE, 0)))
                print_line(lines[number] if number < len(lines) else "", console)
        self._drawn = True
        self._first, self._answers = [], []


def _stops(answers: Iterable[Answer | Panel]) -> list[str]:
    """Return the line of a verdict that takes all size from the signals of the answers."""
    results = (answer.result for answer in answers if isinstance(answer, Answer))
    lines = (stop_line(result.state.verdict) for result in results if result.signals)
    return list(dict.fromkeys(filter(None, lines)))


class _Notes(logging.Handler):
    """The newest warnings of the log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._found: dict[str, logging.LogRecord] = {}

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())
        self._found.pop(text, None)
        self._found[text] = record

    def lines(self) -> list[str]:
        """Return the warnings that are not old, the newest last."""
        now = times.utc_now_ms() / 1000
        self._found = {
            text: record
            for text, record in self._found.items()
            if record.created > now - (_ERROR_S if record.levelno > logging.WARNING else _WARNED_S)
        }
        return [
            f"{times.iso(int(record.created * 1000))[11:19]} {record.levelname} {text}"
            for text, record in [*self._found.items()][-_NOTES:]
        ]


def _on_this_terminal(handler: logging.Handler) -> bool:
    if not isinstance(handler, logging.StreamHandler) or handler.stream is None:
        return False
    return not handler.stream.closed and bool(handler.stream.isatty())
