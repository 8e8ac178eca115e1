"""One file read from end to end: its length, its hashes, its torn end."""

import gzip
from hashlib import sha256

import pytest

from scripts.audit import file_audit
from scripts.audit.file_audit import FileAudit, sha256_of_trades, sha256_without

LINES = [b'{"trade_id":"%d","note":"\r"}\n' % number for number in range(1, 40)]
DATA = b"".join(LINES)


@pytest.fixture(params=["plain", "packed"])
def path(request, tmp_path):
    """A file of lines and half a line, in either form."""
    data = DATA + b'{"torn'
    if request.param == "plain":
        found = tmp_path / "2025-12-14.jsonl"
        found.write_bytes(data)
    else:
        found = tmp_path / "2025-12-14.jsonl.gz"
        found.write_bytes(gzip.compress(data))
    return found


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("noted", [0, 1, len(LINES[0]), len(DATA) - 1, len(DATA), len(DATA) + 1])
def test_whole_lines_are_hashed_and_the_bytes_noted_earlier(path, monkeypatch, size, noted):
    """However it is read, the hashes are those of the lines, and of their first bytes."""
    monkeypatch.setattr(file_audit, "BLOCK_BYTES", size)
    file, lengths = FileAudit("2025-12-14", path), []
    blocks = []
    for block in file.blocks(noted):
        lengths.append(file.length)
        blocks.append(block)
    assert b"".join(blocks) == DATA
    assert all(block.endswith(b"\n") for block in blocks)
    assert lengths == [sum(map(len, blocks[:at])) for at in range(len(blocks))]
    assert (file.length, file.sha256) == (len(DATA), sha256(DATA).hexdigest())
    assert (file.torn_bytes, file.damaged) == (len(b'{"torn'), "")
    wanted = sha256(DATA[:noted]).hexdigest() if noted <= len(DATA) else ""
    assert file.noted_sha256 == wanted


def test_a_damaged_file_ends_where_it_can_be_read_no_more(tmp_path):
    """The error stands in the result, with the remedy; the hash is of the lines before it."""
    path = tmp_path / "2025-12-14.jsonl.gz"
    path.write_bytes(gzip.compress(DATA)[:-9])
    file = FileAudit("2025-12-14", path)
    before = b"".join(file.blocks())
    assert "is not a whole gzip file" in file.damaged
    assert file.sha256 == sha256(before).hexdigest()


@pytest.mark.parametrize("size", [5, 1 << 20])
def test_a_hash_without_some_trades_is_that_of_the_others(path, monkeypatch, size):
    """Ids from one to another are left out, both included; the length is of what stays."""
    monkeypatch.setattr(file_audit, "BLOCK_BYTES", size)
    kept = b"".join(LINES[:4] + LINES[9:10] + LINES[11:])
    found = sha256_without(path, [(5, 9), (11, 11)], len(kept))
    assert found == sha256(kept).hexdigest()
    assert sha256_without(path, [(5, 9), (11, 11)], 100) == sha256(kept[:100]).hexdigest()


@pytest.mark.parametrize("size", [5, 1 << 20])
def test_a_hash_of_some_trades_is_that_of_their_lines(path, monkeypatch, size):
    """Ids from one to another, both included."""
    monkeypatch.setattr(file_audit, "BLOCK_BYTES", size)
    wanted = sha256(b"".join([*LINES[2:5], *LINES[9:10]])).hexdigest()
    assert sha256_of_trades(path, [(3, 5), (10, 10)]) == wanted
    assert sha256_of_trades(path, []) == sha256(b"").hexdigest()
