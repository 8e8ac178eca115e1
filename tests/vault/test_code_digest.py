"""The digest of a program's code: of the library and its own folder, and of nothing else."""

from ravequant.vault import code_digest
from ravequant.vault.code_digest import code_at_start, code_on_disk


def test_it_follows_the_library_and_the_program_s_own_folder(tmp_path):
    """A change of a line, of a name, a new file: another digest; a README or a test: the same."""
    for name in ("ravequant/a.py", "Trades_Bot/b.py", "L2_Bot/c.py", "tests/d.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("1\n", "utf-8")

    def found() -> tuple[str | None, str | None]:
        return code_on_disk("trades_exporter", tmp_path), code_on_disk("l2_exporter", tmp_path)

    before = found()
    assert before[0] != before[1]
    (tmp_path / "tests/d.py").write_text("2\n", "utf-8")
    (tmp_path / "ravequant/README.md").touch()
    assert found() == before
    (tmp_path / "Trades_Bot/b.py").write_text("2\n", "utf-8")
    trades, books = found()
    assert (trades == before[0], books == before[1]) == (False, True)
    (tmp_path / "ravequant/a.py").rename(tmp_path / "ravequant/e.py")
    assert found()[0] != trades
    assert found()[1] != before[1]


def test_only_programs_have_code(tmp_path):
    """A component of another name has no digest; without a checkout only that of no file."""
    assert code_on_disk("x") is None
    assert code_at_start("x") is None


def test_at_start_it_is_read_once(monkeypatch):
    """A program that runs keeps the digest of its start, whatever comes to be on disk."""
    code_at_start.cache_clear()
    first = code_at_start("vwap")
    assert first == code_on_disk("vwap")
    monkeypatch.setattr(code_digest, "code_on_disk", lambda _: "another")
    assert code_at_start("vwap") == first
