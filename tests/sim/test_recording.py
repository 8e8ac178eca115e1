"""A recording is a market again: joined records in order, its books, and what can be inferred."""

import gzip
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.errors import NoDataError, VaultError
from ravequant.records import Trade, TradeEncoder
from ravequant.sim.feed import KnowsFills
from ravequant.sim.recording import Recording
from tests.support import recordings

BTC = "BTC-USDT-SWAP"
START = times.parse_iso("2025-12-14T23:59:59.000Z")
ENCODER = TradeEncoder(BTC, Contract("0.01", "1", "linear"))


def old_line(trade: Trade) -> bytes:
    """Return a trade in the other spelling: blanks, no count, no source."""
    row = orjson.loads(ENCODER.line(trade))
    del row["count"], row["source"]
    return (
        b"{" + b", ".join(b'"%b": "%b"' % (k.encode(), v.encode()) for k, v in row.items()) + b"}\n"
    )


def fill(trade_id: int, ts: int = START, qty: str = "1", price: str = "100.5") -> Trade:
    return Trade(ts, trade_id, "buy", price, qty)


def written(path: Path, lines: list[bytes]) -> Path:
    data = b"".join(lines)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def all_of(feed: Recording) -> list[Trade]:
    assert feed.end_ms is not None
    return [trade for _, trade in feed.trades(feed.end_ms)]


def test_fills_without_count_are_joined_and_their_sizes_stay_known(tmp_path):
    """Neighbours of one moment, price and side are one record; REST can still show the fills."""
    fills = [fill(7, qty="0.1"), fill(8, qty="0.25"), fill(9, ts=START + 1)]
    feed = Recording([written(tmp_path / "a.jsonl", [old_line(one) for one in fills])])
    assert all_of(feed) == [Trade(START, 8, "buy", "100.5", "0.35", 2), fill(9, ts=START + 1)]
    assert isinstance(feed, KnowsFills)
    assert feed.fill_sizes(BTC, 8) == ("0.1", "0.25")
    assert feed.fill_sizes(BTC, 9) is None


def test_records_with_count_are_served_as_they_stand(tmp_path):
    """What a live socket wrote is never joined again, however alike its neighbours are."""
    records = [Trade(START, 8, "buy", "100.5", "3", 2), fill(9), fill(10)]
    lines = [ENCODER.line(one) for one in records]
    feed = Recording([written(tmp_path / "a.jsonl.gz", [*lines, old_line(fill(11))])])
    assert all_of(feed) == [*records, fill(11)]
    assert feed.fill_sizes(BTC, 8) is None


def test_files_are_put_in_order_and_read_in_steps_of_time(tmp_path):
    """The order on the command line does not matter; each record comes once, in its step."""
    later = written(tmp_path / "b.jsonl", [ENCODER.line(fill(9, ts=START + 1500))])
    first = written(tmp_path / "a.jsonl.gz", [ENCODER.line(fill(8)), b"{torn"])
    feed = Recording([later, first])
    assert (feed.start_ms, feed.end_ms) == (START, START + 1501)
    assert feed.trades(START) == []
    assert feed.trades(START + 1) == [(BTC, fill(8))]
    assert feed.trades(START + 1500) == []
    assert feed.trades(START + 1501) == [(BTC, fill(9, ts=START + 1500))]
    assert feed.trades(START + 9999) == []


def test_a_record_ahead_of_its_time_does_not_hurry_the_market(tmp_path):
    """It comes when those around it do, by its field or by a date later than its file's."""
    later = START + 70 * 365 * times.DAY_MS
    rows = [
        Trade(later, 7, "buy", "100", "1", ahead=True),
        fill(8),
        Trade(later, 9, "buy", "100", "1"),
        fill(10, ts=START + 500),
    ]
    feed = Recording([written(tmp_path / "2025-12-14.jsonl", list(map(ENCODER.line, rows)))])
    assert (feed.start_ms, feed.end_ms) == (START, START + 501)
    came = [(trade.trade_id, trade.ts) for _, trade in feed.trades(START + 1)]
    assert came == [(7, later), (8, START), (9, later)]
    assert [trade.trade_id for _, trade in feed.trades(START + 501)] == [10]


def test_ids_that_do_not_rise_and_bad_lines_are_left_out(tmp_path):
    """A line whose id is not above the last one, or that is no trade, is skipped and counted."""
    lines = [ENCODER.line(fill(8)), ENCODER.line(fill(8)), b"nonsense\n", ENCODER.line(fill(7))]
    feed = Recording([written(tmp_path / "a.jsonl", [*lines, ENCODER.line(fill(10))])])
    assert [trade.trade_id for trade in all_of(feed)] == [8, 10]
    assert [tape.skipped for tape in feed._tapes] == [3]


def test_instruments_are_merged_in_time_and_can_be_chosen(tmp_path):
    """Two instruments come interleaved by time; ``only`` leaves one."""
    other = TradeEncoder("XYZ-USDT-SWAP", Contract("10", "1", "linear"))
    files = [
        written(tmp_path / "a", [ENCODER.line(fill(1)), ENCODER.line(fill(2, ts=START + 20))]),
        written(tmp_path / "b", [other.line(fill(5, ts=START + 10, qty="2", price="0.0125"))]),
    ]
    both = Recording(files)
    found = both.trades(START + 99)
    assert [(name, trade.trade_id) for name, trade in found] == [
        (BTC, 1),
        ("XYZ-USDT-SWAP", 5),
        (BTC, 2),
    ]
    assert list(Recording(files, only=[BTC]).instruments) == [BTC]
    with pytest.raises(NoDataError, match="the recordings hold BTC-USDT-SWAP, XYZ-USDT-SWAP"):
        Recording(files, only=["ETH-USDT-SWAP"])


def test_the_instrument_row_is_made_of_what_the_trades_say(tmp_path):
    """Contract value from the lines; tick and lot as known, or as fine as what was met."""
    other = TradeEncoder("XYZ-USDT-SWAP", Contract("10", "1", "linear"))
    fine = [ENCODER.line(fill(1, price="9682.01"))]
    row = Recording([written(tmp_path / "a", fine)]).instruments[BTC]
    assert (row["tickSz"], row["lotSz"], row["ctVal"]) == ("0.01", "0.01", "0.01")
    assert (row["settleCcy"], row["ctValCcy"], row["instType"]) == ("USDT", "BTC", "SWAP")
    usual = Recording([written(tmp_path / "b", [ENCODER.line(fill(1))])]).instruments[BTC]
    assert usual["tickSz"] == "0.1"
    lines = [other.line(fill(5, price="0.0120", qty="2")), other.line(fill(6, price="0.0125"))]
    unknown = Recording([written(tmp_path / "c", lines)]).instruments["XYZ-USDT-SWAP"]
    assert (unknown["tickSz"], unknown["lotSz"], unknown["ctVal"]) == ("0.0001", "1", "10")


def test_a_file_that_is_no_recording_is_named(tmp_path):
    """An absent file, half a file and one without a trade are errors that say what to do."""
    with pytest.raises(VaultError, match="absent: cannot be read"):
        Recording([tmp_path / "absent"])
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(ENCODER.line(fill(1)) * 100)[:-20])
    with pytest.raises(
        VaultError, match=r"cut\.jsonl\.gz: is not a whole gzip file: .*; put a good copy"
    ):
        Recording([cut])
    empty = written(tmp_path / "empty", [b"{}\n"])
    with pytest.raises(NoDataError, match="empty: holds no valid trade; name a trade file in"):
        Recording([empty])


def book_line(action: str, ts: int, bids: list[list[str]], asks: list[list[str]]) -> bytes:
    arg = {"channel": "books", "instId": BTC}
    row = {"asks": asks, "bids": bids, "ts": str(ts), "checksum": 5}
    frame = {"arg": arg, "action": action, "data": [row]}
    return orjson.dumps({"recv_ts": 1.0, "frame": frame}) + b"\n"


def test_book_frames_come_back_with_a_chain_and_build_the_book(tmp_path):
    """Frames without seqId get a chain; updates before a snapshot say nothing of the book."""
    lines = [
        orjson.dumps({"recv_ts": 1.0, "frame": {"event": "subscribe", "arg": {}}}) + b"\n",
        book_line("update", START, [["90", "1", "0", "1"]], []),
        book_line("snapshot", START, [["99", "1", "0", "1"]], [["101", "2", "0", "2"]]),
        book_line("update", START + 100, [["99", "0", "0", "0"], ["98.5", "4", "0", "1"]], []),
        b'{"recv_ts"',
    ]
    feed = Recording([], [written(tmp_path / "books.jsonl.gz", lines)])
    assert feed.snapshot(BTC, 400) is None
    changes = feed.books(START + 101)
    assert [(c.snapshot, c.seq_id, c.prev_seq_id, c.checksum) for c in changes] == [
        (True, 1, -1, 5),
        (False, 2, 1, 5),
    ]
    book = feed.snapshot(BTC, 400)
    assert book is not None
    assert (book.bids, book.asks) == ((("98.5", "4", "1"),), (("101", "2", "2"),))
    assert (book.ts, book.seq_id, book.prev_seq_id) == (START + 100, 2, -1)
    assert feed.instruments[BTC]["tickSz"] == "0.1"


@pytest.mark.parametrize(
    ("recording", "numbers"),
    [
        case
        for case in zip(recordings.MIDNIGHT, [(1642, 5091, 650), (5252, 12934, 5093)], strict=True)
        if recordings.at_hand(case[:1])
    ],
    ids=str,
)
def test_recordings_are_read_whole(recording, numbers):
    """Every recorded fill and every recorded frame comes out, joined and in order."""
    feed = Recording(recording.trade_files[::-1], [recording.book_file])
    assert feed.end_ms is not None
    records, frames = [], []
    for moment in range(feed.start_ms, feed.end_ms + 10_000, 10_000):
        records += [trade for _, trade in feed.trades(moment)]
        frames += feed.books(moment)
    assert (len(records), sum(trade.count for trade in records), len(frames)) == numbers
    assert all(a.trade_id < b.first_id for a, b in pairwise(records))
    assert all(b.prev_seq_id == a.seq_id for a, b in pairwise(frames))
