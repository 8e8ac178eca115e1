"""The picture of a benchmark: a panel for each case, a bar for each row, ours in one colour."""

import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ravequant.errors import UsageError
from scripts.bench.runs import Table

_OURS, _OTHERS = "#1f5fa8", "#9a9a9a"
_RIVALS: Final = ("duckdb", "polars", "orjson", "json", "python", "import", "scan alone")
_DRAWING: Final = ("matplotlib.backends.backend_agg", "matplotlib.figure")
_ROW_INCHES, _PANEL_INCHES, _WIDTH_INCHES = 0.27, 1.1, 10.0


def check() -> None:
    """Raise UsageError if there is nothing to draw with."""
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError(
            "--chart needs matplotlib, which is not installed: python -m pip install -e '.[bench]'"
        )


def draw(path: Path, tables: Mapping[str, Table], machine: Mapping[str, Any]) -> None:
    """Write the chart."""
    canvas, drawing = map(importlib.import_module, _DRAWING)  # an extra: only who draws loads it
    shown = {name: _shown(table) for name, table in tables.items()}
    heights = [_PANEL_INCHES + _ROW_INCHES * len(rows) for rows in shown.values()]
    figure = drawing.Figure(figsize=(_WIDTH_INCHES, sum(heights) + 0.5), layout="constrained")
    canvas.FigureCanvasAgg(figure)  # a file, no window
    figure.suptitle(_headline(machine), fontsize=9)
    panels = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, name in zip(panels, shown, strict=True):
        _panel(panel, tables[name], shown[name])
    try:
        figure.savefig(path, format="png", dpi=130)
    except OSError as error:
        raise UsageError(f"--chart {path}: cannot be written: {error.strerror}") from None


def _shown(table: Table) -> list[tuple[str, float, str]]:
    """Return label, value and text of each row that has the chart's figure."""
    key = table.chart.key
    days = next((column for column in table.columns if column.key == "days"), None)
    return [
        (
            row["name"] + (f", {days.text(row)} d" if days else _count(row)),
            row[key] * table.chart.factor,
            table.chart.text(row),
        )
        for row in table.rows
        if row.get(key) is not None
    ]


def _count(row: Mapping[str, Any]) -> str:
    return f", {row['instruments']}" if "instruments" in row else ""


def _panel(panel: Any, table: Table, rows: list[tuple[str, float, str]]) -> None:
    labels, values, texts = zip(*rows, strict=True)
    colours = [_OTHERS if label.startswith(_RIVALS) else _OURS for label in labels]
    places = range(len(rows))
    bars = panel.barh(places, values, color=colours, height=0.7)
    panel.set_yticks(places, labels, fontsize=8)
    panel.set_ylim(max(len(rows), 2) - 0.4, -0.6)
    panel.bar_label(bars, texts, padding=3, fontsize=8)
    panel.set_title(table.title, fontsize=9, loc="left")
    better = "less" if table.chart.less else "more"
    panel.set_xlabel(f"{table.chart.header} ({better} is better)", fontsize=8)
    panel.tick_params(axis="x", labelsize=7)
    panel.margins(x=0.12)
    panel.spines[["top", "right"]].set_visible(False)


def _headline(machine: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {it}" for name, it in machine["versions"].items() if it)
    return f"{machine['processor']}, {machine['cores']} cores\n{versions}"
