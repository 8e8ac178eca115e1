"""Tests of ravequant.read.minute_stream: minutes are those of the calculators."""

import gzip
import operator
import random
from dataclasses import replace

import orjson
import pytest

from ravequant import read, settings, times
from ravequant.contract import Contract
from ravequant.pipeline.kept_minutes import KeptMinutes
from ravequant.read import log
from ravequant.records import Trade, TradeEncoder
from ravequant.settings_schema import ExactDecimal
from ravequant.trades import day_minutes
from ravequant.vault import gap_ledger
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from ravequant.vault.paths import Vault
from ravequant.vault.tail import Tail
from tests.support import kept_days
from tests.support.sql_vault import BTC, canonical

SAME = ("open", "high", "low", "close", "trade_count", "gap")


def test_minutes_are_those_of_the_volume_analyzer(filled):
    """Every minute it has written, with the same prices, counts, amounts and gaps."""
    path = filled.derived("volume", BTC) / "volume_1m.jsonl"
    written = [orjson.loads(text) for text in path.read_bytes().splitlines()]
    met = list(read.minutes(BTC, vault=filled.root).rows())
    for row, line in zip(met, written, strict=True):
        assert f"{row['timestamp_utc'].isoformat()}Z" == line["timestamp_utc"]
        for name in SAME:
            value = row[name]
            assert canonical(str(value) if name in SAME[:4] else value) == canonical(line[name])
        assert canonical(f"{row['notional']:f}") == canonical(line["total_volume"])
        assert row["notional"] == row["buy_notional"] + row["sell_notional"]


def test_any_vwap_is_made_of_the_sums(filled):
    """The session's VWAP of the last minute, from the sums of price x notional since midnight."""
    minutes = read.minutes(BTC, "2025-12-15 00:00", vault=filled.root)
    total = sum(minutes["price_notional"].decimal()) / sum(minutes["notional"].decimal())
    wanted = read.vwap(BTC, "latest", vault=filled.root)["vwap_session"].decimal()[0]
    assert round(total, 8) == wanted


def test_a_span_is_complete_once_its_last_minute_has_closed(filled):
    """Before that more of it may come."""
    assert read.minutes(BTC, "2025-12-14 20:00", "2025-12-14 21:00", vault=filled.root).complete
    assert not read.minutes(BTC, "2025-12-14 20:00", "2025-12-15 02:00", vault=filled.root).complete


@pytest.mark.parametrize("gz", [False, True], ids=["plain", "packed"])
def test_a_gap_before_the_first_trade_of_a_day_marks_its_minute(tmp_path, gz):
    """Ids are missing over midnight, and nothing traded for minutes: the day before says it."""
    vault, encoder = Vault(tmp_path), TradeEncoder(BTC, Contract("0.01", "1", "linear"))
    folder, midnight = vault.trades(BTC), times.day_start_ms("2025-12-15")
    folder.mkdir(parents=True)
    before = encoder.line(Trade(midnight - 600_000, 10, "buy", "101", "45"))
    after = [
        encoder.line(Trade(midnight + ms, trade_id, "buy", "101", "45"))
        for ms, trade_id in ((150_000, 20), (300_000, 21))
    ]
    if gz:
        (folder / "2025-12-14.jsonl.gz").write_bytes(gzip.compress(before))
    else:
        (folder / "2025-12-14.jsonl").write_bytes(before)
    (folder / "2025-12-15.jsonl").write_bytes(b"".join(after))
    met = read.minutes(BTC, "2025-12-15 00:02", vault=tmp_path)
    assert met["gap"].values.tolist() == [True]


SEEDS = (3, 11, 12)  # of streams in which lines are late, ahead, missing, repeated and bad


@pytest.fixture(scope="module", params=[*SEEDS, None], ids=lambda seed: f"seed {seed}")
def standing(request, tmp_path_factory) -> Vault:
    """Return a vault whose minutes are kept; ``seed None`` has all its lines in order."""
    vault = Vault(tmp_path_factory.mktemp("standing"))
    odd = request.param is not None
    lines = kept_days.stream(request.param if odd else 5, days=5, count=400, odd=odd)
    kept_days.put(vault, lines, packed=("2025-12-14", "2025-12-15"))
    kept_days.run(vault)
    assert len(kept_days.kept_files(vault)) >= 4
    return vault


def spans(seed: int, count: int) -> list[tuple[str | None, str | None]]:
    """Return spans that begin and end anywhere in the days of a stream, some at midnight."""
    chance, found = random.Random(seed), list[tuple[str | None, str | None]]()
    begin = times.parse_iso("2025-12-13T21:00:00Z")
    for _ in range(count):
        moments = sorted(begin + chance.randrange(5 * times.DAY_MS) for _ in range(2))
        if chance.random() < 0.3:
            moments[0] = moments[0] // times.DAY_MS * times.DAY_MS + chance.choice((0, 60_000))
        texts = [times.iso(moment) for moment in sorted(moments)]
        found.append((chance.choice((texts[0], texts[0], None)), chance.choice((*texts[1:], None))))
    return found


def raw_only(vault: Vault, since: str | None, until: str | None) -> read.Table:
    """Return the minutes of a span as raw lines give them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KeptMinutes, "known", lambda *_: None)
        patch.setattr(KeptMinutes, "joined", lambda *_: None)
        return read.minutes(BTC, since, until, vault=vault.root)


def rows_of(table: read.Table) -> tuple[list[dict[str, object]], bool]:
    return list(table.rows()), table.complete


def test_with_kept_minutes_and_without_every_row_is_the_same(standing):
    """Whatever the span is: late lines over midnight, gaps, lines that are ahead, bad lines."""
    for since, until in [(None, None), *spans(1, 40)]:
        met = rows_of(read.minutes(BTC, since, until, vault=standing.root))
        assert met == rows_of(raw_only(standing, since, until)), (since, until)


def opened(vault: Vault, since: str | None, until: str | None = None) -> list[str]:
    """Return the days whose raw lines are read for a span."""
    found: list[str] = []

    class Noted(Tail):
        def _file(self, key, *arguments, **options):
            found.append(key)
            return super()._file(key, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "Tail", Noted)
        for _ in read.blocks("minutes", BTC, since, until, vault=vault.root):
            pass
    return list(dict.fromkeys(found))


@pytest.fixture
def orderly(tmp_path) -> Vault:
    """Return a vault of lines in order whose minutes are kept; the newest day is unfinished."""
    vault = Vault(tmp_path / "orderly")
    kept_days.put(vault, kept_days.stream(39, days=4, odd=False), packed=("2025-12-14",))
    kept_days.run(vault)
    return vault


NEWEST = "2025-12-16"


def test_of_days_with_kept_minutes_no_line_is_read(orderly):
    """Nor of the day in which the span begins, if its lines are in order."""
    assert opened(orderly, None) == [NEWEST]
    assert opened(orderly, "2025-12-14 23:20") == [NEWEST]
    assert opened(orderly, "2025-12-16 00:00") == [NEWEST]
    assert opened(orderly, "2025-12-14 00:30", "2025-12-15 22:00") == []


def test_the_day_in_which_a_span_begins_needs_a_minute_before_it(orderly):
    """A whole minute of lines behind the day's beginning, seven minutes before the span."""
    minutes = day_minutes.decode((orderly.minutes(BTC) / "2025-12-15.json.gz").read_bytes())
    begun = minutes.key.reader["watermark_ms"]
    starts = (bar.minute * times.MINUTE_MS for bar in minutes.closed.bars)
    first = next(start for start in starts if start > begun) + 8 * times.MINUTE_MS
    assert opened(orderly, times.iso(first)) == [NEWEST]
    assert opened(orderly, times.iso(first - 1))[-2:] == ["2025-12-15", NEWEST]


def spoiled_in(change: str, vault: Vault) -> None:
    """Make the kept minutes of a vault unfit in one way."""
    path = vault.minutes(BTC) / "2025-12-15.json.gz"
    if change == "raw changed":
        raw = vault.trades(BTC) / "2025-12-15.jsonl"
        head, at, tail = raw.read_bytes().rpartition(b'"qty_contracts":"45"')
        raw.write_bytes(head + at.replace(b"45", b"54") + tail)
    elif change == "another threshold":
        minutes = day_minutes.decode(path.read_bytes())
        key = replace(minutes.key, whale_notional=minutes.key.whale_notional + 1)
        path.write_bytes(day_minutes.encode(replace(minutes, key=key)))
    elif change == "another version":
        data = gzip.decompress(path.read_bytes())
        path.write_bytes(gzip.compress(data.replace(b'"version":1', b'"version":0', 1)))
    elif change == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    elif change == "no state":
        minutes = day_minutes.decode(path.read_bytes())
        path.write_bytes(day_minutes.encode(replace(minutes, reader={})))
    elif change == "ids settled":
        ids = [gap for file in kept_days.kept_files(vault)
               for gap in day_minutes.decode(file.read_bytes()).id_gaps]  # fmt: skip
        entry = LedgerEntry(Gap(ids[0].first_missing, ids[-1].last_missing), "id_hole", "asked", 0)
        GapLedger(vault.gap_ledger(BTC), BTC).append(entry)


@pytest.mark.parametrize(
    "change",
    ["raw changed", "another threshold", "another version", "cut", "no state", "ids settled"],
)
def test_minutes_that_do_not_fit_are_read_again(orderly, change):
    """From raw lines, and with the next day those that are kept again."""
    before = rows_of(read.minutes(BTC, vault=orderly.root))
    spoiled_in(change, orderly)
    days = opened(orderly, "2025-12-14 23:20")
    assert days[-2:] == ["2025-12-15", NEWEST]
    assert len(days) == 2 or change == "ids settled"
    for since in (None, "2025-12-14 23:20", "2025-12-15 23:00", "2025-12-16 00:00"):
        met = rows_of(read.minutes(BTC, since, vault=orderly.root))
        assert met == rows_of(raw_only(orderly, since, None))
    changes_rows = change in {"raw changed", "ids settled"}
    assert (rows_of(read.minutes(BTC, vault=orderly.root)) != before) == changes_rows


def test_another_whale_threshold_in_the_settings(orderly, monkeypatch):
    """It enters the minutes: none that are kept count."""
    chosen = settings.load()
    least = chosen.bars.whale_notional
    lower = ExactDecimal(least // 400, "250", least.field)
    chosen = chosen._replace(bars=chosen.bars._replace(whale_notional=lower))
    spans = (None, "2025-12-15 23:40")  # from the first line, and from within a day

    def whales() -> list[int]:
        tables = (read.minutes(BTC, since, vault=orderly.root) for since in spans)
        return [sum(table["whale_count"].values.tolist()) for table in tables]

    before = whales()
    monkeypatch.setattr(settings, "load", lambda: chosen)
    assert [opened(orderly, since)[0] for since in spans] == ["2025-12-13", "2025-12-15"]
    assert all(map(operator.gt, whales(), before))


def test_days_after_one_that_is_not_kept_are_taken_again(orderly, monkeypatch):
    """From the line that closes the day before."""
    (orderly.minutes(BTC) / "2025-12-14.json.gz").unlink()
    assert opened(orderly, None) == ["2025-12-14", "2025-12-15", NEWEST]
    wanted, taken = rows_of(raw_only(orderly, None, None)), list[str]()
    take_over = KeptMinutes._taken_over

    def noted(self, day, *arguments):
        taken.append(day.key)
        return take_over(self, day, *arguments)

    monkeypatch.setattr(KeptMinutes, "_taken_over", noted)
    assert rows_of(read.minutes(BTC, vault=orderly.root)) == wanted
    assert taken == ["2025-12-13", "2025-12-15"]


def test_a_reader_writes_nothing(orderly):
    """Neither minutes nor notes, and where minutes do not fit it says nothing on disk."""
    (orderly.minutes(BTC) / "2025-12-14.json.gz").unlink()
    orderly.state("bars", BTC).unlink()
    before = {path: path.stat().st_mtime_ns for path in orderly.root.rglob("*")}
    read.minutes(BTC, vault=orderly.root)
    assert {path: path.stat().st_mtime_ns for path in orderly.root.rglob("*")} == before


def test_bad_lines_of_kept_days_are_named(orderly):
    """With file, byte and reason, and counted, as if they had been read."""
    lines = kept_days.stream(39, days=4, odd=False)
    kept_days.put(orderly, [*lines[:300], kept_days.BAD, *lines[300:]])
    (orderly.trades(BTC) / "2025-12-14.jsonl.gz").unlink()
    kept_days.run(orderly)
    assert opened(orderly, None) == [NEWEST]
    met, wanted = read.minutes(BTC, vault=orderly.root), raw_only(orderly, None, None)
    assert (met.rejected, met.counts) == (wanted.rejected, wanted.counts)
    assert "line at byte" in met.rejected[0]


def test_a_damaged_number_of_repairs_costs_the_kept_minutes_only(orderly):
    """Then the raw lines are read, as before there were any."""
    wanted = rows_of(read.minutes(BTC, vault=orderly.root))
    gap_ledger.raise_generation(orderly.generation(BTC))
    orderly.generation(BTC).write_bytes(b"{}")
    assert opened(orderly, None)[0] == "2025-12-13"
    assert rows_of(read.minutes(BTC, vault=orderly.root)) == wanted


def test_a_live_vault_is_followed_past_kept_days(orderly):
    """Kept days first, then lines as they come."""
    path = orderly.trades(BTC) / f"{NEWEST}.jsonl"
    whole = path.read_bytes()
    half = whole.index(b"\n", len(whole) // 2) + 1
    path.write_bytes(whole[:half])
    wanted = rows_of(raw_only(orderly, "2025-12-14 23:20", "2026-01-01"))[0]
    met = []
    for table in read.follow(
        "minutes", BTC, "2025-12-14 23:20", "2026-01-01", vault=orderly.root, every_s=0, idle_s=0
    ):
        met += list(table.rows())
    assert met == wanted


@pytest.mark.parametrize("count", ["rejected", "duplicates", "late_trades", "ahead"])
def test_a_day_that_is_not_in_order_is_joined_nowhere(orderly, count):
    """The span that begins in it reads its lines; the next day's are taken."""
    path = orderly.minutes(BTC) / "2025-12-15.json.gz"
    minutes = day_minutes.decode(path.read_bytes())
    other = replace(minutes, counts={**minutes.counts, count: 1})
    path.write_bytes(day_minutes.encode(other))
    assert opened(orderly, "2025-12-15 23:59") == ["2025-12-15", NEWEST]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"exchange": "binance"},
        {"inst_id": "ETH-USDT-SWAP"},
        {"day": "2025-12-14"},
        {"whale_notional": 10**50},
        {"offset": 1},
    ],
)
def test_a_day_is_joined_if_it_was_made_as_this_reader_would(orderly, change):
    """Of the same instrument, day and threshold; where reading began does not count."""
    path = orderly.minutes(BTC) / "2025-12-15.json.gz"
    minutes = day_minutes.decode(path.read_bytes())
    path.write_bytes(day_minutes.encode(replace(minutes, key=replace(minutes.key, **change))))
    joined = change.keys() <= {"offset"}
    assert opened(orderly, "2025-12-15 23:59") == ([] if joined else ["2025-12-15"]) + [NEWEST]
