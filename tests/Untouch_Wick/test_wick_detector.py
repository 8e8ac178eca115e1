"""The golden table of wicks, and what a candle has to look at."""

import json
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from ravequant import exact, times
from ravequant.sim.instruments import swap_row
from ravequant.trades.bar_reader import BarReader
from ravequant.vault.instruments import History, Metadata, in_force, parse_instrument
from tests.support.wick_cases import CASES, Case
from tests.support.wick_oracle import Ticks, Wicks
from tests.support.wick_vault import BTC, LINEAR, START, as_lines, line
from Untouch_Wick.candle_builder import Candle
from Untouch_Wick.untouch_wick import WickFold
from Untouch_Wick.wick_detector import Event, WickDetector, ticks

ZERO = datetime.fromisoformat(times.iso(START))


class Known:
    """Tick sizes that are known from the start."""

    def __init__(self, sizes: Ticks) -> None:
        self.changes: History = [
            (None if since is None else round(since.timestamp() * 1000), _metadata(tick))
            for since, tick in sizes
        ]

    def refresh(self) -> None:
        """Nothing changes."""

    def at(self, ts: int) -> Metadata:
        return in_force(self.changes, ts)


def _metadata(tick: str) -> Metadata:
    return parse_instrument(swap_row(BTC, LINEAR, tick, "0.01"), fetched_ms=0)


def minute(number: int) -> datetime:
    return ZERO + timedelta(minutes=number)


def sizes(case: Case) -> Ticks:
    later = case.later_tick
    known: Ticks = [(None, case.tick)]
    return [*known, (minute(later[0]), later[1])] if later else known


def raw(case: Case) -> list[bytes]:
    """Return the lines of a case, and one trade at a price of its own that closes the minutes."""
    found: list[tuple[int, str]] = []
    for number in sorted(case.candles):
        prices = case.candles[number].split()
        found += [(60 * number + 10 * at, price) for at, price in enumerate(prices)]
        found += case.late.get(number, [])
    until = max(case.candles) + 1 if case.until is None else case.until
    found.append((60 * until + 5, "101"))
    lines, last = [], 0
    for second, price in found:
        last += 3 if second in case.holes else 1
        lines.append(line(START + 1000 * second, last, price))
    return lines


def play(case: Case, pieces: int = 1) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return events and active wicks; in several pieces all goes on from JSON in between."""
    lines, state = raw(case), b""
    rows: list[dict[str, Any]] = []
    for piece in range(pieces):
        reader = BarReader(BTC, 1, lambda _first, _last: True, lambda *_: pytest.fail("rejected"))
        fold = WickFold(BTC, Known(sizes(case)))
        if state:
            facts = orjson.loads(state)
            reader.restore(facts["reader"])
            fold.restore(facts["fold"])
        block = lines[len(lines) * piece // pieces : len(lines) * (piece + 1) // pieces]
        rows += fold.update(reader.read(b"".join(block)))
        state = orjson.dumps({"reader": reader.state(), "fold": fold.state()})
    return rows, fold.active()


def moment(text: str) -> str:
    return f"+{(datetime.fromisoformat(text) - ZERO) // timedelta(minutes=1)}"


def drawn(row: dict[str, Any]) -> str:
    """Write an event as the table does."""
    known, birth = moment(row["known_utc"]), moment(row["creation_time_utc"])
    name = f"{row['timeframe']} {row['wick_type']} {row['wick_price']}"
    said = {
        "created": f"born {name}, {row['wick_size_ticks']} long",
        "touched": f"touched {name}@{birth} by {row['touch_class']}, "
        f"{row['touch_tip_distance_ticks']} past {row['touch_strength']}, "
        f"age {row['age_at_touch_minutes']}",
        "expired": f"expired {name}@{birth}, nearest "
        f"{'none' if row['nearest_ticks'] is None else row['nearest_ticks']}",
    }[row["event"]]
    if row["event"] == "created" and row["tip_of_event_id"] is not None:
        older = row["tip_of_event_id"].split("|")
        assert older[::3] + older[1:2] == [BTC, row["wick_type"], row["timeframe"]]
        said += f", tip {row['tip_distance_ticks']} {row['signal_strength']} of {moment(older[2])}"
    return f"{known} {said}" + (", gap" if row["gap"] else "")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_the_golden_table(case):
    """Each hand-drawn case, in one piece and in four, and the plain computation agrees."""
    rows, active = play(case)
    names = [f"{row['timeframe']} {row['wick_type']}" for row in rows]
    met = [drawn(row) for row, name in zip(rows, names, strict=True) if name.startswith(case.about)]
    assert met == case.known
    assert play(case, 4) == (rows, active)
    plain = Wicks(raw(case), BTC, sizes(case))
    assert as_lines(rows) == as_lines(plain.events())
    assert as_lines([active]) == as_lines([plain.active()])


def test_the_table_is_large_enough():
    """At least 25 cases, each with a sentence of its own."""
    assert len({case.says for case in CASES}) == len(CASES) >= 25
    assert all(case.says.endswith(".") for case in CASES)


def test_a_record_has_the_fields_of_the_book_in_order():
    """Names and order are a contract; a birth has no touch yet, a touch comes nearest: 0."""
    born, touched = play(Case("", {0: "100 105 100 101", 1: "101 105 101 105"}, []))[0]
    assert (
        " ".join(born)
        == " ".join(touched)
        == (
            "event known_utc event_id instId timeframe creation_time_utc wick_type wick_price "
            "wick_size_ticks candle_open candle_high candle_low candle_close tip_distance_ticks "
            "tip_exact tip_near signal_strength tip_of_event_id nearest_ticks status "
            "touch_time_utc age_at_touch_minutes touch_class touch_tip_distance_ticks "
            "touch_strength gap"
        )
    )
    assert born["event_id"] == f"{BTC}|1m|2025-12-14T20:01:00Z|high"
    assert [born["candle_open"], born["candle_close"], born["nearest_ticks"]] == [
        "100",
        "101",
        None,
    ]
    assert [touched["status"], touched["nearest_ticks"]] == ["touched", 0]
    assert touched["touch_time_utc"] == touched["known_utc"] == "2025-12-14T20:02:00Z"


def test_the_example_of_the_book_comes_out():
    """SPEC 8's wick: 12 ticks of 0.1 long, tip exact."""
    case = Case("", {0: "101248 101250 101247 101248.5", 1: "101248 101250 101247 101248.8"}, [],
                tick="0.1")  # fmt: skip
    row = [row for row in play(case)[0] if row["wick_type"] == "high"][-1]
    assert (row["wick_price"], row["wick_size_ticks"]) == ("101250", 12)
    assert (row["tip_distance_ticks"], row["tip_exact"], row["tip_near"]) == (0, True, False)
    assert row["signal_strength"] == "EXACT"


@pytest.mark.parametrize(
    ("distance", "wanted"), [(0, 0), (1, 1), (9, 1), (10, 1), (19, 1), (20, 2), (39, 3), (40, 4)]
)
def test_a_distance_is_rounded_down_but_never_to_nothing(distance, wanted):
    """Ticks of 10 units: 0 stays 0, anything else is at least 1."""
    assert ticks(distance, 10) == wanted


class Watched(list[Any]):
    """A list that remembers which places were looked at."""

    def __init__(self, items: list[Any]) -> None:
        super().__init__(items)
        self.looked: list[Any] = []

    def __getitem__(self, key: Any) -> Any:
        self.looked.append(key)
        return super().__getitem__(key)


def test_a_candle_looks_only_at_the_wicks_that_it_reaches():
    """Of a thousand untouched wicks it looks at the two that it touches, and at the next."""
    stairs = {at: f"{3000 - at} {3001 - at} {3000 - at} {2999 - at}" for at in range(999)}
    fold = WickFold(BTC, Known([(None, "1")]))
    reader = BarReader(BTC, 1, lambda _first, _last: True, lambda *_: pytest.fail("rejected"))
    list(fold.update(reader.read(b"".join(raw(Case("", stairs, []))))))
    side = fold._wicks._sides["high"]
    wicks = side._wicks = Watched(side._wicks)
    assert len(wicks) > 1000
    tip = wicks[-2].tip
    wicks.looked.clear()
    assert len(side.reach(Candle("1m", 10**8, tip, tip, tip, tip, 1, 1, 1, 1, cut=False))) == 2
    places = [key for key in wicks.looked if isinstance(key, int)]
    assert len(places) == 3


def test_an_active_wick_knows_of_a_hole_in_the_empty_minute_that_closed_last():
    """No candle closes then and nothing expires, yet the wick is not what it seems."""
    case = Case("", {0: "100 105 100 101", 2: "101", 7: "101 101"}, [], until=7, holes=(430,))
    rows, active = play(case)
    assert [row["gap"] for row in active["active"]["1m"]] == [True]
    assert {row["gap"] for row in rows} == {False}
    assert active == Wicks(raw(case), BTC, sizes(case)).active()


def test_state_is_the_same_after_restoring_it():
    """What a state says is what it was made of, also with wicks, tips and open candles in it."""
    case = Case("", {0: "100 105 98 101", 6: "101 105 97 102", 7: "102 103 101 102"}, [], until=9)
    fold = WickFold(BTC, Known(sizes(case)))
    reader = BarReader(BTC, 1, lambda _first, _last: True, lambda *_: pytest.fail("rejected"))
    list(fold.update(reader.read(b"".join(raw(case)))))
    state = orjson.dumps(fold.state())
    assert json.loads(state)["wicks"]["met"]
    again = WickFold(BTC, Known(sizes(case)))
    again.restore(orjson.loads(state))
    assert orjson.dumps(again.state()) == state
    assert again.active() == fold.active()


def drawn_candle(start: int, prices: str, timeframe: str = "1m") -> Candle:
    """Return a candle of ``open high low close``."""
    opened, high, low, close = (int(price) * exact.PRICE_ONE for price in prices.split())
    return Candle(timeframe, start, opened, high, low, close, 1, 1, 1, 1, cut=False)


def test_a_birth_is_known_when_its_candle_ends():
    """An event carries the minute, and nothing of a touch."""
    detector = WickDetector()
    events = detector.at(8, [drawn_candle(7, "100 105 100 101")], exact.PRICE_ONE)
    (wick,) = detector.untouched
    assert events == [Event("created", 8, wick)]
    assert (wick.start, wick.birth, detector.next_expiry) == (7, 8, 8 + 168 * 60)


def test_the_state_is_written_like_this():
    """Of the minutes it holds those since the oldest birth that no later one reached or passed."""
    detector, unit = WickDetector(), exact.PRICE_ONE
    candles = [
        "120 120 90 120", "100 105 100 101", "102 104 102 104", "103 103 103 103",
        "103 103 102 103",
    ]  # fmt: skip
    for start, prices in enumerate(candles):
        detector.at(start + 1, [drawn_candle(start, prices)], unit)
    state = detector.state()
    assert state["untouched"] == [
        ["1m", "low", 1, ["120", "120", "90", "120"], 30, None, None],
        ["1m", "high", 2, ["100", "105", "100", "101"], 4, None, None],
        ["1m", "low", 5, ["103", "103", "102", "103"], 1, None, None],
    ]
    assert state["farthest"] == {
        "high": [[2, str(104 * unit)], [4, str(103 * unit)]],
        "low": [[1, str(-100 * unit)], [4, str(-102 * unit)]],
    }
    assert (state["met"], state["ended"]["1m"]) == ([], [0, 0])


def test_tips_that_an_open_candle_touched_are_in_the_state():
    """By timeframe and side, each with its depth and birth: the candle may yet leave a wick."""
    detector, unit = WickDetector(), exact.PRICE_ONE
    prices = "100 105 90 101"
    detector.at(5, [drawn_candle(4, prices), drawn_candle(0, prices, "5m")], unit)
    touching = drawn_candle(6, "101 106 89 101")
    assert [event.kind for event in detector.at(7, [touching], unit)] == [
        *["touched"] * 4,
        *["created"] * 2,
    ]
    state = detector.state()
    assert state["met"] == [
        ["5m", "high", [[str(105 * unit), 5]]],
        ["5m", "low", [[str(-90 * unit), 5]]],
    ]
    assert state["ended"] == {"1m": [2, 0], "5m": [2, 0], "15m": [0, 0], "1h": [0, 0], "4h": [0, 0]}
