"""Line charts as a PNG, drawn with numpy and zlib: three panels need no drawing library."""

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

Picture = np.ndarray[Any, np.dtype[np.uint8]]
Points = Sequence[tuple[float, float]]

_WIDTH: Final = 1000
_PANEL: Final = 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 40, 30
_COLOURS: Final = ((31, 119, 180), (214, 80, 40), (44, 140, 60), (130, 90, 170), (90, 90, 90))
_BLACK, _GREY = (30, 30, 30), (225, 225, 225)
# 3 x 5 dots a sign, row by row from the top, as 15 bits
_FONT: Final = {
    "0": 0o75557, "1": 0o26227, "2": 0o71747, "3": 0o71717, "4": 0o55711, "5": 0o74717,
    "6": 0o74757, "7": 0o71111, "8": 0o75757, "9": 0o75717, ".": 0o00002, ",": 0o00024,
    "-": 0o00700, "/": 0o11244, ":": 0o02020, " ": 0o00000, "a": 0o25755, "b": 0o65656,
    "c": 0o34443, "d": 0o65556, "e": 0o74647, "f": 0o74644, "g": 0o34553, "h": 0o55755,
    "i": 0o72227, "j": 0o11152, "k": 0o55655, "l": 0o44447, "m": 0o57755, "n": 0o65555,
    "o": 0o25552, "p": 0o65644, "q": 0o25573, "r": 0o65655, "s": 0o34216, "t": 0o72222,
    "u": 0o55557, "v": 0o55552, "w": 0o55775, "x": 0o55255, "y": 0o55222, "z": 0o71247,
}  # fmt: skip
_DOT: Final = 2  # pixels of a dot of a sign


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart: a title and named lines of (x, y)."""

    title: str
    lines: Mapping[str, Points]


def draw(path: Path, panels: Sequence[Panel], below: str) -> None:
    """Write the panels, one below the other, as a PNG; ``below`` names the x axis."""
    picture = np.full((len(panels) * _PANEL, _WIDTH, 3), 255, np.uint8)
    for number, panel in enumerate(panels):
        _panel(picture[number * _PANEL : (number + 1) * _PANEL], panel, below)
    path.write_bytes(_png(picture))


def _panel(area: Picture, panel: Panel, below: str) -> None:
    every = [point for line in panel.lines.values() for point in line]
    most_x = max((x for x, _ in every), default=1.0) or 1.0
    most_y = (max((y for _, y in every), default=1.0) or 1.0) * 1.15
    high, wide = _PANEL - _TOP - _BOTTOM, _WIDTH - _LEFT - _RIGHT
    for part in range(5):
        y = _PANEL - _BOTTOM - high * part // 4
        area[y, _LEFT : _WIDTH - _RIGHT] = _GREY
        _write(area, f"{most_y * part / 4:.4g}", 8, y - 5, _BLACK)
        _write(area, f"{most_x * part / 4:.3g}", _LEFT + wide * part // 4 - 8, _PANEL - 22, _BLACK)
    _write(area, below, _WIDTH - 120, _PANEL - 11, _BLACK)
    _write(area, panel.title, _LEFT, 6, _BLACK)
    at = _LEFT
    for (name, line), colour in zip(panel.lines.items(), _COLOURS, strict=False):
        _write(area, name, at, 22, colour)
        at += (len(name) + 3) * 4 * _DOT
        dots = [
            (_LEFT + round(x / most_x * (wide - 1)), _PANEL - _BOTTOM - round(y / most_y * high))
            for x, y in line
        ]
        for one, two in pairwise(dots):
            _stroke(area, one, two, colour)


def _stroke(
    area: Picture, one: tuple[int, int], two: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    steps = max(abs(two[0] - one[0]), abs(two[1] - one[1]), 1)
    xs = np.linspace(one[0], two[0], steps + 1).round().astype(int)
    ys = np.linspace(one[1], two[1], steps + 1).round().astype(int)
    area[ys, xs] = colour
    area[ys - 1, xs] = colour


def _write(area: Picture, text: str, left: int, top: int, colour: tuple[int, int, int]) -> None:
    for place, sign in enumerate(text.lower()):
        bits = _FONT.get(sign, 0)
        for dot in range(15):
            if bits >> (14 - dot) & 1:
                x = left + (place * 4 + dot % 3) * _DOT
                y = top + dot // 3 * _DOT
                area[y : y + _DOT, x : x + _DOT] = colour


def _png(picture: Picture) -> bytes:
    """Return the picture as PNG: 8-bit RGB, each row unfiltered."""
    high, wide, _ = picture.shape
    rows = b"".join(b"\0" + row.tobytes() for row in picture)
    head = struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
