"""Tests of ravequant.settings_schema: how a TOML table becomes exact settings, and back."""

import copy
import pickle
from typing import NamedTuple

import pytest

from ravequant import settings_schema
from ravequant.errors import UsageError
from ravequant.settings_schema import Amounts, DecimalField, ExactDecimal, as_typed, canonical

CENTS = DecimalField(2, most=1_000, zero=False)
OPTIONAL = DecimalField(3, empty=True)


class Fees(NamedTuple):
    """An inner table."""

    maker: ExactDecimal = CENTS.default("0.5")
    rest: ExactDecimal = OPTIONAL.default("")
    least: Amounts = CENTS.defaults(BTC="7.10", default="3")
    hours: int = 4
    paid: bool = True


class Root(NamedTuple):
    """What a file may hold."""

    names: tuple[str, ...] = ("a",)
    note: str = ""
    fees: Fees = Fees()


def build(**table: object) -> Root:
    """Return what a table gives."""
    made: Root = settings_schema.build(Root, table)
    return made


def test_a_decimal_computes_as_its_units_and_shows_its_text():
    """It is an int in every way but one: it remembers how it was written."""
    made = build(fees={"maker": "1.50"}).fees.maker
    assert (made, made.text) == (150, "1.50")
    assert made == build(fees={"maker": "1.5"}).fees.maker
    assert (made * 3, f"{made}", str(made), hash(made)) == (450, "150", "150", hash(150))
    assert type(made + 1) is int
    assert sorted([200, made, 100]) == [100, 150, 200]


def pickled(chosen: Root) -> Root:
    """Return what another process would be sent."""
    sent: Root = pickle.loads(pickle.dumps(chosen))  # noqa: S301 - our own
    return sent


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled])
def test_copies_keep_number_and_text(again):
    """Settings are sent to other processes."""
    chosen = again(build(fees={"maker": "1.50", "least": {"ETH": "0.10"}}))
    assert (chosen.fees.maker, chosen.fees.maker.text) == (150, "1.50")
    assert (chosen.fees.least["ETH"], chosen.fees.least["ETH"].text) == (10, "0.10")


def test_what_is_left_out_keeps_its_default():
    """A table of amounts too: a key more, or another value for one, and the rest stays."""
    assert build() == Root()
    assert (Root().fees.maker, Root().fees.rest, Root().fees.rest.text) == (50, 0, "")
    least = build(fees={"least": {"ETH": "1", "BTC": "2"}}).fees.least
    assert least == {"BTC": 200, "default": 300, "ETH": 100}
    assert Root().fees.least == {"BTC": 710, "default": 300}


@pytest.mark.parametrize(
    ("inst_id", "amount"),
    [("BTC-USDT-SWAP", 1), ("BTC-USD-SWAP", 2), ("BTC-USD-251226", 3), ("BTCDOM-USDT-SWAP", 9),
     ("BTC-USD_UM-SWAP", 4), ("ETH-USD_UM-SWAP", 9)],
)  # fmt: skip
def test_the_longest_start_of_an_instrument_counts(inst_id, amount):
    """Whole words only."""
    table = {"BTC": "1", "BTC-USD": "2", "BTC-USD-251226": "3", "BTC-USD_UM": "4", "default": "9"}
    made = Amounts({start: CENTS.parse(text, start) for start, text in table.items()})
    assert made.of(inst_id) == 100 * amount


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"fees": {"maker": "1000.01"}}, "fees.maker = '1000.01' is above 1,000"),
        ({"fees": {"maker": "0.00"}}, "fees.maker = '0.00' is not above 0"),
        ({"fees": {"maker": ""}},
         "fees.maker: '' is not a plain decimal; expected 0 or more, like 12.5"),
        ({"fees": {"maker": "0.125"}}, "fees.maker: '0.125' has more than 2 decimals"),
        ({"fees": {"maker": True}}, 'fees.maker = True must stand in quotes, like "50"'),
        ({"fees": {"maker": ["5"]}}, 'fees.maker must stand in quotes, like "50"'),
        ({"note": 5}, 'note = 5 must stand in quotes, like "50"'),
        ({"fees": {"least": {"ETH": 5}}},
         "fees.least = {'ETH': 5} is not a table like BTC = \"300000\""),
        ({"fees": {"least": {"ETH": "0"}}}, "fees.least.ETH = '0' is not above 0"),
        ({"fees": {"hours": 0}}, "fees.hours = 0 is not a whole number above 0"),
        ({"fees": {"paid": 1}}, "fees.paid = 1 is not true or false"),
        ({"fees": {"paid": "no"}}, "fees.paid = 'no' is not true or false"),
        ({"fee": {}}, "fee is unknown; did you mean fees?"),
        ({"maker": "1"}, "maker is unknown here; did you mean maker below [fees]?"),
        ({"fees": {"note": "x"}},
         "fees.note is unknown here; did you mean note above the first [table]?"),
        ({"x" * 100: 1}, f"{'x' * 80} is unknown; expected one of fees, names, note"),
    ],
)  # fmt: skip
def test_slips_are_named(table, message):
    """By the full name of the key, with the value if it cannot be a secret."""
    with pytest.raises(UsageError) as caught:
        build(**table)
    assert str(caught.value) == message


def test_the_largest_and_the_smallest_are_allowed():
    """``most`` itself is not above it; 0 is refused only where it is said so."""
    assert build(fees={"maker": "1000", "rest": "0"}).fees == Fees(
        CENTS.parse("1000", ""), OPTIONAL.parse("0", "")
    )


def test_settings_are_shown_as_they_were_written():
    """``as_typed`` is the way back: what it gives builds the same settings, letter by letter."""
    table = {"fees": {"maker": "1.50", "rest": "", "least": {"BTC": "007"[2:], "default": "3.0"},
                      "hours": 5, "paid": False}}  # fmt: skip
    chosen = build(**table)
    assert as_typed(chosen) == {"names": ("a",), "note": "", **table}
    assert as_typed(chosen.fees.maker) == "1.50"


def test_canonical_settings_have_one_text_of_a_number():
    """``canonical``: the same of 3, 3.0 and 3.00, in tables of amounts too; an empty one is 0."""
    chosen = build(fees={"maker": "1.50", "rest": "", "least": {"BTC": "7.0", "default": "3"}})
    found = canonical(chosen)
    assert found["fees"] == {
        **as_typed(chosen.fees), "maker": "1.5", "rest": "0", "least": {"BTC": "7", "default": "3"},
    }  # fmt: skip
    assert found["names"] == chosen.names


def test_all_names():
    """Every key by its full name, inner tables as a whole."""
    names = ["names", "note", "fees.maker", "fees.rest", "fees.least", "fees.hours", "fees.paid"]
    assert list(settings_schema.names(Root)) == names
