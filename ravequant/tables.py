"""Tables for stdout: drawn by rich on a terminal, plain aligned text elsewhere."""

import sys
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

Rows = Sequence[Sequence[str]]


def text(headers: Sequence[str], rows: Rows, words: int = 1) -> str:
    """Return a table whose first ``words`` columns hold words and the others numbers.

    On a terminal it keeps to the terminal's width and to ``NO_COLOR``.
    """
    return (drawn if sys.stdout.isatty() else plain)(headers, rows, words)


def write(headers: Sequence[str], rows: Rows, words: int = 1) -> None:
    """Write the table to stdout."""
    sys.stdout.write(text(headers, rows, words))


def plain(headers: Sequence[str], rows: Rows, words: int = 1) -> str:
    """Return the table in plain text: words flush left, numbers flush right, two blanks between."""
    return "".join(f"{line}\n" for line in aligned(headers, rows, headers[:words]))


def aligned(headers: Sequence[str], rows: Rows, words: Container[str]) -> list[str]:
    """Return the lines of a table; columns whose header is in ``words`` stand flush left.

    No line ends in blanks.
    """
    lines = [list(headers), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    left = [header in words for header in headers]
    return [
        "  ".join(
            cell.ljust(width) if flush else cell.rjust(width)
            for cell, width, flush in zip(line, widths, left, strict=True)
        ).rstrip()
        for line in lines
    ]


def drawn(headers: Sequence[str], rows: Rows, words: int = 1) -> str:
    """Return the table as rich draws it for the terminal of stdout."""
    from rich import box  # noqa: PLC0415 - only a terminal needs it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for number, header in enumerate(headers):
        table.add_column(header, justify="left" if number < words else "right")
    for row in rows:
        table.add_row(*map(Text, row))
    console = screen()
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def screen(**options: Any) -> "Console":
    """Return rich's console for stdout; it leaves a reader that has gone to `cli.run`."""
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

    class Screen(Console):
        """A console that raises BrokenPipeError, in place of ending the program with code 1."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Screen(file=sys.stdout, **options)
