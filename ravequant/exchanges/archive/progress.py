"""How far a download is, its rate and the time left: one line on a terminal, lines elsewhere."""

import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Final, TextIO

import orjson

from ravequant import times
from ravequant.exchanges.archive.plan import megabytes
from ravequant.vault.atomic import replace_file
from ravequant.vault.paths import StrPath, user_path

_WINDOW_S: Final = 30.0  # the rate is that of the last half minute
_SCREEN_S: Final = 0.5
_LINE_S: Final = 60.0  # elsewhere: of a long file
_RATE: Final = ".rate.json"


class DownloadProgress:
    """Writes how far a download is; a `Watcher` of a Fetcher."""

    def __init__(
        self,
        total: int,
        *,
        out: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin a download of about ``total`` bytes, of all files together."""
        self._total = total
        self._out = sys.stderr if out is None else out
        self._clock = clock
        self._done = 0  # bytes of whole files, and of this file before it was gone on with
        self._name, self._size, self._have = "", 0, 0
        self._came: deque[tuple[float, int]] = deque()  # (moment, bytes received until then)
        self._received = 0
        self._shown_at = clock()
        self._width = 0

    @property
    def rate(self) -> float | None:
        """Return the bytes a second of the last half minute; None before there are any."""
        if len(self._came) < 2:
            return None
        (began, first), (ended, last) = self._came[0], self._came[-1]
        return (last - first) / (ended - began) if ended > began else None

    def begins(self, name: str, size: int, have: int) -> None:
        """Take note of a transfer."""
        self._name, self._size, self._have = name, size, have
        self._came.append((self._clock(), self._received))

    def receives(self, size: int) -> None:
        """Count bytes, and show them now and then."""
        now = self._clock()
        self._have += size
        self._received += size
        self._came.append((now, self._received))
        while now - self._came[0][0] > _WINDOW_S:
            self._came.popleft()
        screen = self._out.isatty()
        if now - self._shown_at >= (_SCREEN_S if screen else _LINE_S):
            self._show(self._text(), rewritten=screen)

    def ends(self, name: str) -> None:
        """Show that a file is whole."""
        self._done += self._have
        text = f"{name}: whole, {megabytes(self._have)}"
        self._have = self._size = 0
        self._show(f"{text}; {self._left()}", rewritten=False)

    def waits(self, name: str, reason: str, seconds: float) -> None:
        """Show a wait."""
        self._show(f"{name}: {reason}; goes on in {seconds:.0f} s", rewritten=False)

    def _text(self) -> str:
        share = 100 * self._have // self._size if self._size else 0
        return f"{self._name}: {share} % of {megabytes(self._size)}; {self._left()}"

    def _left(self) -> str:
        rate, left = self.rate, max(0, self._total - self._done - self._have)
        if not rate:
            return f"{megabytes(left)} left"
        span = times.duration(round(left / rate * 1_000))
        return f"{megabytes(rate)}/s, {megabytes(left)} left, about {span}"

    def _show(self, text: str, *, rewritten: bool) -> None:
        self._shown_at = self._clock()
        if rewritten:
            self._out.write(f"\r{text.ljust(self._width)}")
            self._width = len(text)
        else:
            erased = f"\r{' ' * self._width}\r" if self._width else ""
            self._out.write(f"{erased}{text}\n")
            self._width = 0
        self._out.flush()


def keep_rate(folder: StrPath, rate: float | None) -> None:
    """Keep the rate of a download, for the plan of the next one."""
    if rate:
        replace_file(user_path(folder) / _RATE, orjson.dumps({"bytes_a_second": round(rate)}))


def kept_rate(folder: StrPath) -> float | None:
    """Return the rate of the last download into a folder; None if there was none."""
    try:
        row = orjson.loads((user_path(folder) / _RATE).read_bytes())
        rate = row["bytes_a_second"]
    except (OSError, orjson.JSONDecodeError, TypeError, KeyError):
        return None
    return float(rate) if isinstance(rate, int) and rate > 0 else None
