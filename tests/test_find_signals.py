"""The query end to end: from trades and snapshots to signals, as of any minute, and its command."""

import json
import random
import subprocess
import sys
from dataclasses import replace
from operator import itemgetter
from typing import Any

import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ravequant import times
from ravequant.errors import NoDataError, UsageError
from ravequant.records import Contract, TradeEncoder
from ravequant.sim.market import START_MS, ModelMarket
from ravequant.vault import metadata
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import CHECKOUT, Vault
from tests.books import deep, put, put_metadata, snapshot
from tests.calculators import recorded, write_raw
from tests.notes_market import BTC, Market, calculate, record
from tests.notes_market import A as A_MS
from Untouch_Wick import find_signals
from Untouch_Wick.find_signals import find_hidden_signals

A = "2025-12-14T21:35:00Z"
SCRIPT = CHECKOUT / "Untouch_Wick" / "find_signals.py"
FEWER = 4  # candles around the wick: eight touched wicks


def ask(vault, at=A, **other):
    return find_hidden_signals(BTC, at=at, vault=vault.root, **other)


def states(signal):
    return {layer["layer"]: layer["state"] for layer in signal["layers"]}


def lost(signal):
    """Return the layers that are not met, with their state."""
    return {name: state for name, state in states(signal).items() if state != "met"}


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """Return a vault with the notes' set-up, all calculators run."""
    vault = Vault(tmp_path_factory.mktemp("notes"))
    record(vault, Market())
    return vault


def command(vault, capsys, *arguments):
    """Run the command in this process; return (exit code, stdout, stderr)."""
    capsys.readouterr()
    known = ["--vault", str(vault.root), "--instId", BTC]
    code = find_signals.main([*known, *arguments])
    out, err = capsys.readouterr()
    return code, out, err


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
    assert values["cvd"] == "-125000 at 21:34"
    assert values["vwap"] == "tip +19.00 bps from 101058.00"
    assert [wick["timeframe"] for wick in signal["wicks"]] == ["1m", "5m", "15m"]


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
    code, out, _ = command(vault, capsys, "--at", A)
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


def test_no_look_ahead_on_recorded_trades(tmp_path, shared_data):
    """At a minute the whole vault says what one says that ends with the trade that closes it."""
    lines = recorded(shared_data, BTC, ("2020-02-22.part",))
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


@pytest.mark.slow
@settings(max_examples=3, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.integers(0, 1_000), st.lists(st.integers(1, 9), min_size=1, max_size=2, unique=True))
def test_no_look_ahead_on_a_market_with_books(tmp_path_factory, seed, ago):
    """The planted set-up is found at its moment; and no minute knows of what came after it."""
    complete = START_MS + 90 * times.MINUTE_MS
    model = Model(seed, 90 * times.MINUTE_MS)
    whole, cut = (Vault(tmp_path_factory.mktemp(name)) for name in ("whole", "cut"))
    for vault in (whole, cut):
        metadata.save(vault, metadata.parse_instrument(model.row, fetched_ms=0), None)
    model.put(whole, 0, complete + 60_000)
    after = 0
    for minutes in sorted({*ago, 0}, reverse=True):
        until = complete - minutes * times.MINUTE_MS
        model.put(cut, after, until)
        after = until
        assert json_at(whole, until // times.MINUTE_MS) == json_at(cut, until // times.MINUTE_MS)
    best = max(ask(whole, at=times.iso(complete)), key=itemgetter("score"))
    assert (best["direction"], best["strength"]) == ("SHORT", "VERY_HIGH")
    assert set(lost(best)) <= {"cvd"}  # one record a second may leave the buyers ahead by chance


def test_a_minute_later_is_another_answer(notes):
    """The same wick a minute older or younger; before it was 20 minutes old there was none."""
    (later,) = ask(notes, at="2025-12-14T21:36:00Z")
    assert later["age_minutes"] == 33
    assert later["last_price"] == "101050.9"
    assert ask(notes, at="2025-12-14T21:22:59Z") == []


# --- the command ----------------------------------------------------------------------------


def test_json_is_one_object_a_signal(notes, capsys):
    """What --json prints is what the function returns; nothing else goes to stdout."""
    code, out, err = command(notes, capsys, "--at", A, "--json")
    assert (code, err) == (0, "")
    assert [json.loads(line) for line in out.splitlines()] == ask(notes)


def test_without_a_signal_json_is_empty_and_says_why(notes, capsys):
    """No object, exit code 0, and the reason on stderr."""
    code, out, err = command(notes, capsys, "--at", A, "--json", "--min-touched", "17")
    assert (code, out) == (0, "")
    assert err.startswith(f"no signal of {BTC}: rule 2: ")


def test_a_score_may_be_asked_for(notes, capsys):
    """--min-score leaves out the weaker ones and says so."""
    assert len(command(notes, capsys, "--at", A, "--json", "--min-score", "100")[1]) > 100
    code, out, err = command(notes, capsys, "--at", A, "--json", "--min-score", "101")
    assert (code, out) == (0, "")
    assert err == f"no signal of {BTC}: none of 1 has a score of 101\n"


def test_nothing_at_all_is_exit_code_3(vault, capsys):
    """An empty vault is not the same as no signal."""
    code, out, err = command(vault, capsys, "--at", A)
    assert (code, out) == (3, "")
    assert f"no data of {BTC} by {A} in {vault.root}; start its exporters" in err
    assert command(vault, capsys, "--at", "latest")[0] == 3
    with pytest.raises(NoDataError):
        ask(vault)


def test_before_the_data_begins_there_is_none(notes, capsys):
    """As of a minute before the first record, nothing was known."""
    assert command(notes, capsys, "--at", "2025-12-14T12:00:00Z")[0] == 3


@pytest.mark.parametrize(
    ("text", "minute"),
    [("2025-12-14 21:35", A), ("14 Dec 2025 21:35:59", A), ("2025-12-14T22:35+01:00", A)],
)
def test_times_that_people_type(notes, text, minute):
    """UTC unless it says otherwise, floored to the minute."""
    assert ask(notes, at=text) == ask(notes, at=minute)


def test_a_word_that_is_no_time(notes):
    """The message says what is expected."""
    with pytest.raises(UsageError) as caught:
        ask(notes, at="soon")
    assert str(caught.value) == (
        '--at \'soon\' is no time: expected latest, "21:35" or "2025-12-14 21:35", in UTC unless '
        "it says otherwise"
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"timeframe": "3m"}, "timeframe '3m' is unknown: one of 1m, 5m, 15m, 1h, 4h"),
        ({"age_min": 41}, "ages 41 to 40 min: expected 0 <= --age-min <= --age-max"),
        ({"min_touched_surrounding": -1}, "--min-touched -1: expected 0 or more"),
    ],
)
def test_arguments_that_cannot_be_used(notes, wrong, said):
    """A wrong argument is named with what is expected."""
    with pytest.raises(UsageError) as caught:
        ask(notes, **wrong)
    assert str(caught.value) == said


def test_latest_is_where_the_calculators_are(notes):
    """The demo's question: the newest minute that all have reached."""
    assert ask(notes, at="latest") == ask(notes)


def test_an_instrument_that_fails_does_not_stop_the_other(notes, capsys):
    """The signal of one is shown, the exit code is that of the other."""
    code, out, err = command(notes, capsys, "--instId", "ETH-USDT-SWAP", "--at", A, "--json")
    assert (code, len(out.splitlines())) == (3, 1)
    assert "no data of ETH-USDT-SWAP" in err


# --- record, refresh, watch -----------------------------------------------------------------


def test_signals_are_recorded_once(vault, capsys):
    """A signal is written when first seen and when it changed, not when only time went by."""
    record(vault, Market())
    path = vault.derived("signals", BTC) / "signals.jsonl"
    command(vault, capsys, "--at", A)
    assert not path.exists()
    for _ in range(2):
        command(vault, capsys, "--at", A, "--record")
    (row,) = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert row == ask(vault)[0]
    with path.open("ab") as file:
        file.write(b'{"torn')
    command(vault, capsys, "--at", "2025-12-14T21:39:00Z", "--record")  # now two layers are stale
    first, second = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert (first, lost(second)["cvd"]) == (row, "stale")


def test_now_brings_the_calculators_up_to_date(vault, capsys):
    """Without --at the scripts are started first; with --no-refresh nothing is."""
    put_metadata(vault, BTC, Contract("0.01", "1", "linear"))
    market = Market()
    write_raw(vault, BTC, market.lines())
    assert command(vault, capsys, "--no-refresh", "--json")[0] == 0
    assert not vault.state("vwap", BTC).exists()
    code, out, _ = command(vault, capsys)
    assert code == 0
    for metric in ("wicks", "volume", "cvd", "vwap"):
        assert vault.state(metric, BTC).exists(), metric
    assert out.startswith("age at ")
    assert "; clock +" in out.splitlines()[0] + out.splitlines()[1]


def test_a_calculator_that_runs_elsewhere_is_not_waited_for_long(notes, capsys, caplog):
    """Its last commit is used and the log says who holds it."""
    with writer_lock(notes, "vwap", BTC):
        code, out, err = command(notes, capsys, "--at", A, "--refresh", "--json")
    assert (code, len(out.splitlines())) == (0, 1)
    assert "vwap was not brought up to date, its last commit is used" in err + caplog.text


def test_watch_asks_again_and_records(vault):
    """A program on its own: it goes on until it is ended, and keeps what it saw."""
    record(vault, Market())
    path = vault.derived("signals", BTC) / "signals.jsonl"
    arguments = ["--vault", str(vault.root), "--instId", BTC, "--at", A, "--watch", "0.05"]
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        heads = 0
        for line in process.stdout:
            heads += line.startswith("age at 21:35 UTC")
            if heads == 3:
                break
        process.kill()
    assert len(path.read_bytes().splitlines()) == 1


def test_json_needs_neither_rich_nor_numpy(notes):
    """A query starts at once: what it does not need is not loaded."""
    code = (
        "import sys; from Untouch_Wick import find_signals; "
        f"find_signals.main(['--vault', {str(notes.root)!r}, '--instId', '{BTC}', "
        f"'--at', '{A}', '--json']); "
        "print({'rich', 'numpy', 'requests', 'websockets', 'dateutil'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_clock_is_only_that_of_the_question(notes):
    """An answer about the past holds no wall clock: it is the same tomorrow."""
    (signal,) = ask(notes)
    assert "clock_age_s" not in signal
    assert signal["as_of_utc"] == times.iso_minute(A_MS // times.MINUTE_MS)
