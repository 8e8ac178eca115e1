"""States of a span: every minute equal to a question of that minute, in every field."""

import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravequant import times
from ravequant.catalog import DATA_SETS
from ravequant.signals import as_of
from ravequant.signals.day_states import DayStates
from ravequant.vault.commit import write_state
from ravequant.vault.paths import Vault
from tests.support import recordings
from tests.support.book_lines import put_metadata
from tests.support.examples import often
from tests.support.hour_vault import BTC, CONTRACT, MINUTE, START, event, put, put_hour, rows
from tests.support.lab_market import minutes_of, put_market, trades_of
from tests.support.notes_market import AT, Market, record

BACK = 130
FIRST = START // MINUTE


def parity(vault, minutes):
    """Compare the states of some minutes with questions of each of them, field by field."""
    states = DayStates(vault, BTC, minutes[0], minutes[-1], back=BACK)
    for minute in minutes:
        found = states.at(minute)
        wanted = as_of.read(vault, BTC, minute, back=BACK, past=False)
        for name in type(wanted).__dataclass_fields__:
            assert getattr(found, name) == getattr(wanted, name), (name, times.iso_minute(minute))
        assert found == wanted


@recordings.each(*recordings.EIGHT_HOURS)
def test_parity_on_recorded_trades_with_books(tmp_path, recording):
    """200 random minutes around midnight, before the first record and after the last."""
    vault = Vault(tmp_path)
    trades = trades_of(recording, -4 * times.HOUR_MS)
    put_market(vault, trades)
    first, last = minutes_of(trades)
    chosen = random.Random(7).sample(range(first - 30, last + 200), 198)
    midnight = last // times.DAY_MINUTES * times.DAY_MINUTES
    parity(vault, sorted({*chosen, midnight, midnight + 1}))
    parity(vault, [first + times.DAY_MINUTES + 300, first + times.DAY_MINUTES + 400])


def test_parity_on_the_set_up_of_the_notes(tmp_path):
    """Each minute of the hour around the signal."""
    vault = Vault(tmp_path)
    record(vault, Market())
    minute = times.parse_iso(AT) // MINUTE
    parity(vault, list(range(minute - 50, minute + 10)))


def test_an_empty_vault_has_empty_states(vault):
    """No file, no record and no error."""
    parity(vault, [FIRST, FIRST + 1])


def odd_events(chance):
    """Return events of a few wicks: repeated births, ends before them, damaged lines."""
    found = []
    for known in range(0, 4 * times.DAY_MINUTES, 41):
        kind = chance.choice(["created", "created", "touched", "expired", "moved"])
        birth = known if kind == "created" else max(0, known - chance.randrange(90))
        name = chance.randrange(4) if chance.random() < 0.5 else birth
        row = event(kind, known, birth) | {"event_id": f"{name}"}
        late = chance.random() < 0.05
        found.append(event("touched", known - 30, birth) if late else row)
    return found


@settings(max_examples=often(4, 10))
@given(st.integers(0, 1 << 30))
def test_odd_rows_are_the_same_rows(tmp_path_factory, seed):
    """Damaged and missing rows, repeated names, ends without births, hours without any row."""
    chance = random.Random(seed)
    vault = Vault(tmp_path_factory.mktemp("odd"))
    begin = chance.choice((0, 700))
    for name in ("volume", "cvd", "vwap"):
        made = [rows(minute)[name] for minute in range(begin, 3_000) if chance.random() < 0.7]
        if chance.random() < 0.5:
            made = [row for number, row in enumerate(made) if not 400 < number < 1_900]
        for row in chance.sample(made, 60):
            row.pop("gap")
        put(DATA_SETS[name].place(vault, BTC), made)
    put(DATA_SETS["wicks"].place(vault, BTC), odd_events(chance))
    put_metadata(vault, BTC, CONTRACT)
    put_metadata(vault, BTC, CONTRACT, since=START + 2_000 * MINUTE)
    if chance.random() < 0.5:
        committed = {"metric": "wicks", "instId": BTC, "fold": {"through": FIRST + 1_500}}
        write_state(vault.state("wicks", BTC), committed)
    chosen = chance.sample(range(FIRST - 100, FIRST + 6_000), 30)
    parity(vault, sorted(chosen))


def test_an_hour_minute_by_minute(vault):
    """Every minute of a small hour; and days later, when its newest rows are older than all."""
    put_hour(vault)
    parity(vault, list(range(FIRST - 2, FIRST + 70)))
    parity(vault, [FIRST + 4_000, FIRST + 4_001])


@pytest.mark.parametrize("stream", ["volume", "cvd", "vwap"])
def test_a_closed_bar_is_known_at_its_end_and_not_before(vault, stream):
    """The row of minute A is refused at A, and there at A + 1."""
    put_hour(vault)
    states = DayStates(vault, BTC, FIRST, FIRST + 60, back=BACK)
    for minute in range(FIRST + 1, FIRST + 60):
        assert getattr(states.at(minute), stream)[-1].minute == minute - 1


def test_events_count_from_the_minute_they_were_known(vault):
    """A pivot is known when its event says so, and no prefix of the file changes a state."""
    put_hour(vault)
    path = DATA_SETS["wicks"].place(vault, BTC)
    lines = path.read_bytes().splitlines(keepends=True)
    whole = DayStates(vault, BTC, FIRST, FIRST + 59, back=BACK)
    states = {minute: whole.at(minute) for minute in range(FIRST, FIRST + 60)}
    for minute, state in states.items():
        known = [
            line
            for line in lines
            if times.parse_iso(orjson.loads(line)["known_utc"]) <= minute * MINUTE
        ]
        path.write_bytes(b"".join(known))
        assert DayStates(vault, BTC, minute, minute, back=BACK).at(minute).wicks == state.wicks


@pytest.mark.parametrize("late", [1, 2, 7])
def test_a_row_out_of_order_is_never_known_early(vault, late):
    """SORTED: where times fall in a file, a line counts at the newest time before it.

    No row is in a state before its end, and none that stands behind a later one is lost.
    """
    put_hour(vault)
    place = DATA_SETS["volume"].place(vault, BTC)
    made = [rows(minute)["volume"] for minute in range(60)]
    made.insert(30 + late, made.pop(30))  # known at the end of the row before it
    put(place, made)
    states = DayStates(vault, BTC, FIRST, FIRST + 60, back=BACK)
    for minute in range(FIRST, FIRST + 61):
        found = {row.minute for row in states.at(minute).volume}
        wanted = set(range(FIRST, minute))
        if FIRST + 30 < minute <= FIRST + 30 + late:
            wanted.discard(FIRST + 30)
        assert found == wanted
