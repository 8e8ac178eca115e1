"""The executors of a recomputation: an answer with its cost, an error with the answer."""

import importlib.util
import os

import pytest

from ravequant.processes.worker_pool import Processes
from scripts import recompute
from scripts.batch.executors import ThisProcess, executor_of, measured
from tests.scripts.test_recompute import days


def test_this_process_answers_at_once_and_keeps_an_error_for_the_caller():
    """An error is not raised where a task is handed in."""
    executor = executor_of("local", None, 1)
    assert isinstance(executor, ThisProcess)
    assert executor.submit(divmod, 7, 2).result() == (3, 1)
    with pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 7, 0).result()
    executor.close()


def test_a_cost_says_how_long_and_how_much_memory():
    """The time is that of the task alone, the memory that of its process."""
    answer, cost = measured(sum, range(100_000))
    assert answer == sum(range(100_000))
    assert cost.peak_bytes is None or cost.peak_bytes > 1_000_000
    assert 0 <= cost.wall_s < 5


def test_without_the_extra_it_says_what_to_install(tmp_path, capsys, monkeypatch):
    """The core needs none of it, and the message is a command."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    vault = days(tmp_path / "source")
    assert recompute.main(["--vault", str(vault.root), "--engine", "dask"]) == 1
    err = capsys.readouterr().err
    assert "dask and distributed: not installed" in err
    assert '-m pip install -e ".[scale]"' in err


def test_several_workers_are_processes():
    """As many as asked for, and they end."""
    executor = executor_of("local", None, 2)
    assert isinstance(executor, Processes)
    assert executor.width == 2
    assert executor.submit(os.getpid).result() != os.getpid()
    executor.close()
