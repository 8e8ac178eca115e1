"""B2: what comes from the socket, from REST, from a file of settings or a command line is hostile.

Fuzzed with bytes that were good once and with JSON of any form; each parser answers, or refuses
with the error that it promises, and never anything else.
"""

import contextlib
import io
import json
import random
from collections.abc import Callable
from typing import Any

import hypothesis
import orjson
import pytest
from hypothesis import strategies as st

from L2_Bot import l2_query, l2_retention
from L2_Bot.l2_exporter import chosen_of
from L2_Bot.l2_exporter import parser as l2_parser
from L2_Bot.snapshot_writer import SnapshotWriter
from ravequant import cli, settings, times
from ravequant.errors import FeedError, RaveQuantError, UsageError
from ravequant.exchanges import load
from ravequant.exchanges.base import Channel, ChannelData, TradeRows
from ravequant.exchanges.okx import rest
from ravequant.exchanges.okx.messages import (
    BOOKS,
    TRADES,
    parse_deep_book,
    parse_frame,
    parse_trades,
)
from ravequant.exchanges.okx.session import OkxSession
from ravequant.exchanges.recorder_options import options_of
from ravequant.records import RecordError, parse_trade
from ravequant.vault import instruments
from ravequant.vault.instruments import parse_instrument
from scripts import peek, verify_vault
from tests.faults.calculators import BTC, CALCULATORS, LINEAR, book_rows
from tests.faults.plugin import Faults
from tests.faults.table import Fact
from Trades_Bot.gap_filler import GapFiller
from Trades_Bot.trades_exporter import parser as trades_parser
from Untouch_Wick import candle_builder, find_signals

ARG = {"channel": TRADES, "instId": BTC}
ROW = {"instId": BTC, "tradeId": "130639474", "px": "42219.9", "sz": "0.12060306", "side": "buy",
       "ts": "1630048897897", "count": "3", "source": "0", "seqId": 1234}  # fmt: skip
BOOK = {"asks": [["8476.98", "415", "0", "13"]], "bids": [["8476.97", "256", "0", "12"]],
        "ts": "1630048897897", "checksum": 0, "seqId": 123, "prevSeqId": -1}  # fmt: skip
FRAMES = [
    {"arg": ARG, "data": [ROW]},
    {"arg": {**ARG, "channel": BOOKS}, "action": "snapshot", "data": [BOOK]},
    {"arg": {**ARG, "channel": BOOKS}, "action": "update",
     "data": [{**BOOK, "seqId": 124, "prevSeqId": 123}]},
    {"event": "subscribe", "arg": ARG, "connId": "a4d3ae55", "id": "1"},
    {"event": "error", "code": "60012", "msg": "Invalid request", "connId": "a4d3ae55", "id": "1"},
    {"event": "notice", "code": "64008", "msg": "closed soon", "connId": "a4d3ae55"},
    {"code": "0", "msg": "", "data": [ROW]}, {"code": "50011", "msg": "Too Many", "data": []},
]  # fmt: skip
BAD = (b"", b"\0", b"9" * 400, b"-", b"1e999", b"NaN", b"\\ud800", b"\xff", b"null", b"[", b"{",
       b'"', b"[[[[[[", b"true", b",", b":", b"1.5", b"\x1b[2J",
       b"99999999999999999999")  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False)
    | st.text(max_size=8) | st.sampled_from(["0", "-1", "1e5", "9" * 300, "NaN", "buy", BTC]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        [*ROW, *BOOK, "event", "arg", "data", "action", "code", "msg", "channel", "id"]), inner,
        max_size=4),
    max_leaves=8,
)  # fmt: skip


def fuzz(faults: Faults, fact: Fact, check: Callable[[Any], None], *, of: Any = JSON) -> None:
    """Try a parser on hypothesis' values of any form."""

    @hypothesis.seed(faults.seed)
    @hypothesis.settings(
        max_examples=faults.count(40, 4_000), database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(of)
    def tried(value: Any) -> None:
        fact.times += 1
        check(value)

    tried()


def spoiled(data: bytes, chance: random.Random) -> bytes:
    """Return bytes that were good once."""
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(data) + 1)
        put = chance.choice((*BAD, bytes((chance.randrange(256),)), data[at : at + 9]))
        data = data[:at] + put + data[at + chance.choice((0, 1, 1, 4, 12)) :]
    return data


class Feed:
    """Everything that stands behind a frame: session, gap filler, book."""

    def __init__(self) -> None:
        self.session = OkxSession([Channel(TRADES, BTC), Channel(BOOKS, BTC)])
        self.session.opened(0.0)
        self.filler = GapFiller(None, 0, pages=rest.PAGES, buffer_rows=1_000, patience_s=900)
        self.books = SnapshotWriter(load("okx"), BTC, cadence_ms=100, depth=400)
        self.now = 0.0

    def frame(self, frame: bytes) -> None:
        """Take a frame in as an exporter does; nothing of it may raise."""
        self.now += 0.01
        event = parse_frame(frame)
        self.session.receive(frame, self.now)
        if isinstance(event, TradeRows):
            for trade in event.trades:
                self.filler.live(trade, self.now)
            self.filler.take()
        elif isinstance(event, ChannelData) and event.channel.name == BOOKS:
            for row in event.rows:
                taken = self.books.receive(event.action, row, 1)
                if taken.snapshot:
                    assert orjson.loads(taken.snapshot.line)["instId"] == BTC


def test_frames(faults):
    """Any bytes and any JSON as a frame: an event, rows rejected by name, and the feed goes on."""
    fact = faults.row("B2", "frames, fuzzed")
    feed, good = Feed(), [json.dumps(frame).encode() for frame in FRAMES]
    for number in range(faults.count(3_000, 300_000)):
        feed.frame(spoiled(faults.random.choice(good), faults.random))
        fact.times += 1
        if number % 500 == 0:
            feed = Feed()
    fuzz(faults, fact, lambda value: feed.frame(json.dumps(value).encode()))
    fuzz(faults, fact, lambda value: feed.frame(json.dumps({"arg": ARG, "data": value}).encode()))


HUGE = {
    "10 MB of rows": b'{"arg":%b,"data":[%b]}' % (
        orjson.dumps(ARG), b",".join([orjson.dumps(ROW)] * 65_000)),
    "10 MB of nothing": b'{"a":"' + b"x" * 10_000_000 + b'"}',
    "10 MB of no JSON": b"{" * 10_000_000,
    "deep": b'{"arg":%b,"data":' % orjson.dumps(ARG) + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "10 MB integer": b'{"arg":%b,"data":[{"ts":%b}]}' % (orjson.dumps(ARG), b"9" * 10_000_000),
    "10 MB price": orjson.dumps({"arg": ARG, "data": [{**ROW, "px": "9" * 10_000_000}]}),
    "a level of 10 MB": orjson.dumps(
        {"arg": {**ARG, "channel": BOOKS}, "action": "snapshot",
         "data": [{**BOOK, "asks": [["1" * 10_000_000, "1", "0", "1"]]}]}),
}  # fmt: skip


@pytest.mark.parametrize("name", HUGE)
def test_huge_frames(name, faults):
    """Ten megabytes, or nesting without end: read or refused, its reason short enough for a log."""
    fact = faults.row("B2", "frames of 10 MB, nested deeply")
    event = parse_frame(HUGE[name])
    rejected = getattr(event, "rejected", ())
    assert all(len(reason) <= 200 for reason in rejected)
    Feed().frame(HUGE[name])
    fact.times += 1
    fact.add("megabytes", len(HUGE[name]) // 1_000_000)


def test_rest_answers(faults):
    """Envelopes, instrument rows, deep books: what is no answer is a FeedError, nothing else."""
    fact = faults.row("B2", "REST answers, fuzzed")
    good = [json.dumps(frame).encode() for frame in FRAMES]

    def envelope(body: bytes) -> None:
        with contextlib.suppress(FeedError):
            rows = rest._believed(body, faults.random.choice((200, 200, 429, 500, 404)), "where")
            parse_trades(rows, BTC)

    def row(value: Any) -> None:
        with contextlib.suppress(FeedError, RecordError):
            parse_deep_book(value)
        if isinstance(value, dict):
            with contextlib.suppress(FeedError):
                parse_instrument({"instId": BTC, **value})

    for _ in range(faults.count(2_000, 150_000)):
        body = spoiled(faults.random.choice(good), faults.random)
        envelope(body)
        fact.times += 1
        with contextlib.suppress(ValueError):
            row(orjson.loads(body))
    fuzz(faults, fact, row)


def test_lines_of_every_kind(vault, faults):
    """Trade lines and metadata lines that were good once: read, or refused by name."""
    fact = faults.row("B2", "lines of the vault, fuzzed")
    lines = [
        orjson.dumps(book_rows()[0][0]),
        *(frame.encode() for frame in map(json.dumps, FRAMES)),
    ]
    calculator = CALCULATORS["vwap"]
    calculator.put(vault, 0)
    lines += calculator.raw(vault)[0].read_bytes().splitlines()[:20]
    path = vault.metadata_history(BTC)
    whole = path.read_bytes()
    for number in range(faults.count(2_000, 100_000)):
        with contextlib.suppress(RecordError):
            parse_trade(spoiled(faults.random.choice(lines), faults.random), BTC)
        if number % 20 == 0:
            path.write_bytes(spoiled(whole, faults.random))
            with contextlib.suppress(RaveQuantError):
                instruments.history(vault, BTC)
            with contextlib.suppress(RaveQuantError):
                instruments.save(vault, parse_row(), None)
        fact.times += 1


def parse_row() -> Any:
    from ravequant.sim.instruments import swap_row

    return instruments.parse_instrument(
        swap_row(BTC, LINEAR, "0.1", "0.01"), fetched_ms=times.DAY_MS
    )


TOML = b"""instruments = ["BTC-USDT-SWAP"]
[okx]
region = "eea"
[trades]
rest_patience_s = 900
[l2]
cadence_ms = 2000
[buckets.wall_notional]
BTC = "1000000"
default = "300000"
[retention]
keep_gb = "200"
[alerts]
discord_webhook = "https://discord.com/api/webhooks/123456/S3CRET-S3CRET-S3CRET-S3CRET"
"""


def test_settings(tmp_path, faults):
    """A settings file of any bytes: settings, or a UsageError that names it and shows no secret."""
    fact = faults.row("B2", "settings files, fuzzed")
    path = tmp_path / "own.toml"
    for _ in range(faults.count(400, 20_000)):
        data = spoiled(TOML, faults.random)
        path.write_bytes(data)
        fact.times += 1
        try:
            settings.load(path)
        except UsageError as error:
            fact.add("refused")
            said = str(error)
        else:
            said = str(path)
        assert "S3CRET" not in said
        assert str(path) in said


PARSED = {"trades_exporter": trades_parser, "l2_exporter": l2_parser}
RUN = {
    **{metric: calculator.module for metric, calculator in CALCULATORS.items()},
    "l2_retention": l2_retention,
    "l2_query": l2_query, "peek": peek, "verify_vault": verify_vault,
    "candle_builder": candle_builder, "find_signals": find_signals,
}  # fmt: skip
WORDS = ("--instId", "--since", "--rebuild", "--vault", "--log-level", "--json", "--at", "--now",
         "-n", "--keep-gb", "--dry-run", "--timeframe", "--min-score", "--age-min",
         "--days", "--contracts", "walls", "spread", "trades", "vwap", "--ws-url", "--rest-url",
         "--cadence", "--depth", "--max-seconds", "--stop-when-idle", "--deep-every", "--width",
         "--file", "--explain",
         BTC, "../../x", "..", "a\0b", "nan", "inf", "1e999", "-1", "0", "9" * 400, "5m", "-5m",
         "\ud800", "BTC\n", "", "2025-12-14T21:34:56Z", "9999-12-31", "١٢", "%s%n", "ws://x@y",
         "BTC-USDT-SWAP/../..", "1.5", "BTC-usdt-SWAP", "latest", "--",
         "2025-12-14/24")  # fmt: skip


@pytest.mark.parametrize("program", [*RUN, *PARSED])
def test_command_lines(vault, program, faults, capsys):
    """Arguments of any kind: an exit code of ours, a line on stderr, nothing outside the vault."""
    fact = faults.row("B2", "command lines, fuzzed")
    CALCULATORS["vwap"].put(vault, 0)
    CALCULATORS["liquidity_buckets"].put(vault, 0)
    outside = sorted(path.name for path in vault.root.parent.iterdir())
    for _ in range(faults.count(12, 400)):
        words = [faults.random.choice(WORDS) for _ in range(faults.random.randrange(1, 7))]
        words = ["--vault", str(vault.root), *(word for word in words if word != "--vault")]
        fact.times += 1
        code = parsed(PARSED[program], words) if program in PARSED else run(RUN[program], words)
        out, err = capsys.readouterr()
        assert code in {0, 1, 2, 3, 4}, (words, code)
        assert "Traceback" not in err, words
        assert code in {0, 3} or err or out, words
        assert sorted(path.name for path in vault.root.parent.iterdir()) == outside, words
        fact.add("refused", code == 2)


def run(module: Any, words: list[str]) -> int:
    """Run a program's main; its exit code, argparse's own included."""
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            code: int = module.main(words)
        except SystemExit as end:
            return int(end.code or 0)
    return code


def parsed(parser: Any, words: list[str]) -> int:
    """Do what an exporter does with its arguments before it connects to anything."""

    def body(args: Any) -> int:
        options_of(args, settings.Settings())
        cli.vault_of(args)
        if hasattr(args, "depth"):
            chosen_of(args, settings.L2())
        return 0

    try:
        return cli.run(parser(), body, words)
    except SystemExit as end:
        return int(end.code or 0)
