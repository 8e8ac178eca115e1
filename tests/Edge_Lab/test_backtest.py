"""The command `backtest`: every family and model, on disk first, never without an interval."""

import json
import re

import pytest

from Edge_Lab import backtest, edge_lab
from Edge_Lab.families import FAMILIES
from Edge_Lab.lab_paths import LabPaths
from Edge_Lab.trial_ledger import ChainedLog, evaluations
from ravequant.errors import VaultError
from ravequant.vault.paths import Vault
from tests.support.made_trials import BTC, ETH, day_of, judge_days


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """Return a vault with eight judged days of two instruments."""
    made = Vault(tmp_path_factory.mktemp("a vault"))
    judge_days(made, map(day_of, range(8)), trials=12, placebos=4)
    return made


def answer(capsys, vault, *words):
    """Return exit code and output of the command."""
    code = edge_lab.main(["backtest", "--vault", str(vault.root), *words])
    return code, capsys.readouterr().out


def test_each_family_has_a_line(capsys, vault):
    """24 families, three models of base side by side, 80 columns, and an interval at each mean."""
    code, text = answer(capsys, vault)
    lines = text.splitlines()
    assert code == 0
    assert lines[0] == f"{BTC}, {ETH}: 8 judged days, {day_of(0)} to {day_of(7)}"
    assert max(map(len, lines)) <= backtest.WIDTH
    start = next(number for number, line in enumerate(lines) if line.startswith("family"))
    table = lines[start + 1 : start + 25]
    assert [line.split()[0] for line in table] == list(FAMILIES)
    for line in table:
        assert len(re.findall(r"[-+]?\d+\.\d \(-?\d+\.\d to -?\d+\.\d\)", line)) == 2
    assert [line.split()[0] for line in lines[start + 27 : start + 30]] == [
        "touch", "queue", "through",
    ]  # fmt: skip
    assert not re.search(r"annual|per year|week|month", text)


def test_an_evaluation_stands_in_the_ledger_before_it_is_shown(capsys, vault, monkeypatch):
    """A ledger that cannot be written: no number is shown."""

    def refused(*_):
        raise VaultError("the disk is full; make room")

    monkeypatch.setattr(backtest, "put_down", refused)
    code, text = answer(capsys, vault)
    assert (code, text) == (1, "")


def test_the_answer_as_json(capsys, vault):
    """Decimals as text; what was asked for alone is evaluated and counted."""
    log = ChainedLog(LabPaths(vault).ledger)
    before = len(list(log.rows()))
    code, text = answer(
        capsys, vault, "--json", "--family", "wall", "--model", "queue", "--instId", BTC,
        "--from", day_of(2), "--to", day_of(4),
    )  # fmt: skip
    found = json.loads(text)
    assert code == 0
    assert (found["instruments"], found["days"], found["judged_days"]) == (
        [BTC], [day_of(2), day_of(4)], 3,
    )  # fmt: skip
    (row,) = found["evaluations"]
    newest = list(evaluations(log))[before:]
    assert [(line.family, line.model, line.instruments) for line in newest] == [
        ("wall", "queue", (BTC,))
    ]
    assert (row["net"]["bps"], row["fills"]) == (newest[0].net, newest[0].fills)
    low, high = map(float, row["net"]["interval"])
    assert low < float(row["net"]["bps"]) < high
    assert float(row["net_a_signal"]["bps"]) > float(row["net"]["bps"])


def test_two_runs_give_the_same_bytes(capsys, vault):
    """All but the time of the lines: the answer, the series, the ledger."""
    first, second = answer(capsys, vault, "--json"), answer(capsys, vault, "--json")
    assert first == second
    rows = [
        {key: row[key] for key in row if key not in {"n", "made_utc", "prev", "sha"}}
        for row in ChainedLog(LabPaths(vault).ledger).rows()
    ]
    assert rows[-72:] == rows[-144:-72]


def test_nothing_judged_is_no_data(capsys, caplog, tmp_path, vault):
    """An empty vault, and a range without a day: exit code 3, no ledger."""
    assert answer(capsys, Vault(tmp_path)) == (3, "")
    assert not LabPaths(Vault(tmp_path)).ledger.exists()
    assert answer(capsys, vault, "--from", "2027-01-01")[0] == 3


def test_an_unknown_family_is_refused(capsys, vault):
    """Exit code 2 and the families that there are."""
    with pytest.raises(SystemExit) as ended:
        answer(capsys, vault, "--family", "luck")
    assert ended.value.code == 2
    assert "VERY_HIGH" in capsys.readouterr().err
