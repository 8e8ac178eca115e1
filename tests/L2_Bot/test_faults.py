"""The book exporter against an exchange that breaks things: gaps exactly where it broke them."""

from typing import Any

import orjson
import pytest

from ravequant import times
from tests.support import recordings
from tests.support.l2_box import (  # fmt: skip
    BTC,
    START,
    deep_rows,
    exchange,
    lines,
    logged,
    record,
    steady,
    tape,
)
from tests.support.plain_book import PlainBook, Sides, frames, lines_of, received

FAULTS: list[dict[str, Any]] = [
    {"kind": "gap", "at": [50], "length": 3},
    {"kind": "drop", "at": [100]},
    {"kind": "duplicate", "at": [150]},
    {"kind": "reorder", "at": [200]},
    {"kind": "corrupt", "how": "missing", "field": "prevSeqId", "at": [250]},
    {"kind": "corrupt", "how": "json", "at": [300]},
    {"kind": "corrupt", "how": "unknown", "at": [330]},  # a field more is no break
    {"kind": "disconnect", "how": "close", "at": [380]},
    {"kind": "disconnect", "how": "drop", "at": [430]},
    {"kind": "corrupt", "how": "missing", "field": "asks", "at": [480]},
    {"kind": "gap", "at": [530], "length": 1},
]
BREAKS = len(FAULTS) - 1
SPEED = 8


def spoiled(row: dict[str, Any], number: int) -> dict[str, Any] | None:
    """Return what became of the corrupted frame ``number``; None if it cannot be read."""
    fault = [one for one in FAULTS if one["kind"] == "corrupt"][number]
    if fault["how"] == "json":
        return None
    return {key: value for key, value in row.items() if key != fault.get("field")}


@pytest.mark.slow
@recordings.each(*recordings.MIDNIGHT)
def test_breaks_stand_exactly_where_the_exchange_made_them(recording, tmp_path, vault):
    """Lost, doubled, swapped, damaged frames, lost connections: no torn line, no other gap."""
    path, plain = recording.book_file, PlainBook()
    rows: dict[int, dict[str, Any]] = {}
    truth: dict[int, Sides] = {}
    for action, row in frames(path):
        plain.apply(action, row)
        rows[row["seqId"]], truth[row["seqId"]] = row, plain.both()
    faults = [fault | {"channel": "books"} for fault in FAULTS]
    box = ("--books", path, "--speed", SPEED, "--until", "100s")
    with exchange(tmp_path, *box, faults=faults) as where:
        code, log = record(vault, where, "--instId", BTC, "--deep-every", 0)
    assert code == 0, log
    found = [orjson.loads(line) for line in lines(vault)]
    for row in found:
        assert (row["bids_top400"], row["asks_top400"]) == truth[row["seqId"]]
    got = [(times.parse_iso(row["timestamp_utc"]), row["gap_detected"], row["seqId"])
           for row in found]  # fmt: skip
    sent = received(logged(tmp_path, ""), rows, truth, spoiled)
    assert got == lines_of(sent, 2000)
    assert sum(gap for _, gap, _ in got) == log.count("GAP DETECTED") == BREAKS
    assert "BUILD_FAIL: Missing required fields: asks" in log
    assert len(logged(tmp_path, "subscribe")) == 1 + BREAKS  # never two for one break
    whole = [one["ts"] for one in logged(tmp_path) if one["prevSeqId"] == -1]
    late = [ts for ts, gap, _ in got
            if gap and not any(ts <= fresh <= ts + 5_000 * SPEED for fresh in whole)]  # fmt: skip
    assert late == [], f"no whole book within 5 s after {late}, but at {whole}"


def test_odd_messages_are_taken_as_they_are_meant(tmp_path, vault):
    """A reset and unknown deletes are no gap; a crossed book is, and a whole book is asked for."""
    made = steady(120, first_seq=2000)
    made[30][1]["bids"] = [["42", "0", "0", "0"]]  # nobody has it
    for number, (_, row) in enumerate(made):  # the exchange begins its sequence anew
        row["seqId"] -= 900 * (number >= 50)
        row["prevSeqId"] -= 900 * (number > 50)
    made[80][1]["bids"] = [["101.5", "9", "0", "1"]]
    made[81][1]["bids"] = [["101.5", "0", "0", "0"]]
    path = tape(tmp_path / "tape.jsonl", made)
    with exchange(tmp_path, "--books", path, "--speed", "5") as where:
        code, log = record(vault, where, "--instId", BTC, "--deep-every", 0, "--cadence", "500ms")
    assert code == 0, log
    rows = [orjson.loads(line) for line in lines(vault)]
    gaps = [row for row in rows if row["gap_detected"]]
    assert [times.parse_iso(row["timestamp_utc"]) for row in gaps] == [START + 8_000]
    assert gaps[0]["seqId"] == 2000 + 79 - 900
    assert gaps[0]["asks_top400"] == [["101", "80", "0", "1"]]
    assert all(row["best_bid"] == "100" for row in rows)
    assert rows[-1]["seqId"] >= 2000 + 119 - 900, log
    assert "began its sequence anew" in log
    assert "GAP DETECTED BTC-USDT-SWAP: crossed book: best bid 101.5, best ask 101" in log
    beat = orjson.loads(vault.health("l2_exporter").read_bytes())["instruments"][BTC]
    assert (beat["gaps"], beat["resets"], beat["unknown_deletes"]) == (1, 1, 1)


def test_notice_is_a_hand_over_without_a_gap(tmp_path, vault):
    """64008: the second connection's book takes over before the first is closed."""
    path = tape(tmp_path / "tape.jsonl", steady(90))
    notice = {"kind": "notice", "after": "3s", "delay": "2s"}
    with exchange(tmp_path, "--books", path, "--speed", "2", faults=[notice]) as where:
        code, log = record(vault, where, "--instId", BTC, "--deep-every", 0, "--cadence", "500ms")
    assert code == 0, log
    assert len(logged(tmp_path, "connect")) == 2
    rows = [orjson.loads(line) for line in lines(vault)]
    assert not any(row["gap_detected"] for row in rows)
    moments = [times.parse_iso(row["timestamp_utc"]) for row in rows]
    assert moments == list(range(START, START + 9_001, 500))


def test_deep_snapshots_go_on_after_rest_has_failed(tmp_path, vault):
    """Each failure costs one deep snapshot and is said once; the books never wait for it."""
    path = tape(tmp_path / "tape.jsonl", steady(240))
    kinds = ["rest-limit", "rest-html", "rest-empty"]
    faults = [{"kind": kind, "path": "books-full", "at": [2]} for kind in kinds]
    with exchange(tmp_path, "--books", path, "--speed", "4", faults=faults) as where:
        code, log = record(vault, where, "--instId", BTC, "--deep-every", 1)
    assert code == 0, log
    assert len(deep_rows(vault)) > 1
    assert log.count("no deep snapshot") in (1, 2, 3)
    assert [orjson.loads(line)["gap_detected"] for line in lines(vault)] == [False] * 13
