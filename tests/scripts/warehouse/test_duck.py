"""Tests of scripts.warehouse.duck: a locked database, Ctrl-C, and the words where it is missing."""

import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from ravequant.vault.paths import CHECKOUT
from scripts import export_parquet, sql
from scripts.warehouse import duck


def test_sql_says_what_to_install(monkeypatch, capsys, vault):
    """Without duckdb the command ends with 1 and a line to type, before it looks at anything."""
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert sql.main(["--vault", str(vault.root), "SELECT 1"]) == 1
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


def test_a_locked_database_reads_its_folders_only(tmp_path):
    """Files elsewhere, the network, settings and extensions are out of reach, for good."""
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed: it is an extra")
    mine = tmp_path / "o'k"
    mine.mkdir()
    for path in (mine / "a.csv", tmp_path / "b.csv"):
        path.write_text("x\n1\n")
    database = duck.open_database(tmp_path / "spill")
    duck.lock(database, [mine])
    inside = str(mine / "a.csv").replace("'", "''")
    assert duck.run(database, f"SELECT x FROM '{inside}'").fetchall() == [(1,)]  # noqa: S608
    for statement in (
        f"SELECT x FROM '{tmp_path / 'b.csv'}'",  # noqa: S608
        "SELECT * FROM read_text('https://example.invalid/x')",
        "SET enable_external_access = true",
        f"SET allowed_directories = ['{tmp_path}']",
        "INSTALL httpfs",
        "SET threads = 1",
    ):
        with pytest.raises(duckdb.Error):
            duck.run(database, statement)


@pytest.mark.skipif(os.name == "nt", reason="an interrupt for one process is POSIX")
def test_an_interrupt_ends_a_question(tmp_path):
    """Ctrl-C ends a question that would run for hours, and the database can be asked again."""
    pytest.importorskip("duckdb", reason="duckdb is not installed: it is an extra")
    database = duck.open_database(tmp_path)
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    hours = (
        "SELECT count(*) FROM range(10000000) a, range(1000000) b "
        "WHERE a.range + b.range = 5 * random()"
    )
    with pytest.raises(KeyboardInterrupt):
        duck.run(database, hours)
    assert duck.run(database, "SELECT 1").fetchall() == [(1,)]
