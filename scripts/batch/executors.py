"""The executors of a recomputation: this process, processes of this computer, or Dask workers."""

import importlib
import importlib.util
import logging
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, Protocol

from ravequant.errors import RaveQuantError
from ravequant.processes.worker_pool import Processes
from scripts.batch.jobs import peak_memory

ATTEMPTS: Final = 3  # at a task whose worker died
WAIT_S: Final = 60  # for a scheduler to answer
_DASK: Final = {  # for workers of ours; those of a scheduler have their own
    "distributed.worker.profile.enabled": False,
    # dask's own 64 KiB gives a block's memory back after each block, a third of the CPU time
    "distributed.nanny.pre-spawn-environ": {"MALLOC_TRIM_THRESHOLD_": 128 << 20},
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a task, measured where it was done."""

    wall_s: float
    cpu_s: float
    peak_bytes: int | None  # of its process, up to now


def measured(work: Callable[..., Any], *arguments: Any) -> tuple[Any, Cost]:
    """Do some work; return its answer and its cost."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = work(*arguments)
    cost = Cost(
        time.perf_counter() - wall,
        time.process_time() - cpu,
        peak_memory(),
    )
    return answer, cost


class Executor(Protocol):
    """Does tasks somewhere, as ``ravequant.processes.worker_pool.Processes`` does."""

    width: int  # tasks at once

    def submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Have ``work`` done; the answer comes later."""

    def close(self) -> None:
        """Let the workers go."""


class ThisProcess:
    """This process does each task at once."""

    width = 1

    def submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Do it."""
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments))
        except Exception as error:  # noqa: BLE001 - the caller gets it with the result
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Nothing is left."""


class Dask:
    """The workers of a scheduler, or of a cluster on this computer that ends with this program."""

    def __init__(self, scheduler: str | None, workers: int) -> None:
        distributed = _distributed()
        importlib.import_module("dask").config.set(_DASK)
        if not _log.isEnabledFor(logging.DEBUG):
            logging.getLogger("distributed").setLevel(logging.ERROR)  # it logs each handshake
        try:
            self._cluster = None
            if scheduler is None:
                self._cluster = distributed.LocalCluster(
                    n_workers=workers, threads_per_worker=1, host="127.0.0.1",
                    scheduler_kwargs={"dashboard": False}, silence_logs=logging.ERROR,
                )  # fmt: skip
            self._client = distributed.Client(self._cluster or scheduler, timeout=WAIT_S)
            self._client.wait_for_workers(workers if self._cluster else 1, timeout=WAIT_S)
        except (OSError, RuntimeError, ValueError) as error:
            raise RaveQuantError(
                f"dask: {scheduler or 'a cluster on this computer'}: {error}; expected a scheduler "
                "with a worker that answers"
            ) from None
        self.width = sum(self._client.nthreads().values())
        self._executor = self._client.get_executor(pure=False, retries=ATTEMPTS - 1)

    def submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Have a worker do it; dask does it again where one dies."""
        future: Future[Any] = self._executor.submit(work, *arguments)
        return future

    def close(self) -> None:
        """Let the cluster go, if it is ours."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def _distributed() -> ModuleType:
    """Return the module of the extra, or say how to install it (exit code 1)."""
    if importlib.util.find_spec("distributed") is None:
        raise RaveQuantError(
            f"dask and distributed: not installed for {sys.executable}; install what recomputing "
            f'needs with: "{sys.executable}" -m pip install -e ".[scale]", in the folder of '
            "RaveQuant"
        )
    return importlib.import_module("distributed")


def executor_of(name: str, scheduler: str | None, workers: int) -> Executor:
    """Return the executor of ``--engine``."""
    if name == "dask":
        return Dask(scheduler, workers)
    return Processes(workers) if workers > 1 else ThisProcess()
