"""The folder of a demo: emptied only if a demo made it, and one demo at a time."""

from scripts.showcase.demo_vault import emptied
from tests.scripts.test_demo import start


def test_data_that_no_demo_made_is_left_alone(tmp_path):
    """A folder with somebody's data is refused before anything is touched."""
    vault = tmp_path / "vault"
    vault.mkdir()
    (vault / "mine.jsonl").write_text("{}\n", encoding="utf-8")
    with start(vault) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors == (
        f"demo: FAILED: {vault} holds data that no demo made: name another folder with --vault\n"
    )
    assert [path.name for path in vault.iterdir()] == ["mine.jsonl"]


def test_a_file_is_no_folder_for_it(tmp_path):
    """A ``--vault`` that names a file is refused in one line, and the file stays."""
    vault = tmp_path / "notes.txt"
    vault.write_text("mine", encoding="utf-8")
    with start(vault) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.startswith(f"demo: FAILED: {vault} cannot be used: ")
    assert errors.count("\n") == 1
    assert vault.read_text(encoding="utf-8") == "mine"


def test_a_second_demo_is_refused(tmp_path):
    """While one demo works in a folder another one is refused, and takes nothing away."""
    vault = tmp_path / "vault"
    with emptied(vault):
        (vault / "rows.jsonl").write_text("{}\n", encoding="utf-8")
        with start(vault) as process:
            _, errors = process.communicate(timeout=60)
        assert process.returncode == 4
        assert errors == (
            f"demo: FAILED: another demo works in {vault}: wait for it, or use --vault\n"
        )
        assert (vault / "rows.jsonl").exists()
