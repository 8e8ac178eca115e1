"""Tests of scripts.bench.state: a vault's written files are put back as they were."""

from scripts.bench.state import WrittenFiles


def test_written_files_are_put_back(tmp_path):
    """Appended lines are cut off, replaced files are as before, new files are gone."""
    rows, state = tmp_path / "derived/rows.jsonl", tmp_path / "state/vwap.state.json"
    for path in (rows, state):
        path.parent.mkdir()
        path.write_text("before\n")
    kept = WrittenFiles.of(tmp_path)
    rows.write_text("before\nafter\n")
    state.write_text("after")
    (tmp_path / "state/new.lock").write_text("")
    kept.restore()
    assert rows.read_text() == state.read_text() == "before\n"
    assert not (tmp_path / "state/new.lock").exists()
