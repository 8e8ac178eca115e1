"""Dashboard/newest_raw.py: the newest price and the minute that is under way."""

import gzip

import pytest

from Dashboard.newest_raw import NewestRaw, forming_of
from Dashboard.watch import NewestFile
from ravequant import times
from ravequant.contract import Contract
from ravequant.exact import price_text
from ravequant.records import Trade, TradeEncoder
from ravequant.vault.paths import Vault
from tests.support.book_lines import lines, snapshot

BTC = "BTC-USDT-SWAP"
START = times.parse_iso("2025-12-14T10:00:00Z")
ENCODER = TradeEncoder(BTC, Contract("0.01", "1", "linear"))


@pytest.fixture
def raw(tmp_path):
    """Return a reader of a vault, with nothing read."""
    return NewestRaw(Vault(tmp_path), BTC)


@pytest.fixture
def trades(tmp_path):
    """Return the file of trades of the day."""
    return NewestFile("2025-12-14", tmp_path / "2025-12-14.jsonl")


def add(newest, *rows):
    """Append trades: second, id, price."""
    with newest.path.open("ab") as file:
        for second, number, price in rows:
            trade = Trade(START + round(second * 1_000), number, "buy", price, "100")
            file.write(ENCODER.line(trade))


def test_the_minute_under_way_grows_trade_by_trade(raw, trades):
    """Open, high, low, close, and the notional; each line is read once."""
    add(trades, (1, 1, "100"), (2, 2, "103"))
    raw.read_trades(trades)
    add(trades, (3, 3, "99.5"), (4, 4, "101"))
    raw.read_trades(trades)
    minute = START // 60_000
    assert raw.forming(minute).row == {
        "minute": minute, "o": 100.0, "h": 103.0, "l": 99.5, "c": 101.0, "vol": 403.5
    }  # fmt: skip
    assert raw.price[2] == "trade"
    assert raw.forming(minute + 1) is None


def test_it_begins_at_the_two_newest_minutes(raw, trades):
    """Of a file that is there they are read, from the first trade of the older one."""
    add(trades, *((second, second + 1, "100") for second in range(600)))
    raw.read_trades(trades)
    minute = START // 60_000 + 9
    whole = {"minute": minute, "o": 100.0, "h": 100.0, "l": 100.0, "c": 100.0, "vol": 6_000.0}
    assert raw.forming(minute).row == whole
    assert raw.forming(minute - 1).row == whole | {"minute": minute - 1}
    add(trades, (600, 601, "90"))
    raw.read_trades(trades)
    assert raw.forming(minute + 1).minute == minute + 1


def test_a_minute_is_shown_until_its_row_is_there(raw, trades):
    """The oldest minute without a row, though trades of the next one have come."""
    minute = START // 60_000
    add(trades, (1, 1, "100"), (59, 2, "102"), (61, 3, "90"))
    raw.read_trades(trades)
    assert raw.forming(minute).row["c"] == 102.0
    assert raw.forming(minute + 1).row["c"] == 90.0


def test_the_minute_of_a_live_picture(trades, tmp_path):
    """The same as of the live page: of the newest file, None without any."""
    vault = Vault(tmp_path)
    assert forming_of(vault, BTC, 0) is None
    day = NewestFile(trades.key, vault.trades(BTC) / trades.path.name)
    day.path.parent.mkdir(parents=True)
    add(day, (1, 1, "100"), (59, 2, "102"), (61, 3, "90"))
    minute = START // 60_000
    found = [forming_of(vault, BTC, minute + n) for n in range(3)]
    assert [one and one.row["c"] for one in found] == [102.0, 90.0, None]


def test_lines_that_are_no_new_trade_are_left_out(raw, trades):
    """Torn, damaged, repeated ones, and one ahead of its time."""
    add(trades, (1, 5, "100"))
    with trades.path.open("ab") as file:
        file.write(b"{}\nnonsense\n")
        ahead = Trade(START + 40_000, 6, "buy", "500", "1", ahead=True)
        file.write(ENCODER.line(ahead))
    add(trades, (2, 4, "400"), (3, 7, "101"))
    whole = trades.path.read_bytes()
    trades.path.write_bytes(whole[:-20])
    raw.read_trades(trades)
    assert raw.forming(0).row["c"] == 100.0
    trades.path.write_bytes(whole)
    raw.read_trades(trades)
    assert raw.forming(0).row["h"] == raw.forming(0).row["c"] == 101.0


def test_a_new_day_is_read_from_its_start(raw, trades, tmp_path):
    """The file of the next day begins with its first trade; that before it is read to its end."""
    add(trades, (1, 5, "100"))
    raw.read_trades(trades)
    add(trades, (50_399, 6, "777"))
    day = NewestFile("2025-12-15", tmp_path / "2025-12-15.jsonl")
    add(day, (86_401, 7, "110"), (86_500, 8, "111"))
    raw.read_trades(day)
    minute = START // 60_000 + 1_440
    assert [raw.forming(minute + n).row["o"] for n in range(2)] == [110.0, 111.0]
    assert price_text(raw.high) == "777"


def test_the_mid_of_the_newest_snapshot(raw, tmp_path, trades):
    """The newer of mid and trade is the price; of the same time the mid."""
    book = NewestFile("2025-12-14/10", tmp_path / "10.jsonl")
    sides = [["99", "1", "0", "1"]], [["101", "1", "0", "1"]]
    rows = [snapshot(START + ms, *sides) for ms in (0, 2_000)]
    book.path.write_bytes(lines(rows) + b'{"torn')
    raw.read_book(book)
    assert (raw.price.ts, raw.price.source) == (START + 2_000, "mid")
    add(trades, (2, 1, "100.5"))
    raw.read_trades(trades)
    assert raw.price.source == "mid"
    add(trades, (2.1, 2, "100.5"))
    raw.read_trades(trades)
    assert raw.price.source == "trade"


def test_the_range_since_it_was_forgotten(raw, trades):
    """It begins anew at the newest price."""
    add(trades, (1, 1, "100"), (2, 2, "90"), (3, 3, "95"))
    raw.read_trades(trades)
    raw.forget_range()
    assert raw.low == raw.high == raw.price.price
    add(trades, (4, 4, "97"))
    raw.read_trades(trades)
    assert raw.low < raw.high


def test_packed_files_are_not_of_now(raw, tmp_path):
    """A vault of the past has no price of now here; that of the answer is shown."""
    for name in ("2025-12-14.jsonl.gz", "10.jsonl.gz"):
        (tmp_path / name).write_bytes(gzip.compress(b""))
    raw.read_trades(NewestFile("2025-12-14", tmp_path / "2025-12-14.jsonl.gz"))
    raw.read_book(NewestFile("2025-12-14/10", tmp_path / "10.jsonl.gz"))
    assert raw.price is None
