"""The READMEs tell the truth: commands start, options exist, links lead somewhere, examples parse.

A command is not run with its own arguments (the exporter would go to the real exchange); the
program it names is started with --help, which proves that it starts and knows the options shown.
tests/test_demo.py runs the demo for real.
"""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from ravequant.records import TradeEncoder, parse_trade
from ravequant.vault.paths import CHECKOUT

READMES = sorted(
    path
    for path in (*CHECKOUT.glob("*.md"), *CHECKOUT.glob("*/*.md"))
    if not path.relative_to(CHECKOUT).parts[0].startswith((".", "demo_vault"))
)
DATA_BOOK = CHECKOUT / "Rave_Quant_Vault" / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
SYSTEM = {"git", "cat", "tail", "type", "dir", "ls", "rm", "crontab"}  # not ours to try
each_readme = pytest.mark.parametrize(
    "readme", READMES, ids=lambda path: path.relative_to(CHECKOUT).as_posix()
)


def blocks(readme: Path, language: str) -> Iterator[str]:
    """Yield the text of each fenced block of a language."""
    for found, text in BLOCK.findall(readme.read_text(encoding="utf-8")):
        if found == language:
            yield text


def commands(readme: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield (folder, words) of each command, as somebody would type them from top to bottom.

    The first is typed at the root of the checkout; ``cd`` leads from there, or from where one is.
    """
    folder = CHECKOUT
    for block in blocks(readme, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\|", line):
                words = shlex.split(part, comments=True)
                if words[:1] == ["cd"]:
                    places = (folder / words[1], CHECKOUT / words[1])
                    found = [place.resolve() for place in places if place.is_dir()]
                    assert found, f"{readme}: {line}: no such folder"
                    folder = found[0]
                elif words:
                    yield folder, words


@cache
def help_of(program: Path) -> str:
    """Return what the program says to --help, blanks evened out; it must say it with code 0."""
    answer = subprocess.run(
        [sys.executable, str(program), "--help"],
        capture_output=True, text=True, check=False, timeout=60, encoding="utf-8",
    )  # fmt: skip
    assert answer.returncode == 0, f"{program} --help: {answer.stderr}"
    return answer.stdout


@each_readme
def test_commands_start(readme):
    """Each command's program is there, starts, and knows the options that the README shows."""
    for folder, words in commands(readme):
        if words[0] in SYSTEM or words[1:3] in (["-m", "venv"], ["-m", "pip"]):
            continue
        if words[0] in ("python", "python3", "py"):
            arguments = words[1:]
            if arguments[:2] == ["-m", "pytest"]:
                continue
            program = folder / arguments[0]
            assert program.is_file(), f"{readme}: {' '.join(words)}: no {program}"
            for option in (word for word in arguments[1:] if word.startswith("--")):
                known = re.search(rf"{option}(?![\w-])", help_of(program))
                assert known or program.name == "test.py", f"{readme}: {words}: no {option}"
            help_of(program)
        else:
            path = folder / words[0].replace("\\", "/")
            assert path.is_file(), f"{readme}: {' '.join(words)}: no {path}"


@each_readme
def test_links_lead_somewhere(readme):
    """Each link to a file or folder of the checkout finds it."""
    for target in LINK.findall(readme.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (readme.parent / target).exists(), f"{readme} links to {target}"


def test_the_root_leads_to_every_folder():
    """Each folder that explains itself is linked from the root README."""
    linked = LINK.findall((CHECKOUT / "README.md").read_text(encoding="utf-8"))
    for readme in READMES:
        if readme.name == "README.md" and readme.parent != CHECKOUT:
            assert readme.relative_to(CHECKOUT).as_posix() in linked


@each_readme
def test_example_lines_are_json(readme):
    """Each line of a json block is one compact JSON object, as the files hold it."""
    for block in blocks(readme, "json"):
        for line in block.splitlines():
            compact = json.dumps(json.loads(line), separators=(",", ":"), ensure_ascii=False)
            assert line == compact, f"{readme}: {line}"


def test_the_data_book_explains_every_field():
    """Each field of its example lines has its entry."""
    text = DATA_BOOK.read_text(encoding="utf-8")
    for block in blocks(DATA_BOOK, "json"):
        for field in json.loads(block):
            assert re.search(rf"^\|[^|]*`{field}`[^|]*\|", text, re.MULTILINE), field


def test_the_example_trade_is_one():
    """The trade shown in the data book is what the exporter writes, byte for byte."""
    line = next(text for text in blocks(DATA_BOOK, "json") if '"trade_id"' in text)
    trade, contract = parse_trade(line.encode(), "BTC-USDT-SWAP")
    assert TradeEncoder("BTC-USDT-SWAP", contract).line(trade).decode() == line


def test_the_commands_are_really_found():
    """The two commands of the root README are among those that are tried."""
    tried = [" ".join(words) for _, words in commands(CHECKOUT / "README.md")]
    assert {"python scripts/demo.py", "python scripts/test.py"} <= set(tried)
