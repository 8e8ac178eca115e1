"""The register of hypotheses: a change is a new line and a new day 0, the old ones stay."""

import json
from dataclasses import replace

import pytest

from Edge_Lab.lab_paths import LabPaths
from Edge_Lab.registered import Registration, hypotheses_of, register, registered
from Edge_Lab.trial_ledger import ChainedLog
from ravequant.errors import VaultError
from ravequant.settings import Settings
from ravequant.settings_schema import build
from ravequant.vault.paths import Vault
from tests.support.made_trials import BTC, ETH

NOW = 1_765_748_107_300
ABOUT = hypotheses_of(Settings(), [ETH, BTC])


@pytest.fixture
def vault(tmp_path):
    """Return an empty vault."""
    return Vault(tmp_path / "a vault")


def test_what_is_registered():
    """The three families, pooled over the instruments, and the names of all settings."""
    assert ABOUT.hypotheses == ("base", "VERY_HIGH", "conviction=MAX")
    assert ABOUT.instruments == (BTC, ETH)
    assert ABOUT.query_id == "618d6abbefa3"


def test_nothing_is_registered(vault):
    """No line, and no file that the question would make."""
    assert registered(vault) is None
    assert not vault.root.exists()


def test_the_same_again_keeps_its_day_0(vault):
    """One line, from the first time on."""
    first = register(vault, ABOUT, NOW)
    assert first == Registration(1, NOW, ABOUT)
    assert register(vault, ABOUT, NOW + 1) == registered(vault) == first
    (line,) = LabPaths(vault).registered.read_bytes().splitlines()
    assert json.loads(line)["registered_utc"] == "2025-12-14T21:35:07.300Z"


@pytest.mark.parametrize(
    "changed",
    [
        {"config_id": "0" * 12}, {"query_id": "0" * 12}, {"code": "0"}, {"instruments": (BTC,)},
        {"hypotheses": ("base",)},
    ],
)  # fmt: skip
def test_a_change_is_a_new_day_0(vault, changed):
    """And so is the way back; the old lines stay."""
    register(vault, ABOUT, NOW)
    other = replace(ABOUT, **changed)
    assert register(vault, other, NOW + 1) == Registration(2, NOW + 1, other)
    assert register(vault, ABOUT, NOW + 2) == registered(vault) == Registration(3, NOW + 2, ABOUT)
    assert len(LabPaths(vault).registered.read_bytes().splitlines()) == 3


@pytest.mark.parametrize(
    ("table", "config", "query"),
    [
        ({"edge": {"latency_ms": 500}}, True, False),
        ({"signals": {"maker_bps": "1"}}, True, False),
        ({"signals": {"stop_bps": "2"}}, True, True),
        ({"signals": {"max_rule": "notes"}}, False, False),
        ({"alerts": {"per_hour": 3}}, False, False),
    ],
)
def test_which_settings_are_a_change(table, config, query):
    """Those that bear on a trial's result; the query's name changes by those of the query."""
    found = hypotheses_of(build(Settings, table), [BTC, ETH])
    assert (found.config_id != ABOUT.config_id, found.query_id != ABOUT.query_id) == (config, query)


@pytest.mark.parametrize("broken", [b'"instruments":[', b'"registered_utc":"2'])
def test_a_changed_line_is_refused(vault, broken):
    """The chain breaks there."""
    register(vault, ABOUT, NOW)
    path = LabPaths(vault).registered
    path.write_bytes(path.read_bytes().replace(broken, broken[:-1] + b" " + broken[-1:], 1))
    with pytest.raises(VaultError, match="the chain breaks at line 1"):
        registered(vault)


def test_a_line_of_another_form_is_refused(vault):
    """Whole in its chain, and no registration."""
    ChainedLog(LabPaths(vault).registered).append([{"registered_utc": "soon"}])
    with pytest.raises(VaultError, match="line 1 is no registration"):
        registered(vault)
