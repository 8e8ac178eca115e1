"""The check of the service: with the computer, at a logon, or not at all."""

import getpass
import sys

import pytest

from scripts.checks import service
from scripts.supervision.service_units import SERVICES, Installation, task
from tests.scripts.supervision.test_service_units import WINDOWS


def test_on_linux_units_start_with_the_computer_where_the_user_lingers(tmp_path):
    """Else when the user logs on, and the command that changes it is named."""
    linger = tmp_path / "linger" / "bear"
    found = service.of_linux(tmp_path, linger)
    assert (found.level, found.text.partition(":")[0]) == ("PASS", "not installed")
    (tmp_path / SERVICES[0]).touch()
    found = service.of_linux(tmp_path, linger)
    assert (found.level, found.remedy) == ("WARN", "sudo loginctl enable-linger bear")
    assert found.text == (
        "starts when you log on: after a restart nothing is recorded until you log on"
    )
    linger.parent.mkdir()
    linger.touch()
    assert service.of_linux(tmp_path, linger).text == "starts with the computer"


@pytest.mark.parametrize(("boot", "level"), [(True, "PASS"), (False, "WARN")])
def test_on_windows_the_entry_says_when_it_starts(boot, level):
    """As it was registered: by an administrator, or not."""
    place: Installation = WINDOWS
    found = service.of_windows(task(place, "bear", boot=boot).decode("utf-16"))
    assert found.level == level
    assert ("as administrator" in found.remedy) is (not boot)
    assert service.of_windows(None).level == "PASS"


@pytest.mark.skipif(sys.platform not in {"linux", "win32"}, reason="no service of ours there")
def test_this_computer_has_none_of_the_test_s():
    """The tests' configuration is empty."""
    (found,) = service.start()
    assert (found.name, found.level) == ("service", "PASS")


@pytest.mark.skipif(sys.platform != "linux", reason="the user of a container")
def test_a_user_may_have_a_number_alone(monkeypatch):
    """In a container the user may stand in no list; the check is made all the same."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 10001")

    monkeypatch.setattr(getpass, "getuser", nameless)
    (found,) = service.start()
    assert found.level in {"PASS", "WARN"}
