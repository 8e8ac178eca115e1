"""Coinalyze's exporter as a program: real processes and sockets, the exchange in a box."""

import itertools
import json
import os
import subprocess
import sys
import time

import orjson
import pytest

from Context_Bot.coinalyze_key import VARIABLE
from ravequant import catalog, times
from ravequant.sim.coinalyze import KEY, values
from ravequant.vault.paths import CHECKOUT, day_files
from tests.faults.exporters import BTC, alive, market, stop
from tests.support import box

SCRIPT = CHECKOUT / catalog.COINALYZE_EXPORTER.script
STEP = 5 * times.MINUTE_MS
PATHS = {"long_short": "long-short-ratio-history", "liquidations": "liquidation-history"}
START = ("--wait-for-clients", 0, "--start", "2025-12-14T15:58:00Z")
LOG = "coinalyze.log"


def start(vault, tmp_path, there=(), *, key=KEY, factor="10"):
    environment = {**os.environ, VARIABLE: key}
    words = ["--vault", vault.root, "--instId", BTC, "--log-level", "debug"]
    words += ["--log-file", tmp_path / "own.log"]
    if there:
        rest = there[there.index("--rest-url") + 1]
        words += ["--rest-url", rest, "--url", f"{rest}/v1", "--rest-limit-factor", factor]
    with (tmp_path / LOG).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, SCRIPT, *map(str, words)],
            stdout=log, stderr=log, env=environment, cwd=tmp_path,
        )  # fmt: skip


def lines(vault, data):
    contents = [path.read_bytes() for _, path in day_files(data.place(vault, BTC))]
    assert all(content.endswith(b"\n") for content in contents if content)
    return [orjson.loads(line) for content in contents for line in content.splitlines()]


def count(vault) -> int:
    """Count the whole lines of the shortest series; the program may be writing one."""
    files = [day_files(data.place(vault, BTC)) for data in catalog.COINALYZE]
    return min(sum(path.read_bytes().count(b"\n") for _, path in found) for found in files)


def check(vault) -> None:
    """Assert that each closed period is there once, as the desk wrote it, and known in time."""
    for data, (series, _) in catalog.COINALYZE.items():
        rows = lines(vault, data)
        starts = [times.parse_iso(row["timestamp_utc"]) for row in rows]
        assert all(b - a == STEP for a, b in itertools.pairwise(starts))
        for row, begin in zip(rows, starts, strict=True):
            assert tuple(row["values"]) == values(PATHS[series], row["symbol"], begin)
            assert times.parse_iso(row["known_utc"]) >= begin + STEP + times.MINUTE_MS
        known = [row["known_utc"] for row in rows]
        assert known == sorted(known)
    assert not vault.root.joinpath("meta/coinalyze").exists()  # no step lacks


def test_closed_periods_are_on_disk_once_through_kills(vault, tmp_path):
    """The buffer first, then period by period; killed at any instant; the forming row never."""
    with market(tmp_path, *START, speed=60) as there:
        for pause in (0.7, 1.5, 4.0):
            with alive(start(vault, tmp_path, there)) as process:
                time.sleep(pause)
                process.kill()
        with alive(start(vault, tmp_path, there)) as process:
            box.wait_for(lambda: count(vault) > 1_990, process)
            before = count(vault)
            box.wait_for(lambda: count(vault) >= before + 2, process)
            stop(process)
    check(vault)
    beat = json.loads(vault.health("coinalyze_exporter").read_bytes())
    assert beat["stopped"] is True
    assert beat["problem"] is None
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in written


def test_too_many_calls_are_waited_for(vault, tmp_path):
    """The desk allows less than is asked: it says how long to wait, and nothing is lost."""
    slow = {"kind": "rest-status", "path": "/v1/", "status": 429, "at": [2]}
    with (
        market(tmp_path, *START, faults=[slow], speed=1) as there,
        alive(start(vault, tmp_path, there)) as process,
    ):
        box.wait_for(lambda: "429" in (tmp_path / LOG).read_text("utf-8"), process)
        box.wait_for(lambda: count(vault) > 1_990, process)
        stop(process)
    check(vault)


def test_a_wrong_key_is_a_problem_and_not_shown(vault, tmp_path):
    """The heartbeat says it; it is asked again."""
    with (
        market(tmp_path, *START, speed=1) as there,
        alive(start(vault, tmp_path, there, key="no-key-of-the-box")) as process,
    ):
        path = vault.health("coinalyze_exporter")
        box.wait_for(lambda: path.exists() and b"the key is refused" in path.read_bytes())
        assert b"no-key-of" not in path.read_bytes()
        stop(process)
    assert "no-key-of" not in (tmp_path / LOG).read_text("utf-8")


@pytest.mark.parametrize("key", ["", "  "])
def test_without_a_key_it_is_off(vault, tmp_path, key):
    """Exit code 0, one line in its health file, nothing else in the vault."""
    vault.root.mkdir(exist_ok=True)
    assert start(vault, tmp_path, key=key).wait(30) == 0
    beat = vault.health("coinalyze_exporter").read_bytes()
    assert beat.count(b"\n") == 1
    assert json.loads(beat)["off"] == "off: no key is set"
    assert [path.name for path in vault.root.iterdir()] == ["state"]
