"""Settings that are read again and again: a slip in the file ends no program that runs."""

import re

import pytest

from ravequant import settings
from ravequant.errors import UsageError
from ravequant.signals.standing_settings import StandingSettings


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[signals]\nstop_bps = 1\n", "signals.stop_bps"),
        ("[signals]\nstop_bps = ", "cannot be read as TOML"),
        ("\n", "gone or empty while the program runs"),
        (None, "gone or empty while the program runs|names a file that is absent"),
    ],
)
def test_a_program_that_runs_on_keeps_the_last_good_settings(
    settings_file, monkeypatch, caplog, text, why
):
    """A slip, a half-written file or none: why is logged once; mended, the file holds again."""
    path = settings_file('[signals]\nstop_bps = "3"\n')
    monkeypatch.setenv(settings.SETTINGS_VARIABLE, str(path))
    standing = StandingSettings()
    good = standing.load()
    assert (good.signals.stop_bps.text, standing.problem) == ("3", "")
    path.unlink() if text is None else settings_file(text)
    assert [standing.load(), standing.load()] == [good, good]
    (line,) = (one.getMessage() for one in caplog.records if one.name == "settings")
    assert line == standing.problem
    assert line.startswith(f"{path}: ")
    assert re.search(why, line)
    assert line.endswith("; until it is mended the settings read before hold")
    settings_file('[signals]\nstop_bps = "4"\n')
    assert (standing.load().signals.stop_bps.text, standing.problem) == ("4", "")


def test_wrong_from_the_beginning_there_are_no_good_settings(settings_file, monkeypatch):
    """Then the program ends, as each other does."""
    monkeypatch.setenv(settings.SETTINGS_VARIABLE, str(settings_file("[signals]\nstop_bps = 1\n")))
    with pytest.raises(UsageError):
        StandingSettings().load()


def test_the_default_file_may_be_absent_and_come_later(tmp_path, monkeypatch):
    """Without a file there is nothing to keep; once it was there it is missed."""
    path = tmp_path / "ravequant.toml"
    monkeypatch.delenv(settings.SETTINGS_VARIABLE, raising=False)
    monkeypatch.setattr(settings, "_DEFAULT_FILE", path)
    standing = StandingSettings()
    assert standing.load() == settings.Settings()
    path.write_text('[signals]\nstop_bps = "3"\n', encoding="utf-8")
    assert standing.load().signals.stop_bps.text == "3"
    path.unlink()
    assert standing.load().signals.stop_bps.text == "3"
    assert standing.problem.startswith(f"{path}: gone or empty")
