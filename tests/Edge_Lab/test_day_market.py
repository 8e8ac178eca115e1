"""The market around a day: units that hold every price, holes, funding, and terms of the date."""

import pytest

from Edge_Lab.day_market import MarketSpan, recorded_market
from Edge_Lab.exits import FundingRate
from ravequant import exact, times
from ravequant.contract import Contract
from ravequant.errors import NoDataError, VaultError
from ravequant.vault.paths import Vault
from tests.support.book_lines import put_metadata
from tests.support.judged_market import BTC, DAY, START, put_trades, walk

SPAN = MarketSpan(START - times.HOUR_MS, START + 25 * times.HOUR_MS)
PRICE = 101_250 * exact.PRICE_ONE


@pytest.fixture
def vault(tmp_path):
    """Return a vault of 30 hours of trades around the day."""
    found = Vault(tmp_path / "a vault")
    put_trades(found, walk(START - 3 * times.HOUR_MS, START + 27 * times.HOUR_MS, every_ms=9_000))
    return found


def market(vault, *prices):
    """Return the market of the day."""
    return recorded_market(vault, BTC, DAY, SPAN, prices or (PRICE,))


def test_the_trades_of_the_span_and_an_hour_behind_it(vault):
    """From the first birth on; the hour behind the last horizon pays the last exits."""
    tape = market(vault).market.trades
    assert SPAN.first <= tape.ms(0) < SPAN.first + 10_000
    assert (
        SPAN.until + times.HOUR_MS - 10_000 <= tape.ms(len(tape) - 1) < SPAN.until + times.HOUR_MS
    )


def test_the_units_hold_every_price(vault):
    """A mid between two ticks needs a decimal more than the trades have."""
    found = market(vault)
    assert (found.market.price_places, found.market.tick, found.qty_places) == (1, 1, 2)
    finer = market(vault, PRICE + exact.PRICE_ONE // 20)
    assert (finer.market.price_places, finer.market.tick) == (2, 10)
    assert finer.units(PRICE) == 10_125_000
    assert (finer.market.trades.price == 10 * found.market.trades.price).all()


def test_the_own_size_is_that_of_the_terms_of_the_date(vault):
    """A later contract of another size changes nothing."""
    put_metadata(vault, BTC, Contract("1", "1", "linear"), START + 40 * times.HOUR_MS)
    assert market(vault).size("25000", PRICE) == 2_469  # 24.69 contracts, in hundredths


def test_rows_with_a_gap_and_minutes_before_them_are_holes(vault):
    """A row that is no minute is refused, with the calculator that makes it."""
    path = vault.derived("volume", BTC) / "volume_1m.jsonl"
    path.parent.mkdir(parents=True)
    row = '{{"timestamp_utc":"{}T{}:00Z","gap":{}}}\n'
    path.write_text(
        row.format(DAY, "10:00", "false") + row.format(DAY, "10:04", "true"), encoding="utf-8"
    )
    holes = market(vault).market.holes
    first = START // times.MINUTE_MS + 601
    assert holes == {first, first + 1, first + 2, first + 3}
    path.write_text(f'{{"timestamp_utc":"{DAY}T10:00:00Z"}}\n', encoding="utf-8")
    with pytest.raises(VaultError, match=r"a row is no minute: KeyError.*volume_analyzer"):
        market(vault)


def test_settled_funding_is_that_of_the_file(vault):
    """Signed rates at their times; usual times without a line are unknown."""
    path = vault.settled_funding(BTC)
    path.parent.mkdir(parents=True)
    path.write_text(
        f'{{"timestamp_utc":"{DAY}T08:00:00.000Z","rate":"-0.0001"}}\n', encoding="utf-8"
    )
    found = market(vault)
    eight = START + 8 * times.HOUR_MS
    assert FundingRate(eight, -(10**16)) in found.market.funding
    assert FundingRate(eight * 2 - START, None) in found.market.funding
    assert any("funding" in one.name for one in found.inputs)
    path.write_text(f'{{"timestamp_utc":"{DAY}T08:00:00.000Z","rate":1}}\n', encoding="utf-8")
    with pytest.raises(VaultError, match="a line is no settlement"):
        market(vault)


def test_finished_days_are_inputs_by_their_content(vault):
    """The day of now may still grow: it is none."""
    names = {one.name[-16:]: one for one in market(vault).inputs if "trades" in one.name}
    assert sorted(names) == ["2025-12-13.jsonl", "2025-12-14.jsonl"]
    path = vault.trades(BTC) / f"{DAY}.jsonl"
    assert names[path.name].length == path.stat().st_size


def test_a_day_without_trades_is_refused(tmp_path):
    """With the remedy."""
    vault = Vault(tmp_path)
    put_metadata(vault, BTC, Contract("0.01", "1", "linear"))
    with pytest.raises(NoDataError, match=r"no raw trades of .*record them"):
        market(vault)
