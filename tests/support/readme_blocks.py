"""The commands of the READMEs, in their blocks and in their sentences."""

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ravequant.vault.paths import CHECKOUT

READMES = sorted(
    path
    for path in (*CHECKOUT.glob("*.md"), *CHECKOUT.glob("*/*.md"))
    if not path.relative_to(CHECKOUT).parts[0].startswith((".", "demo_vault"))
)
WINDOWS = {"powershell", "bat"}  # what stands in these blocks is typed on Windows
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:python3? \S+\.py|(?:tail|grep|cat|ls|pgrep|df|du) )[^`\n]*)`")

HEADING = r"^\| what you see \| why \| what to do \|\n\|[-|]+\|\n"
TROUBLE = re.compile(HEADING + r"((?:\|.*\n)+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Typed:
    """One command as it stands there, and where one is when one types it."""

    readme: str
    folder: str  # from the checkout on, "." for the checkout itself
    line: str
    windows: bool = False

    @property
    def words(self) -> list[str]:
        """The words of the line; those of Windows keep their backslashes."""
        if self.windows:
            found = re.findall(r'"[^"]*"|[^\s"]+', self.line)
            return [word.strip('"') for word in found]
        return shlex.split(self.line, comments=True)


@dataclass(frozen=True, slots=True)
class Block:
    """Commands that are typed one after the other."""

    name: str
    commands: tuple[Typed, ...]
    inline: bool = False  # a command in a sentence


def fences(readme: Path, *languages: str) -> Iterator[str]:
    """Yield the text of each fenced block of these languages."""
    for _, language, text in FENCE.findall(readme.read_text(encoding="utf-8")):
        if language in languages:
            yield textwrap.dedent(text)


def seen_messages(readme: Path) -> Iterator[str]:
    """Yield each message in backticks in the first column of a table of troubles."""
    for rows in TROUBLE.findall(readme.read_text(encoding="utf-8")):
        for row in rows.splitlines():
            yield from re.findall(r"`([^`]+)`", row.split(" | ")[0])


def blocks(readme: Path) -> Iterator[Block]:
    """Yield the commands of a README, from its top to its bottom.

    The first command is typed at the root of the checkout; `cd` leads from there, or from where
    one is. A command in a sentence is typed in the README's own folder if it leads somewhere
    there, else at the root.
    """
    name = readme.relative_to(CHECKOUT).as_posix()
    folder, text = ".", readme.read_text(encoding="utf-8")
    for number, found in enumerate(FENCE.finditer(text), 1):
        language = found[2]
        if language != "bash" and language not in WINDOWS:
            continue
        typed = []
        for line in textwrap.dedent(found[3]).replace("\\\n", " ").splitlines():
            if line.startswith("cd "):
                folder = _entered(name, folder, line)
            elif line.split("#")[0].strip():
                typed.append(Typed(name, folder, line, windows=language in WINDOWS))
        if typed:
            yield Block(f"{name}:{number}", tuple(typed))
    said = sorted(set(INLINE.findall(FENCE.sub("", text))))
    for line in said:
        place = readme.parent if leads_somewhere(readme.parent, line) else CHECKOUT
        where = place.relative_to(CHECKOUT).as_posix()
        yield Block(f"{name}: {line}", (Typed(name, where, line),), inline=True)


def leads_somewhere(folder: Path, line: str) -> bool:
    """Return True if the program or file that a command names is there."""
    words = [word for word in shlex.split(line)[1:] if not word.startswith("-")]
    return bool(words) and (folder / words[0]).exists()


def _entered(name: str, folder: str, line: str) -> str:
    word = shlex.split(line)[1]
    for place in (CHECKOUT / folder / word, CHECKOUT / word):
        if place.is_dir():
            return place.resolve().relative_to(CHECKOUT).as_posix()
    raise AssertionError(f"{name}: {line}: no such folder")


def all_blocks() -> list[Block]:
    """Return the blocks of all READMEs, each command where it stands first.

    A command in a sentence is left out where a block has it, wherever that is typed.
    """
    found = [block for readme in READMES for block in blocks(readme)]
    told = {_program(typed) for block in found for typed in block.commands if not block.inline}
    seen: set[tuple[str, ...]] = set()
    kept = []
    for block in found:
        fresh = []
        for typed in block.commands:
            called = _program(typed) if block.inline else (typed.folder, *typed.words)
            if called not in seen and not (block.inline and called in told):
                fresh.append(typed)
            seen.add(called)
        if fresh:
            kept.append(replace(block, commands=tuple(fresh)))
    return kept


def _program(typed: Typed) -> tuple[str, ...]:
    """Return the words of a command with the whole path of its program."""
    first, *others = typed.words
    script = (CHECKOUT / typed.folder / others[0]).resolve() if others else CHECKOUT
    return (first, str(script), *others[1:])
