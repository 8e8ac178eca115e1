"""Judged days: of each instrument, in a range, under one execution."""

import logging
from dataclasses import replace

from Edge_Lab.executions import executions
from Edge_Lab.judged_span import judged_span
from Edge_Lab.trial_files import read_note, write_note
from Edge_Lab.trial_ledger import setting_id
from ravequant.settings import Settings
from ravequant.vault.paths import Vault
from tests.support.made_trials import BTC, ETH, day_of, judge_days

DEFAULT = executions(Settings())[0]


def made_vault(root):
    """Return a vault with four days of BTC and two of ETH."""
    vault = Vault(root)
    judge_days(vault, map(day_of, range(4)), instruments=[BTC], trials=4, placebos=2)
    judge_days(vault, map(day_of, (1, 5)), instruments=[ETH], trials=4, placebos=2, books=False)
    return vault


def test_days_of_all_instruments_are_joined(tmp_path):
    """A day counts if any instrument was judged; its digests are those that are there."""
    vault = made_vault(tmp_path)
    span = judged_span(vault, [ETH, BTC])
    assert span.instruments == (BTC, ETH)
    assert span.days == [day_of(number) for number in (0, 1, 2, 3, 5)]
    assert [len(found) for found in span.digests(DEFAULT).values()] == [1, 2, 1, 1, 1]
    assert span.books
    assert not judged_span(vault, [ETH]).books


def test_a_range_holds_both_ends(tmp_path):
    """From and to count themselves; a range without a day is empty."""
    vault = made_vault(tmp_path)
    assert judged_span(vault, [BTC], day_of(1), day_of(2)).days == [day_of(1), day_of(2)]
    assert judged_span(vault, [BTC], day_of(9)).days == []


def test_the_inputs_have_one_name(tmp_path):
    """The name is that of all notes; another order of instruments changes nothing, a day does."""
    vault = made_vault(tmp_path)
    span = judged_span(vault, [BTC, ETH])
    plain = {f"{inst_id}/{day}": note.data_id for (day, inst_id), note in span.notes.items()}
    assert span.data_id == setting_id(plain) == judged_span(vault, [ETH, BTC]).data_id
    assert span.data_id != judged_span(vault, [BTC, ETH], day_of(1)).data_id


def test_days_without_the_execution_are_left_out_and_named(tmp_path, caplog):
    """Settings that were changed have no old answers: the days are left out, with the reason."""
    vault = made_vault(tmp_path)
    note = read_note(vault, BTC, day_of(2))
    assert note is not None
    write_note(vault, BTC, day_of(2), replace(note, trials={}, stale_trades=True))
    span = judged_span(vault, [BTC])
    assert span.stale == 1
    with caplog.at_level(logging.WARNING):
        found = span.judged_by(DEFAULT)
    assert found.days == [day_of(number) for number in (0, 1, 3)]
    assert "1 of 4 days are left out" in caplog.text
    assert f"exec_id {DEFAULT.exec_id} was not judged" in caplog.text
    assert span.judged_by(executions(Settings())[3]).days == []
