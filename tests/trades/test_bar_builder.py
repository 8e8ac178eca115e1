"""BarBuilder: the bars, gaps and counters of a line-by-line reading, however it is read."""

import gzip
from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravequant import exact
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder, parse_trade
from ravequant.trades import bar_builder, bar_columns
from ravequant.trades.bar_builder import BarBuilder
from ravequant.trades.bar_reader import FEW_BYTES, BarReader
from ravequant.trades.minute_bar import MinuteBar, record_of
from ravequant.trades.scanner import Scanner
from tests.support import recordings
from tests.support.bar_oracle import MINUTE, Oracle, as_minute_bar, parsed
from tests.support.examples import often

INST_ID = "BTC-USDT-SWAP"
LINEAR = Contract("0.01", "1", "linear")
MILLI = Contract("0.001", "10", "linear")
INVERSE = Contract("100", "1", "inverse")
WHALE = 100_000 * exact.NOTIONAL_ONE
M0 = 29_429_134  # 2025-12-14T21:34Z
START = M0 * MINUTE
YEARS = 40_000_000 * MINUTE  # from now


def line(ts, trade_id, price="100", qty="1", side="buy", *, count=1, contract=LINEAR, ahead=False):
    """One canonical line, ``ts`` in ms after 21:34."""
    trade = Trade(START + ts, trade_id, side, price, qty, count, ahead=ahead)
    return TradeEncoder(INST_ID, contract).line(trade)


def odd_holes(first, last):
    """A ledger for tests: jumps that start at every third id are no holes."""
    assert first <= last
    return first % 3 != 0


def refuse(offset, reason):
    raise AssertionError(f"line at {offset} rejected: {reason}")


def check(blocks, is_gap=odd_holes, *, restart=False):
    """Read the blocks in all ways and compare with the oracle; return what came out."""
    oracle = Oracle(is_gap)
    for block in blocks:
        for text in block.splitlines():
            oracle.read(parsed(text))
    compare(oracle, blocks, is_gap, FEW_BYTES, restart=restart)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bar_columns, "FEW", 0)
        compare(oracle, blocks, is_gap, 0, restart=restart)
    return compare(oracle, blocks, is_gap, 0, restart=restart)


def compare(oracle, blocks, is_gap, few_bytes, *, restart):
    reader = BarReader(INST_ID, WHALE, is_gap, refuse, few_bytes)
    found, gaps, through = [], [], -1
    counts = dict.fromkeys(reader.counts(), 0)
    for block in blocks:
        closed = reader.read(block)
        found += closed.bars
        gaps += closed.gaps
        assert closed.through >= through
        through = closed.through
        if restart:
            counts = {name: counts[name] + n for name, n in reader.counts().items()}
            state = orjson.loads(orjson.dumps(reader.state()))
            reader = BarReader(INST_ID, WHALE, is_gap, refuse, few_bytes)
            reader.restore(state)
    counts = {name: counts[name] + n for name, n in reader.counts().items()}
    assert found == (without_unknown(oracle.bars(), found) if restart else oracle.bars())
    assert gaps == oracle.gaps
    if oracle.largest >= 0:
        assert through == (oracle.largest - 5_000) // MINUTE - 1
    assert counts["duplicates"] == oracle.duplicates
    assert counts["late_trades"] == oracle.late
    assert counts["ahead"] == oracle.ahead
    assert counts["holes"] == oracle.gap_count
    still_open = [as_minute_bar(m, bar, gap=False) for m, bar in sorted(oracle.open.items())]
    found_open = reader.builder.open_bars
    assert found_open == (without_unknown(still_open, found_open) if restart else still_open)
    return found, gaps, reader


def without_unknown(wanted, found):
    """Return bars without the sum of squares that a minute open in a state does not have."""
    assert len(wanted) == len(found)
    return [
        bar._replace(square_notional=None) if other.square_notional is None else bar
        for bar, other in zip(wanted, found, strict=True)
    ]


# --- one behaviour each ---------------------------------------------------------------------------


def test_a_minute_has_the_sums_of_section_4():
    """Two records, one a whale: every field, in units, by hand."""
    block = line(0, 10, "100000", "101", "buy", count=2) + line(59_999, 11, "100010.5", "1", "sell")
    builder = BarBuilder(WHALE)
    (trades,) = Scanner(INST_ID).scan(block + line(65_000, 12)).stretches
    (bar,) = next(bar_columns.closed_by(builder, trades, odd_holes)).bars
    assert bar == MinuteBar(
        minute=M0,
        open=100_000 * 10**20,
        high=1_000_105 * 10**19,
        low=100_000 * 10**20,
        close=1_000_105 * 10**19,
        trade_count=2,
        base=102 * 10**28,
        buy_base=101 * 10**28,
        sell_base=10**28,
        notional=102_000_105 * 10**47,
        buy_notional=101_000 * 10**50,
        sell_notional=1_000_105 * 10**47,
        price_notional=102_000_210_011_025 * 10**66,
        price_base=102_000_105 * 10**47,
        whale_count=1,
        whale_buy_notional=101_000 * 10**50,
        whale_sell_notional=0,
        first_id=9,
        last_id=11,
        square_notional=102_000_315_033_076_157_625 * 10**85,
    )


@pytest.mark.parametrize(("ts", "closes"), [(64_999, 0), (65_000, 1)])
def test_a_minute_closes_five_seconds_after_its_end(ts, closes):
    """SPEC 4: a line with ts >= end + 5 s closes it, not a moment before."""
    found, _, _ = check([line(0, 1) + line(ts, 2)])
    assert len(found) == closes


def test_a_late_line_joins_the_oldest_open_minute_without_moving_prices():
    """Its sums and count are there, its price is not."""
    blocks = [line(0, 1) + line(60_000, 2) + line(65_000, 3) + line(10, 4, "999", "7")]
    found, _, _ = check([*blocks, line(130_000, 5)])
    assert (found[1].trade_count, found[1].high) == (3, 100 * exact.PRICE_ONE)


def test_a_late_line_skips_an_open_minute_that_holds_no_trade():
    """At 21:36:02, 21:35 is open and empty: the late line joins 21:36."""
    found, _, _ = check([line(0, 1) + line(122_000, 2) + line(1, 3) + line(200_000, 4)])
    assert [(bar.minute - M0, bar.trade_count) for bar in found] == [(0, 1), (2, 2)]


@pytest.mark.parametrize("near", [0, 3_600_000, YEARS])
def test_a_record_ahead_counts_in_sums_and_in_nothing_else(near):
    """It joins the oldest open minute that holds a trade; no price, time or minute moves by it."""
    ahead = line(60_001 + near, 3, "999", "7", ahead=True)
    lines = [line(0, 1), line(61_000, 2), ahead, line(62_000, 4), line(64_999, 5)]
    found, gaps, reader = check([*lines, line(130_000, 6)])
    assert [(bar.minute - M0, bar.trade_count, bar.high) for bar in found] == [
        (0, 2, 100 * exact.PRICE_ONE),
        (1, 3, 100 * exact.PRICE_ONE),
    ]
    assert (gaps, reader.counts()["ahead"], reader.counts()["late_trades"]) == ([], 1, 0)


def test_a_record_ahead_closes_no_minute_and_its_id_counts():
    """The same id again is a duplicate; ids absent before it mark what was open."""
    lines = [line(6_000, 1), line(YEARS, 3, ahead=True), line(1, 3), line(2, 4)]
    found, gaps, reader = check([*lines, line(70_000, 5)])
    assert [(bar.trade_count, bar.gap) for bar in found] == [(3, True)]
    assert (gaps, reader.counts()["duplicates"]) == ([M0], 1)


def test_records_ahead_of_the_first_trade_wait_for_its_minute():
    """Also over a restart, with the gap between them; the first id is theirs."""
    lines = [line(YEARS, 10, "999", ahead=True), line(YEARS, 12, "5", ahead=True)]
    found, gaps, reader = check([*lines, line(0, 13), line(70_000, 14)], restart=True)
    assert [(bar.minute, bar.trade_count, bar.gap, bar.first_id) for bar in found] == [
        (M0, 3, True, 10)
    ]
    assert (found[0].low, found[0].high, gaps) == (100 * exact.PRICE_ONE,) * 2 + ([M0],)
    assert "waiting" not in reader.state()


def test_the_squares_of_waiting_records_stand_in_the_state_behind_those_of_minutes():
    """A builder restored from it closes the same bar as the one that went on."""
    builder = BarBuilder(WHALE)
    builder.take([record_of(*parse_trade(line(YEARS, 10, "999", ahead=True), INST_ID))], odd_holes)
    state = orjson.loads(orjson.dumps(builder.state_with_squares()))
    assert (state["open"], len(state["squares"])) == ([], 1)
    other = BarBuilder.restore(WHALE, state)
    later = [line(0, 11, "3"), line(70_000, 12, "5")]
    records = [record_of(*parse_trade(one, INST_ID)) for one in later]
    (bar,) = builder.take(records, odd_holes).bars
    assert other.take(records, odd_holes).bars == [bar]
    assert bar.square_notional == (999**3 + 3**3) * 10**88


def test_without_a_trade_to_believe_nothing_closes():
    """Records that are ahead alone make no minute."""
    found, gaps, reader = check([line(YEARS * n, n, ahead=True) for n in range(1, 5)])
    assert (found, gaps, reader.builder.open_bars) == ([], [], [])
    assert reader.state()["watermark_ms"] is None


@pytest.mark.parametrize("few", [0, FEW_BYTES])
@pytest.mark.parametrize("cut", range(5))
def test_a_record_of_a_date_later_than_its_file_is_ahead(few, cut):
    """Older files do not say so; the name decides, wherever the record stands in a block."""
    lines = [line(0, 1), line(YEARS, 2, "9"), line(100, 3), line(69_000, 4)]
    named = [one.replace(b'"trade_id":"2",', b'"ahead":true,"trade_id":"2",') for one in lines]
    believed, by_date, by_field = (
        BarReader(INST_ID, WHALE, odd_holes, refuse, few) for _ in range(3)
    )
    found = []
    for part in (slice(cut), slice(cut, None)):
        read = b"".join(lines[part]), b"".join(named[part])
        closed = by_date.read(read[0], "2025-12-14.jsonl.gz")
        assert closed == by_field.read(read[1])
        assert by_date.state() == by_field.state()
        believed.read(read[0])
        found += closed.bars
    assert [bar.trade_count for bar in found] == [3]
    assert believed.builder.through > by_date.builder.through


def test_a_line_out_of_order_within_the_delay_joins_its_own_minute():
    """Its minute is still open: it is an ordinary record there, close included."""
    found, _, reader = check(
        [line(0, 1) + line(60_100, 2) + line(59_000, 3, "7") + line(65_000, 4)]
    )
    assert found[0].close == 7 * exact.PRICE_ONE
    assert reader.counts()["late_trades"] == 0


def test_a_duplicate_moves_no_time_and_closes_nothing():
    """Only non-duplicate lines count for time and order."""
    found, _, _ = check([line(0, 5) + line(900_000, 5) + line(900_000, 4) + line(1, 6)])
    assert found == []


def test_a_hole_marks_open_minutes_and_the_lines_own_before_it_closes_any():
    """The jump's own line closes 21:34, which is marked all the same; a first line is no hole."""
    found, gaps, _ = check(
        [line(6_000, 100) + line(300_000, 105) + line(400_000, 106)], lambda *_: True
    )
    assert [(bar.minute - M0, bar.gap) for bar in found] == [(0, True), (5, True)]
    assert [minute - M0 for minute in gaps] == [0, 5]


def test_an_open_minute_without_a_trade_is_marked_too():
    """At 21:36:02, 21:35 is open and empty; the hole marks it, and gaps say so."""
    blocks = [line(0, 1) + line(122_000, 2) + line(122_001, 9) + line(400_000, 10)]
    found, gaps, _ = check(blocks, lambda *_: True)
    assert [minute - M0 for minute in gaps] == [1, 2]
    assert [(bar.minute - M0, bar.gap) for bar in found] == [(0, False), (2, True)]


def test_a_late_line_after_a_hole_marks_no_closed_minute():
    """Its own minute is out already; the open one is marked."""
    _, gaps, _ = check(
        [line(0, 1) + line(70_000, 2) + line(5, 9) + line(200_000, 10)], lambda *_: True
    )
    assert [minute - M0 for minute in gaps] == [1]


def test_the_ledger_is_asked_only_at_a_jump_and_for_exactly_the_missing_ids():
    """A record's count covers the ids before it."""
    asked = []

    def is_gap(first, last):
        asked.append((first, last))
        return False

    block = (
        line(0, 50, count=3) + line(1, 54, count=4) + line(2, 60, count=2) + line(3, 70, count=9)
    )
    _, gaps, _ = check([block + line(4, 71), line(90_000, 80)], is_gap)
    assert asked == [(55, 58), (61, 61), (72, 79)] * 4  # once each by the oracle and in all ways
    assert gaps == []


def test_inverse_base_is_rounded_half_even_per_record():
    """100 USD at 3 is 33.333333333333 coins, twice that is 66.666666666666, not …667."""
    block = line(0, 1, "3", contract=INVERSE) + line(1, 2, "3", contract=INVERSE)
    found, _, _ = check([block + line(70_000, 3, contract=INVERSE)])
    assert found[0].base == 66_666_666_666_666 * 10**18
    assert found[0].notional == 200 * exact.NOTIONAL_ONE


def test_contract_value_changes_inside_a_minute():
    """Each record counts with its own ctVal; linear and inverse in one minute add up."""
    block = line(0, 1) + line(1, 2, contract=MILLI) + line(2, 3, contract=INVERSE) + line(3, 4)
    check([block + line(70_000, 5)])


@pytest.mark.parametrize("price", ["9" * 16, "9" * 20 + "." + "9" * 20, "0.00000000000001", "1"])
@pytest.mark.parametrize("qty", ["9" * 16, "9" * 20 + "." + "9" * 10, "0.0000000001", "12345.67"])
def test_products_beyond_int64_stay_exact(price, qty):
    """Where a product or its sum does not fit 64 bits, Python's integers take over."""
    block = b"".join(line(i, i, price, qty, "sell" if i % 3 else "buy") for i in range(1, 40))
    check([block + line(41, 41, "3") + line(70_000, 42)])


def test_products_near_the_bound_stay_exact():
    """Values chosen so that sums cross 2**63 as they grow."""
    for digits in range(6, 16):
        texts = ("9" * digits, "1" + "0" * (digits - 1))
        block = b"".join(line(i, i, texts[i % 2], "9999.99") for i in range(1, 60))
        check([block + line(70_000, 60)])


def test_sizes_whose_sum_leaves_int64_stay_exact():
    """Four times 2**62: in 64 bits their sum would be 0, and every bound kept."""
    block = b"".join(line(i, i, "1", str(2**62)) for i in range(1, 5))
    found, _, _ = check([block, line(70_000, 5)])
    assert found[0].base == 2**64 * 10**28


def test_the_first_id_is_the_first_records_however_it_is_cut():
    """A later record whose count reaches back below it changes nothing."""
    lines = [line(0, 10), line(1, 11, count=5), line(70_000, 12)]
    for blocks in (lines, [b"".join(lines)]):
        found, _, _ = check(blocks)
        assert (found[0].first_id, found[0].last_id) == (10, 11)


@pytest.mark.parametrize(("qty", "whales"), [("99.999999", 0), ("100", 1), ("100.000001", 1)])
def test_a_whale_is_at_or_above_the_threshold(qty, whales):
    """100,000 exactly is a whale."""
    found, _, _ = check([line(0, 1, "100000", qty) + line(70_000, 2)])
    assert found[0].whale_count == whales


def test_state_is_json_and_canonical():
    """Equal states have equal bytes, however they came about; big integers are text."""
    lines = [line(i * 7_000, 3 * i + 5, "101250.5", "12.34") for i in range(20)]
    whole = BarReader(INST_ID, WHALE, odd_holes, refuse)
    whole.read(b"".join(lines))
    pieces = BarReader(INST_ID, WHALE, odd_holes, refuse)
    for one in lines:
        pieces.read(one)
    assert orjson.dumps(whole.state()) == orjson.dumps(pieces.state())
    other = BarReader(INST_ID, WHALE, odd_holes, refuse)
    other.restore(orjson.loads(orjson.dumps(whole.state())))
    assert orjson.dumps(other.state()) == orjson.dumps(whole.state())


def test_nothing_read_closes_nothing():
    """An empty block is no event."""
    reader = BarReader(INST_ID, WHALE, odd_holes, refuse)
    assert reader.read(b"") == bar_builder.Closed([], [], -1)


def test_rejected_lines_are_handed_over_and_move_nothing():
    """They count as lines; time, order and holes do not see them."""
    seen = []
    reader = BarReader(INST_ID, WHALE, odd_holes, lambda *what: seen.append(what))
    bad = line(900_000, 99).replace(b"buy", b"bid")
    assert reader.read(line(0, 1) + bad + line(1, 2)).bars == []
    assert seen == [(len(line(0, 1)), "side: 'bid' is neither buy nor sell")]
    counts = dict.fromkeys(reader.counts(), 0)
    assert reader.counts() == counts | {"lines": 3, "rejected": 1, "trades": 2}


# --- any stream, any cut --------------------------------------------------------------------------

STEP = st.tuples(
    st.one_of(
        st.integers(0, 3_000),
        st.integers(0, 20),
        st.sampled_from([-70_000, -6_000, -4_000, -1, 55_000, 60_000, 65_000, 130_000, 700_000]),
    ),
    st.sampled_from([1, 1, 1, 1, 1, 1, 0, -1, -5, 2, 3, 7]),  # ids ahead of the last
    st.sampled_from([1, 1, 1, 2, 3]),
    st.sampled_from(["100", "100.5", "99.99", "0.00012", "1234567890123"]),
    st.sampled_from(["1", "0.5", "100000", "0.0000000001", "37.25"]),
    st.sampled_from(["buy", "sell"]),
    st.sampled_from([LINEAR] * 8 + [MILLI, INVERSE]),
    st.sampled_from([False] * 8 + [True]),  # ahead
)


def stream(steps, *, minutes_increase=False):
    ts, trade_id = 30_000, 1_000
    for move, rise, count, price, qty, side, contract, ahead in steps:
        trade_id += rise + (count - 1 if rise > 0 else 0)
        known = {"count": count, "contract": contract, "ahead": ahead}
        if ahead:
            yield line(YEARS + move, trade_id, price, qty, side, **known)
            continue
        ts = max(ts + move, ts // MINUTE * MINUTE if minutes_increase else 0)
        yield line(ts, trade_id, price, qty, side, **known)


def part_of(trades):
    part = bar_columns.partial_bars(trades, WHALE)
    assert part is not None
    return part


def blocks_of(lines, cuts):
    edges = [0, *sorted(min(cut, len(lines)) for cut in cuts), len(lines)]
    return [b"".join(lines[a:b]) for a, b in pairwise(edges)]


@settings(max_examples=often(170, 500))
@given(st.lists(STEP, max_size=60), st.lists(st.integers(0, 60), max_size=8), st.booleans())
def test_any_stream_reads_like_line_by_line(steps, cuts, restart):
    """Late, out of order, repeated, jumping: the oracle's result for any blocks and restarts."""
    check(blocks_of(list(stream(steps)), cuts), restart=restart)


@settings(max_examples=often(70, 200))
@given(st.lists(STEP, max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_parts_computed_apart_join_to_the_same(steps, cuts):
    """What processes sum side by side and join equals one reading, holes across seams included."""
    steps = [(move, max(rise, 1), *rest[:-2], LINEAR, False) for move, rise, *rest in steps]
    lines = list(stream(steps, minutes_increase=True))
    oracle = Oracle(odd_holes)
    for text in lines:
        oracle.read(parsed(text))
    made = [
        part_of(trades)
        for block in blocks_of(lines, cuts)
        for trades in Scanner(INST_ID).scan(block).stretches
    ]
    builder, found, gaps = BarBuilder(WHALE), [], []
    while made:
        whole = made.pop(0)
        while made and len(made) % 3:
            joined = bar_builder.join(whole, made.pop(0))
            assert joined is not None
            whole = joined
        closed = builder.absorb(whole, odd_holes)
        found += closed.bars
        gaps += closed.gaps
    assert (found, gaps) == (oracle.bars(), oracle.gaps)
    assert builder.gap_count == oracle.gap_count


def test_parts_that_do_not_follow_are_refused():
    """Ids or minutes that go back make no part, no join and no absorbing; in a minute time may."""

    def part(*lines):
        (trades,) = Scanner(INST_ID).scan(b"".join(lines)).stretches
        return bar_columns.partial_bars(trades, WHALE)

    assert part(line(60_005, 1), line(59_999, 2)) is None
    assert part(line(5, 2), line(6, 2)) is None
    back = part(line(5, 1), line(4, 2))
    assert (back.first_ts, back.watermark) == (part(line(5, 1)).first_ts,) * 2
    earlier, later = part(line(5, 1)), part(line(6, 2))
    assert bar_builder.join(later, earlier) is None
    builder = BarBuilder(WHALE)
    builder.absorb(later, odd_holes)
    with pytest.raises(ValueError, match="bars from id 1 do not follow id 2"):
        builder.absorb(earlier, odd_holes)


@recordings.each(*recordings.EVERY)
def test_recordings_give_the_oracles_bars(recording):
    """Every recorded day, in blocks of odd sizes, against the line-by-line reading."""
    for path in recording.trade_files:
        lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)[:8_000]
        oracle = Oracle(lambda *_: True)
        reader = BarReader(recording.inst_id, WHALE, lambda *_: True, refuse)
        found, gaps = [], []
        for start in range(0, len(lines), 1_237):
            for text in lines[start : start + 1_237]:
                oracle.read(parsed(text))
            closed = reader.read(b"".join(lines[start : start + 1_237]))
            found += closed.bars
            gaps += closed.gaps
        assert (found, gaps) == (oracle.bars(), oracle.gaps)
        assert reader.counts()["trades"] == len(lines)
