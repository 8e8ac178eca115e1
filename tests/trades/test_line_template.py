"""Tests of ravequant.trades.line_template: the text that lines of one writer have in common."""

import json

import numpy as np
import pytest

from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder, parse_trade
from ravequant.swar_digits import word
from ravequant.trades.line_template import FixedText, LineIndex, RepeatedText, template_of

INST_ID = "BTC-USDT-SWAP"
START = 29_429_134 * 60_000
CONTRACT = Contract("0.01", "1", "linear")
LINE = TradeEncoder(INST_ID, CONTRACT).line(Trade(START, 1_234, "sell", "101250.5", "3"))


def spelled(separators: tuple[str, str], *, counted: bool = True) -> bytes:
    row = json.loads(LINE)
    if not counted:
        del row["count"], row["source"]
    return json.dumps(row, separators=separators).encode() + b"\n"


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("counted", [True, False])
def test_each_usual_spelling_has_a_template(separators, counted):
    """With and without blanks, with and without count; equal lines have equal keys."""
    line = spelled(separators, counted=counted)
    made = template_of(line, INST_ID, *parse_trade(line, INST_ID))
    assert made is not None
    assert made.contract == CONTRACT
    assert made.id_digits == 4
    assert (made.tail is not None) == counted
    assert made.shortest <= len(line) <= made.longest
    fields = len("101250.5") + len("3") + len("sell") - len("buy")
    assert made.shortest == len(line) - fields + 2


@pytest.mark.parametrize(
    "line",
    [
        LINE.replace(b'"side"', b' "side"'),
        LINE.replace(b'"source":"0"', b'"source":"0","more":1'),
        LINE.replace(b'"count":"1","source":"0"', b'"source":"0","count":"1"'),
        LINE.replace(b"}\n", b"}\r\n"),
    ],
)
def test_an_odd_line_has_none(line):
    """It is valid, and read alone."""
    assert template_of(line, INST_ID, *parse_trade(line, INST_ID)) is None


def test_another_contract_is_another_template():
    """So is an id of more digits: the places of the fields change."""
    made = {
        template_of(line, INST_ID, *parse_trade(line, INST_ID)).key  # type: ignore[union-attr]
        for line in (LINE, LINE.replace(b'"0.01"', b'"0.02"'), LINE.replace(b"1234", b"12345"))
    }
    assert len(made) == 3


def test_fixed_text_is_compared_but_for_its_free_bits():
    """Word by word; a set bit of ``free_bits`` may be anything in the line."""
    text = FixedText.of(b"abcdefgh0", bytes(8) + b"\x01")
    rows = np.array(
        [[word(b"abcdefgh"), word(last)] for last in (b"0", b"1", b"2")]
        + [[word(b"abcdefgX"), word(b"0")]],
        dtype=np.uint64,
    )
    errors = np.zeros(4, dtype=np.uint64)
    text.differs(errors, rows, 0)
    assert (errors != 0).tolist() == [False, False, True, True]


def test_repeated_text_holds_as_many_copies_as_are_compared_at_once():
    """Its length is that of one."""
    text = RepeatedText.of(b"abc")
    assert (len(text), text.text, bytes(text.copies[:6])) == (3, b"abc", b"abcabc")


def test_the_index_finds_where_lines_begin():
    """By words of the text between time and id, wherever these fall in a block."""
    encoder = TradeEncoder(INST_ID, CONTRACT)
    lines = [
        encoder.line(Trade(START + at, 1_000 + at, "buy", "1" * (at % 7 + 1), "5"))
        for at in range(40)
    ]
    made = template_of(lines[0], INST_ID, *parse_trade(lines[0], INST_ID))
    assert made is not None
    assert made.line_index is not None
    data = np.frombuffer(b"".join(lines), dtype=np.uint8)
    wanted = np.cumsum([0, *map(len, lines)])[:-1]
    assert made.line_index.starts(data).tolist() == wanted.tolist()


@pytest.mark.parametrize("text", [b"x" * 200, b"abcdefghij" * 3, b""])
def test_text_that_repeats_or_is_short_has_no_index(text):
    """A word of it would not tell where it stands."""
    assert LineIndex.of(text, 30) is None
