"""The bucketizer against a second one written apart; one run, many runs and killed runs agree."""

import random
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from Liquidity_Buckets import l2_bucketizer
from Liquidity_Buckets.l2_bucketizer import BucketFold, ContractHistory
from ravequant.errors import VaultError
from ravequant.records import Contract
from ravequant.settings import L2, Settings
from ravequant.snapshots import SnapshotReader
from ravequant.vault.paths import CHECKOUT, Vault
from tests import books
from tests.bucket_oracle import Rules, buckets

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
LINEAR = Contract("0.01", "1", "linear")
START = 1_765_748_096_000  # 2025-12-14T21:34:56.000Z


class Fixed:
    """Contracts by the clock, as the rules of the oracle say."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def refresh(self) -> None:
        pass

    def at(self, ts: int) -> Contract:
        worth = self._rules.worth(ts)
        text = str(float(worth)).rstrip("0").rstrip(".")
        return Contract(text, "1", "inverse" if self._rules.inverse else "linear")


class Queue:
    """Deep lines from memory; a restart begins with the line in use."""

    def __init__(self, rows: list[dict[str, Any]], at: int = 0) -> None:
        self._lines = [books.lines([row]) for row in rows]
        self._next = at
        self._used = at

    def peek(self) -> bytes | None:
        return self._lines[self._next] if self._next < len(self._lines) else None

    def take(self) -> None:
        self._used = self._next
        self._next += 1

    def skip(self, reason: str | None) -> None:
        assert reason is None, reason
        self._next += 1

    def again(self) -> "Queue":
        queue = Queue([], self._used)
        queue._lines = self._lines
        return queue


def compute(
    snapshots: list[dict[str, Any]],
    deeps: list[dict[str, Any]],
    rules: Rules,
    cuts: list[int] | None = None,
    *,
    odd: bool = False,
) -> list[dict[str, Any]]:
    """Return the records; at each of ``cuts`` everything goes on from JSON."""
    chosen = Settings(l2=L2(depth_levels=rules.depth_levels))
    inst_id = snapshots[0]["instId"]
    queue, state = Queue(deeps), b""
    records: list[dict[str, Any]] = []
    ends = [*(cuts or []), len(snapshots)]
    for begin, end in zip([0, *ends], ends, strict=False):
        reader = SnapshotReader(inst_id, queue, _refuse)
        fold = BucketFold(inst_id, chosen, Fixed(rules))
        if state:
            facts = orjson.loads(state)
            reader.restore(facts["reader"])
            fold.restore(facts["fold"])
        data = books.lines(snapshots[begin:end])
        if odd:  # another writer's spelling
            data = data.replace(b'":', b'": ')
        records += fold.update(reader.read(data)) if data else []
        state = orjson.dumps({"reader": reader.state(), "fold": fold.state()})
        queue = queue.again()
    return [orjson.loads(orjson.dumps(record)) for record in records]


def _refuse(offset: int, reason: str) -> None:
    raise AssertionError(f"line at {offset} rejected: {reason}")


def first_difference(found: list[Any], wanted: list[Any]) -> Any:
    for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
        if one != other:
            fields = [
                (key, one.get(key), other[key]) for key in other if one.get(key) != other[key]
            ]
            return number, fields, list(one) == list(other)
    return None


# small books: a handful of levels, steps of time and price that meet every rule


@st.composite
def markets(  # noqa: C901 - a whole market
    draw: st.DrawFn,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Rules]:
    chance = random.Random(draw(st.integers(0, 2**32)))
    depth = draw(st.integers(2, 6))
    tick, places = draw(st.sampled_from([(10, 1), (1, 0), (25, 2), (5, 2)]))
    unit = 10**places
    rules = Rules(
        depth_levels=depth,
        inverse=draw(st.booleans()),
        ct_val=Fraction(draw(st.sampled_from(["0.01", "1", "100"]))),
    )
    scale = 1 if not rules.inverse else 100_000
    if not rules.inverse:
        scale = max(1, int(10 / rules.ct_val))
    ts, mid = START, 100_000 * unit // 10 * 10
    snapshots: list[dict[str, Any]] = []
    deeps: list[dict[str, Any]] = []
    standing: dict[int, int] = {}

    def text(units: int) -> str:
        whole, part = divmod(units, unit)
        return f"{whole}.{part:0{places}}".rstrip("0").rstrip(".") if part else str(whole)

    def side(sign: int, count: int, span: int) -> list[list[str]]:
        step = mid * span // 10_000 // count
        found, price = [], mid
        for _ in range(count):
            price += sign * max(tick, chance.randint(1, max(2, 2 * step)) // tick * tick)
            level = standing.get(price)
            if level is None or chance.random() < 0.1:
                level = chance.choice((1, 3, 5, 9, 10, 30)) * scale * chance.choice((1, 1, 1, 7))
                standing[price] = level
            found.append([text(price), str(level), "0", "1"])
        return found

    def fixed(sign: int, span: int, count: int) -> list[list[str]]:
        """Levels at round prices, so that walls stand still while the mid moves."""
        grid = mid // 400 // tick * tick or tick
        first = (mid // grid + (1 if sign > 0 else 0)) * grid
        if first == mid:
            first += sign * grid
        prices = [first + sign * grid * n for n in range(count)]
        found = []
        for price in prices:
            if abs(price - mid) * 10_000 > span * mid:
                break
            if chance.random() < 0.03 or price not in standing:
                standing[price] = chance.choice((1, 3, 10, 12, 30)) * scale
            found.append([text(price), str(standing[price]), "0", "1"])
        return found or side(sign, 1, span)

    for _ in range(draw(st.integers(5, 60))):
        ts += chance.choice(
            (1, 2_000, 2_000, 5_000, 10_000, 10_000, 10_000, 10_001, 300_000)
            if chance.random() < 0.2
            else (2_000, 9_000, 10_000)
        )
        if chance.random() < 0.5:
            mid += chance.choice((-1, 1)) * tick * chance.choice((1, 1, 5, mid // 2000 // tick + 1))
        make = fixed if chance.random() < 0.8 else side
        count = depth if chance.random() < 0.9 else max(1, depth - 1)
        spans = chance.choice((600, 300, 90)), chance.choice((600, 300, 90))
        bids, asks = (
            make(s, count, n) if make is side else make(s, n, count)
            for s, n in zip((-1, 1), spans, strict=True)
        )
        snapshots.append(books.snapshot(ts, bids, asks, gap=chance.random() < 0.02))
        if chance.random() < (0.5 if len(snapshots) % 20 < 14 else 0.02):
            far = chance.choice((700, 450, 120))
            sides = [fixed(s, far, 40) for s in (-1, 1)]
            deeps.append(books.deep(ts + chance.choice((-500, 0, 900)), ts, sides[0], sides[1]))
    return snapshots, deeps, rules


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(markets(), st.data())
def test_every_field_is_what_the_oracle_says(market, data):
    """Any small market, in one run and cut anywhere, fast and odd lines: the oracle's records."""
    snapshots, deeps, rules = market
    wanted = buckets(snapshots, deeps, rules)
    assert first_difference(compute(snapshots, deeps, rules), wanted) is None
    cuts = sorted(data.draw(st.lists(st.integers(0, len(snapshots)), max_size=6)))
    found = compute(snapshots, deeps, rules, cuts, odd=data.draw(st.booleans()))
    assert first_difference(found, wanted) is None


@pytest.mark.parametrize(
    ("name", "ct_val"),
    [
        ("BTC-USDT-SWAP.2024-08-08", "0.01"),
        ("BTC-USDT-SWAP.2023-04-04_05", "0.01"),
        ("ETH-USDT-SWAP.2024-08-08", "0.1"),
    ],
)
def test_the_recordings_give_the_oracles_records(shared_data, name, ct_val):
    """Recorded books, with and without deep snapshots: every field, in one run and in many."""
    path = shared_data / "books" / f"{name}.books.frames.jsonl.gz"
    snapshots = list(books.recorded(path))[:70]
    assert len(snapshots) == 70
    eth = name.startswith("ETH")
    rules = Rules(
        band=Fraction(150_000 if eth else 300_000),
        wall=Fraction(500_000 if eth else 1_000_000),
        ct_val=Fraction(ct_val),
    )
    deeps = books.deepened(snapshots, seed=7)
    del deeps[2]  # one is missing: the data grow old, and come back
    for beside in ([], deeps):
        wanted = buckets(snapshots, beside, rules)
        assert first_difference(compute(snapshots, beside, rules), wanted) is None
        cuts = sorted(random.Random(3).sample(range(len(snapshots)), 8))
        assert first_difference(compute(snapshots, beside, rules, cuts), wanted) is None
    assert any("deep" in record["band_source"] for record in wanted)


def test_a_changed_contract_counts_from_the_record_after_the_change(vault):
    """``ctVal`` is that of the history line in force at the time of each snapshot."""
    snapshots = [small(START + 2_000 * n) for n in range(4)]
    books.put(vault.snapshots(BTC), snapshots)
    books.put_metadata(vault, BTC, LINEAR)
    books.put_metadata(vault, BTC, Contract("0.1", "1", "linear"), START + 2_000)
    assert run(vault) == 0
    rules = Rules(ct_val_later=(START + 2_000, Fraction(1, 10)))
    assert first_difference(records(vault), buckets(snapshots, [], rules)) is None


def small(ts: int, *, price: int = 101_250, size: str = "5") -> dict[str, Any]:
    """Return a book of two levels a side."""
    bids = [[str(price), size, "0", "1"], [str(price - 300), "300", "0", "1"]]
    asks = [[str(price + 1), size, "0", "1"], [str(price + 301), "300", "0", "1"]]
    return books.snapshot(ts, bids, asks)


def run(vault: Vault, *options: str, inst_id: str = BTC) -> int:
    return l2_bucketizer.main(["--vault", str(vault.root), "--instId", inst_id, *options])


def outputs(vault: Vault, inst_id: str = BTC) -> dict[str, bytes]:
    folder = vault.derived(l2_bucketizer.METRIC, inst_id)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def records(vault: Vault) -> list[dict[str, Any]]:
    return [orjson.loads(line) for data in outputs(vault).values() for line in data.splitlines()]


def test_the_notes_distances_fall_into_the_bands_they_fall_into(vault):
    """101250 is 1.98 bps from 101230, so band 0 (SPEC 12.2), and 19.7 bps from 101050.9: band 1."""
    books.put_metadata(vault, BTC, LINEAR)
    near = books.snapshot(START, [["101229.9", "1", "0", "1"]], [["101230.1", "1", "0", "1"]])
    near["asks_top400"].append(["101250", "2000", "0", "1"])
    far = books.snapshot(START + 1, [["101050.8", "1", "0", "1"]], [["101051", "1", "0", "1"]])
    far["asks_top400"].append(["101250", "2000", "0", "1"])
    books.put(vault.snapshots(BTC), [near, far])
    assert run(vault) == 0
    one, other = records(vault)
    assert one["ask_walls"] == [
        {"price": "101250", "notional": "2025000", "age_s": None, "young": False, "ratio": "2.00"}
    ]
    assert one["ask_notional"] == ["2026012.301", "0", "0", "0", "0", "0"]
    assert other["ask_notional"] == ["1010.51", "2025000", "0", "0", "0", "0"]
    assert (one["ask_depth_bps"], other["ask_depth_bps"]) == ("1.98", "19.70")


def test_the_notes_record_has_these_sums_and_imbalances(vault):
    """The six bands of the notes' example record, in the field order of SPEC section 10."""
    bids = [1_250_000, 3_200_000, 5_100_000, 8_500_000, 12_000_000, 18_000_000]
    asks = [890_000, 2_100_000, 4_800_000, 7_200_000, 9_800_000, 15_000_000]
    edges = [10, 25, 50, 100, 200, 500]  # each level stands exactly on the edge of its band

    def level(price: int, usd: int) -> list[str]:
        return [str(price), str(usd // 100), "0", "1"]

    snapshot = books.snapshot(
        1_765_748_096_123,
        [level(100_000 - 10 * bps, usd) for bps, usd in zip(edges, bids, strict=True)],
        [level(100_000 + 10 * bps, usd) for bps, usd in zip(edges, asks, strict=True)],
        inst_id="BTC-USD-SWAP",
    )
    books.put(vault.snapshots("BTC-USD-SWAP"), [snapshot])
    books.put_metadata(vault, "BTC-USD-SWAP", Contract("100", "1", "inverse"))
    assert run(vault, inst_id="BTC-USD-SWAP") == 0
    line = outputs(vault, "BTC-USD-SWAP")["2025-12-14.jsonl"]
    head = (
        '{"timestamp_utc":"2025-12-14T21:34:56.123Z","exchange":"okx","market":"perp",'
        '"instId":"BTC-USD-SWAP","mid_price":"100000","bands_bps":[10,25,50,100,200,500],'
        '"bid_notional":["1250000","3200000","5100000","8500000","12000000","18000000"],'
        '"ask_notional":["890000","2100000","4800000","7200000","9800000","15000000"],'
        '"bid_base":["12.512512512513","32.080200501253","51.256281407035","85.858585858586",'
        '"122.448979591837","189.473684210526"],'
        '"ask_base":["8.891108891109","20.947630922693","47.761194029851","71.287128712871",'
        '"96.078431372549","142.857142857143"],'
        '"imbalance":["+0.17","+0.21","+0.03","+0.08","+0.10","+0.09"],'
        '"bid_delta_notional":[null,null,null,null,null,null],'
        '"ask_delta_notional":[null,null,null,null,null,null],'
        '"bid_delta_significant":[false,false,false,false,false,false],'
        '"ask_delta_significant":[false,false,false,false,false,false],'
        '"bid_young_age_s":[null,null,null,null,null,null],'
        '"ask_young_age_s":[null,null,null,null,null,null],'
        '"bid_young_active":[false,false,false,false,false,false],'
        '"ask_young_active":[false,false,false,false,false,false],'
        '"bid_walls":[{"price":"95000","notional":"18000000","age_s":null,"young":false,"ratio":"1.00"},'
    )
    assert line.decode().startswith(head)
    assert line.decode().endswith(
        '"bid_depth_bps":"500.00","ask_depth_bps":"500.00",'
        '"band_source":["ws","ws","ws","ws","ws","ws"],"deep_age_s":null,"gap":false}\n'
    )


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_a_change_of_source_alone_changes_nothing(seed):
    """A market that stands still, seen through windows that come and go: no change, no new wall."""
    chance = random.Random(seed)

    def side(sign: int) -> list[list[str]]:
        return [[str(100_000 + sign * (50 * n + 1)), "3000", "0", "1"] for n in range(120)]

    bids, asks = side(-1), side(1)
    ts, snapshots, deeps = START, [], []
    for _ in range(60):
        ts += chance.choice((2_000, 5_000, 10_000))
        shown = [chance.choice((2, 5, 20, 60, 115)) for _ in "ba"]
        snapshots.append(books.snapshot(ts, bids[: shown[0]], asks[: shown[1]]))
        if chance.random() < 0.3:
            shown = [chance.choice((10, 70, 120)) for _ in "ba"]
            deeps.append(books.deep(ts, ts, bids[: shown[0]], asks[: shown[1]]))
    whole = compute([books.snapshot(START, bids, asks)], [], Rules(depth_levels=2))[0]
    found = compute(snapshots, deeps, Rules(depth_levels=2))
    started = found[0]["band_source"]
    for record in found:
        for name in ("bid", "ask"):
            assert set(record[f"{name}_delta_notional"]) <= {None, "0"}
            assert not any(record[f"{name}_delta_significant"])
            assert all(wall["age_s"] is None for wall in record[f"{name}_walls"])
            # the notes' rule lets a band that a first snapshot shows whole begin its timer there
            young = record[f"{name}_young_active"]
            assert all(
                not on or source != "partial" for on, source in zip(young, started, strict=True)
            )
        for band, source in enumerate(record["band_source"]):
            wanted = None if source == "partial" else whole["imbalance"][band]
            assert record["imbalance"][band] == wanted


def test_hourly_flat_and_compressed_files_give_the_same_bytes(tmp_path):
    """Each form of the raw files is read; where two forms of a day exist the hourly one counts."""
    import gzip

    snapshots = [small(START + 700_000 * n, size=str(n + 1)) for n in range(20)]
    found = []
    for form in ("hourly", "flat", "flat.gz", "hourly.gz", "both"):
        vault = Vault(tmp_path / form)
        books.put_metadata(vault, BTC, LINEAR)
        folder = vault.snapshots(BTC)
        if "hourly" in form or form == "both":
            books.put(folder, snapshots)
        if "flat" in form or form == "both":
            folder.mkdir(parents=True, exist_ok=True)
            for day in sorted({row["timestamp_utc"][:10] for row in snapshots}):
                rows = [row for row in snapshots if row["timestamp_utc"].startswith(day)]
                rows = rows if form != "both" else [{}]
                (folder / f"{day}.jsonl").write_bytes(books.lines(rows))
        for path in list(folder.rglob("*.jsonl")) if form.endswith("gz") else ():
            path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
        assert run(vault) == 0
        found.append(outputs(vault))
    assert all(other == found[0] for other in found)
    assert sorted(found[0]) == ["2025-12-14.jsonl", "2025-12-15.jsonl"]


def test_an_hour_deleted_by_age_is_passed_over_with_a_gap(vault, capsys):
    """A cursor in a deleted hour goes on at the oldest one left; the record there has ``gap``."""
    books.put_metadata(vault, BTC, LINEAR)
    books.put(vault.snapshots(BTC), [small(START)])
    assert run(vault) == 0
    later = START + 7_200_000
    books.put(vault.snapshots(BTC), [small(later), small(later + 2_000)])
    (vault.snapshots(BTC) / "2025-12-14" / "21.jsonl").unlink()
    assert run(vault) == 0
    assert [record["gap"] for record in records(vault)] == [False, True, False]
    assert (
        "the raw file 2025-12-14/21.jsonl was read before and has been deleted"
        in capsys.readouterr().err
    )


def test_a_rebuild_takes_up_compressed_days(vault):
    """Output days that were compressed are recomputed, and what lies before the raw data stays."""
    import gzip

    books.put_metadata(vault, BTC, LINEAR)
    snapshots = [small(START + 3_000_000 * n) for n in range(6)]
    books.put(vault.snapshots(BTC), snapshots)
    assert run(vault) == 0
    whole = outputs(vault)
    day = vault.derived(l2_bucketizer.METRIC, BTC) / "2025-12-14.jsonl"
    day.with_suffix(".jsonl.gz").write_bytes(gzip.compress(day.read_bytes()))
    day.unlink()
    (vault.snapshots(BTC) / "2025-12-14" / "21.jsonl").unlink()
    assert run(vault, "--rebuild") == 0
    again = outputs(vault)
    assert sorted(again) == sorted(whole)
    first = whole["2025-12-14.jsonl"].splitlines(keepends=True)[0]
    assert again["2025-12-14.jsonl"].startswith(first)


def test_without_metadata_nothing_is_read(vault, capsys):
    """Without a contract there is no notional: a clear error before a snapshot is read."""
    books.put(vault.snapshots(BTC), [small(START)])
    assert run(vault) == 1
    wanted = "there is no metadata of BTC-USDT-SWAP; start the trade exporter once"
    assert wanted in capsys.readouterr().err
    assert not vault.state(l2_bucketizer.METRIC, BTC).exists()
    with pytest.raises(VaultError):
        ContractHistory(vault, BTC)


def test_changed_thresholds_are_noticed(vault, monkeypatch, tmp_path):
    """Other thresholds than those of the state are an error that names --rebuild."""
    books.put_metadata(vault, BTC, LINEAR)
    books.put(vault.snapshots(BTC), [small(START)])
    assert run(vault) == 0
    chosen = tmp_path / "own.toml"
    chosen.write_text('[buckets.band_notional]\nBTC = "1"\n', encoding="utf-8")
    monkeypatch.setenv("RAVEQUANT_SETTINGS", str(chosen))
    assert run(vault) == 1
    assert run(vault, "--rebuild") == 0


SETTINGS = "[l2]\ndepth_levels = 12\n"  # the made-up market's books have 12 levels a side


def market(length: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a walk over an hour's end with walls, deep snapshots and a break."""
    chance = random.Random(11)
    ts, mid = 1_765_756_700_000, 100_000  # 23:58:20
    snapshots, deeps = [], []
    for number in range(length):
        ts += 2_000 if number != length // 2 else 30_000
        mid += chance.choice((-10, 0, 0, 10))
        sides = [
            [
                [str(price), str(50 + price % 70 * 45), "0", "1"]
                for price in range(mid - mid % 50 + sign * 50, mid + sign * 4_000, sign * 50)
            ]
            for sign in (-1, 1)
        ]
        near = [[level for level in side if level[0] != str(mid)][:12] for side in sides]
        snapshots.append(books.snapshot(ts, *near, gap=number == length // 3))
        if number % 7 == 3:
            deeps.append(books.deep(ts + 300, ts, sides[0], sides[1]))
    return snapshots, deeps


def rounds(
    rows: list[dict[str, Any]], beside: list[dict[str, Any]], count: int
) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """Deal out lines as an exporter writes them: a deep line before the first later snapshot."""
    size, given = -(-len(rows) // count), 0
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        upto = given
        while upto < len(beside) and beside[upto]["from_utc"] < part[-1]["timestamp_utc"]:
            upto += 1
        yield part, beside[given:upto]
        given = upto


@pytest.mark.slow
def test_fifty_runs_with_kills_between_give_the_bytes_of_one(tmp_path, monkeypatch):
    """Killed for real at any step, with data coming in between: the same files, to the byte."""
    (tmp_path / "own.toml").write_text(SETTINGS, encoding="utf-8")
    monkeypatch.setenv("RAVEQUANT_SETTINGS", str(tmp_path / "own.toml"))
    snapshots, deeps = market(150)
    one, many = Vault(tmp_path / "one"), Vault(tmp_path / "many")
    for vault in (one, many):
        books.put_metadata(vault, BTC, LINEAR)
    books.put(one.snapshots(BTC), snapshots)
    books.put(one.deep_snapshots(BTC), deeps)
    assert run(one) == 0
    chance = random.Random(5)
    killed = 0
    for part, beside in rounds(snapshots, deeps, 50):
        books.put(many.deep_snapshots(BTC), beside)
        books.put(many.snapshots(BTC), part)
        command = [sys.executable, "-m", "tests.crashes", str(chance.randint(1, 14))]
        command += ["Liquidity_Buckets.l2_bucketizer", "--vault", str(many.root), "--instId", BTC]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, check=False)
        assert done.returncode in {0, -9, 137}, done.stderr.decode()
        killed += done.returncode != 0
    assert run(many) == 0
    assert outputs(many) == outputs(one)
    assert killed > 15
    wanted = buckets(snapshots, deeps, Rules(depth_levels=12))
    assert first_difference(records(one), wanted) is None
    assert {record["gap"] for record in records(one)} == {True, False}
    assert {source for record in records(one) for source in record["band_source"]} == {
        "ws", "deep", "partial",
    }  # fmt: skip
