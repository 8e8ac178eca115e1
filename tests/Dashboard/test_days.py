"""The recorded days of an instrument."""

import gzip

import pytest

from Dashboard.days import days
from ravequant import catalog
from tests.support.holed_market import BTC


def test_each_day_with_its_minutes_holes_and_seconds_of_book(holed):
    """The newest first; counted as the rows stand in the files."""
    newest, oldest = days(holed, BTC)
    assert newest == {
        "day": "2025-12-15", "first_utc": "2025-12-15T00:00:00Z",
        "last_utc": "2025-12-15T01:29:00Z", "minutes": 89, "holes": 2, "book_s": 1_800,
    }  # fmt: skip
    assert oldest == {
        "day": "2025-12-14", "first_utc": "2025-12-14T22:30:00Z",
        "last_utc": "2025-12-14T23:59:00Z", "minutes": 83, "holes": 3, "book_s": 1_720,
    }  # fmt: skip


def test_an_empty_vault_has_no_day(vault):
    """That is no error."""
    assert days(vault, BTC) == []


@pytest.fixture
def books(vault):
    """Return the files of three days of bucket lines, the middle one packed."""
    folder = catalog.BUCKETS.place(vault, BTC)
    folder.mkdir(parents=True)
    for day, lines in (("10", 3), ("12", 5)):
        (folder / f"2025-12-{day}.jsonl").write_bytes(b'{"gap":false}\n' * lines)
    (folder / "2025-12-11.jsonl.gz").write_bytes(gzip.compress(b'{"gap":false}\n' * 4))
    return vault


def test_days_of_books_alone(books):
    """A day without a minute has its seconds of book; a packed file counts like a plain one."""
    found = days(books, BTC)
    assert [(day["day"][8:], day["minutes"], day["first_utc"], day["book_s"]) for day in found] == [
        ("12", 0, None, 10), ("11", 0, None, 8), ("10", 0, None, 6),
    ]  # fmt: skip


def test_what_was_not_read_yet_is_null(books):
    """A call reads the newest files first, and the next one goes on."""
    assert [day["book_s"] for day in days(books, BTC, 60)] == [10, None, None]
    assert [day["book_s"] for day in days(books, BTC, 20)] == [10, 8, None]
    assert [day["book_s"] for day in days(books, BTC, 0)] == [10, 8, None]
    assert [day["book_s"] for day in days(books, BTC)] == [10, 8, 6]


def test_a_file_that_grew_is_read_again(books):
    """Its lines are those that it has now."""
    days(books, BTC)
    with (catalog.BUCKETS.place(books, BTC) / "2025-12-12.jsonl").open("ab") as file:
        file.write(b'{"gap":false}\n')
    assert days(books, BTC)[0]["book_s"] == 12
