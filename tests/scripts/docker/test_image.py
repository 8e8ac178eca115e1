"""The files for a container: what comes into the image, as whom it runs, what it is asked."""

import json
import re
import tomllib
from fnmatch import fnmatch

import pytest

from ravequant.vault.paths import CHECKOUT
from scripts import main

FOLDER = CHECKOUT / "scripts" / "docker"
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
CONFIG = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
STEPS = [
    line for line in DOCKERFILE.replace("\\\n", " ").splitlines() if re.match(r"[A-Z]+ ", line)
]
RULES = [
    line
    for line in (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def comes_in(path: str) -> bool:
    """Return True if Docker would copy a file: the last rule that it meets decides."""
    parts, wanted = path.split("/"), True
    fronts = ["/".join(parts[: at + 1]) for at in range(len(parts))]
    for rule in RULES:
        pattern = rule.removeprefix("!")
        names = parts if pattern.startswith("**/") else fronts
        if any(fnmatch(name, pattern.removeprefix("**/")) for name in names):
            wanted = rule.startswith("!")
    return wanted


def last(word: str) -> str:
    return next(step for step in reversed(STEPS) if step.startswith(f"{word} "))[len(word) + 1 :]


def test_all_programs_come_in():
    """Every package of the installation, every script, and the two files that pip reads."""
    wanted = ["pyproject.toml", "requirements.txt"]
    for package in (*CONFIG["tool"]["setuptools"]["packages"], "scripts"):
        folder = CHECKOUT / package.replace(".", "/")
        wanted += [path.relative_to(CHECKOUT).as_posix() for path in folder.rglob("*.py")]
    assert len(wanted) > 150
    assert [path for path in wanted if not comes_in(path)] == []


@pytest.mark.parametrize(
    "path",
    [
        "ravequant.toml", ".env", ".git/config", ".venv/bin/python", "demo_vault/raw/x.jsonl",
        "Rave_Quant_Vault/raw/okx/trades_perps/BTC-USDT-SWAP/2025-12-14.jsonl", "tests/conftest.py",
        "L2_Bot/l2_exporter.log", "L2_Bot/l2_exporter.log.1", "ravequant/__pycache__/exact.pyc",
    ],
)  # fmt: skip
def test_data_and_secrets_stay_out(path):
    """Recordings, settings with a webhook, logs and the history of git are in no image."""
    assert not comes_in(path)


def test_it_runs_without_rights():
    """The last user is not root, the vault is his and a volume, the rest cannot be written to."""
    user = last("USER")
    assert user not in {"root", "0"}
    assert f"chown {user}:{user} /vault" in DOCKERFILE
    assert last("VOLUME") == "/vault"
    assert "RAVEQUANT_VAULT=/vault" in DOCKERFILE
    assert STEPS.index(f"USER {user}") > max(n for n, step in enumerate(STEPS) if "RUN" in step)
    for line in ("init: true", "read_only: true", "no-new-privileges:true", "- vault:/vault"):
        assert line in COMPOSE
    assert re.search(r"cap_drop:\n +- ALL\n", COMPOSE)


def test_it_starts_and_is_asked_by_known_words():
    """Entry point, command and health check are words and options of the programs."""
    assert json.loads(last("ENTRYPOINT")) == ["ravequant"] == [*CONFIG["project"]["scripts"]]
    health = re.search(r"CMD (\[.*\])", last("HEALTHCHECK"))
    assert health is not None
    command = re.search(r"command: (\[.*\])", COMPOSE)
    assert command is not None
    first, *asked = json.loads(health[1])
    assert first == "ravequant"
    for words in (asked, json.loads(last("CMD")), json.loads(command[1])):
        program = main.chosen(words[0])
        text = (CHECKOUT / program.script).read_text(encoding="utf-8")
        for option in words[1:]:
            assert option.isdigit() or f'"{option}"' in text, f"{program.script}: no {option}"
    assert last("STOPSIGNAL") == "SIGTERM"


def test_its_python_is_one_that_is_tested():
    """The base image has the oldest Python that is supported, and names it."""
    version = re.fullmatch(r"python:(3\.\d+)-slim-\w+", last("FROM"))
    assert version is not None
    assert CONFIG["project"]["requires-python"] == f">={version[1]}"


def test_no_secret_is_written_down():
    """The webhook's variable is handed on by name, without a value."""
    assert re.search(r"^ +- RAVEQUANT_DISCORD_WEBHOOK$", COMPOSE, re.MULTILINE)
    for text in (DOCKERFILE, COMPOSE):
        assert "discord.com" not in text
        assert not re.search(r"(?i)(token|password|webhook)\s*[=:]\s*\S", text)
