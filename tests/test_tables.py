"""Tables: plain where a program reads, drawn where a person does."""

import io

import pytest

from ravequant import tables

HEADERS = ("side", "price", "contracts")
ROWS = [["ask", "101250.5", "1200"], ["bid", "9", "[bold]3"]]


def test_plain_text_is_aligned():
    """Words to the left, numbers to the right, no blanks at the end of a line."""
    assert tables.plain(HEADERS, ROWS) == (
        "side     price  contracts\n"
        "ask   101250.5       1200\n"
        "bid          9    [bold]3\n"
    )  # fmt: skip
    assert tables.plain(("a", "b"), [["xyz", "q"]], words=2) == "a    b\nxyz  q\n"


def test_without_rows_the_headings_stand_alone():
    """An empty answer is still a table."""
    assert tables.plain(HEADERS, []) == "side  price  contracts\n"


def test_a_pipe_gets_plain_text(capsys):
    """No lines, no colours, whatever the width."""
    tables.write(HEADERS, ROWS)
    assert capsys.readouterr().out == tables.plain(HEADERS, ROWS)


@pytest.mark.parametrize("columns", [80, 140])
def test_a_terminal_gets_a_drawn_table(monkeypatch, columns):
    """Text in brackets is text, not markup; NO_COLOR leaves no escape codes."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    lines = [line.split() for line in tables.text(HEADERS, ROWS).splitlines()]
    assert list(HEADERS) in lines
    assert all(row in lines for row in ROWS)
