"""The bucketizer as a program: its files, its golden lines, and what kills cannot change."""

import gzip
import random
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import orjson
import pytest

from Liquidity_Buckets import l2_bucketizer
from ravequant import settings
from ravequant.contract import Contract
from ravequant.errors import UsageError, VaultError
from ravequant.vault.instruments import InstrumentHistory
from ravequant.vault.paths import CHECKOUT, Vault
from tests.support import book_lines
from tests.support.bucket_markets import START, first_difference
from tests.support.bucket_oracle import Rules, buckets
from tests.support.examples import often
from tests.support.recordings import MIDNIGHT, at_hand

BTC = "BTC-USDT-SWAP"
LINEAR = Contract("0.01", "1", "linear")


def test_a_changed_contract_counts_from_the_record_after_the_change(vault):
    """``ctVal`` is that of the history line in force at the time of each snapshot."""
    snapshots = [small(START + 2_000 * n) for n in range(4)]
    book_lines.put(vault.snapshots(BTC), snapshots)
    book_lines.put_metadata(vault, BTC, LINEAR)
    book_lines.put_metadata(vault, BTC, Contract("0.1", "1", "linear"), START + 2_000)
    assert run(vault) == 0
    rules = Rules(ct_val_later=(START + 2_000, Fraction(1, 10)))
    assert first_difference(records(vault), buckets(snapshots, [], rules)) is None


def small(ts: int, *, price: int = 101_250, size: str = "5") -> dict[str, Any]:
    """Return a book of two levels a side."""
    bids = [[str(price), size, "0", "1"], [str(price - 300), "300", "0", "1"]]
    asks = [[str(price + 1), size, "0", "1"], [str(price + 301), "300", "0", "1"]]
    return book_lines.snapshot(ts, bids, asks)


def run(vault: Vault, *options: str, inst_id: str = BTC) -> int:
    return l2_bucketizer.main(["--vault", str(vault.root), "--instId", inst_id, *options])


def outputs(vault: Vault, inst_id: str = BTC) -> dict[str, bytes]:
    folder = vault.derived(l2_bucketizer.CALCULATOR.metric, inst_id)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def records(vault: Vault) -> list[dict[str, Any]]:
    return [orjson.loads(line) for data in outputs(vault).values() for line in data.splitlines()]


def test_the_notes_distances_fall_into_the_bands_they_fall_into(vault):
    """101250 is 1.98 bps from 101230, so band 0 (SPEC 12.2), and 19.7 bps from 101050.9: band 1."""
    book_lines.put_metadata(vault, BTC, LINEAR)
    near = book_lines.snapshot(START, [["101229.9", "1", "0", "1"]], [["101230.1", "1", "0", "1"]])
    near["asks_top400"].append(["101250", "2000", "0", "1"])
    far = book_lines.snapshot(START + 1, [["101050.8", "1", "0", "1"]], [["101051", "1", "0", "1"]])
    far["asks_top400"].append(["101250", "2000", "0", "1"])
    book_lines.put(vault.snapshots(BTC), [near, far])
    assert run(vault) == 0
    one, other = records(vault)
    assert one["ask_walls"] == [
        {"price": "101250", "notional": "2025000", "age_s": None, "young": False, "ratio": "2.00"}
    ]
    assert one["ask_notional"] == ["2026012.301", "0", "0", "0", "0", "0"]
    assert other["ask_notional"] == ["1010.51", "2025000", "0", "0", "0", "0"]
    assert (one["ask_depth_bps"], other["ask_depth_bps"]) == ("1.98", "19.70")


def test_levels_at_the_mid_count_and_those_on_the_wrong_side_do_not(vault):
    """Distance 0 is in band 0, 500 bps in band 5; beyond it and across the mid nothing counts."""
    book_lines.put_metadata(vault, BTC, Contract("1", "1", "linear"))
    row = book_lines.snapshot(START, [["99999", "1", "0", "1"]], [["100001", "1", "0", "1"]])
    row["bids_top400"] = [[price, "1", "0", "1"] for price in ("100001", "100000", "99999")]
    row["asks_top400"] = [
        [price, "1", "0", "1"] for price in ("99999.9", "100000", "105000", "105000.1")
    ]
    book_lines.put(vault.snapshots(BTC), [row])
    assert run(vault) == 0
    [record] = records(vault)
    assert record["bid_notional"] == ["199999", "0", "0", "0", "0", "0"]
    assert record["ask_notional"] == ["100000", "0", "0", "0", "0", "105000"]
    assert (record["bid_depth_bps"], record["ask_depth_bps"]) == ("0.10", "500.00")


def test_the_notes_record_has_these_sums_and_imbalances(vault):
    """The six bands of the notes' example record, in the field order of SPEC section 10."""
    bids = [1_250_000, 3_200_000, 5_100_000, 8_500_000, 12_000_000, 18_000_000]
    asks = [890_000, 2_100_000, 4_800_000, 7_200_000, 9_800_000, 15_000_000]
    edges = [10, 25, 50, 100, 200, 500]  # each level stands exactly on the edge of its band

    def level(price: int, usd: int) -> list[str]:
        return [str(price), str(usd // 100), "0", "1"]

    snapshot = book_lines.snapshot(
        1_765_748_096_123,
        [level(100_000 - 10 * bps, usd) for bps, usd in zip(edges, bids, strict=True)],
        [level(100_000 + 10 * bps, usd) for bps, usd in zip(edges, asks, strict=True)],
        inst_id="BTC-USD-SWAP",
    )
    book_lines.put(vault.snapshots("BTC-USD-SWAP"), [snapshot])
    book_lines.put_metadata(vault, "BTC-USD-SWAP", Contract("100", "1", "inverse"))
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


def test_hourly_flat_and_compressed_files_give_the_same_bytes(tmp_path):
    """Each form of the raw files is read; where two forms of a day exist the hourly one counts."""
    snapshots = [small(START + 700_000 * n, size=str(n + 1)) for n in range(20)]
    found = []
    for form in ("hourly", "flat", "flat.gz", "hourly.gz", "both"):
        vault = Vault(tmp_path / form)
        book_lines.put_metadata(vault, BTC, LINEAR)
        folder = vault.snapshots(BTC)
        if "hourly" in form or form == "both":
            book_lines.put(folder, snapshots)
        if "flat" in form or form == "both":
            folder.mkdir(parents=True, exist_ok=True)
            for day in sorted({row["timestamp_utc"][:10] for row in snapshots}):
                rows = [row for row in snapshots if row["timestamp_utc"].startswith(day)]
                rows = rows if form != "both" else [{}]
                (folder / f"{day}.jsonl").write_bytes(book_lines.lines(rows))
        for path in list(folder.rglob("*.jsonl")) if form.endswith("gz") else ():
            path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
        assert run(vault) == 0
        found.append(outputs(vault))
    assert all(other == found[0] for other in found)
    assert sorted(found[0]) == ["2025-12-14.jsonl", "2025-12-15.jsonl"]


def test_an_hour_deleted_by_age_is_passed_over_with_a_gap(vault, capsys):
    """A cursor in a deleted hour goes on at the oldest one left; the record there has ``gap``."""
    book_lines.put_metadata(vault, BTC, LINEAR)
    book_lines.put(vault.snapshots(BTC), [small(START)])
    assert run(vault) == 0
    later = START + 7_200_000
    book_lines.put(vault.snapshots(BTC), [small(later), small(later + 2_000)])
    (vault.snapshots(BTC) / "2025-12-14" / "21.jsonl").unlink()
    assert run(vault) == 0
    assert [record["gap"] for record in records(vault)] == [False, True, False]
    assert (
        "the raw file 2025-12-14/21.jsonl was read before and has been deleted"
        in capsys.readouterr().err
    )


def test_an_hour_deleted_while_an_older_one_stays_is_passed_over(vault, capsys):
    """Retention skips what a reader holds open: the cursor goes on at the hour after its own."""
    book_lines.put_metadata(vault, BTC, LINEAR)
    book_lines.put(vault.snapshots(BTC), [small(START), small(START + 3_600_000)])
    assert run(vault) == 0
    book_lines.put(vault.snapshots(BTC), [small(START + 7_200_000)])
    (vault.snapshots(BTC) / "2025-12-14" / "22.jsonl").unlink()
    assert run(vault) == 0
    assert [record["gap"] for record in records(vault)] == [False, True, True]
    said = capsys.readouterr()
    assert "going on with the oldest one after it, 2025-12-14/23" in said.err
    assert "(1 lines, 0 rejected, 0 duplicates" in said.out.splitlines()[-1]


def test_a_rebuild_takes_up_compressed_days(vault):
    """Output days that were compressed are recomputed, and what lies before the raw data stays."""
    book_lines.put_metadata(vault, BTC, LINEAR)
    snapshots = [small(START + 3_000_000 * n) for n in range(6)]
    book_lines.put(vault.snapshots(BTC), snapshots)
    assert run(vault) == 0
    whole = outputs(vault)
    day = vault.derived(l2_bucketizer.CALCULATOR.metric, BTC) / "2025-12-14.jsonl"
    day.with_suffix(".jsonl.gz").write_bytes(gzip.compress(day.read_bytes()))
    day.unlink()
    (vault.snapshots(BTC) / "2025-12-14" / "21.jsonl").unlink()
    assert run(vault, "--rebuild") == 0
    again = outputs(vault)
    assert sorted(again) == sorted(whole)
    first = whole["2025-12-14.jsonl"].splitlines(keepends=True)[0]
    assert again["2025-12-14.jsonl"].startswith(first)


def test_without_metadata_nothing_is_read(vault, capsys):
    """Without a contract there is no notional: no data yet, as in the first seconds."""
    book_lines.put(vault.snapshots(BTC), [small(START)])
    assert run(vault) == 3
    wanted = "there is no metadata of BTC-USDT-SWAP; start the trade exporter once"
    assert wanted in capsys.readouterr().err
    assert not vault.state(l2_bucketizer.CALCULATOR.metric, BTC).exists()
    with pytest.raises(VaultError):
        InstrumentHistory(vault, BTC)


def test_a_history_without_a_whole_line_leaves_the_metadata(vault):
    """Its first line may have been torn by a crash: what stands beside it holds."""
    book_lines.put_metadata(vault, BTC, LINEAR)
    vault.metadata_history(BTC).write_bytes(b'{"instId":')
    book_lines.put(vault.snapshots(BTC), [small(START)])
    assert run(vault) == 0
    assert len(records(vault)) == 1


def test_changed_thresholds_are_noticed(vault, monkeypatch, tmp_path):
    """Other thresholds than those of the state are an error that names --rebuild."""
    book_lines.put_metadata(vault, BTC, LINEAR)
    book_lines.put(vault.snapshots(BTC), [small(START)])
    assert run(vault) == 0
    chosen = tmp_path / "own.toml"
    chosen.write_text('[buckets.band_notional]\nBTC = "1"\n', encoding="utf-8")
    monkeypatch.setenv("RAVEQUANT_SETTINGS", str(chosen))
    assert run(vault) == 1
    assert run(vault, "--rebuild") == 0


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
        snapshots.append(book_lines.snapshot(ts, *near, gap=number == length // 3))
        if number % 7 == 3:
            deeps.append(book_lines.deep(ts + 300, ts, sides[0], sides[1]))
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
@pytest.mark.parametrize(
    ("kind", "runs"),
    [*((recording, often(8, 50)) for recording in at_hand(MIDNIGHT)), ("made up", 12)],
    ids=lambda value: "" if isinstance(value, int) else str(value),
)
def test_runs_with_kills_between_give_the_bytes_of_one(tmp_path, monkeypatch, kind, runs):
    """Killed for real at any step, with data coming in between: the same files, to the byte."""
    if kind != "made up":
        snapshots, depth = list(book_lines.recorded(kind.book_file)), 400
        deeps = book_lines.deepened(snapshots, seed=3)
    else:
        (snapshots, deeps), depth = market(150), 12
    own = tmp_path / "own.toml"
    own.write_text(f"[l2]\ndepth_levels = {depth}\n", encoding="utf-8")
    monkeypatch.setenv("RAVEQUANT_SETTINGS", str(own))
    one, many = Vault(tmp_path / "one"), Vault(tmp_path / "many")
    for vault in (one, many):
        book_lines.put_metadata(vault, BTC, LINEAR)
    book_lines.put(one.snapshots(BTC), snapshots)
    book_lines.put(one.deep_snapshots(BTC), deeps)
    assert run(one) == 0
    chance = random.Random(5)
    killed = 0
    for part, beside in rounds(snapshots, deeps, runs):
        book_lines.put(many.deep_snapshots(BTC), beside)
        book_lines.put(many.snapshots(BTC), part)
        command = [sys.executable, "-m", "tests.support.crashes", str(chance.randint(1, 14))]
        command += ["Liquidity_Buckets.l2_bucketizer", "--vault", str(many.root), "--instId", BTC]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, check=False)
        assert done.returncode in {0, -9, 137}, done.stderr.decode()
        killed += done.returncode != 0
    assert run(many) == 0
    assert outputs(many) == outputs(one)
    assert len(outputs(one)) == 2
    assert killed > runs // 4
    wanted = buckets(snapshots, deeps, Rules(depth_levels=depth))
    assert first_difference(records(one), wanted) is None
    assert {"deep", "partial"} <= {
        source for record in records(one) for source in record["band_source"]
    }


def test_since_begins_with_a_whole_minute_and_the_deep_data_before_it(vault):
    """``--since`` bounds a first run; the deep snapshot that counts there is found."""
    snapshots, deeps = market(80)
    book_lines.put(vault.snapshots(BTC), snapshots)
    book_lines.put(vault.deep_snapshots(BTC), deeps)
    book_lines.put_metadata(vault, BTC, LINEAR)
    assert run(vault, "--since", "60s") == 0
    assert snapshots[-1]["timestamp_utc"][:19] == "2025-12-15T00:01:28"
    late = [row for row in snapshots if row["timestamp_utc"] >= "2025-12-15T00:00:00"]
    assert 20 < len(late) < 80
    assert first_difference(records(vault), buckets(late, deeps, Rules())) is None


def test_thresholds_go_by_the_asset(tmp_path):
    """A table of the settings: the longest start of the instId counts, what is absent stays."""
    chosen = tmp_path / "own.toml"
    text = '[buckets.wall_notional]\nBTC-USD = "7"\nSOL = "5"\n'
    chosen.write_text(text, encoding="utf-8")
    amounts = settings.load(chosen).buckets.wall_notional
    found = [
        amounts.of(inst_id).text
        for inst_id in (BTC, "BTC-USD-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP", "BTCDOM-USDT-SWAP")
    ]
    assert found == ["1000000", "7", "500000", "5", "300000"]
    chosen.write_text("[buckets.wall_notional]\nBTC = 5\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"buckets\.wall_notional = \{'BTC': 5\} is not a table"):
        settings.load(chosen)
