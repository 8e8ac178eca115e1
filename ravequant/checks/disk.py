"""The check of the disk: how much is free, and when it will be full."""

import shutil
from typing import Final

from ravequant.checks.check import Check, Level
from ravequant.settings import Settings
from ravequant.vault.paths import Vault
from ravequant.vault.retention import plan, report
from ravequant.vault.retention.forecast import Forecast, forecast
from ravequant.vault.retention.survey import age_moment, survey

_DAYS_FAIL, _DAYS_WARN = 3.0, 14.0
_GB: Final = 10**9
_REMEDY: Final = "free space, set retention.keep_gb, or move old trade days away"


def disk(vault: Vault, chosen: Settings, now: int) -> Check:
    """Check in how many days the disk will be full."""
    return of_forecast(vault, expected(vault, chosen, now))


def expected(vault: Vault, chosen: Settings, now: int) -> Forecast:
    """Return the growth of the vault and the end of its disk; reads the size of every file."""
    rules, moment = plan.rules_of(chosen.retention), age_moment(vault, now)
    return forecast(survey(vault), rules, now if moment is None else moment, None)


def of_forecast(vault: Vault, seen: Forecast) -> Check:
    """Judge a forecast and the bytes that are free now."""
    free = shutil.disk_usage(vault.root).free if vault.root.is_dir() else seen.free
    text, days = (
        f"{report.size(free)} free, {report.when_full(seen, seen.disk_days)}",
        seen.disk_days,
    )
    if free < _GB or (days is not None and days < _DAYS_FAIL):
        level: Level = "FAIL"
    else:
        level = "WARN" if days is not None and days < _DAYS_WARN else "PASS"
    return Check("disk", level, text, "" if level == "PASS" else _REMEDY)
