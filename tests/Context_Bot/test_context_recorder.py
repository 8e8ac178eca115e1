"""One instrument's files: order, repeats, coverage, and what a restart finds."""

from typing import Any

import orjson
import pytest

from Context_Bot.context_lines import ContextLines
from Context_Bot.context_recorder import REPEAT_MS, ContextRecorder
from ravequant import exchanges, times
from ravequant.contract import Contract
from ravequant.exchanges.context_feeds import FundingRow, InterestRow, LiquidationRow, MarkRow
from ravequant.vault.paths import Vault, day_files

BTC = "BTC-USDT-SWAP"
START = times.parse_iso("2025-12-14T21:20:00.000Z")
ROW = LiquidationRow(BTC, START + 100, "sell", "long", "97000", "1", "0")
HOUR = times.HOUR_MS
FUNDING = FundingRow(START, "0.0001", START + HOUR, START + 2 * HOUR, START - HOUR, "", "x", "0")


def recorder(vault: Vault) -> ContextRecorder:
    lines = ContextLines("okx", BTC, Contract("0.01", "1", "linear"))
    return ContextRecorder(vault, exchanges.load_context("okx"), BTC, lines)


def listening(vault: Vault, ts: int = START) -> ContextRecorder:
    """Return a recorder whose connection 1 listens from a mark price on."""
    made = recorder(vault)
    made.subscribed(1)
    made.mark(MarkRow(ts, "97000"), 1)
    return made


def rows(folder) -> list[dict[str, Any]]:
    """Return the lines of all day files, in order."""
    return [
        orjson.loads(line)
        for _, path in day_files(folder)
        for line in path.read_bytes().splitlines()
    ]


def spans(vault: Vault) -> list[tuple[int, int | None, str]]:
    found = []
    for line in vault.coverage("liquidations", BTC).read_bytes().splitlines():
        row = orjson.loads(line)
        end = row["to_utc"] and times.parse_iso(row["to_utc"])
        found.append((times.parse_iso(row["from_utc"]) - START, end and end - START, row["reason"]))
    return found


def known(vault: Vault) -> list[int]:
    found = rows(vault.liquidations(BTC))
    return [times.parse_iso(row["known_utc"]) - START for row in found]


def test_the_first_mark_price_of_each_second_is_written(vault):
    """Five a second come; times never fall, and a second is written once."""
    made = listening(vault)
    for ms in (200, 800, 1_000, 1_200, 2_600, 2_400, 2_800, 3_000):
        made.mark(MarkRow(START + ms, "97000"), 1)
    made.close()
    moments = [times.parse_iso(row["timestamp_utc"]) - START for row in rows(vault.marks(BTC))]
    assert moments == [0, 1_000, 2_600, 3_000]
    assert made.counts.stale == 1
    made = listening(vault, START + 3_400)
    made.mark(MarkRow(START + 4_000, "97000"), 1)
    made.close()
    assert len(rows(vault.marks(BTC))) == 5


def test_a_liquidation_is_known_at_the_next_mark_price(vault):
    """Its time of knowing never falls, and lies past every mark line on disk then."""
    made = listening(vault)
    made.liquidated([ROW])
    made.mark(MarkRow(START, "97001"), 1)  # of the same time as the line on disk
    made.liquidated([ROW._replace(ts=START - 400_000)])
    made.mark(MarkRow(START + 400, "97001"), 1)
    made.close()
    assert known(vault) == [1, 400]


def test_a_liquidation_stands_on_disk_before_its_mark_line(vault):
    """Whoever has read the mark line has all that was known by it."""
    made = listening(vault)
    made.write(0)
    made.liquidated([ROW])
    assert rows(vault.liquidations(BTC)) == []
    made.mark(MarkRow(START + 1_000, "97000"), 1)
    assert len(rows(vault.marks(BTC))) == 1
    assert made.written_ts == START
    made.write(0)
    assert (len(rows(vault.marks(BTC))), len(rows(vault.liquidations(BTC)))) == (2, 1)
    assert not made._queue._logs["liquidations"].dirty  # a power cut leaves it there, too
    assert made.written_ts == START + 1_000
    made.close()


def test_a_repeat_is_written_once_and_twins_of_a_frame_twice(vault):
    """A later frame brings a row again; two equal rows of one frame are two events."""
    made = listening(vault)
    made.liquidated([ROW, ROW])
    made.liquidated([ROW])
    made.liquidated([ROW._replace(qty="2")])
    made.mark(MarkRow(START + 1_000, "97000"), 1)
    made.close()
    assert [row["qty_contracts"] for row in rows(vault.liquidations(BTC))] == ["1", "1", "2"]
    assert made.counts.repeated == 1
    again = listening(vault, START + 2_000)
    again.liquidated([ROW])
    again.close()
    assert len(rows(vault.liquidations(BTC))) == 3


def test_what_was_seen_is_forgotten_after_a_while(vault):
    """Quarter of an hour of the clock: memory does not grow with the days."""
    made = listening(vault)
    made.liquidated([ROW])
    made.mark(MarkRow(START + 1_000, "97000"), 1)
    for minute in range(1, REPEAT_MS // times.MINUTE_MS + 3):
        made.mark(MarkRow(START + minute * times.MINUTE_MS, "97000"), 1)
    made.liquidated([ROW])
    made.close()
    assert len(rows(vault.liquidations(BTC))) == 2


def test_the_end_closes_the_span_and_writes_what_waits(vault):
    """A liquidation that no mark price followed is known when one would have been missed."""
    made = listening(vault)
    made.mark(MarkRow(START + 1_400, "97000"), 1)
    made.liquidated([ROW])
    made.close()
    assert spans(vault) == [(0, None, "open"), (0, 1_400, "stop")]
    assert known(vault) == [21_400]


def test_a_lost_connection_ends_the_span(vault):
    """The next connection begins another, with its own first mark price."""
    made = listening(vault)
    made.mark(MarkRow(START + 1_000, "97000"), 1)
    made.lose(1, "closed")
    made.mark(MarkRow(START + 5_000, "97000"), 2)
    made.subscribed(2)
    made.mark(MarkRow(START + 5_200, "97000"), 2)
    made.close()
    assert spans(vault) == [
        (0, None, "open"), (0, 1_000, "closed"), (5_200, None, "open"), (5_200, 5_200, "stop")
    ]  # fmt: skip
    assert made.counts.breaks == 1


def test_a_span_that_a_crash_left_open_ends_with_the_last_mark_on_disk(vault):
    """Nobody knows what came after it."""
    made = listening(vault)
    for ms in (600, 1_000, 1_800):
        made.mark(MarkRow(START + ms, "97000"), 1)
    made.write(0)  # and then the program is killed
    after = recorder(vault)
    after.close()
    assert spans(vault) == [(0, None, "open"), (0, 1_000, "error")]
    recorder(vault).close()
    assert len(spans(vault)) == 2


def test_a_torn_line_is_cut_off_and_kept(vault):
    """As everywhere in the vault."""
    made = listening(vault)
    made.close()
    path = vault.marks(BTC) / "2025-12-14.jsonl"
    path.write_bytes(path.read_bytes() + b'{"timestamp_utc":"2025')
    listening(vault, START + 5_000).close()
    assert len(rows(vault.marks(BTC))) == 2
    assert path.with_name(f"{path.name}.torn").exists()


def test_open_interest_is_written_when_it_says_something_new(vault):
    """Each push once; one that is older than the line before is counted."""
    made = recorder(vault)
    for ts, oi in ((0, "1"), (0, "1"), (0, "2"), (3_000, "2"), (2_000, "3")):
        made.interest(InterestRow(START + ts, oi, "0.1", "10"))
    made.close()
    again = recorder(vault)
    again.interest(InterestRow(START + 3_000, "2", "0.1", "10"))
    again.close()
    assert [row["oi"] for row in rows(vault.open_interest(BTC))] == ["1", "2", "2"]
    assert made.counts.stale == 1


def test_behind_a_mark_price_nothing_is_written_that_its_readers_have_passed(vault):
    """Five seconds late is too late for open interest and estimates; the chain still hears it."""
    made, heard = listening(vault), list[FundingRow]()
    made.heard_funding = heard.append
    made.mark(MarkRow(START + 10_000, "97000"), 1)
    for ts in (4_000, 5_000, 5_001, 10_000):
        made.interest(InterestRow(START + ts, str(ts), "0.1", "10"))
        made.funding(FUNDING._replace(ts=START + ts, rate=f"0.{ts}"))
    made.close()
    assert [row["oi"] for row in rows(vault.open_interest(BTC))] == ["5001", "10000"]
    written = [row["fundingRate"] for row in rows(vault.funding_estimates(BTC))]
    assert written == ["0.5001", "0.10000"]
    assert (made.counts.stale, len(heard)) == (4, 4)


def test_an_estimate_is_written_when_it_changes_and_each_ten_minutes(vault):
    """Its time alone is no news; every message is heard by the chain."""
    made, heard = recorder(vault), list[FundingRow]()
    made.heard_funding = heard.append
    for ts, rate in ((0, "1"), (60_000, "1"), (120_000, "2"), (660_000, "2"), (720_000, "2")):
        made.funding(FUNDING._replace(ts=START + ts, rate=f"0.{rate}"))
    made.close()
    moments = [
        times.parse_iso(row["timestamp_utc"]) - START for row in rows(vault.funding_estimates(BTC))
    ]
    assert moments == [0, 120_000, 720_000]
    assert len(heard) == 5


def test_a_late_liquidation_stands_in_the_file_of_today(vault):
    """The file is that of the largest date so far, as for trades."""
    midnight = times.parse_iso("2025-12-15T00:00:00.000Z")
    made = listening(vault, midnight - 1_000)
    made.liquidated([ROW._replace(ts=midnight + 200)])
    made.mark(MarkRow(midnight + 400, "97000"), 1)
    made.liquidated([ROW._replace(ts=midnight - 400_000)])
    made.mark(MarkRow(midnight + 1_000, "97000"), 1)
    made.close()
    assert [key for key, _ in day_files(vault.liquidations(BTC))] == ["2025-12-15"]
    assert known(vault)[0] < known(vault)[1]


@pytest.mark.parametrize("line", [b"{}\n", b"not json\n", b'{"known_utc":3}\n'])
def test_a_bad_line_on_disk_does_not_stop_it(vault, line):
    """It is passed over when the newest lines are looked for."""
    listening(vault).close()
    for folder in (vault.marks(BTC), vault.liquidations(BTC)):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "2025-12-14.jsonl"
        path.write_bytes((path.read_bytes() if path.exists() else b"") + line)
    made = listening(vault, START + 5_000)
    assert made.facts()["last_mark_utc"] == times.iso(START + 5_000)
    made.close()
