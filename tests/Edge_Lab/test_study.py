"""The order of a study: trades first, then day by day; what fails, and what a kill leaves."""

import logging

import pytest

from Edge_Lab import study
from Edge_Lab.study import StudyOptions, StudyRun, pack_buckets
from Edge_Lab.study_steps import StoppedError
from ravequant import catalog
from ravequant.errors import LockedError, VaultError
from ravequant.vault.imports.provenance import BOOKS
from ravequant.vault.paths import Vault
from tests.support.study_vault import BTC, ETH, MadeSteps, judged, put_import, put_note, state_of

DAYS = [f"2025-12-{day}" for day in range(14, 20)]
AFTER = "2025-12-20"


@pytest.fixture
def vault(tmp_path):
    """Return a vault in a folder with a blank in its name."""
    return Vault(tmp_path / "a vault")


def run(vault, *, last=DAYS[2], instruments=(BTC,), books=True, broken=(), **options):
    """Run a study from the first day to the last one; return it and its programs."""
    vault.root.mkdir(exist_ok=True)
    steps = MadeSteps(vault, broken)
    state = state_of(vault, DAYS[0], last, books=books)
    made = StudyRun(state, instruments, steps, StudyOptions(), **options)
    made.run()
    return made, steps


def on_disk(vault, inst_id=BTC):
    """Return the days of books on disk."""
    folder = vault.snapshots(inst_id)
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_trades_come_first_then_each_day_is_judged_and_dropped(vault):
    """Books of two days at once, no more; those of the day after the last one stay."""
    made, steps = run(vault, last=DAYS[1])
    assert steps.done == [
        "import_trades BTC 2025-12-06",
        "recompute BTC ",
        "import_books BTC 2025-12-14",
        "import_books BTC 2025-12-15",
        "recompute BTC ",
        "edge_lab BTC 2025-12-14",
        "import_books BTC 2025-12-16",
        "recompute BTC ",
        "edge_lab BTC 2025-12-15",
    ]
    assert steps.most == {BTC: 2}
    assert made.failed == []
    assert on_disk(vault) == [DAYS[2]]


def test_done_days_are_not_touched_again(vault):
    """A second run starts one program, for the trades; longer days go on at the end."""
    run(vault, instruments=(BTC, ETH))
    _, steps = run(vault, instruments=(BTC, ETH))
    assert [line for line in steps.done if "import_trades" not in line] == []
    _, steps = run(vault, last=DAYS[3], instruments=(BTC, ETH))
    assert "edge_lab BTC ETH 2025-12-17" in steps.done
    assert [line for line in steps.done if "import_books" in line] == [
        f"import_books {name} 2025-12-18" for name in ("BTC", "ETH")
    ]


def test_trades_alone_fetch_no_books(vault):
    """Two programs and the judge."""
    _, steps = run(vault, books=False)
    assert not any("import_books" in line for line in steps.done)
    assert judged(vault, BTC, DAYS[:4]) == [False, False, False, None]


def test_days_that_were_judged_without_books_are_judged_again(vault):
    """Once their books are there."""
    run(vault, books=False, last=DAYS[0])
    _, steps = run(vault, last=DAYS[1])
    assert "edge_lab BTC 2025-12-14 --again" in steps.done
    assert "edge_lab BTC 2025-12-15" in steps.done
    assert judged(vault, BTC, DAYS[:2]) == [True, True]


@pytest.mark.parametrize("name", ["import_books", "edge_lab", "recompute"])
@pytest.mark.parametrize("at", range(3))
def test_a_study_that_was_killed_anywhere_goes_on(vault, monkeypatch, name, at):
    """Before and after each program; what is left is that of a run that nobody stopped."""
    work, count = MadeSteps.run, iter(range(100))

    def killed(self, program, *words, **options):
        if program == name and next(count) == at:
            if at % 2:
                work(self, program, *words, **options)
            raise StoppedError
        return work(self, program, *words, **options)

    monkeypatch.setattr(MadeSteps, "run", killed)
    with pytest.raises(StoppedError):
        run(vault)
    monkeypatch.setattr(MadeSteps, "run", work)
    run(vault)
    assert judged(vault, BTC, DAYS[:4]) == [True, True, True, None]
    assert on_disk(vault) == [DAYS[3]]


def test_books_that_were_dropped_before_their_day_was_done_are_fetched_again(vault):
    """The provenance knows the day, the disk does not: it is imported anew."""
    put_import(vault, BTC, BOOKS, DAYS[0], ("00",))
    (vault.snapshots(BTC) / DAYS[0] / "00.jsonl.gz").unlink()
    _, steps = run(vault, last=DAYS[0])
    assert "import_books BTC 2025-12-14 --replace" in steps.done


def test_a_kill_between_the_judge_and_the_drop_leaves_no_books(vault):
    """The next run deletes them."""
    put_import(vault, BTC, BOOKS, DAYS[0], ("00",))
    put_note(vault, BTC, DAYS[0])
    run(vault, last=DAYS[0])
    assert on_disk(vault) == []


def test_a_day_whose_file_is_refused_is_left_out_with_the_one_before(vault):
    """Its last trials would not know their queue; the other days go on."""
    made, _ = run(vault, last=DAYS[4], broken=[("import_books", DAYS[2])])
    assert made.failed == [f"{BTC} {DAYS[1]}", f"{BTC} {DAYS[2]}"]
    assert judged(vault, BTC, DAYS[:5]) == [True, None, None, True, True]
    assert on_disk(vault) == [DAYS[1], DAYS[3], DAYS[5]]  # two wait for a day that failed
    run(vault, last=DAYS[4])
    assert on_disk(vault) == [DAYS[5]]


def test_three_days_in_a_row_that_fail_end_the_study(vault):
    """With the words of the programs above, and the remedy."""
    broken = [("edge_lab", day) for day in DAYS]
    with pytest.raises(VaultError, match="could not be judged, the words of the programs stand"):
        run(vault, last=DAYS[5], broken=broken)
    assert judged(vault, BTC, DAYS) == [None] * 6


def test_days_without_a_file_are_left_out(vault):
    """They are asked for by no program, and are no failure."""
    made, steps = run(vault, unpublished={(BTC, DAYS[1])})
    assert judged(vault, BTC, DAYS[:3]) == [True, None, True]
    assert made.failed == []
    assert not any(DAYS[1] in line for line in steps.done)


def test_without_trades_a_study_cannot_go_on(vault):
    """The exit code and the remedy."""
    with pytest.raises(VaultError, match="import_trades has ended with exit code 1, its own words"):
        run(vault, broken=[("import_trades", "2025-12-06")])


def test_a_full_disk_is_named_as_the_reason(vault, monkeypatch):
    """Also where the program could not say it; and a lock that is never free."""
    monkeypatch.setattr(study, "LEAST_FREE", 1 << 60)
    with pytest.raises(VaultError, match="are free, and import_books has ended with an error"):
        run(vault, broken=[("import_books", DAYS[0])])
    monkeypatch.undo()
    monkeypatch.setattr(MadeSteps, "run", lambda *_: LockedError.exit_code)
    with pytest.raises(LockedError, match="another program has held its lock"):
        run(vault)


def test_each_day_is_said_with_the_time_left(vault, caplog):
    """By the mean of the days before."""
    moments = iter(range(0, 10_000, 60))
    with caplog.at_level(logging.INFO):
        run(vault, clock=lambda: float(next(moments)))
    said = [message for message in caplog.messages if message.startswith("day ")]
    assert said == [
        "day 1 of 3, 2025-12-14, took 1m00s; 2 days left, about 4m00s",
        "day 2 of 3, 2025-12-15, took 1m00s; 1 days left, about 2m00s",
        "day 3 of 3, 2025-12-16, took 1m00s; 0 days left, about 0s",
    ]


def test_buckets_are_packed_behind_the_bucketizer(vault):
    """Not those of its own day, to which it still appends."""
    folder = vault.derived(catalog.L2_BUCKETIZER.name, BTC)
    folder.mkdir(parents=True)
    for day in DAYS[:2]:
        (folder / f"{day}.jsonl").write_bytes(b"{}\n" * 100)
    for day in DAYS[:2]:
        pack_buckets(vault, BTC, day)
        pack_buckets(vault, BTC, "2025-01-01")
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{DAYS[0]}.jsonl.gz", f"{DAYS[1]}.jsonl",
    ]  # fmt: skip
