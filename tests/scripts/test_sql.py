"""Tests of scripts.sql: the answers are the calculators' rows, exactly, and nothing is changed."""

import io
import json
import shutil
from decimal import Decimal

import pytest

from ravequant import exact
from ravequant.vault.paths import Vault
from scripts.warehouse.schema import TABLES
from tests.support import oracle, recordings
from tests.support.book_lines import put_metadata
from tests.support.notes_market import CONTRACT
from tests.support.sql_vault import (
    BTC,
    ETH,
    NAMES,
    USD,
    asker,
    calculate,
    canonical,
    make,
    raw_rows,
    rows_of,
    run,
    text,
    trade_lines,
)
from tests.support.trade_streams import link_recording, write_raw

pytest.importorskip("duckdb", reason="duckdb is not installed: it is an extra")

DERIVED = [*NAMES, "buckets", "footprint"]
AS_JSON = {
    "signals": ("wicks", "layers", "data", "context"),
    "footprint": ("imbalances", "stacked"),
}
CELLS = {"footprint": ("low", "buy", "sell", "trades"), "profile": ("low", "buy", "sell", "tpos")}
GOOD = trade_lines(minutes=3)


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Vault:
    """Return a vault in which everything has been computed; its path has a blank and more."""
    vault = Vault(tmp_path_factory.mktemp("sql") / "my home, o'k [1] a=b" / "vault")
    make(vault, Vault(tmp_path_factory.mktemp("notes") / "vault"))
    return vault


@pytest.fixture
def ask(filled, capsys):
    return asker(filled, capsys)


# --------------------------------------------------------------------------- the same rows


@pytest.mark.parametrize("table", DERIVED)
def test_rows_are_the_calculators(filled, ask, table):
    """Every field of every row is what the calculator wrote; a field that it lacks is null."""
    key = TABLES[table].time
    fields = dict.fromkeys(column.name for column in TABLES[table].columns)
    met = ask(f"SELECT * FROM {table}")  # noqa: S608
    wanted = [fields | canonical(row) for row in rows_of(filled, table)]
    for row in wanted if table in CELLS else ():
        cells = [dict(zip(CELLS[table], cell, strict=True)) for cell in row["rows"] or ()]
        row["rows"] = row["rows"] and cells
    order = lambda row: json.dumps(row, sort_keys=True)  # noqa: E731
    for row in met:  # JSON inside of a row is text for SQL
        row.update({name: canonical(json.loads(row[name])) for name in AS_JSON.get(table, ())})
    assert sorted(met, key=order) == sorted(wanted, key=order)
    assert {row[key] for row in met}


def test_books_are_the_snapshots(filled, ask):
    """The touch of each snapshot line, without its levels."""
    lines = [
        json.loads(line)
        for path in sorted(filled.snapshots(BTC).rglob("*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]
    names = [column.name for column in TABLES["book"].columns]
    met = ask("SELECT * FROM book ORDER BY timestamp_utc")
    assert met == [canonical({name: row[name] for name in names}) for row in lines]


@pytest.mark.parametrize("inst_id", [BTC, USD])
def test_trades_are_the_raw_lines_with_their_worth(filled, ask, inst_id):
    """Every line in file order, doubles too; base and notional by the rules of the contract."""
    met = ask("SELECT * FROM trades", "--instId", inst_id)
    rows = raw_rows(filled, inst_id)
    assert [row["trade_id"] for row in met] == [int(row["trade_id"]) for row in rows]
    for one, row in zip(met, rows, strict=True):
        price, qty = Decimal(row["price"]), Decimal(row["qty_contracts"])
        worth = qty * Decimal(row["ctVal"])
        if inst_id == USD:
            units = exact.divide(int(worth * 10**10) * 10**10, int(price * 10**20), 12)
            base, notional = Decimal(units).scaleb(-12), worth
        else:
            base, notional = worth, worth * price
        assert (Decimal(one["base"]), Decimal(one["notional"])) == (base, notional)
        for name in ("timestamp_utc", "price", "qty_contracts", "side", "ctType"):
            assert one[name] == canonical(row)[name]


@recordings.each(*recordings.EVERY)
def test_recordings(vault, capsys, recording):
    """On recorded trades sums and counts are those of the plain computation."""
    link_recording(vault, recording)
    rows = [json.loads(line) for line in recording.lines()]
    worth = [Decimal(r["qty_contracts"]) * Decimal(r["ctVal"]) * Decimal(r["ctMult"]) for r in rows]
    paid = [size * Decimal(row["price"]) for size, row in zip(worth, rows, strict=True)]
    (met,) = asker(vault, capsys)(
        "SELECT count(*) AS n, sum(base) AS base, sum(notional) AS usd, "
        "max_by(price, trade_id) AS last FROM trades"
    )
    assert met == {
        "n": len(rows),
        "base": text(sum(worth, Decimal())),
        "usd": text(sum(paid, Decimal())),
        "last": text(Decimal(max(rows, key=lambda row: int(row["trade_id"]))["price"])),
    }


@recordings.each(*recordings.MIDNIGHT)
def test_recorded_minutes(vault, capsys, recording):
    """On recorded trades sums, counts and last values of the views are the oracle's."""
    inst_id = recording.inst_id
    link_recording(vault, recording)
    put_metadata(vault, inst_id, CONTRACT)
    calculate(vault)
    ask = asker(vault, capsys)
    minutes = list(oracle.closed_minutes(recording.lines()))
    flow, volume = oracle.cvd_rows(minutes, inst_id), oracle.volume_rows(minutes, inst_id)
    (met,) = ask(
        "SELECT count(*) AS n, sum(cvd_1m) AS change, max_by(cvd, timestamp_utc) AS cvd FROM cvd"
    )
    total = sum((Decimal(row["cvd_1m"]) for row in flow), Decimal())
    assert met == {
        "n": len(flow),
        "change": text(total),
        "cvd": canonical(flow[-1]["cvd"]),
    }
    (met,) = ask("SELECT sum(total_volume) AS v, sum(trade_count) AS n FROM volume")
    assert met["v"] == text(sum((Decimal(row["total_volume"]) for row in volume), Decimal()))
    assert met["n"] == sum(row["trade_count"] for row in volume)


# --------------------------------------------------------------------------- nothing is changed


@pytest.mark.parametrize(
    "question",
    [
        "COPY trades TO '{here}/x.csv'",
        "COPY (SELECT 1) TO '{vault}/raw/x.csv'",
        "CREATE TABLE x AS SELECT 1",
        "ATTACH '{here}/x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 1",
        "PRAGMA version",
        "EXPORT DATABASE '{here}/x'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{vault}/raw/x.csv'",
        "EXPLAIN (ANALYZE) COPY (SELECT 1) TO '{vault}/raw/x.csv'",
        "EXPLAIN /* SELECT */ ANALYZE COPY (SELECT 1) TO '{vault}/raw/x.csv'",
        "SELECT * FROM query('COPY (SELECT 1) TO x')",
        "SELECT 1; SELECT 2",
        "SELECT 1; COPY (SELECT 1) TO '{here}/x.csv'",
        "SELECT * FROM read_csv('{here}/secret.txt')",
        "SELECT * FROM read_text('{vault}/../secret.txt')",
        "SELECT * FROM read_text('{vault}/state/secret.txt')",
        "SELECT * FROM read_text('{vault}/raw/../state/secret.txt')",
        "SELECT * FROM '{here}/secret.txt'",
        "SELECT * FROM glob('{here}/*')",
        "SELECT * FROM read_text('https://example.invalid/x')",
        "SELECT getenv('HOME')",
        "SELECT * FROM duck",
        "SELECT nosuch FROM trades",
        "SELEC",
        "",
        ";",
        "'",
        "SELECT '\x1b[31m' + nosuch",
        "SELECT '\udcff'",
        "SELECT error('x')",
        "SELECT 99999999999999999999::DECIMAL(38, 12) * 99999999999999999999::DECIMAL(38, 12)",
    ],
)
def test_refused(tmp_path, capsys, question):
    """Whatever is no question about the views ends with 2, a reason, and no trace on the disk."""
    vault = Vault(tmp_path / "o'k" / "vault")
    write_raw(vault, BTC, GOOD)
    (tmp_path / "secret.txt").write_text("secret")
    (vault.root / "state").mkdir()
    (vault.root / "state" / "secret.txt").write_text("secret")
    before = sorted(tmp_path.rglob("*"))
    here, there = (str(path).replace("'", "''") for path in (tmp_path, vault.root))
    asked = question.format(here=here, vault=there) or " "
    code, out, err = run(vault, capsys, asked)
    assert (code, out) == (2, ""), err
    assert err
    assert "Traceback" not in err
    assert "\x1b" not in err
    assert "secret\n" not in err
    assert sorted(tmp_path.rglob("*")) == before


def test_names_of_instruments_are_checked(filled, capsys):
    """A name that is none never comes near a path or a query."""
    code, _, err = run(filled, capsys, "--instId", "x'); DROP--", "SELECT count(*) FROM trades")
    assert code == 2
    assert "Traceback" not in err


def test_folders_with_odd_names_are_passed_over(filled, ask):
    """A folder in the vault that is no instrument is not read."""
    odd = filled.trades(BTC).parent / "x'); select 1 --"
    odd.mkdir()
    try:
        shutil.copy(min(filled.trades(BTC).iterdir()), odd)
        assert {row["instId"] for row in ask("SELECT DISTINCT instId FROM trades")} == {
            BTC,
            ETH,
            USD,
        }
    finally:
        shutil.rmtree(odd)


# --------------------------------------------------------------------------- the command


@pytest.mark.parametrize(
    ("name", "hint"),
    [("trade", "; did you mean trades?"), ("VWAPS", "; did you mean vwap?"), ("x", ".")],
)
def test_the_table_that_was_meant_is_said(filled, capsys, name, hint):
    """Ours, not one of the engine's own."""
    code, _, err = run(filled, capsys, f"FROM {name}")
    assert code == 2
    assert err == f"There is no table {name}{hint} The tables are {', '.join(TABLES)}.\n"


def test_no_data(vault, capsys, filled):
    """Exit code 3 says that there is nothing, or nothing of that view, and what makes it."""
    assert run(vault, capsys, "SELECT 1")[0] == 3
    code, out, err = run(filled, capsys, "SELECT count(*) FROM bars")
    assert (code, out) == (3, "")
    assert "export_parquet" in err
    code, _, err = run(filled, capsys, "--instId", ETH, "SELECT * FROM Buckets")
    assert code == 3
    assert "l2_bucketizer" in err


@pytest.mark.parametrize(
    "arguments", [["--rows", "-1", "SELECT 1"], ["--json", "--format", "csv", "x"]]
)
def test_impossible_options_are_refused(filled, capsys, arguments):
    """They end with 2 and their name."""
    code, out, err = run(filled, capsys, *arguments)
    assert (code, out) == (2, "")
    assert arguments[0] in err


def test_a_question_is_needed(filled, capsys):
    """Without one the command ends with 2."""
    with pytest.raises(SystemExit) as end:
        run(filled, capsys)
    assert end.value.code == 2
    assert "SQL" in capsys.readouterr().err


def test_formats(filled, capsys, monkeypatch):
    """A table for people, CSV with a header, one object a line; decimals exact in all."""
    asked = "SELECT 1.50::DECIMAL(38, 12) AS d, NULL AS n, true AS f, TIMESTAMP '2025-12-14 21:34:56.120' AS t, [1.10::DECIMAL(4, 2)] AS l, 'a,b' AS d"  # noqa: E501
    _, out, _ = run(filled, capsys, "--format", "csv", asked)
    assert out == 'd,n,f,t,l,d_1\n1.5,,true,2025-12-14T21:34:56.120Z,"[""1.1""]","a,b"\n'
    _, out, _ = run(filled, capsys, "--format", "json", asked)
    assert json.loads(out) == {
        "d": "1.5",
        "n": None,
        "f": True,
        "l": ["1.1"],
        "d_1": "a,b",
        "t": "2025-12-14T21:34:56.120Z",
    }
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 'x\x1b[0m' AS word, 2 AS n"))
    _, out, _ = run(filled, capsys, "-")
    assert out == "word      n\nx\\x1b[0m  2\n"


def test_a_table_says_when_it_is_cut(filled, capsys):
    """A table shows so many rows and says on stderr that there are more."""
    _, out, err = run(filled, capsys, "--rows", "2", "SELECT trade_id FROM trades")
    assert (out.count("\n"), "There are more rows" in err) == (3, True)
    _, out, err = run(filled, capsys, "--rows", "0", "SELECT trade_id FROM trades")
    assert (out.count("\n") > 300, err) == (True, "")
    _, out, err = run(filled, capsys, "--rows", "2", "FROM range(2)")
    assert (out.count("\n"), err) == (3, "")


def test_a_question_sees_the_vault_as_it_is_then(vault, capsys):
    """Trades that were appended since the last question are in the next answer."""
    write_raw(vault, BTC, GOOD[:2])
    ask = asker(vault, capsys)
    assert ask("SELECT count(*) AS n FROM trades") == [{"n": 2}]
    write_raw(vault, BTC, GOOD[2:])
    assert ask("SELECT count(*) AS n FROM trades") == [{"n": len(GOOD)}]
