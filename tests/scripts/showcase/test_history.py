"""The step of the demo that imports: days that lack or differ are named, not passed over."""

import pytest

from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from scripts import demo
from scripts.showcase import history, steps
from scripts.showcase.steps import DemoError
from tests.scripts.test_demo import demo_in
from tests.support.imported import note

BTC = "BTC-USDT-SWAP"


def imported(vault, *proofs: str) -> None:
    """Note a day for each proof."""
    for day, proof in enumerate(proofs, 14):
        note(vault, BTC, day=f"2025-12-{day}", proof=proof)


def test_a_market_is_old_enough_for_its_files_to_be_out():
    """The file with the first hours of the day behind the last whole one ends at 16:00 UTC."""
    assert history.market_history_s(1) > 86_400 + 16 * 3_600
    assert history.market_history_s(3) - history.market_history_s(1) == 2 * 86_400


def test_whole_days_are_proved_and_the_next_is_there_in_part(vault):
    """The fills of all of them are counted."""
    imported(vault, "candles", "candles", "partial")
    assert history.check_imported(demo_in(vault), BTC, 2) == 3 * 5


@pytest.mark.parametrize("proofs", [(), ("candles", "partial"), ("candles", "unproved", "partial")])
def test_other_days_than_expected_fail_the_demo(vault, proofs):
    """One that lacks, or whose minutes are not those of the candles."""
    imported(vault, *proofs)
    with pytest.raises(DemoError, match=f"imported of {BTC}: .*; expected 2 days"):
        history.check_imported(demo_in(vault), BTC, 2)


def test_a_missing_id_fails_the_demo(vault):
    """Within the days, or between them and the recording."""
    imported(vault, "candles", "partial")
    GapLedger(vault.gap_ledger(BTC), BTC).append(LedgerEntry(Gap(7, 9), "open", "test", 0))
    with pytest.raises(DemoError, match="left 3 ids of BTC-USDT-SWAP open"):
        history.check_imported(demo_in(vault), BTC, 1)


def test_the_step_comes_behind_the_exporters_and_only_if_asked_for():
    """The ordinary demo has the steps that it had."""
    assert steps.steps_of(demo.options([])) == steps.STEPS
    names = [name for name, _ in steps.steps_of(demo.options(["--history", "3d"]))]
    assert names[:4] == ["exchange", "exporters", "history", "calculators"]
    assert len(names) == len(steps.STEPS) + 1


@pytest.mark.parametrize("given", ["0d", "31d", "3h", "", "-1", "²"])
def test_another_history_is_a_usage_error(given, capsys):
    """So many days as make a demo."""
    with pytest.raises(SystemExit) as ended:
        demo.options([f"--history={given}"])
    assert ended.value.code == 2
    assert "expected 1d to 30d" in capsys.readouterr().err
