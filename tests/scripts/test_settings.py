"""What `scripts/settings.py` shows and checks, and that the README says the same as the code."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ravequant import settings, settings_schema
from ravequant.alerts.webhook import WEBHOOK_VARIABLE
from ravequant.settings import SETTINGS_VARIABLE, Settings, load
from ravequant.vault.paths import CHECKOUT, VAULT_VARIABLE
from scripts import settings as program

SCRIPT = CHECKOUT / "scripts" / "settings.py"
TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^<!-- every key.*-->\n```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLE = """instruments = ["SOL-USDT-SWAP"]

[okx]
region = "eea"   # Europe

  [ "vwap" ]
  extended_bps= "62.5"
[buckets]
band_notional = { SOL = "1000" }
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that writes the settings file in use."""
    path = tmp_path / "own.toml"
    monkeypatch.setenv(SETTINGS_VARIABLE, str(path))
    monkeypatch.delenv(WEBHOOK_VARIABLE, raising=False)

    def write(text: str) -> Path:
        path.write_text(text, encoding="utf-8")
        return path

    return write


def shown(capsys, *words: str) -> dict[str, dict[str, object]]:
    assert program.main(["--json", *words]) == 0
    found: dict[str, dict[str, object]] = json.loads(capsys.readouterr().out)
    return found


def test_each_key_is_shown_with_its_value_and_origin(file, capsys):
    """A line of the file, the region's address, or the default."""
    file(EXAMPLE)
    found = shown(capsys)
    assert found["instruments"] == {"value": ["SOL-USDT-SWAP"], "from": "own.toml:1"}
    assert found["okx.region"] == {"value": "eea", "from": "own.toml:4"}
    assert found["okx.ws_url"] == {"value": "wss://wseea.okx.com/ws/v5", "from": "okx.region"}
    assert found["vwap.extended_bps"] == {"value": "62.5", "from": "own.toml:7"}
    assert found["buckets.band_notional.SOL"] == {"value": "1000", "from": "own.toml:9"}
    assert found["buckets.band_notional.BTC"] == {"value": "300000", "from": "default"}
    tables = {name.rsplit(".", 1)[0] for name in found if name.count(".") == 2}
    assert set(settings_schema.names(Settings)) <= set(found) | tables


def test_lines_are_found_as_far_as_plain_text_tells():
    """Blanks and quotes of TOML do not matter; a comment is no key."""
    found = program.lines_of('# a = 1\n a."b" . c = 1\n[ x . y ] # z = 1\nk = "v = 1"\n')
    assert found == {"a.b.c": 2, "x.y.k": 4}


def test_the_environment_is_named_where_it_decides(file, capsys, monkeypatch, tmp_path):
    """Which file is read, where the data goes; flags go before."""
    path = file("")
    monkeypatch.setenv(VAULT_VARIABLE, str(tmp_path / "there"))
    found = shown(capsys)
    assert found["file"] == {"value": str(path), "from": f"${SETTINGS_VARIABLE}"}
    assert found["vault"] == {"value": str(tmp_path / "there"), "from": f"${VAULT_VARIABLE}"}
    found = shown(capsys, "--vault", str(tmp_path / "else"))
    assert found["vault"] == {"value": str(tmp_path / "else"), "from": "--vault"}
    monkeypatch.delenv(VAULT_VARIABLE)
    assert shown(capsys)["vault"]["from"] == "checkout"


@pytest.mark.parametrize("named", ["environment", "file"])
def test_a_secret_is_set_or_not_and_never_shown(file, capsys, monkeypatch, named):
    """Wherever it comes from, in the table and for programs."""
    secret = "https://discord.com/api/webhooks/123456789012345678/" + "s3cr3t_" * 10
    path = file("" if named == "environment" else f'[alerts]\ndiscord_webhook = "{secret}"\n')
    if named == "environment":
        monkeypatch.setenv(WEBHOOK_VARIABLE, secret)
    place = f"${WEBHOOK_VARIABLE}" if named == "environment" else f"{path.name}:2"
    assert shown(capsys)["alerts.discord_webhook"] == {"value": "set", "from": place}
    assert program.main([]) == 0
    assert "s3cr3t" not in capsys.readouterr().out
    file("")
    monkeypatch.delenv(WEBHOOK_VARIABLE, raising=False)
    assert shown(capsys)["alerts.discord_webhook"] == {"value": "not set", "from": "default"}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, encoding="utf-8", cwd=SCRIPT.parent
    )


def test_check_says_valid_or_what_is_wrong(file):
    """As a program in its own folder: exit code 0, or 2 with the file, the key and the remedy."""
    path = file('[vwap]\nextended_bps = "62.5"\n')
    good = run("--check")
    assert (good.returncode, good.stdout) == (0, f"{path}: valid, 1 keys set\n")
    file('[vwap]\nextended_bsp = "62.5"\n')
    for option in ("--check", "--show"):
        bad = run(option)
        assert (bad.returncode, bad.stdout) == (2, "")
        said = f"{path}: vwap.extended_bsp is unknown; did you mean vwap.extended_bps?\n"
        assert bad.stderr.endswith(said)


def test_an_instrument_that_is_no_perpetual_is_named(file, capsys):
    """It would be left out: exit code 2, with the name that was probably meant."""
    file('instruments = ["BTC-USDT", "ETH-USDT-SWAP"]\n')
    assert program.main(["--check"]) == 2
    said = "BTC-USDT is no perpetual and is not recorded; did you mean BTC-USDT-SWAP?\n"
    assert capsys.readouterr().out.endswith(said)


def test_the_file_need_not_be_there(monkeypatch, capsys, tmp_path):
    """Without one all are defaults."""
    monkeypatch.delenv(SETTINGS_VARIABLE)
    monkeypatch.setattr("ravequant.settings._DEFAULT_FILE", tmp_path / "ravequant.toml")
    assert program.main(["--check"]) == 0
    said = f"{tmp_path / 'ravequant.toml'}: absent: the defaults hold\n"
    assert capsys.readouterr().out == said
    assert shown(capsys)["file"]["from"] == "checkout, absent"


def test_settings_that_are_not_read_are_no_success(monkeypatch, capsys, tmp_path, caplog):
    """Notepad saved them under another name: exit code 2, and the place where they belong."""
    monkeypatch.delenv(SETTINGS_VARIABLE)
    monkeypatch.setattr("ravequant.settings._DEFAULT_FILE", tmp_path / "ravequant.toml")
    settings._tell_unread.cache_clear()
    (tmp_path / "ravequant.toml.txt").touch()
    assert program.main(["--check"]) == 2
    shown = capsys.readouterr()
    assert shown.out == f"{tmp_path / 'ravequant.toml'}: absent: the defaults hold\n"
    assert f"WARNING settings: {tmp_path / 'ravequant.toml.txt'} is not read: " in shown.err
    settings._tell_unread.cache_clear()


def test_the_readme_shows_every_key_with_its_default():
    """The block of the root README, read as TOML, is what holds without a file."""
    (block,) = BLOCK.findall((CHECKOUT / "README.md").read_text(encoding="utf-8"))
    defaults = json.loads(json.dumps(settings_schema.as_typed(Settings())))
    assert tomllib.loads(block) == defaults
    order = [name for name in program.lines_of(block) if name.count(".") < 2]
    assert order == list(settings_schema.names(Settings))


def test_every_example_of_a_readme_is_valid(file):
    """Each piece of settings that a README shows may be copied as it stands."""
    pieces = [
        piece
        for readme in CHECKOUT.glob("*/README.md")
        for piece in TOML.findall(readme.read_text(encoding="utf-8"))
    ]
    assert pieces
    for piece in pieces:
        load(file(piece))


def test_nobody_imports_the_program_by_chance():
    """A script's own folder leads sys.path: a bare `import settings` there would mean this one."""
    for path in CHECKOUT.glob("*/**/*.py"):
        if ".venv" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert "settings" not in {item.name for item in node.names}, path
            elif isinstance(node, ast.ImportFrom):
                assert node.module != "settings", path
