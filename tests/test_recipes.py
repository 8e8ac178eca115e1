"""The recipes of the data book run as they stand, and give the same exact number."""

import gzip
import shutil
from decimal import Decimal
from importlib.util import find_spec

import pytest

from ravequant import read
from ravequant.vault.paths import CHECKOUT, VAULT_VARIABLE, Vault
from tests.support.readme_blocks import fences
from tests.support.sql_vault import BTC, make

BOOK = CHECKOUT / "Rave_Quant_Vault" / "README.md"
RECIPES = list(fences(BOOK, "python"))
LIBRARIES = {"pandas": ("pandas", "pyarrow"), "polars": ("polars", "pyarrow"), "pd": ("pandas",),
             "duckdb": ("duckdb", "pyarrow"), "arrow": ("pyarrow",)}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder in which the vault stands as in a checkout."""
    root = tmp_path_factory.mktemp("recipes")
    vault = Vault(root / "Rave_Quant_Vault")
    make(vault, Vault(tmp_path_factory.mktemp("notes") / "vault"))
    for path in vault.trades(BTC).iterdir():  # the other libraries do not drop a repeated line
        path.write_bytes(b"".join(dict.fromkeys(path.read_bytes().splitlines(keepends=True))))
    return root


def needed(recipe: str) -> set[str]:
    """Return the libraries that a recipe cannot do without."""
    return {name for word, names in LIBRARIES.items() if word in recipe for name in names}


def test_there_is_a_recipe_of_each_kind():
    """Of the library itself, and of each other one both by it and from the files."""
    of_read = [recipe for recipe in RECIPES if "import read" in recipe]
    others = [recipe for recipe in RECIPES if "import read" not in recipe]
    assert (len(of_read), len(others)) == (6, 3)


@pytest.mark.parametrize("number", range(len(RECIPES)))
def test_a_recipe_gives_the_same_number(place, monkeypatch, number):
    """Each computes the delta of one hour, or the sums of a day, to the last digit."""
    recipe = RECIPES[number]
    if lacking := sorted(name for name in needed(recipe) if find_spec(name) is None):
        pytest.skip(f"an extra is not installed: {', '.join(lacking)}")
    monkeypatch.chdir(place)
    monkeypatch.setenv(VAULT_VARIABLE, str(place / "Rave_Quant_Vault"))
    made: dict[str, object] = {}
    exec(compile(recipe, f"recipe {number}", "exec"), made)
    cvd = read.cvd(BTC, "2025-12-14 20:00", "2025-12-14 21:00")
    if "vwap" in made:
        minutes = read.minutes(BTC, "2025-12-14 19:17", "2025-12-14 20:43")
        weighed = minutes["close"].decimal() * minutes["notional"].decimal()
        wanted = sum(weighed) / sum(minutes["notional"].decimal())
        assert abs(made["vwap"] - wanted) < 5  # by closes, about the same
        return
    by_trades = "read.trades" in recipe or "raw/" in recipe
    wanted = hour_of_trades() if by_trades else sum(cvd["cvd_1m"].decimal())
    assert Decimal(str(made["delta"])) == wanted
    if "volume" in made:
        assert made["volume"] == sum(read.trades(BTC, "2025-12-14")["notional"].decimal())


def hour_of_trades() -> Decimal:
    """Return buys less sells of the hour by the times of the trades."""
    trades = read.trades(BTC, "2025-12-14 20:00", "2025-12-14 21:00")
    signs = [1 if side == "buy" else -1 for side in trades["side"].values]
    return sum((s * n for s, n in zip(signs, trades["notional"].decimal(), strict=True)), Decimal())


def test_packed_files_are_read_by_the_same_recipes(place, tmp_path, monkeypatch):
    """A pattern that ends with a star finds the packed day."""
    if find_spec("duckdb") is None:
        pytest.skip("an extra is not installed: duckdb")
    root = tmp_path / "place"
    shutil.copytree(place, root)
    path = root / f"Rave_Quant_Vault/raw/okx/trades_perps/{BTC}/2025-12-14.jsonl"
    path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    monkeypatch.chdir(root)
    monkeypatch.setenv(VAULT_VARIABLE, str(root / "Rave_Quant_Vault"))
    made: dict[str, object] = {}
    exec(RECIPES[-1], made)
    assert made["delta"] == hour_of_trades()
