"""Dashboard/watch.py: which files have changed."""

import pytest

from Dashboard.watch import FileWatch, check_standing, mark, standing, why_void
from ravequant import times
from ravequant.catalog import BUCKETS, CVD, VOLUME
from ravequant.errors import UsageError, VaultError
from ravequant.vault.paths import Vault

BTC = "BTC-USDT-SWAP"
NOW = times.parse_iso("2025-12-14T23:59:50Z")


@pytest.fixture
def vault(tmp_path):
    """Return a vault with rows of a calculator."""
    made = Vault(tmp_path)
    write(VOLUME.place(made, BTC), b'{"a":1}\n{"a":2}\n')
    return made


@pytest.fixture
def watch(vault):
    """Return a watch that has looked once."""
    made = FileWatch(vault, BTC)
    assert "volume" in made.look(NOW).changed
    return made


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def append(path, content):
    with path.open("ab") as file:
        file.write(content)


def test_nothing_changed(watch):
    """A second look finds nothing."""
    assert watch.look(NOW) == (frozenset(), "")


def test_rows_that_came(vault, watch):
    """Appended rows are a change, and nothing before is void."""
    append(VOLUME.place(vault, BTC), b'{"a":3}\n')
    assert watch.look(NOW) == ({"volume"}, "")
    write(CVD.place(vault, BTC), b'{"a":1}\n')
    assert watch.look(NOW) == ({"cvd"}, "")


def shrink(path):
    path.write_bytes(b'{"a":1}\n')


def replace(path):
    new = path.with_suffix(".new")
    new.write_bytes(path.read_bytes() + b'{"a":3}\n')
    new.replace(path)


def rewrite(path):
    with path.open("r+b") as file:
        file.write(b'{"a":1}\n{"b":2}\n{"a":3}\n')


def remove(path):
    path.unlink()


@pytest.mark.parametrize("change", [shrink, replace, rewrite, remove])
def test_rows_that_were_computed_anew(vault, watch, change):
    """A file that is shorter, another one, or has other bytes before its old end."""
    change(VOLUME.place(vault, BTC))
    assert watch.look(NOW).void == "volume was computed anew"
    assert watch.look(NOW) == (frozenset(), "")


def test_a_repair(vault, watch):
    """After a repair of the trades all that stands on them changes."""
    write(vault.generation(BTC), b"{}")
    assert watch.look(NOW).void == "trades were repaired"


def test_the_day_turns(vault, watch):
    """The file of the new day is found at the first look at which the clock names it."""
    old, new = (vault.trades(BTC) / f"2025-12-{day}.jsonl" for day in (14, 15))
    write(old, b"{}\n")
    assert watch.look(NOW + 1).changed == {"trades"}
    assert watch.newest("trades").path == old
    append(old, b"{}\n")
    assert watch.look(NOW + 2).changed == {"trades"}
    write(new, b"{}\n")
    assert watch.look(NOW + 3).changed == set()
    assert watch.look(NOW + 10_000).changed == {"trades"}
    assert watch.newest("trades") == ("2025-12-15", new)


def test_the_hour_of_a_book_turns(vault, watch):
    """Books are filed by the hour."""
    folder = vault.snapshots(BTC)
    write(folder / "2025-12-14" / "23.jsonl", b"{}\n")
    assert watch.look(NOW).changed == {"book"}
    write(folder / "2025-12-15" / "00.jsonl", b"{}\n")
    assert watch.look(NOW + 10_000).changed == {"book"}
    assert watch.newest("book")[0] == "2025-12-15/00"


def test_old_files_are_found_too(vault):
    """A vault that ended long ago has a newest file all the same."""
    write(BUCKETS.place(vault, BTC) / "2024-01-02.jsonl.gz", b"")
    watch = FileWatch(vault, BTC)
    watch.look(NOW)
    newest = watch.newest("buckets")
    assert newest is not None
    assert newest.key == "2024-01-02"


def test_a_file_that_is_packed(vault, watch):
    """The packed form takes the place of the plain one."""
    path = vault.trades(BTC) / "2025-12-14.jsonl"
    write(path, b"{}\n")
    watch.look(NOW)
    path.rename(path.with_suffix(".jsonl.gz"))
    assert watch.look(NOW + 10).changed == {"trades"}
    assert watch.newest("trades").path.suffix == ".gz"
    path.with_suffix(".jsonl.gz").unlink()
    watch.look(NOW + 20)
    watch.look(NOW + 90_000)
    assert watch.newest("trades") is None


def test_a_file_that_the_system_refuses(tmp_path):
    """A VaultError in words."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(VaultError, match="x"):
        mark(tmp_path / "file" / "x")


def test_the_last_file_of_a_stream_is_gone(vault, watch):
    """That is a change too; the next look finds nothing more."""
    path = BUCKETS.place(vault, BTC) / f"{times.day(NOW)}.jsonl"
    write(path, b"{}\n")
    assert watch.look(NOW).changed == {"buckets"}
    path.unlink()
    assert watch.look(NOW).changed == {"buckets"}
    assert watch.look(NOW).changed == frozenset()


# --- rows of a view that was read before ---------------------------------------------------------


def test_rows_that_stand(vault):
    """Rows that were appended, and a file that came, leave a picture in force."""
    stood = standing(vault, BTC)
    assert check_standing(stood) == stood
    assert why_void(vault, BTC, stood) == ""
    append(VOLUME.place(vault, BTC), b'{"a":3}\n')
    write(CVD.place(vault, BTC), b'{"a":1}\n')
    assert why_void(vault, BTC, stood) == ""


@pytest.mark.parametrize(
    "content", [b'{"a":1}\n', b'{"a":1}\n{"a":9}\n', b'{"a":1}\n{"a":9}\n{"a":3}\n', None]
)
def test_rows_that_became_others(vault, content):
    """Shorter, with other bytes, longer with other bytes before the old end, or gone."""
    stood = standing(vault, BTC)
    path = VOLUME.place(vault, BTC)
    path.unlink() if content is None else path.write_bytes(content)
    assert why_void(vault, BTC, stood) == "volume was computed anew"


def test_another_file_of_the_same_name(vault):
    """The bytes before the end are the same, others may not be."""
    stood = standing(vault, BTC)
    path = VOLUME.place(vault, BTC)
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)
    assert why_void(vault, BTC, stood) == "volume was computed anew"


def test_a_repair_since(vault):
    """After a repair all is void."""
    stood = standing(vault, BTC)
    write(vault.generation(BTC), b"1")
    assert why_void(vault, BTC, stood) == "trades were repaired"


@pytest.mark.parametrize("text", ["1.2", "x", "1.1.1-" * 5, "1.1.1-1.1.1-1.1.1-1.1.1-1.1.-1"])
def test_a_text_that_no_view_holds(text):
    """It is named, with the expectation."""
    with pytest.raises(UsageError, match="expected `rows` of a view"):
        check_standing(text)
