"""Parts of raw trade files: read anywhere, taken in order, believed only if whole."""

import os

import pytest

from ravequant.vault.atomic import replace_file
from ravequant.vault.paths import day_files
from ravequant.vault.tail import Tail
from scripts.batch import partial_bars
from tests.scripts.test_recompute import again, calculated, days
from tests.support.recompute_vault import outputs
from tests.support.trade_streams import BTC
from tests.trades.test_parallel_scan import WHALE, market


def test_the_parts_are_really_taken(tmp_path, monkeypatch):
    """What stands on the store comes in place of the raw lines, with the cursors that they have."""
    monkeypatch.setattr(partial_bars, "SPAN_BYTES", 30_000)
    vault, store = days(tmp_path / "source"), tmp_path / "store"

    def files():
        return day_files(vault.trades(BTC))

    units = list(partial_bars.units_of(BTC, WHALE, files, None))
    for unit in units:
        partial_bars.read_unit(unit, store)
    assert len(units) > 10
    taken = partial_bars.PartialStore(store, [(unit.key, unit.name) for unit in units])
    reading, plain = Tail(files, None, 0), Tail(files, None, 0)
    met = list(taken.ahead(reading.pieces(taken.known)))
    list(plain.blocks())
    assert len(met) == len(units)
    assert all(found is not None for _, found in met)
    assert reading.cursor() == plain.cursor()


def test_parts_of_an_older_checkout_are_taken(tmp_path, monkeypatch):
    """Their names stay: a run that an older version began reads nothing twice."""
    monkeypatch.setattr(partial_bars, "FORM", [1, "0.1.0", *partial_bars.FORM[2:]])
    path = tmp_path / "2025-01-01.jsonl"
    path.write_bytes(b"x" * 100)
    os.utime(path, ns=(10**18, 10**18))
    files = [("2025-01-01", path)]
    (unit,) = partial_bars.units_of("BTC-USDT-SWAP", 10**55, lambda: iter(files), None)
    assert unit.name == "2025-01-01.0.88dce7fd9bfa3838"


def test_parts_meet_wherever_a_file_is_cut(tmp_path):
    """Each line is in one part, also one that begins at the cut; what a cursor keeps is there."""
    folder = tmp_path / "raw"
    folder.mkdir()
    lines = [*market(odd=False)[:60], b"{}\n"]
    data, path = b"".join(lines), folder / "2025-12-14.jsonl"
    path.write_bytes(data + b'{"torn')
    starts = [len(b"".join(lines[:number])) for number in range(len(lines) + 1)]

    def read(start: int, stop: int) -> partial_bars.StoredPart:
        unit = partial_bars.Unit(BTC, WHALE, "2025-12-14", path, start, stop, "part")
        partial_bars.read_unit(unit, tmp_path)
        met = partial_bars._read(tmp_path / "part")
        assert met is not None
        return met

    for cut in (*range(starts[29], starts[31] + 1), *range(starts[59], starts[61] + 1)):
        first, later = read(0, cut), read(cut, len(data))
        met = next(start for start in starts if start >= cut)
        assert (first.known.end, later.start, later.known.end) == (met, met, len(data))
        assert (first.known.head, first.known.before) == (data[:4096], data[:met][-256:])
        assert later.known.before == data[-256:]


def test_a_part_that_is_damaged_is_read_from_the_raw_data(tmp_path, monkeypatch, capsys):
    """A store is believed only where its checksum fits."""
    source = days(tmp_path / "source")
    wanted = calculated(tmp_path / "plain", source)

    def damaged(path, data, **_):
        replace_file(path, data[:-9] + bytes(9))

    monkeypatch.setattr(partial_bars, "replace_file", damaged)
    assert again(capsys, "--source", source.root, "--target", tmp_path / "met")[0] == 0
    assert outputs(tmp_path / "met") == wanted


@pytest.mark.parametrize("odd", [False, True])
def test_parts_of_any_size_give_the_same(tmp_path, monkeypatch, capsys, odd):
    """However a file is cut, mid-line too, all of it is read once (beyond its first 4 KiB)."""
    source = days(tmp_path / "source", odd=odd)
    wanted = calculated(tmp_path / "plain", source)
    for size in (5_000, 7_777, 100_000):
        monkeypatch.setattr(partial_bars, "SPAN_BYTES", size)
        target = tmp_path / f"{size}"
        code, told = again(capsys, "--source", source.root, "--target", target)
        assert (code, told["failed"]) == (0, 0)
        assert outputs(target) == wanted
