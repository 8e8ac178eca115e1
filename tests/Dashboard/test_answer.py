"""The answer of the page is that of `find_signals`, at any moment."""

import shutil
import subprocess
import sys

import orjson
import pytest

from Dashboard.answer import answer
from ravequant import settings, times
from ravequant.errors import NoDataError, UsageError
from ravequant.signals.clock import Clock
from ravequant.signals.question import When, when
from ravequant.vault import heartbeat
from ravequant.vault.paths import CHECKOUT, Vault
from tests.support.book_lines import put_metadata
from tests.support.holed_market import MINUTES, START, HoledMarket
from tests.support.notes_market import AT, BTC, CONTRACT, A

PROGRAM = CHECKOUT / "Untouch_Wick" / "find_signals.py"
NOW = A + 6_500


def printed(vault, *options):
    """Return what `find_signals --json` prints, as bytes, and what it says on stderr."""
    command = [sys.executable, str(PROGRAM), "--vault", str(vault.root), "--instId", BTC]
    done = subprocess.run(
        [*command, "--json", *options], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout, done.stderr.decode()


def signals_of(found):
    return b"".join(orjson.dumps(row) + b"\n" for row in found["signals"])


def live(vault, ms=NOW, **other):
    return answer(vault, BTC, When(instant_ms=ms, live=True), **other)


def test_the_signals_of_a_minute_are_those_of_the_program(notes):
    """Every byte of every field; the ages are those of the minute."""
    found = answer(notes, BTC, when(notes, AT))
    assert signals_of(found) == printed(notes, "--at", AT)[0]
    (signal,) = found["signals"]
    assert (signal["conviction"], signal["entry"]) == ("MAX", "101250")
    assert (found["as_of_utc"], found["at_utc"], found["seen"]) == (AT, None, None)
    (words,) = found["words"]
    assert words == {
        "worth": "MAX (x3, not tested)",
        "why": None,
        "against": ["not tested: no lab verdict", "wall young, 95 s"],
        "counted": [],
        "facts": ["defended to the tick", "on 1m, 5m, 15m"],
        "context": [
            "wall 2.50M at 101250 stands since 21:33:25: 0% filled, 0% pulled, 0% refilled"
        ],
        "near": False,
    }
    assert found["price"] == {"value": "101050.9", "source": "mid"}
    assert (found["missing"], found["clock"], found["not_recorded"]) == (None, "", "")
    ages = {name: {"age_s": state.pop("age_s")} | state for name, state in found["data"].items()}
    assert {name: part | {"limit_s": 0} for name, part in ages.items()} == {
        name: part | {"limit_s": 0} for name, part in signal["data"].items()
    }


def test_a_live_answer_is_given_again_with_what_was_seen(notes):
    """`--at B --seen` prints the signals of the answer of B."""
    found = live(notes)
    assert (found["at_utc"], found["as_of_utc"]) == (times.iso(NOW), AT)
    again, _ = printed(notes, "--at", found["at_utc"], "--seen", found["seen"])
    assert signals_of(found) == again
    assert len(found["signals"]) == 1


@pytest.mark.parametrize("minute", [25, 61, 97, 130, MINUTES])
def test_any_minute_of_a_market_with_holes(holed, minute):
    """With a gap, without a signal, or with several: always the program's own objects."""
    at = times.iso(START + minute * times.MINUTE_MS)
    found = answer(holed, BTC, when(holed, at))
    out, err = printed(holed, "--at", at)
    assert signals_of(found) == out
    if found["missing"]:
        assert f"no signal of {BTC}: {found['missing']}" in err
    assert bool(found["missing"]) == (not found["signals"])


def test_another_timeframe(holed):
    """The wicks of that timeframe are asked for."""
    at = times.iso(START + MINUTES * times.MINUTE_MS)
    found = answer(holed, BTC, when(holed, at), "5m")
    assert signals_of(found) == printed(holed, "--at", at, "--timeframe", "5m")[0]


def test_limits_stand_beside_the_ages(notes):
    """They are those of the settings, so that a page can tell by itself when a stream is stale."""
    data = answer(notes, BTC, when(notes, AT))["data"]
    chosen = settings.load().signals
    assert {name: part["limit_s"] for name, part in data.items()} == {
        "trades": None, "buckets": chosen.buckets_stale_s, "wicks": chosen.wicks_stale_s,
        "volume": chosen.volume_stale_s, "cvd": chosen.cvd_stale_s, "vwap": chosen.vwap_stale_s,
    }  # fmt: skip


def test_ages_run_on_until_a_stream_is_stale(notes):
    """Five minutes later nothing has come: every stream but VWAP is stale, and no layer counts."""
    late = live(notes, NOW + 5 * times.MINUTE_MS)
    states = {name: part["state"] for name, part in late["data"].items()}
    assert states == {
        "trades": "fresh", "buckets": "stale", "wicks": "stale", "volume": "stale",
        "cvd": "stale", "vwap": "fresh",
    }  # fmt: skip
    assert late["data"]["trades"]["age_s"] == 301


def test_a_clock_that_is_wrong_is_said_and_gives_no_entry(notes):
    """It is behind the newest record: no signal is an entry, and the words say by how much."""
    found = live(notes, A - 2 * times.MINUTE_MS)
    assert found["clock"].startswith("CLOCK 2m")
    assert found["no_entry"] == "clock"
    assert {signal["no_trade"] for signal in found["signals"]} <= {"clock"}


def beat(vault, program, ms, **other):
    row = {"heartbeat_utc": times.iso(ms), "clock_offset_ms": 0, "instruments": {}} | other
    path = vault.health(program)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(row))


@pytest.fixture
def own(tmp_path):
    """Return a vault of half an hour that a test may write into."""
    vault = Vault(tmp_path / "own")
    HoledMarket().put(vault, until=30)
    return vault


def test_while_nothing_is_recorded_nothing_is_an_entry(own):
    """The heartbeats are judged by the wall clock that is given."""
    now = START + 30 * times.MINUTE_MS + 6_000
    for program in ("trades_exporter", "l2_exporter"):
        beat(own, program, now)
    assert heartbeat.read(own, "l2_exporter") is not None
    fine = live(own, now)
    assert (fine["not_recorded"], fine["no_entry"]) == ("", None)
    dead = live(own, now, wall_ms=now + 31_000)
    assert dead["not_recorded"].startswith(
        "NOT RECORDING trades: trades_exporter has given no sign"
    )
    assert (dead["no_entry"], dead["clock"]) == ("recorder", "")
    beat(own, "trades_exporter", now, problem="the exchange does not answer")
    told = live(own, now)
    assert told["missing"] == "not known yet: NOT RECORDING trades: the exchange does not answer"


def test_a_signal_is_no_entry_while_nothing_is_recorded(notes, tmp_path):
    """It is shown, without a plan, and so it is asked for again; nothing is missing then."""
    vault = Vault(tmp_path / "notes")
    shutil.copytree(notes.root, vault.root)
    beat(vault, "trades_exporter", NOW, problem="the exchange does not answer")
    found = live(vault)
    (signal,) = found["signals"]
    assert (signal["no_trade"], signal["size"], signal["entry"]) == ("recorder", 0, None)
    assert (found["missing"], found["no_entry"]) == (None, "recorder")
    again, _ = printed(vault, "--at", found["at_utc"], "--seen", found["seen"])
    assert signals_of(found) == again


def test_the_clock_of_a_local_exchange_does_not_go_by_heartbeats(own):
    """An exchange in a box runs at its own speed: their offsets say nothing of its time."""
    now = START + 30 * times.MINUTE_MS + 6_000
    beat(own, "trades_exporter", now, clock_offset_ms=90_000)
    assert live(own, now)["clock"].startswith("CLOCK 1m30s ahead")
    box = Clock(now, "http://127.0.0.1:8791")
    assert live(own, now, now=box)["clock"] == ""


def test_what_cannot_be_asked(notes, vault):
    """An unknown timeframe, an instrument that is not there, a vault without data."""
    with pytest.raises(UsageError, match="timeframe '2m' is unknown"):
        answer(notes, BTC, when(notes, AT), "2m")
    with pytest.raises(
        NoDataError, match=r"no data of ETH-USDT-SWAP in .* which holds BTC-USDT-SWAP"
    ):
        answer(notes, "ETH-USDT-SWAP", when(notes, AT))
    with pytest.raises(NoDataError, match="no data of BTC-USDT-SWAP in"):
        answer(vault, BTC, When())
    put_metadata(vault, BTC, CONTRACT)
    beat(vault, "trades_exporter", NOW, problem="no way to the exchange")
    with pytest.raises(NoDataError, match=r"yet: NOT RECORDING trades: no way to the exchange"):
        live(vault)
