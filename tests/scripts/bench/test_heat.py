"""Tests of scripts.bench.heat: all minutes that are over are measured, plain and packed."""

from Dashboard.heat_columns import HeatColumns
from ravequant.settings import Settings
from ravequant.vault.paths import Vault
from scripts.bench import heat, market
from scripts.bench.runs import Sizes


def test_each_way_has_its_figures(tmp_path):
    """Plain, packed and from memory: memory is the fastest by far, packed files the slowest."""
    sizes = Sizes(tmp_path, 1, 1, 0, 100, 0, (), 1.0)
    found = heat.run(sizes)
    assert found.title == "heat: 3 columns of recorded books"
    names = ["plain files", "packed files", "memory"]
    assert [row["name"] for row in found.rows] == names
    times = {row["name"]: row["ms_per_column"] for row in found.rows}
    assert 0 < times["memory"] < min(times["plain files"], times["packed files"])
    text = dict(zip([figure.header for figure in heat.FIGURES], heat.FIGURES, strict=True))
    assert text["150, s"].text({"ms_per_column": 4}) == "0.60"
    assert text["a day, s"].text({"ms_per_column": 4}) == "5.8"


def test_packed_books_give_the_same_columns(tmp_path):
    """What is measured packed is what was measured plain."""
    vault = Vault(tmp_path)
    market.append_snapshots(market.snapshots(vault, 1, deep=True), 40)
    asked = heat.whole_minutes(vault)
    columns = HeatColumns(vault, Settings())
    plain = columns.answer(asked)
    heat.pack(vault)
    assert not list(vault.root.rglob("raw/**/*.jsonl"))
    assert HeatColumns(vault, Settings()).answer(asked) == plain
    assert plain["source"] == ["deep"] * len(plain["source"])
