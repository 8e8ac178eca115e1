"""Tests of scripts.warehouse.row_sql: exact casts, the worth of a trade, and what is no row."""

import gzip
import json
from contextlib import suppress

import pytest

from ravequant import exact, times
from ravequant.contract import Contract, amounts
from ravequant.records import RecordError, Trade, TradeEncoder, parse_trade
from ravequant.vault.fields import PLACES
from ravequant.vault.paths import Vault
from scripts.warehouse import output, row_sql, schema, views
from scripts.warehouse.schema import TABLES
from tests.support.sql_vault import BTC, ETH, START, asker, make, run, trade_lines
from tests.support.trade_streams import write_raw

duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed: it is an extra")


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Vault:
    """Return a vault in which everything has been computed."""
    vault = Vault(tmp_path_factory.mktemp("lines") / "vault")
    make(vault, Vault(tmp_path_factory.mktemp("notes") / "vault"))
    return vault


@pytest.fixture
def ask(filled, capsys):
    return asker(filled, capsys)


def test_no_number_is_floating(filled, ask):
    """Every decimal column of every view is a DECIMAL, in lists and walls too."""
    decimal = {f"DECIMAL(38,{places})" for places in PLACES.values()}
    for name, table in TABLES.items():
        if name == "bars":
            continue
        met = {row["column_name"]: row["column_type"] for row in ask(f"DESCRIBE {name}")}
        assert list(met) == [column.name for column in table.columns]
        assert not [kind for kind in met.values() if "DOUBLE" in kind or "FLOAT" in kind]
        for column in table.columns:
            if column.kind.removesuffix("s") in PLACES:
                assert met[column.name].removesuffix("[]") in decimal


def test_half_even_division():
    """Coins of an inverse contract are rounded half to even at 12 places, ties too."""
    database = duckdb.connect()
    for statement in row_sql.worth_macros():
        database.execute(statement)
    tie = "10000000000000"  # a digit behind the twelfth place
    cases = [("5", tie), ("15", tie), ("25", tie), ("1", "3"), ("100", "101050.9")]
    cases += [("0.01", "64000"), ("999999999.99", "0.0000001")]
    for quote, price in cases:
        wanted = exact.divide(exact.units(quote, 20), exact.units(price, 20), 12)
        (met,) = database.execute(
            f"SELECT half_even({quote}::DECIMAL(38, 12), {price}::DECIMAL(38, 12))"
        ).fetchone()
        assert int(met.scaleb(12)) == wanted, (quote, price)


@pytest.mark.parametrize(
    ("inst_id", "made"),
    [(BTC, Contract("0.01", "10", "linear")), ("BTC-USD-SWAP", Contract("100", "1", "inverse"))],
)
def test_a_trade_is_worth_the_same_in_sql(vault, inst_id, made):
    """Base and notional of each row are those of ``ravequant.contract``, to the last digit."""
    encoder = TradeEncoder(inst_id, made)
    sizes = [("101250.5", "3"), ("7", "0.01"), ("99999.99", "123"), ("3", "0.5")]
    trades = [Trade(START, at, "buy", *numbers) for at, numbers in enumerate(sizes, 1)]
    write_raw(vault, inst_id, map(encoder.line, trades))
    database = duckdb.connect()
    for statement in (*schema.macros(), *row_sql.worth_macros()):
        database.execute(statement)
    rows = row_sql.rows_of(TABLES["trades"], list(vault.trades(inst_id).iterdir()))
    found = database.sql(rows).order("trade_id").project("base, notional").fetchall()
    wanted = [
        amounts(made, exact.units(price, exact.PRICE_PLACES), exact.units(qty, exact.SIZE_PLACES))
        for price, qty in sizes
    ]
    assert [tuple(map(output.decimal_text, row)) for row in found] == [
        (exact.text(base, exact.BASE_PLACES), exact.text(notional, exact.NOTIONAL_PLACES))
        for base, notional in wanted
    ]


def test_too_many_places_are_refused_not_rounded(vault, capsys):
    """A price with more places than its column keeps ends the query, and says so."""
    encoder = TradeEncoder(BTC, Contract("1", "1", "linear"))
    write_raw(vault, BTC, [encoder.line(Trade(START, 1, "buy", "0.1234567890123", "1"))])
    code, out, err = run(vault, capsys, "SELECT price FROM trades")
    assert (code, out) == (2, "")
    assert "0.1234567890123 has more than the 12 places that a price keeps" in err


def test_a_worth_with_too_many_places_is_refused(vault, capsys):
    """So does a product: nothing that is shown has been cut."""
    encoder = TradeEncoder(BTC, Contract("0.0001", "1", "linear"))
    write_raw(vault, BTC, [encoder.line(Trade(START, 1, "buy", "0.12345678901", "0.1"))])
    code, out, err = run(vault, capsys, "SELECT notional FROM trades")
    assert (code, out) == (2, "")
    assert "more places than are kept" in err


# --------------------------------------------------------------------------- what is no row


GOOD = trade_lines(minutes=3)
BAD = (
    b"{broken}\n",
    b"\0" * 5_000 + b"\n",
    b"[1]\n",
    b"\n",
    b"\xff\xfe\n",
    GOOD[0].replace(b'"side":"buy"', b'"side":"up"').replace(b'"side":"sell"', b'"side":"up"'),
    GOOD[0].replace(b'"qty_contracts":"', b'"qty_contracts":"-'),
    GOOD[0].replace(b'"price":"', b'"price":"0'),
    GOOD[0].replace(b'"price":"', b'"price":"1e'),
    GOOD[0].replace(b'"price":"', b'"price":"0","old":"'),
    GOOD[0].replace(b'"trade_id":"', b'"trade_id":"x'),
    GOOD[0].replace(BTC.encode(), ETH.encode()),
    GOOD[0].replace(b"2025-12-14T", b"2025-13-14T"),
    GOOD[0].replace(b'"ctVal":"0.01"', b'"ctVal":"0"'),
    GOOD[0].replace(b'"ctMult":"1"', b'"ctMult":"0"'),
)


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_a_bad_line_is_no_trade(vault, capsys, bad):
    """What the calculators reject is no row, wherever it stands, and hides no other row."""
    assert bad not in GOOD
    write_raw(vault, BTC, GOOD)
    (path,) = vault.trades(BTC).iterdir()
    path.write_bytes(GOOD[0] + bad + b"".join(GOOD[1:]) + bad)
    met = asker(vault, capsys)("SELECT trade_id FROM trades")
    assert [row["trade_id"] for row in met] == [int(json.loads(line)["trade_id"]) for line in GOOD]


def test_a_torn_end_is_no_row(vault, capsys):
    """A file cut at any byte of its last line gives the lines before it."""
    write_raw(vault, BTC, GOOD)
    (path,) = vault.trades(BTC).iterdir()
    whole, ask = path.read_bytes(), asker(vault, capsys)
    for cut in range(2, len(GOOD[-1]), 37):
        path.write_bytes(whole[:-cut])
        assert ask("SELECT count(*) AS n FROM trades") == [{"n": len(GOOD) - 1}], cut


def test_packed_and_plain_days_side_by_side(vault, capsys):
    """A packed day counts like a plain one; where both forms stand the plain one counts."""
    write_raw(vault, BTC, trade_lines(minutes=420))
    first, second = sorted(vault.trades(BTC).iterdir())
    ask = asker(vault, capsys)
    before = ask("SELECT count(*) AS n, sum(notional) AS v FROM trades")
    packed = first.with_name(first.name + ".gz")
    packed.write_bytes(gzip.compress(first.read_bytes()))
    assert ask("SELECT count(*) AS n, sum(notional) AS v FROM trades") == before
    first.unlink()
    assert ask("SELECT count(*) AS n, sum(notional) AS v FROM trades") == before
    assert second.exists()


def test_a_damaged_packed_day_is_said(vault, capsys):
    """A gzip file that was cut off ends the query with an error, no row of it is believed."""
    write_raw(vault, BTC, trade_lines(minutes=420))
    first = min(vault.trades(BTC).iterdir())
    data = gzip.compress(first.read_bytes())
    first.with_name(first.name + ".gz").write_bytes(data[: len(data) // 2])
    first.unlink()
    code, out, err = run(vault, capsys, "SELECT count(*) FROM trades")
    assert code in {1, 2}, out
    assert "Traceback" not in err


def test_a_turned_bit_is_judged_as_by_every_other_reader(vault):
    """Each bit of a line in turn: SQL has exactly the trades that ``parse_trade`` accepts."""
    good = next(iter(trade_lines(minutes=3)))
    turned = [
        good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :]
        for at in range(len(good) - 1)
        for bit in range(8)
    ]
    lines = [line for line in turned if line.count(b"\n") == 1]
    path = vault.trades(BTC) / "2025-12-14.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(lines))
    accepted = []
    for line in lines:
        with suppress(RecordError):
            trade, made = parse_trade(line, BTC)
            accepted.append((trade.ts, trade.trade_id, trade.side, trade.count, made.ct_type))
    assert 100 < len(accepted) < len(lines) / 2
    database = duckdb.connect()
    for statement in ("SET TimeZone = 'UTC'", *schema.macros(), *row_sql.worth_macros()):
        database.execute(statement)
    found = database.sql(row_sql.rows_of(TABLES["trades"], [path])).project(
        'epoch_ms(timestamp_utc), trade_id, side, "count", ctType'
    )
    assert sorted(found.fetchall()) == sorted(accepted)


def test_records_ahead_are_marked_as_by_every_other_reader(vault, tmp_path):
    """By their field, or by a date later than their file's; from lines and from Parquet alike."""
    encoder = TradeEncoder(BTC, Contract("0.01", "1", "linear"))
    later = START + 70 * 365 * times.DAY_MS
    trades = [
        Trade(START, 1, "buy", "100", "1"),
        Trade(START + 5_000, 2, "buy", "100", "1", ahead=True),
        Trade(later, 3, "buy", "100", "1"),
        Trade(later, 4, "buy", "100", "1", ahead=True),
    ]
    lines = [encoder.line(trade) for trade in trades]
    lines.append(encoder.line(Trade(START, 5, "buy", "100", "1")).replace(b"}", b',"ahead":false}'))
    lines.append(
        encoder.line(Trade(START, 6, "buy", "100", "1")).replace(b"}", b',"ahead":"true"}')
    )
    path = vault.trades(BTC) / "2025-12-14.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(lines))
    wanted = [(1, False), (2, True), (3, True), (4, True), (5, False)]
    database = duckdb.connect()
    for statement in ("SET TimeZone = 'UTC'", *schema.macros(), *row_sql.worth_macros()):
        database.execute(statement)
    rows = row_sql.rows_of(TABLES["trades"], [path])
    assert database.sql(rows).project("trade_id, ahead").order("trade_id").fetchall() == wanted
    folder = tmp_path / f"instId={BTC}"
    new, old = folder / "day=2025-12-14", folder / "day=2025-12-13"
    for folder, columns in ((new, "* EXCLUDE (instId)"), (old, "* EXCLUDE (instId, ahead)")):
        folder.mkdir(parents=True)
        target = (folder / "part.parquet").as_posix()
        database.execute(f"COPY (SELECT {columns} FROM ({rows})) TO '{target}' (FORMAT parquet)")  # noqa: S608 - our names
    unmarked = [(n, False) for n in range(1, 6)]
    for folders, ahead in (([new], wanted), ([old], unmarked), ([old, new], wanted + unmarked)):
        parts = [folder / "part.parquet" for folder in folders]
        views.create(database, TABLES["trades"], views.ViewFiles(parquet=parts))
        found = database.execute("SELECT trade_id, ahead FROM trades ORDER BY ALL").fetchall()
        assert found == sorted(ahead)
