"""Signals as text: first the facts that a reader with ten seconds needs, then the layers.

The text is ASCII, so that every console shows it; colours only repeat the words. The table has one
row for each signal if the terminal is wide enough, else four columns with a few lines for each
signal, else plain lines: nothing is cut. No line ends in blanks.
"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Final

from ravequant import exact, tables, times
from ravequant.exact import price_text
from ravequant.signals.base_rates import Rates
from ravequant.signals.context.words import context_lines
from ravequant.signals.evidence import Evidence
from ravequant.signals.limits import SignalLimits
from ravequant.signals.market_state import MarketState
from ravequant.signals.proof import stop_line
from ravequant.signals.rules import QueryResult, Signal
from ravequant.signals.wording import JOINT, NONE, age_line, evidence, title, utc, worth

if TYPE_CHECKING:
    from rich.console import Console

BREAK_EVEN: Final = "break-even"
WORDS: Final = frozenset({"fade", "tip", "small", "conviction"})  # columns that hold no numbers
_STYLES: Final = {
    r"\bSHORT\b": "red",
    r"\bLONG\b": "green",
    r"\bMAX x3\b": "bold",  # in brackets it is no go
    # readable on white and on black
    r"\b(?:in contact|NO TRADE|NO ENTRY|STALE|GAP|MISSING|PARTIAL|not proven|not tested)\b": (
        "bold magenta"
    ),
    r"\b(?:LOSES|DISAGREES|LAB BROKEN)\b": "bold magenta",
}
_NARROW: Final = 60  # columns: below that a table would break words


def place_line(
    result: QueryResult, timeframe: str, zone: tzinfo | None = None, *, dated: bool = True
) -> str:
    """Return the instrument, the moment in UTC and in local time, and the last price."""
    state, last = result.state, result.last
    local = datetime.fromtimestamp(state.minute * 60, tz=zone).astimezone(zone)
    written = f"{local:%Y-%m-%d %H:%M}"
    if written[:10] == utc(state)[:10]:
        written = written[11:]
    price = f"price {price_text(last.price)} ({_source(result)})" if last else "no price"
    price = price.replace(" ", JOINT)
    moment = f"{utc(state)[0 if dated else 11 :]} UTC, local {written if dated else written[-5:]}"
    return f"{state.inst_id} {timeframe}  {moment}  {price}"


def _source(result: QueryResult) -> str:
    """Return the source of the last price, and its age at the instant."""
    source = "" if result.last is None else result.last.source
    instant = result.state.instant
    if instant is None or instant.newest is None:
        return source
    return f"{source}, {times.duration(instant.ms - instant.newest.ts)}"


def instant_line(state: MarketState) -> str:
    """Return the moment of a question to the instant and how far the files were read, else ''."""
    if state.instant is None:
        return ""
    asked, minute = times.iso(state.instant.ms), times.iso_minute(state.minute + 1)[11:16]
    behind = state.instant.ms // times.MINUTE_MS - state.minute
    closed = f" ({minute} not closed yet)" if behind == 1 else ""
    if behind > 1:
        closed = f" (no trade has closed a minute after {utc(state)[11:]})"
    return f"asked at {asked[:10]} {asked[11:-1]} UTC{closed}, seen{JOINT}{state.instant.seen.text}"


def show(
    result: QueryResult,
    console: "Console",
    *,
    limits: SignalLimits,
    timeframe: str,
    explained: Sequence[Rates] | None = None,
    source: str = "",
    zone: tzinfo | None = None,
) -> None:
    """Print a result; with ``explained``, the base rates of each signal, also every layer.

    ``source`` is a line about the data, if there is one to be said.
    """
    write(age_line(result.state, limits), console)
    write(place_line(result, timeframe, zone), console)
    write(instant_line(result.state), console)
    write(source, console)
    if explained is not None and result.state.verdict is not None:
        write(f"base: {result.state.verdict.short}", console)
    if not result.signals:
        write(f"no signal: {result.missing}", console)
        return
    write(stop_line(result.state.verdict), console)
    for line in _table([cells(signal) for signal in result.signals], console.width):
        print_line(line, console)
    if explained is None:
        for signal in result.signals:
            for line in [*evidence(signal, limits), *_context(signal)]:
                write(line, console, indent=4)
        return
    _explain(result, limits, explained, console)


def _explain(
    result: QueryResult, limits: SignalLimits, explained: Sequence[Rates], console: "Console"
) -> None:
    for signal, rates in zip(result.signals, explained, strict=True):
        write(f"{title(signal)}  {signal.wick.event_id}", console)
        for line in [*evidence(signal, limits)[1:], *_context(signal)]:
            write(line, console, indent=4)
        for layer in signal.layers:
            for line in explain(layer, result.state, rates):
                write(line, console, indent=8)


def _context(signal: Signal) -> list[str]:
    """Return the lines of its context, if any of it is known."""
    return [f"    {line}" for line in context_lines(signal.context)]


def write(line: str, console: "Console", indent: int = 0) -> None:
    """Print a line, broken between words where the terminal ends."""
    for part in wrapped(line, console.width, indent):
        print_line(part, console)


def wrapped(line: str, width: int, indent: int = 0) -> list[str]:
    """Return a line as the lines that it takes up, broken between words."""
    wrapper = textwrap.TextWrapper(max(width, 40), break_long_words=False, break_on_hyphens=False)
    wrapper.subsequent_indent = " " * indent
    return [part.replace(JOINT, " ") for part in wrapper.wrap(line)]


def print_line(line: str, console: "Console") -> None:
    """Print a line as it is, with the colours that repeat its words."""
    from rich.text import Text  # noqa: PLC0415 - JSON answers never need it

    text = Text(line)
    for words, style in _STYLES.items():
        text.highlight_regex(words, style)
    console.print(text, soft_wrap=True)


def cells(signal: Signal) -> dict[str, str]:
    """Return the cells of a signal by heading, in the order in which they are read."""
    wick, plan, tick = signal.wick, signal.plan, signal.state.tick
    return {
        "fade": signal.direction,
        "level": price_text(wick.tip),
        "bps": signal.distance_bps or NONE,
        "conviction": worth(signal),
        "confl.": f"{signal.confluences}/7",
        "score": str(signal.score),
        "age": f"{signal.age_minutes}m",
        "touched": f"{signal.candidate.touched}/{len(signal.candidate.others)}",
        "tip": wick.tip_strength or NONE,
        "small": "yes" if signal.candidate.small else "no",
        "entry": "in contact" if signal.in_contact else _price(plan.entry, tick),
        "stop": _price(plan.stop, tick),
        "target": _price(plan.target, tick),
        "net R/R": plan.reward_risk_net or NONE,
        BREAK_EVEN: _break_even(signal),
    }


def _break_even(signal: Signal) -> str:
    plan = signal.plan
    if plan.reward_risk_net is None:
        return NONE
    return "never" if plan.break_even_pct is None else f"{plan.break_even_pct}%"


def _price(price: int | None, tick: int | None) -> str:
    """Return a price with no more decimals than its tick size has, rounded to the nearest tick."""
    if price is None:
        return NONE
    if tick is not None:
        price = exact.divide(price, tick, 0) * tick
    return price_text(price)


def _table(rows: Sequence[Mapping[str, str]], width: int) -> list[str]:
    names = [name for name in rows[0] if name != "entry"]  # the entry is the level
    wide = tables.aligned(names, [[row[name] for name in names] for row in rows], WORDS)
    if max(map(len, wide)) <= width:
        return [wide[0], "-" * max(map(len, wide)), *wide[1:]]
    stacked = _stacked(rows)
    if width >= _NARROW and max(map(len, stacked)) <= width:
        return stacked
    return [part for row in rows for part in _plain(row, width)]


def _stacked(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return four columns, a few lines for each signal and an empty line between two."""
    blocks = [_columns(row) for row in rows]
    headings: list[tuple[str, ...]] = [("fade",), ("wick",), ("evidence",), ("trade",)]
    widths = [
        max(len(text) for block in (headings, *blocks) for text in block[number])
        for number in range(len(headings))
    ]
    lines = [*_side_by_side(headings, widths)]
    lines.append("-" * (sum(widths) + 2 * (len(widths) - 1)))
    for number, block in enumerate(blocks):
        lines += [""] * (number > 0)
        lines += _side_by_side(block, widths)
    return lines


def _side_by_side(columns: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for number in range(max(map(len, columns))):
        texts = (column[number] if number < len(column) else "" for column in columns)
        padded = (text.ljust(width) for text, width in zip(texts, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _plain(row: Mapping[str, str], width: int) -> Iterable[str]:
    """Yield a signal without columns, for a terminal so narrow that columns break words."""
    fade, *others = (", ".join(column) for column in _columns(row))
    yield from wrapped(fade, width)
    for column in others:
        yield from wrapped(f"  {column}", width, indent=4)


def _columns(cell: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Return the lines of a signal in each of the columns fade, wick, evidence and trade."""
    entry = cell["entry"] if cell["entry"] == "in contact" else f"entry {cell['entry']}"
    size = "small" if cell["small"] == "yes" else "not small"
    exits = f"stop {cell['stop']}, target {cell['target']}"
    worth, bracket, doubt = cell["conviction"].partition(" (")  # else it would be too wide
    return [
        (cell["fade"], cell["level"], f"{cell['bps']} bps"),
        (f"age {cell['age']}, {size}", f"touched {cell['touched']}", f"tip {cell['tip']}"),
        (
            worth,
            *[f"({doubt}"] * bool(bracket),
            f"{cell['confl.']} confluences",
            f"score {cell['score']}",
        ),
        (entry, exits, f"net R/R {cell['net R/R']}, break-even {cell[BREAK_EVEN]}"),
    ]


def explain(layer: Evidence, state: MarketState, rates: Rates) -> list[str]:
    """Return the lines of a layer: value, condition, base rate, age, file."""
    met = "not met" if layer.state == "not_met" else layer.state
    rate = rates.get(layer.name)
    age = "no data" if layer.age_ms is None else f"{times.duration(layer.age_ms)} old"
    return [
        f"{layer.points:>4}/{layer.most} {layer.name} {met}: {layer.value or NONE}",
        f"    wants {layer.condition}",
        f"    {'no base rate' if rate is None else rate.words}; {age}",
        f"    {state.files.get(layer.stream, NONE)}",
    ]
