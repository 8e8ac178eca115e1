"""The frame log: a line for each record and frame, and none where no file was asked for."""

import orjson

from ravequant.records import Trade
from ravequant.sim.faultplan import Frame
from ravequant.sim.framelog import FrameLog

BTC = "BTC-USDT-SWAP"


def lines(path):
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_each_kind_of_line_has_its_fields(tmp_path):
    """Records with all of theirs, frames with their fate and the ids they carried."""
    path = tmp_path / "made" / "frames.log"
    log = FrameLog(path)
    log.note("start", start_ms=1)
    log.trade("trade", BTC, Trade(5, 12, "sell", "100.5", "2", 2, "1"))
    log.frame(1, "trades", BTC, {"first": 11, "last": 12}, "sent")
    log.lost(Frame(2, "books", BTC, b"", {"seqId": 7}, 0))
    log.close()
    assert lines(path) == [
        {"kind": "start", "start_ms": 1},
        {"kind": "trade", "instId": BTC, "tradeId": 12, "count": 2, "ts": 5, "side": "sell",
         "px": "100.5", "sz": "2", "source": "1"},
        {"kind": "frame", "connection": 1, "channel": "trades", "instId": BTC, "fate": "sent",
         "first": 11, "last": 12},
        {"kind": "frame", "connection": 2, "channel": "books", "instId": BTC, "fate": "lost",
         "seqId": 7},
    ]  # fmt: skip


def test_a_reader_sees_whole_lines_after_a_flush(tmp_path):
    """Before it the lines wait in memory; after the end nothing is written."""
    path = tmp_path / "frames.log"
    log = FrameLog(path)
    log.note("start")
    assert path.read_bytes() == b""
    log.flush()
    assert path.read_bytes() == b'{"kind":"start"}\n'
    log.close()
    log.note("end")
    log.flush()
    assert len(lines(path)) == 1


def test_without_a_path_nothing_is_kept():
    """An exchange without a log pays nothing for it."""
    log = FrameLog(None)
    log.note("start")
    log.trade("trade", BTC, Trade(5, 12, "sell", "100.5", "2"))
    log.close()
    assert not log.on
    assert log._lines == []
