"""The archive of the local exchange: a folder's files and their listing, with faults."""

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from ravequant import times
from ravequant.sim import archive_spoil
from ravequant.sim.archive_files import ALL_SWAPS, UTC8_MS
from ravequant.sim.faultplan import FaultPlan
from ravequant.sim.faults import Fault
from ravequant.sim.replies import HttpAnswer, RestError, envelope
from ravequant.vault.paths import StrPath

LISTING: Final = "/api/v5/public/market-data-history"
FILES: Final = "/cdn/"
_WORDS: Final = {
    "1": "trades",
    "2": "candlesticks",
    "3": "fundingrates",
    "4": "L2orderbook-400lv",
    "5": "L2orderbook-5000lv",
}
_PLACES: Final = {  # of the files of each word
    "trades": "okex/traderecords/trades",
    "candlesticks": "okex/traderecords/candlesticks",
    "fundingrates": "okex/traderecords/swaprates",
    "L2orderbook-400lv": "okx/match/orderbook/pro/L2/400lv",
    "L2orderbook-5000lv": "okx/match/orderbook/pro/L2/5000lv",
}
_BOOKS: Final = ("4", "5")
_FILE: Final = re.compile(
    rf"(.+)-({'|'.join(_PLACES)})-(\d{{4}}-\d{{2}}(?:-\d{{2}})?)\.(?:zip|tar\.gz)"
)
_MOST: Final = 10  # days or months of a call
_LISTED: Final = ("unlisted", "part", "small")
_SERVED: Final = ("missing", "cut", "capitals", *archive_spoil.WAYS)
_RANGE: Final = re.compile(r"bytes=(\d+)-")
_MEBI: Final = 1 << 20


class _File(NamedTuple):
    path: Path
    inst_id: str
    word: str
    label: str


class PublishedFolder:
    """Serves the files of a folder under the exchange's names; others in it are no part of it."""

    def __init__(
        self,
        folder: StrPath,
        plan: FaultPlan,
        market: Callable[[], tuple[int, int]],
        host: Callable[[], str],
    ) -> None:
        """Serve ``folder``; ``market`` gives market time and that since its start (ms)."""
        self._folder = Path(folder)
        self._plan = plan
        self._market = market
        self._host = host  # and port, of the addresses of the files

    def listing(self, query: Mapping[str, str]) -> HttpAnswer:
        """Return the answer to a listing. Raises RestError for a query that is refused."""
        module, monthly = query.get("module", ""), query.get("dateAggrType") == "monthly"
        if module not in _WORDS or query.get("instType") != "SWAP":
            raise RestError("51000", "Parameter module error")
        first, last = (_label(query, name, module, monthly=monthly) for name in ("begin", "end"))
        if not 0 <= _steps(first, last) < _MOST:
            raise RestError("50076", "", 400)
        details = []
        for family in query.get("instFamilyList", "").split(","):
            inst_id = ALL_SWAPS if family == "ANY" else f"{family}-SWAP"
            files = [
                file
                for file in self._files()
                if (file.inst_id, file.word) == (inst_id, _WORDS[module])
                and first <= file.label <= last
                and len(file.label) == len(first)
            ]
            rows = self._rows(files, module)
            if rows:
                details.append(_detail(family, rows))
        row = {"dateAggrType": query.get("dateAggrType", ""), "details": details}
        row |= {"totalSizeMB": _total(details), "ts": str(self._market()[0])}
        return envelope([row])

    def file(self, path: str, headers: Mapping[str, str]) -> HttpAnswer:
        """Return the answer to a GET of a file: whole, a range, 404, or as a fault has it."""
        name = path.rpartition("/")[2]
        known = next((file for file in self._files() if file.path.name == name), None)
        if known is None or path != _path(known):
            return _not_found()
        fault = self._fault(known, _SERVED)
        how = "" if fault is None else fault.how
        if how == "missing":
            return _not_found()
        data = known.path.read_bytes()
        if fault is not None and how in archive_spoil.WAYS:
            data = archive_spoil.spoiled(data, name, fault)
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        answer = _served(data, etag.upper() if how == "capitals" else etag, headers)
        if fault is not None and how == "cut":
            answer = answer._replace(body=answer.body[: fault.length or len(answer.body) // 2])
        return answer

    def _files(self) -> list[_File]:
        """Return the files of the folder, newest first."""
        found = []
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            match = _FILE.fullmatch(path.name)
            if match is not None and not path.name.startswith("."):
                found.append(_File(path, match[1], match[2], match[3]))
        return sorted(found, key=lambda file: file.label, reverse=True)

    def _fault(self, file: _File, hows: tuple[str, ...]) -> Fault | None:
        return self._plan.archive(file.path.name, file.inst_id, self._market()[1], hows)

    def _rows(self, files: list[_File], module: str) -> list[dict[str, Any]]:
        rows = []
        for file in files:
            fault = self._fault(file, _LISTED)
            how = "" if fault is None else fault.how
            if how == "unlisted":
                continue
            rows.append(_row(file, module, self._host(), small=how == "small"))
            if fault is not None and how == "part" and len(rows) >= (fault.length or 1):
                break
        return rows


def _label(query: Mapping[str, str], name: str, module: str, *, monthly: bool) -> str:
    """Return the day or month of a bound: only its date counts, in the zone of the module."""
    text = query.get(name, "")
    if not (text.isascii() and text.isdigit()):
        raise RestError("50014", f"Parameter {name} can not be empty.", 400)
    day = times.day(int(text) + _zone_ms(module))
    return day[:7] if monthly else day


def _zone_ms(module: str) -> int:
    return 0 if module in _BOOKS else UTC8_MS


def _steps(first: str, last: str) -> int:
    """Return how many days or months lie between two labels."""
    if len(first) == len("2025-01"):
        years, months = (int(last[k]) - int(first[k]) for k in (slice(4), slice(5, 7)))
        return years * 12 + months
    return (times.day_start_ms(last) - times.day_start_ms(first)) // times.DAY_MS


def _start_ms(file: _File, module: str) -> int:
    date = file.label if len(file.label) == len("2025-01-31") else f"{file.label}-01"
    return times.day_start_ms(date) - _zone_ms(module)


def _path(file: _File) -> str:
    day = file.label.replace("-", "")
    period = "daily" if len(day) == len("20250131") else "monthly"
    return f"{FILES}{_PLACES[file.word]}/{period}/{day}/{file.path.name}"


def _row(file: _File, module: str, host: str, *, small: bool) -> dict[str, str]:
    size = file.path.stat().st_size / _MEBI
    return {
        "dateTs": str(_start_ms(file, module)),
        "filename": file.path.name,
        "sizeMB": "0" if small or size < 0.005 else f"{size:.2f}",
        "url": f"http://{host}{_path(file)}{'' if module in _BOOKS else '?v=999'}",
    }


def _detail(family: str, rows: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "ccy": "",
        "dateRangeEnd": rows[0]["dateTs"],
        "dateRangeStart": rows[-1]["dateTs"],
        "groupDetails": rows,
        "groupSizeMB": f"{sum(float(row['sizeMB']) for row in rows):.2f}",
        "instFamily": family,
        "instId": "",
        "instType": "SWAP",
    }


def _total(details: list[dict[str, Any]]) -> str:
    return f"{sum(float(detail['groupSizeMB']) for detail in details):.2f}" if details else "0"


def _served(data: bytes, etag: str, headers: Mapping[str, str]) -> HttpAnswer:
    """Return the bytes that a request asks for: all of them, or from a byte on."""
    quoted = f'"{etag}"'
    own = {"ETag": quoted, "Accept-Ranges": "bytes"}
    asked = _RANGE.fullmatch(headers.get("Range", ""))
    if asked is None or headers.get("If-Range", quoted) != quoted:
        return _whole(200, data, own)
    first = int(asked[1])
    if first >= len(data):
        return _whole(416, b"", {**own, "Content-Range": f"bytes */{len(data)}"})
    span = f"bytes {first}-{len(data) - 1}/{len(data)}"
    return _whole(206, data[first:], {**own, "Content-Range": span})


def _whole(status: int, body: bytes, headers: dict[str, str]) -> HttpAnswer:
    """Return an answer whose Content-Length stays that of all its bytes if a fault cuts it."""
    length = {"Content-Length": str(len(body))}
    return HttpAnswer(status, body, "application/octet-stream", headers=headers | length)


def _not_found() -> HttpAnswer:
    return HttpAnswer(404, b"<Error><Code>NoSuchKey</Code></Error>", "application/xml")
