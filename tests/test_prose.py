"""Docstrings and comments of the shipped code are plain: the worst habits are counted."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from ravequant.vault.paths import CHECKOUT
from tests.test_layers import MODULES, shipped

# Each habit, and how often it may occur in 1,000 words. websockets and sqlite-utils have about
# as many: some of these words are at times the plain ones.
HABITS = {
    "a sentence without a noun": ("what|whatever|whoever|whom", 0.3),
    "'Say whether' or 'Whether' for 'Return True if'": (
        "(?-i:Say (?:whether|if|what|how)|Whether)",
        0.0,
    ),
    "'one' for a noun": (
        "(?:the|this|that|an?|each|every|no|new|old|first|last|other|another|right|wrong) ones?",
        0.2,
    ),
    "a metaphor for a term": (
        "rooms?|shelf|courier|letter|beside|mend|mending|ladder|rungs?|house|door|tells?|told",
        0.2,
    ),
}
CODE = re.compile(r"``.*?``|`[^`\n]*`", re.DOTALL)  # names of the code, as they are
DIRECTIVE = re.compile(r"#\s*(?:noqa|fmt:|type:)[^-]*-?")  # a reason may follow


class Prose(NamedTuple):
    """A docstring or comment, from the line on which it begins."""

    path: Path
    line: int
    text: str


def prose(path: Path) -> Iterator[Prose]:
    """Yield the docstrings and comments of a file, names of the code blanked out."""
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):  # stands alone
            text = CODE.sub(lambda code: "\n" * code[0].count("\n"), str(node.value.value))
            yield Prose(path, node.lineno, text)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Prose(path, token.start[0], CODE.sub("", DIRECTIVE.sub("", token.string)))


def places(pattern: str, pieces: list[Prose]) -> list[str]:
    """Return where the pattern occurs, with the words around it."""
    found = []
    for path, first, text in pieces:
        for match in re.finditer(rf"\b(?:{pattern})\b", text, re.IGNORECASE):
            line = first + text.count("\n", 0, match.start())
            around = text[max(0, match.start() - 40) : match.end() + 40]
            found.append(f"{path.as_posix()}:{line}: {' '.join(around.split())}")
    return found


@cache
def shipped_prose() -> list[Prose]:
    """Return the docstrings and comments of everything but the tests."""
    return [piece for module in shipped() for piece in prose(MODULES[module])]


@pytest.mark.parametrize("habit", HABITS)
def test_the_code_is_written_in_plain_words(habit):
    """Docstrings and comments name their subject: few of these words are left in 1,000."""
    pattern, most = HABITS[habit]
    words = sum(len(piece.text.split()) for piece in shipped_prose())
    found = places(pattern, shipped_prose())
    allowed = int(most * words / 1_000)
    listed = "\n".join(place.removeprefix(CHECKOUT.as_posix() + "/") for place in found)
    assert len(found) <= allowed, f"{habit}: {len(found)}, {allowed} may be\n{listed}"


def test_the_count_sees_docstrings_and_comments(tmp_path):
    """A habit is found with its line in each kind of docstring and in a comment, not in code."""
    path = tmp_path / "module.py"
    path.write_text(
        '"""Read\nwhat comes."""\n\n\nclass A:\n    """Whoever\n    asks."""\n\n'
        'def what():  # noqa: F401 - what it holds\n    """Return ``what`` as it is."""\n'
        '    return "what"  # `what`\n',
        encoding="utf-8",
    )
    found = places(HABITS["a sentence without a noun"][0], list(prose(path)))
    assert [place.removeprefix(f"{path.as_posix()}:") for place in found] == [
        "2: Read what comes.",
        "6: Whoever asks.",
        "9: what it holds",
    ]


def test_a_file_switches_the_formatter_off_at_most_once():
    """A table may keep its layout; a file that needs more of it is laid out another way."""
    often = {
        module: count
        for module in shipped()
        if (count := MODULES[module].read_text(encoding="utf-8").count("# fmt: skip")) > 1
    }
    assert often == {}
