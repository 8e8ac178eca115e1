"""The places of an hour, and the words about them."""

from ravequant.alerts.hour import HourBudget, next_place, used_words
from tests.support.alert_cases import MINUTE, NOW

HOUR = 60 * MINUTE


def test_the_next_place_is_free_an_hour_after_the_first():
    """Of as many as there are places, whatever the order in which they were noted."""
    hour = HourBudget(2)
    assert (hour.free(NOW), hour.full_until(NOW)) == (2, None)
    hour.take(NOW)
    assert (hour.free(NOW), hour.full_until(NOW)) == (1, None)
    assert hour.full_until(NOW, 1) == hour.full_until(NOW, 2) == NOW + HOUR
    hour.sent = [NOW + MINUTE, NOW, NOW + 2 * MINUTE]  # of a watch with more places
    assert (hour.free(NOW), hour.full_until(NOW)) == (0, NOW + MINUTE + HOUR)
    assert hour.free(NOW + 2 * HOUR) == 2


def test_what_is_old_or_lies_ahead_is_forgotten():
    """A clock that went back takes no place."""
    hour = HourBudget(2)
    hour.sent = [NOW - HOUR, NOW, NOW + MINUTE]
    hour.forget(NOW)
    assert hour.sent == [NOW]


def test_the_words_name_a_minute_in_which_a_place_is_free():
    """Not the minute before it."""
    assert next_place(NOW) == "next at 21:36 UTC"
    assert next_place(NOW + MINUTE // 2) == "next at 21:36 UTC"
    assert used_words(10, NOW, 2) == "10 of the hour are used, next at 21:36 UTC; 2 wait"
