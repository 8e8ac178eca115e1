"""The retention command: its table, its JSON, its exit codes, and a kill in the middle."""

import subprocess
import sys

import orjson
import pytest

from L2_Bot import l2_retention
from ravequant import settings, times
from ravequant.errors import NoDataError
from ravequant.settings import Retention
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import CHECKOUT
from ravequant.vault.retention import plan
from ravequant.vault.retention.run import RetentionRun
from tests.support.aged_vaults import (
    BTC,
    ETH,
    NOW,
    fill,
    hour,
    line_of,
    lines_of,
    write,
)


@pytest.fixture
def recent(vault):
    """Return a vault that was written up to this very hour."""
    fill(vault, times.utc_now_ms())
    return vault


def test_the_command_shows_what_it_did_and_what_is_to_come(recent):
    """A table by stream and instrument, then the forecast; nothing else on stdout."""
    script = CHECKOUT / "L2_Bot" / "l2_retention.py"
    command = [sys.executable, script, "--vault", recent.root, "--keep-gb", "0.5"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=recent.root)
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.splitlines()
    assert lines[0].split() == [
        "stream", "instId", "size", "packed", "deleted", "skipped", "freed", "a", "day",
    ]  # fmt: skip
    assert [line.split()[:2] for line in lines[1:9]] == [
        [stream, inst_id]
        for inst_id in (BTC, ETH)
        for stream in (plan.BOOKS, plan.DEEP, plan.TRADES, plan.BUCKETS)
    ]
    assert lines[9] == ""
    assert lines[10].startswith("The vault holds ")
    assert lines[11].startswith("Budget 500 MB: full in ")
    assert lines[12].startswith("Disk, ")
    assert "compressed " in answer.stderr


def test_json_gives_all_of_it_as_one_object(recent, capsys):
    """Sizes in bytes; each action with its file, reason and end."""
    assert l2_retention.main(["--vault", str(recent.root), "--json", "--dry-run"]) == 0
    facts = orjson.loads(capsys.readouterr().out)
    assert facts["dry_run"] is True
    assert facts["total"] > 0
    assert len(facts["streams"]) == 8
    assert {action["status"] for action in facts["actions"]} == {"planned"}
    assert facts["actions"][0].keys() == {
        "action", "stream", "instId", "file", "reason", "status", "freed_bytes",
    }  # fmt: skip


def test_the_moment_to_which_ages_count_is_said(vault, capsys):
    """Where it is not the clock; and that nothing is deleted where nobody knows it."""
    at = ["--vault", str(vault.root), "--dry-run"]
    write(vault.snapshots(BTC) / f"{hour(0)}.jsonl", b"no record\n")
    assert l2_retention.main(at) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1] == "Nothing is deleted: no raw record says how late it is."
    fill(vault, NOW, hours=24)
    assert l2_retention.main(at) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1] == "Ages count to 2025-12-14T22:00Z, an hour after the newest raw record."
    assert l2_retention.main([*at, "--json"]) == 0
    facts = orjson.loads(capsys.readouterr().out)
    assert (facts["ages_to_utc"], facts["deletes"]) == ("2025-12-14T22:00:00.000Z", True)
    assert l2_retention.main([*at, "--json", "--now", "2026-01-14 23:30 +01:00"]) == 0
    facts = orjson.loads(capsys.readouterr().out)
    assert facts["ages_to_utc"] == facts["now_utc"] == "2026-01-14T22:30:00.000Z"
    assert "delete" in {action["action"] for action in facts["actions"]}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--keep-gb", "0"], 2, "--keep-gb 0 would keep nothing; give a number of GB above 0"),
        (["--keep-gb", "-1"], 2, "--keep-gb: '-1' is not a plain decimal"),
        (["--now", "2099-01-01T00:00:00Z"], 2, "would delete by a made-up clock; add --dry-run"),
        (["--now", "soon", "--dry-run"], 2, "--now: 'soon' is not a time; expected"),
        (["--keep-gb", "0.000000001"], 1, "over its budget and no older book hour is left"),
    ],
)
def test_what_cannot_be_is_said(recent, capsys, arguments, code, message):
    """Exit 2 for a wrong argument, 1 for a budget that cannot be met."""
    with pytest.raises(SystemExit) as end:
        sys.exit(l2_retention.main(["--vault", str(recent.root), *arguments]))
    assert end.value.code == code
    assert message in capsys.readouterr().err


def test_the_budget_may_stand_in_the_settings(recent, tmp_path, monkeypatch, capsys):
    """``[retention] keep_gb``; the flag goes before it."""
    file = tmp_path / "own.toml"
    file.write_text('[retention]\nkeep_gb = "0.000000001"\n', encoding="utf-8")
    monkeypatch.setenv(settings.SETTINGS_VARIABLE, str(file))
    assert l2_retention.main(["--vault", str(recent.root), "--dry-run"]) == 1
    assert l2_retention.main(["--vault", str(recent.root), "--dry-run", "--keep-gb", "5"]) == 0
    assert "Budget 5 GB" in capsys.readouterr().out


def test_a_second_run_at_the_same_time_exits_with_code_4(recent):
    """Two schedulers do not pack one file."""
    with writer_lock(recent, "retention", ETH):
        assert l2_retention.main(["--vault", str(recent.root)]) == 4


@pytest.mark.parametrize("at", [5, 10, 15, 20])
def test_a_run_killed_for_real_leaves_its_lock_free(vault, at):
    """SIGKILL: the next run starts at once, and readers find every line before and after it."""
    now = times.utc_now_ms()
    for age in (-1, 0, 8, 9, 10, 11):
        key = hour(age, now)
        write(vault.snapshots(BTC) / f"{key}.jsonl", line_of(key) * 50)
    before = lines_of(vault)
    arguments = ["--vault", str(vault.root)]
    command = [
        sys.executable,
        "-m",
        "tests.support.crashes",
        str(at),
        "L2_Bot.l2_retention",
        *arguments,
    ]
    killed = subprocess.run(command, capture_output=True, check=False, cwd=CHECKOUT)
    assert killed.returncode not in {0, 1}, killed.stderr
    assert lines_of(vault) == before
    assert l2_retention.main(arguments) == 0
    assert lines_of(vault) == before
    assert len(list(vault.snapshots(BTC).rglob("*.gz"))) == 4
    assert not list(vault.root.rglob("*.tmp"))


def test_an_empty_vault_is_no_data(vault):
    """Exit 3, with what to do."""
    with pytest.raises(NoDataError) as nothing:
        RetentionRun(vault, Retention(), NOW).go()
    assert str(nothing.value) == (
        f"no dated files in {vault.root}; start an exporter, or name another vault with --vault"
    )
    assert l2_retention.main(["--vault", str(vault.root)]) == 3
