"""The context of a result: each stream for itself, and the same live and later."""

from dataclasses import replace

import pytest

from Liquidity_Buckets import l2_bucketizer
from ravequant import times
from ravequant.errors import VaultError
from ravequant.signals.candidates import Query
from ravequant.signals.context import block
from ravequant.signals.context.block import with_context
from ravequant.signals.context.fields import FEEDS, FIELDS, NOTHING
from ravequant.signals.context.words import context_lines
from ravequant.signals.rules import find
from ravequant.vault.line_file import line_time
from tests.support import book_lines, feed_rows
from tests.support.book_lines import put_metadata
from tests.support.exchange_clock import exchange_clock
from tests.support.flow_rows import flow, put, wall
from tests.support.made_signals import LIMITS, A, set_up
from tests.support.notes_market import (
    BTC,
    CALCULATORS,
    CONTRACT,
    Market,
    ask,
    calculate,
    command,
)
from tests.support.trade_streams import write_raw
from Volume_Analyzer import profile

MS = A * times.MINUTE_MS


def test_a_signal_has_what_the_streams_say(vault):
    """All fields in their order; those of a stream that is missing are null."""
    result = find(set_up(), Query(), LIMITS)
    (signal,) = with_context(result, vault, LIMITS).signals
    unknown = dict.fromkeys(("walls_24h", "poor", *FEEDS), "not recorded")
    assert signal.context == {**NOTHING, "unknown": unknown}
    put(vault, [flow(A - 2), wall(A - 2, "101250")])
    (signal,) = with_context(result, vault, LIMITS).signals
    assert tuple(signal.context) == FIELDS
    assert signal.context["wall"]["price"] == "101250"
    assert signal._replace(context=NOTHING) == result.signals[0]
    feed_rows.all_feeds(vault)
    (signal,) = with_context(result, vault, LIMITS).signals
    assert tuple(signal.context) == FIELDS
    assert signal.context["unknown"] == {"poor": "not recorded"}
    assert signal.context["interest"]["change_15m_pct"] == "+12.50"
    assert signal.context["wall"]["price"] == "101250"
    said = " ".join(context_lines(signal.context)[1].split())
    assert said == (
        "funding estimate -0.0026% in 2h13m; OI +12.50% 15m, -10.00% 1h; seen liquidated 5m longs "
        "300k, shorts 38 (to 21:35); long/short 1.17, top 5% 1.00, their positions 2.00 (to 21:30)"
    )


def test_nothing_is_read_for_an_answer_without_a_signal(vault, monkeypatch):
    """The files of a day are not small."""
    monkeypatch.setattr(block, "READERS", {"none": lambda _: 1 / 0})
    monkeypatch.setattr(block, "FEEDS", block.READERS)
    result = find(replace(set_up(), wicks=()), Query(), LIMITS)
    assert with_context(result, vault, LIMITS) == result


def test_a_file_that_cannot_be_read_takes_nothing_else_away(vault, monkeypatch, caplog):
    """Its fields are null, and that is said."""

    def broken(_):
        raise VaultError("the disk is gone")

    put(vault, [flow(A - 2), wall(A - 2, "101250")])
    monkeypatch.setattr(block, "READERS", {"broken": broken, **block.READERS})
    monkeypatch.setattr(block, "FEEDS", {**block.FEEDS, "interest": broken})
    feed_rows.all_feeds(vault)
    (signal,) = with_context(find(set_up(), Query(), LIMITS), vault, LIMITS).signals
    assert signal.context["wall"] is not None
    assert signal.context["unknown"] == {
        "broken": "not readable",
        "poor": "not recorded",
        "interest": "not readable",
    }
    assert (signal.context["interest"], signal.context["funding"]["minutes"]) == (None, 133)
    words = ("broken", "interest")
    assert caplog.messages == [f"signals go without {name}: the disk is gone" for name in words]


def test_an_answer_of_now_can_be_given_again_with_its_context(vault, capsys):
    """Book flow that was behind is read no further, once it has come; JSON, table and minute."""
    market = Market()
    put_metadata(vault, BTC, CONTRACT)
    write_raw(vault, BTC, market.lines())
    *books, newest = market.snapshots()
    book_lines.put(vault.snapshots(BTC), books)
    calculate(vault)
    book_lines.put(vault.snapshots(BTC), [newest])
    calculate(vault, modules=(l2_bucketizer,))
    with exchange_clock() as clock:
        clock.now_ms = MS + 7_000
        (behind,) = ask(vault, at=None, refresh=False)
        calculate(vault)
        (whole,) = ask(vault, at=None, refresh=False)
    assert ",book_flow=2025-12-14T21:34:00.000Z" in behind["seen"]
    assert "book_flow" not in whole["seen"]
    assert [row["context"]["wall"]["held_s"] for row in (behind, whole)] == [30, 90]
    assert whole["context"]["wall"]["since_utc"] == "2025-12-14T21:33:25.000Z"
    for row in (behind, whole):
        assert ask(vault, at=row["at_utc"], seen=row["seen"]) == [row]
        words = ("--at", row["at_utc"], "--seen", row["seen"])
        said = " ".join(command(vault, capsys, *words)[1].split())
        assert "wall 2.50M at 101250 stands since 21:33:25: 0% filled, 0% pulled" in said
    assert ask(vault)[0]["context"] == ask(vault, at=whole["at_utc"])[0]["context"]
    assert ask(vault)[0]["context"] == whole["context"]


@pytest.mark.parametrize(("minutes", "seen", "reason"), [
    (0, "-", "not recorded"), (160, "2025-12-14T20:14:00.000Z", "stale"),
])  # fmt: skip
def test_a_profile_that_never_ran_or_was_behind_is_read_no_further_later(
    vault, minutes, seen, reason
):
    """What it has written since is not in the answer of then."""
    market = Market()
    put_metadata(vault, BTC, CONTRACT)
    book_lines.put(vault.snapshots(BTC), market.snapshots())
    lines = market.lines()
    early = [line for line in lines if line_time(line) < MS + (minutes - 239) * times.MINUTE_MS]
    write_raw(vault, BTC, early)
    calculate(vault, modules=(profile,))
    write_raw(vault, BTC, lines[len(early) :])
    calculate(vault, modules=[module for module in CALCULATORS if module is not profile])
    with exchange_clock() as clock:
        clock.now_ms = MS + 7_000
        (behind,) = ask(vault, at=None, refresh=False)
        calculate(vault)
        (whole,) = ask(vault, at=None, refresh=False)
    assert f",profile={seen}" in behind["seen"]
    assert "profile" not in whole["seen"]
    assert behind["context"]["unknown"]["poor"] == reason
    assert "poor" not in whole["context"]["unknown"]
    for row in (behind, whole):
        assert ask(vault, at=row["at_utc"], seen=row["seen"]) == [row]
