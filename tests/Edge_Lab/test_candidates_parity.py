"""Parity of candidates with the query: random minutes of two markets, field by field."""

import random
from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest

from Edge_Lab.day_candidates import DayCandidate, day_candidates
from Edge_Lab.trial_facts import facts_at
from ravequant import times
from ravequant.settings import Settings
from ravequant.signals.candidates import Query
from ravequant.signals.inputs import price
from ravequant.signals.limits import SignalLimits
from ravequant.signals.question import Request, When
from ravequant.signals.trade_plan import plan
from ravequant.vault.paths import Vault
from tests.support import recordings
from tests.support.lab_market import INVERSE, LINEAR, minutes_of, put_market, sparse, trades_of

SETTINGS = Settings()
SHIFT_MS = -4 * times.HOUR_MS  # eight hours, half of them before midnight
LAYERS = ("volume_tier", "absorption", "wall", "imbalance", "young_wall", "cvd", "vwap")


def recorded():
    """Return the trades of a recording, moved to around midnight."""
    return trades_of(recordings.EIGHT_HOURS[0], SHIFT_MS)


def made_up():
    """Return trades of prices on a coarser tick, around midnight."""
    midnight = times.day_start_ms("2025-12-14")
    return list(sparse(midnight + SHIFT_MS, midnight - SHIFT_MS, ticks=5))


@cache
def asked(vault, inst_id, minute):
    """Return (signal, signal as it is printed) of a question to a minute, as a person asks it."""
    limits = SignalLimits.of(inst_id, SETTINGS)
    request = Request(vault, inst_id, Query(), limits, When(minute))
    signals = request.find(past=False).signals
    return list(zip(signals, request.rows(signals), strict=True))


def families_of(row):
    """Return whether each family holds, by what is printed of a signal."""
    met = {layer["layer"] for layer in row["layers"] if layer["state"] == "met"}
    tip, last = Decimal(row["wick_price"]), Decimal(row["last_price"])
    near = abs(tip - last) * 10_000 <= 25 * last
    return {
        "base": True,
        "conviction>=HIGH": row["conviction_uncapped"] in ("HIGH", "MAX"),
        "conviction=MAX": row["conviction_uncapped"] == "MAX",
        "notes=MAX": row["conviction_notes"] == "MAX",
        **{f"score>={least}": row["score"] >= least for least in (40, 60, 80)},
        **{name: name in met for name in LAYERS},
        "tip_exact": row["tip_exact"],
        "VERY_HIGH": row["strength"] == "VERY_HIGH",
        "whales": "whales" in row["tags"],
        **{name: row["direction"] == name for name in ("SHORT", "LONG")},
        **{f"{since:02}-{since + 8:02}": since <= int(row["as_of_utc"][11:13]) < since + 8
           for since in (0, 8, 16)},
        "distance<=25": near,
        "distance>25": not near,
    }  # fmt: skip


def compare(candidate, signal, row):
    """Hold each field but families and filters against what is printed."""
    limits = SignalLimits.of(row["instId"], SETTINGS)
    shown = tuple(row[name] and price(row[name]) for name in ("entry", "stop", "target"))
    if row["in_contact"]:
        assert shown == (None, None, None)
        shown = plan(signal.state, limits, signal.wick, signal.wicks)[:3]
    outermost = max if row["wick_type"] == "high" else min
    recent = signal.state.minute - times.DAY_MINUTES
    birth = times.parse_iso(row["creation_time_utc"]) // times.MINUTE_MS
    assert candidate == replace(
        candidate,
        minute=times.parse_iso(row["as_of_utc"]) // times.MINUTE_MS,
        age_max=40,
        birth=birth,
        candle_start=birth - 1,
        side=-1 if row["direction"] == "SHORT" else 1,
        entry=price(row["wick_price"]),
        stop=shown[1],
        target=shown[2],
        farthest=price(outermost((one["wick_price"] for one in row["wicks"]), key=Decimal)),
        last=price(row["last_price"]),
        in_contact=row["in_contact"],
        tips=tuple(sorted({wick.tip for wick in signal.state.wicks
                           if wick.status == "untouched" and wick.birth >= recent})),
        wicks=tuple(one["event_id"] for one in row["wicks"]),
        facts=facts_at(signal.state, limits, signal.candidate, signal.last),
    )  # fmt: skip
    assert shown[0] == candidate.entry


@pytest.mark.parametrize(("listed", "trades_of_it"), [(LINEAR, recorded), (INVERSE, made_up)])
def test_candidates_are_the_signals_of_their_minutes(listed, trades_of_it, tmp_path, request):
    """PARITY: random minutes, among them those with candidates; 200 with --lab-bounds.

    A family takes an event at A exactly if the query returns it then, it holds for what is printed,
    and the event stood in the wicks of none of its trials before.
    """
    vault, trades, inst_id = Vault(tmp_path), trades_of_it(), listed.inst_id
    put_market(vault, trades, listed=listed)
    taken: dict[str, list[DayCandidate]] = {}
    there: dict[int, dict[str, DayCandidate]] = {}
    for number in (0, -1):  # the days before midnight and after it
        day = day_candidates(vault, inst_id, times.day(trades[number].ts), SETTINGS)
        assert day.no_plan == 0
        for one in day.candidates:
            assert ("20-40 10 500" in one.filters) == ("base" in one.families)
            for family in one.families:
                taken.setdefault(family, []).append(one)
                there.setdefault(one.minute, {})[one.event_id] = one
    first, last = minutes_of(trades)
    span, chance = range(first + 2, last), random.Random(23)
    whole = request.config.getoption("--lab-bounds")
    with_some = sorted(there.keys() & set(span))
    chosen = with_some if whole else chance.sample(with_some, min(12, len(with_some)))
    others = sorted(set(span) - set(chosen))
    chosen += chance.sample(others, (200 if whole else 25) - len(chosen))
    compared = 0
    for minute in chosen:
        left = dict(there.get(minute, {}))
        for signal, row in asked(vault, inst_id, minute):
            event_id = row["event_id"]
            candidate = left.pop(event_id, None)
            before = {
                family
                for family, trials in taken.items()
                if any(event_id in one.wicks for one in trials if one.minute < minute)
            }
            holds = [family for family, is_of in families_of(row).items() if is_of]
            due = tuple(family for family in holds if family not in before)
            assert (() if candidate is None else candidate.families) == due
            if candidate is not None:
                compare(candidate, signal, row)
                compared += 1
            if "base" in due:  # it is no signal before, back to the least age
                for earlier in range(minute - (row["age_minutes"] - 20 if whole else 1), minute):
                    events = [other["event_id"] for _, other in asked(vault, inst_id, earlier)]
                    assert event_id not in events
        assert not left  # each candidate is a signal of its minute
    assert compared > 5, compared
