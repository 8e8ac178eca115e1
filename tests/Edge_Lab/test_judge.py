"""A recorded day judged: over midnight, over gaps, without books, and equal to single trials."""

import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from Edge_Lab import trials
from Edge_Lab.book_levels import BookCollector
from Edge_Lab.day_market import MarketSpan, RecordedMarket, recorded_market
from Edge_Lab.executions import executions
from Edge_Lab.families import EXITS
from Edge_Lab.judge import judge_day, needed_until, plan_of
from ravequant import times
from ravequant.settings import Settings
from ravequant.vault.instruments import InstrumentHistory
from ravequant.vault.paths import Vault
from tests.support.judged_market import (
    BTC,
    DAY,
    INVERSE,
    START,
    made_candidates,
    put_trades,
    recorded_day,
    walk,
)

CHOSEN = Settings()
UNTIL = needed_until(DAY, 60)
DEFAULT = executions(CHOSEN)[0]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Return a vault with a day, its books, and the next day up to 04:30."""
    return recorded_day(tmp_path_factory)


@pytest.fixture
def vault(recorded, tmp_path):
    """Return a copy of the recorded vault that may be changed."""
    shutil.copytree(recorded.root, tmp_path / "copy of it")
    return Vault(tmp_path / "copy of it")


def judged(vault, chosen=CHOSEN, **changed):
    """Judge the day with the made-up candidates."""
    options: Any = {"until_ms": UNTIL, "candidates_of": made_candidates} | changed
    return judge_day(vault, BTC, DAY, chosen, **options)


@pytest.fixture(scope="module")
def day(recorded):
    """Return the judged day."""
    return judged(recorded)


def test_the_day_reaches_into_the_next():
    """Judged at 03:00; a longer time at market needs more of the next day."""
    assert times.iso(UNTIL) == "2025-12-15T03:00:00.000Z"
    assert times.iso(needed_until(DAY, 240)) == "2025-12-15T06:00:00.000Z"


def test_a_day_of_trials(day):
    """Each candidate is a line of the default, those with families a line of 17 more."""
    lines = day.lines
    keys = [(line["A_utc"], line["event_id"], line["age_max"]) for line in lines]
    assert keys == sorted(keys)
    assert len(lines) > 36
    assert len({line["event_id"] for line in lines}) < len(lines)  # an event of two ages
    statuses = {line["status"] for line in lines}
    assert {"filled", "unfilled"} <= statuses
    assert not statuses & {"gap", "open"}
    chosen = [line["event_id"] for line in lines if line["families"]]
    for _, others in day.made[1:]:
        assert [line["event_id"] for line in others] == chosen
        assert all(line["facts"] == {} for line in others)
        assert {kind for line in others for kind in line["placebo"]} == {"shifted"}
    known = [line["queue"]["queue_known"] for line in lines if line["queue"]]
    assert all(known)
    assert len(known) > 5
    assert {line[model]["depth"] for line in lines for model in ("touch",) if line[model]} == {
        "book"
    }
    assert (day.note.books, day.note.no_plan) == (True, 2)


def test_a_trial_over_midnight_is_a_trial(day):
    """The last candidates of the day are filled and left on the next one."""
    over = [line for line in day.lines if line["touch"] and line["touch"]["exit_utc"] > f"{DAY}T24"]
    assert over
    assert over[-1]["A_utc"] < "2025-12-15"


def whole_market(vault, monkeypatch):
    """Return the market of the day with every level of its books, and the plans of the day."""
    seen: dict[str, Any] = {}
    real = trials.written

    def watching(trial, market, answers=None):
        seen["market"] = market
        return real(trial, market, answers)

    monkeypatch.setattr("Edge_Lab.judge.written", watching)
    monkeypatch.setattr(BookCollector, "_rows", lambda _, __, levels: np.arange(len(levels.price)))
    judged(vault)
    return seen["market"]


def test_few_levels_give_the_results_of_the_whole_book(recorded, day, monkeypatch):
    """The default line, one of another exit and one of another latency, each played alone."""
    market = whole_market(recorded, monkeypatch)

    around = RecordedMarket(market, 2, InstrumentHistory(recorded, BTC).at(START), ())
    candidates = made_candidates(recorded, BTC, DAY, CHOSEN).candidates
    ways = executions(CHOSEN)
    for number in (0, 6, 17):
        way, lines = day.made[number]
        assert way == ways[number]
        rules = way.rules if number == 0 else replace(way.rules, kinds=("shifted",))
        mine = iter(lines)
        for candidate in candidates:
            if number and not candidate.families:
                continue
            plan = plan_of(candidate, around, CHOSEN, way)
            assert plan.size in {
                98,
                99,
            }  # 0.98 contracts of 0.01 BTC are worth just under 1,000 USD
            own = replace(rules, age_max=candidate.age_max)
            assert trials.line_of(plan, market, own) == next(mine)


def test_a_stop_and_a_target_of_another_exit(day):
    """Stop 3 bps beyond the tip, target 20 bps before it, each to the next tick away from it."""
    way, lines = day.made[EXITS.index(("3", "20"))]
    assert way.exit == ("3", "20")
    line = next(line for line in lines if line["side"] == "SHORT")
    entry, stop, target = (float(line[name]) for name in ("entry", "stop", "target"))
    assert 0 <= stop - entry * 1.0003 < 0.1 + 1e-6
    assert 0 <= entry * 0.998 - target < 0.1 + 1e-6
    own = day.made[0][1]
    assert line["entry"] in {other["entry"] for other in own}


def test_the_same_day_twice(recorded, day):
    """Same lines, same note."""
    again = judged(recorded)
    assert again == day


def test_a_hole_makes_gaps(vault):
    """A minute with a gap: each trial whose window it touches, and no other."""
    path = vault.derived("volume", BTC) / "volume_1m.jsonl"
    moment = f"{DAY}T12:00:00Z".encode()
    lines = path.read_bytes().splitlines(keepends=True)
    changed = [
        line.replace(b'"gap":false', b'"gap":true') if moment in line else line for line in lines
    ]
    assert changed != lines
    path.write_bytes(b"".join(changed))
    found = judged(vault)
    gaps = [line["A_utc"][11:16] for line in found.lines if line["status"] == "gap"]
    assert (gaps[0] > "09:00", gaps[-1]) == (True, "11:55")
    assert all(not line["placebo"] for line in found.lines if line["status"] == "gap")


def test_without_books_the_queue_is_unknown(vault, day):
    """Only a trade beyond the tip fills then, and the note says that there were none."""
    shutil.rmtree(vault.snapshots(BTC))
    found = judged(vault)
    assert not found.note.books
    assert found.note.data_id != day.note.data_id
    filled = [line for line in found.lines if line["queue"]]
    assert filled
    assert not any(line["queue"]["queue_known"] for line in filled)
    assert {line["touch"]["depth"] for line in found.lines if line["touch"]} == {"none"}
    assert [line["through"] and line["through"]["fill_utc"] for line in found.lines] == [
        line["through"] and line["through"]["fill_utc"] for line in day.lines
    ]


def test_trials_are_open_where_the_trades_end(vault, day):
    """Cut at 01:00 of the next day: the late trials wait, the others are as they were."""
    path = vault.trades(BTC) / "2025-12-15.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b"T00:" in line))
    found = judged(vault)
    for line, whole in zip(found.lines, day.lines, strict=True):
        if line["X_utc"] > "2025-12-15T01":
            assert line["status"] == "open"
        else:
            assert line == whole
    assert 0 < sum(line["status"] == "open" for line in found.lines) < 8


def test_a_missed_order(vault, day):
    """A trade through the tip before the order could rest."""
    first = next(line for line in day.lines if line["status"] == "unfilled")

    def in_contact(*arguments):
        found = made_candidates(*arguments)
        changed = tuple(
            replace(one, in_contact=one.event_id == first["event_id"]) for one in found.candidates
        )
        return replace(found, candidates=changed)

    lines = judged(vault, candidates_of=in_contact).lines
    missed = [line for line in lines if line["status"] == "missed"]
    assert first["event_id"] in {line["event_id"] for line in missed}


def test_an_inverse_contract(tmp_path):
    """Its size needs no price: 1,000 USD are ten contracts of 100 USD."""
    vault = Vault(tmp_path / "inverse")
    put_trades(vault, walk(START - 4 * times.HOUR_MS, START + 28 * times.HOUR_MS), INVERSE)
    found = judged(vault)
    assert not found.note.books
    assert any(line["status"] == "filled" for line in found.lines)
    around = recorded_market(vault, BTC, DAY, MarketSpan(START, START + times.DAY_MS), [10**20])
    assert around.size("1000", 101_250 * 10**20) == 1_000  # 10.00 contracts, in hundredths


def test_a_day_without_candidates(recorded):
    """No line, and a note that says the day was judged."""
    none = judged(
        recorded,
        candidates_of=lambda *_: replace(
            made_candidates(recorded, BTC, DAY, CHOSEN), candidates=()
        ),
    )
    assert none.lines == []
    assert none.note.books
