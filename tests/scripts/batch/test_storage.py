"""Folders and object storages as source and target of a recomputation."""

import importlib
import importlib.util

import pytest

from scripts import recompute
from scripts.batch import storage
from tests.scripts.test_recompute import again, calculated, days
from tests.support.recompute_vault import outputs


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (["--source", "s3://box/vault"], "s3fs"),
        (["--source", "memory://vault"], "fsspec"),
        (["--engine", "dask"], "dask and distributed"),
    ],
)
def test_without_the_extra_it_says_what_to_install(tmp_path, capsys, monkeypatch, words, missing):
    """The core needs none of it, and the message is a command."""
    storage._storage.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    vault = days(tmp_path / "source")
    assert recompute.main(["--vault", str(vault.root), *words]) == 1
    err = capsys.readouterr().err
    assert f"{missing}: not installed" in err
    assert '-m pip install -e ".[scale]"' in err


def test_memory_is_of_one_process(tmp_path, capsys):
    """From memory to memory the bytes are the same; several workers are refused."""
    memory = pytest.importorskip("fsspec", reason="needs the extra [scale]").filesystem("memory")
    storage._storage.cache_clear()
    source = days(tmp_path / "source")
    wanted = calculated(tmp_path / "plain", source)
    for path in source.root.rglob("*.*"):
        if path.is_file():
            memory.pipe_file(f"/from/{path.relative_to(source.root)}", path.read_bytes())
    words = ["--source", "memory://from", "--target", "memory://to", "--scratch", tmp_path / "s"]
    assert again(capsys, *words)[0] == 0
    memory.get("/to/", str(tmp_path / "met") + "/", recursive=True)
    assert outputs(tmp_path / "met") == wanted
    assert recompute.main(["--workers", "2", *map(str, words)]) == 2
    assert "lives in one process" in capsys.readouterr().err
