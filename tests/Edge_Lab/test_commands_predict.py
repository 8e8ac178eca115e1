"""The commands of the model: fitted on judged days, shown with its reasons to refuse."""

import json
from dataclasses import replace

import pytest

from Edge_Lab import edge_lab
from Edge_Lab.commands_predict import config_of
from Edge_Lab.executions import executions
from Edge_Lab.lab_paths import LAB_VERSION, LabPaths
from Edge_Lab.model_file import read_model, written
from Edge_Lab.trial_files import DayNote, write_day
from Edge_Lab.trial_ledger import ChainedLog, evaluations
from ravequant.settings import Settings
from ravequant.vault.atomic import replace_file
from ravequant.vault.paths import Vault
from tests.Edge_Lab.test_predictor import GOOD, model_of
from tests.support.fade_trials import lines_of, made_trials

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
CONFIG = config_of(Settings())


@pytest.fixture
def vault(tmp_path):
    """Return a vault in a folder with a blank in its name."""
    return Vault(tmp_path / "a vault")


def answer(capsys, vault, *words):
    """Return exit code, output and error of a command."""
    code = edge_lab.main([*words, "--vault", str(vault.root), "--log-level", "error"])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def stored(vault, **changed):
    """Write a model into a vault."""
    replace_file(LabPaths(vault).model, written(model_of(**changed), LAB_VERSION))


def judged(vault, inst_id, made):
    """Write the days of made-up trials as judged ones."""
    execution = executions(Settings())[0]
    for day, lines in lines_of(made, inst_id).items():
        note = DayNote("0123456789ab", {}, books=True, until_utc=f"{day}T23:59:59.000Z")
        write_day(vault, inst_id, day, note, [(execution, lines)])


def test_without_a_model_there_is_nothing_to_show(capsys, vault):
    """Exit code 3 and the command that makes one; without the second word it is asked for."""
    code, _, err = answer(capsys, vault, "predict", "show")
    assert (code, "model.json: no model was fitted yet" in err) == (3, True)
    for words in (["predict"], ["predict", "guess"]):
        code, _, err = answer(capsys, vault, *words)
        assert (code, "predict needs one word more: fit or show" in err) == (2, True)


def test_a_model_that_passes_says_under_which_conditions(capsys, vault):
    """The test, the calibration, and that the chance is one of filled orders."""
    stored(vault, config_id=CONFIG)
    code, out, _ = answer(capsys, vault, "predict", "show")
    assert code == 0
    assert out.splitlines() == [
        "BTC-USDT-SWAP: 45 days, 1600 fills, 30.0 % of them paid",
        "fitted on trials up to 2026-02-15T01:30:00.000Z",
        "on 25 days unknown to it, 900 fills: Brier score 0.2000, of the base rate 0.2100",
        "skill +4.8 %, p 0.010",
        "MCB 0.0040, DSC 0.0140, UNC 0.2100",
        "said %  paid %  fills",
        (
            "largest coefficients, a standard deviation each: age +0.50, no wall_age_s -0.25, "
            "touched_share +0.00"
        ),
        (
            "it passes: its chance of a profit holds if the setup fits the days that the model was "
            "fitted on, and if its order fills"
        ),
    ]


def test_a_model_that_refuses_gives_its_reasons(capsys, vault):
    """Its own weaknesses, and settings that were changed since."""
    stored(vault, tested=replace(GOOD, p=0.3), days=12)
    code, out, _ = answer(capsys, vault, "predict", "show")
    reasons = [
        "12 days; at least 30 are needed",
        (
            "on days unknown to it it is not proven better than the base rate: p 0.300, at most "
            "0.025 is allowed"
        ),
        f"it was fitted under other settings: 8b5096857f9b, now {CONFIG}",
    ]
    assert code == 0
    assert out.splitlines()[-4:] == [
        "it refuses to give a chance:", *(f"- {reason}" for reason in reasons)
    ]  # fmt: skip
    row = json.loads(answer(capsys, vault, "predict", "show", "--json")[1])
    assert (row["passes"], row["refuses"], row["tested"]["p"]) == (False, reasons, "0.3")


def test_a_damaged_model_is_refused(capsys, vault):
    """Exit code 1 with the file and the remedy."""
    replace_file(LabPaths(vault).model, b"{}")
    code, _, err = answer(capsys, vault, "predict", "show")
    assert (code, "model.json: is no model of a fade" in err) == (1, True)


def test_a_fit_reads_the_judged_days_of_all_instruments(capsys, vault):
    """It stands in the ledger and on disk, and is shown again as it was."""
    pytest.importorskip("sklearn", reason="needs the extra [edge]")
    names = ["--instId", BTC, "--instId", ETH]
    code, _, err = answer(capsys, vault, "predict", "fit", *names)
    assert (code, "no judged day of BTC-USDT-SWAP, ETH-USDT-SWAP" in err) == (3, True)
    made = [made_trials(seed, 24, 1.0, fills=12) for seed in (1, 2)]
    for inst_id, trials in zip((BTC, ETH), made, strict=True):
        judged(vault, inst_id, trials)
    code, out, _ = answer(capsys, vault, "predict", "fit", *names)
    assert code == 0
    assert answer(capsys, vault, "predict", "show")[1] == out
    model = read_model(LabPaths(vault).model.read_bytes(), "model.json")
    assert model.fills == sum(len(trials.trials.won) for trials in made)
    assert (model.days, model.config_id, model.instruments) == (24, CONFIG, (BTC, ETH))
    assert "24 days; at least 30 are needed" in out
    (look,) = evaluations(ChainedLog(LabPaths(vault).ledger))
    assert (look.role, look.config_id, look.data_id) == ("oos", CONFIG, model.data_id)
    assert (look.days, look.fills) == ((made[0].days[0], made[0].days[-1]), model.fills)
