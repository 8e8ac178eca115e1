"""The ledger: names of settings and inputs, the chain, crashes, and the count of trials."""

import hashlib
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Edge_Lab import trial_ledger
from Edge_Lab.trial_ledger import (
    GENESIS,
    ChainedLog,
    DayInput,
    Evaluation,
    Link,
    chained,
    data_id,
    evaluations,
    record,
    trials,
    verified,
)
from ravequant.errors import LockedError, VaultError
from ravequant.vault.paths import CHECKOUT


def evaluation(**changed):
    """Return an evaluation of one family over thirty days."""
    values: dict[str, Any] = {
        "made_utc": "2026-01-13T03:10:00.000Z",
        "role": "verdict",
        "config_id": "8b5096857f9b",
        "data_id": "0123456789ab",
        "code": "1",
        "family": "base",
        "model": "queue",
        "instruments": ("BTC-USDT-SWAP", "ETH-USDT-SWAP"),
        "days": ("2025-12-14", "2026-01-12"),
        "fills": 412,
        "missed": 31,
        "gap": 7,
        "net": "-0.4125",
        "delta": "0.3011",
        "se": "0.45",
    }
    return Evaluation(**values | changed)


def test_the_worked_link():
    """The example: 64 zeros and the line, without prev and sha."""
    line, link = chained({"config_id": "8b5096857f9b"}, Link())
    assert line.startswith(b'{"n":1,"config_id":"8b5096857f9b","prev":"000')
    assert (link.sha[:8], link.sha[-6:], link.number) == ("7a76f0df", "3440e5", 1)
    plain = hashlib.sha256(GENESIS.encode() + b'{"n":1,"config_id":"8b5096857f9b"}')
    assert link.sha == plain.hexdigest()


def test_inputs_are_named_in_any_order():
    """Length and checksum of a dated file, the checksum alone of a growing file's rows."""
    day, rows = DayInput("raw/x.jsonl", 7, 1_000), DayInput("derived/y.jsonl", 9)
    assert data_id([day, rows]) == data_id([rows, day])
    plain = '{"derived/y.jsonl":[9,null],"raw/x.jsonl":[7,1000]}'
    assert data_id([day, rows]) == hashlib.sha256(plain.encode()).hexdigest()[:12]
    assert data_id([day._replace(length=1_001), rows]) != data_id([day, rows])


bodies = st.lists(
    st.dictionaries(
        st.text(min_size=1, max_size=5).filter(lambda key: key not in {"n", "prev", "sha"}),
        st.none() | st.integers(-(2**70), 2**70) | st.text(max_size=8) | st.lists(st.booleans()),
        max_size=4,
    ),
    min_size=1,
    max_size=5,
)


def lines_of(made):
    """Return the lines of a chain."""
    link, lines = Link(), []
    for body in made:
        line, link = chained(body, link)
        lines.append(line)
    return lines


@given(bodies)
def test_what_was_written_is_read_back(made):
    """Each body comes back with its number, and the last link is the newest line's."""
    lines = lines_of(made)
    found = list(verified(lines, "x"))
    for number, (body, (row, link)) in enumerate(zip(made, found, strict=True), 1):
        assert {key: row[key] for key in row if key not in {"n", "prev", "sha"}} == body
        assert row["n"] == link.number == number
        assert row["sha"] == link.sha


@given(bodies, st.data())
def test_any_changed_byte_breaks_the_chain(made, data):
    """A byte of any line, a line taken out or lines exchanged: the first bad line is named."""
    lines = lines_of(made)
    index = data.draw(st.integers(0, len(lines) - 1))
    place = data.draw(st.integers(0, len(lines[index]) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != lines[index][place]))
    broken = bytearray(lines[index])
    broken[place] = other
    with pytest.raises(VaultError, match="x: the chain breaks at line"):
        list(verified([*lines[:index], bytes(broken), *lines[index + 1 :]], "x"))
    if index < len(lines) - 1:
        with pytest.raises(VaultError, match=f"breaks at line {index + 1}"):
            list(verified([*lines[:index], *lines[index + 1 :]], "x"))


def test_a_break_says_what_to_do():
    """The message names file, line, the prev found and expected, and the remedy."""
    lines = lines_of([{"a": 1}, {"a": 2}])
    with pytest.raises(VaultError) as found:
        list(verified(lines[1:], "lab/ledger.jsonl"))
    prev = json.loads(lines[1])["prev"]
    assert str(found.value) == (
        f"lab/ledger.jsonl: the chain breaks at line 1: found prev {prev[:8]}…, expected prev "
        "00000000… and the sha of the line; it was changed by hand or a line is gone: put a copy "
        "back, or move the file away and begin a new one, whose count of trials begins anew"
    )
    with pytest.raises(VaultError, match="found no prev and sha at its end"):
        list(verified([b'{"n":1}\n'], "x"))


def test_a_line_says_its_number():
    """A line whose sha fits and whose number does not was not written by the ledger."""
    text = '{"n":2,"a":1}'
    sha = hashlib.sha256((GENESIS + text).encode()).hexdigest()
    line = f'{text[:-1]},"prev":"{GENESIS}","sha":"{sha}"}}\n'.encode()
    with pytest.raises(VaultError, match="line 1 does not say n 1"):
        list(verified([line], "x"))


def test_fields_of_the_chain_are_its_own():
    """A body cannot say its own number, nor hold a float."""
    with pytest.raises(ValueError, match="the chain itself writes n, sha"):
        chained({"sha": "1", "n": 4}, Link())
    with pytest.raises(ValueError, match="binary float"):
        chained({"a": 0.1}, Link())


def test_a_ledger_goes_on_where_it_ended(tmp_path):
    """Two writers in turn and a reader: one chain, and nothing before the first line."""
    path = tmp_path / "lab" / "ledger.jsonl"
    assert list(ChainedLog(path).rows()) == []
    first, second = ChainedLog(path), ChainedLog(path)
    first.append([{"a": 1}, {"a": 2}])
    second.append([{"a": 3}])
    assert first.append([{"a": 4}]).number == 4
    assert first.append([]).number == 4
    assert [row["a"] for row in ChainedLog(path).rows()] == [1, 2, 3, 4]


def test_a_torn_tail_is_cut_off_and_kept(tmp_path):
    """A crash in the middle of a line: the line is gone, the chain goes on, the bytes are kept."""
    path = tmp_path / "ledger.jsonl"
    ChainedLog(path).append([{"a": 1}, {"a": 2}])
    whole = path.read_bytes()
    for cut in range(len(whole) // 2 + 10, len(whole)):
        path.write_bytes(whole[:cut])
        log = ChainedLog(path)
        assert [row["a"] for row in log.rows()] == [1]
        log.append([{"a": 2}])
        assert path.read_bytes() == whole
        assert log.torn_bytes > 0
    assert (tmp_path / "ledger.jsonl.torn").stat().st_size > 0


def test_nothing_is_appended_to_a_broken_chain(tmp_path):
    """A changed line stops the next evaluation before a byte is written."""
    path = tmp_path / "ledger.jsonl"
    ChainedLog(path).append([{"a": 1}, {"a": 2}])
    changed = path.read_bytes().replace(b'"a":1', b'"a":7')
    path.write_bytes(changed)
    with pytest.raises(VaultError, match="breaks at line 1"):
        ChainedLog(path).append([{"a": 3}])
    assert path.read_bytes() == changed


def test_a_ledger_cut_under_a_running_program_is_noticed(tmp_path):
    """Lines that were verified a moment ago and are gone now are no torn tail."""
    path = tmp_path / "ledger.jsonl"
    log = ChainedLog(path)
    log.append([{"a": 1}, {"a": 2}])
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(VaultError, match="was cut by another program"):
        log.append([{"a": 3}])


@pytest.mark.slow
def test_programs_append_at_the_same_time(tmp_path):
    """Three processes, twenty lines each: one unbroken chain with all of them."""
    path = tmp_path / "ledger.jsonl"
    code = (
        "import sys\nfrom Edge_Lab.trial_ledger import ChainedLog\nfor number in range(20):\n"
        "    ChainedLog(sys.argv[1]).append([{'who': int(sys.argv[2]), 'number': number}])"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(who)], cwd=CHECKOUT)
        for who in range(3)
    ]
    assert [process.wait() for process in others] == [0, 0, 0]
    rows = list(ChainedLog(path).rows())
    assert len(rows) == 60
    for who in range(3):
        assert [row["number"] for row in rows if row["who"] == who] == list(range(20))


def test_a_writer_that_hangs_is_named(tmp_path, monkeypatch):
    """A lock that is held longer than the wait is an error with a remedy, not a second chain."""
    from filelock import FileLock

    monkeypatch.setattr(trial_ledger, "_WAIT_S", 0.05)
    path = tmp_path / "ledger.jsonl"
    with FileLock(f"{path}.lock"), pytest.raises(LockedError, match="end the program that hangs"):
        ChainedLog(path).append([{"a": 1}])
    assert not path.exists()


def test_lines_are_synced_before_they_count(tmp_path, monkeypatch):
    """The number that append returns stands on disk: the file was synced after the last write."""
    calls = []
    write, fsync = os.write, os.fsync

    def between(name, real):
        def call(*words):
            calls.append(name)
            return real(*words)

        return call

    monkeypatch.setattr(os, "write", between("write", write))
    monkeypatch.setattr(os, "fsync", between("sync", fsync))
    ChainedLog(tmp_path / "ledger.jsonl").append([{"a": 1}])
    assert "sync" in calls[calls.index("write") :]


def test_evaluations_come_back(tmp_path):
    """Each field of the ledger, in its order, with the chain around it."""
    log = ChainedLog(tmp_path / "ledger.jsonl")
    made = [evaluation(), evaluation(role="train", net=None)]
    assert record(log, made).number == 2
    assert list(evaluations(log)) == made
    row = json.loads(log.path.read_bytes().splitlines()[0])
    assert list(row) == [
        "n", "made_utc", "role", "config_id", "data_id", "code", "family", "model", "instruments",
        "days", "fills", "missed", "gap", "net", "delta", "se", "prev", "sha",
    ]  # fmt: skip


def test_a_line_that_is_no_evaluation_is_named(tmp_path):
    """A foreign line, though chained, is refused with its number."""
    log = ChainedLog(tmp_path / "ledger.jsonl")
    record(log, [evaluation()])
    log.append([{"a": 1}])
    with pytest.raises(VaultError, match="line 2 is no evaluation"):
        list(evaluations(log))
    with pytest.raises(ValueError, match="is no evaluation"):
        evaluation(role="guess")
    with pytest.raises(ValueError, match="is no evaluation"):
        evaluation(days=("2026-01-12", "2025-12-14"))


def test_trials_are_counted_once_where_their_days_overlap():
    """Repetitions, other orders of instruments, other days and self tests make no further trial."""
    made = [
        evaluation(),
        evaluation(role="explore", fills=1),
        evaluation(instruments=("ETH-USDT-SWAP", "BTC-USDT-SWAP")),
        evaluation(family="score60"),
        evaluation(model="through", days=("2026-01-12", "2026-02-01")),
        evaluation(config_id="0" * 12, days=("2026-01-13", "2026-02-01")),
        evaluation(family="cvd", role="self_test"),
    ]
    found = trials(made, "2025-12-01", "2026-01-12")
    assert {(family, model) for _, family, model, _ in found} == {
        ("base", "queue"), ("score60", "queue"), ("base", "through"),
    }  # fmt: skip
    assert len(trials(made, "2026-01-12", "2026-03-01")) == 4
