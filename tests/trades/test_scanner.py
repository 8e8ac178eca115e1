"""Scanner: the same records as parse_trade line by line, whatever the bytes and the cuts."""

import gzip
import json
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravequant import exact
from ravequant.contract import Contract
from ravequant.records import RecordError, Rejected, Side, Trade, TradeEncoder, parse_trade
from ravequant.trades import line_template
from ravequant.trades.scanner import Scanner
from tests.support import recordings
from tests.support.examples import often

INST_ID = "BTC-USDT-SWAP"
LINEAR = Contract("0.01", "1", "linear")
GOLDEN = (
    b'{"timestamp_utc":"2025-12-14T21:34:56.123Z","exchange":"okx","market":"perp",'
    b'"instId":"BTC-USDT-SWAP","symbol_canon":"BTC/USDT","trade_id":"1234567890","side":"buy",'
    b'"price":"101250.5","qty_contracts":"45","ctVal":"0.01","ctMult":"1","ctType":"linear",'
    b'"count":"1","source":"0"}\n'
)
START = 1_765_748_096_123
SIDES: tuple[Side, Side] = ("buy", "sell")


def canonical(trades, contract=LINEAR):
    encoder = TradeEncoder(INST_ID, contract)
    return b"".join(encoder.line(trade) for trade in trades)


def some_trades(seed, number):
    """Ordinary records: ids jump by their counts, prices and sizes drop trailing zeros."""
    chance = random.Random(seed)
    ts, trade_id, price = START, 999_998_800, 1_012_505
    for _ in range(number):
        ts += chance.randrange(200)
        count = chance.choice((1, 1, 1, 2, 17, 123))
        trade_id += count
        price += chance.choice((-1, 0, 1))
        qty = exact.text(chance.randrange(1, 100_000), 2)
        side = chance.choice(SIDES)
        yield Trade(ts, trade_id, side, exact.text(price, 1), qty, count)


def by_line(block):
    """The oracle: parse_trade on each line by itself."""
    records, rejected, offset = [], [], 0
    for line in [text + b"\n" for text in block.split(b"\n")[:-1]]:
        try:
            trade, contract = parse_trade(line, INST_ID)
        except RecordError as error:
            rejected.append(Rejected(offset, str(error)))
        else:
            price = exact.units(trade.price, 30)
            qty = exact.units(trade.qty, 30)
            is_buy = trade.side == "buy"
            row = (trade.ts, trade.trade_id, trade.count, is_buy, price, qty)
            records.append((*row, contract, trade.ahead))
        offset += len(line)
    return records, rejected, block.count(b"\n")


def flat(scanned):
    """What a scan found, in the oracle's form."""
    records = []
    for one in scanned.stretches:
        assert len(one) > 0
        for i in range(len(one)):
            price = int(one.price[i]) * 10 ** (30 - one.price_decimals)
            qty = int(one.qty[i]) * 10 ** (30 - one.qty_decimals)
            row = (int(one.ts[i]), int(one.trade_id[i]), int(one.count[i]), bool(one.buy[i]))
            records.append((*row, price, qty, one.contract, one.ahead))
    for earlier, later in pairwise(scanned.stretches):
        assert (earlier.contract, earlier.ahead) != (later.contract, later.ahead)
    return records, scanned.rejected, scanned.lines


def spy_on_slow_lines(monkeypatch):
    """Collect the lines that parse_trade is asked for."""
    seen = []

    def spy(line, *of):
        seen.append(line)
        return parse_trade(line, *of)

    monkeypatch.setattr("ravequant.trades.scanner.parse_trade", spy)
    return seen


def test_lines_of_another_exchange_are_read_alike_and_only_when_it_is_meant():
    """A scanner of that exchange finds the same trades; one of OKX, and the reverse, none."""
    theirs = GOLDEN.replace(b'"okx"', b'"binance"')
    assert theirs != GOLDEN
    for block in (GOLDEN, GOLDEN * 50, GOLDEN.replace(b",", b", ")):
        other = block.replace(b'"okx"', b'"binance"')
        found = flat(Scanner(INST_ID, "binance").scan(other))
        assert found[0] == flat(Scanner(INST_ID).scan(block))[0]
        assert Scanner(INST_ID).scan(other).stretches == []
        assert Scanner(INST_ID, "binance").scan(block).stretches == []
    reasons = {found.reason for found in Scanner(INST_ID).scan(theirs).rejected}
    assert reasons == {"exchange: 'binance' is not 'okx'"}


def test_golden_line_gives_the_values_of_the_specification():
    """SPEC 3's example line comes out as the columns it means, units and scale included."""
    (trades,) = Scanner(INST_ID).scan(GOLDEN).stretches
    assert trades.ts.tolist() == [START]
    assert trades.trade_id.tolist() == [1_234_567_890]
    assert (trades.count.tolist(), trades.buy.tolist()) == ([1], [True])
    assert (trades.price.tolist(), trades.price_decimals) == ([1_012_505], 1)
    assert (trades.qty.tolist(), trades.qty_decimals) == ([45], 0)
    assert trades.contract == LINEAR


def test_canonical_lines_take_the_fast_path(monkeypatch):
    """Only a line for each template (here: 9 and 10 digits of id) is parsed one by one."""
    block = canonical(some_trades(1, 500))
    seen = spy_on_slow_lines(monkeypatch)
    assert flat(Scanner(INST_ID).scan(block)) == by_line(block)
    assert len(seen) == 2


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("counted", [True, False])
def test_other_writers_lines_are_fast_too(monkeypatch, separators, counted):
    """Blanks after colons and commas, and absent count and source, cost no speed."""
    rows = [json.loads(line) for line in canonical(some_trades(2, 100)).splitlines()]
    if not counted:
        for row in rows:
            del row["count"], row["source"]
    block = "".join(json.dumps(row, separators=separators) + "\n" for row in rows).encode()
    seen = spy_on_slow_lines(monkeypatch)
    assert flat(Scanner(INST_ID).scan(block)) == by_line(block)
    assert len(seen) == 2


@pytest.mark.parametrize("characters", range(1, 17))
def test_prices_up_to_sixteen_characters_are_fast(monkeypatch, characters):
    """Every width and every place of the point, for prices and sizes alike."""
    digits = "1234567890123456"[:characters]
    texts = [digits, *(f"{digits[:k]}.{digits[k:-1]}" for k in range(1, characters - 1))]
    texts += [f"0.{digits[2:]}"] if characters > 2 else []
    trades = [Trade(START, 1000 + i, "sell", text, text[:12]) for i, text in enumerate(texts)]
    trades = [trade for trade in trades if not trade.qty.endswith(".")]
    block = canonical([Trade(START, 1000, "buy", "7", "7"), *trades])
    seen = spy_on_slow_lines(monkeypatch)
    assert flat(Scanner(INST_ID).scan(block)) == by_line(block)
    assert len(seen) == 1


def test_values_beyond_int64_come_as_python_integers():
    """A price of 20 digits with 20 decimals, and small ones beside it, keep every digit."""
    huge = "99999999999999999999.99999999999999999999"
    trades = [
        Trade(START, 10, "buy", "0.00000001234567", "1234567890123.45"),
        Trade(START, 11, "buy", "98765432101234.5", "0.0000000001"),
        Trade(START, 12, "sell", huge, "12345678901234567890.0123456789"),
        Trade(START, 13, "sell", "1", "1"),
    ]
    block = canonical(trades)
    (stretch,) = Scanner(INST_ID).scan(block).stretches
    assert stretch.price.dtype == object
    assert flat(Scanner(INST_ID).scan(block)) == by_line(block)
    short = canonical([trades[0], *trades[:2]])
    assert flat(Scanner(INST_ID).scan(short)) == by_line(short)


def test_contract_change_starts_a_new_stretch():
    """Runs of equal contracts come as stretches in file order."""
    other = Contract("0.001", "1", "linear")
    trades = list(some_trades(3, 300))
    block = canonical(trades[:100]) + canonical(trades[100:200], other) + canonical(trades[200:])
    scanned = Scanner(INST_ID).scan(block)
    assert [stretch.contract for stretch in scanned.stretches] == [LINEAR, other, LINEAR]
    assert flat(scanned) == by_line(block)


def test_records_behind_the_end_of_their_day_are_ahead():
    """They are cut from the others, from the very first moment on; those that say so stay so."""
    midnight = 1_765_756_800_000
    moments = [midnight - 1, midnight, midnight + 5, midnight - 2, midnight - 1]
    trades = [Trade(ts, 100 + at, "buy", "5", "1") for at, ts in enumerate(moments)]
    trades[4] = replace(trades[4], ahead=True)
    stretches = Scanner(INST_ID).scan(canonical(trades)).stretches
    found = [part for stretch in stretches for part in stretch.until(midnight)]
    assert [(part.trade_id.tolist(), part.ahead) for part in found] == [
        ([100], False), ([101, 102], True), ([103], False), ([104], True)
    ]  # fmt: skip
    assert all(part.contract == LINEAR for part in found)
    (whole,) = stretches[0].until(midnight + 6)
    assert not whole.ahead


def test_midnight_inside_a_block():
    """Each line has its own date."""
    midnight = 1_765_756_800_000
    block = canonical([Trade(midnight - 3 + i, 100 + i, "buy", "5", "1") for i in range(6)])
    assert flat(Scanner(INST_ID).scan(block)) == by_line(block)


ODD = {
    "CRLF": (b"}\n", b"}\r\n"),
    "BOM": (b'{"timestamp', b'\xef\xbb\xbf{"timestamp'),
    "NUL": (b"buy", b"b\0y"),
    "NUL behind": (b"}\n", b"}\0\n"),
    "NUL line": (GOLDEN, b"\0" * 279 + b"\n"),
    "empty line": (GOLDEN, b"\n"),
    "bad UTF-8": (b"okx", b"ok\xff"),
    "repeated key": (b'"count":"1"', b'"price":"1","count":"1"'),
    "repeated key in escapes": (b'"count":"1"', b'"\\u0070rice":"1","count":"1"'),
    "unknown key": (b'"count":"1"', b'"new":[1],"count":"1"'),
    "exponent": (b"101250.5", b"1.0125e5"),
    "NaN": (b'"101250.5"', b"NaN"),
    "NaN text": (b"101250.5", b"NaN"),
    "number": (b'"101250.5"', b"101250.5"),
    "no digit before the point": (b"101250.5", b".5"),
    "no digit after the point": (b"101250.5", b"101250."),
    "two points": (b"101250.5", b"101.50.5"),
    "only a point": (b"101250.5", b"."),
    "leading zero": (b"101250.5", b"01250.5"),
    "zero": (b"101250.5", b"0.0"),
    "plus": (b"101250.5", b"+01250.5"),
    "minus": (b"101250.5", b"-01250.5"),
    "blank": (b'"45"', b'" 45"'),
    "slash, next to the point": (b"101250.5", b"101250/5"),
    "colon, next to nine": (b'"45"', b'"4:"'),
    "second 61": (b":56.123Z", b":61.123Z"),
    "second 60": (b":56.123Z", b":60.123Z"),
    "minute 60": (b"21:34", b"21:60"),
    "hour 24": (b"T21:", b"T24:"),
    "30 February": (b"2025-12-14", b"2025-02-30"),
    "week date": (b"2025-12-14", b"2025-W01-1"),
    "before 1970": (b"2025-12-14", b"1969-12-14"),
    "no zone": (b"123Z", b"1230"),
    "other instrument": (b"BTC-USDT-SWAP", b"ETH-USDT-SWAP"),
    "other exchange": (b"okx", b"oky"),
    "other symbol": (b"BTC/USDT", b"XBT/USDT"),
    "Buy": (b'"buy"', b'"Buy"'),
    "bull": (b'"buy"', b'"bull"'),
    "empty id": (b"1234567890", b""),
    "id with leading zero": (b"1234567890", b"0234567890"),
    "id of 18 digits": (b"1234567890", b"123456789012345678"),
    "id of 19 digits": (b"1234567890", b"1234567890123456789"),
    "count 0": (b'"count":"1"', b'"count":"0"'),
    "count 01": (b'"count":"1"', b'"count":"01"'),
    "count 12345": (b'"count":"1"', b'"count":"12345"'),
    "empty count": (b'"count":"1"', b'"count":""'),
    "source 1": (b'"source":"0"', b'"source":"1"'),
    "source 7": (b'"source":"0"', b'"source":"7"'),
    "source x": (b'"source":"0"', b'"source":"x"'),
    "eleven decimals": (b'"45"', b'"45.00000000001"'),
    "eleven decimals, the last 0": (b'"45"', b'"45.00000000010"'),
    "zeros behind": (b"101250.5", b"101250.500000"),
    "ahead": (b'"source":"0"}', b'"source":"0","ahead":true}'),
    "ahead, with a blank": (b'"source":"0"}', b'"source":"0","ahead": true}'),
    "ahead, in front": (b'{"timestamp', b'{"ahead":true,"timestamp'),
    "not ahead": (b'"source":"0"}', b'"source":"0","ahead":false}'),
    "ahead as text": (b'"source":"0"}', b'"source":"0","ahead":"true"}'),
    "ahead as number": (b'"source":"0"}', b'"source":"0","ahead":1}'),
    "ahead null": (b'"source":"0"}', b'"source":"0","ahead":null}'),
    "ahead twice": (b'"source":"0"}', b'"source":"0","ahead":true,"ahead":false}'),
    "torn": (b'"count":"1","source":"0"}', b'"count'),
    "torn and glued": (b'"count":"1","source":"0"}', b'"count' + GOLDEN[:-1]),
    "megabyte": (b"101250.5", b"1" * 1_000_000),
    "inverse": (b"linear", b"inverse"),
    "list": (GOLDEN, b"[1]\n"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_lines_read_the_same_among_canonical_ones(name):
    """FAULTS B2: an odd line between, before and behind good ones has parse_trade's result."""
    old, new = ODD[name]
    assert old in GOLDEN
    odd = GOLDEN.replace(old, new, 1)
    for block in (GOLDEN * 3 + odd + GOLDEN * 2, odd + GOLDEN * 3, GOLDEN + odd, odd, odd * 9):
        scanner = Scanner(INST_ID)
        assert flat(scanner.scan(block)) == by_line(block)
        assert flat(scanner.scan(block)) == by_line(block)


def test_count_cannot_reach_below_id_zero():
    """A record that covers ids below zero is no record, on either path."""
    block = canonical([Trade(START, 9, "buy", "5", "1", 9), Trade(START, 9, "buy", "5", "1", 11)])
    good = canonical([Trade(START, 9, "buy", "5", "1", 10)])
    for lines in (block, good + block, good * 3 + block + good):
        assert flat(Scanner(INST_ID).scan(lines)) == by_line(lines)


def test_rejected_lines_say_where_and_why():
    """The offset counts bytes of the block; the reason is parse_trade's."""
    scanned = Scanner(INST_ID).scan(GOLDEN + GOLDEN.replace(b"buy", b"bid"))
    assert scanned.rejected == [Rejected(len(GOLDEN), "side: 'bid' is neither buy nor sell")]
    assert scanned.lines == 2


def test_block_must_end_in_a_newline():
    """Half a line is a mistake of the caller, not a rejected line."""
    assert flat(Scanner(INST_ID).scan(b"")) == ([], [], 0)
    with pytest.raises(ValueError, match="cut it after a newline"):
        Scanner(INST_ID).scan(GOLDEN[:-1])


BLOCK = canonical(
    replace(trade, ahead=at in (4, 5, 11)) for at, trade in enumerate(some_trades(4, 12))
)
BYTES = st.one_of(st.sampled_from(list(b'0123456789.:-,"{}\n\r \0+eEZT/;\x0e\x1e\x8e\xae\xfe')),
                  st.integers(0, 255))  # fmt: skip
EDIT = st.tuples(st.integers(0, len(BLOCK) - 1), st.integers(0, 2), st.lists(BYTES, max_size=2))


@settings(max_examples=often(200, 600))
@given(st.lists(EDIT, min_size=1, max_size=6), st.booleans())
def test_mutated_lines_read_the_same_on_both_paths(edits, warm):
    """Bytes replaced, removed and put in anywhere: the scanner accepts what parse_trade accepts."""
    block = bytearray(BLOCK)
    for at, remove, put in sorted(edits, reverse=True):
        block[at : at + remove] = bytes(put)
    block += b"\n"
    scanner = Scanner(INST_ID)
    if warm:
        scanner.scan(BLOCK)
    assert flat(scanner.scan(bytes(block))) == by_line(bytes(block))


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("side", SIDES)
def test_no_single_damaged_byte_is_overlooked_in_any_layout(separators, counted, side):
    """Each byte of a line replaced in turn: both paths say the same of all these lines."""
    row = {**json.loads(GOLDEN), "side": side}
    if not counted:
        del row["count"], row["source"]
    good = (json.dumps(row, separators=separators) + "\n").encode()
    damaged = [
        good[:at] + bytes((other,)) + good[at + 1 :]
        for at in range(len(good) - 1)
        for other in b"x2 \0"
    ]
    block = good * 2 + b"".join(damaged)
    assert flat(Scanner(INST_ID).scan(block)) == by_line(block)


def test_nothing_is_overlooked_where_newlines_are_not_searched(monkeypatch):
    """Behind a block of equal lines their places are guessed: any byte damaged, gone, put in."""
    block = canonical(some_trades(4, 5))
    scanner = Scanner(INST_ID)
    scanner.scan(block)
    with monkeypatch.context() as patch:
        patch.setattr(
            "ravequant.trades.scanner._Block", None
        )  # the guess is right: no other way is needed
        assert flat(scanner.scan(block)) == by_line(block)
    for at in range(len(block) - 1):
        for put, gone in ((b"x", 1), (b"\n", 1), (b"0", 1), (b"", 1), (b"\n", 0), (b"5", 0)):
            damaged = block[:at] + put + block[at + gone :]
            scanner.scan(block)
            assert flat(scanner.scan(damaged)) == by_line(damaged), (at, put, gone)


def test_lines_glued_to_others_are_found_again():
    """An odd line in front, between and behind, short or long, behind a block of equal lines."""
    lines = canonical(some_trades(5, 6)).splitlines(keepends=True)
    block = b"".join(lines)
    for odd in (b"\n", b"{}\n", b"[1]\n", lines[0].replace(b"buy", b"b\ny"), b"x" * 700 + b"\n"):
        for at in range(len(lines) + 1):
            mixed = b"".join([*lines[:at], odd, *lines[at:]])
            scanner = Scanner(INST_ID)
            scanner.scan(block)
            assert flat(scanner.scan(mixed)) == by_line(mixed)


DIGITS = st.text("0123456789", min_size=1, max_size=9)
NUMBER = st.one_of(
    st.text("0123456789.", min_size=1, max_size=18),
    DIGITS,
    st.builds("{}.{}".format, DIGITS, DIGITS),
)
FIELDS = st.tuples(NUMBER, NUMBER, st.one_of(st.text("0123456789", max_size=6), st.just("1")))


@settings(max_examples=often(140, 400))
@given(st.lists(FIELDS, min_size=1, max_size=12))
def test_any_number_text_reads_the_same_on_both_paths(rows):
    """Digits and points in every mixture, in price, size and count."""
    block = GOLDEN
    for price, qty, count in rows:
        line = GOLDEN.replace(b"101250.5", price.encode()).replace(b'"45"', f'"{qty}"'.encode())
        block += line.replace(b'"count":"1"', f'"count":"{count}"'.encode())
    assert flat(Scanner(INST_ID).scan(block)) == by_line(block)


@settings(max_examples=often(40, 100))
@given(st.lists(st.integers(0, 60), max_size=6), st.integers(0, 5))
def test_cuts_between_blocks_change_nothing(cuts, seed):
    """A file read in any blocks of whole lines gives the same records."""
    lines = canonical(some_trades(seed, 60)).splitlines(keepends=True)
    lines[seed * 7] = lines[seed * 7].replace(b"0.01", b"0.02")
    lines[seed * 9] = b"torn\n"
    scanner = Scanner(INST_ID)
    records, rejected = [], 0
    for start, stop in pairwise([0, *sorted(cuts), len(lines)]):
        found, refused, _ = flat(scanner.scan(b"".join(lines[start:stop])))
        records += found
        rejected += len(refused)
    assert (records, rejected) == (by_line(b"".join(lines))[0], 1)


def test_layouts_of_odd_lines_are_not_learned():
    """A valid line in an unusual order of keys has no template."""
    row = dict(reversed(json.loads(GOLDEN).items()))
    line = json.dumps(row).encode() + b"\n"
    assert line_template.template_of(line, INST_ID, *parse_trade(line, INST_ID)) is None


@recordings.each(*recordings.EIGHT_HOURS, *recordings.MIDNIGHT, *recordings.EVENING)
def test_recordings_read_the_same_on_both_paths(recording):
    """Every recorded trade comes out as parse_trade reads it."""
    for path in recording.trade_files:
        block = gzip.decompress(path.read_bytes())[:3_000_000]
        block = block[: block.rindex(b"\n") + 1]
        assert flat(Scanner(INST_ID).scan(block)) == by_line(block)
