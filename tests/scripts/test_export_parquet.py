"""Tests of scripts.export_parquet: exact files a day, only what changed, each row once."""

import json
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from typing import Any

import pytest

from ravequant import catalog, settings
from ravequant.trades.bar_reader import BarReader
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import CHECKOUT, Vault
from scripts import export_parquet
from scripts.warehouse.export import as_row
from scripts.warehouse.schema import TABLES
from tests.support.book_lines import put_metadata
from tests.support.notes_market import CONTRACT
from tests.support.sql_vault import (
    BTC,
    ETH,
    USD,
    asker,
    calculate,
    canonical,
    make,
    parquet_files,
    rows_of,
    trade_lines,
)
from tests.support.trade_streams import write_raw
from tests.support.wick_vault import tick_size

duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed: it is an extra")


def export(vault, capsys, *arguments, code=0) -> list[dict[str, Any]]:
    """Export in this process; return what it says of each table."""
    capsys.readouterr()
    known = ["--vault", str(vault.root), "--json", "--log-level", "error"]
    assert export_parquet.main([*known, *arguments]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def written(said) -> dict[str, int]:
    """Return how many days of each table were made, where any was."""
    found: dict[str, int] = {}
    for row in said:
        if row["days_written"]:
            found[row["table"]] = found.get(row["table"], 0) + row["days_written"]
    return found


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Vault:
    """Return a vault with everything, exported."""
    vault = Vault(tmp_path_factory.mktemp("export") / "my home, o'k [1] a=b" / "vault")
    make(vault, Vault(tmp_path_factory.mktemp("notes") / "vault"))
    return vault


@pytest.fixture
def grown(vault: Vault) -> Vault:
    """Return a vault with the trades of BTC before midnight, computed."""
    put_metadata(vault, BTC, CONTRACT)
    write_raw(vault, BTC, early_lines())
    calculate(vault)
    return vault


def early_lines() -> list[bytes]:
    return [line for line in trade_lines() if b'"2025-12-14T' in line]


def late_lines() -> list[bytes]:
    return [line for line in trade_lines() if b'"2025-12-15T' in line]


def everything(ask) -> dict[str, list[str]]:
    """Return all rows of all views that there are, in one order."""
    found = {}
    for name in TABLES:
        if name != "bars":
            found[name] = sorted(json.dumps(row) for row in ask(f"SELECT * FROM {name}"))  # noqa: S608
    return found


def bars_of(vault, inst_id) -> list[dict[str, Any]]:
    """Return the closed bars that ordinary reading gives."""
    whale = settings.load().bars.whale_notional
    reader = BarReader(inst_id, whale, lambda *_: True, lambda *_: None)
    data = b"".join(path.read_bytes() for path in sorted(vault.trades(inst_id).glob("*.jsonl")))
    return [canonical(as_row(bar, inst_id)) for bar in reader.read(data).bars]


# ------------------------------------------------------------------------------ what is in them


def test_the_same_rows(filled, capsys):
    """Every view gives the same rows from Parquet as from the lines, each once."""
    ask = asker(filled, capsys)
    before = everything(ask)
    export(filled, capsys)
    assert len(parquet_files(filled.root / "parquet")) > 20
    assert everything(ask) == before
    for name in ("trades", "book", "buckets"):
        plan = ask(f"EXPLAIN SELECT * FROM {name}")  # noqa: S608
        assert "READ_JSON" not in str(plan).upper()


@pytest.mark.parametrize("inst_id", [BTC, ETH, USD])
def test_bars_are_the_minutes(filled, capsys, inst_id):
    """The bars of all days together are those of one ordinary reading, field by field."""
    export(filled, capsys)
    ask = asker(filled, capsys)
    met = ask("SELECT * FROM bars ORDER BY timestamp_utc", "--instId", inst_id)
    assert met == bars_of(filled, inst_id)
    assert inst_id != BTC or {row["gap"] for row in met} == {True, False}
    assert inst_id != BTC or any(row["whale_count"] for row in met)
    volume = [Decimal(row["total_volume"]) for row in rows_of(filled, "volume", inst_id)]
    assert [Decimal(row["notional"]) for row in met] == volume


# numbers of the exchange with more places than a column keeps: texts, as it wrote them
AS_WRITTEN = {"btc_transfers", *(data.name for data in catalog.CONTEXT)} - {"liquidations", "marks"}


def test_files_say_their_types_and_units(filled, capsys):
    """Each file is zstd, its decimals are decimals; its metadata has the unit of each column."""
    export(filled, capsys)
    root = filled.root / "parquet"
    database = duckdb.connect()
    for name, table in TABLES.items():
        path = str(min((root / name).rglob("*.parquet"))).replace("'", "''")
        ask = lambda text, path=path: database.execute(text.format(path)).fetchall()  # noqa: E731
        units = {
            key.decode(): value.decode()
            for key, value in ask("SELECT key, value FROM parquet_kv_metadata('{}')")
        }
        for column in table.columns:
            assert units.get(f"unit.{column.name}", "") == column.unit
        kinds = {row[0]: row[1] for row in ask("DESCRIBE SELECT * FROM '{}'")}
        assert not [kind for kind in kinds.values() if "DOUBLE" in kind]
        assert any("DECIMAL(38" in kind for kind in kinds.values()) or name in AS_WRITTEN
        codecs = ask("SELECT DISTINCT compression FROM parquet_metadata('{}')")
        assert codecs == [("ZSTD",)]


def test_any_reader_of_partitions_can_read_it(filled, capsys):
    """Instrument and day are in the path, as readers of partitioned sets expect."""
    export(filled, capsys)
    pattern = str(filled.root / "parquet" / "vwap").replace("[", "[[]")
    found = duckdb.execute(
        "SELECT instId, day::VARCHAR, count(*) FROM read_parquet(?, hive_partitioning=true) "
        "GROUP BY ALL ORDER BY ALL",
        [f"{pattern}/*/*/part.parquet"],
    ).fetchall()
    wanted: dict[tuple[str, str], int] = {}
    for row in rows_of(filled, "vwap"):
        key = row["instId"], row["timestamp_utc"][:10]
        wanted[key] = wanted.get(key, 0) + 1
    assert found == sorted((*key, count) for key, count in wanted.items())


# --------------------------------------------------------------------------------- incremental


def test_a_second_export_writes_nothing(filled, capsys):
    """What has not changed is left as it is, to the file's time."""
    export(filled, capsys)
    before = parquet_files(filled.root)
    assert written(export(filled, capsys)) == {}
    assert parquet_files(filled.root) == before


def test_a_new_day_leaves_the_old_one(grown, capsys):
    """After midnight the old day is made once more at most, then never again."""
    export(grown, capsys)
    old = grown.root / "parquet" / "trades" / f"instId={BTC}" / "day=2025-12-14" / "part.parquet"
    stamp = old.stat().st_mtime_ns
    ask = asker(grown, capsys)
    late = late_lines()
    for part in (late[:50], late[50:]):
        write_raw(grown, BTC, part)
        calculate(grown)
        assert rows(ask, "trades") == count_lines(grown)  # half of it from the lines
        assert rows(ask, "cvd") == len(rows_of(grown, "cvd", BTC))
        made = written(export(grown, capsys))
        assert made["trades"] == 1
        assert rows(ask, "trades") == count_lines(grown)
        assert ask("SELECT * FROM bars ORDER BY timestamp_utc") == bars_of(grown, BTC)
    assert made["bars"] == made["vwap"] == 1  # the second time only the new day
    assert old.stat().st_mtime_ns == stamp


def rows(ask, table: str) -> int:
    (row,) = ask(f"SELECT count(*) AS n FROM {table}")  # noqa: S608
    return int(row["n"])


def count_lines(vault) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in vault.trades(BTC).glob("*.jsonl"))


def test_each_row_once_while_files_grow(grown, capsys):
    """Exported at any place, torn ends too, lines and files together are the rows of the lines."""
    raw = grown.trades(BTC) / "2025-12-15.jsonl"
    ask, late = asker(grown, capsys), b"".join(late_lines())
    for cut in (900, 20_000, len(late) - 7, len(late)):
        raw.write_bytes(late[:cut])
        calculate(grown)
        for name in ("vwap", "cvd", "volume", "wicks"):
            met = [json.dumps(row) for row in ask(f"SELECT * FROM {name}")]  # noqa: S608
            wanted = [json.dumps(canonical(row)) for row in rows_of(grown, name, BTC)]
            assert sorted(met) == sorted(wanted), name
        assert rows(ask, "trades") == len(early_lines()) + late[:cut].count(b"\n")
        export(grown, capsys)


def test_bars_go_on_over_midnight(grown, capsys):
    """A hole at midnight marks the first minute of the new day, also when only that is read."""
    late = [line.replace(b'"trade_id":"', b'"trade_id":"9') for line in late_lines()]
    ask = asker(grown, capsys)
    for part in (late[:50], late[50:]):
        write_raw(grown, BTC, part)
        export(grown, capsys)
        met = ask("SELECT * FROM bars ORDER BY timestamp_utc")
        assert met == bars_of(grown, BTC)
        assert next(row["gap"] for row in met if row["timestamp_utc"] >= "2025-12-15")


def test_output_that_was_made_anew(grown, capsys):
    """After a rebuild that changed old rows no old row is shown, exported or not."""
    export(grown, capsys)
    path = grown.derived("volume", BTC) / "volume_1m.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[5:]))
    ask = asker(grown, capsys)
    assert rows(ask, "volume") == len(lines) - 5
    assert written(export(grown, capsys)) == {"volume": 1}
    assert rows(ask, "volume") == len(lines) - 5


def test_a_repair_makes_the_bars_again(grown, capsys):
    """Bars of another repair generation are not believed; files of the same rows are kept."""
    export(grown, capsys)
    generation = grown.generation(BTC)
    generation.parent.mkdir(parents=True, exist_ok=True)
    generation.write_text('{"generation":1}')
    assert written(export(grown, capsys)) == {"bars": 1}
    assert written(export(grown, capsys)) == {}


def test_a_damaged_dataset_is_made_anew(grown, capsys):
    """A manifest or a file that is not what was written counts for nothing."""
    export(grown, capsys)
    ask, shelf = asker(grown, capsys), grown.root / "parquet" / "trades" / f"instId={BTC}"
    before = rows(ask, "trades")
    part = shelf / "day=2025-12-14" / "part.parquet"
    part.write_bytes(part.read_bytes()[:-100])
    assert rows(ask, "trades") == before
    assert written(export(grown, capsys))["trades"] == 1
    schema = TABLES["trades"].fingerprint
    odd = f'{{"schema":"{schema}","days":{{"../../x":{{}},"2025-12-14":3}}}}'
    for text in ("{", "[]", odd, '{"schema":"0","days":{}}', '{"days":3}', ""):
        (shelf / "_manifest.json").write_text(text)
        assert rows(ask, "trades") == before
        assert written(export(grown, capsys))["trades"] == 1


def test_days_that_left_the_vault_stay(grown, capsys):
    """What retention deleted is still answered from Parquet."""
    write_raw(grown, BTC, late_lines())
    export(grown, capsys)
    ask = asker(grown, capsys)
    before = ask("SELECT count(*) AS n, sum(notional) AS v FROM trades")
    (grown.trades(BTC) / "2025-12-14.jsonl").unlink()
    assert ask("SELECT count(*) AS n, sum(notional) AS v FROM trades") == before
    export(grown, capsys)
    assert ask("SELECT count(*) AS n, sum(notional) AS v FROM trades") == before


def test_bars_say_that_trades_have_come_since(grown, capsys):
    """Bars are not computed by a question; it says when they are behind."""
    export(grown, capsys)
    write_raw(grown, BTC, late_lines())
    asker(grown, capsys)("SELECT count(*) FROM bars")
    from scripts import sql

    sql.main(["--vault", str(grown.root), "SELECT count(*) FROM bars"])
    assert "trades have come since the export, from 2025-12-15 on" in capsys.readouterr().err


# ------------------------------------------------------------------------------------- trouble


def test_a_killed_export_leaves_a_whole_dataset(filled, capsys, tmp_path):
    """Killed at any moment, what is there can be read, and the next export makes the rest."""
    target = tmp_path / "copy of it"
    command = [
        sys.executable,
        "scripts/export_parquet.py",
        "--vault",
        str(filled.root),
        "--target",
        str(target),
        "--log-level",
        "error",
    ]
    ask = asker(filled, capsys)
    before = rows(ask, "trades")
    for number in range(4):
        process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while len(parquet_files(target)) <= 6 * number and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        process.wait()
        for path in target.rglob("*.parquet"):
            if not path.name.startswith("."):
                duckdb.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchall()
        (row,) = ask("SELECT count(*) AS n FROM trades", "--parquet", str(target))
        assert row["n"] == before
    export(filled, capsys, "--target", str(target))
    assert not [path for path in target.rglob(".*tmp*") if path.suffix == ".parquet"]
    assert written(export(filled, capsys, "--target", str(target))) == {}
    plan = ask("EXPLAIN SELECT * FROM trades", "--parquet", str(target))
    assert "READ_JSON" not in str(plan).upper()


def test_a_line_that_cannot_be_kept_exactly_stops_its_table(vault, capsys):
    """A price of too many places is refused with its file; other tables and what stood remain."""
    put_metadata(vault, BTC, CONTRACT)
    write_raw(vault, BTC, trade_lines(minutes=30))
    export(vault, capsys)
    (path,) = vault.trades(BTC).iterdir()
    before = parquet_files(vault.root)
    last = path.read_bytes().splitlines(keepends=True)[-1]
    odd = last.replace(b'"price":"', b'"price":"0.1234567890123","old":"')
    with path.open("ab") as file:
        file.write(odd.replace(b'"trade_id":"', b'"trade_id":"9'))
    said = export_parquet.main(["--vault", str(vault.root), "--table", "trades"])
    out, err = capsys.readouterr()
    assert said == 1, out
    assert "0.1234567890123 has more than the 12 places" in err
    assert "Traceback" not in err
    assert parquet_files(vault.root) == before


def test_a_vwap_of_a_tiny_price_keeps_every_digit(vault, capsys):
    """In SQL and in Parquet, beside an instrument of ordinary prices, whose type stays narrow."""
    tiny, shown = "0.0000002345500107", {}
    for inst_id, tick, mean in ((BTC, "0.1", "101231.12345678"), (ETH, "0.0000000001", tiny)):
        tick_size(vault, tick, inst_id=inst_id)
        path = vault.derived("vwap", inst_id) / "vwap_1m.jsonl"
        path.parent.mkdir(parents=True)
        row = {"timestamp_utc": "2025-12-14T21:34:00Z", "instId": inst_id, "vwap_1h": mean}
        path.write_text(json.dumps(row, separators=(",", ":")) + "\n", encoding="utf-8")
        assert written(export(vault, capsys, "--table", "vwap", "--instId", inst_id)) == {"vwap": 1}
        (part,) = vault.root.glob(f"parquet/vwap/instId={inst_id}/*/part.parquet")
        query = f"SELECT vwap_1h, typeof(vwap_1h) FROM '{part}'"  # noqa: S608 - our path
        shown[inst_id] = duckdb.connect().execute(query).fetchone()
    assert shown == {
        BTC: (Decimal("101231.123456780000"), "DECIMAL(38,12)"),
        ETH: (Decimal(tiny), "DECIMAL(38,16)"),
    }
    met = asker(vault, capsys)("SELECT vwap_1h FROM vwap ORDER BY instId")
    assert [row["vwap_1h"] for row in met] == ["101231.12345678", tiny]


def test_one_export_at_a_time(grown, capsys):
    """A second export to the same place ends with 4 and names the first."""
    target = grown.root / "parquet"
    with writer_lock(Vault(target), "parquet", BTC):
        assert export_parquet.main(["--vault", str(grown.root)]) == 4
    assert "one writer already" in capsys.readouterr().err


def test_nothing_to_export(vault, capsys):
    """Exit code 3 without data, 2 for a name that is none; nothing is made."""
    assert export_parquet.main(["--vault", str(vault.root)]) == 3
    write_raw(vault, BTC, trade_lines(minutes=3))
    assert export_parquet.main(["--vault", str(vault.root), "--instId", ETH]) == 3
    assert export_parquet.main(["--vault", str(vault.root), "--instId", "../x"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert not (vault.root / "parquet").exists()


def test_the_vault_is_only_read(filled, capsys, tmp_path):
    """An export elsewhere changes no file of the vault."""
    seen = lambda: {path: path.stat().st_mtime_ns for path in filled.root.rglob("*")}  # noqa: E731
    before = seen()
    export(filled, capsys, "--target", str(tmp_path / "out"), "--table", "wicks")
    assert seen() == before
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"wicks", "state"}
    assert os.listdir(tmp_path) == ["out"]  # noqa: PTH208 - names are enough
