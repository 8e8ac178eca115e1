"""Retention: what is due, what is done, what a kill leaves, and how long the disk will do."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from L2_Bot import l2_retention, retention_report
from L2_Bot import retention_plan as plan
from L2_Bot.retention_forecast import Growth, days_left, growth_of
from L2_Bot.retention_plan import Dated, Series, Survey
from L2_Bot.retention_run import Run
from ravequant import settings, times
from ravequant.errors import NoDataError
from ravequant.settings import Retention
from ravequant.vault import commit
from ravequant.vault.hours import hour_name
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import CHECKOUT, Vault, book_files, day_files
from tests import crashes

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
HOUR, DAY = times.HOUR_MS, times.DAY_MS
NOW = times.parse_iso("2025-12-14T21:30:00Z")
RULES = plan.rules_of(Retention())
METRIC = "liquidity_buckets"


def hour(age_hours: int, now: int = NOW) -> str:
    """Return the key of the hour that ended so many whole hours before the running one began."""
    return hour_name(now - (age_hours + 1) * HOUR)


def day(age_days: int, now: int = NOW) -> str:
    """Return the key of the day that ended so many whole days before the running one began."""
    return times.day(now - (age_days + 1) * DAY)


def books(*keys, stream=plan.BOOKS, size=100, **facts):
    """Return a series of plain files of one size."""
    files = tuple(Dated(stream, BTC, key, size, None) for key in sorted(keys))
    return Series(stream, BTC, files, **facts)


def due(series, now=NOW):
    """Return what is due, as (kind, key)."""
    return [(action.kind, action.file.key) for action in plan.by_age([series], RULES, now)]


# ------------------------------------------------------------------ the plan


def test_an_hour_is_compressed_after_six_hours_and_deleted_after_five_days():
    """Ages count from the end of the hour that the file is named after, to the millisecond."""
    old = "2025-12-09/21"
    end = times.parse_iso("2025-12-09T22:00:00Z")
    series = books(old, hour(0), read_to=hour(0))
    assert due(series, end + 6 * HOUR) == []
    assert due(series, end + 6 * HOUR + 1) == [("compress", old)]
    assert due(series, end + 5 * DAY) == [("compress", old)]
    assert due(series, end + 5 * DAY + 1) == [("delete", old)]


def test_an_hour_that_no_calculator_has_read_is_kept_ten_days():
    """Read is what stands before the file of the cursor; without a cursor nothing is."""
    keys = [hour(11 * 24), hour(7 * 24), hour(6 * 24), hour(0)]
    everything = [("delete", keys[0]), ("delete", keys[1]), ("delete", keys[2])]
    assert due(books(*keys, read_to=hour(0))) == everything
    assert due(books(*keys, read_to=keys[2])) == [*everything[:2], ("compress", keys[2])]
    assert due(books(*keys)) == [everything[0], ("compress", keys[1]), ("compress", keys[2])]
    reasons = [action.reason for action in plan.by_age([books(*keys)], RULES, NOW)]
    assert reasons == ["older than 10 days, never read", "older than 6 h", "older than 6 h"]


def test_the_newest_file_is_never_touched_however_old():
    """Its writer goes on in it after a pause of any length."""
    assert due(books(hour(30 * 24), read_to=hour(0))) == []
    assert due(books(day(400), stream=plan.TRADES)) == []


def test_the_running_hour_and_what_claims_to_come_after_it_are_left():
    """A file named after the future is nobody's to judge."""
    assert due(books("2025-12-14/21", "2025-12-20/03", "2026-01-01/00")) == []


def test_trade_and_bucket_days_are_compressed_after_two_days_and_stay():
    """Their ages count from the end of the day."""
    for stream in (plan.TRADES, plan.BUCKETS):
        keys = [day(400), day(2), day(1), day(0), "2025-12-14"]
        assert due(books(*keys, stream=stream)) == [("compress", keys[0]), ("compress", keys[1])]


def test_the_bucket_day_that_the_state_points_at_is_left():
    """A commit is checked against its plain file; a state that cannot be read protects all."""
    keys = [day(9), day(8), day(7), "2025-12-14"]
    assert due(books(*keys, stream=plan.BUCKETS, open_from=keys[1])) == [("compress", keys[0])]
    assert due(books(*keys, stream=plan.BUCKETS, open_from="")) == []


def test_what_is_compressed_already_is_left_alone():
    """Only where a plain form stands is there something to do."""
    files = (
        Dated(plan.BOOKS, BTC, hour(9), None, 10), Dated(plan.BOOKS, BTC, hour(8), 100, 10),
        Dated(plan.BOOKS, BTC, hour(0), 100, None),
    )  # fmt: skip
    assert due(Series(plan.BOOKS, BTC, files)) == [("compress", hour(8))]


def test_the_budget_takes_the_oldest_hours_first_and_the_unread_ones_last():
    """Never the newest, never a trade day; of what has been read no more than is needed."""
    read = books(hour(30), hour(20), hour(10), hour(0), read_to=hour(10))
    deep = books(hour(25), hour(0), stream=plan.DEEP, read_to=hour(0))
    trades = books(day(9), day(8), stream=plan.TRADES)

    def dropped(excess):
        drops = plan.over_budget([trades, read, deep], RULES, NOW, excess)
        return [(drop.file.stream, drop.file.key, drop.unread) for drop in drops]

    assert dropped(0) == []
    assert dropped(101) == [(plan.BOOKS, hour(30), False), (plan.DEEP, hour(25), False)]
    assert dropped(10**9) == [
        (plan.BOOKS, hour(30), False), (plan.DEEP, hour(25), False), (plan.BOOKS, hour(20), False),
        (plan.BOOKS, hour(10), True),
    ]  # fmt: skip


@given(
    ages=st.sets(st.integers(0, 400), min_size=1, max_size=40),
    read=st.none() | st.integers(0, 400),
    excess=st.integers(-100, 5000),
)
def test_whatever_stands_there_the_promises_hold(ages, read, excess):
    """Newest kept, nothing young deleted, unread ones ten days, the budget met where it can be."""
    read_to = None if read is None else hour(read)
    series = books(*map(hour, ages), read_to=read_to)
    newest = series.files[-1].key
    for action in plan.by_age([series], RULES, NOW):
        age = NOW - action.file.end
        assert action.file.key < newest
        assert age > 6 * HOUR
        if action.kind == plan.DELETE:
            read_already = read_to is not None and action.file.key < read_to
            assert age > (5 if read_already else 10) * DAY
    drops = plan.over_budget([series], RULES, NOW, excess)
    assert newest not in {drop.file.key for drop in drops}
    freed = sum(drop.frees for drop in drops)
    assert freed >= excess or len(drops) == len(ages) - 1
    assert freed < max(0, excess) + 100


def test_settings_change_every_limit():
    """Each number of the rules is a setting."""
    rules = plan.rules_of(Retention(1, 2, 3, 4, 5))
    assert rules[plan.BOOKS] == rules[plan.DEEP] == plan.Rule(HOUR, 2 * DAY, 3 * DAY)
    assert rules[plan.TRADES] == plan.Rule(4 * DAY)
    assert rules[plan.BUCKETS] == plan.Rule(5 * DAY)


# ------------------------------------------------------------------ the forecast


def test_growth_is_measured_over_finished_files_in_their_compressed_form():
    """100 bytes an hour plain, a tenth compressed: 240 a day, and the size at which it stays."""
    series = books(*map(hour, range(49)), packed_share=0.1)
    growth = growth_of(series, RULES[plan.BOOKS], NOW)
    assert growth is not None
    assert growth.per_day == pytest.approx(240)
    # 6 hours plain, the rest of 5 days compressed, less the 49 hours that are there
    assert growth.still == pytest.approx(0)
    packed = tuple(Dated(plan.BOOKS, BTC, file.key, None, 10) for file in series.files)
    smaller = growth_of(Series(plan.BOOKS, BTC, packed), RULES[plan.BOOKS], NOW)
    assert smaller is not None
    assert smaller.still == pytest.approx(6 * 100 + 114 * 10 - 490)


def test_trade_days_grow_for_ever_and_an_unfinished_day_is_no_measure():
    """The running day says nothing yet; days without a recording count as days."""
    assert growth_of(books("2025-12-14", stream=plan.TRADES), RULES[plan.TRADES], NOW) is None
    series = books(day(3), day(0), "2025-12-14", stream=plan.TRADES, packed_share=0.1)
    assert growth_of(series, RULES[plan.TRADES], NOW) == Growth(pytest.approx(5.0), None)


@pytest.mark.parametrize(
    ("room", "growths", "days"),
    [
        (100, [], None),
        (0, [], 0),
        (-5, [Growth(1, None)], 0),
        (100, [Growth(10, None)], 10),
        (100, [Growth(10, None), Growth(10, None)], 5),
        (100, [Growth(10, 50)], None),
        (100, [Growth(10, 100)], 10),
        (100, [Growth(10, 50), Growth(5, None)], 10),  # 5 days at 15, then 25 left at 5
        (100, [Growth(10, 20), Growth(10, 40), Growth(0, 5)], None),
        (100, [Growth(10, 0), Growth(5, None)], 20),
    ],
)
def test_the_days_left_follow_what_still_grows(room, growths, days):
    """Book hours stop growing once five days of them are there, trades do not."""
    assert days_left(room, growths) == (None if days is None else pytest.approx(days))


def test_the_forecast_in_words():
    """Budget and disk, in days; what nobody could measure is said."""
    series = books(day(3), day(0), "2025-12-14", stream=plan.TRADES, packed_share=0.1)
    seen = Survey((series, books(hour(0))), 400, 50)
    expected = retention_report.forecast(seen, RULES, NOW, 460)
    assert retention_report.sentences(expected) == [
        "The vault holds 400 B and grows by 5 B a day.",
        "Budget 460 B: full in 12 days; then the oldest book hours go first.",
        "Disk, 50 B free: full in 10 days.",
        "Not counted: 1 streams of which not one hour or day is finished yet.",
    ]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (45_200_000, "45.2 MB"), (999_600, "1 MB"),
     (2.5e9, "2.5 GB"), (3e12, "3 TB")],
)  # fmt: skip
def test_sizes_are_read_in_thousands(count, text):
    """Three figures and the unit."""
    assert retention_report.size(count) == text


# ------------------------------------------------------------------ the run


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def fill(vault: Vault, now: int, hours: int = 8 * 24, step: int = 5) -> None:
    """Write book hours, deep hours, trade days and bucket days up to ``now``."""
    for inst_id in (BTC, ETH):
        for age in (*range(-1, hours, step), hours):
            key = hour(age, now)
            line = b'{"timestamp_utc":"%s","instId":"%s"}\n' % (key.encode(), inst_id.encode())
            write(vault.snapshots(inst_id) / f"{key}.jsonl", line * 40)
            write(vault.deep_snapshots(inst_id) / f"{key}.jsonl", line * 20)
        for age in range(-1, hours // 24):
            line = b'{"day":"%s"}\n' % day(age, now).encode()
            write(vault.trades(inst_id) / f"{day(age, now)}.jsonl", line * 500)
            write(vault.derived(METRIC, inst_id) / f"{day(age, now)}.jsonl", line * 300)


def read_up_to(vault: Vault, inst_id: str, key: str, output: str) -> None:
    """Commit a calculator's state whose cursors stand in the hour ``key``."""
    facts = {
        "metric": METRIC, "instId": inst_id, "cursor": {"file": key}, "beside": {"file": key},
        "output": {"file": f"{output}.jsonl", "length": 0, "crc32": 0},
    }  # fmt: skip
    commit.write_state(vault.state(METRIC, inst_id), facts)


def lines_of(vault: Vault) -> dict[tuple[str, str, str], bytes]:
    """Return what readers find in every hour and day."""
    found = {}
    for inst_id in (BTC, ETH):
        for name, listing in [
            ("books", book_files(vault.snapshots(inst_id))),
            ("deep", book_files(vault.deep_snapshots(inst_id))),
            ("trades", day_files(vault.trades(inst_id))),
            ("buckets", day_files(vault.derived(METRIC, inst_id))),
        ]:
            for key, path in listing:
                data = path.read_bytes()
                found[name, inst_id, key] = gzip.decompress(data) if path.suffix == ".gz" else data
    return found


def tree(vault: Vault) -> dict[str, bytes]:
    """Return every file but the locks."""
    return {
        str(path.relative_to(vault.root)): path.read_bytes()
        for path in sorted(vault.root.rglob("*"))
        if path.is_file() and "locks" not in path.parts
    }


@pytest.fixture
def full(vault):
    """Return a vault with eight days of everything; BTC was read to the end, ETH never."""
    fill(vault, NOW)
    read_up_to(vault, BTC, hour(-1), times.day(NOW))
    return vault


def test_a_run_compresses_and_deletes_and_every_line_kept_is_the_same(full):
    """Five days of what was read, eight of what was not, all days of trades and buckets."""
    before = lines_of(full)
    run = Run(full, Retention(), NOW)
    run.go()
    after = lines_of(full)
    assert {outcome.status for outcome in run.outcomes} == {"done"}
    assert after.items() <= before.items()
    gone = {(name, inst_id) for name, inst_id, _ in before.keys() - after.keys()}
    assert gone == {("books", BTC), ("deep", BTC)}
    five_days = hour_name(NOW - 5 * DAY - HOUR)
    assert {key for _, _, key in before.keys() - after.keys()} == {
        key for name, _, key in before if name == "books" and key < five_days
    }
    names = {path.name for path in full.root.rglob("*.jsonl*")}
    assert len(names) > 8
    for inst_id in (BTC, ETH):
        plain = [path.stem for path in full.trades(inst_id).glob("*.jsonl")]
        assert sorted(plain) == [day(1), day(0), times.day(NOW)]
        assert len(list(full.snapshots(inst_id).rglob("*.jsonl"))) == 2  # the last 6 hours and now
    second = Run(full, Retention(), NOW)
    second.go()
    assert second.outcomes == []


def test_a_run_killed_at_any_step_is_ended_by_the_next_with_the_same_files(tmp_path):
    """Before every fsync, rename and deletion: nothing a reader should find is missing."""
    now = NOW

    def fresh(name: str) -> Vault:
        vault = Vault(tmp_path / name)
        for age in (-1, 5, 7, 130, 250):
            key = hour(age, now)
            write(vault.snapshots(BTC) / f"{key}.jsonl", b'{"hour":"%s"}\n' % key.encode() * 50)
        for age in (-1, 0, 3):
            write(vault.trades(BTC) / f"{day(age, now)}.jsonl", b'{"a":1}\n' * 50)
        return vault

    wanted = fresh("whole")
    first = lines_of(wanted)
    with crashes.steps(0) as steps:
        Run(wanted, Retention(), now).go()
    assert steps.count("replace") > 3  # three files and the lock's signature
    kept = lines_of(wanted)
    for at in range(1, len(steps)):  # the last one only takes the lock's signature away
        vault = fresh(f"killed-{at}")
        with crashes.steps(at), pytest.raises(crashes.Stopped):
            Run(vault, Retention(), now).go()
        found = lines_of(vault)
        assert kept.items() <= found.items() <= first.items(), steps[at - 1]
        Run(vault, Retention(), now).go()
        assert tree(vault) == tree(wanted), steps[at - 1]


@pytest.mark.parametrize("at", [5, 10, 15, 20])
def test_a_run_killed_for_real_leaves_its_lock_free(vault, at):
    """SIGKILL: the next run starts at once, and readers find every line before and after it."""
    now = times.utc_now_ms()
    for age in (-1, 0, 8, 9, 10, 11):
        key = hour(age, now)
        write(vault.snapshots(BTC) / f"{key}.jsonl", b'{"hour":"%s"}\n' % key.encode() * 50)
    before = lines_of(vault)
    arguments = ["--vault", str(vault.root)]
    command = [sys.executable, "-m", "tests.crashes", str(at), "L2_Bot.l2_retention", *arguments]
    killed = subprocess.run(command, capture_output=True, check=False, cwd=CHECKOUT)
    assert killed.returncode not in {0, 1}, killed.stderr
    assert lines_of(vault) == before
    assert l2_retention.main(arguments) == 0
    assert lines_of(vault) == before
    assert len(list(vault.snapshots(BTC).rglob("*.gz"))) == 4
    assert not list(vault.root.rglob("*.tmp"))


def test_a_dry_run_changes_nothing_and_says_what_a_run_does(full):
    """Not even a lock or a temporary; the deletions and compressions are those of the real run."""
    write(full.trades(BTC) / ".2025-12-01.jsonl.gz.tmp", b"left by a kill")
    before = sorted((path, path.stat().st_mtime_ns) for path in full.root.rglob("*"))
    dry = Run(full, Retention(), NOW, dry=True)
    dry.go()
    assert sorted((path, path.stat().st_mtime_ns) for path in full.root.rglob("*")) == before
    real = Run(full, Retention(), NOW)
    real.go()
    planned = [(outcome.action.kind, outcome.action.file.key) for outcome in dry.outcomes]
    done = [(outcome.action.kind, outcome.action.file.key) for outcome in real.outcomes]
    assert planned == done
    assert not list(full.root.rglob("*.tmp"))
    budget = Run(full, Retention(), NOW, dry=True).go().total - 500
    assert Run(full, Retention(), NOW, dry=True).go(budget).total <= budget


def test_a_budget_drops_the_oldest_book_hours_until_it_is_met(full):
    """After the ages have had their turn, and no more than it takes."""
    seen = Run(full, Retention(), NOW).go()
    before = lines_of(full)
    run = Run(full, Retention(), NOW)
    budget = seen.total - 500
    seen = run.go(budget)
    assert budget - 500 < seen.total <= budget
    gone = before.keys() - lines_of(full).keys()
    assert {name for name, _, _ in gone} <= {"books", "deep"}
    assert {inst_id for _, inst_id, _ in gone} == {BTC}  # ETH's were never read
    reasons = {outcome.action.reason for outcome in run.outcomes}
    assert reasons == {"over the disk budget"}


def test_a_held_file_is_skipped_and_done_the_next_time(full, monkeypatch, caplog):
    """Windows: a reader has one hour open; the others are done, the run ends well."""
    before = lines_of(full)
    held = full.snapshots(ETH) / f"{hour(9)}.jsonl"
    unlink = os.unlink

    def in_use(path, *args, **kwargs):
        if Path(path) == held:
            raise PermissionError(13, "in use", str(path))
        unlink(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", in_use)
        run = Run(full, Retention(), NOW)
        run.go()
    skipped = [outcome for outcome in run.outcomes if outcome.status == "skipped"]
    assert [outcome.action.file.key for outcome in skipped] == [hour(9)]
    assert f"{held}: another program has it open" in caplog.text
    assert lines_of(full).items() <= before.items()
    again = Run(full, Retention(), NOW)
    again.go()
    assert [(outcome.action.file.key, outcome.status) for outcome in again.outcomes] == [
        (hour(9), "done")
    ]
    assert not held.exists()


def test_each_deletion_is_logged_and_a_lost_hour_is_a_warning(full, caplog):
    """The log names the file, its size and the reason."""
    fill(full, NOW - 4 * DAY)
    caplog.set_level("INFO")
    run = Run(full, Retention(), NOW)
    run.go()
    deleted = [outcome for outcome in run.outcomes if outcome.action.kind == plan.DELETE]
    records = [record for record in caplog.records if record.message.startswith("deleted ")]
    assert len(records) == len(deleted) > 20
    warnings = [record.message for record in records if record.levelname == "WARNING"]
    assert warnings
    assert all(line.endswith(": older than 10 days, never read") for line in warnings)
    path = full.snapshots(ETH) / f"{hour(12 * 24, NOW)}.jsonl"
    assert any(line.startswith(f"deleted {path}, ") for line in warnings)


def test_a_state_that_cannot_be_read_protects_what_hangs_on_it(full, caplog):
    """Hours count as unread and no bucket day is compressed until somebody mends it."""
    full.state(METRIC, BTC).write_bytes(b"{}")
    run = Run(full, Retention(), NOW)
    run.go()
    kinds = {
        outcome.action.kind
        for outcome in run.outcomes
        if outcome.action.file.inst_id == BTC and outcome.action.file.stream != plan.TRADES
    }
    assert kinds == {plan.COMPRESS}
    assert len(list(full.derived(METRIC, BTC).glob("*.jsonl"))) == 9
    assert "is damaged: not a sealed state" in caplog.text


def test_a_bucket_day_waits_while_its_calculator_runs(full):
    """Output is not touched behind the back of who writes it."""
    with writer_lock(full, METRIC, BTC):
        run = Run(full, Retention(), NOW)
        run.go()
    skipped = {
        (outcome.action.file.stream, outcome.action.file.inst_id)
        for outcome in run.outcomes
        if outcome.status == "skipped"
    }
    assert skipped == {(plan.BUCKETS, BTC)}


def test_a_damaged_pair_fails_alone(full):
    """One file that cannot be compressed stops no other, and the program says so by its code."""
    bad = full.trades(BTC) / f"{day(4)}.jsonl"
    write(bad.with_name(f"{bad.name}.gz"), gzip.compress(b"another day\n"))
    run = Run(full, Retention(), NOW)
    run.go()
    failed = [outcome.action.file.key for outcome in run.outcomes if outcome.status == "failed"]
    assert failed == [day(4)]
    assert not (full.trades(BTC) / f"{day(3)}.jsonl").exists()


# ------------------------------------------------------------------ the program


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
        "stream", "instId", "oldest", "files", "size", "compressed", "deleted", "left", "as", "is",
        "freed", "a", "day",
    ]  # fmt: skip
    assert [line.split()[:3] for line in lines[1:9]] == [
        [*stream.split(), inst_id]
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


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--keep-gb", "0"], 2, "--keep-gb 0 would keep nothing; give a number of GB above 0"),
        (["--keep-gb", "-1"], 2, "--keep-gb: '-1' is not a plain decimal"),
        (["--now", "2099-01-01T00:00:00Z"], 2, "would delete by a made-up clock; add --dry-run"),
        (["--now", "soon", "--dry-run"], 2, "--now: 'soon' is not a UTC time like"),
        (["--keep-gb", "0.000000001"], 1, "over its budget and no older book hour is left"),
    ],
)
def test_what_cannot_be_is_said(recent, capsys, arguments, code, message):
    """Exit 2 for a wrong argument, 1 for a budget that cannot be met."""
    assert l2_retention.main(["--vault", str(recent.root), *arguments]) == code
    assert message in capsys.readouterr().err


def test_the_budget_may_stand_in_the_settings(recent, tmp_path, monkeypatch, capsys):
    """``[retention] keep_gb``; the flag goes before it."""
    file = tmp_path / "own.toml"
    file.write_text('[retention]\nkeep_gb = "0.000000001"\n', encoding="utf-8")
    monkeypatch.setenv(settings.SETTINGS_VARIABLE, str(file))
    assert l2_retention.main(["--vault", str(recent.root), "--dry-run"]) == 1
    assert l2_retention.main(["--vault", str(recent.root), "--dry-run", "--keep-gb", "5"]) == 0
    assert "Budget 5 GB" in capsys.readouterr().out


def test_an_empty_vault_is_no_data(vault):
    """Exit 3, with what to do."""
    with pytest.raises(NoDataError) as nothing:
        Run(vault, Retention(), NOW).go()
    assert str(nothing.value) == (
        f"no dated files in {vault.root}; start an exporter, or name another vault with --vault"
    )
    assert l2_retention.main(["--vault", str(vault.root)]) == 3


def test_a_second_run_at_the_same_time_exits_with_code_4(recent):
    """Two schedulers do not pack one file."""
    with writer_lock(recent, "retention", ETH):
        assert l2_retention.main(["--vault", str(recent.root)]) == 4
