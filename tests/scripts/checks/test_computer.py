"""Checks of this computer: each passes, or names the remedy."""

import errno
import os
import shutil
from types import SimpleNamespace
from typing import Any

import pytest

from ravequant import settings, times
from ravequant.alerts.webhook import WEBHOOK_VARIABLE
from ravequant.checks.check import Check
from ravequant.errors import FeedError
from ravequant.vault.paths import CHECKOUT, Vault
from scripts.checks import computer
from tests.checks.test_programs import NOW, put_beat
from tests.support import alert_cases
from tests.support.alert_cases import TAKEN


def test_a_missing_program_is_named():
    """A checkout with a file less is no whole one."""
    there = "scripts/run_all.py"
    assert computer.programs([there]) == Check("programs", "PASS", f"all in {CHECKOUT}")
    found = computer.programs([there, "scripts/gone.py"])
    assert (found.level, found.remedy) == ("FAIL", "get a whole checkout")
    assert found.text == f"scripts/gone.py not found in {CHECKOUT}"


def test_writing_makes_the_vault_and_leaves_no_file(tmp_path):
    """The probe is gone afterwards; a vault that must exist is not made."""
    vault = Vault(tmp_path / "vault")
    assert computer.vault_usable(vault).text == f"{vault.root} is not there"
    assert not vault.root.exists()
    assert computer.writable(vault) == Check("vault", "PASS", str(vault.root))
    assert [path for path in vault.root.rglob("*") if path.is_file()] == []
    assert computer.vault_usable(vault).text == f"{vault.root} can be read and written"


@pytest.mark.parametrize("more", [0, 1])
def test_a_disk_needs_the_least_room_and_not_a_byte_more(tmp_path, monkeypatch, more):
    """Exactly the least is enough."""
    usage = SimpleNamespace(free=2_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    found = computer.room(Vault(tmp_path), least_free=2_000 + more)
    assert found.level == ("FAIL" if more else "PASS")


class Exchange:
    """A REST client whose clock is off, or that does not answer."""

    def __init__(self, ahead_ms: int | None) -> None:
        self.ahead_ms = ahead_ms

    def server_time(self) -> int:
        if self.ahead_ms is None:
            raise FeedError("no answer")
        return times.utc_now_ms() - self.ahead_ms


@pytest.mark.parametrize(
    ("ahead_ms", "level"),
    [(0, "PASS"), (1_500, "PASS"), (-2_500, "WARN"), (29_000, "WARN"), (-31_000, "FAIL"),
     (None, "WARN")],
)  # fmt: skip
def test_the_clock_may_differ_by_two_seconds(ahead_ms, level):
    """From there on it is a warning, and from half a minute on a failure, in either direction."""
    exchange: Any = Exchange(ahead_ms)
    found = computer.clock(exchange)
    assert found.level == level
    if ahead_ms:
        assert ("ahead of" in found.text) == (ahead_ms > 0)


def test_the_clock_is_judged_by_what_an_exporter_measured(vault):
    """Without asking the exchange; a stale measurement says nothing."""
    assert list(computer.measured_clock(vault, NOW)) == []
    put_beat(vault, "l2_exporter", NOW, clock_offset_ms=-90_000)
    (found,) = computer.measured_clock(vault, NOW)
    assert (found.level, found.text) == ("FAIL", "90.0 s behind the exchange")
    assert list(computer.measured_clock(vault, NOW + 31_000)) == []


def test_an_older_package_is_named():
    """The version is compared by its numbers, not as text."""
    assert computer._lacks("orjson>=3.10,<4") is None
    assert computer._lacks("orjson>=99.1") is not None
    assert computer._lacks("no-such-package>=1") == "no-such-package is missing"
    assert computer._older("2.9.1", "2.10")
    assert not computer._older("2.10", "2.9.1")


@pytest.mark.parametrize(
    ("answer", "level", "said"),
    [
        (TAKEN, "PASS", 'the message "RaveQuant can reach you" stands in the channel'),
        ((404, {}, b"{}"), "FAIL", "make a new webhook in the channel's settings"),
        ((400, {}, b"{}"), "FAIL", "change the channel or the webhook as the reason says"),
        ((503, {}, b""), "FAIL", "Discord itself failed, try again later"),
    ],
)
def test_the_test_message_is_sent_only_when_asked_for(monkeypatch, answer, level, said):
    """The answer is read: taken, or refused with Discord's status; the address is not shown."""
    chosen = settings.Settings()
    with alert_cases.hook() as hook:
        monkeypatch.setenv(WEBHOOK_VARIABLE, hook.url)
        assert computer.discord(chosen).text == "well-formed; nothing was sent"
        assert hook.asked == []
        hook.answers = [answer]
        found = computer.discord(chosen, post=True)
        assert len(hook.asked) == 1
    assert found.level == level
    assert said in found.sentence
    assert alert_cases.SECRET not in found.sentence
    if level == "PASS":
        assert [post["content"] for post in hook.posts] == ["RaveQuant can reach you"]
    else:
        assert str(answer[0]) in found.text


def test_without_a_webhook_no_test_message_can_be_sent(monkeypatch):
    """With --post that is a failure that names both places of the address."""
    found = computer.discord(settings.Settings(), post=True)
    assert (found.level, found.text) == ("FAIL", f"none set in {WEBHOOK_VARIABLE}")
    assert found.remedy == "put its address there, or into the settings as alerts.discord_webhook"
    assert computer.discord(settings.Settings()).level == "PASS"


def test_a_full_disk_is_no_missing_permission(tmp_path, monkeypatch):
    """It takes the name of a file and not one byte: the probe has bytes, the remedy is space."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    found = computer.writable(Vault(tmp_path / "vault"))
    assert (found.level, found.remedy) == ("FAIL", "free space on its disk")


def test_settings_that_are_not_read_are_a_warning(tmp_path, monkeypatch):
    """The instruments are those of the defaults; the file that was meant is named."""
    monkeypatch.delenv(settings.SETTINGS_VARIABLE, raising=False)
    monkeypatch.setattr(settings, "_DEFAULT_FILE", tmp_path / "ravequant.toml")
    assert computer.chosen_settings()[1].level == "PASS"
    (tmp_path / "ravequant.toml.txt").touch()
    found = computer.chosen_settings()[1]
    assert (found.level, found.text) == (
        "WARN", f"BTC-USDT-SWAP, ETH-USDT-SWAP; {tmp_path / 'ravequant.toml.txt'} is not read"
    )  # fmt: skip
    assert found.remedy == f"move it to {tmp_path / 'ravequant.toml'}, or away"


def test_packages_are_those_that_the_code_on_disk_needs(tmp_path, monkeypatch):
    """After an update pip's note of the project is old: the file of the checkout counts."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "ravequant"\ndependencies = ["orjson>=3", "came-with-update>=1"]\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(computer, "CHECKOUT", tmp_path)
    (found,) = computer.python()
    assert (found.level, found.text, found.remedy) == (
        "FAIL", "came-with-update is missing", "python scripts/environment.py",
    )  # fmt: skip
