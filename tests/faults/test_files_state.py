"""C1, C2: what a calculator stands on was spoiled: a clear error that names the way out, I4."""

# ruff: noqa: PLR0917 - fixtures come by name

import random
from collections.abc import Callable
from typing import Any

import pytest

from ravequant.errors import VaultError
from ravequant.vault import commit
from ravequant.vault.paths import Vault
from tests.faults.calculators import BTC, CALCULATORS, PARTS, CalculatorRun, copied

Spoil = Callable[[CalculatorRun, Vault], None]


@pytest.fixture(params=CALCULATORS)
def calculator(request):
    """Return one calculator after the other."""
    return CALCULATORS[request.param]


@pytest.fixture
def standing(calculator, tmp_path):
    """Return a vault with two parts of three computed."""
    vault = Vault(tmp_path / "standing")
    for part in range(PARTS - 1):
        calculator.put(vault, part)
    assert calculator.run(vault) == 0
    return vault


@pytest.fixture
def wanted(calculator, standing):
    """Return what one run over all makes of it."""
    whole = copied(standing, "whole")
    calculator.put(whole, PARTS - 1)
    assert calculator.run(whole) == 0
    return calculator.made(whole)


def resealed(change: Callable[[dict[str, Any]], Any]) -> Spoil:
    """Return what changes the facts of a state and seals it again, as a program would."""

    def spoil(calculator: CalculatorRun, vault: Vault) -> None:
        path = vault.state(calculator.metric, BTC)
        facts = commit.read_state(path, calculator.metric, BTC)
        assert facts is not None
        change(facts)
        commit.write_state(path, facts)

    return spoil


def bytes_of_state(change: Callable[[bytes], bytes]) -> Spoil:
    """Return what changes the bytes of a state."""

    def spoil(calculator: CalculatorRun, vault: Vault) -> None:
        path = vault.state(calculator.metric, BTC)
        path.write_bytes(change(path.read_bytes()))

    return spoil


def newest_output(change: Callable[[bytes], bytes]) -> Spoil:
    """Return what changes the newest output file."""

    def spoil(calculator: CalculatorRun, vault: Vault) -> None:
        path = max(vault.derived(calculator.metric, BTC).glob("*.jsonl"))
        path.write_bytes(change(path.read_bytes()))

    return spoil


def newest_raw(change: Callable[[bytes], bytes]) -> Spoil:
    """Return what changes the raw file that was read last."""

    def spoil(calculator: CalculatorRun, vault: Vault) -> None:
        path = calculator.raw(vault)[-1]
        path.write_bytes(change(path.read_bytes()))

    return spoil


def other_bytes(data: bytes) -> bytes:
    return data.replace(b"1", b"2")


STATES: dict[str, tuple[Spoil, str]] = {
    "empty": (bytes_of_state(lambda _: b""), "is damaged"),
    "NULs": (bytes_of_state(lambda data: bytes(len(data))), "is damaged"),
    "no state": (bytes_of_state(lambda _: b"[1]\n"), "is damaged"),
    "edited": (bytes_of_state(lambda data: data.replace(b"2025", b"2024", 1)), "was changed"),
    "of a future version": (resealed(lambda f: f.update(version=2)), "has version 2"),
    "of another instrument": (resealed(lambda f: f.update(instId="ETH-USDT-SWAP")), "not of"),
    "of another calculator": (resealed(lambda f: f.update(metric="other")), "not of"),
    "without a fold": (resealed(lambda f: f.pop("fold")), "cannot be read"),
    "beyond the raw data": (resealed(lambda f: f["cursor"].update(offset=10**9)), "shortened"),
    "beyond the output": (resealed(lambda f: f["output"].update(length=10**9)), "not what was"),
    "of other settings": (resealed(lambda f: f.update(parameters={"x": 1})), "settings now say"),
    "deleted": (
        lambda calculator, vault: vault.state(calculator.metric, BTC).unlink(),
        "exists, but",
    ),
}
FILES: dict[str, tuple[Spoil, str]] = {
    "raw removed": (
        lambda calculator, vault: calculator.raw(vault)[-1].unlink(),
        "was read before and is",
    ),
    "raw replaced": (newest_raw(other_bytes), "was replaced"),
    "raw shortened": (newest_raw(lambda data: data[: len(data) // 2]), "was shortened"),
    "raw emptied": (newest_raw(lambda _: b""), "was shortened"),
    "output removed": (
        lambda calculator, vault: max(
            vault.derived(calculator.metric, BTC).glob("*.jsonl")
        ).unlink(),
        "is not what was committed",
    ),
    "output edited": (newest_output(lambda data: data[:-9] + b"9" + data[-8:]), "is not what was"),
    "output shortened": (newest_output(lambda data: data[:-200]), "is not what was committed"),
}


def check(
    calculator: CalculatorRun, vault: Vault, wanted: dict[str, bytes], message: str, err: str
) -> None:
    """It refused with a message and a remedy; nothing else changed; ``--rebuild`` heals it."""
    assert message in err, err
    assert "--rebuild" in err
    assert "Traceback" not in err
    calculator.put(vault, PARTS - 1)
    assert calculator.run(vault, "--rebuild") == 0
    assert calculator.made(vault) == wanted


@pytest.mark.parametrize("what", STATES)
def test_a_spoiled_state(calculator, standing, wanted, what, faults, capsys):
    """Exit code 1, never a silent re-read, never mixed output; a rebuild gives the same bytes."""
    fact = faults.row("C1", "each calculator, a spoiled state file")
    spoil, message = STATES[what]
    spoil(calculator, standing)
    before = calculator.made(standing)
    capsys.readouterr()
    assert calculator.run(standing) == 1
    assert calculator.made(standing) == before
    fact.times += 1
    check(calculator, standing, wanted, message, capsys.readouterr().err)


def test_a_state_cut_or_turned_at_every_byte(calculator, standing, wanted, faults, capsys):
    """No prefix of a state passes for one, nor does one with any bit turned."""
    fact = faults.row("C1", "each calculator, its state cut and a bit turned at every byte")
    path = standing.state(calculator.metric, BTC)
    whole = path.read_bytes()
    chosen = range(len(whole) - 1) if faults.long else faults.random.sample(range(len(whole)), 60)
    for at in chosen:
        turned = bytes((whole[at] ^ 1 << faults.random.randrange(8),))
        for data in (whole[:at], whole[:at] + turned + whole[at + 1 :]):
            if data in (whole, whole[:-1]):
                continue
            path.write_bytes(data)
            fact.times += 1
            fact.add("refused", refused(calculator, standing))
    path.write_bytes(whole[: faults.random.randrange(len(whole) - 1)])
    capsys.readouterr()
    assert calculator.run(standing) == 1
    check(calculator, standing, wanted, str(path), capsys.readouterr().err)


def refused(calculator: CalculatorRun, vault: Vault) -> int:
    """Assert that the state is refused with its name and a remedy, and with nothing else."""
    with pytest.raises(VaultError) as found:
        commit.read_state(vault.state(calculator.metric, BTC), calculator.metric, BTC)
    assert str(vault.state(calculator.metric, BTC)) in str(found.value)
    assert "--rebuild" in str(found.value)
    return 1


@pytest.mark.parametrize("what", FILES)
def test_a_spoiled_file(calculator, standing, wanted, what, faults, capsys):
    """Raw data or output that is not what it was: exit code 1; put back or rebuilt, all is well."""
    fact = faults.row("C2", "each calculator, raw file or output removed, replaced, shortened")
    spoil, message = FILES[what]
    back = copied(standing, "back")
    spoil(calculator, standing)
    before = calculator.made(standing)
    capsys.readouterr()
    assert calculator.run(standing) == 1
    assert calculator.made(standing) == before
    err = capsys.readouterr().err
    fact.times += 1
    put_back = copied(back, "put-back")
    calculator.put(put_back, PARTS - 1)
    assert calculator.run(put_back) == 0
    assert calculator.made(put_back) == wanted
    for path in calculator.raw(back):
        (standing.root / path.relative_to(back.root)).write_bytes(path.read_bytes())
    check(calculator, standing, wanted, message, err)


def mutated(value: Any, chance: random.Random) -> Any:
    """Return a JSON value with one place of it turned into something else."""
    if isinstance(value, dict) and value:
        key = chance.choice([*value])
        if chance.random() < 0.1:
            return {name: held for name, held in value.items() if name != key}
        return {**value, key: mutated(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        return [*value[:at], mutated(value[at], chance), *value[at + 1 :]]
    return chance.choice(
        (None, True, -1, 0, 2**63, 10**30, 1.5, "", "x", "-5", "../../../../tmp/x", "\ud7ff", [],
        {}, [1], {"a": 1},
         "9" * 5000, "NaN", "1e5", "0" * 70, [[[]]], -(2**70), "2025-12-14/99")
    )  # fmt: skip


def test_a_sealed_state_that_says_anything(calculator, standing, faults, capsys):
    """Wrong types, wild numbers, names that lead out of the vault: refused, or read, inside it."""
    fact = faults.row("C1", "each calculator, a sealed state with wild values")
    path = standing.state(calculator.metric, BTC)
    facts = commit.read_state(path, calculator.metric, BTC)
    assert facts is not None
    outside = standing.root.parent
    calculator.put(standing, PARTS - 1)
    there = sorted(one.name for one in outside.iterdir())
    saved = {one: one.read_bytes() for one in vault_files(standing)}
    for _ in range(faults.count(20, 1_000)):
        key = faults.random.choice(["cursor", "beside", "output", *facts])
        body = {**facts, key: mutated(facts.get(key), faults.random)}
        try:
            commit.write_state(path, body)
        except TypeError:
            continue  # JSON cannot say it
        fact.times += 1
        try:
            code = calculator.run(standing)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            assert key in ("reader", "fold")  # sealed by whom? a program error, and loud
            code = 1
        err = capsys.readouterr().err
        assert code in {0, 1}, (code, err)
        assert code == 0 or key in ("reader", "fold") or " ERROR " in err, err
        assert sorted(one.name for one in outside.iterdir()) == there
        fact.add("refused", code)
        for one in set(vault_files(standing)) - set(saved):
            one.unlink()
        for one, data in saved.items():
            if not one.exists() or one.read_bytes() != data:
                one.write_bytes(data)


def vault_files(vault: Vault) -> list[Any]:
    return [one for one in vault.root.rglob("*") if one.is_file() and "locks" not in one.parts]
