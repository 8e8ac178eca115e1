"""The loop and its commit: one run, many runs or runs stopped at any step give the same bytes."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ravequant import times
from ravequant.errors import LockedError, NoDataError, VaultError
from ravequant.pipeline import runner
from ravequant.pipeline.job import Job, Reject, Sink, Source
from ravequant.vault import commit
from ravequant.vault.gap_ledger import raise_generation
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault, day_files
from tests.support import crashes
from tests.support.examples import often

BTC = "BTC-USDT-SWAP"
START = times.parse_iso("2025-12-14T22:00:00Z")


class Lines:
    """A reader that hands on the time and length of each line; a line with ``bad`` is rejected."""

    def __init__(self, reject: Reject) -> None:
        self._reject = reject
        self._lines = 0

    def read(self, block: bytes, _file: str) -> list[tuple[str, int]]:
        batch, offset = [], 0
        for line in block.splitlines(keepends=True):
            if b"bad" in line:
                self._reject(offset, "it says so")
            else:
                batch.append((orjson.loads(line)["timestamp_utc"], len(line)))
            offset += len(line)
            self._lines += 1
        return batch

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        assert state == {}

    def counts(self) -> dict[str, int]:
        return {"lines": self._lines}


class Total:
    """A fold that numbers the lines and sums their lengths."""

    def __init__(self) -> None:
        self._count = self._sum = 0

    def update(self, batch: list[tuple[str, int]]) -> Iterator[dict[str, Any]]:
        for moment, length in batch:
            self._count += 1
            self._sum += length
            yield {"timestamp_utc": moment, "count": self._count, "sum": self._sum}

    def state(self) -> dict[str, Any]:
        return {"count": self._count, "sum": self._sum}

    def restore(self, state: dict[str, Any]) -> None:
        self._count, self._sum = state["count"], state["sum"]


def job(vault: Vault, *, dated: bool = True, **changes: Any) -> Job[Any]:
    """Return a job over the raw trade days, with one output a day or one in all."""
    facts: dict[str, Any] = {
        "vault": vault,
        "metric": "total",
        "inst_id": BTC,
        "parameters": {"limit": "5"},
        "source": Source(lambda: day_files(vault.trades(BTC)), Lines),
        "fold": Total,
        "sink": Sink(
            "*.jsonl",
            lambda row: f"{row['timestamp_utc'][:10]}.jsonl" if dated else "total.jsonl",
        ),
    }
    return Job(**{**facts, **changes})


def raw_line(number: int, padding: int = 0) -> bytes:
    """Return line ``number``: ten minutes apart, so that twelve of them end the first day."""
    moment = times.iso(START + number * 10 * times.MINUTE_MS)
    return b'{"timestamp_utc":"%s","x":"%s"}\n' % (moment.encode(), b"." * padding)


def record(vault: Vault, numbers: range, *, end: bytes = b"") -> None:
    """Append raw lines to the files of their days."""
    folder = vault.trades(BTC)
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        data = raw_line(number, number % 50)
        day = times.day(START + number * 10 * times.MINUTE_MS)
        with (folder / f"{day}.jsonl").open("ab") as stream:
            stream.write(data + (end if number == numbers[-1] else b""))


def outputs(vault: Vault) -> dict[str, bytes]:
    """Return every derived file."""
    folder = vault.derived("total", BTC)
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.jsonl"))}


def test_one_run_writes_each_record_to_the_file_of_its_day(vault):
    """Two days of raw lines become two days of output, and the summary says what was done."""
    record(vault, range(20))
    summary = runner.run(job(vault))
    files = outputs(vault)
    assert list(files) == ["2025-12-14.jsonl", "2025-12-15.jsonl"]
    rows = [orjson.loads(line) for data in files.values() for line in data.splitlines()]
    assert [row["count"] for row in rows] == list(range(1, 21))
    assert rows[-1]["sum"] == sum(len(raw_line(number, number % 50)) for number in range(20))
    facts = summary.facts()
    assert (facts["records"], facts["lines"], facts["rebuilt"]) == (20, 20, None)
    assert facts["newest_utc"] == "2025-12-15T01:10:00.000Z"


def test_a_run_with_nothing_new_changes_no_byte(vault):
    """Neither output nor state is touched when there is nothing to add."""
    record(vault, range(20), end=b'{"torn')
    runner.run(job(vault))
    before = outputs(vault), vault.state("total", BTC).read_bytes()
    summary = runner.run(job(vault))
    assert (summary.records, summary.commits) == (0, 0)
    assert (outputs(vault), vault.state("total", BTC).read_bytes()) == before


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=often(20, 60))
@given(
    cuts=st.lists(st.integers(0, 40), max_size=5),
    stops=st.lists(st.integers(1, 40), max_size=6),
    dated=st.booleans(),
)
def test_runs_cut_anywhere_and_stopped_at_any_step_give_the_same_bytes(
    tmp_path_factory, cuts, stops, dated
):
    """One run = many runs = runs that ended between any two steps of the commit."""
    whole = Vault(tmp_path_factory.mktemp("whole"))
    record(whole, range(40))
    runner.run(job(whole, dated=dated))

    vault = Vault(tmp_path_factory.mktemp("cut"))
    done = 0
    for cut in [*sorted(cuts), 40]:
        if cut > done:
            record(vault, range(done, cut))
            done = cut
        for at in stops if done else ():
            with crashes.steps(at):
                try:
                    runner.run(job(vault, dated=dated))
                except crashes.Stopped:
                    continue
        if done:
            runner.run(job(vault, dated=dated))
    assert outputs(vault) == outputs(whole)
    state = "total", BTC
    assert vault.state(*state).read_bytes() == whole.state(*state).read_bytes()


def test_every_step_of_a_first_run_and_of_a_later_one_can_be_the_last(vault, tmp_path):
    """Stopped before each step in turn; the next run repairs and completes it."""
    record(vault, range(40))
    with crashes.steps(0) as steps:
        runner.run(job(vault))
    assert len(steps) > 6
    wanted = outputs(vault)
    for at in range(1, len(steps) + 1):
        other = Vault(tmp_path / str(at))
        record(other, range(15))
        with crashes.steps(at), pytest.raises(crashes.Stopped):
            runner.run(job(other))
        record(other, range(15, 40))
        for again in range(1, 30):
            with crashes.steps(again):
                try:
                    runner.run(job(other))
                except crashes.Stopped:
                    continue
                break
        assert outputs(other) == wanted, at


def test_no_raw_data_is_said_plainly(vault):
    """Exit code 3, with what to do."""
    with pytest.raises(NoDataError) as error:
        runner.run(job(vault))
    assert str(error.value) == (
        f"no raw data of {BTC} in {vault.root}; start its exporter, or name another vault with "
        "--vault"
    )
    assert error.value.exit_code == 3
    assert not vault.root.exists()


def test_a_second_run_at_the_same_time_is_refused(vault):
    """One writer of an output at a time; exit code 4."""
    record(vault, range(5))
    with writer_lock(vault, "total", BTC), pytest.raises(LockedError) as error:
        runner.run(job(vault))
    assert error.value.exit_code == 4


def rebuild_says(vault: Vault, message: str) -> None:
    """A run must refuse with ``message`` and change nothing; ``--rebuild`` must heal it."""
    before = outputs(vault)
    with pytest.raises(VaultError, match=message):
        runner.run(job(vault))
    assert outputs(vault) == before
    assert runner.run(job(vault), rebuild=True).rebuilt == "asked"
    healed = outputs(vault)
    fresh = Vault(vault.root.with_name("fresh"))
    shutil.copytree(vault.trades(BTC), fresh.trades(BTC))
    runner.run(job(fresh))
    assert healed == outputs(fresh)


def test_output_without_state_is_an_error_that_names_rebuild(vault):
    """Nobody knows what the output holds, so nothing is appended to it."""
    record(vault, range(20))
    runner.run(job(vault))
    vault.state("total", BTC).unlink()
    rebuild_says(vault, r"exists, but .* does not; move the output away, or run again with --reb")


@pytest.mark.parametrize("change", ["shortened", "edited", "removed"])
def test_an_output_that_does_not_fit_its_state_is_an_error(vault, change):
    """What was committed must be there as it was written."""
    record(vault, range(20))
    runner.run(job(vault))
    newest = vault.derived("total", BTC) / "2025-12-15.jsonl"
    data = newest.read_bytes()
    if change == "removed":
        newest.unlink()
    else:
        newest.write_bytes(data[:-1] if change == "shortened" else data[:-2] + b" \n")
    rebuild_says(vault, "is not what was committed: expected [0-9]+ bytes that end as written")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged: not a sealed state"),
        (b'{"version":1,"met', "is damaged: not a sealed state"),
        (b"[]", "is damaged: not a sealed state"),
        (b'{"crc32":1,"x":' + b"[" * 600 + b"]" * 600 + b"}", "is damaged: not a sealed state"),
        (b'{"version":1}', "is damaged: not a sealed state"),
        (b'{"version":1,"crc32":1}', "was changed by something else"),
    ],
)
def test_a_damaged_state_is_an_error(vault, content, message):
    """Never a silent re-read, never mixed output."""
    record(vault, range(20))
    runner.run(job(vault))
    vault.state("total", BTC).write_bytes(content)
    rebuild_says(vault, message)


def test_a_folder_where_a_file_belongs_is_an_error_that_names_it(vault):
    """State, raw day or output: one clear message, as for whatever the system refuses."""
    record(vault, range(20))
    runner.run(job(vault))
    for path in (vault.state("total", BTC), vault.trades(BTC) / "2025-12-15.jsonl"):
        data = path.read_bytes()
        path.unlink()
        path.mkdir()
        with pytest.raises(VaultError, match=re.escape(str(path))):
            runner.run(job(vault))
        with pytest.raises(VaultError, match=re.escape(str(path))):
            runner.run(job(vault), rebuild=True)
        path.rmdir()
        path.write_bytes(data)


def test_a_state_of_another_version_or_instrument_is_an_error(vault):
    """A file copied to the wrong place, or made by a later program, is named as such."""
    record(vault, range(20))
    runner.run(job(vault))
    state_file = vault.state("total", BTC)
    facts = commit.read_state(state_file, "total", BTC)
    assert facts is not None
    commit.write_state(state_file, {**facts, "version": 99})
    rebuild_says(vault, "has version 99, this program writes 1")
    commit.write_state(state_file, {**facts, "instId": "ETH-USDT-SWAP"})
    shutil.rmtree(vault.root.with_name("fresh"))
    rebuild_says(vault, "is the state of total ETH-USDT-SWAP, not of total BTC-USDT-SWAP")


def test_a_changed_setting_is_an_error_not_a_mixture(vault):
    """Rows made with one threshold are not continued with another."""
    record(vault, range(20))
    runner.run(job(vault))
    with pytest.raises(VaultError, match=r"was made with \{'limit': '5'\}, the settings now say"):
        runner.run(job(vault, parameters={"limit": "6"}))
    runner.run(job(vault, parameters={"limit": "6"}), rebuild=True)


def test_a_raw_file_that_changed_is_an_error(vault):
    """The raw data behind the cursor must be those that were read."""
    record(vault, range(20))
    runner.run(job(vault))
    newest = vault.trades(BTC) / "2025-12-15.jsonl"
    newest.write_bytes(newest.read_bytes()[:-20])
    rebuild_says(vault, "was shortened; run again with --rebuild")


def test_after_a_repair_everything_is_recomputed_and_said(vault, caplog):
    """A raised generation means that rows behind the newest one changed."""
    record(vault, range(20))
    runner.run(job(vault))
    first = vault.trades(BTC) / "2025-12-14.jsonl"
    first.write_bytes(raw_line(0, 77) + first.read_bytes())
    raise_generation(vault.generation(BTC))
    summary = runner.run(job(vault))
    assert summary.rebuilt == "repaired"
    assert "raw data were repaired or imported behind the newest record" in caplog.text
    fresh = Vault(vault.root.with_name("fresh"))
    shutil.copytree(vault.trades(BTC), fresh.trades(BTC))
    runner.run(job(fresh))
    assert outputs(vault) == outputs(fresh)
    assert runner.run(job(vault)).rebuilt is None


@pytest.mark.parametrize("dated", [True, False])
def test_a_rebuild_keeps_rows_older_than_the_raw_data(vault, dated):
    """What the raw data no longer give stays as it was; the rest is recomputed."""
    record(vault, range(300))
    runner.run(job(vault, dated=dated))
    before = [orjson.loads(line) for data in outputs(vault).values() for line in data.splitlines()]
    (vault.trades(BTC) / "2025-12-14.jsonl").unlink()
    runner.run(job(vault, dated=dated), rebuild=True)
    after = [orjson.loads(line) for data in outputs(vault).values() for line in data.splitlines()]
    assert after[:12] == before[:12]
    assert [row["timestamp_utc"] for row in after] == [row["timestamp_utc"] for row in before]
    assert after[12]["count"] == 1


def test_since_bounds_a_first_run_only(vault):
    """Counted back from the newest raw record, to the start of that minute; later runs go on."""
    record(vault, range(20))
    runner.run(job(vault), 35 * times.MINUTE_MS)
    rows = [orjson.loads(line) for data in outputs(vault).values() for line in data.splitlines()]
    assert [row["timestamp_utc"][11:16] for row in rows] == ["00:40", "00:50", "01:00", "01:10"]
    record(vault, range(20, 22))
    runner.run(job(vault), 5 * times.MINUTE_MS)
    rows = [orjson.loads(line) for data in outputs(vault).values() for line in data.splitlines()]
    assert [row["count"] for row in rows] == [1, 2, 3, 4, 5, 6]


def test_bad_lines_are_counted_and_named_by_file_and_byte(vault, caplog, monkeypatch):
    """The log names the first of them; the run goes on."""
    monkeypatch.setattr(runner, "LOGGED_REJECTS", 2)
    record(vault, range(3))
    path = vault.trades(BTC) / "2025-12-14.jsonl"
    good = path.read_bytes()
    path.write_bytes(good + b"bad\n" * 5)
    runner.run(job(vault))
    assert f"{path}: line at byte {len(good)} skipped: it says so" in caplog.text
    assert f"{path}: line at byte {len(good) + 4} skipped" in caplog.text
    assert "3 more lines were skipped" in caplog.text


def test_a_long_input_is_committed_in_between(vault, monkeypatch):
    """What a crash repeats is bounded."""
    monkeypatch.setattr(runner, "COMMIT_BYTES", 100)
    record(vault, range(20))
    assert runner.run(job(vault)).commits == 2  # one for each day's block


def test_a_later_file_is_where_a_run_stands_even_while_it_is_empty(vault):
    """What is put into an earlier file afterwards is not read by one run more than by another."""
    record(vault, range(5))
    (vault.trades(BTC) / "2025-12-15.jsonl").touch()
    runner.run(job(vault))
    assert b'"file":"2025-12-15","offset":0,' in vault.state("total", BTC).read_bytes()


def test_no_run_reads_more_than_what_is_new(vault):
    """The cost of a run does not grow with what was read before."""
    record(vault, range(500))
    runner.run(job(vault))
    record(vault, range(500, 501))
    summary = runner.run(job(vault))
    assert summary.records == 1
    assert summary.bytes_read <= len(raw_line(500, 50)) + 8192


def test_paths_with_spaces_and_umlauts_work(tmp_path: Path):
    """The user's home has a space in it."""
    vault = Vault(tmp_path / "M.R Bär" / "Rave Quant")
    record(vault, range(20))
    assert runner.run(job(vault)).records == 20
