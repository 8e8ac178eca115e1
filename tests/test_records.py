"""The raw trade record: its golden line, what is refused, and how fills are joined."""

import gzip
import itertools
import json
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import exact, times
from ravequant.contract import Contract
from ravequant.errors import UsageError
from ravequant.records import (
    RecordError,
    Trade,
    TradeEncoder,
    check_inst_id,
    join,
    join_fills,
    parse_trade,
    same_order,
    symbol_canon,
)
from tests.support import recordings

BTC = "BTC-USDT-SWAP"
GOLDEN = (
    b'{"timestamp_utc":"2025-12-14T21:34:56.123Z","exchange":"okx","market":"perp",'
    b'"instId":"BTC-USDT-SWAP","symbol_canon":"BTC/USDT","trade_id":"1234567890","side":"buy",'
    b'"price":"101250.5","qty_contracts":"45","ctVal":"0.01","ctMult":"1","ctType":"linear",'
    b'"count":"1","source":"0"}\n'
)
ROW = orjson.loads(GOLDEN)
LINEAR = Contract("0.01", "1", "linear")
TRADE = Trade(times.parse_iso("2025-12-14T21:34:56.123Z"), 1_234_567_890, "buy", "101250.5", "45")
LAST = times.day_start_ms("9999-12-31") + times.DAY_MS - 1


def refusal(line, inst_id=BTC):
    """Return why a line is refused."""
    with pytest.raises(RecordError) as caught:
        parse_trade(line, inst_id)
    return str(caught.value)


def spelled(**changes):
    """Return the golden record with other fields, as a line; None takes a field out."""
    row = {**ROW, **changes}
    return orjson.dumps({key: value for key, value in row.items() if value is not None})


def decimals(places):
    """Plain decimals above zero with at most so many decimals."""
    plain = st.from_regex(rf"(0|[1-9][0-9]{{0,19}})(\.[0-9]{{1,{places}}})?", fullmatch=True)
    return plain.filter(lambda text: text.isascii() and exact.units(text, places) > 0)


@st.composite
def records(draw):
    """Any valid trade and its contract."""
    trade_id = draw(st.integers(0, 10**18 - 1))
    trade = Trade(
        ts=draw(st.integers(0, LAST)),
        trade_id=trade_id,
        side=draw(st.sampled_from(("buy", "sell"))),
        price=draw(decimals(exact.PRICE_PLACES)),
        qty=draw(decimals(exact.SIZE_PLACES)),
        count=draw(st.integers(1, min(trade_id + 1, 10**18 - 1))),
        source=str(draw(st.integers(0, 3))),
        ahead=draw(st.booleans()),
    )
    sizes = decimals(exact.SIZE_PLACES)
    kind = draw(st.sampled_from(("linear", "inverse")))
    return trade, Contract(draw(sizes), draw(sizes), kind)


def test_golden_line():
    """The line of SPEC section 3, byte for byte, in both directions."""
    assert TradeEncoder(BTC, LINEAR).line(TRADE) == GOLDEN
    assert parse_trade(GOLDEN, BTC) == (TRADE, LINEAR)
    assert parse_trade(GOLDEN[:-1], BTC) == (TRADE, LINEAR)


def test_a_row_ahead_of_its_time_says_so_at_its_end():
    """The last field; any other row lacks it, and false means the same as absent."""
    ahead = GOLDEN.removesuffix(b"}\n") + b',"ahead":true}\n'
    assert TradeEncoder(BTC, LINEAR).line(replace(TRADE, ahead=True)) == ahead
    assert parse_trade(ahead, BTC) == (replace(TRADE, ahead=True), LINEAR)
    assert parse_trade(ahead.replace(b"true", b"false"), BTC) == (TRADE, LINEAR)
    with pytest.raises(RecordError, match="ahead: 1 is neither true nor false"):
        parse_trade(ahead.replace(b"true", b"1"), BTC)


@given(records())
def test_a_written_record_reads_back_as_itself(record):
    """Whatever is valid survives its line."""
    trade, contract = record
    assert parse_trade(TradeEncoder(BTC, contract).line(trade), BTC) == record


@given(records(), st.randoms(), st.booleans())
def test_any_json_spelling_is_the_same_record(record, random, unicode):
    """Order of the keys, blanks, escapes, unknown fields: only the meaning counts."""
    trade, contract = record
    fields = list(orjson.loads(TradeEncoder(BTC, contract).line(trade)).items())
    fields.append(("more", {"px": ["1", {"a": None}], "no": 1.5}))
    random.shuffle(fields)
    line = json.dumps(dict(fields), indent=random.choice((None, " "))).encode()
    if unicode:
        line = line.replace(b'"side"', rb'"\u0073ide"').replace(b'"okx"', rb'"o\u006bx"')
    assert parse_trade(b" " + line + b" \r\n", BTC) == record


def test_older_files_have_no_count_and_no_source():
    """Absent they mean 1 and 0."""
    assert parse_trade(spelled(count=None, source=None), BTC) == (TRADE, LINEAR)


@recordings.each(*recordings.EVENING_ETH)
def test_recorded_files_of_another_writer_are_taken_as_they_are(recording):
    """Every recorded line is valid, and our line of it says the same."""
    inst_id = recording.inst_id
    with gzip.open(recording.trade_files[-1]) as lines:
        found = [(line, *parse_trade(line, inst_id)) for line in lines]
    assert len(found) == dict(zip(recordings.EVENING_ETH, (9, 25), strict=True))[recording]
    for line, trade, contract in found:
        written = orjson.loads(TradeEncoder(inst_id, contract).line(trade))
        assert written == {**orjson.loads(line), "count": "1", "source": "0"}


@pytest.mark.parametrize("field", [key for key in ROW if key not in ("count", "source")])
def test_each_required_field(field):
    """Without it the line is no trade."""
    assert refusal(spelled(**{field: None})) == f"missing {field}"


def test_all_missing_fields_are_named():
    """In the order of the contract."""
    assert refusal(b'{"instId":"BTC-USDT-SWAP","side":"buy"}') == (
        "missing timestamp_utc, exchange, market, symbol_canon, trade_id, price, qty_contracts, "
        "ctVal, ctMult, ctType"
    )


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("timestamp_utc", "is not like 2025-12-14T21:34:56.123Z"),
        ("exchange", "is not 'okx'"),
        ("market", "is not 'perp'"),
        ("instId", "is not 'BTC-USDT-SWAP'"),
        ("symbol_canon", "is not a string"),
        ("trade_id", "is not a whole number in a string"),
        ("side", "is neither buy nor sell"),
        ("price", "is not a string"),
        ("qty_contracts", "is not a string"),
        ("ctVal", "is not a string"),
        ("ctMult", "is not a string"),
        ("ctType", "is neither linear nor inverse"),
        ("count", "is not a whole number in a string"),
        ("source", "is not a whole number in a string"),
    ],
)
@pytest.mark.parametrize("value", [b"1", b"1.5", b"null", b"true", b'["1"]', b'{"a":"1"}'])
def test_each_field_is_a_string(field, reason, value):
    """A JSON number, or anything else in its place, is not valid."""
    old = orjson.dumps({field: ROW[field]})[1:-1]
    line = GOLDEN.replace(old, b'"%b":%b' % (field.encode(), value))
    assert refusal(line) == f"{field}: {orjson.loads(value)!r} {reason}"


@pytest.mark.parametrize("field", ["price", "qty_contracts", "ctVal", "ctMult"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("0", "'0' is not above zero"),
        ("0.000", "'0.000' is not above zero"),
        ("-1", "'-1' is not a plain decimal"),
        ("+1", "'+1' is not a plain decimal"),
        ("1e5", "'1e5' is not a plain decimal"),
        ("NaN", "'NaN' is not a plain decimal"),
        ("Infinity", "'Infinity' is not a plain decimal"),
        ("01", "'01' is not a plain decimal"),
        (".5", "'.5' is not a plain decimal"),
        ("5.", "'5.' is not a plain decimal"),
        (" 5", "' 5' is not a plain decimal"),
        ("1,5", "'1,5' is not a plain decimal"),
        ("", "'' is not a plain decimal"),
        ("0." + "0" * 19 + "11", "'0.000000000000000000011' has more than {places} decimals"),
    ],
)
def test_numbers_are_plain_decimals_above_zero(field, value, reason):
    """Each number of the record, each departure."""
    places = exact.PRICE_PLACES if field == "price" else exact.SIZE_PLACES
    assert refusal(spelled(**{field: value})) == f"{field}: {reason.format(places=places)}"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("exchange", "OKX", "'OKX' is not 'okx'"),
        ("market", "spot", "'spot' is not 'perp'"),
        ("instId", "ETH-USDT-SWAP", "'ETH-USDT-SWAP' is not 'BTC-USDT-SWAP'"),
        ("side", "Buy", "'Buy' is neither buy nor sell"),
        ("side", "", "'' is neither buy nor sell"),
        ("ctType", "quanto", "'quanto' is neither linear nor inverse"),
        ("trade_id", "-1", "'-1' is not a whole number in a string"),
        ("trade_id", "007", "'007' is not a whole number in a string"),
        ("trade_id", "1" * 19, f"'{'1' * 19}' is not a whole number in a string"),
        ("count", "0", "0 ids cannot end at 1234567890"),
        ("count", "1234567892", "1234567892 ids cannot end at 1234567890"),
        ("count", "1.0", "'1.0' is not a whole number in a string"),
        ("source", "", "'' is not a whole number in a string"),
        ("timestamp_utc", "2025-12-14T21:34:56Z",
         "'2025-12-14T21:34:56Z' is not like 2025-12-14T21:34:56.123Z"),
        ("timestamp_utc", "2025-12-14T21:34:56.1234",
         "'2025-12-14T21:34:56.1234' is not a UTC time like 2025-12-14T21:34:56.123Z"),
        ("timestamp_utc", "2025-02-30T21:34:56.123Z", "day is out of range for month"),
        ("timestamp_utc", "1969-12-31T23:59:59.999Z", "'1969-12-31' lies before 1970"),
    ],
)  # fmt: skip
def test_each_field_has_its_form(field, value, reason):
    """A string of another form is refused, and the message says which field and why."""
    said = refusal(spelled(**{field: value}))
    assert said.startswith(f"{field}: ")
    assert reason in said


@pytest.mark.parametrize("key", list(ROW))
@pytest.mark.parametrize("place", ["first", "last"])
def test_repeated_keys(key, place):
    """A key that stands twice makes the line invalid, even if both say the same."""
    again = orjson.dumps({key: ROW[key]})[1:-1]
    row = GOLDEN.strip()
    line = b"{" + again + b"," + row[1:] if place == "first" else row[:-1] + b"," + again + b"}"
    assert refusal(line) == f"{key}: the key is repeated"


@pytest.mark.parametrize(
    ("extra", "key"),
    [
        (rb'"\u0070rice":"1"', "price"),
        (b'"more":1,"more":2', "more"),
        (b'"more":{"a":1,"a":2}', "a"),
        (b'"more":[{"a":1,"b":[],"a":2}]', "a"),
    ],
)
def test_repeated_keys_in_disguise(extra, key):
    """Escaped, unknown, or deep inside: repeated is repeated."""
    assert refusal(GOLDEN.strip()[:-1] + b"," + extra + b"}") == f"{key}: the key is repeated"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "not JSON: "),
        (b"\n", "not JSON: "),
        (bytes(40), "not JSON: "),
        (GOLDEN[:-3], "not JSON: "),
        (GOLDEN[:-1] + GOLDEN, "not JSON: "),
        (b"\xef\xbb\xbf" + GOLDEN, "not JSON: "),
        (GOLDEN.replace(b'"101250.5"', b"NaN"), "not JSON: "),
        (GOLDEN.replace(b"okx", b"\xff"), "not JSON: "),
        (b"[]", "not a JSON object but list"),
        (b'"text"', "not a JSON object but str"),
        (b"5", "not a JSON object but int"),
        (b"null", "not a JSON object but NoneType"),
        (b'{"a":"' + b"x" * 1_000_000 + b'"}', "missing timestamp_utc, "),
        (b'{"z":' + b"1" * 300 + rb',"a":"\n"}', "missing timestamp_utc, "),
        (b'{"a":' + b"[" * 900 + b'"x"' + b"]" * 900 + b"}", "missing timestamp_utc, "),
        (b'{"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}", "not JSON: "),
    ],
)
def test_what_is_no_json_object(line, reason):
    """Torn, glued, zeroed, with a BOM, NaN, huge or deep: refused, and nothing else is raised."""
    assert refusal(line).startswith(reason)


def test_a_line_as_deep_as_json_may_be():
    """Near the limit of the second reader the line is refused too, for the one reason or other."""
    said = refusal(b'{"a":' + b"[" * 1015 + b'"x"' + b"]" * 1015 + b"}")
    assert said.startswith(("nested too deeply", "missing timestamp_utc, "))


@pytest.mark.parametrize("field", sorted(json.loads(GOLDEN)))
@pytest.mark.parametrize("value", [b"[" * 1010 + b"]" * 1010, b'"%s"' % (b"1" * 1_000_000)])
def test_a_monstrous_value_is_a_short_reason(field, value):
    """Nested as deeply as JSON may be, or a megabyte long: refused, and fit for a log."""
    row = {**json.loads(GOLDEN), field: "HERE"}
    line = json.dumps(row).encode().replace(b'"HERE"', value)
    if field != "symbol_canon" or value.startswith(b"["):  # which may be any string
        assert len(refusal(line)) < 200


@given(st.data())
def test_a_damaged_line_is_refused_or_read_and_nothing_else(data):
    """Bytes replaced, cut or put in at random: a record or a RecordError."""
    line = bytearray(GOLDEN)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(line)))
        stop = start + data.draw(st.integers(0, 3))
        line[start:stop] = data.draw(st.binary(max_size=3) | st.sampled_from((b'"', b"\\", b"{")))
    try:
        trade, contract = parse_trade(bytes(line), BTC)
    except RecordError:
        return
    assert parse_trade(TradeEncoder(BTC, contract).line(trade), BTC) == (trade, contract)


def test_names():
    """Legal names pass as they are, and their canonical symbol is the pair."""
    assert check_inst_id("1000SATS-USDT-SWAP") == "1000SATS-USDT-SWAP"
    assert symbol_canon("BTC-USD-SWAP") == "BTC/USD"
    assert check_inst_id("XAU-USD_UM-SWAP") == "XAU-USD_UM-SWAP"
    assert symbol_canon("XAU-USD_UM-SWAP") == "XAU/USD_UM"
    with pytest.raises(UsageError):
        check_inst_id("BTC")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("btc-usdt-swap", "; did you mean BTC-USDT-SWAP?"),
        (" BTC-USDT-SWAP ", "; did you mean BTC-USDT-SWAP?"),
        ("BTC-USDT-SWAP,eth-usdt-swap",
         "; give each a flag of its own: --instId BTC-USDT-SWAP --instId ETH-USDT-SWAP"),
        ("../../etc", ""),
        ("BTC-USDT-SWAP/..", ""),
    ],
)  # fmt: skip
def test_the_name_that_was_meant_is_said(typed, meant):
    """Only a name that would be legal, and is never taken for it."""
    with pytest.raises(UsageError) as caught:
        check_inst_id(typed)
    assert str(caught.value).endswith(f"by dashes, like BTC-USDT-SWAP{meant}")


def fill(trade_id, qty="1", **changes):
    """Return a single fill."""
    return replace(TRADE, trade_id=trade_id, qty=qty, **changes)


def test_neighbours_of_one_order_are_joined():
    """Equal ts, side, price and source, neighbours in id: one record, count and size summed."""
    fills = [fill(1, "0.1"), fill(2, "0.25"), fill(3, "1.65")]
    (record,) = join_fills(fills)
    assert record == fill(3, "2", count=3)
    assert record.first_id == 1


@pytest.mark.parametrize(
    "other",
    [
        fill(3),
        fill(2, ts=TRADE.ts + 1),
        fill(2, side="sell"),
        fill(2, price="101250.6"),
        fill(2, source="1"),
    ],
    ids=["id", "ts", "side", "price", "source"],
)
def test_one_difference_keeps_them_apart(other):
    """Each part of the rule counts."""
    assert not same_order(fill(1), other)
    assert list(join_fills([fill(1), other])) == [fill(1), other]


def test_records_join_like_fills():
    """A record with a count is a neighbour by its first id, not by its last."""
    record = fill(5, "2", count=3)
    assert same_order(fill(2), record)
    assert not same_order(fill(4), record)
    assert join(fill(2, "0.5"), record) == fill(5, "2.5", count=4)


def test_a_lone_fill_keeps_its_size_as_it_came():
    """Raw values stay as the exchange sent them; only sums are canonical."""
    assert list(join_fills([fill(1, "1.50")])) == [fill(1, "1.50")]
    assert list(join_fills([])) == []


@given(st.lists(st.tuples(st.integers(1, 2), st.booleans(), st.integers(1, 99)), max_size=30))
def test_joining_loses_nothing(steps):
    """Ids and sizes stay, nothing is left to join, and joined parts join to the whole."""
    fills, trade_id = [], 0
    for step, buy, size in steps:
        trade_id += step
        fills.append(fill(trade_id, f"0.{size:02}", side="buy" if buy else "sell"))
    joined = list(join_fills(fills))
    covered = [n for record in joined for n in range(record.first_id, record.trade_id + 1)]
    assert covered == [single.trade_id for single in fills]
    size = [sum(exact.units(trade.qty, 2) for trade in trades) for trades in (joined, fills)]
    assert size[0] == size[1]
    assert not any(same_order(a, b) for a, b in itertools.pairwise(joined))
    middle = len(fills) // 2
    parts = [*join_fills(fills[:middle]), *join_fills(fills[middle:])]
    assert list(join_fills(parts)) == joined
