"""What is read of the files of an instrument, and nothing later than the minute asked for."""

import logging

import orjson
import pytest

from Dashboard import market_files
from Dashboard.market_files import (
    LONGEST,
    gap_minutes,
    minute_columns,
    newest_bucket_line,
    recorded_since,
    wicks_until,
)
from Dashboard.view import WhaleTag
from ravequant import catalog, times
from ravequant.catalog import DATA_SETS
from tests.support.holed_market import GIVEN_UP, LOST, MINUTES, START, UNNAMED, HoledMarket
from tests.support.hour_vault import BTC, bucket, event, minute_text, put, put_hour
from tests.support.hour_vault import START as HOUR

WHALE = WhaleTag(10, 2e6)
FIRST = START // times.MINUTE_MS


def rows_of(vault, data):
    return [orjson.loads(line) for line in data.place(vault, BTC).read_bytes().splitlines()]


def test_columns_are_the_rows_of_the_files(holed):
    """Each number is that of its row, each place its minute; a minute without trades is null."""
    found = minute_columns(holed, BTC, range(FIRST - 3, FIRST + MINUTES), WHALE)
    volume = {row["timestamp_utc"]: row for row in rows_of(holed, catalog.VOLUME)}
    vwap = {row["timestamp_utc"]: row for row in rows_of(holed, catalog.VWAP)}
    cvd = {row["timestamp_utc"]: row for row in rows_of(holed, catalog.CVD)}
    for place, minute in enumerate(range(FIRST - 3, FIRST + MINUTES)):
        stamp = times.iso_minute(minute)
        for name, file, field in (
            ("o", volume, "open"), ("h", volume, "high"), ("l", volume, "low"),
            ("c", volume, "close"), ("vol", volume, "total_volume"), ("delta", volume, "delta"),
            ("v1h", vwap, "vwap_1h"), ("v4h", vwap, "vwap_4h"), ("vs", vwap, "vwap_session"),
            ("sd", vwap, "sd_session"), ("cvd", cvd, "cvd_session"), ("cvd1m", cvd, "cvd_1m"),
        ):  # fmt: skip
            row = file.get(stamp)
            assert found[name][place] == (None if row is None else float(row[field])), (name, stamp)
    lost = range(LOST[0] + 3, LOST[1] + 3)
    assert [found["o"][place] for place in lost] == [None] * len(lost)


def test_no_row_of_a_later_minute(holed):
    """A span that ends in the middle of the recording holds nothing of what came after it."""
    whole = minute_columns(holed, BTC, range(FIRST, FIRST + MINUTES), WHALE)
    part = minute_columns(holed, BTC, range(FIRST, FIRST + 100), WHALE)
    assert part == {name: column[:100] for name, column in whole.items()}


def test_an_empty_vault_has_nothing(vault):
    """Absent files are no error."""
    assert set(minute_columns(vault, BTC, range(2), WHALE)["o"]) == {None}
    assert recorded_since(vault, BTC) is None
    assert gap_minutes(vault, BTC, FIRST) == []
    assert wicks_until(vault, BTC, FIRST) == []
    assert newest_bucket_line(vault, BTC, START) is None


def test_recorded_since_the_first_minute_with_a_row(holed):
    """That is the minute of the first trade."""
    assert recorded_since(holed, BTC) == FIRST


def test_gap_minutes_are_those_around_a_hole(holed):
    """The minute that was open at the hole and that of the line behind it; none from later on."""
    wanted = [
        *(LOST[0] - 1, LOST[1]), *(UNNAMED - 1, UNNAMED), *(GIVEN_UP[0] - 1, GIVEN_UP[1]),
    ]  # fmt: skip
    assert [minute - FIRST for minute in gap_minutes(holed, BTC, FIRST + MINUTES)] == wanted
    assert [m - FIRST for m in gap_minutes(holed, BTC, FIRST + LOST[1])] == [LOST[0] - 1]


def test_wicks_by_their_status_as_of_a_minute(vault):
    """Touched at 30: until then it is untouched, and before its birth it is not."""
    put_hour(vault)
    start = HOUR // times.MINUTE_MS
    found = {minute: wicks_until(vault, BTC, start + minute) for minute in (9, 10, 29, 30)}
    assert found[9] == []
    assert [wick.status for wick in found[10]] == ["untouched"]
    assert [wick.status for wick in found[29]] == ["untouched", "untouched"]
    assert [(wick.status, wick.ended) for wick in found[30]] == [
        ("touched", start + 30), ("untouched", None),
    ]  # fmt: skip


def test_wicks_that_ended_before_a_minute_are_left_out(holed):
    """The others are as they are of all, in the same order."""
    until = FIRST + MINUTES
    every = wicks_until(holed, BTC, until)
    for since in (0, FIRST + 60, FIRST + 120, until):
        wanted = [wick for wick in every if wick.ended is None or wick.ended > since]
        assert wicks_until(holed, BTC, until, since) == wanted
    path = DATA_SETS["wicks"].place(holed, BTC)
    lines = path.read_bytes().splitlines()
    assert 0 < len(list(market_files._lasting(lines, until))) < len(lines) / 2


def test_the_newest_bucket_line_as_it_stands(vault):
    """Byte for byte as JSON, of the moment or earlier."""
    put_hour(vault)
    assert newest_bucket_line(vault, BTC, HOUR + 15_000) == bucket(10)
    assert newest_bucket_line(vault, BTC, HOUR + 20_000) == bucket(20)
    assert newest_bucket_line(vault, BTC, HOUR - 1) is None


@pytest.mark.parametrize(
    "hostile",
    [
        b'{"KEY":"2025-12-14T22:43:00Z","mid_price":NaN}',
        b'{"KEY":"2025-12-14T22:43:00Z","mid_price":"100","bands_bps":[10',
        b'{"KEY":"2025-12-14T22:43:00Z","mid_price":"-1","bands_bps":"<script>"}',
        b'{"KEY":"2025-12-14T22:43:00Z","1 MB":"' + b"x" * 1_000_000 + b'"}',
        b"\x00\xff" * 40,
    ],
    ids=["NaN", "torn", "script", "1 MB", "no JSON"],
)
def test_hostile_lines_are_left_out_and_said(vault, caplog, capsys, hostile):
    """All is as it was without them, whatever stands in a line; the log names the file."""
    HoledMarket().put(vault, until=12)
    before = everything(vault)
    for path in derived_files(vault):
        key = b"known_utc" if "wicks" in path.name else b"timestamp_utc"
        line = hostile.replace(b"KEY", key)
        with path.open("ab") as file:
            file.write(line + b"\n" + b'{"%s":"2025-12-14T22:44:40' % key)
    capsys.readouterr()
    with caplog.at_level(logging.WARNING):
        assert everything(vault) == before
    said = capsys.readouterr().err
    named = [path.name in said for path in derived_files(vault)]
    assert named == [b"1 MB" not in hostile, *[True] * 4]


def derived_files(vault):
    logs = (catalog.VOLUME, catalog.VWAP, catalog.CVD, catalog.WICKS)
    return [
        catalog.BUCKETS.place(vault, BTC) / "2025-12-14.jsonl",
        *(data.place(vault, BTC) for data in logs),
    ]


def everything(vault):
    """Return all that is read of a vault of twelve minutes."""
    end = FIRST + 15
    return (
        minute_columns(vault, BTC, range(FIRST, end), WHALE),
        wicks_until(vault, BTC, end),
        gap_minutes(vault, BTC, end),
        newest_bucket_line(vault, BTC, end * times.MINUTE_MS),
    )


def test_a_line_too_long_for_the_page_is_not_handed_on(vault):
    """A valid bucket line of more than LONGEST bytes is no line of the bucketizer."""
    put_hour(vault)
    path = DATA_SETS["buckets"].place(vault, BTC) / "2025-12-14.jsonl"
    with path.open("ab") as file:
        file.write(orjson.dumps(bucket(3595) | {"more": "x" * LONGEST}) + b"\n")
    assert newest_bucket_line(vault, BTC, HOUR + 2 * times.HOUR_MS) == bucket(3590)


def test_the_end_of_an_unknown_wick_is_none(vault):
    """An event without a birth makes no wick; an event that does not exist is left out."""
    put(
        vault.derived("wicks", BTC) / "wicks_events.jsonl",
        [event("touched", 5, 1), event("eaten", 6, 1), event("created", 7, 7)],
    )
    found = wicks_until(vault, BTC, HOUR // times.MINUTE_MS + 60)
    assert [wick.event_id for wick in found] == [f"{BTC}|1m|{minute_text(7)}|high"]
