"""The check of the disk: what is free, and until when."""

import shutil
from types import SimpleNamespace

import pytest

from ravequant import settings
from ravequant.checks import disk
from ravequant.vault.paths import Vault
from ravequant.vault.retention.forecast import Forecast


@pytest.mark.parametrize(
    ("days", "unknown", "text"),
    [(2.04, 3, "full in 2 days or sooner"), (None, 3, "too early to say")],
)
def test_a_forecast_says_no_more_than_was_measured(tmp_path, monkeypatch, days, unknown, text):
    """On the first evening most of the growth is not known yet; a small disk is not enough."""
    expected = Forecast(0, 0, None, 0.0, None, days, unknown)
    monkeypatch.setattr(disk, "forecast", lambda *_: expected)
    usage = SimpleNamespace(free=12_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    found = disk.disk(Vault(tmp_path), settings.Settings(), 0)
    assert (found.level, found.text) == ("FAIL", f"12 MB free, {text}")


@pytest.mark.parametrize(("days", "level"), [(2.9, "FAIL"), (13.9, "WARN"), (14.0, "PASS")])
def test_fewer_days_are_worse(tmp_path, days, level):
    """Under three a failure, under fourteen a warning, each with the remedy."""
    found = disk.of_forecast(
        Vault(tmp_path / "none"), Forecast(0, 10**12, None, 0.0, None, days, 0)
    )
    assert found.level == level
    assert bool(found.remedy) == (level != "PASS")
