"""Raw days of large transfers of bitcoin, as verify_vault judges them."""

import pytest

from ravequant.vault.paths import ON_CHAIN
from scripts import verify_vault
from scripts.audit.chain_days import chain_days
from tests.support import chain_desk


@pytest.fixture
def path(vault):
    chain_desk.put(vault)
    return max(vault.btc_transfers(ON_CHAIN).iterdir())


def test_what_the_recorder_wrote_is_in_order(vault, path, capsys):
    """Also where times fall and a branch was replaced; verify_vault has a row for it."""
    (found,) = chain_days(vault, ON_CHAIN)
    assert (found.problems, found.notes) == ([], [])
    assert found.present == found.expected == len(chain_desk.lines(vault))
    assert verify_vault.main(["--vault", str(vault.root)]) == 0
    assert "BTC-ONCHAIN" in capsys.readouterr().out
    assert list(chain_days(vault, "BTC-USDT-SWAP")) == []


@pytest.mark.parametrize("order", [[0, 0], [1, 0], [0, 1, 0]], ids=["twice", "swapped", "again"])
def test_a_line_that_came_twice_or_out_of_order_is_named(vault, path, order):
    """Within a block, and of a block that comes a second time."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines + [lines[at] for at in order]))
    (found,) = chain_days(vault, ON_CHAIN)
    assert "came twice or out of order" in found.problems[0]


def test_bad_and_unfinished_lines(vault, path):
    """A line of another stream is bad; an unfinished one is only noted."""
    path.write_bytes(path.read_bytes() + b'{"instId":"BTC-USDT-SWAP"}\n{"timest')
    (found,) = chain_days(vault, ON_CHAIN)
    assert "1 lines are none of btc_transfers" in found.problems[0]
    assert "8 bytes of an unfinished line" in found.notes[0]
