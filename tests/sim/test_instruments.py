"""Instruments of the local exchange: their REST rows, and the steps of price and size."""

import pytest

from ravequant.contract import Contract
from ravequant.errors import UsageError
from ravequant.sim.instruments import (
    Decimals,
    Steps,
    contract,
    listing,
    sizes,
    step,
    swap_row,
)
from ravequant.vault.instruments import parse_instrument

BTC = "BTC-USDT-SWAP"


@pytest.mark.parametrize(("decimals", "text"), [(0, "1"), (1, "0.1"), (4, "0.0001")])
def test_a_step_has_so_many_decimals(decimals, text):
    """The smallest value that they can write."""
    assert step(decimals) == text


@pytest.mark.parametrize(
    ("inst_id", "met", "expected"),
    [
        (BTC, Decimals(0, 0), ("0.1", "0.01")),
        (BTC, Decimals(2, 0), ("0.01", "0.01")),
        (BTC, Decimals(1, 3), ("0.1", "0.001")),
        ("XYZ-USDT-SWAP", Decimals(3, 0), ("0.001", "1")),
    ],
)
def test_known_sizes_count_unless_the_recording_is_finer(inst_id, met, expected):
    """An unknown instrument has the sizes that its recording shows."""
    assert sizes(inst_id, met) == expected


def test_decimals_are_merged_field_by_field():
    """The larger of both counts."""
    assert Decimals(1, 4).merged(Decimals(3, 2)) == Decimals(3, 4)


@pytest.mark.parametrize(
    "inst_id", [BTC, "ETH-USDT-SWAP", "BTC-USD-SWAP", "NEW-USDT-SWAP", "XAU-USD_UM-SWAP"]
)
def test_the_row_is_one_that_the_exporters_accept(inst_id):
    """It names the contract and its currencies; linear and inverse differ in these."""
    terms = contract(inst_id)
    found = parse_instrument(swap_row(inst_id, terms, "0.1", "0.01"), fetched_ms=0)
    assert (found.contract, found.tick_sz, found.lot_sz) == (terms, "0.1", "0.01")
    base, quote = inst_id.replace("_UM", "").split("-")[:2]
    pair = (found.ct_val_ccy, found.settle_ccy)
    assert pair == ((base, quote) if terms.ct_type == "linear" else (quote, base))


def test_steps_are_written_as_the_exchange_writes_prices():
    """Whole steps as decimal text, no trailing zero."""
    tick = Steps("0.1")
    assert [tick(972_500), tick(972_501), tick(0)] == ["97250", "97250.1", "0"]
    assert tick(972_500) is tick(972_500)  # made once


def test_a_listing_turns_usd_into_whole_lots():
    """One lot at least, never more than the notional."""
    btc = listing(BTC)
    assert btc.first_tick == 972_500
    assert btc.lots(0.0, btc.first_tick) == 1
    assert btc.lots(98_000.0, btc.first_tick) == 10_077  # a lot is worth 9.725 USD
    assert btc.row() == swap_row(BTC, Contract("0.01", "1", "linear"), "0.1", "0.01")


def test_an_unknown_name_gets_plausible_figures():
    """Always the same for one name, other ids for another."""
    assert listing("C001-USDT-SWAP") == listing("C001-USDT-SWAP")
    assert listing("XAU-USD_UM-SWAP").row()["instFamily"] == "XAU-USD_UM"
    ids = {listing(f"C{number:03d}-USDT-SWAP").first_trade_id for number in range(50)}
    assert len(ids) == 50


@pytest.mark.parametrize("inst_id", ["BTC-USD-SWAP", "BTC-USDT", "BTC-USDT-250627"])
def test_only_linear_perpetuals_can_be_made_up(inst_id):
    """The message names the remedy: a recording."""
    with pytest.raises(UsageError, match="replay a recording for any other"):
        listing(inst_id)
