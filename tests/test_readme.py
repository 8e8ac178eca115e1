"""The READMEs are true: links lead somewhere, examples parse, quoted messages are in the source.

Their commands are run by tests/test_readme_commands.py.
"""

import ast
import json
import re
from functools import cache

import pytest

from ravequant.records import TradeEncoder, parse_trade
from ravequant.vault.paths import CHECKOUT
from tests.support.readme_blocks import READMES, TROUBLE, fences, seen_messages

DATA_BOOK = CHECKOUT / "Rave_Quant_Vault" / "README.md"
ROOMS = (
    "Trades_Bot", "L2_Bot", "VWAP", "CVD", "Volume_Analyzer", "Untouch_Wick", "Liquidity_Buckets",
    "Edge_Lab", "Dashboard", "Context_Bot",
)  # fmt: skip
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
LEFT = "…"  # what a message leaves open
each_readme = pytest.mark.parametrize(
    "readme", READMES, ids=lambda path: path.relative_to(CHECKOUT).as_posix()
)


@each_readme
def test_links_lead_somewhere(readme):
    """Each link to a file or folder of the checkout finds it."""
    for target in LINK.findall(readme.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (readme.parent / target).exists(), f"{readme} links to {target}"


@each_readme
def test_modules_are_where_they_are_said_to_be(readme):
    """Each module or program that a README names exists, at the end of the path given."""
    files = [path.relative_to(CHECKOUT).as_posix() for path in CHECKOUT.glob("[!.]*/**/*.py")]
    for name in re.findall(r"`([\w/]+\.py)`", readme.read_text(encoding="utf-8")):
        assert any(f"/{file}".endswith(f"/{name}") for file in files), f"{readme} names {name}"


def test_the_root_leads_to_every_folder():
    """Each folder that explains itself is linked from the root README."""
    linked = LINK.findall((CHECKOUT / "README.md").read_text(encoding="utf-8"))
    for readme in READMES:
        if readme.name == "README.md" and readme.parent != CHECKOUT:
            assert readme.relative_to(CHECKOUT).as_posix() in linked


@each_readme
def test_example_lines_are_json(readme):
    """Each line of a json block is one compact JSON object, as the files hold it."""
    for block in fences(readme, "json"):
        for line in block.splitlines():
            compact = json.dumps(json.loads(line), separators=(",", ":"), ensure_ascii=False)
            assert line == compact, f"{readme}: {line}"


def test_the_data_book_explains_every_field():
    """Each field of its example lines has its entry."""
    text = DATA_BOOK.read_text(encoding="utf-8")
    for block in fences(DATA_BOOK, "json"):
        for field in json.loads(block):
            assert re.search(rf"^\|[^|]*`{field}`[^|]*\|", text, re.MULTILINE), field


def test_the_contract_shows_what_the_data_book_shows():
    """Each example line of the SPEC has the fields of the data book's, in their order."""
    book = {tuple(json.loads(line)) for line in "".join(fences(DATA_BOOK, "json")).splitlines()}
    shown = "".join(fences(CHECKOUT / "SPEC.md", "json")).splitlines()
    assert len(shown) == 22
    assert [line for line in shown if tuple(json.loads(line)) not in book] == []


def test_the_example_trade_is_one():
    """The exporter writes the trade shown in the data book, byte for byte."""
    line = next(text for text in fences(DATA_BOOK, "json") if '"trade_id"' in text)
    trade, contract = parse_trade(line.strip().encode(), "BTC-USDT-SWAP")
    assert TradeEncoder("BTC-USDT-SWAP", contract).line(trade).decode() == line


@pytest.mark.parametrize("room", [*ROOMS, "scripts", "Rave_Quant_Vault", "."])
def test_says_how_to_look_and_what_to_do(room):
    """Each folder shows how to see that it runs, on both systems, and the remedies if not."""
    readme = CHECKOUT / room / "README.md"
    text = readme.read_text(encoding="utf-8")
    running = re.search(r"^## Is it running\?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert running, f"{readme}: no section `Is it running?`"
    assert "```bash" in running[1], readme
    assert "```powershell" in running[1], readme
    assert "## When something is wrong" in text, readme
    assert TROUBLE.search(text), f"{readme}: no table | what you see | why | what to do |"


@each_readme
def test_messages_are_what_the_programs_say(readme):
    """Each message quoted as seen stands in the source; `…` is what changes."""
    for quoted in seen_messages(readme):
        assert any(said(quoted, text) for text in sources()), f"{readme}: `{quoted}` is not said"


def said(quoted: str, text: str) -> bool:
    """Return True if a text of the source can read like this, its variable parts aside."""
    field = re.fullmatch(r'"(\w+)":\w+', quoted)
    if field:  # of a record
        return text == field[1]
    place = 0
    for part in filter(None, (part.strip() for part in quoted.split(LEFT))):
        found = text.lower().find(part.lower(), place)
        if found < 0:
            return False
        place = found + len(part)
    return True


@cache
def sources() -> tuple[str, ...]:
    """Return the texts of all programs, with `…` for the values that they fill in."""
    found: set[str] = set()
    for path in CHECKOUT.glob("*/**/*.py"):
        if path.relative_to(CHECKOUT).parts[0].startswith((".", "tests", "build")):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (getattr(part, "value", None) for part in node.values)
                found.add("".join(part if isinstance(part, str) else LEFT for part in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(re.sub(r"%[-+0-9.]*[sdfrg]", LEFT, node.value))
    return tuple(sorted(found))
