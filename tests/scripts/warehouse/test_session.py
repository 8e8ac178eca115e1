"""Tests of scripts.warehouse.session: one question, answered or refused with the right error."""

import pytest

from ravequant.errors import NoDataError, VaultError
from ravequant.vault.paths import Vault
from scripts.warehouse import duck, session, views
from scripts.warehouse.session import QuerySession, RefusedQueryError
from tests.support.sql_vault import BTC, trade_lines
from tests.support.trade_streams import write_raw

duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed: it is an extra")

GOOD = trade_lines(minutes=3)


@pytest.fixture
def asked(vault: Vault, tmp_path):
    """Return what asks a question of a vault with a few trades, and gives the rows."""
    write_raw(vault, BTC, GOOD)
    spill = tmp_path / "spill"
    spill.mkdir()
    one = QuerySession(vault, vault.root / "parquet", [BTC], spill)

    def ask(question):
        found = []

        def show(answer):
            found.extend(answer.fetchall())
            return True

        assert one.ask(question, show)
        return found

    return ask


def test_the_answer_is_handed_to_show(asked):
    """Views are found whatever the case of their name; the result of ``show`` is returned."""
    assert asked("SELECT count(*) FROM Trades") == [(len(GOOD),)]
    assert asked("WITH t AS (FROM trades) SELECT min(instId) FROM t") == [(BTC,)]


def test_only_views_that_the_question_names_are_made(asked, monkeypatch):
    """A question about one table lists the files of no other."""
    seen = list[str]()

    def files(vault, target, table, inst_ids):
        seen.append(table.name)
        return views.files_of(vault, target, table, inst_ids)

    monkeypatch.setattr(session, "files_of", files)
    asked("SELECT count(*) AS volumes FROM trades")
    assert seen == ["trades"]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("", "no question; expected one like"),
        ("SELECT 1; SELECT 2", "SELECT and SELECT is not one question"),
        ("CREATE TABLE x AS SELECT 1", "CREATE is not one question"),
        ("EXPLAIN ANALYZE COPY (SELECT 1) TO 'x'", "EXPLAIN is not one question"),
        ("SELECT '\udcff'", "characters that are no text"),
        ("SELECT nosuch FROM trades", "nosuch"),
        ("SELECT * FROM nosuch", "There is no table nosuch"),
    ],
)
def test_other_questions_are_refused(asked, question, message):
    """In duckdb's words or ours."""
    with pytest.raises(RefusedQueryError, match=message):
        asked(question)


def test_a_view_without_data_names_its_maker(asked):
    """The program that makes its rows, and another vault as a way out."""
    with pytest.raises(NoDataError, match=rf"no buckets of {BTC} in .*l2_bucketizer\.py, or"):
        asked("SELECT * FROM buckets")


def test_a_file_that_is_packed_meanwhile_is_found_again(asked, vault, monkeypatch):
    """The question is asked once more with the files as they are then, and not a third time."""
    (path,) = vault.trades(BTC).iterdir()
    aside = path.with_name("aside")
    real, tries = duck.run, list[int]()

    def run(database, question):
        tries.append(1)
        if len(tries) == 1:
            path.rename(aside)
        try:
            return real(database, question)
        finally:
            if aside.exists():
                aside.rename(path)

    monkeypatch.setattr(duck, "run", run)
    assert asked("SELECT count(*) FROM trades") == [(len(GOOD),)]
    assert len(tries) == 2

    def broken(_database, _question):
        tries.append(1)
        raise duckdb.IOException("gone\nagain")

    monkeypatch.setattr(duck, "run", broken)
    with pytest.raises(VaultError, match="gone again"):
        asked("SELECT count(*) FROM trades")
    assert len(tries) == 4
