"""Tests of tests.faults.table: figures added up, failures kept, each row in the README."""

import re
from pathlib import Path

from tests.faults import table
from tests.faults.table import Fact

README = Path(__file__).with_name("README.md")


def fact(row, what="killed", **more):
    return Fact(row, what, times=2, failed=False, **more)


def test_facts_of_one_row_and_text_are_one_line():
    """Counts are added up, of the others the largest stays, one failure fails the line."""
    one = fact("A1", sums={"ids lost": 1}, worsts={"restart s": 2.5})
    two = fact("A1", sums={"ids lost": 2}, worsts={"restart s": 1.5})
    two.failed = True
    (merged,) = table.merged([one, two])
    assert table.lines([merged]) == [
        "FAILED A1 exporter killed: killed, 4 times; ids lost 3; restart s at most 2.5"
    ]


def test_rows_stand_in_their_order_and_missing_rows_are_named():
    """C before E, whatever came first; a row without a test is not passed over."""
    merged = table.merged([fact("E8"), fact("C3"), fact("A1", "b"), fact("A1", "a")])
    assert [(one.row, one.what) for one in merged] == [
        ("A1", "a"), ("A1", "b"), ("C3", "killed"), ("E8", "killed"),
    ]  # fmt: skip
    assert set(table.lacking(merged)) == set(table.ROWS) - {"A1", "C3", "E8"}


def test_a_figure_of_the_whole_run():
    """It is added up over all rows, and 0 if none has it."""
    facts = [fact("A1", sums={"kills survived": 3}), fact("C3", sums={"kills survived": 4})]
    assert table.total(facts, "kills survived") == 7
    assert table.total(facts, "ids lost") == 0


def test_the_readme_lists_the_rows():
    """Each with its fault, in their order."""
    found = re.findall(r"^\| ([A-HJ]\d) \| ([^|]+) \|", README.read_text("utf-8"), re.MULTILINE)
    assert found == list(table.ROWS.items())
