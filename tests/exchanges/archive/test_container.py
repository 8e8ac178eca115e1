"""Containers: one member of the archive's own name, whole, and everything else refused by name."""

import gzip
import hashlib
import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from ravequant.errors import VaultError
from ravequant.exchanges.archive import container
from ravequant.exchanges.archive.container import ArchiveError, blocks, open_member, sha256_of
from tests.support.archive_files import write_tar, write_zip

TEXT = b"".join(b"%d,%d\n" % (number, number * number) for number in range(20_000))


def content(path: Path, suffix: str) -> bytes:
    """Return the member of an archive, read in odd portions."""
    with open_member(path, suffix) as member:
        return b"".join(iter(lambda: member.read(10_007), b""))


def refused(path: Path, suffix: str = ".csv") -> str:
    """Return the message with which an archive is refused."""
    with pytest.raises(ArchiveError) as caught:
        content(path, suffix)
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_zip_and_a_tar_give_their_member(tmp_path):
    """Byte for byte, deflated or stored."""
    packed = write_zip(tmp_path / "a.zip", TEXT)
    stored = write_zip(tmp_path / "b.zip", TEXT, compress_type=zipfile.ZIP_STORED)
    assert content(packed, ".csv") == content(stored, ".csv") == TEXT
    assert content(write_tar(tmp_path / "c.tar.gz", TEXT), ".data") == TEXT
    assert content(write_zip(tmp_path / "d.zip", b""), ".csv") == b""
    assert content(write_tar(tmp_path / "e.tar.gz", b""), ".data") == b""


def test_a_tar_of_several_gzip_members_with_extended_headers_is_one_file(tmp_path):
    """As some packers write it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as file:
        info = tarfile.TarInfo("a.data")
        info.size, info.pax_headers = len(TEXT), {"mtime": "1700000000.5", "comment": "x" * 3_000}
        file.addfile(info, io.BytesIO(TEXT))
    data = out.getvalue()
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(data[:5_000]) + gzip.compress(data[5_000:]))
    assert content(path, ".data") == TEXT


def test_the_hash_is_that_of_the_file(tmp_path):
    """SHA-256 of the packed bytes."""
    path = write_zip(tmp_path / "a.zip", TEXT)
    assert sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(VaultError, match="cannot be read"):
        sha256_of(tmp_path / "absent.zip")


@pytest.mark.parametrize("name", ["../a.csv", "/a.csv", "x/a.csv", "b.csv", "a.csv.exe", "A.csv"])
def test_a_member_of_another_name_is_refused(tmp_path, name):
    """Also one that would leave the folder."""
    assert "its member is named" in refused(write_zip(tmp_path / "a.zip", TEXT, name))
    assert "its member is named" in refused(write_tar(tmp_path / "a.tar.gz", TEXT, name))


def test_a_name_that_goes_on_behind_a_zero_is_refused(tmp_path):
    """Python's own reader ends a name there."""
    path = write_zip(tmp_path / "a.zip", TEXT, "a.csv~.exe")
    path.write_bytes(path.read_bytes().replace(b"a.csv~.exe", b"a.csv\0.exe"))
    assert "its member is named 'a.csv\\x00.exe'" in refused(path)


def test_no_member_and_two_members_are_refused(tmp_path):
    """A zip by its directory, a tar by what follows its member."""
    path = tmp_path / "a.zip"
    for number, names in ((0, []), (2, ["a.csv", "b.csv"])):
        with zipfile.ZipFile(path, "w") as file:
            for name in names:
                file.writestr(name, TEXT)
        assert refused(path) == (
            f"it has {number} members; expected a.csv alone; {container.FETCH_AGAIN}"
        )
    path = tmp_path / "a.tar.gz"
    for names, found in (([], "it has no member"), (["a.csv"] * 2, "something follows its member")):
        with tarfile.open(path, "w:gz") as tar:
            for name in names:
                tar.addfile(tarfile.TarInfo(name))
        assert refused(path).startswith(found)


def test_links_folders_and_devices_are_refused(tmp_path):
    """A member must be a regular file."""
    for kind in (0o120777, 0o040755, 0o060644):
        path = write_zip(tmp_path / "a.zip", TEXT, external_attr=kind << 16, create_system=3)
        assert "a folder, a link or a device" in refused(path)
    for letter in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE):
        path = write_tar(tmp_path / "a.tar.gz", b"", "a.csv", type=letter, linkname="/etc/passwd")
        assert "a folder, a link or a device" in refused(path)


def test_encrypted_members_and_unknown_methods_are_refused(tmp_path):
    """By the flags and the method in the directory."""
    for offset, value, found in (
        (8, 1, "is encrypted or a patch"),
        (10, 12, "packed by method 12"),
    ):
        path = write_zip(tmp_path / "a.zip", TEXT)
        data = bytearray(path.read_bytes())
        at = data.rindex(b"PK\1\2") + offset
        data[at : at + 2] = struct.pack("<H", value)
        path.write_bytes(data)
        assert found in refused(path)


def test_a_wrong_checksum_at_the_end_is_seen(tmp_path):
    """That of a zip's member, and that in the gzip trailer behind a tar."""
    path = write_zip(tmp_path / "a.zip", TEXT)
    crc = struct.pack("<L", zlib.crc32(TEXT))
    path.write_bytes(path.read_bytes().replace(crc, b"\1\2\3\4"))
    assert "Bad CRC-32" in refused(path)
    path = write_tar(tmp_path / "a.tar.gz", TEXT)
    data = bytearray(path.read_bytes())
    data[-6] ^= 1
    path.write_bytes(data)
    assert "it is damaged" in refused(path, ".data")


def test_a_member_shorter_than_it_says_is_refused(tmp_path):
    """Its checksum is right, its length in the directory is not."""
    path = write_zip(tmp_path / "a.zip", TEXT)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\1\2") + 24
    data[at : at + 4] = struct.pack("<L", len(TEXT) + 5)
    path.write_bytes(data)
    assert "it is damaged: its member ends 5 bytes too early" in refused(path)


@pytest.mark.parametrize("cut", [1, 7, 100, 20_000])
def test_a_cut_file_is_refused(tmp_path, cut):
    """Wherever it was cut."""
    for path in (write_zip(tmp_path / "a.zip", TEXT), write_tar(tmp_path / "a.tar.gz", TEXT)):
        path.write_bytes(path.read_bytes()[:-cut])
        assert "it is damaged" in refused(path, ".csv" if path.suffix == ".zip" else ".data")


def test_a_file_of_another_kind_is_refused(tmp_path):
    """Text, nothing at all, and bytes behind the end of a gzip file."""
    for name in ("a.zip", "a.tar.gz"):
        path = tmp_path / name
        for data in (b"", b"<html>not found</html>", b"\0" * 100_000):
            path.write_bytes(data)
            assert "it is damaged" in refused(path)
    path = write_tar(tmp_path / "a.tar.gz", TEXT)
    path.write_bytes(path.read_bytes() + b"more")
    assert "it is damaged" in refused(path, ".data")
    assert "no archive by its name" in refused(tmp_path / "a.rar")
    with pytest.raises(VaultError, match="cannot be read"):
        content(tmp_path / "absent.zip", ".csv")


def test_bombs_are_refused(tmp_path):
    """By the directory of a zip, by the size in a tar's header, and while a stream grows."""
    zeros = b"\0" * (64 << 20)
    path = write_zip(tmp_path / "a.zip", zeros)
    assert "200 times at most" in refused(path)
    data = bytearray(path.read_bytes())  # a directory that claims to hold more packed bytes
    at = data.rindex(b"PK\1\2") + 20
    data[at : at + 4] = struct.pack("<L", 1 << 30)
    path.write_bytes(data)
    assert "200 times at most" in refused(path)
    assert "200 times at most" in refused(write_tar(tmp_path / "a.tar.gz", zeros), ".data")
    path = tmp_path / "b.tar.gz"
    info = tarfile.TarInfo("b.data")
    info.size = 9 << 30
    path.write_bytes(gzip.compress(info.tobuf() + TEXT))
    assert "8589934592 at most" in refused(path, ".data")


def test_a_large_directory_or_header_is_not_read(tmp_path):
    """A directory of more than a MiB, a long name of more than 64 KiB."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        for number in range(20_000):
            file.writestr(f"{number:050}", b"")
    assert "at once" in refused(path)
    long_name = write_tar(tmp_path / "a.tar.gz", TEXT, "a" * 100_000)
    assert "it is damaged: a header of" in refused(long_name, ".data")


def test_blocks_hold_whole_lines(tmp_path):
    """Whatever the portions; a last line without its newline gets one."""
    path = write_zip(tmp_path / "a.zip", TEXT + b"last")
    for size in (7, 1_000, 1 << 20):
        with open_member(path, ".csv") as member:
            found = list(blocks(member, size))
        assert b"".join(found) == TEXT + b"last\n"
        assert all(block.endswith(b"\n") for block in found)


def test_a_long_line_is_refused(tmp_path):
    """With its place; a line of exactly 1 MiB is none."""
    line = b"x" * ((1 << 20) - 1) + b"\n"
    stored = zipfile.ZIP_STORED
    path = write_zip(tmp_path / "a.zip", b"1\n" + line, compress_type=stored)
    with open_member(path, ".csv") as member:
        assert b"".join(blocks(member)) == b"1\n" + line
    for tail in (line, b"x" * 10):
        path = write_zip(
            tmp_path / "a.zip", b"1\nx" + line[: 1 << 20][:-1] + b"y" + tail, compress_type=stored
        )
        with open_member(path, ".csv") as member, pytest.raises(ArchiveError) as caught:
            list(blocks(member))
        assert "the line at byte 2 is longer than 1 MiB" in str(caught.value)


def test_a_member_longer_than_it_says_is_refused(tmp_path):
    """Its length in the directory is too small, so its checksum is that of more."""
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        path = write_zip(tmp_path / "a.zip", TEXT, compress_type=method)
        data = bytearray(path.read_bytes())
        at = data.rindex(b"PK\1\2") + 24
        data[at : at + 4] = struct.pack("<L", len(TEXT) - 5)
        path.write_bytes(data)
        assert "Bad CRC-32" in refused(path)


def test_a_zip_behind_other_bytes_and_with_extra_fields_is_read(tmp_path):
    """As self-extracting files and some packers have them."""
    path = write_zip(tmp_path / "a.zip", TEXT, extra=b"\x99\x99\4\0abcd")
    assert content(path, ".csv") == TEXT
    path.write_bytes(b"#!something\n" + path.read_bytes())
    assert content(path, ".csv") == TEXT


def test_another_name_in_front_of_the_member_is_refused(tmp_path):
    """Only the directory says the right one."""
    path = write_zip(tmp_path / "a.zip", TEXT)
    path.write_bytes(path.read_bytes().replace(b"a.csv", b"b.csv", 1))
    assert "it is damaged: File name in directory" in refused(path)


class Unseekable(io.RawIOBase):
    """A stream that a packer cannot go back in."""

    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Append bytes."""
        self.data += bytes(data)
        return len(data)


def test_a_zip_whose_sizes_stand_behind_its_member_is_read(tmp_path):
    """As Go and Java write it: in front of the member lengths and checksum are 0."""
    stream = Unseekable()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.csv", TEXT)
    path = tmp_path / "a.zip"
    path.write_bytes(stream.data)
    assert stream.data[6] & 8
    assert content(path, ".csv") == TEXT
