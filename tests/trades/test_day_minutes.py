"""The file of a day's minutes: exact whatever the amounts, and damaged bytes are no file."""

import gzip
import zlib
from contextlib import suppress
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import exact
from ravequant.trades import day_minutes
from ravequant.trades.bar_builder import Closed, IdGapAnswer
from ravequant.trades.day_minutes import (
    DamagedMinutesError,
    DayMinutes,
    MinutesKey,
    RejectedLine,
    decode,
    encode,
)
from ravequant.trades.minute_bar import MinuteBar
from ravequant.vault.raw_content import RawContent

BTC = "BTC-USDT-SWAP"
WHALE = 100_000 * exact.NOTIONAL_ONE
KEY = MinutesKey("okx", BTC, "2025-12-14", WHALE, 120, {"last_id": 7, "open": []})


def bar(minute: int, price: int = 10**20, buy: int = 3, sell: int = 4) -> MinuteBar:
    """Return a bar with two sums that others are made of."""
    total = buy + sell
    return MinuteBar(
        minute, price, price, price, price, 2, total, buy, sell, total, buy, sell,
        price * total, price * total, 1, buy, 0, minute, minute + 1, gap=minute % 2 == 0,
        square_notional=price * price * total,
    )  # fmt: skip


def day(*bars: MinuteBar) -> DayMinutes:
    """Return a day with one of everything."""
    return DayMinutes(
        KEY,
        RawContent(5_000, 123),
        "2025-12-15",
        RawContent(300, 456),
        (IdGapAnswer(8, 9, is_gap=True), IdGapAnswer(11, 11, is_gap=False)),
        Closed(list(bars), [3, 4], 29_429_279),
        {"last_id": 99, "open": [], "squares": []},
        {"lines": 10, "rejected": 1},
        (RejectedLine("2025-12-14", 77, "no trade"),),
    )


AMOUNTS = st.one_of(
    st.integers(0, 2**63 + 2), st.integers(0, 10**12).map(lambda n: n * 10**45), st.just(0)
)


@given(st.lists(st.tuples(st.integers(1, 10**32), AMOUNTS, AMOUNTS), max_size=5))
def test_amounts_of_any_size_come_back(amounts):
    """Columns of 63 bits and wider ones, in whole units or with decimals."""
    found = day(*(bar(29_427_840 + at, *numbers) for at, numbers in enumerate(amounts)))
    assert decode(encode(found)) == found


def test_a_column_holds_numbers_of_the_coarsest_units():
    """So many decimals as its amounts need; numbers of more than 63 bits are text."""
    price, tenth = exact.units("101250.5", exact.PRICE_PLACES), 10**19
    facts = orjson.loads(gzip.decompress(encode(day(bar(1, price), bar(2, price + tenth)))))
    columns = facts["minutes"]
    assert columns["open"] == {"places": 1, "values": [1012505, 1012506]}
    assert columns["notional"] == {"places": 50, "values": [7, 7]}
    assert columns["price_notional"]["places"] == 51
    assert columns["gap"] == [False, True]
    assert columns["trade_count"] == {"places": 0, "values": [2, 2]}
    assert columns["last_id"] == {"places": 0, "values": [2, 3]}
    assert columns["whale_count"]["places"] == columns["minute"]["places"] == 0
    assert columns["square_notional"]["places"] == 52  # 50 of the notional, 1 of each price
    assert (facts["whale_notional"], facts["version"]) == ("100000", day_minutes.VERSION)
    assert columns["whale_sell_notional"] == {"places": 0, "values": [0, 0]}
    tens = facts_of(day(bar(10), bar(20)))["minutes"]
    assert tens["first_id"] == tens["minute"] == {"places": 0, "values": [10, 20]}
    for amount, written in ((2**63 - 1, 2**63 - 1), (2**63, str(2**63))):
        wide = facts_of(day(bar(1, 1, amount, 0)))["minutes"]
        assert wide["notional"] == {"places": 50, "values": [written]}


def test_equal_minutes_are_equal_bytes():
    """Whoever makes them: no time and no name is in the file."""
    assert encode(day(bar(1))) == encode(day(bar(1)))


@pytest.mark.parametrize(
    "odd",
    [
        bar(1)._replace(square_notional=None),
        bar(1)._replace(sell_base=5),
        bar(1)._replace(buy_notional=2),
    ],
)
def test_a_bar_that_cannot_come_back_is_refused(odd):
    """An unknown sum of squares, or sums that are not those of buys and sells."""
    with pytest.raises(ValueError, match="minute 1"):
        encode(day(odd))


def test_bytes_cut_or_turned_are_no_file():
    """At every byte: refused, or the same day, since some bits of a compression change nothing."""
    whole = encode(day(*map(bar, range(1, 30))))
    for at in range(len(whole)):
        turned = bytes((whole[at] ^ 1 << at % 8,))
        for data in (whole[:at], whole[:at] + turned + whole[at + 1 :]):
            with suppress(DamagedMinutesError):
                assert decode(data) == decode(whole)


def test_a_second_file_behind_it_is_refused():
    """One day is one gzip file."""
    whole = encode(day(bar(1)))
    with pytest.raises(DamagedMinutesError, match="not one whole"):
        decode(whole + whole)


def facts_of(found: DayMinutes):
    return orjson.loads(gzip.decompress(encode(found)))


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts.update(version=day_minutes.VERSION + 1),
        lambda facts: facts.update(version=None),
        lambda facts: facts.pop("minutes"),
        lambda facts: facts.pop("through"),
        lambda facts: facts["minutes"].pop("close"),
        lambda facts: facts["minutes"]["close"].update(places=21),
        lambda facts: facts["minutes"]["close"]["values"].pop(),
        lambda facts: facts["minutes"]["gap"].pop(),
        lambda facts: facts["minutes"]["buy_base"]["values"].append(1),
        lambda facts: facts.update(whale_notional="1e5"),
        lambda facts: facts.update(raw=5),
    ],
)
def test_another_form_is_refused(change):
    """Of another version, or with a part missing or of another length."""
    facts = facts_of(day(bar(1)))
    change(facts)
    with pytest.raises(DamagedMinutesError):
        decode(gzip.compress(orjson.dumps(facts)))


def test_no_object_is_refused():
    """Whatever else a program may have put there."""
    for data in (b"", b"{}", gzip.compress(b"[]"), gzip.compress(b"{"), zlib.compress(b"{}")):
        with pytest.raises(DamagedMinutesError):
            decode(data)


def test_each_fact_is_in_the_file():
    """Two days that differ in one fact are two files."""
    plain = day(bar(1))
    key = plain.key
    others = [
        replace(plain, key=replace(key, exchange="binance")),
        replace(plain, key=replace(key, inst_id="ETH-USDT-SWAP")),
        replace(plain, key=replace(key, day="2025-12-13")),
        replace(plain, key=replace(key, whale_notional=2 * WHALE)),
        replace(plain, key=replace(key, offset=121)),
        replace(plain, key=replace(key, reader={"last_id": 8, "open": []})),
        replace(plain, content=RawContent(5_000, 124)),
        replace(plain, next_file="2025-12-16"),
        replace(plain, next_content=RawContent(301, 456)),
        replace(plain, id_gaps=()),
        replace(plain, closed=replace(plain.closed, gaps=[])),
        replace(plain, closed=replace(plain.closed, through=5)),
        replace(plain, reader={}),
        replace(plain, counts={}),
        replace(plain, rejected=()),
    ]
    for other in others:
        assert decode(encode(other)) == other != plain


IN_ORDER = {"lines": 10, "rejected": 0, "duplicates": 0, "late_trades": 0, "ahead": 0, "holes": 1}


def begun(watermark: int | None, counts: dict[str, int], *minutes: int) -> DayMinutes:
    """Return a day with these minutes, begun by a reader that had read so far."""
    key = replace(KEY, reader={"last_id": 7, "watermark_ms": watermark, "open": []})
    return replace(day(*map(bar, minutes)), key=key, counts=counts)


def test_a_day_in_order_is_joined_behind_a_minute_of_its_own():
    """One that no line before its beginning is in, and that ended before the moment."""
    assert begun(125_000, IN_ORDER, 2, 3).is_joined_before(240_000)
    assert not begun(125_000, IN_ORDER, 2, 3).is_joined_before(239_999)
    assert not begun(180_000, IN_ORDER, 2, 3).is_joined_before(240_000)
    assert begun(179_999, IN_ORDER, 2, 3).is_joined_before(240_000)
    assert not begun(125_000, IN_ORDER).is_joined_before(240_000)


def test_a_first_day_is_joined_behind_its_first_minute():
    """Nothing was read before it."""
    assert begun(None, IN_ORDER, 0).is_joined_before(60_000)
    assert not begun(None, IN_ORDER, 0).is_joined_before(59_999)
    assert not begun(0, IN_ORDER, 0).is_joined_before(60_000)


@pytest.mark.parametrize("name", ["rejected", "duplicates", "late_trades", "ahead"])
def test_a_day_with_odd_lines_is_not_joined(name):
    """A reader from another place may take them otherwise; gaps and lines are no odd ones."""
    assert not begun(None, IN_ORDER | {name: 1}, 0, 1).is_joined_before(240_000)
    unknown = {key: number for key, number in IN_ORDER.items() if key != name}
    assert not begun(None, unknown, 0, 1).is_joined_before(240_000)
    assert begun(None, IN_ORDER, 0, 1).is_joined_before(240_000)
