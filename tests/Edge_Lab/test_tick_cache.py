"""The cache of ticks: what a plain reader finds, kept only for its file, in any spelling."""

import json
import random
from fractions import Fraction

import pytest

from Edge_Lab.tick_cache import TickCache, joined, tape_of
from ravequant import times
from ravequant.contract import Contract
from ravequant.errors import NoDataError
from ravequant.records import RecordError, Trade, TradeEncoder, parse_trade
from ravequant.vault.compress import pack
from ravequant.vault.paths import Vault

BTC = "BTC-USDT-SWAP"
DAYS = ("2025-12-14", "2025-12-15", "2025-12-16")
ENCODER = TradeEncoder(BTC, Contract("0.01", "1", "linear"))


def lines_of(day, first_id, count=400, seed=1):
    """Return a day of lines: sources, late and ahead records, duplicates, odd and bad lines."""
    rng = random.Random(seed)
    start, trade_id, lines = times.day_start_ms(day), first_id, []
    for number in range(count):
        trade_id += rng.choice([1, 1, 1, 2])
        moment = start + number * times.DAY_MS // count - rng.choice([0, 0, 0, 700])
        ahead = rng.random() < 0.04
        trade = Trade(
            max(start, moment) + (3 * times.DAY_MS if ahead else 0),
            trade_id,
            rng.choice(["buy", "sell"]),
            f"101{rng.randrange(100, 999)}.{rng.randrange(10)}".removesuffix(".0"),
            rng.choice(["1", "0.01", "12.5", "300"]),
            source=rng.choice(["0", "0", "0", "1"]),
            ahead=ahead and rng.random() < 0.5,  # older files do not say so
        )
        line = ENCODER.line(trade)
        odd = rng.random()
        if odd < 0.03:
            line = line.replace(b'"source":', b' "s\\u006furce" : ')
        elif odd < 0.05:
            line = line.replace(b'"price":"', b'"price":"-')
        lines += [line] * (2 if odd > 0.97 else 1)
    return lines, trade_id


@pytest.fixture
def vault(tmp_path):
    """Return a vault of two finished days and the day of now."""
    found, last = Vault(tmp_path / "a vault"), 1_000
    folder = found.trades(BTC)
    folder.mkdir(parents=True)
    for seed, day in enumerate(DAYS):
        lines, last = lines_of(day, last, seed=seed)
        (folder / f"{day}.jsonl").write_bytes(b"".join(lines))
    return found


def plain(vault, days):
    """Return the records of days one line after the other, prices and sizes as fractions."""
    found, last = [], -1
    for day in DAYS:
        for line in (vault.trades(BTC) / f"{day}.jsonl").read_bytes().splitlines(keepends=True):
            try:
                trade, _ = parse_trade(line, BTC)
            except RecordError:
                continue
            if trade.trade_id <= last:
                continue
            last = trade.trade_id
            if day in days and not trade.ahead and times.day(trade.ts) <= day:
                price, qty = Fraction(trade.price), Fraction(trade.qty)
                found.append((trade.ts, price, qty, trade.side == "buy", trade.source != "1"))
    return found


def rows(ticks):
    """Return the columns as rows."""
    return [
        (ts, Fraction(price, 10**ticks.price_places), Fraction(qty, 10**ticks.qty_places), *flags)
        for ts, price, qty, *flags in zip(
            ticks.ts.tolist(), ticks.price.tolist(), ticks.qty.tolist(),
            ticks.buy.tolist(), ticks.organic.tolist(), strict=True,
        )
    ]  # fmt: skip


def test_columns_are_what_a_plain_reader_finds(vault):
    """Made, taken from the cache, of the day of now, and joined: always the same records."""
    for _ in range(2):
        cache = TickCache(vault, BTC)
        for day in DAYS:
            assert rows(cache.day(day)) == plain(vault, {day})
    whole = joined([cache.day(day) for day in DAYS])
    assert rows(whole) == plain(vault, set(DAYS))
    assert {whole.price.itemsize, whole.qty.itemsize} == {4}
    assert len(tape_of(whole)) == len(whole.ts)
    assert not cache.folder(DAYS[2]).exists()  # its day is not over


def test_a_kept_day_is_not_read_again(vault, monkeypatch):
    """The second time no raw line is scanned, and compressing the file changes nothing."""
    cache = TickCache(vault, BTC)
    first = rows(cache.day(DAYS[0])), rows(cache.day(DAYS[1]))
    monkeypatch.setattr(TickCache, "_read", None)
    assert (rows(cache.day(DAYS[0])), rows(TickCache(vault, BTC).day(DAYS[1]))) == first
    pack(vault.trades(BTC) / f"{DAYS[0]}.jsonl")
    assert rows(TickCache(vault, BTC).day(DAYS[0])) == first[0]


def test_a_changed_file_is_read_again(vault):
    """A repaired day, and a day before it whose end changed: the columns are made anew."""
    TickCache(vault, BTC).day(DAYS[1])
    path = vault.trades(BTC) / f"{DAYS[1]}.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[5:]))
    assert rows(TickCache(vault, BTC).day(DAYS[1])) == plain(vault, {DAYS[1]})
    earlier = vault.trades(BTC) / f"{DAYS[0]}.jsonl"
    last = ENCODER.line(Trade(times.day_start_ms(DAYS[1]) - 1, 1_700, "buy", "1", "1"))
    earlier.write_bytes(earlier.read_bytes() + last)
    assert rows(TickCache(vault, BTC).day(DAYS[1])) == plain(vault, {DAYS[1]})


@pytest.mark.parametrize("name", ["ts.npy", "price.npy", "qty.npy", "flags.npy", "key.json"])
@pytest.mark.parametrize("harm", ["cut", "turned", "gone", "foreign"])
def test_a_damaged_cache_is_made_again(vault, name, harm):
    """Cut, a bit turned, gone, or something else altogether: the raw file is read again."""
    cache = TickCache(vault, BTC)
    cache.day(DAYS[0])
    path = cache.folder(DAYS[0]) / name
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    broken = {"cut": path.read_bytes()[:-5], "turned": bytes(data), "foreign": b"[]"}
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(broken[harm])
    assert rows(TickCache(vault, BTC).day(DAYS[0])) == plain(vault, {DAYS[0]})
    assert json.loads((cache.folder(DAYS[0]) / "key.json").read_bytes())["version"] == 1


def test_another_version_is_made_again(vault):
    """Columns of other rules are not believed."""
    cache = TickCache(vault, BTC)
    cache.day(DAYS[0])
    path = cache.folder(DAYS[0]) / "key.json"
    key = json.loads(path.read_bytes())
    path.write_text(json.dumps(key | {"version": 0, "price_places": 9}), encoding="utf-8")
    assert rows(cache.day(DAYS[0])) == plain(vault, {DAYS[0]})


def test_a_torn_day_is_read_and_not_kept(vault):
    """The bytes after the last newline may be written yet: nobody knows the whole file."""
    path = vault.trades(BTC) / f"{DAYS[0]}.jsonl"
    path.write_bytes(path.read_bytes() + b'{"timestamp_utc":"2025')
    cache = TickCache(vault, BTC)
    assert len(cache.day(DAYS[0]).ts) > 300
    assert not cache.folder(DAYS[0]).exists()


def test_wide_numbers_keep_their_value(vault):
    """A price that needs more than 63 bits is exact, and its day is read each time."""
    wide = Trade(times.day_start_ms(DAYS[1]) - 1, 1_900, "buy", "0.00000000000000000001", "1")
    path = vault.trades(BTC) / f"{DAYS[0]}.jsonl"
    path.write_bytes(path.read_bytes() + ENCODER.line(wide))
    cache = TickCache(vault, BTC)
    assert rows(cache.day(DAYS[0])) == plain(vault, {DAYS[0]})
    assert not (cache.folder(DAYS[0]) / "key.json").exists()


def test_a_day_that_is_not_there_is_named(vault):
    """No file: the message names instrument, day, vault and what to do."""
    with pytest.raises(NoDataError, match="no raw trades of BTC-USDT-SWAP on 2025-12-13 in"):
        TickCache(vault, BTC).day("2025-12-13")
