"""Who does the work: this process, a pool, or Dask; each takes a function and answers later."""

import importlib
import logging
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from ravequant.errors import RaveQuantError, UsageError
from ravequant.worker_pool import Processes
from scripts.batch.jobs import peak_memory
from scripts.batch.storage import TRAFFIC, require

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
    """What a task took, where it was done."""

    worker: str
    wall_s: float
    cpu_s: float
    requests: int
    received: int
    sent: int
    peak_bytes: int | None  # of its process, up to now


def measured(work: Callable[..., Any], *arguments: Any) -> tuple[Any, Cost]:
    """Do some work and say what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    before = replace(TRAFFIC)
    answer = work(*arguments)
    cost = Cost(
        f"{platform.node()}:{os.getpid()}",
        time.perf_counter() - wall,
        time.process_time() - cpu,
        TRAFFIC.requests - before.requests,
        TRAFFIC.received - before.received,
        TRAFFIC.sent - before.sent,
        peak_memory(),
    )
    return answer, cost


class Engine(Protocol):
    """Does tasks somewhere."""

    @property
    def width(self) -> int:
        """How many it does at once."""

    def submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[tuple[Any, Cost]]":
        """Have it done; the answer comes with its cost."""

    def close(self) -> None:
        """Let the workers go."""


class Here:
    """This process does it at once."""

    width = 1

    def submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[tuple[Any, Cost]]":
        """Do it."""
        future: Future[tuple[Any, Cost]] = Future()
        try:
            future.set_result(measured(work, *arguments))
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Nothing is left."""


class Local:
    """Processes of this computer. One that dies costs the tasks under way a second attempt."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._processes = Processes(width)

    def submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[tuple[Any, Cost]]":
        """Have a process do it."""
        return self._processes.submit(measured, work, *arguments)

    def close(self) -> None:
        """Let the processes end; what waits is dropped."""
        self._processes.close()


class Dask:
    """The workers of a scheduler, or of a cluster on this computer that lives as long as we do."""

    def __init__(self, scheduler: str | None, workers: int) -> None:
        distributed = require("distributed")
        importlib.import_module("dask").config.set(_DASK)
        if not _log.isEnabledFor(logging.DEBUG):
            logging.getLogger("distributed").setLevel(logging.ERROR)  # it tells of each handshake
        try:
            if scheduler is None:
                self._cluster = distributed.LocalCluster(
                    n_workers=workers, threads_per_worker=1, host="127.0.0.1",
                    scheduler_kwargs={"dashboard": False}, silence_logs=logging.ERROR,
                )  # fmt: skip
                self._client = distributed.Client(self._cluster)
                self._client.wait_for_workers(workers, timeout=WAIT_S)
            else:
                self._cluster = None
                self._client = distributed.Client(scheduler, timeout=WAIT_S)
                self._client.wait_for_workers(1, timeout=WAIT_S)
        except (OSError, RuntimeError, ValueError) as error:
            raise RaveQuantError(
                f"dask: {scheduler or 'a cluster on this computer'}: {error}; expected a scheduler "
                "with a worker that answers"
            ) from None
        self.width = sum(self._client.nthreads().values())

    def submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[tuple[Any, Cost]]":
        """Have a worker do it; dask does it again where one dies."""
        future: Future[tuple[Any, Cost]] = self._client.submit(
            measured, work, *arguments, pure=False, retries=ATTEMPTS - 1
        )
        return future

    def close(self) -> None:
        """Let the cluster go, if it is ours."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def engine_of(name: str, scheduler: str | None, workers: int, *, shared: bool) -> Engine:
    """Return the engine that was asked for; ``shared``: other processes see source and target."""
    if not shared and (name == "dask" or workers > 1):
        raise UsageError(
            "memory:// lives in one process; use --engine local --workers 1, or another place"
        )
    if name == "dask":
        return Dask(scheduler, workers)
    return Local(workers) if workers > 1 else Here()
