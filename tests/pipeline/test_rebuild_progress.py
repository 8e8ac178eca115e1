"""A rebuild says how far it is."""

import logging

from ravequant.pipeline.rebuild_progress import RebuildProgress


def test_progress_is_said_now_and_then(caplog):
    """Days done and the time left, at most every twenty seconds, and nothing before a day."""
    moment = [0.0]
    days = [f"2025-12-{number:02}" for number in range(1, 11)]
    with caplog.at_level(logging.INFO):
        progress = RebuildProgress("vwap BTC-USDT-SWAP", days, lambda: moment[0])
        for at, day in ((10, days[3]), (30, days[0]), (60, days[2]), (65, days[3]), (90, days[9])):
            moment[0] = at
            progress.at(day)
    assert caplog.messages == [
        "vwap BTC-USDT-SWAP: computed anew up to 2025-12-03, 2 of 10 files, about 4 min to go",
        "vwap BTC-USDT-SWAP: computed anew up to 2025-12-10, 9 of 10 files, about a minute to go",
    ]
