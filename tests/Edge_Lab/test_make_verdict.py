"""The command `verdict`: the word that the days earn, on the screen, on a page and in a file."""

import json

import pytest

from Edge_Lab import edge_lab, golden_examples, make_verdict, optimiser
from Edge_Lab.families import REGISTERED
from Edge_Lab.lab_paths import LAB_VERSION, LabPaths
from Edge_Lab.series_files import SeriesKey, read_series, write_series
from Edge_Lab.trial_ledger import ChainedLog, evaluations, trials
from Edge_Lab.verdict import Agreement, Forward
from ravequant.errors import LockedError, UsageError, VaultError
from ravequant.signals.lab_verdict import read_verdict, verdict_file, verdict_history
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault
from tests.support.made_trials import BTC, day_of, judge_days

DAYS = 31


def judged(root, days=DAYS, **drawn):
    """Return a vault with judged days of one instrument."""
    vault = Vault(root)
    values = {"trials": 14, "placebos": 2} | drawn
    judge_days(vault, map(day_of, range(days)), instruments=[BTC], **values)
    return vault


@pytest.fixture(scope="module")
def losing(tmp_path_factory):
    """Return a vault without an edge."""
    return judged(tmp_path_factory.mktemp("a vault"))


def answer(capsys, vault, *words):
    """Return exit code and output of the command."""
    code = edge_lab.main(["verdict", "--vault", str(vault.root), "--instId", BTC, *words])
    return code, capsys.readouterr().out


def file_of(vault):
    """Return the verdict in its file."""
    return json.loads(verdict_file(vault).read_bytes())


def test_days_without_an_edge_lose(capsys, losing):
    """Word and sentence on the screen; the same in the file and on the page of the last day."""
    code, text = answer(capsys, losing)
    assert code == 0
    assert text.splitlines()[0] == "LOSES"
    row = file_of(losing)
    assert (row["word"], row["days"]) == ("LOSES", [day_of(0), day_of(DAYS - 1)])
    assert row["what_to_do"] in " ".join(text.splitlines())
    assert row["card"] == f"lab/cards/{day_of(DAYS - 1)}.html"
    page = (losing.root / row["card"]).read_text(encoding="utf-8")
    assert "LOSES</h1>" in page
    assert "Registered too: VERY_HIGH: " in page
    assert len(text.splitlines()) <= 23


@pytest.mark.parametrize("command", ["verdict", "backtest"])
def test_one_program_evaluates_at_a_time(capsys, losing, command):
    """Two would write the same files; the second ends with 4 and names the first."""
    ledger = LabPaths(losing).ledger
    before = ledger.read_bytes() if ledger.exists() else b""
    with writer_lock(losing, "evaluations", BTC):
        code = edge_lab.main([command, "--vault", str(losing.root), "--instId", BTC])
    assert code == LockedError.exit_code
    assert "has its one writer already" in capsys.readouterr().err
    assert (ledger.read_bytes() if ledger.exists() else b"") == before


def test_picked_days_decide_nothing(capsys, losing):
    """They are shown, and said to be picked; file and card stay as they are."""
    answer(capsys, losing)
    before = verdict_file(losing).read_bytes()
    code, text = answer(capsys, losing, "--from", day_of(0), "--to", day_of(DAYS - 1))
    assert code == 0
    assert make_verdict.PICKED in text
    row = json.loads(answer(capsys, losing, "--to", day_of(DAYS - 1), "--json")[1])
    assert (row["word"], row["card"]) == ("LOSES", None)
    assert verdict_file(losing).read_bytes() == before


def test_picked_days_have_no_page(capsys, losing):
    """To ask where it stands is a mistake; without any day the card is shown."""
    words = ["verdict", "--vault", str(losing.root), "--instId", BTC, "--html"]
    assert edge_lab.main([*words, "--from", day_of(0)]) == UsageError.exit_code
    assert "leave --from and --to out" in capsys.readouterr().err
    assert edge_lab.main([*words[:2], str(losing.root / "none"), *words[3:]]) == 3
    assert capsys.readouterr().out.startswith("NO DATA\n")


def test_the_file_has_what_other_programs_read(capsys, losing):
    """Its fields in their order; decimals as text; six numbers."""
    answer(capsys, losing)
    row = file_of(losing)
    assert list(row) == [
        "version", "made_utc", "code", "instruments", "days", "word", "what_to_do", "short",
        "numbers", "family", "config_id", "searched", "registered", "facts", "card",
        "query_id",
    ]  # fmt: skip
    assert (row["version"], row["code"], row["instruments"]) == (1, LAB_VERSION, [BTC])
    assert row["short"].startswith("LOSES, net -")
    assert len(row["numbers"]) == 6
    assert not any(isinstance(value, float) for value in row["facts"].values())
    read = read_verdict(losing)
    assert read is not None
    assert (read.word, read.short) == (row["word"], row["short"])
    assert len(verdict_history(losing).read_bytes().splitlines()) >= 1
    assert row["facts"]["claims"]["queue"]["net"]["bps"].startswith("-")


def test_the_evaluations_of_the_hypotheses_stand_in_the_ledger(capsys, losing, monkeypatch):
    """Three hypotheses under three models, before the card; without the ledger no card."""
    answer(capsys, losing)
    lines = list(evaluations(ChainedLog(LabPaths(losing).ledger)))[-9:]
    assert {line.family for line in lines} == set(REGISTERED)
    assert {line.role for line in lines} == {"verdict"}

    def refused(*_):
        raise VaultError("the disk is full; make room")

    monkeypatch.setattr(make_verdict, "put_down", refused)
    assert answer(capsys, losing) == (1, "")


def test_two_runs_give_the_same_bytes(capsys, losing):
    """All but the time: a repetition is no further trial."""
    first = answer(capsys, losing)[1]
    row, page = file_of(losing), LabPaths(losing).card(day_of(DAYS - 1)).read_bytes()
    assert answer(capsys, losing)[1] == first
    again = file_of(losing)
    assert {**row, "made_utc": ""} == {**again, "made_utc": ""}
    assert LabPaths(losing).card(day_of(DAYS - 1)).read_bytes() == page


def test_more_trials_make_a_claim_weaker(capsys, tmp_path):
    """An edge is promising by itself, and is still among 72 trials; p after them is no smaller."""
    vault = judged(tmp_path, edge=30.0, trials=20)
    assert answer(capsys, vault)[1].splitlines()[0] == "PROMISING"
    alone = file_of(vault)["facts"]
    edge_lab.main(["backtest", "--vault", str(vault.root), "--instId", BTC])
    capsys.readouterr()
    answer(capsys, vault)
    among = file_of(vault)["facts"]
    assert (alone["trials"], among["trials"]) == (9, 72)
    assert float(among["p_net"]) >= float(alone["p_net"])
    assert (file_of(vault)["word"], among["rank"]) == ("PROMISING", "0.001000")
    lines = list(evaluations(ChainedLog(LabPaths(vault).ledger)))
    assert len(trials(lines, day_of(0), day_of(DAYS))) == 72


def test_a_series_that_contradicts_the_ledger_is_refused(capsys, tmp_path):
    """Its days must add up to Net of the ledger's line."""
    vault = judged(tmp_path, days=4)
    edge_lab.main(["backtest", "--vault", str(vault.root), "--instId", BTC])
    made = list(evaluations(ChainedLog(LabPaths(vault).ledger)))
    key = SeriesKey(made[0].config_id, made[0].data_id)
    found = read_series(vault, key)
    wrong = [one._replace(net=one.net + 1) for one in found if one.family == "wall"]
    write_series(vault, key, wrong)
    assert edge_lab.main(["verdict", "--vault", str(vault.root), "--instId", BTC]) == 1
    err = capsys.readouterr().err
    assert "the days of wall add up to " in err


def test_a_series_that_is_gone_helps_no_claim(capsys, tmp_path):
    """Nothing is proven without it; a backtest makes it again, and the word is as before."""
    vault = judged(tmp_path, edge=30.0, trials=20)
    words = ["backtest", "--vault", str(vault.root), "--instId", BTC]
    edge_lab.main(words)
    capsys.readouterr()
    assert answer(capsys, vault)[1].splitlines()[0] == "PROMISING"
    (path,) = LabPaths(vault).series("0", "0").parent.iterdir()
    path.unlink()
    edge_lab.main(["verdict", "--vault", str(vault.root), "--instId", BTC])
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "NOT PROVEN"
    assert "The day series of some trials are gone: run backtest or optimise again." in " ".join(
        out.splitlines()
    )
    assert err.count("of 21 of 72 trials in the ledger the day series are gone") == 1
    assert path.name in err
    assert file_of(vault)["facts"]["lost_series"] == 21
    edge_lab.main(words)
    capsys.readouterr()
    assert answer(capsys, vault)[1].splitlines()[0] == "PROMISING"


def test_a_later_look_at_few_days_makes_no_claim_stronger(capsys, tmp_path):
    """Of a trial the evaluation with the most days counts, whatever was looked at since."""
    vault = judged(tmp_path, edge=12.0)
    backtest = ["backtest", "--vault", str(vault.root), "--instId", BTC]
    edge_lab.main(backtest)
    answer(capsys, vault)
    before = file_of(vault)["facts"]
    edge_lab.main([*backtest, "--from", day_of(3), "--to", day_of(3)])
    capsys.readouterr()
    answer(capsys, vault)
    assert file_of(vault)["facts"] == before
    assert 0 < float(before["sharpe"]) < 1


def test_the_forward_test_proves(capsys, losing, monkeypatch):
    """Its bounds and the agreement of a watch go into the facts, with the time of the look."""
    looks = []

    def standing(*words):
        looks.append(words[1:])
        return {"base": Forward(40, 0.5, 0.25)}

    monkeypatch.setattr(make_verdict, "standing", standing)
    monkeypatch.setattr(make_verdict, "agreement", lambda *_: Agreement(100, 7))
    assert answer(capsys, losing)[1].splitlines()[0] == "DISAGREES"
    facts = file_of(losing)["facts"]
    assert facts["forward"] == {"day": 40, "net": "0.500000", "lead": "0.250000"}
    assert facts["agreement"] == {"compared": 100, "differing": 7, "unequal": 0}
    assert [words[0] for words in looks] == [(BTC,)]
    assert len(looks[0]) == 2


def test_few_days_are_too_early(capsys, tmp_path):
    """Days and fills so far."""
    vault = judged(tmp_path, days=5)
    code, text = answer(capsys, vault)
    assert (code, text.splitlines()[0]) == (0, "TOO EARLY")
    assert "5 of 30 days" in text
    assert file_of(vault)["short"].startswith("TOO EARLY, ")


def test_nothing_judged_is_no_data_and_writes_nothing(capsys, tmp_path):
    """Exit code 3 and the word on the screen; no file, no history, no page, no evaluation."""
    vault = Vault(tmp_path)
    code, text = answer(capsys, vault)
    assert (code, text.splitlines()[0]) == (3, "NO DATA")
    assert "No finished day was judged yet: run_all judges each day" in text
    row = json.loads(answer(capsys, vault, "--json")[1])
    assert (row["word"], row["days"], row["card"]) == ("NO DATA", None, None)
    assert [path for path in vault.root.rglob("*") if path.is_file()] == []


def test_nothing_judged_leaves_the_verdict_before_it(capsys, losing):
    """A look at an instrument without a judged day takes no verdict away."""
    answer(capsys, losing)
    before = verdict_file(losing).read_bytes(), verdict_history(losing).read_bytes()
    other = ["verdict", "--vault", str(losing.root), "--instId", "ETH-USDT-SWAP"]
    assert edge_lab.main(other) == 3
    assert capsys.readouterr().out.startswith("NO DATA\n")
    assert (verdict_file(losing).read_bytes(), verdict_history(losing).read_bytes()) == before


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (f'{{"code":"{LAB_VERSION}","passed":false,"failed":["RUIN"]}}', "LAB BROKEN"),
        ("[]", "LAB BROKEN"),
        (f'{{"code":"{LAB_VERSION}","passed":true,"failed":[]}}', "TOO EARLY"),
        ('{"code":"0","passed":false,"failed":["RUIN"]}', "TOO EARLY"),
    ],
    ids=["failed", "damaged", "passed", "older"],
)
def test_a_failed_check_breaks_the_lab(capsys, tmp_path, content, word):
    """Of this version only; no number is evaluated then, and the exit code is 1."""
    vault = judged(tmp_path, days=3)
    LabPaths(vault).self_test.write_text(content, encoding="utf-8")
    code, text = answer(capsys, vault)
    assert text.splitlines()[0] == word
    assert (code == 1) == (word == "LAB BROKEN")
    assert LabPaths(vault).ledger.exists() == (word != "LAB BROKEN")


def test_a_worked_example_that_is_not_met_breaks_the_lab(capsys, tmp_path, monkeypatch):
    """They are computed anew for each verdict; the log names the first that fails."""
    vault = judged(tmp_path, days=3)
    monkeypatch.setattr(golden_examples, "failures", lambda: ["SR0 is 0.2, expected 0.1132"])
    assert edge_lab.main(["verdict", "--vault", str(vault.root), "--instId", BTC]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("LAB BROKEN\n")
    assert "a worked example is not met: SR0 is 0.2, expected 0.1132" in err


def test_a_changed_ledger_breaks_the_lab(capsys, tmp_path):
    """The chain is verified first; the log names the line, the card says not to read a number."""
    vault = judged(tmp_path, days=3)
    answer(capsys, vault)
    path = LabPaths(vault).ledger
    path.write_bytes(path.read_bytes().replace(b'"family":"base"', b'"family":"wall"', 1))
    assert edge_lab.main(["verdict", "--vault", str(vault.root), "--instId", BTC]) == 1
    out, err = capsys.readouterr()
    assert "the chain breaks at line 1" in err
    assert out.splitlines()[:2] == [
        "LAB BROKEN", "Do not read any number here. Run `edge_lab.py check`.",
    ]  # fmt: skip


def test_after_a_search_the_days_after_it_are_judged(capsys, tmp_path):
    """The verdict is about the joined days, and the screen says so; other instruments have none."""
    vault = judged(tmp_path, days=22, whole=True, trials=6)
    assert answer(capsys, vault)[0] == 0
    assert file_of(vault)["days"] == [day_of(0), day_of(21)]
    edge_lab.main(["optimise", "--vault", str(vault.root), "--instId", BTC])
    capsys.readouterr()
    text = answer(capsys, vault)[1]
    row = file_of(vault)
    assert (row["searched"], row["days"]) == (True, [day_of(20), day_of(21)])
    assert text.startswith("TOO EARLY\n2 of 30 days")
    assert "A search went over these days" in text
    assert row["facts"]["all_kinds"]
    oos = [e for e in evaluations(ChainedLog(LabPaths(vault).ledger)) if e.role == "oos"]
    assert row["config_id"] == oos[0].config_id


def test_after_a_choice_of_another_exit_no_fake_level_is_mirrored(capsys, tmp_path, monkeypatch):
    """Those exits have shifted levels alone: there is no lead over the other kinds, nor a rank."""
    vault = judged(tmp_path, days=23, whole=True, trials=8)
    edge_lab.main(["optimise", "--vault", str(vault.root), "--instId", BTC])
    monkeypatch.setattr(optimiser, "choose", lambda _, grid: len(grid.points) - 1)
    monkeypatch.setattr(optimiser, "FEWEST_FILLS", 1)
    capsys.readouterr()
    answer(capsys, vault)
    facts = file_of(vault)["facts"]
    assert file_of(vault)["searched"]
    assert (facts["all_kinds"], facts["mirror"], facts["random"]) == (False, None, None)
    assert facts["rank"] is None
    assert facts["claims"]["queue"]["delta"] is not None
