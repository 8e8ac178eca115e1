"""The metrics: every sample in the text format, from heartbeats and files, over HTTP."""

import re
import shutil
from urllib.error import HTTPError
from urllib.request import urlopen

import orjson
import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.errors import UsageError
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from scripts.supervision import metrics
from tests.checks.test_programs import put_beat
from tests.scripts.test_doctor import put_books, put_trades
from tests.support.trades_box import BTC

NOW = times.parse_iso("2025-12-14T21:34:00.000Z")
# the grammar of a sample, as the page "exposition formats" of Prometheus gives it
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(
    rf"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9.]+(?:e[+-]?[0-9]+)?)"
)


def read(text: str) -> dict[str, float]:
    """Return the samples of a text, each line of which must be well-formed and stand in its group.

    A group is the help, the type and the samples of one metric.
    """
    assert text.endswith("\n")
    found, group = {}, ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            group = line.split()[2]
        elif line.startswith("# TYPE "):
            assert line.split()[2:] in ([group, "gauge"], [group, "counter"])
            assert (line.split()[3] == "counter") is group.endswith("_total")
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] == group
            name = line.rpartition(" ")[0]
            assert name not in found
            found[name] = float(match[3])
    return found


def test_an_empty_vault_has_recorders_that_are_down_and_a_disk(vault):
    """Nothing unknown is given a value."""
    vault.root.mkdir()
    found = read(metrics.exposition(vault, [BTC], NOW))
    free = found.pop("ravequant_disk_free_bytes")
    assert free == pytest.approx(shutil.disk_usage(vault.root).free, rel=0.2)
    assert found == {
        'ravequant_recorder_up{program="trades_exporter"}': 0,
        'ravequant_recorder_up{program="l2_exporter"}': 0,
        'ravequant_recorder_recording{program="trades_exporter"}': 0,
        'ravequant_recorder_recording{program="l2_exporter"}': 0,
        'ravequant_recorder_up{program="context_exporter"}': 0,
        'ravequant_recorder_recording{program="context_exporter"}': 0,
        f'ravequant_missing_trades{{instId="{BTC}"}}': 0,
    }


def test_lag_gaps_rows_and_tasks_are_read_from_files(vault):
    """Each with its labels; a recorder that reports a problem is up and does not record."""
    filling = {"at_utc": "2025-12-14T20:34:00.000Z", "until_utc": "2025-12-14T21:34:00.000Z"}
    facts = {"written": 1_234_567, "gaps": 2, "filling": filling, "left_out": None}
    put_beat(vault, "trades_exporter", NOW, clock_offset_ms=-1_500, instruments={BTC: facts})
    put_beat(vault, "l2_exporter", NOW, problem="name not known", instruments={"X": {
        "left_out": "not trading", "written": "?"}})  # fmt: skip
    put_beat(vault, "run_all", NOW, tasks={'a "b"\\': {"runs": 3, "failures": 1}, "bad": 5})
    put_trades(vault, Contract("0.01", "1", "linear"), range(NOW - 90_000, NOW - 59_000, 5_000))
    put_books(vault, range(NOW - 10_000, NOW - 1_000, 2_000))
    GapLedger(vault.gap_ledger(BTC), BTC).append(LedgerEntry(Gap(5, 11), "open", "", NOW))
    found = read(metrics.exposition(vault, [BTC], NOW))
    del found["ravequant_disk_free_bytes"]
    trades, books = f'program="trades_exporter",instId="{BTC}"', 'program="l2_exporter"'
    assert found == {
        'ravequant_recorder_up{program="trades_exporter"}': 1,
        'ravequant_recorder_recording{program="trades_exporter"}': 1,
        'ravequant_clock_offset_seconds{program="trades_exporter"}': -1.5,
        f"ravequant_recorder_rows_total{{{trades}}}": 1_234_567,
        f"ravequant_recorder_gaps_total{{{trades}}}": 2,
        f"ravequant_recorder_left_out{{{trades}}}": 0,
        f"ravequant_backfill_left_seconds{{{trades}}}": 3_600,
        f"ravequant_recorder_up{{{books}}}": 1,
        f"ravequant_recorder_recording{{{books}}}": 0,
        f'ravequant_recorder_left_out{{{books},instId="X"}}': 1,
        'ravequant_recorder_up{program="context_exporter"}': 0,
        'ravequant_recorder_recording{program="context_exporter"}': 0,
        f'ravequant_newest_record_age_seconds{{stream="trades",instId="{BTC}"}}': 60,
        f'ravequant_newest_record_age_seconds{{stream="book",instId="{BTC}"}}': 2,
        f'ravequant_missing_trades{{instId="{BTC}"}}': 7,
        'ravequant_task_runs_total{task="a \\"b\\"\\\\"}': 3,
        'ravequant_task_failures{task="a \\"b\\"\\\\"}': 1,
    }


def test_they_are_served_on_this_computer_alone():
    """At /metrics; another path is not there, and a file that cannot be read stops nothing."""
    answers: list[str | ValueError] = ["a 1\n", ValueError("damaged"), "a 2\n"]

    def text() -> str:
        answer = answers.pop(0)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    with metrics.serving(metrics.LOOPBACK, 0, text) as port:
        where = f"http://127.0.0.1:{port}"
        with urlopen(f"{where}/metrics") as answer:  # noqa: S310 - our own address
            assert (answer.read(), answer.headers["Content-Type"]) == (
                b"a 1\n", "text/plain; version=0.0.4; charset=utf-8",
            )  # fmt: skip
        for path, code in (("/", 404), ("/metrics", 500)):
            with pytest.raises(HTTPError) as caught:
                urlopen(where + path)  # noqa: S310
            assert caught.value.code == code
        with urlopen(f"{where}/metrics?x=1") as answer:  # noqa: S310
            assert answer.read() == b"a 2\n"
        with (
            pytest.raises(UsageError, match=rf"--metrics-port {port}: .*choose a free port"),
            metrics.serving(metrics.LOOPBACK, port, text),
        ):
            pass


@pytest.mark.parametrize("tasks", [None, [1], {"a": {"runs": "x"}}])
def test_a_damaged_heartbeat_gives_no_samples(vault, tasks):
    """Of the tasks; all the rest is there."""
    vault.root.mkdir()
    put_beat(vault, "run_all", NOW, tasks=tasks)
    vault.health("trades_exporter").write_bytes(orjson.dumps({"instruments": [1]}))
    assert not any("task" in name for name in read(metrics.exposition(vault, [BTC], NOW)))
