"""The page's scripts hold to their JSDoc types, where npm is there to check it."""

import os
import shutil
import subprocess

import pytest

from ravequant.vault.paths import CHECKOUT

STATIC = CHECKOUT / "Dashboard" / "static"
TSC = ("--yes", "--package", "typescript@7", "tsc")
# without a way to npm's registry it gives up at once
ONCE = {"npm_config_fetch_retries": "0", "npm_config_fetch_timeout": "20000"}


@pytest.mark.slow
def test_the_scripts_of_the_page_pass_tsc():
    """Strict, and without a build: tsc reads the files as the browser does."""
    npx = shutil.which("npx")
    if npx is None:
        pytest.skip("no npm on this computer")
    environment = {**os.environ, **ONCE}

    def tsc(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [npx, *TSC, *words],
            cwd=STATIC,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    if tsc("--version").returncode:
        pytest.skip("tsc cannot be had from npm")
    done = tsc("--project", "tsconfig.json")
    assert done.returncode == 0, done.stdout
