"""Volume tiers, absorption and divergence against fractions; exact thresholds; a killed process."""

import random
import statistics
from fractions import Fraction

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.settings import PERCENT, RATIO, Settings, Volume
from ravequant.trades.bar_builder import Closed
from ravequant.vault.paths import Vault
from tests.support import oracle, recordings
from tests.support import trade_streams as shared
from tests.support.examples import often
from Volume_Analyzer import volume_analyzer

ROOM = shared.Room(volume_analyzer, "volume", "volume_1m.jsonl", oracle.volume_rows)


def fold(bars, chosen=Settings()):  # noqa: B008 - frozen
    """Return the records of some minutes."""
    made = volume_analyzer.VolumeFold(shared.BTC, chosen)
    return list(made.update(Closed(bars)))


def after(volumes, prices=("1000", "1000"), **amounts):
    """Return the record of a minute that follows minutes of these volumes."""
    bars = [shared.bar(at, ["1000"], buy=volume) for at, volume in enumerate(volumes)]
    return fold([*bars, shared.bar(len(bars), prices, **amounts)])[-1]


def test_the_example_of_the_book_comes_out():
    """The line of SPEC 7, byte for byte, with its hundred records before."""
    bars = [shared.bar(at - 100, ["101250"], buy="2000000") for at in range(100)]
    prices = ["101250", "101265.5", "101245", "101260"]
    amounts = {"buy": "3100000", "sell": "2100000", "whale_buy": "1200000", "whale_sell": "600000"}
    row = fold([*bars, shared.bar(0, prices, **amounts)])[-1]
    assert orjson.dumps(row).decode() == (
        '{"timestamp_utc":"2025-12-14T21:34:00Z","instId":"BTC-USDT-SWAP","exchange":"okx",'
        '"market":"perp","open":"101250","high":"101265.5","low":"101245","close":"101260",'
        '"price_change_pct":"+0.01","total_volume":"5200000","buy_volume":"3100000",'
        '"sell_volume":"2100000","delta":"+1000000","whale_volume":"1800000","whale_count":4,'
        '"trade_count":1250,"volume_tier":"T4","absorption":true,"divergence":false,'
        '"absorbed_side":"buy","divergence_type":null,"volume_ratio":"2.60",'
        '"median_volume":"2000000","history_bars":100,"whale_delta":"+600000","gap":false}'
    )


@pytest.mark.parametrize(
    ("volume", "tier", "ratio"),
    [
        ("49.999", "T1", "0.50"),
        ("50", "T2", "0.50"),
        ("99.999", "T2", "1.00"),
        ("100", "T3", "1.00"),
        ("200", "T3", "2.00"),
        ("200.001", "T4", "2.00"),
    ],
)
def test_tiers_are_decided_on_exact_values(volume, tier, ratio):
    """At 0.5, 1 and 2 and a thousandth beside them, whatever the rounded ratio says."""
    row = after(["100"] * 20, buy=volume)
    assert (row["volume_tier"], row["volume_ratio"]) == (tier, ratio)
    assert row["absorption"] is (tier == "T4")


@pytest.mark.parametrize(("records", "tier"), [(19, None), (20, "T4"), (21, "T4")])
def test_a_tier_needs_twenty_records_before(records, tier):
    """And so does an absorption; ratio and median need only one."""
    row = after(["100"] * records, buy="500")
    assert (row["volume_tier"], row["absorption"]) == (tier, tier == "T4")
    assert row["absorbed_side"] == ("buy" if tier else None)
    assert (row["volume_ratio"], row["median_volume"]) == ("5.00", "100")
    assert row["history_bars"] == records


def test_the_first_record_is_compared_with_nothing():
    """Nulls, not zeros."""
    row = after([], buy="500")
    assert row["volume_ratio"] is row["median_volume"] is row["volume_tier"] is None
    assert (row["history_bars"], row["absorption"]) == (0, False)


@pytest.mark.parametrize(
    ("volumes", "median"),
    [(["1"], "1"), (["1", "4"], "2.5"), (["9", "1", "4"], "4"), (["7", "0.01", "9", "4"], "5.5")],
)
def test_an_even_number_of_records_has_the_mean_of_its_middle_pair(volumes, median):
    """Exact, and never with the current record in it."""
    assert after(volumes, buy="1000000")["median_volume"] == median


def test_the_hundred_and_first_record_back_is_forgotten():
    """Of 101 records before, the oldest has no say."""
    row = after(["900"] + ["100"] * 50 + ["200"] * 50, buy="1")
    assert (row["median_volume"], row["history_bars"]) == ("150", 100)


@pytest.mark.parametrize(
    ("close", "percent", "absorption"),
    [
        ("1000.999", "+0.10", True),
        ("1001", "+0.10", False),
        ("999.001", "-0.10", True),
        ("999", "-0.10", False),
        ("1000.001", "0.00", True),
        ("1500", "+50.00", False),
    ],
)
def test_flat_is_less_than_a_tenth_of_a_percent_exactly(close, percent, absorption):
    """At 0.1 % it is no absorption, either way; the rounded percentage decides nothing."""
    row = after(["100"] * 20, ("1000", close), sell="201")
    assert (row["price_change_pct"], row["absorption"]) == (percent, absorption)
    assert row["absorbed_side"] == ("sell" if absorption else None)
    assert row["volume_tier"] == "T4"


@pytest.mark.parametrize(("more", "side"), [(1, "buy"), (-1, "sell")])
def test_the_smallest_difference_makes_a_side(more, side):
    """One unit of the fiftieth place."""
    bars = [shared.bar(at, ["1000"], buy="100") for at in range(20)]
    last = shared.bar(20, ["1000"], buy="150", sell="150")
    row = fold([*bars, last._replace(buy_notional=last.buy_notional + more)])[-1]
    assert row["absorbed_side"] == side


def test_an_absorption_of_equal_sides_has_no_side():
    """As much bought as sold: somebody got nowhere, and nobody knows who."""
    row = after(["100"] * 20, buy="150", sell="150")
    assert (row["absorption"], row["absorbed_side"], row["delta"]) == (True, None, "0")


@pytest.mark.parametrize(
    ("close", "buy", "sell", "kind"),
    [
        ("1000.0001", "1", "2", "bearish"),
        ("1000.00000000000000000001", "1", "2", "bearish"),
        ("999.9999", "2", "1", "bullish"),
        ("1001", "2", "1", None),
        ("999", "1", "2", None),
        ("1000", "1", "2", None),
        ("1001", "2", "2", None),
    ],
)
def test_a_divergence_is_two_opposite_signs(close, buy, sell, kind):
    """Price up and delta down is bearish, the mirror bullish; a zero is on nobody's side."""
    row = after([], ("1000", close), buy=buy, sell=sell)
    assert (row["divergence"], row["divergence_type"]) == (kind is not None, kind)


def test_only_a_hole_in_its_own_minute_is_a_gap():
    """The record before and the one after say nothing of it."""
    bars = [shared.bar(at, ["5"], buy="1") for at in range(3)]
    bars[1] = bars[1]._replace(gap=True)
    assert [row["gap"] for row in fold(bars)] == [False, True, False]


@given(values=st.lists(st.integers(0, 30), min_size=1, max_size=60), size=st.integers(1, 12))
def test_the_rolling_median_is_that_of_the_last_values(values, size):
    """With repeated values, in odd and even numbers, exact."""
    rolling = volume_analyzer.RollingMedian(size)
    for place, value in enumerate(values, 1):
        rolling.add(value)
        last = values[max(0, place - size) : place]
        assert list(rolling) == last
        assert Fraction(rolling.twice(), 2) == statistics.median(map(Fraction, last))


def test_thresholds_are_settings():
    """Every number of the notes can be changed, and the output depends on each."""
    t2, t3, t4 = (RATIO.parse(text, "ratio") for text in ("0.75", "1.5", "3"))
    chosen = Volume(2, 2, t2, t3, t4, PERCENT.parse("0.2", "flat_pct"))
    bars = [shared.bar(at, ["1000"], buy="100") for at in range(3)]
    volumes = ("74", "75", "150", "300", "301")
    made = Settings(volume=chosen)
    rows = [
        fold([*bars, shared.bar(9, ["1000", "1001.9"], buy=volume)], made)[-1] for volume in volumes
    ]
    assert [row["volume_tier"] for row in rows] == ["T1", "T2", "T3", "T3", "T4"]
    assert [row["absorption"] for row in rows] == [False] * 4 + [True]
    assert rows[0]["history_bars"] == 2
    assert volume_analyzer._parameters(shared.BTC, made) == {
        "whale_notional": "100000", "median_records": 2, "min_records": 2, "t2_from": "0.75",
        "t3_from": "1.5", "t4_above": "3", "flat_pct": "0.2",
    }  # fmt: skip


def test_amounts_beyond_every_width_stay_exact():
    """A median of two volumes that differ in the fiftieth place has a fifty-first."""
    bars = [shared.bar(at, ["5"])._replace(notional=10**70 + at) for at in range(3)]
    assert fold(bars)[-1]["median_volume"] == "1" + "0" * 20 + "." + "0" * 50 + "5"


@pytest.mark.parametrize("cut", [0, 1, 99, 100, 101, 130])
def test_a_fold_goes_on_from_its_state(cut):
    """It holds the totals of the last hundred records, oldest first, as text."""
    bars = [shared.bar(at, ["5"], buy=str(at * 37 % 101 + 1), sell="2") for at in range(140)]
    made, other = (volume_analyzer.VolumeFold(shared.BTC, Settings()) for _ in range(2))
    before = list(made.update(Closed(bars[:cut])))
    assert made.state() == {"totals": [str(bar.notional) for bar in bars[:cut][-100:]]}
    other.restore(orjson.loads(orjson.dumps(made.state())))
    assert other.state() == made.state()
    assert before + list(other.update(Closed(bars[cut:]))) == fold(bars)


def test_the_program_writes_what_the_fold_gives(vault):
    """From two raw trades: the first minute is closed by the second."""
    encoder = TradeEncoder(shared.BTC, Contract("0.01", "1", "linear"))
    trades = [Trade(shared.START + ms, ms, "buy", "5", "100") for ms in (1, 65_001)]
    shared.write_raw(vault, shared.BTC, [encoder.line(trade) for trade in trades])
    ROOM.run(vault)
    row = orjson.loads(ROOM.lines(vault))
    assert (row["market"], row["total_volume"], row["trade_count"]) == ("perp", "5", 1)


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
        for value in ('"T1"', '"T2"', '"T3"', '"T4"'):
            assert f'"volume_tier":{value}'.encode() in met
        for value in ('"bullish"', '"bearish"'):
            assert f'"divergence_type":{value}'.encode() in met
        for value in ('"buy"', '"sell"'):
            assert f'"absorbed_side":{value}'.encode() in met


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
