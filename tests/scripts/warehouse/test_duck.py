"""Tests of scripts.warehouse.duck: what the SQL commands say where duckdb is not installed."""

import re
import subprocess
import sys

import pytest

from ravequant.vault.paths import CHECKOUT
from scripts import export_parquet, sql


@pytest.mark.parametrize("arguments", [["SELECT 1"], ["--shell"]])
def test_sql_says_what_to_install(monkeypatch, capsys, vault, arguments):
    """Without duckdb the command ends with 1 and a line to type, before it looks at anything."""
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert sql.main(["--vault", str(vault.root), *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(r"duckdb is not installed for .*-m pip install", err)
    assert "Traceback" not in err


def test_export_says_what_to_install(monkeypatch, capsys, vault):
    """So does the export, and it writes nothing."""
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert export_parquet.main(["--vault", str(vault.root)]) == 1
    assert "pip install" in capsys.readouterr().err
    assert not vault.root.exists()


@pytest.mark.parametrize("program", ["sql", "export_parquet"])
def test_help_needs_no_duckdb(program):
    """The options are shown without loading duckdb."""
    code = f"import sys, scripts.{program}; print('duckdb' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert (answer.stdout.strip(), answer.returncode) == ("False", 0), answer.stderr
