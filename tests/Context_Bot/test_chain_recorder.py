"""The recorder of large transfers against the chain desk: each block whole and once."""

import errno
import os

import orjson
import pytest

from Context_Bot import chain_recorder
from Context_Bot.chain_recorder import ChainRecorder, read_block
from ravequant.errors import FeedError, VaultError
from ravequant.exchanges.mempool_space import MempoolSpace
from ravequant.sim import chain
from ravequant.vault.paths import ON_CHAIN, day_files
from tests.support.chain_desk import LEAST, TWELFTH, blocks, check, lines, serving, spoiled

START = TWELFTH - 5


@pytest.fixture
def desk():
    with serving(START) as made:
        yield made


def recorder(vault, desk, least: int = LEAST) -> ChainRecorder:
    rest = MempoolSpace(desk.url, attempts=1, limit_factor=10_000)
    return ChainRecorder(vault, rest, least)


def follow(made: ChainRecorder, desk, last: int) -> None:
    """Read each block when it is found, up to one."""
    for height in range(chain.tip(desk.now), last + 1):
        desk.now = chain.found_ms(height)
        while made.step():
            pass


def heights(vault) -> list[int]:
    return [row["height"] for row in blocks(vault)]


def test_it_begins_with_the_newest_block(vault, desk):
    """Nothing before the first start is fetched."""
    made = recorder(vault, desk)
    follow(made, desk, START)
    assert heights(vault) == [START]
    assert made.step() is False


def test_a_line_is_that_of_the_contract(vault, desk):
    """Field by field, in their order; amounts are texts of satoshi."""
    follow(recorder(vault, desk), desk, START + 3)
    row = lines(vault)[0]
    assert list(row) == [
        "timestamp_utc", "exchange", "market", "channel", "instId", "height", "index", "txid",
        "sent_sat", "returned_sat", "fee_sat", "inputs", "outputs", "labels", "block",
    ]  # fmt: skip
    assert (row["exchange"], row["market"], row["instId"]) == ("mempool.space", "onchain", ON_CHAIN)
    assert row["labels"] is None
    assert int(row["sent_sat"]) >= LEAST


def test_a_missed_block_is_read_before_the_next(vault, desk):
    """The newest height may jump, by a stop of any length too: heights rise by one all the same."""
    made = recorder(vault, desk)
    follow(made, desk, START)
    desk.now = chain.found_ms(START + 3)  # the next one comes with it
    while made.step():
        pass
    assert heights(vault) == list(range(START, START + 5))
    assert check(vault) > 0


def test_a_replaced_branch_is_read_anew_and_nothing_is_edited(vault, desk):
    """Their lines stay; the newest line about a height says what counts."""
    made = recorder(vault, desk)
    follow(made, desk, TWELFTH)
    before = b"".join(path.read_bytes() for _, path in day_files(vault.btc_transfers(ON_CHAIN)))
    follow(made, desk, TWELFTH + 1)
    after = b"".join(path.read_bytes() for _, path in day_files(vault.btc_transfers(ON_CHAIN)))
    assert after.startswith(before)
    assert len(after) > len(before)
    assert heights(vault)[-5:] == [TWELFTH - 1, TWELFTH, TWELFTH - 1, TWELFTH, TWELFTH + 1]
    assert [row["generation"] for row in blocks(vault)][-4:] == [0, 1, 1, 1]
    check(vault)


def test_the_first_block_may_be_replaced_too(vault, desk):
    """It began with a block of a branch that lost."""
    desk.now = chain.found_ms(TWELFTH)
    made = recorder(vault, desk)
    follow(made, desk, TWELFTH + 1)
    assert heights(vault) == [TWELFTH, TWELFTH, TWELFTH + 1]
    check(vault)


def test_a_first_block_with_six_behind_it_is_not_replaced(vault, desk):
    """An address of another chain would replace everything on disk, and is named."""
    made = recorder(vault, desk)
    follow(made, desk, TWELFTH + 2)
    own = {f"{'e' * 60}{height:04}"[-64:]: height for height in range(START, TWELFTH + 9)}

    def other(path, answer):
        parts = path.split("/")
        if "tip" in path:
            return answer._replace(body=str(TWELFTH + 8).encode())
        height = int(parts[-1]) if "height" in path else own.get(parts[3], 0)
        name = next(key for key, at in own.items() if at == height)
        before = next((key for key, at in own.items() if at == height - 1), "a" * 64)
        if "height" in path:
            return answer._replace(status=200, body=name.encode())
        row = chain.block(height) | {"id": name, "previousblockhash": before}
        return answer._replace(status=200, body=orjson.dumps(row))

    desk.spoil = other
    with pytest.raises(FeedError, match="is of another chain"):
        made.step()
    assert heights(vault)[-1] == TWELFTH + 2


def test_a_branch_that_was_replaced_while_it_was_down(vault, desk):
    """The next start finds that the parent of the next block is another one."""
    follow(recorder(vault, desk), desk, TWELFTH)
    desk.now = chain.found_ms(TWELFTH + 2)
    follow(recorder(vault, desk), desk, TWELFTH + 2)
    assert blocks(vault)[-1]["generation"] == 1
    check(vault)


def test_a_block_that_comes_back_is_not_written_twice(vault, desk):
    """The chain returns to a branch that it had left."""
    made = recorder(vault, desk)
    follow(made, desk, TWELFTH + 1)
    stale = chain.block(TWELFTH, stale=True)["id"]
    branch = chain.block(TWELFTH + 1) | {"previousblockhash": stale, "height": TWELFTH + 2}
    name = chain.block_hash(TWELFTH + 2, desk.now)
    rows = {
        f"/api/block/{name}": branch | {"id": name, "previousblockhash": "d" * 64},
        f"/api/block/{'d' * 64}": branch | {"id": "d" * 64, "height": TWELFTH + 1},
    }

    def back(path, answer):
        if path in rows:
            return answer._replace(status=200, body=orjson.dumps(rows[path]))
        if path.startswith("/api/block-height/"):
            return answer._replace(status=200, body=name.encode())
        return answer._replace(body=str(TWELFTH + 2).encode()) if "tip" in path else answer

    desk.spoil = back
    assert made.step()
    assert blocks(vault)[-1]["hash"] == chain.block(TWELFTH - 1, stale=True)["id"]
    assert blocks(vault)[-1]["generation"] == 2
    check(vault)


def test_times_that_fall_stay_in_the_newest_file(vault, desk):
    """A block dated before midnight behind one dated after it stands in the later day's file."""
    follow(recorder(vault, desk, 1), desk, START + 160)
    check(vault, 1)
    files = [[orjson.loads(line)["timestamp_utc"][:10] for line in path.open("rb")]
             for _, path in day_files(vault.btc_transfers(ON_CHAIN))]  # fmt: skip
    days = [key for key, _ in day_files(vault.btc_transfers(ON_CHAIN))]
    assert len(days) >= 2
    assert all(max(met) == day for day, met in zip(days, files, strict=True))
    stamps = [row["timestamp_utc"] for row in lines(vault)]
    assert stamps != sorted(stamps)


@pytest.mark.parametrize("cut", [0, 1, 40, 700])
def test_it_goes_on_after_a_crash_within_a_block(vault, desk, cut):
    """Lines without the line of their block are completed, a torn one is cut off; none is twice."""
    follow(recorder(vault, desk, 1), desk, START + 2)
    wanted = lines(vault)
    log = vault.btc_blocks(ON_CHAIN)
    kept = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(kept[:-1]) + kept[-1][: cut // 10])
    path = max(day_files(vault.btc_transfers(ON_CHAIN)))[1]
    path.write_bytes(path.read_bytes()[: -cut or None])
    follow(recorder(vault, desk, 1), desk, START + 4)
    assert lines(vault)[: len(wanted)] == wanted
    check(vault, 1)


def test_the_disk_refuses_and_another_recorder_goes_on(vault, desk, monkeypatch):
    """Of a block whose sync failed nothing counts as written."""
    made = recorder(vault, desk, 1)
    follow(made, desk, START + 1)
    desk.now = chain.found_ms(START + 2)
    real, calls = os.fsync, iter(range(100))

    def failing(handle):
        if next(calls) == 1:  # the second: of the log of blocks
            raise OSError(errno.ENOSPC, "no space")
        real(handle)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(VaultError):
        made.step()
    monkeypatch.setattr(os, "fsync", real)
    made.close()
    follow(recorder(vault, desk, 1), desk, START + 3)
    check(vault, 1)


def test_a_bad_transaction_holds_its_block_back(vault, desk):
    """Nothing of the block is written, none after it either; a sound answer later heals it."""
    made = recorder(vault, desk)
    follow(made, desk, START)
    before = lines(vault)
    desk.now = chain.found_ms(START + 2)
    desk.spoil = spoiled("/txs/0", lambda page: page[2].update(fee=-1))
    with pytest.raises(FeedError, match="fee = -1"):
        made.step()
    assert (lines(vault), heights(vault)) == (before, [START])
    desk.spoil = lambda _, answer: answer
    follow(made, desk, START + 2)
    check(vault)


def test_another_chain_is_refused(vault, desk):
    """A test net behind the address writes nothing into the chain on disk."""
    made = recorder(vault, desk)
    follow(made, desk, START + 2)
    desk.now = chain.found_ms(START + 3)
    desk.spoil = spoiled("/api/block/", lambda row: row.update(previousblockhash="c" * 64))
    with pytest.raises(FeedError, match="HTTP 404"):
        made.step()
    assert heights(vault) == [START, START + 1, START + 2]


def test_a_median_time_never_falls(vault, desk):
    """A block of next year, or of last year, in the place of the next one."""
    made = recorder(vault, desk)
    follow(made, desk, START + 1)
    desk.now = chain.found_ms(START + 2)
    for shift in (-(10**7), 10**7):
        head = chain.block(START + 2)
        moved: dict[str, int] = {name: head[name] + shift for name in ("timestamp", "mediantime")}
        desk.spoil = spoiled("/api/block/", moved.__ror__)
        with pytest.raises(FeedError, match="mediantime"):
            made.step()
    assert heights(vault) == [START, START + 1]


def test_the_line_of_a_block_is_read_as_it_was_written(vault, desk):
    """All but the time of fetching, which nothing is computed from."""
    follow(recorder(vault, desk), desk, START)
    path = vault.btc_blocks(ON_CHAIN)
    line = path.read_bytes()
    row = orjson.loads(line)
    assert row["fetched_utc"] > row["timestamp_utc"]
    made = read_block(line)
    assert orjson.loads(made.line(0)) | {"fetched_utc": row["fetched_utc"]} == row
    assert made.least_sat == LEAST


def test_a_reorganisation_deeper_than_the_log_is_another_chain(vault, desk, monkeypatch):
    """The blocks that it remembers bound how far back it looks."""
    monkeypatch.setattr(chain_recorder, "DEEPEST", 1)
    made = recorder(vault, desk)
    follow(made, desk, TWELFTH)
    desk.now = chain.found_ms(TWELFTH + 1)
    with pytest.raises(FeedError, match="at most 1 blocks before"):
        made.step()
