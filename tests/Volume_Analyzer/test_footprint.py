"""Footprints against fractions; thresholds met exactly; runs, kills and cuts of any kind."""

import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravequant import exact
from ravequant.contract import Contract
from ravequant.pipeline.level_source import PriceBuckets
from ravequant.records import Side, Trade, TradeEncoder
from ravequant.settings import NOTIONAL, RATIO, Footprint, Settings
from ravequant.trades.bar_builder import Closed
from ravequant.trades.price_levels import PriceLevels
from ravequant.vault.paths import Vault
from tests.support import level_oracle, recordings
from tests.support import trade_streams as shared
from tests.support.day_room import DayRoom
from tests.support.examples import often
from Volume_Analyzer import footprint
from Volume_Analyzer.footprint import ImbalanceLimits, imbalances, point_of_control, runs

ROOM = DayRoom(footprint, "footprint", "*.jsonl", level_oracle.footprint_rows)
HEIGHT = 10 * exact.PRICE_ONE
Cells = dict[int, tuple[int, int]]  # bought and sold in a bucket, in hundredths


def levels(cells: Cells, extremes: tuple[int, int] = (0, 0)) -> PriceLevels:
    """Return the levels of a minute from what was bought and sold."""
    numbers = sorted(cells)
    bought, sold = ([cells[number][side] for number in numbers] for side in (0, 1))
    return PriceLevels(2, numbers, bought, sold, [1] * len(numbers), *extremes)


def fold(minutes, chosen=Footprint()):  # noqa: B008 - frozen
    """Return the records of some minutes."""
    made = footprint.FootprintFold(shared.BTC, chosen, PriceBuckets(HEIGHT))
    return list(made.update(Closed(minutes)))


def test_the_example_of_the_book_comes_out():
    """The line of SPEC 15, byte for byte."""
    cells = {
        10124: (15_000_000, 40_000_000), 10125: (120_000_000, 50_000_000),
        10126: (175_000_000, 120_000_000),
    }  # fmt: skip
    known = levels(cells, (115_000_000, -25_000_000))._replace(trades=[310, 520, 420])
    minute = shared.bar(0, ["101250", "101265.5", "101245", "101260"])._replace(levels=known)
    assert orjson.dumps(fold([minute])[0]).decode() == (
        '{"timestamp_utc":"2025-12-14T21:34:00Z","instId":"BTC-USDT-SWAP","exchange":"okx",'
        '"market":"perp","close":"101260","bucket":"10","rows":[["101240","150000","400000",310],'
        '["101250","1200000","500000",520],["101260","1750000","1200000",420]],"poc":"101260",'
        '"delta":"+1000000","max_delta":"+1150000","min_delta":"-250000",'
        '"imbalances":[["101240","buy"],["101250","buy"],["101260","buy"],["101260","sell"]],'
        '"stacked":[["101240","101270","buy"]],"gap":false}'
    )


@pytest.mark.parametrize(
    ("cells", "close", "poc"),
    [
        ({1: (5, 5), 2: (4, 5), 3: (0, 11)}, 15, 3),
        ({1: (5, 5), 2: (4, 5), 3: (0, 10)}, 19, 1),  # middles at 15 and 35
        ({1: (5, 5), 2: (4, 5), 3: (0, 10)}, 26, 3),
        ({1: (5, 5), 3: (0, 10)}, 25, 1),  # both as near: the lower
        ({1: (5, 5), 2: (10, 0), 3: (0, 10)}, 25, 2),
        ({1: (5, 5), 2: (10, 0)}, 20, 1),  # the close at the edge between them
    ],
)
def test_the_point_of_control_is_the_largest_then_the_nearest_then_the_lower(cells, close, poc):
    """Of equals that whose middle is nearest to the close."""
    assert point_of_control(levels(cells), HEIGHT, close * exact.PRICE_ONE) == poc


DOLLAR = 100  # hundredths


@pytest.mark.parametrize(
    ("cells", "bought", "sold"),
    [
        ({1: (0, 20_000), 2: (60_000, 0)}, [2], []),
        ({1: (0, 20_001), 2: (60_000, 0)}, [], []),  # less than three times
        ({1: (0, 16_667), 2: (50_000, 0)}, [], []),
        ({1: (0, 16_666), 2: (50_000, 0)}, [2], []),
        ({1: (0, 10_000), 2: (49_999, 0)}, [], []),  # too small
        ({2: (50_000, 0)}, [2], []),  # nothing was sold below
        ({2: (49_999, 0)}, [], []),
        ({1: (20_000, 0), 0: (0, 60_000)}, [], [0]),
        ({1: (20_001, 0), 0: (0, 60_000)}, [], []),
        ({1: (16_666, 0), 0: (0, 50_000)}, [], [0]),
        ({1: (10_000, 0), 0: (0, 49_999)}, [], []),
        ({0: (0, 20_000), 2: (60_000, 0)}, [2], []),  # the bucket below did not trade
        ({1: (50_000, 50_000)}, [1], [1]),
        ({1: (90_000, 0), 2: (90_000, 90_000)}, [1, 2], [2]),
        ({1: (0, 90_000), 2: (0, 0)}, [], [1]),
    ],
)
def test_an_imbalance_is_diagonal(cells, bought, sold):
    """Buys against the sells a bucket below, sells against the buys above; a 0 counts as 1."""
    cents = {at: (buy * DOLLAR, sell * DOLLAR) for at, (buy, sell) in cells.items()}
    assert imbalances(levels(cents), ImbalanceLimits.of(Footprint())) == (bought, sold)


@pytest.mark.parametrize(("across", "found"), [(0, []), (1, [2]), (50, [2]), (51, [])])
def test_nothing_across_counts_as_one_dollar(across, found):
    """At 100,000 times: 50,000 dollars against half of one, 100,000 against nothing."""
    limits = ImbalanceLimits.of(Footprint(imbalance_ratio=RATIO.parse("100000", "ratio")))
    assert imbalances(levels({1: (0, across), 2: (5_000_000, 0)}), limits)[0] == found
    assert imbalances(levels({1: (0, across), 2: (10_000_000, 0)}), limits)[0] == [2]


def test_thresholds_are_settings():
    """A ratio with a fraction, another least amount, longer runs."""
    chosen = Footprint(
        imbalance_ratio=RATIO.parse("2.5", "ratio"),
        imbalance_notional=NOTIONAL.parse("0.005", "least"),
        stacked=2,
    )
    limits = ImbalanceLimits.of(chosen)
    assert limits.ratio == (5, 2)
    assert imbalances(levels({1: (0, 2), 2: (5, 0)}), limits)[0] == [2]
    assert imbalances(levels({1: (0, 2), 2: (4, 0)}), limits)[0] == []
    wide = levels({1: (0, 0), 2: (250, 0), 3: (1, 0)})
    assert imbalances(wide, limits)[0] == [2]  # a cent of 3 is no 2.5 dollars
    row = fold([shared.bar(0, ["25"])._replace(levels=levels({2: (500, 0), 3: (500, 0)}))], chosen)
    assert row[0]["stacked"] == [("20", "40", "buy")]


@given(numbers=st.sets(st.integers(-6, 6)), least=st.integers(1, 4))
def test_runs_are_maximal(numbers, least):
    """Each number of a run belongs to it, those beside it do not, and none is too short."""
    found = runs(sorted(numbers), least)
    covered = {number for low, high in found for number in range(low, high)}
    long = {
        number
        for number in numbers
        if any(set(range(first, first + least)) <= numbers
               for first in range(number - least + 1, number + 1))
    }  # fmt: skip
    assert covered == long
    assert all(low - 1 not in numbers and high not in numbers for low, high in found)
    assert found == sorted(found)


def stacked(cells):
    """Return the imbalances and stacks of a minute."""
    row = fold([shared.bar(0, ["25"])._replace(levels=levels(cells))])[0]
    return row["imbalances"], row["stacked"]


def test_imbalances_of_both_sides_are_listed():
    """Buys first, each from the lowest; two are no stack."""
    cells = {at: (9_000_000, 9_000_000 if at < 3 else 0) for at in (1, 2, 3, 7, 8)}
    assert stacked(cells) == ([("10", "buy"), ("70", "buy"), ("80", "buy")], [])
    assert stacked({1: (9_000_000, 9_000_000)}) == ([("10", "buy"), ("10", "sell")], [])


@pytest.mark.parametrize(("cell", "side"), [((9_000_000, 1), "buy"), ((1, 9_000_000), "sell")])
def test_three_upon_each_other_are_stacked(cell, side):
    """From the low edge of the lowest to the high edge of the highest."""
    found = stacked(dict.fromkeys((1, 2, 3, 7, 8), cell))
    assert len(found[0]) == 5
    assert found[1] == [("10", "40", side)]


def test_a_row_has_the_sums_of_the_minute(vault):
    """The parts are those of the whole, and the delta runs from 0."""
    encoder = TradeEncoder(shared.BTC, Contract("0.01", "1", "linear"))
    steps: list[tuple[Side, str]] = [
        ("sell", "99.9"),
        ("buy", "100"),
        ("buy", "109.9"),
        ("sell", "110"),
    ]
    trades = [
        Trade(shared.START + at, at + 1, side, price, "100")
        for at, (side, price) in enumerate([*steps, ("buy", "5")])
    ]
    trades[-1] = Trade(shared.START + 65_001, 5, "buy", "5", "100")
    shared.write_raw(vault, shared.BTC, [encoder.line(trade) for trade in trades])
    ROOM.run(vault)
    row = orjson.loads(ROOM.lines(vault))
    assert row["rows"] == [
        ["90", "0", "99.9", 1], ["100", "209.9", "0", 2], ["110", "0", "110", 1],
    ]  # fmt: skip
    assert (row["delta"], row["max_delta"], row["min_delta"]) == ("0", "+110", "-99.9")
    assert (row["poc"], row["close"]) == ("100", "110")


@pytest.mark.parametrize("stream", [shared.streams(), shared.steady_streams()])
def test_any_stream_in_any_number_of_runs_equals_the_plain_computation(tmp_path_factory, stream):
    """Late, out-of-order and repeated lines, holes, inverse contracts: every byte, run by run."""

    @settings(max_examples=often(10, 40))
    @given(lines=stream, cuts=st.lists(st.integers(0, 200), max_size=4))
    def check(lines, cuts):
        shared.check_runs(ROOM, Vault(tmp_path_factory.mktemp("vault")), lines, cuts)

    check()


@recordings.each(*recordings.EVERY)
def test_recorded_trades_equal_the_plain_computation(vault, recording):
    """The recordings as they are, another writer's JSON in .gz: every digit of every row."""
    met = shared.check_recording(ROOM, vault, recording)
    if recording in recordings.EIGHT_HOURS:
        assert b',"buy"]' in met
        assert b',"sell"]' in met


@recordings.each(*recordings.EVENING)
def test_fifty_runs_over_a_growing_file_give_the_bytes_of_one(vault, tmp_path, recording):
    """The file is cut at any byte, in mid-line too; each run takes what is whole."""
    shared.check_fifty_runs(ROOM, vault, Vault(tmp_path / "grown"), recording.lines())


@recordings.each(*recordings.EIGHT_HOURS)
def test_killed_before_any_step_in_many_runs_the_file_is_the_same(vault, tmp_path, recording):
    """Real processes, really killed, over a file that grows in between."""
    shared.check_kills(ROOM, vault, Vault(tmp_path / "cut"), recording.lines())


@recordings.each(*recordings.EIGHT_HOURS)
def test_no_row_knows_what_comes_after_it(tmp_path, recording):
    """Rows up to a random minute are those of input that ends there."""
    first = shared.recorded_minutes(recording)[0].start
    begin = int(first.timestamp()) // 60
    minutes = random.Random(7).sample(range(begin + 5, begin + 478), 8)
    shared.check_no_look_ahead(ROOM, tmp_path, recording.lines(), minutes)


def test_the_buckets_of_a_setting_stand_in_the_parameters():
    """Of this instrument alone: that of another asset changes nothing."""
    made = footprint.CALCULATOR.parameters(shared.BTC, Settings())
    assert made == {
        "bucket": "10", "imbalance_ratio": "3", "imbalance_notional": "50000", "stacked": 3,
    }  # fmt: skip
