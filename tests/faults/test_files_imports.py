"""A2: an import of books dies at every step, and the next run makes the vault of one whole run."""

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest

from L2_Bot import import_books
from ravequant.contract import Contract
from ravequant.errors import DONE
from ravequant.vault.paths import CHECKOUT, Vault
from tests.faults import disk
from tests.faults.disk import Order
from tests.support import book_archives
from tests.support.book_archives import BTC
from tests.support.book_imports import DAY, everything, first_day, two_days
from tests.support.book_lines import put_metadata
from tests.support.crashes import Stopped

KILLED = {-9, 137}
WAYS = {
    "hours": (),
    "buckets": ("--buckets-only",),
    "again": ("--replace",),
}


@pytest.fixture(params=WAYS)
def way(request) -> tuple[str, ...]:
    """Return the options of one way to import after the other."""
    return WAYS[request.param]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return two_days(tmp_path / "files")


def arguments(vault: Vault, folder: Path, way: tuple[str, ...]) -> list[str]:
    words = ["--vault", str(vault.root), "--dir", str(folder), "--instId", BTC, *way]
    return [*words, "--log-level", "error"]


@pytest.fixture
def standing(tmp_path: Path, folder: Path, way: tuple[str, ...]) -> Vault:
    """Return the vault before: with a longer first day, if that is to be imported again."""
    vault = Vault(tmp_path / "standing")
    put_metadata(vault, BTC, Contract("0.01", "1", "linear"))
    if "--replace" in way:
        assert import_books.main(arguments(vault, folder, ())) == DONE
        book_archives.write(folder, DAY, book_archives.lines(first_day()[:240]))
    return vault


def content(vault: Vault) -> dict[str, bytes]:
    """Return the data of a vault; of a day that was imported twice the newest account counts."""
    files = everything(vault)
    return {name: data for name, data in files.items() if not name.startswith(("state/", "meta/"))}


def accounts(vault: Vault) -> dict[tuple[str, str], Any]:
    """Return the newest account of each stream and day."""
    rows = orjson.loads(everything(vault)[f"meta/okx/imports/{BTC}.jsonl"])
    return {(row["stream"], row["day"]): row for row in rows}


@pytest.mark.parametrize("fault", ["kill", "torn", "power", "power-nul"])
def test_an_import_of_books_stopped_at_any_step(  # noqa: PLR0917 - fixtures
    tmp_path, folder, standing, way, fault, faults
):
    """Each hour is there whole or not at all; the next run gives the bytes of one run."""
    fact = faults.row("A2", "import of books, stopped at every step of a run")
    whole = Vault(shutil.copytree(standing.root, tmp_path / "whole"))
    with disk.faulty(Order(str(whole.root))) as taken:
        assert import_books.main(arguments(whole, folder, way)) == DONE
    places = range(1, len(taken) + 1)
    for at in places if faults.long else sorted(faults.random.sample(places, 3)):
        fact.times += 1
        dead = Vault(shutil.copytree(standing.root, tmp_path / f"{fault}-{at}"))
        with disk.faulty(Order(str(dead.root), fault, at)) as steps, suppress(Stopped):
            import_books.main(arguments(dead, folder, way))
        assert len(steps) >= at
        assert import_books.main(arguments(dead, folder, way)) == DONE
        assert content(dead) == content(whole), (at, taken[at - 1])
        assert accounts(dead) == accounts(whole), at
        shutil.rmtree(dead.root)
        fact.add("kills survived")


def test_an_import_of_books_killed(tmp_path, folder, standing, way, faults):
    """The same with SIGKILL, at random steps of a process of its own."""
    fact = faults.row("A2", "import of books, SIGKILL at random steps")
    whole = Vault(shutil.copytree(standing.root, tmp_path / "whole"))
    with disk.faulty(Order(str(whole.root))) as taken:
        assert import_books.main(arguments(whole, folder, way)) == DONE
    for number in range(faults.count(1, 15)):
        fact.times += 1
        dead = Vault(shutil.copytree(standing.root, tmp_path / f"dead-{number}"))
        order = Order(str(dead.root), "kill", faults.random.randint(1, len(taken)))
        command = disk.command(order, "L2_Bot.import_books", *arguments(dead, folder, way))
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, check=False, timeout=60)
        assert done.returncode in KILLED, done.stderr.decode()
        assert import_books.main(arguments(dead, folder, way)) == DONE
        assert content(dead) == content(whole), order.at
        fact.add("kills survived")
