"""The order of a recomputation: nothing is read or computed twice."""

import gzip
from concurrent.futures import Future
from typing import Any

import orjson
import pytest

from ravequant import settings
from ravequant.vault.paths import day_files
from scripts import recompute
from scripts.batch import jobs, scheduler
from scripts.batch.executors import ThisProcess
from tests.scripts.test_recompute import NEXT, again, calculated, days
from tests.support.recompute_vault import outputs
from tests.support.trade_streams import BTC, write_raw


def test_only_what_is_new_is_read_again(tmp_path, capsys):
    """A second run has nothing to do; one after more trades computes what they bring."""
    source = days(tmp_path / "source")
    again(capsys, "--source", source.root)
    before = outputs(source.root)
    code, told = again(capsys, "--source", source.root)
    assert (code, told["records"]) == (0, 0)
    assert outputs(source.root) == before
    newest = next(reversed(list(day_files(source.trades(BTC)))))[1]
    newest.with_name(f"{newest.name}.gz").write_bytes(gzip.compress(newest.read_bytes()))
    whole = newest.read_bytes()
    newest.unlink()
    assert again(capsys, "--source", source.root)[1]["records"] == 0  # packed meanwhile
    newest.write_bytes(whole)
    newest.with_name(f"{newest.name}.gz").unlink()
    newest = next(reversed(list(day_files(source.trades(BTC)))))[1]
    row = orjson.loads(newest.read_bytes().splitlines()[-1])
    row |= {"trade_id": "900000", "timestamp_utc": f"{NEXT}T23:59:00.000Z"}
    write_raw(source, BTC, [orjson.dumps(row) + b"\n"])
    code, told = again(capsys, "--source", source.root)
    assert (code, told["records"] > 0) == (0, True)


def test_what_an_aborted_run_has_committed_is_not_computed_again(tmp_path, monkeypatch, capsys):
    """The next run does only the outputs that are not there yet."""
    source, target = days(tmp_path / "source"), tmp_path / "met"
    words = ["--source", source.root, "--target", target]
    done: list[str] = []

    def stopped(task):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(task.metric)
        return jobs.run_task(task)

    with monkeypatch.context() as patch:
        patch.setattr(scheduler, "run_task", stopped)
        assert again(capsys, *words)[0]
    wanted = calculated(tmp_path / "plain", source)
    assert 0 < len(outputs(target)) < len(wanted)
    code, told = again(capsys, *words)
    assert (code, told["failed"]) == (0, 0)
    assert outputs(target) == wanted
    assert done[0] == "liquidity_buckets"  # it takes the longest


class DyingWorkers(ThisProcess):
    """Workers that die the first times that they are given a piece of work."""

    def __init__(self, deaths: int) -> None:
        self.deaths = deaths
        self.begun: dict[tuple[object, ...], int] = {}

    def submit(self, work, *arguments):
        key = (arguments[0], str(arguments[1:]))
        self.begun[key] = self.begun.get(key, 0) + 1
        if self.begun[key] <= self.deaths:
            future: Future[Any] = Future()
            future.set_exception(RuntimeError("the worker has died"))
            return future
        return super().submit(work, *arguments)


@pytest.mark.parametrize("deaths", [1, 2, 3])
def test_a_worker_that_dies_costs_attempts_and_only_the_last_is_a_failure(
    tmp_path, monkeypatch, capsys, deaths
):
    """Three attempts at each task; then its output has failed, and all the others are told."""
    source = days(tmp_path / "source")
    workers = DyingWorkers(deaths)
    monkeypatch.setattr(recompute, "executor_of", lambda *_args, **_options: workers)
    code, told = again(capsys, "--source", source.root, "--target", tmp_path / "met")
    failed = 9 if deaths == 3 else 0
    assert (code, told["failed"], told["outputs"]) == (bool(failed), failed, 9 - failed)
    assert told["lost"] == deaths * len(workers.begun)
    if not failed:
        assert outputs(tmp_path / "met") == calculated(tmp_path / "plain", source)


def test_one_calculator_of_each_instrument_comes_first(tmp_path, monkeypatch):
    """It keeps the minutes that the others read."""
    asked = [(task.metric, task.inst_id) for task in _tasks(tmp_path)]
    done: list[tuple[str, str]] = []

    def noted(task):
        done.append((task.metric, task.inst_id))
        return jobs.Outcome(task.metric, task.inst_id)

    monkeypatch.setattr(scheduler, "run_task", noted)
    scheduler.Scheduler(ThisProcess(), lambda _: None).run(_tasks(tmp_path))
    assert sorted(done) == sorted(asked)
    assert [metric for metric, _ in done] == [
        "liquidity_buckets", "book_flow", "footprint", "profile", "liquidations",
        "liquidity_buckets", "book_flow", "footprint", "profile", "liquidations",
        "vwap", "vwap", "cvd", "cvd", "volume", "volume", "wicks", "wicks",
    ]  # fmt: skip


def _tasks(root):
    return [
        jobs.RecomputeTask(metric, name, root, root, settings.load(), jobs.Days(), rebuild=True)
        for name in (BTC, "ETH-USDT-SWAP")
        for metric in jobs.CALCULATORS
    ]
