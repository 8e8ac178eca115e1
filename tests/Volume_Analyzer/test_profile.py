"""Profiles and poor levels against fractions; known at their time; runs, kills and cuts."""

import json
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravequant import exact, times
from ravequant.contract import Contract
from ravequant.pipeline.level_source import PriceBuckets
from ravequant.pipeline.runner import SupersededStateError
from ravequant.records import Side, Trade, TradeEncoder
from ravequant.trades.bar_builder import Closed
from ravequant.vault.paths import Vault
from tests.support import level_oracle, oracle, recordings
from tests.support import trade_streams as shared
from tests.support.examples import often
from tests.Volume_Analyzer.test_session_profile import DAY, minute
from Volume_Analyzer import profile

NIGHT = times.parse_iso("2025-12-14T00:00:00Z")
LINE = TradeEncoder(shared.BTC, Contract("0.01", "1", "linear")).line


class ProfileRoom(shared.Room):
    """The rows depend on how far the minutes are closed, trades or not."""

    def wanted(self, lines, inst_id=shared.BTC):
        """Return what these raw lines must give."""
        minutes, until = oracle.closed_minutes(lines), closed_until(lines)
        return shared.as_lines(level_oracle.profile_rows(minutes, inst_id, until))


ROOM = ProfileRoom(profile, "profile", "profile.jsonl", lambda *_: [])


def closed_until(lines) -> datetime:
    """Return the end of the newest closed minute."""
    newest, last_id = datetime(1970, 1, 1, tzinfo=UTC), -1
    for row in map(json.loads, lines):
        if int(row["trade_id"]) > last_id:
            last_id = int(row["trade_id"])
            moment = datetime.fromisoformat(row["timestamp_utc"])
            newest = newest if row.get("ahead") else max(newest, moment)
    return (newest - timedelta(seconds=5)).replace(second=0, microsecond=0)


def fold(closed, known=None):
    """Return the records of some minutes."""
    made = known or profile.ProfileFold(shared.BTC, PriceBuckets(10 * exact.PRICE_ONE))
    return list(made.update(closed))


def day_of_the_book(through=(DAY + 1) * 1440 - 1):
    """Return three minutes of a session, in three half hours."""
    bars = [
        minute(
            0,
            {10123: (50_000, 150_000), 10124: (150_000, 400_000), 10125: (400_000, 100_000)},
            ["101245", "101255", "101232", "101250"],
        ),
        minute(31, {10125: (400_000, 200_000), 10126: (750_000, 600_000)}, ["101262"]),
        minute(
            61,
            {10125: (400_000, 200_000), 10126: (1_000_000, 600_000)},
            ["101255", "101265.5", "101251", "101260"],
        ),
    ]
    return Closed(bars, [], through)


def test_the_examples_of_the_book_come_out():
    """The lines of SPEC 15, byte for byte: the final profile, and its poor high repaired."""
    made = profile.ProfileFold(shared.BTC, PriceBuckets(10 * exact.PRICE_ONE))
    rows = fold(day_of_the_book(), made)
    assert [row["kind"] for row in rows] == ["profile"] * 4 + ["level"]
    assert orjson.dumps(rows[3]).decode() == (
        '{"known_utc":"2025-12-15T00:00:00Z","instId":"BTC-USDT-SWAP","exchange":"okx",'
        '"market":"perp","kind":"profile","session_utc":"2025-12-14T00:00:00Z","final":true,'
        '"whole":true,"minutes":3,"high":"101265.5","low":"101232","close":"101260",'
        '"total_volume":"5400000","bucket":"10","poc":"101260","vah":"101270","val":"101240",'
        '"rows":[["101230","50000","150000",1],["101240","150000","400000",1],'
        '["101250","1200000","500000",3],["101260","1750000","1200000",2]],'
        '"high_end":"poor","low_end":"excess","gap":false}'
    )
    later = minute(1440 + 570, {10126: (1, 0)}, ["101265.6"])
    (repaired,) = fold(Closed([later], [], later.minute), made)
    assert orjson.dumps(repaired).decode() == (
        '{"known_utc":"2025-12-15T09:31:00Z","instId":"BTC-USDT-SWAP","exchange":"okx",'
        '"market":"perp","kind":"level","session_utc":"2025-12-14T00:00:00Z","event":"repaired",'
        '"event_id":"BTC-USDT-SWAP|2025-12-14|high","side":"high","price":"101265.5","tpos":2,'
        '"repaired_utc":"2025-12-15T09:31:00Z","gap":false}'
    )


def test_a_profile_runs_each_half_hour_that_traded():
    """Known at its end; of ends nothing is said before that of the session."""
    rows = fold(day_of_the_book(DAY * 1440 + 62))
    assert [row["known_utc"][11:16] for row in rows] == ["00:30", "01:00"]
    assert {(row["final"], row["high_end"], row["low_end"]) for row in rows} == {
        (False, None, None)
    }
    assert [row["minutes"] for row in rows] == [1, 2]


def test_a_poor_high_opens_when_its_session_ends():
    """And is no level before."""
    rows = fold(day_of_the_book((DAY + 1) * 1440 - 2))
    assert {row["kind"] for row in rows} == {"profile"}
    opened = fold(day_of_the_book())[-1]
    assert (opened["event"], opened["known_utc"]) == ("open", "2025-12-15T00:00:00Z")
    assert opened["repaired_utc"] is None


def test_a_level_tells_the_half_hours_of_its_own_end():
    """Three at the low, two at the high."""
    cells = ({10120: (1, 0)}, {10120: (1, 0)}, {10120: (1, 0), 10126: (9, 0)}, {10126: (9, 0)})
    prices = (["101203"], ["101203"], ["101203", "101265"], ["101265"])
    bars = [minute(30 * at, *both) for at, both in enumerate(zip(cells, prices, strict=True))]
    levels = fold(Closed(bars, [], (DAY + 1) * 1440))[-2:]
    assert [(row["side"], row["price"], row["tpos"]) for row in levels] == [
        ("high", "101265", 2), ("low", "101203", 3),
    ]  # fmt: skip


def test_a_session_in_whose_middle_the_input_begins_has_no_levels():
    """The next one has."""
    late = minute(600, {10126: (1, 0)}, ["101265"]), minute(700, {10126: (1, 0)}, ["101265"])
    rows = fold(Closed(list(late), [], (DAY + 1) * 1440))
    assert [row["kind"] for row in rows] == ["profile"] * 3
    assert {row["whole"] for row in rows} == {False}
    assert rows[-1]["high_end"] is None
    after = [minute(1440 + at, {10126: (1, 0)}, ["101265"]) for at in (600, 700)]
    rows = fold(Closed([*late, *after], [], (DAY + 2) * 1440))
    assert rows[-1]["whole" if rows[-1]["kind"] == "profile" else "event"] == "open"


def test_a_gap_marks_its_session_and_what_lives_over_it():
    """From the minute it touches on: no record that was known before."""
    closed = day_of_the_book()
    rows = fold(Closed(closed.bars, [DAY * 1440 + 45], closed.through))
    assert [row["gap"] for row in rows] == [False, True, True, True, True]
    rows = fold(Closed(closed.bars, [DAY * 1440 - 1], closed.through))
    assert not any(row["gap"] for row in rows)
    made = profile.ProfileFold(shared.BTC, PriceBuckets(10 * exact.PRICE_ONE))
    fold(closed, made)
    later = minute(1440 + 570, {10126: (1, 0)}, ["101265.6"])
    (row,) = fold(Closed([later], [later.minute], later.minute), made)
    assert row["gap"]


@pytest.mark.parametrize(
    ("gaps", "marked"),
    [
        ([0], [True] * 6),  # the first minute of the session
        ([30], [False, *[True] * 5]),  # the first behind a record's
        ([30, 1440 + 571], [False, *[True] * 5]),  # each in its turn
        ([1440], [*[False] * 5, True]),
        ([1440 + 570], [*[False] * 5, True]),  # that of the repair
        ([1440 + 571], [False] * 6),  # the one behind it
    ],
)
def test_a_gap_marks_from_its_minute_on(gaps, marked):
    """And no record that was known when it began."""
    closed, later = day_of_the_book(), minute(1440 + 570, {10126: (1, 0)}, ["101265.6"])
    found = [DAY * 1440 + gap for gap in gaps]
    rows = fold(Closed([*closed.bars, later], found, later.minute + 1))
    assert [row["gap"] for row in rows] == marked


def walk(days, seed):
    """Return trades over some days, which turn about a price, with late and repeated lines."""
    chance, moment, price, lines, number = random.Random(seed), NIGHT, 1_012_500, [], 100
    while moment < NIGHT + days * times.DAY_MS:
        moment += chance.choice((30_000, 400_000, 900_000, 2_400_000))
        price += chance.choice((-240, -90, -31, 0, 30, 88, 230)) + (1_012_500 - price) // 10
        number += chance.choice((1, 1, 1, 3))
        side: Side = chance.choice(("buy", "sell"))
        late = chance.choice((0, 0, 0, 4_000, 70_000))
        size = chance.choice(("45", "0.01", "1200.5"))
        lines.append(LINE(Trade(moment - late, number, side, exact.text(price, 1), size)))
        if chance.random() < 0.02:
            lines.append(lines[-1])
    return lines


@settings(max_examples=often(4, 30))
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(0, 400), max_size=4))
def test_days_in_any_number_of_runs_equal_the_plain_computation(tmp_path_factory, seed, cuts):
    """Sessions that end, levels that open and are repaired: every byte, run by run."""
    shared.check_runs(ROOM, Vault(tmp_path_factory.mktemp("vault")), walk(2, seed), cuts)


def test_the_walks_open_and_repair_levels():
    """So the test above is about them."""
    rows = ROOM.wanted(walk(6, 3))
    for word in (b'"open"', b'"repaired"', b'"excess"', b'"plain"', b'"poor"', b'"final":true'):
        assert rows.count(word) > 0


@settings(max_examples=often(20, 40))
@given(lines=shared.streams(), cuts=st.lists(st.integers(0, 200), max_size=4))
def test_any_stream_in_any_number_of_runs_equals_the_plain_computation(
    tmp_path_factory, lines, cuts
):
    """Late, out-of-order and repeated lines, holes, inverse contracts."""
    shared.check_runs(ROOM, Vault(tmp_path_factory.mktemp("vault")), lines, cuts)


@recordings.each(*recordings.EVERY)
def test_recorded_trades_equal_the_plain_computation(vault, recording):
    """The recordings as they are, another writer's JSON in .gz: every digit of every row."""
    shared.link_recording(vault, recording)
    ROOM.run(vault, recording.inst_id)
    met = ROOM.lines(vault, recording.inst_id)
    wanted = ROOM.wanted(recording.lines(), recording.inst_id)
    assert list(map(orjson.loads, met.splitlines())) == list(map(orjson.loads, wanted.splitlines()))
    assert met == wanted


@recordings.each(*recordings.EVENING)
def test_fifty_runs_over_a_growing_file_give_the_bytes_of_one(vault, tmp_path, recording):
    """The file is cut at any byte, in mid-line too; each run takes what is whole."""
    shared.check_fifty_runs(ROOM, vault, Vault(tmp_path / "grown"), recording.lines())


def test_killed_before_any_step_in_many_runs_the_file_is_the_same(vault, tmp_path):
    """Real processes, really killed, over files that grow in between."""
    shared.check_kills(ROOM, vault, Vault(tmp_path / "cut"), walk(4, 3))


def test_no_row_knows_what_comes_after_it(tmp_path):
    """Input that ends at a moment gives the rows that were known then, and no other."""
    lines = walk(4, 5)
    whole = Vault(tmp_path / "whole")
    shared.write_raw(whole, shared.BTC, lines)
    ROOM.run(whole)
    rows = ROOM.lines(whole).splitlines(keepends=True)
    known = [times.parse_iso(orjson.loads(row)["known_utc"]) for row in rows]
    assert all(a <= b for a, b in pairwise(known))
    for cut in range(40, len(lines), 60):
        until = times.parse_iso(closed_until(lines[:cut]).strftime("%Y-%m-%dT%H:%M:%SZ"))
        vault = Vault(tmp_path / str(cut))
        shared.write_raw(vault, shared.BTC, lines[:cut])
        ROOM.run(vault)
        before = [row for row, moment in zip(rows, known, strict=True) if moment <= until]
        assert ROOM.lines(vault) == b"".join(before)


def test_a_rebuild_keeps_what_was_known_before_its_first_trade(vault):
    """The profile of a day whose trades are gone, to its end, and the level that opened then."""
    lines = [
        LINE(Trade(NIGHT + hour * times.HOUR_MS + 1, number, "buy", "101265", "5"))
        for number, hour in enumerate((0, 1, 24, 25), 10)
    ]
    shared.write_raw(vault, shared.BTC, lines)
    ROOM.run(vault)
    whole = ROOM.lines(vault)
    assert [orjson.loads(row)["known_utc"][8:16] for row in whole.splitlines()] == [
        "14T00:30", "14T01:30", *["15T00:00"] * 3, "15T00:30",
    ]  # fmt: skip
    (vault.trades(shared.BTC) / "2025-12-14.jsonl").unlink()
    words = ["--vault", str(vault.root), "--instId", shared.BTC, "--rebuild"]
    assert profile.main(words) == 0
    assert ROOM.lines(vault) == whole


@pytest.mark.parametrize("cut", range(5))
def test_a_fold_goes_on_from_its_state(cut):
    """Between any two minutes, over JSON."""
    bars = [*day_of_the_book().bars, minute(1450, {10126: (3, 4)}, ["101270"])]
    plain = fold(Closed(bars, [], bars[-1].minute))
    made, other = (
        profile.ProfileFold(shared.BTC, PriceBuckets(10 * exact.PRICE_ONE)) for _ in range(2)
    )
    through = bars[cut - 1].minute if cut else -1
    before = fold(Closed(bars[:cut], [], through), made)
    other.restore(orjson.loads(orjson.dumps(made.state())))
    assert other.state() == made.state()
    assert before + fold(Closed(bars[cut:], [], bars[-1].minute), other) == plain


def test_a_fold_goes_on_with_its_levels_and_gaps():
    """An open level is in the state, and a gap that no record has told yet."""
    closed = day_of_the_book()
    made, other = (
        profile.ProfileFold(shared.BTC, PriceBuckets(10 * exact.PRICE_ONE)) for _ in range(2)
    )
    through = closed.through + 10
    assert len(fold(Closed(closed.bars, [through], through), made)) == 5
    other.restore(orjson.loads(orjson.dumps(made.state())))
    bars = [minute(1460, {10126: (1, 0)}, ["101265"]), minute(1465, {10126: (1, 0)}, ["101266"])]
    rows = fold(Closed(bars, [], bars[-1].minute + 30), other)
    assert [(row["kind"], row["gap"]) for row in rows] == [("level", True), ("profile", True)]
    assert rows == fold(Closed(bars, [], bars[-1].minute + 30), made)


def test_a_state_of_buckets_of_another_tick_is_superseded():
    """It is computed anew, and not gone on from."""
    made, other = (
        profile.ProfileFold(shared.BTC, PriceBuckets(100 * exact.PRICE_ONE, tick))
        for tick in ("1", "0.5")
    )
    with pytest.raises(SupersededStateError):
        other.restore(made.state())
