"""The calculators brought up to date: side by side first, then in one process that stays."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import active_children
from pathlib import Path
from unittest.mock import Mock

import pytest

from ravequant.contract import Contract
from ravequant.processes import worker_pool
from ravequant.signals import refresh as refresh_module
from ravequant.signals.refresh import LoadedCalculators, calculators, loaded, refresh
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import DEMO_MARKER
from tests.support.alert_cases import until
from tests.support.book_lines import put_metadata
from tests.support.notes_market import BTC, Market
from tests.support.trade_streams import write_raw

MINUTES = ("wicks", "volume", "cvd", "vwap")


@pytest.fixture
def scripts(tmp_path):
    """Make calculators; each notes its process and its arguments, then does as it is told."""

    def make(name, body):
        path = tmp_path / f"{name}.py"
        path.write_text(
            "import os, sys\n"
            "def main(argv=None):\n"
            f"    open({str(tmp_path / name)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
            "    print('a result, which nobody wants')\n"
            f"    {body}\n"
            "    return 0\n"
            "if __name__ == '__main__':\n    sys.exit(main())\n",
            encoding="utf-8",
        )
        return str(path)

    return make


@pytest.fixture
def pids(tmp_path):
    """Tell the processes in which a calculator ran."""
    return lambda name: (tmp_path / name).read_text(encoding="utf-8").split()


def test_what_it_does_is_what_the_programs_do(vault, caplog):
    """First side by side, then kept: the same states, nothing to complain of."""
    put_metadata(vault, BTC, Contract("0.01", "1", "linear"))
    lines = Market().lines()
    write_raw(vault, BTC, lines[:300])
    with LoadedCalculators() as kept:
        kept.refresh(vault, BTC)
        before = [vault.state(metric, BTC).read_bytes() for metric in MINUTES]
        write_raw(vault, BTC, lines)
        kept.refresh(vault, BTC)
    after = [vault.state(metric, BTC).read_bytes() for metric in MINUTES]
    assert all(old != new for old, new in zip(before, after, strict=True))
    refresh(vault, BTC)
    assert [vault.state(metric, BTC).read_bytes() for metric in MINUTES] == after
    assert caplog.text == ""


def test_book_flow_is_brought_up_to_date_once_it_has_begun(vault):
    """Its script brings the buckets along; before, nobody waits for it."""
    assert list(calculators(vault, BTC)) == ["vwap", "cvd", "volume", "wicks", "liquidity_buckets"]
    state = vault.state("book_flow", BTC)
    state.parent.mkdir(parents=True)
    state.write_bytes(b"{}")
    assert list(calculators(vault, BTC)) == ["vwap", "cvd", "volume", "wicks", "book_flow"]
    state = vault.state("liquidations", BTC)
    state.parent.mkdir(parents=True)
    state.write_bytes(b"{}")
    assert list(calculators(vault, BTC))[-2:] == ["book_flow", "liquidations"]
    state = vault.state("profile", BTC)
    state.parent.mkdir(parents=True)
    state.write_bytes(b"{}")
    assert list(calculators(vault, BTC))[-2:] == ["profile", "liquidations"]


def test_one_process_for_all_later_rounds(vault, scripts, pids):
    """Rounds of their own first, one for each calculator; then one process for all."""
    made = {name: scripts(name, "pass") for name in ("a", "b")}
    with LoadedCalculators() as kept:
        for _ in range(3):
            kept.refresh(vault, BTC, made)
        found = {name: pids(name) for name in made}
        kept.refresh(vault, "ETH-USDT-SWAP", made)
    assert len({*found["a"], *found["b"]}) == 3
    assert found["a"][1:] == found["b"][1:] == [found["a"][1]] * 2
    assert pids("a")[-1] != found["a"][1]


@pytest.mark.parametrize(
    "case",
    [
        ("raise ValueError('broken')", "ValueError('broken')"),
        ("sys.exit(2)", "it said nothing"),
        ("sys.exit('words')", "it said nothing"),
        ("sys.stderr.write('first\\nthe reason\\n'); return 1", "the reason"),
        ("sys.stderr.write('2026-01-01T00:00:00Z ERROR bad: it is 3; run x'); return 1", ": run x"),
        ("os._exit(9)", "the process of the calculators ended"),
    ],
)
def test_one_that_fails_does_not_stop_the_others(vault, scripts, pids, caplog, case):
    """It is said in one short line with its remedy; the others, and the next round, go on."""
    body, said = case
    bad = {"bad": scripts("bad", body), "good": scripts("good", "pass")}
    with LoadedCalculators() as kept:
        kept.refresh(vault, BTC, {})
        for _ in range(2):
            kept.refresh(vault, BTC, bad)
    assert len(pids("good")) == 2
    line = f"{BTC}: bad not up to date: "
    assert [one.getMessage().startswith(line) for one in caplog.records] == [True, True]
    assert said in caplog.records[0].getMessage()


def test_a_computer_that_starts_no_process_now(vault, scripts, pids, monkeypatch, caplog):
    """It is said like any other failure, and the next round tries again."""
    made = {"a": scripts("a", "pass")}
    with monkeypatch.context() as broken:
        broken.setattr(subprocess, "Popen", Mock(side_effect=OSError("x")))
        refresh(vault, BTC, made)
    with LoadedCalculators() as kept:
        kept.refresh(vault, BTC, {})
        with monkeypatch.context() as broken:
            broken.setattr(
                worker_pool, "ProcessPoolExecutor", Mock(side_effect=BrokenPipeError("x"))
            )
            kept.refresh(vault, BTC, made)
        kept.refresh(vault, BTC, made)
    assert [one.getMessage() for one in caplog.records] == [
        f"{BTC}: a not up to date: {why}"
        for why in ("x", "the process of the calculators ended: x")
    ]
    assert len(pids("a")) == 1


def test_those_that_fail_share_one_line(vault, scripts, caplog):
    """With each remedy once; the details are for the doctor."""
    fails = "sys.stderr.write('2026-01-01T00:00:00Z ERROR x: {}; run again'); return 1"
    bad = {name: scripts(name, fails.format(name)) for name in ("a", "b")}
    with LoadedCalculators() as kept:
        kept.refresh(vault, BTC, bad)
    assert caplog.messages == [f"{BTC}: a, b not up to date: run again"]


def test_a_lost_state_is_told_with_a_command_that_exists(vault, scripts, caplog):
    """That of the calculator, or of run_all for several: find_signals itself rebuilds nothing."""
    fails = "sys.stderr.write('2026-01-01T00:00:00Z ERROR x: lost; run again with --rebuild'); "
    bad = {name: scripts(name, f"{fails}return 1") for name in ("a", "b")}
    refresh(vault, BTC, {"a": bad["a"]})
    refresh(vault, BTC, bad)
    one, several = caplog.messages
    start, option = "not up to date: run again with --rebuild: ", f"--vault {vault.root}"
    assert one == f"{BTC}: a {start}python {bad['a']} {option} --instId {BTC} --rebuild"
    command = f"python scripts/run_all.py {option} --rebuild"
    assert several == f"{BTC}: a, b {start}end run_all, then: {command}"
    vault.root.mkdir()
    (vault.root / DEMO_MARKER).touch()
    refresh(vault, BTC, bad)
    assert caplog.messages[-1].endswith(f"python scripts/run_all.py --demo {option} --rebuild")


def test_of_a_slip_in_the_settings_the_reason_stands_first(vault, scripts, caplog):
    """Its remedy alone, a question, says nothing."""
    slip = "r.toml: signals.near_bp is unknown; did you mean signals.near_bps?"
    fails = f"sys.stderr.write('2026-01-01T00:00:00Z ERROR x: {slip}'); return 2"
    refresh(vault, BTC, {name: scripts(name, fails) for name in ("a", "b")})
    assert caplog.messages == [f"{BTC}: a, b not up to date: {slip}"]


def test_without_data_it_is_silent(vault, caplog):
    """No raw data yet is no failure."""
    with LoadedCalculators() as kept:
        for _ in range(2):
            kept.refresh(vault, BTC)
    assert caplog.text == ""


def test_one_that_runs_elsewhere_is_not_waited_for_long(vault, caplog):
    """Its last commit is used."""
    put_metadata(vault, BTC, Contract("0.01", "1", "linear"))
    write_raw(vault, BTC, Market().lines())
    with LoadedCalculators() as kept, writer_lock(vault, "vwap", BTC):
        kept.refresh(vault, BTC, {})
        kept.refresh(vault, BTC, {"vwap": calculators(vault, BTC)["vwap"]})
    assert caplog.messages == [f"{BTC}: vwap not up to date: another run is at work on it"]


def runs(pid):
    """Return True if this process has a child of this number."""
    return int(pid) in {child.pid for child in active_children()}


def test_no_process_stays_behind(scripts, vault, pids):
    """The process of the calculators ends with the watch."""
    made = {"a": scripts("a", "pass")}
    with LoadedCalculators() as kept:
        for _ in range(2):
            kept.refresh(vault, BTC, made)
        (_, pid) = pids("a")
        assert runs(pid)
    until(lambda: not runs(pid))


def test_a_calculator_that_does_not_end_is_ended(scripts, vault, pids, monkeypatch):
    """Ctrl-C in a long run: the watch waits for a moment, not for the run."""
    monkeypatch.setattr(refresh_module, "_LAST_S", 0.2)
    slow = scripts("slow", "import time; time.sleep(argv is not None and 60)")
    kept = LoadedCalculators()
    with kept, ThreadPoolExecutor(1) as thread:
        kept.refresh(vault, BTC, {})
        thread.submit(kept.refresh, vault, BTC, {"slow": slow})
        until((Path(slow).parent / "slow").exists)
        kept.__exit__(None, None, None)
    until(lambda: not runs(pids("slow")[0]))


def test_another_thread_ends_a_first_round(scripts, vault, pids, caplog):
    """Processes of the first round are ended too, and none is begun any more."""
    slow = {"slow": scripts("slow", "import time; time.sleep(60)")}
    kept = LoadedCalculators()
    with ThreadPoolExecutor(1) as thread:
        round_one = thread.submit(kept.refresh, vault, BTC, slow)
        until((Path(slow["slow"]).parent / "slow").exists)
        kept.end()
        round_one.result(timeout=20)
        kept.refresh(vault, "ETH-USDT-SWAP", slow)
    assert len(pids("slow")) == 1


def test_what_a_calculator_prints_stays_out_of_the_answer(scripts, vault):
    """Not even a write past Python reaches stdout, where the signals stand."""
    made = scripts("a", "print('one'); os.write(1, b'two'); os.system('echo three')")
    code = (
        "from pathlib import Path\n"
        "from ravequant.signals.refresh import LoadedCalculators\n"
        "from ravequant.vault.paths import Vault\n"
        "if __name__ == '__main__':\n"
        "    with LoadedCalculators() as kept:\n"
        "        for _ in range(2):\n"
        f"            kept.refresh(Vault(Path({str(vault.root)!r})), {BTC!r}, {{'a': {made!r}}})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.skipif(os.name == "nt", reason="a Ctrl-C of one process alone is POSIX")
def test_an_interrupt_is_for_the_watch(scripts, vault, pids):
    """Ctrl-C reaches the whole terminal; the calculator's run is ended in order all the same."""
    made = {"a": scripts("a", "pass")}
    with LoadedCalculators() as kept:
        kept.refresh(vault, BTC, {})
        kept.refresh(vault, BTC, made)
        os.kill(int(pids("a")[0]), signal.SIGINT)
        time.sleep(0.1)
        kept.refresh(vault, BTC, made)
    first, second = pids("a")
    assert first == second


def test_a_script_is_loaded_once(scripts):
    """That is what the process is for."""
    path = scripts("once", "pass")
    assert loaded(path) is loaded(path)
    with pytest.raises(ImportError, match="is no Python file"):
        loaded(path.removesuffix(".py"))
