"""The prices between the minute of an answer and its instant."""

from ravequant import times
from ravequant.records import Trade, TradeEncoder
from tests.support.exchange_clock import exchange_clock
from tests.support.notes_market import (
    BTC,
    CONTRACT,
    A,
    Market,
    ask,
    calculate,
    record,
)
from tests.support.trade_streams import write_raw

MINUTE = A // times.MINUTE_MS
SEEN = "1506,2025-12-14T21:35:00.000Z"


def test_a_run_through_the_tip_and_back_is_no_entry(vault):
    """Before the minute has closed, just after its end, and with the closing trade on disk."""
    record(vault, Market())
    encoder = TradeEncoder(BTC, CONTRACT)
    rows = [(6_000, "101060"), (20_000, "101260"), (25_000, "101060")]
    trades = (Trade(A + ms, n, "buy", at, "1") for n, (ms, at) in enumerate(rows, 1_507))
    write_raw(vault, BTC, map(encoder.line, trades))
    answers = []
    with exchange_clock() as clock:
        for after in (50_000, 62_000):
            clock.now_ms = A + after
            (now,) = ask(vault, at=None, refresh=False)
            assert (now["no_trade"], now["size"], now["entry"]) == ("touched", 0, None)
            assert now["touched_since"] == {
                "time_utc": "2025-12-14T21:35:20.000Z", "price": "101260",
                "seconds": (after - 20_000) // 1000,
            }  # fmt: skip
            assert (now["last_price"], now["conviction"]) == ("101060", "MAX")
            answers.append(now)
        write_raw(vault, BTC, [encoder.line(Trade(A + 66_000, 1_510, "buy", "101060", "1"))])
        calculate(vault)
        clock.now_ms = A + 67_000
        assert ask(vault, at=None, refresh=False) == ask(vault, at="2025-12-14 21:36") == []
    for now in answers:
        assert ask(vault, at=now["at_utc"], seen=now["seen"]) == [now]
