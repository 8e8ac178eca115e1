"""The metrics of a vault in Prometheus' text format 0.0.4, over HTTP on this computer.

Everything is read from heartbeats and files at the moment of the question. A value that is not
known, like the age of a record before the first, is left out.
"""

import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal, NamedTuple

from ravequant import times
from ravequant.catalog import BOOK, DEEP, EXPORTERS, TRADES
from ravequant.errors import UsageError
from ravequant.vault import heartbeat
from ravequant.vault.gap_ledger import GapLedger, ids_by_status, status_ranges
from ravequant.vault.newest import newest_record
from ravequant.vault.paths import Vault
from ravequant.vault.recorder_state import recorder_state

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
LOOPBACK: Final = "127.0.0.1"
_PATHS: Final = ("/metrics", "/metrics/")
_log = logging.getLogger("run_all")


class Metric(NamedTuple):
    """A metric, with its help."""

    name: str
    kind: Literal["gauge", "counter"]
    purpose: str


class Sample(NamedTuple):
    """A value of a metric."""

    metric: Metric
    value: float
    labels: dict[str, str]


UP: Final = Metric(
    "ravequant_recorder_up", "gauge", "1 if the exporter's heartbeat is fresh, else 0"
)
RECORDING: Final = Metric(
    "ravequant_recorder_recording", "gauge", "1 if it is up and reports no problem, else 0"
)
ROWS: Final = Metric(
    "ravequant_recorder_rows_total", "counter", "records written since the exporter's start"
)
BREAKS: Final = Metric(
    "ravequant_recorder_gaps_total", "counter", "gaps since the exporter's start, filled or not"
)
LEFT_OUT: Final = Metric("ravequant_recorder_left_out", "gauge", "1 if an instrument is left out")
BACK_FILL: Final = Metric(
    "ravequant_backfill_left_seconds", "gauge", "market time that the back-fill still has to fetch"
)
CLOCK: Final = Metric(
    "ravequant_clock_offset_seconds", "gauge", "this computer's clock minus the exchange's"
)
LAG: Final = Metric(
    "ravequant_newest_record_age_seconds", "gauge", "age of the newest raw record of a stream"
)
OPEN: Final = Metric(
    "ravequant_missing_trades", "gauge", "trades that are missing and may still be had"
)
RUNS: Final = Metric("ravequant_task_runs_total", "counter", "starts of a program by run_all")
FAILURES: Final = Metric(
    "ravequant_task_failures", "gauge", "failures of a program in a row under run_all"
)
FREE: Final = Metric("ravequant_disk_free_bytes", "gauge", "free space on the disk of the vault")


def exposition(vault: Vault, inst_ids: Sequence[str], now: int) -> str:
    """Return all metrics as text; ``now`` is the wall clock."""
    lines: dict[Metric, list[str]] = {}
    for metric, value, labels in _samples(vault, inst_ids, now):
        told = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        lines.setdefault(metric, []).append(
            f"{metric.name}{{{told}}} {value:.15g}" if told else f"{metric.name} {value:.15g}"
        )
    return "".join(
        f"# HELP {metric.name} {metric.purpose}\n# TYPE {metric.name} {metric.kind}\n"
        + "".join(f"{line}\n" for line in found)
        for metric, found in lines.items()
    )


def now(vault: Vault, inst_ids: Sequence[str]) -> str:
    """Return all metrics of now as text."""
    return exposition(vault, inst_ids, times.utc_now_ms())


def _samples(vault: Vault, inst_ids: Sequence[str], now: int) -> Iterator[Sample]:
    for program in EXPORTERS:
        yield from _recorder(vault, program.name, now)
    for inst_id in inst_ids:
        for data in (TRADES, BOOK, DEEP):
            newest = newest_record(vault, data, inst_id)
            if newest is not None:
                labels = {"stream": data.name, "instId": inst_id}
                yield Sample(LAG, (now - newest) / 1000, labels)
        entries = GapLedger(vault.gap_ledger(inst_id), inst_id).entries()
        last = max((entry.gap.to_id for entry in entries), default=0)
        missing = ids_by_status(status_ranges(entries, 0, last))["open"]
        yield Sample(OPEN, missing, {"instId": inst_id})
    tasks = (heartbeat.read(vault, "run_all") or {}).get("tasks")
    for name, facts in _dicts(tasks):
        for metric, key in ((RUNS, "runs"), (FAILURES, "failures")):
            if type(facts.get(key)) is int:
                yield Sample(metric, facts[key], {"task": name})
    yield Sample(FREE, shutil.disk_usage(vault.root).free, {})


def _recorder(vault: Vault, program: str, now: int) -> Iterator[Sample]:
    state, labels = recorder_state(vault, program, now), {"program": program}
    yield Sample(UP, state.lives, labels)
    yield Sample(RECORDING, state.lives and not (state.problem or state.silence), labels)
    if not state.lives:
        return
    if state.clock_offset_ms is not None:
        yield Sample(CLOCK, state.clock_offset_ms / 1000, labels)
    for inst_id, facts in _dicts((heartbeat.read(vault, program) or {}).get("instruments")):
        own = {**labels, "instId": inst_id}
        for metric, key in ((ROWS, "written"), (BREAKS, "gaps")):
            if type(facts.get(key)) is int:
                yield Sample(metric, facts[key], own)
        yield Sample(LEFT_OUT, inst_id in state.left_out, own)
        if fill := state.filling.get(inst_id):
            yield Sample(BACK_FILL, max(0, fill.until_ms - fill.at_ms) / 1000, own)


def _dicts(value: Any) -> list[tuple[str, dict[str, Any]]]:
    items = value.items() if isinstance(value, dict) else ()
    return [(name, facts) for name, facts in items if isinstance(facts, dict)]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@contextmanager
def serving(host: str, port: int, text: Callable[[], str]) -> Iterator[int]:
    """Serve ``text()`` at ``/metrics`` in a ``with`` block; yields the port. UsageError if taken.

    Port 0 is a free port.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer a question."""
            if self.path.partition("?")[0] not in _PATHS:
                self.send_error(404, "ask for /metrics")
                return
            try:
                body = text().encode()
            except Exception as error:  # noqa: BLE001 - a damaged file stops no later answer
                _log.warning("metrics: %s: %s", type(error).__name__, error)
                self.send_error(500, "the metrics cannot be read")
                return
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing: a question comes every few seconds."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"--metrics-port {port}: {error}; choose a free port from 1024 to 65535"
        ) from None
    server.daemon_threads = True
    with server:
        threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
