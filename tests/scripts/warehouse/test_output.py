"""Tests of scripts.warehouse.output: a table, JSON lines and CSV, exact in all of them."""

import json
from decimal import Decimal

import pytest

from scripts.warehouse import duck, output

pytest.importorskip("duckdb", reason="duckdb is not installed: it is an extra")


@pytest.fixture
def shown(tmp_path, capsys):
    """Return what shows the answer of a question: (stdout, whether rows were left out)."""
    database = duck.open_database(tmp_path)

    def show(question, form, most=200):
        left_out = output.show(duck.run(database, question), form, most)
        return capsys.readouterr().out, left_out

    yield show
    database.close()


def test_json_holds_decimals_and_times_as_the_files_do(shown):
    """Decimals are exact text, times end with Z, names are unique, bytes are hexadecimal."""
    asked = (
        "SELECT 1.50::DECIMAL(38, 12) AS d, NULL AS n, true AS f, 2::BIGINT AS d, "
        "TIMESTAMP '2025-12-14 21:34:56' AS t, {'a': [1.10::DECIMAL(4, 2)]} AS s, 'x'::BLOB AS b"
    )
    assert json.loads(shown(asked, "json")[0]) == {
        "d": "1.5",
        "n": None,
        "f": True,
        "d_1": 2,
        "t": "2025-12-14T21:34:56Z",
        "s": {"a": ["1.1"]},
        "b": "78",
    }


def test_times_have_milliseconds_only_where_there_are_any(shown):
    """Three digits as in the files, six if they are needed."""
    asked = (
        "SELECT TIMESTAMP '2025-12-14 21:34:56.12' AS m, TIMESTAMP '2025-12-14 21:34:56.1234' AS u"
    )
    assert json.loads(shown(asked, "json")[0]) == {
        "m": "2025-12-14T21:34:56.120Z",
        "u": "2025-12-14T21:34:56.123400Z",
    }


def test_numbers_that_json_has_not(shown):
    """Not-a-number is null, and a whole number of any size stays whole."""
    asked = "SELECT 'nan'::DOUBLE AS n, sum(x) AS s FROM (SELECT 9e18::BIGINT AS x FROM range(9))"
    assert json.loads(shown(asked, "json")[0]) == {"n": None, "s": 81 * 10**18}


def test_csv_has_a_header_and_quotes(shown):
    """Lists are JSON in their cell; null is empty."""
    asked = "SELECT [1.10::DECIMAL(4, 2)] AS l, NULL AS n, 'a,b' AS t UNION ALL SELECT [], 1, 'c'"
    assert shown(asked, "csv")[0] == 'l,n,t\n"[""1.1""]",,"a,b"\n[],1,c\n'


def test_a_table_shows_so_many_rows(shown):
    """Numbers stand to the right, control characters are visible; it tells if rows are left out."""
    asked = "SELECT 'x\x1b[0m' AS word, range AS n FROM range(8, 11)"
    whole = "word       n\nx\\x1b[0m   8\nx\\x1b[0m   9\nx\\x1b[0m  10\n"
    assert shown(asked, "table", 0) == (whole, False)
    assert shown(asked, "table", 3) == (whole, False)
    text, left_out = shown(asked, "table", 2)
    assert (text.count("\n"), left_out) == (3, True)


def test_words_stand_to_the_left_up_to_the_first_number(shown):
    """Truth values are words; a column that is empty somewhere counts by its other rows."""
    asked = "SELECT 'a' AS w, true AS yes, NULL::INTEGER AS n UNION ALL SELECT 'bb', false, 10"
    assert shown(asked, "table")[0] == "w   yes     n\na   true\nbb  false  10\n"


def test_large_decimals_keep_every_digit():
    """38 digits are shown as they are, where a context of 28 would round."""
    assert output.decimal_text(Decimal("12345678901234567890123456.789012345670")) == (
        "12345678901234567890123456.78901234567"
    )
    assert output.decimal_text(Decimal("-0.000")) == "0"
    assert output.decimal_text(Decimal(100)) == "100"
