"""C6: damaged files: every reader refuses one by name, or all of them give the same numbers.

Each reader is the program itself, in this process. Its answer is what it prints and writes; where
it refuses, it must name the file and end with an exit code other than 0.
"""

import gzip
import hashlib
import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from L2_Bot import l2_query, l2_retention
from ravequant.vault.paths import Vault
from scripts import doctor, export_parquet, peek, recompute, repair_gaps, sql, verify_vault
from tests.faults.calculators import (
    BTC,
    CALCULATORS,
    LINEAR,
    OF_BOOKS,
    OF_TRADES,
    CalculatorRun,
    book_rows,
    trade_lines,
)
from tests.support import book_lines
from Untouch_Wick import candle_builder, find_signals

DAY, HOUR = "2025-12-14", "2025-12-14/23"


@dataclass(frozen=True)
class Reader:
    """A program, and the arguments by which it reads the file."""

    main: Callable[[list[str]], int]
    words: tuple[str, ...] = ()
    written: str = ""  # the folder of the vault whose files are its answer, if not its output
    named_by: int = 1  # exit code with which it refuses; 0: it names the file and goes on

    def ask(self, vault: Vault, capsys: Any) -> tuple[int, str, str]:
        """Return the exit code, the answer, and everything that it said."""
        capsys.readouterr()
        code = self.main(["--vault", str(vault.root), *self.words])
        out, err = capsys.readouterr()
        answer = out
        if self.written:
            files = sorted((vault.root / self.written).rglob("*.jsonl"))
            answer = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
        return code, answer.replace(str(vault.root), ""), out + err


def _calculator(run: CalculatorRun) -> Reader:
    return Reader(run.module.main, ("--instId", BTC), f"derived/{run.metric}")


OF_INST = ("--instId", BTC)
TRADES = {
    **{name: _calculator(CALCULATORS[name]) for name in OF_TRADES},
    "recompute": Reader(
        recompute.main, ("--metric", "vwap,cvd", "--workers", "1", *OF_INST), "derived"
    ),
    "candle_builder": Reader(candle_builder.main, ("--json", "--since", "7d", *OF_INST)),
    "find_signals": Reader(
        find_signals.main, ("--at", "2025-12-14T23:50:00Z", "--json", "--no-refresh", *OF_INST)
    ),
    "peek": Reader(peek.main, ("trades", BTC)),
    "verify_vault": Reader(verify_vault.main, OF_INST),
    "repair_gaps": Reader(repair_gaps.main, ("--rest-url", "http://127.0.0.1:9", *OF_INST)),
    "doctor": Reader(doctor.main, ("--offline", *OF_INST)),
    "sql": Reader(sql.main, ("--json", "SELECT sum(notional), count(*), max(price) FROM trades")),
    "export_parquet": Reader(export_parquet.main, ("--table", "trades", *OF_INST)),
    "export_parquet bars": Reader(export_parquet.main, ("--table", "bars", *OF_INST)),
}
BOOKS = {
    **{name: _calculator(CALCULATORS[name]) for name in OF_BOOKS},
    "recompute": Reader(
        recompute.main, ("--metric", "liquidity_buckets", "--workers", "1", *OF_INST), "derived"
    ),
    "l2_query": Reader(l2_query.main, ("walls", *OF_INST)),
    "peek": Reader(peek.main, ("l2", BTC)),
    "verify_vault": Reader(verify_vault.main, OF_INST),
    "doctor": Reader(doctor.main, ("--offline", *OF_INST)),
    "sql": Reader(sql.main, ("--json", "SELECT sum(mid_price), count(*) FROM book")),
    "export_parquet": Reader(export_parquet.main, ("--table", "book", *OF_INST)),
}

if importlib.util.find_spec("duckdb") is None:  # an extra
    for readers in (TRADES, BOOKS):
        for name in [name for name in readers if name.startswith(("sql", "export_parquet"))]:
            del readers[name]


def turned(packed: bytes) -> bytes:
    """Turn a bit that leaves a stream that can be unpacked, to other bytes: only the sum tells."""
    plain = gzip.decompress(packed)
    for at in range(len(packed) // 2, len(packed) - 8):
        for bit in range(8):
            found = packed[:at] + bytes([packed[at] ^ 1 << bit]) + packed[at + 1 :]
            try:
                data = _unpacked(found)
            except (OSError, EOFError, ValueError):
                continue
            if data is not None and data != plain and data.endswith(b"\n"):
                return found
    raise AssertionError("no such bit")


def _unpacked(packed: bytes) -> bytes | None:
    import zlib

    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = stream.decompress(packed[10:])
    except zlib.error:
        return None
    return data if stream.eof and len(stream.unused_data) == 8 else None


def _packed(change: Callable[[bytes], bytes], path: Path) -> None:
    data = gzip.compress(path.read_bytes(), mtime=0)
    path.unlink()
    path.with_suffix(".jsonl.gz").write_bytes(change(data))


def _folder(name: str, path: Path) -> None:
    path.unlink()
    path.with_name(path.name + name).mkdir()


REFUSED: dict[str, Callable[[Path], None]] = {
    "one bit turned": partial(_packed, turned),
    "a bit of the checksum turned": partial(
        _packed, lambda d: d[:-8] + bytes([d[-8] ^ 1]) + d[-7:]
    ),
    "cut": partial(_packed, lambda data: data[: len(data) // 2]),
    "the trailer gone": partial(_packed, lambda data: data[:-8]),
    "half of the trailer gone": partial(_packed, lambda data: data[:-4]),
    "more bytes behind it": partial(_packed, lambda data: data + b"more"),
    "zeros behind it": partial(_packed, lambda data: data + bytes(512)),
    "half a second member": partial(_packed, lambda data: data + data[:100]),
    "empty": partial(_packed, lambda _: b""),
    "not packed at all": partial(_packed, gzip.decompress),
    "a folder of its name": partial(_folder, ""),
    "a folder of its packed name": partial(_folder, ".gz"),
}
SAME: dict[str, Callable[[Path], None]] = {
    "packed": partial(_packed, bytes),
    "packed in two members": partial(
        _packed, lambda d: b"".join(gzip.compress(part) for part in _halves(gzip.decompress(d)))
    ),
}


def odd_names(path: Path) -> None:
    """Put files and folders beside a raw file that have no name of one."""
    _beside(path, DAY, "2025-02-31")  # no such day
    _beside(path, ".jsonl", " (copy).jsonl")
    path.parent.joinpath("lost+found").mkdir()
    path.with_name(path.name + ".torn").write_bytes(b"{")
    if not Path(str(path).upper()).exists():  # where case tells names apart
        _beside(path, ".jsonl", ".JSONL")
        _beside(path, BTC, BTC.lower())


def _halves(data: bytes) -> tuple[bytes, bytes]:
    middle = data.index(b"\n", len(data) // 2) + 1
    return data[:middle], data[middle:]


def _beside(path: Path, old: str, new: str) -> None:
    text = str(path)
    at = text.rindex(old)
    other = Path(text[:at] + new + text[at + len(old) :])
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_bytes(path.read_bytes())


def trades(root: Path) -> tuple[Vault, Path]:
    """Return a vault with one day of trades, and its file."""
    vault = Vault(root)
    book_lines.put_metadata(vault, BTC, LINEAR)
    path = vault.trades(BTC) / f"{DAY}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(trade_lines()[:150]))
    return vault, path


def books(root: Path) -> tuple[Vault, Path]:
    """Return a vault with one hour of the book, and its file."""
    vault = Vault(root)
    book_lines.put_metadata(vault, BTC, LINEAR)
    book_lines.put(vault.snapshots(BTC), book_rows()[0][:50])
    return vault, vault.snapshots(BTC) / f"{HOUR}.jsonl"


STREAMS = {"trades": (trades, TRADES), "books": (books, BOOKS)}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("damage", REFUSED)
def test_a_damaged_file_is_refused_by_name_by_every_reader(
    tmp_path, capsys, faults, stream, damage
):
    """None takes a number from what comes before the damage; the file stays as it is."""
    fact = faults.row("C6", "damaged files before every reader")
    make, readers = STREAMS[stream]
    wrong = {}
    for name, reader in readers.items():
        vault, path = make(tmp_path / name.replace(" ", "_"))
        REFUSED[damage](path)
        code, _, said = reader.ask(vault, capsys)
        fact.times += 1
        made = [found for found in vault.root.rglob("*.parquet") if found.is_file()]
        made += [found for found in (vault.root / "derived").rglob("*.jsonl") if found.read_bytes()]
        if not code or path.name not in said or "Traceback" in said or made:
            wrong[name] = code, said[-300:], made
    assert wrong == {}


@pytest.mark.parametrize("stream", STREAMS)
def test_files_of_another_form_give_every_reader_the_same_numbers(tmp_path, capsys, faults, stream):
    """Packed by whatever packs: the answers are those of the plain file; odd names are no files."""
    fact = faults.row("C6", "odd files before every reader")
    make, readers = STREAMS[stream]
    for name, reader in readers.items():
        answers = {}
        for what, change in {"plain": lambda _: None, **SAME, "odd names": odd_names}.items():
            vault, path = make(tmp_path / name.replace(" ", "_"))
            change(path)
            code, answer, said = reader.ask(vault, capsys)
            answers[what] = code, answer
            assert "Traceback" not in said, (name, what)
            fact.times += 1
            shutil.rmtree(vault.root)
        if name in ("verify_vault", "doctor", "peek"):
            answers = {what: (code, "") for what, (code, _) in answers.items()}
        assert set(answers.values()) == {answers["plain"]}, name


def test_retention_deletes_nothing_for_a_damaged_file(tmp_path, capsys, faults):
    """It cannot say how old the data are: it says so, and everything stays."""
    fact = faults.row("C6", "damaged files before retention")
    for damage, change in REFUSED.items():
        vault, path = books(tmp_path / damage.replace(" ", "_"))
        change(path)
        before = sorted(vault.root.rglob("*"))
        l2_retention.main(["--vault", str(vault.root)])
        assert "Traceback" not in capsys.readouterr().err
        kept = [found for found in before if "raw" in found.parts]
        assert [found for found in kept if not found.exists()] == []
        fact.times += 1
