"""Paper trials in the engine of a judged day; a watch over a replayed day agrees with it."""

import shutil
from dataclasses import replace

import pytest

from Edge_Lab.agreement import DIFFERING, outcome_of
from Edge_Lab.day_candidates import day_candidates
from Edge_Lab.forward import comparison
from Edge_Lab.judge import judge_day, needed_until
from Edge_Lab.paper import judge, paper_rows
from Edge_Lab.paper_engine import engine_of, judge_waiting
from Edge_Lab.registered import hypotheses_of, register
from Edge_Lab.trial_files import DayNote, write_day, write_note
from ravequant import times
from ravequant.settings import Settings
from ravequant.signals import signal_log
from ravequant.signals.candidates import Query
from ravequant.signals.limits import SignalLimits
from ravequant.signals.question import Request, When
from ravequant.signals.signal_log import AskedQuestion
from ravequant.vault.paths import Vault
from tests.support.judged_market import (
    BTC,
    DAY,
    START,
    made_candidates,
    put_books,
    put_trades,
    recorded_day,
    walk,
)
from tests.support.notes_market import calculate

CHOSEN = Settings()
LIMITS = SignalLimits.of(BTC, CHOSEN)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Return a vault with a day, its books, and the next day up to 04:30; and its judged trials."""
    vault = recorded_day(tmp_path_factory)
    day = judge_day(
        vault, BTC, DAY, CHOSEN, until_ms=needed_until(DAY, 60), candidates_of=made_candidates
    )
    return vault, {(line["event_id"], line["age_max"]): line for line in day.lines}


def test_an_answer_at_once_is_the_trial_of_the_judged_day(recorded):
    """Every line, to the last digit, though few orders are asked for at once."""
    vault, lines = recorded
    candidates = made_candidates(vault, BTC, DAY, CHOSEN).candidates
    for some in (candidates[:3], candidates[3:]):
        made = engine_of(vault, BTC, CHOSEN)(DAY, [(one, 0) for one in some])
        assert made == [lines[one.event_id, one.age_max] for one in some]
    assert {line["status"] for line in lines.values()} >= {"filled", "unfilled"}


def test_a_later_answer_rests_later(recorded):
    """T0 counts from when it was seen; what was filled before then is not."""
    vault, lines = recorded
    candidates = made_candidates(vault, BTC, DAY, CHOSEN).candidates[:12]
    seen = [(one, (one.minute + 2) * times.MINUTE_MS) for one in candidates]
    made = engine_of(vault, BTC, CHOSEN)(DAY, seen)
    for (one, moment), line in zip(seen, made, strict=True):
        assert line is not None
        assert line["T0_utc"] == times.iso(moment + 10_000)
        past = lines[one.event_id, one.age_max]
        if past["touch"] and past["touch"]["fill_utc"] < line["T0_utc"]:
            assert line["status"] == "missed"
    assert [outcome_of(line) for line in made if line] != [
        outcome_of(lines[one.event_id, one.age_max]) for one in candidates
    ]


def test_a_trial_of_the_newest_minutes_is_not_decided(recorded):
    """Its end lies behind the newest trade, or its minute has not closed."""
    vault, _ = recorded
    last = made_candidates(vault, BTC, DAY, CHOSEN).candidates[-1]
    end = START // times.MINUTE_MS + times.DAY_MINUTES + 269
    shift = end - last.minute
    late = replace(
        last, minute=end, birth=last.birth + shift, candle_start=last.candle_start + shift
    )
    run, day = engine_of(vault, BTC, CHOSEN), times.day(end * times.MINUTE_MS)
    (line,) = run(day, [(late, 0)])
    assert line is not None
    assert line["status"] == "open"
    assert run(day, [(replace(late, minute=end + 2), 0)]) == [None]


def test_trials_whose_books_are_gone_are_not_judged(recorded, tmp_path, caplog):
    """Their queue would be unknown, where the backtest has seen it; nothing is read for that."""
    original, _ = recorded
    without = shutil.ignore_patterns(original.snapshots(BTC).parent.name)
    vault = Vault(shutil.copytree(original.root, tmp_path / "a vault", ignore=without))
    assert not vault.snapshots(BTC).exists()
    candidates = made_candidates(vault, BTC, DAY, CHOSEN).candidates[:2]
    run, requests = engine_of(vault, BTC, CHOSEN), [(one, 0) for one in candidates]
    assert None not in run(DAY, requests)  # there never were any
    left, gone = (vault.snapshots(BTC) / DAY / f"{hour}.jsonl" for hour in ("22", "23"))
    left.parent.mkdir(parents=True)
    left.touch()
    names = (path.relative_to(vault.root).as_posix() for path in (left, gone))
    inputs: dict[str, list[int | None]] = {name: [0, 0] for name in names}
    note = DayNote("0" * 12, inputs, books=True, until_utc="2025-12-15T03:00:00Z")
    write_note(vault, BTC, DAY, note)
    shutil.rmtree(vault.trades(BTC))
    assert run(DAY, requests) == [None, None]
    assert f"{BTC} {DAY}: 1 paper trials are not judged" in caplog.text


def test_without_a_test_of_the_present_settings_nothing_waits(tmp_path):
    """None is registered, or one of other settings."""
    vault = Vault(tmp_path / "a vault")
    assert judge_waiting(vault, [BTC], CHOSEN) == 0
    register(vault, replace(hypotheses_of(CHOSEN, [BTC]), config_id="0"), START)
    assert judge_waiting(vault, [BTC], CHOSEN) == 0


def watch(vault, first, last):
    """Ask at each minute as a watch does, some seconds after it, and record the answers."""
    for minute in range(first, last + 1):
        at_ms = minute * times.MINUTE_MS + 5_100 + minute % 7 * 7_000
        request = Request(vault, BTC, Query(), LIMITS, When(instant_ms=at_ms))
        result = request.find(past=False)
        rows = request.rows(result.signals, aged=False)
        entries = [row for row in rows if row["no_trade"] != "touched"]
        asked = AskedQuestion.of(at_ms + 400, Query(), LIMITS, 0)
        signal_log.record(vault, BTC, entries, asked, result.state.minute)


@pytest.mark.slow
def test_a_watch_over_a_replayed_day_agrees_with_the_backtest(tmp_path):
    """Each live trial is the backtest's, and each outcome equal to the last digit."""
    vault = Vault(tmp_path / "a vault")
    until, first = START + 4 * times.HOUR_MS, START // times.MINUTE_MS + 28
    trades = walk(START, until, seed=4)
    put_trades(vault, trades)
    put_books(vault, trades)
    calculate(vault, BTC)
    made = judge_day(vault, BTC, DAY, CHOSEN, until_ms=until, candidates_of=day_candidates)
    write_day(vault, BTC, DAY, made.note, made.made)
    found = register(vault, hypotheses_of(CHOSEN, [BTC]), START)
    watch(vault, first, first + 70)
    assert judge_waiting(vault, [BTC], CHOSEN) > 7
    assert judge(vault, BTC, found, CHOSEN, engine_of(vault, BTC, CHOSEN)) == 0
    rows = paper_rows(vault, BTC, found)
    assert sum(row["undelayed"]["status"] == "filled" for row in rows) > 1
    assert any(row["T0_utc"] > times.iso(times.parse_iso(row["K_utc"]) + 10_000) for row in rows)
    check = comparison(vault, found, CHOSEN)
    assert (check.count(*DIFFERING), check.unequal) == (0, [])
    assert check.count("same") > check.count("shifted", "reached")
    assert check.count("same", "shifted", "reached") >= len(rows)
    same = {event_id for event_id, _ in check.pairs["same"]}
    ours = (one for one in made.lines if "base" in one["families"])
    line = next(one for one in ours if one["event_id"] in same and one["touch"] is not None)
    line["touch"]["net_bps"] += "1"  # a digit more
    write_day(vault, BTC, DAY, made.note, made.made)
    assert comparison(vault, found, CHOSEN).unequal == [line["event_id"]]
