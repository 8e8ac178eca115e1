"""Which snapshot stands for a span of time, and which deep one goes with it."""

import gzip

import orjson
import pytest

from Dashboard import heat_books
from Dashboard.heat_books import BookSpan, HeatBooks, MovedError
from ravequant import exact, times
from ravequant.vault.line_file import line_time
from ravequant.vault.paths import Vault
from tests.support import book_lines
from tests.support.heat_market import BTC

NOON = times.parse_iso("2025-12-14T12:00:00.000Z")
MINUTE = BookSpan(NOON, NOON + 59_999)


@pytest.fixture
def vault(tmp_path):
    return Vault(tmp_path)


def books(vault: Vault, age_ms: int = 60_000) -> HeatBooks:
    return HeatBooks(vault, BTC, age_ms)


def put(vault: Vault, *moments: int, gap: bool = False) -> None:
    """Write snapshots; the best bid tells one from another."""
    for moment in moments:
        bid = [str(100 + moment % 7), "1", "0", "1"]
        row = book_lines.snapshot(moment, [bid], [["200", "1", "0", "1"]], inst_id=BTC, gap=gap)
        book_lines.put(vault.snapshots(BTC), [row])


def put_deep(vault: Vault, ts: int, since: int | None, price: int = 50) -> None:
    row = book_lines.deep(ts, since, [[str(price), "1"]], [["300", "1"]], BTC)
    book_lines.put(vault.deep_snapshots(BTC), [row])


def deep_price(vault: Vault, span: BookSpan = MINUTE, age_ms: int = 60_000) -> int | None:
    """Return the best bid of the deep snapshot in use, None without one."""
    (found,) = books(vault, age_ms).shown([span])
    assert found is not None
    return None if found.deep is None else int(found.deep.price[0])


def moments(vault: Vault, *spans: BookSpan) -> list[int | None]:
    return [found and found.head.ts for found in books(vault).shown(spans)]


def test_the_newest_snapshot_in_a_span_stands_for_it(vault):
    """Both ends of a span are in it."""
    put(vault, NOON - 1, NOON, NOON + 20_000, NOON + 59_999, NOON + 60_000)
    assert moments(vault, MINUTE) == [NOON + 59_999]
    assert moments(vault, MINUTE._replace(last=NOON + 59_998)) == [NOON + 20_000]
    assert moments(vault, BookSpan(NOON, NOON), BookSpan(NOON + 1, NOON + 2)) == [NOON, None]


def test_spans_may_lie_in_several_files(vault):
    """A span over an hour's end takes the newest of both hours; far spans are searched for."""
    put(vault, NOON - 5_000, NOON + 7_200_000, NOON + 90_000_000)
    over = BookSpan(NOON - 60_000, NOON + 60_000)
    far = BookSpan(NOON + 90_000_000, NOON + 90_000_000)
    assert moments(vault, over, BookSpan(NOON + 61_000, NOON + 7_300_000), far) == [
        NOON - 5_000, NOON + 7_200_000, NOON + 90_000_000,
    ]  # fmt: skip


def test_of_equal_times_the_first_line_counts(vault):
    """As for the calculators: a time that comes again is a repetition."""
    for price in ("101", "102", "103"):
        row = book_lines.snapshot(NOON, [[price, "1", "0", "1"]], [["200", "1", "0", "1"]])
        book_lines.put(vault.snapshots(BTC), [row])
    (found,) = books(vault).shown([MINUTE])
    assert found is not None
    assert found.head.twice_mid == 301 * exact.PRICE_ONE


@pytest.mark.parametrize(
    ("ts", "since", "counts"),
    [
        (NOON + 1_000, NOON, True),
        (NOON - 29_999, NOON - 30_000, True),
        (NOON - 30_000, NOON - 30_000, True),  # 60 s before the snapshot
        (NOON - 30_001, NOON - 30_001, False),
        (NOON + 31_000, NOON + 29_999, True),  # later than the snapshot, and in its span
        (NOON + 31_000, NOON + 30_000, False),  # known when the snapshot was on disk
        (NOON + 60_000, NOON + 29_999, False),  # later than the span
        (NOON + 1_000, None, True),
    ],
)
def test_a_deep_snapshot_counts_within_its_age(vault, ts, since, counts):
    """At most 60 s old, its `from_utc` earlier than the snapshot, and not later than the span."""
    put(vault, NOON + 30_000)
    put_deep(vault, ts, since)
    assert (deep_price(vault) is not None) == counts


def test_the_newest_deep_snapshot_counts(vault):
    """Whatever its place in the file; an invalid one is passed over."""
    put(vault, NOON + 30_000)
    put_deep(vault, NOON, NOON - 1, 51)
    put_deep(vault, NOON + 20_000, NOON + 18_000, 53)
    put_deep(vault, NOON + 10_000, NOON + 8_000, 52)
    assert deep_price(vault) == 53
    assert deep_price(vault, age_ms=5_000) is None
    path = vault.deep_snapshots(BTC) / "2025-12-14" / "12.jsonl"
    path.write_bytes(path.read_bytes().replace(b'[["53"', b'{["53"'))
    assert deep_price(vault) == 52


def test_a_file_is_kept_for_its_hour_or_day(vault):
    """An hour file is of its hour, a flat one of its day."""
    put(vault, NOON)
    folder = vault.snapshots(BTC)
    (folder / "2025-12-16.jsonl").write_bytes(b"")
    found = books(vault)
    known = NOON, NOON + 3_599_999, NOON + 3_600_000, NOON + 2 * times.DAY_MS
    assert [found.kept(moment) for moment in known] == [True, True, False, True]
    assert found.any(BookSpan(NOON - 1, NOON))
    assert not found.any(BookSpan(NOON - 2, NOON - 1))


def test_the_newest_time_says_which_minutes_are_over(vault):
    """That of the newest line, or the end of a packed hour; -1 without a book."""
    assert books(vault).newest_ms() == -1
    put(vault, NOON, NOON + 5_000)
    assert books(vault).newest_ms() == NOON + 5_000
    path = vault.snapshots(BTC) / "2025-12-14" / "12.jsonl"
    path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert books(vault).newest_ms() == NOON + 3_599_999


def test_the_first_mid_of_a_day_is_that_of_the_earliest_book(vault):
    """Raw, or of the buckets where the first hours are gone; invalid lines are passed over."""
    assert books(vault).first_mid("2025-12-14") is None
    folder = vault.snapshots(BTC) / "2025-12-14"
    folder.mkdir(parents=True)
    (folder / "11.jsonl").write_bytes(b'no book\n{"timestamp_utc":"2025-12-14T11:00:00.000Z"}\n')
    put(vault, NOON, NOON + 1)
    wanted = NOON, (300 + NOON % 7) * exact.PRICE_ONE
    assert books(vault).first_mid("2025-12-14") == wanted
    rows = [
        {"timestamp_utc": times.iso(NOON - 1_000), "mid_price": "0"},
        _row(NOON - 500, "77.05"),
    ]
    path = vault.derived("liquidity_buckets", BTC) / "2025-12-14.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    assert books(vault).first_mid("2025-12-14") == (NOON - 500, 1541 * exact.PRICE_ONE // 10)
    assert books(vault).first_mid("2025-12-15") is None


def _row(ts: int, mid: str):
    return {
        "timestamp_utc": times.iso(ts), "mid_price": mid, "bands_bps": [10], "gap": False,
        "bid_notional": ["1"], "ask_notional": ["1"], "bid_depth_bps": "9.00",
        "ask_depth_bps": "9.00", "band_source": ["ws"],
    }  # fmt: skip


def test_the_newest_line_of_the_buckets_stands_for_a_span(vault):
    """Lines that are none are passed over."""
    path = vault.derived("liquidity_buckets", BTC) / "2025-12-14.jsonl"
    path.parent.mkdir(parents=True)
    rows = [_row(NOON, "70"), _row(NOON + 1_000, "71"), _row(NOON + 2_000, "0")]
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    found, none = books(vault).bands([MINUTE, BookSpan(NOON + 60_000, NOON + 70_000)])
    assert found is not None
    assert found["mid_price"] == "71"
    assert none is None


def test_a_file_that_is_gone_is_said(vault):
    """The listing is of another moment: ask again."""
    put(vault, NOON)
    found = books(vault)
    assert found.kept(NOON)
    (vault.snapshots(BTC) / "2025-12-14" / "12.jsonl").unlink()
    with pytest.raises(MovedError, match=r"12\.jsonl was packed or deleted .*; ask again"):
        found.shown([MINUTE])


def test_a_plain_file_is_searched_for_far_spans(vault, monkeypatch):
    """Of an hour of books only the lines near the spans are looked at."""
    put(vault, *range(NOON, NOON + 3_600_000, 2_000))
    looked_at: list[bytes] = []

    def looking(line):
        looked_at.append(line)
        return line_time(line)

    monkeypatch.setattr(heat_books, "line_time", looking)
    spans = [BookSpan(start, start + 3_999) for start in (NOON, NOON + 1_800_000, NOON + 3_590_000)]
    assert moments(vault, *spans) == [NOON + 2_000, NOON + 1_802_000, NOON + 3_592_000]
    assert len(looked_at) == 6
