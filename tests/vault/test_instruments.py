"""Contract metadata: what is accepted, kept, and in force when."""

from dataclasses import replace

import orjson
import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.errors import FeedError, VaultError
from ravequant.vault import instruments
from ravequant.vault.instruments import InstrumentHistory
from tests.support.wick_vault import START, tick_size

BTC = "BTC-USDT-SWAP"
NOON = times.parse_iso("2025-12-14T12:00:00.000Z")
ROW = {
    "alias": "", "ctMult": "1", "ctType": "linear", "ctVal": "0.01", "ctValCcy": "BTC",
    "futureSettlement": False, "instFamily": "BTC-USDT", "instId": BTC, "instIdCode": 10459,
    "instType": "SWAP", "lotSz": "0.01", "minSz": "0.01", "settleCcy": "USDT", "state": "live",
    "tickSz": "0.1",
}  # fmt: skip
REMEDY = "start the trade exporter once, it fetches the metadata"


@pytest.fixture
def meta():
    """Return the metadata of BTC's perpetual."""
    return instruments.parse_instrument(ROW, NOON)


def test_reads_the_row_of_the_exchange(meta):
    """Numbers stay the text they came as; the whole row is kept."""
    assert meta.contract == Contract("0.01", "1", "linear")
    assert (meta.inst_id, meta.fetched_ms, meta.state) == (BTC, NOON, "live")
    assert (meta.tick_sz, meta.lot_sz, meta.min_sz) == ("0.1", "0.01", "0.01")
    assert (meta.ct_val_ccy, meta.settle_ccy) == ("BTC", "USDT")
    assert meta.raw == ROW


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("instId", "btc", ("instId: instrument 'btc' is not a legal name: expected capitals, "
         "digits and _ joined by dashes, like BTC-USDT-SWAP")),
        ("ctVal", "", "ctVal: '' is not a plain decimal"),
        ("ctVal", 0.01, "ctVal: 0.01 is not a string"),
        ("ctMult", "0", "ctMult: '0' is not above zero"),
        ("ctType", "", "ctType: '' is neither linear nor inverse"),
        ("tickSz", "1e-1", "tickSz: '1e-1' is not a plain decimal"),
        ("lotSz", None, "lotSz: None is not a string"),
        ("minSz", "-1", "minSz: '-1' is not a plain decimal"),
        ("ctValCcy", "", "ctValCcy: '' is not a string with something in it"),
        ("settleCcy", None, "settleCcy: None is not a string with something in it"),
        ("state", 1, "state: 1 is not a string with something in it"),
    ],
)  # fmt: skip
def test_refuses_a_row_it_cannot_use(field, value, reason):
    """Each departure is an error that names instrument, field, value and what to do."""
    with pytest.raises(FeedError) as caught:
        instruments.parse_instrument({**ROW, field: value})
    inst_id = value if field == "instId" else BTC
    assert str(caught.value) == (
        f"the exchange's row of instrument '{inst_id}' cannot be used: {reason}; "
        "if it is newly listed try again when it trades, else leave it out"
    )


@pytest.mark.parametrize("field", ["instId", "ctVal", "ctType", "tickSz", "state"])
def test_a_value_nested_deeply_is_refused_like_any_other(field):
    """What cannot even be written out is named all the same."""
    deep: list[object] = []
    for _ in range(5_000):
        deep = [deep]
    with pytest.raises(FeedError, match=rf"cannot be used: {field}: .*\[\[\[\.\.\.\]\]\]"):
        instruments.parse_instrument({**ROW, field: deep})


def test_unknown_fields_and_states_are_no_obstacle():
    """The exchange adds fields and states often: they are kept and otherwise ignored."""
    row = {**ROW, "rpi": "2", "upcChg": [{"param": "tickSz"}], "state": "rebase"}
    assert instruments.parse_instrument(row).raw["upcChg"] == [{"param": "tickSz"}]


def test_saved_metadata_is_loaded_as_it_was(vault, meta):
    """The file holds the fields of SPEC section 3 in their order."""
    instruments.save(vault, meta, None)
    assert instruments.load(vault, BTC) == meta
    written = orjson.loads(vault.metadata(BTC).read_bytes())
    assert list(written) == [
        "instId", "fetched_utc", "ctVal", "ctMult", "ctType", "ctValCcy", "settleCcy", "tickSz",
        "lotSz", "minSz", "state", "raw",
    ]  # fmt: skip
    assert written["fetched_utc"] == "2025-12-14T12:00:00.000Z"


def test_absent_metadata(vault):
    """The remedy is to start the exporter."""
    with pytest.raises(VaultError) as caught:
        instruments.load(vault, BTC)
    assert str(caught.value) == (
        f"{vault.metadata(BTC)}: there is no metadata of BTC-USDT-SWAP; {REMEDY}"
    )


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        (b"[]", "not a JSON object with the exchange's row in raw"),
        (b'{"instId":"BTC-USDT-SWAP"}', "not a JSON object with the exchange's row in raw"),
        (b'{"instId":"X-Y","raw":{}}', "instId: 'X-Y' is not 'BTC-USDT-SWAP'"),
        (
            b'{"instId":"BTC-USDT-SWAP","raw":{}}',
            "fetched_utc: 'None' is not a UTC time like 2025-12-14T21:34:56.123Z",
        ),
    ],
)
def test_damaged_metadata(vault, left, reason):
    """Garbage is an error, never a guess."""
    path = vault.metadata(BTC)
    path.parent.mkdir(parents=True)
    path.write_bytes(left)
    with pytest.raises(VaultError) as caught:
        instruments.load(vault, BTC)
    assert str(caught.value) == f"{path}: is not metadata of BTC-USDT-SWAP: {reason}; {REMEDY}"


@pytest.mark.parametrize("cut", [0, 1, 50, 200])
def test_cut_metadata(vault, meta, cut):
    """A cut file is an error."""
    instruments.save(vault, meta, None)
    path = vault.metadata(BTC)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(VaultError, match="is not metadata of BTC-USDT-SWAP: not JSON: "):
        instruments.load(vault, BTC)


def test_only_a_change_makes_history(vault, meta):
    """The same terms, fetched again, write no second line."""
    assert instruments.save(vault, meta, None)
    later = replace(meta, fetched_ms=NOON + 1, raw={**ROW, "maxMktSz": "9"})
    assert not instruments.save(vault, later, NOON)
    assert instruments.load(vault, BTC) == later
    assert instruments.history(vault, BTC) == [(None, meta)]


@pytest.mark.parametrize(
    "field",
    ["ctVal", "ctMult", "ctValCcy", "settleCcy", "tickSz", "lotSz", "minSz", "state"],
)
def test_each_term_counts_as_a_change(vault, meta, field):
    """A change of any named field appends a line with the time of the newest record."""
    instruments.save(vault, meta, None)
    changed = instruments.parse_instrument({**ROW, field: "5"}, NOON)
    assert instruments.save(vault, changed, NOON + 7)
    assert instruments.history(vault, BTC) == [(None, meta), (NOON + 7, changed)]
    line = vault.metadata_history(BTC).read_bytes().splitlines()[1]
    assert line.startswith(b'{"from_utc":"2025-12-14T12:00:00.007Z","instId":"BTC-USDT-SWAP",')


def test_a_crash_between_history_and_metadata_repeats_nothing(vault, meta):
    """The history line decides what is new, so the step can be done again."""
    instruments.save(vault, meta, NOON)
    vault.metadata(BTC).unlink()
    assert not instruments.save(vault, meta, NOON + 9)
    assert instruments.history(vault, BTC) == [(NOON, meta)]
    assert instruments.load(vault, BTC) == meta


def test_what_is_in_force_when(meta):
    """A line holds for records with a later time; before the first line the first holds."""
    first, second, third = (replace(meta, tick_sz=tick) for tick in ("0.1", "0.5", "1"))
    changes = [(NOON, first), (NOON + 10, second), (NOON + 20, third)]
    assert instruments.in_force(changes, NOON - 5) is first
    assert instruments.in_force(changes, NOON + 10) is first
    assert instruments.in_force(changes, NOON + 11) is second
    assert instruments.in_force(changes, NOON + 20) is second
    assert instruments.in_force(changes, NOON + 21) is third
    assert instruments.in_force([(None, first), (NOON, second)], NOON) is first


def test_nothing_is_in_force_without_history(vault):
    """No history file is an empty history, and that answers no question."""
    with pytest.raises(VaultError) as caught:
        instruments.in_force(instruments.history(vault, BTC), NOON)
    assert str(caught.value) == f"there is no history of the metadata; {REMEDY}"


def test_a_torn_history_line_is_not_read_and_not_glued(vault, meta):
    """Half a line counts for nothing, and the next stands alone."""
    instruments.save(vault, meta, None)
    path = vault.metadata_history(BTC)
    path.write_bytes(path.read_bytes() + b'{"from_utc":"2025')
    assert instruments.history(vault, BTC) == [(None, meta)]
    changed = replace(meta, tick_sz="0.5")
    assert instruments.save(vault, changed, NOON)
    assert instruments.history(vault, BTC) == [(None, meta), (NOON, changed)]


def test_a_damaged_history_line_is_an_error_for_readers_only(vault, meta):
    """No tick size is guessed; the exporter goes on recording all the same."""
    instruments.save(vault, meta, None)
    path = vault.metadata_history(BTC)
    path.write_bytes(path.read_bytes() + b"\0\0}\n")
    with pytest.raises(VaultError) as caught:
        instruments.history(vault, BTC)
    message = str(caught.value)
    assert message.startswith(f"{path}: line 2 is not metadata of BTC-USDT-SWAP: not JSON: ")
    assert message.endswith("; mend that line or take it out")
    assert not instruments.save(vault, meta, NOON)
    assert instruments.save(vault, replace(meta, tick_sz="0.5"), NOON)


# -- the metadata in force at a time


def test_terms_change_for_records_later_than_the_change(vault):
    """A record of the very millisecond still has the old ones."""
    tick_size(vault, "0.1")
    tick_size(vault, "0.5", START)
    terms = InstrumentHistory(vault, BTC)
    found = [terms.at(START + ms).tick_sz for ms in (-1, 0, 1)]
    assert found == ["0.1", "0.1", "0.5"]


def test_a_line_of_history_that_is_added_counts_after_refresh(vault):
    """Not before: one answer holds from refresh to refresh."""
    tick_size(vault, "0.1")
    terms = InstrumentHistory(vault, BTC)
    tick_size(vault, "0.5", START)
    assert terms.at(START + 1).tick_sz == "0.1"
    terms.refresh()
    assert terms.at(START + 1).tick_sz == "0.5"


def test_without_a_history_the_metadata_hold_for_all_time(vault):
    """An older vault has only the one file."""
    tick_size(vault, "0.1")
    vault.metadata_history(BTC).unlink()
    assert InstrumentHistory(vault, BTC).at(0).tick_sz == "0.1"


def test_without_either_it_says_the_remedy(vault):
    """A tick size is never guessed."""
    with pytest.raises(VaultError) as error:
        InstrumentHistory(vault, BTC)
    assert str(error.value) == (
        f"{vault.metadata(BTC)}: there is no metadata of {BTC}; start the trade exporter once, it "
        "fetches the metadata"
    )


TENTH, NOW = Contract("0.1", "1", "linear"), Contract("0.01", "1", "linear")


def test_contracts_of_imported_days_stand_before_the_first_line(vault, meta):
    """The first line then says from when it holds; before the oldest of them that one holds."""
    instruments.save(vault, meta, None)
    instruments.note_earlier(vault, BTC, {"2025-01-03": TENTH, "2025-01-02": TENTH})
    history = instruments.history(vault, BTC)
    assert [known.contract for _, known in history] == [TENTH, NOW]
    assert [since for since, _ in history] == [
        None,
        times.parse_iso("2025-01-03T23:59:59.999Z"),
    ]
    at = {
        moment: instruments.in_force(history, times.parse_iso(moment)).contract
        for moment in ("2024-01-01T00:00:00Z", "2025-01-03T23:59:59.999Z", "2025-01-04T00:00:00Z")
    }
    assert list(at.values()) == [TENTH, TENTH, NOW]
    before = vault.metadata_history(BTC).read_bytes()
    instruments.note_earlier(vault, BTC, {"2025-01-02": TENTH})  # known already
    assert vault.metadata_history(BTC).read_bytes() == before
    instruments.note_earlier(vault, BTC, {})
    assert vault.metadata_history(BTC).read_bytes() == before


def test_a_first_line_with_a_time_keeps_it(vault, meta):
    """Days from there on are not touched by an import."""
    instruments.save(vault, meta, times.parse_iso("2025-02-01T12:00:00.000Z"))
    instruments.note_earlier(vault, BTC, {"2025-01-02": TENTH, "2025-02-03": TENTH})
    history = instruments.history(vault, BTC)
    assert [(since, known.contract) for since, known in history] == [
        (None, TENTH),
        (times.parse_iso("2025-02-01T12:00:00.000Z"), NOW),
    ]
