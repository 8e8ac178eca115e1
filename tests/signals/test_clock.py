"""The clock of a question of now: whose it is, and when it is not believed."""

import json

import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.errors import FeedError, UsageError
from ravequant.records import Trade, TradeEncoder
from ravequant.signals import clock
from ravequant.signals.clock import CLOCK_VARIABLE, Clock
from tests.support.exchange_clock import exchange_clock
from tests.support.trade_streams import write_raw

BTC = "BTC-USDT-SWAP"
NOW = times.parse_iso("2025-12-14T21:35:00Z")
MINUTE = times.MINUTE_MS


def trade(vault, ts, *, ahead=False):
    encoder = TradeEncoder(BTC, Contract("0.01", "1", "linear"))
    write_raw(vault, BTC, [encoder.line(Trade(ts, 7, "buy", "101", "1", ahead=ahead))])


def beat(vault, written, offset, program="trades_exporter", **other):
    path = vault.health(program)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"heartbeat_utc": times.iso(written), "clock_offset_ms": offset} | other)
    )


def wrong_by(vault, now=NOW):
    return clock.wrong_by(vault, Clock(now))


def test_without_a_word_about_it_the_clock_is_believed(vault):
    """An empty vault, a heartbeat of an earlier version, a damaged one."""
    assert wrong_by(vault) is None
    beat(vault, NOW, None)
    assert wrong_by(vault) is None
    vault.health("l2_exporter").write_bytes(b"[]")
    assert wrong_by(vault) is None


@pytest.mark.parametrize(("ahead", "wanted"), [(30_000, None), (30_001, -30_001)])
def test_a_record_cannot_be_of_a_time_to_come(vault, ahead, wanted):
    """More than 30 s ahead of the clock: the clock is behind by that much."""
    trade(vault, NOW + ahead)
    assert wrong_by(vault) == wanted


def test_a_record_that_is_ahead_of_the_exchange_says_nothing(vault):
    """Its time is not believed anywhere."""
    trade(vault, NOW + 20 * MINUTE, ahead=True)
    assert wrong_by(vault) is None


@pytest.mark.parametrize(
    ("age", "offset", "wanted"),
    [
        (4_000, 30_000, None), (4_000, -30_000, None),
        (4_000, 30_001, 30_001), (4_000, -31_000, -31_000),
        (120_000, 3_600_000, 3_600_000),  # fast, and it lives by the clock that it judges
        (120_001, 3_600_000, None),  # an exporter that has ended says nothing of now
        (-30_001, 0, -30_001),  # written by a right clock later than now
        (-3_600_000, 3_600_000, None),  # by a fast one, which has been set right since
        (-3_600_000, 0, -3_600_000),
    ],
)  # fmt: skip
def test_the_heartbeat_judges_the_clock_by_which_it_is_judged(vault, age, offset, wanted):
    """Slow is known however old it is, fast only while the exporter lives."""
    beat(vault, NOW - age, offset)
    assert wrong_by(vault) == wanted


def test_the_last_heartbeat_of_a_program_is_not_alive(vault):
    """It was right when it was written; the clock may have been set since."""
    beat(vault, NOW - 4_000, 3_600_000, stopped=True)
    assert wrong_by(vault) is None
    beat(vault, NOW - 4_000, 3_600_000, "l2_exporter")
    assert wrong_by(vault) == 3_600_000


@pytest.mark.parametrize(
    ("age", "offset", "stopped", "wanted"),
    [
        (4_000, 10, False, None),
        (30_000, 30_000, False, None),
        (30_001, 10, False, 34_053),  # it may be older than the fault of the clock
        (4_000, 10, True, 34_053),
        (4_000, 30_001, False, 34_053),
        (4_000, None, False, 34_053),
    ],
)
def test_a_fast_clock_is_not_believed_against_the_other_exporter(
    vault, age, offset, stopped, wanted
):
    """A fresh heartbeat with a right clock contradicts; a slow clock is believed all the same."""
    beat(vault, NOW - 2_000, 34_053)
    beat(vault, NOW - age, offset, "l2_exporter", stopped=stopped)
    assert wrong_by(vault) == wanted
    beat(vault, NOW - 2_000, -34_053)
    assert wrong_by(vault) == -34_053 + 2_000


@pytest.mark.parametrize(
    ("off", "said"),
    [
        (-218_000, "CLOCK 3m38s behind the exchange: set it ("),
        (90 * MINUTE, "CLOCK 1h30m ahead of the exchange: set it ("),
        (15 * times.DAY_MS, "CLOCK 15d00h ahead of the exchange: set it ("),
    ],
)
def test_the_line_says_by_how_much_and_how_to_set_it(vault, off, said):
    """In two units, with the command of this system."""
    beat(vault, NOW, off)
    line = clock.problem(vault, Clock(NOW))
    assert line.startswith(said)
    assert line.endswith(")")


def test_a_demo_blames_no_clock(vault):
    """Its market falls behind on a busy computer, whose clock is right."""
    beat(vault, NOW, 93_000)
    (vault.root / ".made_by_demo").touch()
    line = clock.problem(vault, Clock(NOW))
    assert line == "CLOCK 1m33s ahead of the demo's market: this computer is busy"


def test_a_local_exchange_tells_its_own_time(vault):
    """The variable names its address; the first line says so; no heartbeat counts against it."""
    with exchange_clock() as there:
        there.now_ms = NOW
        read = clock.now()
        assert read == (NOW, there.url)
        assert read.line == f"CLOCK of the local exchange {there.url} (RAVEQUANT_EXCHANGE_CLOCK)"
        beat(vault, NOW, 10**9)
        assert clock.problem(vault, read) == ""
        trade(vault, NOW + 2 * MINUTE)
        assert clock.problem(vault, read).startswith("CLOCK 2m00s behind the exchange")


def test_without_the_variable_it_is_this_computers(monkeypatch):
    """And nothing is said about it."""
    monkeypatch.setenv(CLOCK_VARIABLE, "")
    before = times.utc_now_ms()
    read = clock.now()
    assert before <= read.ms <= times.utc_now_ms()
    assert read.line == ""


@pytest.mark.parametrize(
    "url",
    ["http://192.168.0.4:8791", "https://www.okx.com", "http://127.0.0.1.example.com", "8791",
     "https://127.0.0.1:8791"],
)  # fmt: skip
def test_no_other_computer_is_believed(monkeypatch, url):
    """A clock decides which market is fresh."""
    monkeypatch.setenv(CLOCK_VARIABLE, url)
    with pytest.raises(UsageError) as caught:
        clock.now()
    assert str(caught.value) == (
        f"RAVEQUANT_EXCHANGE_CLOCK={url!r}: expected the address of a local exchange, like "
        "http://127.0.0.1:8791; no other clock is believed: remove the variable"
    )


def test_an_exchange_that_does_not_answer_is_an_error(monkeypatch):
    """The computer's clock is never taken in its place."""
    monkeypatch.setenv(CLOCK_VARIABLE, "http://127.0.0.1:9")
    with pytest.raises(FeedError, match=r"no exchange tells its time there: .*; start it"):
        clock.now()
