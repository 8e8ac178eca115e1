"""The content of raw files: read through once, and again whenever a file is not as it was."""

import gzip
import io
import os
import zlib

import pytest

from ravequant.errors import VaultError
from ravequant.vault import line_file, raw_content
from ravequant.vault.lock import if_free
from ravequant.vault.raw_content import RawContent, RawContents

BTC = "BTC-USDT-SWAP"
LINES = b'{"a":1}\n' * 5_000
CONTENT = RawContent(len(LINES), zlib.crc32(LINES))
DAY = "2025-12-14"


@pytest.fixture
def path(tmp_path):
    """Return a raw file."""
    file = tmp_path / f"{DAY}.jsonl"
    file.write_bytes(LINES)
    return file


def packed(path):
    """Return the file, compressed."""
    target = path.with_name(f"{path.name}.gz")
    target.write_bytes(gzip.compress(LINES))
    path.unlink()
    return target


def test_content_is_that_of_the_uncompressed_bytes(path):
    """A plain file and a packed one have the same."""
    assert raw_content.content_of(path) == CONTENT
    assert raw_content.first_bytes(path, 100) == LINES[:100]
    file = packed(path)
    assert raw_content.content_of(file) == CONTENT
    assert raw_content.first_bytes(file, 100) == LINES[:100]
    assert raw_content.first_bytes(file, 1 << 20) == LINES


def test_a_file_of_many_blocks_is_read_to_its_end(path, monkeypatch):
    """Its length and checksum are those of all of them, its first bytes may be several."""
    monkeypatch.setattr(raw_content, "_BLOCK", 1_000)
    assert raw_content.content_of(path) == CONTENT
    assert raw_content.first_bytes(path, 2_500) == LINES[:2_500]
    assert raw_content.first_bytes(path, 2_001) == LINES[:2_001]


def test_a_file_is_read_a_block_at_a_time(path, monkeypatch):
    """A day of gigabytes does not go into memory."""
    asked = []

    class Noted(io.BytesIO):
        def read(self, size=-1):
            asked.append(size)
            return super().read(size)

    monkeypatch.setattr(raw_content, "_opened", lambda _: Noted(LINES))
    assert raw_content.content_of(path) == CONTENT
    assert set(asked) == {raw_content._BLOCK}


def test_the_first_bytes_cost_no_more_than_they_are(path, monkeypatch):
    """A packed file is not read to its end for them; a damaged one raises all the same."""
    file = packed(path)
    monkeypatch.setattr(line_file, "check_packed", None)
    assert raw_content.first_bytes(file, 100) == LINES[:100]
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(VaultError, match="not a whole gzip"):
        raw_content.content_of(file)


def test_a_file_whose_stamp_is_noted_is_not_read(vault, path, monkeypatch):
    """By this run or by an earlier one."""
    contents = RawContents(vault, BTC, 0)
    assert contents.holds(DAY, path, CONTENT)
    contents.save()
    monkeypatch.setattr(raw_content, "content_of", None)
    for known in (contents, RawContents(vault, BTC, 0)):
        assert known.holds(DAY, path, CONTENT)
        assert not known.holds(DAY, path, CONTENT._replace(crc32=1))
        assert not known.holds(DAY, path, CONTENT._replace(length=1))


def test_under_another_generation_every_file_is_read(vault, path, monkeypatch):
    """A repair may have rewritten any of them."""
    contents = RawContents(vault, BTC, 0)
    assert contents.holds(DAY, path, CONTENT)
    contents.save()
    read = []

    def counted(file):
        read.append(file)
        return CONTENT

    monkeypatch.setattr(raw_content, "content_of", counted)
    assert RawContents(vault, BTC, 1).holds(DAY, path, CONTENT)
    assert read == [path]


@pytest.mark.parametrize("how", ["size", "time", "replaced", "another day"])
def test_a_file_that_is_not_as_it_was_is_read(vault, path, how):
    """By its size, its times or its number: what it holds now counts."""
    contents = RawContents(vault, BTC, 0)
    assert contents.holds(DAY, path, CONTENT)
    found = path.stat()
    other = LINES.replace(b"1", b"2", 1)
    if how == "size":
        path.write_bytes(LINES + b"\n")
    elif how == "another day":
        path.write_bytes(other)
        assert not contents.holds("2025-12-15", path, CONTENT)
        return
    elif how == "time":
        path.write_bytes(other)
    else:
        path.with_name("new").write_bytes(other)
        os.utime(path.with_name("new"), ns=(found.st_atime_ns, found.st_mtime_ns))
        os.replace(path.with_name("new"), path)  # noqa: PTH105
    assert not contents.holds(DAY, path, CONTENT)
    path.write_bytes(LINES)
    assert contents.holds(DAY, path, CONTENT)


def test_a_file_that_changed_while_it_was_read_is_not_noted(vault, path):
    """Its stamp before is not its stamp afterwards."""
    contents = RawContents(vault, BTC, 0)
    before = raw_content.stamp(path)
    path.write_bytes(LINES + b"\n")
    contents.note(DAY, path, before, CONTENT)
    contents.note(DAY, path.with_name("gone"), None, CONTENT)
    assert not contents.holds(DAY, path, CONTENT)
    assert raw_content.stamp(path.with_name("gone")) is None


@pytest.mark.parametrize("data", [b"", b"{}", b'{"version":1,"crc32":5}\n'])
def test_notes_that_are_damaged_are_not_there(vault, path, data):
    """They save time, and nothing else; the next run writes them again."""
    file = vault.state("bars", BTC)
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    contents = RawContents(vault, BTC, 0)
    assert contents.holds(DAY, path, CONTENT)
    contents.save()
    assert file.read_bytes() != data


def test_notes_are_left_to_the_program_that_writes_them(vault, path):
    """Without waiting for it."""
    contents = RawContents(vault, BTC, 0)
    contents.save()
    assert not vault.state("bars", BTC).exists()  # there is nothing to note
    contents.holds(DAY, path, CONTENT)
    with if_free(vault, "bars", BTC) as free:
        assert free
        contents.save()
        assert not vault.state("bars", BTC).exists()
    contents.save()
    assert vault.state("bars", BTC).exists()
    vault.state("bars", BTC).unlink()
    contents.save()
    assert not vault.state("bars", BTC).exists()  # nothing is new


def test_a_packed_day_is_known_by_the_content_of_its_plain_form(vault, path, monkeypatch):
    """It is not read again; one that holds something else is."""
    contents = RawContents(vault, BTC, 0)
    assert contents.holds(DAY, path, CONTENT)
    file = packed(path)
    contents.carry_over("2025-12-15", file)
    contents.carry_over(DAY, path)  # it is gone
    contents.carry_over(DAY, file)
    with monkeypatch.context() as patch:
        patch.setattr(raw_content, "content_of", None)
        assert contents.holds(DAY, file, CONTENT)
    file.write_bytes(gzip.compress(LINES.replace(b"1", b"2", 1)))
    contents.carry_over(DAY, file)
    assert not contents.holds(DAY, file, CONTENT)


def test_whole_lines_are_the_whole_content_or_none(path):
    """Of a plain file its size says so, of a packed one its trailer."""
    length = len(LINES)
    assert raw_content.whole_content(path, length, CONTENT.crc32) == CONTENT
    assert raw_content.whole_content(path, length - 1, 5) is None
    assert raw_content.whole_content(path, length, None) is None
    file = packed(path)
    assert raw_content.whole_content(file, length, None) == CONTENT
    assert raw_content.whole_content(file, length - 1, None) is None
    with pytest.raises(VaultError):
        raw_content.whole_content(path, length, 5)
    with pytest.raises(VaultError):
        raw_content.content_of(path)


def test_notes_of_another_program_are_taken_in(vault, path, monkeypatch):
    """Once they are read again, and when this run writes its own: none is lost."""
    first, second = RawContents(vault, BTC, 0), RawContents(vault, BTC, 0)
    other = path.with_name("2025-12-15.jsonl")
    other.write_bytes(LINES)
    assert first.holds(DAY, path, CONTENT)
    first.save()
    assert second.holds("2025-12-15", other, CONTENT)
    second.save()
    monkeypatch.setattr(raw_content, "content_of", None)
    first.read_again()
    for known in (first, second, RawContents(vault, BTC, 0)):
        assert known.holds(DAY, path, CONTENT)
        assert known.holds("2025-12-15", other, CONTENT)


def test_a_note_of_this_run_counts_before_that_of_another(vault, path, monkeypatch):
    """It is the newer one, of the file as it is now."""
    first, second = RawContents(vault, BTC, 0), RawContents(vault, BTC, 0)
    assert first.holds(DAY, path, CONTENT)
    first.save()
    path.write_bytes(LINES + b"\n")
    found = raw_content.content_of(path)
    assert second.holds(DAY, path, found)
    second.read_again()
    second.save()
    monkeypatch.setattr(raw_content, "content_of", None)
    assert second.holds(DAY, path, found)
    assert RawContents(vault, BTC, 0).holds(DAY, path, found)


def test_a_length_beyond_32_bits_is_compared_with_its_low_bits(path):
    """The trailer of a packed file holds no more of it."""
    file = packed(path)
    data = file.read_bytes()
    assert raw_content.whole_content(file, len(LINES) + (1 << 32), None) == RawContent(
        len(LINES) + (1 << 32), CONTENT.crc32
    )
    file.write_bytes(data[:-4] + ((1 << 32) - 1).to_bytes(4, "little"))
    assert raw_content.whole_content(file, (1 << 32) - 1, None) is not None
    assert raw_content.whole_content(file, len(LINES), None) is None
