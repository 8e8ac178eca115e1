"""C1, C2: what a calculator stands on was spoiled: a clear error that names the way out, I4."""

# ruff: noqa: PLR0917 - fixtures come by name

import random
from collections.abc import Callable
from typing import Any

import pytest

from ravequant.errors import VaultError
from ravequant.vault import commit
from ravequant.vault.paths import Vault
from tests.faults.rooms import BTC, PARTS, ROOMS, Room, copied

Spoil = Callable[[Room, Vault], None]


@pytest.fixture(params=ROOMS)
def room(request):
    """Return one calculator after the other."""
    return ROOMS[request.param]


@pytest.fixture
def standing(room, tmp_path):
    """Return a vault with two parts of three computed."""
    vault = Vault(tmp_path / "standing")
    for part in range(PARTS - 1):
        room.put(vault, part)
    assert room.run(vault) == 0
    return vault


@pytest.fixture
def wanted(room, standing):
    """Return what one run over all makes of it."""
    whole = copied(standing, "whole")
    room.put(whole, PARTS - 1)
    assert room.run(whole) == 0
    return room.made(whole)


def resealed(change: Callable[[dict[str, Any]], Any]) -> Spoil:
    """Return what changes the facts of a state and seals it again, as a program would."""

    def spoil(room: Room, vault: Vault) -> None:
        path = vault.state(room.metric, BTC)
        facts = commit.read_state(path, room.metric, BTC)
        assert facts is not None
        change(facts)
        commit.write_state(path, facts)

    return spoil


def bytes_of_state(change: Callable[[bytes], bytes]) -> Spoil:
    """Return what changes the bytes of a state."""

    def spoil(room: Room, vault: Vault) -> None:
        path = vault.state(room.metric, BTC)
        path.write_bytes(change(path.read_bytes()))

    return spoil


def newest_output(change: Callable[[bytes], bytes]) -> Spoil:
    """Return what changes the newest output file."""

    def spoil(room: Room, vault: Vault) -> None:
        path = max(vault.derived(room.metric, BTC).glob("*.jsonl"))
        path.write_bytes(change(path.read_bytes()))

    return spoil


def newest_raw(change: Callable[[bytes], bytes]) -> Spoil:
    """Return what changes the raw file that was read last."""

    def spoil(room: Room, vault: Vault) -> None:
        path = room.raw(vault)[-1]
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
    "deleted": (lambda room, vault: vault.state(room.metric, BTC).unlink(), "exists, but"),
}
FILES: dict[str, tuple[Spoil, str]] = {
    "raw removed": (lambda room, vault: room.raw(vault)[-1].unlink(), "was read before and is"),
    "raw replaced": (newest_raw(other_bytes), "was replaced"),
    "raw shortened": (newest_raw(lambda data: data[: len(data) // 2]), "was shortened"),
    "raw emptied": (newest_raw(lambda _: b""), "was shortened"),
    "output removed": (
        lambda room, vault: max(vault.derived(room.metric, BTC).glob("*.jsonl")).unlink(),
        "is not what was committed",
    ),
    "output edited": (newest_output(lambda data: data[:-9] + b"9" + data[-8:]), "is not what was"),
    "output shortened": (newest_output(lambda data: data[:-200]), "is not what was committed"),
}


def check(room: Room, vault: Vault, wanted: dict[str, bytes], message: str, err: str) -> None:
    """It refused with a message and a remedy; nothing else changed; ``--rebuild`` heals it."""
    assert message in err, err
    assert "--rebuild" in err
    assert "Traceback" not in err
    room.put(vault, PARTS - 1)
    assert room.run(vault, "--rebuild") == 0
    assert room.made(vault) == wanted


@pytest.mark.parametrize("what", STATES)
def test_a_spoiled_state(room, standing, wanted, what, faults, capsys):
    """Exit code 1, never a silent re-read, never mixed output; a rebuild gives the same bytes."""
    fact = faults.row("C1", "each calculator, a spoiled state file")
    spoil, message = STATES[what]
    spoil(room, standing)
    before = room.made(standing)
    capsys.readouterr()
    assert room.run(standing) == 1
    assert room.made(standing) == before
    fact.times += 1
    check(room, standing, wanted, message, capsys.readouterr().err)


def test_a_state_cut_or_turned_at_every_byte(room, standing, wanted, faults, capsys):
    """No prefix of a state passes for one, nor does one with any bit turned."""
    fact = faults.row("C1", "each calculator, its state cut and a bit turned at every byte")
    path = standing.state(room.metric, BTC)
    whole = path.read_bytes()
    chosen = range(len(whole) - 1) if faults.long else faults.random.sample(range(len(whole)), 60)
    for at in chosen:
        turned = bytes((whole[at] ^ 1 << faults.random.randrange(8),))
        for data in (whole[:at], whole[:at] + turned + whole[at + 1 :]):
            if data in (whole, whole[:-1]):
                continue
            path.write_bytes(data)
            fact.times += 1
            fact.add("refused", refused(room, standing))
    path.write_bytes(whole[: faults.random.randrange(len(whole) - 1)])
    capsys.readouterr()
    assert room.run(standing) == 1
    check(room, standing, wanted, str(path), capsys.readouterr().err)


def refused(room: Room, vault: Vault) -> int:
    """Assert that the state is refused with its name and a remedy, and with nothing else."""
    with pytest.raises(VaultError) as found:
        commit.read_state(vault.state(room.metric, BTC), room.metric, BTC)
    assert str(vault.state(room.metric, BTC)) in str(found.value)
    assert "--rebuild" in str(found.value)
    return 1


@pytest.mark.parametrize("what", FILES)
def test_a_spoiled_file(room, standing, wanted, what, faults, capsys):
    """Raw data or output that is not what it was: exit code 1; put back or rebuilt, all is well."""
    fact = faults.row("C2", "each calculator, raw file or output removed, replaced, shortened")
    spoil, message = FILES[what]
    back = copied(standing, "back")
    spoil(room, standing)
    before = room.made(standing)
    capsys.readouterr()
    assert room.run(standing) == 1
    assert room.made(standing) == before
    err = capsys.readouterr().err
    fact.times += 1
    put_back = copied(back, "put-back")
    room.put(put_back, PARTS - 1)
    assert room.run(put_back) == 0
    assert room.made(put_back) == wanted
    for path in room.raw(back):
        (standing.root / path.relative_to(back.root)).write_bytes(path.read_bytes())
    check(room, standing, wanted, message, err)


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


def test_a_sealed_state_that_says_anything(room, standing, faults, capsys):
    """Wrong types, wild numbers, names that lead out of the vault: refused, or read, inside it."""
    fact = faults.row("C1", "each calculator, a sealed state with wild values")
    path = standing.state(room.metric, BTC)
    facts = commit.read_state(path, room.metric, BTC)
    assert facts is not None
    outside = standing.root.parent
    room.put(standing, PARTS - 1)
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
            code = room.run(standing)
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
