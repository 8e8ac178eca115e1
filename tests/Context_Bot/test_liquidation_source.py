"""Liquidations on the clock of the mark price: what closes, what is late, what is a gap."""

from typing import Any

import orjson
import pytest

from Context_Bot.coverage import CoverageSpan
from Context_Bot.liquidation_source import (
    CoverageSpans,
    LiquidationReader,
    OpenMinute,
    read_liquidation,
)
from ravequant import exact, times
from ravequant.records import RecordError

BTC = "BTC-USDT-SWAP"
START = times.parse_iso("2025-12-14T21:20:00.000Z")
MINUTE = START // times.MINUTE_MS


class GivenLines:
    """A side input whose lines are given."""

    def __init__(self, *lines: bytes) -> None:
        self.lines, self.skipped = list(lines), list[str | None]()

    def peek(self) -> bytes | None:
        return self.lines[0] if self.lines else None

    def skip(self, reason: str | None) -> None:
        self.skipped.append(reason)
        del self.lines[0]


def row(ts: float, known: float, **more: Any) -> dict[str, Any]:
    """Return a liquidation of one contract, 0.01 BTC at 100000; times in seconds."""
    return {
        "timestamp_utc": times.iso(START + round(ts * 1000)), "exchange": "okx", "market": "perp",
        "channel": "liquidation-orders", "instId": BTC, "side": "sell", "posSide": "long",
        "liquidated": "long", "px": "100000", "qty_contracts": "1", "bkLoss": "0",
        "ctVal": "0.01", "ctMult": "1", "ctType": "linear", "via": "ws",
        "known_utc": times.iso(START + round(known * 1000)), **more,
    }  # fmt: skip


def liquidation(ts: float, known: float, **more: Any) -> bytes:
    return orjson.dumps(row(ts, known, **more)) + b"\n"


def mark(seconds: float, **more: Any) -> bytes:
    ts = times.iso(START + round(seconds * 1000))
    made = {"timestamp_utc": ts, "exchange": "okx", "instId": BTC, "markPx": "100000", **more}
    return orjson.dumps(made) + b"\n"


def reader(lines: GivenLines, tmp_path, *spans: tuple[float, float | None]) -> LiquidationReader:
    path = tmp_path / "coverage.jsonl"
    made = [
        CoverageSpan(
            START + round(begin * 1000), None if end is None else START + round(end * 1000), "open"
        )
        for begin, end in spans
    ]
    path.write_bytes(b"".join(span.line() for span in made))
    coverage = CoverageSpans(lambda: iter([("coverage", path)]))
    return LiquidationReader(BTC, lines, coverage, lambda *_: None, "okx")


def marks(*seconds: float) -> bytes:
    return b"".join(map(mark, seconds))


def test_a_minute_closes_five_seconds_behind_its_end(tmp_path):
    """With the sums of the rows that were known by then."""
    lines = GivenLines(liquidation(10, 10.2), liquidation(59, 64), liquidation(61, 64.2))
    made = reader(lines, tmp_path, (0, None))
    assert made.read(marks(0, 11, 64.9), "") == []
    (closed,) = made.read(marks(65), "")
    assert (closed.minute, closed.long_count, closed.late, closed.gap) == (MINUTE, 2, 0, False)
    assert closed.longs == 2 * 1_000 * exact.NOTIONAL_ONE


def test_a_row_of_a_closed_minute_joins_the_oldest_open_one(tmp_path):
    """Eight minutes late is nothing unusual."""
    lines = GivenLines(liquidation(10, 130.5), liquidation(66, 130.5))
    made = reader(lines, tmp_path, (0, None))
    first = made.read(marks(1, 66, 130, 131, 190), "")
    assert [(c.minute - MINUTE, c.long_count, c.late) for c in first] == [
        (0, 0, 0),
        (1, 0, 0),
        (2, 2, 2),
    ]
    assert made.counts()["late_liqs"] == 2


def test_a_row_that_is_not_known_yet_waits(tmp_path):
    """It stands in the file, but the mark price has not come to its time of knowing."""
    lines = GivenLines(liquidation(10, 70))
    made = reader(lines, tmp_path, (0, None))
    (closed,) = made.read(marks(1, 66), "")
    assert closed.long_count == 0
    assert len(lines.lines) == 1


@pytest.mark.parametrize(
    ("spans", "gaps"),
    [
        ([(0, None)], [False, False]),
        ([(0, 64.9), (66, None)], [True, True]),
        ([(0, 65), (66, None)], [False, True]),
        ([(0.1, None)], [True, False]),
        ([], [True, True]),
        ([(0, 64), (0, 300)], [False, False]),
    ],
)
def test_a_minute_that_was_not_listened_to_is_a_gap(tmp_path, spans, gaps):
    """So are the five seconds behind it, in which its late rows come."""
    made = reader(GivenLines(), tmp_path, *spans)
    closed = made.read(marks(0, 30, 65, 66, 125), "")
    assert [one.gap for one in closed] == gaps


def test_minutes_without_a_mark_price_make_no_record(tmp_path):
    """The program was off; the last minute before that is a gap."""
    made = reader(GivenLines(), tmp_path, (0, 30), (600, None))
    closed = made.read(marks(0, 30, 600, 665), "")
    assert [(one.minute - MINUTE, one.gap) for one in closed] == [(0, True), (10, False)]


def test_the_largest_row_counts_by_its_notional(tmp_path):
    """Of equal ones the first."""
    lines = GivenLines(
        liquidation(1, 2, qty_contracts="3"),
        liquidation(1, 2, qty_contracts="3", side="buy", liquidated="short"),
        liquidation(1, 2, qty_contracts="1", side="buy", liquidated="short"),
    )
    (closed,) = reader(lines, tmp_path, (0, None)).read(marks(0, 65), "")
    assert (closed.largest, closed.largest_side) == (3_000 * exact.NOTIONAL_ONE, "long")
    assert (closed.long_count, closed.short_count) == (1, 2)


def test_rows_before_the_beginning_are_passed_over(tmp_path):
    """Of a run that begins in the middle; those that became known with its first line are late."""
    lines = GivenLines(liquidation(-70, -60), liquidation(-1, 0))
    closed = reader(lines, tmp_path, (0, None)).read(marks(0, 65), "")
    assert [(one.minute - MINUTE, one.long_count, one.late) for one in closed] == [(0, 1, 1)]


def test_a_state_goes_on_exactly(tmp_path):
    """Cut anywhere, the same minutes come."""
    rows = [liquidation(n * 7.3, n * 7.3 + n % 5) for n in range(60)]
    seconds = [n * 1.0 for n in range(500)]
    whole = reader(GivenLines(*rows), tmp_path, (0, None)).read(marks(*seconds), "")
    lines, found, made = GivenLines(*rows), [], reader(GivenLines(), tmp_path, (0, None))
    for start in range(0, 500, 37):
        state = orjson.loads(orjson.dumps(made.state()))
        made = reader(lines, tmp_path, (0, None))
        made.restore(state)
        found += made.read(marks(*seconds[start : start + 37]), "")
    assert found == whole
    assert sum(one.long_count for one in whole) > 50


def test_bad_lines_are_named_and_passed_over(tmp_path):
    """Of mark prices by their place, of liquidations by their reason."""
    lines = GivenLines(b"{}\n", liquidation(1, 2, px="0"), liquidation(1, 2))
    found: list[tuple[int, str]] = []
    path = tmp_path / "none"
    coverage = CoverageSpans(lambda: iter([]))
    made = LiquidationReader(BTC, lines, coverage, lambda *bad: found.append(bad), "okx")
    block = mark(0) + b"broken\n" + mark(1, instId="X") + mark(1, markPx=1) + mark(0) + mark(65)
    (closed,) = made.read(block, str(path))
    assert closed.long_count == 1
    assert next(offset for offset, _ in found) == len(mark(0))
    assert made.counts() == {
        "lines": 6, "rejected": 3, "duplicates": 1, "liquidations": 1, "late_liqs": 0
    }  # fmt: skip
    assert lines.skipped[-1] is None
    assert all(lines.skipped[:2])


@pytest.mark.parametrize("field", sorted(set(row(0, 0)) - {
    "exchange", "market", "channel", "side", "posSide", "bkLoss", "via"
}))  # fmt: skip
@pytest.mark.parametrize("value", [None, 7, "", "x", []], ids=repr)
def test_a_line_with_a_wrong_field_is_no_liquidation(field, value):
    """Each field that is counted, missing or of another form."""
    with pytest.raises(RecordError):
        read_liquidation(orjson.dumps({**row(1, 2), field: value}), BTC)
    lacking = {name: found for name, found in row(1, 2).items() if name != field}
    with pytest.raises(RecordError):
        read_liquidation(orjson.dumps(lacking), BTC)


def test_an_inverse_contract_is_worth_its_dollars():
    """100 USD a contract at any price."""
    line = orjson.dumps({**row(1, 2), "ctVal": "100", "ctType": "inverse", "px": "3"})
    assert read_liquidation(line, BTC).notional == 100 * exact.NOTIONAL_ONE


def test_an_open_minute_comes_back_from_its_state():
    """Exactly, as JSON."""
    made = OpenMinute()
    made.add(read_liquidation(orjson.dumps(row(1, 2)), BTC))
    made.late = 3
    again = OpenMinute.restore(orjson.loads(orjson.dumps(made.state())))
    assert again.closed(1, gap=True) == made.closed(1, gap=True)
