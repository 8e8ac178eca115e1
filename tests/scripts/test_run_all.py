"""run_all.py: real programs against the exchange in a box, killed, broken, refused, ended."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from ravequant import catalog, times
from ravequant.errors import UsageError
from ravequant.settings import SETTINGS_VARIABLE
from ravequant.vault.paths import CHECKOUT, Vault, day_files
from scripts import run_all
from scripts.checks import computer
from scripts.supervision import tasks
from tests.support.trades_box import BTC, exchange, ledger, wait_for

RUN_ALL = CHECKOUT / "scripts" / "run_all.py"
CALCULATORS = {program.name for program in catalog.ASKED_CALCULATORS}  # the others may have no row
LIMIT_S = 60
posix = pytest.mark.skipif(os.name == "nt", reason="a signal to one process is POSIX")


@pytest.fixture(scope="module")
def box(tmp_path_factory) -> Iterator[dict[str, str]]:
    """An exchange in a box, and the environment of programs that are to find it."""
    folder = tmp_path_factory.mktemp("box")
    options = ("--history", "20m", "--rows-per-second", "2", "--start", "now", "--instId", BTC)
    with exchange(folder, *options, "--rest-limit-factor", "20") as where:
        chosen = folder / "ravequant.toml"
        chosen.write_text(
            f'instruments = ["{BTC}"]\n[okx]\nws_url = "{where[1]}"\nrest_url = "{where[3]}"\n',
            encoding="utf-8",
        )
        yield {**os.environ, SETTINGS_VARIABLE: str(chosen)}


def start(vault: Vault, box: dict[str, str], *options: object) -> subprocess.Popen[str]:
    """Start run_all.py in a vault."""
    return subprocess.Popen(
        [sys.executable, str(RUN_ALL), "--vault", str(vault.root), *map(str, options)],
        env=box, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        cwd=vault.root.parent,
    )  # fmt: skip


def finished(program: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the end; the exit code and what it said."""
    said, errors = program.communicate(timeout=LIMIT_S)
    return program.returncode, said, errors


@contextmanager
def running(vault: Vault, box: dict[str, str], *options: object) -> Iterator[Any]:
    """Run run_all.py; whatever the test does, nothing of it stays."""
    program = start(vault, box, *options)
    try:
        yield program
    finally:
        program.kill()
        program.communicate()
        wait_for(lambda: not programs_of(vault))


def programs_of(vault: Vault) -> set[int]:
    """Return every process whose command line names the vault."""
    if os.name == "nt":
        return set()
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    lines = listed.stdout.splitlines()
    return {int(line.split()[0]) for line in lines if f"--vault {vault.root} " in f"{line} "}


def beat(vault: Vault, component: str) -> dict[str, Any]:
    """Return a heartbeat; empty before the first."""
    try:
        facts: dict[str, Any] = json.loads(vault.health(component).read_bytes())
    except (OSError, ValueError):
        return {}
    return facts


def recorders(vault: Vault, *but: int) -> list[int]:
    """Return the exporters that live, all or none; ``but`` are dead."""
    beats = [beat(vault, name) for name, _ in catalog.EXPORTERS]
    pids = [facts["pid"] for facts in beats if facts and not facts.get("stopped")]
    return [] if len(pids) < len(beats) or set(pids) & set(but) else pids


def raw_bytes(vault: Vault) -> int:
    return sum(path.stat().st_size for _, path in day_files(vault.trades(BTC)))


def metrics(vault: Vault) -> set[str]:
    """Return the metrics that have derived files."""
    return {name.split("/")[0] for name in records(vault)}


def newest_ms(vault: Vault) -> int:
    """Return the time of the newest trade."""
    *_, (_, path) = day_files(vault.trades(BTC))
    line = path.read_bytes().splitlines()[-2]  # the last one may be half written
    return times.parse_iso(json.loads(line)["timestamp_utc"])


def records(vault: Vault) -> dict[str, bytes]:
    """Return all derived files."""
    folder = vault.root / "derived"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*.json*"))
    }


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, box) -> Vault:
    """A vault in which run_all.py has recorded and calculated, ended, and caught up once more."""
    vault = Vault(tmp_path_factory.mktemp("recorded") / "a vault")
    options = ("--every", "1s", "--backfill", "10m", "--watch", 1)
    with running(vault, box, *options) as program:
        wait_for(lambda: raw_bytes(vault) > 10_000 and metrics(vault) >= CALCULATORS, program)
        program.terminate()
        program.communicate(timeout=LIMIT_S)
    wait_for(lambda: beat(vault, "trades_exporter").get("stopped"))  # the clean way
    code, _, errors = finished(start(vault, box, "--once"))
    assert code == 0, errors
    return vault


def copied(recorded: Vault, vault: Vault) -> Vault:
    """Copy what was recorded, without what was made of it."""
    for part in ("raw", "meta"):
        shutil.copytree(recorded.root / part, vault.root / part)
    return vault


def test_it_records_and_calculates(recorded, vault, box):
    """Raw data, five calculators, logs and heartbeat; all as one run from scratch computes it."""
    logs, derived = recorded.root / "logs", records(recorded)
    assert metrics(recorded) >= CALCULATORS
    assert all((logs / f"{name}.log").exists() for name, _ in catalog.EXPORTERS)
    assert "new records" in (logs / f"vwap.{BTC}.out").read_text(encoding="utf-8")
    assert "ended, and all its programs" in logged(recorded)
    assert beat(recorded, "run_all")["stopped"] is True
    assert programs_of(recorded) == set()
    code, _, errors = finished(start(copied(recorded, vault), box, "--once"))
    assert code == 0, errors
    assert records(vault) == {
        name: data for name, data in derived.items() if not name.startswith("signals")
    }


@posix
def test_kills_are_healed_and_a_second_start_is_refused(vault, box):
    """A killed exporter is back; code 4 for the second; after kill -9 a new start works at once."""
    with running(vault, box, "--every", "1h", "--backfill", "2m") as first:
        wait_for(lambda: recorders(vault), first)
        killed, *_ = recorders(vault)
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: recorders(vault, killed), first)
        code, _, errors = finished(start(vault, box))
        assert code == 4
        assert f"run_all.py, pid {first.pid}, since" in errors
        orphans = recorders(vault)
        first.kill()
        first.wait()
        with running(vault, box, "--every", "1h") as second:
            wait_for(lambda: recorders(vault, *orphans), second)
            assert not programs_of(vault) & set(orphans)
            second.send_signal(signal.SIGTERM)
            _, errors = second.communicate(timeout=10)
            assert second.returncode == 0
    assert "ended, and all its programs" in errors
    assert "trades_exporter died of signal 9, starts again in 1 s" in logged(vault)
    assert beat(vault, "l2_exporter")["stopped"] is True


def logged(vault: Vault) -> str:
    return (vault.root / "logs" / "run_all.log").read_text(encoding="utf-8")


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything(vault, box, number):
    """Ctrl-C or SIGTERM in the middle of the work: all programs end, with exit code 0."""
    with running(vault, box, "--no-exporters", "--every", "1h") as program:
        wait_for(lambda: beat(vault, "run_all"), program)
        program.send_signal(number)
        assert finished(program)[0] == 0
    assert programs_of(vault) == set()


@posix
def test_a_hang_up_that_is_ignored_ends_nothing(vault, box):
    """As under nohup: the terminal goes away, recording and calculators go on."""
    ignoring = subprocess.Popen(
        ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", sys.executable, str(RUN_ALL), "--vault",
         str(vault.root), "--every", "1h", "--backfill", "1m"],
        env=box, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: recorders(vault), ignoring)
        before = recorders(vault)
        for pid in (*before, ignoring.pid):
            os.kill(pid, signal.SIGHUP)
        length = raw_bytes(vault)
        wait_for(lambda: raw_bytes(vault) > length, ignoring)
        assert recorders(vault) == before
    finally:
        ignoring.terminate()
        assert ignoring.wait(LIMIT_S) == 0
        wait_for(lambda: not programs_of(vault))


def test_metrics_are_served_while_it_runs(vault, box):
    """At a port of this computer, which the window names; a port that is taken is refused."""
    options = ("--no-exporters", "--every", "1h", "--metrics-port")
    with running(vault, box, *options, 0) as program:
        wait_for(lambda: beat(vault, "run_all") and "metrics: http" in logged(vault), program)
        where = logged(vault).partition("metrics: ")[2].split()[0]
        with urlopen(where) as answer:  # noqa: S310 - our own address
            text = answer.read().decode()
        port = where.partition("127.0.0.1:")[2].partition("/")[0]
        code, _, errors = finished(start(Vault(vault.root.parent / "other"), box, *options, port))
    assert f'ravequant_task_failures{{task="vwap.{BTC}"}} 0' in text
    assert (code, "choose a free port from 1024 to 65535" in errors) == (2, True)


def test_a_failure_never_stops_the_others(recorded, vault, box):
    """One calculator that cannot work: the others do, and the exit code of the round is 1."""
    broken = copied(recorded, vault).derived("vwap", BTC) / "vwap_1m.jsonl"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b'{"output":"without a state"}\n')
    code, _, errors = finished(start(vault, box, "--once", "--at-once", 2))
    assert code == 1
    line = next(line for line in errors.splitlines() if "calculators: " in line)
    assert f"calculators: 7 up to date, 1 FAILED: vwap.{BTC}: " in line
    assert line.endswith("--rebuild)")
    assert errors.count("calculators: ") == 1  # one line a round, and the retention is not in it
    assert metrics(vault) - {"book_flow", "footprint", "profile"} == CALCULATORS
    assert beat(vault, "run_all")["tasks"][f"vwap.{BTC}"]["failures"] == 1
    assert "--rebuild" in beat(vault, "run_all")["tasks"][f"vwap.{BTC}"]["last_words"]
    code, _, errors = finished(start(vault, box, "--once", "--rebuild"))
    assert code == 0, errors
    assert records(vault).keys() == {
        name for name in records(recorded) if not name.startswith("signals")
    }


def test_check_says_what_stands_in_the_way(vault, box):
    """One line a look; exit code 1 if any is bad; nothing is started."""
    code, said, _ = finished(start(vault, box, "--check"))
    assert (code, [line[:4] for line in said.splitlines()]) == (0, ["PASS"] * 6)
    code, said, _ = finished(start(vault, box, "--check", "--json", "--instId", "NO-SUCH-SWAP"))
    *good, bad = map(json.loads, said.splitlines())
    assert code == 1
    assert all(finding["good"] for finding in good)
    assert bad["name"] == "exchange, NO-SUCH-SWAP"
    assert not (vault.root / "raw").exists()


def test_the_cost_of_the_back_fill_is_told_for_an_empty_vault(vault, recorded, caplog):
    """Four hours are the default; one hour is done sooner, and what it lacks is said."""
    args = run_all.parser().parse_args(["--instId", BTC])
    with caplog.at_level("INFO"):
        run_all.tell_backfill(args, recorded)
        assert caplog.messages == []
        run_all.tell_backfill(args, vault)
        args.backfill = "30m"
        run_all.tell_backfill(args, vault)
    assert caplog.messages == [
        "an empty vault: the trades of the last 4h are fetched first",
        (
            "--backfill 1h would be done 4 times sooner, and is enough for signals; but the 4 h "
            "VWAP would count only 3 h later, as a target and for 5 of 100 points"
        ),
        "an empty vault: the trades of the last 30m are fetched first",
    ]


def test_a_vault_that_cannot_be_is_found_before_the_start(tmp_path):
    """A file where the vault should be, and a disk that is too full: each with its remedy."""
    (tmp_path / "file").touch()
    by_name = {check.name: check for check in run_all.to_start(Vault(tmp_path / "file" / "vault"))}
    assert by_name["vault"].level == "FAIL"
    assert "allow writing, or name another with --vault" in by_name["vault"].sentence
    assert "disk" not in by_name
    full = computer.room(Vault(tmp_path), least_free=1 << 60)
    assert (full.name, full.level) == ("disk", "FAIL")
    assert full.sentence.endswith("expected 1.15292e+09 or more; free space, or use a larger disk")


@pytest.mark.parametrize(
    "options", [("--demo", "--once"), ("--at-once", "0"), ("--backfill", "soon"), ("--every", "x")]
)
def test_nonsense_is_refused(vault, box, options):
    """Exit code 2, and nothing is started."""
    assert finished(start(vault, box, *options))[0] == 2
    assert not vault.root.exists()


@posix
@pytest.mark.slow
def test_the_demo_heals_its_exchange_and_allows_one_start(tmp_path, box):
    """The exchange too may be killed: its market goes on; a second demo is refused with code 4."""
    vault = Vault(tmp_path / "demo")
    with running(vault, box, "--demo", "--every", "1h", "--backfill", "5m") as demo:
        wait_for(lambda: recorders(vault) and raw_bytes(vault) > 10_000, demo)
        code, _, errors = finished(start(vault, box, "--demo"))
        assert (code, "another demo works in" in errors) == (4, True)
        os.kill(beat(vault, "run_all")["tasks"]["exchange"]["pid"], signal.SIGKILL)
        wait_for(lambda: logged(vault).count("exchange runs") == 2, demo)
        restarted = times.utc_now_ms()
        wait_for(lambda: newest_ms(vault) > restarted, demo)
        demo.send_signal(signal.SIGINT)
        assert finished(demo)[0] == 0
    assert "trades_exporter ended with" not in logged(vault)
    assert "nothing is lost" not in logged(vault)
    assert f"next start of the demo begins anew: it empties {vault.root}" in logged(vault)
    ids = [
        int(json.loads(line)["trade_id"])
        for _, path in day_files(vault.trades(BTC))
        for line in path.read_bytes().splitlines()
    ]
    assert len(ids) > 100
    assert ids == sorted(set(ids))
    assert set(ledger(vault, BTC)) <= {"repaired"}  # one market, before and after


def script(folder: Path, text: str) -> str:
    """Write a program of a few lines."""
    path = folder / "program.py"
    path.write_text(
        f"import sys, time\nfrom ravequant.processes import lifeline\n{text}", encoding="utf-8"
    )
    return str(path)


def test_it_runs_without_streams(vault, box):
    """Under pythonw there is no stdin, stdout or stderr. --max-seconds ends it with one round more.

    The code is that of the round: 3, there is no data.
    """
    code = (
        "import sys; sys.stdin = sys.stdout = sys.stderr = None\n"
        "from scripts.run_all import main\n"
        f"vault = {str(vault.root)!r}\n"
        "raise SystemExit(main(['--vault', vault, '--no-exporters', '--max-seconds', '0.1']))"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, cwd=CHECKOUT, env=box, check=False).returncode == 3


def test_what_the_signals_are_told_with_is_passed_on(vault):
    """They are for find_signals, with --watch alone; what cannot work is refused at the start."""
    wanted = tasks.RunRequest(vault.root, [BTC], 300, 900, watch_s=30, watch_options=("--discord",))
    (task,) = tasks.watch(wanted)
    assert task.options[-3:] == ("--watch", "30", "--discord")
    args = run_all.parser().parse_args(
        ["--vault", str(vault.root), "--watch", "30", "--discord", "--min-score", "60"]
    )
    kept, _ = run_all.tasks(args, vault)
    assert kept[-1].options[-5:] == ("--watch", "30", "--min-score", "60", "--discord")
    more = ["--vault", str(vault.root), "--watch", "30", "--exec", f"'{sys.executable}' -c pass"]
    kept, _ = run_all.tasks(run_all.parser().parse_args(more), vault)
    assert kept[-1].options[-2:] == ("--exec", more[-1])
    for flags in (["--discord"], ["--min-score", "60"], ["--bell"], ["--exec", "x"]):
        with pytest.raises(UsageError) as caught:
            run_all.refuse_nonsense(run_all.parser().parse_args(flags))
        assert "add --watch 30" in str(caught.value)
    for flags, said in ((["--discord"], "no Discord webhook is set"),
                        (["--exec", "no-such-program"], "there is no program")):  # fmt: skip
        with pytest.raises(UsageError) as caught:
            run_all.refuse_nonsense(run_all.parser().parse_args(["--watch", "30", *flags]))
        assert said in str(caught.value)
