"""Signals as text: first the facts that a reader with ten seconds needs, then the layers.

The text is ASCII, so that every console shows it; colours only repeat the words. The table has one
row for each signal if the terminal is wide enough, else four columns with a few lines for each
signal, else plain lines: nothing is cut.
"""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from itertools import groupby
from typing import TYPE_CHECKING, Final

from ravequant import exact, times
from ravequant.signals.base_rates import Rates
from ravequant.signals.evidence import Evidence, price_text
from ravequant.signals.limits import STREAMS, SignalLimits, Stream
from ravequant.signals.market_state import MarketState
from ravequant.signals.rules import QueryResult, Signal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

NONE: Final = "-"
JOINT: Final = "\x1f"  # a blank at which no line is broken
BREAK_EVEN: Final = "break\neven"
_STYLES: Final = {"SHORT": "red", "LONG": "green", "MAX": "bold", "in contact": "yellow"}
NARROW: Final = 60  # columns: below that a table would break words
_WIDE: Final = 1_000  # columns: more than any table has
_HEAD_LINE: Final = "    \n    \n -- \n    \n    \n    \n    \n    \n"  # a rule below the head


def age_line(state: MarketState, limits: SignalLimits, clock_ms: int | None) -> str:
    """Return the age of each stream at the state's minute, and of that minute at the clock."""
    ages = [(name, _age_of(state, limits, name)) for name in STREAMS]
    groups = (
        JOINT.join([*(name for name, _ in group), age])
        for age, group in groupby(ages, lambda item: item[1])
    )
    line = f"age at {_utc(state)[11:]} UTC: {', '.join(groups)}"
    return line if clock_ms is None else f"{line}; clock{JOINT}+{duration(clock_ms - state.ms)}"


def _age_of(state: MarketState, limits: SignalLimits, name: Stream) -> str:
    age = state.age_ms(name)
    if age is None:
        return "MISSING"
    defect = state.defect(name, limits)
    return f"{duration(age)}{JOINT}{defect.upper()}" if defect else duration(age)


def duration(ms: int) -> str:
    """Return a span in its two largest units: ``42s``, ``3m05s``, ``2h10m``, ``3d04h``."""
    seconds = abs(ms) // times.SECOND_MS
    sign = "-" if ms < 0 else ""
    minutes, hours, days = seconds // 60, seconds // 3_600, seconds // 86_400
    if days:
        return f"{sign}{days}d{hours % 24:02}h"
    if hours:
        return f"{sign}{hours}h{minutes % 60:02}m"
    return f"{sign}{minutes}m{seconds % 60:02}s" if minutes else f"{sign}{seconds}s"


def _utc(state: MarketState) -> str:
    return times.iso_minute(state.minute)[:16].replace("T", " ")


def place_line(result: QueryResult, timeframe: str, zone: tzinfo | None = None) -> str:
    """Return the instrument, the moment in UTC and in local time, and the last price."""
    state, last = result.state, result.last
    local = datetime.fromtimestamp(state.minute * 60, tz=zone).astimezone(zone)
    written = f"{local:%Y-%m-%d %H:%M}"
    if written[:10] == _utc(state)[:10]:
        written = written[11:]
    price = f"price {price_text(last.price)} ({last.source})" if last else "no price"
    price = price.replace(" ", JOINT)
    moment = f"{_utc(state)} UTC, local {written}"
    return f"{state.inst_id} {timeframe}  {moment}  {price}"


def show(
    result: QueryResult,
    console: "Console",
    *,
    limits: SignalLimits,
    timeframe: str,
    clock_ms: int | None = None,
    explained: Sequence[Rates] | None = None,
    zone: tzinfo | None = None,
) -> None:
    """Print a result; with ``explained``, the base rates of each signal, also every layer."""
    lines = [age_line(result.state, limits, clock_ms), place_line(result, timeframe, zone)]
    for line in lines:
        _write(console, line)
    if not result.signals:
        _write(console, f"no signal: {result.missing}")
        return
    rows = [cells(signal) for signal in result.signals]
    if console.width < NARROW:
        _write_lines(rows, console)
    else:
        console.print(_table(rows, console))
    if explained is None:
        for signal in result.signals:
            for line in evidence(signal):
                _write(console, line, indent=4)
        return
    for signal, rates in zip(result.signals, explained, strict=True):
        _write(console, f"{_title(signal)}  {signal.wick.event_id}")
        for layer in signal.layers:
            for line in explain(layer, result.state, rates):
                _write(console, line, indent=8)


def _write(console: "Console", line: str, indent: int = 0) -> None:
    """Print a line, broken between words where the terminal ends."""
    width = max(console.width, 40)
    wrapper = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    wrapper.subsequent_indent = " " * indent
    wrapped = wrapper.wrap(line)
    console.print(
        "\n".join(wrapped).replace(JOINT, " "), markup=False, highlight=False, soft_wrap=True
    )


def cells(signal: Signal) -> dict[str, str]:
    """Return the cells of a signal by heading, in the order in which they are read."""
    wick, plan, tick = signal.wick, signal.plan, signal.state.tick
    return {
        "fade": signal.direction,
        "price": price_text(wick.tip),
        "bps": signal.distance_bps or NONE,
        "age": f"{signal.age_minutes}m",
        "touched": f"{signal.candidate.touched}/{len(signal.candidate.others)}",
        "tip": wick.tip_strength or NONE,
        "small": "yes" if signal.candidate.small else "no",
        "strength": signal.strength,
        "confl.": f"{signal.confluences}/7",
        "conviction": f"{signal.conviction} x{signal.size}",
        "score": str(signal.score),
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


def _write_lines(rows: Sequence[Mapping[str, str]], console: "Console") -> None:
    """Print each signal without columns, for a terminal so narrow that columns break words."""
    for row in rows:
        fade, *others = (", ".join(column) for column in _columns(row))
        _write(console, fade)
        for column in others:
            _write(console, f"  {column}", indent=4)


def _table(rows: Sequence[Mapping[str, str]], console: "Console") -> "Table":
    wide = _one_row_each(rows)
    unbounded = console.options.update(width=_WIDE)
    fits = console.measure(wide, options=unbounded).maximum <= console.width
    return wide if fits else _stacked(rows)


def _one_row_each(rows: Sequence[Mapping[str, str]]) -> "Table":
    words = {"fade", "tip", "small", "strength", "conviction"}
    table = _empty()
    for heading in rows[0]:
        justify = "left" if heading in words else "right"
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*map(_styled, row.values()))
    return table


def _stacked(rows: Sequence[Mapping[str, str]]) -> "Table":
    table = _empty(leading=1)
    for heading in ("fade", "wick", "evidence", "trade"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(_lines(column) for column in _columns(row)))
    return table


def _columns(cell: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """Return the lines of a signal in each of the columns fade, wick, evidence and trade."""
    entry = cell["entry"] if cell["entry"] == "in contact" else f"entry {cell['entry']}"
    size = "small" if cell["small"] == "yes" else "not small"
    wick = f"age {cell['age']}, {size}", f"touched {cell['touched']}", f"tip {cell['tip']}"
    exits = f"stop {cell['stop']}, target {cell['target']}"
    return (
        (cell["fade"], cell["price"], f"{cell['bps']} bps"),
        (*wick, cell["strength"]),
        (cell["conviction"], f"{cell['confl.']} confluences", f"score {cell['score']}"),
        (entry, exits, f"net R/R {cell['net R/R']}", f"break-even {cell[BREAK_EVEN]}"),
    )


def _empty(leading: int = 0) -> "Table":
    from rich.box import Box  # noqa: PLC0415 - JSON answers never need it
    from rich.table import Table  # noqa: PLC0415

    box = Box(_HEAD_LINE, ascii=True)
    return Table(box=box, padding=(0, 1, 0, 0), show_edge=False, leading=leading)


def _styled(text: str) -> "Text":
    from rich.text import Text  # noqa: PLC0415

    return Text(text, style=_STYLES.get(text.partition(" x")[0], ""))


def _lines(texts: Iterable[str]) -> "Text":
    from rich.text import Text  # noqa: PLC0415

    return Text("\n").join(_styled(text) for text in texts)


def _title(signal: Signal) -> str:
    return f"{signal.direction} {price_text(signal.wick.tip)}"


def evidence(signal: Signal) -> list[str]:
    """Return the line of layers that are met and not met, and a line of notes."""
    met = [layer.name for layer in signal.layers if layer.state == "met"]
    others = [
        layer.name if layer.state == "not_met" else f"{layer.name}{JOINT}{layer.state.upper()}"
        for layer in signal.layers
        if layer.state != "met"
    ]
    line = f"{_title(signal)}: + {' '.join(met) or NONE}"
    if others:
        line += f"  -{JOINT}{', '.join(others)}"
    notes = [f"on {', '.join(wick.timeframe for wick in signal.wicks)}"] * (len(signal.wicks) > 1)
    notes += ["a volume divergence against it takes MAX away"] * signal.capped
    notes += [f"tags {' '.join(signal.tags)}"] * bool(signal.tags)
    return [line, *(f"    {'; '.join(notes)}" for _ in notes[:1])]


def explain(layer: Evidence, state: MarketState, rates: Rates) -> list[str]:
    """Return the lines of a layer: value, condition, base rate, age, file."""
    met = "not met" if layer.state == "not_met" else layer.state
    rate = rates.get(layer.name)
    age = "no data" if layer.age_ms is None else f"{duration(layer.age_ms)} old"
    often = "no base rate"
    if rate is not None:
        often = f"true at {rate.percent}% of {rate.moments} moments in 24 h"
    return [
        f"{layer.points:>4}/{layer.most} {layer.name} {met}: {layer.value or NONE}",
        f"    wants {layer.condition}",
        f"    {often}; {age}",
        f"    {state.files.get(layer.stream, NONE)}",
    ]
