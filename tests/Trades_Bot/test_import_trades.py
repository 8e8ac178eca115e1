"""The program: files of a folder, and files that it fetches from an exchange in a box."""

import json
import subprocess
import sys

import pytest

from ravequant.errors import DONE, FAILED, UsageError
from ravequant.vault.imports import provenance
from ravequant.vault.paths import CHECKOUT, Vault
from tests.support.archive_files import candle_file, candle_rows, write_zip
from tests.support.box import exchange
from tests.support.import_market import (
    BTC,
    FILLS,
    LABELS,
    WHOLE,
    archive,
    label_of,
    of_days,
    put,
    raw,
    with_metadata,
)
from Trades_Bot import import_trades

CHANGED = {"kind": "archive", "how": "changed", "path": "-trades-"}
PROGRAM = CHECKOUT / "Trades_Bot" / "import_trades.py"


def run(vault: Vault, *words) -> int:
    return import_trades.main(["--vault", str(vault.root), *map(str, words)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return archive(tmp_path_factory.mktemp("archive"))


def test_a_folder_is_imported_and_said(vault, folder, capsys, tmp_path):
    """A table, what comes next, and exit code 0; again there is nothing to do."""
    with_metadata(vault)
    assert run(vault, "--dir", folder) == 0
    out = capsys.readouterr().out
    assert "2025-12-12  2025-12-14" in out
    assert "compute everything anew once" in out
    assert raw(vault) == raw(put(Vault(tmp_path / "whole"), of_days(*WHOLE)))
    assert run(vault, "--dir", folder, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["days"], facts["there"], facts["error"]) == ([], 3, None)


def test_a_plan_changes_nothing(vault, folder, capsys):
    """--dry-run: days, files and what lacks."""
    assert run(vault, "--dir", folder, "--dry-run") == 0
    assert "BTC-USDT-SWAP     3  2025-12-12  2025-12-14" in capsys.readouterr().out
    assert not vault.root.exists()
    assert run(vault, "--dir", folder, "--dry-run", "--json", "--partial") == 0
    assert json.loads(capsys.readouterr().out)["lacking"] == "2025-12-11, 2025-12-16"


def test_spans_of_days(vault, folder):
    """Only the days asked for."""
    with_metadata(vault)
    assert run(vault, "--dir", folder, "--from", WHOLE[1], "--to", WHOLE[1]) == 0
    assert list(raw(vault)) == [WHOLE[1]]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "where are the files? --download fetches them, --dir FOLDER takes"),
        (("--dir", "absent"), 2, "expected a folder"),
        (("--download",), 2, "forbids passing them on"),
        (("--download", "--accept-terms"), 2, "--download needs --from DAY"),
        (("--download", "--accept-terms", "--from", "2099-01-01"), 2, "today is never imported"),
    ],
)
def test_what_cannot_be_done_is_said(vault, words, code, said, capsys):
    """With the remedy, and nothing is written but the terms."""
    assert run(vault, *words) == code
    assert said in capsys.readouterr().err
    assert not vault.trades(BTC).exists()


def test_no_whole_day_names_the_labels(vault, tmp_path, capsys):
    """A single file holds no whole UTC day."""
    some = archive(tmp_path / "a", LABELS[1:2])
    assert run(with_metadata(vault), "--dir", some) == 3
    assert "2025-12-12 lacks 2025-12-12; " not in capsys.readouterr().err
    assert run(vault, "--dir", some, "--partial") == 0
    assert list(raw(vault)) == ["2025-12-12", "2025-12-13"]


def test_without_metadata_the_exchange_is_asked(vault, folder, capsys):
    """Where it does not answer: exit code 3, and the program that fetches them."""
    assert run(vault, "--dir", folder, "--rest-url", "http://127.0.0.1:9") == 3
    assert "start the trade exporter once" in capsys.readouterr().err


HOSTILE = {
    "another member": lambda path, data: write_zip(path, data, member="../evil.csv"),
    "cut": lambda path, _: path.write_bytes(path.read_bytes()[:-30]),
    "no archive": lambda path, _: path.write_bytes(b"PK nothing"),
    "a folder": lambda path, _: (path.unlink(), path.mkdir()),
    "foreign rows": lambda path, data: write_zip(path, data.replace(b"BTC-", b"ETH-")),
    "another header": lambda path, data: write_zip(path, b"a,b,c\n" + data),
    "an id that falls": lambda path, data: write_zip(
        path, data + data.splitlines(keepends=True)[1]
    ),
    "empty": lambda path, _: path.write_bytes(b""),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_by_name(vault, tmp_path, case, capsys):
    """Nothing of its days is written; the days before it are imported."""
    import zipfile

    some = archive(tmp_path / "a")
    path = some / f"{BTC}-trades-{LABELS[2]}.zip"
    with zipfile.ZipFile(path) as file:
        data = file.read(file.namelist()[0])
    HOSTILE[case](path, data)
    code = run(with_metadata(vault), "--dir", some)
    assert code == (0 if case == "a folder" else 1)
    if case == "a folder":  # it is no file of that name: the day lacks it
        assert list(raw(vault)) == [WHOLE[0]]
        return
    assert path.name in capsys.readouterr().err
    assert list(raw(vault)) == [WHOLE[0]]
    assert list(provenance.newest(vault, BTC)) == [WHOLE[0]]


@pytest.fixture
def served(tmp_path):
    """Files of trades, candles and funding, as the exchange serves them."""
    found = archive(tmp_path / "served")
    for label in LABELS:
        rows = candle_rows([one for one in FILLS if label_of(one) == label])
        candle_file(found, label, rows)
    rate = f"instrument_name,funding_rate,funding_time\n{BTC},0.0001,{FILLS[0].ts // 8000 * 8000}\n"
    write_zip(found / f"{BTC}-fundingrates-2025-12.zip", rate.encode())
    return found


def test_files_are_fetched_from_the_exchange(vault, tmp_path, served, capsys):
    """Listing, download, candles and funding; the days are whole, and no download is left."""
    options = (
        "--instId", BTC, "--history", "1m", "--start", "2025-12-17T00:00:00.000Z",
        "--wait-for-clients", "0", "--archive", served, "--rest-limit-factor", "100",
    )  # fmt: skip
    with exchange(tmp_path, *options) as where:
        words = (
            "--download", "--accept-terms", "--instId", BTC, "--rest-url", where[3],
            "--rest-limit-factor", "100", "--from", "2025-12-11", "--to", "2025-12-14",
        )  # fmt: skip
        assert run(vault, *words, "--dry-run") == 0
        assert not vault.trades(BTC).exists()
        assert "to fetch: 9 files" in capsys.readouterr().out
        assert run(vault, *words) == 0, capsys.readouterr().err
        assert run(vault, *words[:1], *words[2:]) == 0  # the terms are noted, the days are there
    lines = provenance.newest(vault, BTC)
    assert list(lines) == list(WHOLE)
    assert [day.proof for day in lines.values()] == ["candles"] * 3
    assert all(file.etag for day in lines.values() for file in day.files)
    assert raw(vault) == raw(put(Vault(tmp_path / "whole"), of_days(*WHOLE)))
    assert b'"via":"archive"' in vault.settled_funding(BTC).read_bytes()
    assert list(vault.import_downloads().glob("*.zip")) == []


@pytest.mark.parametrize(("faults", "code"), [([], DONE), ([CHANGED], FAILED)])
def test_a_probe_says_in_ten_lines_if_the_files_are_as_believed(
    vault, tmp_path, faults, code, capsys
):
    """Exit code 1 if one is not; no day is imported, and the terms are asked for as always."""
    options = (
        "--instId", BTC, "--history", "20m", "--start", "2025-12-14T16:05:00.000Z",
        "--rows-per-second", "4", "--wait-for-clients", "0", "--archive", tmp_path / "served",
        "--rest-limit-factor", "100",
    )  # fmt: skip
    with exchange(tmp_path, *options, faults=faults) as where:
        words = (
            "--probe", "--instId", BTC, "--rest-url", where[3], "--rest-limit-factor", "100",
        )  # fmt: skip
        assert run(vault, *words) == UsageError.exit_code
        assert capsys.readouterr().out == ""
        assert run(vault, *words, "--accept-terms") == code
    lines = capsys.readouterr().out.splitlines()
    wrong = [line for line in lines if not line.startswith("as believed ")]
    assert len(lines) == 10
    assert [line[:24] for line in wrong] == ["NOT AS BELIEVED candles:"] * (code == FAILED)
    assert lines[1].split()[3] == f"{BTC}-trades-2025-12-14.zip,"
    assert not vault.trades(BTC).exists()
    assert not vault.imports(BTC).exists()


def test_it_runs_as_a_program(vault, folder):
    """From anywhere, with its help."""
    words = [sys.executable, PROGRAM, "--vault", vault.root, "--dir", folder, "--dry-run"]
    done = subprocess.run(words, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert b"2025-12-12" in done.stdout
