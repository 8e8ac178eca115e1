"""What many tests need: recorded data, an empty vault, and a run that touches nobody's data."""

import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from ravequant.alerts.webhook import WEBHOOK_VARIABLE
from ravequant.settings import SETTINGS_VARIABLE
from ravequant.vault.paths import CHECKOUT, VAULT_VARIABLE, Vault
from tests.support.examples import often

# a busy computer is no failure
hypothesis.settings.register_profile("ravequant", deadline=None, max_examples=often(30, 200))
hypothesis.settings.load_profile("ravequant")

pytest_plugins = ("tests.faults.plugin",)
LOG_LEVEL = logging.getLogger().level
SHARED_DATA = CHECKOUT.parent / "shared" / "data"

# a shell that starts the tests behind it has Ctrl-C ignored, nohup a hang-up, and every program
# started here with it
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the lab's bounds, and of the watch over the screen."""
    group = parser.getgroup("lab")
    group.addoption("--lab-bounds", action="store_true", help="all bounds of the edge lab")
    group.addoption("--lab-days", metavar="DIR", help="keeps their simulated days for next time")
    group.addoption("--lab-count", type=int, metavar="N", help="days of each model market")
    group = parser.getgroup("screen")
    group.addoption("--watch-screen", type=float, metavar="MINUTES", help="watch so long")
    group.addoption("--watch-speed", type=float, default=1, metavar="N", help="of its market")


@pytest.fixture
def settings_file(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a settings file and returns its path."""

    def write(text: str) -> Path:
        path = tmp_path / "ravequant.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session", autouse=True)
def _nobodys_vault(tmp_path_factory: pytest.TempPathFactory):
    """Keep every test, and every program it starts, away from the user's vault and settings."""
    folder = tmp_path_factory.mktemp("defaults")
    (folder / "ravequant.toml").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VAULT_VARIABLE, str(folder / "vault"))
        patch.setenv(SETTINGS_VARIABLE, str(folder / "ravequant.toml"))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.delenv(WEBHOOK_VARIABLE, raising=False)
        yield


@pytest.fixture(autouse=True)
def _log_level_as_before():
    """Undo the log level that a program set which ran inside a test, or for several of them."""
    logging.getLogger().setLevel(LOG_LEVEL)
    yield
    logging.getLogger().setLevel(LOG_LEVEL)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of recorded market data; skips the test where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no recorded data at {SHARED_DATA}: this test replays it")
    return SHARED_DATA


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """Return a vault in which nothing stands yet."""
    return Vault(tmp_path / "vault")
