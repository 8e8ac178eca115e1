"""CVD against fractions, on made-up and on recorded trades; and as a program that is killed."""

import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from CVD import run_cvd_from_jsonl as cvd
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.settings import Settings
from ravequant.trades.bar_builder import Closed
from ravequant.vault.paths import Vault
from tests.support import oracle, recordings
from tests.support import trade_streams as shared
from tests.support.examples import often

ROOM = shared.Room(cvd, "cvd", "cvd_1m.jsonl", oracle.cvd_rows)
DAY_LEFT = 24 * 60 - (21 * 60 + 34)  # minutes from 21:34 to midnight


def fold(bars, gaps=()):
    """Return the records of some minutes, counted from 21:34."""
    made = cvd.CvdFold(shared.BTC, Settings())
    marked = [shared.MINUTE + gap for gap in gaps]
    return list(made.update(Closed(bars, marked, through=shared.MINUTE + 10**6)))


def swings(*points):
    """Return the divergence of each record of a path of (close, cvd)."""
    finder = cvd.Swings()
    return [finder.add(cvd.SwingPoint(close, total)) for close, total in points]


def test_the_example_of_the_book_comes_out():
    """The line of SPEC 6: its fields in order, signs, canonical decimals, the anchor."""
    bars = [
        shared.bar(-1, ["101255"], buy="4625000"),
        shared.bar(0, ["101250", "101260"], buy="2000000.50", sell="2125000.5"),
    ]
    assert orjson.dumps(fold(bars)[-1]).decode() == (
        '{"timestamp_utc":"2025-12-14T21:34:00Z","instId":"BTC-USDT-SWAP","exchange":"okx",'
        '"market":"perp","close":"101260","buy_volume":"2000000.5","sell_volume":"2125000.5",'
        '"cvd_1m":"-125000","cvd":"+4500000","cvd_session":"+4500000",'
        '"cvd_change_15m":"+4500000","cvd_change_1h":"+4500000","trade_count":1250,'
        '"anchor_utc":"2025-12-14T21:33:00Z","divergence":null,"gap":false}'
    )


def test_zero_has_no_sign():
    """As much bought as sold is ``0``, in the minute and in every sum."""
    (row,) = fold([shared.bar(0, ["5"], buy="7", sell="7")])
    assert {row[name] for name in row if name.startswith("cvd")} == {"0"}


@pytest.mark.parametrize(
    ("minute", "quarter", "hour"),
    [(14, "+11", "+11"), (15, "+10", "+11"), (59, "+10", "+11"), (60, "+10", "+10")],
)
def test_changes_are_over_time_not_over_records(minute, quarter, hour):
    """Minutes M-14…M and M-59…M: the first minute has left 15, and 60, minutes later."""
    bars = [shared.bar(0, ["5"], buy="1"), shared.bar(minute, ["5"], buy="10")]
    row = fold(bars)[-1]
    assert (row["cvd_change_15m"], row["cvd_change_1h"], row["cvd"]) == (quarter, hour, "+11")


def test_the_session_begins_anew_at_midnight_and_the_running_sum_does_not():
    """23:59 is the last minute of a day, 00:00 the first of the next."""
    bars = [shared.bar(at, ["5"], sell="3") for at in (0, DAY_LEFT - 1, DAY_LEFT, DAY_LEFT + 1)]
    rows = fold(bars)
    assert [row["cvd_session"] for row in rows] == ["-3", "-6", "-3", "-6"]
    assert [row["cvd"] for row in rows] == ["-3", "-6", "-9", "-12"]
    assert rows[2]["timestamp_utc"] == "2025-12-15T00:00:00Z"


@pytest.mark.parametrize(
    ("gap", "minute", "touched"),
    [
        (0, 0, True),
        (0, DAY_LEFT - 1, True),  # the session
        (DAY_LEFT - 30, DAY_LEFT + 29, True),  # the last hour, over midnight
        (DAY_LEFT - 30, DAY_LEFT + 30, False),
        (DAY_LEFT, DAY_LEFT + 1000, True),
        (5, 4, False),  # a later minute
    ],
)
def test_a_hole_is_said_while_it_touches_the_session_or_the_last_hour(gap, minute, touched):
    """Also a hole in a minute without trades."""
    bars = [shared.bar(-1, ["5"], buy="1"), shared.bar(minute, ["5"], buy="1")]
    assert [row["gap"] for row in fold(bars, [gap])] == [False, touched]


def test_a_hole_in_minutes_without_trades_is_remembered():
    """Closed by one call, behind its last record, it marks the first record of the next."""
    made = cvd.CvdFold(shared.BTC, Settings())
    first = Closed([shared.bar(0, ["5"], buy="1")], [shared.MINUTE + 3], shared.MINUTE + 3)
    assert [row["gap"] for row in made.update(first)] == [False]
    again = cvd.CvdFold(shared.BTC, Settings())
    again.restore(orjson.loads(orjson.dumps(made.state())))
    (row,) = again.update(Closed([shared.bar(5, ["5"], buy="1")]))
    assert row["gap"] is True


HIGHS = [(1, 0), (2, 0), (5, 50), (2, 0), (1, 0), (3, 0), (6, 40), (3, 0), (2, 0), (1, 0)]


def test_a_bearish_divergence_stands_where_the_later_high_became_known_and_only_there():
    """Price makes a higher high, cvd a lower one: said two records after it, not before."""
    assert swings(*HIGHS) == [None] * 8 + ["bearish", None]


def test_a_bullish_divergence_is_its_mirror():
    """Price makes a lower low, cvd a higher one."""
    assert swings(*[(-close, -total) for close, total in HIGHS]) == [None] * 8 + ["bullish", None]


@pytest.mark.parametrize(
    ("place", "point", "why"),
    [
        (6, (5, 40), "an equal price is no higher high"),
        (6, (6, 50), "an equal cvd is no lower one"),
        (6, (6, 60), "cvd confirms the price"),
        (7, (6, 0), "a plateau is no swing"),
        (5, (6, 0), "nor on the left"),
        (8, (7, 0), "two records after it must be lower"),
        (4, (7, 0), "and two before it"),
        (3, (5, 0), "the earlier high must be one too"),
    ],
)
def test_what_is_no_divergence(place, point, why):
    """One fact changed of the bearish case, or of its mirror, and nothing is said."""
    path = [*HIGHS[:place], point, *HIGHS[place + 1 :]]
    assert not any(swings(*path)), why
    assert not any(swings(*[(-close, -total) for close, total in path])), why


def test_a_swing_is_compared_with_the_last_one_before_it_only():
    """A lower high in between takes the place of the first."""
    between = [(3, 0), (4, 60), (3, 0), (2, 0)]
    assert swings(*HIGHS[:5], *between, *HIGHS[5:])[-2:] == ["bearish", None]
    between[1] = (4, 30)
    assert not any(swings(*HIGHS[:5], *between, *HIGHS[5:]))


def test_swings_count_records_not_minutes():
    """Minutes without trades between them change nothing."""
    path = [("1", "0"), ("2", "0"), ("5", "9"), ("2", "0"), ("1", "0"), ("3", "0"), ("6", "1")]
    bars = [
        shared.bar(7 * at, [close], buy=bought, sell="1")
        for at, (close, bought) in enumerate([*path, ("3", "0"), ("2", "0")])
    ]
    assert [row["divergence"] for row in fold(bars)] == [None] * 8 + ["bearish"]


@pytest.mark.parametrize("sign", [1, -1])
def test_swings_go_on_from_their_state(sign):
    """Cut anywhere, also between the two swings and before the first record."""
    path = [(sign * close, sign * total) for close, total in HIGHS]
    for cut in range(len(path)):
        before, after = cvd.Swings(), cvd.Swings()
        found = [before.add(cvd.SwingPoint(*point)) for point in path[:cut]]
        after.restore(orjson.loads(orjson.dumps(before.state())))
        assert after.state() == before.state()
        assert found + [after.add(cvd.SwingPoint(*point)) for point in path[cut:]] == swings(*path)


def test_the_state_has_this_form():
    """Every vault holds it: names, order and numbers as text are a contract with older programs."""
    made = cvd.CvdFold(shared.BTC, Settings())
    assert orjson.dumps(made.state()) == orjson.dumps(
        {
            "anchor": -1, "cvd": "0", "session": "0", "day": -1, "minutes": [], "gap_minute": -1,
            "swings": {"recent": [], "high": None, "low": None},
        }
    )  # fmt: skip
    amounts = [("buy", "1"), ("sell", "2"), ("buy", "5"), ("sell", "3"), ("sell", "3")]
    prices = ["5", "4", "6", "4", "4"]
    bars = [
        shared.bar(20 * at, [price], **dict([amount]))
        for at, (price, amount) in enumerate(zip(prices, amounts, strict=True))
    ]
    list(made.update(Closed(bars, [shared.MINUTE + 40])))
    one, dollar = 10**20, 10**50
    recent = [(5, 1), (4, -1), (6, 4), (4, 1), (4, -2)]
    assert orjson.dumps(made.state()) == orjson.dumps(
        {
            "anchor": shared.MINUTE,
            "cvd": str(-2 * dollar),
            "session": str(-2 * dollar),
            "day": shared.MINUTE // 1440,
            "minutes": [
                [shared.MINUTE + minute, str(delta * dollar)]
                for minute, delta in ((40, 5), (60, -3), (80, -3))
            ],
            "gap_minute": shared.MINUTE + 40,
            "swings": {
                "recent": [[str(close * one), str(total * dollar)] for close, total in recent],
                "high": [str(6 * one), str(4 * dollar)],
                "low": None,
            },
        }
    )


@pytest.mark.parametrize("cut", [0, 1, 15, 61, 99])
def test_a_fold_goes_on_from_its_state(cut):
    """Both changes, the session, the running sum and the swings, wherever it is cut."""
    chance = random.Random(8)
    bars = [
        shared.bar(2 * at, [str(chance.randint(1, 9))], **{chance.choice(["buy", "sell"]): str(at)})
        for at in range(100)
    ]
    made, other = (cvd.CvdFold(shared.BTC, Settings()) for _ in range(2))
    before = list(made.update(Closed(bars[:cut])))
    other.restore(orjson.loads(orjson.dumps(made.state())))
    assert orjson.dumps(other.state()) == orjson.dumps(made.state())
    assert before + list(other.update(Closed(bars[cut:]))) == fold(bars)


def test_the_program_writes_what_the_fold_gives(vault):
    """From two raw trades: the first minute is closed by the second."""
    encoder = TradeEncoder(shared.BTC, Contract("0.01", "1", "linear"))
    trades = [Trade(shared.START + ms, ms, "buy", "5", "100") for ms in (1, 65_001)]
    shared.write_raw(vault, shared.BTC, [encoder.line(trade) for trade in trades])
    ROOM.run(vault)
    row = orjson.loads(ROOM.lines(vault))
    assert (row["market"], row["cvd_1m"], row["trade_count"]) == ("perp", "+5", 1)


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
        rows = dict(zip(recordings.EIGHT_HOURS, (414, 479), strict=True))
        assert met.count(b"\n") == rows[recording]
        assert b'"divergence":"bearish"' in met
        assert b'"divergence":"bullish"' in met


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
    minutes = random.Random(6).sample(range(begin + 5, begin + 478), 8)
    shared.check_no_look_ahead(ROOM, tmp_path, recording.lines(), minutes)
