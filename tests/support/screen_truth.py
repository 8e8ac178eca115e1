"""The truth behind the screen: the clock of the exchange, and the newest rows that are on disk."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import requests

from ravequant import catalog, times
from ravequant.vault.paths import Vault

_TIME: Final = re.compile(rb'"(?:timestamp_utc|known_utc)":"([0-9T:.Z-]+)"')
_PRICE: Final = re.compile(rb'"(?:price|mid_price)":"([0-9.]+)"')
_AHEAD: Final = b'"ahead":true'
_PRICES: Final = 5_000  # of the newest that stood
_ROWS: Final = {"volume": catalog.VOLUME, "vwap": catalog.VWAP, "cvd": catalog.CVD}


def exchange_ms(rest_url: str) -> int:
    """Return the time of the exchange."""
    answer = requests.get(f"{rest_url}/api/v5/public/time", timeout=10)
    return int(answer.json()["data"][0]["ts"])


class LineFollower:
    """Reads the whole lines that were added to the newest file of a stream."""

    def __init__(self, data: catalog.DataSet, vault: Vault, inst_id: str) -> None:
        self._data, self._vault, self._inst_id = data, vault, inst_id
        self._path, self._read = Path(), 0

    def lines(self) -> Iterator[bytes]:
        """Yield the lines since the last look; a file that is cut to a whole line is read on."""
        newest = max(self._data.files(self._vault, self._inst_id), default=None)
        if newest is None:
            return
        if newest[1] != self._path:
            yield from self._added()
            self._path, self._read = newest[1], 0
        yield from self._added()

    def _added(self) -> Iterator[bytes]:
        if not self._path.name:
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            found = file.read()
        whole = found[: found.rfind(b"\n") + 1]
        self._read += len(whole)
        yield from whole.splitlines()


class DiskTruth:
    """The newest rows of an instrument; ``read`` reads what was added."""

    def __init__(self, vault: Vault, inst_id: str) -> None:
        self._state = vault.state("wicks", inst_id)
        self._files = {
            "trades": LineFollower(catalog.TRADES, vault, inst_id),
            "book": LineFollower(catalog.BOOK, vault, inst_id),
            "buckets": LineFollower(catalog.BUCKETS, vault, inst_id),
            "events": LineFollower(catalog.WICKS, vault, inst_id),
            **{name: LineFollower(data, vault, inst_id) for name, data in _ROWS.items()},
        }
        self._newest: dict[str, int] = {}  # Unix ms, of the end of a row's minute
        self._prices: dict[tuple[str, str], int] = {}  # by source and value, when it stood last

    def read(self) -> None:
        """Read all that was added to the files."""
        for name, file in self._files.items():
            for line in file.lines():
                self._take(name, line)
        for key in list(self._prices)[: max(0, len(self._prices) - _PRICES)]:
            del self._prices[key]

    def _take(self, name: str, line: bytes) -> None:
        moment = _TIME.search(line)
        if moment is None or _AHEAD in line:
            return
        ms = times.parse_iso(moment[1].decode())
        if name in _ROWS:
            ms += times.MINUTE_MS
        self._newest[name] = max(ms, self._newest.get(name, 0))
        if name in ("trades", "book") and (price := _PRICE.search(line)):
            key = ("mid" if name == "book" else "trade", _plain(price[1].decode()))
            stood = max(ms, self._prices.pop(key, 0))
            self._prices[key] = stood

    def ages_s(self, now_ms: int) -> dict[str, float | None]:
        """Return the age of each stream of the screen at a time; None without a row."""
        ends = {name: self._newest.get(name) for name in ("trades", "buckets", *_ROWS)}
        ends["wicks"] = self._wicks()
        return {name: None if end is None else (now_ms - end) / 1_000 for name, end in ends.items()}

    def _wicks(self) -> int | None:
        """Return up to when touches are known: SPEC 11, as far as the tracker has committed."""
        event = self._newest.get("events")
        if event is None:
            return None
        reached = max(event, self._newest.get("volume", 0))
        try:
            through = json.loads(self._state.read_bytes())["fold"]["through"]
        except FileNotFoundError:
            return event
        return min(reached, (int(through) + 1) * times.MINUTE_MS)

    def price_age_s(self, value: str, source: str, now_ms: int) -> float | None:
        """Return how long ago a price stood last on disk; None: not among the newest."""
        stood = self._prices.get((source, _plain(value)))
        return None if stood is None else (now_ms - stood) / 1_000


def _plain(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
