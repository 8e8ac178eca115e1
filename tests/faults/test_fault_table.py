"""The table of the fault suite: facts added up, failures kept, the page replaced between marks."""

import struct
import zlib

from tests.faults import plot, table
from tests.faults.table import Fact, Seen

SEEN = Seen(seed=7, began=0.0, seconds=120.0, passed=True)


def fact(row, what="killed", **more):
    return Fact(row, what, times=2, failed=False, **more)


def test_facts_of_one_row_and_text_are_one_line():
    """Counts are added up, of the others the largest stays, one failure fails the line."""
    one = fact("A1", sums={"ids lost": 1}, worsts={"restart s": 2.5})
    two = fact("A1", sums={"ids lost": 2}, worsts={"restart s": 1.5})
    two.failed = True
    (merged,) = table.merged([one, two])
    assert table.lines([merged])[-1] == (
        "| A1 | exporter killed | killed | 4 | ids lost 3; restart s at most 2.5 | FAILED |"
    )


def test_rows_stand_in_their_order_and_what_lacks_is_named():
    """C before E, whatever came first; a row without a test is no row passed over."""
    merged = table.merged([fact("E8"), fact("C3"), fact("A1", "b"), fact("A1", "a")])
    assert [(one.row, one.what) for one in merged] == [
        ("A1", "a"), ("A1", "b"), ("C3", "killed"), ("E8", "killed"),
    ]  # fmt: skip
    assert set(table.lacking(merged)) == set(table.ROWS) - {"A1", "C3", "E8"}


def test_the_page_keeps_its_text_and_its_older_runs(tmp_path):
    """Only what stands between the marks is replaced; the newest run comes first."""
    page = tmp_path / "README.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n", encoding="utf-8")
    table.write(page, [fact("A1", sums={"kills survived": 3})], SEEN)
    table.write(page, [fact("A1")], Seen(8, 0.0, 60.0, passed=False))
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    runs = [line for line in text.splitlines() if line.startswith("- run of ")]
    assert "seed 8: FAILED in 1 min" in runs[0]
    assert "seed 7: passed in 2 min" in runs[1]
    assert "kills survived 3, ids lost 0" in runs[1]
    assert text.count("| A1 |") == 1


def test_a_picture_is_a_png_with_its_lines(tmp_path):
    """The file is what a viewer expects, and each line's colour is in it."""
    lines = {"one": [(0.0, 1.0), (1.0, 3.0)], "two": [(0.0, 2.0), (1.0, 2.0)], "none": []}
    plot.draw(tmp_path / "p.png", [plot.Panel("a title", lines)], "minutes")
    data = (tmp_path / "p.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    wide, high = struct.unpack(">II", data[16:24])
    start = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[start - 4 : start])
    rows = zlib.decompress(data[start + 4 : start + 4 + length])
    assert len(rows) == high * (3 * wide + 1)
    assert all(bytes(colour) in rows for colour in plot._COLOURS[:2])
