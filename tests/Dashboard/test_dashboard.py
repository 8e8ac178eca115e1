"""Dashboard/dashboard.py: the program from its first line to its end."""

import re
import signal
import subprocess
import sys

import pytest

from ravequant.vault.paths import Vault
from tests.support.screen import DASHBOARD, served

ANY = "0.0.0.0"  # noqa: S104 - the warning is the point


def test_it_prints_its_address_first_and_ends_in_order(tmp_path):
    """Ctrl-C and SIGTERM end it with exit code 0; nothing is written into the vault."""
    for number in (signal.SIGINT, signal.SIGTERM):
        words = [sys.executable, str(DASHBOARD), "--vault", str(tmp_path / "v"), "--port", "0"]
        with subprocess.Popen(
            [*words, "--no-refresh"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert re.fullmatch(
                r"the screen: http://127\.0\.0\.1:\d+/\n", process.stdout.readline()
            )
            process.stdout.readline()
            process.send_signal(number)
            out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "", "")
    assert not (tmp_path / "v").exists()


def test_a_taken_port_is_a_plain_error(tmp_path):
    """Exit code 2, and the remedy."""
    with served(Vault(tmp_path), "--no-refresh") as address:
        port = address.rpartition(":")[2]
        words = [sys.executable, str(DASHBOARD), "--vault", str(tmp_path), "--port", port]
        second = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 2
    assert "is a dashboard running already? Else name another --port" in second.stderr


@pytest.mark.parametrize("port", ["-1", "65536", "x", "1.5"])
def test_a_port_that_is_none(port, tmp_path):
    """Exit code 2."""
    words = [sys.executable, str(DASHBOARD), "--vault", str(tmp_path), "--port", port]
    refused = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (refused.returncode, "expected a port" in refused.stderr) == (2, True)


def test_a_token_is_made_and_said_once(tmp_path):
    """Bound to all addresses it prints a token, and that the line is not encrypted."""
    words = [sys.executable, str(DASHBOARD), "--vault", str(tmp_path), "--port", "0"]
    with subprocess.Popen(
        [*words, "--no-refresh", "--bind", ANY], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        process.terminate()
    assert re.fullmatch(r"its token, to be typed into the page: [0-9a-f]{64}\n", lines[1])
    assert "not encrypted" in lines[2]
