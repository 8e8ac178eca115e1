"""As-of reading: bisecting bytes finds what reading every line would, and never what came later."""

import json

import pytest
from hypothesis import given, settings

from ravequant import times
from ravequant.catalog import DATA_SETS
from ravequant.records import RecordError, Trade, TradeEncoder, parse_trade
from ravequant.signals import as_of
from ravequant.signals.as_of import newest_trade
from ravequant.signals.inputs import LastTrade, price
from ravequant.vault.commit import write_state
from ravequant.vault.paths import Vault
from tests.support.examples import often
from tests.support.hour_vault import (
    BTC,
    CONTRACT,
    MINUTE,
    START,
    event,
    pack,
    put,
    put_hour,
    put_trades,
    rows,
    tapes,
)


def by_reading_all(lines, until):
    """Return the trade that SPEC 11 means, by reading every line."""
    last, found = -1, None
    for row in lines:
        try:
            trade, _ = parse_trade(row, BTC)
        except RecordError:
            continue
        if trade.trade_id <= last:
            continue
        last = trade.trade_id
        if trade.ts >= until + 5_000:
            break
        if trade.ts <= until:
            found = trade.ts, price(trade.price)
    return found


@settings(max_examples=often(70, 200))
@given(tapes())
def test_the_newest_trade_is_the_one_of_the_spec(tmp_path_factory, tape):
    """Late, repeated and damaged lines, midnight, packed days: as reading all of it."""
    lines, minute, packed = tape
    vault = Vault(tmp_path_factory.mktemp("tape"))
    put_trades(vault, lines)
    if packed:
        for path in list(vault.trades(BTC).iterdir())[:-1]:
            pack(path)
    _, found = newest_trade(vault, BTC, minute * MINUTE)
    assert (found and (found.ts, found.price)) == by_reading_all(lines, minute * MINUTE)


def test_the_moment_itself_counts(vault):
    """A trade at the very end of the minute is known then, one at 5 s past it closes the minute."""
    encoder = TradeEncoder(BTC, CONTRACT)
    moments = (0, 1, 4_999, 5_000, -2)  # the last one came late, after the minute had closed
    trades = [Trade(START + ms, n, "buy", f"10{n}", "1") for n, ms in enumerate(moments, 1)]
    put_trades(vault, [encoder.line(trade) for trade in trades])
    assert newest_trade(vault, BTC, START)[1] == LastTrade(START, price("101"))


def test_only_a_valid_line_takes_an_id(vault):
    """A damaged line does not hide the sound one that repeats its id."""
    encoder = TradeEncoder(BTC, CONTRACT)
    lines = [encoder.line(Trade(START, 7, "buy", text, "1")) for text in ("101", "102", "103")]
    put_trades(vault, [lines[0].replace(b'"buy"', b'"bid"'), lines[1], lines[2]])
    assert newest_trade(vault, BTC, START)[1] == LastTrade(START, price("102"))


def test_a_trade_that_is_ahead_is_of_no_time(vault):
    """It closes no minute and is no price; in older files one of a later date than its file."""
    encoder = TradeEncoder(BTC, CONTRACT)
    trades = [
        Trade(START - 1_000, 1, "buy", "101", "1"),
        Trade(START + 20 * MINUTE, 2, "buy", "102", "1", ahead=True),
        Trade(START - 500, 3, "buy", "103", "1"),
    ]
    put_trades(vault, [encoder.line(trade) for trade in trades])
    with (vault.trades(BTC) / "2025-12-14.jsonl").open("ab") as file:
        file.write(encoder.line(Trade(START + times.DAY_MS, 4, "buy", "104", "1")))
        file.write(encoder.line(Trade(START - 400, 5, "buy", "105", "1")))
    assert newest_trade(vault, BTC, START)[1] == LastTrade(START - 400, price("105"))
    (vault.trades(BTC) / "2025-12-14.jsonl").write_bytes(encoder.line(trades[1]))
    assert newest_trade(vault, BTC, START + times.DAY_MS)[1] is None


# --- a small vault, by hand --------------------------------------------------------------------


@pytest.fixture
def hour(vault):
    """Return a vault with an hour of rows, a snapshot each 10 s, and a wick touched at 30."""
    put_hour(vault)
    return vault


def read(vault, minute, **other):
    return as_of.read(vault, BTC, START // MINUTE + minute, back=50, **other)


def test_everything_is_as_of_the_minute(hour):
    """Rows that ended by then, events and snapshots known by then: nothing of the next second."""
    facts = read(hour, 29)
    assert [len(facts.volume), len(facts.cvd), len(facts.vwap)] == [29, 29, 29]
    assert facts.cvd[-1].delta == "-28"
    assert [wick.status for wick in facts.wicks] == ["untouched", "untouched"]
    assert (facts.book.ts, facts.newest_event) == (START + 29 * MINUTE, START // MINUTE + 20)
    assert (facts.trade.price, facts.tick) == (price("100.5"), price("0.1"))
    assert facts.files["volume"] == f"derived/volume/okx/perps/{BTC}/volume_1m.jsonl"


def test_a_touch_counts_from_the_minute_it_was_known(hour):
    """At 30 the wick is touched, and not a minute earlier."""
    (first, second) = read(hour, 30).wicks
    assert (first.status, first.ended) == ("touched", START // MINUTE + 30)
    assert (second.status, second.ended) == ("untouched", None)


def test_the_past_gives_a_snapshot_each_five_minutes(hour):
    """For base rates: the newest of each step, oldest first, and none if nobody asks."""
    past = read(hour, 20).past_books
    assert [row.ts - START for row in past] == [n * 5 * MINUTE for n in range(5)]
    assert read(hour, 20, past=False).past_books == ()


def test_what_is_older_than_a_day_is_still_named(hour):
    """The newest row is known however old it is, so that it can be called stale."""
    facts = read(hour, 3 * 1440)
    assert (len(facts.volume), len(facts.cvd), len(facts.wicks)) == (1, 1, 0)
    assert facts.age_ms("cvd") == (3 * 1440 - 60) * MINUTE
    assert facts.newest_event == START // MINUTE + 30
    assert facts.book is not None


def test_a_vwap_is_whole_once_the_recording_is_as_old_as_its_window(hour):
    """In a quiet market few of the 240 minutes have trades; the file's first row says its age."""
    found = (0, 238, 239, 1600)
    put(DATA_SETS["vwap"].place(hour, BTC), (rows(minute)["vwap"] for minute in found))
    assert [row.whole for row in read(hour, 239).vwap] == [False, False]
    assert [row.whole for row in read(hour, 240).vwap] == [False, False, True]
    assert [row.whole for row in read(hour, 1601).vwap] == [False, True, True]


def test_missing_files_are_missing_facts(vault):
    """An empty vault gives no facts and no error."""
    facts = read(vault, 5)
    assert (facts.wicks, facts.volume, facts.book, facts.trade) == ((), (), None, None)
    assert facts.tick is None
    assert as_of.latest(vault, BTC) is None


def test_a_damaged_row_is_left_out(hour, caplog):
    """A line that is no row costs that row only, and the log names the file."""
    caplog.set_level("WARNING")
    path = hour.derived("cvd", BTC) / "cvd_1m.jsonl"
    lines = path.read_bytes().splitlines()
    lines[28] = lines[28].replace(b'"cvd_1m":"-28"', b'"cvd_1m":"-x"')
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert read(hour, 29).cvd[-1].delta == "-27"
    assert "cvd_1m.jsonl" in caplog.text


def test_latest_is_the_minute_that_all_have_reached(hour):
    """The slowest of the four decides; a tracker that had nothing to say has kept up."""
    start = START // MINUTE
    assert as_of.latest(hour, BTC) == start + 30  # no state: its newest event decides
    put(hour.derived("wicks", BTC) / "wicks_events.jsonl", [event("created", 60, 60)])
    assert as_of.latest(hour, BTC) == start + 60
    put(hour.derived("vwap", BTC) / "vwap_1m.jsonl", (rows(n)["vwap"] for n in range(44)))
    assert as_of.latest(hour, BTC) == start + 44
    put(hour.derived("wicks", BTC) / "wicks_events.jsonl", [event("created", 10, 10)])
    committed = {"metric": "wicks", "instId": BTC, "fold": {"through": start + 39}}
    write_state(hour.state("wicks", BTC), committed)
    assert as_of.latest(hour, BTC) == start + 40


def test_a_minute_without_a_wick_is_no_proof_that_the_tracker_saw_it(hour):
    """It may have touched what another minute left: only what is committed counts as seen."""
    flat = ({**rows(n)["volume"], "high": "100", "low": "100"} for n in range(60))
    put(hour.derived("volume", BTC) / "volume_1m.jsonl", flat)
    assert as_of.latest(hour, BTC) == START // MINUTE + 30
    assert read(hour, 40).wicks_reach == START // MINUTE + 30


def test_a_state_that_cannot_be_read_leaves_the_newest_event(hour, caplog):
    """It costs certainty and no answer; the log says so."""
    caplog.set_level("WARNING")
    path = hour.state("wicks", BTC)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{torn")
    assert as_of.latest(hour, BTC) == START // MINUTE + 30
    assert "how far the wicks are is taken from their newest event" in caplog.text


@pytest.mark.parametrize(
    ("stream", "field", "value"),
    [("vwap", "vwap_4h", "0"), ("volume", "high", "0"), ("cvd", "cvd_1m", 5)],
)
def test_a_row_with_an_impossible_value_is_left_out(hour, stream, field, value):
    """What no calculator writes costs its row, and never the answer."""
    path = DATA_SETS[stream].place(hour, BTC)
    made = [json.loads(text) for text in path.read_bytes().splitlines()]
    made[28][field] = value
    put(path, made)
    assert getattr(read(hour, 29), stream)[-1].minute == START // MINUTE + 27


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mid_price", "0"),
        ("ask_young_age_s", ["5", None, None, None, None, None]),
        ("ask_walls", [{"price": "101", "notional": "2500000", "age_s": "5", "young": True}]),
    ],
)
def test_a_snapshot_with_an_impossible_value_is_left_out(hour, field, value):
    """The one before it is the newest."""
    (path,) = hour.derived("liquidity_buckets", BTC).iterdir()
    made = [json.loads(text) for text in path.read_bytes().splitlines()]
    known = [row for row in made if times.parse_iso(row["timestamp_utc"]) <= START + 29 * MINUTE]
    before, newest = known[-2:]
    newest[field] = value
    put(path, made)
    assert read(hour, 29).book.ts == times.parse_iso(before["timestamp_utc"])


def test_yesterdays_damaged_book_takes_only_its_base_rates(hour, caplog):
    """A packed day that cannot be read stands in the log; what is known today is answered."""
    caplog.set_level("WARNING")
    folder = hour.derived("liquidity_buckets", BTC)
    day_before = times.day(START - times.DAY_MS)
    (folder / f"{day_before}.jsonl.gz").write_bytes(b"not packed")
    facts = read(hour, 20)
    assert facts.book is not None
    assert facts.past_books
    assert f"{day_before}.jsonl.gz: is not a whole gzip file" in caplog.text
