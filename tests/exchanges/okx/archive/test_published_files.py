"""What OKX publishes, as programs find it."""

from ravequant.exchanges import NAMES, load_publisher
from ravequant.exchanges.okx.archive.published_files import PUBLISHER, TERMS


def test_the_publisher_is_found_by_the_exchange_s_name():
    """Programs know the name alone; each exchange has one."""
    assert [load_publisher(name).terms for name in NAMES] == [TERMS]
    assert load_publisher("okx") is PUBLISHER


def test_the_terms_are_two_lines():
    """Short enough to be read."""
    assert len(TERMS) == 2
    assert all(len(line) < 100 for line in TERMS)


def test_days_need_the_labels_of_their_stream():
    """Two for trades, one for books."""
    assert PUBLISHER.labels_of("trades", "2025-01-31") == ("2025-01-31", "2025-02-01")
    assert PUBLISHER.labels_of("books", "2025-01-31") == ("2025-01-31",)
    assert PUBLISHER.month_of("2025-01-31") == "2025-01"
