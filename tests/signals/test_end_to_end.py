"""The query end to end: the notes' set-up from trades and snapshots, and no look-ahead."""

import json
import random
from dataclasses import replace
from operator import itemgetter
from typing import Any

import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ravequant import times
from ravequant.contract import Contract
from ravequant.errors import NoDataError
from ravequant.records import TradeEncoder
from ravequant.sim.market import START_MS, ModelMarket
from ravequant.vault import instruments
from ravequant.vault.line_file import line_time
from ravequant.vault.paths import Vault
from tests.support import recordings
from tests.support.book_lines import deep, put, put_metadata, snapshot
from tests.support.examples import often
from tests.support.notes_market import AT, BTC, Market, ask, calculate, command, lost, record
from tests.support.trade_streams import write_raw
from Untouch_Wick.find_signals import find_hidden_signals

FEWER = 4  # candles around the wick: eight touched wicks


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """Return a vault with the notes' set-up, all calculators run."""
    vault = Vault(tmp_path_factory.mktemp("notes"))
    record(vault, Market())
    return vault


# --- the notes' set-up ---------------------------------------------------------------------------


def test_the_set_up_of_the_notes_from_raw_data(notes):
    """From trades and snapshots: seven confluences, score 100, MAX, SHORT, three times the size."""
    (signal,) = ask(notes)
    assert lost(signal) == {}
    facts = ("direction", "conviction", "size", "confluences", "score", "strength", "touched")
    assert [signal[name] for name in facts] == ["SHORT", "MAX", 3, 7, 100, "VERY_HIGH", 16]
    assert (signal["wick_price"], signal["age_minutes"], signal["distance_bps"]) == (
        "101250", 32, "+19.70",
    )  # fmt: skip
    assert (signal["tip_exact"], signal["small"], signal["last_price"]) == (True, True, "101050.9")
    assert (signal["entry"], signal["stop"], signal["target"]) == ("101250", "101260.2", "101058")
    values = {layer["layer"]: layer["value"] for layer in signal["layers"]}
    assert values["wall"] == "2.50M at 101250, 95 s"
    assert values["imbalance"] == "-0.78 in 10-25 bps"
    assert values["volume_tier"] == "T4 at 21:33, 2.73 x median"
    assert values["cvd"] == "-125k at 21:34"
    assert values["vwap"] == "tip +19.00 bps from 101058.00"
    assert [wick["timeframe"] for wick in signal["wicks"]] == ["1m", "5m", "15m"]


def test_the_call_of_the_notes_names_no_instrument(notes, vault):
    """All of the settings are asked; one that is not recorded hides none of the others."""
    call: dict[str, Any] = {
        "age_min": 20,
        "age_max": 40,
        "timeframe": "1m",
        "min_touched_surrounding": 10,
    }
    assert find_hidden_signals(**call, at=AT, vault=notes.root) == ask(notes)
    with pytest.raises(NoDataError):
        find_hidden_signals(**call, at=AT, vault=vault.root)


TAPE = {"volume_tier": "far", "absorption": "far", "cvd": "far"}
BUYERS = (("101050.5", "buy", "176.85"), ("101049.5", "sell", "53.15"))
SELLERS = (("101050", "sell", "2200"), ("101050.1", "buy", "500"))
QUIET = (("101050", "buy", "500"), ("101050", "sell", "490"))
SPREAD = ("101249", "101249.5", "101250.5", "101251", "101251.5")


@pytest.mark.parametrize(
    ("wrong", "wanted"),
    [
        ({"absorbing": QUIET}, {"volume_tier": "not_met", "absorption": "not_met"}),
        ({"absorbing": SELLERS}, {"absorption": "not_met"}),
        ({"wall": SPREAD, "wall_age_s": 305}, {"wall": "not_met", "young_wall": "not_met"}),
        ({"wall_age_s": 305}, {"young_wall": "not_met"}),
        ({"band_bids": 2_000_000}, {"imbalance": "not_met"}),
        ({"newest": BUYERS}, {"cvd": "not_met"}),
        ({"vwap_4h": "101150"}, {"vwap": "not_met"}),
        ({"mid": "100990"}, TAPE),
    ],
    ids=["T4", "absorption", "wall", "young wall", "imbalance", "cvd", "vwap", "far"],
)
def test_one_wrong_fact_takes_exactly_its_layer(vault, wrong, wanted):
    """Each fact carries its own layer and no other, and the layer says why it went."""
    record(vault, replace(Market(), **wrong))
    (signal,) = ask(vault)
    assert lost(signal) == wanted


def test_a_tip_that_is_not_exact(vault):
    """The older tip a tick below: NEAR, ten points fewer and no VERY_HIGH."""
    record(vault, Market(older_tip="101249.9"))
    (signal,) = ask(vault)
    assert (signal["signal_strength"], signal["strength"], signal["score"]) == ("NEAR", "HIGH", 90)
    assert lost(signal) == {}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"touch_ago": 10}, "rule 1: no untouched 1m wick aged 20 to 40 min; all 15 were touched"),
        ({"wick_candles": FEWER}, "rule 2: no untouched 1m wick aged 20 to 40 min has 10 touched"),
        ({"wick_close": "101170"}, "rule 3: no surrounded untouched 1m wick aged 20 to 40 min is"),
    ],
)
def test_a_broken_rule_gives_no_signal_and_says_which(vault, capsys, wrong, said):
    """Touched, not surrounded, not small: nothing is shown but the rule."""
    record(vault, replace(Market(), **wrong))
    assert ask(vault) == []
    code, out, _ = command(vault, capsys, "--at", AT)
    assert code == 0
    assert said in " ".join(out.split())


def test_the_literal_prices_of_the_notes(vault):
    """Mid and vwap_4h at 101230: 1.98 bps, so the wall leans on band 0 and vwap is too close."""
    record(vault, Market(mid="101230", vwap_4h="101230"))
    (signal,) = ask(vault)
    assert (signal["distance_bps"], lost(signal)) == ("+1.98", {"vwap": "not_met"})
    assert signal["layers"][4]["value"] == "-0.92 in 0-10 bps"


# --- as of ------------------------------------------------------------------------------------


def json_at(vault, minute):
    """Return what --json says of a minute, both sizes of wicks, every score."""
    found = find_hidden_signals(
        BTC, at=times.iso_minute(minute), vault=vault.root, small_only=False,
        min_touched_surrounding=5,
    )  # fmt: skip
    return [orjson.dumps(signal) for signal in found]


@recordings.each(*recordings.EIGHT_HOURS)
def test_no_look_ahead_on_recorded_trades(tmp_path, recording):
    """At a minute the whole vault says what one says that ends with the trade that closes it."""
    lines = recording.lines()
    moments = [times.parse_iso(json.loads(line)["timestamp_utc"]) for line in lines]
    whole, cut = Vault(tmp_path / "whole"), Vault(tmp_path / "cut")
    for vault in (whole, cut):
        put_metadata(vault, BTC, Contract("0.01", "1", "linear"))
    write_raw(whole, BTC, lines)
    calculate(whole)
    first = moments[0] // times.MINUTE_MS
    done = found = 0
    for minute in sorted(random.Random(4).sample(range(first + 45, first + 479), 10)):
        closing = minute * times.MINUTE_MS + 5_000
        end = 1 + next(at for at, ts in enumerate(moments) if ts >= closing)
        write_raw(cut, BTC, lines[done:end])
        done = end
        calculate(cut)
        signals = json_at(cut, minute)
        assert json_at(whole, minute) == signals
        found += len(signals)
    assert found > 10


class Model:
    """An hour and a half of the model market with a planted set-up: trades, books, deep books."""

    def __init__(self, seed: int, complete: int) -> None:
        market = ModelMarket(seed, (BTC,), rows_per_second=1, plant=START_MS + complete)
        self.row = market.instruments[BTC]
        contract = Contract(self.row["ctVal"], self.row["ctMult"], self.row["ctType"])
        encoder = TradeEncoder(BTC, contract)
        self.trades: list[tuple[int, bytes]] = []
        self.books: list[dict[str, Any]] = []
        self.deeps: list[dict[str, Any]] = []
        for moment in range(START_MS + 9_000, START_MS + complete + 120_000, 9_000):
            self.trades += [(trade.ts, encoder.line(trade)) for _, trade in market.trades(moment)]
            market.books(moment)
            if moment > START_MS + complete - 600_000:
                self._snapshots(market, moment)

    def _snapshots(self, market: ModelMarket, moment: int) -> None:
        book, deep_book = (market.snapshot(BTC, depth) for depth in (400, 5_000))
        assert book is not None
        assert deep_book is not None
        if moment % 27_000 == 0:
            since = times.parse_iso(self.books[-1]["timestamp_utc"]) if self.books else None
            bids, asks = ([*map(list, side)] for side in (deep_book.bids, deep_book.asks))
            self.deeps.append(deep(deep_book.ts - 50, since, bids, asks))
        bids, asks = ([[px, qty, "0", n] for px, qty, n in side] for side in (book.bids, book.asks))
        self.books.append(snapshot(book.ts, bids, asks))

    def put(self, vault: Vault, after: int, until: int) -> None:
        """Add what came in (after, until] to a vault, and the trade that closes that minute."""
        closes = next(ts for ts, _ in self.trades if ts >= until + 5_000)
        began = next(ts for ts, _ in self.trades if ts >= after + 5_000) if after else 0
        write_raw(vault, BTC, (line for ts, line in self.trades if began < ts <= closes))
        for folder, rows in (
            (vault.snapshots(BTC), self.books), (vault.deep_snapshots(BTC), self.deeps),
        ):  # fmt: skip
            put(folder, (r for r in rows if after < times.parse_iso(r["timestamp_utc"]) <= until))
        calculate(vault)


def test_an_hour_of_trades_is_no_vwap_of_four(vault):
    """Of a recording that began 64 minutes ago it is neither evidence nor target."""
    put_metadata(vault, BTC, Contract("0.01", "1", "linear"))
    market, since = Market(), times.parse_iso(AT) - 64 * times.MINUTE_MS
    lines = [line for line in market.lines() if (line_time(line) or 0) >= since]
    write_raw(vault, BTC, lines)
    put(vault.snapshots(BTC), market.snapshots())
    calculate(vault)
    (signal,) = ask(vault)
    assert lost(signal) == {"vwap": "partial"}
    assert (signal["target_from"], signal["no_trade"]) == (None, "target")
    assert signal["data"]["vwap"] == {"age_s": 0, "state": "partial"}
    assert signal["layers"][-1]["value"] == "only 64 of 240 min"


@pytest.mark.slow
@settings(max_examples=often(1, 3), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.integers(0, 1_000), st.lists(st.integers(1, 9), min_size=1, max_size=2, unique=True))
def test_no_look_ahead_on_a_market_with_books(tmp_path_factory, seed, ago):
    """The planted set-up is found at its moment; and no minute knows of what came after it."""
    complete = START_MS + 90 * times.MINUTE_MS
    model = Model(seed, 90 * times.MINUTE_MS)
    whole, cut = (Vault(tmp_path_factory.mktemp(name)) for name in ("whole", "cut"))
    for vault in (whole, cut):
        instruments.save(vault, instruments.parse_instrument(model.row, fetched_ms=0), None)
    model.put(whole, 0, complete + 60_000)
    after = 0
    for minutes in sorted({*ago, 0}, reverse=True):
        until = complete - minutes * times.MINUTE_MS
        model.put(cut, after, until)
        after = until
        assert json_at(whole, until // times.MINUTE_MS) == json_at(cut, until // times.MINUTE_MS)
    best = max(ask(whole, at=times.iso(complete)), key=itemgetter("score"))
    assert (best["direction"], best["strength"]) == ("SHORT", "VERY_HIGH")
    # 90 minutes are no 4 h VWAP; in some seeds so few trades fall otherwise
    assert {"vwap"} <= set(lost(best)) <= {"absorption", "cvd", "vwap"}


def test_a_minute_later_is_another_answer(notes):
    """The same wick a minute older or younger; before it was 20 minutes old there was none."""
    (later,) = ask(notes, at="2025-12-14T21:36:00Z")
    assert later["age_minutes"] == 33
    assert later["last_price"] == "101050.9"
    assert ask(notes, at="2025-12-14T21:22:59Z") == []
