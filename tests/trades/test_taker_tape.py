"""The tape of takers: who took from a price, and when that is known for certain."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from ravequant import exact, times
from ravequant.trades.taker_tape import NOTHING, Taken, TakerTape
from ravequant.vault import tail
from tests.support.book_lines import lines
from tests.support.flow_markets import trade

BTC = "BTC-USDT-SWAP"
NOON = times.parse_iso("2025-12-14T12:00:00Z")
PRICE = 100 * exact.PRICE_ONE


def made(folder: Path, *trades: dict[str, Any], block_bytes: int = 400) -> TakerTape:
    """Return a tape of these trades, read a line or two at a time."""
    with (folder / "2025-12-14.jsonl").open("ab") as file:
        file.write(lines(trades))
    return TakerTape(
        lambda: iter([("2025-12-14", folder / "2025-12-14.jsonl")]),
        BTC,
        lambda first, last: (first, last) != (500, 500),
        block_bytes=block_bytes,
    )


def at(seconds: float, number: int, side: str = "buy", price: str = "100", **more: Any) -> Any:
    return trade(NOON + round(seconds * 1_000), number, side, price, more.pop("qty", "3"), **more)


def taken(tape: TakerTape, before: float, after: float, *, bought: bool = True) -> Taken:
    """Return the contracts taken between two times (s) at 100."""
    span = (NOON + round(before * 1_000), NOON + round(after * 1_000))
    found = tape.taken(PRICE, *span, span[1], bought=bought)
    return found._replace(
        contracts=found.contracts // exact.SIZE_ONE, recent=found.recent // exact.SIZE_ONE
    )


def test_an_interval_is_settled_five_seconds_behind_its_end(tmp_path):
    """By the largest time so far, and not a millisecond earlier."""
    tape = made(tmp_path, at(0, 1), at(6.999, 2), at(1, 3))
    assert not tape.is_settled(NOON + 2_000)
    with (tmp_path / "2025-12-14.jsonl").open("ab") as file:
        file.write(lines([at(7, 4)]))
    assert not tape.is_settled(NOON + 2_000)  # nobody said that more has come
    tape.look_again()
    assert tape.is_settled(NOON + 2_000)
    assert not tape.is_settled(NOON + 2_001)


def test_the_end_counts_and_the_beginning_does_not(tmp_path):
    """(before, after], the side of the taker, the price to the tick, no retail fills."""
    tape = made(
        tmp_path, at(0, 1), at(2, 2, qty="5"), at(2.001, 3), at(1, 4, "sell"),
        at(1, 5, price="99.9"), at(1, 6, source="1"), at(9, 7),
    )  # fmt: skip
    assert tape.is_settled(NOON + 2_000)
    assert taken(tape, 0, 2) == Taken(5, 5)
    assert taken(tape, 0, 2, bought=False) == Taken(3, 0)
    assert taken(tape, -1, 0) == Taken(3, 3)


def test_the_last_half_second_is_told_apart(tmp_path):
    """499 ms before the end is recent, 500 ms is not."""
    tape = made(tmp_path, at(1.5, 1), at(1.501, 2, qty="4"), at(9, 3))
    tape.is_settled(NOON + 2_000)
    assert taken(tape, 0, 2) == Taken(7, 4)


@pytest.mark.parametrize(("moment", "recent"), [(1.5, False), (1.501, True)])
def test_a_worse_price_was_paid(tmp_path, moment, recent):
    """A buyer above, a seller below; the other side and a retail fill prove nothing."""
    tape = made(
        tmp_path, at(1, 1, "sell", "101"), at(1, 2, "buy", "99"), at(1, 3, price="102", source="1"),
        at(moment, 4, price="100.1"), at(9, 5),
    )  # fmt: skip
    tape.is_settled(NOON + 2_000)
    assert taken(tape, 0, 2) == Taken(beyond=True, beyond_recent=recent)
    assert taken(tape, 0, 2, bought=False) == NOTHING
    with_both = taken(tape, 0, 9)
    assert (with_both.beyond, with_both.beyond_recent) == (True, False)


def test_a_wall_between_two_prices_of_the_trades(tmp_path):
    """No trade can be at a price with more decimals; beyond it is told right on both sides."""
    tape = made(tmp_path, at(1, 1, price="100"), at(1, 2, "sell", "101"), at(9, 3))
    tape.is_settled(NOON + 2_000)
    half = PRICE + exact.PRICE_ONE // 2
    span = (NOON, NOON + 2_000, NOON + 2_000)
    assert tape.taken(half, *span, bought=True) == NOTHING
    assert tape.taken(half, *span, bought=False) == NOTHING
    assert tape.taken(half - exact.PRICE_ONE, *span, bought=True).beyond
    assert tape.taken(half + exact.PRICE_ONE, *span, bought=False).beyond


def test_a_record_behind_the_one_that_settles_comes_too_late(tmp_path):
    """It is not counted, in whatever block it stands: that would depend on when it was read."""
    for block_bytes in (400, 1 << 18):
        folder = tmp_path / str(block_bytes)
        folder.mkdir()
        tape = made(folder, at(1, 1), at(7, 2), at(1.2, 3), at(30, 4), block_bytes=block_bytes)
        assert tape.is_settled(NOON + 20_000)
        assert taken(tape, 0, 2) == Taken(3, 0)


def test_repetitions_count_once(tmp_path):
    """An id that is not above all before it is a repetition."""
    tape = made(tmp_path, at(1, 5), at(1, 5), at(1, 4, qty="9"), at(9, 6))
    tape.is_settled(NOON + 2_000)
    assert taken(tape, 0, 2) == Taken(3, 0)


def test_where_ids_are_missing_nothing_is_known(tmp_path):
    """All intervals that were open at the hole and begin before the record behind it."""
    tape = made(tmp_path, at(0, 1), at(10, 2), at(20, 9), at(40, 10))
    tape.is_settled(NOON + 30_000)
    known = {
        (before, after): tape.is_known(NOON + before, NOON + after)
        for before, after in ((2_000, 5_000), (2_000, 5_001), (19_999, 22_000), (20_000, 22_000))
    }
    assert known == {
        (2_000, 5_000): True,  # settled before the hole was met
        (2_000, 5_001): False,
        (19_999, 22_000): False,
        (20_000, 22_000): True,
    }


def test_an_id_hole_of_the_ledger_is_none(tmp_path):
    """The exchange has no such id."""
    tape = made(tmp_path, at(0, 499), at(10, 501), at(40, 502))
    tape.is_settled(NOON + 30_000)
    assert tape.is_known(NOON + 2_000, NOON + 9_000)


def test_nothing_is_known_before_the_first_record(tmp_path):
    """The tape may begin in the middle of an interval."""
    tape = made(tmp_path, at(1, 1), at(40, 2))
    tape.is_settled(NOON + 30_000)
    assert not tape.is_known(NOON + 999, NOON + 2_000)
    assert tape.is_known(NOON + 1_000, NOON + 2_000)


def test_a_record_ahead_of_time_makes_the_intervals_around_it_unknown(tmp_path):
    """Nobody knows when it was made; it moves no time."""
    ahead = {**at(86_400 * 3, 3), "ahead": True}
    tape = made(tmp_path, at(0, 1), at(10, 2), ahead, at(12, 4), at(40, 5))
    assert tape.is_settled(NOON + 30_000)
    assert not tape.is_settled(NOON + 36_000)
    assert not tape.is_known(NOON + 9_000, NOON + 11_000)
    assert tape.is_known(NOON + 15_000, NOON + 17_000)


def test_a_restart_reads_what_may_still_be_asked_again(tmp_path):
    """Forgotten is what lies before; the answers are the same, and the holes."""
    tape = made(tmp_path, *(at(n, 2 * n) for n in range(1, 40)))
    assert tape.is_settled(NOON + 20_000)
    tape.forget(NOON + 15_000)
    cursor, state = tape.cursor(), tape.state()
    assert cursor is not None
    assert cursor.offset > 0
    other = made(tmp_path)
    other.begin()
    other.restore(state)
    other.start(cursor, 0)
    assert other.is_settled(NOON + 20_000)
    for before in (15, 17, 19):
        assert taken(other, before, before + 2) == taken(tape, before, before + 2) == Taken(6, 3)
        span = NOON + before * 1_000, NOON + before * 1_000 + 2_000
        assert other.is_known(*span) == tape.is_known(*span) is False


def mixed() -> bytes:
    """Return lines of all kinds: bad, repeated, late, ahead, with ids missing, and too long."""
    bad = b'{"no":"trade"}\n'
    ahead = {**at(86_400 * 3, 50), "ahead": True}
    parts = [
        bad, *(lines([at(n, 2 * n)]) for n in range(1, 20)), bad, lines([at(19, 38)]),
        lines([at(15.5, 40)]), bad, b"x" * 900 + b"\n", lines([ahead]), lines([at(21, 52)]),
        *(lines([at(n, 2 * n + 20)]) for n in range(22, 41)), lines([at(40, 100)]),
        *(lines([at(n, 2 * n + 20)]) for n in range(41, 60)),
    ]  # fmt: skip
    return b"".join(parts)


@pytest.mark.parametrize("before", [-1, 0, 1, 4.999, 5, 18, 19, 20, 23.999, 24, 24.001, 40, 54])
def test_the_place_does_not_depend_on_the_blocks(tmp_path, monkeypatch, before):
    """It stands before the first line that is still needed, wherever reading began and paused."""
    monkeypatch.setattr(tail, "LONGEST_LINE", 600)
    (tmp_path / "2025-12-14.jsonl").write_bytes(mixed())
    found, crcs = set(), set[tuple[int, int, int]]()
    for block_bytes in (200, 500, 700, 3_000, 1 << 18):
        tape = made(tmp_path, block_bytes=block_bytes)
        places: list[tuple[int, int, int]] = []
        for moment in (0.5, 3, 18, before):
            if moment > before:
                continue
            assert tape.is_settled(NOON + 54_000)
            tape.forget(NOON + round(moment * 1_000))
            cursor, state = tape.cursor(), tape.state()
            assert cursor is not None
            places.append((cursor.offset, state["last_id"], state["reached"]))
            crcs.add((cursor.offset, cursor.head_crc32, cursor.before_crc32))
            tape = made(tmp_path, block_bytes=block_bytes)
            tape.restore(state)
            tape.start(cursor, 0)
            assert (tape.cursor(), tape.state()) == (cursor, state)
        found.add(tuple(places))
    assert len(found) == 1
    assert len(crcs) == len({offset for offset, *_ in crcs})
    offset, last_id, reached = next(iter(found))[-1]
    rest = mixed()[offset:].partition(b"\n")[0]
    assert reached <= NOON + round(before * 1_000) or reached == -1
    number = orjson.loads(rest)["trade_id"]
    assert number == "50" if 19 <= before < 24 else int(number) > last_id
    if not 19 <= before < 24:
        assert times.parse_iso(orjson.loads(rest)["timestamp_utc"]) > NOON + before * 1_000


def test_the_place_of_a_file_without_a_good_line_is_its_end(tmp_path):
    """Nothing in it is needed."""
    (tmp_path / "2025-12-14.jsonl").write_bytes(b"{}\n" * 200)
    tape = made(tmp_path)
    assert not tape.is_settled(NOON)
    tape.forget(0)
    cursor = tape.cursor()
    assert cursor is not None
    assert cursor.offset == 600
