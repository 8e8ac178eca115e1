"""The executors of a recomputation: an answer with its cost, an error with the answer."""

import os

import pytest

from ravequant.errors import UsageError
from ravequant.worker_pool import Processes
from scripts.batch.executors import ThisProcess, executor_of, measured


def test_this_process_answers_at_once_and_keeps_an_error_for_the_caller():
    """An error is not raised where a task is handed in."""
    executor = executor_of("local", None, 1, shared=False)
    assert isinstance(executor, ThisProcess)
    assert executor.submit(divmod, 7, 2).result() == (3, 1)
    with pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 7, 0).result()
    executor.close()


def test_a_cost_says_where_and_how_long():
    """Worker, time and requests are those of the task alone."""
    answer, cost = measured(sum, range(100_000))
    assert answer == sum(range(100_000))
    assert cost.worker.endswith(f":{os.getpid()}")
    assert 0 <= cost.wall_s < 5
    assert (cost.requests, cost.received, cost.sent) == (0, 0, 0)


def test_memory_of_this_process_is_no_place_for_others():
    """One worker may use it, several and Dask may not."""
    for name, workers in (("local", 2), ("dask", 1)):
        with pytest.raises(UsageError, match="memory:// lives in one process"):
            executor_of(name, None, workers, shared=False)


def test_several_workers_are_processes():
    """As many as asked for, and they end."""
    executor = executor_of("local", None, 2, shared=True)
    assert isinstance(executor, Processes)
    assert executor.width == 2
    assert executor.submit(os.getpid).result() != os.getpid()
    executor.close()
