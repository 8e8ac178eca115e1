"""How far an answer read: what it says can be given back, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import times
from ravequant.errors import UsageError
from ravequant.signals.seen import LAGGING, NO_ENTRY, Lagging, Seen, parse_seen

MOMENT = times.parse_iso("2025-12-14T21:35:01.900Z")
moments = st.integers(1, MOMENT)


@given(
    st.none() | st.integers(0, 10**18 - 1),
    st.none() | moments,
    st.dictionaries(st.sampled_from(LAGGING), st.just(0) | moments),
    st.none() | moments,
    st.none() | st.sampled_from(NO_ENTRY),
)
def test_what_is_written_is_read(trade_id, book_ms, reach, verdict_ms, no_entry):
    """Trades, snapshots, calculators, verdict and no entry, each perhaps not there at all."""
    seen = Seen(trade_id, book_ms, reach, verdict_ms, no_entry)
    assert parse_seen(seen.text) == seen


def test_the_form_that_people_see():
    """Id and time; a calculator only where it was behind; a dash where there is nothing."""
    assert Seen(12, MOMENT).text == "12,2025-12-14T21:35:01.900Z"
    lags: dict[Lagging, int] = {"vwap": MOMENT - 1_900, "wicks": 0}
    assert Seen(None, None, lags).text == "-,-,wicks=-,vwap=2025-12-14T21:35:00.000Z"
    assert Seen(None, None, {"wicks": 0}, MOMENT, "recorder").text == (
        "-,-,wicks=-,recorder,verdict=2025-12-14T21:35:01.900Z"
    )


@pytest.mark.parametrize(
    "text",
    ["", "12", "12,", "12 2025-12-14T21:35:01.900Z", "x,-", "-1,-", "12,2025-13-14T21:35:01.900Z",
     "12,21:35", "12,-,tape=-", "12,-,verdict", "12,-,vwap", "12,-,", "1234567890123456789,-",
     "12,-,recorders", "12,-,recorder=2025-12-14T21:35:01.900Z"],
)  # fmt: skip
def test_anything_else_is_refused(text):
    """With the form that is expected."""
    with pytest.raises(UsageError) as caught:
        parse_seen(text)
    assert str(caught.value) == (
        f"--seen {text!r}: expected ID,TIME as an answer shows it, like "
        "1234567890,2025-12-14T21:35:01.900Z"
    )
