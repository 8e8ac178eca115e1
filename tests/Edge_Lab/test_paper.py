"""The paper ledger: live trials judged once, in a chain, with the market as of their minute."""

import json
import shutil
from dataclasses import replace
from typing import Any

import pytest

from Edge_Lab import paper
from Edge_Lab.lab_paths import LabPaths
from Edge_Lab.live_trials import LiveTrial
from Edge_Lab.paper import PaperMarket, answers, judge, paper_rows
from Edge_Lab.registered import Registration, hypotheses_of
from Edge_Lab.trial_files import DayNote, drop_note, write_note
from Edge_Lab.trial_ledger import ChainedLog
from ravequant import exact, times
from ravequant.errors import VaultError
from ravequant.settings import Settings
from ravequant.signals import signal_log
from ravequant.signals.candidates import Query
from ravequant.signals.limits import SignalLimits
from ravequant.signals.signal_log import AskedQuestion
from ravequant.vault.paths import Vault
from tests.support.notes_market import BTC, A, Market, ask, record

SETTINGS = Settings()
LIMITS = SignalLimits.of(BTC, SETTINGS)
MINUTE = A // times.MINUTE_MS
SEEN = A + 7_000
ABOUT = hypotheses_of(SETTINGS, [BTC])
FOUND = Registration(1, A, ABOUT)
ASKED = AskedQuestion.of(SEEN, Query(), LIMITS, 0)


def units(text):
    return exact.units(text, exact.PRICE_PLACES)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Return a vault with the notes' set-up and the signal that a watch has seen."""
    vault = Vault(tmp_path_factory.mktemp("a vault"))
    record(vault, Market())
    signal_log.record(vault, BTC, ask(vault), ASKED, MINUTE)
    note = DayNote("0" * 12, {}, books=True, until_utc="2025-12-15T03:00:00.000Z")
    write_note(vault, BTC, "2025-12-14", note)
    return vault


@pytest.fixture
def vault(original, tmp_path):
    """Return a copy of it."""
    return Vault(shutil.copytree(original.root, tmp_path / "a vault"))


def engine(status="unfilled", asked=None):
    """Return an engine that decides each trial so, and notes its requests."""

    def run(day, requests):
        assert day == "2025-12-14"
        if asked is not None:
            asked.extend(requests)
        if status is None:
            return [None] * len(requests)
        return [
            {
                "event_id": candidate.event_id, "A_utc": times.iso_minute(candidate.minute),
                "T0_utc": times.iso(max(A + 5_000, detected) + 10_000), "status": status,
                "families": list(candidate.families), "touch": None, "queue": None,
                "through": None,
            }
            for candidate, detected in requests
        ]  # fmt: skip

    return run


def judged(vault, found=FOUND, status="unfilled", asked=None):
    """Judge with that engine."""
    return judge(vault, BTC, found, SETTINGS, engine(status, asked))


def test_a_watch_s_answers(vault):
    """The trial, and the minute that was asked."""
    found = answers(vault, BTC, FOUND)
    assert [trial.minute for trial in found.record.trials] == [MINUTE]
    assert found.covered == {MINUTE: SEEN}


def test_a_trial_is_judged_with_its_delay_and_without(vault):
    """The same candidate, as shown and as of its minute; the line says both."""
    asked: list[Any] = []
    assert judged(vault, asked=asked) == 1
    (shown, detected), (past, none) = asked
    assert (shown, detected, none) == (past, SEEN, 0)
    (row,) = paper_rows(vault, BTC, FOUND)
    assert (row["registered"], row["n"], row["detected_utc"]) == (1, 1, times.iso(SEEN))
    assert row["T0_utc"] == times.iso(SEEN + 10_000)
    assert row["families"] == ["base", "VERY_HIGH", "conviction=MAX"]
    assert row["undelayed"] == {
        "status": "unfilled", "touch": None, "queue": None, "through": None,
    }  # fmt: skip


def test_the_market_is_that_of_the_minute(vault):
    """Last price and tips as of A; entry, stop and target as they were shown."""
    (trial,) = answers(vault, BTC, FOUND).record.trials
    found = PaperMarket(vault, BTC, LIMITS).candidate(trial)
    assert found is not None
    assert (found.entry, found.stop, found.target) == tuple(
        map(units, ("101250", "101260.2", "101058"))
    )
    assert (found.last, found.in_contact, found.side) == (units("101050.9"), False, -1)
    assert units("101250") in found.tips
    assert list(found.tips) == sorted(set(found.tips))
    moved = replace(trial, stop=trial.stop and trial.stop + 1, target=None)
    other = PaperMarket(vault, BTC, LIMITS).candidate(moved)
    assert other == replace(found, stop=found.stop + 1, target=None)


def test_tips_are_those_of_the_last_day(vault):
    """As those of the candidates of a day: a wick that is older than 24 h is none of them."""
    (trial,) = answers(vault, BTC, FOUND).record.trials
    market = PaperMarket(vault, BTC, LIMITS)
    before = market.candidate(trial)
    path = vault.derived("wicks", BTC) / "wicks_events.jsonl"
    events = map(json.loads, path.read_bytes().splitlines())
    row = next(event for event in events if event["event"] == "created")
    for minutes, price in ((1_440, "101008"), (1_441, "101007")):
        birth = times.iso_minute(MINUTE - minutes)
        row |= {"event_id": price, "wick_price": price}
        row |= {"creation_time_utc": birth, "known_utc": birth}
        path.write_bytes(json.dumps(row).encode() + b"\n" + path.read_bytes())
    after = market.candidate(trial)
    assert before is not None
    assert after == replace(before, tips=tuple(sorted({*before.tips, units("101008")})))


def test_a_wick_in_contact_has_the_plan_of_its_minute(vault):
    """None was shown; the trial is one that was missed."""
    (trial,) = answers(vault, BTC, FOUND).record.trials
    market = PaperMarket(vault, BTC, LIMITS)
    contact = replace(trial, in_contact=True, stop=None, target=None)
    assert market.candidate(contact) == market.candidate(trial)


def put_twin(vault, event_id, price):
    """Add a wick like that of an event, at another price."""
    path = vault.derived("wicks", BTC) / "wicks_events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    place = next(n for n, line in enumerate(lines) if event_id.encode() in line)
    twin = json.loads(lines[place]) | {"event_id": "the twin", "wick_price": price}
    lines.insert(place + 1, json.dumps(twin).encode() + b"\n")
    path.write_bytes(b"".join(lines))


def test_a_wick_in_contact_has_the_stop_of_its_group(vault):
    """As the query plans it: beyond the farthest tip of the near twins."""
    (trial,) = answers(vault, BTC, FOUND).record.trials
    put_twin(vault, trial.event_id, "101255")
    market = PaperMarket(vault, BTC, LIMITS)
    found = market.candidate(replace(trial, in_contact=True, stop=None, target=None))
    assert found is not None
    assert (found.entry, found.stop, found.target) == market.plan_at(trial.event_id, MINUTE)
    assert found.stop == units("101265.2")


def test_a_trial_whose_wick_is_gone_is_not_judged(vault):
    """The recording that it stood on is another one now; no market is read for no trial."""
    (trial,) = answers(vault, BTC, FOUND).record.trials
    market = PaperMarket(vault, BTC, LIMITS)
    assert market.candidate(replace(trial, event_id="other")) is None
    vault.derived("wicks", BTC).joinpath("wicks_events.jsonl").unlink()

    def unneeded(day, requests):
        raise AssertionError(f"{len(requests)} requests of {day}")

    assert judge(vault, BTC, FOUND, SETTINGS, unneeded) == 0


def test_a_trial_is_judged_once(vault):
    """Whatever the watch writes afterwards: a change, a restart, another watch."""
    assert [judged(vault), judged(vault)] == [1, 0]
    (row,) = ask(vault)
    later = ASKED._replace(detected_ms=SEEN + 30_000)
    signal_log.record(vault, BTC, [{**row, "score": 7}], later, MINUTE)
    signal_log.record(vault, BTC, [row], later._replace(min_score=60), MINUTE)
    assert judged(vault) == 0
    assert len(paper_rows(vault, BTC, FOUND)) == 1


def test_a_trial_waits_for_its_day(vault):
    """It is judged after the day was, so that the books of a day are not read at each look."""
    drop_note(vault, BTC, "2025-12-14")
    assert judged(vault) == 0


@pytest.mark.parametrize("status", [None, "open"])
def test_a_trial_waits_for_its_end(vault, status):
    """Nothing is written before the trades have reached X."""
    assert judged(vault, status=status) == 0
    assert not LabPaths(vault).paper(BTC).exists()
    assert judged(vault) == 1


def test_another_registration_has_its_own_trials(vault):
    """Those after its day 0; the lines of the old one stay."""
    judged(vault)
    assert judged(vault, replace(FOUND, number=2)) == 1
    assert judged(vault, Registration(3, A + 1, ABOUT)) == 0
    assert judged(vault, replace(FOUND, number=4, about=replace(ABOUT, query_id="0"))) == 0
    assert [row["n"] for row in paper_rows(vault, BTC, replace(FOUND, number=2))] == [2]


def test_a_torn_line_is_judged_again(vault):
    """Cut off by a kill: the chain before it is whole, and goes on."""
    judged(vault)
    path = LabPaths(vault).paper(BTC)
    path.write_bytes(path.read_bytes()[:-9])
    assert judged(vault) == 1
    assert len(list(ChainedLog(path).rows())) == 1
    assert path.with_name("paper.jsonl.torn").exists()


def test_a_changed_line_is_refused(vault):
    """An outcome that was written by hand."""
    judged(vault)
    path = LabPaths(vault).paper(BTC)
    path.write_bytes(path.read_bytes().replace(b"unfilled", b"filled__"))
    with pytest.raises(VaultError, match="the chain breaks at line 1"):
        judged(vault)


def test_damaged_lines_of_a_watch_stop_nothing(vault):
    """They are counted."""
    for name in ("signals.jsonl", "asked.jsonl"):
        path = vault.derived("signals", BTC) / name
        path.write_bytes(path.read_bytes() + b'{"as_of_utc":"2025-12-14T21:36:00Z"\n')
    found = answers(vault, BTC, FOUND)
    assert (len(found.record.trials), found.record.damaged) == (1, 1)
    assert found.covered == {MINUTE: SEEN}


def test_without_a_watch_there_is_nothing(tmp_path):
    """No file is made."""
    empty = Vault(tmp_path / "empty")
    assert judge(empty, BTC, FOUND, SETTINGS, engine()) == 0
    assert not empty.root.exists()


def test_the_plan_of_a_minute(vault):
    """The one that a question to that minute gives; none for a wick that is no signal there."""
    market, (row,) = PaperMarket(vault, BTC, LIMITS), ask(vault)
    wanted = tuple(units(row[name]) for name in ("entry", "stop", "target"))
    assert market.plan_at(row["event_id"], MINUTE) == wanted
    assert market.plan_at(row["event_id"], MINUTE - 30) is None
    assert market.plan_at("other", MINUTE) is None


@pytest.mark.parametrize(
    ("price", "span", "rising", "reached"),
    [
        ("101050.5", (-60_000, 0), True, True), ("101050.6", (-60_000, 0), True, False),
        ("101049.5", (-60_000, 0), False, True), ("101049.4", (-60_000, 0), False, False),
        ("101050.5", (0, 5_000), True, False), ("101050.5", (0, 5_001), True, True),
        ("101050", (9_000, 10_000), True, False),
    ],
)  # fmt: skip
def test_whether_trades_went_as_far(vault, price, span, rising, reached):
    """At the price or beyond it, in a span that holds its beginning and not its end."""
    start, end = span
    market = PaperMarket(vault, BTC, LIMITS)
    assert market.reached(units(price), A + start, A + end, rising=rising) is reached


def test_the_lines_of_a_watch_are_read_from_day_0_on(vault, monkeypatch):
    """A signal of the hour before it is known, so that it is no trial when it changes."""
    (row,) = ask(vault)
    again = ASKED._replace(detected_ms=SEEN + 60_000)
    later = {**row, "as_of_utc": times.iso_minute(MINUTE + 1), "score": 7}
    signal_log.record(vault, BTC, [later], again, MINUTE + 1)
    day_0 = replace(FOUND, registered_ms=A + 1)
    assert answers(vault, BTC, day_0).record.trials == ()
    monkeypatch.setattr(paper, "_BEFORE_MS", 0)
    assert len(answers(vault, BTC, day_0).record.trials) == 1


def test_the_lines_are_json(vault):
    """As those of every file."""
    judged(vault)
    (line,) = LabPaths(vault).paper(BTC).read_bytes().splitlines()
    assert json.loads(line)["event_id"] == ask(vault)[0]["event_id"]
    assert isinstance(answers(vault, BTC, FOUND).record.trials[0], LiveTrial)
