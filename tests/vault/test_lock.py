"""One writer per stream and instrument, between real processes."""

import os
import subprocess
import sys
import threading
import time

import orjson
import pytest

from ravequant.errors import LockedError, UsageError
from ravequant.vault import lock as lock_module
from ravequant.vault.lock import after_others, if_free, turn, writer_lock

BTC = "BTC-USDT-SWAP"
HOLDER = """
import sys
from pathlib import Path
from ravequant.errors import RaveQuantError
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault
try:
    with writer_lock(Vault(Path(sys.argv[1])), "trades_perps", "BTC-USDT-SWAP"):
        print("held", flush=True)
        sys.stdin.read()
except RaveQuantError as error:
    print(error, flush=True)
    sys.exit(error.exit_code)
"""


def start(vault):
    """Start a program that takes the lock and holds it until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(vault.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def signed(path):
    """Return what the holder wrote beside its lock."""
    return orjson.loads(path.read_bytes())


def test_a_second_program_is_told_who_holds_the_lock(vault):
    """The message names stream, instrument, program, pid and start time; the exit code is 4."""
    with start(vault) as first:
        assert first.stdout.readline() == "held\n"
        since = signed(vault.lock("trades_perps", BTC).with_suffix(".json"))["started_utc"]
        with pytest.raises(LockedError) as caught, writer_lock(vault, "trades_perps", BTC):
            pass
        assert str(caught.value) == (
            f"trades_perps of BTC-USDT-SWAP has its one writer already: -c, pid {first.pid}, "
            f"since {since}; stop that program first, or leave the work to it"
        )
        assert caught.value.exit_code == 4
        first.stdin.close()
        assert first.wait() == 0
    with writer_lock(vault, "trades_perps", BTC):
        pass


def test_a_killed_holder_leaves_the_lock_free(vault):
    """What a killed program left beside the lock blocks nobody, and is replaced."""
    holder = vault.lock("trades_perps", BTC).with_suffix(".json")
    with start(vault) as first:
        assert first.stdout.readline() == "held\n"
        first.kill()
        first.wait()
    assert holder.exists()
    with writer_lock(vault, "trades_perps", BTC):
        assert signed(holder)["pid"] == os.getpid()
    assert not holder.exists()


@pytest.mark.parametrize("_race", range(10))
def test_of_programs_started_together_one_wins(vault, _race):
    """Of five that start at once one holds the lock, and the others name it and exit with 4."""
    runners = [start(vault) for _ in range(5)]
    said = [runner.stdout.readline() for runner in runners]
    winners = [runner for runner, line in zip(runners, said, strict=True) if line == "held\n"]
    codes = [runner.wait() for runner in runners if runner not in winners]
    for runner in runners:
        runner.communicate()
    assert len(winners) == 1
    assert winners[0].returncode == 0
    assert codes == [4] * 4
    assert all(f"pid {winners[0].pid}, since" in line for line in said if line != "held\n")


def test_one_process_cannot_take_it_twice(vault):
    """The second taker may be in the same process."""
    with (
        writer_lock(vault, "vwap", BTC),
        pytest.raises(LockedError, match=f"pid {os.getpid()}, since"),
        writer_lock(vault, "vwap", BTC),
    ):
        pass


def test_streams_and_instruments_are_apart(vault):
    """Each stream of each instrument has its own lock."""
    with (
        writer_lock(vault, "vwap", BTC),
        writer_lock(vault, "cvd", BTC),
        writer_lock(vault, "vwap", "ETH-USDT-SWAP"),
    ):
        pass


def test_the_lock_is_given_back_after_an_error(vault):
    """An error inside passes through, and the lock is free after it."""
    with pytest.raises(RuntimeError, match="inside"), writer_lock(vault, "vwap", BTC):
        raise RuntimeError("inside")
    with writer_lock(vault, "vwap", BTC):
        pass


@pytest.mark.parametrize("left", [b"", b"garbage", b"[]", b'{"pid":1}', b"\xff"])
def test_a_damaged_name_blocks_nobody_and_is_not_believed(vault, left, monkeypatch):
    """Without a readable name the message says so."""
    monkeypatch.setattr(lock_module, "_ASK_AGAIN_S", 0)
    holder = vault.lock("vwap", BTC).with_suffix(".json")
    holder.parent.mkdir(parents=True)
    holder.write_bytes(left)
    with writer_lock(vault, "vwap", BTC):
        holder.write_bytes(left)
        with pytest.raises(LockedError) as caught, writer_lock(vault, "vwap", BTC):
            pass
    assert str(caught.value) == (
        "vwap of BTC-USDT-SWAP has its one writer already: a program that left no name in "
        f"{holder}; stop that program first, or leave the work to it"
    )


def test_an_illegal_instrument_has_no_lock(vault):
    """No path is built from a name that is not an instrument's."""
    with pytest.raises(UsageError), writer_lock(vault, "vwap", "../x"):
        pass
    assert not vault.root.exists()


def test_a_moments_work_waits_for_its_turn(vault):
    """The second one goes on once the first is done; it is not refused."""
    order: list[str] = []

    def second() -> None:
        with turn(vault, "metadata", BTC):
            order.append("second")

    other = threading.Thread(target=second)
    with turn(vault, "metadata", BTC):
        other.start()
        time.sleep(0.2)
        order.append("first")
    other.join(10)
    assert order == ["first", "second"]


def test_a_turn_that_never_comes_is_an_error(vault, monkeypatch):
    """Somebody hangs there: said by name instead of waiting for ever."""
    monkeypatch.setattr(lock_module, "_TURN_S", 0.1)
    hanging, waiting = turn(vault, "metadata", BTC), turn(vault, "metadata", BTC)
    with hanging, pytest.raises(LockedError) as caught, waiting:
        pass
    assert str(caught.value) == (
        f"{vault.lock('metadata', BTC)}: metadata of BTC-USDT-SWAP has been held for 0.1 s, "
        "expected a moment; end the program that hangs there"
    )


def test_a_work_that_another_program_does_is_left_to_it(vault):
    """Without waiting; once that is done it can be taken."""
    with if_free(vault, "bars", BTC) as first, if_free(vault, "bars", BTC) as second:
        assert (first, second) == (True, False)
    with if_free(vault, "bars", BTC) as third:
        assert third


def test_a_work_whose_lock_cannot_be_taken_is_left_out(vault):
    """A folder that cannot be made is no error here."""
    vault.root.mkdir(parents=True, exist_ok=True)
    (vault.root / "state").write_bytes(b"")
    with if_free(vault, "bars", BTC) as free:
        assert not free


def test_a_work_that_another_program_does_is_waited_for(vault):
    """Until it is done; the time of waiting is known, and none is where nobody does it."""
    waits = list[float | None]()

    def second() -> None:
        with after_others(vault, "bars_kept", BTC, 30) as waited:
            waits.append(waited)

    other = threading.Thread(target=second)
    with after_others(vault, "bars_kept", BTC, 30) as waited:
        assert waited is None
        other.start()
        time.sleep(0.3)
        assert waits == []
    other.join(10)
    assert waits[0] is not None
    assert 0.2 < waits[0] < 10


def test_a_work_that_never_ends_is_waited_for_so_long(vault):
    """Then the caller goes on without the lock, which the other still holds."""
    with after_others(vault, "bars_kept", BTC, 30):
        with after_others(vault, "bars_kept", BTC, 0.2) as waited:
            assert waited is not None
            assert waited >= 0.2
        with if_free(vault, "bars_kept", BTC) as free:
            assert not free
    with after_others(vault, "bars_kept", BTC, 0.2) as waited:
        assert waited is None


def test_a_lock_that_cannot_be_had_is_gone_without(vault):
    """A folder that cannot be made is no reason to wait."""
    vault.root.mkdir(parents=True, exist_ok=True)
    (vault.root / "state").write_bytes(b"")
    with after_others(vault, "bars_kept", BTC, 30) as waited:
        assert waited is None
