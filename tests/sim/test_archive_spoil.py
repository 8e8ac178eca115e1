"""Spoiled files: each is wrong in its own way, and in no other."""

import gzip
import io
import zipfile
from dataclasses import replace

import pytest

from ravequant.sim.archive_spoil import packed, spoiled, unpacked
from ravequant.sim.faults import Fault

ZIP, TAR = "A-B-SWAP-trades-2025-01-31.zip", "A-B-SWAP-L2orderbook-400lv-2025-01-31.tar.gz"
TEXT = b"id\n1\n2\n3\n4\n"


def made(name):
    return packed(name, "member", TEXT)


def by(how, name, **more):
    return spoiled(made(name), name, replace(Fault("archive", how=how), **more))


@pytest.mark.parametrize("name", [ZIP, TAR])
def test_a_file_is_unpacked_as_it_was_packed(name):
    """Name and content of its member."""
    assert unpacked(made(name), name) == ("member", TEXT)


def test_a_wrong_crc_is_seen_only_at_the_end():
    """Every byte of the member is there."""
    bad = zipfile.ZipFile(io.BytesIO(by("crc", ZIP)))
    assert bad.testzip() == "member"
    with gzip.open(io.BytesIO(by("crc", TAR))) as file, pytest.raises(gzip.BadGzipFile):
        file.read()
    assert len(by("crc", TAR)) == len(made(TAR))


@pytest.mark.parametrize("name", [ZIP, TAR])
def test_a_bomb_is_small_outside(name):
    """A megabyte of zeros in some kilobytes."""
    data = by("bomb", name, length=1)
    assert len(data) < 20_000
    assert unpacked(data, name) == ("member", b"\0" * (1 << 20))


@pytest.mark.parametrize("name", [ZIP, TAR])
def test_a_member_may_have_the_name_of_a_path(name):
    """Its content is as it was."""
    assert unpacked(by("member", name), name) == ("../../escaped.csv", TEXT)
    assert unpacked(by("member", name, value="/etc/x.csv"), name) == ("/etc/x.csv", TEXT)


@pytest.mark.parametrize("name", [ZIP, TAR])
def test_lines_fall_or_lack_or_stay(name):
    """falls: two change places; changed: the last is gone; rewritten: none, yet other bytes."""
    lines = unpacked(by("falls", name), name)[1].splitlines()
    assert lines[0] == b"id"
    assert lines != TEXT.splitlines()
    assert sorted(lines) == sorted(TEXT.splitlines())
    assert unpacked(by("changed", name), name)[1] == b"id\n1\n2\n3\n"
    text = TEXT * 500
    whole = packed(name, "member", text)
    again = spoiled(whole, name, Fault("archive", how="rewritten"))
    assert again != whole
    assert unpacked(again, name) == ("member", text)
