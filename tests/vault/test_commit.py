"""Commits: the output is what its mark says, the state what its seal says, or it is an error."""

import gzip
import os
import zlib

import orjson
import pytest

from ravequant.errors import VaultError
from ravequant.vault import commit
from ravequant.vault.commit import EMPTY, Mark, Output, kept_mark, mark_of, restore_mark, unpack

BTC = "BTC-USDT-SWAP"
REMEDY = "run again with --rebuild to recompute from the raw data on disk"

GOOD = {"file": "vwap_1m.jsonl", "length": 5, "crc32": 7}


def test_a_mark_comes_back():
    """The newest file, its length and its end; no file before the first line."""
    assert restore_mark({"output": GOOD}) == Mark("vwap_1m.jsonl", 5, 7)
    assert restore_mark({"output": {"file": "", "length": 0, "crc32": 0}}) == Mark("", 0, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"file": "../x.jsonl"}, {"file": "/etc/x.jsonl"}, {"file": ".."}, {"file": "a/b.jsonl"},
        {"file": 5}, {"file": None}, {"length": -1}, {"length": "5"}, {"length": True},
        {"crc32": 1.5}, {"crc32": None}, {"more": 1},
    ],
)  # fmt: skip
def test_a_mark_that_is_none_is_refused(wrong):
    """Wrong types, and names that lead out of the folder of the output."""
    with pytest.raises((TypeError, ValueError)):
        restore_mark({"output": {**GOOD, **wrong}})


# -- the output


def test_lines_after_the_mark_are_cut_off_and_later_files_removed(tmp_path):
    """A step that did not finish leaves them; files that do not match stay."""
    for name, data in (("a", b"1\n2\n"), ("b", b"3\n4\n"), ("c", b"5\n")):
        (tmp_path / f"{name}.jsonl").write_bytes(data)
    (tmp_path / "c.txt").write_bytes(b"other")
    Output(tmp_path, "*.jsonl", mark_of(tmp_path / "b.jsonl", 2)).close()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "a.jsonl": b"1\n2\n", "b.jsonl": b"3\n", "c.txt": b"other",
    }  # fmt: skip


@pytest.mark.parametrize("data", [None, b"", b"1\n", b"1\n9\n", b"0\n2\n"])
def test_an_output_that_is_not_the_committed_one_is_an_error(tmp_path, data):
    """Missing, shortened or changed: it is left as it is, and the remedy named."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\n2\n")
    mark = mark_of(path, 4)
    path.unlink() if data is None else path.write_bytes(data)
    with pytest.raises(VaultError) as error:
        Output(tmp_path, "*.jsonl", mark)
    assert str(error.value) == (
        f"{path} is not what was committed: expected 4 bytes that end as written; {REMEDY}"
    )
    assert (path.read_bytes() if path.exists() else None) == data


def test_a_mark_covers_the_last_4_kib(tmp_path):
    """Not one byte more: a change before them is not noticed here, one inside is."""
    path = tmp_path / "a.jsonl"
    data = bytes(range(256)) * 20
    path.write_bytes(data + b"more")
    assert mark_of(path, len(data)) == Mark("a.jsonl", len(data), zlib.crc32(data[-4096:]))
    assert mark_of(path, 4096) == Mark("a.jsonl", 4096, zlib.crc32(data[:4096]))
    assert mark_of(path, 0) == Mark("a.jsonl", 0, 0)


def test_the_mark_follows_what_is_appended_from_file_to_file(tmp_path):
    """No line, no mark; the newest file counts."""
    output = Output(tmp_path / "new", "*.jsonl", EMPTY)
    assert output.mark() == EMPTY == Mark("", 0, 0)
    output.append("a.jsonl", b"1\n")
    output.append("b.jsonl", b"22\n")
    output.append("b.jsonl", b"3\n")
    output.sync()
    assert output.mark() == Mark("b.jsonl", 5, zlib.crc32(b"22\n3\n"))
    output.close()
    assert (tmp_path / "new" / "a.jsonl").read_bytes() == b"1\n"


@pytest.mark.parametrize("length", [0, 1, 2, 4_095, 4_096, 4_097])
def test_a_mark_of_any_length(tmp_path, length):
    """From no byte to one more than its window; bytes after the length have no say."""
    path = tmp_path / "a.jsonl"
    data = bytes(at * 7 % 251 for at in range(5_000))
    path.write_bytes(data)
    end = data[max(0, length - 4_096) : length]
    assert mark_of(path, length) == Mark("a.jsonl", length, zlib.crc32(end))


@pytest.mark.parametrize(("extra", "left"), [(b"", b"1\n2\n"), (b"3", b"1\n2\n")])
def test_an_output_is_cut_to_its_committed_length(tmp_path, extra, left):
    """To the byte: nothing is lost of what was committed, nothing stays of what was not."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\n2\n" + extra)
    output = Output(tmp_path, "*.jsonl", mark_of(path, 4))
    assert path.read_bytes() == left
    assert output.mark() == Mark("a.jsonl", 4, zlib.crc32(left))
    output.append("a.jsonl", b"4\n")
    assert output.mark() == Mark("a.jsonl", 6, zlib.crc32(left + b"4\n"))
    output.close()
    assert path.read_bytes() == left + b"4\n"


def test_a_closed_output_may_be_closed_synced_and_appended_to(tmp_path):
    """Closing ends a file, not the output."""
    output = Output(tmp_path, "*.jsonl", EMPTY)
    for line in (b"1\n", b"2\n"):
        output.append("a.jsonl", line)
        output.close()
        output.close()
        output.sync()
    assert (tmp_path / "a.jsonl").read_bytes() == b"1\n2\n"
    assert output.mark() == mark_of(tmp_path / "a.jsonl", 4)


def test_a_folder_that_cannot_be_made_is_an_error_of_the_vault(tmp_path):
    """A file stands in its place: the message names it and what failed."""
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(VaultError) as error:
        Output(tmp_path / "x", "*.jsonl", EMPTY)
    cause = error.value.__cause__
    assert isinstance(cause, FileExistsError)
    assert str(error.value).startswith(f"{tmp_path / 'x'}: cannot be prepared: {cause.strerror}; ")


def test_a_state_that_cannot_be_read_is_an_error_of_the_vault(tmp_path):
    """A folder stands in its place: the message names it and what failed."""
    with pytest.raises(VaultError) as error:
        commit.read_state(tmp_path, "x", BTC)
    cause = error.value.__cause__
    assert isinstance(cause, OSError)
    assert str(error.value).startswith(f"{tmp_path}: cannot be read: {cause.strerror}; ")


# -- the state


def test_a_commit_syncs_the_input_then_the_output_then_writes_the_state(tmp_path, monkeypatch):
    """In this order; an input that was compressed meanwhile was synced with its .gz."""
    raw, state = tmp_path / "raw.jsonl", tmp_path / "x.state.json"
    raw.write_bytes(b"r\n")
    output = Output(tmp_path / "out", "*.jsonl", EMPTY)
    output.append("a.jsonl", b"1\n")
    steps: list[int | str] = []
    fsync, replace = os.fsync, os.replace

    def noted(handle):
        steps.append(os.fstat(handle).st_ino)
        fsync(handle)

    def renamed(source, target):
        steps.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(os, "replace", renamed)
    commit.commit(state, output, [raw, tmp_path / "gone.jsonl"], {"metric": "x", "instId": BTC})
    wanted = [raw.stat().st_ino, (tmp_path / "out" / "a.jsonl").stat().st_ino]
    assert [step for step in steps if step in (*wanted, "replace")] == [*wanted, "replace"]
    assert commit.read_state(state, "x", BTC) == {
        "version": 1, "metric": "x", "instId": BTC,
        "output": {"file": "a.jsonl", "length": 2, "crc32": zlib.crc32(b"1\n")},
    }  # fmt: skip
    output.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: b"", "is damaged: not a sealed state"),
        (lambda data: data[:-3], "is damaged: not a sealed state"),
        (lambda _: b"[1]", "is damaged: not a sealed state"),
        (lambda _: b'{"version":1}', "is damaged: not a sealed state"),
        (lambda data: data.replace(b'"n":5', b'"n":6'), "was changed by something else"),
    ],
)
def test_a_state_that_is_not_as_written_is_refused(tmp_path, change, message):
    """Empty, cut, of another form, without a seal, edited."""
    state = tmp_path / "x.state.json"
    assert commit.read_state(state, "x", BTC) is None
    commit.write_state(state, {"metric": "x", "instId": BTC, "n": 5})
    state.write_bytes(change(state.read_bytes()))
    with pytest.raises(VaultError) as error:
        commit.read_state(state, "x", BTC)
    assert str(error.value) == f"{state} {message}; {REMEDY}"


@pytest.mark.parametrize(("metric", "inst_id"), [("y", BTC), ("x", "ETH-USDT-SWAP")])
def test_a_state_of_another_calculator_or_instrument_is_refused(tmp_path, metric, inst_id):
    """A file put into the wrong place."""
    state = tmp_path / "x.state.json"
    commit.write_state(state, {"metric": "x", "instId": BTC})
    with pytest.raises(VaultError) as error:
        commit.read_state(state, metric, inst_id, "do this")
    assert str(error.value) == (
        f"{state} is the state of x {BTC}, not of {metric} {inst_id}; put the right file back, or "
        "do this"
    )


def test_a_state_of_a_later_version_is_refused(tmp_path, monkeypatch):
    """It may mean something that this program does not know."""
    state = tmp_path / "x.state.json"
    with monkeypatch.context() as later:
        later.setattr(commit, "VERSION", 2)
        commit.write_state(state, {"metric": "x", "instId": BTC})
    with pytest.raises(VaultError, match="has version 2, this program writes 1; use the program"):
        commit.read_state(state, "x", BTC)


# -- rebuilds


def rows(*minutes: int) -> bytes:
    return b"".join(b'{"t":"2025-12-14T00:%02d:00Z"}\n' % minute for minute in minutes)


def test_a_rebuild_keeps_the_rows_before_its_begin(tmp_path):
    """Up to the first row at or after it, over files; nothing kept is no mark."""
    (tmp_path / "a.jsonl").write_bytes(rows(1, 2))
    (tmp_path / "b.jsonl").write_bytes(rows(3, 4))
    a, b = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    for before, wanted in (
        (1, EMPTY), (2, mark_of(a, len(rows(1)))), (3, mark_of(a, len(rows(1, 2)))),
        (4, mark_of(b, len(rows(3)))), (5, mark_of(b, len(rows(3, 4)))),
    ):  # fmt: skip
        assert kept_mark(tmp_path, "*.jsonl", "t", f"2025-12-14T00:{before:02}:00Z") == wanted


@pytest.mark.parametrize("bad", [b"{}\n", b"[\n", b'{"t":"2025', b"7\n"])
def test_no_row_from_a_damaged_one_on_is_kept(tmp_path, bad):
    """A row without a time, no JSON, half a row; later files go too."""
    (tmp_path / "a.jsonl").write_bytes(rows(1) + bad + rows(2))
    (tmp_path / "b.jsonl").write_bytes(rows(3))
    kept = kept_mark(tmp_path, "*.jsonl", "t", "2026")
    assert kept == mark_of(tmp_path / "a.jsonl", len(rows(1)))


def test_compressed_outputs_from_the_begin_on_become_plain(tmp_path):
    """Older days stay packed; where both forms exist the plain one counts."""
    for day, data in (("13", b"1\n"), ("14", b"2\n"), ("15", b"3\n")):
        (tmp_path / f"2025-12-{day}.jsonl.gz").write_bytes(gzip.compress(data))
    (tmp_path / "2025-12-15.jsonl").write_bytes(b"3\n4\n")
    unpack(tmp_path, "*.jsonl", "2025-12-14T05:00:00Z")
    assert {path.name for path in tmp_path.iterdir()} == {
        "2025-12-13.jsonl.gz", "2025-12-14.jsonl", "2025-12-15.jsonl",
    }  # fmt: skip
    assert (tmp_path / "2025-12-14.jsonl").read_bytes() == b"2\n"
    assert (tmp_path / "2025-12-15.jsonl").read_bytes() == b"3\n4\n"


def test_a_state_is_sealed_over_its_own_bytes(tmp_path):
    """The form of every state file: version first, CRC32 of the others last, one line."""
    state = tmp_path / "x.state.json"
    commit.write_state(state, {"metric": "x"})
    body = b'{"version":1,"metric":"x"}'
    assert state.read_bytes() == b'%s,"crc32":%d}\n' % (body[:-1], zlib.crc32(body))
    assert orjson.loads(state.read_bytes())["crc32"] == zlib.crc32(body)
