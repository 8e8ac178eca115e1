"""A file on its way: its bytes belong to the noted version, or there are none."""

import hashlib

import pytest

from ravequant.errors import FeedError, VaultError
from ravequant.exchanges.archive.partial import (
    PartialFile,
    bare_name,
    fetched_names,
    note_of,
    noted,
    remove,
)

DATA = b"0123456789"
ETAG = hashlib.md5(DATA, usedforsecurity=False).hexdigest()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.zip"


def begun(path, received=b""):
    part = PartialFile(path)
    part.begin(ETAG, len(DATA))
    if received:
        part.append(received)
    return part


def test_the_note_is_there_before_the_first_byte(path):
    """A kill in between leaves a note without bytes, never bytes without a note."""
    begun(path)
    assert noted(path) == (ETAG, 10)
    assert PartialFile(path).length == 0


def test_bytes_are_found_again(path):
    """Version, size and length of the part."""
    begun(path, DATA[:4])
    again = PartialFile(path)
    assert (again.etag, again.size, again.length, again.whole) == (ETAG, 10, 4, False)
    again.append(DATA[4:])
    assert again.whole
    assert again.finish()
    assert path.read_bytes() == DATA
    assert noted(path) == (ETAG, 10)


def test_another_version_begins_without_the_old_bytes(path):
    """Even if it is killed before its note is written."""
    begun(path, DATA[:4]).begin("ffff", 20)
    again = PartialFile(path)
    assert (again.etag, again.size, again.length) == ("ffff", 20, 0)


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"etag":1,"size":2}', b'{"etag":"a"}'])
def test_bytes_without_a_sound_note_are_none(path, note):
    """They may be of any version."""
    begun(path, DATA[:4])
    note_of(path).write_bytes(note)
    assert PartialFile(path).length == 0


def test_more_bytes_than_the_size_are_none(path):
    """A part that is longer than its file is of another one."""
    begun(path, DATA)
    path.with_name("a.zip.partial").write_bytes(DATA + b"!")
    assert PartialFile(path).length == 0


def test_more_than_was_said_is_refused(path):
    """The answer is longer than its Content-Length."""
    part = begun(path, DATA)
    with pytest.raises(FeedError, match=r"a\.zip: more than the 10 bytes"):
        part.append(b"!")


def test_a_wrong_md5_leaves_nothing(path):
    """Neither file nor part nor note."""
    part = begun(path, DATA[:-1] + b"!")
    assert not part.finish()
    assert list(path.parent.iterdir()) == []


def test_an_etag_that_is_no_md5_is_not_compared(path):
    """An upload in parts has a dash in it."""
    part = PartialFile(path)
    part.begin("0123-2", 10)
    part.append(DATA)
    assert not part.md5_known
    assert part.finish()


def test_what_was_fetched_is_known_and_removed(path):
    """Files without a note are not ours."""
    begun(path, DATA).finish()
    begun(path.with_name("b.zip"), DATA[:1])
    path.with_name("c.zip").write_bytes(b"")
    assert fetched_names(path.parent) == {"a.zip", "b.zip"}
    remove(path)
    remove(path.with_name("b.zip"))
    assert [left.name for left in path.parent.iterdir()] == ["c.zip"]


def test_a_name_is_no_path():
    """It is returned as it is, or refused."""
    assert bare_name("a-1.tar.gz") == "a-1.tar.gz"
    with pytest.raises(VaultError) as error:
        bare_name("../a.zip")
    assert str(error.value) == ("file name '../a.zip': expected a bare name; nothing was written")
