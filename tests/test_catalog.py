"""The catalogue of data sets and programs: nothing is missing from it, nothing is in it twice."""

import ast
from importlib import import_module

import pytest

from ravequant import catalog
from ravequant.settings import Settings
from ravequant.vault.paths import CHECKOUT, Vault

BTC = "BTC-USDT-SWAP"
PLACES = {
    "trades": "raw/okx/trades_perps/BTC-USDT-SWAP",
    "book": "raw/okx/l2_perps/BTC-USDT-SWAP",
    "deep": "raw/okx/l2_deep_perps/BTC-USDT-SWAP",
    "metadata": "meta/okx/instruments/BTC-USDT-SWAP.json",
    "history": "meta/okx/instruments/BTC-USDT-SWAP.history.jsonl",
    "gaps": "meta/okx/gaps/BTC-USDT-SWAP.jsonl",
    "vwap": "derived/vwap/okx/perps/BTC-USDT-SWAP/vwap_1m.jsonl",
    "cvd": "derived/cvd/okx/perps/BTC-USDT-SWAP/cvd_1m.jsonl",
    "volume": "derived/volume/okx/perps/BTC-USDT-SWAP/volume_1m.jsonl",
    "wicks": "derived/wicks/okx/perps/BTC-USDT-SWAP/wicks_events.jsonl",
    "active": "derived/wicks/okx/perps/BTC-USDT-SWAP/wicks_active.json",
    "buckets": "derived/liquidity_buckets/okx/perps/BTC-USDT-SWAP",
    "book_flow": "derived/book_flow/okx/perps/BTC-USDT-SWAP",
    "footprint": "derived/footprint/okx/perps/BTC-USDT-SWAP",
    "profile": "derived/profile/okx/perps/BTC-USDT-SWAP/profile.jsonl",
    "liquidations": "raw/okx/liquidations_perps/BTC-USDT-SWAP",
    "marks": "raw/okx/mark_perps/BTC-USDT-SWAP",
    "open_interest": "raw/okx/open_interest_perps/BTC-USDT-SWAP",
    "funding_estimates": "raw/okx/funding_perps/BTC-USDT-SWAP",
    "ls_accounts": "raw/okx/stats_perps/BTC-USDT-SWAP/ls_accounts_5m",
    "ls_top_accounts": "raw/okx/stats_perps/BTC-USDT-SWAP/ls_top_accounts_5m",
    "ls_top_positions": "raw/okx/stats_perps/BTC-USDT-SWAP/ls_top_positions_5m",
    "interest_5m": "raw/okx/stats_perps/BTC-USDT-SWAP/oi_5m",
    "taker_5m": "raw/okx/stats_perps/BTC-USDT-SWAP/taker_5m",
    "btc_transfers": "raw/onchain/btc_transfers/BTC-USDT-SWAP",
    "btc_blocks": "meta/onchain/btc_blocks/BTC-USDT-SWAP.jsonl",
    "long_short_binance": "raw/coinalyze/long_short/BTCUSDT_PERP.A/5min",
    "long_short_bybit": "raw/coinalyze/long_short/BTCUSDT.6/5min",
    "liquidated_okx": "raw/coinalyze/liquidations/BTCUSDT_PERP.3/5min",
    "liquidated_binance": "raw/coinalyze/liquidations/BTCUSDT_PERP.A/5min",
    "liquidated_bybit": "raw/coinalyze/liquidations/BTCUSDT.6/5min",
    "coinalyze_gaps": "meta/coinalyze/grid_gaps/BTC-USDT-SWAP.jsonl",
    "liquidations_1m": "derived/liquidations/okx/perps/BTC-USDT-SWAP/liquidations_1m.jsonl",
    "coverage": "meta/okx/coverage/liquidations/BTC-USDT-SWAP.jsonl",
    "grid_gaps": "meta/okx/grid_gaps/BTC-USDT-SWAP.jsonl",
    "imports": "meta/okx/imports/BTC-USDT-SWAP.jsonl",
    "funding": "raw/okx/funding_settled_perps/BTC-USDT-SWAP.jsonl",
    "signals": "derived/signals/okx/perps/BTC-USDT-SWAP/signals.jsonl",
    "asked": "derived/signals/okx/perps/BTC-USDT-SWAP/asked.jsonl",
}


def test_every_program_is_listed_once():
    """Each script of a component folder or of scripts/ that runs by itself, and no other."""
    folders = {path.parent for path in CHECKOUT.glob("*/README.md")}
    runs = {
        path.relative_to(CHECKOUT).as_posix()
        for folder in folders - {CHECKOUT / "ravequant", CHECKOUT / "tests"}
        for path in folder.glob("*.py")
        if "__main__" in path.read_text(encoding="utf-8")
    }
    listed = [program.script for program in catalog.PROGRAMS]
    assert sorted(listed) == sorted(runs)
    assert len({program.name for program in catalog.PROGRAMS}) == len(listed)


@pytest.mark.parametrize("program", catalog.PROGRAMS, ids=lambda program: program.name)
def test_a_program_calls_itself_by_its_name(program):
    """Where a script states its name, that is the one of the catalogue."""
    parsed = ast.parse((CHECKOUT / program.script).read_text(encoding="utf-8"))
    named = {
        ast.literal_eval(node.value)
        for node in ast.walk(parsed)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
        if "PROGRAM" in ast.unparse(node)[:9]
    }
    assert named <= {program.name}


def test_each_data_set_stands_where_the_contract_says(tmp_path):
    """SPEC section 1, one by one."""
    vault = Vault(tmp_path)
    places = {
        name: data.place(vault, BTC).relative_to(tmp_path).as_posix()
        for name, data in catalog.DATA_SETS.items()
    }
    assert places == PLACES


@pytest.mark.parametrize("calculator", catalog.CALCULATORS, ids=lambda program: program.name)
def test_a_calculator_writes_what_is_listed(calculator, tmp_path):
    """Folder, file name and time field of the catalogue are those that the calculator uses."""
    made = import_module(calculator.script.removesuffix(".py").replace("/", ".")).CALCULATOR
    job = made.job(Vault(tmp_path), BTC, Settings())
    (data,) = (
        data for data in catalog.DERIVED if data.maker is calculator and data.kind != "document"
    )
    assert (job.metric, job.sink.time_key) == (data.stream, data.key)
    place = data.place(Vault(tmp_path), BTC)
    record = {data.key: "2025-12-14T21:34:00.000Z"}
    wanted = place / "2025-12-14.jsonl" if data.kind == "days" else place
    assert Vault(tmp_path).derived(job.metric, BTC) / job.sink.file_of(record) == wanted


def test_files_are_those_that_exist(tmp_path):
    """Days and hours oldest first; a single file by its name, and only where it is."""
    vault = Vault(tmp_path)
    assert [list(data.files(vault, BTC)) for data in catalog.DATA_SETS.values()] == [
        [] for _ in catalog.DATA_SETS
    ]
    for data, names in (
        (catalog.TRADES, ["2025-12-14.jsonl", "2025-12-13.jsonl.gz"]),
        (catalog.BOOK, ["2025-12-14/21.jsonl", "2025-12-14/20.jsonl.gz"]),
    ):
        for name in names:
            path = data.place(vault, BTC) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    active = catalog.ACTIVE_WICKS.place(vault, BTC)
    active.parent.mkdir(parents=True)
    active.touch()
    assert [key for key, _ in catalog.TRADES.files(vault, BTC)] == ["2025-12-13", "2025-12-14"]
    assert [key for key, _ in catalog.BOOK.files(vault, BTC)] == ["2025-12-14/20", "2025-12-14/21"]
    assert list(catalog.ACTIVE_WICKS.files(vault, BTC)) == [("wicks_active.json", active)]


def test_what_a_person_types():
    """The script, with the option that makes it write where there is one."""
    assert catalog.VWAP.made_by == "VWAP/vwap_calculator.py"
    assert catalog.SIGNALS.made_by == "Untouch_Wick/find_signals.py --record"
