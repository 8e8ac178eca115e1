"""VWAP against fractions, on made-up and on recorded trades; and as a program that is killed."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravequant import exact, times
from ravequant.records import Contract, Trade, TradeEncoder
from ravequant.vault.paths import CHECKOUT, Vault
from tests import oracle
from VWAP import vwap_calculator

BTC = "BTC-USDT-SWAP"
START = times.parse_iso("2025-12-14T21:34:00Z")
RECORDINGS = [
    ("BTC-USDT-SWAP", ("2023-04-04", "2023-04-05")),
    ("BTC-USDT-SWAP", ("2024-08-08",)),
    ("ETH-USDT-SWAP", ("2024-08-08", "2024-08-09")),
]


def write_raw(vault: Vault, inst_id: str, lines: list[bytes]) -> None:
    """Append lines to the day file of the largest date so far."""
    folder = vault.trades(inst_id)
    folder.mkdir(parents=True, exist_ok=True)
    newest = max((path.name for path in folder.iterdir()), default="")
    for line in lines:
        newest = max(newest, json.loads(line)["timestamp_utc"][:10] + ".jsonl")
        with (folder / newest).open("ab") as stream:
            stream.write(line)


def run(vault: Vault, *arguments: str) -> int:
    return vwap_calculator.main(["--vault", str(vault.root), "--log-level", "error", *arguments])


def rows(vault: Vault, inst_id: str = BTC) -> list[dict[str, Any]]:
    output = vault.derived("vwap", inst_id) / "vwap_1m.jsonl"
    return [orjson.loads(line) for line in output.read_bytes().splitlines()]


def test_the_example_of_the_book_comes_out():
    """The fields of SPEC 5, in order, with its close, VWAP and deviation."""
    sums = vwap_calculator.Sums(
        price_notional=exact.units("101231.12345678", exact.PRICE_PLACES + exact.NOTIONAL_PLACES),
        notional=exact.NOTIONAL_ONE,
    )
    assert sums.vwap() == "101231.12345678"
    assert sums.deviation_bps(exact.units("101260", exact.PRICE_PLACES)) == "+2.85"


def test_a_record_has_the_fields_of_the_book_in_order(vault):
    """Names and order of the output line are a contract with those who tail the file."""
    encoder = TradeEncoder(BTC, Contract("0.01", "1", "linear"))
    trades = [Trade(START + ms, ms, "buy", "101260", "1") for ms in (1, 65_001)]
    write_raw(vault, BTC, [encoder.line(trade) for trade in trades])
    assert run(vault, "--instId", BTC) == 0
    (row,) = rows(vault)
    assert " ".join(row) == (
        "timestamp_utc instId exchange market close vwap_1h vwap_4h vwap_session vwap_base_1h "
        "vwap_base_4h vwap_base_session deviation_bps_1h deviation_bps_4h deviation_bps_session "
        "extended cross minutes_1h minutes_4h minutes_session trade_count_1h trade_count_4h gap"
    )
    assert row["timestamp_utc"] == "2025-12-14T21:34:00Z"
    assert (row["close"], row["vwap_1h"], row["deviation_bps_1h"]) == ("101260", "101260", "0.00")


steps_ms = st.one_of(
    st.integers(-20_000, 90_000), st.integers(0, 3_000), st.just(0), st.just(4 * times.HOUR_MS)
)
prices = st.sampled_from(["101250.5", "101250", "99999.9", "101760.123456789", "0.00000074573"])
sizes = st.sampled_from(["45", "0.01", "1234.56", "7", "100000"])
kinds = st.sampled_from([Contract("0.01", "1", "linear"), Contract("100", "1", "inverse")])


@st.composite
def streams(draw):
    """Draw raw lines with late and out-of-order times, repeated ids and holes."""
    encoder = TradeEncoder(BTC, draw(kinds))
    moment, last, lines = START, 1000, []
    for _ in range(draw(st.integers(1, 60))):
        moment += draw(steps_ms)
        last += draw(st.sampled_from([1, 1, 1, 2, 5, 0, -3]))
        count = draw(st.sampled_from([1, 1, 2]))
        side = draw(st.sampled_from(["buy", "sell"]))
        trade = Trade(moment, last, side, draw(prices), draw(sizes), count)
        lines.append(encoder.line(trade))
    return lines


@settings(deadline=None, max_examples=60)
@given(lines=streams(), cuts=st.lists(st.integers(0, 60), max_size=5))
def test_any_stream_in_any_number_of_runs_equals_the_plain_computation(
    tmp_path_factory, lines, cuts
):
    """Late, out-of-order and repeated lines, holes, inverse contracts: every digit."""
    vault = Vault(tmp_path_factory.mktemp("vault"))
    done = 0
    for cut in [*sorted(cuts), len(lines)]:
        if cut > done:
            write_raw(vault, BTC, lines[done:cut])
            done = cut
        if done:
            assert run(vault, "--instId", BTC) == 0
    output = vault.derived("vwap", BTC) / "vwap_1m.jsonl"
    met = rows(vault) if output.exists() else []
    assert met == oracle.vwap_rows(oracle.closed_minutes(lines), BTC)


def recorded(shared_data: Path, inst_id: str, days: tuple[str, ...]) -> list[bytes]:
    """Return the recorded lines of some days."""
    folder = shared_data / "trades" / inst_id
    return [
        line
        for day in days
        for line in gzip.decompress((folder / f"{day}.jsonl.gz").read_bytes()).splitlines(
            keepends=True
        )
    ]


@pytest.mark.parametrize(("inst_id", "days"), RECORDINGS)
def test_recorded_trades_equal_the_plain_computation(vault, shared_data, inst_id, days):
    """The recordings, read as they are (another writer's JSON, .gz), every digit of every row."""
    folder = vault.trades(inst_id)
    folder.mkdir(parents=True)
    for day in days:
        source = shared_data / "trades" / inst_id / f"{day}.jsonl.gz"
        (folder / source.name).write_bytes(source.read_bytes())
    assert run(vault, "--instId", inst_id) == 0
    lines = recorded(shared_data, inst_id, days)
    wanted = oracle.vwap_rows(oracle.closed_minutes(lines), inst_id)
    assert rows(vault, inst_id) == wanted
    assert len(wanted) > 3


def program(vault: Vault, *arguments: str, crash_at: int = 0) -> int:
    """Run the calculator as a process; with ``crash_at`` it is killed before that step."""
    command = [sys.executable, "-m", "tests.crashes", str(crash_at), "VWAP.vwap_calculator"]
    return subprocess.run(
        [*command, "--vault", str(vault.root), "--log-level", "error", *arguments],
        cwd=CHECKOUT,
        check=False,
        stdout=subprocess.DEVNULL,
    ).returncode


def test_killed_before_any_step_in_many_runs_the_file_is_the_same(vault, tmp_path, shared_data):
    """Real processes, really killed, over a file that grows in between."""
    lines = recorded(shared_data, BTC, ("2023-04-04", "2023-04-05"))
    write_raw(vault, BTC, lines)
    assert run(vault, "--instId", BTC) == 0
    cut = Vault(tmp_path / "cut")
    killed = 0
    for part in range(12):
        write_raw(cut, BTC, lines[len(lines) * part // 12 : len(lines) * (part + 1) // 12])
        killed += program(cut, "--instId", BTC, crash_at=1 + part) != 0
        assert run(cut, "--instId", BTC) == 0
    assert killed > 6
    output = vault.derived("vwap", BTC) / "vwap_1m.jsonl"
    assert (cut.derived("vwap", BTC) / output.name).read_bytes() == output.read_bytes()
    assert cut.state("vwap", BTC).read_bytes() == vault.state("vwap", BTC).read_bytes()
