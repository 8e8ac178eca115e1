"""The wall at a tip and the ends of walls, as of a minute."""

import gzip
import random

import pytest

from ravequant import times
from ravequant.signals.context.moment import ContextMoment
from ravequant.signals.context.walls import WallsAsOf
from ravequant.vault.paths import Vault
from tests.support.flow_rows import flow, put, wall
from tests.support.made_signals import BTC, LIMITS, A, hidden, wick

TIP = "101250"  # of hidden(), whose side is that of the asks


def moment(vault, minute=A, after_s=0, book_s=0, ends=None):
    ms = minute * times.MINUTE_MS
    book_ms = None if book_s is None else ms + book_s * 1_000
    return ContextMoment(vault, BTC, LIMITS, minute, ms + after_s * 1_000, book_ms, ends or {})


def read(vault, minute=A, lead=None, **how):
    """Return the fields at the tip, or why they are not known."""
    found = WallsAsOf.read(moment(vault, minute, **how))
    return found if isinstance(found, str) else found.of(lead or hidden())


def test_the_largest_wall_that_stands_at_the_tip(vault):
    """On the wick's side, within wall_bps; of equals the nearest."""
    put(vault, [
        flow(A - 1), wall(A - 1, "101271"), wall(A - 1, "101240"), wall(A - 1, TIP, held_s=7),
        wall(A - 1, "101249", notional="2499999.9"),
        wall(A - 1, TIP, side="bid", notional="9000000"),
        wall(A - 1, "101270", end="pulled", notional="9000000"),
    ])  # fmt: skip
    found = read(vault)["wall"]
    assert (found["price"], found["held_s"], found["end"]) == (TIP, 7, None)
    assert tuple(found) == (
        "price", "notional", "placed", "largest", "qty", "filled", "pulled", "refilled", "added",
        "unknown", "since_utc", "placed_known", "held_s", "end", "end_utc",
    )  # fmt: skip
    assert read(vault, lead=wick(32, "101285"))["wall"]["price"] == "101271"
    assert read(vault, lead=wick(32, TIP, "low"))["wall"]["notional"] == "9000000"
    assert read(vault, lead=wick(32, "101300"))["wall"] is None


def test_without_one_the_wall_that_ended_there_last(vault):
    """Since the birth of the wick: what was there before has not defended it."""
    put(vault, [
        flow(A - 40), wall(A - 40, TIP, end="filled"),
        flow(A - 20), wall(A - 20, TIP, end="mixed"),
        flow(A - 9), wall(A - 9, TIP, end="pulled"), wall(A - 9, "101300", end="filled"),
        flow(A - 1),
    ])  # fmt: skip
    found = read(vault)["wall"]
    assert (found["end"], found["end_utc"]) == ("pulled", times.iso((A - 9) * 60_000 + 30_000))
    assert read(vault, lead=wick(8, TIP))["wall"] is None


@pytest.mark.parametrize(("after_s", "known"), [(0, True), (180, True), (181, False)])
def test_book_flow_that_is_stale_says_nothing(vault, after_s, known):
    """Three minutes behind the end of its newest minute; ages count to the instant."""
    assert read(vault) == "not recorded"
    put(vault, [flow(A - 1), wall(A - 1, TIP)])
    assert (read(vault, after_s=after_s) != "stale") == known


def test_ends_of_the_last_day_of_which_the_cause_is_known(vault):
    """1,440 minutes; a share from 30 on, of both sides."""
    old, day = A - 1_441, A - 1_440
    rows = [flow(old), wall(old, "1", end="pulled"), flow(day), wall(day, "2", end="pulled")]
    for number in range(28):
        minute = A - 100 + number
        end = ("filled", "pulled", "mixed")[number % 3]
        rows += [flow(minute), wall(minute, "3", end=end, side=("ask", "bid")[number % 2])]
    rows += [flow(A - 9), *(wall(A - 9, "4", end=end) for end in ("unknown", "unseen", "filled"))]
    put(vault, [*rows[:-1], flow(A - 2)])
    assert read(vault)["walls_24h"] == {"ended": 29, "pulled": 10, "pulled_pct": None}
    put(vault, [flow(A - 1), wall(A - 1, "4", end="filled")])
    assert read(vault)["walls_24h"] == {"ended": 30, "pulled": 10, "pulled_pct": "33.3"}


def test_nothing_of_later_minutes_counts(tmp_path):
    """The answer as of each minute is that of a vault which ends there."""
    chance, rows, bounds = random.Random(4), [], {}
    for minute in range(A - 1_500, A + 60, 7):
        rows.append(flow(minute, gap=chance.random() < 0.1))
        ends = [chance.choice((None, "filled", "pulled", "mixed", "unseen")) for _ in range(3)]
        prices = [chance.choice((TIP, "101249", "101300")) for _ in range(3)]
        rows += [wall(minute, at, end) for at, end in zip(prices, ends, strict=True)]
        bounds[minute] = len(rows)
    whole = Vault(tmp_path / "whole")
    put(whole, rows)
    seen = set()
    for number, minute in enumerate(chance.sample(sorted(bounds), 12)):
        part = Vault(tmp_path / str(number))
        put(part, rows[: bounds[minute]])
        for later in (1, 3, 7):
            found = read(whole, minute + later)
            assert found == read(part, minute + later)
            seen.add(str(found))
    assert len(seen) > 12


@pytest.mark.parametrize(("book_s", "held_s"), [(0, 2), (-1, 1), (-60, 1), (-61, "not recorded")])
def test_a_minute_is_known_with_the_first_snapshot_behind_it(vault, book_s, held_s):
    """That is how book flow comes out; without a snapshot nothing is known."""
    put(vault, [flow(A - 2), wall(A - 2, TIP, held_s=1), flow(A - 1), wall(A - 1, TIP, held_s=2)])
    found = read(vault, book_s=book_s)
    assert (found if isinstance(found, str) else found["wall"]["held_s"]) == held_s
    assert read(vault, book_s=None) == "not recorded"


def test_no_more_is_read_than_was_seen(vault):
    """Of an answer to the instant that says how far book flow was."""
    put(vault, [flow(A - 2), wall(A - 2, TIP, held_s=1), flow(A - 1), wall(A - 1, TIP, held_s=2)])
    ends = {"book_flow": (A - 1) * times.MINUTE_MS}
    assert read(vault)["wall"]["held_s"] == 2
    assert read(vault, ends=ends)["wall"]["held_s"] == 1
    assert read(vault, ends={"book_flow": 0}) == "not recorded"


def test_a_line_that_is_no_record_is_left_out(vault, caplog):
    """It hides no other, and is logged."""
    (path,) = put(vault, [flow(A - 1), wall(A - 1, TIP, end="filled"), wall(A - 1, TIP)])
    with path.open("ab") as file:
        file.write(b'{"end":"torn\n' + path.read_bytes().replace(b"filled", b"eaten"))
    found = read(vault)
    assert (found["wall"]["price"], found["walls_24h"]["ended"]) == (TIP, 1)
    assert "is left out" in caplog.text


def test_a_file_that_was_made_anew_is_read_anew(vault):
    """A process keeps the ends that it has read, for as long as the lines are the same bytes."""
    rows = [flow(A - 2), wall(A - 2, TIP, end="pulled"), flow(A - 1)]
    (path,) = put(vault, rows)
    assert read(vault)["walls_24h"]["pulled"] == 1
    put(vault, [wall(A - 1, TIP, end="pulled")])
    assert read(vault)["walls_24h"]["pulled"] == 2
    path.write_bytes(path.read_bytes().replace(b'"end":"pulled"', b'"end":"filled"'))
    assert read(vault)["walls_24h"]["pulled"] == 0
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert read(vault)["walls_24h"] == {"ended": 2, "pulled": 0, "pulled_pct": None}
