"""The forward test: the sequence of its bounds, in the ledger first, and the comparison by day."""

import json
from typing import Any

import pytest

from Edge_Lab import forward, power
from Edge_Lab.day_sums import gathered
from Edge_Lab.executions import executions
from Edge_Lab.forward import agreement, comparison, in_force, standing, standings
from Edge_Lab.inference import delta, net
from Edge_Lab.lab_paths import LabPaths
from Edge_Lab.registered import hypotheses_of, register
from Edge_Lab.trial_files import DayNote, write_day
from Edge_Lab.trial_ledger import ChainedLog, evaluations
from Edge_Lab.verdict import Agreement, Forward
from ravequant import exact, times
from ravequant.settings import Settings
from ravequant.signals.candidates import Query
from ravequant.signals.limits import SignalLimits
from ravequant.signals.signal_log import AskedQuestion
from ravequant.vault.paths import Vault
from tests.support.made_trials import BTC, ETH, FIRST_DAY, day_lines, day_of
from tests.support.trade_streams import write_raw

SETTINGS = Settings()
BOTH = [BTC, ETH]
DAY_0 = times.day_start_ms(FIRST_DAY)
NOW = DAY_0 + 40 * times.DAY_MS


@pytest.fixture
def vault(tmp_path):
    """Return an empty vault."""
    return Vault(tmp_path / "a vault")


def begin(vault, made_ms=DAY_0):
    """Register the present settings."""
    return register(vault, hypotheses_of(SETTINGS, BOTH), made_ms)


def record_paper(vault, days, **drawn):
    """Put judged trials of both instruments into the paper ledger, and a trade on the day after."""
    kept = []
    for inst_id in BOTH:
        lines = [line for n in range(days) for line in day_lines(day_of(n), inst_id, **drawn)]
        lines = [line for line in lines if line["status"] != "open"]
        ChainedLog(LabPaths(vault).paper(inst_id)).append(
            [{"registered": 1, **line} for line in lines]
        )
        kept += lines
    trade = {"timestamp_utc": f"{day_of(days)}T00:00:01.000Z"}
    write_raw(vault, BTC, [json.dumps(trade).encode() + b"\n"])
    return kept


def test_nothing_is_registered(vault):
    """No standing, and nothing is written."""
    assert (standing(vault, BOTH), agreement(vault, BOTH)) == ({}, None)
    assert not vault.root.exists()


def test_a_test_of_other_settings_does_not_stand(vault, caplog):
    """It is said, and how to go on."""
    found = begin(vault)
    assert in_force(vault, SETTINGS, BOTH) == found
    changed = SETTINGS._replace(edge=SETTINGS.edge._replace(latency_ms=500))
    assert in_force(vault, changed, BOTH) is None
    assert in_force(vault, SETTINGS, [BTC]) is None
    assert "begin anew with edge_lab.py forward --begin" in caplog.text


@pytest.mark.parametrize("days", [19, 20, 30])
def test_the_bounds_are_those_of_the_sequence(vault, days):
    """Of each hypothesis, over both instruments together; none before day 20."""
    begin(vault)
    lines = record_paper(vault, days, edge=12.0)
    found = standing(vault, BOTH, NOW)
    assert list(found) == ["base", "VERY_HIGH", "conviction=MAX"]
    for family, stands in found.items():
        sums = gathered(lines, family, "queue")
        ours, lead = net(sums.real), delta(sums.real, sums.fake)
        assert ours is not None
        assert lead is not None
        wanted = [power.lower_bound(one.value, one.se or 0.0, one.clusters) for one in (ours, lead)]
        assert stands == Forward(ours.clusters, *wanted)
        assert (stands.net is None) == (ours.clusters < 20)
    assert found["base"].proves == (days >= 20)


def test_a_market_without_an_edge_proves_nothing(vault):
    """Fees alone make each fill a loss."""
    begin(vault)
    record_paper(vault, 30)
    assert not any(stands.proves for stands in standing(vault, BOTH, NOW).values())


def test_an_unfinished_day_does_not_count(vault):
    """The day of the newest record is still under way."""
    found = begin(vault)
    record_paper(vault, 3)
    whole = standings(vault, found, NOW)[0].gathered.days
    assert whole == [day_of(0), day_of(1), day_of(2)]
    ChainedLog(LabPaths(vault).paper(BTC)).append(
        [{"registered": 1, **line} for line in day_lines(day_of(3)) if line["status"] != "open"]
    )
    assert standings(vault, found, NOW)[0].gathered.days == whole


def test_trials_of_another_registration_do_not_count(vault):
    """A new day 0 begins with nothing."""
    begin(vault)
    record_paper(vault, 3)
    register(vault, hypotheses_of(SETTINGS, [BTC]), NOW)
    again = begin(vault, NOW + 1)
    assert again.number == 3
    assert [one.gathered.days for one in standings(vault, again, NOW)] == [[]] * 3
    assert not LabPaths(vault).ledger.exists()


def test_a_look_stands_in_the_ledger_first(vault, monkeypatch):
    """One line each; the same look again adds none, a later one does; no number without them."""
    found = begin(vault)
    record_paper(vault, 3)
    log = ChainedLog(LabPaths(vault).ledger)
    for _ in range(2):
        standing(vault, BOTH, NOW)
        made = list(evaluations(log))
        assert [(one.role, one.family, one.model) for one in made] == [
            ("forward", family, "queue") for family in found.about.hypotheses
        ]
    assert (made[0].config_id, made[0].instruments) == (found.about.config_id, (BTC, ETH))
    assert made[0].days == (day_of(0), day_of(2))
    ChainedLog(LabPaths(vault).paper(ETH)).append(
        [{"registered": 1, **line} for line in day_lines(day_of(2), ETH, seed=1)]
    )
    standing(vault, BOTH, NOW)
    assert len(list(evaluations(log))) == 6

    def refused(*_):
        raise OSError("no space")

    monkeypatch.setattr(forward, "record", refused)
    record_paper(vault, 1, seed=2)
    with pytest.raises(OSError, match="no space"):
        standing(vault, BOTH, NOW)


# --- agreement -----------------------------------------------------------------------------------

ASKED = AskedQuestion.of(0, Query(), SignalLimits.of(BTC, SETTINGS), 0)


def seen(line):
    """Return the fields of a question whose answer came 7 s after the minute of a line."""
    return ASKED._replace(detected_ms=times.parse_iso(line["A_utc"]) + 7_000).fields()


def shown(line):
    """Return the line of signals.jsonl of a trial."""
    birth = times.parse_iso(line["A_utc"]) // times.MINUTE_MS - 20
    families = line["families"]
    return {
        "as_of_utc": line["A_utc"], "event_id": line["event_id"], "timeframe": "1m",
        "direction": line["side"], "wick_price": line["entry"], "entry": line["entry"],
        "stop": line["stop"], "target": line["target"], "wicks": [],
        "creation_time_utc": times.iso_minute(birth),
        "strength": "VERY_HIGH" if "VERY_HIGH" in families else "HIGH",
        "conviction_uncapped": "MAX" if "conviction=MAX" in families else "HIGH", **seen(line),
    }  # fmt: skip


def put_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows))


def watch(vault, lines, *, asked=None):
    """Write what a watch would have recorded of these trials."""
    folder = vault.derived("signals", BTC)
    put_lines(folder / "signals.jsonl", map(shown, lines))
    rounds = lines if asked is None else asked
    put_lines(folder / "asked.jsonl", [{"as_of_utc": x["A_utc"], **seen(x)} for x in rounds])


def judge_days(vault, lines, inst_id=BTC):
    """Write the trials of the backtest."""
    by_day: dict[str, list[Any]] = {}
    for line in lines:
        by_day.setdefault(line["A_utc"][:10], []).append(line)
    for day, some in by_day.items():
        note = DayNote("0" * 12, {}, books=True, until_utc=f"{day}T23:59:59.000Z")
        write_day(vault, inst_id, day, note, [(executions(SETTINGS)[0], some)])


def judged_lines():
    """Return trials of two days whose end is known."""
    found = [line for n in range(2) for line in day_lines(day_of(n))]
    return [line for line in found if line["status"] not in {"open", "missed"}]


def pairs_of(lines):
    return sum(
        name in ("base", "VERY_HIGH", "conviction=MAX") for x in lines for name in x["families"]
    )


def test_a_watch_that_saw_what_the_backtest_has(vault):
    """Every trial is the same, and its outcome too; one digit is found."""
    found, lines = begin(vault), judged_lines()
    watch(vault, lines)
    assert agreement(vault, BOTH) is None  # no day was judged
    judge_days(vault, lines)
    whole = pairs_of(lines)
    assert agreement(vault, BOTH) == Agreement(whole, 0, 0)
    outcomes = [{"registered": 1, **line, "undelayed": forward_outcome(line)} for line in lines]
    ChainedLog(LabPaths(vault).paper(BTC)).append(outcomes[1:])
    assert agreement(vault, BOTH) == Agreement(whole, 0, 0)
    outcomes[0]["undelayed"] |= {"touch": {"net_bps": "1.0001"}}
    ChainedLog(LabPaths(vault).paper(BTC)).append(outcomes[:1])
    assert agreement(vault, BOTH) == Agreement(whole, 0, 1)
    assert comparison(vault, found, SETTINGS).unequal == [lines[0]["event_id"]]


def forward_outcome(line):
    return {name: line[name] for name in ("status", "touch", "queue", "through")}


def test_each_kind_of_difference(vault):
    """Alone on either side, another plan, and minutes that nobody asked for."""
    begin(vault)
    lines = [line | {"families": ["base"]} for line in judged_lines()][5:15]
    moved = lines[2] | {"stop": exact.text(exact.units(lines[2]["stop"], 1) + 1, 1)}
    watch(vault, [lines[0], moved, *lines[3:]], asked=lines[:-1])
    judge_days(vault, [lines[1], *lines[2:-1]])
    found = comparison(vault, begin(vault), SETTINGS)
    assert {word: [event for event, _ in pairs] for word, pairs in found.pairs.items()} == {
        "only_live": [lines[0]["event_id"]],
        "only_backtest": [lines[1]["event_id"]],
        "differs": [lines[2]["event_id"]],
        "same": [line["event_id"] for line in lines[3:-1]],
        "unasked": [lines[-1]["event_id"]],
    }
    counts = agreement(vault, BOTH)
    assert counts == Agreement(9, 3, 0)
    assert counts is not None
    assert counts.fails


def test_days_before_day_0_are_not_compared(vault):
    """Nor is a day that was judged under other settings."""
    lines = judged_lines()
    begin(vault, DAY_0 + times.DAY_MS)
    watch(vault, lines)
    judge_days(vault, lines)
    later = [line for line in lines if line["A_utc"][:10] == day_of(1)]
    assert agreement(vault, BOTH) == Agreement(pairs_of(later), 0, 0)
