"""A study end to end, from an exchange in a box: plan, terms, a kill in the middle, the card."""

import json
import subprocess
import sys

import pytest

from Edge_Lab import edge_lab, make_verdict
from Edge_Lab.commands_study import StudyOffer
from Edge_Lab.study import StudyRun
from Edge_Lab.study_plan import StudyCost, moved
from Edge_Lab.study_steps import StoppedError
from Edge_Lab.trial_files import judged_days, read_note
from Edge_Lab.verdict import TRADES_ALONE
from ravequant import cli
from ravequant.errors import DONE, NoDataError, UsageError, VaultError
from ravequant.exchanges import load_publisher
from ravequant.exchanges.archive.published import Published, PublishedFile
from ravequant.vault.imports import provenance
from ravequant.vault.paths import CHECKOUT, Vault, book_files
from tests.support import box
from tests.support.published_market import DAYS, publish
from tests.support.study_vault import BTC, ETH

DAY, NEXT = DAYS[1], DAYS[2]
TODAY = "2026-01-20"


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """Return the options that lead to an exchange which publishes four days."""
    folder = tmp_path_factory.mktemp("box of the exchange")
    options = (
        "--archive", publish(folder / "published"), "--instId", BTC, "--wait-for-clients", "0",
        "--rest-limit-factor", "100",
    )  # fmt: skip
    with box.exchange(folder, *options) as found:
        yield [*found[2:], "--rest-limit-factor", "100"]


@pytest.fixture
def vault(tmp_path):
    """Return a vault in a folder with a blank in its name."""
    return Vault(tmp_path / "a vault")


def words(vault, where, *more):
    """Return the words of a study of one day."""
    options = ["--vault", str(vault.root), "--instId", BTC, "--from", DAY, "--to", DAY]
    return ["study", *options, *where, *more]


def test_the_plan_comes_before_anything_is_fetched(vault, where, capsys):
    """Files of two days of books and of all days of trades; then the terms are asked for."""
    assert edge_lab.main(words(vault, where, "--dry-run")) == DONE
    plan = capsys.readouterr().out.splitlines()
    assert plan[0] == f"study of {BTC}: 1 days, {DAY} to {DAY}, trades and books"
    assert plan[-1].startswith("it will say TOO EARLY: 1 of 30 days")
    assert edge_lab.main(words(vault, where, "--dry-run", "--no-books", "--json")) == DONE
    row = json.loads(capsys.readouterr().out)
    assert (row["days"], row["books"], row["answer"]) == ([DAY, DAY], False, TRADES_ALONE)
    assert row["stays_bytes"] == 5 * row["fetch_bytes"] > 0
    assert edge_lab.main(words(vault, where)) == UsageError.exit_code
    shown = capsys.readouterr()
    assert shown.out.startswith("study of ")
    assert "if you agree, add --accept-terms (once)" in shown.err
    assert not vault.root.exists()


def test_a_disk_that_is_too_small_is_said_first(vault, where, capsys, monkeypatch):
    """With both figures, and nothing is fetched."""
    monkeypatch.setattr(StudyCost, "disk", 1 << 60)
    assert edge_lab.main(words(vault, where, "--accept-terms")) == VaultError.exit_code
    assert "are free, the study needs 1152921504.6 GB; free space" in capsys.readouterr().err
    assert not vault.trades(BTC).exists()


def test_from_nothing_to_a_verdict_with_a_kill_in_the_middle(vault, where, capsys):
    """Trades alone first; then with books, killed between import and judge, and gone on with."""
    assert edge_lab.main(words(vault, where, "--no-books", "--accept-terms")) == DONE
    card = capsys.readouterr().out.partition("TOO EARLY\n")[2]
    assert " ".join(card.splitlines()[:2]) == TRADES_ALONE
    assert not vault.snapshots(BTC).exists()

    program = str(CHECKOUT / "Edge_Lab" / "edge_lab.py")
    study = subprocess.Popen([sys.executable, program, *words(vault, where)])
    box.wait_for(lambda: provenance.newest(vault, BTC, provenance.BOOKS), study)
    study.kill()
    study.wait()
    note = read_note(vault, BTC, DAY)
    assert note is not None
    assert not note.books
    assert edge_lab.main(words(vault, where)) == DONE
    shown = capsys.readouterr()
    assert "TOO EARLY\n1 of 30 days, " in shown.out
    note = read_note(vault, BTC, DAY)
    assert note is not None
    assert (note.books, note.open, judged_days(vault, BTC)) == (True, 0, [DAY])
    assert {key[:10] for key, _ in book_files(vault.snapshots(BTC))} == {NEXT}
    assert not list(vault.root.rglob("*.tar.gz"))
    folder = vault.derived("liquidity_buckets", BTC)
    assert sorted(path.name for path in folder.iterdir()) == [f"{DAY}.jsonl.gz", f"{NEXT}.jsonl"]
    assert edge_lab.main(words(vault, where)) == DONE
    assert "judged before: 1 of these days\nto fetch: 0.0 MB" in capsys.readouterr().out


def test_a_stop_is_no_failure(vault, where, monkeypatch, capsys):
    """The exit code of Ctrl-C, and no card."""

    def stopped(self):
        raise StoppedError

    monkeypatch.setattr(StudyRun, "run", stopped)
    assert edge_lab.main(words(vault, where, "--accept-terms")) == cli.INTERRUPTED
    shown = capsys.readouterr()
    assert "the same command goes on from here" in shown.err
    assert "fills and days" not in shown.out


def test_days_that_failed_are_named_below_the_card(vault, where, monkeypatch, capsys):
    """And the exit code says so, unless that of the card does."""

    def failing(self):
        self.failed.append(f"{BTC} {DAY}")

    monkeypatch.setattr(StudyRun, "run", failing)
    monkeypatch.setattr(make_verdict, "command", lambda _: DONE)
    assert edge_lab.main(words(vault, where, "--accept-terms")) == 1
    assert f"left out, as the words above say: {BTC} {DAY}" in capsys.readouterr().err


def test_the_newest_days_are_not_picked(vault, where, monkeypatch):
    """Nobody named them: the verdict is about all judged days, and kept."""
    asked = []
    monkeypatch.setattr(StudyOffer, "newest", lambda *_: NEXT)
    monkeypatch.setattr(StudyRun, "run", lambda _: None)
    monkeypatch.setattr(make_verdict, "command", lambda args: asked.append((args.first, args.last)))
    named = words(vault, where, "--accept-terms")
    for place in ("--to", "--from"):
        assert edge_lab.main(named) == DONE
        at = named.index(place)
        named = [*named[:at], *named[at + 2 :]]
    assert edge_lab.main(named) == DONE
    assert asked == [(DAY, DAY), (DAY, DAY), (None, None)]


class MadeListing:
    """Lists every label up to the last one of an instrument and a stream."""

    def __init__(self, **last):
        self.last = last

    def files(self, stream, inst_id, labels):
        """Return the files of these labels."""
        last = self.last[f"{inst_id[:3]}_{stream}"]
        made = [
            PublishedFile(f"{inst_id}-{stream}-{label}", stream, inst_id, label, "", 1)
            for label in sorted(labels)
            if label <= last
        ]
        return Published(tuple(made), tuple(label for label in labels if label > last))

    def close(self):
        """Do nothing."""


def test_the_newest_day_is_published_whole_for_all_instruments():
    """Trades need two files a day; the slowest stream decides."""
    listing = MadeListing(
        BTC_trades="2026-01-18", BTC_books="2026-01-16", ETH_trades="2026-01-17",
        ETH_books="2026-01-18",
    )  # fmt: skip
    publisher = load_publisher("okx")
    offer = StudyOffer(publisher, listing, books=True)
    assert offer.newest([BTC, ETH], TODAY) == "2026-01-16"
    assert offer.newest([ETH], TODAY) == "2026-01-16"  # label 01-17 holds the end of 01-16
    assert StudyOffer(publisher, listing, books=False).newest([BTC], TODAY) == "2026-01-17"
    old = dict.fromkeys(listing.last, moved(TODAY, -30))
    with pytest.raises(NoDataError, match="the exchange has no file of trades and books of all of"):
        StudyOffer(publisher, MadeListing(**old), books=True).newest([BTC], TODAY)
