"""VWAP against fractions, on made-up and on recorded trades; and as a program that is killed."""

import json
import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravequant import exact
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.settings import Settings
from ravequant.trades.bar_builder import Closed
from ravequant.trades.minute_bar import MinuteBar
from ravequant.vault.paths import Vault
from tests.support import oracle, recordings, wick_vault
from tests.support import trade_streams as shared
from tests.support.examples import often
from VWAP import vwap_calculator

ROOM = shared.Room(vwap_calculator, "vwap", "vwap_1m.jsonl", oracle.vwap_rows)


def test_the_example_of_the_book_comes_out():
    """The fields of SPEC 5, in order, with its close, VWAP and deviation."""
    sums = vwap_calculator.VwapSums(
        price_notional=exact.units("101231.12345678", exact.PRICE_PLACES + exact.NOTIONAL_PLACES),
        notional=exact.NOTIONAL_ONE,
    )
    assert sums.vwap(8) == "101231.12345678"
    assert sums.deviation_bps(exact.units("101260", exact.PRICE_PLACES)) == "+2.85"
    far = exact.units("49.98765432", exact.PRICE_PLACES)
    sums.square_notional = (
        sums.price_notional**2 // exact.NOTIONAL_ONE + far**2 * exact.NOTIONAL_ONE
    )
    assert sums.sd(8) == "49.98765432"


def test_a_record_has_the_fields_of_the_book_in_order(vault):
    """Names and order of the output line are a contract with those who tail the file."""
    encoder = TradeEncoder(shared.BTC, Contract("0.01", "1", "linear"))
    trades = [Trade(shared.START + ms, ms, "buy", "101260", "1") for ms in (1, 65_001)]
    shared.write_raw(vault, shared.BTC, [encoder.line(trade) for trade in trades])
    ROOM.run(vault)
    row = json.loads(ROOM.lines(vault))
    assert " ".join(row) == (
        "timestamp_utc instId exchange market close vwap_1h vwap_4h vwap_session vwap_base_1h "
        "vwap_base_4h vwap_base_session deviation_bps_1h deviation_bps_4h deviation_bps_session "
        "extended cross minutes_1h minutes_4h minutes_session trade_count_1h trade_count_4h gap "
        "sd_1h sd_4h sd_session"
    )
    assert (row["instId"], row["exchange"], row["market"]) == (shared.BTC, "okx", "perp")
    assert row["timestamp_utc"] == "2025-12-14T21:34:00Z"
    assert (row["close"], row["vwap_1h"], row["deviation_bps_1h"]) == ("101260", "101260", "0.00")
    assert (row["sd_1h"], row["sd_4h"], row["sd_session"]) == ("0", "0", "0")


def test_inverse_base_too_small_to_show_has_no_vwap(vault):
    """Twelve places hold nothing of it, so nothing can be divided by it; the run goes on."""
    encoder = TradeEncoder(shared.BTC, Contract("0.0000000001", "1", "inverse"))
    trades = [Trade(shared.START + ms, ms, "buy", "99999999999", "0.01") for ms in (1, 65_001)]
    shared.write_raw(vault, shared.BTC, [encoder.line(trade) for trade in trades])
    ROOM.run(vault)
    row = json.loads(ROOM.lines(vault))
    assert (row["vwap_4h"], row["vwap_base_4h"]) == ("99999999999", None)


def test_without_a_hole_there_is_no_gap_whatever_the_date(vault):
    """Windows that would begin before 1970 begin with it."""
    encoder = TradeEncoder(shared.BTC, Contract("0.01", "1", "linear"))
    trades = [Trade(ms, ms // 65_000, "buy", "101260", "1") for ms in (1, 65_001)]
    shared.write_raw(vault, shared.BTC, [encoder.line(trade) for trade in trades])
    ROOM.run(vault)
    assert json.loads(ROOM.lines(vault))["gap"] is False


# --- the fold alone -------------------------------------------------------------------------------

DAY_LEFT = 24 * 60 - (21 * 60 + 34)  # minutes from 21:34 to midnight


def bar(minute: int, price: int, coins: int = 1, close: str | None = None) -> MinuteBar:
    """Return minute 21:34 + ``minute``, in which ``coins`` traded at one price."""
    at, base = price * exact.PRICE_ONE, coins * exact.BASE_ONE
    return shared.bar(minute, [close or str(price)])._replace(
        notional=at * base, price_notional=at * at * base, base=base, price_base=at * base,
        square_notional=at**3 * base,
    )  # fmt: skip


def tiny(minute: int, price_notional: int, notional: int) -> MinuteBar:
    """Return a minute whose sums are a few units, so that comparisons are exact by hand."""
    bare = bar(minute, 1)
    squares = price_notional**2  # so many that no window has fewer than its VWAP needs
    return bare._replace(
        price_notional=price_notional, notional=notional, base=0, price_base=0,
        square_notional=squares,
    )  # fmt: skip


def fold(bars, gaps=()):
    """Return the records of some minutes; ``gaps`` count from 21:34."""
    made = vwap_calculator.VwapFold(shared.BTC, Settings())
    return list(made.update(Closed(list(bars), [shared.MINUTE + gap for gap in gaps])))


@pytest.mark.parametrize(
    ("minute", "hour", "four_hours", "session"),
    [(59, 2, 2, 2), (60, 1, 2, 2), (61, 1, 2, 2), (145, 1, 2, 2), (146, 1, 2, 1), (239, 1, 2, 1),
     (240, 1, 1, 1), (241, 1, 1, 1)],
)  # fmt: skip
def test_a_minute_leaves_each_window_at_its_edge(minute, hour, four_hours, session):
    """Windows M-59…M and M-239…M and since midnight: a minute M-60 (M-240) is in no hour (four)."""
    row = fold([bar(0, 100), bar(minute, 200)])[-1]
    vwap, vwap_base = {1: "200", 2: "166.66666667"}, {1: "200", 2: "150"}
    sd = {1: "0", 2: "47.14045208"}  # of 100 with a third of the weight, 200 with two
    bps = {1: "0.00", 2: "+2000.00"}
    for window, minutes in (("1h", hour), ("4h", four_hours), ("session", session)):
        assert row[f"minutes_{window}"] == minutes
        assert row[f"vwap_{window}"] == vwap[minutes]
        assert row[f"vwap_base_{window}"] == vwap_base[minutes]
        assert row[f"deviation_bps_{window}"] == bps[minutes]
        assert row[f"sd_{window}"] == sd[minutes]
    assert (row["trade_count_1h"], row["trade_count_4h"]) == (1250 * hour, 1250 * four_hours)


def history(size: int = 250) -> list[MinuteBar]:
    """Return minutes with pauses of all lengths that matter, the same each time."""
    chance, minute, bars = random.Random(3), 0, []
    for _ in range(size):
        bars.append(bar(minute, chance.randint(90, 110), chance.randint(1, 9)))
        minute += chance.choice([1, 1, 1, 1, 1, 1, 1, 2, 3, 30, 59, 61])
    return [*bars, bar(minute + 500, 95)]


def test_every_window_is_the_sum_of_its_minutes():
    """Several minutes leave at once, both windows move on their own, the last hour empties too."""
    bars = history()
    for row, newest in zip(fold(bars), bars, strict=True):
        for window, length in (("1h", 60), ("4h", 240)):
            inside = [b for b in bars if newest.minute - length < b.minute <= newest.minute]
            sums = vwap_calculator.VwapSums(
                price_notional=sum(b.price_notional for b in inside),
                notional=sum(b.notional for b in inside),
                price_base=sum(b.price_base for b in inside),
                base=sum(b.base for b in inside),
                square_notional=sum(b.square_notional or 0 for b in inside),
            )
            assert row[f"minutes_{window}"] == len(inside)
            assert row[f"vwap_{window}"] == sums.vwap(8)
            assert row[f"vwap_base_{window}"] == sums.vwap_base(8)
            assert row[f"sd_{window}"] == sums.sd(8)


TINY = ["0.0000002345", "0.0000002346", "0.0000002344"]


def tiny_lines(prices: list[str], since: int = 0) -> list[bytes]:
    """Return two trades a minute of a coin with many zeros."""
    encoder = TradeEncoder(shared.BTC, Contract("10000000", "1", "linear"))
    return [
        encoder.line(Trade(shared.START + at * 30_000, at + 1, "buy", price, "7"))
        for at, price in enumerate(prices, since)
    ]


def vwaps(vault: Vault) -> list[str]:
    return [json.loads(row)["vwap_1h"] for row in ROOM.lines(vault).splitlines()]


@pytest.mark.parametrize(
    ("tick", "vwap", "sd"),
    [
        ("0.1", "0.00000023", "0"),
        ("0.01000", "0.00000023", "0"),
        ("0.001", "0.000000235", "0"),
        ("0.0000000001", "0.0000002345500107", "0.00000000005"),
        ("0.00000000000000000001", "0.00000023455001065870816457", "0.00000000004999999886391939"),
    ],
)
def test_a_vwap_has_six_places_more_than_the_tick_and_at_least_eight(vault, tick, vwap, sd):
    """Zeros behind the tick are no places; without a tick there are eight."""
    wick_vault.tick_size(vault, tick)
    shared.write_raw(vault, shared.BTC, tiny_lines([*TINY[:2], *TINY[1:]]))
    ROOM.run(vault)
    assert vwaps(vault)[:1] == [vwap]
    assert json.loads(ROOM.lines(vault).splitlines()[0])["sd_4h"] == sd
    state = json.loads(vault.state("vwap", shared.BTC).read_bytes())["fold"]
    assert state.get("places", 8) == max(8, len(tick.rstrip("0")) - 2 + 6)
    assert ("places" in state) is (len(vwap) > len("0.00000023"))


def test_the_tick_in_force_at_the_minute_gives_its_places(vault):
    """A change holds from the next minute on; earlier rows stay, however the runs are cut."""
    wick_vault.tick_size(vault, "0.1")
    lines = tiny_lines(TINY * 4)
    shared.write_raw(vault, shared.BTC, lines[:7])
    ROOM.run(vault)
    wick_vault.tick_size(vault, "0.0000000001", shared.START + 6 * 30_000)
    shared.write_raw(vault, shared.BTC, lines[7:])
    ROOM.run(vault)
    written = [len(text) for text in vwaps(vault)]
    assert written == [10] * 4 + [18]
    before = ROOM.lines(vault)
    arguments = ["--vault", str(vault.root), "--instId", shared.BTC, "--rebuild"]
    assert vwap_calculator.main(arguments) == 0
    assert ROOM.lines(vault) == before


def test_rows_with_too_few_places_are_made_anew_once_and_it_is_said(vault, capsys):
    """A vault whose rows were written with eight; afterwards it goes on as any other."""
    shared.write_raw(vault, shared.BTC, tiny_lines(TINY * 2))
    ROOM.run(vault)
    assert vwaps(vault) == ["0.00000023"] * 2
    wick_vault.tick_size(vault, "0.0000000001")
    arguments = ["--vault", str(vault.root), "--instId", shared.BTC, "--json"]
    for rebuilt in ("superseded", None):
        capsys.readouterr()
        assert vwap_calculator.main(arguments) == 0
        out, err = capsys.readouterr()
        assert json.loads(out)["rebuilt"] == rebuilt
        said = "a VWAP of this tick has 16 places, those on disk have 8; everything that can be "
        assert (said in err) is (rebuilt is not None)
        assert [len(text) for text in vwaps(vault)] == [18] * 2


@pytest.mark.parametrize("cut", [0, 1, 2, 60, 125, 249])
def test_a_fold_goes_on_from_its_state(cut):
    """Also from one without a minute; the state passes through JSON and is the same afterwards."""
    bars = history()
    made, other = (vwap_calculator.VwapFold(shared.BTC, Settings()) for _ in range(2))
    gaps = [bars[cut].minute - 1] if cut else []
    before = list(made.update(Closed(bars[:cut], gaps)))
    other.restore(orjson.loads(orjson.dumps(made.state())))
    assert orjson.dumps(other.state()) == orjson.dumps(made.state())
    after = list(other.update(Closed(bars[cut:])))
    assert after == list(made.update(Closed(bars[cut:])))
    assert [row["cross"] for row in before + after] == [row["cross"] for row in fold(bars)]
    assert cut == 0 or after[0]["gap"]


def test_the_state_has_this_form():
    """Every vault holds it: names, order and packed sums are a contract with older programs."""
    made = vwap_calculator.VwapFold(shared.BTC, Settings())
    zeros = ["0"] * 7
    assert orjson.dumps(made.state()) == orjson.dumps(
        {"minutes": [], "session": zeros, "day": -1, "gap_minute": -1, "order": None}
    )
    list(made.update(Closed([bar(0, 100), bar(70, 200, 3)], [shared.MINUTE + 4])))
    first, second = (["1e74", "1e52", "1e52", "1e30", "125e1", "1", "1e96"],
                     ["12e74", "6e52", "6e52", "3e30", "125e1", "1", "24e96"])  # fmt: skip
    assert orjson.dumps(made.state()) == orjson.dumps(
        {
            "minutes": [[shared.MINUTE, *first], [shared.MINUTE + 70, *second]],
            "session": ["13e74", "7e52", "7e52", "4e30", "25e2", "2", "25e96"],
            "day": shared.MINUTE // 1440,
            "gap_minute": shared.MINUTE + 4,
            "order": 1,
        }
    )


@pytest.mark.parametrize(
    ("gap", "minute", "touched"),
    [
        (0, 0, True),
        (0, DAY_LEFT - 1, True),
        (0, 239, True),  # the last four hours, over midnight
        (0, 240, False),
        (0, 241, False),
        (DAY_LEFT, DAY_LEFT + 1000, True),  # the session
        (DAY_LEFT - 1, DAY_LEFT + 1000, False),
        (5, 4, False),  # a later minute
    ],
)
def test_a_hole_shows_while_it_touches_the_session_or_the_last_four_hours(gap, minute, touched):
    """Also a hole in a minute without trades."""
    rows = fold([bar(-1, 5), bar(minute, 5)], [gap])
    assert [row["gap"] for row in rows] == [False, touched]


def test_a_hole_in_the_first_minute_of_all_shows():
    """The minutes are counted from 1970 on; the first has the number 0."""
    first = bar(-shared.MINUTE, 5)
    assert [row["gap"] for row in fold([first], [-shared.MINUTE])] == [True]


@pytest.mark.parametrize(
    ("close", "extended"), [("100.5", False), ("100.51", True), ("99.5", False), ("99.49", True)]
)
def test_extended_is_more_than_half_a_percent_from_the_4h_vwap(close, extended):
    """Exactly 50 bps is not, above and below; the rounded deviation decides nothing."""
    (row,) = fold([bar(0, 100, close=close)])
    assert row["extended"] is extended
    (row,) = fold([bar(0, 100, close=close + "0" * (18 - len(close)) + "1")])
    assert row["extended"] is (extended or close == "100.5")


def orders(*sums: tuple[int, int]) -> list[str | None]:
    """Return the crosses of minutes 61 minutes apart, after (1, 1): each hour holds one minute."""
    bars = [tiny(61 * at, *pair) for at, pair in enumerate([(1, 1), *sums])]
    return [row["cross"] for row in fold(bars)][1:]


def test_the_hour_crosses_the_four_hours_on_exact_values():
    """By one unit above or below; from equal too; a return to equal is no cross."""
    assert orders((2, 1)) == ["bullish"]
    assert orders((1, 2)) == ["bearish"]
    assert orders((1, 1), (2, 1)) == [None, "bullish"]
    assert orders((1, 1), (1, 2)) == [None, "bearish"]
    assert orders((2, 1), (4, 1)) == ["bullish", None]
    assert orders((2, 1), (1, 1)) == ["bullish", "bearish"]
    assert orders((2, 1), (3, 2)) == ["bullish", None]  # equal: 3 / 2 and 6 / 4
    assert orders((1, 2), (2, 3)) == ["bearish", None]
    assert orders((1, 2), (1, 3)) == ["bearish", None]
    assert orders((2, 1), (3, 2), (2, 1)) == ["bullish", None, "bullish"]


# --- any stream, and recordings -------------------------------------------------------------------


@settings(max_examples=often(10, 60))
@given(lines=shared.streams(), cuts=st.lists(st.integers(0, 60), max_size=5))
def test_any_stream_in_any_number_of_runs_equals_the_plain_computation(
    tmp_path_factory, lines, cuts
):
    """Late, out-of-order and repeated lines, holes, inverse contracts: every byte, run by run."""
    shared.check_runs(ROOM, Vault(tmp_path_factory.mktemp("vault")), lines, cuts)


# without the eight hours: every window summed afresh would take minutes
@recordings.each(*recordings.MIDNIGHT, *recordings.EVENING, *recordings.EVENING_ETH)
def test_recorded_trades_equal_the_plain_computation(vault, recording):
    """The recordings, read as they are (another writer's JSON, .gz), every digit of every row."""
    assert shared.check_recording(ROOM, vault, recording).count(b"\n") > 3


@recordings.each(*recordings.EVENING)
def test_fifty_runs_over_a_growing_file_give_the_bytes_of_one(vault, tmp_path, recording):
    """The file is cut at any byte, in mid-line too; each run takes what is whole."""
    shared.check_fifty_runs(ROOM, vault, Vault(tmp_path / "grown"), recording.lines())


@recordings.each(*recordings.MIDNIGHT)
def test_killed_before_any_step_in_many_runs_the_file_is_the_same(vault, tmp_path, recording):
    """Real processes, really killed, over a file that grows in between."""
    shared.check_kills(ROOM, vault, Vault(tmp_path / "cut"), recording.lines())


@recordings.each(*recordings.EIGHT_HOURS)
def test_no_row_knows_what_comes_after_it(tmp_path, recording):
    """Rows up to a random minute are those of input that ends there."""
    first = shared.recorded_minutes(recording)[0].start
    begin = int(first.timestamp()) // 60
    minutes = random.Random(5).sample(range(begin + 5, begin + 478), 4)
    shared.check_no_look_ahead(ROOM, tmp_path, recording.lines(), minutes)
