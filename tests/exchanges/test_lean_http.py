"""Requests without its guess at encodings."""

import subprocess
import sys


def loaded(code: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8")
    return answer.stdout.strip()


def test_an_exchange_does_not_load_it():
    """None of its modules is there, and no warning comes."""
    names = "'requests' in sys.modules, 'charset_normalizer' in sys.modules"
    code = f"import sys, ravequant.exchanges.okx.exchange; print({names})"
    assert loaded(code) == "True False"


def test_whoever_wants_it_later_may_have_it():
    """Only the import of requests itself goes without it."""
    code = "import ravequant.exchanges.lean_http, charset_normalizer; print('there')"
    assert loaded(code) == "there"
