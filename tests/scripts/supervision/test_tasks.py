"""The tasks of run_all.py: each program once, with the options that the run asks for."""

from dataclasses import replace

import pytest

from Context_Bot import coinalyze_key
from ravequant import catalog, times
from ravequant.settings import SETTINGS_VARIABLE
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault
from scripts.supervision import tasks
from tests.support.trades_box import BTC

ETH = "ETH-USDT-SWAP"


@pytest.fixture
def request_of(vault):
    """A run of two instruments."""
    return tasks.RunRequest(
        vault.root, [BTC, ETH], 300, 900, backfill="4h", exporter_options=("--rest-url", "http://x")
    )


def test_recorders_serve_all_instruments_and_are_kept(request_of, vault):
    """One process each, for all instruments; only the trades have a history to fetch."""
    trades, books, context = tasks.exporters(request_of)
    common = (
        "--vault",
        str(vault.root),
        "--instId",
        BTC,
        "--instId",
        ETH,
        "--rest-url",
        "http://x",
    )
    assert trades.options == (*common, "--backfill", "4h")
    assert books.options == common
    assert context.options == common
    assert (trades.kept, books.kept, context.kept) == (True, True, True)
    names = (trades.heartbeat, books.heartbeat, context.heartbeat)
    assert names == ("trades_exporter", "l2_exporter", "context_exporter")


def test_recorders_that_are_off_at_first_run_once_they_are_turned_on(
    request_of, vault, tmp_path, monkeypatch
):
    """By the settings or a key; never beside an exchange in a box, whose market is another."""
    chosen = tmp_path / "ravequant.toml"
    monkeypatch.setenv(SETTINGS_VARIABLE, str(chosen))
    monkeypatch.delenv(coinalyze_key.VARIABLE, raising=False)
    chosen.write_text("", encoding="utf-8")
    real = replace(request_of, exporter_options=())
    assert tasks.extras(real) == []
    chosen.write_text('[btc_transfers]\nurl = "https://mempool.space"\n', encoding="utf-8")
    (transfers,) = tasks.extras(real)
    assert (transfers.name, transfers.options) == ("btc_transfers", ("--vault", str(vault.root)))
    monkeypatch.setenv(coinalyze_key.VARIABLE, "0123456789")
    _, series = tasks.extras(real)
    assert (series.name, series.options) == ("coinalyze_exporter", real.common)
    assert "0123456789" not in str(series)
    assert (transfers.kept, series.kept) == (True, True)
    assert tasks.extras(request_of) == []


def test_each_calculator_runs_for_each_instrument(request_of):
    """Fourteen programs for two instruments, each with its pace, its limit and logs of its own."""
    found = tasks.calculators(request_of)
    names = [f"{made.name}.{inst_id}" for inst_id in (BTC, ETH) for made in tasks.STARTED]
    assert set(catalog.CALCULATORS) - set(tasks.STARTED) == {catalog.L2_BUCKETIZER}
    assert [task.name for task in found] == names
    assert {(task.every_s, task.limit_s, task.kept) for task in found} == {(300, 900, False)}


def test_a_round_without_context_feeds_leaves_their_calculator_out(request_of):
    """A vault that holds no mark prices lacks nothing; with them it is one of the round."""
    once = replace(request_of, once=True)
    names = [task.name.partition(".")[0] for task in tasks.calculators(once)]
    assert "liquidations" not in names
    vault = Vault(request_of.vault)
    vault.marks(BTC).mkdir(parents=True)
    (vault.marks(BTC) / "2025-12-14.jsonl").write_bytes(b"{}\n")
    assert f"liquidations.{BTC}" in [task.name for task in tasks.calculators(once)]
    assert f"liquidations.{ETH}" in [task.name for task in tasks.calculators(request_of)]


def test_the_signal_finder_runs_only_where_it_is_wanted(request_of):
    """Without --watch there is none."""
    assert tasks.watch(request_of) == []


def test_a_demo_s_market_begins_at_a_whole_minute_five_hours_ago():
    """The set-up is complete four minutes after the minute in which the demo was opened."""
    opened_ms = times.parse_iso("2025-12-14T21:34:56.789Z")
    options = tasks.demo_exchange(8790, tasks.demo_market(opened_ms)).options
    given = dict(zip(options[::2], options[1::2], strict=True))
    assert given["--begin"] == "2025-12-14T16:34:00.000Z"
    assert given["--plant"] == f"{(5 * 60 + 4) * 60_000}ms"
    assert given["--port"] == "8790"


def test_the_screen_is_kept_beside_the_recorders(request_of, vault):
    """At its port, for all instruments; it keeps its own refresh, and opens a browser once."""
    found = tasks.dashboard(request_of, 8766, opens=True)
    assert (found.name, found.script, found.kept) == ("dashboard", "Dashboard/dashboard.py", True)
    assert found.options[-2:] == ("--port", "8766")
    assert found.options[:6] == ("--vault", str(vault.root), "--instId", BTC, "--instId", ETH)
    assert "--no-refresh" not in found.options
    assert found.first_options == ("--open",)
    assert tasks.dashboard(request_of, 8766).first_options == ()


def test_a_demo_with_a_screen_writes_the_books_of_before_first(request_of, vault):
    """Once, of the market that the exchange serves; book recorder and screen wait for them."""
    market = tasks.demo_market(times.parse_iso("2025-12-14T21:34:56.789Z"), tasks.SOON_MS)
    writer = tasks.past_books(vault, market)
    assert writer.options == ("--vault", str(vault.root), "--span", "3h", *market)
    assert set(market) < set(tasks.demo_exchange(8790, market).options)
    assert not writer.kept
    books = tasks.BooksCheck(vault, [BTC, ETH])
    trades, recorder, context = tasks.exporters(request_of, books)
    screen = tasks.dashboard(request_of, 8766, books)
    assert (trades.ready(), recorder.ready(), screen.ready()) == (True, False, False)
    assert context.ready()
    for inst_id in (BTC, ETH):
        path = vault.snapshots(inst_id) / "2025-12-14" / "21.jsonl"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"{}\n")
    with writer_lock(vault, catalog.BOOK.stream, ETH):
        assert not recorder.ready()
    assert recorder.ready()
    with writer_lock(vault, catalog.BOOK.stream, ETH):  # the recorder's own
        assert screen.ready()


def test_books_of_before_that_do_not_come_are_waited_for_no_longer(vault):
    """After some minutes the books of now are better than none."""
    books = tasks.BooksCheck(vault, [BTC])
    assert [books.ready() for _ in range(242)] == [False] * 240 + [True] * 2


def test_a_calculator_waits_for_its_raw_records_and_for_metadata(vault):
    """Trades for four of them, books for the fifth; metadata are waited for a minute, no more."""
    trades, books = (
        tasks.InputCheck(vault, program, BTC)
        for program in (catalog.VWAP_CALCULATOR, catalog.BOOK_FLOW_MAKER)
    )
    assert not trades.ready()
    path = vault.trades(BTC) / "2025-12-14.jsonl"
    path.parent.mkdir(parents=True)
    path.touch()
    assert not trades.ready()
    path.write_bytes(b"{}\n")
    assert [trades.ready() for _ in range(14)] == [False] * 12 + [True] * 2
    vault.metadata(BTC).parent.mkdir(parents=True)
    vault.metadata(BTC).write_bytes(b"{}")
    assert tasks.InputCheck(vault, catalog.CVD_CALCULATOR, BTC).ready()
    assert not books.ready()
    hour = vault.snapshots(BTC) / "2025-12-14" / "21.jsonl.gz"
    hour.parent.mkdir(parents=True)
    hour.write_bytes(b"x")
    assert books.ready()


def test_all_calculators_rebuild_in_their_first_run(request_of):
    """One switch for everything at once."""
    assert {task.first_options for task in tasks.calculators(request_of)} == {()}
    rebuilt = tasks.calculators(replace(request_of, rebuild=True))
    assert {task.first_options for task in rebuilt} == {("--rebuild",)}


def test_in_a_rebuild_one_calculator_of_each_instrument_comes_first(request_of):
    """It keeps the minutes that the others read; two that run side by side are of two of them."""
    found = tasks.calculators(replace(request_of, rebuild=True))
    names = [f"{made.name}.{inst_id}" for made in tasks.STARTED for inst_id in (BTC, ETH)]
    assert [task.name for task in found] == names
