"""The tail over raw files: whole lines only, across files, at offsets that compression keeps."""

import gzip
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault import tail
from ravequant.vault.cursor import Cursor
from ravequant.vault.paths import day_files

DAY, NEXT_DAY = "2025-12-14", "2025-12-15"


def line(moment: str, padding: int = 0) -> bytes:
    return b'{"timestamp_utc":"%s","x":"%s"}\n' % (moment.encode(), b"." * padding)


def read(folder: Path, cursor: Cursor | None = None, block_bytes: int = tail.BLOCK_BYTES):
    """Return all bytes from the cursor on, the cursor after them, and the blocks."""
    reading = tail.Tail(lambda: day_files(folder), cursor, 0, block_bytes)
    blocks = list(reading.blocks())
    return b"".join(block.data for block in blocks), reading.cursor(), blocks


def test_a_folder_without_files_gives_nothing_and_no_cursor(tmp_path):
    """Nothing to read is no error here; whoever asks decides."""
    assert read(tmp_path / "absent") == (b"", None, [])


def test_a_half_written_line_is_never_looked_at(tmp_path):
    """A reader that races the writer sees whole lines, each once, whatever the moment."""
    whole = line(f"{DAY}T00:00:00.000Z") + line(f"{DAY}T00:00:01.000Z", 30)
    cursor, seen = None, b""
    with (tmp_path / f"{DAY}.jsonl").open("wb", buffering=0) as writer:
        for byte in whole:
            writer.write(bytes([byte]))
            data, cursor, _ = read(tmp_path, cursor)
            assert data.endswith(b"\n") or not data
            seen += data
    assert seen == whole


@given(
    sizes=st.lists(st.integers(0, 200), max_size=30),
    cuts=st.lists(st.integers(0, 6000), max_size=6),
    block_bytes=st.integers(1, 500),
)
def test_any_cut_of_a_growing_file_gives_the_same_bytes(tmp_path_factory, sizes, cuts, block_bytes):
    """Blocks and runs may fall anywhere; together they are the file's whole lines."""
    folder = tmp_path_factory.mktemp("raw")
    whole = b"".join(line(f"{DAY}T00:00:00.000Z", size) for size in sizes)
    path = folder / f"{DAY}.jsonl"
    seen, cursor = b"", None
    for cut in [*sorted(cuts), len(whole)]:
        path.write_bytes(whole[:cut])
        data, cursor, blocks = read(folder, cursor, block_bytes)
        assert all(block.data.endswith(b"\n") for block in blocks)
        seen += data
        cursor = Cursor.restore(cursor.state()) if cursor else None
    assert seen == whole


def test_it_goes_on_in_the_next_day_only_after_the_end_of_the_last(tmp_path):
    """Days come in order, each read to its end; a torn tail of an old day is not looked at."""
    first, second = line(f"{DAY}T23:59:59.999Z"), line(f"{NEXT_DAY}T00:00:00.000Z")
    (tmp_path / f"{DAY}.jsonl").write_bytes(first + b'{"torn')
    data, cursor, _ = read(tmp_path)
    assert data == first
    (tmp_path / f"{NEXT_DAY}.jsonl").write_bytes(second)
    data, cursor, blocks = read(tmp_path, cursor)
    assert data == second
    assert blocks[0].path.name == f"{NEXT_DAY}.jsonl"
    assert blocks[0].offset == 0
    assert cursor is not None
    assert (cursor.file, cursor.offset) == (NEXT_DAY, len(second))


def test_compressing_a_file_moves_no_cursor(tmp_path):
    """Offsets count uncompressed bytes, so a .gz goes on where the plain file was left."""
    whole = b"".join(line(f"{DAY}T00:00:{second:02}.000Z", second) for second in range(60))
    plain = tmp_path / f"{DAY}.jsonl"
    half = whole.index(b"\n", len(whole) // 2) + 1
    plain.write_bytes(whole[:half])
    _, cursor, _ = read(tmp_path)
    (tmp_path / f"{DAY}.jsonl.gz").write_bytes(gzip.compress(whole))
    plain.unlink()
    assert read(tmp_path, cursor)[0] == whole[half:]


def test_of_a_plain_and_a_compressed_form_the_plain_one_counts(tmp_path):
    """Both exist for a moment while a day is being compressed."""
    (tmp_path / f"{DAY}.jsonl").write_bytes(b"plain\n")
    (tmp_path / f"{DAY}.jsonl.gz").write_bytes(gzip.compress(b"compressed\n"))
    assert read(tmp_path)[0] == b"plain\n"


def test_a_file_that_is_gone_shortened_or_replaced_is_noticed(tmp_path):
    """Never a silent re-read: the error names the file and the remedy."""
    path = tmp_path / f"{DAY}.jsonl"
    whole = line(f"{DAY}T00:00:00.000Z") * 5
    path.write_bytes(whole)
    _, cursor, _ = read(tmp_path)
    path.write_bytes(whole[:-10])
    with pytest.raises(VaultError) as shortened:
        read(tmp_path, cursor)
    assert str(shortened.value) == (
        f"{path} ends at byte {len(whole) - 10}, but was read up to byte {len(whole)}: it was "
        "shortened; run again with --rebuild to recompute from the raw data on disk"
    )
    path.write_bytes(whole[:-3] + b"!}\n")
    with pytest.raises(VaultError, match="it was replaced; run again with --rebuild"):
        read(tmp_path, cursor)
    path.write_bytes(b"?" + whole[1:])
    with pytest.raises(VaultError, match="it was replaced"):
        read(tmp_path, cursor)
    path.unlink()
    with pytest.raises(VaultError, match=rf"the file {DAY}\.jsonl was read before and is gone"):
        read(tmp_path, cursor)


def test_a_file_deleted_before_it_is_begun_is_passed_over(tmp_path):
    """Retention may be faster than a long run: it goes on with the next file that is left."""
    names = [f"2025-12-1{day}" for day in (3, 4, 5)]
    for name in names:
        (tmp_path / f"{name}.jsonl").write_bytes(line(f"{name}T00:00:00.000Z"))
    reading = tail.Tail(lambda: day_files(tmp_path), None, 0)
    blocks = reading.blocks()
    first = next(blocks)
    (tmp_path / f"{names[1]}.jsonl").unlink()
    assert [first.path.stem, *(block.path.stem for block in blocks)] == [names[0], names[2]]
    cursor = reading.cursor()
    assert cursor is not None
    assert cursor.file == names[2]


def test_a_file_deleted_while_it_is_looked_for_is_passed_over(tmp_path):
    """Between listing and opening as well, for the first time and the place of a time too."""
    for name in (DAY, NEXT_DAY):
        (tmp_path / f"{name}.jsonl").write_bytes(line(f"{name}T00:00:00.000Z"))
    listings = 0

    def files():
        nonlocal listings
        listings += 1
        if listings == 2:
            (tmp_path / f"{DAY}.jsonl").unlink(missing_ok=True)
        return iter(list(day_files(tmp_path)))

    assert tail.first_time(files) == times.parse_iso(f"{NEXT_DAY}T00:00:00.000Z")
    (tmp_path / f"{DAY}.jsonl").write_bytes(line(f"{DAY}T00:00:00.000Z"))
    listings = 0
    blocks = tail.Tail(files, None, 0).blocks()
    assert [block.path.stem for block in blocks] == [NEXT_DAY]
    (tmp_path / f"{DAY}.jsonl").write_bytes(line(f"{DAY}T00:00:00.000Z"))
    listings = 0
    found = tail.cursor_at(files, times.parse_iso(f"{DAY}T00:00:00.000Z"), 0)
    assert found is not None
    assert found.file == NEXT_DAY


def test_a_shortened_or_damaged_gz_is_noticed(tmp_path):
    """The same holds behind compression."""
    whole = line(f"{DAY}T00:00:00.000Z", 5000) * 5
    plain, packed = tmp_path / f"{DAY}.jsonl", tmp_path / f"{DAY}.jsonl.gz"
    plain.write_bytes(whole)
    _, cursor, _ = read(tmp_path)
    plain.unlink()
    packed.write_bytes(gzip.compress(whole[: len(whole) // 2]))
    with pytest.raises(VaultError, match="it was shortened"):
        read(tmp_path, cursor)
    packed.write_bytes(gzip.compress(whole)[:-30])
    with pytest.raises(VaultError, match="is not a whole gzip file"):
        read(tmp_path)


@pytest.mark.parametrize("head", [b"", b"no gzip"])
def test_a_damaged_gz_is_named_wherever_it_is_met(tmp_path, head):
    """On the way to a cursor, and in the search for the first time or a place in time."""
    plain, packed = tmp_path / f"{DAY}.jsonl", tmp_path / f"{DAY}.jsonl.gz"
    plain.write_bytes(line(f"{DAY}T00:00:00.000Z", 5000) * 5)
    _, cursor, _ = read(tmp_path)
    packed.write_bytes(head + gzip.compress(plain.read_bytes())[:40])
    plain.unlink()

    def files():
        return day_files(tmp_path)

    for look in (
        lambda: read(tmp_path, cursor),
        lambda: tail.first_time(files),
        lambda: tail.cursor_at(files, times.parse_iso(f"{DAY}T00:00:01Z"), 0),
    ):
        with pytest.raises(VaultError, match=f"{packed}: is not a whole gzip file"):
            look()


def test_a_file_compressed_while_its_time_is_looked_for_is_found_again(tmp_path):
    """Between the listing and the opening the plain form may turn into the packed one."""
    plain = tmp_path / f"{DAY}.jsonl"
    data = line(f"{DAY}T10:00:00.000Z")
    plain.write_bytes(data)

    def files():
        listed = list(day_files(tmp_path))
        plain.unlink(missing_ok=True)
        plain.with_name(f"{plain.name}.gz").write_bytes(gzip.compress(data))
        return iter(listed)

    assert tail.first_time(files) == times.parse_iso(f"{DAY}T10:00:00Z")


def test_a_line_longer_than_any_record_becomes_one_bad_line(tmp_path, monkeypatch):
    """Memory stays bounded, the line after it is whole, and the cursor never stands inside it."""
    monkeypatch.setattr(tail, "LONGEST_LINE", 1000)
    path = tmp_path / f"{DAY}.jsonl"
    good = line(f"{DAY}T00:00:00.000Z")
    path.write_bytes(good + b"x" * 5000)
    data, cursor, _ = read(tmp_path, None, 100)
    assert data == good
    assert cursor is not None
    assert cursor.offset == len(good)
    path.write_bytes(good + b"x" * 5000 + b"\n" + good)
    data, cursor, _ = read(tmp_path, cursor, 100)
    bad, rest = data.split(b"\n", 1)
    assert bad.startswith(b"\0")
    assert len(bad) < 1200
    assert rest == good
    assert cursor is not None
    assert cursor.offset == path.stat().st_size


def test_the_cursor_knows_the_place_by_its_bytes(tmp_path):
    """Head and the bytes before the offset are those of the file, however it was read."""
    whole = b"".join(line(f"{DAY}T00:00:00.000Z", size) for size in range(120))
    (tmp_path / f"{DAY}.jsonl").write_bytes(whole)
    for block_bytes in (7, 300, 1 << 20):
        _, cursor, _ = read(tmp_path, None, block_bytes)
        wanted = Cursor(DAY, len(whole), zlib.crc32(whole[:4096]), zlib.crc32(whole[-256:]), 0)
        assert cursor == wanted


def test_first_and_newest_time_pass_over_lines_without_one(tmp_path):
    """A bad line at either end hides nothing; a half-written last line does not count."""
    (tmp_path / f"{DAY}.jsonl").write_bytes(b"garbage\n" + line(f"{DAY}T10:00:00.000Z"))
    newest = line(f"{NEXT_DAY}T11:00:00.000Z") + b"garbage\n" + line(f"{NEXT_DAY}T12:00:00.000Z")
    (tmp_path / f"{NEXT_DAY}.jsonl").write_bytes(newest[:-1])

    def files():
        return day_files(tmp_path)

    assert tail.first_time(files) == times.parse_iso(f"{DAY}T10:00:00Z")
    assert tail.newest_time(files) == times.parse_iso(f"{NEXT_DAY}T11:00:00Z")


@pytest.mark.parametrize("packed", [False, True])
def test_a_cursor_can_begin_at_a_time(tmp_path, packed):
    """``--since`` begins at the first line at or past the moment, in whichever day that is."""
    days = {
        day: b"".join(line(f"{day}T{hour:02}:00:00.000Z", hour) for hour in range(24))
        for day in (DAY, NEXT_DAY)
    }
    for day, data in days.items():
        path = tmp_path / f"{day}.jsonl{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(data) if packed else data)

    def files():
        return day_files(tmp_path)

    lines = (days[DAY] + days[NEXT_DAY]).splitlines(keepends=True)
    for moment, first in [
        (f"{DAY}T00:00:00Z", 0),
        (f"{DAY}T05:30:00Z", 6),
        (f"{NEXT_DAY}T00:00:00Z", 24),
        (f"{NEXT_DAY}T23:00:01Z", 48),
    ]:
        cursor = tail.cursor_at(files, times.parse_iso(moment), 0)
        assert read(tmp_path, cursor)[0] == b"".join(lines[first:])


@pytest.mark.parametrize("width", [40, 900, 20_000, 70_000])
def test_large_blocks_are_cut_where_a_line_ends_and_lose_nothing(tmp_path, width):
    """Where it ends is looked up before: behind a trade, behind a book, or not soon enough."""
    block = 1 << 16
    lines = [b"%d " % n + b"x" * (width + n % 7) + b"\n" for n in range(6 * block // width + 3)]
    whole = b"".join(lines)
    (tmp_path / "2025-12-14.jsonl").write_bytes(whole + b"torn")
    found = list(tail.Tail(lambda: day_files(tmp_path), None, 0, block).blocks())
    assert b"".join(one.data for one in found) == whole
    assert all(one.data.endswith(b"\n") for one in found)
    assert [one.offset for one in found] == [
        sum(len(one.data) for one in found[:n]) for n in range(len(found))
    ]
    if width < block - 10:  # every block but the last is as large as was asked for
        assert all(block <= len(one.data) <= block + width + 20 for one in found[:-1])
