"""Tests of ravequant.read: any span is the filter of the whole; followed live is read later."""

import gzip
import json
import shutil
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ravequant import read, times
from ravequant.contract import Contract
from ravequant.errors import NoDataError, UsageError, VaultError
from ravequant.read import log
from ravequant.records import Trade, TradeEncoder
from ravequant.vault.paths import Vault, day_files
from tests.support import read_oracle
from tests.support.read_oracle import moment
from tests.support.sql_vault import BTC, ETH, USD, canonical, rows_of
from tests.support.trade_streams import START, streams, write_raw

HOUR = times.HOUR_MS
RECORDS = ("vwap", "cvd", "volume", "wicks", "buckets", "signals")
KEYS = {"wicks": "known_utc", "signals": "as_of_utc"}
few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def when(ms: int) -> str:
    return times.iso(ms)


def plain(value: Any) -> Any:
    """Return a value of a row as the files write it."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return canonical(f"{value:f}")
    if isinstance(value, datetime):
        return canonical(value.isoformat(timespec="milliseconds") + "Z")
    return canonical(value)


def rows(table: read.Table) -> list[dict[str, Any]]:
    return list(table.rows())


def packed(vault: Vault, inst_id: str = BTC) -> None:
    """Compress all trade days but the newest."""
    for _, path in list(day_files(vault.trades(inst_id)))[:-1]:
        path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


@pytest.mark.parametrize("inst_id", [BTC, ETH, USD])
def test_trades_are_those_of_a_plain_loop(filled, inst_id):
    """Every value of every trade, inverse contracts too, in the order of the files."""
    table = read.trades(inst_id, vault=filled.root)
    assert rows(table) == list(read_oracle.trades(filled, inst_id))
    assert table.counts.duplicates == 1
    assert not table.complete  # the log does not go on behind it


@pytest.mark.parametrize("name", RECORDS)
def test_records_are_those_of_the_files(filled, name):
    """Every field of every record is the value that its line holds."""
    fixed = ("instId", "exchange", "market")
    wanted = [
        {key: canonical(value) for key, value in row.items() if key not in fixed}
        for row in rows_of(filled, name, BTC)
    ]
    met = [plain(row) for row in rows(getattr(read, name)(BTC, vault=filled.root))]
    shown = [{key: row.get(key) for key in mine} for row, mine in zip(wanted, met, strict=True)]
    assert shown == met
    assert set(wanted[0]) - set(met[0]) == set()


@pytest.mark.parametrize("name", ["minutes", *RECORDS])
@pytest.mark.parametrize("since", [None, "2025-12-14 21:05", "2025-12-14T23:59:30Z"])
@pytest.mark.parametrize("until", [None, "2025-12-14 22:35", "2025-12-15 00:01"])
def test_a_span_holds_its_beginning_and_not_its_end(filled, name, since, until):
    """Of each data set: the records of the whole whose time lies in it, and no other."""
    key = KEYS.get(name, "timestamp_utc")
    begin, end = (text and read_time(text) for text in (since, until))
    if begin and end and end < begin:
        return
    whole = rows(getattr(read, name)(BTC, vault=filled.root))
    wanted = [
        row for row in whole if (not begin or row[key] >= begin) and (not end or row[key] < end)
    ]
    assert rows(getattr(read, name)(BTC, since, until, vault=filled.root)) == wanted


def read_time(text: str) -> datetime:
    return datetime.fromisoformat(text.removesuffix("Z"))


@pytest.fixture(params=[1 << 11, 1 << 16], ids=["small probes", "as shipped"])
def probes(request, monkeypatch) -> None:
    """Let small files be bisected, and read in blocks, too."""
    monkeypatch.setattr(log, "_PROBE", request.param)
    monkeypatch.setattr(log, "_BLOCK", max(request.param, 1 << 12))


@st.composite
def logs(draw) -> list[bytes]:
    """Draw trades out of order by up to 20 s, and some that are an hour late or far ahead."""
    lines: list[bytes] = draw(streams(least=30, most=160))
    for at in range(draw(st.integers(5, 20)), len(lines), 25):
        row = json.loads(lines[at])
        kind = draw(st.sampled_from(["late", "ahead", "garbage", "as it is"]))
        if kind == "late":
            row["timestamp_utc"] = when(times.parse_iso(row["timestamp_utc"]) - HOUR)
        if kind == "ahead":
            row |= {"timestamp_utc": "2098-01-01T00:00:00.000Z", "ahead": True}
        lines[at] = b"{}\n" if kind == "garbage" else json.dumps(row).encode() + b"\n"
    return lines


def written(vault: Vault, lines: list[bytes]) -> None:
    """Write lines as the exporter does: a line that is ahead opens no day."""
    newest = when(START)[:10]
    for line in lines:
        row = json.loads(line)
        if row and not row.get("ahead"):
            newest = max(newest, row["timestamp_utc"][:10])
        folder = vault.trades(BTC)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{newest}.jsonl").open("ab") as out:
            out.write(line)


def repeats_over_midnight(vault: Vault) -> bool:
    """Return True if a day has an id of an earlier one: behind a packed day nobody looks for it."""
    last = -1
    for _, path in day_files(vault.trades(BTC)):
        rows = [json.loads(line) for line in read_oracle.lines_of(path)]
        ids = [int(row["trade_id"]) for row in rows if row]
        if min(ids, default=last + 1) <= last:
            return True
        last = max(ids, default=last)
    return False


@few
@given(
    lines=logs(),
    span=st.tuples(
        st.integers(-HOUR // 4, 12 * HOUR), st.sampled_from([0, 1, 30_000, HOUR, 5 * HOUR])
    ),
    gz=st.booleans(),
)
def test_any_span_of_trades_is_the_filter_of_the_whole(tmp_path_factory, probes, lines, span, gz):
    """Wherever it lies, packed or not, whatever is late, ahead, repeated or no trade at all."""
    vault = Vault(tmp_path_factory.mktemp("span") / "vault")
    written(vault, lines)
    if gz and not repeats_over_midnight(vault):
        packed(vault)
    since, until = START + span[0], START + sum(span)
    assert rows(read.trades(BTC, vault=vault.root)) == list(read_oracle.trades(vault, BTC))
    newest = max(
        times.parse_iso(json.loads(line)["timestamp_utc"]) for line in lines if b"id" in line
    )
    if since > newest:
        return
    met = read.trades(BTC, when(since), when(until), vault=vault.root)
    assert rows(met) == list(read_oracle.trades(vault, BTC, since, until))
    whole = rows(read.minutes(BTC, vault=vault.root))
    inside = [row for row in whole if moment(since) <= row["timestamp_utc"] < moment(until)]
    assert rows(read.minutes(BTC, when(since), when(until), vault=vault.root)) == inside


def test_sums_of_trades_are_those_of_the_minutes(filled):
    """The notional of a minute is the sum of its trades, exactly; late ones count later."""
    minutes, trades = (
        getattr(read, name)(BTC, vault=filled.root) for name in ("minutes", "trades")
    )
    closed = minutes["last_id"].values[-1]
    among = trades["trade_id"].values <= closed
    assert sum(trades["notional"].decimal()[among]) == sum(minutes["notional"].decimal())


def test_books_are_the_snapshots(filled):
    """Times, mid, touch and every level of the raw lines, best first."""
    table = read.books(BTC, vault=filled.root)
    raw = [
        json.loads(line)
        for path in sorted(filled.snapshots(BTC).glob("*/*.jsonl"))
        for line in read_oracle.lines_of(path)
    ]
    for row, line in zip(table.rows(), raw, strict=True):
        assert row["timestamp_utc"] == moment(times.parse_iso(line["timestamp_utc"]))
        assert row["gap_detected"] == line["gap_detected"]
        for name in ("mid_price", "best_bid", "best_ask"):
            assert row[name] == Decimal(line[name])
        for name in ("bids", "asks"):
            levels = [(level["price"], level["qty_contracts"]) for level in row[name]]
            assert levels == [(Decimal(p), Decimal(q)) for p, q, *_ in line[f"{name}_top400"]]


@pytest.mark.parametrize("name", ["trades", "minutes", "books", *RECORDS])
def test_blocks_are_the_table_in_parts(filled, name):
    """Block by block it is the same, with the same counts."""
    parts = list(read.blocks(name, BTC, "2025-12-14 20:00", "2025-12-15 00:30", vault=filled.root))
    whole = getattr(read, name)(BTC, "2025-12-14 20:00", "2025-12-15 00:30", vault=filled.root)
    assert [row for part in parts for row in part.rows()] == rows(whole)
    assert sum((part.counts for part in parts), read.Counts()) == whole.counts


def test_a_minute_needs_only_its_own_part_of_the_log(filled, monkeypatch):
    """Two minutes before the span are read, not the day: the file is sought, not scanned."""
    monkeypatch.setattr(log, "_PROBE", 1 << 12)
    table = read.trades(BTC, "2025-12-14 23:30", "2025-12-14 23:31", vault=filled.root)
    whole = read.trades(BTC, "2025-12-14 23:30", vault=filled.root)
    assert table.complete
    assert whole.counts.lines < read.trades(BTC, vault=filled.root).counts.lines / 2


def test_times_are_what_people_give(filled):
    """Text without a zone, with one, a datetime, latest: the same moment, the same records."""
    wanted = rows(read.vwap(BTC, "2025-12-14 21:00", "2025-12-14 21:10", vault=filled.root))
    assert len(wanted) == 9  # a minute had no trade
    two = timezone(timedelta(hours=2))
    for since in (
        "2025-12-14T21:00:00Z",
        "2025-12-14 23:00+02:00",
        datetime(2025, 12, 14, 21),  # noqa: DTZ001 - naive on purpose: it is UTC
        datetime(2025, 12, 14, 23, tzinfo=two),
    ):
        met = read.vwap(BTC, since, datetime(2025, 12, 14, 21, 10, tzinfo=UTC), vault=filled.root)
        assert rows(met) == wanted
    newest = read.vwap(BTC, "latest", vault=filled.root)
    assert len(newest) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("btc-usdt-swap",), UsageError, "is not a legal name"),
        ((BTC, "05.12.2025"), UsageError, "'05.12.2025' is not a time"),
        ((BTC, "2098-01-01"), UsageError, "'2098-01-01' is 2098-01-01T00:00:00Z, later than now"),
        ((BTC, "2025-12-15", "2025-12-14"), UsageError, "is earlier than since '2025-12-15'"),
        (("SOL-USDT-SWAP",), NoDataError,
         "no trades of SOL-USDT-SWAP in .*(there are those of: BTC-USD-SWAP, BTC-USDT-SWAP, ETH"),
    ],
)  # fmt: skip
def test_questions_that_cannot_be_answered(filled, arguments, error, message):
    """A wrong name, a time that is none, a span that begins in the future: said, with a remedy."""
    with pytest.raises(error) as told:
        read.trades(*arguments, vault=filled.root)
    for part in message.split(".*"):
        assert part in str(told.value)
    with pytest.raises(UsageError, match=r"no data set 'nothing': one of trades, minutes, books"):
        read.blocks("nothing", BTC, vault=filled.root)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", RECORDS)
def test_a_damaged_record_is_named(filled, tmp_path, name):
    """Half a line, or a value of the wrong kind: file, byte and remedy, and no rows."""
    vault = Vault(tmp_path / "vault")
    shutil.copytree(filled.root, vault.root)
    folder = vault.derived("liquidity_buckets" if name == "buckets" else name, BTC)
    path = min(folder.glob("*.jsonl"))
    whole = path.read_bytes()
    said = rf"{path.name}: at or after byte \d+ stands no record of {name}: "
    remedy = "put a good copy in its place" if name == "signals" else "py --rebuild"
    for spoiled in (whole[:-9] + b"\n", whole.replace(b"T21:35", b"T21.35", 1), b"[1]\n" + whole):
        path.write_bytes(spoiled)
        with pytest.raises(VaultError, match=rf"{said}.*{remedy}"):
            getattr(read, name)(BTC, vault=vault.root)


def test_a_damaged_packed_day_is_named(filled, tmp_path):
    """A gzip file that is cut: no trades, and its name."""
    vault = Vault(tmp_path / "vault")
    shutil.copytree(filled.root, vault.root)
    packed(vault)
    path = next(vault.trades(BTC).glob("*.gz"))
    path.write_bytes(path.read_bytes()[:-40])
    for name in ("trades", "minutes"):
        with pytest.raises(VaultError, match=rf"{path.name}: is not a whole gzip file"):
            getattr(read, name)(BTC, "2025-12-14 21:00", vault=vault.root)


def test_rejected_lines_are_counted_and_named(tmp_path, caplog):
    """A line that is no trade gives no row; the table and the log say which it was."""
    vault, good = Vault(tmp_path / "vault"), []
    write_raw(vault, BTC, good := made(5))
    (path,) = vault.trades(BTC).iterdir()
    path.write_bytes(b"".join(good[:2]) + b"{broken}\n" + b"".join(good[2:]) + b'{"torn":')
    table = read.trades(BTC, vault=str(vault.root))
    assert (len(table), table.counts.rejected) == (5, 1)
    assert table.rejected[0].startswith(f"{path}: line at byte {sum(map(len, good[:2]))}: not JSON")
    assert "1 lines are no records" in caplog.text


def made(count: int, first: int = 0) -> list[bytes]:
    """Return so many trades, two seconds apart."""
    encoder = TradeEncoder(BTC, Contract("0.01", "1", "linear"))
    return [
        encoder.line(Trade(START + 2_000 * n, 1_000 + n, "buy", f"10125{n % 10}.5", "45"))
        for n in range(first, first + count)
    ]
