"""A UTC day out of archive files: each id once, joined, none that a recording covers."""

import hashlib
import random
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.exchanges.archive import container
from ravequant.exchanges.archive.container import ArchiveError
from ravequant.exchanges.okx.archive import trade_rows
from ravequant.exchanges.okx.archive.trade_day import TradeBlock, TradeDay
from ravequant.records import Trade, TradeEncoder, join_fills, parse_trade
from ravequant.vault.imports.id_spans import IdSpan
from tests.support.archive_files import (
    BTC,
    FORMS,
    HEADERS,
    market_fills,
    row,
    trade_file,
    write_zip,
)

DAY, NEXT = "2025-12-14", "2025-12-15"
START = times.day_start_ms(DAY)
CONTRACT = Contract("0.01", "1", "linear")
ENCODER = TradeEncoder(BTC, CONTRACT)


def stretched(fills: Sequence[Trade], first_ms: int, step_ms: int) -> list[Trade]:
    """Return the fills at other times, which never go back; those of one moment stay together."""
    newest = list(accumulate((fill.ts for fill in fills), max))
    moments = {ts: first_ms + at * step_ms for at, ts in enumerate(dict.fromkeys(newest))}
    return [
        replace(fill, ts=moments[ts], source="0") for fill, ts in zip(fills, newest, strict=True)
    ]


# four days of trades, from 16:00 UTC of the 12th to 16:00 UTC of the 16th
FILLS = stretched(market_fills(6_000, START), START - 32 * times.HOUR_MS, 150_000)


def lines(fills: Sequence[Trade]) -> bytes:
    """Return the lines of fills, joined."""
    return b"".join(map(ENCODER.line, join_fills(fills)))


def of_label(label: str, fills: Sequence[Trade] = FILLS) -> list[Trade]:
    """Return the rows of a label: until 16:00 UTC of its date."""
    end = times.day_start_ms(label) + 16 * times.HOUR_MS
    return [fill for fill in fills if end - times.DAY_MS <= fill.ts < end]


def of_day(day: str = DAY, fills: Sequence[Trade] = FILLS) -> list[Trade]:
    """Return the rows of a UTC day."""
    return [fill for fill in fills if times.day(fill.ts) == day]


def two_files(folder: Path, form: str = "english") -> list[Path]:
    """Write the two labels of the day."""
    return [trade_file(folder, label, of_label(label), form) for label in (DAY, NEXT)]


def read(
    paths: Sequence[Path], covered: Sequence[IdSpan] = (), day: str = DAY
) -> tuple[TradeDay, list[TradeBlock]]:
    """Read a day to its end."""
    found = TradeDay(paths, BTC, day, CONTRACT, covered)
    return found, list(found.blocks())


def text(blocks: Sequence[TradeBlock]) -> bytes:
    """Return the lines of all blocks."""
    return b"".join(block.lines for block in blocks)


@pytest.mark.parametrize("form", FORMS)
def test_a_day_is_cut_out_of_two_labels(tmp_path, form):
    """At midnight UTC, in every header form; the facts name both files."""
    paths = two_files(tmp_path, form)
    day, blocks = read(paths)
    own = of_day()
    assert text(blocks) == lines(own)
    facts = day.facts
    assert (facts.rows, facts.records) == (len(own), len(list(join_fills(own))))
    assert (facts.first_id, facts.last_id) == (own[0].trade_id, own[-1].trade_id)
    assert (facts.id_before, facts.id_after) == (own[0].trade_id - 1, own[-1].trade_id + 1)
    assert (facts.doubles, facts.dropped_covered, facts.jumps) == (0, 0, ())
    for path, of_file in zip(paths, facts.files, strict=True):
        data = path.read_bytes()
        assert of_file[:3] == (path.name, len(data), hashlib.sha256(data).hexdigest())
        assert of_file.header.startswith(HEADERS[form][:8].decode()) or not of_file.header
    assert sum(minute.qty for minute in facts.minutes.values()) > 0
    assert {times.day(minute * times.MINUTE_MS) for minute in facts.minutes} == {DAY}


def test_a_month_stands_in_the_place_of_its_days(tmp_path):
    """The same bytes."""
    path = trade_file(tmp_path, "2025-12", FILLS)
    assert text(read([path])[1]) == lines(of_day())


def test_a_record_is_not_cut_by_a_block(tmp_path, monkeypatch):
    """The same bytes, however few rows are read at once, and however often the day is read."""
    whole = text(read(two_files(tmp_path))[1])
    few_rows_at_once(monkeypatch, 150)
    day, blocks = read(two_files(tmp_path))
    assert text(blocks) == whole == text(list(day.blocks()))
    assert len(blocks) > 100


@pytest.mark.parametrize("seed", range(8))
def test_covered_ids_are_dropped_before_joining(tmp_path, seed):
    """No id stands twice, none is lost, and each block goes whole between recorded records."""
    chance = random.Random(seed)
    own = of_day()
    paths = two_files(tmp_path)
    cuts = sorted(chance.sample(range(own[0].trade_id - 9, own[-1].trade_id + 9), 40))
    spans = [(first, last - 1) for first, last in zip(cuts[::2], cuts[1::2], strict=True)]
    covered = {an_id for first, last in spans for an_id in range(first, last + 1)}
    day, blocks = read(paths, spans)
    left = [fill for fill in own if fill.trade_id not in covered]
    assert text(blocks) == lines(left)
    assert day.facts.dropped_covered == len(own) - len(left)
    assert sum(block.records for block in blocks) == day.facts.records
    for block in blocks:
        assert not covered & set(range(block.first_id, block.last_id + 1))
        records = [parse_trade(line, BTC)[0] for line in block.lines.splitlines(keepends=True)]
        assert block[1:] == (records[0].first_id, records[-1].trade_id, len(records))


def test_a_block_ends_before_a_covered_id_that_the_archive_lacks(tmp_path):
    """The recorded record belongs between its neighbours."""
    own = of_day()
    gone = own[100].trade_id
    kept = [fill for fill in FILLS if fill.trade_id != gone]
    paths = [trade_file(tmp_path, label, of_label(label, kept)) for label in (DAY, NEXT)]
    day, blocks = read(paths, [(gone, gone)])
    assert text(blocks) == lines(of_day(fills=kept))
    assert gone - 1 in {block.last_id for block in blocks}
    assert day.facts.jumps == ((gone, gone),)


def test_a_day_that_is_recorded_whole_gives_nothing(tmp_path):
    """Its facts and minutes are those of the archive all the same."""
    own = of_day()
    day, blocks = read(two_files(tmp_path), [(f.trade_id, f.trade_id) for f in own])
    assert blocks == []
    assert (day.facts.rows, day.facts.dropped_covered, day.facts.records) == (len(own),) * 2 + (0,)


def test_spans_that_meet_or_fall_are_an_error(tmp_path):
    """They are the caller's, and would lose trades."""
    for spans in ([(1, 5), (5, 6)], [(5, 6), (1, 2)], [(3, 2)]):
        with pytest.raises(ValueError, match="must ascend and not meet"):
            TradeDay(two_files(tmp_path), BTC, DAY, CONTRACT, spans)


def test_jumps_are_listed_with_the_day_of_the_row_behind_them(tmp_path):
    """At midnight too, and from file to file."""
    own = of_day()
    last_of_first_file = of_label(DAY)[-1].trade_id
    gone = {own[0].trade_id, own[7].trade_id, own[8].trade_id, last_of_first_file}
    kept = [fill for fill in FILLS if fill.trade_id not in gone]
    paths = [trade_file(tmp_path, label, of_label(label, kept)) for label in (DAY, NEXT)]
    day, _ = read(paths)
    assert day.facts.jumps == (
        (own[0].trade_id, own[0].trade_id),
        (own[7].trade_id, own[8].trade_id),
        (last_of_first_file, last_of_first_file),
    )


def few_rows_at_once(monkeypatch, size: int) -> None:
    """Let blocks have about ``size`` bytes."""
    monkeypatch.setattr(trade_rows, "blocks", lambda member, _: container.blocks(member, size))


@pytest.mark.parametrize("size", [60, 1 << 19])
def test_a_time_that_goes_back_over_midnight_stays_in_the_later_day(tmp_path, monkeypatch, size):
    """As in a recording: the day is that of the largest time so far; no id is lost or doubled."""
    few_rows_at_once(monkeypatch, size)
    first = next(at for at, fill in enumerate(FILLS) if times.day(fill.ts) == DAY)
    back = list(FILLS)
    back[first + 1] = replace(back[first + 1], ts=START - 5)
    path = trade_file(tmp_path, "2025-12", back)
    before = text(read([path], day="2025-12-13")[1])
    own = text(read([path])[1])
    assert before == lines(of_day("2025-12-13"))
    assert own == lines(back[first : first + len(of_day())])


def test_equal_rows_are_dropped_and_counted(tmp_path):
    """Those of the day."""
    own = of_day()
    twice = [copy for fill in FILLS for copy in [fill] * (2 if fill in (own[0], own[50]) else 1)]
    twice.insert(1, twice[0])  # a row of another day
    day, blocks = read([trade_file(tmp_path, "2025-12", twice)])
    assert text(blocks) == lines(own)
    assert (day.facts.doubles, day.facts.rows) == (2, len(own))


def test_files_in_the_wrong_order_are_refused(tmp_path):
    """The later label first: ids fall."""
    with pytest.raises(ArchiveError, match=r"line 2: trade id [0-9]+ comes after"):
        read(two_files(tmp_path)[::-1])


@pytest.mark.parametrize("size", [300, 1 << 19])
@pytest.mark.parametrize("day", ["2025-12-13", "2025-12-16"])
def test_a_relisted_instrument_is_refused(tmp_path, monkeypatch, day, size):
    """A month's file with two blocks, the newer first: whichever of them holds the day."""
    few_rows_at_once(monkeypatch, size)
    anew = [replace(fill, trade_id=at) for at, fill in enumerate(FILLS[3_000:], 1)]
    older = trade_file(tmp_path, "2025-12", anew[-1_500:] + FILLS[:1_500])
    with pytest.raises(ArchiveError, match="before that of a row above it"):
        read([older], day=day)
    falls = trade_file(tmp_path, "2025-12", FILLS[:1_500] + anew)
    with pytest.raises(ArchiveError, match="a second block of rows begins at id 1"):
        read([falls], day="2025-12-16")


@pytest.mark.parametrize("place", [3_000, 3_001, -1])
def test_a_time_far_ahead_does_not_end_the_day(tmp_path, monkeypatch, place):
    """A single wrong time would take the rest of the day with it: the file is refused."""
    few_rows_at_once(monkeypatch, 120)
    wrong = of_label(DAY)
    at = place % len(wrong) if place < 0 else place - FILLS.index(wrong[0])
    wrong[at] = replace(wrong[at], ts=wrong[at].ts + 400 * times.DAY_MS)
    paths = [trade_file(tmp_path, DAY, wrong), trade_file(tmp_path, NEXT, of_label(NEXT))]
    with pytest.raises(ArchiveError, match=r"lies [0-9]{3}d[0-9]+h before that of a row above it"):
        read(paths)


def test_a_cut_some_seconds_off_loses_nothing(tmp_path):
    """The files of early 2023 end before 16:00: the ids go on."""
    cut = START + 16 * times.HOUR_MS - 19_000
    earlier, later = [f for f in FILLS if f.ts < cut], [f for f in FILLS if f.ts >= cut]
    paths = [trade_file(tmp_path, DAY, earlier), trade_file(tmp_path, NEXT, later)]
    day, blocks = read(paths)
    assert text(blocks) == lines(of_day())
    assert day.facts.jumps == ()


@pytest.mark.parametrize(
    "name",
    [
        "ETH-USDT-SWAP-trades-2025-12-14.zip",
        "BTC-USDT-SWAP-candlesticks-2025-12-14.zip",
        "BTC-USDT-SWAP-trades-2025-12-14 (1).zip",
        "allswap-trades-2025-12-14.zip",
    ],
)
def test_a_file_of_another_name_is_refused(tmp_path, name):
    """Old rows do not say which instrument they are of."""
    path = write_zip(tmp_path / name, HEADERS["english"])
    with pytest.raises(ArchiveError) as caught:
        TradeDay([path], BTC, DAY, CONTRACT)
    assert str(caught.value) == (
        f"{path}: by its name it holds no trades of this instrument; expected a name like "
        "BTC-USDT-SWAP-trades-2025-01-31.zip; give it the name it was published under, or leave "
        "it out"
    )


@pytest.mark.parametrize("size", [150, 1 << 19])
def test_a_checksum_that_is_wrong_behind_the_day_is_seen(tmp_path, monkeypatch, size):
    """Rows behind the day are not read, their bytes are."""
    few_rows_at_once(monkeypatch, size)
    paths = two_files(tmp_path)
    data = bytearray(paths[1].read_bytes())
    at = data.rindex(b"PK\1\2") + 16
    data[at] ^= 1
    paths[1].write_bytes(data)
    day = TradeDay(paths, BTC, DAY, CONTRACT)
    with pytest.raises(ArchiveError, match="Bad CRC-32"):
        list(day.blocks())
    with pytest.raises(ValueError, match="exhaust blocks"):
        _ = day.facts


def test_a_day_without_trades_is_empty(tmp_path):
    """Between two that have some."""
    kept = [fill for fill in FILLS if times.day(fill.ts) != DAY]
    paths = [trade_file(tmp_path, label, of_label(label, kept)) for label in (DAY, NEXT)]
    day, blocks = read(paths)
    assert (blocks, day.facts.rows, day.facts.first_id) == ([], 0, None)
    assert day.facts.id_after is not None


def peak_bytes(folder: Path, count: int) -> int:
    """Return the most memory that reading a day of so many fills takes at once."""
    rows = (
        row(Trade(START + at, 10**9 + at, "buy", "101250.5", "0.25"), "english")
        for at in range(count)
    )
    path = write_zip(folder / f"{BTC}-trades-2025-12.zip", HEADERS["english"] + b"".join(rows))
    tracemalloc.start()
    try:
        day = TradeDay([path], BTC, DAY, CONTRACT)
        assert sum(block.records for block in day.blocks()) == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_file(tmp_path):
    """Four times as many rows take no more of it."""
    small = peak_bytes(tmp_path, 50_000)
    assert peak_bytes(tmp_path, 200_000) < 1.2 * small
    assert small < 40 << 20


RESHAPED = {  # file: days, rows of each, records, jumps
    "BTC-USDT-SWAP-trades-2020-02-22.zip": (["2020-02-22"], [47_237], 39_278, 0),
    "BTC-USDT-SWAP-trades-2023-04-05.zip": (
        ["2023-04-04", "2023-04-05"],
        [2_197, 10_737],
        5_252,
        1,
    ),
    "BTC-USDT-SWAP-trades-2024-08-09.zip": (["2024-08-08"], [21_313], 10_447, 0),
    "ETH-USDT-SWAP-trades-2024-08-09.zip": (["2024-08-08", "2024-08-09"], [14_051, 25], 6_209, 0),
}


@pytest.mark.parametrize("name", RESHAPED)
def test_recorded_rows_are_joined(shared_data, name):
    """Recorded trades in the archive's form, one file at a time."""
    days, rows, records, jumps = RESHAPED[name]
    inst_id = name.partition("-trades")[0]
    path = shared_data / "okx_archive" / "reshaped" / "trades" / name
    facts = []
    for date in days:
        day = TradeDay([path], inst_id, date, CONTRACT)
        for _ in day.blocks():
            pass
        facts.append(day.facts)
    assert [of.rows for of in facts] == rows
    assert sum(of.records for of in facts) == records
    missing = [last - first + 1 for of in facts for first, last in of.jumps]
    assert missing == [1] * jumps
