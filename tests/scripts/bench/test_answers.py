"""Tests of scripts.bench.answers: each kind of answer has its milliseconds."""

from scripts.bench import answers
from tests.support.hour_vault import START, put_hour


def test_answers_and_pictures_are_measured(vault, monkeypatch):
    """Of now and of minutes before, with and without base rates; and where the time goes."""
    monkeypatch.setattr(answers, "AGAIN", 1)
    put_hour(vault)
    found = answers.measure(str(vault.root), str(START + 50 * 60_000))
    parts = dict(found.pop("parts"))
    assert set(found) == {"first", "next", "bare", "of a minute", "view 150", "view 1440"}
    assert all(milliseconds > 0 for milliseconds in found.values())
    assert len(parts) <= 6
    assert 0 < sum(parts.values()) <= 1.001
